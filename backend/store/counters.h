#ifndef BACKEND_STORE_COUNTERS_H
#define BACKEND_STORE_COUNTERS_H

#include "backend/store/database.h"
#include "lib/link/link.h"

/*
 * counters.db: what the dashboard shows. Clients and totals per period of five minutes, most asked
 * URLs per hour. Bounded: COUNTERS_KEEP_MS of time and COUNTERS_CLIENT_ROWS_MAX rows of clients;
 * the oldest go first. The writer is the log thread.
 */
#define COUNTERS_SLOT_MS (5 * 60 * 1000)
#define COUNTERS_TOP_SLOT_MS (60 * 60 * 1000)
#define COUNTERS_KEEP_MS (31LL * 24 * 60 * 60 * 1000)
#define COUNTERS_CLIENT_ROWS_MAX 2000000
#define COUNTERS_TOP_URLS 1000 /* per hour that is over */

struct counters {
	struct database database;
	sqlite3_stmt *statements[8];
	int64_t trimmed_slot;
};

/* Opens "<path>/counters.db" for writing, made when it is not there; counters_close frees. */
int counters_open(const char *path, struct counters *ret_counters, struct error *error) SK_MUST_USE;
void counters_close(struct counters *counters);

/* Adds an event of kind EVENT_CLIENT, EVENT_TOP_URL or EVENT_TOTALS (others: nothing) of the time
 * `when`. The caller begins and commits the transaction. */
int counters_add(struct counters *counters, const struct link_event *event, int64_t when,
        struct error *error) SK_MUST_USE;

/* Keeps the bounds; does something at most once per slot. A transaction of its own. */
int counters_trim(struct counters *counters, int64_t now, struct error *error) SK_MUST_USE;

/* ---- reading, on a connection of another thread ---- */
struct counters_reader {
	struct database database;
	sqlite3_stmt *statements[8];
};
int counters_reader_open(
        const char *path, struct counters_reader *ret_reader, struct error *error) SK_MUST_USE;
void counters_reader_close(struct counters_reader *reader);

enum counters_order {
	COUNTERS_BY_QUERIES,
	COUNTERS_BY_BYTES,
	COUNTERS_BY_DETECTIONS,
	COUNTERS_BY_BLOCKS
};
struct counters_client {
	struct address address;
	int64_t queries, bytes, detections, blocks;
};
typedef int counters_client_fn(void *context, const struct counters_client *client);
/* Sums of all slots that touch [from, to], largest first. `service`: 0 files, 1 web. */
int counters_clients(struct counters_reader *reader, int service, int64_t from, int64_t to,
        enum counters_order order, int limit, counters_client_fn *visit, void *context,
        struct error *error) SK_MUST_USE;

struct counters_totals {
	int64_t requests, queries, listed, blocked, errors, bytes_in, bytes_out, clients;
};
int counters_totals(struct counters_reader *reader, int service, int64_t from, int64_t to,
        struct counters_totals *ret_totals, struct error *error) SK_MUST_USE;

typedef int counters_url_fn(void *context, const char *url, int64_t count);
int counters_top_urls(struct counters_reader *reader, int64_t from, int limit,
        counters_url_fn *visit, void *context, struct error *error) SK_MUST_USE;

#endif
