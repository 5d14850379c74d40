#include "backend/store/objects.h"

#include <string.h>

#include "backend/store/rules.h"

enum { OBJECTS_ADD, OBJECTS_DELETE, OBJECTS_BURY, OBJECTS_CHANGED, OBJECTS_COUNT };
const char *const store_objects_sql[] = {
        [OBJECTS_ADD] = "INSERT INTO objects(list, kind, value, action, cnc_level, comment,"
                        " expires, created, revision) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        [OBJECTS_DELETE] = "DELETE FROM objects WHERE id = ?1",
        [OBJECTS_BURY] = "INSERT OR REPLACE INTO removed VALUES(1, ?1, ?2)",
        [OBJECTS_CHANGED] = "SELECT " OBJECT_COLUMNS " FROM objects WHERE revision > ?1",
        [OBJECTS_COUNT] = "SELECT count(*) FROM objects",
        NULL,
};

static void read_row(sqlite3_stmt *statement, struct object_row *ret_row)
{
	*ret_row = (struct object_row){
	        .id = sqlite3_column_int64(statement, 0),
	        .list = sqlite3_column_int(statement, 1),
	        .kind = sqlite3_column_int(statement, 2),
	        .value = database_text(statement, 3, NULL),
	        .action = sqlite3_column_int(statement, 4),
	        .cnc_level = sqlite3_column_int(statement, 5),
	        .comment = database_text(statement, 6, NULL),
	        .expires = sqlite3_column_int64(statement, 7),
	        .created = sqlite3_column_int64(statement, 8),
	        .revision = sqlite3_column_int64(statement, 9),
	};
}

int objects_add(
        struct store *store, const struct object_row *row, int64_t *ret_id, struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_OBJECTS][OBJECTS_ADD];
	sqlite3_bind_int(add, 1, row->list);
	sqlite3_bind_int(add, 2, row->kind);
	database_bind_text(add, 3, row->value);
	sqlite3_bind_int(add, 4, row->action);
	sqlite3_bind_int(add, 5, row->cnc_level);
	database_bind_text(add, 6, row->comment);
	sqlite3_bind_int64(add, 7, row->expires);
	sqlite3_bind_int64(add, 8, row->created);
	sqlite3_bind_int64(add, 9, row->revision);
	int status = database_run(&store->database, add, error);
	if (status == 0) {
		*ret_id = sqlite3_last_insert_rowid(store->database.handle);
	}
	return status;
}

int objects_remove(struct store *store, int64_t id, struct error *error)
{
	sqlite3_stmt *delete = store->statements[STORE_OBJECTS][OBJECTS_DELETE];
	sqlite3_bind_int64(delete, 1, id);
	int status = database_run(&store->database, delete, error);
	if (status != 0) {
		return status;
	}
	if (sqlite3_changes(store->database.handle) == 0) {
		return error_set(error, SK_E_NOT_FOUND, "object %lld", (long long)id);
	}
	sqlite3_stmt *bury = store->statements[STORE_OBJECTS][OBJECTS_BURY];
	sqlite3_bind_int64(bury, 1, id);
	sqlite3_bind_int64(bury, 2, store->meta[META_REVISION]);
	return database_run(&store->database, bury, error);
}

static int visit_rows(struct database *database, sqlite3_stmt *statement, object_visit_fn *visit,
        void *context, struct error *error)
{
	int status;
	while ((status = database_row(database, statement, error)) == 1) {
		struct object_row row;
		read_row(statement, &row);
		int stop = visit(context, &row);
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}

int objects_each_changed(struct store *store, int64_t revision, object_visit_fn *visit,
        void *context, struct error *error)
{
	sqlite3_stmt *changed = store->statements[STORE_OBJECTS][OBJECTS_CHANGED];
	sqlite3_bind_int64(changed, 1, revision);
	return visit_rows(&store->database, changed, visit, context, error);
}

int objects_count(struct store *store, int64_t *ret_count, struct error *error)
{
	sqlite3_stmt *count = store->statements[STORE_OBJECTS][OBJECTS_COUNT];
	int status = database_row(&store->database, count, error);
	if (status == 1) {
		*ret_count = sqlite3_column_int64(count, 0);
		sqlite3_reset(count);
		return 0;
	}
	return status != 0 ? status : error_set(error, SK_E_INTERNAL, "no count");
}

static bool fits(const struct object_row *row, const struct object_filter *filter)
{
	if ((filter->list >= 0 && row->list != filter->list) ||
	        (filter->kind >= 0 && row->kind != filter->kind)) {
		return false;
	}
	return filter->search == NULL ||
	       text_contains(row->value, strlen(row->value), filter->search) ||
	       text_contains(row->comment, strlen(row->comment), filter->search);
}

int objects_scan(struct store_reader *reader, int64_t before, const struct object_filter *filter,
        int64_t deadline, object_visit_fn *visit, void *context, int64_t *ret_next,
        struct error *error)
{
	sqlite3_stmt *scan = reader->statements[READER_OBJECTS_SCAN];
	sqlite3_bind_int64(scan, 1, before);
	int status;
	unsigned rows = 0;
	while ((status = database_row(&reader->database, scan, error)) == 1) {
		struct object_row row;
		read_row(scan, &row);
		int stop = fits(&row, filter) ? visit(context, &row) : 0;
		if (stop != 0 || (++rows % 128 == 0 && database_now() >= deadline)) {
			*ret_next = stop == VISIT_AGAIN ? row.id + 1 : row.id;
			sqlite3_reset(scan);
			return 1;
		}
	}
	return status;
}

int objects_each(
        struct store_reader *reader, object_visit_fn *visit, void *context, struct error *error)
{
	return visit_rows(
	        &reader->database, reader->statements[READER_OBJECTS_EACH], visit, context, error);
}
