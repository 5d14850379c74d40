#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/pattern_builder.h"
#include "tests/unit/lookup_support.h"

static struct digest make_digest(enum digest_kind kind, uint64_t number)
{
	struct digest digest = {.kind = (uint8_t)kind};
	for (size_t i = 0; i < digest_size(kind); i += 4) {
		uint64_t random = test_random(&number);
		memcpy(digest.bytes + i, &random, 4);
	}
	return digest;
}

static struct file_builder *new_builder(void)
{
	struct file_builder *builder;
	assert_int_equal(file_builder_new(&builder), 0);
	return builder;
}

static int write_to(struct file_builder *builder, struct test_conflicts *conflicts,
        struct build_counts *ret_counts)
{
	struct error error = {0};
	int fd = test_file_new();
	if (file_builder_write(builder, fd, "files", "7", test_sources, TEST_SOURCE_COUNT,
	            test_keep_conflict, conflicts, ret_counts, &error) != 0) {
		fail_msg("%s", error.text);
	}
	return fd;
}

static struct file_pattern *open_pattern(int fd)
{
	struct lookup_file *file;
	struct file_pattern *pattern = NULL;
	struct error error = {0};
	if (lookup_file_load(fd, LOOKUP_KIND_FILES, &file, &error) != 0 ||
	        file_pattern_open(file, &pattern, &error) != 0) {
		fail_msg("%s", error.text);
	}
	close(fd);
	return pattern;
}

static void test_empty_pattern(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct file_value value;
	struct file_builder *builder = new_builder();
	struct file_pattern *pattern = open_pattern(write_to(builder, &conflicts, &counts));
	for (unsigned kind = 0; kind <= DIGEST_KIND_COUNT; kind++) {
		struct digest digest = {.kind = (uint8_t)kind};
		file_pattern_prefetch(pattern, &digest);
		file_pattern_prefetch_slot(pattern, &digest);
		assert_false(file_pattern_find(pattern, &digest, &value));
	}
	assert_string_equal(file_pattern_info(pattern)->version, "7");
	file_pattern_close(pattern);
	file_builder_free(builder);
}

static void add(struct file_builder *builder, const struct digest *digest, int malicious,
        uint8_t kind, const char *name, uint64_t origins)
{
	assert_int_equal(file_builder_add(builder, digest, malicious, kind, name, origins), 0);
}

static void test_malicious_wins_and_the_first_name_stays(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct file_value value;
	char text[DIGEST_TEXT_SIZE];
	struct digest sha256 = make_digest(DIGEST_SHA256, 1);
	struct digest sha1 = make_digest(DIGEST_SHA1, 2);
	struct digest md5 = make_digest(DIGEST_MD5, 3);
	struct file_builder *builder = new_builder();
	add(builder, &sha256, 1, THREAT_TROJAN, "zeta", 1);
	add(builder, &sha256, 0, THREAT_OTHER, "aaa", 2);
	add(builder, &sha256, 1, THREAT_WORM, "beta", 4);
	add(builder, &sha256, 1, THREAT_ROOTKIT, "", 8);
	add(builder, &sha1, 1, THREAT_OTHER, "", 1);
	add(builder, &sha1, 1, THREAT_VIRUS, "", 2);
	add(builder, &md5, 0, THREAT_OTHER, "notepad", 1);
	add(builder, &md5, 0, THREAT_OTHER, "", 2);
	struct file_pattern *pattern = open_pattern(write_to(builder, &conflicts, &counts));
	assert_true(file_pattern_find(pattern, &sha256, &value));
	assert_true(value.malicious);
	assert_string_equal(value.name, "beta");
	assert_int_equal(value.kind, THREAT_WORM);
	assert_int_equal(value.origins, 13);
	assert_int_equal(conflicts.count, 1);
	assert_int_equal(conflicts.kind, BUILD_CONFLICT_DIGEST);
	digest_format(&sha256, text);
	assert_string_equal(conflicts.text, text);
	assert_int_equal(conflicts.bad, 13);
	assert_int_equal(conflicts.good, 2);
	assert_true(file_pattern_find(pattern, &sha1, &value));
	assert_string_equal(value.name, "");
	assert_int_equal(value.kind, THREAT_VIRUS);
	assert_true(file_pattern_find(pattern, &md5, &value));
	assert_false(value.malicious);
	assert_string_equal(value.name, "notepad");
	assert_int_equal(value.origins, 3);
	/* The same bytes as another kind of digest are another thing. */
	sha1.kind = DIGEST_MD5;
	assert_false(file_pattern_find(pattern, &sha1, &value));
	assert_int_equal(counts.added, 8);
	assert_int_equal(counts.merged, 5);
	assert_int_equal(counts.written, 3);
	assert_int_equal(counts.conflicts, 1);
	file_pattern_close(pattern);
	file_builder_free(builder);
}

#define MANY 100000

static void number_to_value(uint64_t number, char name[32], struct file_value *ret_value)
{
	uint64_t random = test_random(&number);
	if (random % 4 == 0) {
		name[0] = '\0';
	} else {
		snprintf(name, 32, "Threat.%u", (unsigned)(random >> 8) % 700);
	}
	*ret_value = (struct file_value){.name = name,
	        .origins = 1 + (random >> 40) % 15,
	        .malicious = (random >> 32) % 3 != 0,
	        .kind = (uint8_t)((random >> 48) % THREAT_KIND_COUNT)};
}

