#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/data/url.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/web_pattern.h"
#include "tests/unit/lookup_support.h"

static int write_chunks(const size_t *sizes, unsigned count, enum lookup_kind kind)
{
	struct lookup_writer *writer;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, kind, count, &writer), 0);
	for (unsigned i = 0; i < count; i++) {
		char id[4] = {'C', 'H', 'K', (char)('A' + i)};
		assert_int_equal(lookup_writer_start_chunk(writer, id), 0);
		for (size_t at = 0; at < sizes[i]; at += 7) {
			unsigned char bytes[7];
			size_t take = sizes[i] - at < 7 ? sizes[i] - at : 7;
			memset(bytes, (int)(at / 7 + i), sizeof(bytes));
			assert_int_equal(lookup_writer_add(writer, bytes, take), 0);
		}
	}
	assert_int_equal(lookup_writer_finish(writer), 0);
	return fd;
}

static void test_chunks_come_back(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 63, 64, 65, 1000000, 262144, 5};
	struct lookup_file *file;
	struct error error = {0};
	int fd = write_chunks(sizes, SK_COUNT(sizes), LOOKUP_KIND_POLICY);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_POLICY, &file, &error), 0);
	for (unsigned i = 0; i < SK_COUNT(sizes); i++) {
		size_t size;
		char id[4] = {'C', 'H', 'K', (char)('A' + i)};
		const unsigned char *chunk = lookup_file_chunk(file, id, &size);
		assert_non_null(chunk);
		assert_int_equal(size, sizes[i]);
		assert_int_equal((uintptr_t)chunk % 64, 0);
		for (size_t at = 0; at < size; at++) {
			if (chunk[at] != (unsigned char)(at / 7 + i)) {
				fail();
			}
		}
	}
	size_t size = 1;
	assert_null(lookup_file_chunk(file, "CHKZ", &size));
	assert_int_equal(size, 0);
	size_t raw_size;
	unsigned char *raw = test_file_bytes(fd, &raw_size);
	assert_int_equal(lookup_file_size(file), raw_size);
	assert_memory_equal(lookup_file_checksum(file), raw + raw_size - SHA256_SIZE, SHA256_SIZE);
	mem_free(raw);
	lookup_file_close(file);
	close(fd);
}

static void test_no_chunks_at_all(void **state)
{
	(void)state;
	struct lookup_file *file;
	struct error error = {0};
	int fd = write_chunks(NULL, 0, LOOKUP_KIND_KEYWORDS);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_KEYWORDS, &file, &error), 0);
	lookup_file_close(file);
	close(fd);
}

static void test_writer_holds_to_its_promise(void **state)
{
	(void)state;
	struct lookup_writer *writer;
	int fd = test_file_new();
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_WEB, 65, &writer), SK_E_LIMIT);
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_WEB, 2, &writer), 0);
	assert_int_equal(lookup_writer_start_chunk(writer, "AAAA"), 0);
	assert_int_equal(lookup_writer_finish(writer), SK_E_INTERNAL);
	assert_int_equal(lookup_writer_new(fd, LOOKUP_KIND_WEB, 1, &writer), 0);
	assert_int_equal(lookup_writer_start_chunk(writer, "AAAA"), 0);
	assert_int_equal(lookup_writer_start_chunk(writer, "BBBB"), SK_E_INTERNAL);
	assert_int_equal(lookup_writer_finish(writer), SK_E_INTERNAL);
	close(fd);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full >= 0) {
		assert_int_equal(lookup_writer_new(full, LOOKUP_KIND_WEB, 0, &writer), 0);
		assert_int_equal(lookup_writer_finish(writer), -ENOSPC);
		close(full);
	}
}

static void test_kind_and_version_are_named(void **state)
{
	(void)state;
	static const size_t sizes[] = {100};
	struct lookup_file *file;
	struct error error = {0};
	size_t size;
	int fd = write_chunks(sizes, 1, LOOKUP_KIND_WEB);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_FILES, &file, &error), SK_E_CORRUPT);
	assert_non_null(strstr(error.text, "kind 1"));
	unsigned char *data = test_file_bytes(fd, &size);
	data[8] = 2;
	test_fix_checksum(data, size);
	assert_int_equal(
	        lookup_file_over(data, size, LOOKUP_KIND_WEB, &file, &error), SK_E_VERSION);
	assert_non_null(strstr(error.text, "version 2"));
	mem_free(data);
	close(fd);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(lookup_file_load(pipes[0], LOOKUP_KIND_WEB, &file, &error), SK_E_CORRUPT);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(lookup_file_load(-1, LOOKUP_KIND_WEB, &file, &error), -EBADF);
}

