#include "lib/net/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#define SPARE_MAX 4096
/* After the last answer: how long and how much a client may go on sending. Without this its system
 * would throw our answer away when it sees our socket reset. */
#define DRAIN_MS 2000
#define DRAIN_BYTES (4 * 1024 * 1024)
/* The largest request: head, body, and the empty line before it. */
#define REQUEST_MAX (HTTP_HEAD_MAX + LIMIT_HTTP_BODY + 1024)
/* What the system may hold of answers (it takes this twice): a usual bulk answer, not more. Clients
 * that do not read would otherwise have it keep megabytes each. */
#define SEND_BUFFER (128 * 1024)

/* ---- the loop ---- */

int64_t net_loop_read_clock(struct net_loop *loop)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	loop->now = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	loop->now_known = true;
	return loop->now;
}

struct event_base *net_base_new(void)
{
	struct event_config *config = event_config_new();
	if (config == NULL) {
		return NULL;
	}
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int net_loop_init(struct net_loop *loop, struct event_base *base,
        const struct net_handlers *handlers, void *context, size_t pool_maximum)
{
	*loop = (struct net_loop){.base = base, .handlers = handlers, .context = context};
	static const struct net_limits limits = {10000, 10000, 30000, 75000, 30000};
	net_loop_set_limits(loop, &limits);
	loop->queue_end = &loop->queue;
	buffer_pool_init(&loop->pool, pool_maximum);
	loop->input_space = mem_map_large(NET_INPUT_SIZE);
	loop->output_space = mem_map_large(NET_OUTPUT_SIZE);
	if (loop->input_space == NULL || loop->output_space == NULL) {
		mem_unmap_large(loop->input_space, NET_INPUT_SIZE);
		mem_unmap_large(loop->output_space, NET_OUTPUT_SIZE);
		return -ENOMEM;
	}
	buf_init_fixed(&loop->output, loop->output_space, NET_OUTPUT_SIZE);
	deadline_wheel_init(&loop->deadlines, net_loop_read_clock(loop));
	return 0;
}

void net_loop_set_limits(struct net_loop *loop, const struct net_limits *limits)
{
	loop->phase_ms[CONNECTION_HANDSHAKE] = limits->handshake_ms;
	loop->phase_ms[CONNECTION_IDLE] = limits->idle_ms;
	loop->phase_ms[CONNECTION_HEADER] = limits->header_ms;
	loop->phase_ms[CONNECTION_BODY] = limits->body_ms;
	loop->phase_ms[CONNECTION_QUEUED] = limits->write_ms;
	loop->phase_ms[CONNECTION_WRITE] = limits->write_ms;
	loop->phase_ms[CONNECTION_DRAIN] = DRAIN_MS;
}

/* ---- memory ---- */

static void release_input(struct connection *connection)
{
	buffer_pool_give(&connection->loop->pool, connection->input, connection->input_capacity);
	connection->input = NULL;
	connection->input_length = 0;
	connection->input_capacity = 0;
}

static void release_output(struct connection *connection)
{
	buffer_pool_give(&connection->loop->pool, connection->output, connection->output_capacity);
	connection->output = NULL;
	connection->output_start = 0;
	connection->output_length = 0;
	connection->output_capacity = 0;
}

/* Makes connection->input hold `length` bytes of `data` (which may lie in it) and room for more. */
static int keep_input(struct connection *connection, const char *data, size_t length)
{
	size_t need = length + 1;
	if (connection->input != NULL && need <= connection->input_capacity) {
		if (data != connection->input) {
			memmove(connection->input, data, length);
		}
		connection->input_length = (uint32_t)length;
		return 0;
	}
	if (length >= REQUEST_MAX) {
		return SK_E_LIMIT;
	}
	size_t capacity;
	char *buffer =
	        buffer_pool_take(&connection->loop->pool, BUFFER_FOR_REQUEST, need, &capacity);
	if (buffer == NULL) {
		return -ENOMEM;
	}
	memcpy(buffer, data, length);
	release_input(connection);
	connection->input = buffer;
	connection->input_length = (uint32_t)length;
	connection->input_capacity = (uint32_t)capacity;
	return 0;
}

/* ---- phases and deadlines ---- */

static void enter_phase(struct connection *connection, enum connection_phase phase)
{
	struct net_loop *loop = connection->loop;
	connection->phase = (uint8_t)phase;
	deadline_set(&loop->deadlines, &connection->deadline,
	        net_loop_now(loop) + loop->phase_ms[phase]);
}

static void queue_add(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	if (connection->queue_link != NULL) {
		return;
	}
	connection->queue_next = NULL;
	connection->queue_link = loop->queue_end;
	*loop->queue_end = connection;
	loop->queue_end = &connection->queue_next;
}

static void queue_remove(struct connection *connection)
{
	if (connection->queue_link == NULL) {
		return;
	}
	*connection->queue_link = connection->queue_next;
	if (connection->queue_next != NULL) {
		connection->queue_next->queue_link = connection->queue_link;
	} else {
		connection->loop->queue_end = connection->queue_link;
	}
	connection->queue_link = NULL;
}

static void want_read(struct connection *connection, bool wanted)
{
	if (connection->reading == wanted) {
		return;
	}
	connection->reading = wanted;
	if (wanted) {
		event_add(&connection->read_event, NULL);
	} else {
		event_del(&connection->read_event);
	}
}

static void want_write(struct connection *connection, bool wanted)
{
	if (connection->writing == wanted) {
		return;
	}
	connection->writing = wanted;
	if (wanted) {
		event_add(&connection->write_event, NULL);
	} else {
		event_del(&connection->write_event);
	}
}

/* ---- the end ---- */

static void connection_close(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	loop->handlers->closed(loop->context, connection);
	queue_remove(connection);
	want_read(connection, false);
	want_write(connection, false);
	deadline_clear(&connection->deadline);
	release_input(connection);
	release_output(connection);
	if (connection->ssl != NULL) {
		if (connection->phase != CONNECTION_DRAIN) {
			tls_say_goodbye(connection->ssl);
		}
		SSL_free(connection->ssl);
	}
	close(connection->fd);
	*connection->link = connection->next;
	if (connection->next != NULL) {
		connection->next->link = connection->link;
	}
	loop->count--;
	if (loop->spare_count < SPARE_MAX) {
		connection->next = loop->spare;
		loop->spare = connection;
		loop->spare_count++;
	} else {
		mem_free(connection);
	}
}

/* The last answer is out: says so, and waits for the client to see it. False: it is gone. */
static bool start_drain(struct connection *connection)
{
	release_input(connection);
	if (connection->ssl != NULL) {
		tls_say_goodbye(connection->ssl);
	}
	if (shutdown(connection->fd, SHUT_WR) != 0) {
		connection_close(connection);
		return false;
	}
	want_write(connection, false);
	enter_phase(connection, CONNECTION_DRAIN);
	want_read(connection, true);
	return true;
}

static void drain(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	ssize_t got = recv(connection->fd, loop->input_space, NET_INPUT_SIZE, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got > 0) {
		connection->drained += (uint32_t)got;
	}
	if (got <= 0 || connection->drained > DRAIN_BYTES) {
		connection_close(connection);
	}
}

/* ---- writing ---- */

/* Bytes taken, 0 when the socket is full, negative when it is broken. */
static ssize_t write_some(struct connection *connection, const char *data, size_t length)
{
	if (connection->ssl != NULL) {
		ssize_t sent = tls_write(connection->ssl, data, length);
		return sent == TLS_WANTS_WRITE || sent == TLS_WANTS_READ ? 0 : sent;
	}
	ssize_t sent = send(connection->fd, data, length, MSG_NOSIGNAL);
	return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* As much as goes; the rest's start in *from. Negative when the connection is broken. */
static int write_all(struct connection *connection, const char *data, size_t length, size_t *from)
{
	while (*from < length) {
		ssize_t sent = write_some(connection, data + *from, length - *from);
		if (sent < 0) {
			return SK_E_PROTOCOL;
		}
		if (sent == 0) {
			break;
		}
		*from += (size_t)sent;
	}
	return 0;
}

/* Sends what the worker's output space has. 0: all is out; 1: the socket is full, the rest is kept
 * and reading stopped; negative: the connection is broken. */
static int flush_output(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	struct buf *output = &loop->output;
	size_t sent = 0;
	int status = write_all(connection, output->data, output->length, &sent);
	size_t left = output->length - sent;
	if (status != 0 || left == 0) {
		buf_clear(output);
		return status;
	}
	size_t capacity;
	connection->output = buffer_pool_take(&loop->pool, BUFFER_FOR_ANSWER, left, &capacity);
	if (connection->output == NULL) {
		buf_clear(output);
		return -ENOMEM;
	}
	memcpy(connection->output, output->data + sent, left);
	connection->output_start = 0;
	connection->output_length = (uint32_t)left;
	connection->output_capacity = (uint32_t)capacity;
	buf_clear(output);
	want_read(connection, false);
	want_write(connection, true);
	enter_phase(connection, CONNECTION_WRITE);
	return 1;
}

/* ---- requests ---- */

static void report_problem(
        struct connection *connection, enum http_problem problem, const char *detail)
{
	struct net_loop *loop = connection->loop;
	loop->handlers->problem(loop->context, connection, problem, detail, &loop->output);
	connection->closing = true;
}

/* Answers complete requests from the start of `data`; returns how many bytes they were. */
static size_t answer_requests(struct connection *connection, char *data, size_t length)
{
	struct net_loop *loop = connection->loop;
	struct http_parser *parser = &connection->parser;
	size_t used = 0;
	while (used < length && loop->output.length < NET_OUTPUT_PAUSE && !connection->closing) {
		enum http_progress progress = http_parser_run(parser, data + used, length - used);
		if (progress == HTTP_MORE) {
			break;
		}
		if (progress == HTTP_REFUSED) {
			report_problem(
			        connection, (enum http_problem)parser->problem, parser->detail);
			break;
		}
		if (SK_UNLIKELY(parser->content_length > NET_LARGE_BODY)) {
			if (loop->large_done) {
				queue_add(connection); /* its answer waits for net_loop_turn */
				break;
			}
			loop->large_done = true;
		}
		struct http_request request;
		http_parser_request(parser, data + used, &request);
		request.keep_alive = request.keep_alive && !loop->stopping;
		if (!loop->handlers->request(loop->context, connection, &request, &loop->output)) {
			connection->closing = true;
		}
		used += request.length;
		connection->continued = false;
		http_parser_reset(parser);
	}
	return used;
}

/* Keeps what is incomplete; its deadline runs from its first byte. */
static int keep_rest(struct connection *connection, const char *rest, size_t length)
{
	bool fresh = connection->phase != CONNECTION_HEADER && connection->phase != CONNECTION_BODY;
	int status = keep_input(connection, rest, length);
	if (status != 0) {
		return status;
	}
	bool in_body = http_parser_in_body(&connection->parser);
	if (connection->queue_link != NULL) {
		enter_phase(connection, CONNECTION_QUEUED);
	} else if (in_body && connection->phase != CONNECTION_BODY) {
		enter_phase(connection, CONNECTION_BODY);
		if (connection->parser.wants_continue && !connection->continued) {
			connection->continued = true;
			buf_add_literal(&connection->loop->output, "HTTP/1.1 100 Continue\r\n\r\n");
		}
	} else if (!in_body && fresh) {
		enter_phase(connection, CONNECTION_HEADER);
	}
	return 0;
}

/* What became of a connection. */
enum outcome {
	OUTCOME_GONE, /* it was closed and must not be touched any more */
	OUTCOME_WAIT, /* it waits for an event */
	OUTCOME_MORE /* there is more to do at once */
};

/* Sends what was answered and decides how the connection goes on. */
static enum outcome finish_round(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	bool paused = loop->output.length >= NET_OUTPUT_PAUSE && connection->input != NULL;
	if (loop->output.length > 0) {
		int status = flush_output(connection);
		if (status < 0) {
			connection_close(connection);
			return OUTCOME_GONE;
		}
		if (status > 0) {
			return OUTCOME_WAIT;
		}
	}
	if (connection->closing || (loop->stopping && connection->input == NULL)) {
		return start_drain(connection) ? OUTCOME_WAIT : OUTCOME_GONE;
	}
	if (connection->phase == CONNECTION_IDLE) {
		enter_phase(connection, CONNECTION_IDLE);
	}
	return paused ? OUTCOME_MORE : OUTCOME_WAIT;
}

/* Answers what `data` holds and keeps what is incomplete. It lies in the worker's input space or in
 * connection->input. Returns OUTCOME_GONE or OUTCOME_WAIT. */
static enum outcome process(struct connection *connection, char *data, size_t length)
{
	enum outcome outcome;
	do {
		size_t used = answer_requests(connection, data, length);
		if (used > 0) {
			connection->phase = CONNECTION_IDLE; /* its deadline: finish_round */
		}
		if (connection->closing || used == length) {
			release_input(connection);
		} else if (keep_rest(connection, data + used, length - used) != 0) {
			queue_remove(connection);
			report_problem(connection, HTTP_PROBLEM_BUSY, "too much memory is in use");
		}
		outcome = finish_round(connection);
		if (outcome == OUTCOME_MORE) {
			data = connection->input;
			length = connection->input_length;
		}
	} while (outcome == OUTCOME_MORE);
	return outcome;
}

/* Answers a problem that is not in what was read. */
static enum outcome end_with_problem(
        struct connection *connection, enum http_problem problem, const char *detail)
{
	report_problem(connection, problem, detail);
	return process(connection, NULL, 0);
}

/* ---- events ---- */

/* Reads once. Bytes, 0 for "later", negative at the end of the stream or on errors. */
static ssize_t read_some(struct connection *connection, char *space, size_t size)
{
	if (connection->ssl == NULL) {
		ssize_t got = recv(connection->fd, space, size, 0);
		if (got > 0) {
			return got;
		}
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	}
	ssize_t got = tls_read(connection->ssl, space, size);
	if (got == TLS_WANTS_WRITE) {
		connection->tls_read_wants_write = true;
		want_write(connection, true);
		return 0;
	}
	return got == TLS_WANTS_READ ? 0 : got;
}

/* A place to read to: behind what is kept, or the worker's space. */
static int input_place(struct connection *connection, char **ret_space, size_t *ret_size)
{
	struct net_loop *loop = connection->loop;
	if (connection->input == NULL) {
		*ret_space = loop->input_space;
		*ret_size = NET_INPUT_SIZE;
		return 0;
	}
	if (connection->input_length == connection->input_capacity) {
		int status = keep_input(connection, connection->input, connection->input_length);
		if (status != 0) {
			return status;
		}
	}
	*ret_space = connection->input + connection->input_length;
	*ret_size = connection->input_capacity - connection->input_length;
	return 0;
}

/* Reads once and answers. OUTCOME_MORE: something was read, and the connection still reads. */
static enum outcome read_and_answer(struct connection *connection)
{
	char *space;
	size_t size;
	if (input_place(connection, &space, &size) != 0) {
		return end_with_problem(connection, HTTP_PROBLEM_BUSY, "too much memory is in use");
	}
	ssize_t got = read_some(connection, space, size);
	if (got < 0) {
		connection_close(connection);
		return OUTCOME_GONE;
	}
	if (got == 0) {
		return OUTCOME_WAIT;
	}
	size_t length = (size_t)got;
	if (connection->input != NULL) {
		space = connection->input;
		connection->input_length += (uint32_t)got;
		length = connection->input_length;
	}
	if (process(connection, space, length) == OUTCOME_GONE) {
		return OUTCOME_GONE;
	}
	return connection->reading && connection->phase != CONNECTION_DRAIN ? OUTCOME_MORE
	                                                                    : OUTCOME_WAIT;
}

static void on_readable(struct connection *connection)
{
	if (connection->phase == CONNECTION_DRAIN) {
		drain(connection);
		return;
	}
	if (connection->phase == CONNECTION_QUEUED) {
		want_read(connection, false); /* until what it has asked is answered */
		return;
	}
	/* What OpenSSL holds does not show in epoll: it is read until nothing is left. */
	while (read_and_answer(connection) == OUTCOME_MORE && connection->ssl != NULL &&
	        SSL_has_pending(connection->ssl) == 1) {
	}
}

static void on_handshake(struct connection *connection)
{
	struct net_loop *loop = connection->loop;
	if (loop->handshakes_left == 0) {
		return; /* the event comes again in the next turn */
	}
	loop->handshakes_left--;
	int status = tls_handshake(connection->ssl);
	if (status == TLS_WANTS_READ || status == TLS_WANTS_WRITE) {
		want_write(connection, status == TLS_WANTS_WRITE);
		return;
	}
	if (status != 0) {
		connection_close(connection);
		return;
	}
	loop->handshakes++;
	loop->resumptions += SSL_session_reused(connection->ssl) == 1;
	want_write(connection, false);
	enter_phase(connection, CONNECTION_IDLE);
	if (loop->stopping) {
		connection_close(connection);
		return;
	}
	on_readable(connection);
}

static void on_read_event(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	(void)fd;
	(void)what;
	if (connection->phase == CONNECTION_HANDSHAKE) {
		on_handshake(connection);
	} else {
		on_readable(connection);
	}
}

/* All that waited is out: goes on with what was kept and what came meanwhile. */
static void on_output_done(struct connection *connection)
{
	release_output(connection);
	want_write(connection, false);
	want_read(connection, true);
	connection->phase = CONNECTION_IDLE;
	if (process(connection, connection->input, connection->input_length) != OUTCOME_GONE &&
	        connection->ssl != NULL && connection->reading) {
		on_readable(connection);
	}
}

static void on_write_event(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	(void)fd;
	(void)what;
	if (connection->phase == CONNECTION_HANDSHAKE) {
		on_handshake(connection);
		return;
	}
	if (connection->output == NULL) {
		want_write(connection, false);
		if (connection->tls_read_wants_write) {
			connection->tls_read_wants_write = false;
			on_readable(connection);
		}
		return;
	}
	size_t from = connection->output_start;
	if (write_all(connection, connection->output, connection->output_length, &from) != 0) {
		connection_close(connection);
		return;
	}
	connection->output_start = (uint32_t)from;
	if (from == connection->output_length) {
		on_output_done(connection);
	}
}

/* ---- turns ---- */

/* Answers the large request that has waited longest. */
static void answer_queued(struct net_loop *loop)
{
	struct connection *connection = loop->queue;
	queue_remove(connection);
	if (connection->phase != CONNECTION_QUEUED) {
		return; /* an answer before it waits for the socket: on_output_done goes on */
	}
	loop->large_done = false;
	connection->phase = CONNECTION_BODY;
	want_read(connection, true);
	if (process(connection, connection->input, connection->input_length) != OUTCOME_GONE &&
	        connection->ssl != NULL && connection->reading) {
		on_readable(connection);
	}
}

int net_loop_turn(struct net_loop *loop)
{
	int flags = EVLOOP_ONCE | (loop->queue != NULL ? EVLOOP_NONBLOCK : 0);
	loop->now_known = false;
	loop->handshakes_left = NET_HANDSHAKES;
	loop->large_done = loop->queue != NULL; /* this turn's is one of the queue */
	if (event_base_loop(loop->base, flags) < 0) {
		return SK_E_INTERNAL;
	}
	if (loop->queue != NULL) {
		answer_queued(loop);
	}
	return 0;
}

/* ---- deadlines ---- */

/* A client that does not read would leave what is unsent to the kernel for many minutes after
 * close(): ends with a reset instead. */
static void forget_unsent(const struct connection *connection)
{
	const struct linger linger = {.l_onoff = 1};
	(void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void on_deadline(void *context, struct deadline *deadline)
{
	struct connection *connection =
	        (struct connection *)((char *)deadline - offsetof(struct connection, deadline));
	(void)context;
	if (connection->phase == CONNECTION_HEADER) {
		end_with_problem(
		        connection, HTTP_PROBLEM_TIMEOUT, "the header did not come in time");
	} else if (connection->phase == CONNECTION_BODY) {
		end_with_problem(connection, HTTP_PROBLEM_TIMEOUT, "the body did not come in time");
	} else if (connection->phase == CONNECTION_QUEUED) {
		queue_remove(connection);
		end_with_problem(connection, HTTP_PROBLEM_BUSY, "too many large requests wait");
	} else {
		if (connection->phase == CONNECTION_WRITE ||
		        connection->phase == CONNECTION_DRAIN) {
			forget_unsent(connection);
		}
		connection_close(connection);
	}
}

void net_loop_check_deadlines(struct net_loop *loop)
{
	deadline_wheel_run(&loop->deadlines, net_loop_now(loop), on_deadline, loop);
}

/* ---- start and stop ---- */

struct connection *connection_open(
        struct net_loop *loop, int fd, const struct address *peer, SSL_CTX *tls, void *owner)
{
	struct connection *connection = loop->spare;
	if (connection != NULL) {
		loop->spare = connection->next;
		loop->spare_count--;
		memset(connection, 0, sizeof(*connection));
	} else {
		connection = mem_new(1, sizeof(*connection));
	}
	SSL *ssl = connection != NULL && tls != NULL ? tls_accept(tls, fd) : NULL;
	if (connection == NULL || (tls != NULL && ssl == NULL)) {
		mem_free(connection);
		close(fd);
		return NULL;
	}
	connection->loop = loop;
	connection->fd = fd;
	connection->ssl = ssl;
	connection->peer = *peer;
	connection->owner = owner;
	http_parser_reset(&connection->parser);
	connection->next = loop->connections;
	connection->link = &loop->connections;
	if (loop->connections != NULL) {
		loop->connections->link = &connection->next;
	}
	loop->connections = connection;
	loop->count++;
	event_assign(&connection->read_event, loop->base, fd, EV_READ | EV_PERSIST, on_read_event,
	        connection);
	event_assign(&connection->write_event, loop->base, fd, EV_WRITE | EV_PERSIST,
	        on_write_event, connection);
	int size = SEND_BUFFER;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	enter_phase(connection, ssl != NULL ? CONNECTION_HANDSHAKE : CONNECTION_IDLE);
	want_read(connection, true);
	return connection;
}

void net_loop_stop(struct net_loop *loop)
{
	loop->stopping = true;
	for (struct connection *connection = loop->connections, *next; connection != NULL;
	        connection = next) {
		next = connection->next;
		if (connection->phase == CONNECTION_IDLE ||
		        connection->phase == CONNECTION_HANDSHAKE) {
			connection_close(connection);
		} else {
			connection->closing =
			        connection->closing || connection->phase == CONNECTION_WRITE;
		}
	}
}

void net_loop_release(struct net_loop *loop)
{
	while (loop->connections != NULL) {
		connection_close(loop->connections);
	}
	while (loop->spare != NULL) {
		struct connection *connection = loop->spare;
		loop->spare = connection->next;
		mem_free(connection);
	}
	buffer_pool_release(&loop->pool);
	mem_unmap_large(loop->input_space, NET_INPUT_SIZE);
	mem_unmap_large(loop->output_space, NET_OUTPUT_SIZE);
}
