#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json_tokener.h>

#include "cli/arguments.h"
#include "cli/show.h"
#include "cli/when.h"
#include "lib/base/error.h"

#define NOW INT64_C(1795392000000) /* 2026-11-23T00:00:00Z */
#define DAY INT64_C(86400000)

static void test_when(void **state)
{
	static const struct {
		const char *text;
		enum when_sense sense;
		int rc;
		int64_t time;
	} cases[] = {
	        {"never", WHEN_FUTURE, 0, 0},
	        {"never", WHEN_PAST_START, SK_E_SYNTAX, 0},
	        {"7d", WHEN_FUTURE, 0, NOW + 7 * DAY},
	        {"7d", WHEN_PAST_START, 0, NOW - 7 * DAY},
	        {"2w", WHEN_PAST_END, 0, NOW - 14 * DAY},
	        {"90s", WHEN_FUTURE, 0, NOW + 90000},
	        {"30m", WHEN_FUTURE, 0, NOW + 1800000},
	        {"12h", WHEN_FUTURE, 0, NOW + 43200000},
	        {"2026-11-23", WHEN_PAST_START, 0, NOW},
	        {"2026-11-23", WHEN_PAST_END, 0, NOW + DAY},
	        {"2026-11-23", WHEN_FUTURE, 0, NOW + DAY},
	        {"2026-11-23T00:00:01Z", WHEN_FUTURE, 0, NOW + 1000},
	        {"2026-02-30", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"d", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"7", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"-7d", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"7y", WHEN_FUTURE, SK_E_SYNTAX, 0},
	        {"99999999999999999999d", WHEN_FUTURE, SK_E_RANGE, 0},
	        {"3650000d", WHEN_FUTURE, SK_E_RANGE, 0},
	        {"1000000d", WHEN_PAST_START, SK_E_RANGE, 0},
	};
	(void)state;
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		int64_t time = -1;
		int rc = when_parse(cases[i].text, cases[i].sense, NOW, &time);
		if (rc != cases[i].rc || (rc == 0 && time != cases[i].time)) {
			fail_msg("%s: %d, %lld", cases[i].text, rc, (long long)time);
		}
	}
}

static const struct cli_option options[] = {
        {"limit", "N", ""},
        {"activate", NULL, ""},
};

static int parse(int argc, const char *const *argv, struct arguments *ret_arguments)
{
	struct error error = {0};
	int rc = arguments_parse(argc, (char *const *)(uintptr_t)argv, options, SK_COUNT(options),
	        ret_arguments, &error);
	assert_true(rc == 0 || error.text[0] != '\0');
	return rc;
}

static void test_arguments(void **state)
{
	static const char *const argv[] = {"--json", "a", "--limit", "5", "b", "--limit=6",
	        "--activate", "-", "--", "--limit", "-x"};
	struct arguments arguments;
	(void)state;
	assert_int_equal(parse((int)SK_COUNT(argv), argv, &arguments), 0);
	assert_int_equal(arguments.word_count, 5);
	assert_string_equal(arguments.words[0], "a");
	assert_string_equal(arguments.words[2], "-");
	assert_string_equal(arguments.words[3], "--limit");
	assert_string_equal(arguments.words[4], "-x");
	assert_int_equal(arguments.option_count, 4);
	assert_string_equal(arguments_value(&arguments, "limit"), "6");
	assert_true(arguments_has(&arguments, "json"));
	assert_true(arguments_has(&arguments, "activate"));
	assert_false(arguments_has(&arguments, "state"));
	arguments_release(&arguments);
}

static void test_arguments_refused(void **state)
{
	static const char *const wrong[][2] = {{"--limit", NULL}, {"--what", NULL},
	        {"--activate=1", NULL}, {"-x", NULL}, {"--lim", "5"}, {"--", NULL}};
	struct arguments arguments;
	(void)state;
	for (size_t i = 0; i < SK_COUNT(wrong); i++) {
		int rc = parse(wrong[i][1] != NULL ? 2 : 1, wrong[i], &arguments);
		assert_int_equal(rc, i + 1 < SK_COUNT(wrong) ? SK_E_SYNTAX : 0);
		if (rc == 0) {
			arguments_release(&arguments);
		}
	}
	assert_int_equal(parse(ARGUMENTS_MAX + 1, wrong[0], &arguments), SK_E_LIMIT);
}

static void check_clean(const char *text, size_t length, const char *expected)
{
	struct buf buf;
	buf_init(&buf, 1024);
	show_clean(&buf, text, length);
	assert_string_equal(buf_text(&buf), expected);
	buf_release(&buf);
}

static void test_clean(void **state)
{
	(void)state;
#define CLEAN(text, expected) check_clean(text, sizeof(text) - 1, expected)
	CLEAN("plain", "plain");
	CLEAN("", "");
	CLEAN("\x1b[2J", "\\x1b[2J");
	CLEAN("a\nb\tc\0d", "a\\x0ab\\x09c\\x00d");
	CLEAN("\x7f", "\\x7f");
	CLEAN("\xc2\x9b", "\\u009b");
	CLEAN("\xe2\x80\xae", "\\u202e");
	CLEAN("\xef\xbb\xbf", "\\ufeff");
	CLEAN("b\xc3\xbc", "b\xc3\xbc");
	CLEAN("\xff\xc3", "\\xff\\xc3");
	CLEAN("\xc0\xaf", "\\xc0\\xaf");
	CLEAN("\xed\xa0\x80", "\\xed\\xa0\\x80");
	CLEAN("\xf0\x9f\x92\xa9", "\xf0\x9f\x92\xa9");
	CLEAN("\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
}

static void test_values(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {{"{\"a\":null}", "-"}, {"{}", "-"}, {"{\"a\":\"\"}", "-"}, {"{\"a\":5}", "5"},
	        {"{\"a\":true}", "yes"}, {"{\"a\":[]}", "-"},
	        {"{\"a\":[\"x\",1,[2]]}", "x, 1, […]"}, {"{\"a\":\"\\u001b\"}", "\\x1b"}};
	struct buf buf;
	(void)state;
	buf_init(&buf, 1024);
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		json_object *object = json_tokener_parse(cases[i].json);
		buf_clear(&buf);
		show_member(&buf, object, "a");
		assert_string_equal(buf_text(&buf), cases[i].text);
		json_object_put(object);
	}
	json_object *size = json_object_new_int64(1536);
	buf_clear(&buf);
	show_size(&buf, size);
	assert_string_equal(buf_text(&buf), "1.5 KiB");
	json_object_put(size);
	json_object *time = json_object_new_int64(NOW);
	buf_clear(&buf);
	show_time(&buf, time, "never");
	show_time(&buf, NULL, " never");
	assert_string_equal(buf_text(&buf), "2026-11-23 00:00:00 never");
	json_object_put(time);
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_when),
	        cmocka_unit_test(test_arguments),
	        cmocka_unit_test(test_arguments_refused),
	        cmocka_unit_test(test_clean),
	        cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
