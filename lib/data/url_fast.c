#include "lib/data/url_fast.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/data/url_escape.h"

#ifdef __SSE2__
#	include <emmintrin.h>
#endif

/*
 * The input is copied to its place, with zeros behind, and looked at in blocks of 64 bytes. Of each
 * block there are masks with one bit per byte, so that host, path and query are checked by a few
 * operations on words instead of a loop over bytes. A host must lie within the first block: then it
 * is not too long, nor is any of its labels.
 */
#define URL_FAST_BLOCK 64

struct url_masks {
	uint64_t change; /* bytes that are removed, replaced or escaped somewhere */
	uint64_t slash;
	uint64_t dot;
	uint64_t question;
	uint64_t host; /* a–z, 0–9, '-', '.', '_', also '/' */
};

#ifdef __SSE2__

static inline uint64_t url_mask(__m128i equal, unsigned shift)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(equal) << shift;
}

static inline __m128i url_equal(__m128i bytes, char c)
{
	return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* first ≤ byte ≤ last, with unsigned arithmetic moved into the signed range. */
static inline __m128i url_between(__m128i bytes, char first, char last)
{
	__m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(-128 - first)));
	return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + (last - first) + 1)));
}

static inline struct url_masks url_masks_of(const char *block, bool with_host)
{
	struct url_masks masks = {0};
	for (unsigned i = 0; i < URL_FAST_BLOCK; i += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + i));
		/* Bytes outside ASCII are negative, thus below 0x21 too. */
		__m128i change = _mm_or_si128(
		        _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21)), url_equal(bytes, 0x7f));
		change = _mm_or_si128(change, url_equal(bytes, '#'));
		change = _mm_or_si128(change, url_equal(bytes, '%'));
		change = _mm_or_si128(change, url_equal(bytes, '\\'));
		masks.change |= url_mask(change, i);
		masks.slash |= url_mask(url_equal(bytes, '/'), i);
		masks.dot |= url_mask(url_equal(bytes, '.'), i);
		masks.question |= url_mask(url_equal(bytes, '?'), i);
		if (with_host) {
			__m128i host = _mm_or_si128(
			        url_between(bytes, '-', '9'), url_between(bytes, 'a', 'z'));
			host = _mm_or_si128(host, url_equal(bytes, '_'));
			masks.host |= url_mask(host, i);
		}
	}
	return masks;
}

#else

static struct url_masks url_masks_of(const char *block, bool with_host)
{
	struct url_masks masks = {0};
	(void)with_host;
	for (unsigned i = 0; i < URL_FAST_BLOCK; i++) {
		char c = block[i];
		uint64_t bit = UINT64_C(1) << i;
		masks.change |= url_byte_is(c, URL_BYTE_ESCAPE_QUERY) || c == '\\' ? bit : 0;
		masks.slash |= c == '/' ? bit : 0;
		masks.dot |= c == '.' ? bit : 0;
		masks.question |= c == '?' ? bit : 0;
		if ((c >= '-' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_') {
			masks.host |= bit;
		}
	}
	return masks;
}

#endif

/* The lowest `count` bits, 0 … 64. */
static inline uint64_t url_low_bits(size_t count)
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* The scheme with "://", when it is one of the two usual ones in lower case; else 0. */
static size_t url_fast_scheme(const char *input)
{
	static const char https[8] = "https://";
	static const char http[8] = "http://";
	uint64_t first = bytes_get_le64(input);
	if (first == bytes_get_le64(https)) {
		return 8;
	}
	return (first ^ bytes_get_le64(http)) << 8 == 0 ? 7 : 0;
}

/* Length of the host at `rest`, or 0 when it is not one that stays as it is. */
static size_t url_fast_host(const char *rest, const struct url_masks *masks, uint64_t valid,
        struct address *ret_address)
{
	uint64_t ends = masks->slash | masks->question | ~valid;
	if (ends == 0) {
		return 0;
	}
	size_t length = (size_t)__builtin_ctzll(ends);
	uint64_t host = url_low_bits(length);
	uint64_t dots = masks->dot & host;
	/* A dot at the beginning, at the end or behind another one; a byte that is not plain. */
	if (((dots & (dots << 1 | 1)) | (dots << 1 & ~host) | (host & ~masks->host)) != 0) {
		return 0;
	}
	ret_address->family = ADDRESS_NONE;
	size_t label = dots != 0 ? 64 - (size_t)__builtin_clzll(dots) : 0;
	if (length > 0 && url_byte_is(rest[label], URL_BYTE_DIGIT) &&
	        address_parse(rest, length, ret_address) != 0) {
		return 0;
	}
	return length;
}

/*
 * The path and query from rest[at] on, which is a '/'. Returns the length of the path, or 0 when it
 * does not stay as it is. `masks` are those of the first block.
 */
static size_t url_fast_path(const char *rest, size_t length, size_t at, struct url_masks masks)
{
	uint64_t slash_before = 0;
	uint64_t path = ~url_low_bits(at);
	size_t path_end = 0;
	for (size_t block = 0;;) {
		uint64_t valid = url_low_bits(length - block);
		if ((masks.change & valid) != 0) {
			return 0;
		}
		if (path_end == 0) {
			uint64_t question = masks.question & valid;
			path &= valid;
			if (question != 0) {
				size_t offset = (size_t)__builtin_ctzll(question);
				path_end = block + offset;
				path &= url_low_bits(offset);
			}
			uint64_t slash = masks.slash & path;
			uint64_t behind = slash << 1 | slash_before;
			if (((slash | (masks.dot & path)) & behind) != 0) {
				return 0;
			}
			slash_before = slash >> 63;
			path = UINT64_MAX;
		}
		block += URL_FAST_BLOCK;
		if (block >= length) {
			break;
		}
		masks = url_masks_of(rest + block, false);
	}
	return (path_end == 0 ? length : path_end) - at;
}

bool url_fast(const char *input, size_t length, char *space, size_t size, struct url *ret_url)
{
	if (length < 8 || length > LIMIT_URL || size < length + 7 + URL_FAST_BLOCK) {
		return false;
	}
	size_t start = url_fast_scheme(input);
	size_t host_start = start != 0 ? start : 7;
	size_t rest_length = length - start;
	char *rest = space + host_start;
	memcpy(space, start == 8 ? "https://" : "http://", 8);
	memcpy(rest, input + start, rest_length);
	memset(rest + rest_length, 0, URL_FAST_BLOCK);

	struct url_masks masks = url_masks_of(rest, true);
	struct address address = {0};
	size_t host_length = url_fast_host(rest, &masks, url_low_bits(rest_length), &address);
	if (host_length == 0) {
		return false;
	}
	size_t path_length = 1;
	if (host_length == rest_length) {
		rest[rest_length++] = '/';
	} else if (rest[host_length] == '/') {
		path_length = url_fast_path(rest, rest_length, host_length, masks);
		if (path_length == 0) {
			return false;
		}
	} else {
		return false;
	}
	*ret_url = (struct url){
	        .text = space,
	        .length = (uint32_t)(host_start + rest_length),
	        .host_start = (uint32_t)host_start,
	        .host_length = (uint32_t)host_length,
	        .path_start = (uint32_t)(host_start + host_length),
	        .path_length = (uint32_t)path_length,
	        .query_length = (uint32_t)(rest_length - host_length - path_length),
	        .address = address,
	};
	return true;
}
