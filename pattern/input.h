#ifndef PATTERN_INPUT_H
#define PATTERN_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"

/*
 * A list as a stream of bytes or lines, in memory of fixed size, whatever the length of the list.
 * .xz, .gz and .zst are recognised by their first bytes and expanded by libarchive. Not for use by
 * two threads at once.
 */
struct input;

/* What one list may be when it is expanded: 100 million lines of usual length. */
#define INPUT_EXPANDED_MAX (8ull * 1024 * 1024 * 1024)

/* Reads `fd` from where it stands; `fd` stays the caller's and must outlive the input. At most
 * `maximum` expanded bytes are read. 0, -errno or -ENOMEM; `error` gets the reason. */
int input_open(int fd, uint64_t maximum, struct input **ret_input, struct error *error) SK_MUST_USE;

/* Over bytes in memory, which the caller keeps; never expanded. */
int input_over(const void *bytes, size_t size, struct input **ret_input) SK_MUST_USE;

void input_close(struct input *input); /* NULL allowed */

/* What is there without reading on, at least one byte unless the end has come (then *ret_size is
 * 0). Valid until the next call. 0 or an error: SK_E_LIMIT (more than the maximum), SK_E_CORRUPT
 * (damaged compression), -errno. */
int input_peek(struct input *input, const char **ret_bytes, size_t *ret_size) SK_MUST_USE;

/* Consumes `size` of the bytes that input_peek gave. */
void input_consume(struct input *input, size_t size);

/*
 * The next line without its LF or CR LF; a byte order mark before the first line is skipped.
 * *ret_line is NULL for a line above LIMIT_FEED_LINE, which is skipped. Valid until the next call.
 * 1: a line; 0: the end; negative: as input_peek.
 */
int input_line(struct input *input, const char **ret_line, size_t *ret_length) SK_MUST_USE;

/* Number of the line that input_line gave last, from 1. */
uint64_t input_line_number(const struct input *input);

/* Expanded bytes so far. */
uint64_t input_bytes(const struct input *input);

/* Why input_peek or input_line failed, in words. */
const char *input_reason(const struct input *input);

/* SHA-256 of all expanded bytes; only after the end has come. Reads on to the end when it has not.
 * 0 or an error. */
int input_digest(struct input *input, unsigned char ret_digest[SHA256_SIZE]) SK_MUST_USE;

#endif
