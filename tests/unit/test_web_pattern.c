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
#include "lib/data/rating.h"
#include "lib/data/url.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/web_pattern.h"
#include "tests/unit/lookup_support.h"

static const struct siphash_key test_key = {
        UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

static struct web_value bad_value(uint8_t score, uint64_t origins)
{
	return (struct web_value){.score = score, .origins = origins, .categories = 1};
}

static void add_url(struct web_builder *builder, const char *text, struct web_value value)
{
	char space[URL_TEXT_MAX];
	struct url url;
	const char *reason;
	assert_int_equal(
	        url_canonicalize(text, strlen(text), space, sizeof(space), &url, &reason), 0);
	assert_int_equal(web_builder_add(builder, &url, &value), 0);
}

static void add_prefix(struct web_builder *builder, const char *text, struct web_value value)
{
	struct address_prefix prefix;
	assert_int_equal(address_prefix_parse(text, strlen(text), &prefix), 0);
	assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), 0);
}

static struct web_builder *new_builder(void)
{
	struct web_builder *builder;
	assert_int_equal(web_builder_new(&test_key, &builder), 0);
	return builder;
}

static int write_to(struct web_builder *builder, struct test_conflicts *conflicts,
        struct build_counts *ret_counts)
{
	struct error error = {0};
	int fd = test_file_new();
	if (web_builder_write(builder, fd, "test", "1", test_sources, TEST_SOURCE_COUNT,
	            test_keep_conflict, conflicts, ret_counts, &error) != 0) {
		fail_msg("%s", error.text);
	}
	return fd;
}

static struct web_pattern *open_pattern(int fd)
{
	struct lookup_file *file;
	struct web_pattern *pattern = NULL;
	struct error error = {0};
	if (lookup_file_load(fd, LOOKUP_KIND_WEB, &file, &error) != 0 ||
	        web_pattern_open(file, &pattern, &error) != 0) {
		fail_msg("%s", error.text);
	}
	close(fd);
	return pattern;
}

static struct web_pattern *write_and_open(struct web_builder *builder,
        struct test_conflicts *conflicts, struct build_counts *ret_counts)
{
	return open_pattern(write_to(builder, conflicts, ret_counts));
}

/* The value of exactly this expression. */
static const struct web_value *find(const struct web_pattern *pattern, const char *expression)
{
	const struct siphash_key *key = web_pattern_key(pattern);
	size_t host = strcspn(expression, "/");
	struct siphash_value hash = siphash(key, expression, strlen(expression));
	struct siphash_value host_hash = siphash(key, expression, host);
	const struct web_value *value = web_pattern_find(pattern, lookup_key_from_hash(hash));
	if (value != NULL) {
		assert_true(web_pattern_may_have_host(pattern, host_hash));
	}
	return value;
}

static void test_empty_pattern(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	struct address address;
	assert_null(find(pattern, "example.com/"));
	assert_int_equal(address_parse("10.0.0.1", 8, &address), 0);
	assert_null(web_pattern_find_address(pattern, &address, NULL, NULL));
	assert_int_equal(address_parse("::1", 3, &address), 0);
	assert_null(web_pattern_find_address(pattern, &address, NULL, NULL));
	assert_int_equal(counts.written, 0);
	const struct pattern_info *info = web_pattern_info(pattern);
	assert_string_equal(info->name, "test");
	assert_string_equal(info->version, "1");
	assert_int_equal(info->source_count, 4);
	assert_string_equal(info->sources[3], "delta");
	web_pattern_close(pattern);
	web_builder_free(builder);
}

