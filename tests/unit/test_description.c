#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "pattern/description.h"

#define INPUT(more) "{\"path\":\"a\",\"format\":\"urls\",\"source\":\"s\",\"kind\":\"bad\"" more "}"
#define WHOLE(inputs, more) "{\"name\":\"n\",\"inputs\":[" inputs "]" more "}"

static void assert_wrong(const char *text, const char *expected)
{
	struct description description;
	struct error error = {0};
	assert_int_equal(description_parse(text, strlen(text), &description, &error), SK_E_SYNTAX);
	assert_string_equal(error.text, expected);
}

static struct description parse(const char *text)
{
	struct description description;
	struct error error = {0};
	int status = description_parse(text, strlen(text), &description, &error);
	assert_string_equal(error.text, "");
	assert_int_equal(status, 0);
	return description;
}

static void test_whole(void **state)
{
	(void)state;
	struct description description = parse(
	        "{\"name\":\"Lists\",\"version\":\"1.2-a\",\"inputs\":["
	        "{\"path\":\"b/u.xz\",\"format\":\"urls\",\"source\":\"zeta\",\"kind\":\"bad\","
	        "\"score\":30,\"categories\":[\"phishing\",\"malware\"],"
	        "\"cnc\":{\"level\":2,\"source\":\"user_defined\"},\"name\":\"Worm\"},"
	        "{\"path\":\"g\",\"format\":\"csv\",\"source\":\"alpha\",\"kind\":\"good\","
	        "\"columns\":{\"host\":2,\"path\":\"p\",\"separator\":\";\"}},"
	        "{\"path\":\"i\",\"format\":\"ips\",\"source\":\"zeta\",\"kind\":\"bad\","
	        "\"columns\":{\"minimum_count\":3}},"
	        "{\"path\":\"w\",\"format\":\"misp-warninglist\",\"source\":\"w\",\"kind\":"
	        "\"exclude\"}],"
	        "\"safety\":{\"benign\":[\"x\",\"y\"],\"allow_site\":[\"p.example\"]}}");
	assert_string_equal(description.name, "Lists");
	assert_string_equal(description.version, "1.2-a");
	assert_int_equal(description.input_count, 4);
	const struct description_input *first = &description.inputs[0];
	assert_string_equal(first->path, "b/u.xz");
	assert_string_equal(feed_format_name(first->format), "urls");
	assert_int_equal(first->kind, DESCRIPTION_BAD);
	assert_int_equal(first->value.score, 30);
	assert_int_equal(first->value.cnc_level, 2);
	assert_int_equal(first->value.cnc_source, CNC_SOURCE_USER_DEFINED);
	assert_string_equal(first->name, "Worm");
	unsigned category;
	assert_int_equal(category_parse("phishing", 8, &category), 0);
	assert_true(first->value.categories >> category & 1);
	const struct description_input *second = &description.inputs[1];
	assert_int_equal(second->value.score, SCORE_LISTED_GOOD);
	assert_int_equal(second->columns.roles[FEED_HOST].number, 2);
	assert_string_equal(second->columns.roles[FEED_PATH].header, "p");
	assert_int_equal(second->columns.separator, ';');
	assert_int_equal(description.inputs[2].columns.minimum_count, 3);
	assert_int_equal(description.inputs[2].value.score, SCORE_LISTED_BAD);
	/* Sources are numbered by their names, wherever they stand. */
	assert_int_equal(description.source_count, 3);
	assert_string_equal(description.sources[0], "alpha");
	assert_string_equal(description.sources[1], "w");
	assert_string_equal(description.sources[2], "zeta");
	assert_int_equal(first->value.origins, 4);
	assert_int_equal(description.inputs[2].value.origins, 4);
	assert_int_equal(second->value.origins, 1);
	assert_int_equal(description.benign_count, 2);
	assert_string_equal(description.allow_site[0], "p.example");
	description_release(&description);
}

static void test_places_in_text(void **state)
{
	(void)state;
	assert_wrong("", "line 1, column 1: the text ends too early");
	assert_wrong("{\n  \"name\": 'n'}", "line 2, column 11: a value that JSON does not have");
	assert_wrong("{\"name\":\"a\",}", "line 1, column 13: a key in double quotes is expected");
	assert_wrong("{\"name\":\"a\"}x", "line 1, column 13: something follows the end");
	assert_wrong("{\"name\":\"a\",\"name\":\"b\"}",
	        "line 1, column 20: a member that stands twice in one object");
	assert_wrong("{\"name\":\"\xc3\"}", "line 1, column 11: no UTF-8");
	assert_wrong("{\"name\":\"a\tb\"}", "line 1, column 11: a control character in a string");
	assert_wrong("{\"n\":NaN}", "line 1, column 6: a value that JSON does not have");
}

