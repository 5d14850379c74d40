#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/sha256.h"
#include "lib/verdict/keyword_set.h"
#include "tests/unit/policy_model.h"

static const struct siphash_key key = {1, 2};

static int check(const char *expression, struct error *error)
{
	return keyword_check(expression, strlen(expression), error);
}

static void test_good_expressions(void **state)
{
	(void)state;
	static const char *const good[] = {"bank", "^https?://[^/]*paypa1", "\\.zip$",
	        "login.{0,255}verify", "[[:digit:]]{4}", "a{255}", "[]{1000}]x", "[^]{1000}]x",
	        "\\Qa{1000}(?=\\Ex", "a\\{1000}", "x{,1000}", "a{b}", "(?i)bad", "(?:a|b)c",
	        "(?P<n>a)b", "\\bfoo\\b", "%E3%81%82", "\\x41", "\\01", "[\\1]a", "\\QxyzE"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct error error = {0};
		if (check(good[i], &error) != 0) {
			fail_msg("%s: %s", good[i], error.text);
		}
	}
}

static void test_refused_expressions_say_why(void **state)
{
	(void)state;
	static const struct {
		const char *expression;
		const char *reason; /* words of it */
		bool by_text; /* without compiling */
	} bad[] = {
	        {"", "empty", true},
	        {"a*", "empty text", false},
	        {"^", "empty text", false},
	        {"(a|b*)", "empty text", false},
	        {"(a)\\1", "back-reference", true},
	        {"(?P<n>a)(?P=n)", "back-reference", true},
	        {"\\k<n>", "back-reference", true},
	        {"a(?=b)", "look-ahead", true},
	        {"a(?!b)", "negative look-ahead", true},
	        {"(?<=a)b", "look-behind", true},
	        {"(?<!a)b", "negative look-behind", true},
	        {"(?>a)b", "atomic", true},
	        {"(*UTF8)a", "verb", true},
	        {"a{256}", "repeat of 256", true},
	        {"a{1,4000000000}", "repeat of 100000", true},
	        {"[a]b{300,}", "repeat of 300", true},
	        {"\\Q[\\Ea{300}", "repeat of 300", true},
	        {"b\xc3\xbc"
	         "cher",
	                "not ASCII", true},
	        {"(a", "parenthesis", false},
	        {"[z-a]", "out of order", false},
	        {"a**", "cannot be used", false},
	        {"(a{200}){200}", "cannot be used", false},
	        {"(x.{1,255}){20}y", "too costly", false},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error error = {0};
		const char *expression = bad[i].expression;
		int by_text = keyword_check_text(expression, strlen(expression), &error);
		assert_int_equal(by_text != 0, bad[i].by_text);
		int status = check(expression, &error);
		if (status >= 0 || strstr(error.text, bad[i].reason) == NULL) {
			fail_msg("%s: %s", expression, error.text);
		}
	}
	struct error error = {0};
	char text[LIMIT_KEYWORD_BYTES + 1];
	memset(text, 'a', sizeof(text));
	assert_int_equal(keyword_check(text, sizeof(text), &error), SK_E_LIMIT);
	assert_int_equal(keyword_check(text, sizeof(text) - 1, &error), 0);
	assert_int_equal(keyword_check("a\0b", 3, &error), SK_E_SYNTAX);
}

static struct policy *build(const char *const *expressions, size_t count)
{
	static struct model_entry entries[1000];
	struct policy *policy;
	struct error error = {0};
	assert_true(count <= 1000);
	for (size_t i = 0; i < count; i++) {
		entries[i] = (struct model_entry){
		        .id = (int64_t)(10 * i + 1), .list = POLICY_USER_BLOCKED};
		/* Every other one is no keyword, so that indexes and numbers differ. */
		entries[i].rule = expressions[i] != NULL ? RULE_KEYWORD : RULE_SITE;
		snprintf(entries[i].text, sizeof(entries[i].text), "%s",
		        expressions[i] != NULL ? expressions[i] : "example.com");
	}
	assert_int_equal(model_build(entries, count, &key, &policy, &error), 0);
	return policy;
}

struct refusals {
	size_t count;
	int64_t last;
	char reason[ERROR_TEXT_MAX];
};

