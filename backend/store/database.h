#ifndef BACKEND_STORE_DATABASE_H
#define BACKEND_STORE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "lib/base/error.h"

/*
 * An SQLite file, opened defensively. Each connection belongs to one thread. A file has one writer
 * connection, which alone checkpoints: SQLite 3.40.1 can lose commits when two connections in WAL
 * mode write and checkpoint at once. Readers open read-only and never checkpoint.
 */
enum database_mode {
	DATABASE_READ, /* must exist */
	DATABASE_WRITE_FULL, /* WAL, synchronous FULL: what is committed survives a power cut */
	DATABASE_WRITE_NORMAL /* WAL, synchronous NORMAL: may lose the last commits, never more */
};

/* What a kind of file looks like: migrations[i] brings it from version i to i + 1. */
struct database_schema {
	uint32_t application_id;
	const char *const *migrations;
	int version; /* number of migrations */
};

struct database {
	sqlite3 *handle;
	const char *name; /* for messages; the caller keeps it alive */
	sqlite3_stmt *begin, *commit, *rollback;
};

/* Opens (and for writers creates and migrates). SK_E_DATABASE, SK_E_VERSION (made by a later
 * version, or another program's), -ENOSPC. */
int database_open(const char *path, const char *name, const struct database_schema *schema,
        enum database_mode mode, struct database *ret_database, struct error *error) SK_MUST_USE;
/* Statements made from it must be finalized before. Zeroed structs are allowed. */
void database_close(struct database *database);

/* Prepares `count` statements; all or none. */
int database_prepare(struct database *database, const char *const *sql, size_t count,
        sqlite3_stmt **ret_statements, struct error *error) SK_MUST_USE;
void database_finalize(sqlite3_stmt **statements, size_t count);

/* BEGIN IMMEDIATE (of a reader: one view of the data until the end), COMMIT. A commit that fails
 * has changed nothing. */
int database_begin(struct database *database, struct error *error) SK_MUST_USE;
int database_commit(struct database *database, struct error *error) SK_MUST_USE;
/* Nothing happens when no transaction is open. */
void database_rollback(struct database *database);

/* Between transactions of a writer: are commits on disk when they return (synchronous FULL), or
 * later, in order (NORMAL)? */
int database_set_full(struct database *database, bool full, struct error *error) SK_MUST_USE;

/* Runs a bound statement that gives no rows, and resets it. 0, SK_E_EXISTS (a constraint),
 * -ENOSPC, -EIO, SK_E_DATABASE. */
int database_run(
        struct database *database, sqlite3_stmt *statement, struct error *error) SK_MUST_USE;

/* The next row: 1, 0 at the end (reset then), or an error (reset too). Reset it oneself when
 * stopping before the end. */
int database_row(
        struct database *database, sqlite3_stmt *statement, struct error *error) SK_MUST_USE;

/* Turns the present error of the connection into a code and a text. */
int database_error(struct database *database, const char *what, struct error *error);

/* Milliseconds of the monotonic clock, for time limits of reads. */
int64_t database_now(void);

/* Text of a column, never NULL, and its length. */
const char *database_text(sqlite3_stmt *statement, int column, size_t *ret_length);

/* Binds a text that the caller keeps alive until the statement is reset. */
void database_bind_text(sqlite3_stmt *statement, int index, const char *text);

#endif