/* Two chunks with one name, chunks that overlap or reach outside: the table is checked. */
static void test_chunk_table_is_checked(void **state)
{
	(void)state;
	static const size_t sizes[] = {100, 200};
	size_t size;
	int fd = write_chunks(sizes, 2, LOOKUP_KIND_WEB);
	unsigned char *data = test_file_bytes(fd, &size);
	close(fd);
	size_t table = size - 40 - 48;
	static const struct {
		unsigned at;
		uint64_t value;
	} changes[] = {{8, 0}, {8, 65}, {8, 1u << 20}, {16, 300}, {16, UINT64_MAX}, {32, 64},
	        {32, UINT64_MAX - 63}, {40, 100000}, {48, 17}};
	for (size_t i = 0; i < SK_COUNT(changes) + 2; i++) {
		struct lookup_file *file;
		struct error error = {0};
		unsigned char saved[56];
		memcpy(saved, data + table, sizeof(saved));
		if (i < SK_COUNT(changes)) {
			bytes_put_le64(data + table + changes[i].at, changes[i].value);
		} else if (i == SK_COUNT(changes)) {
			memcpy(data + table + 24, data + table, 4);
		} else {
			data[table + 4] = 1;
		}
		test_fix_checksum(data, size);
		assert_int_equal(
		        lookup_file_over(data, size, LOOKUP_KIND_WEB, &file, &error), SK_E_CORRUPT);
		memcpy(data + table, saved, sizeof(saved));
	}
	mem_free(data);
}

/* A small pattern of each kind. */
static unsigned char *small_web_pattern(size_t *ret_size)
{
	static const char *const urls[] = {
	        "a.example/", "b.example/x?q=1", "c.a.example/y/", "192.0.2.1/", "d.example/"};
	static const char *const prefixes[] = {"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"};
	static const char *const sources[] = {"one", "two"};
	static const struct siphash_key key = {1, 2};
	struct web_builder *builder;
	struct build_counts counts;
	struct error error = {0};
	assert_int_equal(web_builder_new(&key, &builder), 0);
	for (unsigned i = 0; i < SK_COUNT(urls); i++) {
		char space[URL_TEXT_MAX];
		struct url url;
		const char *reason;
		struct web_value value = {.score = (uint8_t)(40 - i), .origins = 1 + i % 2};
		assert_int_equal(url_canonicalize(urls[i], strlen(urls[i]), space, sizeof(space),
		                         &url, &reason),
		        0);
		assert_int_equal(web_builder_add(builder, &url, &value), 0);
	}
	for (unsigned i = 0; i < SK_COUNT(prefixes); i++) {
		struct address_prefix prefix;
		struct web_value value = {.score = (uint8_t)(30 - i), .origins = 2};
		assert_int_equal(
		        address_prefix_parse(prefixes[i], strlen(prefixes[i]), &prefix), 0);
		assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), 0);
	}
	int fd = test_file_new();
	assert_int_equal(web_builder_write(builder, fd, "small", "1", sources, 2, NULL, NULL,
	                         &counts, &error),
	        0);
	web_builder_free(builder);
	unsigned char *data = test_file_bytes(fd, ret_size);
	close(fd);
	return data;
}

static unsigned char *small_file_pattern(size_t *ret_size)
{
	static const char *const sources[] = {"one", "two"};
	struct file_builder *builder;
	struct build_counts counts;
	struct error error = {0};
	assert_int_equal(file_builder_new(&builder), 0);
	for (unsigned i = 0; i < 9; i++) {
		struct digest digest = {.kind = (uint8_t)(i % 3)};
		digest.bytes[0] = (uint8_t)(i * 29);
		digest.bytes[7] = (uint8_t)i;
		assert_int_equal(file_builder_add(builder, &digest, i % 2, (uint8_t)(i % 4),
		                         i % 2 ? "Name" : "Another", 1 + i % 2),
		        0);
	}
	int fd = test_file_new();
	assert_int_equal(file_builder_write(builder, fd, "small", "1", sources, 2, NULL, NULL,
	                         &counts, &error),
	        0);
	file_builder_free(builder);
	unsigned char *data = test_file_bytes(fd, ret_size);
	close(fd);
	return data;
}

static int touch_entry(void *context, const struct lookup_key *key,
        const struct address_prefix *prefix, const struct web_value *value)
{
	const struct web_pattern *pattern = context;
	assert_in_range(value->score, 0, 100);
	if (key != NULL) {
		struct siphash_value host = {key->low, key->high};
		web_pattern_prefetch(pattern, *key);
		web_pattern_prefetch_slot(pattern, *key);
		(void)web_pattern_find(pattern, *key);
		(void)web_pattern_may_have_host(pattern, host);
	} else {
		struct address_prefix inner;
		const struct web_value *found =
		        web_pattern_find_address(pattern, &prefix->address, NULL, &inner);
		while (found != NULL) {
			found = web_pattern_find_address(pattern, &prefix->address, &inner, &inner);
		}
	}
	return 0;
}

static int touch_digest(void *context, const struct digest *digest, const struct file_value *value)
{
	struct file_value found;
	(void)file_pattern_find(context, digest, &found);
	return strlen(value->name) > 255 ? -1 : 0;
}

