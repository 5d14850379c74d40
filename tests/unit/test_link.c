#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/link/link.h"

static char space[LINK_PACKET_MAX];
static struct buf buf;

static int set_up(void **state)
{
	(void)state;
	buf_init_fixed(&buf, space, sizeof(space));
	return 0;
}

static struct cursor body_of(enum link_kind expected)
{
	enum link_kind kind;
	struct cursor body;
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(link_decode(buf.data, buf.length, &kind, &body), 0);
	assert_int_equal(kind, expected);
	return body;
}

/* Every shorter packet is refused, with the length in the header put right and without. */
static void expect_cuts_refused(int (*decode)(struct cursor *body))
{
	for (size_t length = 0; length < buf.length; length++) {
		enum link_kind kind;
		struct cursor body;
		char *copy = test_malloc(length + 1);
		memcpy(copy, buf.data, length);
		assert_int_equal(link_decode(copy, length, &kind, &body), SK_E_CORRUPT);
		if (length >= 8) {
			uint32_t left = (uint32_t)(length - 8);
			memcpy(copy + 4, &left, 4);
			assert_int_equal(link_decode(copy, length, &kind, &body), 0);
			assert_int_equal(decode(&body), SK_E_CORRUPT);
		}
		test_free(copy);
	}
}

static int decode_hello(struct cursor *body)
{
	struct link_hello hello;
	return link_decode_hello(body, &hello);
}

static void test_hello(void **state)
{
	(void)state;
	struct link_hello hello = {.boot = UINT64_C(0xfedcba9876543210)}, back = {0};
	link_encode_hello(&buf, &hello);
	struct cursor body = body_of(LINK_HELLO);
	assert_int_equal(link_decode_hello(&body, &back), 0);
	assert_true(back.boot == hello.boot);
	expect_cuts_refused(decode_hello);
}

static int decode_active(struct cursor *body)
{
	struct link_active active;
	return link_decode_active(body, &active);
}

static void test_active(void **state)
{
	(void)state;
	struct link_active active = {.generation = 7, .code = SK_E_CORRUPT, .workers = 3},
	                   back = {0};
	memset(active.text, 'x', sizeof(active.text) - 1);
	link_encode_active(&buf, &active);
	struct cursor body = body_of(LINK_ACTIVE);
	assert_int_equal(link_decode_active(&body, &back), 0);
	assert_int_equal(back.code, SK_E_CORRUPT);
	assert_int_equal(back.workers, 3);
	assert_string_equal(back.text, active.text);
	expect_cuts_refused(decode_active);
}

static int decode_publish(struct cursor *body)
{
	static struct link_publish publish;
	return link_decode_publish(body, &publish);
}

static void make_publish(struct link_publish *publish)
{
	*publish = (struct link_publish){.generation = 12};
	publish->settings = (struct link_settings){.web_on = true,
	        .access_log_on = true,
	        .block_below = 66,
	        .log_score_max = 65,
	        .ttl_listed = 3600,
	        .ttl_unlisted = 600,
	        .handshake_ms = 1,
	        .header_ms = 2,
	        .body_ms = 3,
	        .idle_ms = 4,
	        .write_ms = 5,
	        .event_interval_ms = 6,
	        .counter_interval_ms = 7,
	        .connections_max = 8,
	        .allow_count = LINK_RANGES_MAX,
	        .explain_count = 1,
	        .time_offset = -9};
	for (unsigned i = 0; i < LINK_RANGES_MAX; i++) {
		publish->settings.allow[i].first = (struct address){ADDRESS_V6, {0xfd, (uint8_t)i}};
		publish->settings.allow[i].last = (struct address){ADDRESS_V6, {0xfe, (uint8_t)i}};
	}
	publish->settings.explain[0].first = (struct address){ADDRESS_V4, {127}};
	publish->settings.explain[0].last = (struct address){ADDRESS_V4, {127, 1}};
	publish->sections[SECTION_BASE] =
	        (struct link_section){.present = true, .length = 99, .checksum = {1, 2, 3}};
}

