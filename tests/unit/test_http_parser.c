#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/http_parser.h"

static struct http_parser parser;
static struct http_request request;
static char space[HTTP_HEAD_MAX + LIMIT_HTTP_BODY + 16];

/* Feeds `text` whole; HTTP_COMPLETE fills `request`. */
static enum http_progress feed(const char *text, size_t length)
{
	memcpy(space, text, length);
	http_parser_reset(&parser);
	enum http_progress progress = http_parser_run(&parser, space, length);
	if (progress == HTTP_COMPLETE) {
		http_parser_request(&parser, space, &request);
	}
	return progress;
}

/* Feeds it byte by byte, each time from another place, and expects the same. */
static void expect_same_in_pieces(const char *text, size_t length, enum http_progress expected)
{
	struct http_parser whole = parser;
	http_parser_reset(&parser);
	enum http_progress progress = HTTP_MORE;
	for (size_t i = 1; i <= length && progress == HTTP_MORE; i++) {
		char *copy = test_malloc(i);
		memcpy(copy, text, i);
		progress = http_parser_run(&parser, copy, i);
		test_free(copy);
	}
	assert_int_equal(progress, expected);
	assert_int_equal(parser.problem, whole.problem);
	assert_int_equal(parser.head_length, whole.head_length);
	if (expected == HTTP_COMPLETE) {
		assert_memory_equal(parser.fields, whole.fields, sizeof(whole.fields));
		assert_int_equal(parser.seen, whole.seen);
	}
}

static void expect_refused(const char *text, enum http_problem problem)
{
	enum http_progress progress = feed(text, strlen(text));
	if (progress != HTTP_REFUSED || parser.problem != problem) {
		fail_msg("progress %d problem %d (%s) of: %s", progress, parser.problem,
		        parser.detail != NULL ? parser.detail : "", text);
	}
	assert_non_null(parser.detail);
	expect_same_in_pieces(text, strlen(text), HTTP_REFUSED);
}

static void expect_taken(const char *text)
{
	enum http_progress progress = feed(text, strlen(text));
	if (progress != HTTP_COMPLETE) {
		fail_msg("progress %d problem %d (%s) of: %s", progress, parser.problem,
		        parser.detail != NULL ? parser.detail : "", text);
	}
	expect_same_in_pieces(text, strlen(text), HTTP_COMPLETE);
}

static void expect_text(const struct http_text *text, const char *expected)
{
	assert_int_equal(text->length, strlen(expected));
	assert_memory_equal(text->data, expected, text->length);
}

static void test_simple_get(void **state)
{
	(void)state;
	expect_taken("GET /v1/url?url=http%3A%2F%2Fa.example%2F HTTP/1.1\r\nHost: a:5274\r\n"
	             "Accept: */*\r\nX-Client-Name:  pc 1 \t\r\nX-Empty:\r\nX-Blank:   \r\n\r\n");
	assert_int_equal(request.method, HTTP_REQUEST_GET);
	assert_int_equal(request.minor, 1);
	assert_true(request.keep_alive);
	expect_text(&request.target, "/v1/url?url=http%3A%2F%2Fa.example%2F");
	expect_text(&request.fields[HTTP_FIELD_HOST], "a:5274");
	expect_text(&request.fields[HTTP_FIELD_CLIENT_NAME], "pc 1");
	assert_null(request.fields[HTTP_FIELD_EXPECT].data);
	assert_int_equal(request.body_length, 0);
	assert_int_equal(parser.field_count, 5);
}

static void test_all_fields_are_found(void **state)
{
	(void)state;
	expect_taken("POST / HTTP/1.1\r\nhOST: h\r\ncontent-LENGTH: 2\r\nContent-Type: a/b\r\n"
	             "Expect: 100-Continue\r\nx-client-guid: 1\r\nX-Server-Guid: 2\r\n"
	             "X-Client-Name: 3\r\nX-Client-Domain: 4\r\nX-Product-Entity: 5\r\n\r\nxy");
	expect_text(&request.fields[HTTP_FIELD_CONTENT_TYPE], "a/b");
	expect_text(&request.fields[HTTP_FIELD_CLIENT_GUID], "1");
	expect_text(&request.fields[HTTP_FIELD_SERVER_GUID], "2");
	expect_text(&request.fields[HTTP_FIELD_CLIENT_NAME], "3");
	expect_text(&request.fields[HTTP_FIELD_CLIENT_DOMAIN], "4");
	expect_text(&request.fields[HTTP_FIELD_PRODUCT_ENTITY], "5");
	assert_int_equal(request.body_length, 2);
	assert_memory_equal(request.body, "xy", 2);
	assert_true(parser.wants_continue);
}

