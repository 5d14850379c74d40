#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/verdict/verdict.h"

/*
 * Rules and objects from everywhere they come from. The first byte of the input says which:
 *   P  a policy file that somebody crafted (it gets a right size and checksum), opened and asked
 *   K  a keyword file likewise
 *   E  a keyword expression
 *   otherwise a text: the URL to ask for, then a line per entry, its first letter the kind; what
 *      covers the URL by its text must also be found by its keys
 */
#define INPUT_MAX ((size_t)1 << 18)
#define ENTRIES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct siphash_key key = {1, 2};

/* Everything of a policy that a query could touch. */
static void touch_policy(const struct policy *policy, const char *text, size_t length)
{
	static char space[URL_TEXT_MAX];
	static struct verdict_explanation explanation;
	struct snapshot snapshot = {.base = policy, .overlay = policy, .ttl_listed = 60};
	struct verdict_client client = {.address = {ADDRESS_V4, {10, 0, 0, 1}}, .computer = "pc-1"};
	struct url_query query;
	struct url_verdict verdict;
	struct digest digest = {.kind = DIGEST_SHA1};
	struct file_verdict file;
	const char *reason;
	for (uint32_t i = 0; i < policy_entry_count(policy); i++) {
		struct policy_entry entry;
		policy_entry(policy, i, &entry);
		if (strlen(entry.text) > INPUT_MAX) {
			abort();
		}
		(void)policy_removes(policy, i);
		(void)policy_entry_applies(policy, i, &client.address, "pc-1", "example.com");
		(void)policy_entry_covers_digest(policy, i, &digest);
	}
	if (url_canonicalize(text, length, space, sizeof(space), &query.url, &reason) != 0) {
		return;
	}
	verdict_prepare_url(&snapshot, &query);
	verdict_decide_url(&snapshot, NULL, &query, &client, 1, &verdict);
	verdict_explain_url(&snapshot, NULL, &query, &client, 1, &verdict, &explanation);
	verdict_decide_file(&snapshot, &digest, 1, &file);
	for (uint32_t i = 0; i < policy_entry_count(policy); i++) {
		(void)policy_entry_covers(policy, i, &query.url);
	}
}

static void open_policy(const uint8_t *data, size_t size)
{
	static const char *const urls[] = {"http://www.example.com/a/b.html?x", "http://192.0.2.7/",
	        "http://[2001:db8::1]/x", "http://a.zip/"};
	struct lookup_file *file;
	struct policy *policy;
	struct error error = {0};
	if (lookup_file_over(data, size, LOOKUP_KIND_POLICY, &file, &error) != 0) {
		return;
	}
	if (policy_open(file, &policy, &error) != 0) {
		lookup_file_close(file);
		return;
	}
	for (size_t i = 0; i < SK_COUNT(urls); i++) {
		touch_policy(policy, urls[i], strlen(urls[i]));
	}
	policy_close(policy);
}

static void open_keywords(const uint8_t *data, size_t size)
{
	struct lookup_file *file;
	struct keyword_set *set;
	struct keyword_scratch *scratch = NULL;
	struct error error = {0};
	uint32_t indexes[4];
	if (lookup_file_over(data, size, LOOKUP_KIND_KEYWORDS, &file, &error) != 0) {
		return;
	}
	if (keyword_set_open(file, &set, &error) != 0) {
		lookup_file_close(file);
		return;
	}
	if (keyword_scratch_fit(&scratch, set) == 0) {
		(void)keyword_set_match(set, scratch, "http://bad.example/", 19, indexes, 4);
	}
	keyword_scratch_free(scratch);
	keyword_set_close(set);
}

/* A copy with the size and checksum that a lookup file ends with. */
static void open_crafted(const uint8_t *data, size_t size, bool keywords)
{
	if (size < 8 + SHA256_SIZE) {
		return;
	}
	uint8_t *copy = mem_new(size, 1);
	if (copy == NULL) {
		return;
	}
	memcpy(copy, data, size);
	bytes_put_le64(copy + size - SHA256_SIZE - 8, size);
	if (sha256(copy, size - SHA256_SIZE, copy + size - SHA256_SIZE) == 0) {
		if (keywords) {
			open_keywords(copy, size);
		} else {
			open_policy(copy, size);
		}
	}
	mem_free(copy);
}

