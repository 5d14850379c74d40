#include "queryd/counters.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"

#define CLIENTS_SIZE (COUNTERS_CLIENTS * sizeof(struct client_counter))
#define USED_MAX (COUNTERS_CLIENTS / 4 * 3)
#define TEXTS_SIZE (COUNTERS_URL_ROWS * COUNTERS_URL_WAYS * sizeof(struct url_text))

int counters_init(struct counters *counters, const uint64_t secrets[2])
{
	*counters = (struct counters){.secrets = {secrets[0] | 1, secrets[1] | 1}};
	counters->clients = mem_map_large(CLIENTS_SIZE);
	counters->texts = mem_map_large(TEXTS_SIZE);
	counters->used = mem_new(USED_MAX, sizeof(*counters->used));
	counters->rules = mem_new(COUNTERS_RULES, sizeof(*counters->rules));
	counters->rows = mem_new(COUNTERS_URL_ROWS, sizeof(*counters->rows));
	if (counters->clients == NULL || counters->texts == NULL || counters->used == NULL ||
	        counters->rules == NULL || counters->rows == NULL) {
		counters_release(counters);
		return -ENOMEM;
	}
	return 0;
}

void counters_release(struct counters *counters)
{
	mem_unmap_large(counters->clients, CLIENTS_SIZE);
	mem_unmap_large(counters->texts, TEXTS_SIZE);
	mem_free(counters->used);
	mem_free(counters->rules);
	mem_free(counters->rows);
	*counters = (struct counters){0};
}

/* Folds the 128-bit product: with a secret factor nobody can aim at a slot. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* ---- clients ---- */

static uint32_t client_hash(
        const struct counters *counters, const struct address *address, uint8_t service)
{
	uint64_t high = bytes_get_le64(address->bytes), low = bytes_get_le64(address->bytes + 8);
	uint64_t hash = mix(high ^ counters->secrets[0], low ^ counters->secrets[1]);
	return (uint32_t)mix(hash ^ service, counters->secrets[0]);
}

static bool is_client(
        const struct client_counter *slot, const struct address *address, uint8_t service)
{
	return slot->service == service && slot->address.family == address->family &&
	       memcmp(slot->address.bytes, address->bytes, sizeof(address->bytes)) == 0;
}

/* The slot of a client, new when it has none yet; NULL when the table is full. */
static struct client_counter *find_client(
        struct counters *counters, const struct address *address, uint8_t service)
{
	uint32_t i = client_hash(counters, address, service);
	for (;; i++) {
		struct client_counter *slot = &counters->clients[i % COUNTERS_CLIENTS];
		if (is_client(slot, address, service)) {
			return slot;
		}
		if (slot->service == 0) {
			if (counters->used_count == USED_MAX) {
				return NULL;
			}
			counters->used[counters->used_count++] = i % COUNTERS_CLIENTS;
			slot->address = *address;
			slot->service = service;
			return slot;
		}
	}
}

void counters_add_client(struct counters *counters, const struct address *client,
        enum service service, const struct client_count *count)
{
	struct client_counter *slot = find_client(counters, client, (uint8_t)(service + 1));
	if (slot == NULL) {
		counters->lost_clients++;
		return;
	}
	slot->queries += count->queries;
	slot->bytes_in += count->bytes_in;
	slot->detections += count->detections;
	slot->blocks += count->blocks;
}

/* ---- URLs ---- */

static uint64_t url_hash(const struct counters *counters, const char *url, uint32_t length)
{
	uint64_t hash = counters->secrets[0] ^ length;
	uint32_t i = 0;
	for (; i + 8 <= length; i += 8) {
		hash = mix(hash ^ bytes_get_le64(url + i), counters->secrets[1]);
	}
	uint64_t tail = 0;
	if (length >= 8) {
		tail = bytes_get_le64(url + length - 8);
	} else {
		memcpy(&tail, url, length);
	}
	hash = mix(hash ^ tail, counters->secrets[1]);
	return hash != 0 ? hash : 1;
}

void counters_add_url(struct counters *counters, const char *url, uint32_t length)
{
	if (length > EVENT_URL_MAX) {
		length = EVENT_URL_MAX;
	}
	uint64_t hash = url_hash(counters, url, length);
	uint32_t index = (uint32_t)(hash >> 32) % COUNTERS_URL_ROWS;
	struct url_row *row = &counters->rows[index];
	unsigned least = 0;
	for (unsigned way = 0; way < COUNTERS_URL_WAYS; way++) {
		if (row->hashes[way] == hash) {
			row->counts[way]++;
			return;
		}
		if (row->counts[way] < row->counts[least]) {
			least = way;
		}
	}
	/* One in four takes the place of another: what is asked often comes again soon, and what is
	 * asked once should not cost the memory accesses. */
	if (row->counts[least] > 0 && (++counters->passed & 3) != 0) {
		return;
	}
	struct url_text *text = &counters->texts[index * COUNTERS_URL_WAYS + least];
	row->hashes[least] = hash;
	row->errors[least] = row->counts[least];
	row->counts[least]++;
	text->length = (uint16_t)length;
	memcpy(text->data, url, length);
}

/* ---- rules ---- */

