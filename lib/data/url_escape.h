#ifndef LIB_DATA_URL_ESCAPE_H
#define LIB_DATA_URL_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#	include <emmintrin.h>
#endif

/* Bytes of URLs: their classes and percent-escapes. Only for url*.c. */

enum url_byte {
	URL_BYTE_ESCAPE_QUERY = 1u << 0, /* is written as %XX in a query */
	URL_BYTE_ESCAPE_PATH = 1u << 1, /* is written as %XX in a path */
	URL_BYTE_NOT_HOST = 1u << 2, /* no host has it */
	URL_BYTE_SCHEME = 1u << 3, /* letters, digits, '+', '.', '-' */
	URL_BYTE_UPPER = 1u << 4,
	URL_BYTE_DIGIT = 1u << 5,
	URL_BYTE_HEX = 1u << 6,
	URL_BYTE_CLEAN = 1u << 7, /* matters before the parts are known: url_clean() */
};

extern const uint8_t url_bytes[256];

static inline int url_byte_is(char c, unsigned classes)
{
	return (url_bytes[(unsigned char)c] & classes) != 0;
}

/* Which of 16 bytes are `c`: bit 0 for the first one. */
static inline unsigned url_equal_16(const char *bytes, char c)
{
#ifdef __SSE2__
	__m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
#else
	unsigned found = 0;
	for (unsigned i = 0; i < 16; i++) {
		found |= (unsigned)(bytes[i] == c) << i;
	}
	return found;
#endif
}

/*
 * Undoes %XX in place until there is none left, and returns the new length. Linear: what an escape
 * becomes is looked at once more as the last byte of what has been written. The result does not
 * depend on the order in which escapes are undone, because no two of them overlap.
 */
size_t url_unescape(char *text, size_t length);

#endif
