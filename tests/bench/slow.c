/*
 * Many slow connections: slow PORT KIND CONNECTIONS SOURCES INTERVAL_MS SECONDS TARGET.
 *
 * KIND: "header" sends the start of a request for TARGET and then one byte of a header per
 * interval; "body" the head of a POST to TARGET and then one byte of the body per interval; "read"
 * eight bulk questions with 500 URLs, and reads nothing of the answers; "mixed" a third of each.
 * They are opened over as long as an interval. The connections come from 127.2.0.1 and the SOURCES
 * - 1 addresses behind it. A connection that the server closes is counted with its age and opened
 * again, so that the number stays. Prints "ready" when all are open for the first time and one JSON
 * object at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "tests/bench/histogram.h"

#define CONNECTIONS_MAX 100000
#define EVENTS_PER_TURN 256
#define TURN_NS 10000000u
#define REQUEST_MAX 16384
#define READ_REQUESTS 8 /* sent in one go by a "read" connection */
#define READ_URLS 500

enum slow_kind { SLOW_HEADER, SLOW_BODY, SLOW_READ, SLOW_KINDS };

struct slow_peer {
	int fd;
	enum slow_kind kind;
	bool started;
	uint64_t opened; /* ns, first byte sent */
	uint64_t next; /* ns, next byte */
};

struct slow {
	int epoll;
	struct sockaddr_in server;
	uint32_t count, sources;
	uint64_t interval;
	struct slow_peer *peers;
	char starts[SLOW_KINDS][REQUEST_MAX];
	size_t start_lengths[SLOW_KINDS];
	uint64_t opened, refused, bytes, open;
	struct histogram ages[SLOW_KINDS];
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "slow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_starts(struct slow *slow, const char *target)
{
	int header = snprintf(slow->starts[SLOW_HEADER], REQUEST_MAX,
	        "GET %s HTTP/1.1\r\nHost: slow\r\nX-Product-Entity: ", target);
	int body = snprintf(slow->starts[SLOW_BODY], REQUEST_MAX,
	        "POST %s HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
	        "Content-Length: 100000\r\n\r\n{",
	        target);
	if (header < 0 || body < 0 || header >= REQUEST_MAX || body >= REQUEST_MAX) {
		errno = E2BIG;
		die("target");
	}
	slow->start_lengths[SLOW_HEADER] = (size_t)header;
	slow->start_lengths[SLOW_BODY] = (size_t)body;
	struct buf list, text;
	buf_init(&list, REQUEST_MAX);
	buf_init_fixed(&text, slow->starts[SLOW_READ], REQUEST_MAX);
	for (int i = 0; i < READ_URLS; i++) {
		buf_add_format(&list, "%s\"s.example/%d\"", i > 0 ? "," : "{\"urls\":[", i);
	}
	buf_add_literal(&list, "]}");
	buf_add_format(&text,
	        "POST %.*s HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
	        "Content-Length: %zu\r\n\r\n",
	        (int)strcspn(target, "?"), target, list.length);
	buf_add(&text, list.data, list.length);
	if (buf_status(&list) != 0 || buf_status(&text) != 0) {
		errno = E2BIG;
		die("target");
	}
	slow->start_lengths[SLOW_READ] = text.length;
	buf_release(&list);
}

static void open_peer(struct slow *slow, struct slow_peer *peer)
{
	uint32_t number = (uint32_t)(peer - slow->peers);
	struct sockaddr_in source = {.sin_family = AF_INET,
	        .sin_addr.s_addr = htonl(0x7f020001u + number % slow->sources)};
	int one = 1, small = 2048, large = 1 << 20; /* all questions go out, no answer comes in */
	struct linger linger = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0 ||
	        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
	        (peer->kind == SLOW_READ &&
	                (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) != 0 ||
	                        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)) !=
	                                0)) ||
	        bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0 ||
	        (connect(fd, (struct sockaddr *)&slow->server, sizeof(slow->server)) != 0 &&
	                errno != EINPROGRESS)) {
		die("connect");
	}
	/* A reader of nothing is told only of the end, never that there is something to read. */
	struct epoll_event event = {
	        .events = peer->kind == SLOW_READ ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP,
	        .data.ptr = peer};
	peer->fd = fd;
	peer->started = false;
	peer->next = now_ns();
	if (epoll_ctl(slow->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		die("epoll_ctl");
	}
	slow->open++;
}

static void close_peer(struct slow *slow, struct slow_peer *peer)
{
	if (peer->started) {
		histogram_add(&slow->ages[peer->kind], now_ns() - peer->opened);
	} else {
		slow->refused++;
	}
	slow->open--;
	close(peer->fd);
	open_peer(slow, peer);
}

