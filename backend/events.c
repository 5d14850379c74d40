#include "backend/events.h"

#include <errno.h>
#include <string.h>

#include <event2/event.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"

#define WORKERS_MAX 256
#define HITS_SLOTS 16384 /* a power of two */
#define HITS_MAX (HITS_SLOTS / 2) /* above that they are written at once */
#define FLUSH_ROWS 2000 /* a transaction of some 10 ms */

struct hit {
	int64_t id; /* 0: free */
	int64_t hits, last;
	int list;
};

struct worker_state {
	uint64_t boot, sequence;
	uint64_t dropped[EVENT_KIND_COUNT];
};

struct events {
	struct backend *backend;
	struct event *flush;
	struct hit hits[HITS_SLOTS];
	size_t hit_count;
	struct worker_state workers[WORKERS_MAX];
	struct events_status status;
};

static struct hit *find_hit(struct events *events, int list, int64_t id)
{
	uint64_t hash = ((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)list;
	size_t at = (size_t)(hash >> 40) & (HITS_SLOTS - 1);
	while (events->hits[at].id != 0 &&
	        (events->hits[at].id != id || events->hits[at].list != list)) {
		at = (at + 1) & (HITS_SLOTS - 1);
	}
	return &events->hits[at];
}

static int write_hits(struct events *events, size_t *ret_at, struct error *error)
{
	struct store *store = &events->backend->store;
	int status = store_begin_quiet(store, error);
	size_t at = *ret_at;
	for (int rows = 0; status == 0 && rows < FLUSH_ROWS && at < HITS_SLOTS; at++) {
		const struct hit *hit = &events->hits[at];
		if (hit->id != 0) {
			status = store_hits_add(
			        store, hit->list, hit->id, hit->hits, hit->last, error);
			rows++;
		}
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	*ret_at = at;
	return 0;
}

/* All of them; what could not be written stays for the next time. */
static void flush_hits(struct events *events)
{
	struct error error = {0};
	size_t at = 0;
	while (events->hit_count > 0 && at < HITS_SLOTS) {
		size_t start = at;
		if (write_hits(events, &at, &error) != 0) {
			log_error("events", "hits of rules: %s", error.text);
			return;
		}
		for (size_t i = start; i < at; i++) {
			events->hit_count -= events->hits[i].id != 0;
			events->hits[i] = (struct hit){0};
		}
	}
}

static void on_flush(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct events *events = context;
	flush_hits(events);
	int64_t ms = events->backend->settings.numbers[SETTING_COUNTER_INTERVAL_MS];
	struct timeval next = {ms / 1000, ms % 1000 * 1000};
	event_add(events->flush, &next);
}

static void add_hits(struct events *events, const struct event_rule_hits *hits)
{
	if (hits->id <= 0 || hits->list >= POLICY_LIST_COUNT) {
		return;
	}
	if (events->hit_count >= HITS_MAX) {
		flush_hits(events);
	}
	struct hit *hit = find_hit(events, hits->list, hits->id);
	if (hit->id == 0) {
		if (events->hit_count >= HITS_SLOTS - 1) {
			return; /* the disk has been full for long */
		}
		*hit = (struct hit){.id = hits->id, .list = hits->list};
		events->hit_count++;
	}
	hit->hits += hits->hits;
	hit->last = hits->last > hit->last ? hits->last : hit->last;
}

static void check_sequence(struct events *events, const struct link_events_header *header)
{
	if (header->worker >= WORKERS_MAX) {
		return;
	}
	struct worker_state *worker = &events->workers[header->worker];
	bool same = worker->boot == header->boot;
	if (same && header->sequence > worker->sequence + 1) {
		events->status.lost_packets += header->sequence - worker->sequence - 1;
	}
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		uint64_t before = same ? worker->dropped[kind] : 0;
		if (header->dropped[kind] > before) {
			events->status.dropped[kind] += header->dropped[kind] - before;
		}
		worker->dropped[kind] = header->dropped[kind];
	}
	worker->boot = header->boot;
	worker->sequence = header->sequence;
}

void events_packet(struct events *events, const void *packet, size_t size)
{
	enum link_kind kind;
	struct cursor body;
	struct link_events_header header;
	struct link_event event;
	if (link_decode(packet, size, &kind, &body) != 0 ||
	        link_decode_events(&body, &header) != 0) {
		log_error("events", "a packet that is none");
		return;
	}
	events->status.packets++;
	check_sequence(events, &header);
	bool others = false;
	int more;
	while ((more = link_decode_event(&body, &event)) == 1) {
		if (event.kind == EVENT_RULE_HITS) {
			add_hits(events, &event.rule_hits);
		} else {
			others = true;
		}
	}
	if (more < 0) {
		log_error("events", "a record that is none");
	}
	if (others) {
		logs_put_events(events->backend->logs, packet, size);
	}
}

void events_get_status(const struct events *events, struct events_status *ret_status)
{
	*ret_status = events->status;
}

void events_pending_hits(
        const struct events *events, int list, int64_t id, int64_t *ret_hits, int64_t *ret_last)
{
	const struct hit *hit = find_hit((struct events *)(uintptr_t)events, list, id);
	*ret_hits = hit->id != 0 ? hit->hits : 0;
	*ret_last = hit->id != 0 ? hit->last : 0;
}

int events_new(struct backend *backend, struct events **ret_events)
{
	struct events *events = mem_new(1, sizeof(*events));
	if (events == NULL) {
		return -ENOMEM;
	}
	events->backend = backend;
	events->flush = evtimer_new(backend->base, on_flush, events);
	if (events->flush == NULL) {
		mem_free(events);
		return -ENOMEM;
	}
	struct timeval soon = {1, 0};
	event_add(events->flush, &soon);
	*ret_events = events;
	return 0;
}

void events_free(struct events *events)
{
	if (events == NULL) {
		return;
	}
	flush_hits(events);
	event_free(events->flush);
	mem_free(events);
}
