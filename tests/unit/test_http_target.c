#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/net/http_target.h"

static struct http_text text_of(const char *text)
{
	return (struct http_text){text, (uint32_t)strlen(text)};
}

static void expect_text(const struct http_text *text, const char *expected)
{
	assert_int_equal(text->length, strlen(expected));
	assert_memory_equal(text->data, expected, text->length);
}

static void test_split(void **state)
{
	(void)state;
	struct http_target target;
	struct http_text text = text_of("/v1/url?url=a?b");
	http_target_split(&text, &target);
	expect_text(&target.path, "/v1/url");
	expect_text(&target.query, "url=a?b");
	text = text_of("/v1/health");
	http_target_split(&text, &target);
	expect_text(&target.path, "/v1/health");
	assert_null(target.query.data);
	text = text_of("/?");
	http_target_split(&text, &target);
	expect_text(&target.path, "/");
	assert_non_null(target.query.data);
	assert_int_equal(target.query.length, 0);
}

static void test_parameters(void **state)
{
	(void)state;
	struct http_text query = text_of("url=http://a/?x=1&&explain&z="), name, value;
	assert_true(http_query_next(&query, &name, &value));
	expect_text(&name, "url");
	expect_text(&value, "http://a/?x=1");
	assert_true(http_query_next(&query, &name, &value));
	expect_text(&name, "explain");
	assert_null(value.data);
	assert_true(http_query_next(&query, &name, &value));
	expect_text(&name, "z");
	assert_non_null(value.data);
	assert_int_equal(value.length, 0);
	assert_false(http_query_next(&query, &name, &value));
	query = text_of("&&");
	assert_false(http_query_next(&query, &name, &value));
}

static void test_percent_decoding(void **state)
{
	(void)state;
	char space[8];
	struct http_text text = text_of("a+b"), decoded;
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), 0);
	assert_ptr_equal(decoded.data, text.data);
	text = text_of("%41%2f%00%fF");
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), 0);
	assert_int_equal(decoded.length, 4);
	assert_memory_equal(decoded.data, "A/\0\xff", 4);
	text = text_of("");
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), 0);
	assert_int_equal(decoded.length, 0);
	static const char *const bad[] = {"%", "%4", "%4g", "a%", "%%41", "a#b"};
	for (size_t i = 0; i < SK_COUNT(bad); i++) {
		text = text_of(bad[i]);
		assert_int_equal(
		        http_percent_decode(&text, space, sizeof(space), &decoded), SK_E_SYNTAX);
	}
	text = text_of("%4112345678");
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), SK_E_LIMIT);
	text = text_of("123456789");
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), SK_E_LIMIT);
	text = text_of("%4112345678%");
	assert_int_equal(http_percent_decode(&text, space, sizeof(space), &decoded), SK_E_SYNTAX);
}

static void test_media_type(void **state)
{
	(void)state;
	struct http_text text = text_of("application/json");
	assert_true(http_is_json(&text));
	text = text_of("Application/JSON; charset=utf-8");
	assert_true(http_is_json(&text));
	text = text_of("application/jsonp");
	assert_false(http_is_json(&text));
	text = text_of("text/plain");
	assert_false(http_is_json(&text));
	text = (struct http_text){NULL, 0};
	assert_false(http_is_json(&text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_split),
	        cmocka_unit_test(test_parameters),
	        cmocka_unit_test(test_percent_decoding),
	        cmocka_unit_test(test_media_type),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
