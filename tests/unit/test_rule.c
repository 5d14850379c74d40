#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/data/rule.h"

static struct address address_of(const char *text)
{
	struct address address;
	assert_int_equal(address_parse(text, strlen(text), &address), 0);
	return address;
}

static void test_names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RULE_KIND_COUNT; i++) {
		enum rule_kind kind;
		assert_int_equal(rule_kind_parse(rule_kind_name((enum rule_kind)i), &kind), 0);
		assert_int_equal(kind, i);
	}
	for (unsigned i = 0; i < OBJECT_KIND_COUNT; i++) {
		enum object_kind kind;
		assert_int_equal(
		        object_kind_parse(object_kind_name((enum object_kind)i), &kind), 0);
		assert_int_equal(kind, i);
	}
	enum rule_kind kind;
	assert_int_equal(rule_kind_parse("Site", &kind), SK_E_NOT_FOUND);
	assert_string_equal(target_kind_name(TARGET_COMPUTER), "computer");
}

static void test_targets_are_read(void **state)
{
	(void)state;
	struct target *targets;
	size_t count;
	struct error error = {0};
	assert_int_equal(targets_parse(" 10.0.0.0/8 ,192.0.2.1-192.0.2.9,2001:db8::/32,"
	                               "Domain: Example.COM,computer:PC-1",
	                         &targets, &count, &error),
	        0);
	assert_int_equal(count, 5);
	assert_int_equal(targets[0].kind, TARGET_ADDRESS);
	assert_int_equal(targets[0].last.bytes[3], 255);
	assert_int_equal(targets[1].first.bytes[3], 1);
	assert_int_equal(targets[1].last.bytes[3], 9);
	assert_int_equal(targets[2].first.family, ADDRESS_V6);
	assert_int_equal(targets[3].kind, TARGET_DOMAIN);
	assert_string_equal(targets[3].name, "example.com");
	assert_string_equal(targets[4].name, "pc-1");
	mem_free(targets);
	assert_int_equal(targets_parse("  ", &targets, &count, &error), 0);
	assert_int_equal(count, 0);
	mem_free(targets);
}

static void test_bad_targets_are_named(void **state)
{
	(void)state;
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", ",",
	        "10.0.0.1,", "10.0.0.1,,10.0.0.2", "pc-1", "domain:", "domain:a b", "domain:.a",
	        "domain:a..b", "domain:a.", "computer:b\xc3\xbc", "host:x", "10.0.0.1;10.0.0.2"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct target *targets;
		size_t count;
		struct error error = {0};
		assert_int_equal(targets_parse(bad[i], &targets, &count, &error), SK_E_SYNTAX);
		assert_true(strlen(error.text) > 10);
	}
	char many[2000];
	char *at = many;
	for (int i = 0; i <= LIMIT_RULE_TARGETS; i++) {
		at += snprintf(at, 20, "%s10.0.0.1", i > 0 ? "," : "");
	}
	struct target *targets;
	size_t count;
	struct error error = {0};
	assert_int_equal(targets_parse(many, &targets, &count, &error), SK_E_LIMIT);
	many[strlen(many) - 9] = '\0';
	assert_int_equal(targets_parse(many, &targets, &count, &error), 0);
	assert_int_equal(count, LIMIT_RULE_TARGETS);
	mem_free(targets);
}

