#ifndef LIB_DATA_DIGEST_H
#define LIB_DATA_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/* Identifications of files. */
enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_KIND_COUNT };

#define DIGEST_SIZE_MAX 32
#define DIGEST_TEXT_SIZE 65

struct digest {
	uint8_t kind; /* enum digest_kind */
	uint8_t bytes[DIGEST_SIZE_MAX];
};

/* Bytes of a kind: 16, 20 or 32. */
size_t digest_size(enum digest_kind kind);

/* "md5", "sha1", "sha256". */
const char *digest_kind_name(enum digest_kind kind);

/* From 32, 40 or 64 hexadecimal digits of either case; the length tells the kind. 0 or SK_E_SYNTAX.
 */
int digest_parse(const char *text, size_t length, struct digest *ret_digest) SK_MUST_USE;

/* Lower-case hexadecimal text with a NUL; returns the length. */
size_t digest_format(const struct digest *digest, char ret_text[DIGEST_TEXT_SIZE]);

#endif
