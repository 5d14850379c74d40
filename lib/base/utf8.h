#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* UTF-8 as in RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Pure. */
#define UTF8_MAX 4 /* bytes of one character */

/* Bytes of the character at `text` (`length` > 0 bytes are there), or 0 when it is none. */
static inline size_t utf8_check(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	if (at[0] < 0x80) {
		return 1;
	}
	if (at[0] < 0xc2 || at[0] > 0xf4) {
		return 0;
	}
	size_t size = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (length < size) {
		return 0;
	}
	/* The second byte has narrower bounds behind some first ones. */
	unsigned low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
	unsigned high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
	if (at[1] < low || at[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return size;
}

/* The code of the character of `size` bytes (as utf8_check gave it) at `text`. */
static inline uint32_t utf8_decode(const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t code = size == 1 ? at[0] : at[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		code = code << 6 | (at[i] & 0x3f);
	}
	return code;
}

/* Writes the character `code` (a valid one) to `out`; returns its size. */
static inline size_t utf8_encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | (code >> 6));
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | (code >> 12));
		out[1] = (char)(0x80 | ((code >> 6) & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | (code >> 18));
	out[1] = (char)(0x80 | ((code >> 12) & 0x3f));
	out[2] = (char)(0x80 | ((code >> 6) & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

#endif
