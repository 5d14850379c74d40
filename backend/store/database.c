#include "backend/store/database.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"

#define BUSY_MS 2000
#define LENGTH_MAX (4 * 1024 * 1024)

int database_error(struct database *database, const char *what, struct error *error)
{
	sqlite3 *handle = database->handle;
	int code = handle != NULL ? sqlite3_extended_errcode(handle) : SQLITE_NOMEM;
	int status = SK_E_DATABASE;
	switch (code & 0xff) {
	case SQLITE_FULL:
		status = -ENOSPC;
		break;
	case SQLITE_IOERR: {
		int number = sqlite3_system_errno(handle);
		status = number == ENOSPC || number == EDQUOT ? -ENOSPC : -EIO;
		break;
	}
	case SQLITE_NOMEM:
		status = -ENOMEM;
		break;
	case SQLITE_CONSTRAINT:
		status = SK_E_EXISTS;
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		status = SK_E_CORRUPT;
		break;
	default:
		break;
	}
	return error_set(error, status, "%s: %s: %s", database->name, what,
	        handle != NULL ? sqlite3_errmsg(handle) : "out of memory");
}

/* Runs constant SQL of ours that is not worth keeping prepared. */
static int run_once(struct database *database, const char *sql, struct error *error)
{
	while (*sql != '\0') {
		sqlite3_stmt *statement = NULL;
		const char *rest = NULL;
		if (sqlite3_prepare_v3(database->handle, sql, -1, 0, &statement, &rest) !=
		        SQLITE_OK) {
			return database_error(database, "prepare", error);
		}
		int code = SQLITE_DONE;
		while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		}
		int status = code != SQLITE_DONE ? database_error(database, "run", error) : 0;
		sqlite3_finalize(statement);
		if (status != 0) {
			return status;
		}
		sql = rest;
	}
	return 0;
}

static int read_number(
        struct database *database, const char *sql, int64_t *ret_value, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v3(database->handle, sql, -1, 0, &statement, NULL) != SQLITE_OK) {
		return database_error(database, "prepare", error);
	}
	int status = database_row(database, statement, error);
	if (status == 1) {
		*ret_value = sqlite3_column_int64(statement, 0);
		status = 0;
	}
	sqlite3_finalize(statement);
	return status;
}

static int configure(struct database *database, enum database_mode mode, struct error *error)
{
	sqlite3 *handle = database->handle;
	static const struct {
		int option, value;
	} options[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
	        {SQLITE_DBCONFIG_DQS_DML, 0}, {SQLITE_DBCONFIG_DQS_DDL, 0}};
	for (size_t i = 0; i < SK_COUNT(options); i++) {
		if (sqlite3_db_config(handle, options[i].option, options[i].value, NULL) !=
		        SQLITE_OK) {
			return database_error(database, "configure", error);
		}
	}
	sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_timeout(handle, BUSY_MS);
	if (mode == DATABASE_READ) {
		sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		return run_once(database, "PRAGMA query_only=1; PRAGMA cell_size_check=1", error);
	}
	return run_once(database,
	        mode == DATABASE_WRITE_FULL ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	                                      "PRAGMA cell_size_check=1; PRAGMA temp_store=MEMORY"
	                                    : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
	                                      "PRAGMA cell_size_check=1; PRAGMA temp_store=MEMORY",
	        error);
}

/* The numbers are ours; a PRAGMA takes no bound value. */
static int set_pragma(
        struct database *database, const char *name, uint32_t value, struct error *error)
{
	char sql[96];
	snprintf(sql, sizeof(sql), "PRAGMA %s=%d", name, (int)value);
	return run_once(database, sql, error);
}

static int migrate(struct database *database, const struct database_schema *schema, int64_t from,
        struct error *error)
{
	for (int64_t version = from; version < schema->version; version++) {
		int status = database_begin(database, error);
		if (status == 0) {
			status = run_once(database, schema->migrations[version], error);
		}
		if (status == 0) {
			status = set_pragma(database, "user_version", (uint32_t)version + 1, error);
		}
		if (status == 0) {
			status = set_pragma(
			        database, "application_id", schema->application_id, error);
		}
		if (status == 0) {
			status = database_commit(database, error);
		}
		if (status != 0) {
			database_rollback(database);
			return status;
		}
	}
	return 0;
}

