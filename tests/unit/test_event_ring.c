#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "queryd/event_ring.h"

static struct event_ring ring;
static int pair[2];
static char url[EVENT_URL_MAX];

static int set_up(void **state)
{
	(void)state;
	memset(url, 'u', sizeof(url));
	assert_int_equal(event_ring_init(&ring, 77, 3), 0);
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	(void)state;
	event_ring_release(&ring);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static struct link_event make_event(enum event_kind kind, uint16_t length)
{
	return (struct link_event){.kind = kind, .query = {.url = {url, length}}};
}

/* Receives one packet; counts its records by kind. False when there is none. */
static bool receive(struct link_events_header *header, unsigned counts[EVENT_KIND_COUNT])
{
	static char space[LINK_PACKET_MAX];
	int descriptors[LINK_DESCRIPTORS_MAX];
	size_t count;
	enum link_kind kind;
	struct cursor body;
	struct link_event event;
	ssize_t got = link_receive(pair[1], space, sizeof(space), descriptors, &count);
	if (got == -EAGAIN) {
		return false;
	}
	assert_true(got > 0);
	assert_int_equal(link_decode(space, (size_t)got, &kind, &body), 0);
	assert_int_equal(kind, LINK_EVENTS);
	assert_int_equal(link_decode_events(&body, header), 0);
	int status;
	while ((status = link_decode_event(&body, &event)) == 1) {
		counts[event.kind]++;
	}
	assert_int_equal(status, 0);
	return true;
}

static void test_started_packet_is_sent_when_asked(void **state)
{
	(void)state;
	struct link_event event = make_event(EVENT_BLOCKED, 20);
	struct link_events_header header;
	unsigned counts[EVENT_KIND_COUNT] = {0};
	assert_int_equal(event_ring_send(&ring, pair[0], true, 5), 0);
	assert_false(receive(&header, counts)); /* nothing to say, nothing sent */
	assert_true(event_ring_add(&ring, &event));
	assert_int_equal(event_ring_send(&ring, pair[0], false, 5), 0);
	assert_false(receive(&header, counts));
	assert_int_equal(event_ring_send(&ring, pair[0], true, 1234), 0);
	assert_true(receive(&header, counts));
	assert_int_equal(counts[EVENT_BLOCKED], 1);
	assert_int_equal(header.boot, 77);
	assert_int_equal(header.worker, 3);
	assert_int_equal(header.sequence, 0);
	assert_int_equal(header.sent, 1234);
}

static void test_nothing_is_lost_while_it_flows(void **state)
{
	(void)state;
	struct link_events_header header;
	unsigned counts[EVENT_KIND_COUNT] = {0}, packets = 0;
	for (unsigned i = 0; i < 5000; i++) {
		struct link_event event = make_event(EVENT_ACCESS, (uint16_t)(i % EVENT_URL_MAX));
		assert_true(event_ring_add(&ring, &event));
		while (event_ring_is_due(&ring)) {
			event_ring_send(&ring, pair[0], false, 0);
			while (receive(&header, counts)) {
				assert_int_equal(header.sequence, packets);
				packets++;
			}
		}
	}
	assert_int_equal(event_ring_send(&ring, pair[0], true, 0), 0);
	while (receive(&header, counts)) {
		packets++;
	}
	assert_int_equal(counts[EVENT_ACCESS], 5000);
	assert_int_equal(header.dropped[EVENT_ACCESS], 0);
	assert_true(packets > 100);
}

static void test_access_entries_are_dropped_first(void **state)
{
	(void)state;
	struct link_event access = make_event(EVENT_ACCESS, 1000);
	struct link_event blocked = make_event(EVENT_BLOCKED, 1000);
	unsigned taken[2] = {0}, dropped[2] = {0};
	while (event_ring_add(&ring, &access)) {
		taken[0]++;
	}
	while (event_ring_add(&ring, &blocked)) {
		taken[1]++;
	}
	dropped[0] = dropped[1] = 1;
	assert_false(event_ring_add(&ring, &access));
	dropped[0]++;
	assert_false(event_ring_offer(&ring, &blocked)); /* not counted as dropped */
	/* About 30 entries fit in a packet of 32 KiB: three quarters, then the rest. */
	assert_in_range(taken[0], EVENT_PACKETS_ACCESS * 25, EVENT_PACKETS_ACCESS * 32);
	assert_in_range(taken[1], EVENT_PACKETS / 4 * 22, EVENT_PACKETS / 4 * 32);
	struct link_events_header header;
	unsigned counts[EVENT_KIND_COUNT] = {0};
	int status;
	do {
		status = event_ring_send(&ring, pair[0], true, 0);
		while (receive(&header, counts)) {
			assert_int_equal(header.dropped[EVENT_ACCESS], dropped[0]);
			assert_int_equal(header.dropped[EVENT_BLOCKED], dropped[1]);
		}
	} while (status == -EAGAIN || event_ring_is_due(&ring) || ring.started);
	assert_int_equal(counts[EVENT_ACCESS], taken[0]);
	assert_int_equal(counts[EVENT_BLOCKED], taken[1]);
	/* There is room again. */
	assert_true(event_ring_add(&ring, &access));
}

static void test_longest_record_fits(void **state)
{
	(void)state;
	static char word[LIMIT_CLIENT_WORD];
	struct link_event event = make_event(EVENT_BLOCKED, EVENT_URL_MAX);
	event.query.client_guid = event.query.server_guid = event.query.computer =
	        event.query.domain = event.query.product = (struct event_text){word, sizeof(word)};
	for (unsigned i = 0; i < 300; i++) {
		assert_true(event_ring_add(&ring, &event));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_started_packet_is_sent_when_asked, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_nothing_is_lost_while_it_flows, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_access_entries_are_dropped_first, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_longest_record_fits, set_up, tear_down),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
