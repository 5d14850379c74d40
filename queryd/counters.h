#ifndef QUERYD_COUNTERS_H
#define QUERYD_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/data/address.h"
#include "lib/data/rule.h"
#include "lib/link/link.h"
#include "queryd/event_ring.h"

/*
 * What one worker counts between two reports: per client and service, the most asked URLs, hits of
 * rules, totals. Every table has a fixed size and constant cost per query; clients choose the keys,
 * so hashes are keyed with a secret. One thread.
 */
enum service { SERVICE_FILE, SERVICE_WEB, SERVICE_COUNT };

#define COUNTERS_CLIENTS 65536 /* clients × services between two reports, at most 3/4 used */
#define COUNTERS_RULES 4096
#define COUNTERS_URL_WAYS 8
#define COUNTERS_URL_ROWS 128 /* 1,024 URLs are followed at a time */

struct client_counter {
	uint64_t queries, bytes_in, detections, blocks;
	struct address address;
	uint8_t service; /* enum service + 1; 0: the slot is free */
};

struct rule_counter {
	int64_t id, last;
	uint32_t hits;
	uint8_t list; /* enum policy_list + 1; 0: free */
};

/* A row of followed URLs, as in the space-saving sketch: a URL that is not followed takes (one time
 * in four) the place of the one counted least and inherits its count as error. */
struct url_row {
	uint64_t hashes[COUNTERS_URL_WAYS];
	uint32_t counts[COUNTERS_URL_WAYS];
	uint32_t errors[COUNTERS_URL_WAYS];
};

struct url_text {
	uint16_t length;
	char data[EVENT_URL_MAX];
};

struct counters {
	uint64_t secrets[2];
	struct client_counter *clients;
	uint32_t *used; /* slots of clients in use, in the order they came */
	uint32_t used_count, reported; /* of `used`: already in this report */
	struct rule_counter *rules;
	uint32_t rule_count;
	struct url_row *rows;
	struct url_text *texts;
	struct event_totals totals[SERVICE_COUNT]; /* the handlers add to them directly */
	uint32_t passed; /* URLs that were not followed */
	bool reporting;
	uint8_t report_step;
	uint64_t lost_clients, lost_rules;
};

/* All memory that counting will take. `secrets`: random numbers that hashes start from. -ENOMEM. */
int counters_init(struct counters *counters, const uint64_t secrets[2]) SK_MUST_USE;
void counters_release(struct counters *counters);

/* What one request of `client` added. */
struct client_count {
	uint32_t queries, detections, blocks;
	uint64_t bytes_in;
};
void counters_add_client(struct counters *counters, const struct address *client,
        enum service service, const struct client_count *count);

/* Counts one asking for a canonical URL, when it is among those that are followed. */
void counters_add_url(struct counters *counters, const char *url, uint32_t length);

/* Counts a hit of a rule or object at `wall` (ms). */
void counters_add_rule(struct counters *counters, enum policy_list list, int64_t id, int64_t wall);

/* Starts a report (of what is counted from now on, too, until it is through). */
void counters_start_report(struct counters *counters);

/* Writes as much of the report as the ring takes; to be called until it returns true. */
bool counters_report(struct counters *counters, struct event_ring *ring);

#endif
