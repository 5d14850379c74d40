#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "queryd/counters.h"

static struct counters counters;
static struct event_ring ring;
static int pair[2];

static int set_up(void **state)
{
	(void)state;
	const uint64_t secrets[2] = {UINT64_C(0x123456789abcdef1), UINT64_C(0xfedcba9876543211)};
	assert_int_equal(counters_init(&counters, secrets), 0);
	assert_int_equal(event_ring_init(&ring, 1, 0), 0);
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	counters_release(&counters);
	event_ring_release(&ring);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static struct address client_number(uint32_t number)
{
	struct address address = {.family = ADDRESS_V4};
	bytes_put_be32(address.bytes, number);
	return address;
}

static void receive_all(void (*take)(const struct link_event *event))
{
	static char space[LINK_PACKET_MAX];
	int descriptors[LINK_DESCRIPTORS_MAX];
	size_t count;
	for (;;) {
		enum link_kind kind;
		struct cursor body;
		struct link_events_header header;
		struct link_event event;
		ssize_t got = link_receive(pair[1], space, sizeof(space), descriptors, &count);
		if (got <= 0) {
			return;
		}
		assert_int_equal(link_decode(space, (size_t)got, &kind, &body), 0);
		assert_int_equal(link_decode_events(&body, &header), 0);
		while (link_decode_event(&body, &event) == 1) {
			take(&event);
		}
	}
}

/* Runs a whole report and hands every record to `take`. */
static void report(void (*take)(const struct link_event *event))
{
	bool through = false;
	counters_start_report(&counters);
	while (!through) {
		through = counters_report(&counters, &ring);
		while (event_ring_is_due(&ring) || ring.started) {
			(void)event_ring_send(&ring, pair[0], true, 0);
			receive_all(take);
		}
	}
}

static uint64_t seen_queries, seen_clients, seen_blocks;

static void take_client(const struct link_event *event)
{
	if (event->kind == EVENT_CLIENT) {
		seen_clients++;
		seen_queries += event->client.queries;
		seen_blocks += event->client.blocks;
	}
}

static void test_clients_are_told_apart_and_reported_once(void **state)
{
	(void)state;
	seen_queries = seen_clients = seen_blocks = 0;
	const struct client_count count = {.queries = 2, .blocks = 1, .bytes_in = 10};
	for (uint32_t i = 0; i < 3000; i++) {
		struct address address = client_number(i % 1000);
		counters_add_client(&counters, &address, SERVICE_WEB, &count);
		if (i % 2 == 0) {
			counters_add_client(&counters, &address, SERVICE_FILE, &count);
		}
	}
	report(take_client);
	assert_int_equal(seen_clients, 1500);
	assert_int_equal(seen_queries, 9000);
	assert_int_equal(seen_blocks, 4500);
	report(take_client);
	assert_int_equal(seen_clients, 1500);
}

static void test_more_clients_than_places(void **state)
{
	(void)state;
	seen_queries = seen_clients = seen_blocks = 0;
	const struct client_count count = {.queries = 1};
	for (uint32_t i = 0; i < 100000; i++) {
		struct address address = client_number(i);
		counters_add_client(&counters, &address, SERVICE_WEB, &count);
	}
	report(take_client);
	assert_int_equal(seen_clients, COUNTERS_CLIENTS / 4 * 3);
	assert_int_equal(counters.lost_clients, 100000 - COUNTERS_CLIENTS / 4 * 3);
	/* A full table is emptied by the report. */
	for (uint32_t i = 0; i < 1000; i++) {
		struct address address = client_number(i + 1000000);
		counters_add_client(&counters, &address, SERVICE_WEB, &count);
	}
	report(take_client);
	assert_int_equal(seen_queries, COUNTERS_CLIENTS / 4 * 3 + 1000);
}

static uint32_t often_count, any_count, wrong;

static void take_url(const struct link_event *event)
{
	static const char often[] = "http://often.example/";
	if (event->kind != EVENT_TOP_URL) {
		return;
	}
	if (event->top_url.url.length == sizeof(often) - 1 &&
	        memcmp(event->top_url.url.data, often, sizeof(often) - 1) == 0) {
		often_count += event->top_url.count;
	}
	any_count++;
	wrong += event->top_url.count > 2000;
}

static void test_often_asked_urls_are_found(void **state)
{
	(void)state;
	static const char often[] = "http://often.example/";
	often_count = any_count = wrong = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		char url[64];
		int length = snprintf(url, sizeof(url), "http://rare-%u.example/", i);
		counters_add_url(&counters, url, (uint32_t)length);
		if (i % 100 == 0) {
			counters_add_url(&counters, often, sizeof(often) - 1);
		}
	}
	report(take_url);
	assert_int_equal(wrong, 0); /* no count above what is certain */
	assert_in_range(often_count, 1500, 2000);
	assert_int_equal(any_count, COUNTERS_URL_ROWS * COUNTERS_URL_WAYS);
	often_count = any_count = 0;
	report(take_url);
	assert_int_equal(any_count, 0);
}

static void test_urls_of_every_length(void **state)
{
	(void)state;
	static char url[EVENT_URL_MAX + 100];
	memset(url, 'x', sizeof(url));
	any_count = wrong = 0;
	for (uint32_t length = 0; length < sizeof(url); length += 7) {
		counters_add_url(&counters, url, length);
		counters_add_url(&counters, url, length);
	}
	report(take_url);
	assert_true(any_count > 200);
}

static uint64_t rule_hits, rules;

static void take_rule(const struct link_event *event)
{
	if (event->kind == EVENT_RULE_HITS) {
		rules++;
		rule_hits += event->rule_hits.hits;
		assert_int_equal(event->rule_hits.last, 99);
	}
}

static void test_rules(void **state)
{
	(void)state;
	rules = rule_hits = 0;
	for (int64_t id = 1; id <= 10000; id++) {
		counters_add_rule(&counters, POLICY_USER_BLOCKED, id % 1000 + 1, 99);
		counters_add_rule(&counters, POLICY_OBJECT_USER, id % 1000 + 1, 99);
	}
	report(take_rule);
	assert_int_equal(rules, 2000);
	assert_int_equal(rule_hits, 20000);
	for (int64_t id = 1; id <= 10000; id++) {
		counters_add_rule(&counters, POLICY_USER_BLOCKED, id, 99);
	}
	assert_int_equal(counters.lost_rules, 10000 - COUNTERS_RULES / 4 * 3);
}

static void test_nothing_is_allocated(void **state)
{
	(void)state;
	size_t before = mem_allocation_count();
	const struct client_count count = {.queries = 1};
	for (uint32_t i = 0; i < 1000; i++) {
		struct address address = client_number(i);
		counters_add_client(&counters, &address, SERVICE_WEB, &count);
		counters_add_url(&counters, "http://a.example/", 17);
		counters_add_rule(&counters, POLICY_USER_BLOCKED, i, 0);
	}
	assert_int_equal(mem_allocation_count(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_clients_are_told_apart_and_reported_once, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_more_clients_than_places, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_often_asked_urls_are_found, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_urls_of_every_length, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_nothing_is_allocated, set_up, tear_down),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
