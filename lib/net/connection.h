#ifndef LIB_NET_CONNECTION_H
#define LIB_NET_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/data/address.h"
#include "lib/net/buffer_pool.h"
#include "lib/net/deadline.h"
#include "lib/net/http_parser.h"
#include "lib/net/tls.h"

/*
 * HTTP connections of one worker on one libevent loop. Everything here belongs to that worker's
 * thread.
 *
 * In the steady state a request costs one read and one write: all requests that came with one read
 * are answered, in order, into one space of the worker, and written at once. A connection borrows
 * memory only while a request is incomplete (input) or the socket is full (output); while output
 * waits, nothing more is read or answered. Every phase has an absolute deadline that single bytes
 * do not extend.
 */
struct net_loop;
struct connection;

struct net_limits {
	uint32_t handshake_ms, header_ms, body_ms, idle_ms, write_ms;
};

struct net_handlers {
	/* A complete request: add the whole answer to `out`, and return whether the connection may
	 * stay open. May not be called again for this request. */
	bool (*request)(void *context, struct connection *connection,
	        const struct http_request *request, struct buf *out);
	/* The request cannot be taken: add the answer; the connection is closed after it. */
	void (*problem)(void *context, struct connection *connection, enum http_problem problem,
	        const char *detail, struct buf *out);
	/* Just before a connection is gone. */
	void (*closed)(void *context, struct connection *connection);
};

enum connection_phase {
	CONNECTION_HANDSHAKE, /* of TLS */
	CONNECTION_IDLE, /* no byte of a request is there */
	CONNECTION_HEADER, /* part of a head is there */
	CONNECTION_BODY, /* the head is there, part of the body is not */
	CONNECTION_QUEUED, /* a large request is complete and waits for its turn */
	CONNECTION_WRITE, /* an answer waits for the socket */
	CONNECTION_DRAIN, /* the last answer is out; what the client still sends is thrown away */
	CONNECTION_PHASE_COUNT
};

struct connection {
	struct net_loop *loop;
	struct event read_event, write_event;
	struct deadline deadline;
	struct connection *next, **link; /* of the loop's list */
	struct connection *queue_next, **queue_link; /* of the loop's queue; link NULL: not in it */
	SSL *ssl; /* NULL: plain */
	int fd;
	uint8_t phase; /* enum connection_phase */
	bool reading, writing; /* which events are added */
	bool closing; /* close when the output is out */
	bool continued; /* "100 Continue" was sent for this request */
	bool tls_read_wants_write;
	uint32_t drained; /* bytes thrown away */
	char *input; /* borrowed: an incomplete request from its first byte */
	uint32_t input_length, input_capacity;
	char *output; /* borrowed: what the socket did not take */
	uint32_t output_start, output_length, output_capacity;
	struct http_parser parser;
	struct address peer;
	void *owner; /* the handlers' own: of the listener it came by */
	uint32_t flags; /* the handlers' own */
};

/* What a worker reads into, and answers into. The second is address space of which only the used
 * part is memory. */
#define NET_INPUT_SIZE (64 * 1024)
#define NET_OUTPUT_SIZE BUFFER_SIZE_MAX
/* Above this much answered and unsent, no further pipelined request is answered. */
#define NET_OUTPUT_PAUSE (64 * 1024)
/* A request with a body above this is large: one of them is answered per turn of the loop, so that
 * small requests never wait behind many large ones. */
#define NET_LARGE_BODY (2 * 1024)
/* Steps of TLS handshakes per turn: each takes as long as a hundred small requests. */
#define NET_HANDSHAKES 2

struct net_loop {
	struct event_base *base;
	const struct net_handlers *handlers;
	void *context;
	uint32_t phase_ms[CONNECTION_PHASE_COUNT]; /* how long each may take */
	int64_t now; /* ms, boot clock: net_loop_now */
	bool now_known;
	bool stopping; /* answers say "close"; idle connections are closed */
	struct deadline_wheel deadlines;
	struct buffer_pool pool;
	struct connection *connections;
	struct connection *spare; /* connection structs to use again */
	struct connection *queue, **queue_end; /* large requests, first come first served */
	uint32_t handshakes_left; /* of this turn */
	bool large_done; /* this turn has answered its large request */
	size_t count, spare_count;
	char *input_space, *output_space;
	struct buf output;
	uint64_t handshakes, resumptions;
};

/* A base without locks, as only one thread uses it. NULL on failure. */
struct event_base *net_base_new(void) SK_MUST_USE;

/* `pool_maximum` bounds the memory borrowed by all connections. -ENOMEM. */
int net_loop_init(struct net_loop *loop, struct event_base *base,
        const struct net_handlers *handlers, void *context, size_t pool_maximum) SK_MUST_USE;

/* For phases that begin from now on. */
void net_loop_set_limits(struct net_loop *loop, const struct net_limits *limits);

/* Closes every connection and frees everything but the base. */
void net_loop_release(struct net_loop *loop);

/* The time, read at most once per turn of the loop: net_loop_turn forgets it. */
int64_t net_loop_read_clock(struct net_loop *loop);
static inline int64_t net_loop_now(struct net_loop *loop)
{
	return SK_LIKELY(loop->now_known) ? loop->now : net_loop_read_clock(loop);
}

/* One turn: waits for events and handles them. 0, or negative when the base failed. */
int net_loop_turn(struct net_loop *loop) SK_MUST_USE;

/* Ends what is past its deadline; call it every DEADLINE_TICK ms or somewhat less often. */
void net_loop_check_deadlines(struct net_loop *loop);

/* Takes over an accepted nonblocking socket. `tls` NULL: plain. On failure the socket is closed and
 * NULL returned. */
struct connection *connection_open(
        struct net_loop *loop, int fd, const struct address *peer, SSL_CTX *tls, void *owner);

/* Closes connections that have no request in work, and lets the others end with their answer. */
void net_loop_stop(struct net_loop *loop);

#endif
