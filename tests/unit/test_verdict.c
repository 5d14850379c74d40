#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/lookup/pattern_builder.h"
#include "lib/verdict/verdict.h"
#include "tests/unit/policy_model.h"

#ifndef SK_SANITIZED
/* Every allocation of the program and its libraries comes by here (a sanitizer has its own). */
static size_t allocations;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
#	define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
	allocations++;
	return __libc_realloc(old, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}
#else
static const size_t allocations = 1;
#endif

static const struct siphash_key key = {UINT64_C(0x0123456789abcdef), 42};
static const struct siphash_key other_key = {7, 8};

/* What a test decides from; everything open is closed by world_close. */
struct world {
	struct snapshot snapshot;
	struct verdict_scratch *scratch;
	struct web_pattern *web;
	struct file_pattern *files;
	struct policy *base, *overlay;
	struct keyword_set *base_keywords, *overlay_keywords;
};

static struct keyword_set *compile(const struct policy *policy)
{
	struct lookup_file *file;
	struct keyword_set *set;
	struct error error = {0};
	int fd = model_memory_file();
	assert_int_equal(keyword_set_compile(policy, fd, NULL, NULL, &error), 0);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_KEYWORDS, &file, &error), 0);
	assert_int_equal(keyword_set_open(file, &set, &error), 0);
	close(fd);
	return set;
}

/* Puts what was opened into the snapshot, with the default settings. */
static void world_ready(struct world *world)
{
	world->snapshot = (struct snapshot){
	        .web = world->web,
	        .files = world->files,
	        .base = world->base,
	        .overlay = world->overlay,
	        .block_below = BLOCK_BELOW_DEFAULT,
	        .log_score_max = SCORE_LOGGED_MAX,
	        .ttl_listed = 3600,
	        .ttl_unlisted = 600,
	};
	if (world->base != NULL) {
		world->base_keywords = compile(world->base);
	}
	if (world->overlay != NULL) {
		world->overlay_keywords = compile(world->overlay);
	}
	world->snapshot.base_keywords = world->base_keywords;
	world->snapshot.overlay_keywords = world->overlay_keywords;
	assert_int_equal(verdict_scratch_new(&world->scratch), 0);
	assert_int_equal(verdict_scratch_fit(world->scratch, &world->snapshot), 0);
}

static void world_close(struct world *world)
{
	verdict_scratch_free(world->scratch);
	keyword_set_close(world->base_keywords);
	keyword_set_close(world->overlay_keywords);
	policy_close(world->base);
	policy_close(world->overlay);
	web_pattern_close(world->web);
	file_pattern_close(world->files);
	*world = (struct world){0};
}

static struct policy *build(
        const struct model_entry *entries, size_t count, const struct siphash_key *with)
{
	struct policy *policy;
	struct error error = {0};
	if (model_build(entries, count, with, &policy, &error) != 0) {
		fail_msg("%s", error.text);
	}
	return policy;
}

struct web_line {
	const char *url; /* or a prefix, when `prefix` */
	uint8_t score;
	uint8_t cnc_level;
	bool prefix;
};

static struct web_pattern *build_web(
        const struct web_line *lines, size_t count, const struct siphash_key *with)
{
	static const char *const sources[] = {"one", "two"};
	struct web_builder *builder;
	struct lookup_file *file;
	struct web_pattern *web;
	struct build_counts counts;
	struct error error = {0};
	assert_int_equal(web_builder_new(with, &builder), 0);
	for (size_t i = 0; i < count; i++) {
		struct web_value value = {.score = lines[i].score,
		        .categories = 1,
		        .origins = 1,
		        .cnc_level = lines[i].cnc_level,
		        .cnc_source = lines[i].cnc_level > 0 ? CNC_SOURCE_GLOBAL_INTELLIGENCE
		                                             : CNC_SOURCE_NONE};
		size_t length = strlen(lines[i].url);
		if (lines[i].prefix) {
			struct address_prefix prefix;
			assert_int_equal(address_prefix_parse(lines[i].url, length, &prefix), 0);
			assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), 0);
			continue;
		}
		char space[URL_TEXT_MAX];
		struct url url;
		const char *reason;
		assert_int_equal(
		        url_canonicalize(lines[i].url, length, space, sizeof(space), &url, &reason),
		        0);
		assert_int_equal(web_builder_add(builder, &url, &value), 0);
	}
	int fd = model_memory_file();
	assert_int_equal(web_builder_write(
	                         builder, fd, "test", "1", sources, 2, NULL, NULL, &counts, &error),
	        0);
	web_builder_free(builder);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_WEB, &file, &error), 0);
	assert_int_equal(web_pattern_open(file, &web, &error), 0);
	close(fd);
	return web;
}

