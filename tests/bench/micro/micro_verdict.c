/*
 * micro_verdict FILE [ROUNDS [CASE]]: CPU time of verdict_prepare_url + verdict_decide_url for the
 * URLs in FILE (one per line), in ns per URL, for snapshots from nothing to everything; and what it
 * takes to build rules and overlays. CASE (a number) runs one snapshot only, for callgrind:
 *   valgrind --tool=callgrind --toggle-collect=run_single micro_verdict FILE 1 CASE
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/verdict/verdict.h"

#define MICRO_FILE_MAX (64 * 1024 * 1024)
#define MICRO_BATCH 16

static const struct siphash_key key = {UINT64_C(0x0123456789abcdef), 42};

static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "micro_verdict: %s\n", what);
	exit(1);
}

struct micro_urls {
	struct url *urls;
	size_t count;
};

/* All URLs in canonical form, side by side. */
static struct micro_urls read_urls(const char *path)
{
	static char space[URL_TEXT_MAX];
	char *data;
	size_t length;
	if (file_read(path, MICRO_FILE_MAX, &data, &length) != 0) {
		fail("the file cannot be read");
	}
	size_t lines = 1;
	for (size_t i = 0; i < length; i++) {
		lines += data[i] == '\n';
	}
	struct micro_urls urls = {mem_new(lines, sizeof(struct url)), 0};
	char *texts = mem_new(3 * length + 300 * lines, 1);
	if (urls.urls == NULL || texts == NULL) {
		fail("no memory");
	}
	for (char *line = data; line < data + length;) {
		char *end = memchr(line, '\n', (size_t)(data + length - line));
		end = end != NULL ? end : data + length;
		struct url url;
		const char *reason;
		if (url_canonicalize(
		            line, (size_t)(end - line), space, sizeof(space), &url, &reason) == 0) {
			memcpy(texts, url.text, url.length + 1);
			url.text = texts;
			texts += url.length + 1;
			urls.urls[urls.count++] = url;
		}
		line = end + 1;
	}
	mem_free(data);
	return urls;
}

static uint64_t random_state = 1;
static uint32_t pick(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) % below);
}

static size_t put_word(char *space, unsigned syllables)
{
	static const char *const list[] = {"ba", "ko", "ri", "ten", "lux", "vo", "me", "sha", "qui",
	        "dor", "zan", "pel", "ny", "gra", "tof", "wis"};
	size_t used = 0;
	for (; syllables > 0; syllables--) {
		const char *syllable = list[pick(16)];
		memcpy(space + used, syllable, strlen(syllable));
		used += strlen(syllable);
	}
	space[used] = '\0';
	return used;
}

/* A URL that no real one equals. */
static void put_url(char *space, size_t size)
{
	char host[64];
	char page[64];
	(void)put_word(host, 4 + pick(3));
	(void)put_word(page, 3);
	switch (pick(3)) {
	case 0:
		snprintf(space, size, "http://%s.example/", host);
		break;
	case 1:
		snprintf(space, size, "http://www.%s.example/%s/", host, page);
		break;
	default:
		snprintf(space, size, "http://%s.%s.example/%s.html?id=%u", page, host, page,
		        pick(1000));
	}
}

static int memory_file(void)
{
	int fd = memfd_create("micro", MFD_CLOEXEC);
	if (fd < 0) {
		fail("no memory file");
	}
	return fd;
}

static struct lookup_file *load(int fd, enum lookup_kind kind)
{
	struct lookup_file *file;
	struct error error = {0};
	if (lookup_file_load(fd, kind, &file, &error) != 0) {
		fail(error.text);
	}
	close(fd);
	return file;
}

static struct web_pattern *build_web(unsigned count)
{
	static const char *const sources[] = {"micro"};
	struct web_builder *builder;
	struct web_pattern *web;
	struct build_counts counts;
	struct error error = {0};
	struct web_value value = {.score = 30, .origins = 1};
	if (web_builder_new(&key, &builder) != 0) {
		fail("no memory");
	}
	for (unsigned i = 0; i < count; i++) {
		char text[256];
		char space[512];
		struct url url;
		const char *reason;
		put_url(text, sizeof(text));
		if (url_canonicalize(text, strlen(text), space, sizeof(space), &url, &reason) !=
		                0 ||
		        web_builder_add(builder, &url, &value) != 0) {
			fail("an entry of the pattern");
		}
	}
	int fd = memory_file();
	if (web_builder_write(builder, fd, "micro", "1", sources, 1, NULL, NULL, &counts, &error) !=
	                0 ||
	        web_pattern_open(load(fd, LOOKUP_KIND_WEB), &web, &error) != 0) {
		fail(error.text);
	}
	web_builder_free(builder);
	return web;
}