static void test_pipelined_requests(void **state)
{
	(void)state;
	char text[] = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	              "GET /b HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /c HTTP/1.0\r\n\r\n";
	char *at = text, *end = text + sizeof(text) - 1;
	static const char *const targets[] = {"/a", "/b", "/c"};
	for (unsigned i = 0; i < 3; i++) {
		http_parser_reset(&parser);
		assert_int_equal(http_parser_run(&parser, at, (size_t)(end - at)), HTTP_COMPLETE);
		http_parser_request(&parser, at, &request);
		expect_text(&request.target, targets[i]);
		assert_true(request.keep_alive == (i < 2));
		at += request.length;
	}
	assert_ptr_equal(at, end);
}

static void test_keep_alive(void **state)
{
	(void)state;
	expect_taken("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_true(request.keep_alive);
	expect_taken("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n");
	assert_false(request.keep_alive);
	expect_taken("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n");
	assert_false(request.keep_alive);
	expect_taken("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n");
	assert_true(request.keep_alive);
}

static void test_absolute_form(void **state)
{
	(void)state;
	expect_taken("GET http://Host:1/v1/health?x HTTP/1.1\r\nHost: host:1\r\n\r\n");
	expect_text(&request.target, "/v1/health?x");
	expect_refused("GET http://other/v1/health HTTP/1.1\r\nHost: host\r\n\r\n",
	        HTTP_PROBLEM_BAD_REQUEST);
	expect_refused("GET http://host HTTP/1.1\r\nHost: host\r\n\r\n", HTTP_PROBLEM_BAD_REQUEST);
	expect_refused("GET ftp://host/ HTTP/1.1\r\nHost: host\r\n\r\n", HTTP_PROBLEM_BAD_REQUEST);
}

static void test_methods(void **state)
{
	(void)state;
	expect_taken("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(request.method, HTTP_REQUEST_HEAD);
	expect_taken("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(request.method, HTTP_REQUEST_OTHER);
	expect_taken("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_taken("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
	assert_false(request.keep_alive);
	expect_refused("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_PROBLEM_NOT_IMPLEMENTED);
	expect_refused("MKCOL / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_PROBLEM_NOT_IMPLEMENTED);
	expect_refused("get / HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_PROBLEM_BAD_REQUEST);
	expect_refused("\x16\x03\x01\x02\x01\x01", HTTP_PROBLEM_BAD_REQUEST);
}

static void test_versions(void **state)
{
	(void)state;
	expect_refused("GET / HTTP/2.0\r\nHost: h\r\n\r\n", HTTP_PROBLEM_VERSION_NOT_SUPPORTED);
	expect_refused("GET / HTTP/1.2\r\nHost: h\r\n\r\n", HTTP_PROBLEM_VERSION_NOT_SUPPORTED);
	expect_refused("GET /\r\n", HTTP_PROBLEM_BAD_REQUEST);
	expect_refused("GET / HTTP/1.1.1\r\nHost: h\r\n\r\n", HTTP_PROBLEM_BAD_REQUEST);
	expect_refused("GET / HTTQ/1.1\r\nHost: h\r\n\r\n", HTTP_PROBLEM_BAD_REQUEST);
}

static void test_smuggling_forms_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	        "GET / HTTP/1.1\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\n x\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n y\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n \r\nY: z\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX\t: y\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
	        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
	        "GET / HTTP/1.1\nHost: a\n\n",
	        "GET / HTTP/1.1\r\nHost: a\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n",
	        "GET / HTTP/1.1\r\nHost: a\r\n\n",
	        "GET / HTTP/1.1\rHost: a\r\r",
	        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
	        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET v1 HTTP/1.1\r\nHost: a\r\n\r\n",
	        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	        "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nx",
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\nx",
	};
	for (size_t i = 0; i < SK_COUNT(bad); i++) {
		expect_refused(bad[i], HTTP_PROBLEM_BAD_REQUEST);
	}
	static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
	assert_int_equal(feed(nul, sizeof(nul) - 1), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_BAD_REQUEST);
}

static void test_lengths_are_required(void **state)
{
	(void)state;
	static const char *const bad[] = {
	        "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
	        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n",
	        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\n\r\n",
	};
	for (size_t i = 0; i < SK_COUNT(bad); i++) {
		expect_refused(bad[i], HTTP_PROBLEM_LENGTH_REQUIRED);
	}
	/* Both: refused, whatever comes first. */
	static const char *const both[] = {
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
	        "chunked\r\n\r\n",
	        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
	        "5\r\n\r\n",
	};
	for (size_t i = 0; i < SK_COUNT(both); i++) {
		assert_int_equal(feed(both[i], strlen(both[i])), HTTP_REFUSED);
		assert_true(parser.problem == HTTP_PROBLEM_LENGTH_REQUIRED ||
		            parser.problem == HTTP_PROBLEM_BAD_REQUEST);
	}
}

static void test_expectations(void **state)
{
	(void)state;
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: x\r\n\r\n",
	        HTTP_PROBLEM_EXPECTATION_FAILED);
}

/* "GET " + path of `target` bytes in all, then `fields` header lines of `size` bytes each. */
static size_t make_large(size_t target, size_t fields, size_t size)
{
	size_t at = 0;
	memcpy(space, "GET /", 5);
	memset(space + 5, 'a', target - 1);
	at = 4 + target;
	memcpy(space + at, " HTTP/1.1\r\nHost: a\r\n", 20);
	at += 20;
	for (size_t i = 0; i < fields; i++) {
		memset(space + at, 'x', size);
		memcpy(space + at, "X: ", 3);
		memcpy(space + at + size - 2, "\r\n", 2);
		at += size;
	}
	memcpy(space + at, "\r\n", 2);
	return at + 2;
}

static enum http_progress feed_large(size_t target, size_t fields, size_t size)
{
	size_t length = make_large(target, fields, size);
	http_parser_reset(&parser);
	return http_parser_run(&parser, space, length);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(feed_large(HTTP_TARGET_MAX, 0, 0), HTTP_COMPLETE);
	assert_int_equal(feed_large(HTTP_TARGET_MAX + 1, 0, 0), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_TARGET_TOO_LONG);
	assert_int_equal(feed_large(1, LIMIT_HTTP_HEADERS - 1, 10), HTTP_COMPLETE);
	assert_int_equal(feed_large(1, LIMIT_HTTP_HEADERS, 10), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_HEADERS_TOO_LARGE);
	assert_int_equal(feed_large(1, 1, LIMIT_HTTP_HEADER_BYTES - 22), HTTP_COMPLETE);
	assert_int_equal(feed_large(1, 1, LIMIT_HTTP_HEADER_BYTES - 21), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_HEADERS_TOO_LARGE);
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
	        HTTP_PROBLEM_BODY_TOO_LARGE);
	expect_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
	        HTTP_PROBLEM_BODY_TOO_LARGE);
}

/* What never ends is refused as soon as it is beyond its limit. */
static void test_limits_while_incomplete(void **state)
{
	(void)state;
	size_t length = make_large(HTTP_TARGET_MAX + 100, 0, 0);
	http_parser_reset(&parser);
	assert_int_equal(http_parser_run(&parser, space, HTTP_TARGET_MAX + 50), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_TARGET_TOO_LONG);
	length = make_large(1, 1, LIMIT_HTTP_HEADER_BYTES + 100);
	http_parser_reset(&parser);
	assert_int_equal(http_parser_run(&parser, space, length - 50), HTTP_REFUSED);
	assert_int_equal(parser.problem, HTTP_PROBLEM_HEADERS_TOO_LARGE);
	memset(space, 'A', 100);
	http_parser_reset(&parser);
	assert_int_equal(http_parser_run(&parser, space, 100), HTTP_REFUSED);
}

static void test_body_comes_in_pieces(void **state)
{
	(void)state;
	static const char text[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde";
	size_t length = sizeof(text) - 1;
	memcpy(space, text, length);
	http_parser_reset(&parser);
	assert_int_equal(http_parser_run(&parser, space, length - 5), HTTP_MORE);
	assert_true(http_parser_in_body(&parser));
	assert_int_equal(http_parser_run(&parser, space, length - 1), HTTP_MORE);
	assert_int_equal(http_parser_run(&parser, space, length), HTTP_COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_simple_get),
	        cmocka_unit_test(test_all_fields_are_found),
	        cmocka_unit_test(test_pipelined_requests),
	        cmocka_unit_test(test_keep_alive),
	        cmocka_unit_test(test_absolute_form),
	        cmocka_unit_test(test_methods),
	        cmocka_unit_test(test_versions),
	        cmocka_unit_test(test_smuggling_forms_are_refused),
	        cmocka_unit_test(test_lengths_are_required),
	        cmocka_unit_test(test_expectations),
	        cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_limits_while_incomplete),
	        cmocka_unit_test(test_body_comes_in_pieces),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