static int check_version(struct database *database, const struct database_schema *schema,
        enum database_mode mode, struct error *error)
{
	int64_t application = 0, version = 0;
	int status = read_number(database, "PRAGMA application_id", &application, error);
	if (status == 0) {
		status = read_number(database, "PRAGMA user_version", &version, error);
	}
	if (status != 0) {
		return status;
	}
	bool fresh = application == 0 && version == 0;
	if ((!fresh && application != schema->application_id) || version > schema->version) {
		return error_set(error, SK_E_VERSION,
		        "%s: made by another program or a later version (%lld, version %lld)",
		        database->name, (long long)application, (long long)version);
	}
	if (mode == DATABASE_READ) {
		return version == schema->version
		               ? 0
		               : error_set(error, SK_E_VERSION, "%s: version %lld", database->name,
		                         (long long)version);
	}
	return migrate(database, schema, version, error);
}

int database_open(const char *path, const char *name, const struct database_schema *schema,
        enum database_mode mode, struct database *ret_database, struct error *error)
{
	struct database database = {.name = name};
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
	            SQLITE_OPEN_NOFOLLOW;
	flags |= mode == DATABASE_READ ? SQLITE_OPEN_READONLY
	                               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int status = 0;
	if (sqlite3_open_v2(path, &database.handle, flags, NULL) != SQLITE_OK) {
		status = database_error(&database, "open", error);
	}
	if (status == 0) {
		status = configure(&database, mode, error);
	}
	if (status == 0) {
		const char *const sql[] = {
		        mode == DATABASE_READ ? "BEGIN" : "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"};
		sqlite3_stmt *statements[3];
		status = database_prepare(&database, sql, 3, statements, error);
		if (status == 0) {
			database.begin = statements[0];
			database.commit = statements[1];
			database.rollback = statements[2];
		}
	}
	if (status == 0) {
		status = check_version(&database, schema, mode, error);
	}
	if (status != 0) {
		database_close(&database);
		return status;
	}
	*ret_database = database;
	return 0;
}

void database_close(struct database *database)
{
	sqlite3_finalize(database->begin);
	sqlite3_finalize(database->commit);
	sqlite3_finalize(database->rollback);
	sqlite3_close_v2(database->handle);
	memset(database, 0, sizeof(*database));
}

int database_prepare(struct database *database, const char *const *sql, size_t count,
        sqlite3_stmt **ret_statements, struct error *error)
{
	memset(ret_statements, 0, count * sizeof(*ret_statements));
	for (size_t i = 0; i < count; i++) {
		if (sqlite3_prepare_v3(database->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
		            &ret_statements[i], NULL) != SQLITE_OK) {
			int status = database_error(database, sql[i], error);
			database_finalize(ret_statements, count);
			return status;
		}
	}
	return 0;
}

void database_finalize(sqlite3_stmt **statements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sqlite3_finalize(statements[i]);
		statements[i] = NULL;
	}
}

int database_begin(struct database *database, struct error *error)
{
	return database_run(database, database->begin, error);
}

int database_commit(struct database *database, struct error *error)
{
	int status = database_run(database, database->commit, error);
	if (status != 0) {
		database_rollback(database);
	}
	return status;
}

int database_set_full(struct database *database, bool full, struct error *error)
{
	return run_once(
	        database, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", error);
}

void database_rollback(struct database *database)
{
	if (database->handle != NULL && !sqlite3_get_autocommit(database->handle)) {
		sqlite3_step(database->rollback);
		sqlite3_reset(database->rollback);
	}
}

int database_run(struct database *database, sqlite3_stmt *statement, struct error *error)
{
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
	}
	int status = code == SQLITE_DONE ? 0 : database_error(database, "write", error);
	sqlite3_reset(statement);
	return status;
}

int database_row(struct database *database, sqlite3_stmt *statement, struct error *error)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		return 1;
	}
	int status = code == SQLITE_DONE ? 0 : database_error(database, "read", error);
	sqlite3_reset(statement);
	return status;
}

int64_t database_now(void)
{
	return clock_monotonic(&clock_system);
}

const char *database_text(sqlite3_stmt *statement, int column, size_t *ret_length)
{
	const unsigned char *text = sqlite3_column_text(statement, column);
	if (ret_length != NULL) {
		*ret_length = text != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0;
	}
	return text != NULL ? (const char *)text : "";
}

void database_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
	sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}