static void test_publish(void **state)
{
	(void)state;
	static struct link_publish publish, back;
	make_publish(&publish);
	link_encode_publish(&buf, &publish);
	struct cursor body = body_of(LINK_PUBLISH);
	assert_int_equal(link_decode_publish(&body, &back), 0);
	assert_memory_equal(&back.sections, &publish.sections, sizeof(back.sections));
	assert_int_equal(back.settings.allow_count, LINK_RANGES_MAX);
	assert_memory_equal(
	        &back.settings.allow, &publish.settings.allow, sizeof(back.settings.allow));
	assert_int_equal(back.settings.connections_max, 8);
	assert_true(back.settings.time_offset == -9);
	assert_true(back.settings.web_on && !back.settings.files_on);
	expect_cuts_refused(decode_publish);
}

static void test_publish_of_nonsense_is_refused(void **state)
{
	(void)state;
	static struct link_publish publish, back;
	make_publish(&publish);
	publish.settings.allow[3].last.family = ADDRESS_V4;
	link_encode_publish(&buf, &publish);
	struct cursor body = body_of(LINK_PUBLISH);
	assert_int_equal(link_decode_publish(&body, &back), SK_E_CORRUPT);
}

static struct event_text text_of(const char *text)
{
	return (struct event_text){text, (uint16_t)strlen(text)};
}

static bool text_is(const struct event_text *text, const char *expected)
{
	return text->length == strlen(expected) && memcmp(text->data, expected, text->length) == 0;
}

static void write_events(void)
{
	struct link_events_header header = {
	        .boot = 1, .sequence = 2, .sent = 3, .worker = 4, .dropped = {0, 5, 6}};
	struct link_event events[] = {
	        {.kind = EVENT_BLOCKED,
	                .query = {.time = 10,
	                        .client = {ADDRESS_V4, {10, 1, 2, 3}},
	                        .score = 49,
	                        .source = 2,
	                        .action = 2,
	                        .cnc_level = 1,
	                        .cnc_source = 3,
	                        .categories = 5,
	                        .entry_id = -1,
	                        .url = text_of("http://a.example/"),
	                        .computer = text_of("pc-1")}},
	        {.kind = EVENT_RULE_HITS, .rule_hits = {.list = 1, .id = 8, .hits = 9, .last = 10}},
	        {.kind = EVENT_CLIENT,
	                .client = {.service = 1,
	                        .client = {ADDRESS_V6, {0xfd}},
	                        .queries = 11,
	                        .bytes_in = 12,
	                        .detections = 13,
	                        .blocks = 14}},
	        {.kind = EVENT_TOP_URL, .top_url = {.count = 15, .url = text_of("http://b/")}},
	        {.kind = EVENT_TOTALS, .totals = {.service = 1, .requests = 16, .bytes_out = 17}},
	};
	link_encode_events_start(&buf, &header);
	for (size_t i = 0; i < SK_COUNT(events); i++) {
		link_encode_event(&buf, &events[i]);
	}
	link_encode_events_finish(&buf);
}

static int decode_events(struct cursor *body)
{
	struct link_events_header header;
	struct link_event event;
	int status = link_decode_events(body, &header);
	for (unsigned count = 0; status == 0; count++) {
		status = link_decode_event(body, &event);
		if (status == 0) {
			/* A cut between records is not visible; the length of the packet is. */
			return count < 5 ? SK_E_CORRUPT : 0;
		}
		status = status == 1 ? 0 : status;
	}
	return status;
}

static void test_events(void **state)
{
	(void)state;
	struct link_events_header header;
	struct link_event event;
	write_events();
	struct cursor body = body_of(LINK_EVENTS);
	assert_int_equal(link_decode_events(&body, &header), 0);
	assert_int_equal(header.dropped[EVENT_ACCESS], 6);
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_int_equal(event.kind, EVENT_BLOCKED);
	assert_true(text_is(&event.query.url, "http://a.example/"));
	assert_true(text_is(&event.query.computer, "pc-1"));
	assert_true(text_is(&event.query.domain, ""));
	assert_true(event.query.entry_id == -1);
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_int_equal(event.rule_hits.hits, 9);
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_int_equal(event.client.blocks, 14);
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_true(text_is(&event.top_url.url, "http://b/"));
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_int_equal(event.totals.bytes_out, 17);
	assert_int_equal(link_decode_event(&body, &event), 0);
	expect_cuts_refused(decode_events);
}

