#ifndef QUERYD_WORKER_H
#define QUERYD_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/link/keeper_control.h"
#include "lib/net/connection.h"
#include "queryd/counters.h"
#include "queryd/event_ring.h"
#include "queryd/generation.h"
#include "queryd/query.h"

/*
 * The worker threads. Each has its own event loop, connections, counters and event ring; what they
 * share is immutable (the generation), atomic (connection count, generation numbers) or theirs by
 * turns: the control thread writes a worker's `order`, wakes it, and waits until it is carried out.
 */
#define LISTENERS_MAX 32

struct listener {
	int fd;
	uint8_t role; /* enum keeper_role */
};

struct listeners {
	unsigned count;
	struct listener items[LISTENERS_MAX];
};

/* What the control thread wants a worker to change; NULL and false: leave it as it is. */
struct worker_order {
	const struct generation *generation;
	SSL_CTX *tls; /* becomes the worker's */
	const struct listeners *listeners; /* read only while the order is carried out */
	bool stop;
};

struct server;

struct worker_listener {
	struct event event;
	struct worker *worker;
	int fd;
	bool added, tls;
	enum service service;
};

struct worker {
	struct server *server;
	unsigned index;
	pthread_t thread;
	struct event_base *base;
	struct net_loop loop;
	struct event wake_event, tick_event;
	int wake_fd;
	_Atomic bool order_given;
	struct worker_order order;
	struct worker_listener listeners[LISTENERS_MAX];
	unsigned listener_count;
	bool accept_paused; /* until the next tick, or until another worker has more to do */
	_Atomic bool accept_wanted; /* another worker asks this one to accept again */
	_Atomic uint32_t open_count; /* its connections, for the others to see */
	const struct generation *generation;
	uint32_t epoch; /* counts generations: clients are judged again after each */
	SSL_CTX *tls;
	struct query query;
	struct counters counters;
	struct event_ring events;
	int64_t wall_offset; /* wall clock − boot clock, ms */
	int64_t next_report, next_send; /* boot clock, ms */
	int64_t date_second;
	int64_t stop_at; /* boot clock; 0: not stopping */
	char date[ANSWER_DATE_SIZE];
	_Atomic uint64_t active_generation;
	_Atomic uint64_t handshakes, resumptions;
	bool failed;
};

/* What all threads know. */
struct server {
	struct worker *workers[WORKERS_MAX];
	unsigned worker_count;
	const _Atomic uint64_t *generations[WORKERS_MAX];
	struct query_health health;
	int link_fd;
	int done_fd; /* eventfd: a worker counts it up for each order carried out */
	_Atomic uint32_t connection_count;
};

/* Makes a worker; it does nothing before worker_start. */
int worker_new(struct server *server, unsigned index, const uint64_t secrets[2],
        struct worker **ret_worker) SK_MUST_USE;

/* Starts its thread, with all signals blocked. 0 or -errno. */
int worker_start(struct worker *worker) SK_MUST_USE;

/* For the control thread: hands over an order. The worker adds 1 to server->done_fd when it is
 * carried out; before that no second order may be given. */
void worker_give_order(struct worker *worker, const struct worker_order *order);

/* Waits for the end of the thread (after an order to stop) and frees everything. */
void worker_join(struct worker *worker);

#endif
