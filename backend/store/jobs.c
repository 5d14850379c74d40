#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/store/store.h"
#include "lib/base/mem.h"

enum { JOBS_ADD, JOBS_FINISH, JOBS_GET, JOBS_RECOVER, JOBS_TRIM };
const char *const store_jobs_sql[] = {
        [JOBS_ADD] = "INSERT INTO jobs(verb, state, started, ended, error_code, error_text)"
                     " VALUES(?1, 'running', ?2, 0, '', '')",
        [JOBS_FINISH] = "UPDATE jobs SET state = ?2, ended = ?3, result = ?4, error_code = ?5,"
                        " error_text = ?6 WHERE id = ?1",
        [JOBS_GET] = "SELECT verb, state, started, ended, result, error_code, error_text"
                     " FROM jobs WHERE id = ?1",
        [JOBS_RECOVER] = "UPDATE jobs SET state = 'failed', ended = ?1,"
                         " error_code = 'unavailable', error_text = 'the server was restarted'"
                         " WHERE state = 'running'",
        [JOBS_TRIM] = "DELETE FROM jobs WHERE id <= (SELECT max(id) FROM jobs) - ?1",
        NULL,
};

int store_jobs_add(
        struct store *store, const char *verb, int64_t now, int64_t *ret_id, struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_JOBS][JOBS_ADD];
	database_bind_text(add, 1, verb);
	sqlite3_bind_int64(add, 2, now);
	int status = database_run(&store->database, add, error);
	if (status == 0) {
		*ret_id = sqlite3_last_insert_rowid(store->database.handle);
	}
	return status;
}

int store_jobs_finish(struct store *store, const struct store_job *job, struct error *error)
{
	sqlite3_stmt *finish = store->statements[STORE_JOBS][JOBS_FINISH];
	sqlite3_bind_int64(finish, 1, job->id);
	database_bind_text(finish, 2, job->state);
	sqlite3_bind_int64(finish, 3, job->ended);
	database_bind_text(finish, 4, job->result);
	database_bind_text(finish, 5, job->error_code);
	database_bind_text(finish, 6, job->error_text);
	return database_run(&store->database, finish, error);
}

int store_jobs_get(struct store *store, int64_t id, struct store_job *ret_job, struct error *error)
{
	sqlite3_stmt *get = store->statements[STORE_JOBS][JOBS_GET];
	sqlite3_bind_int64(get, 1, id);
	int status = database_row(&store->database, get, error);
	if (status != 1) {
		return status != 0 ? status : error_set(error, SK_E_NOT_FOUND, "job");
	}
	struct store_job job = {.id = id};
	snprintf(job.verb, sizeof(job.verb), "%s", database_text(get, 0, NULL));
	snprintf(job.state, sizeof(job.state), "%s", database_text(get, 1, NULL));
	job.started = sqlite3_column_int64(get, 2);
	job.ended = sqlite3_column_int64(get, 3);
	snprintf(job.error_code, sizeof(job.error_code), "%s", database_text(get, 5, NULL));
	snprintf(job.error_text, sizeof(job.error_text), "%s", database_text(get, 6, NULL));
	if (sqlite3_column_type(get, 4) != SQLITE_NULL) {
		size_t length;
		const char *text = database_text(get, 4, &length);
		job.result = mem_copy_text(text, length);
		status = job.result != NULL ? 1 : -ENOMEM;
	}
	sqlite3_reset(get);
	if (status == 1) {
		*ret_job = job;
	}
	return status == 1 ? 0 : status;
}

int store_jobs_recover(struct store *store, int64_t now, struct error *error)
{
	sqlite3_stmt *recover = store->statements[STORE_JOBS][JOBS_RECOVER];
	sqlite3_bind_int64(recover, 1, now);
	int status = database_run(&store->database, recover, error);
	if (status == 0) {
		sqlite3_stmt *trim = store->statements[STORE_JOBS][JOBS_TRIM];
		sqlite3_bind_int64(trim, 1, STORE_JOBS_KEPT);
		status = database_run(&store->database, trim, error);
	}
	return status;
}
