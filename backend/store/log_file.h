#ifndef BACKEND_STORE_LOG_FILE_H
#define BACKEND_STORE_LOG_FILE_H

#include "backend/store/database.h"
#include "backend/store/logs.h"

/* One log of one UTC day, for the writer; and searching over all days, for readers. */

#define LOG_DAY_MS (24LL * 60 * 60 * 1000)

struct log_file {
	enum log_kind kind;
	int64_t day; /* since 1970 */
	struct database database;
	sqlite3_stmt *insert;
	bool in_transaction;
	uint64_t rows; /* in the open transaction */
};

/* "<folder>/<kind>-<YYYY-MM-DD>.db" */
#define LOG_PATH_MAX 256
int log_file_path(const char *folder, enum log_kind kind, int64_t day,
        char ret_path[LOG_PATH_MAX]) SK_MUST_USE;
/* The kind and day of a file name ("blocked-2026-11-23.db"); 0 or SK_E_SYNTAX. */
int log_file_parse(const char *name, enum log_kind *ret_kind, int64_t *ret_day) SK_MUST_USE;

/* Opens the file for writing, made when it is not there; log_file_close ends it without commit. */
int log_file_open(const char *folder, enum log_kind kind, int64_t day, struct log_file *ret_file,
        struct error *error) SK_MUST_USE;
void log_file_close(struct log_file *file);

/* Adds an entry; begins a transaction when none is open. An entry of the same key stays as it is.
 */
int log_file_add_query(struct log_file *file, int64_t key, const struct event_query *query,
        struct error *error) SK_MUST_USE;
int log_file_add_service(struct log_file *file, int64_t key, int service, bool success,
        const char *description, struct error *error) SK_MUST_USE;
int log_file_commit(struct log_file *file, struct error *error) SK_MUST_USE;
void log_file_rollback(struct log_file *file);

/* ---- searching ---- */
struct log_search {
	enum log_kind kind;
	int64_t from, to; /* wall ms, both included */
	int64_t before; /* only entries with a smaller key; INT64_MAX at first */
	const char *keyword; /* lower case, in any text column; NULL: all */
	uint32_t sources; /* set of enum verdict_source; 0: all */
	uint32_t cnc_sources; /* set of enum cnc_source that count besides `sources` */
	int service, result; /* service log; -1: any */
};

struct log_entry {
	int64_t key, time;
	/* blocked, access */
	const char *url;
	struct address client;
	int score, source, action, cnc_level, cnc_source;
	uint64_t categories;
	int64_t entry;
	const char *client_guid, *server_guid, *computer, *domain, *product;
	/* service */
	int service;
	bool success;
	const char *description;
};
typedef int log_visit_fn(void *context, const struct log_entry *entry);

/*
 * Newest first, until `visit` returns nonzero or `deadline` (database_now) has passed. 1 when there
 * may be more: `ret_next` is the key to go on before; and whether it stopped by the deadline. 0 at
 * the end. For any thread; opens the files it needs read-only.
 */
int log_search(const char *folder, const struct log_search *search, int64_t deadline,
        log_visit_fn *visit, void *context, int64_t *ret_next, bool *ret_timed_out,
        struct error *error) SK_MUST_USE;

#endif
