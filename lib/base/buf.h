#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/attribute.h"

/*
 * A byte buffer that has a maximum from the start. It grows on the heap (buf_init) or is bound to
 * memory of the caller (buf_init_fixed: never allocates). Errors stick: after the first failed add
 * every further one does nothing, so a caller writes a whole text and checks buf_status() once.
 * `data` is not NUL-terminated unless buf_text() made it so. Not for use by two threads at once.
 */
struct buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t maximum;
	int status; /* 0, -ENOMEM or SK_E_LIMIT */
	bool fixed;
};

/* An empty buffer that may grow to `maximum` bytes; allocates nothing yet. */
void buf_init(struct buf *buf, size_t maximum);

/* An empty buffer over `size` bytes at `space`, which the caller keeps alive. */
void buf_init_fixed(struct buf *buf, void *space, size_t size);

/* Frees what buf owns and makes it empty; maximum stays. */
void buf_release(struct buf *buf);

/* Empties, keeps the memory, forgets an error. */
static inline void buf_clear(struct buf *buf)
{
	buf->length = 0;
	buf->status = 0;
}

/* Room for `size` more bytes at the end, or NULL (status set). Follow with buf_commit. */
char *buf_reserve_slow(struct buf *buf, size_t size);
static inline char *buf_reserve(struct buf *buf, size_t size)
{
	if (SK_LIKELY(buf->status == 0 && size <= buf->capacity - buf->length)) {
		return buf->data + buf->length;
	}
	return buf_reserve_slow(buf, size);
}

/* Takes `size` bytes that were written to the room of buf_reserve. */
static inline void buf_commit(struct buf *buf, size_t size)
{
	buf->length += size;
}

static inline void buf_add(struct buf *buf, const void *bytes, size_t size)
{
	/* Nothing to add may come with NULL, and an empty buffer has no memory yet. */
	char *at = size > 0 ? buf_reserve(buf, size) : NULL;
	if (SK_LIKELY(at != NULL)) {
		memcpy(at, bytes, size);
		buf->length += size;
	}
}

static inline void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

static inline void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

/* Adds a string literal without measuring it at run time. */
#define buf_add_literal(buf, literal) buf_add((buf), "" literal, sizeof(literal) - 1)

void buf_add_format(struct buf *buf, const char *format, ...) SK_PRINTF(2, 3);

/* Decimal digits of `value`. */
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_add_i64(struct buf *buf, int64_t value);

/* Lower-case hexadecimal digits of `size` bytes. */
void buf_add_hex(struct buf *buf, const void *bytes, size_t size);

/* Integers, little-endian. */
void buf_add_le16(struct buf *buf, uint16_t value);
void buf_add_le32(struct buf *buf, uint32_t value);
void buf_add_le64(struct buf *buf, uint64_t value);

/* Removes the first `size` bytes (at most all). */
void buf_consume(struct buf *buf, size_t size);

/* 0, or the first error since init or clear. */
static inline int buf_status(const struct buf *buf)
{
	return buf->status;
}

/* The content with a NUL behind it (valid until the next change), or NULL on error. */
const char *buf_text(struct buf *buf);

/* Gives the heap memory away, NUL-terminated (the caller frees it with mem_free); buf is empty
 * then. NULL on error (the buffer is released) and for fixed buffers. */
char *buf_take(struct buf *buf, size_t *ret_length) SK_MUST_USE;

#endif
