#include "lib/lookup/radix_sort.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/attribute.h"

/*
 * By bytes from the most significant one: count, then put each item into its part by cycles of
 * swaps, then the same within each part by the next byte. Small parts are sorted by insertion. The
 * depth is the number of bytes of the key, whatever the input.
 */
#define SMALL 32
#define WORDS_MAX 5

#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE bool item_before(const uint64_t *a, const uint64_t *b, unsigned words)
{
	if (words == 1 || a[0] != b[0]) {
		return a[0] < b[0];
	}
	return a[1] < b[1];
}

static ALWAYS_INLINE void insertion_sort(uint64_t *items, size_t count, unsigned words)
{
	for (size_t i = 1; i < count; i++) {
		uint64_t item[WORDS_MAX];
		size_t at = i;
		if (!item_before(items + i * words, items + (i - 1) * words, words)) {
			continue;
		}
		memcpy(item, items + i * words, 8 * words);
		do {
			memcpy(items + at * words, items + (at - 1) * words, 8 * words);
			at--;
		} while (at > 0 && item_before(item, items + (at - 1) * words, words));
		memcpy(items + at * words, item, 8 * words);
	}
}

static ALWAYS_INLINE unsigned digit_of(const uint64_t *item, unsigned depth)
{
	return (unsigned)(item[depth / 8] >> (56 - 8 * (depth % 8))) & 255;
}

/* Puts the items into 256 parts by one byte of the key; ret_ends[i] is where part i ends. */
static ALWAYS_INLINE void partition(
        uint64_t *items, size_t count, unsigned words, unsigned depth, size_t ret_ends[256])
{
	size_t next[256];
	size_t counts[256] = {0};
	for (size_t i = 0; i < count; i++) {
		counts[digit_of(items + i * words, depth)]++;
	}
	size_t sum = 0;
	for (unsigned i = 0; i < 256; i++) {
		next[i] = sum;
		sum += counts[i];
		ret_ends[i] = sum;
	}
	for (unsigned i = 0; i < 256; i++) {
		while (next[i] < ret_ends[i]) {
			uint64_t item[WORDS_MAX], other[WORDS_MAX];
			memcpy(item, items + next[i] * words, 8 * words);
			unsigned digit = digit_of(item, depth);
			while (digit != i) {
				uint64_t *place = items + next[digit]++ * words;
				memcpy(other, place, 8 * words);
				memcpy(place, item, 8 * words);
				memcpy(item, other, 8 * words);
				digit = digit_of(item, depth);
			}
			memcpy(items + next[i]++ * words, item, 8 * words);
		}
	}
}

#define DEFINE_SORT(words)                                                                         \
	static void sort_##words(uint64_t *items, size_t count, unsigned depth)                    \
	{                                                                                          \
		size_t ends[256];                                                                  \
		if (count <= SMALL) {                                                              \
			insertion_sort(items, count, words);                                       \
			return;                                                                    \
		}                                                                                  \
		if (depth == ((words) == 1 ? 8 : 16)) {                                            \
			return;                                                                    \
		}                                                                                  \
		partition(items, count, words, depth, ends);                                       \
		size_t start = 0;                                                                  \
		for (unsigned i = 0; i < 256; i++) {                                               \
			if (ends[i] - start > 1) {                                                 \
				sort_##words(items + start * (words), ends[i] - start, depth + 1); \
			}                                                                          \
			start = ends[i];                                                           \
		}                                                                                  \
	}

DEFINE_SORT(1)
DEFINE_SORT(3)
DEFINE_SORT(5)

void radix_sort(uint64_t *items, size_t count, unsigned words)
{
	if (words == 1) {
		sort_1(items, count, 0);
	} else if (words == 3) {
		sort_3(items, count, 0);
	} else {
		sort_5(items, count, 0);
	}
}