static const struct model_client nobody = {"203.0.113.9", NULL, NULL};

static struct verdict_client client_of(const struct model_client *model)
{
	struct verdict_client client = {.computer = model->computer, .domain = model->domain};
	assert_int_equal(address_parse(model->address, strlen(model->address), &client.address), 0);
	return client;
}

static void assert_same_verdict(const struct url_verdict *a, const struct url_verdict *b)
{
	assert_true(a->categories == b->categories && a->entry_id == b->entry_id);
	assert_int_equal(a->ttl, b->ttl);
	assert_int_equal(a->score, b->score);
	assert_int_equal(a->cnc_level, b->cnc_level);
	assert_int_equal(a->cnc_source, b->cnc_source);
	assert_int_equal(a->action, b->action);
	assert_int_equal(a->source, b->source);
	assert_int_equal(a->bad, b->bad);
}

/* Decides, and checks that the explanation says the same. `ret_text` gets the canonical URL. */
static struct url_verdict ask_as(struct world *world, const char *text,
        const struct model_client *who, int64_t now, char ret_text[URL_TEXT_MAX],
        struct verdict_explanation *ret_explanation)
{
	static struct verdict_explanation own;
	struct verdict_explanation *explanation = ret_explanation != NULL ? ret_explanation : &own;
	struct url_query query;
	struct url_verdict verdict;
	struct url_verdict explained;
	const char *reason;
	struct verdict_client client = client_of(who);
	memset(&query, 0xa5, sizeof(query));
	assert_int_equal(
	        url_canonicalize(text, strlen(text), ret_text, URL_TEXT_MAX, &query.url, &reason),
	        0);
	verdict_prepare_url(&world->snapshot, &query);
	verdict_decide_url(&world->snapshot, world->scratch, &query, &client, now, &verdict);
	verdict_explain_url(
	        &world->snapshot, world->scratch, &query, &client, now, &explained, explanation);
	assert_same_verdict(&verdict, &explained);
	size_t winners = 0;
	for (size_t i = 0; i < explanation->count; i++) {
		const struct verdict_match *match = &explanation->matches[i];
		winners += match->winner;
		if (match->winner) {
			assert_int_equal(match->source, verdict.source);
			assert_true(match->id == verdict.entry_id);
			assert_int_equal(match->score, verdict.score);
			assert_true(i == 0 || match->source == VERDICT_PATTERN);
		}
	}
	assert_int_equal(winners, verdict.source != VERDICT_NONE);
	return verdict;
}

static struct url_verdict ask(struct world *world, const char *text)
{
	char space[URL_TEXT_MAX];
	return ask_as(world, text, &nobody, 1000, space, NULL);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(verdict_source_name(VERDICT_NONE), "none");
	assert_string_equal(
	        verdict_source_name(VERDICT_OBJECT_ANALYZER), "suspicious_virtual_analyzer");
	assert_string_equal(verdict_source_name(VERDICT_SOURCE_COUNT), "none");
	assert_string_equal(verdict_action_name(VERDICT_LOG), "log");
}

