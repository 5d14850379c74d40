#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attribute.h"
#include "lib/base/mem.h"
#include "lib/lookup/radix_sort.h"
#include "tests/unit/lookup_support.h"

static int compare_one(const void *a, const void *b)
{
	const uint64_t *left = a;
	const uint64_t *right = b;
	return (left[0] > right[0]) - (left[0] < right[0]);
}

static int compare_two(const void *a, const void *b)
{
	const uint64_t *left = a;
	const uint64_t *right = b;
	int order = compare_one(a, b);
	return order != 0 ? order : (left[1] > right[1]) - (left[1] < right[1]);
}

/* Words behind the key must travel with it: they are made from it. */
static void check(size_t count, unsigned words, uint64_t high_mask, uint64_t low_mask)
{
	uint64_t seed = count + words;
	uint64_t *items = mem_new(count * words + 1, sizeof(*items));
	uint64_t *expected = mem_new(count * words + 1, sizeof(*items));
	assert_non_null(items);
	assert_non_null(expected);
	for (size_t i = 0; i < count; i++) {
		uint64_t *item = items + i * words;
		item[0] = test_random(&seed) & high_mask;
		if (words > 1) {
			item[1] = test_random(&seed) & low_mask;
		}
		for (unsigned j = 2; j < words; j++) {
			item[j] = (item[0] * 31 + item[1]) * j;
		}
	}
	memcpy(expected, items, count * words * sizeof(*items));
	qsort(expected, count, words * sizeof(*items), words == 1 ? compare_one : compare_two);
	radix_sort(items, count, words);
	assert_memory_equal(items, expected, count * words * sizeof(*items) + 8);
	mem_free(items);
	mem_free(expected);
}

static void test_as_the_library_sorts(void **state)
{
	(void)state;
	static const size_t counts[] = {0, 1, 2, 31, 32, 33, 34, 255, 257, 5000, 200000};
	static const uint64_t masks[][2] = {
	        {UINT64_MAX, UINT64_MAX}, /* spread evenly */
	        {0, UINT64_MAX}, /* all in one part until the second word */
	        {UINT64_C(0xff00), 3}, /* many equal */
	        {UINT64_C(0xff), UINT64_C(0xff00000000000000)}, {0, 0}, /* all equal */
	};
	for (size_t i = 0; i < SK_COUNT(counts); i++) {
		for (size_t j = 0; j < SK_COUNT(masks); j++) {
			check(counts[i], 1, masks[j][0], 0);
			check(counts[i], 3, masks[j][0], masks[j][1]);
			check(counts[i], 5, masks[j][0], masks[j][1]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_as_the_library_sorts),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