static void test_equal_entries_become_one(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	struct web_value high = {.score = 40,
	        .origins = 1,
	        .categories = 2,
	        .cnc_level = CNC_LOW,
	        .cnc_source = CNC_SOURCE_USER_DEFINED};
	struct web_value low = {.score = 20,
	        .origins = 2,
	        .categories = 4,
	        .cnc_level = CNC_HIGH,
	        .cnc_source = CNC_SOURCE_VIRTUAL_ANALYZER};
	struct web_value good = {.score = 90, .origins = 4, .categories = 8};
	add_url(builder, "http://example.com/a?q=1", high);
	add_url(builder, "https://EXAMPLE.com:8080/a?q=1#x", low);
	add_url(builder, "example.com/a?q=1", good);
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	const struct web_value *value = find(pattern, "example.com/a?q=1");
	assert_non_null(value);
	assert_int_equal(value->score, 20);
	assert_int_equal(value->origins, 3);
	assert_int_equal(value->categories, 6);
	assert_int_equal(value->cnc_level, CNC_HIGH);
	assert_int_equal(value->cnc_source, CNC_SOURCE_VIRTUAL_ANALYZER);
	assert_int_equal(conflicts.count, 1);
	assert_int_equal(conflicts.kind, BUILD_CONFLICT_URL);
	assert_string_equal(conflicts.text, "example.com/a?q=1");
	assert_int_equal(conflicts.bad, 3);
	assert_int_equal(conflicts.good, 4);
	assert_int_equal(counts.added, 3);
	assert_int_equal(counts.merged, 2);
	assert_int_equal(counts.conflicts, 1);
	assert_int_equal(counts.written, 1);
	assert_null(find(pattern, "example.com/a"));
	web_pattern_close(pattern);
	web_builder_free(builder);
}

static void test_milder_than_what_covers_it_is_dropped(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	add_url(builder, "example.com/", bad_value(40, 1));
	add_url(builder, "example.com/a/b/", bad_value(60, 1)); /* milder: out */
	add_url(builder, "www.example.com/", bad_value(41, 1)); /* milder: out */
	add_url(builder, "www.example.com/x", bad_value(40, 2)); /* as bad: stays */
	add_url(builder, "www.example.com/y?q=1", bad_value(10, 2)); /* worse: stays */
	add_url(builder, "shop.example.com/", bad_value(85, 2)); /* safe: stays */
	add_url(builder, "shop.example.com/kit", bad_value(50, 2)); /* worse than safe: stays */
	add_url(builder, "other.net/page", bad_value(30, 1));
	add_url(builder, "other.net/page?id=7", bad_value(31, 1)); /* out */
	add_url(builder, "other.net/page2?id=7", bad_value(31, 1));
	add_url(builder, "http://192.0.2.7/", bad_value(30, 1));
	add_url(builder, "http://2.7/x", bad_value(50, 1)); /* 2.0.0.7 */
	add_url(builder, "http://192.0.2.7/x", bad_value(50, 1)); /* out */
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	assert_non_null(find(pattern, "example.com/"));
	assert_null(find(pattern, "example.com/a/b/"));
	assert_null(find(pattern, "www.example.com/"));
	assert_non_null(find(pattern, "www.example.com/x"));
	assert_non_null(find(pattern, "www.example.com/y?q=1"));
	assert_non_null(find(pattern, "shop.example.com/"));
	assert_non_null(find(pattern, "shop.example.com/kit"));
	assert_null(find(pattern, "other.net/page?id=7"));
	assert_non_null(find(pattern, "other.net/page2?id=7"));
	assert_non_null(find(pattern, "2.0.0.7/x"));
	assert_null(find(pattern, "192.0.2.7/x"));
	assert_int_equal(counts.dropped, 4);
	assert_int_equal(conflicts.count, 0);
	web_pattern_close(pattern);
	web_builder_free(builder);
}

static void test_excluded_entry_is_left_out_and_covers_nothing(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	add_url(builder, "example.com/", bad_value(40, 1));
	add_url(builder, "example.com/", bad_value(41, 1));
	add_url(builder, "example.com/bad", bad_value(45, 1));
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	assert_null(find(pattern, "example.com/bad"));
	web_pattern_close(pattern);
	assert_int_equal(web_builder_exclude(builder, "example.com/", 12), 0);
	assert_int_equal(web_builder_exclude(builder, "example.com/", 12), 0);
	assert_int_equal(web_builder_exclude(builder, "example.org/", 12), 0);
	pattern = write_and_open(builder, &conflicts, &counts);
	assert_null(find(pattern, "example.com/"));
	assert_non_null(find(pattern, "example.com/bad"));
	assert_int_equal(counts.added, 3);
	assert_int_equal(counts.merged, 1);
	assert_int_equal(counts.excluded, 1);
	assert_int_equal(counts.dropped, 0);
	assert_int_equal(counts.written, 1);
	web_pattern_close(pattern);
	web_builder_free(builder);
}