static void add_rule(struct policy_builder *builder, int64_t id, enum rule_kind kind,
        const char *pattern, const struct target *targets, size_t target_count)
{
	struct error error = {0};
	struct rule rule = {.id = id,
	        .list = id % 3 == 0 ? POLICY_USER_APPROVED : POLICY_USER_BLOCKED,
	        .kind = kind,
	        .pattern = pattern,
	        .targets = targets,
	        .target_count = target_count,
	        .enabled = true};
	if (policy_builder_add_rule(builder, &rule, &error) != 0) {
		fail(error.text);
	}
}

static struct policy *open_policy(struct policy_builder *builder)
{
	struct policy *policy;
	struct error error = {0};
	int fd = memory_file();
	if (policy_builder_write(builder, fd, &error) != 0 ||
	        policy_open(load(fd, LOOKUP_KIND_POLICY), &policy, &error) != 0) {
		fail(error.text);
	}
	policy_builder_free(builder);
	return policy;
}

/* Rules of URLs, a tenth of them with a target. With a base: each also removes one of it. */
static struct policy *build_rules(unsigned count, const struct policy *base)
{
	struct policy_builder *builder;
	const struct target target = {.kind = TARGET_DOMAIN, .name = "corp.example"};
	if (policy_builder_new(&key, &builder) != 0) {
		fail("no memory");
	}
	int64_t first = base != NULL ? (int64_t)policy_entry_count(base) + 1 : 1;
	for (unsigned i = 0; i < count; i++) {
		char text[256];
		put_url(text, sizeof(text));
		add_rule(builder, first + i, i % 2 == 0 ? RULE_SITE : RULE_PAGE, text, &target,
		        i % 10 == 0);
		if (base != NULL) {
			struct policy_entry entry;
			policy_entry(base, pick(policy_entry_count(base)), &entry);
			if (policy_builder_remove(builder, base, entry.list, entry.id) != 0) {
				fail("a removal");
			}
		}
	}
	return open_policy(builder);
}

/* A word of 5 to 9 letters that stands in one of the URLs. */
static void put_real_word(const struct micro_urls *urls, char *space)
{
	for (;;) {
		const struct url *url = &urls->urls[pick((uint32_t)urls->count)];
		size_t start = url->host_start + pick(url->length - url->host_start);
		size_t length = 5 + pick(5);
		size_t letters = 0;
		for (size_t i = start; i < url->length && letters < length; i++, letters++) {
			if (url->text[i] < 'a' || url->text[i] > 'z') {
				break;
			}
			space[letters] = url->text[i];
		}
		if (letters == length) {
			space[letters] = '\0';
			return;
		}
	}
}

/* Keywords as administrators write them: words, words in the host, two words, file names. The words
 * are of the URLs, so that the matcher has something to look at, and some match. */
static struct policy *build_keywords(unsigned count, const struct micro_urls *urls)
{
	struct policy_builder *builder;
	if (policy_builder_new(&key, &builder) != 0) {
		fail("no memory");
	}
	for (unsigned i = 0; i < count; i++) {
		char one[64];
		char two[64];
		char text[256];
		put_real_word(urls, one);
		put_real_word(urls, two);
		switch (i % 10) {
		case 0:
		case 1:
			snprintf(text, sizeof(text), "^https?://[^/]*%s", one);
			break;
		case 2:
		case 3:
			snprintf(text, sizeof(text), "%s.{0,20}%s", one, two);
			break;
		case 4:
			snprintf(text, sizeof(text), "%s[0-9]{2,6}\\.(php|html?)", one);
			break;
		case 5:
			snprintf(text, sizeof(text), "/%s/[a-z0-9]+\\.exe$", one);
			break;
		default:
			snprintf(text, sizeof(text), "%s", one);
		}
		add_rule(builder, i + 1, RULE_KEYWORD, text, NULL, 0);
	}
	return open_policy(builder);
}

static struct keyword_set *compile(const struct policy *policy)
{
	struct keyword_set *set;
	struct error error = {0};
	int fd = memory_file();
	if (keyword_set_compile(policy, fd, NULL, NULL, &error) != 0 ||
	        keyword_set_open(load(fd, LOOKUP_KIND_KEYWORDS), &set, &error) != 0) {
		fail(error.text);
	}
	return set;
}

static const struct verdict_client client = {.address = {ADDRESS_V4, {10, 0, 0, 1}}};

struct micro_run {
	const struct snapshot *snapshot;
	struct verdict_scratch *scratch;
	const struct micro_urls *urls;
	size_t blocked;
};

/* One after the other. */
__attribute__((noinline)) static void run_single(struct micro_run *run)
{
	static struct url_query query;
	for (size_t i = 0; i < run->urls->count; i++) {
		struct url_verdict verdict;
		query.url = run->urls->urls[i];
		verdict_prepare_url(run->snapshot, &query);
		verdict_decide_url(run->snapshot, run->scratch, &query, &client, 1, &verdict);
		run->blocked += verdict.action == VERDICT_BLOCK;
	}
}

