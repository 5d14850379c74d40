#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/lookup/prefix_table.h"
#include "tests/unit/lookup_support.h"

static struct prefix_entry make_entry(const char *text, uint32_t value)
{
	struct prefix_entry entry = {.value = value};
	assert_int_equal(address_prefix_parse(text, strlen(text), &entry.prefix), 0);
	return entry;
}

/* Sorts, takes doubles out, writes; the table of `ret_file`. */
static struct prefix_table write_table(
        struct prefix_entry *entries, size_t *count, struct lookup_file **ret_file)
{
	struct lookup_writer *writer;
	struct prefix_table table;
	struct error error = {0};
	size_t kept = 0;
	qsort(entries, *count, sizeof(*entries), prefix_entry_compare);
	for (size_t i = 0; i < *count; i++) {
		if (kept == 0 || prefix_entry_compare(&entries[kept - 1], &entries[i]) != 0) {
			entries[kept++] = entries[i];
		}
	}
	*count = kept;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 1, &writer), 0);
	assert_int_equal(prefix_table_write(writer, "ADDR", entries, kept), 0);
	assert_int_equal(lookup_writer_finish(writer), 0);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_POLICY, ret_file, &error), 0);
	close(fd);
	if (prefix_table_open(&table, *ret_file, "ADDR", UINT32_MAX, &error) != 0) {
		fail_msg("%s", error.text);
	}
	return table;
}

/* All prefixes that hold `address`, longest first, by looking at every one. */
static void check_address(const struct prefix_table *table, const struct prefix_entry *entries,
        size_t count, const struct address *address)
{
	uint32_t found = prefix_table_find(table, address);
	for (int length = 128; length >= 0; length--) {
		for (size_t i = 0; i < count; i++) {
			if (entries[i].prefix.length != length ||
			        !address_in_prefix(address, &entries[i].prefix)) {
				continue;
			}
			struct address_prefix prefix;
			assert_int_equal(found, i);
			assert_int_equal(prefix_table_at(table, found, &prefix), entries[i].value);
			assert_memory_equal(&prefix, &entries[i].prefix, sizeof(prefix));
			found = prefix_table_parent(table, found);
		}
	}
	assert_int_equal(found, PREFIX_TABLE_NONE);
}

/* The address before or behind, where prefixes begin and end. */
static struct address step(struct address address, int by)
{
	size_t size = address.family == ADDRESS_V4 ? 4 : 16;
	for (size_t i = size; i-- > 0;) {
		address.bytes[i] = (uint8_t)(address.bytes[i] + by);
		if (address.bytes[i] != (by > 0 ? 0 : 255)) {
			break;
		}
	}
	return address;
}

static void check_around(const struct prefix_table *table, const struct prefix_entry *entries,
        size_t count, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct address first, last;
		address_prefix_bounds(&entries[i].prefix, &first, &last);
		struct address probes[] = {first, last, step(first, -1), step(last, 1)};
		for (size_t j = 0; j < SK_COUNT(probes); j++) {
			check_address(table, entries, count, &probes[j]);
		}
	}
}

static void test_nested_and_adjacent(void **state)
{
	(void)state;
	struct prefix_entry entries[] = {make_entry("0.0.0.0/0", 1), make_entry("10.0.0.0/8", 2),
	        make_entry("10.0.0.0/9", 3), make_entry("10.128.0.0/9", 4),
	        make_entry("10.255.255.255", 5), make_entry("11.0.0.0/8", 6),
	        make_entry("255.255.255.255", 7), make_entry("255.0.0.0/8", 8),
	        make_entry("0.0.0.0", 9), make_entry("::/0", 10), make_entry("::", 11),
	        make_entry("2001:db8::/32", 12), make_entry("2001:db8::/128", 13),
	        make_entry("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 14),
	        make_entry("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 15)};
	size_t count = SK_COUNT(entries);
	struct lookup_file *file;
	struct prefix_table table = write_table(entries, &count, &file);
	check_around(&table, entries, count, 0, count);
	lookup_file_close(file);
	/* Without the ones that cover everything. */
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].prefix.length > 0) {
			entries[kept++] = entries[i];
		}
	}
	table = write_table(entries, &kept, &file);
	check_around(&table, entries, kept, 0, kept);
	lookup_file_close(file);
}

