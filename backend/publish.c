#include "backend/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"

#define PACKETS_PER_TURN 64

struct section_file {
	int fd; /* -1: none */
	struct link_section section;
};

struct waiter {
	struct waiter *next;
	struct publisher *publisher;
	uint64_t generation;
	int64_t complete;
	struct event *timer;
	publish_end_fn *end;
	void *context;
};

struct publisher {
	struct event_base *base;
	struct publisher_options options;
	struct event *readable, *writable, *turn, *patience;
	struct section_file sections[SECTION_COUNT];
	struct waiter *waiters;
	bool started, wanted, waiting; /* for the answer to `sent` */
	uint64_t sent;
	int64_t sent_complete;
	struct publisher_status status;
	int64_t active_complete;
	char space[LINK_PACKET_MAX];
};

static void schedule(struct publisher *publisher)
{
	struct timeval now = {0, 0};
	event_add(publisher->turn, &now);
}

/* ---- waiters ---- */

static void end_waiter(struct waiter *waiter, const struct publish_end *end)
{
	struct waiter **link = &waiter->publisher->waiters;
	while (*link != waiter) {
		link = &(*link)->next;
	}
	*link = waiter->next;
	event_free(waiter->timer);
	waiter->end(waiter->context, end);
	mem_free(waiter);
}

static bool is_reached(const struct publisher *publisher, const struct waiter *waiter)
{
	return publisher->status.active >= waiter->generation &&
	       publisher->active_complete >= waiter->complete;
}

/* The next waiter that is reached (or, with `refused`, that generation `refused` was for). */
static struct waiter *find_waiter(struct publisher *publisher, uint64_t refused)
{
	for (struct waiter *waiter = publisher->waiters; waiter != NULL; waiter = waiter->next) {
		if (refused != 0 ? waiter->generation <= refused : is_reached(publisher, waiter)) {
			return waiter;
		}
	}
	return NULL;
}

static void on_waiter_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct waiter *waiter = context;
	struct publish_end end = {.generation = waiter->publisher->status.active, .text = ""};
	end_waiter(waiter, &end);
}

int publish_wait(struct publisher *publisher, uint64_t generation, int64_t complete, int timeout_ms,
        publish_end_fn *end, void *context)
{
	struct waiter *waiter = mem_new(1, sizeof(*waiter));
	struct event *timer =
	        waiter != NULL ? evtimer_new(publisher->base, on_waiter_timer, waiter) : NULL;
	if (timer == NULL) {
		mem_free(waiter);
		return -ENOMEM;
	}
	*waiter = (struct waiter){.next = publisher->waiters,
	        .publisher = publisher,
	        .generation = generation,
	        .complete = complete,
	        .timer = timer,
	        .end = end,
	        .context = context};
	publisher->waiters = waiter;
	struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	event_add(timer, &limit);
	return 0;
}

/* ---- sending ---- */

static int encode(struct publisher *publisher, const struct link_settings *settings,
        int descriptors[SECTION_COUNT], size_t *ret_count, struct buf *buf)
{
	static struct link_publish publish; /* large; of the main thread */
	memset(&publish, 0, sizeof(publish));
	publish.generation = publisher->sent;
	publish.settings = *settings;
	*ret_count = 0;
	for (int role = 0; role < SECTION_COUNT; role++) {
		publish.sections[role] = publisher->sections[role].section;
		if (publisher->sections[role].fd >= 0) {
			descriptors[(*ret_count)++] = publisher->sections[role].fd;
		}
	}
	link_encode_publish(buf, &publish);
	return buf_status(buf);
}