/* As a bulk request does: prepare some, then decide them. */
__attribute__((noinline)) static void run_batches(struct micro_run *run)
{
	static struct url_query queries[MICRO_BATCH];
	for (size_t i = 0; i + MICRO_BATCH <= run->urls->count; i += MICRO_BATCH) {
		for (size_t j = 0; j < MICRO_BATCH; j++) {
			queries[j].url = run->urls->urls[i + j];
			verdict_prepare_url(run->snapshot, &queries[j]);
		}
		for (size_t j = 0; j < MICRO_BATCH; j++) {
			struct url_verdict verdict;
			verdict_decide_url(
			        run->snapshot, run->scratch, &queries[j], &client, 1, &verdict);
			run->blocked += verdict.action == VERDICT_BLOCK;
		}
	}
}

/* The best of some rounds: others use the machine, too. */
static double best_of(void (*step)(struct micro_run *), struct micro_run *run, uint64_t rounds)
{
	double best = 1e18;
	for (uint64_t i = 0; i < rounds; i++) {
		double start = cpu_ns();
		step(run);
		double took = cpu_ns() - start;
		best = took < best ? took : best;
	}
	return best / (double)run->urls->count;
}

static void run_case(
        const char *name, struct snapshot snapshot, const struct micro_urls *urls, uint64_t rounds)
{
	struct micro_run run = {.snapshot = &snapshot, .urls = urls};
	snapshot.block_below = BLOCK_BELOW_DEFAULT;
	snapshot.log_score_max = SCORE_LOGGED_MAX;
	snapshot.ttl_listed = snapshot.ttl_unlisted = 600;
	if (verdict_scratch_new(&run.scratch) != 0 ||
	        verdict_scratch_fit(run.scratch, &snapshot) != 0) {
		fail("no memory");
	}
	double single = best_of(run_single, &run, rounds);
	size_t blocked = run.blocked / (size_t)rounds;
	printf("%-44s %7.1f ns single", name, single);
	if (rounds > 1) {
		printf(" %7.1f ns in batches of %d", best_of(run_batches, &run, rounds),
		        MICRO_BATCH);
	}
	printf(" (%zu blocked)\n", blocked);
	verdict_scratch_free(run.scratch);
}

static struct policy *timed_rules(const char *name, unsigned count, const struct policy *base)
{
	double start = cpu_ns();
	struct policy *policy = build_rules(count, base);
	printf("%-44s %7.1f ms, %zu bytes, with opening\n", name, (cpu_ns() - start) / 1e6,
	        lookup_file_size(policy_file(policy)));
	return policy;
}

int main(int argc, char **argv)
{
	uint64_t rounds = 7;
	uint64_t only = 0;
	if (argc < 2 || argc > 4 ||
	        (argc >= 3 && number_parse_u64(argv[2], strlen(argv[2]), 1000, &rounds) != 0) ||
	        (argc == 4 && number_parse_u64(argv[3], strlen(argv[3]), 7, &only) != 0) ||
	        rounds == 0) {
		fprintf(stderr, "usage: %s FILE [ROUNDS [CASE 1-7]]\n", argv[0]);
		return 2;
	}
	struct micro_urls urls = read_urls(argv[1]);
	bool all = only == 0;
	printf("%zu URLs\n", urls.count);
	struct web_pattern *web = build_web(all ? 1000000 : 20000);
	struct policy *rules = timed_rules("build 10,000 rules", 10000, NULL);
	struct policy *base = timed_rules(
	        all ? "build 1,000,000 rules" : "build 20,000 rules", all ? 1000000 : 20000, NULL);
	struct policy *overlay = timed_rules("build an overlay of 10,000 changes", 10000, base);
	struct policy *words = build_keywords(1000, &urls);
	double start = cpu_ns();
	struct keyword_set *keywords = all || only >= 6 ? compile(words) : NULL;
	printf("%-44s %7.1f ms\n", "compile 1,000 keywords", (cpu_ns() - start) / 1e6);

	const struct {
		const char *name;
		struct snapshot snapshot;
	} cases[] = {
	        {"1 nothing", {0}},
	        {"2 pattern", {.web = web}},
	        {"3 pattern, 10,000 rules", {.web = web, .base = rules}},
	        {"4 10,000 rules", {.base = rules}},
	        {"5 pattern, base and overlay", {.web = web, .base = base, .overlay = overlay}},
	        {"6 1,000 keywords", {.base = words, .base_keywords = keywords}},
	        {"7 pattern, base, overlay, 1,000 keywords",
	                {.web = web, .base = base, .overlay = words, .overlay_keywords = keywords}},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		if (all || only == i + 1) {
			run_case(cases[i].name, cases[i].snapshot, &urls, rounds);
		}
	}
	return 0;
}
