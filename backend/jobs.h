#ifndef BACKEND_JOBS_H
#define BACKEND_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "backend/keeper_link.h"
#include "lib/link/job_kind.h"

/*
 * Processes sekisho-job, started through the keeper: one of a kind at a time (of some kinds a few),
 * further ones wait. Main thread.
 */
struct jobs;
struct job;

/* How a job ended. */
struct job_result {
	int status; /* 0; SK_E_REFUSED: it answered with an error; SK_E_TIMEOUT; SK_E_CONFLICT: it
	               was cancelled; SK_E_INTERNAL: it crashed, broke a limit or could not be
	               started */
	json_object *answer; /* of status 0; lives until the call returns */
	char code[32], text[512]; /* otherwise */
};

struct job_start {
	enum job_kind kind;
	json_object *request; /* put in every case; NULL: {} */
	const int *descriptors; /* fd 3, 4, … of the job; duplicated, they stay the caller's */
	size_t descriptor_count;
	int wall_ms; /* from its start */
	void (*progress)(void *context, int percent, const char *step); /* or NULL */
	void (*end)(void *context, const struct job_result *result); /* always called, once */
	void *context;
};

int jobs_new(
        struct event_base *base, struct keeper_link *keeper, struct jobs **ret_jobs) SK_MUST_USE;
/* Ends what runs: end() comes with SK_E_CONFLICT. NULL allowed. */
void jobs_free(struct jobs *jobs);

/* 0 (end() comes, later) or an error (it does not). `ret_job` may be NULL; it is valid until end().
 */
int jobs_start(struct jobs *jobs, const struct job_start *start, struct job **ret_job) SK_MUST_USE;

/* end() comes with SK_E_CONFLICT, soon. */
void jobs_cancel(struct job *job);

/* From the keeper. */
void jobs_ended(struct jobs *jobs, uint32_t process, int wait_status);

#endif
