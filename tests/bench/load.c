/*
 * A load generator for the benches: a fixed number of connections, one thread, epoll.
 *
 *   load --port N [--address A] [--sources N] [--connections N] [--per-connection N] [--tls]
 *        [--resume] [--seconds S] [--requests N] [--warmup S] [--rate PER_SECOND] [--spin]
 *        [--targets FILE | --target T] [--bodies FILE] [--check-every N] [--header LINE]…
 *        [--cpu-of PID,PID…]
 *
 * Closed loop (no --rate): every connection sends its next request when it has its answer. Open
 * loop (--rate): requests fall due at an even pace, whether or not answers have come, and go to the
 * connections in turn; a latency is counted from the moment the request was due, so a server that
 * stalls cannot hide it. No pipelining. Lists are as in requests.h; every N-th answer is held
 * against what its line expects. --sources spreads the connections over 127.1.0.1 and the addresses
 * behind it. --per-connection N opens a new connection after N requests, with --resume by the
 * session of an earlier one. --cpu-of measures what those processes use of the CPU while requests
 * are counted. --spin never sleeps, for exact times on a core of its own. The result
 * is one JSON object on standard output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "tests/bench/histogram.h"
#include "tests/bench/requests.h"
#include "tests/bench/server_cpu.h"

#define BODY_MAX ((size_t)8 << 20) /* of an answer that is to be checked */
#define WRONG_SHOWN 3
#define READ_SIZE (256 * 1024)
#define HEAD_MAX 2048
#define EVENTS_PER_TURN 256

struct options {
	const char *address, *targets_file, *target, *bodies_file, *cpu_of;
	uint16_t port;
	uint32_t connections, sources, per_connection, check_every;
	double seconds, warmup, rate;
	uint64_t requests;
	bool tls, resume, spin;
	struct buf headers;
};

enum peer_state { PEER_CONNECTING, PEER_HANDSHAKE, PEER_IDLE, PEER_SENDING, PEER_WAITING };

struct peer {
	int fd;
	SSL *ssl;
	enum peer_state state;
	bool wants_write;
	const char *out;
	size_t out_left;
	uint64_t due; /* ns: when the request was to be sent */
	size_t head_length; /* bytes of an answer's head that came in pieces */
	uint64_t body_left;
	bool in_body, ok, closed;
	uint32_t served; /* requests on this connection */
	const struct request *request;
	bool check; /* the answer is held against what the request expects */
	struct buf body; /* of an answer that came in pieces and is to be checked */
	struct peer *next_idle;
	char head[HEAD_MAX];
};

struct load {
	struct options options;
	int epoll;
	SSL_CTX *tls;
	SSL_SESSION *session; /* the last one that came, for --resume */
	struct peer *peers;
	struct peer *idle, **idle_end; /* open loop: ready to send, first in first out */
	struct requests requests;
	size_t next_request;
	uint64_t started; /* requests since the last check */
	uint64_t start, counted_from, end, next_due, interval_fp; /* interval in 2^-16 ns */
	uint64_t due_fp;
	uint64_t answers, refused, errors, reconnects, bytes_in, sent, late;
	uint64_t checked, wrong, closed_idle, handshakes, resumed;
	bool counting, stopping;
	double server_cpu; /* seconds, while counting */
	struct histogram latencies;
	char space[READ_SIZE];
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- connections ---- */

static void watch(struct load *load, struct peer *peer, bool write, int operation)
{
	struct epoll_event event = {
	        .events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0u), .data.ptr = peer};
	if (epoll_ctl(load->epoll, operation, peer->fd, &event) != 0) {
		die("epoll_ctl");
	}
	peer->wants_write = write;
}

static void set_wants_write(struct load *load, struct peer *peer, bool write)
{
	if (peer->wants_write != write) {
		watch(load, peer, write, EPOLL_CTL_MOD);
	}
}

