#include "queryd/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"

/* Per turn, so that the others get their share and open connections are served in between. */
#define ACCEPTS_PER_TURN 8
#define TICK_MS DEADLINE_TICK
/* What all connections of a worker may borrow: the unread bulk answers of some 1,500 clients, and
 * as many incomplete requests. Usually next to nothing of it is in use. */
#define POOL_MAXIMUM ((size_t)256 << 20)
/* Beyond the maximum so many more are taken, to be told that the server is busy. */
#define BUSY_CONNECTIONS 64
#define STOP_MS 5000

/* Of connection->flags; the upper bits are the epoch they were found in. */
enum client_flags {
	CLIENT_WEB = 1u << 0,
	CLIENT_ALLOWED = 1u << 1,
	CLIENT_EXPLAINS = 1u << 2,
	CLIENT_BUSY = 1u << 3, /* it came when there was no place */
	CLIENT_EPOCH = 1u << 8
};

/* ---- who may ask ---- */

static bool in_ranges(
        const struct address *address, const struct link_range *ranges, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		if (ranges[i].first.family == address->family &&
		        address_compare(&ranges[i].first, address) <= 0 &&
		        address_compare(address, &ranges[i].last) <= 0) {
			return true;
		}
	}
	return false;
}

static bool is_loopback(const struct address *address)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	return address->family == ADDRESS_V4
	               ? address->bytes[0] == 127
	               : memcmp(address->bytes, loopback6, sizeof(loopback6)) == 0;
}

/* Settings change while connections are open, so this is found anew for each generation. */
static void judge_client(struct worker *worker, struct connection *connection)
{
	const struct link_settings *settings = &worker->generation->settings;
	const struct address *peer = &connection->peer;
	uint32_t flags = connection->flags & (CLIENT_WEB | CLIENT_BUSY);
	flags |= worker->epoch * CLIENT_EPOCH;
	if (in_ranges(peer, settings->allow, settings->allow_count)) {
		flags |= CLIENT_ALLOWED;
	}
	if (is_loopback(peer) || in_ranges(peer, settings->explain, settings->explain_count)) {
		flags |= CLIENT_EXPLAINS;
	}
	connection->flags = flags;
}

static struct query_client client_of(struct worker *worker, struct connection *connection)
{
	if (SK_UNLIKELY(connection->flags / CLIENT_EPOCH != worker->epoch)) {
		judge_client(worker, connection);
	}
	uint32_t flags = connection->flags;
	return (struct query_client){.address = connection->peer,
	        .service = (flags & CLIENT_WEB) != 0 ? SERVICE_WEB : SERVICE_FILE,
	        .allowed = (flags & CLIENT_ALLOWED) != 0,
	        .explains = (flags & CLIENT_EXPLAINS) != 0};
}

/* ---- what connections report ---- */

/* What does not change within a turn of the loop is set here, for each request: a few stores. */
static void set_clocks(struct worker *worker)
{
	int64_t now = net_loop_now(&worker->loop);
	worker->query.wall = now + worker->wall_offset;
	worker->query.expiry_time = now + worker->generation->settings.time_offset;
}

static bool on_request(void *context, struct connection *connection,
        const struct http_request *request, struct buf *out)
{
	struct worker *worker = context;
	struct query_client client = client_of(worker, connection);
	set_clocks(worker);
	if (SK_UNLIKELY((connection->flags & CLIENT_BUSY) != 0)) {
		query_refuse(&worker->query, &client, PROBLEM_BUSY, "too many connections are open",
		        out);
		return false;
	}
	return query_answer(&worker->query, &client, request, out);
}

static void on_problem(void *context, struct connection *connection, enum http_problem problem,
        const char *detail, struct buf *out)
{
	static const enum problem problems[HTTP_PROBLEM_COUNT] = {
	        [HTTP_PROBLEM_NONE] = PROBLEM_BAD_REQUEST,
	        [HTTP_PROBLEM_BAD_REQUEST] = PROBLEM_BAD_REQUEST,
	        [HTTP_PROBLEM_TIMEOUT] = PROBLEM_TIMEOUT,
	        [HTTP_PROBLEM_LENGTH_REQUIRED] = PROBLEM_LENGTH_REQUIRED,
	        [HTTP_PROBLEM_BODY_TOO_LARGE] = PROBLEM_BODY_TOO_LARGE,
	        [HTTP_PROBLEM_TARGET_TOO_LONG] = PROBLEM_TARGET_TOO_LONG,
	        [HTTP_PROBLEM_EXPECTATION_FAILED] = PROBLEM_EXPECTATION_FAILED,
	        [HTTP_PROBLEM_HEADERS_TOO_LARGE] = PROBLEM_HEADERS_TOO_LARGE,
	        [HTTP_PROBLEM_NOT_IMPLEMENTED] = PROBLEM_NOT_IMPLEMENTED,
	        [HTTP_PROBLEM_BUSY] = PROBLEM_BUSY,
	        [HTTP_PROBLEM_VERSION_NOT_SUPPORTED] = PROBLEM_VERSION_NOT_SUPPORTED};
	struct worker *worker = context;
	struct query_client client = client_of(worker, connection);
	set_clocks(worker);
	query_refuse(&worker->query, &client, problems[problem], detail, out);
}