static void test_nothing_known(void **state)
{
	(void)state;
	struct world world = {0};
	world_ready(&world);
	struct url_verdict verdict = ask(&world, "http://example.com/");
	assert_int_equal(verdict.score, SCORE_UNRATED);
	assert_int_equal(verdict.action, VERDICT_ALLOW);
	assert_int_equal(verdict.source, VERDICT_NONE);
	assert_int_equal(verdict.ttl, 600);
	assert_false(verdict.bad);
	world_close(&world);
}

static void test_pattern_decides(void **state)
{
	(void)state;
	static const struct web_line lines[] = {
	        {"http://bad.example/", 30, 0, false},
	        {"http://bad.example/good/", 90, 0, false},
	        {"http://bad.example/good/worse.html", 10, 2, false},
	        {"http://mild.example/", 68, 0, false},
	        {"http://safe.example/", 95, 0, false},
	        {"http://safe.example/c2", 90, 3, false},
	        {"192.0.2.0/24", 40, 0, true},
	        {"192.0.2.7/32", 20, 1, true},
	        {"http://192.0.2.9/x", 30, 0, false},
	        {"http://192.0.2.10/y", 45, 0, false},
	};
	static const struct {
		const char *url;
		uint8_t score, action, cnc;
		bool bad;
	} cases[] = {
	        {"http://bad.example/x", 30, VERDICT_BLOCK, 0, true},
	        {"http://a.b.bad.example/x", 30, VERDICT_BLOCK, 0, true},
	        {"http://bad.example/good/x", 90, VERDICT_ALLOW, 0, false},
	        {"http://bad.example/good/worse.html?q", 10, VERDICT_BLOCK, 2, true},
	        {"http://mild.example/", 68, VERDICT_ALLOW, 0, false},
	        {"http://safe.example/", 95, VERDICT_ALLOW, 0, false},
	        {"http://safe.example/c2", 90, VERDICT_ALLOW, 3, true},
	        {"http://192.0.2.1/", 40, VERDICT_BLOCK, 0, true},
	        {"http://192.0.2.7/", 20, VERDICT_BLOCK, 1, true},
	        {"http://192.0.2.9/x", 30, VERDICT_BLOCK, 0, true},
	        {"http://192.0.2.10/y", 40, VERDICT_BLOCK, 0, true},
	        {"http://192.0.3.1/", 71, VERDICT_ALLOW, 0, false},
	        {"http://other.example/", 71, VERDICT_ALLOW, 0, false},
	};
	struct world world = {.web = build_web(lines, 10, &key)};
	world_ready(&world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url_verdict verdict = ask(&world, cases[i].url);
		assert_int_equal(verdict.score, cases[i].score);
		assert_int_equal(verdict.action, cases[i].action);
		assert_int_equal(verdict.cnc_level, cases[i].cnc);
		assert_int_equal(verdict.bad, cases[i].bad);
		bool known = cases[i].score != 71;
		assert_int_equal(verdict.source, known ? VERDICT_PATTERN : VERDICT_NONE);
		assert_int_equal(verdict.ttl, known ? 3600 : 600);
		assert_int_equal(verdict.categories, known ? 1 : 0);
	}
	world.snapshot.block_below = 81;
	assert_int_equal(ask(&world, "http://mild.example/").action, VERDICT_BLOCK);
	world.snapshot.log_score_max = 70;
	assert_true(ask(&world, "http://mild.example/").bad);
	world_close(&world);
}