/* Gives the connection one of the source addresses. */
static void peer_bind(const struct load *load, const struct peer *peer)
{
	uint32_t number = (uint32_t)(peer - load->peers) % load->options.sources;
	struct sockaddr_in source = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001u + number)};
	int one = 1;
	if (setsockopt(peer->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
	        bind(peer->fd, (struct sockaddr *)&source, sizeof(source)) != 0) {
		die("bind");
	}
}

static void peer_connect(struct load *load, struct peer *peer)
{
	const struct options *options = &load->options;
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
	socklen_t length = sizeof(*v4);
	if (inet_pton(AF_INET, options->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(options->port);
	} else if (inet_pton(AF_INET6, options->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(options->port);
		length = sizeof(*v6);
	} else {
		errno = EINVAL;
		die("address");
	}
	peer->fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (peer->fd < 0) {
		die("socket");
	}
	if (load->options.sources > 0) {
		peer_bind(load, peer);
	}
	int one = 1;
	/* Closed with a reset, so that no port stays behind in TIME_WAIT. */
	struct linger linger = {.l_onoff = 1};
	if (setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0 ||
	        (connect(peer->fd, (struct sockaddr *)&storage, length) != 0 &&
	                errno != EINPROGRESS)) {
		die("connect");
	}
	peer->state = PEER_CONNECTING;
	if (load->tls != NULL) {
		peer->ssl = SSL_new(load->tls);
		if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1) {
			die("SSL_new");
		}
		SSL_set_connect_state(peer->ssl);
		if (load->session != NULL) {
			SSL_set_session(peer->ssl, load->session);
		}
	}
	watch(load, peer, true, EPOLL_CTL_ADD);
}

static void peer_reconnect(struct load *load, struct peer *peer)
{
	if (peer->ssl != NULL) {
		/* As if the end had been said, or the session could not be resumed. */
		SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(peer->ssl);
		peer->ssl = NULL;
	}
	close(peer->fd);
	peer->head_length = 0;
	peer->in_body = peer->closed = false;
	peer->served = 0;
	load->reconnects++;
	peer_connect(load, peer);
}

static void peer_fail(struct load *load, struct peer *peer)
{
	if (load->counting) {
		load->errors++;
	}
	if (load->errors > 100000) {
		fprintf(stderr, "load: giving up after 100,000 errors\n");
		exit(1);
	}
	peer_reconnect(load, peer);
}

/* Bytes written or read, 0 for "later", negative for an end or an error. */
static ssize_t peer_write(struct load *load, struct peer *peer)
{
	if (peer->ssl == NULL) {
		ssize_t sent = send(peer->fd, peer->out, peer->out_left, MSG_NOSIGNAL);
		return sent < 0 && errno == EAGAIN ? 0 : sent;
	}
	int sent = SSL_write(peer->ssl, peer->out,
	        (int)(peer->out_left < READ_SIZE ? peer->out_left : READ_SIZE));
	if (sent > 0) {
		return sent;
	}
	int error = SSL_get_error(peer->ssl, sent);
	(void)load;
	return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t peer_read(struct load *load, struct peer *peer)
{
	if (peer->ssl == NULL) {
		ssize_t got = recv(peer->fd, load->space, sizeof(load->space), 0);
		return got < 0 && errno == EAGAIN ? 0 : got == 0 ? -1 : got;
	}
	int got = SSL_read(peer->ssl, load->space, sizeof(load->space));
	if (got > 0) {
		return got;
	}
	int error = SSL_get_error(peer->ssl, got);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void peer_send(struct load *load, struct peer *peer)
{
	while (peer->out_left > 0) {
		ssize_t sent = peer_write(load, peer);
		if (sent < 0) {
			peer_fail(load, peer);
			return;
		}
		if (sent == 0) {
			set_wants_write(load, peer, true);
			return;
		}
		peer->out += sent;
		peer->out_left -= (size_t)sent;
	}
	set_wants_write(load, peer, false);
	peer->state = PEER_WAITING;
}

static void peer_start(struct load *load, struct peer *peer, uint64_t due)
{
	const struct request *request = &load->requests.items[load->next_request];
	load->next_request =
	        load->next_request + 1 < load->requests.count ? load->next_request + 1 : 0;
	peer->request = request;
	peer->out = load->requests.text.data + request->start;
	peer->out_left = request->length;
	peer->due = due;
	peer->state = PEER_SENDING;
	peer->head_length = 0;
	peer->in_body = false;
	peer->served++;
	peer->check = request->expected_length > 0 && ++load->started >= load->options.check_every;
	if (peer->check) {
		load->started = 0;
		buf_clear(&peer->body);
	}
	load->sent++;
	peer_send(load, peer);
}

/* The connection has nothing to do: gives it the next request, or lets it wait for one. */
static void peer_ready(struct load *load, struct peer *peer)
{
	peer->state = PEER_IDLE;
	set_wants_write(load, peer, false);
	if (load->stopping) {
		return;
	}
	if (load->options.rate > 0) {
		peer->next_idle = NULL;
		*load->idle_end = peer;
		load->idle_end = &peer->next_idle;
		return;
	}
	peer_start(load, peer, now_ns());
}

/* ---- answers ---- */

/* Value of Content-Length in a complete head, or UINT64_MAX. */
static uint64_t head_content_length(const char *head, size_t length)
{
	static const char name[] = "\ncontent-length:";
	for (size_t i = 0; i + sizeof(name) < length; i++) {
		if (head[i] != '\n' || strncasecmp(head + i, name, sizeof(name) - 1) != 0) {
			continue;
		}
		size_t at = i + sizeof(name) - 1;
		while (at < length && head[at] == ' ') {
			at++;
		}
		size_t digits = 0;
		while (at + digits < length && head[at + digits] >= '0' &&
		        head[at + digits] <= '9') {
			digits++;
		}
		uint64_t value;
		return number_parse_u64(head + at, digits, UINT32_MAX, &value) == 0 ? value
		                                                                    : UINT64_MAX;
	}
	return UINT64_MAX;
}

static void check_answer(
        struct load *load, const struct peer *peer, const char *body, size_t length)
{
	load->checked++;
	if (peer->ok && requests_answer_is_right(peer->request, body, length)) {
		return;
	}
	if (load->wrong++ < WRONG_SHOWN) {
		const struct request *request = peer->request;
		size_t shown = request->length < 300 ? request->length : 300;
		fprintf(stderr, "load: wrong answer\n%.*s\nexpected %.*s\ngot %.*s\n", (int)shown,
		        load->requests.text.data + request->start,
		        (int)(request->expected_length < 300 ? request->expected_length : 300),
		        request->expected, (int)(length < 600 ? length : 600), body);
	}
}

static void finish_answer(struct load *load, struct peer *peer)
{
	if (load->counting) {
		load->answers++;
		load->refused += !peer->ok;
		histogram_add(&load->latencies, now_ns() - peer->due);
	}
	if (load->options.per_connection > 0 && peer->served >= load->options.per_connection) {
		peer_reconnect(load, peer);
		return;
	}
	peer_ready(load, peer);
}

/* Takes a piece of the body; the last one ends the answer. */
static void take_body(struct load *load, struct peer *peer, const char *data, size_t length)
{
	peer->body_left -= length;
	if (peer->check && (peer->body_left > 0 || peer->body.length > 0)) {
		buf_add(&peer->body, data, length);
		data = peer->body.data;
		length = peer->body.length;
	}
	if (peer->body_left > 0) {
		return;
	}
	if (peer->check && buf_status(&peer->body) == 0) {
		check_answer(load, peer, data, length);
	}
	finish_answer(load, peer);
}

/* Reads the head at the start of `data`; returns its length, 0 when incomplete, -1 when bad. */
static ssize_t take_head(struct peer *peer, const char *data, size_t length)
{
	const char *stop = memmem(data, length, "\r\n\r\n", 4);
	if (stop == NULL) {
		return 0;
	}
	size_t head = (size_t)(stop - data) + 4;
	peer->body_left = head_content_length(data, head);
	if (head < 12 || peer->body_left == UINT64_MAX) {
		return -1;
	}
	peer->ok = data[9] == '2';
	peer->in_body = true;
	return (ssize_t)head;
}

static int consume(struct load *load, struct peer *peer, size_t length)
{
	const char *data = load->space;
	if (!peer->in_body && peer->head_length > 0) {
		size_t take = HEAD_MAX - peer->head_length < length ? HEAD_MAX - peer->head_length
		                                                    : length;
		memcpy(peer->head + peer->head_length, data, take);
		ssize_t head = take_head(peer, peer->head, peer->head_length + take);
		if (head <= 0) {
			peer->head_length += take;
			return head < 0 || take < length ? -1 : 0;
		}
		size_t used = (size_t)head - peer->head_length;
		data += used;
		length -= used;
	} else if (!peer->in_body) {
		ssize_t head = take_head(peer, data, length);
		if (head < 0 || (head == 0 && length > HEAD_MAX)) {
			return -1;
		}
		if (head == 0) {
			memcpy(peer->head, data, length);
			peer->head_length = length;
			return 0;
		}
		data += head;
		length -= (size_t)head;
	}
	if (length > peer->body_left) {
		return -1;
	}
	take_body(load, peer, data, length);
	return 0;
}

static void peer_readable(struct load *load, struct peer *peer)
{
	for (;;) {
		ssize_t got = peer_read(load, peer);
		if (got == 0) {
			return;
		}
		if (got < 0) {
			if (peer->state == PEER_IDLE) {
				/* Found out when the next request is to be sent. */
				load->closed_idle += load->counting;
				peer->closed = true;
				epoll_ctl(load->epoll, EPOLL_CTL_DEL, peer->fd, NULL);
				return;
			}
			peer_fail(load, peer);
			return;
		}
		load->bytes_in += load->counting ? (uint64_t)got : 0;
		if (peer->state != PEER_WAITING || consume(load, peer, (size_t)got) != 0) {
			peer_fail(load, peer);
			return;
		}
		if (peer->ssl == NULL ? (size_t)got < sizeof(load->space)
		                      : SSL_has_pending(peer->ssl) == 0) {
			return;
		}
	}
}

static void peer_handshake(struct load *load, struct peer *peer)
{
	if (peer->state == PEER_CONNECTING) {
		int error = 0;
		socklen_t size = sizeof(error);
		if (getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
			errno = error;
			die("connect");
		}
		peer->state = PEER_HANDSHAKE;
	}
	if (peer->ssl != NULL) {
		int result = SSL_do_handshake(peer->ssl);
		if (result != 1) {
			int error = SSL_get_error(peer->ssl, result);
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
				ERR_print_errors_fp(stderr);
				errno = EPROTO;
				die("TLS handshake");
			}
			set_wants_write(load, peer, error == SSL_ERROR_WANT_WRITE);
			return;
		}
		load->handshakes += load->counting;
		load->resumed += load->counting && SSL_session_reused(peer->ssl);
	}
	peer_ready(load, peer);
}

static void peer_event(struct load *load, struct peer *peer, uint32_t events)
{
	if (peer->state == PEER_CONNECTING || peer->state == PEER_HANDSHAKE) {
		peer_handshake(load, peer);
		return;
	}
	if ((events & EPOLLOUT) != 0 && peer->state == PEER_SENDING) {
		peer_send(load, peer);
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		peer_readable(load, peer);
	}
}

/* ---- the loop ---- */

/* Open loop: sends what is due; returns the ns until the next is. */
static uint64_t send_due(struct load *load, uint64_t now)
{
	while (load->next_due <= now) {
		struct peer *peer = load->idle;
		if (peer == NULL) {
			load->late += load->counting;
			return 1000000;
		}
		load->idle = peer->next_idle;
		if (load->idle == NULL) {
			load->idle_end = &load->idle;
		}
		if (peer->closed) {
			peer_reconnect(load, peer);
			continue;
		}
		uint64_t due = load->next_due;
		load->due_fp += load->interval_fp;
		load->next_due = load->start + (load->due_fp >> 16);
		peer_start(load, peer, due);
	}
	return load->next_due - now;
}

static void begin_counting(struct load *load, uint64_t now)
{
	load->counting = true;
	load->server_cpu = -server_cpu_seconds(load->options.cpu_of);
	load->counted_from = now;
	load->end = load->options.seconds > 0 ? now + (uint64_t)(load->options.seconds * 1e9)
	                                      : UINT64_MAX;
}

static void run(struct load *load)
{
	struct epoll_event events[EVENTS_PER_TURN];
	load->start = load->next_due = now_ns();
	uint64_t count_at = load->start + (uint64_t)(load->options.warmup * 1e9);
	for (;;) {
		uint64_t now = now_ns();
		if (!load->counting && now >= count_at) {
			begin_counting(load, now);
		}
		if (load->counting &&
		        (now >= load->end || (load->options.requests > 0 &&
		                                     load->answers >= load->options.requests))) {
			load->end = now;
			load->server_cpu += server_cpu_seconds(load->options.cpu_of);
			return;
		}
		uint64_t wait = 10000000;
		if (load->options.rate > 0) {
			uint64_t due = send_due(load, now);
			wait = due < wait ? due : wait;
		}
		struct timespec timeout = {.tv_nsec = load->options.spin ? 0 : (long)wait};
		int count = epoll_pwait2(load->epoll, events, EVENTS_PER_TURN, &timeout, NULL);
		if (count < 0 && errno != EINTR) {
			die("epoll_pwait2");
		}
		for (int i = 0; i < count; i++) {
			peer_event(load, events[i].data.ptr, events[i].events);
		}
	}
}

static void report(const struct load *load)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	double seconds = (double)(load->end - load->counted_from) / 1e9;
	const struct histogram *h = &load->latencies;
	printf("{\"answers\":%llu,\"refused\":%llu,\"errors\":%llu,\"reconnects\":%llu,"
	       "\"late\":%llu,\"checked\":%llu,\"wrong\":%llu,\"closed_idle\":%llu,"
	       "\"handshakes\":%llu,\"resumed\":%llu,"
	       "\"bytes_in\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,"
	       "\"server_cpu_seconds\":%.3f,\"cpu_seconds\":%.3f,",
	        (unsigned long long)load->answers, (unsigned long long)load->refused,
	        (unsigned long long)load->errors, (unsigned long long)load->reconnects,
	        (unsigned long long)load->late, (unsigned long long)load->checked,
	        (unsigned long long)load->wrong, (unsigned long long)load->closed_idle,
	        (unsigned long long)load->handshakes, (unsigned long long)load->resumed,
	        (unsigned long long)load->bytes_in, seconds, (double)load->answers / seconds,
	        load->server_cpu,
	        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	printf("\"latency_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
	       "\"p999\":%.1f,\"max\":%.1f}}\n",
	        h->count > 0 ? (double)h->sum / (double)h->count / 1e3 : 0.0,
	        (double)histogram_percentile(h, 0.5) / 1e3,
	        (double)histogram_percentile(h, 0.9) / 1e3,
	        (double)histogram_percentile(h, 0.99) / 1e3,
	        (double)histogram_percentile(h, 0.999) / 1e3, (double)h->maximum / 1e3);
}

/* ---- start ---- */

static uint64_t number_argument(const char *text, uint64_t maximum)
{
	uint64_t value;
	if (number_parse_u64(text, strlen(text), maximum, &value) != 0) {
		fprintf(stderr, "load: bad number: %s\n", text);
		exit(2);
	}
	return value;
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {{"address", 1, NULL, 'a'}, {"port", 1, NULL, 'p'},
	        {"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'},
	        {"requests", 1, NULL, 'n'}, {"warmup", 1, NULL, 'w'}, {"rate", 1, NULL, 'r'},
	        {"tls", 0, NULL, 't'}, {"targets", 1, NULL, 'f'}, {"target", 1, NULL, 'g'},
	        {"bodies", 1, NULL, 'b'}, {"header", 1, NULL, 'h'}, {"sources", 1, NULL, 'o'},
	        {"per-connection", 1, NULL, 'm'}, {"check-every", 1, NULL, 'k'},
	        {"resume", 0, NULL, 'u'}, {"spin", 0, NULL, 'i'}, {"cpu-of", 1, NULL, 'x'},
	        {NULL, 0, NULL, 0}};
	*options = (struct options){.address = "127.0.0.1",
	        .target = "/",
	        .connections = 1,
	        .check_every = 16,
	        .cpu_of = ""};
	buf_init(&options->headers, 16384);
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'a':
			options->address = optarg;
			break;
		case 'p':
			options->port = (uint16_t)number_argument(optarg, 65535);
			break;
		case 'c':
			options->connections = (uint32_t)number_argument(optarg, 100000);
			break;
		case 's':
			options->seconds = strtod(optarg, NULL);
			break;
		case 'n':
			options->requests = number_argument(optarg, UINT64_MAX);
			break;
		case 'w':
			options->warmup = strtod(optarg, NULL);
			break;
		case 'r':
			options->rate = strtod(optarg, NULL);
			break;
		case 't':
			options->tls = true;
			break;
		case 'f':
			options->targets_file = optarg;
			break;
		case 'g':
			options->target = optarg;
			break;
		case 'b':
			options->bodies_file = optarg;
			break;
		case 'o':
			options->sources = (uint32_t)number_argument(optarg, 60000);
			break;
		case 'm':
			options->per_connection = (uint32_t)number_argument(optarg, 1000000000);
			break;
		case 'k':
			options->check_every = (uint32_t)number_argument(optarg, 1000000000);
			break;
		case 'x':
			options->cpu_of = optarg;
			break;
		case 'u':
			options->resume = true;
			break;
		case 'i':
			options->spin = true;
			break;
		case 'h':
			buf_add_text(&options->headers, optarg);
			buf_add_literal(&options->headers, "\r\n");
			break;
		default:
			exit(2);
		}
	}
	if (options->port == 0 || options->connections == 0 || options->seconds < 0 ||
	        (options->seconds <= 0 && options->requests == 0)) {
		fprintf(stderr, "load: --port and --seconds or --requests are needed\n");
		exit(2);
	}
}

/* TLS 1.3 tickets come after the handshake; the newest serves for all connections. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct load *load = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION_free(load->session);
	load->session = session;
	return 1;
}

static void start_tls(struct load *load)
{
	load->tls = SSL_CTX_new(TLS_client_method());
	if (load->tls == NULL) {
		die("SSL_CTX_new");
	}
	SSL_CTX_set_verify(load->tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(
	        load->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(load->tls, 1);
	if (load->options.resume) {
		SSL_CTX_set_app_data(load->tls, load);
		SSL_CTX_set_session_cache_mode(
		        load->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(load->tls, keep_session);
	}
}

static void start_requests(struct load *load)
{
	struct options *options = &load->options;
	char host[80];
	snprintf(host, sizeof(host), strchr(options->address, ':') != NULL ? "[%s]:%u" : "%s:%u",
	        options->address, options->port);
	const char *headers = buf_text(&options->headers);
	if (headers == NULL) {
		errno = E2BIG;
		die("headers");
	}
	struct requests_options list = {.host = host,
	        .target = options->target,
	        .targets_file = options->targets_file,
	        .bodies_file = options->bodies_file,
	        .headers = headers};
	requests_make(&load->requests, &list);
}

int main(int argc, char **argv)
{
	static struct load load;
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1000);
	parse_options(&load.options, argc, argv);
	start_requests(&load);
	load.idle_end = &load.idle;
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.peers = mem_new(load.options.connections, sizeof(*load.peers));
	if (load.epoll < 0 || load.peers == NULL) {
		die("start");
	}
	if (load.options.rate > 0) {
		load.interval_fp = (uint64_t)(65536e9 / load.options.rate);
	}
	if (load.options.tls) {
		start_tls(&load);
	}
	for (uint32_t i = 0; i < load.options.connections; i++) {
		buf_init(&load.peers[i].body, BODY_MAX);
		peer_connect(&load, &load.peers[i]);
	}
	run(&load);
	report(&load);
	return 0;
}