static void on_closed(void *context, struct connection *connection)
{
	struct worker *worker = context;
	(void)connection;
	atomic_fetch_sub_explicit(&worker->server->connection_count, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&worker->open_count, 1, memory_order_relaxed);
}

static const struct net_handlers handlers = {on_request, on_problem, on_closed};

/* ---- accepting ---- */

static void address_of(const struct sockaddr_storage *storage, struct address *ret_address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address address = {.family = ADDRESS_NONE};
	if (storage->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
		address.family = ADDRESS_V4;
		memcpy(address.bytes, &v4->sin_addr, 4);
	} else if (storage->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;
		const uint8_t *bytes = v6->sin6_addr.s6_addr;
		bool is_mapped = memcmp(bytes, mapped, sizeof(mapped)) == 0;
		address.family = is_mapped ? ADDRESS_V4 : ADDRESS_V6;
		memcpy(address.bytes, is_mapped ? bytes + 12 : bytes, is_mapped ? 4 : 16);
	}
	*ret_address = address;
}

static void set_accepting(struct worker *worker, bool wanted)
{
	for (unsigned i = 0; i < worker->listener_count; i++) {
		struct worker_listener *listener = &worker->listeners[i];
		if (listener->added == wanted) {
			continue;
		}
		listener->added = wanted;
		if (wanted) {
			event_add(&listener->event, NULL);
		} else {
			event_del(&listener->event);
		}
	}
}