static uint8_t address_score(const struct web_pattern *pattern, const char *text,
        const struct address_prefix *outer, struct address_prefix *ret_prefix)
{
	struct address address;
	assert_int_equal(address_parse(text, strlen(text), &address), 0);
	const struct web_value *value =
	        web_pattern_find_address(pattern, &address, outer, ret_prefix);
	return value != NULL ? value->score : 255;
}

static void test_addresses_from_the_inside_out(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	add_prefix(builder, "10.0.0.0/8", bad_value(40, 1));
	add_prefix(builder, "10.1.0.0/16", bad_value(30, 1));
	add_prefix(builder, "10.1.2.0/24", bad_value(35, 1)); /* milder than /16: out */
	add_prefix(builder, "10.1.3.0/24", bad_value(90, 1)); /* safe */
	add_prefix(builder, "10.1.3.7", bad_value(20, 1));
	add_prefix(builder, "10.1.3.7", bad_value(95, 2)); /* conflict */
	add_prefix(builder, "10.1.3.9", bad_value(50, 1)); /* worse than the safe /24 */
	add_prefix(builder, "2001:db8::/32", bad_value(45, 1));
	add_prefix(builder, "2001:db8::1", bad_value(15, 1));
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	struct address_prefix prefix;
	assert_int_equal(address_score(pattern, "9.255.255.255", NULL, NULL), 255);
	assert_int_equal(address_score(pattern, "11.0.0.0", NULL, NULL), 255);
	assert_int_equal(address_score(pattern, "10.0.0.0", NULL, NULL), 40);
	assert_int_equal(address_score(pattern, "10.255.255.255", NULL, NULL), 40);
	assert_int_equal(address_score(pattern, "10.1.2.3", NULL, NULL), 30);
	assert_int_equal(address_score(pattern, "10.1.3.7", NULL, &prefix), 20);
	assert_int_equal(prefix.length, 32);
	assert_int_equal(address_score(pattern, "10.1.3.7", &prefix, &prefix), 90);
	assert_int_equal(prefix.length, 24);
	assert_int_equal(address_score(pattern, "10.1.3.7", &prefix, &prefix), 30);
	assert_int_equal(address_score(pattern, "10.1.3.7", &prefix, &prefix), 40);
	assert_int_equal(prefix.length, 8);
	assert_int_equal(address_score(pattern, "10.1.3.7", &prefix, &prefix), 255);
	assert_int_equal(address_score(pattern, "10.1.3.8", NULL, NULL), 90);
	assert_int_equal(address_score(pattern, "10.1.3.9", NULL, NULL), 50);
	assert_int_equal(address_score(pattern, "2001:db8::1", NULL, &prefix), 15);
	assert_int_equal(address_score(pattern, "2001:db8::1", &prefix, NULL), 45);
	assert_int_equal(address_score(pattern, "2001:db9::", NULL, NULL), 255);
	assert_int_equal(counts.dropped, 1);
	assert_int_equal(counts.merged, 1);
	assert_int_equal(conflicts.count, 1);
	assert_int_equal(conflicts.kind, BUILD_CONFLICT_ADDRESS);
	assert_string_equal(conflicts.text, "10.1.3.7/32");
	assert_int_equal(web_pattern_info(pattern)->v4_count, 5);
	assert_int_equal(web_pattern_info(pattern)->v6_count, 2);
	web_pattern_close(pattern);
	web_builder_free(builder);
}

/* A made-up URL: few sites, so that entries often cover each other. */
static void make_url(uint64_t *seed, char *text, size_t size)
{
	static const char *const hosts[] = {
	        "", "www.", "a.", "b.a.", "c.b.a.", "d.c.b.a.", "e.d.c.b.a."};
	static const char *const paths[] = {"/", "/x", "/x/", "/x/y", "/x/y/", "/x/y/z/w/",
	        "/x/y/z/w/v", "/x?q=1", "/x/y/?q=2", "/x?"};
	uint64_t random = test_random(seed);
	snprintf(text, size, "http://%ssite%u.example%s", hosts[random % SK_COUNT(hosts)],
	        (unsigned)(random >> 16) % 5000, paths[(random >> 40) % SK_COUNT(paths)]);
}

