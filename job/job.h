#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"

/*
 * One piece of risky or outgoing work (docs/processes.md, "Jobs"). A kind's function reads its
 * request with the job_get_* functions, works with the descriptors from JOB_FD_FIRST on, adds
 * members to the answer with job_answer_*, and returns 0, or a negative error whose text in
 * job->error becomes the answer.
 */
#define JOB_FD_CONTROL 0
#define JOB_FD_FIRST 3

struct job {
	struct json_object *request;
	struct json_object *answer;
	int descriptor_count; /* from JOB_FD_FIRST */
	struct error error;
};

/* Tells the starter how far it is (percent) and what is being done; one who does not read in time
 * misses it. */
void job_progress(unsigned percent, const char *step);

/* Members of the request. A missing one is SK_E_NOT_FOUND and leaves the output as it was; one of
 * another type or beyond the maximum is SK_E_SYNTAX or SK_E_RANGE with the name in job->error. */
int job_get_text(struct job *job, const char *name, size_t maximum, const char **ret_text,
        size_t *ret_length) SK_MUST_USE;
int job_get_number(struct job *job, const char *name, int64_t minimum, int64_t maximum,
        int64_t *ret_value) SK_MUST_USE;
int job_get_list(struct job *job, const char *name, size_t maximum,
        struct json_object **ret_list) SK_MUST_USE;

/* Refuses members that `names` (ended by NULL) does not have. */
int job_check_members(struct job *job, const char *const *names) SK_MUST_USE;

/* Adds a member to the answer. */
void job_answer_text(struct job *job, const char *name, const char *text);
void job_answer_number(struct job *job, const char *name, int64_t value);

#endif
