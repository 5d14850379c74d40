#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/base/sha256.h"
#include "tests/unit/policy_model.h"

static const struct siphash_key key = {UINT64_C(0x0123456789abcdef), 42};

static void canonical(const char *text, char space[URL_TEXT_MAX], struct url *ret_url)
{
	const char *reason;
	assert_int_equal(
	        url_canonicalize(text, strlen(text), space, URL_TEXT_MAX, ret_url, &reason), 0);
}

static struct policy *build(const struct model_entry *entries, size_t count)
{
	struct policy *policy;
	struct error error = {0};
	int status = model_build(entries, count, &key, &policy, &error);
	if (status != 0) {
		print_message("# %s\n", error.text);
	}
	assert_int_equal(status, 0);
	return policy;
}

static struct lookup_key key_of(const char *expression)
{
	return lookup_key_from_hash(siphash(&key, expression, strlen(expression)));
}

static void test_empty_policy(void **state)
{
	(void)state;
	struct policy *policy = build(NULL, 0);
	uint32_t count = 7;
	struct digest digest = {.kind = DIGEST_SHA1};
	struct address address = {.family = ADDRESS_V4};
	assert_int_equal(policy_entry_count(policy), 0);
	assert_int_equal(policy_content(policy), 0);
	assert_null(policy_find(policy, key_of("example.com/"), &count));
	assert_int_equal(count, 0);
	assert_null(policy_find_digest(policy, &digest, &count));
	assert_null(policy_find_address(policy, &address, NULL, NULL, &count));
	assert_false(policy_removes(policy, 0));
	assert_true(policy_fits(policy, NULL));
	assert_true(policy_key(policy)->k0 == key.k0 && policy_key(policy)->k1 == key.k1);
	policy_close(policy);
}

static void test_entries_keep_what_was_said(void **state)
{
	(void)state;
	static const struct model_entry entries[] = {
	        {.id = 9, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "Example.com"},
	        {.id = 2,
	                .list = POLICY_USER_BLOCKED,
	                .rule = RULE_KEYWORD,
	                .text = "ba[dn]+",
	                .expires = 77},
	        {.id = 5,
	                .list = POLICY_OBJECT_USER,
	                .object = OBJECT_URL,
	                .text = "http://example.com/a",
	                .action = OBJECT_BLOCK,
	                .cnc_level = 3},
	};
	struct policy *policy = build(entries, 3);
	struct policy_entry entry;
	assert_int_equal(policy_entry_count(policy), 3);
	assert_int_equal(policy_content(policy), POLICY_HAS_URLS | POLICY_HAS_KEYWORDS);
	policy_entry(policy, 0, &entry);
	assert_int_equal(entry.id, 2);
	assert_true(entry.keyword);
	assert_string_equal(entry.text, "ba[dn]+");
	assert_int_equal(entry.text_length, 7);
	assert_int_equal(entry.expires, 77);
	assert_int_equal(entry.specificity, 0);
	policy_entry(policy, 1, &entry);
	assert_int_equal(entry.id, 9);
	assert_string_equal(entry.text, "Example.com");
	assert_false(entry.keyword);
	policy_entry(policy, 2, &entry);
	assert_int_equal(entry.list, POLICY_OBJECT_USER);
	assert_int_equal(entry.action, OBJECT_BLOCK);
	assert_int_equal(entry.cnc_level, 3);
	policy_close(policy);
}

