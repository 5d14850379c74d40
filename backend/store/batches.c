#include "backend/store/batches.h"

enum {
	BATCHES_ADD,
	BATCHES_ADD_FLOOR,
	BATCHES_GET,
	BATCHES_SET,
	BATCHES_COUNT,
	BATCHES_RECOVER,
	SWEEP_UNDONE,
	SWEEP_HIDDEN,
	SWEEP_LAST,
	SWEEP_DIGESTS
};

const char *const store_batches_sql[] = {
        [BATCHES_ADD] = "INSERT INTO batches(state, floor, created, revision)"
                        " VALUES(0, 0, ?1, 0)",
        [BATCHES_ADD_FLOOR] = "INSERT INTO batches(state, floor, created, revision) VALUES(0,"
                              " 1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'rules'),"
                              " 0), ?1, 0)",
        [BATCHES_GET] = "SELECT state, floor, created, revision FROM batches WHERE id = ?1",
        [BATCHES_SET] = "UPDATE batches SET state = ?2, revision = ?3 WHERE id = ?1",
        [BATCHES_COUNT] = "SELECT count(*), ifnull(sum(kind = 2 AND enabled), 0) FROM rules"
                          " INDEXED BY rules_batch WHERE batch = ?1 AND batch > 0",
        [BATCHES_RECOVER] = "UPDATE batches SET state = 2 WHERE state = 0",
        [SWEEP_UNDONE] =
                "DELETE FROM rules WHERE id IN (SELECT r.id FROM batches b"
                " CROSS JOIN rules r INDEXED BY rules_batch ON r.batch = b.id AND r.batch > 0"
                " WHERE b.state = 2 AND b.revision <= ?1 LIMIT ?2)",
        /* An undo brings back what the last replacing batch hides, never what one before it hid. */
        [SWEEP_HIDDEN] = "DELETE FROM rules WHERE id IN (SELECT id FROM rules WHERE id <"
                         " ifnull((SELECT floor FROM batches WHERE state = 1 AND floor > 0"
                         " AND revision <= ?1 ORDER BY floor DESC LIMIT 1 OFFSET 1), 0)"
                         " ORDER BY id LIMIT ?2)",
        [SWEEP_LAST] = "SELECT digest FROM digests WHERE digest > ?1 ORDER BY digest"
                       " LIMIT 1 OFFSET ?2",
        [SWEEP_DIGESTS] = "DELETE FROM digests WHERE digest > ?1 AND digest <= ?2"
                          " AND id NOT IN (SELECT id FROM rules)",
        NULL,
};

int batches_add(struct store *store, bool replace, int64_t now, struct batch *ret_batch,
        struct error *error)
{
	sqlite3_stmt *add =
	        store->statements[STORE_BATCHES][replace ? BATCHES_ADD_FLOOR : BATCHES_ADD];
	sqlite3_bind_int64(add, 1, now);
	int status = database_run(&store->database, add, error);
	if (status != 0) {
		return status;
	}
	return batches_get(
	        store, sqlite3_last_insert_rowid(store->database.handle), ret_batch, error);
}

int batches_get(struct store *store, int64_t id, struct batch *ret_batch, struct error *error)
{
	sqlite3_stmt *get = store->statements[STORE_BATCHES][BATCHES_GET];
	sqlite3_bind_int64(get, 1, id);
	int status = database_row(&store->database, get, error);
	if (status != 1) {
		return status != 0 ? status : error_set(error, SK_E_NOT_FOUND, "batch");
	}
	*ret_batch = (struct batch){.id = id,
	        .state = (enum batch_state)sqlite3_column_int(get, 0),
	        .floor = sqlite3_column_int64(get, 1),
	        .created = sqlite3_column_int64(get, 2),
	        .revision = sqlite3_column_int64(get, 3)};
	sqlite3_reset(get);
	return 0;
}

int batches_set(struct store *store, int64_t id, enum batch_state state, int64_t revision,
        struct error *error)
{
	sqlite3_stmt *set = store->statements[STORE_BATCHES][BATCHES_SET];
	sqlite3_bind_int64(set, 1, id);
	sqlite3_bind_int(set, 2, state);
	sqlite3_bind_int64(set, 3, revision);
	return database_run(&store->database, set, error);
}

int batches_count(struct store *store, int64_t id, int64_t *ret_rows, int64_t *ret_keywords,
        struct error *error)
{
	sqlite3_stmt *count = store->statements[STORE_BATCHES][BATCHES_COUNT];
	sqlite3_bind_int64(count, 1, id);
	int status = database_row(&store->database, count, error);
	if (status != 1) {
		return status != 0 ? status : error_set(error, SK_E_INTERNAL, "no count");
	}
	*ret_rows = sqlite3_column_int64(count, 0);
	*ret_keywords = sqlite3_column_int64(count, 1);
	sqlite3_reset(count);
	return 0;
}

int batches_sweep(struct store *store, int64_t base_revision, int limit, int *ret_deleted,
        struct error *error)
{
	static const int sweeps[] = {SWEEP_UNDONE, SWEEP_HIDDEN};
	for (size_t i = 0; i < SK_COUNT(sweeps); i++) {
		sqlite3_stmt *sweep = store->statements[STORE_BATCHES][sweeps[i]];
		sqlite3_bind_int64(sweep, 1, base_revision);
		sqlite3_bind_int(sweep, 2, limit);
		int status = database_run(&store->database, sweep, error);
		if (status != 0) {
			return status;
		}
		*ret_deleted = sqlite3_changes(store->database.handle);
		if (*ret_deleted > 0) {
			return 0;
		}
	}
	return 0;
}

int batches_sweep_digests(struct store *store, int limit, int64_t *at, struct error *error)
{
	sqlite3_stmt *last = store->statements[STORE_BATCHES][SWEEP_LAST];
	sqlite3_bind_int64(last, 1, *at);
	sqlite3_bind_int(last, 2, limit);
	int status = database_row(&store->database, last, error);
	if (status < 0) {
		return status;
	}
	int64_t end = INT64_MAX;
	if (status == 1) {
		end = sqlite3_column_int64(last, 0);
		sqlite3_reset(last);
	}
	sqlite3_stmt *sweep = store->statements[STORE_BATCHES][SWEEP_DIGESTS];
	sqlite3_bind_int64(sweep, 1, *at);
	sqlite3_bind_int64(sweep, 2, end);
	status = database_run(&store->database, sweep, error);
	if (status != 0) {
		return status;
	}
	*at = end;
	return end != INT64_MAX;
}

int batches_recover(struct store *store, struct error *error)
{
	return database_run(
	        &store->database, store->statements[STORE_BATCHES][BATCHES_RECOVER], error);
}
