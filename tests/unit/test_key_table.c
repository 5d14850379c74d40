#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/lookup/key_table.h"
#include "tests/unit/lookup_support.h"

static int compare_entries(const void *a, const void *b)
{
	return lookup_key_compare(
	        ((const struct key_table_entry *)a)->key, ((const struct key_table_entry *)b)->key);
}

/* `count` entries with different keys of `key_size` bytes, sorted. `crowd` bits of the key are the
 * same in all of them. */
static struct key_table_entry *make_entries(
        size_t *count, unsigned key_size, unsigned crowd, uint32_t value_max, uint64_t seed)
{
	struct key_table_entry *entries = mem_new(*count, sizeof(*entries));
	assert_non_null(entries);
	for (size_t i = 0; i < *count; i++) {
		uint64_t high = test_random(&seed);
		high = crowd > 0 ? high >> crowd : high;
		entries[i].key =
		        lookup_key_cut((struct lookup_key){high, test_random(&seed)}, key_size);
		entries[i].value = (uint32_t)(test_random(&seed) % ((uint64_t)value_max + 1));
	}
	qsort(entries, *count, sizeof(*entries), compare_entries);
	size_t kept = 0;
	for (size_t i = 0; i < *count; i++) {
		if (kept == 0 || compare_entries(&entries[kept - 1], &entries[i]) != 0) {
			entries[kept++] = entries[i];
		}
	}
	*count = kept;
	return entries;
}

static struct lookup_file *write_table(
        const struct key_table_entry *entries, size_t count, unsigned key_size)
{
	struct lookup_writer *writer;
	struct lookup_file *file;
	struct error error = {0};
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 1, &writer), 0);
	assert_int_equal(key_table_write(writer, "KEYS", entries, count, key_size), 0);
	assert_int_equal(lookup_writer_finish(writer), 0);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_POLICY, &file, &error), 0);
	close(fd);
	return file;
}

static void check_misses(const struct key_table *table, const struct key_table_entry *entries,
        size_t count, unsigned key_size)
{
	uint64_t seed = 99;
	for (size_t i = 0; i < 20000; i++) {
		struct key_table_entry probe = {.key = {test_random(&seed), test_random(&seed)}};
		if (count > 0 && i % 2 == 0) {
			/* Near to one that is there: a single bit differs. */
			probe.key = entries[test_random(&seed) % count].key;
			unsigned bit = (unsigned)(test_random(&seed) % (8 * key_size));
			if (bit < 64) {
				probe.key.high ^= UINT64_C(1) << (63 - bit);
			} else {
				probe.key.low ^= UINT64_C(1) << (127 - bit);
			}
		}
		probe.key = lookup_key_cut(probe.key, key_size);
		const struct key_table_entry *there =
		        count == 0 ? NULL
		                   : bsearch(&probe, entries, count, sizeof(*entries),
		                             compare_entries);
		assert_int_equal(key_table_find(table, probe.key),
		        there != NULL ? there->value : KEY_TABLE_NONE);
	}
}

static void check_table(size_t count, unsigned key_size, unsigned crowd, uint32_t value_max)
{
	struct key_table_entry *entries =
	        make_entries(&count, key_size, crowd, value_max, count * 31 + key_size);
	struct lookup_file *file = write_table(entries, count, key_size);
	struct key_table table;
	struct error error = {0};
	if (key_table_open(&table, file, "KEYS", value_max + 1, &error) != 0) {
		fail_msg("%s", error.text);
	}
	assert_int_equal(table.count, count);
	struct key_table_walk walk = {0};
	struct lookup_key key;
	uint32_t value;
	for (size_t i = 0; i < count; i++) {
		struct lookup_key asked = entries[i].key;
		key_table_prefetch(&table, asked);
		key_table_prefetch_slot(&table, asked);
		assert_int_equal(key_table_find(&table, asked), entries[i].value);
		/* What is behind the bytes that are kept does not matter. */
		if (key_size < 16) {
			asked.low |= 1;
			assert_int_equal(key_table_find(&table, asked), entries[i].value);
		}
		assert_true(key_table_next(&table, &walk, &key, &value));
		assert_int_equal(lookup_key_compare(key, entries[i].key), 0);
		assert_int_equal(value, entries[i].value);
	}
	assert_false(key_table_next(&table, &walk, &key, &value));
	check_misses(&table, entries, count, key_size);
	lookup_file_close(file);
	mem_free(entries);
}