/* Sends the start, or the next byte; "read" sends its requests and no more. */
static void feed_peer(struct slow *slow, struct slow_peer *peer, uint64_t now)
{
	const char *text = slow->starts[peer->kind];
	size_t length = slow->start_lengths[peer->kind];
	peer->next = now + slow->interval;
	if (!peer->started) {
		ssize_t sent = send(peer->fd, text, length, MSG_NOSIGNAL);
		if (sent != (ssize_t)length) {
			return; /* not connected yet, or closed: the event tells */
		}
		peer->started = true;
		peer->opened = now;
		slow->opened++;
		for (int i = 1; peer->kind == SLOW_READ && i < READ_REQUESTS; i++) {
			(void)!send(peer->fd, text, length, MSG_NOSIGNAL);
		}
	} else if (peer->kind != SLOW_READ) {
		(void)!send(peer->fd, peer->kind == SLOW_BODY ? " " : "a", 1, MSG_NOSIGNAL);
		slow->bytes++;
	}
}

/* A slow peer that is answered: reads to see the end. */
static bool at_end(const struct slow_peer *peer)
{
	char space[4096];
	for (;;) {
		ssize_t got = recv(peer->fd, space, sizeof(space), 0);
		if (got <= 0) {
			return got == 0 || errno != EAGAIN;
		}
	}
}

static void run(struct slow *slow, double seconds)
{
	uint64_t start = now_ns(), turn = start;
	uint64_t end = start + (uint64_t)(seconds * 1e9);
	bool told = false;
	uint32_t opened = 0;
	for (uint64_t now; (now = now_ns()) < end;) {
		struct epoll_event events[EVENTS_PER_TURN];
		int count = epoll_wait(slow->epoll, events, EVENTS_PER_TURN, 5);
		for (int i = 0; i < count; i++) {
			struct slow_peer *peer = events[i].data.ptr;
			bool gone = (events[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
			if (gone || at_end(peer)) {
				close_peer(slow, peer);
			}
		}
		if (now < turn) {
			continue;
		}
		turn = now + TURN_NS;
		uint64_t due = (now - start) * slow->count / slow->interval + 1;
		while (opened < slow->count && opened < due) {
			open_peer(slow, &slow->peers[opened++]);
		}
		for (uint32_t i = 0; i < opened; i++) {
			if (slow->peers[i].next <= now) {
				feed_peer(slow, &slow->peers[i], now);
			}
		}
		if (!told && slow->opened >= slow->count) {
			told = true;
			printf("ready\n");
			fflush(stdout);
		}
	}
}

static void report(const struct slow *slow)
{
	static const char *const names[SLOW_KINDS] = {"header", "body", "read"};
	printf("{\"connections\":%u,\"opened\":%llu,\"refused\":%llu,\"bytes\":%llu", slow->count,
	        (unsigned long long)slow->opened, (unsigned long long)slow->refused,
	        (unsigned long long)slow->bytes);
	for (int i = 0; i < SLOW_KINDS; i++) {
		const struct histogram *ages = &slow->ages[i];
		printf(",\"%s\":{\"closed\":%llu,\"age_p50_s\":%.3f,\"age_max_s\":%.3f}", names[i],
		        (unsigned long long)ages->count,
		        (double)histogram_percentile(ages, 0.5) / 1e9, (double)ages->maximum / 1e9);
	}
	uint64_t oldest = 0, now = now_ns();
	enum slow_kind kind = SLOW_HEADER;
	for (uint32_t i = 0; i < slow->count; i++) {
		const struct slow_peer *peer = &slow->peers[i];
		if (peer->started && now - peer->opened > oldest) {
			oldest = now - peer->opened;
			kind = peer->kind;
		}
	}
	printf(",\"oldest_open_s\":%.3f,\"oldest_kind\":\"%s\"}\n", (double)oldest / 1e9,
	        names[kind]);
}

static uint64_t number_argument(const char *text, uint64_t maximum)
{
	uint64_t value;
	if (number_parse_u64(text, strlen(text), maximum, &value) != 0 || value == 0) {
		fprintf(stderr, "slow: bad number: %s\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static struct slow slow;
	static const char *const kinds[] = {"header", "body", "read", "mixed"};
	unsigned kind = 0;
	while (argc == 8 && kind < 4 && strcmp(argv[2], kinds[kind]) != 0) {
		kind++;
	}
	if (argc != 8 || kind == 4) {
		fprintf(stderr, "usage: slow PORT header|body|read|mixed CONNECTIONS SOURCES "
		                "INTERVAL_MS SECONDS TARGET\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	slow.server = (struct sockaddr_in){.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)number_argument(argv[1], 65535)),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	slow.count = (uint32_t)number_argument(argv[3], CONNECTIONS_MAX);
	slow.sources = (uint32_t)number_argument(argv[4], 60000);
	slow.interval = number_argument(argv[5], 3600000) * 1000000u;
	make_starts(&slow, argv[7]);
	slow.epoll = epoll_create1(EPOLL_CLOEXEC);
	slow.peers = mem_new(slow.count, sizeof(*slow.peers));
	if (slow.epoll < 0 || slow.peers == NULL) {
		die("start");
	}
	for (uint32_t i = 0; i < slow.count; i++) {
		slow.peers[i].kind =
		        kind < SLOW_KINDS ? (enum slow_kind)kind : (enum slow_kind)(i % SLOW_KINDS);
	}
	run(&slow, (double)number_argument(argv[6], 3600));
	report(&slow);
	return 0;
}