struct plain_entry {
	char text[80]; /* expression */
	struct web_value value;
	bool dropped;
};

static int compare_plain(const void *a, const void *b)
{
	return strcmp(((const struct plain_entry *)a)->text, ((const struct plain_entry *)b)->text);
}

/* Drops an entry with `depth` expressions when the first other one of them that has an entry is
 * worse.
 */
static void plain_drop(
        struct plain_entry *entries, size_t count, struct plain_entry *entry, unsigned depth)
{
	char space[URL_TEXT_MAX], text[100];
	struct url url;
	struct url_expressions expressions;
	const char *reason;
	int length = snprintf(text, sizeof(text), "http://%s", entry->text);
	assert_int_equal(
	        url_canonicalize(text, (size_t)length, space, sizeof(space), &url, &reason), 0);
	url_expressions(&url, &expressions);
	if ((unsigned)expressions.host_count * expressions.path_count != depth) {
		return;
	}
	for (unsigned i = 1; i < depth; i++) {
		const struct url_part *host = &expressions.hosts[i / expressions.path_count];
		const struct url_part *path = &expressions.paths[i % expressions.path_count];
		struct plain_entry probe;
		snprintf(probe.text, sizeof(probe.text), "%.*s%.*s", (int)host->length,
		        url.text + host->start, (int)path->length, url.text + path->start);
		struct plain_entry *outer =
		        bsearch(&probe, entries, count, sizeof(probe), compare_plain);
		if (outer != NULL && !outer->dropped) {
			entry->dropped =
			        outer->value.score < entry->value.score && entry->value.score < 81;
			return;
		}
	}
}

/* The rules of merging as plainly as they can be said, in quadratic space and time if need be. */
static size_t plain_merge(struct plain_entry *entries, size_t count)
{
	qsort(entries, count, sizeof(*entries), compare_plain);
	size_t kept = 0;
	size_t end;
	for (size_t start = 0; start < count; start = end) {
		bool bad = false;
		for (end = start; end < count && compare_plain(&entries[start], &entries[end]) == 0;
		        end++) {
			bad |= entries[end].value.score < 81;
		}
		struct web_value merged = {.score = 100};
		for (size_t i = start; i < end; i++) {
			const struct web_value *value = &entries[i].value;
			if (bad && value->score >= 81) {
				continue;
			}
			merged.score = value->score < merged.score ? value->score : merged.score;
			merged.origins |= value->origins;
			merged.categories |= value->categories;
		}
		entries[kept] = entries[start];
		entries[kept++].value = merged;
	}
	for (unsigned depth = 1; depth <= URL_HOSTS_MAX * URL_PATHS_MAX; depth++) {
		for (size_t i = 0; i < kept; i++) {
			plain_drop(entries, kept, &entries[i], depth);
		}
	}
	return kept;
}

#define PLAIN_COUNT 100000

