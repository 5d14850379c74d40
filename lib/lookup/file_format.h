#ifndef LIB_LOOKUP_FILE_FORMAT_H
#define LIB_LOOKUP_FILE_FORMAT_H

/* A file pattern's chunks besides META: values (16 bytes: origins, offset of the name, malicious,
 * kind, two zeros), names (NUL-terminated, the empty one first), a key table for each kind of
 * digest. */
#define FILE_VALUES_ID "VALS"
#define FILE_NAMES_ID "NAME"
#define FILE_CHUNK_COUNT 6

#define FILE_VALUE_SIZE 16

/* By enum digest_kind. */
static const char file_table_ids[3][5] = {"MD5 ", "SHA1", "S256"};

#endif