static void send_generation(struct publisher *publisher)
{
	struct link_settings settings;
	uint64_t generation = 0;
	int64_t complete = 0;
	if (publisher->options.prepare(
	            publisher->options.context, &generation, &settings, &complete) != 0) {
		return;
	}
	publisher->wanted = false;
	publisher->sent = generation;
	publisher->sent_complete = complete;
	int descriptors[SECTION_COUNT];
	size_t count;
	struct buf buf;
	buf_init_fixed(&buf, publisher->space, sizeof(publisher->space));
	int status = encode(publisher, &settings, descriptors, &count, &buf);
	if (status == 0) {
		status = link_send(
		        publisher->options.socket, buf.data, buf.length, descriptors, count);
	}
	if (status == -EAGAIN) {
		publisher->wanted = true;
		event_add(publisher->writable, NULL);
		return;
	}
	if (status != 0) {
		log_error("publish", "generation %llu: %s", (unsigned long long)generation,
		        sk_strerror(status));
		return;
	}
	publisher->waiting = true;
	struct timeval limit = {PUBLISH_WAIT_MS / 1000, PUBLISH_WAIT_MS % 1000 * 1000};
	event_add(publisher->patience, &limit);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct publisher *publisher = context;
	if (publisher->started && publisher->wanted && !publisher->waiting) {
		send_generation(publisher);
	}
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct publisher *publisher = context;
	log_warning("publish", "generation %llu is not in effect yet",
	        (unsigned long long)publisher->sent);
	publisher->waiting = false;
	publisher->status.connected = false;
	schedule(publisher);
}

static void say_hello(struct publisher *publisher)
{
	struct link_hello hello = {0};
	if (getrandom(&hello.boot, sizeof(hello.boot), 0) != (ssize_t)sizeof(hello.boot)) {
		hello.boot = (uint64_t)getpid();
	}
	struct buf buf;
	buf_init_fixed(&buf, publisher->space, sizeof(publisher->space));
	link_encode_hello(&buf, &hello);
	int status = link_send(publisher->options.socket, buf.data, buf.length, NULL, 0);
	if (status != 0) {
		/* Full of what a queryd that is gone has not read; the next one says hello. */
		log_warning("publish", "hello: %s", sk_strerror(status));
	}
}

/* ---- receiving ---- */

static void on_active(struct publisher *publisher, const struct link_active *active)
{
	bool current = active->generation == publisher->sent;
	if (current) {
		publisher->waiting = false;
		publisher->status.connected = true;
		publisher->status.workers = active->workers;
		event_del(publisher->patience);
		schedule(publisher);
	}
	struct publish_end end = {.generation = publisher->status.active, .text = active->text};
	if (active->code != 0) {
		log_error("publish", "generation %llu was refused: %s",
		        (unsigned long long)active->generation, active->text);
		snprintf(publisher->status.error, sizeof(publisher->status.error), "%s",
		        active->text);
		end.code = active->code;
		for (struct waiter *waiter;
		        (waiter = find_waiter(publisher, active->generation)) != NULL;) {
			end_waiter(waiter, &end);
		}
		return;
	}
	if (!current && active->generation <= publisher->status.active) {
		return;
	}
	publisher->status.active = active->generation;
	if (current) {
		publisher->active_complete = publisher->sent_complete;
		publisher->status.error[0] = '\0';
	}
	end.active = true;
	end.generation = active->generation;
	for (struct waiter *waiter; (waiter = find_waiter(publisher, 0)) != NULL;) {
		end_waiter(waiter, &end);
	}
}

static void on_packet(struct publisher *publisher, const void *packet, size_t size)
{
	enum link_kind kind;
	struct cursor body;
	struct link_hello hello;
	struct link_active active;
	int status = link_decode(packet, size, &kind, &body);
	if (status == 0 && kind == LINK_HELLO) {
		status = link_decode_hello(&body, &hello);
		if (status == 0) {
			log_info("publish", "queryd says hello");
			publisher->waiting = false;
			publisher->status.connected = true;
			event_del(publisher->patience);
			publish_request(publisher);
		}
	} else if (status == 0 && kind == LINK_ACTIVE) {
		status = link_decode_active(&body, &active);
		if (status == 0) {
			on_active(publisher, &active);
		}
	} else if (status == 0 && kind == LINK_EVENTS) {
		publisher->options.events(publisher->options.context, packet, size);
	}
	if (status != 0) {
		log_error("publish", "a packet that is none: %s", sk_strerror(status));
	}
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct publisher *publisher = context;
	static char space[LINK_PACKET_MAX]; /* of the main thread */
	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		int descriptors[LINK_DESCRIPTORS_MAX];
		size_t count = 0;
		ssize_t got = link_receive(fd, space, sizeof(space), descriptors, &count);
		if (got == -EAGAIN) {
			return;
		}
		for (size_t j = 0; got > 0 && j < count; j++) {
			close(descriptors[j]); /* queryd has none to send */
		}
		if (got == SK_E_CORRUPT) {
			continue;
		}
		if (got <= 0) {
			log_error("publish", "the link is gone: %s", sk_strerror((int)got));
			event_del(publisher->readable);
			return;
		}
		on_packet(publisher, space, (size_t)got);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	schedule(context);
}

