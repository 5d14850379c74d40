/*
 * A load generator for the benches: a fixed number of keep-alive connections, one thread, epoll.
 *
 *   load --port N [--address A] [--connections N] [--seconds S] [--requests N] [--warmup S]
 *        [--rate PER_SECOND] [--tls] [--targets FILE | --target T] [--body FILE] [--header LINE]…
 *
 * Closed loop (no --rate): every connection sends its next request when it has its answer. Open
 * loop (--rate): requests fall due at an even pace, whether or not answers have come; a latency is
 * counted from the moment the request was due, so a server that stalls cannot hide it. No
 * pipelining. The result is one JSON object on standard output.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "tests/bench/histogram.h"

#define TARGETS_FILE_MAX ((size_t)1 << 30)
#define REQUESTS_TEXT_MAX ((size_t)2 << 30)
#define READ_SIZE (256 * 1024)
#define HEAD_MAX 2048
#define EVENTS_PER_TURN 256

struct options {
	const char *address, *targets_file, *target, *body_file;
	uint16_t port;
	uint32_t connections;
	double seconds, warmup, rate;
	uint64_t requests;
	bool tls;
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
	bool in_body, ok;
	struct peer *next_idle;
	char head[HEAD_MAX];
};

struct load {
	struct options options;
	int epoll;
	SSL_CTX *tls;
	struct peer *peers;
	struct peer *idle; /* open loop: ready to send, last in first out */
	struct buf text; /* all requests one behind the other */
	size_t *starts; /* of request i; starts[request_count] is the end */
	size_t request_count, next_request;
	uint64_t start, counted_from, end, next_due, interval_fp; /* interval in 2^-16 ns */
	uint64_t due_fp;
	uint64_t answers, refused, errors, reconnects, bytes_in, sent, late;
	bool counting, stopping;
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

/* ---- the requests ---- */

static void add_request(
        struct load *load, const char *target, size_t length, const char *body, size_t body_length)
{
	const struct options *options = &load->options;
	struct buf *text = &load->text;
	load->starts[load->request_count++] = text->length;
	buf_add_text(text, body != NULL ? "POST " : "GET ");
	buf_add(text, target, length);
	buf_add_format(text, " HTTP/1.1\r\nHost: %s:%u\r\n", options->address, options->port);
	buf_add(text, options->headers.data, options->headers.length);
	if (body != NULL) {
		buf_add_format(text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		        body_length);
	}
	buf_add_literal(text, "\r\n");
	if (body != NULL) {
		buf_add(text, body, body_length);
	}
	if (buf_status(text) != 0) {
		errno = EFBIG;
		die("requests");
	}
}

static void read_whole(const char *path, char **ret_data, size_t *ret_length)
{
	int status = file_read(path, TARGETS_FILE_MAX, ret_data, ret_length);
	if (status != 0) {
		fprintf(stderr, "load: %s: %s\n", path, sk_strerror(status));
		exit(1);
	}
}

static void make_requests(struct load *load)
{
	const struct options *options = &load->options;
	char *targets = NULL, *body = NULL;
	size_t targets_length = 0, body_length = 0, lines = 1;
	if (options->body_file != NULL) {
		read_whole(options->body_file, &body, &body_length);
	}
	if (options->targets_file != NULL) {
		read_whole(options->targets_file, &targets, &targets_length);
	}
	for (size_t i = 0; i < targets_length; i++) {
		lines += targets[i] == '\n';
	}
	load->starts = mem_new(lines + 2, sizeof(*load->starts));
	if (load->starts == NULL) {
		die("requests");
	}
	buf_init(&load->text, REQUESTS_TEXT_MAX);
	if (targets == NULL) {
		add_request(load, options->target, strlen(options->target), body, body_length);
	}
	for (size_t at = 0; at < targets_length;) {
		const char *line = targets + at;
		const char *stop = memchr(line, '\n', targets_length - at);
		size_t length = stop != NULL ? (size_t)(stop - line) : targets_length - at;
		if (length > 0) {
			add_request(load, line, length, body, body_length);
		}
		at += length + 1;
	}
	if (load->request_count == 0) {
		errno = ENODATA;
		die("targets");
	}
	load->starts[load->request_count] = load->text.length;
	mem_free(targets);
	mem_free(body);
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
	int one = 1;
	if (peer->fd < 0 ||
	        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
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
	}
	watch(load, peer, true, EPOLL_CTL_ADD);
}

static void peer_reconnect(struct load *load, struct peer *peer)
{
	SSL_free(peer->ssl);
	peer->ssl = NULL;
	close(peer->fd);
	peer->head_length = 0;
	peer->in_body = false;
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
	size_t i = load->next_request;
	load->next_request = i + 1 < load->request_count ? i + 1 : 0;
	peer->out = load->text.data + load->starts[i];
	peer->out_left = load->starts[i + 1] - load->starts[i];
	peer->due = due;
	peer->state = PEER_SENDING;
	peer->head_length = 0;
	peer->in_body = false;
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
		peer->next_idle = load->idle;
		load->idle = peer;
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

static void finish_answer(struct load *load, struct peer *peer)
{
	if (load->counting) {
		load->answers++;
		load->refused += !peer->ok;
		histogram_add(&load->latencies, now_ns() - peer->due);
	}
	peer_ready(load, peer);
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
	peer->body_left -= length;
	if (peer->body_left == 0) {
		finish_answer(load, peer);
	}
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
				load->errors += load->counting;
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
			return;
		}
		uint64_t wait = 10000000;
		if (load->options.rate > 0) {
			uint64_t due = send_due(load, now);
			wait = due < wait ? due : wait;
		}
		struct timespec timeout = {.tv_nsec = (long)wait};
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
	       "\"late\":%llu,\"bytes_in\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,"
	       "\"cpu_seconds\":%.3f,",
	        (unsigned long long)load->answers, (unsigned long long)load->refused,
	        (unsigned long long)load->errors, (unsigned long long)load->reconnects,
	        (unsigned long long)load->late, (unsigned long long)load->bytes_in, seconds,
	        (double)load->answers / seconds,
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
	        {"body", 1, NULL, 'b'}, {"header", 1, NULL, 'h'}, {NULL, 0, NULL, 0}};
	*options = (struct options){
	        .address = "127.0.0.1", .target = "/", .connections = 1, .seconds = 0};
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
			options->body_file = optarg;
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

int main(int argc, char **argv)
{
	static struct load load;
	signal(SIGPIPE, SIG_IGN);
	parse_options(&load.options, argc, argv);
	make_requests(&load);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.peers = mem_new(load.options.connections, sizeof(*load.peers));
	if (load.epoll < 0 || load.peers == NULL) {
		die("start");
	}
	if (load.options.rate > 0) {
		load.interval_fp = (uint64_t)(65536e9 / load.options.rate);
	}
	if (load.options.tls) {
		load.tls = SSL_CTX_new(TLS_client_method());
		if (load.tls == NULL) {
			die("SSL_CTX_new");
		}
		SSL_CTX_set_verify(load.tls, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_mode(load.tls,
		        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_read_ahead(load.tls, 1);
	}
	for (uint32_t i = 0; i < load.options.connections; i++) {
		peer_connect(&load, &load.peers[i]);
	}
	run(&load);
	report(&load);
	return 0;
}
