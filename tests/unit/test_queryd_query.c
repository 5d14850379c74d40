/* The steps of a query on requests in memory, without sockets; and that they allocate nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "queryd/query.h"
#include "tests/unit/queryd_support.h"

static struct generation *generation;
static struct query_space *space;
static struct counters counters;
static struct event_ring events;
static _Atomic uint64_t active = 7;
static const _Atomic uint64_t *const actives[] = {&active, &active};
static const struct query_health health = {.generations = actives, .count = 2, .boot = 0xabc};
static struct query query;
static struct query_client client;
static char out_space[1 << 20];
static char request_space[1 << 20];
static struct buf out;
static bool kept;

static int set_up(void **state)
{
	(void)state;
	const uint64_t secrets[2] = {3, 5};
	answer_start();
	generation = support_generation(1);
	space = mem_map_large(sizeof(*space));
	assert_non_null(space);
	assert_int_equal(counters_init(&counters, secrets), 0);
	assert_int_equal(event_ring_init(&events, 1, 0), 0);
	buf_init_fixed(&out, out_space, sizeof(out_space));
	query = (struct query){.space = space,
	        .counters = &counters,
	        .events = &events,
	        .health = &health,
	        .generation = generation,
	        .scratch = generation->scratch[0],
	        .date = "Mon, 23 Nov 2026 01:02:03 GMT"};
	client = (struct query_client){.address = {ADDRESS_V4, {127, 0, 0, 1}},
	        .service = SERVICE_WEB,
	        .allowed = true,
	        .explains = true};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	generation_free(generation);
	mem_unmap_large(space, sizeof(*space));
	counters_release(&counters);
	event_ring_release(&events);
	return 0;
}

/* Runs one request given as text; the answer is in `out`, NUL-terminated. */
static const char *ask(const char *text)
{
	struct http_parser parser;
	struct http_request request;
	size_t length = strlen(text);
	memcpy(request_space, text, length);
	http_parser_reset(&parser);
	assert_int_equal(http_parser_run(&parser, request_space, length), HTTP_COMPLETE);
	http_parser_request(&parser, request_space, &request);
	buf_clear(&out);
	kept = query_answer(&query, &client, &request, &out);
	return buf_text(&out);
}

static void expect(const char *answer, const char *part)
{
	if (strstr(answer, part) == NULL) {
		fail_msg("no %s in %s", part, answer);
	}
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

static void test_answers(void **state)
{
	(void)state;
	assert_string_equal(ask(GET("/v1/url?url=HTTP%3A%2F%2Fx.bad.example")),
	        "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 01:02:03 GMT\r\n"
	        "Content-Type: application/json\r\nCache-Control: private, max-age=3600\r\n"
	        "Content-Length:     182\r\n\r\n"
	        "{\"url\":\"http://x.bad.example/\",\"score\":49,\"rating\":\"dangerous\","
	        "\"categories\":[\"malware\"],\"cnc\":{\"level\":0,\"source\":null},"
	        "\"action\":\"block\",\"source\":\"pattern\",\"ttl\":3600,\"pattern\":\"v1\"}");
	assert_true(kept);
	expect(ask(GET("/v1/ip?address=192.0.2.1")), "{\"address\":\"192.0.2.1\",\"score\":49,");
	expect(ask(GET("/v1/domain?name=BLOCKED.example.")), "\"source\":\"user_blocked\"");
	expect(ask(GET("/v1/health")), "\"generation\":[7,7],\"boot\":\"0000000000000abc\"}");
	client.service = SERVICE_FILE;
	expect(ask(GET("/tmcss/v1/file/" SUPPORT_EICAR)), "\"name\":\"EICAR-Test-File\"");
}

static void test_explain_is_for_those_named(void **state)
{
	(void)state;
	expect(ask(GET("/v1/url?url=blocked.example&explain=1")), "\"id\":12,");
	client.explains = false;
	expect(ask(GET("/v1/url?url=blocked.example&explain=1")), "explain_not_allowed");
	assert_true(kept);
	expect(ask(GET("/v1/url?url=blocked.example&explain=0")), "HTTP/1.1 200");
	client.allowed = false;
	expect(ask(GET("/v1/url?url=blocked.example")), "client_not_allowed");
	assert_false(kept);
}

static void test_entries_of_a_group_of_groups(void **state)
{
	(void)state;
	char request[8192], body[4096];
	size_t at = (size_t)snprintf(body, sizeof(body), "{\"urls\":[");
	for (unsigned i = 0; i < 3 * QUERY_GROUP + 1; i++) {
		at += (size_t)snprintf(body + at, sizeof(body) - at, "%s\"%s.example/%u\"",
		        i > 0 ? "," : "", i % 2 == 0 ? "bad" : "nothing\\u002e", i);
	}
	at += (size_t)snprintf(body + at, sizeof(body) - at, "]}");
	snprintf(request, sizeof(request),
	        "POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	        "Content-Length: %zu\r\n\r\n%s",
	        at, body);
	const char *answer = ask(request);
	unsigned bad = 0;
	for (const char *p = answer; (p = strstr(p, "\"score\":49")) != NULL; p++) {
		bad++;
	}
	assert_int_equal(bad, 3 * QUERY_GROUP / 2 + 1);
	expect(answer, "{\"url\":\"http://nothing.example/47\",\"score\":71,");
	assert_int_equal(counters.totals[SERVICE_WEB].queries, 3 * QUERY_GROUP + 1);
	assert_int_equal(counters.totals[SERVICE_WEB].listed, bad);
}

static void test_failures_are_counted_but_no_queries(void **state)
{
	(void)state;
	expect(ask(GET("/v1/url?url=")), "bad_url");
	expect(ask(GET("/nowhere")), "not_found");
	assert_int_equal(counters.totals[SERVICE_WEB].requests, 2);
	assert_int_equal(counters.totals[SERVICE_WEB].errors, 2);
	assert_int_equal(counters.totals[SERVICE_WEB].queries, 0);
	assert_true(counters.totals[SERVICE_WEB].bytes_out > 200);
}

static void test_every_problem_has_its_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
		char code[64];
		const struct problem_info *info = problem_info((enum problem)i);
		buf_clear(&out);
		query_refuse(&query, &client, (enum problem)i, "why \"so\"", &out);
		snprintf(code, sizeof(code), "HTTP/1.1 %u ", info->status);
		expect(buf_text(&out), code);
		snprintf(code, sizeof(code), "\"code\":\"%s\",\"detail\":\"why \\\"so\\\"\"}",
		        info->code);
		expect(buf_text(&out), code);
		expect(buf_text(&out), "\r\nConnection: close\r\n");
	}
}