static void test_same_as_the_plain_rules(void **state)
{
	(void)state;
	static const uint8_t scores[] = {10, 40, 49, 60, 71, 81, 95};
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct plain_entry *entries = mem_new(PLAIN_COUNT, sizeof(*entries));
	assert_non_null(entries);
	struct web_builder *builder = new_builder();
	uint64_t seed = 4711;
	for (size_t i = 0; i < PLAIN_COUNT; i++) {
		char text[100], space[URL_TEXT_MAX];
		struct url url;
		const char *reason;
		make_url(&seed, text, sizeof(text));
		uint64_t random = test_random(&seed);
		struct web_value value = {.score = scores[random % SK_COUNT(scores)],
		        .origins = 1 + (random >> 20) % 15,
		        .categories = UINT64_C(1) << ((random >> 30) % 5)};
		assert_int_equal(
		        url_canonicalize(text, strlen(text), space, sizeof(space), &url, &reason),
		        0);
		assert_int_equal(web_builder_add(builder, &url, &value), 0);
		snprintf(entries[i].text, sizeof(entries[i].text), "%s", url.text + url.host_start);
		entries[i].value = value;
	}
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	size_t kept = plain_merge(entries, PLAIN_COUNT);
	size_t written = 0;
	for (size_t i = 0; i < kept; i++) {
		const struct web_value *value = find(pattern, entries[i].text);
		if (entries[i].dropped) {
			assert_null(value);
			continue;
		}
		written++;
		assert_non_null(value);
		assert_int_equal(value->score, entries[i].value.score);
		assert_int_equal(value->origins, entries[i].value.origins);
		assert_int_equal(value->categories, entries[i].value.categories);
	}
	assert_int_equal(counts.written, written);
	assert_int_equal(counts.added, PLAIN_COUNT);
	assert_int_equal(counts.merged, PLAIN_COUNT - kept);
	assert_int_equal(counts.dropped, kept - written);
	assert_true(counts.dropped > 1000);
	assert_int_equal(web_pattern_info(pattern)->url_count, written);
	web_pattern_close(pattern);
	web_builder_free(builder);
	mem_free(entries);
}

/* The same entries in another order, written twice: the same bytes. */
static void test_order_of_arrival_does_not_matter(void **state)
{
	(void)state;
	unsigned char *first = NULL;
	size_t first_size = 0;
	for (unsigned run = 0; run < 3; run++) {
		struct test_conflicts conflicts = {0};
		struct build_counts counts;
		struct web_builder *builder = new_builder();
		for (unsigned i = 0; i < 20000; i++) {
			char text[100];
			uint64_t seed = run == 0 ? i : run == 1 ? 19999 - i : (i * 7919u) % 20000;
			make_url(&seed, text, sizeof(text));
			struct web_value value = {.score = (uint8_t)(test_random(&seed) % 101),
			        .origins = 1 + test_random(&seed) % 15,
			        .cnc_level = (uint8_t)(test_random(&seed) % CNC_LEVEL_COUNT),
			        .cnc_source = (uint8_t)(test_random(&seed) % CNC_SOURCE_COUNT)};
			add_url(builder, text, value);
			snprintf(text, sizeof(text), "10.%u.%u.0/%u",
			        (unsigned)test_random(&seed) % 8, (unsigned)test_random(&seed) % 8,
			        test_random(&seed) % 2 == 0 ? 24 : 16);
			add_prefix(builder, text, value);
			snprintf(text, sizeof(text), "2001:db8:%x::/48",
			        (unsigned)test_random(&seed) % 64);
			add_prefix(builder, text, value);
		}
		close(write_to(builder, &conflicts, &counts));
		int fd = write_to(builder, &conflicts, &counts);
		size_t size;
		unsigned char *data = test_file_bytes(fd, &size);
		web_pattern_close(open_pattern(fd));
		if (run == 0) {
			first = data;
			first_size = size;
		} else {
			assert_int_equal(size, first_size);
			assert_memory_equal(data, first, size);
			mem_free(data);
		}
		web_builder_free(builder);
	}
	mem_free(first);
}

struct visited {
	unsigned urls, prefixes;
	const struct web_pattern *pattern;
};

static int count_visit(void *context, const struct lookup_key *key,
        const struct address_prefix *prefix, const struct web_value *value)
{
	struct visited *visited = context;
	if (key != NULL) {
		assert_ptr_equal(web_pattern_find(visited->pattern, *key), value);
		visited->urls++;
	} else {
		assert_ptr_equal(
		        web_pattern_find_address(visited->pattern, &prefix->address, NULL, NULL),
		        value);
		visited->prefixes++;
	}
	return visited->urls + visited->prefixes == 1000 ? 77 : 0;
}

