#ifndef BACKEND_STORE_LOGS_H
#define BACKEND_STORE_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/link/link.h"

/*
 * DESIGN. The three logs: one SQLite file per kind and UTC day in a folder, so that purging is
 * unlink. A thread of its own writes them (and the counters): it gathers what was put for at most
 * `batch_ms`, writes it in one transaction per file, and forgets it only when all are committed.
 * Writing again what was already there does nothing, because an entry's key is fixed when it is
 * put; so a failure (disk full) means: try the whole batch again a second later. What waits is
 * bounded; above half of that, entries of the access log are dropped, above it everything, and
 * counted.
 */
enum log_kind { LOG_BLOCKED, LOG_ACCESS, LOG_SERVICE, LOG_KIND_COUNT };
const char *log_kind_name(enum log_kind kind);

#define LOGS_WAITING_MAX (32 * 1024 * 1024)
#define LOG_KEY_BITS 20 /* key of an entry: its time in ms, then this many bits of a number */

struct logs;

struct logs_options {
	const char *folder; /* of the log files */
	const char *counters_path;
	int batch_ms;
	int retry_ms; /* after a failure: 1000 */
};

int logs_start(const struct logs_options *options, struct logs **ret_logs,
        struct error *error) SK_MUST_USE;
/* Writes what waits (once), then ends the thread. NULL allowed. */
void logs_stop(struct logs *logs);

/* The rest: any thread, never blocks on storage. */

/* A packet of events as it came (header and records), which must have been decoded once. Copied. */
void logs_put_events(struct logs *logs, const void *packet, size_t size);
/* An entry of the reputation service log. */
void logs_put_service(
        struct logs *logs, int64_t time, int service, bool success, const char *description);
void logs_set_batch_ms(struct logs *logs, int batch_ms);
/* Unlinks files of days before the day of `before`, per kind. */
void logs_purge(struct logs *logs, const int64_t before[LOG_KIND_COUNT]);

struct logs_status {
	uint64_t stored[LOG_KIND_COUNT];
	uint64_t dropped[EVENT_KIND_COUNT]; /* by kind of event */
	char error[ERROR_TEXT_MAX]; /* why writing fails at the moment; "" when it does not */
};
void logs_get_status(struct logs *logs, struct logs_status *ret_status);

#endif