static void check_keyword(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct error error = {0};
	if (size > 64 || memchr(text, '{', size) != NULL || memchr(text, '[', size) != NULL) {
		/* Repeats take long to compile, which is their judgement; here only the text. */
		(void)!keyword_check_text(text, size, &error);
	} else {
		(void)!keyword_check(text, size, &error);
	}
}

static int add_line(struct policy_builder *builder, int64_t id, const char *line)
{
	static const char objects[] = "idu12"; /* in the order of enum object_kind */
	struct error error = {0};
	if (line[0] == 's' || line[0] == 'p') {
		struct rule rule = {.id = id,
		        .list = id % 2 == 0 ? POLICY_USER_APPROVED : POLICY_USER_BLOCKED,
		        .kind = line[0] == 's' ? RULE_SITE : RULE_PAGE,
		        .pattern = line + 1,
		        .enabled = true};
		return policy_builder_add_rule(builder, &rule, &error);
	}
	const char *kind = line[0] != '\0' ? strchr(objects, line[0]) : NULL;
	struct object object = {.id = id,
	        .list = id % 2 == 0 ? POLICY_OBJECT_USER : POLICY_OBJECT_ANALYZER,
	        .kind = kind != NULL ? (enum object_kind)(kind - objects) : OBJECT_URL,
	        .value = kind != NULL ? line + 1 : line};
	return policy_builder_add_object(builder, &object, &error);
}

static struct policy *finish(struct policy_builder *builder, struct lookup_file **ret_file)
{
	struct policy *policy = NULL;
	struct error error = {0};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || policy_builder_write(builder, fd, &error) != 0 ||
	        lookup_file_load(fd, LOOKUP_KIND_POLICY, ret_file, &error) != 0 ||
	        policy_open(*ret_file, &policy, &error) != 0) {
		abort(); /* what the builder writes can be opened */
	}
	(void)close(fd);
	return policy;
}

/* Does the explanation name what covers the URL? */
static void check_found(const struct policy *policy, const char *text, size_t length)
{
	static char space[URL_TEXT_MAX];
	static struct verdict_explanation explanation;
	struct snapshot snapshot = {.base = policy, .ttl_listed = 60};
	struct verdict_client client = {.address = {ADDRESS_V4, {10, 0, 0, 1}}};
	struct url_query query;
	struct url_verdict verdict;
	const char *reason;
	if (url_canonicalize(text, length, space, sizeof(space), &query.url, &reason) != 0) {
		return;
	}
	verdict_prepare_url(&snapshot, &query);
	verdict_explain_url(&snapshot, NULL, &query, &client, 1, &verdict, &explanation);
	size_t covering = 0;
	for (uint32_t i = 0; i < policy_entry_count(policy); i++) {
		covering += policy_entry_covers(policy, i, &query.url);
	}
	if (explanation.count != covering || (verdict.source != VERDICT_NONE) != (covering > 0)) {
		abort();
	}
}

static void ask_lines(const uint8_t *data, size_t size)
{
	char *text = mem_copy_text((const char *)data, size);
	struct policy_builder *builder;
	if (text == NULL || policy_builder_new(&key, &builder) != 0) {
		mem_free(text);
		return;
	}
	int64_t id = 0;
	char *line = strchr(text, '\n');
	while (line != NULL && id < ENTRIES_MAX) {
		*line++ = '\0';
		char *next = strchr(line, '\n');
		if (next != NULL) {
			*next = '\0';
		}
		id++;
		(void)!add_line(builder, id, line);
		if (next != NULL) {
			*next = '\n';
		}
		line = next;
	}
	struct lookup_file *file = NULL;
	struct policy *policy = finish(builder, &file);
	policy_builder_free(builder);
	check_found(policy, text, strlen(text));
	policy_close(policy);
	mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > INPUT_MAX) {
		return 0;
	}
	switch (data[0]) {
	case 'P':
		open_crafted(data + 1, size - 1, false);
		break;
	case 'K':
		open_crafted(data + 1, size - 1, true);
		break;
	case 'E':
		check_keyword(data + 1, size - 1);
		break;
	default:
		ask_lines(data, size);
	}
	return 0;
}
