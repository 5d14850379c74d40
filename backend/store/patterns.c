#include "backend/store/patterns.h"

#include <stdio.h>

#define COLUMNS                                                                                    \
	"generation, kind, version, name, entries, size, created, activated, active, source, "     \
	"error"

enum {
	PATTERNS_ADD,
	PATTERNS_REMOVE,
	PATTERNS_DEACTIVATE,
	PATTERNS_ACTIVATE,
	PATTERNS_ERROR,
	PATTERNS_GET,
	PATTERNS_PREVIOUS,
	PATTERNS_EACH,
	PATTERNS_OLD
};

const char *const store_patterns_sql[] = {
        [PATTERNS_ADD] = "INSERT INTO patterns(kind, version, name, entries, size, created,"
                         " activated, active, source, error)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, '')",
        [PATTERNS_REMOVE] = "DELETE FROM patterns WHERE generation = ?1",
        [PATTERNS_DEACTIVATE] = "UPDATE patterns SET active = 0 WHERE kind = ?1 AND active = 1",
        /* Activations order by this number even when the clock goes back. */
        [PATTERNS_ACTIVATE] = "UPDATE patterns SET active = 1, error = '', activated ="
                              " max(?2, (SELECT max(activated) + 1 FROM patterns))"
                              " WHERE generation = ?1",
        [PATTERNS_ERROR] = "UPDATE patterns SET error = ?2 WHERE generation = ?1",
        [PATTERNS_GET] = "SELECT " COLUMNS " FROM patterns WHERE generation = ?1",
        [PATTERNS_PREVIOUS] = "SELECT " COLUMNS " FROM patterns WHERE kind = ?1 AND active = 0"
                              " AND activated > 0 ORDER BY activated DESC LIMIT 1",
        [PATTERNS_EACH] = "SELECT " COLUMNS " FROM patterns WHERE generation < ?1"
                          " ORDER BY generation DESC",
        [PATTERNS_OLD] = "SELECT " COLUMNS " FROM patterns WHERE kind = ?1 AND active = 0 AND"
                         " generation NOT IN (SELECT generation FROM patterns WHERE kind = ?1"
                         " AND activated > 0 ORDER BY activated DESC LIMIT ?2) AND"
                         " generation NOT IN (SELECT generation FROM patterns WHERE kind = ?1"
                         " AND activated = 0 ORDER BY generation DESC LIMIT ?2)",
        NULL,
};

static void read_row(sqlite3_stmt *statement, struct pattern_row *ret_row)
{
	*ret_row = (struct pattern_row){
	        .generation = sqlite3_column_int64(statement, 0),
	        .kind = (enum pattern_kind)sqlite3_column_int(statement, 1),
	        .entries = sqlite3_column_int64(statement, 4),
	        .size = sqlite3_column_int64(statement, 5),
	        .created = sqlite3_column_int64(statement, 6),
	        .activated = sqlite3_column_int64(statement, 7),
	        .active = sqlite3_column_int(statement, 8) != 0,
	};
	snprintf(ret_row->version, sizeof(ret_row->version), "%s",
	        database_text(statement, 2, NULL));
	snprintf(ret_row->name, sizeof(ret_row->name), "%s", database_text(statement, 3, NULL));
	snprintf(ret_row->source, sizeof(ret_row->source), "%s", database_text(statement, 9, NULL));
	snprintf(ret_row->error, sizeof(ret_row->error), "%s", database_text(statement, 10, NULL));
}

int patterns_add(struct store *store, const struct pattern_row *row, int64_t *ret_generation,
        struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_PATTERNS][PATTERNS_ADD];
	sqlite3_bind_int(add, 1, row->kind);
	database_bind_text(add, 2, row->version);
	database_bind_text(add, 3, row->name);
	sqlite3_bind_int64(add, 4, row->entries);
	sqlite3_bind_int64(add, 5, row->size);
	sqlite3_bind_int64(add, 6, row->created);
	database_bind_text(add, 7, row->source);
	int status = database_run(&store->database, add, error);
	if (status == 0) {
		*ret_generation = sqlite3_last_insert_rowid(store->database.handle);
	}
	return status;
}

int patterns_remove(struct store *store, int64_t generation, struct error *error)
{
	sqlite3_stmt *remove = store->statements[STORE_PATTERNS][PATTERNS_REMOVE];
	sqlite3_bind_int64(remove, 1, generation);
	return database_run(&store->database, remove, error);
}

int patterns_set_active(struct store *store, enum pattern_kind kind, int64_t generation,
        int64_t now, struct error *error)
{
	sqlite3_stmt *deactivate = store->statements[STORE_PATTERNS][PATTERNS_DEACTIVATE];
	sqlite3_bind_int(deactivate, 1, kind);
	int status = database_run(&store->database, deactivate, error);
	if (status != 0) {
		return status;
	}
	sqlite3_stmt *activate = store->statements[STORE_PATTERNS][PATTERNS_ACTIVATE];
	sqlite3_bind_int64(activate, 1, generation);
	sqlite3_bind_int64(activate, 2, now);
	return database_run(&store->database, activate, error);
}

int patterns_set_error(
        struct store *store, int64_t generation, const char *text, struct error *error)
{
	sqlite3_stmt *set = store->statements[STORE_PATTERNS][PATTERNS_ERROR];
	sqlite3_bind_int64(set, 1, generation);
	database_bind_text(set, 2, text);
	return database_run(&store->database, set, error);
}

static int get_one(
        struct store *store, int statement, struct pattern_row *ret_row, struct error *error)
{
	sqlite3_stmt *get = store->statements[STORE_PATTERNS][statement];
	int status = database_row(&store->database, get, error);
	if (status == 1) {
		read_row(get, ret_row);
		sqlite3_reset(get);
		return 0;
	}
	return status != 0 ? status : error_set(error, SK_E_NOT_FOUND, "pattern generation");
}

int patterns_get(
        struct store *store, int64_t generation, struct pattern_row *ret_row, struct error *error)
{
	sqlite3_bind_int64(store->statements[STORE_PATTERNS][PATTERNS_GET], 1, generation);
	return get_one(store, PATTERNS_GET, ret_row, error);
}

int patterns_previous(struct store *store, enum pattern_kind kind, struct pattern_row *ret_row,
        struct error *error)
{
	sqlite3_bind_int(store->statements[STORE_PATTERNS][PATTERNS_PREVIOUS], 1, kind);
	return get_one(store, PATTERNS_PREVIOUS, ret_row, error);
}

static int visit_rows(struct store *store, sqlite3_stmt *statement, pattern_visit_fn *visit,
        void *context, struct error *error)
{
	int status;
	while ((status = database_row(&store->database, statement, error)) == 1) {
		struct pattern_row row;
		read_row(statement, &row);
		int stop = visit(context, &row);
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}

int patterns_each(struct store *store, int64_t before, pattern_visit_fn *visit, void *context,
        struct error *error)
{
	sqlite3_stmt *each = store->statements[STORE_PATTERNS][PATTERNS_EACH];
	sqlite3_bind_int64(each, 1, before);
	return visit_rows(store, each, visit, context, error);
}

int patterns_each_old(struct store *store, enum pattern_kind kind, int keep,
        pattern_visit_fn *visit, void *context, struct error *error)
{
	sqlite3_stmt *old = store->statements[STORE_PATTERNS][PATTERNS_OLD];
	sqlite3_bind_int(old, 1, kind);
	sqlite3_bind_int(old, 2, keep);
	return visit_rows(store, old, visit, context, error);
}
