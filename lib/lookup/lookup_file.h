#ifndef LIB_LOOKUP_LOOKUP_FILE_H
#define LIB_LOOKUP_LOOKUP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"

/*
 * A lookup file: header, chunk table, chunks, SHA-256 of it all (docs/pattern-format.md). It is
 * immutable. A file that is open has been verified completely: sizes, order, checksum; the readers
 * of its chunks need no further checks against damage, only against the query.
 * Any number of threads may read it.
 */
enum lookup_kind {
	LOOKUP_KIND_WEB = 1, /* Web Blocking Pattern: web_pattern.h */
	LOOKUP_KIND_FILES = 2, /* Smart Scan Pattern: file_pattern.h */
	LOOKUP_KIND_POLICY = 3, /* rules and suspicious objects: policy.h */
	LOOKUP_KIND_KEYWORDS = 4 /* compiled keyword rules: lib/verdict/keyword_set.h */
};

struct lookup_file;

/*
 * Reads all of `fd` (from offset 0, its size taken by fstat) into memory of our own, which later
 * changes of the file cannot reach, and verifies it: container, checksum, and that it is of `kind`.
 * SK_E_CORRUPT, SK_E_VERSION, SK_E_LIMIT, -errno; `error` says what is wrong with which part.
 * `fd` stays the caller's. lookup_file_close frees the result.
 */
int lookup_file_load(int fd, enum lookup_kind kind, struct lookup_file **ret_file,
        struct error *error) SK_MUST_USE;

/* The same over bytes that the caller keeps alive and unchanged (tests, memory just built). */
int lookup_file_over(const void *data, size_t size, enum lookup_kind kind,
        struct lookup_file **ret_file, struct error *error) SK_MUST_USE;

void lookup_file_close(struct lookup_file *file); /* NULL allowed */

size_t lookup_file_size(const struct lookup_file *file);
const unsigned char *lookup_file_checksum(const struct lookup_file *file); /* SHA256_SIZE bytes */

/* A chunk by its four letters; NULL and 0 when the file has none of that name. Chunks start at
 * multiples of 64 bytes. */
const unsigned char *lookup_file_chunk(
        const struct lookup_file *file, const char id[4], size_t *ret_size);

/*
 * Writing: chunks in the order they are to stand in. Everything goes to `fd` (write, in order); the
 * caller decides about temporary names, fsync and rename (lib/base/file.h).
 */
struct lookup_writer;
int lookup_writer_new(int fd, enum lookup_kind kind, unsigned chunk_count,
        struct lookup_writer **ret_writer) SK_MUST_USE;
int lookup_writer_start_chunk(struct lookup_writer *writer, const char id[4]) SK_MUST_USE;
int lookup_writer_add(struct lookup_writer *writer, const void *bytes, size_t size) SK_MUST_USE;
/* Writes table and checksum. Frees the writer in every case. */
int lookup_writer_finish(struct lookup_writer *writer) SK_MUST_USE;
void lookup_writer_free(struct lookup_writer *writer); /* gives up; NULL allowed */

#endif