static void take_refusal(void *context, const struct policy_entry *entry, const char *reason)
{
	struct refusals *refusals = context;
	refusals->count++;
	refusals->last = entry->id;
	snprintf(refusals->reason, sizeof(refusals->reason), "%s", reason);
}

static int compile(const struct policy *policy, struct refusals *refusals)
{
	struct error error = {0};
	int fd = model_memory_file();
	assert_int_equal(keyword_set_compile(policy, fd, take_refusal, refusals, &error), 0);
	return fd;
}

static struct keyword_set *open_set(int fd)
{
	struct lookup_file *file;
	struct keyword_set *set;
	struct error error = {0};
	assert_int_equal(lookup_file_load(fd, LOOKUP_KIND_KEYWORDS, &file, &error), 0);
	assert_int_equal(keyword_set_open(file, &set, &error), 0);
	close(fd);
	return set;
}

static void test_matches_name_their_entries(void **state)
{
	(void)state;
	static const char *const expressions[] = {
	        NULL, "bad", NULL, "^https?://[^/]*\\.evil/", "\\.EXE$", "b.d", NULL};
	struct policy *policy = build(expressions, 7);
	struct refusals refusals = {0};
	struct keyword_set *set = open_set(compile(policy, &refusals));
	struct keyword_scratch *scratch = NULL;
	assert_int_equal(refusals.count, 0);
	assert_int_equal(keyword_set_count(set), 4);
	assert_true(keyword_set_fits(set, policy));
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	static const struct {
		const char *url;
		unsigned found; /* bits by entry */
	} cases[] = {
	        {"http://example.com/", 0},
	        {"http://example.com/BaD/bad/bad", 1u << 1 | 1u << 5},
	        {"https://www.evil/setup.exe", 1u << 3 | 1u << 4},
	        {"https://www.example/evil/setup.exe?", 0},
	        {"http://b\nd/", 1u << 5},
	        {"", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t indexes[8];
		size_t count = keyword_set_match(
		        set, scratch, cases[i].url, strlen(cases[i].url), indexes, 8);
		unsigned found = 0;
		for (size_t j = 0; j < count; j++) {
			assert_false(found & 1u << indexes[j]); /* each once */
			found |= 1u << indexes[j];
		}
		assert_int_equal(found, cases[i].found);
	}
	uint32_t index;
	assert_int_equal(keyword_set_match(set, scratch, "http://bad", 10, &index, 1), 1);
	keyword_scratch_free(scratch);
	keyword_set_close(set);
	policy_close(policy);
}

/* "://" is compiled as something else that means the same. */
static void test_scheme_means_what_it_says(void **state)
{
	(void)state;
	static const char *const expressions[] = {"^https?://[^/]*evil", "^https?:\\/\\/www",
	        "\\Q://\\Ewww", "[://]{3}www", "=https://", "(?i://)WWW", "https://+www"};
	struct policy *policy = build(expressions, 7);
	struct refusals refusals = {0};
	struct keyword_set *set = open_set(compile(policy, &refusals));
	struct keyword_scratch *scratch = NULL;
	assert_int_equal(refusals.count, 0);
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	static const struct {
		const char *url;
		unsigned found; /* bits by expression */
	} cases[] = {
	        {"http://evil/", 1u << 0},
	        {"https://www.evil/", 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 6},
	        {"http://x/evil", 0},
	        {"ftp://www/evil", 1u << 2 | 1u << 3 | 1u << 5},
	        {"http://x/?u=https://evil", 1u << 4},
	        {"http://x/?u=https:/evil", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t indexes[8];
		size_t count = keyword_set_match(
		        set, scratch, cases[i].url, strlen(cases[i].url), indexes, 8);
		unsigned found = 0;
		for (size_t j = 0; j < count; j++) {
			found |= 1u << indexes[j];
		}
		assert_int_equal(found, cases[i].found);
	}
	keyword_scratch_free(scratch);
	keyword_set_close(set);
	policy_close(policy);
}

static void test_empty_set_is_a_file(void **state)
{
	(void)state;
	static const char *const expressions[] = {NULL};
	struct policy *policy = build(expressions, 1);
	struct policy *other = build(expressions, 0);
	struct refusals refusals = {0};
	struct keyword_set *set = open_set(compile(policy, &refusals));
	struct keyword_scratch *scratch = NULL;
	uint32_t index;
	assert_int_equal(keyword_set_count(set), 0);
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	assert_int_equal(keyword_set_match(set, scratch, "x", 1, &index, 1), 0);
	assert_true(keyword_set_fits(set, policy));
	assert_false(keyword_set_fits(set, other));
	keyword_scratch_free(scratch);
	keyword_set_close(set);
	policy_close(policy);
	policy_close(other);
}

static void test_bad_expressions_are_left_out(void **state)
{
	(void)state;
	static const char *const expressions[] = {
	        "good1", "(open", "good2", "(a)\\1", "(a{200}){200}", "x*", "good3"};
	struct policy *policy = build(expressions, 7);
	struct refusals refusals = {0};
	struct keyword_set *set = open_set(compile(policy, &refusals));
	struct keyword_scratch *scratch = NULL;
	uint32_t indexes[4];
	assert_int_equal(refusals.count, 4);
	assert_int_equal(keyword_set_count(set), 3);
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	assert_int_equal(keyword_set_match(set, scratch, "good3", 5, indexes, 4), 1);
	assert_int_equal(indexes[0], 6);
	keyword_scratch_free(scratch);
	keyword_set_close(set);
	policy_close(policy);
}

static void test_thousand_expressions(void **state)
{
	(void)state;
	static char texts[1000][24];
	static const char *expressions[1000];
	for (int i = 0; i < 1000; i++) {
		snprintf(texts[i], sizeof(texts[i]), "key%03dword[0-9]+x", i);
		expressions[i] = texts[i];
	}
	struct policy *policy = build(expressions, 1000);
	struct refusals refusals = {0};
	struct keyword_set *set = open_set(compile(policy, &refusals));
	struct keyword_scratch *scratch = NULL;
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	for (int i = 0; i < 1000; i++) {
		char url[64];
		uint32_t indexes[4];
		int length = snprintf(url, sizeof(url), "http://example.com/KEY%03dword%dx", i, i);
		size_t count = keyword_set_match(set, scratch, url, (size_t)length, indexes, 4);
		assert_int_equal(count, 1);
		assert_int_equal(indexes[0], i);
	}
	keyword_scratch_free(scratch);
	keyword_set_close(set);
	policy_close(policy);
}

/* Any byte changed, with the checksum made right again: refused or harmless. */
static void test_damaged_sets_are_refused(void **state)
{
	(void)state;
	static const char *const expressions[] = {"bad[0-9]+", "worse$"};
	struct policy *policy = build(expressions, 2);
	struct refusals refusals = {0};
	int fd = compile(policy, &refusals);
	char *data;
	size_t length;
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(fd, 1 << 20, &data, &length), 0);
	close(fd);
	unsigned opened = 0;
	for (size_t i = 0; i < length - SHA256_SIZE; i += i < 512 ? 1 : 13) {
		struct lookup_file *file;
		struct keyword_set *set;
		struct error error = {0};
		unsigned char digest[SHA256_SIZE];
		data[i] ^= 0x15;
		assert_int_equal(sha256(data, length - SHA256_SIZE, digest), 0);
		memcpy(data + length - SHA256_SIZE, digest, SHA256_SIZE);
		if (lookup_file_over(data, length, LOOKUP_KIND_KEYWORDS, &file, &error) == 0) {
			if (keyword_set_open(file, &set, &error) != 0) {
				lookup_file_close(file);
			} else {
				opened++;
				keyword_set_close(set);
			}
		}
		data[i] ^= 0x15;
	}
	/* The checksum of the policy, the numbers of entries, padding: not the database. */
	assert_true(opened < 160);
	mem_free(data);
	policy_close(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_good_expressions),
	        cmocka_unit_test(test_refused_expressions_say_why),
	        cmocka_unit_test(test_matches_name_their_entries),
	        cmocka_unit_test(test_scheme_means_what_it_says),
	        cmocka_unit_test(test_empty_set_is_a_file),
	        cmocka_unit_test(test_bad_expressions_are_left_out),
	        cmocka_unit_test(test_thousand_expressions),
	        cmocka_unit_test(test_damaged_sets_are_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