static void test_order_of_lists(void **state)
{
	(void)state;
	static const struct web_line lines[] = {{"http://example.com/", 20, 1, false}};
	static const struct model_entry entries[] = {
	        {.id = 1,
	                .list = POLICY_OBJECT_ANALYZER,
	                .object = OBJECT_DOMAIN,
	                .text = "example.com",
	                .action = OBJECT_LOG,
	                .cnc_level = 2},
	        {.id = 2,
	                .list = POLICY_OBJECT_USER,
	                .object = OBJECT_URL,
	                .text = "http://example.com/u/*",
	                .action = OBJECT_BLOCK},
	        {.id = 3,
	                .list = POLICY_USER_APPROVED,
	                .rule = RULE_SITE,
	                .text = "http://example.com/ok/"},
	        {.id = 4, .list = POLICY_USER_BLOCKED, .rule = RULE_KEYWORD, .text = "evil"},
	        {.id = 5,
	                .list = POLICY_USER_APPROVED,
	                .rule = RULE_PAGE,
	                .text = "http://example.com/u/fine",
	                .expires = 5000},
	};
	struct world world = {
	        .web = build_web(lines, 1, &key), .base = build(entries, 5, &other_key)};
	world_ready(&world);
	struct url_verdict verdict = ask(&world, "http://www.example.com/");
	assert_int_equal(verdict.source, VERDICT_OBJECT_ANALYZER);
	assert_int_equal(verdict.action, VERDICT_LOG);
	assert_int_equal(verdict.cnc_level, 2);
	assert_int_equal(verdict.cnc_source, CNC_SOURCE_VIRTUAL_ANALYZER);
	assert_int_equal(verdict.score, SCORE_LISTED_BAD);
	assert_int_equal(verdict.entry_id, 1);
	assert_true(verdict.bad);
	verdict = ask(&world, "http://example.com/u/x");
	assert_int_equal(verdict.source, VERDICT_OBJECT_USER);
	assert_int_equal(verdict.action, VERDICT_BLOCK);
	assert_int_equal(verdict.cnc_level, 0);
	assert_int_equal(verdict.cnc_source, CNC_SOURCE_NONE);
	verdict = ask(&world, "http://example.com/ok/x");
	assert_int_equal(verdict.source, VERDICT_USER_APPROVED);
	assert_int_equal(verdict.action, VERDICT_ALLOW);
	assert_int_equal(verdict.score, SCORE_LISTED_GOOD);
	assert_false(verdict.bad);
	verdict = ask(&world, "http://example.com/ok/EVIL");
	assert_int_equal(verdict.source, VERDICT_USER_BLOCKED);
	assert_int_equal(verdict.entry_id, 4);
	world.snapshot.approved_first = true;
	verdict = ask(&world, "http://example.com/ok/EVIL");
	assert_int_equal(verdict.source, VERDICT_USER_APPROVED);
	/* No answer may be cached beyond the entry it stands on. */
	verdict = ask(&world, "http://example.com/u/fine");
	assert_int_equal(verdict.entry_id, 5);
	assert_int_equal(verdict.ttl, 4);
	char space[URL_TEXT_MAX];
	verdict = ask_as(&world, "http://example.com/u/fine", &nobody, 4999, space, NULL);
	assert_int_equal(verdict.ttl, 1);
	verdict = ask_as(&world, "http://example.com/u/fine", &nobody, 5000, space, NULL);
	assert_int_equal(verdict.source, VERDICT_OBJECT_USER);
	assert_int_equal(verdict.ttl, 3600);
	world_close(&world);
}

/* Top-level domains and hosts of one component with everything below. */
static void test_hosts_of_one_component(void **state)
{
	(void)state;
	static const struct model_entry entries[] = {
	        {.id = 1, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "http://zip/"},
	        {.id = 2, .list = POLICY_OBJECT_USER, .object = OBJECT_DOMAIN, .text = "mov"},
	};
	struct world world = {.base = build(entries, 2, &key)};
	world_ready(&world);
	assert_int_equal(ask(&world, "http://zip/").entry_id, 1);
	assert_int_equal(ask(&world, "http://a.b.c.d.e.f.g.zip/x").entry_id, 1);
	assert_int_equal(ask(&world, "http://a.mov/x").entry_id, 2);
	assert_int_equal(ask(&world, "http://zip.example/x").entry_id, 0);
	world_close(&world);
}

