#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/lookup/host_filter.h"
#include "tests/unit/lookup_support.h"

static struct siphash_value host_number(uint64_t number)
{
	struct siphash_value value;
	value.low = test_random(&number);
	value.high = test_random(&number);
	return value;
}

static int write_filter(uint64_t count, bool backwards)
{
	struct host_filter_builder builder;
	struct lookup_writer *writer;
	int fd = test_file_new();
	assert_int_equal(host_filter_builder_init(&builder, count, HOST_FILTER_BITS_PER_HOST), 0);
	for (uint64_t i = 0; i < count; i++) {
		host_filter_builder_add(&builder, host_number(backwards ? count - 1 - i : i).high);
	}
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_WEB, 1, &writer), 0);
	assert_int_equal(host_filter_builder_write(&builder, writer, "HOST"), 0);
	assert_int_equal(lookup_writer_finish(writer), 0);
	host_filter_builder_release(&builder);
	return fd;
}

static void test_never_forgets_and_rarely_invents(void **state)
{
	(void)state;
	static const uint64_t counts[] = {0, 1, 50, 51, 52, 1000, 100000};
	for (size_t i = 0; i < SK_COUNT(counts); i++) {
		struct lookup_file *file;
		struct host_filter filter;
		struct error error = {0};
		unsigned invented = 0;
		int fd = write_filter(counts[i], false);
		assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_WEB, &file, &error), 0);
		assert_int_equal(host_filter_open(&filter, file, "HOST", &error), 0);
		assert_int_equal(filter.host_count, counts[i]);
		for (uint64_t j = 0; j < counts[i]; j++) {
			host_filter_prefetch(&filter, host_number(j));
			assert_true(host_filter_may_have(&filter, host_number(j)));
		}
		for (uint64_t j = 0; j < 100000; j++) {
			invented += host_filter_may_have(&filter, host_number(counts[i] + j));
		}
		/* One in a hundred, a little more where blocks are unevenly filled. */
		assert_in_range(invented, 0, 1500);
		if (counts[i] == 0) {
			assert_int_equal(invented, 0);
		}
		lookup_file_close(file);
		close(fd);
	}
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	size_t size, other_size;
	int fd = write_filter(3000, false);
	int other_fd = write_filter(3000, true);
	unsigned char *data = test_file_bytes(fd, &size);
	unsigned char *other = test_file_bytes(other_fd, &other_size);
	assert_int_equal(size, other_size);
	assert_memory_equal(data, other, size);
	mem_free(data);
	mem_free(other);
	close(fd);
	close(other_fd);
}

static void test_damage_never_leads_outside(void **state)
{
	(void)state;
	size_t size;
	int fd = write_filter(200, false);
	unsigned char *data = test_file_bytes(fd, &size);
	close(fd);
	/* The filter's own header; its blocks may hold anything. */
	for (size_t bit = 64 * 8; bit < 64 * 8 * 2; bit++) {
		struct lookup_file *file;
		struct host_filter filter;
		struct error error = {0};
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
		test_fix_checksum(data, size);
		assert_int_equal(lookup_file_over(data, size, LOOKUP_KIND_WEB, &file, &error), 0);
		if (host_filter_open(&filter, file, "HOST", &error) == 0) {
			for (uint64_t j = 0; j < 1000; j++) {
				(void)host_filter_may_have(&filter, host_number(j));
			}
		}
		lookup_file_close(file);
		data[bit / 8] ^= (unsigned char)(1u << (bit % 8));
	}
	mem_free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_never_forgets_and_rarely_invents),
	        cmocka_unit_test(test_order_does_not_matter),
	        cmocka_unit_test(test_damage_never_leads_outside),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