static void test_visit_goes_through_all(void **state)
{
	(void)state;
	for (unsigned total = 500; total <= 2000; total += 1500) {
		struct test_conflicts conflicts = {0};
		struct build_counts counts;
		struct web_builder *builder = new_builder();
		for (unsigned i = 0; i < total; i++) {
			char text[100];
			snprintf(text, sizeof(text), "host%u.example/", i);
			add_url(builder, text, bad_value((uint8_t)(i % 50), 1));
		}
		add_prefix(builder, "192.0.2.0/24", bad_value(7, 1));
		add_prefix(builder, "2001:db8::/33", bad_value(7, 1));
		struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
		struct visited visited = {.pattern = pattern};
		int result = web_pattern_visit(pattern, count_visit, &visited);
		if (total == 500) {
			assert_int_equal(result, 0);
			assert_int_equal(visited.urls, 500);
			assert_int_equal(visited.prefixes, 2);
		} else {
			assert_int_equal(result, 77);
			assert_int_equal(visited.urls, 1000);
		}
		web_pattern_close(pattern);
		web_builder_free(builder);
	}
}

static void test_filter_lets_few_strange_hosts_pass(void **state)
{
	(void)state;
	struct test_conflicts conflicts = {0};
	struct build_counts counts;
	struct web_builder *builder = new_builder();
	for (unsigned i = 0; i < 50000; i++) {
		char text[100];
		snprintf(text, sizeof(text), "host%u.example/p%u", i / 2, i);
		add_url(builder, text, bad_value(10, 1));
	}
	struct web_pattern *pattern = write_and_open(builder, &conflicts, &counts);
	assert_int_equal(web_pattern_info(pattern)->host_count, 25000);
	unsigned passed = 0;
	for (unsigned i = 0; i < 100000; i++) {
		char text[100];
		int length = snprintf(text, sizeof(text), "clean%u.example", i);
		passed += web_pattern_may_have_host(
		        pattern, siphash(web_pattern_key(pattern), text, (size_t)length));
	}
	assert_in_range(passed, 1, 1700);
	web_pattern_close(pattern);
	web_builder_free(builder);
}

static void test_builder_refuses_what_cannot_be_stored(void **state)
{
	(void)state;
	struct build_counts counts;
	struct error error = {0};
	struct web_builder *builder = new_builder();
	struct address_prefix prefix;
	struct web_value value = {.score = 101};
	assert_int_equal(address_prefix_parse("10.0.0.0/8", 10, &prefix), 0);
	assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), SK_E_RANGE);
	value = (struct web_value){.cnc_level = CNC_LEVEL_COUNT};
	assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), SK_E_RANGE);
	value = (struct web_value){.score = 10, .origins = 16};
	assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), 0);
	int fd = test_file_new();
	assert_int_equal(web_builder_write(builder, fd, "n", "v", test_sources, 4, NULL, NULL,
	                         &counts, &error),
	        SK_E_RANGE);
	assert_int_equal(web_builder_write(builder, fd, "n", "v", test_sources, 65, NULL, NULL,
	                         &counts, &error),
	        SK_E_LIMIT);
	close(fd);
	web_builder_free(builder);
}

static void test_too_many_values_are_an_error(void **state)
{
	(void)state;
	struct web_builder *builder = new_builder();
	struct address_prefix prefix;
	assert_int_equal(address_prefix_parse("10.0.0.0/8", 10, &prefix), 0);
	for (unsigned i = 0; i <= LIMIT_PATTERN_VALUES; i++) {
		struct web_value value = {.score = 10, .origins = i};
		assert_int_equal(web_builder_add_prefix(builder, &prefix, &value),
		        i < LIMIT_PATTERN_VALUES ? 0 : SK_E_LIMIT);
	}
	web_builder_free(builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_empty_pattern),
	        cmocka_unit_test(test_equal_entries_become_one),
	        cmocka_unit_test(test_milder_than_what_covers_it_is_dropped),
	        cmocka_unit_test(test_excluded_entry_is_left_out_and_covers_nothing),
	        cmocka_unit_test(test_addresses_from_the_inside_out),
	        cmocka_unit_test(test_same_as_the_plain_rules),
	        cmocka_unit_test(test_order_of_arrival_does_not_matter),
	        cmocka_unit_test(test_visit_goes_through_all),
	        cmocka_unit_test(test_filter_lets_few_strange_hosts_pass),
	        cmocka_unit_test(test_builder_refuses_what_cannot_be_stored),
	        cmocka_unit_test(test_too_many_values_are_an_error),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
