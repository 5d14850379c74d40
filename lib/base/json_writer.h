#ifndef LIB_BASE_JSON_WRITER_H
#define LIB_BASE_JSON_WRITER_H

#include <stddef.h>

#include "lib/base/buf.h"

/*
 * Writes strings of JSON (RFC 8259) to a struct buf, for code that writes the rest of its answer as
 * literals. Allocates nothing but what the buffer does; errors stick in the buffer (buf_status).
 */

/* Adds `length` bytes as a string with its quotation marks. Bytes that are not UTF-8 become
 * U+FFFD, so the result is always valid. */
void json_add_string(struct buf *buf, const char *text, size_t length);

/* The same for text that has no byte below 0x20 or above 0x7e (a canonical URL): only '"' and '\\'
 * are looked for. */
void json_add_ascii(struct buf *buf, const char *text, size_t length);

/* The same without quotation marks around it, for strings that are written in pieces. */
void json_add_escaped(struct buf *buf, const char *text, size_t length);

#endif
