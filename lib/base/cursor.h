#ifndef LIB_BASE_CURSOR_H
#define LIB_BASE_CURSOR_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reading binary data from outside. The error sticks: a read past the end sets `failed` and every
 * read from then on gives zero or NULL, so a decoder reads everything and checks once.
 */
struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	int failed;
};

static inline struct cursor cursor_over(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	return (struct cursor){.at = at, .end = size > 0 ? at + size : at, .failed = 0};
}

static inline size_t cursor_left(const struct cursor *cursor)
{
	return cursor->failed ? 0 : (size_t)(cursor->end - cursor->at);
}

/* A pointer to the next `size` bytes, which are consumed, or NULL. */
const unsigned char *cursor_bytes(struct cursor *cursor, size_t size);

/* The next number, little-endian, which is consumed, or 0. */
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_le16(struct cursor *cursor);
uint32_t cursor_le32(struct cursor *cursor);
uint64_t cursor_le64(struct cursor *cursor);

/* 0 when nothing failed and nothing is left, else SK_E_CORRUPT. */
int cursor_finish(const struct cursor *cursor);

#endif