static void take_connection(struct worker_listener *listener, int fd, const struct address *peer)
{
	struct worker *worker = listener->worker;
	const struct link_settings *settings = &worker->generation->settings;
	uint32_t flags = listener->service == SERVICE_WEB ? CLIENT_WEB : 0;
	uint32_t before = atomic_fetch_add_explicit(
	        &worker->server->connection_count, 1, memory_order_relaxed);
	if (before >= settings->connections_max) {
		flags |= CLIENT_BUSY;
	}
	int one = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct connection *connection = NULL;
	if (before < settings->connections_max ||
	        before - settings->connections_max < BUSY_CONNECTIONS) {
		connection = connection_open(
		        &worker->loop, fd, peer, listener->tls ? worker->tls : NULL, NULL);
	} else {
		close(fd);
	}
	if (connection == NULL) {
		atomic_fetch_sub_explicit(
		        &worker->server->connection_count, 1, memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(&worker->open_count, 1, memory_order_relaxed);
	connection->flags = flags;
	judge_client(worker, connection);
}

/* All workers are woken for a new connection, and the first takes it. Long-lived connections would
 * so end up with one of them; a worker that has clearly more than another leaves it to that one. */
static struct worker *find_emptier(const struct worker *worker)
{
	const struct server *server = worker->server;
	uint32_t mine = atomic_load_explicit(&worker->open_count, memory_order_relaxed);
	for (unsigned i = 0; i < server->worker_count; i++) {
		struct worker *other = server->workers[i];
		uint32_t theirs = atomic_load_explicit(&other->open_count, memory_order_relaxed);
		if (mine > theirs + 4 + theirs / 8) {
			return other;
		}
	}
	return NULL;
}

static void leave_to(struct worker *worker, struct worker *other)
{
	uint64_t one = 1;
	worker->accept_paused = true;
	set_accepting(worker, false);
	atomic_store_explicit(&other->accept_wanted, true, memory_order_release);
	/* It fails only when the counter is full: then the other one is awake anyway. */
	ssize_t written = write(other->wake_fd, &one, sizeof(one));
	(void)written;
}

static void on_listener(evutil_socket_t listener_fd, short what, void *context)
{
	struct worker_listener *listener = context;
	struct worker *worker = listener->worker;
	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct worker *other = find_emptier(worker);
		if (other != NULL) {
			leave_to(worker, other);
			return;
		}
		struct sockaddr_storage storage;
		socklen_t length = sizeof(storage);
		int fd = accept4(listener_fd, (struct sockaddr *)&storage, &length,
		        SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			struct address peer;
			address_of(&storage, &peer);
			take_connection(listener, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The socket stays readable: pausing keeps the loop from spinning. */
			worker->accept_paused = true;
			set_accepting(worker, false);
			return;
		}
		if (errno == EAGAIN || errno == EINVAL || errno == EBADF) {
			return;
		}
		/* Otherwise the connection that waited has failed already; the next one. */
	}
}

static void set_listeners(struct worker *worker, const struct listeners *listeners)
{
	set_accepting(worker, false);
	worker->listener_count = listeners->count;
	for (unsigned i = 0; i < listeners->count; i++) {
		struct worker_listener *listener = &worker->listeners[i];
		uint8_t role = listeners->items[i].role;
		*listener = (struct worker_listener){.worker = worker,
		        .fd = listeners->items[i].fd,
		        .tls = role == KEEPER_ROLE_FRS_HTTPS || role == KEEPER_ROLE_WRS_HTTPS,
		        .service = role == KEEPER_ROLE_WRS_HTTP || role == KEEPER_ROLE_WRS_HTTPS
		                           ? SERVICE_WEB
		                           : SERVICE_FILE};
		event_assign(&listener->event, worker->base, listener->fd, EV_READ | EV_PERSIST,
		        on_listener, listener);
	}
}

/* ---- orders ---- */

static void use_generation(struct worker *worker, const struct generation *generation)
{
	const struct link_settings *settings = &generation->settings;
	const struct net_limits limits = {settings->handshake_ms, settings->header_ms,
	        settings->body_ms, settings->idle_ms, settings->write_ms};
	int64_t now = net_loop_now(&worker->loop);
	worker->generation = generation;
	worker->epoch = (worker->epoch + 1) % (UINT32_MAX / CLIENT_EPOCH);
	worker->query.generation = generation;
	worker->query.scratch = generation->scratch[worker->index];
	net_loop_set_limits(&worker->loop, &limits);
	if (worker->next_report > now + settings->counter_interval_ms) {
		worker->next_report = now + settings->counter_interval_ms;
	}
	atomic_store_explicit(&worker->active_generation, generation->number, memory_order_relaxed);
}

static void carry_out(struct worker *worker, const struct worker_order *order)
{
	if (order->tls != NULL) {
		SSL_CTX_free(worker->tls);
		worker->tls = order->tls;
	}
	if (order->generation != NULL) {
		use_generation(worker, order->generation);
	}
	if (order->listeners != NULL) {
		set_listeners(worker, order->listeners);
	}
	if (order->stop && worker->stop_at == 0) {
		worker->stop_at = net_loop_now(&worker->loop) + STOP_MS;
		set_accepting(worker, false);
		net_loop_stop(&worker->loop);
	} else if (worker->generation != NULL && worker->stop_at == 0) {
		set_accepting(worker, true);
	}
}

static void accept_again(struct worker *worker)
{
	if (worker->accept_paused && worker->stop_at == 0) {
		worker->accept_paused = false;
		set_accepting(worker, true);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;
	uint64_t count;
	(void)what;
	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
		return;
	}
	if (atomic_exchange_explicit(&worker->accept_wanted, false, memory_order_acquire)) {
		accept_again(worker);
	}
	if (!atomic_load_explicit(&worker->order_given, memory_order_acquire)) {
		return;
	}
	struct worker_order order = worker->order;
	carry_out(worker, &order);
	atomic_store_explicit(&worker->order_given, false, memory_order_release);
	count = 1;
	if (write(worker->server->done_fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
		log_error("worker", "eventfd: %s", sk_strerror(-errno));
	}
}

void worker_give_order(struct worker *worker, const struct worker_order *order)
{
	uint64_t one = 1;
	worker->order = *order;
	atomic_store_explicit(&worker->order_given, true, memory_order_release);
	if (write(worker->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
		log_error("control", "eventfd: %s", sk_strerror(-errno));
	}
}

/* ---- ticks ---- */

static void read_clocks(struct worker *worker)
{
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	int64_t now = net_loop_read_clock(&worker->loop);
	worker->wall_offset = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - now;
	if (worker->date_second != wall.tv_sec) {
		worker->date_second = wall.tv_sec;
		answer_format_date(wall.tv_sec, worker->date);
	}
}

static void send_events(struct worker *worker, bool all)
{
	int64_t wall = net_loop_now(&worker->loop) + worker->wall_offset;
	/* Whatever goes wrong (sekishod is away or slow): what is not sent stays in the ring. */
	(void)event_ring_send(&worker->events, worker->server->link_fd, all, wall);
}

static void report(struct worker *worker, int64_t now)
{
	const struct link_settings *settings = &worker->generation->settings;
	if (now >= worker->next_report) {
		worker->next_report = now + settings->counter_interval_ms;
		counters_start_report(&worker->counters);
	}
	if (worker->counters.reporting) {
		counters_report(&worker->counters, &worker->events);
	}
	if (now >= worker->next_send) {
		worker->next_send = now + settings->event_interval_ms;
		send_events(worker, true);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;
	(void)fd;
	(void)what;
	read_clocks(worker);
	net_loop_check_deadlines(&worker->loop);
	if (worker->generation != NULL) {
		report(worker, net_loop_now(&worker->loop));
	}
	accept_again(worker);
	atomic_store_explicit(&worker->handshakes, worker->loop.handshakes, memory_order_relaxed);
	atomic_store_explicit(&worker->resumptions, worker->loop.resumptions, memory_order_relaxed);
}

/* ---- the thread ---- */

static bool is_finished(struct worker *worker)
{
	return worker->stop_at != 0 &&
	       (worker->loop.count == 0 || net_loop_now(&worker->loop) >= worker->stop_at);
}

static void *run(void *context)
{
	struct worker *worker = context;
	while (!is_finished(worker)) {
		if (net_loop_turn(&worker->loop) != 0) {
			log_error("worker", "the event loop failed");
			worker->failed = true;
			break;
		}
		if (event_ring_is_due(&worker->events)) {
			send_events(worker, false);
		}
	}
	if (worker->generation != NULL) {
		counters_start_report(&worker->counters);
		counters_report(&worker->counters, &worker->events);
		send_events(worker, true);
	}
	return NULL;
}

static int make_loop(struct worker *worker)
{
	worker->base = net_base_new();
	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->base == NULL || worker->wake_fd < 0) {
		return -ENOMEM;
	}
	static const struct timeval tick = {.tv_usec = TICK_MS * 1000};
	event_assign(&worker->wake_event, worker->base, worker->wake_fd, EV_READ | EV_PERSIST,
	        on_wake, worker);
	event_assign(&worker->tick_event, worker->base, -1, EV_PERSIST, on_tick, worker);
	if (event_add(&worker->wake_event, NULL) != 0 ||
	        event_add(&worker->tick_event, &tick) != 0) {
		return -ENOMEM;
	}
	return net_loop_init(&worker->loop, worker->base, &handlers, worker, POOL_MAXIMUM);
}

int worker_new(struct server *server, unsigned index, const uint64_t secrets[2],
        struct worker **ret_worker)
{
	struct worker *worker = mem_new(1, sizeof(*worker));
	struct query_space *space = mem_map_large(sizeof(*space));
	if (worker == NULL || space == NULL) {
		mem_free(worker);
		mem_unmap_large(space, sizeof(*space));
		return -ENOMEM;
	}
	worker->server = server;
	worker->index = index;
	worker->wake_fd = -1;
	worker->query = (struct query){.space = space,
	        .counters = &worker->counters,
	        .events = &worker->events,
	        .health = &server->health,
	        .date = worker->date};
	int status = counters_init(&worker->counters, secrets);
	if (status == 0) {
		status = event_ring_init(&worker->events, server->health.boot, (uint16_t)index);
	}
	if (status == 0) {
		status = make_loop(worker);
	}
	if (status != 0) {
		return status; /* the program ends; what was made goes with it */
	}
	read_clocks(worker);
	*ret_worker = worker;
	return 0;
}

int worker_start(struct worker *worker)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

void worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
	net_loop_release(&worker->loop);
	event_del(&worker->wake_event);
	event_del(&worker->tick_event);
	event_base_free(worker->base);
	close(worker->wake_fd);
	SSL_CTX_free(worker->tls);
	event_ring_release(&worker->events);
	counters_release(&worker->counters);
	mem_unmap_large(worker->query.space, sizeof(*worker->query.space));
	mem_free(worker);
}