static void test_targets_match(void **state)
{
	(void)state;
	static const struct {
		const char *targets;
		const char *address, *computer, *domain;
		bool matches;
	} cases[] = {
	        {"", "192.0.2.1", NULL, NULL, true},
	        {"10.0.0.0/8", "10.255.255.255", NULL, NULL, true},
	        {"10.0.0.0/8", "11.0.0.0", NULL, NULL, false},
	        {"10.0.0.5-10.0.0.9", "10.0.0.4", NULL, NULL, false},
	        {"10.0.0.5-10.0.0.9", "10.0.0.9", NULL, NULL, true},
	        {"2001:db8::/32", "10.0.0.1", NULL, NULL, false},
	        {"2001:db8::/32", "2001:db8:1::1", NULL, NULL, true},
	        {"domain:example.com", "10.0.0.1", "example.com", NULL, false},
	        {"domain:example.com", "10.0.0.1", NULL, "EXAMPLE.com", true},
	        {"domain:example.com", "10.0.0.1", NULL, "a.b.Example.com", true},
	        {"domain:example.com", "10.0.0.1", NULL, "badexample.com", false},
	        {"domain:example.com", "10.0.0.1", NULL, "com", false},
	        {"computer:pc-1", "10.0.0.1", "PC-1", NULL, true},
	        {"computer:pc-1", "10.0.0.1", "a.pc-1", NULL, false},
	        {"computer:pc-1, 10.0.0.1", "10.0.0.1", "x", NULL, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target *targets;
		size_t count;
		struct error error = {0};
		assert_int_equal(targets_parse(cases[i].targets, &targets, &count, &error), 0);
		struct address address = address_of(cases[i].address);
		assert_int_equal(
		        targets_match(targets, count, &address, cases[i].computer, cases[i].domain),
		        cases[i].matches);
		mem_free(targets);
	}
}

static void test_rule_patterns(void **state)
{
	(void)state;
	static const struct {
		const char *pattern;
		const char *canonical; /* NULL: refused */
	} cases[] = {
	        {"http://Example.com", "http://example.com/"},
	        {"example.com/a/../b", "http://example.com/b"},
	        {"https://user@example.com:8443/x?y#z", "https://example.com/x?y"},
	        {"http://192.0.2.1/", "http://192.0.2.1/"},
	        {"http://[2001:DB8::1]/", "http://[2001:db8::1]/"},
	        {"http://example.com/a*b", "http://example.com/a*b"},
	        {"http://*.example.com/", NULL},
	        {"*.example.com", NULL},
	        {"", NULL},
	        {"mailto:a@example.com", NULL},
	        {"http://", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char space[URL_TEXT_MAX];
		struct url url;
		struct error error = {0};
		int status = rule_pattern_parse(cases[i].pattern, strlen(cases[i].pattern), space,
		        sizeof(space), &url, &error);
		if (cases[i].canonical == NULL) {
			assert_true(status < 0);
			assert_true(strlen(error.text) > 4);
		} else {
			assert_int_equal(status, 0);
			assert_string_equal(url.text, cases[i].canonical);
		}
	}
}

static void test_object_values(void **state)
{
	(void)state;
	static const struct {
		enum object_kind kind;
		const char *value;
		const char *canonical; /* NULL: refused */
	} cases[] = {
	        {OBJECT_IP, " 192.0.2.1 ", "192.0.2.1"},
	        {OBJECT_IP, "192.0.2.1/32", "192.0.2.1"},
	        {OBJECT_IP, "192.0.2.77/24", "192.0.2.0/24"},
	        {OBJECT_IP, "2001:DB8:0::1", "2001:db8::1"},
	        {OBJECT_IP, "2001:db8::/129", NULL},
	        {OBJECT_IP, "example.com", NULL},
	        {OBJECT_DOMAIN, "Example.COM.", "example.com"},
	        {OBJECT_DOMAIN,
	                "b\xc3\xbc"
	                "cher.example",
	                "xn--bcher-kva.example"},
	        {OBJECT_DOMAIN, "*.example.com", NULL},
	        {OBJECT_DOMAIN, "192.0.2.1", NULL},
	        {OBJECT_DOMAIN, "http://example.com/", NULL},
	        {OBJECT_DOMAIN, "", NULL},
	        {OBJECT_URL, "HTTPS://Example.com/A?b", "http://example.com/A?b"},
	        {OBJECT_URL, "example.com", "http://example.com/"},
	        {OBJECT_URL, "*://example.com/x", "http://example.com/x"},
	        {OBJECT_URL, "http://example.com/a**b*", "http://example.com/a*b*"},
	        {OBJECT_URL, "http://*.Example.com:8080/x*", "http://*.example.com/x*"},
	        {OBJECT_URL, "*Bad.example.com/", "http://*bad.example.com/"},
	        {OBJECT_URL, "**.a*.example.com", "http://*.a*.example.com/"},
	        {OBJECT_URL, "http://*.example.com/a/../**/x", "http://*.example.com/*/x"},
	        {OBJECT_URL,
	                "http://*.b\xc3\xbc"
	                "cher.example/",
	                "http://*.xn--bcher-kva.example/"},
	        {OBJECT_URL, "http://192.0.2.1/*", "http://192.0.2.1/*"},
	        {OBJECT_URL, "*.com", NULL},
	        {OBJECT_URL, "http://*/x", NULL},
	        {OBJECT_URL, "http://example.*/x", NULL},
	        {OBJECT_URL, "http://www.*.com/x", NULL},
	        {OBJECT_URL, "http://*.0.2.1/", NULL},
	        {OBJECT_URL, "http://user@*.example.com/", NULL},
	        {OBJECT_URL, "http://b\xc3\xbc*.example.com/", NULL},
	        {OBJECT_URL, "http://*.example..com/", "http://*.example.com/"},
	        {OBJECT_URL, "http://*[.example.com/", NULL},
	        {OBJECT_URL, "", NULL},
	        {OBJECT_SHA1, "3395856CE81F2B7382DEE72602F798B642F14140",
	                "3395856ce81f2b7382dee72602f798b642f14140"},
	        {OBJECT_SHA256, "3395856CE81F2B7382DEE72602F798B642F14140", NULL},
	        {OBJECT_SHA1, "44d88612fea8a8f36de82e1278abb02f", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char space[URL_TEXT_MAX];
		struct error error = {0};
		int status = object_value_parse(cases[i].kind, cases[i].value,
		        strlen(cases[i].value), space, sizeof(space), &error);
		if (cases[i].canonical == NULL) {
			if (status == 0) {
				print_message("# %s became %s\n", cases[i].value, space);
			}
			assert_true(status < 0);
			assert_true(strlen(error.text) > 10);
			continue;
		}
		if (status != 0) {
			print_message("# %s: %s\n", cases[i].value, error.text);
		}
		assert_int_equal(status, 0);
		assert_string_equal(space, cases[i].canonical);
		/* A canonical form is its own. */
		char again[URL_TEXT_MAX];
		assert_int_equal(object_value_parse(cases[i].kind, space, strlen(space), again,
		                         sizeof(again), &error),
		        0);
		assert_string_equal(again, space);
	}
}

static void test_object_values_have_limits(void **state)
{
	(void)state;
	static char value[LIMIT_RULE_PATTERN + 2];
	static char space[URL_TEXT_MAX];
	struct error error = {0};
	memset(value, 'a', sizeof(value) - 1);
	memcpy(value, "*.example.com/", 14);
	assert_int_equal(object_value_parse(OBJECT_URL, value, sizeof(value) - 1, space,
	                         sizeof(space), &error),
	        SK_E_LIMIT);
	assert_int_equal(object_value_parse(OBJECT_URL, value, sizeof(value) - 2, space,
	                         sizeof(space), &error),
	        0);
	/* Too little space is an error, not an overflow. */
	for (size_t size = 1; size < 40; size++) {
		char small[40];
		int status = object_value_parse(
		        OBJECT_URL, "http://*.example.com/abc", 24, small, size, &error);
		assert_int_equal(status == 0, size > 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names_go_both_ways),
	        cmocka_unit_test(test_targets_are_read),
	        cmocka_unit_test(test_bad_targets_are_named),
	        cmocka_unit_test(test_targets_match),
	        cmocka_unit_test(test_rule_patterns),
	        cmocka_unit_test(test_object_values),
	        cmocka_unit_test(test_object_values_have_limits),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
