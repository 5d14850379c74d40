#include "backend/store/store.h"

enum { HITS_ADD };
const char *const store_hits_sql[] = {
        [HITS_ADD] = "INSERT INTO hits VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
                     " hits = hits + excluded.hits, last = max(last, excluded.last)",
        NULL,
};

int store_hits_add(
        struct store *store, int list, int64_t id, int64_t hits, int64_t last, struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_HITS][HITS_ADD];
	sqlite3_bind_int(add, 1, list);
	sqlite3_bind_int64(add, 2, id);
	sqlite3_bind_int64(add, 3, hits);
	sqlite3_bind_int64(add, 4, last);
	return database_run(&store->database, add, error);
}
