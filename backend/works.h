#ifndef BACKEND_WORKS_H
#define BACKEND_WORKS_H

#include <json-c/json_object.h>

#include "backend/jobs.h"
#include "backend/store/store.h"
#include "lib/rpc/fault.h"

/* What RPC calls a job: longer work that a verb started, with an id, progress and a result that can
 * be asked for later. One of a verb at a time. Main thread. */
struct works;

struct work {
	int64_t id;
	struct works *works;
	struct work *next;
	char verb[32];
	int progress;
	char step[64];
	bool cancelled; /* wished; whoever does the work looks at it between steps */
	struct job *job; /* the process that it waits for at the moment, or NULL */
};

struct works_options {
	struct store *store;
	int64_t (*now)(void *context);
	void *context;
};

int works_new(const struct works_options *options, struct works **ret_works) SK_MUST_USE;
void works_free(struct works *works); /* NULL allowed */

/* A new one; it is on disk then. SK_E_CONFLICT when one of that verb is under way. */
int work_start(struct works *works, const char *verb, struct work **ret_work,
        struct error *error) SK_MUST_USE;

void work_progress(struct work *work, int progress, const char *step);

/* End it; `work` is gone then. `result` is put. */
void work_finish(struct work *work, json_object *result);
void work_fail(struct work *work, const char *code, const char *text);

/* What job.get answers; the caller's. SK_E_NOT_FOUND. */
int works_get(
        struct works *works, int64_t id, json_object **ret_object, struct error *error) SK_MUST_USE;
/* SK_E_NOT_FOUND when nothing of that id is under way. */
int works_cancel(struct works *works, int64_t id) SK_MUST_USE;

#endif
