#ifndef BACKEND_STORE_STORE_H
#define BACKEND_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/database.h"

/*
 * DESIGN. config.db: settings, rules, suspicious objects, pattern generations, jobs. One writer, in
 * the main thread; `struct store_reader` is a read-only connection for another thread.
 *
 * Every change has a revision (1, 2, 3 …), kept in each row it touches; what was removed leaves a
 * tombstone. So whoever has built something from the rows as of revision R (the base policy file)
 * can ask for what changed since. A change also counts up the generation, the number under which
 * it is published.
 *
 * Imported rules belong to a batch. A row of a batch counts only while the batch is live; a batch
 * that replaces hides every rule whose id is below its floor. So one update of the batch's row
 * makes a million rules live or undone. What is hidden for good is deleted bit by bit (batches.h).
 */
enum store_meta {
	META_REVISION, /* of the last change */
	META_GENERATION, /* of the last publish */
	META_BASE_NUMBER, /* names the base policy files; 0: none */
	META_BASE_REVISION, /* what the base was built from */
	META_COUNT
};

enum store_group {
	STORE_META,
	STORE_SETTINGS,
	STORE_RULES,
	STORE_BATCHES,
	STORE_OBJECTS,
	STORE_HITS,
	STORE_PATTERNS,
	STORE_JOBS,
	STORE_GROUP_COUNT
};
#define STORE_STATEMENTS_MAX 24 /* per group */

struct store {
	struct database database;
	sqlite3_stmt *statements[STORE_GROUP_COUNT][STORE_STATEMENTS_MAX];
	int64_t meta[META_COUNT]; /* as committed, or as changed by the open change */
	int64_t committed[META_COUNT];
	bool lazy; /* the open transaction is */
};

/* Opens "<path>/config.db" for writing, made or brought to the present schema; store_close frees.
 */
int store_open(const char *path, struct store *ret_store, struct error *error) SK_MUST_USE;
void store_close(struct store *store);

/* A change: a transaction with a new revision and generation. */
int store_begin(struct store *store, struct error *error) SK_MUST_USE;

/* The end of any transaction: commits when `status` is 0. Everything in it is durable when it
 * returns 0; what failed, here or before, is returned, and everything undone. */
int store_end(struct store *store, int status, struct error *error) SK_MUST_USE;

/* A change that only counts up: a generation number of its own for what no stored change caused. */
int store_next_generation(struct store *store, struct error *error) SK_MUST_USE;

/* A transaction that changes nothing that is published (hits, jobs, rows of a pending batch). */
int store_begin_quiet(struct store *store, struct error *error) SK_MUST_USE;

/* The same for rows that count only after a later change: they need not be on disk when it is
 * committed, only before that change, which makes them so. */
int store_begin_lazy(struct store *store, struct error *error) SK_MUST_USE;

/* Within a change. */
int store_set_meta(
        struct store *store, enum store_meta meta, int64_t value, struct error *error) SK_MUST_USE;

/* A read-only connection of another thread, and its statements. */
enum { READER_META, READER_SCAN, READER_EACH, READER_OBJECTS_SCAN, READER_OBJECTS_EACH };
#define OBJECT_COLUMNS                                                                             \
	"id, list, kind, value, action, cnc_level, comment, expires, created, revision"
struct store_reader {
	struct database database;
	sqlite3_stmt *statements[STORE_STATEMENTS_MAX];
};
int store_reader_open(
        const char *path, struct store_reader *ret_reader, struct error *error) SK_MUST_USE;
void store_reader_close(struct store_reader *reader);

/* Each group's statements, for store_open; NULL-terminated. */
extern const char *const store_settings_sql[];
extern const char *const store_rules_sql[];
extern const char *const store_batches_sql[];
extern const char *const store_objects_sql[];
extern const char *const store_hits_sql[];
extern const char *const store_patterns_sql[];
extern const char *const store_jobs_sql[];
extern const char *const store_reader_sql[];

/* settings.c: values as JSON text. */
typedef void store_setting_fn(void *context, const char *name, const char *value);
int store_settings_each(struct store *store, store_setting_fn *visit, void *context,
        struct error *error) SK_MUST_USE;
int store_settings_set(
        struct store *store, const char *name, const char *value, struct error *error) SK_MUST_USE;

/* hits.c: how often a rule or object decided; `list` is enum policy_list. */
int store_hits_add(struct store *store, int list, int64_t id, int64_t hits, int64_t last,
        struct error *error) SK_MUST_USE;

/* jobs.c: jobs as job.get shows them; the last STORE_JOBS_KEPT are kept. */
#define STORE_JOBS_KEPT 200
struct store_job {
	int64_t id;
	char verb[32];
	char state[16]; /* "running", "done", "failed", "cancelled" */
	int64_t started, ended;
	char *result; /* JSON text or NULL; mem_free */
	char error_code[32];
	char error_text[512];
};
int store_jobs_add(struct store *store, const char *verb, int64_t now, int64_t *ret_id,
        struct error *error) SK_MUST_USE;
int store_jobs_finish(
        struct store *store, const struct store_job *job, struct error *error) SK_MUST_USE;
/* SK_E_NOT_FOUND. The caller frees `result`. */
int store_jobs_get(struct store *store, int64_t id, struct store_job *ret_job,
        struct error *error) SK_MUST_USE;
/* At start-up: what ran when the process ended has failed. Drops old ones. */
int store_jobs_recover(struct store *store, int64_t now, struct error *error) SK_MUST_USE;

#endif