/* Which of one kind of entry covers which URL. */
static void test_covering(void **state)
{
	(void)state;
	enum kind { SITE, PAGE, DOMAIN_OBJECT, URL_OBJECT, IP_OBJECT };
	static const struct {
		enum kind kind;
		const char *entry;
		const char *url;
		bool covers;
	} cases[] = {
	        {SITE, "http://example.com", "https://example.com/", true},
	        {SITE, "http://example.com", "http://a.b.c.d.e.f.g.example.com/x?y", true},
	        {SITE, "http://example.com", "http://badexample.com/", false},
	        {SITE, "http://example.com", "http://com/", false},
	        {SITE, "http://example.com/a/", "http://example.com/a/", true},
	        {SITE, "http://example.com/a/", "http://www.example.com/a/b?c", true},
	        {SITE, "http://example.com/a/", "http://example.com/a", false},
	        {SITE, "http://example.com/a/b.html", "http://example.com/a/b.html?x=1", true},
	        {SITE, "http://example.com/a/b.html", "http://example.com/a/b.html/c", true},
	        {SITE, "http://example.com/a/b.html", "http://example.com/a/b.htmlx", false},
	        {SITE, "http://example.com/a?x=1", "http://example.com/a?x=1", true},
	        {SITE, "http://example.com/a?x=1", "http://www.example.com/a?x=1", true},
	        {SITE, "http://example.com/a?x=1", "http://example.com/a?x=12", false},
	        {SITE, "http://example.com/a?x=1", "http://example.com/a/?x=1", false},
	        {SITE, "http://192.0.2.1/", "http://192.0.2.1/x", true},
	        {SITE, "http://2.1/", "http://192.0.2.1/x", false},
	        {SITE, "http://com/", "http://example.com/", true},
	        {PAGE, "http://example.com/a", "https://example.com/a", true},
	        {PAGE, "http://example.com/a", "http://example.com/a?", false},
	        {PAGE, "http://example.com/a", "http://example.com/a/", false},
	        {PAGE, "http://example.com/a", "http://www.example.com/a", false},
	        {PAGE, "http://example.com/", "http://example.com/x", false},
	        {PAGE, "http://example.com/a?b", "http://example.com/a?b", true},
	        {PAGE, "http://example.com/a?b", "http://example.com/a?B", false},
	        {DOMAIN_OBJECT, "example.com", "http://www.example.com/x", true},
	        {DOMAIN_OBJECT, "www.example.com", "http://example.com/x", false},
	        {URL_OBJECT, "http://example.com/a/", "https://example.com/a/b?c", true},
	        {URL_OBJECT, "http://example.com/a/", "http://www.example.com/a/b", false},
	        {URL_OBJECT, "http://example.com/a", "http://example.com/a?x", false},
	        {URL_OBJECT, "http://example.com/a", "http://example.com/a", true},
	        {URL_OBJECT, "http://*.example.com/x*", "http://a.b.example.com/xy/z?q", true},
	        {URL_OBJECT, "http://*.example.com/x*", "http://example.com/x", false},
	        {URL_OBJECT, "*bad.example.com/", "http://bad.example.com/any", true},
	        {URL_OBJECT, "*bad.example.com/", "http://verybad.example.com/any", true},
	        {URL_OBJECT, "*bad.example.com/", "http://bad.a.example.com/any", false},
	        {URL_OBJECT, "http://example.com/*/b", "http://example.com/a/x/b", true},
	        {URL_OBJECT, "http://example.com/*/b", "http://example.com/b", false},
	        {URL_OBJECT, "http://example.com/*/b/", "http://example.com/a/b/c/d", true},
	        {URL_OBJECT, "http://example.com/*/b/", "http://example.com/a?/b/", false},
	        {URL_OBJECT, "http://example.com/a?id=*", "http://example.com/a?id=7", true},
	        {URL_OBJECT, "http://example.com/a?id=*&b", "http://example.com/a?id=7&c", false},
	        {URL_OBJECT, "http://example.com/*aab", "http://example.com/aaaab", true},
	        {IP_OBJECT, "192.0.2.0/24", "http://192.0.2.77/x", true},
	        {IP_OBJECT, "192.0.2.0/24", "http://0xc0000201/", true},
	        {IP_OBJECT, "192.0.2.0/24", "http://192.0.3.1/", false},
	        {IP_OBJECT, "2001:db8::/32", "http://[2001:db8::7]/", true},
	        {IP_OBJECT, "192.0.2.0/24", "http://example.com/", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model_entry entry = {.id = 1};
		entry.list = cases[i].kind <= PAGE ? POLICY_USER_BLOCKED : POLICY_OBJECT_USER;
		entry.rule = cases[i].kind == SITE ? RULE_SITE : RULE_PAGE;
		entry.object = cases[i].kind == IP_OBJECT    ? OBJECT_IP
		               : cases[i].kind == URL_OBJECT ? OBJECT_URL
		                                             : OBJECT_DOMAIN;
		snprintf(entry.text, sizeof(entry.text), "%s", cases[i].entry);
		char space[URL_TEXT_MAX];
		struct url url;
		canonical(cases[i].url, space, &url);
		struct policy *policy = build(&entry, 1);
		if (policy_entry_covers(policy, 0, &url) != cases[i].covers ||
		        model_covers(&entry, space) != cases[i].covers) {
			fail_msg("%s and %s", cases[i].entry, cases[i].url);
		}
		policy_close(policy);
	}
}

static void test_keys_lead_to_entries(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum rule_kind rule;
		const char *found[3];
		const char *not_found[2];
	} cases[] = {
	        {"http://example.com/", RULE_SITE, {"example.com/"}, {"example.com/a"}},
	        {"http://a.b.c.d.e.f.example.com/x/", RULE_SITE, {"d.e.f.example.com/x/"},
	                {"a.b.c.d.e.f.example.com/x/"}},
	        {"http://a.b.c.d.e.f.example.com/x/", RULE_PAGE, {"a.b.c.d.e.f.example.com/x/"},
	                {"d.e.f.example.com/x/"}},
	        {"http://example.com/a/b", RULE_SITE, {"example.com/a/b", "example.com/a/b/"},
	                {"example.com/a/"}},
	        {"http://example.com/a/b?c", RULE_SITE, {"example.com/a/b?c"}, {"example.com/a/b"}},
	        {"http://example.com/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", RULE_SITE,
	                {"example.com/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/"}, {"example.com/"}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model_entry entry = {
		        .id = 1, .list = POLICY_USER_BLOCKED, .rule = cases[i].rule};
		snprintf(entry.text, sizeof(entry.text), "%s", cases[i].text);
		struct policy *policy = build(&entry, 1);
		uint32_t count;
		for (size_t j = 0; j < 3 && cases[i].found[j] != NULL; j++) {
			const char *expression = cases[i].found[j];
			const uint32_t *run = policy_find(policy, key_of(expression), &count);
			assert_non_null(run);
			assert_int_equal(count, 1);
			assert_int_equal(run[0], 0);
			size_t host = strcspn(expression, "/");
			assert_true(policy_may_have_host(policy, siphash(&key, expression, host)));
		}
		for (size_t j = 0; j < 2 && cases[i].not_found[j] != NULL; j++) {
			assert_null(policy_find(policy, key_of(cases[i].not_found[j]), &count));
		}
		policy_close(policy);
	}
}

static void test_digests(void **state)
{
	(void)state;
	static const char sha1[] = "3395856ce81f2b7382dee72602f798b642f14140";
	static const char sha256_text[] =
	        "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
	struct model_entry entries[3] = {
	        {.id = 1, .list = POLICY_OBJECT_USER, .object = OBJECT_SHA1},
	        {.id = 1, .list = POLICY_OBJECT_ANALYZER, .object = OBJECT_SHA1},
	        {.id = 2, .list = POLICY_OBJECT_ANALYZER, .object = OBJECT_SHA256},
	};
	snprintf(entries[0].text, sizeof(entries[0].text), "%s", sha1);
	snprintf(entries[1].text, sizeof(entries[1].text), "%s", sha1);
	snprintf(entries[2].text, sizeof(entries[2].text), "%s", sha256_text);
	struct policy *policy = build(entries, 3);
	struct digest digest;
	uint32_t count;
	assert_int_equal(digest_parse(sha1, 40, &digest), 0);
	const uint32_t *run = policy_find_digest(policy, &digest, &count);
	assert_int_equal(count, 2);
	assert_int_equal(run[0], 0);
	assert_int_equal(run[1], 1);
	assert_true(policy_entry_covers_digest(policy, 0, &digest));
	assert_false(policy_entry_covers_digest(policy, 2, &digest));
	digest.bytes[19] ^= 1; /* beyond the key: the text decides */
	run = policy_find_digest(policy, &digest, &count);
	assert_int_equal(count, 2);
	assert_false(policy_entry_covers_digest(policy, run[0], &digest));
	assert_int_equal(digest_parse(sha256_text, 64, &digest), 0);
	run = policy_find_digest(policy, &digest, &count);
	assert_int_equal(count, 1);
	assert_true(policy_entry_covers_digest(policy, run[0], &digest));
	policy_close(policy);
}

static void test_addresses_innermost_first(void **state)
{
	(void)state;
	static const char *const texts[] = {"192.0.2.0/24", "192.0.2.128/25", "192.0.2.200",
	        "192.0.2.200/32", "0.0.0.0/0", "::/0", "192.0.3.0/24"};
	struct model_entry entries[7];
	for (int i = 0; i < 7; i++) {
		entries[i] = (struct model_entry){
		        .id = i + 1, .list = POLICY_OBJECT_USER, .object = OBJECT_IP};
		snprintf(entries[i].text, sizeof(entries[i].text), "%s", texts[i]);
	}
	struct policy *policy = build(entries, 7);
	struct address address = {ADDRESS_V4, {192, 0, 2, 200}};
	struct address_prefix prefix;
	uint32_t count;
	static const unsigned lengths[] = {32, 25, 24, 0};
	const uint32_t *run = policy_find_address(policy, &address, NULL, &prefix, &count);
	for (int i = 0; i < 4; i++) {
		assert_non_null(run);
		assert_int_equal(prefix.length, lengths[i]);
		assert_int_equal(count, i == 0 ? 2 : 1);
		run = policy_find_address(policy, &address, &prefix, &prefix, &count);
	}
	assert_null(run);
	policy_close(policy);
}

static void test_targets(void **state)
{
	(void)state;
	struct model_entry entries[40];
	for (int i = 0; i < 40; i++) {
		entries[i] = (struct model_entry){.id = i + 1,
		        .list = POLICY_USER_BLOCKED,
		        .rule = RULE_SITE,
		        .text = "http://example.com/",
		        .targets = i % 2 == 0 ? "10.0.0.0/8, domain:corp.example"
		                              : "computer:pc-1, 2001:db8::/32"};
	}
	struct policy *policy = build(entries, 40);
	struct address ten = {ADDRESS_V4, {10, 1, 2, 3}};
	struct address other = {ADDRESS_V4, {11, 1, 2, 3}};
	for (uint32_t i = 0; i < 40; i++) {
		bool even = i % 2 == 0;
		assert_int_equal(policy_entry_applies(policy, i, &ten, NULL, NULL), even);
		assert_int_equal(policy_entry_applies(policy, i, &other, NULL, NULL), false);
		assert_int_equal(
		        policy_entry_applies(policy, i, &other, NULL, "A.Corp.Example"), even);
		assert_int_equal(policy_entry_applies(policy, i, &other, "PC-1", NULL), !even);
	}
	policy_close(policy);
}

static void test_overlay_removes_of_its_base_only(void **state)
{
	(void)state;
	struct model_entry entries[3] = {
	        {.id = 1, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "a.example"},
	        {.id = 1, .list = POLICY_USER_APPROVED, .rule = RULE_SITE, .text = "b.example"},
	        {.id = 3, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "c.example"},
	};
	struct policy *base = build(entries, 3);
	struct policy *other = build(entries, 2);
	struct policy_builder *builder;
	struct policy *overlay;
	struct error error = {0};
	assert_int_equal(policy_builder_new(&key, &builder), 0);
	assert_int_equal(policy_builder_remove(builder, base, POLICY_USER_BLOCKED, 1), 0);
	assert_int_equal(policy_builder_remove(builder, base, POLICY_USER_BLOCKED, 2), 0);
	assert_int_equal(
	        policy_builder_remove(builder, other, POLICY_USER_BLOCKED, 1), SK_E_CONFLICT);
	assert_int_equal(model_open(builder, &overlay, &error), 0);
	assert_false(policy_removes(overlay, 0)); /* the approved one comes first */
	assert_true(policy_removes(overlay, 1));
	assert_false(policy_removes(overlay, 2));
	assert_false(policy_removes(overlay, 3));
	assert_false(policy_removes(overlay, UINT32_MAX));
	assert_true(policy_fits(overlay, base));
	assert_false(policy_fits(overlay, other));
	assert_false(policy_fits(overlay, NULL));
	policy_close(overlay);
	policy_close(other);
	policy_close(base);
}

static void test_builder_refuses(void **state)
{
	(void)state;
	struct policy_builder *builder;
	struct policy *policy;
	struct error error = {0};
	struct model_entry entry = {
	        .id = 1, .list = POLICY_USER_BLOCKED, .rule = RULE_SITE, .text = "mailto:a@b"};
	assert_int_equal(policy_builder_new(&key, &builder), 0);
	assert_true(model_add(builder, &entry, &error) < 0);
	assert_true(strlen(error.text) > 0);
	snprintf(entry.text, sizeof(entry.text), "http://example.com/");
	entry.id = 0;
	assert_int_equal(model_add(builder, &entry, &error), SK_E_RANGE);
	struct rule rule = {.id = 1,
	        .list = POLICY_OBJECT_USER,
	        .kind = RULE_SITE,
	        .pattern = entry.text,
	        .enabled = true};
	assert_int_equal(policy_builder_add_rule(builder, &rule, &error), SK_E_RANGE);
	rule.enabled = false;
	assert_int_equal(policy_builder_add_rule(builder, &rule, &error), 0);
	struct object object = {
	        .id = 1, .list = POLICY_OBJECT_USER, .kind = OBJECT_IP, .value = "1.2.3.4"};
	object.cnc_level = 4;
	assert_int_equal(policy_builder_add_object(builder, &object, &error), SK_E_RANGE);
	object.cnc_level = 0;
	object.list = POLICY_USER_BLOCKED;
	assert_int_equal(policy_builder_add_object(builder, &object, &error), SK_E_RANGE);
	entry.id = 5;
	assert_int_equal(model_add(builder, &entry, &error), 0);
	assert_int_equal(model_add(builder, &entry, &error), 0);
	assert_int_equal(model_open(builder, &policy, &error), SK_E_EXISTS);
}

/* Any byte changed, with the checksum made right again: refused or harmless, never a crash. */
static void test_damaged_files_are_harmless(void **state)
{
	(void)state;
	struct model_random random = {7};
	struct model_entry entries[30];
	for (int i = 0; i < 30; i++) {
		model_random_entry(&random, i + 1, &entries[i]);
	}
	struct policy_builder *builder;
	struct error error = {0};
	assert_int_equal(policy_builder_new(&key, &builder), 0);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(model_add(builder, &entries[i], &error), 0);
	}
	int fd = model_memory_file();
	assert_int_equal(policy_builder_write(builder, fd, &error), 0);
	policy_builder_free(builder);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	char *data;
	size_t length;
	assert_int_equal(file_read_fd(fd, 1 << 20, &data, &length), 0);
	close(fd);
	unsigned opened = 0;
	for (size_t i = 0; i < length - SHA256_SIZE; i++) {
		char saved = data[i];
		data[i] ^= (char)(1 + model_pick(&random, 255));
		unsigned char digest[SHA256_SIZE];
		assert_int_equal(sha256(data, length - SHA256_SIZE, digest), 0);
		memcpy(data + length - SHA256_SIZE, digest, SHA256_SIZE);
		struct lookup_file *file;
		struct policy *policy;
		if (lookup_file_over(data, length, LOOKUP_KIND_POLICY, &file, &error) == 0) {
			if (policy_open(file, &policy, &error) != 0) {
				lookup_file_close(file);
			} else {
				char space[URL_TEXT_MAX];
				struct url url;
				struct address address = {ADDRESS_V4, {10, 0, 0, 1}};
				canonical("http://www.example.com/a/b?x", space, &url);
				for (uint32_t j = 0; j < policy_entry_count(policy); j++) {
					(void)policy_entry_covers(policy, j, &url);
					(void)policy_entry_applies(policy, j, &address, "x", "y");
				}
				policy_close(policy);
				opened++;
			}
		}
		data[i] = saved;
	}
	assert_true(opened > 0);
	mem_free(data);
}