static void test_places_of_members(void **state)
{
	(void)state;
	assert_wrong("[]", "/: must be an object");
	assert_wrong("7", "/: must be an object");
	assert_wrong("{}", "/name: is missing");
	assert_wrong("{\"name\":\"n\"}", "/inputs: is missing");
	assert_wrong("{\"name\":null,\"inputs\":[]}", "/name: must be a string");
	assert_wrong("{\"name\":\"n\",\"inputs\":[]}", "/inputs: must not be empty");
	assert_wrong("{\"name\":\"n\",\"inputs\":{}}", "/inputs: must be an array");
	assert_wrong("{\"name\":\"n\",\"inputs\":[null]}", "/inputs/0: must be an object");
	assert_wrong("{\"name\":\"\",\"inputs\":[]}", "/name: must not be empty");
	assert_wrong("{\"name\":\"a\\u0000b\",\"inputs\":[]}",
	        "/name: must not have control characters");
	assert_wrong(WHOLE(INPUT(""), ",\"extra\":1"), "/extra: is not known");
	assert_wrong(WHOLE(INPUT(""), ",\"a/b~\":1"), "/a~1b~0: is not known");
	assert_wrong(WHOLE(INPUT(""), ",\"version\":\"a b\""),
	        "/version: may only have letters, digits and ._+-");
	assert_wrong(WHOLE(INPUT("") "," INPUT(",\"score\":81"), ""),
	        "/inputs/1/score: must be an integer from 0 to 80");
	assert_wrong(WHOLE(INPUT(",\"score\":99999999999999999999"), ""),
	        "/inputs/0/score: must be an integer from 0 to 80");
	assert_wrong(WHOLE(INPUT(",\"score\":1.5"), ""),
	        "/inputs/0/score: must be an integer from 0 to 80");
	assert_wrong(WHOLE(INPUT(",\"Score\":1"), ""), "/inputs/0/Score: is not known");
	assert_wrong(WHOLE(INPUT(",\"categories\":[\"nothing\"]"), ""),
	        "/inputs/0/categories/0: is no category that is known");
	assert_wrong(
	        WHOLE(INPUT(",\"cnc\":{\"level\":1}"), ""), "/inputs/0/cnc/source: is missing");
	assert_wrong(WHOLE(INPUT(",\"cnc\":{\"level\":4,\"source\":\"user_defined\"}"), ""),
	        "/inputs/0/cnc/level: must be an integer from 0 to 3");
	assert_wrong(WHOLE(INPUT(",\"columns\":{\"url\":1}"), ""),
	        "/inputs/0/columns: does not go with this format");
	assert_wrong(WHOLE(INPUT(""), ",\"safety\":{\"benign\":[1]}"),
	        "/safety/benign/0: must be a string");
	assert_wrong(WHOLE(INPUT(""), ",\"safety\":{\"allow\":[]}"), "/safety/allow: is not known");
}

#define OTHER(format, kind, more)                                                                  \
	WHOLE("{\"path\":\"a\",\"format\":\"" format "\",\"source\":\"s\",\"kind\":\"" kind        \
	      "\"" more "}",                                                                       \
	        "")

static void test_what_goes_with_what(void **state)
{
	(void)state;
	assert_wrong(OTHER("csv", "bad", ""), "/inputs/0/columns: is missing");
	assert_wrong(OTHER("csv", "bad", ",\"columns\":{\"name\":1}"),
	        "/inputs/0/columns: names no column with a value");
	assert_wrong(OTHER("csv", "bad", ",\"columns\":{\"url\":1,\"path\":2}"),
	        "/inputs/0/columns: has a path without a host");
	assert_wrong(OTHER("csv", "bad", ",\"columns\":{\"url\":0}"),
	        "/inputs/0/columns/url: must be an integer from 1 to 1000");
	assert_wrong(OTHER("csv", "bad", ",\"columns\":{\"url\":1,\"separator\":\"x\"}"),
	        "/inputs/0/columns/separator: must be one of , ; | and tab");
	assert_wrong(OTHER("ips", "bad", ",\"columns\":{\"url\":1}"),
	        "/inputs/0/columns/url: is not known");
	assert_wrong(OTHER("none", "bad", ""), "/inputs/0/format: is no format that is known");
	assert_wrong(OTHER("urls", "ugly", ""), "/inputs/0/kind: must be bad, good or exclude");
	assert_wrong(OTHER("misp-warninglist", "bad", ""),
	        "/inputs/0/format: only goes with kind exclude");
	assert_wrong(OTHER("urls", "good", ",\"name\":\"x\""),
	        "/inputs/0/name: only goes with kind bad");
	assert_wrong(OTHER("urls", "good", ",\"score\":80"),
	        "/inputs/0/score: must be an integer from 81 to 100");
	assert_wrong(OTHER("urls", "good", ",\"cnc\":{\"level\":0}"),
	        "/inputs/0/cnc: only goes with kind bad");
	assert_wrong(OTHER("urls", "exclude", ",\"score\":10"),
	        "/inputs/0/score: does not go with kind exclude");
}

static void test_limits(void **state)
{
	(void)state;
	struct description description;
	struct error error = {0};
	size_t size = DESCRIPTION_SIZE_MAX + 2;
	char *text = mem_new(size, 1);
	assert_non_null(text);
	memset(text, ' ', size - 1);
	assert_int_equal(description_parse(text, size - 1, &description, &error), SK_E_LIMIT);
	/* 65 different sources. */
	size_t at = (size_t)snprintf(text, size, "{\"name\":\"n\",\"inputs\":[");
	for (int i = 0; i < 65; i++) {
		at += (size_t)snprintf(text + at, size - at,
		        "%s{\"path\":\"a\",\"format\":\"urls\",\"source\":\"s%d\",\"kind\":"
		        "\"bad\"}",
		        i > 0 ? "," : "", i);
	}
	at += (size_t)snprintf(text + at, size - at, "]}");
	assert_int_equal(description_parse(text, at, &description, &error), SK_E_SYNTAX);
	assert_string_equal(error.text, "/inputs: has more than 64 different sources");
	/* Members without end. */
	at = 0;
	text[at++] = '{';
	for (int i = 0; i < 65; i++) {
		at += (size_t)snprintf(text + at, size - at, "\"m%d\":1,", i);
	}
	assert_int_equal(description_parse(text, at, &description, &error), SK_E_SYNTAX);
	assert_non_null(strstr(error.text, "too many members"));
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_whole),
	        cmocka_unit_test(test_places_in_text),
	        cmocka_unit_test(test_places_of_members),
	        cmocka_unit_test(test_what_goes_with_what),
	        cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