static void test_finds_what_is_there_and_nothing_else(void **state)
{
	(void)state;
	static const size_t counts[] = {0, 1, 2, 7, 8, 15, 16, 17, 100, 1000, 4000, 100000};
	static const uint32_t value_maxima[] = {
	        0, 255, 256, 65535, 65536, 1u << 24, UINT32_MAX - 1};
	for (size_t i = 0; i < SK_COUNT(counts); i++) {
		check_table(counts[i], 9, 0, value_maxima[i % SK_COUNT(value_maxima)]);
		check_table(counts[i], 16, 0, value_maxima[(i + 3) % SK_COUNT(value_maxima)]);
	}
	for (unsigned key_size = 4; key_size <= 16; key_size++) {
		check_table(3000, key_size, 0, 1000);
	}
}

static void test_crowded_buckets(void **state)
{
	(void)state;
	check_table(20000, 16, 40, 77);
	check_table(20000, 9, 20, 70000);
	check_table(200, 16, 60, 1);
}

static void test_more_than_two_million_have_a_fanout_beyond_two_bytes(void **state)
{
	(void)state;
	check_table(2500000, 9, 0, 300);
}

static void test_writer_refuses_what_is_out_of_order(void **state)
{
	(void)state;
	static const struct key_table_entry twice[] = {{{1, 0}, 1}, {{1, 0x1234}, 2}};
	static const struct key_table_entry falling[] = {{{2, 0}, 1}, {{1, 0}, 2}};
	struct lookup_writer *writer;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 2, &writer), 0);
	assert_int_equal(key_table_write(writer, "A   ", twice, 2, 9), SK_E_RANGE);
	assert_int_equal(key_table_write(writer, "B   ", falling, 2, 9), SK_E_RANGE);
	lookup_writer_free(writer);
	close(fd);
}

static void test_values_beyond_the_limit_are_refused(void **state)
{
	(void)state;
	static const struct key_table_entry entries[] = {{{1, 0}, 4}, {{5, 0}, 9}};
	struct lookup_file *file = write_table(entries, 2, 9);
	struct key_table table;
	struct error error = {0};
	assert_int_equal(key_table_open(&table, file, "KEYS", 9, &error), SK_E_CORRUPT);
	assert_int_equal(key_table_open(&table, file, "NONE", 10, &error), SK_E_CORRUPT);
	assert_int_equal(key_table_open(&table, file, "KEYS", 10, &error), 0);
	lookup_file_close(file);
}

/* Every single bit of a small table, with the checksum put right: whatever is accepted must answer
 * without a step outside, which the sanitizers watch. */
static void test_damage_never_leads_outside(void **state)
{
	(void)state;
	size_t count = 300;
	struct key_table_entry *entries = make_entries(&count, 9, 0, 20, 5);
	struct lookup_writer *writer;
	size_t size;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 1, &writer), 0);
	assert_int_equal(key_table_write(writer, "KEYS", entries, count, 9), 0);
	assert_int_equal(lookup_writer_finish(writer), 0);
	unsigned char *data = test_file_bytes(fd, &size);
	close(fd);
	for (size_t bit = 0; bit < 8 * (size - SHA256_SIZE); bit++) {
		struct lookup_file *file;
		struct key_table table;
		struct error error = {0};
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
		test_fix_checksum(data, size);
		if (lookup_file_over(data, size, LOOKUP_KIND_POLICY, &file, &error) == 0) {
			if (key_table_open(&table, file, "KEYS", 21, &error) == 0) {
				for (size_t i = 0; i < count; i += 11) {
					uint32_t value = key_table_find(&table, entries[i].key);
					assert_true(value == KEY_TABLE_NONE || value < 21);
				}
			}
			lookup_file_close(file);
		}
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
	}
	mem_free(data);
	mem_free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_finds_what_is_there_and_nothing_else),
	        cmocka_unit_test(test_crowded_buckets),
	        cmocka_unit_test(test_more_than_two_million_have_a_fanout_beyond_two_bytes),
	        cmocka_unit_test(test_writer_refuses_what_is_out_of_order),
	        cmocka_unit_test(test_values_beyond_the_limit_are_refused),
	        cmocka_unit_test(test_damage_never_leads_outside),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