static void test_every_length_nested(void **state)
{
	(void)state;
	struct prefix_entry entries[33 + 129];
	size_t count = 0;
	for (unsigned length = 0; length <= 128; length++) {
		char text[64];
		if (length <= 32) {
			snprintf(text, sizeof(text), "255.255.255.255/%u", length);
			entries[count++] = make_entry(text, length);
		}
		snprintf(text, sizeof(text), "::/%u", length);
		entries[count++] = make_entry(text, 1000 + length);
	}
	struct lookup_file *file;
	struct prefix_table table = write_table(entries, &count, &file);
	assert_int_equal(count, SK_COUNT(entries));
	check_around(&table, entries, count, 0, count);
	lookup_file_close(file);
}

static void test_empty_and_one_family(void **state)
{
	(void)state;
	struct prefix_entry v4 = make_entry("192.0.2.0/24", 1);
	struct prefix_entry v6 = make_entry("2001:db8::/32", 2);
	struct prefix_entry *sets[] = {&v4, &v4, &v6};
	for (size_t i = 0; i < SK_COUNT(sets); i++) {
		size_t count = i == 0 ? 0 : 1;
		struct lookup_file *file;
		struct prefix_table table = write_table(sets[i], &count, &file);
		check_address(&table, sets[i], count, &v4.prefix.address);
		check_address(&table, sets[i], count, &v6.prefix.address);
		struct address none = {.family = ADDRESS_NONE};
		assert_int_equal(prefix_table_find(&table, &none), PREFIX_TABLE_NONE);
		assert_int_equal(prefix_table_count(&table), count);
		lookup_file_close(file);
	}
}

/* Prefixes at random in a small part of the space, so that they nest and touch. */
static struct prefix_entry random_entry(uint64_t *seed, bool v6)
{
	uint64_t random = test_random(seed);
	char text[64];
	if (v6) {
		snprintf(text, sizeof(text), "2001:%x:%x::%x/%u", (unsigned)random & 7,
		        (unsigned)(random >> 8) & 0xffff, (unsigned)(random >> 24) & 0xffff,
		        (unsigned)(random >> 40) % 129);
	} else {
		snprintf(text, sizeof(text), "10.%u.%u.%u/%u", (unsigned)random & 15,
		        (unsigned)(random >> 8) & 255, (unsigned)(random >> 16) & 255,
		        (unsigned)(random >> 40) % 33);
	}
	return make_entry(text, (uint32_t)(random >> 32));
}

static void test_same_as_looking_at_every_prefix(void **state)
{
	(void)state;
	static const size_t counts[] = {20, 300, 4000};
	uint64_t seed = 31;
	for (size_t i = 0; i < SK_COUNT(counts); i++) {
		size_t count = counts[i];
		struct prefix_entry *entries = mem_new(count, sizeof(*entries));
		assert_non_null(entries);
		for (size_t j = 0; j < count; j++) {
			entries[j] = random_entry(&seed, j % 2 == 0);
		}
		struct lookup_file *file;
		struct prefix_table table = write_table(entries, &count, &file);
		check_around(&table, entries, count, 0, count < 200 ? count : 200);
		check_around(&table, entries, count, count - 20, count);
		for (size_t j = 0; j < 200; j++) {
			struct prefix_entry probe = random_entry(&seed, j % 2 == 0);
			check_address(&table, entries, count, &probe.prefix.address);
		}
		lookup_file_close(file);
		mem_free(entries);
	}
}