/* ---- life ---- */

int publisher_new(struct event_base *base, const struct publisher_options *options,
        struct publisher **ret_publisher)
{
	struct publisher *publisher = mem_new(1, sizeof(*publisher));
	if (publisher == NULL) {
		return -ENOMEM;
	}
	publisher->base = base;
	publisher->options = *options;
	for (int role = 0; role < SECTION_COUNT; role++) {
		publisher->sections[role].fd = -1;
	}
	int socket = options->socket;
	publisher->readable = event_new(base, socket, EV_READ | EV_PERSIST, on_readable, publisher);
	publisher->writable = event_new(base, socket, EV_WRITE, on_writable, publisher);
	publisher->turn = evtimer_new(base, on_turn, publisher);
	publisher->patience = evtimer_new(base, on_patience, publisher);
	if (publisher->readable == NULL || publisher->writable == NULL || publisher->turn == NULL ||
	        publisher->patience == NULL || fcntl(socket, F_SETFL, O_NONBLOCK) != 0) {
		publisher_free(publisher);
		return -ENOMEM;
	}
	*ret_publisher = publisher;
	return 0;
}

void publisher_start(struct publisher *publisher)
{
	publisher->started = true;
	event_add(publisher->readable, NULL);
	say_hello(publisher);
	publish_request(publisher);
}

void publisher_stop(struct publisher *publisher)
{
	struct publish_end end = {.text = "the server ends"};
	while (publisher != NULL && publisher->waiters != NULL) {
		publisher->started = false;
		end_waiter(publisher->waiters, &end);
	}
}

void publisher_free(struct publisher *publisher)
{
	if (publisher == NULL) {
		return;
	}
	publisher_stop(publisher);
	struct event *events[] = {
	        publisher->readable, publisher->writable, publisher->turn, publisher->patience};
	for (size_t i = 0; i < SK_COUNT(events); i++) {
		if (events[i] != NULL) {
			event_free(events[i]);
		}
	}
	for (int role = 0; role < SECTION_COUNT; role++) {
		if (publisher->sections[role].fd >= 0) {
			close(publisher->sections[role].fd);
		}
	}
	mem_free(publisher);
}

int publish_set_section(struct publisher *publisher, enum section_role role, int fd)
{
	struct section_file file = {.fd = fd};
	if (fd >= 0) {
		struct stat facts;
		if (fstat(fd, &facts) != 0) {
			int status = -errno;
			close(fd);
			return status;
		}
		if (facts.st_size < SHA256_SIZE ||
		        pread(fd, file.section.checksum, SHA256_SIZE,
		                facts.st_size - SHA256_SIZE) != SHA256_SIZE) {
			close(fd);
			return SK_E_CORRUPT;
		}
		file.section.present = true;
		file.section.length = (uint64_t)facts.st_size;
	}
	if (publisher->sections[role].fd >= 0) {
		close(publisher->sections[role].fd);
	}
	publisher->sections[role] = file;
	return 0;
}

void publish_request(struct publisher *publisher)
{
	publisher->wanted = true;
	schedule(publisher);
}

void publisher_get_status(const struct publisher *publisher, struct publisher_status *ret_status)
{
	*ret_status = publisher->status;
}
