#ifndef LIB_BASE_JSON_WRITER_H
#define LIB_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/*
 * Writes JSON text (RFC 8259, no blanks) to a struct buf. json_add_string alone serves code that
 * writes the rest of its answer as literals; struct json_writer puts commas and colons itself.
 * Allocates nothing but what the buffer does; errors stick in the buffer (buf_status).
 */

/* Adds `length` bytes as a string with its quotation marks. Bytes that are not UTF-8 become
 * U+FFFD, so the result is always valid. */
void json_add_string(struct buf *buf, const char *text, size_t length);

/* The same for text that has no byte below 0x20 or above 0x7e (a canonical URL): only '"' and '\\'
 * are looked for. */
void json_add_ascii(struct buf *buf, const char *text, size_t length);

/* The same without quotation marks around it, for strings that are written in pieces. */
void json_add_escaped(struct buf *buf, const char *text, size_t length);

#define JSON_WRITER_DEPTH_MAX 64

struct json_writer {
	struct buf *buf;
	uint32_t depth;
	bool comma; /* a value came before on this level */
	bool after_name;
};

static inline struct json_writer json_writer_over(struct buf *buf)
{
	return (struct json_writer){.buf = buf};
}

/* Deeper than JSON_WRITER_DEPTH_MAX is SK_E_LIMIT in the buffer. */
void json_write_object(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_name(struct json_writer *writer, const char *name);
void json_write_string(struct json_writer *writer, const char *text, size_t length);
void json_write_text(struct json_writer *writer, const char *text); /* NULL becomes null */
void json_write_u64(struct json_writer *writer, uint64_t value);
void json_write_i64(struct json_writer *writer, int64_t value);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);

#endif