/* Opens bytes as both kinds of pattern, if they let themselves be opened, and asks for all. */
static bool use_everything(const unsigned char *data, size_t size)
{
	struct lookup_file *file;
	struct web_pattern *web;
	struct file_pattern *files;
	struct error error = {0};
	bool used = false;
	if (lookup_file_over(data, size, LOOKUP_KIND_WEB, &file, &error) == 0) {
		if (web_pattern_open(file, &web, &error) == 0) {
			(void)web_pattern_visit(web, touch_entry, web);
			web_pattern_close(web);
			used = true;
		} else {
			lookup_file_close(file);
		}
	}
	if (lookup_file_over(data, size, LOOKUP_KIND_FILES, &file, &error) == 0) {
		if (file_pattern_open(file, &files, &error) == 0) {
			(void)file_pattern_visit(files, touch_digest, files);
			file_pattern_close(files);
			used = true;
		} else {
			lookup_file_close(file);
		}
	}
	return used;
}

/* Like the file on disk: through a descriptor. */
static int load_bytes(const unsigned char *data, size_t size, enum lookup_kind kind)
{
	struct lookup_file *file;
	struct error error = {0};
	int fd = test_file_new();
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	int status = lookup_file_load(fd, kind, &file, &error);
	if (status == 0) {
		lookup_file_close(file);
	} else {
		assert_true(error.text[0] != '\0');
	}
	close(fd);
	return status;
}

static void check_flips(unsigned char *data, size_t size, enum lookup_kind kind)
{
	assert_int_equal(load_bytes(data, size, kind), 0);
	for (size_t i = 0; i < size; i++) {
		unsigned char saved = data[i];
		data[i] ^= (unsigned char)(1u << (i % 8));
		assert_int_not_equal(load_bytes(data, size, kind), 0);
		data[i] = saved;
	}
}

static void test_every_changed_byte_is_refused(void **state)
{
	(void)state;
	size_t size;
	unsigned char *data = small_web_pattern(&size);
	check_flips(data, size, LOOKUP_KIND_WEB);
	mem_free(data);
	data = small_file_pattern(&size);
	check_flips(data, size, LOOKUP_KIND_FILES);
	mem_free(data);
}

static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	size_t size;
	unsigned char *data = small_web_pattern(&size);
	for (size_t length = 0; length < size; length++) {
		assert_int_not_equal(load_bytes(data, length, LOOKUP_KIND_WEB), 0);
	}
	mem_free(data);
}

static void test_what_is_behind_the_end_is_refused(void **state)
{
	(void)state;
	size_t size;
	unsigned char *data = small_web_pattern(&size);
	unsigned char *longer = mem_new(size + 64, 1);
	assert_non_null(longer);
	for (size_t more = 1; more <= 64; more++) {
		memcpy(longer, data, size);
		assert_int_not_equal(load_bytes(longer, size + more, LOOKUP_KIND_WEB), 0);
	}
	mem_free(longer);
	mem_free(data);
}

/* Several bits of every byte, with the checksum put right. */
static void check_crafted(unsigned char *data, size_t size)
{
	assert_true(use_everything(data, size));
	for (size_t i = 0; i + SHA256_SIZE < size; i++) {
		static const unsigned char others[] = {0x01, 0x80, 0xff, 0x10};
		unsigned char saved = data[i];
		for (size_t j = 0; j < SK_COUNT(others); j++) {
			data[i] = saved ^ others[j];
			test_fix_checksum(data, size);
			(void)use_everything(data, size);
		}
		data[i] = saved;
	}
}

static void test_crafted_bytes_never_lead_outside(void **state)
{
	(void)state;
	size_t size;
	unsigned char *data = small_web_pattern(&size);
	check_crafted(data, size);
	mem_free(data);
	data = small_file_pattern(&size);
	check_crafted(data, size);
	mem_free(data);
}

/* Truncated with a right size and checksum: the tail moves into the chunks. */
static void test_crafted_truncations_never_lead_outside(void **state)
{
	(void)state;
	size_t size;
	unsigned char *data = small_web_pattern(&size);
	for (size_t length = 104; length < size; length++) {
		unsigned char *shorter = mem_new(length, 1);
		assert_non_null(shorter);
		memcpy(shorter, data, length);
		bytes_put_le64(shorter + length - 40, length);
		test_fix_checksum(shorter, length);
		(void)use_everything(shorter, length);
		mem_free(shorter);
	}
	mem_free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_chunks_come_back),
	        cmocka_unit_test(test_no_chunks_at_all),
	        cmocka_unit_test(test_writer_holds_to_its_promise),
	        cmocka_unit_test(test_kind_and_version_are_named),
	        cmocka_unit_test(test_chunk_table_is_checked),
	        cmocka_unit_test(test_every_changed_byte_is_refused),
	        cmocka_unit_test(test_every_truncation_is_refused),
	        cmocka_unit_test(test_what_is_behind_the_end_is_refused),
	        cmocka_unit_test(test_crafted_bytes_never_lead_outside),
	        cmocka_unit_test(test_crafted_truncations_never_lead_outside),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