static void test_explanation_has_all_in_order(void **state)
{
	(void)state;
	static const struct web_line lines[] = {{"http://example.com/", 20, 1, false},
	        {"http://www.example.com/a/", 10, 1, false}, {"198.51.100.0/24", 30, 0, true},
	        {"198.51.100.7/32", 20, 0, true}};
	static const struct model_entry entries[] = {
	        {.id = 8, .list = POLICY_USER_BLOCKED, .rule = RULE_KEYWORD, .text = "EXAMPLE"},
	        {.id = 7, .list = POLICY_USER_APPROVED, .rule = RULE_SITE, .text = "example.com"},
	        {.id = 6, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "example.com"},
	        {.id = 5,
	                .list = POLICY_USER_BLOCKED,
	                .rule = RULE_SITE,
	                .text = "http://www.example.com/"},
	        {.id = 9,
	                .list = POLICY_OBJECT_USER,
	                .object = OBJECT_DOMAIN,
	                .text = "example.com"},
	        {.id = 4,
	                .list = POLICY_USER_BLOCKED,
	                .rule = RULE_SITE,
	                .text = "example.com",
	                .expires = 10},
	};
	struct world world = {.web = build_web(lines, 4, &key), .base = build(entries, 6, &key)};
	world_ready(&world);
	static struct verdict_explanation explanation;
	char space[URL_TEXT_MAX];
	(void)ask_as(&world, "https://www.example.com/a/b", &nobody, 1000, space, &explanation);
	static const int64_t ids[] = {5, 6, 8, 7, 9, 0, 0};
	assert_int_equal(explanation.count, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(explanation.matches[i].id, ids[i]);
		assert_int_equal(explanation.matches[i].winner, i == 0);
	}
	assert_string_equal(explanation.matches[2].text, "EXAMPLE");
	assert_int_equal(explanation.matches[5].text_length, strlen("www.example.com/a/"));
	assert_memory_equal(explanation.matches[5].text, "www.example.com/a/", 18);
	assert_memory_equal(explanation.matches[6].text, "example.com/", 12);
	assert_int_equal(explanation.matches[6].origins, 1);
	(void)ask_as(&world, "http://198.51.100.7/", &nobody, 1000, space, &explanation);
	assert_int_equal(explanation.count, 2);
	assert_memory_equal(explanation.matches[0].text, "198.51.100.7/32", 15);
	assert_true(explanation.matches[0].winner);
	world_close(&world);
}

static void test_explanation_is_bounded(void **state)
{
	(void)state;
	static struct model_entry entries[100];
	for (int i = 0; i < 100; i++) {
		entries[i] = (struct model_entry){.id = 100 - i,
		        .list = i < 50 ? POLICY_OBJECT_USER : POLICY_USER_BLOCKED,
		        .object = OBJECT_DOMAIN,
		        .text = "example.com"};
	}
	struct world world = {.base = build(entries, 100, &key)};
	world_ready(&world);
	static struct verdict_explanation explanation;
	char space[URL_TEXT_MAX];
	(void)ask_as(&world, "https://www.example.com/a/b", &nobody, 1000, space, &explanation);
	assert_int_equal(explanation.count, VERDICT_MATCHES_MAX);
	assert_true(explanation.more);
	for (int i = 0; i < VERDICT_MATCHES_MAX; i++) {
		assert_int_equal(explanation.matches[i].id, i < 50 ? i + 1 : i + 1);
		assert_int_equal(explanation.matches[i].source,
		        i < 50 ? VERDICT_USER_BLOCKED : VERDICT_OBJECT_USER);
	}
	world_close(&world);
}

