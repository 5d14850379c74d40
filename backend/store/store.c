#include "backend/store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backend/store/schema.h"

enum { META_ALL, META_SET };
static const char *const meta_sql[] = {
        [META_ALL] = "SELECT name, value FROM meta",
        [META_SET] = "UPDATE meta SET value = ?2 WHERE name = ?1",
        NULL,
};

static const char *const *const group_sql[STORE_GROUP_COUNT] = {
        [STORE_META] = meta_sql,
        [STORE_SETTINGS] = store_settings_sql,
        [STORE_RULES] = store_rules_sql,
        [STORE_BATCHES] = store_batches_sql,
        [STORE_OBJECTS] = store_objects_sql,
        [STORE_HITS] = store_hits_sql,
        [STORE_PATTERNS] = store_patterns_sql,
        [STORE_JOBS] = store_jobs_sql,
};

static size_t count_sql(const char *const *sql)
{
	size_t count = 0;
	while (sql[count] != NULL) {
		count++;
	}
	return count;
}

static int load_meta(struct store *store, struct error *error)
{
	sqlite3_stmt *all = store->statements[STORE_META][META_ALL];
	int status;
	while ((status = database_row(&store->database, all, error)) == 1) {
		int64_t name = sqlite3_column_int64(all, 0);
		if (name >= 0 && name < META_COUNT) {
			store->committed[name] = sqlite3_column_int64(all, 1);
		}
	}
	memcpy(store->meta, store->committed, sizeof(store->meta));
	return status;
}

int store_open(const char *path, struct store *ret_store, struct error *error)
{
	struct store store = {0};
	int status = database_open(
	        path, "config.db", &schema_config, DATABASE_WRITE_FULL, &store.database, error);
	for (int group = 0; status == 0 && group < STORE_GROUP_COUNT; group++) {
		assert(count_sql(group_sql[group]) <= STORE_STATEMENTS_MAX);
		status = database_prepare(&store.database, group_sql[group],
		        count_sql(group_sql[group]), store.statements[group], error);
	}
	if (status == 0) {
		status = load_meta(&store, error);
	}
	if (status != 0) {
		store_close(&store);
		return status;
	}
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	for (int group = 0; group < STORE_GROUP_COUNT; group++) {
		database_finalize(store->statements[group], STORE_STATEMENTS_MAX);
	}
	database_close(&store->database);
}

int store_set_meta(struct store *store, enum store_meta meta, int64_t value, struct error *error)
{
	sqlite3_stmt *set = store->statements[STORE_META][META_SET];
	sqlite3_bind_int64(set, 1, meta);
	sqlite3_bind_int64(set, 2, value);
	int status = database_run(&store->database, set, error);
	if (status == 0) {
		store->meta[meta] = value;
	}
	return status;
}

/* Every other transaction is on disk when it is committed. */
static void end_lazy(struct store *store)
{
	struct error error = {0};
	if (store->lazy && database_set_full(&store->database, true, &error) != 0) {
		abort(); /* going on would lose what is acknowledged */
	}
	store->lazy = false;
}

int store_begin_quiet(struct store *store, struct error *error)
{
	return database_begin(&store->database, error);
}

int store_begin_lazy(struct store *store, struct error *error)
{
	int status = database_set_full(&store->database, false, error);
	if (status != 0) {
		return status;
	}
	store->lazy = true;
	status = database_begin(&store->database, error);
	if (status != 0) {
		end_lazy(store);
	}
	return status;
}

int store_begin(struct store *store, struct error *error)
{
	int status = database_begin(&store->database, error);
	if (status == 0) {
		status =
		        store_set_meta(store, META_REVISION, store->meta[META_REVISION] + 1, error);
	}
	if (status == 0) {
		status = store_set_meta(
		        store, META_GENERATION, store->meta[META_GENERATION] + 1, error);
	}
	return status != 0 ? store_end(store, status, error) : 0;
}

int store_end(struct store *store, int status, struct error *error)
{
	if (status == 0) {
		status = database_commit(&store->database, error);
	}
	if (status == 0) {
		memcpy(store->committed, store->meta, sizeof(store->meta));
	} else {
		database_rollback(&store->database);
		memcpy(store->meta, store->committed, sizeof(store->meta));
	}
	end_lazy(store);
	return status;
}

int store_next_generation(struct store *store, struct error *error)
{
	int status = store_begin(store, error);
	return store_end(store, status, error);
}

int store_reader_open(const char *path, struct store_reader *ret_reader, struct error *error)
{
	struct store_reader reader = {0};
	int status = database_open(
	        path, "config.db", &schema_config, DATABASE_READ, &reader.database, error);
	if (status == 0) {
		status = database_prepare(&reader.database, store_reader_sql,
		        count_sql(store_reader_sql), reader.statements, error);
	}
	if (status != 0) {
		store_reader_close(&reader);
		return status;
	}
	*ret_reader = reader;
	return 0;
}

void store_reader_close(struct store_reader *reader)
{
	database_finalize(reader->statements, STORE_STATEMENTS_MAX);
	database_close(&reader->database);
}