static void test_http_1_0(void **state)
{
	(void)state;
	expect(ask("GET /v1/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
	        "\r\nConnection: keep-alive\r\n");
	assert_true(kept);
	expect(ask("GET /v1/health HTTP/1.0\r\n\r\n"), "\r\nConnection: close\r\n");
	assert_false(kept);
}

static void test_dates(void **state)
{
	(void)state;
	char text[ANSWER_DATE_SIZE];
	answer_format_date(0, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	answer_format_date(1795395723, text);
	assert_string_equal(text, "Mon, 23 Nov 2026 01:02:03 GMT");
}

/* From the decoded request to the answer: a million look-ups, no allocation. */
static void test_a_million_look_ups_allocate_nothing(void **state)
{
	(void)state;
	static const char *const texts[] = {
	        GET("/v1/url?url=http%3A%2F%2Fnone.example%2Fa%2Fb%3Fc"),
	        GET("/v1/url?url=http%3A%2F%2Fbad.example%2F"),
	        GET("/v1/url?url=blocked.example/%c3%a9"), GET("/v1/ip?address=192.0.2.3")};
	for (size_t i = 0; i < SK_COUNT(texts); i++) {
		struct http_parser parser;
		struct http_request request;
		size_t length = strlen(texts[i]);
		memcpy(request_space, texts[i], length);
		http_parser_reset(&parser);
		assert_int_equal(http_parser_run(&parser, request_space, length), HTTP_COMPLETE);
		http_parser_request(&parser, request_space, &request);
		size_t before = mem_allocation_count();
		for (unsigned round = 0; round < 250000; round++) {
			buf_clear(&out);
			query_answer(&query, &client, &request, &out);
		}
		assert_int_equal(mem_allocation_count(), before);
		assert_int_equal(buf_status(&out), 0);
	}
	assert_int_equal(counters.totals[SERVICE_WEB].queries, 1000000);
}

static void test_an_overlay_goes_with_its_base_only(void **state)
{
	(void)state;
	assert_int_equal(support_open_overlay(true), 0);
	assert_int_equal(support_open_overlay(false), SK_E_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_explain_is_for_those_named, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_entries_of_a_group_of_groups, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_failures_are_counted_but_no_queries, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_every_problem_has_its_text, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_http_1_0, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_dates, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_a_million_look_ups_allocate_nothing, set_up, tear_down),
	        cmocka_unit_test(test_an_overlay_goes_with_its_base_only),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
