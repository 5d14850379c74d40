#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/json_reader.h"
#include "lib/base/utf8.h"
#include "tests/unit/json_copy.h"

/* Reads everything: 0 and the tokens as letters, or the error. */
static int read_all(const char *text, size_t length, char *ret_tokens, size_t size)
{
	static const char letters[] = ".{}[]:sntfz";
	struct json_reader reader;
	json_reader_init(&reader, text, length);
	for (size_t i = 0;; i++) {
		enum json_token token;
		int status = json_reader_next(&reader, &token);
		if (status != 0) {
			assert_non_null(reader.reason);
			assert_true(json_reader_position(&reader) <= length);
			assert_int_not_equal(json_reader_next(&reader, &token), 0);
			return status;
		}
		if (ret_tokens != NULL && i + 1 < size) {
			ret_tokens[i] = letters[token];
			ret_tokens[i + 1] = '\0';
		}
		if (token == JSON_END) {
			return 0;
		}
	}
}

static int check(const char *text)
{
	return read_all(text, strlen(text), NULL, 0);
}

static void test_tokens_in_order(void **state)
{
	(void)state;
	char tokens[64];
	static const char text[] = " {\"a\" : [1, -2.5e+3 ,true,false,null,\"x\"],\"b\":{} } ";
	assert_int_equal(read_all(text, sizeof(text) - 1, tokens, sizeof(tokens)), 0);
	assert_string_equal(tokens, "{:[nntfzs]:{}}.");
	assert_int_equal(read_all("0", 1, tokens, sizeof(tokens)), 0);
	assert_string_equal(tokens, "n.");
}

static void test_faults_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}",
	        "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "01", "-", "-a", "1.", ".5", "1e",
	        "1e+", "+1", "tru", "nul", "truex", "[1 2]", "1 2", "{}{}", "\"a", "\"\\x\"",
	        "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\x01\"",
	        "\"a\nb\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"",
	        "\"\xe2\x82\"", "]", "}", "[}", "{]", "NaN", "\"\\", "\"\\u", "/* */1"};
	for (size_t i = 0; i < SK_COUNT(bad); i++) {
		if (check(bad[i]) != SK_E_SYNTAX) {
			fail_msg("taken: %s", bad[i]);
		}
	}
	assert_int_equal(read_all("\"a\0b\"", 5, NULL, 0), SK_E_SYNTAX);
	assert_int_equal(read_all("1\0", 2, NULL, 0), SK_E_SYNTAX);
}

static void test_depth_is_limited(void **state)
{
	(void)state;
	char text[2 * JSON_DEPTH_MAX + 2];
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(read_all(text, 2 * JSON_DEPTH_MAX, NULL, 0), 0);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	assert_int_equal(read_all(text, JSON_DEPTH_MAX + 1, NULL, 0), SK_E_LIMIT);
}

static void expect_decoded(const char *text, const char *expected)
{
	struct json_reader reader;
	enum json_token token;
	char space[128];
	json_reader_init(&reader, text, strlen(text));
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(token, JSON_STRING);
	size_t length = json_unescape(&reader.text, space);
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(space, expected, length);
	assert_true(json_text_is(&reader.text, expected));
	assert_false(json_text_is(&reader.text, "something else"));
}

static void test_escapes(void **state)
{
	(void)state;
	expect_decoded("\"\"", "");
	expect_decoded("\"abcdefghijklmnop\"", "abcdefghijklmnop");
	expect_decoded("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz");
	expect_decoded(
	        "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	expect_decoded("\"caf\xc3\xa9\"", "caf\xc3\xa9");
}

static void test_unescape_in_place(void **state)
{
	(void)state;
	char text[] = "\"12345678\\u00e912345678\\n\"";
	struct json_reader reader;
	enum json_token token;
	json_reader_init(&reader, text, strlen(text));
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_true(reader.text.escaped);
	size_t length = json_unescape(&reader.text, text + 1);
	assert_int_equal(length, 19);
	assert_memory_equal(text + 1,
	        "12345678\xc3\xa9"
	        "12345678\n",
	        19);
}