static void test_finds_what_was_added_and_nothing_else(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct file_value value, expected;
	char name[32];
	struct file_builder *builder = new_builder();
	for (uint64_t i = 0; i < MANY; i++) {
		struct digest digest = make_digest((enum digest_kind)(i % 3), i);
		number_to_value(i, name, &expected);
		add(builder, &digest, expected.malicious, expected.kind, name, expected.origins);
	}
	struct file_pattern *pattern = open_pattern(write_to(builder, &conflicts, &counts));
	assert_int_equal(counts.written, MANY);
	for (uint64_t i = 0; i < 2 * MANY; i++) {
		struct digest digest = make_digest((enum digest_kind)(i % 3), i);
		bool found = file_pattern_find(pattern, &digest, &value);
		assert_int_equal(found, i < MANY);
		if (found) {
			number_to_value(i, name, &expected);
			assert_string_equal(value.name, name);
			assert_int_equal(value.origins, expected.origins);
			assert_int_equal(value.malicious, expected.malicious);
			assert_int_equal(value.kind, expected.kind);
		}
	}
	file_pattern_close(pattern);
	file_builder_free(builder);
}

static int check_visit(void *context, const struct digest *digest, const struct file_value *value)
{
	const struct file_pattern *pattern = ((void **)context)[0];
	unsigned *count = ((void **)context)[1];
	struct file_value found;
	assert_true(file_pattern_find(pattern, digest, &found));
	assert_ptr_equal(found.name, value->name);
	assert_int_equal(found.origins, value->origins);
	return ++*count == 5000 ? -1 : 0;
}

static void test_visit_goes_through_all(void **state)
{
	(void)state;
	for (unsigned total = 3000; total <= 9000; total += 6000) {
		struct test_conflicts conflicts = {0};
		struct build_counts counts;
		unsigned visited = 0;
		struct file_builder *builder = new_builder();
		for (uint64_t i = 0; i < total; i++) {
			struct digest digest = make_digest((enum digest_kind)(i % 3), i);
			add(builder, &digest, 1, THREAT_OTHER, "name", 1 + i % 15);
		}
		struct file_pattern *pattern = open_pattern(write_to(builder, &conflicts, &counts));
		void *context[2] = {pattern, &visited};
		assert_int_equal(
		        file_pattern_visit(pattern, check_visit, context), total == 3000 ? 0 : -1);
		assert_int_equal(visited, total == 3000 ? 3000 : 5000);
		file_pattern_close(pattern);
		file_builder_free(builder);
	}
}

static void test_order_of_arrival_does_not_matter(void **state)
{
	(void)state;
	unsigned char *first = NULL;
	size_t first_size = 0;
	for (unsigned run = 0; run < 3; run++) {
		struct test_conflicts conflicts = {0};
		struct build_counts counts;
		struct file_builder *builder = new_builder();
		for (uint64_t i = 0; i < 20000; i++) {
			uint64_t number = run == 0 ? i : run == 1 ? 19999 - i : (i * 7919) % 20000;
			struct file_value value;
			char name[32];
			/* Three entries each of most digests. */
			struct digest digest =
			        make_digest((enum digest_kind)(number % 7000 % 3), number % 7000);
			number_to_value(number, name, &value);
			add(builder, &digest, value.malicious, value.kind, name, value.origins);
		}
		close(write_to(builder, &conflicts, &counts));
		int fd = write_to(builder, &conflicts, &counts);
		size_t size;
		unsigned char *data = test_file_bytes(fd, &size);
		file_pattern_close(open_pattern(fd));
		assert_true(counts.conflicts > 100);
		assert_int_equal(conflicts.kind, BUILD_CONFLICT_DIGEST);
		if (run == 0) {
			first = data;
			first_size = size;
		} else {
			assert_int_equal(size, first_size);
			assert_memory_equal(data, first, size);
			mem_free(data);
		}
		file_builder_free(builder);
	}
	mem_free(first);
}

static void test_builder_refuses_what_cannot_be_stored(void **state)
{
	(void)state;
	struct build_counts counts;
	struct error error = {0};
	struct file_builder *builder = new_builder();
	struct digest digest = make_digest(DIGEST_MD5, 1);
	char name[LIMIT_THREAT_NAME + 2];
	memset(name, 'n', sizeof(name));
	name[LIMIT_THREAT_NAME + 1] = '\0';
	assert_int_equal(file_builder_add(builder, &digest, 1, THREAT_OTHER, name, 1), SK_E_LIMIT);
	name[LIMIT_THREAT_NAME] = '\0';
	assert_int_equal(file_builder_add(builder, &digest, 1, THREAT_OTHER, name, 1), 0);
	assert_int_equal(
	        file_builder_add(builder, &digest, 1, THREAT_KIND_COUNT, name, 1), SK_E_RANGE);
	digest.kind = DIGEST_KIND_COUNT;
	assert_int_equal(file_builder_add(builder, &digest, 1, THREAT_OTHER, name, 1), SK_E_RANGE);
	digest.kind = DIGEST_MD5;
	add(builder, &digest, 1, THREAT_OTHER, "n", 16);
	int fd = test_file_new();
	assert_int_equal(file_builder_write(builder, fd, "n", "v", test_sources, 4, NULL, NULL,
	                         &counts, &error),
	        SK_E_RANGE);
	close(fd);
	file_builder_free(builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_empty_pattern),
	        cmocka_unit_test(test_malicious_wins_and_the_first_name_stays),
	        cmocka_unit_test(test_finds_what_was_added_and_nothing_else),
	        cmocka_unit_test(test_visit_goes_through_all),
	        cmocka_unit_test(test_order_of_arrival_does_not_matter),
	        cmocka_unit_test(test_builder_refuses_what_cannot_be_stored),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