static void test_files(void **state)
{
	(void)state;
	static const char *const sources[] = {"one"};
	static const char md5[] = "44d88612fea8a8f36de82e1278abb02f";
	static const char sha1[] = "3395856ce81f2b7382dee72602f798b642f14140";
	static const char good[] = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
	struct file_builder *builder;
	struct lookup_file *file;
	struct build_counts counts;
	struct error error = {0};
	struct digest digest;
	struct world world = {0};
	assert_int_equal(file_builder_new(&builder), 0);
	assert_int_equal(digest_parse(md5, strlen(md5), &digest), 0);
	assert_int_equal(file_builder_add(builder, &digest, 1, THREAT_VIRUS, "Test-File", 1), 0);
	assert_int_equal(digest_parse(good, strlen(good), &digest), 0);
	assert_int_equal(file_builder_add(builder, &digest, 0, THREAT_OTHER, "", 1), 0);
	int fd = model_memory_file();
	assert_int_equal(file_builder_write(
	                         builder, fd, "test", "1", sources, 1, NULL, NULL, &counts, &error),
	        0);
	file_builder_free(builder);
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_FILES, &file, &error), 0);
	assert_int_equal(file_pattern_open(file, &world.files, &error), 0);
	close(fd);
	struct model_entry entries[] = {
	        {.id = 3,
	                .list = POLICY_OBJECT_ANALYZER,
	                .object = OBJECT_SHA1,
	                .action = OBJECT_BLOCK},
	        {.id = 4,
	                .list = POLICY_OBJECT_USER,
	                .object = OBJECT_SHA1,
	                .action = OBJECT_LOG,
	                .expires = 3000},
	        {.id = 5,
	                .list = POLICY_OBJECT_ANALYZER,
	                .object = OBJECT_SHA1,
	                .action = OBJECT_BLOCK},
	};
	snprintf(entries[0].text, sizeof(entries[0].text), "%s", sha1);
	snprintf(entries[1].text, sizeof(entries[1].text), "%s", sha1);
	snprintf(entries[2].text, sizeof(entries[2].text), "%s", good);
	world.base = build(entries, 3, &key);
	world_ready(&world);
	static const struct {
		const char *digest;
		int64_t now;
		uint8_t answer, action, source, matches;
		int64_t id;
		uint32_t ttl;
	} cases[] = {
	        {md5, 1000, FILE_MALICIOUS, VERDICT_BLOCK, VERDICT_PATTERN, 1, 0, 3600},
	        {sha1, 1000, FILE_MALICIOUS, VERDICT_LOG, VERDICT_OBJECT_USER, 2, 4, 2},
	        {sha1, 3000, FILE_MALICIOUS, VERDICT_BLOCK, VERDICT_OBJECT_ANALYZER, 1, 3, 3600},
	        {good, 1000, FILE_MALICIOUS, VERDICT_BLOCK, VERDICT_OBJECT_ANALYZER, 2, 5, 3600},
	        {"3395856ce81f2b7382dee72602f798b642f14141", 1000, FILE_UNKNOWN, VERDICT_ALLOW,
	                VERDICT_NONE, 0, 0, 600},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file_verdict verdict;
		struct file_verdict explained;
		static struct verdict_explanation explanation;
		assert_int_equal(
		        digest_parse(cases[i].digest, strlen(cases[i].digest), &digest), 0);
		verdict_prepare_file(&world.snapshot, &digest);
		verdict_decide_file(&world.snapshot, &digest, cases[i].now, &verdict);
		assert_int_equal(verdict.answer, cases[i].answer);
		assert_int_equal(verdict.action, cases[i].action);
		assert_int_equal(verdict.source, cases[i].source);
		assert_int_equal(verdict.entry_id, cases[i].id);
		assert_int_equal(verdict.ttl, cases[i].ttl);
		assert_string_equal(verdict.name, i == 0 ? "Test-File" : "");
		assert_int_equal(verdict.kind, i == 0 ? THREAT_VIRUS : THREAT_OTHER);
		verdict_explain_file(
		        &world.snapshot, &digest, cases[i].now, &explained, &explanation);
		assert_int_equal(explained.source, verdict.source);
		assert_int_equal(explanation.count, cases[i].matches);
		assert_true(explanation.count == 0 || explanation.matches[0].winner);
	}
	policy_close(world.base);
	world.base = NULL;
	world.snapshot.base = NULL;
	struct file_verdict verdict;
	assert_int_equal(digest_parse(good, strlen(good), &digest), 0);
	verdict_decide_file(&world.snapshot, &digest, 1000, &verdict);
	assert_int_equal(verdict.answer, FILE_KNOWN_GOOD);
	assert_int_equal(verdict.action, VERDICT_ALLOW);
	assert_int_equal(verdict.source, VERDICT_PATTERN);
	world_close(&world);
}

