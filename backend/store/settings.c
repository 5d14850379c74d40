#include "backend/store/store.h"

enum { SETTINGS_ALL, SETTINGS_SET };
const char *const store_settings_sql[] = {
        [SETTINGS_ALL] = "SELECT name, value FROM settings",
        [SETTINGS_SET] = "INSERT INTO settings VALUES(?1, ?2)"
                         " ON CONFLICT DO UPDATE SET value = excluded.value",
        NULL,
};

int store_settings_each(
        struct store *store, store_setting_fn *visit, void *context, struct error *error)
{
	sqlite3_stmt *all = store->statements[STORE_SETTINGS][SETTINGS_ALL];
	int status;
	while ((status = database_row(&store->database, all, error)) == 1) {
		visit(context, database_text(all, 0, NULL), database_text(all, 1, NULL));
	}
	return status;
}

int store_settings_set(
        struct store *store, const char *name, const char *value, struct error *error)
{
	sqlite3_stmt *set = store->statements[STORE_SETTINGS][SETTINGS_SET];
	database_bind_text(set, 1, name);
	database_bind_text(set, 2, value);
	return database_run(&store->database, set, error);
}