void counters_add_rule(struct counters *counters, enum policy_list list, int64_t id, int64_t wall)
{
	uint8_t mark = (uint8_t)(list + 1);
	uint32_t i =
	        (uint32_t)mix((uint64_t)id ^ counters->secrets[1], counters->secrets[0] + mark);
	for (;; i++) {
		struct rule_counter *slot = &counters->rules[i % COUNTERS_RULES];
		if (slot->list == 0) {
			if (counters->rule_count == COUNTERS_RULES / 4 * 3) {
				counters->lost_rules++;
				return;
			}
			counters->rule_count++;
			*slot = (struct rule_counter){.id = id, .list = mark};
		}
		if (slot->list == mark && slot->id == id) {
			slot->hits++;
			slot->last = wall;
			return;
		}
	}
}

/* ---- reports ---- */

static bool is_zero(const struct client_counter *slot)
{
	return slot->queries == 0 && slot->bytes_in == 0;
}

static bool report_client(struct client_counter *slot, struct event_ring *ring)
{
	if (is_zero(slot)) {
		return true;
	}
	struct link_event event = {.kind = EVENT_CLIENT,
	        .client = {.service = (uint8_t)(slot->service - 1),
	                .client = slot->address,
	                .queries = slot->queries,
	                .bytes_in = slot->bytes_in,
	                .detections = slot->detections,
	                .blocks = slot->blocks}};
	if (!event_ring_offer(ring, &event)) {
		return false;
	}
	slot->queries = slot->bytes_in = slot->detections = slot->blocks = 0;
	return true;
}

/* Clients stay in the table from report to report, until it is half full. */
static bool report_clients(struct counters *counters, struct event_ring *ring)
{
	while (counters->reported < counters->used_count) {
		uint32_t slot = counters->used[counters->reported];
		if (!report_client(&counters->clients[slot], ring)) {
			return false;
		}
		counters->reported++;
	}
	if (counters->used_count <= COUNTERS_CLIENTS / 2) {
		return true;
	}
	/* Those counted since they were reported go out too; then everything is forgotten. */
	for (uint32_t i = 0; i < counters->used_count; i++) {
		if (!report_client(&counters->clients[counters->used[i]], ring)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < counters->used_count; i++) {
		counters->clients[counters->used[i]] = (struct client_counter){0};
	}
	counters->used_count = 0;
	counters->reported = 0;
	return true;
}

/* A row is sent and forgotten; of a count only what is certain is told. */
static bool report_urls(struct counters *counters, struct event_ring *ring)
{
	for (uint32_t i = 0; i < COUNTERS_URL_ROWS * COUNTERS_URL_WAYS; i++) {
		struct url_row *row = &counters->rows[i / COUNTERS_URL_WAYS];
		uint32_t way = i % COUNTERS_URL_WAYS;
		if (row->counts[way] == 0) {
			continue;
		}
		const struct url_text *text = &counters->texts[i];
		struct link_event event = {.kind = EVENT_TOP_URL,
		        .top_url = {.count = row->counts[way] - row->errors[way],
		                .url = {text->data, text->length}}};
		if (!event_ring_offer(ring, &event)) {
			return false;
		}
		row->hashes[way] = 0;
		row->counts[way] = 0;
		row->errors[way] = 0;
	}
	return true;
}

static bool report_rules(struct counters *counters, struct event_ring *ring)
{
	for (uint32_t i = 0; i < COUNTERS_RULES && counters->rule_count > 0; i++) {
		struct rule_counter *slot = &counters->rules[i];
		if (slot->hits == 0) {
			continue;
		}
		struct link_event event = {.kind = EVENT_RULE_HITS,
		        .rule_hits = {.list = (uint8_t)(slot->list - 1),
		                .id = slot->id,
		                .hits = slot->hits,
		                .last = slot->last}};
		if (!event_ring_offer(ring, &event)) {
			return false;
		}
		slot->hits = 0;
	}
	/* Slots are freed together only, so that probing never meets a hole. */
	memset(counters->rules, 0, COUNTERS_RULES * sizeof(*counters->rules));
	counters->rule_count = 0;
	return true;
}

static bool report_totals(struct counters *counters, struct event_ring *ring)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		struct link_event event = {.kind = EVENT_TOTALS, .totals = counters->totals[i]};
		event.totals.service = (uint8_t)i;
		if (event.totals.requests == 0) {
			continue;
		}
		if (!event_ring_offer(ring, &event)) {
			return false;
		}
		counters->totals[i] = (struct event_totals){0};
	}
	return true;
}

static bool (*const report_steps[])(struct counters *counters, struct event_ring *ring) = {
        report_totals, report_rules, report_clients, report_urls};

void counters_start_report(struct counters *counters)
{
	if (!counters->reporting) {
		counters->reporting = true;
		counters->report_step = 0;
		counters->reported = 0;
	}
}

bool counters_report(struct counters *counters, struct event_ring *ring)
{
	while (counters->reporting && counters->report_step < SK_COUNT(report_steps)) {
		if (!report_steps[counters->report_step](counters, ring)) {
			return false;
		}
		counters->report_step++;
	}
	counters->reporting = false;
	return true;
}