static const struct model_client clients[] = {
        {"203.0.113.9", NULL, NULL},
        {"10.1.2.3", "pc-2", NULL},
        {"192.0.2.7", "PC-1", "hq.corp.example"},
        {"2001:db8::5", NULL, "example"},
};

static uint8_t source_of(enum policy_list list)
{
	static const uint8_t sources[] = {VERDICT_USER_APPROVED, VERDICT_USER_BLOCKED,
	        VERDICT_OBJECT_USER, VERDICT_OBJECT_ANALYZER};
	return sources[list];
}

static void compare(struct world *world, struct model_random *random,
        const struct model_entry *entries, size_t count, int questions)
{
	for (int n = 0; n < questions; n++) {
		char text[420];
		char space[URL_TEXT_MAX];
		int64_t now = 400 + model_pick(random, 1200);
		const struct model_client *client = &clients[model_pick(random, 4)];
		world->snapshot.approved_first = model_pick(random, 2) == 1;
		model_random_url(random, text, sizeof(text));
		struct url_verdict verdict = ask_as(world, text, client, now, space, NULL);
		const struct model_entry *winner = model_decide(
		        entries, count, space, client, now, world->snapshot.approved_first);
		uint8_t source = winner != NULL ? source_of(winner->list) : VERDICT_NONE;
		int64_t id = winner != NULL ? winner->id : 0;
		if (verdict.source != source || verdict.entry_id != id) {
			fail_msg("%s: %s %lld instead of %s %lld (%s)", space,
			        verdict_source_name((enum verdict_source)verdict.source),
			        (long long)verdict.entry_id,
			        verdict_source_name((enum verdict_source)source), (long long)id,
			        winner != NULL ? winner->text : "");
		}
		if (winner != NULL) {
			bool analyzer = winner->list == POLICY_OBJECT_ANALYZER;
			bool object = !model_is_rule(winner);
			assert_int_equal(verdict.bad, winner->list != POLICY_USER_APPROVED);
			assert_int_equal(verdict.cnc_level, object ? winner->cnc_level : 0);
			assert_int_equal(
			        verdict.cnc_source, verdict.cnc_level == 0 ? CNC_SOURCE_NONE
			                            : analyzer ? CNC_SOURCE_VIRTUAL_ANALYZER
			                                       : CNC_SOURCE_USER_DEFINED);
			assert_int_equal(verdict.action,
			        winner->list == POLICY_USER_APPROVED     ? VERDICT_ALLOW
			        : object && winner->action == OBJECT_LOG ? VERDICT_LOG
			                                                 : VERDICT_BLOCK);
		}
	}
}

static void test_decides_like_the_model(void **state)
{
	(void)state;
	struct model_random random = {3};
	for (int round = 0; round < 30; round++) {
		struct model_entry entries[80];
		for (int i = 0; i < 80; i++) {
			model_random_entry(&random, i + 1, &entries[i]);
		}
		struct world world = {.base = build(entries, 80, &key)};
		/* The pattern's key the same, another, or none. */
		if (round % 3 != 0) {
			world.web = build_web(NULL, 0, round % 3 == 1 ? &key : &other_key);
		}
		world_ready(&world);
		compare(&world, &random, entries, 80, 150);
		world_close(&world);
	}
}