/* Random entries: each level finds by keys what the plain list says. */
static void test_covers_like_the_model(void **state)
{
	(void)state;
	struct model_random random = {1};
	for (int round = 0; round < 20; round++) {
		struct model_entry entries[100];
		for (int i = 0; i < 100; i++) {
			model_random_entry(&random, i + 1, &entries[i]);
		}
		struct policy *policy = build(entries, 100);
		for (int n = 0; n < 60; n++) {
			char text[420];
			char space[URL_TEXT_MAX];
			struct url url;
			model_random_url(&random, text, sizeof(text));
			canonical(text, space, &url);
			for (uint32_t i = 0; i < 100; i++) {
				struct policy_entry entry;
				policy_entry(policy, i, &entry);
				const struct model_entry *said = &entries[entry.id - 1];
				bool covers = policy_entry_covers(policy, i, &url);
				if (!entry.keyword && covers != model_covers(said, space)) {
					fail_msg("%s and %s", said->text, space);
				}
			}
		}
		policy_close(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_empty_policy),
	        cmocka_unit_test(test_entries_keep_what_was_said),
	        cmocka_unit_test(test_covering),
	        cmocka_unit_test(test_keys_lead_to_entries),
	        cmocka_unit_test(test_digests),
	        cmocka_unit_test(test_addresses_innermost_first),
	        cmocka_unit_test(test_targets),
	        cmocka_unit_test(test_overlay_removes_of_its_base_only),
	        cmocka_unit_test(test_builder_refuses),
	        cmocka_unit_test(test_damaged_files_are_harmless),
	        cmocka_unit_test(test_covers_like_the_model),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