static void test_hundred_thousand(void **state)
{
	(void)state;
	size_t count = 100000;
	uint64_t seed = 5;
	struct prefix_entry *entries = mem_new(count, sizeof(*entries));
	assert_non_null(entries);
	for (size_t j = 0; j < count; j++) {
		entries[j] = random_entry(&seed, j % 2 == 0);
	}
	struct lookup_file *file;
	struct prefix_table table = write_table(entries, &count, &file);
	/* The longest prefix that holds a prefix's own first address is it or one inside of it. */
	for (size_t i = 0; i < count; i++) {
		uint32_t found = prefix_table_find(&table, &entries[i].prefix.address);
		while (found != PREFIX_TABLE_NONE && found != i) {
			assert_true(found > i);
			found = prefix_table_parent(&table, found);
		}
		assert_int_equal(found, i);
	}
	lookup_file_close(file);
	mem_free(entries);
}

static void test_writer_refuses_what_is_out_of_order(void **state)
{
	(void)state;
	struct prefix_entry twice[] = {make_entry("10.0.0.0/8", 1), make_entry("10.0.0.0/8", 2)};
	struct prefix_entry falling[] = {make_entry("10.0.0.0/9", 1), make_entry("10.0.0.0/8", 2)};
	struct prefix_entry families[] = {make_entry("::/9", 1), make_entry("10.0.0.0/8", 2)};
	struct prefix_entry loose[] = {make_entry("10.0.0.1", 1)};
	loose[0].prefix.length = 31;
	struct lookup_writer *writer;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 4, &writer), 0);
	assert_int_equal(prefix_table_write(writer, "A   ", twice, 2), SK_E_RANGE);
	assert_int_equal(prefix_table_write(writer, "A   ", falling, 2), SK_E_RANGE);
	assert_int_equal(prefix_table_write(writer, "A   ", families, 2), SK_E_RANGE);
	assert_int_equal(prefix_table_write(writer, "A   ", loose, 1), SK_E_RANGE);
	lookup_writer_free(writer);
	close(fd);
}

static void test_damage_never_leads_outside(void **state)
{
	(void)state;
	size_t count = 60;
	uint64_t seed = 17;
	struct prefix_entry entries[60];
	struct lookup_file *file;
	struct prefix_table table;
	struct lookup_writer *writer;
	size_t size;
	unsigned accepted = 0;
	for (size_t i = 0; i < count; i++) {
		entries[i] = random_entry(&seed, i % 2 == 0);
		entries[i].value = (uint32_t)i;
	}
	write_table(entries, &count, &file);
	lookup_file_close(file);
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_POLICY, 1, &writer), 0);
	assert_int_equal(prefix_table_write(writer, "ADDR", entries, count), 0);
	assert_int_equal(lookup_writer_finish(writer), 0);
	unsigned char *data = test_file_bytes(fd, &size);
	close(fd);
	for (size_t bit = 0; bit < 8 * (size - SHA256_SIZE); bit++) {
		struct error error = {0};
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
		test_fix_checksum(data, size);
		if (lookup_file_over(data, size, LOOKUP_KIND_POLICY, &file, &error) == 0) {
			if (prefix_table_open(&table, file, "ADDR", 60, &error) == 0) {
				accepted++;
				for (size_t i = 0; i < count; i++) {
					uint32_t at = prefix_table_find(
					        &table, &entries[i].prefix.address);
					while (at != PREFIX_TABLE_NONE) {
						assert_true(prefix_table_at(&table, at, NULL) < 60);
						at = prefix_table_parent(&table, at);
					}
				}
			}
			lookup_file_close(file);
		}
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
	}
	/* Only values and padding can change without contradicting the rest. */
	assert_true(accepted < 8 * size / 4);
	mem_free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_nested_and_adjacent),
	        cmocka_unit_test(test_every_length_nested),
	        cmocka_unit_test(test_empty_and_one_family),
	        cmocka_unit_test(test_same_as_looking_at_every_prefix),
	        cmocka_unit_test(test_hundred_thousand),
	        cmocka_unit_test(test_writer_refuses_what_is_out_of_order),
	        cmocka_unit_test(test_damage_never_leads_outside),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