static void test_skip_and_numbers(void **state)
{
	(void)state;
	static const char text[] = "[{\"a\":[1,{\"b\":2}]},-7,1.0,99999999999999999999]";
	struct json_reader reader;
	enum json_token token;
	int64_t value = 0;
	json_reader_init(&reader, text, strlen(text));
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(json_reader_next(&reader, &token), 0);
	while (token != JSON_OBJECT_END || reader.depth > 1) {
		assert_int_equal(json_reader_next(&reader, &token), 0);
	}
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(json_number_i64(&reader.text, -10, 10, &value), 0);
	assert_int_equal(value, -7);
	assert_int_equal(json_number_i64(&reader.text, 0, 10, &value), SK_E_RANGE);
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(json_number_i64(&reader.text, 0, 10, &value), SK_E_SYNTAX);
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(json_number_i64(&reader.text, 0, INT64_MAX, &value), SK_E_RANGE);
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(token, JSON_ARRAY_END);
	assert_int_equal(json_reader_next(&reader, &token), 0);
	assert_int_equal(token, JSON_END);
}

/* ---- against json-c ---- */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t bound)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % bound;
}

/* A random value as text, nested up to `depth`; wide enough to reach every branch. */
static void make_value(struct buf *buf, unsigned depth)
{
	static const char *const plain[] = {"true", "false", "null", "0", "-1", "2.5", "1e3",
	        "-0.25E-2", "\"\"", "\"abc\"", "\"\\u00e9\\n\"", "\"\\ud83d\\ude00\"",
	        "\"\xc3\xa9\"", "\"a/b\\/c\"", "\"01234567890123456789\""};
	uint32_t kind = random_below(depth > 0 ? 20 : 15);
	if (kind < 15) {
		buf_add_text(buf, plain[kind]);
		return;
	}
	uint32_t count = random_below(4);
	buf_add_char(buf, kind < 18 ? '[' : '{');
	for (uint32_t i = 0; i < count; i++) {
		buf_add_text(buf, i > 0 ? " ,\n" : "");
		if (kind >= 18) {
			buf_add_format(buf, "\"m%u\\t\" : ", i);
		}
		make_value(buf, depth - 1);
	}
	buf_add_char(buf, kind < 18 ? ']' : '}');
}

static struct json_object *parse_with_json_c(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	assert_non_null(tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *object = json_tokener_parse_ex(tokener, text, (int)length);
	if (json_tokener_get_error(tokener) == json_tokener_continue) {
		object = json_tokener_parse_ex(tokener, "", 1);
	}
	bool whole = json_tokener_get_error(tokener) == json_tokener_success;
	json_tokener_free(tokener);
	if (!whole) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

static void test_random_values_as_json_c(void **state)
{
	(void)state;
	struct buf text, copy;
	buf_init(&text, 1 << 20);
	buf_init(&copy, 1 << 20);
	unsigned taken = 0;
	for (unsigned round = 0; round < 20000; round++) {
		buf_clear(&text);
		buf_clear(&copy);
		make_value(&text, 6);
		assert_int_equal(json_copy(text.data, text.length, &copy), 0);
		struct json_object *theirs = parse_with_json_c(text.data, text.length);
		struct json_object *ours = parse_with_json_c(copy.data, copy.length);
		assert_true(json_object_equal(theirs, ours));
		json_object_put(theirs);
		json_object_put(ours);
		/* Damaged: whatever we take, json-c takes too (it takes more). */
		text.data[random_below((uint32_t)text.length)] = (char)random_below(256);
		buf_clear(&copy);
		if (text.length > 4 && json_copy(text.data, text.length, &copy) == 0 &&
		        memcmp(text.data, "null", 4) != 0 &&
		        memchr(text.data, 0, text.length) == NULL) {
			theirs = parse_with_json_c(text.data, text.length);
			assert_non_null(theirs);
			json_object_put(theirs);
			taken++;
		}
	}
	assert_true(taken > 0);
	buf_release(&text);
	buf_release(&copy);
}

static void test_utf8_check_agrees_with_encode(void **state)
{
	(void)state;
	for (uint32_t code = 1; code <= 0x10ffff; code += code < 0x3000 ? 1 : 61) {
		char bytes[UTF8_MAX];
		size_t size = utf8_encode(code, bytes);
		bool surrogate = code >= 0xd800 && code <= 0xdfff;
		assert_int_equal(utf8_check(bytes, size), surrogate ? 0 : size);
		assert_int_equal(size > 1 ? utf8_check(bytes, size - 1) : 0, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_tokens_in_order),
	        cmocka_unit_test(test_faults_are_refused),
	        cmocka_unit_test(test_depth_is_limited),
	        cmocka_unit_test(test_escapes),
	        cmocka_unit_test(test_unescape_in_place),
	        cmocka_unit_test(test_skip_and_numbers),
	        cmocka_unit_test(test_random_values_as_json_c),
	        cmocka_unit_test(test_utf8_check_agrees_with_encode),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