/* A base and an overlay with changes decide as a fresh base with the result of the changes. */
static void test_overlay_equals_fresh_base(void **state)
{
	(void)state;
	struct model_random random = {5};
	for (int round = 0; round < 30; round++) {
		struct model_entry before[70];
		struct model_entry after[90];
		struct policy_builder *builder;
		struct error error = {0};
		for (int i = 0; i < 70; i++) {
			model_random_entry(&random, i + 1, &before[i]);
			after[i] = before[i];
		}
		struct world world = {.base = build(before, 70, &key)};
		const struct siphash_key *overlay_key = round % 4 == 0 ? &other_key : &key;
		assert_int_equal(policy_builder_new(overlay_key, &builder), 0);
		for (int i = 0; i < 90; i++) {
			bool change = i >= 70 || model_pick(&random, 4) == 0;
			if (!change) {
				continue;
			}
			if (i < 70) {
				assert_int_equal(policy_builder_remove(builder, world.base,
				                         before[i].list, before[i].id),
				        0);
			}
			model_random_entry(&random, i + 1, &after[i]);
			after[i].removed = i < 70 && model_pick(&random, 2) == 0;
			if (!after[i].removed) {
				assert_int_equal(model_add(builder, &after[i], &error), 0);
			}
		}
		assert_int_equal(model_open(builder, &world.overlay, &error), 0);
		assert_true(policy_fits(world.overlay, world.base));
		if (round % 2 == 0) {
			world.web = build_web(NULL, 0, &key);
		}
		world_ready(&world);
		compare(&world, &random, after, 90, 150);
		world_close(&world);
	}
}

/* From the canonical URL to the verdict nothing is allocated. */
static void test_no_allocation(void **state)
{
	(void)state;
	static struct model_entry entries[500];
	static char texts[200][420];
	static const struct web_line lines[] = {
	        {"http://example.com/a/", 20, 1, false}, {"192.0.2.0/24", 40, 0, true}};
	struct model_random random = {11};
	for (int i = 0; i < 500; i++) {
		model_random_entry(&random, i + 1, &entries[i]);
	}
	for (int i = 0; i < 200; i++) {
		model_random_url(&random, texts[i], sizeof(texts[i]));
	}
	struct world world = {.web = build_web(lines, 2, &key), .base = build(entries, 500, &key)};
	world_ready(&world);
	static char spaces[200][URL_TEXT_MAX];
	static struct url_query queries[200];
	struct verdict_client client = client_of(&nobody);
	for (int i = 0; i < 200; i++) {
		const char *reason;
		assert_int_equal(url_canonicalize(texts[i], strlen(texts[i]), spaces[i],
		                         URL_TEXT_MAX, &queries[i].url, &reason),
		        0);
	}
	size_t before = allocations;
	assert_true(before > 0);
	size_t counted = mem_allocation_count();
	struct digest digest = {.kind = DIGEST_SHA1};
	uint64_t blocked = 0;
	for (int n = 0; n < 1000000; n++) {
		struct url_query *query = &queries[n % 200];
		struct url_verdict verdict;
		verdict_prepare_url(&world.snapshot, query);
		verdict_decide_url(
		        &world.snapshot, world.scratch, query, &client, n % 2000, &verdict);
		blocked += verdict.action == VERDICT_BLOCK;
		if (n % 10 == 0) {
			struct file_verdict file;
			verdict_prepare_file(&world.snapshot, &digest);
			verdict_decide_file(&world.snapshot, &digest, n, &file);
		}
	}
	assert_true(blocked > 1000);
	assert_int_equal(mem_allocation_count(), counted);
	assert_int_equal(allocations, before);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names),
	        cmocka_unit_test(test_nothing_known),
	        cmocka_unit_test(test_pattern_decides),
	        cmocka_unit_test(test_order_of_lists),
	        cmocka_unit_test(test_hosts_of_one_component),
	        cmocka_unit_test(test_explanation_has_all_in_order),
	        cmocka_unit_test(test_explanation_is_bounded),
	        cmocka_unit_test(test_files),
	        cmocka_unit_test(test_decides_like_the_model),
	        cmocka_unit_test(test_overlay_equals_fresh_base),
	        cmocka_unit_test(test_no_allocation),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