static void test_event_texts_are_cut(void **state)
{
	(void)state;
	static char text[EVENT_URL_MAX + 100];
	struct link_events_header header = {0};
	struct link_event event = {.kind = EVENT_ACCESS};
	memset(text, 'u', sizeof(text));
	event.query.url = (struct event_text){text, sizeof(text)};
	event.query.domain = (struct event_text){text, LIMIT_CLIENT_WORD + 1};
	link_encode_events_start(&buf, &header);
	link_encode_event(&buf, &event);
	link_encode_events_finish(&buf);
	struct cursor body = body_of(LINK_EVENTS);
	assert_int_equal(link_decode_events(&body, &header), 0);
	assert_int_equal(link_decode_event(&body, &event), 1);
	assert_int_equal(event.query.url.length, EVENT_URL_MAX);
	assert_int_equal(event.query.domain.length, LIMIT_CLIENT_WORD);
}

static void test_header_is_checked(void **state)
{
	(void)state;
	enum link_kind kind;
	struct cursor body;
	struct link_hello hello = {1};
	link_encode_hello(&buf, &hello);
	buf.data[0]++;
	assert_int_equal(link_decode(buf.data, buf.length, &kind, &body), SK_E_VERSION);
	buf.data[0]--;
	buf.data[2] = LINK_KIND_COUNT;
	assert_int_equal(link_decode(buf.data, buf.length, &kind, &body), SK_E_CORRUPT);
	buf.data[2] = 0;
	assert_int_equal(link_decode(buf.data, buf.length, &kind, &body), SK_E_CORRUPT);
}

static void test_descriptors_travel(void **state)
{
	(void)state;
	int pair[2], got[LINK_DESCRIPTORS_MAX];
	size_t count = 99;
	char byte;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(link_receive(pair[1], space, sizeof(space), got, &count), -EAGAIN);
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(write(pipes[1], "z", 1), 1);
	assert_int_equal(link_send(pair[0], "hello", 5, pipes, 2), 0);
	assert_int_equal(link_receive(pair[1], space, sizeof(space), got, &count), 5);
	assert_int_equal(count, 2);
	assert_int_equal(read(got[0], &byte, 1), 1);
	assert_int_equal(byte, 'z');
	assert_int_equal(fcntl(got[1], F_GETFD), FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	/* A packet that does not fit is an error, not half a packet; its descriptors are closed. */
	assert_int_equal(link_send(pair[0], "hello", 5, pipes, 1), 0);
	assert_int_equal(link_receive(pair[1], space, 3, got, &count), SK_E_CORRUPT);
	close(pair[0]);
	assert_int_equal(link_receive(pair[1], space, sizeof(space), got, &count), 0);
	close(pair[1]);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_full_socket_does_not_block(void **state)
{
	(void)state;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	int status = 0;
	for (unsigned i = 0; i < 10000 && status == 0; i++) {
		status = link_send(pair[0], space, sizeof(space), NULL, 0);
	}
	assert_int_equal(status, -EAGAIN);
	close(pair[1]);
	assert_int_equal(link_send(pair[0], space, 10, NULL, 0), -ECONNRESET);
	assert_int_equal(link_send(pair[0], space, 10, NULL, 0), -EPIPE);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_hello, set_up),
	        cmocka_unit_test_setup(test_active, set_up),
	        cmocka_unit_test_setup(test_publish, set_up),
	        cmocka_unit_test_setup(test_publish_of_nonsense_is_refused, set_up),
	        cmocka_unit_test_setup(test_events, set_up),
	        cmocka_unit_test_setup(test_event_texts_are_cut, set_up),
	        cmocka_unit_test_setup(test_header_is_checked, set_up),
	        cmocka_unit_test_setup(test_descriptors_travel, set_up),
	        cmocka_unit_test_setup(test_full_socket_does_not_block, set_up),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
