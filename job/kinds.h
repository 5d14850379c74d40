#ifndef JOB_KINDS_H
#define JOB_KINDS_H

#include "job/job.h"
#include "job/sandbox.h"
#include "lib/link/job_kind.h"

/* A row of the table of kinds: what a kind does, what it is given, what it may use. */
struct job_description {
	enum job_kind kind;
	int (*prepare)(
	        struct job *job); /* before the sandbox; reads nothing. NULL: nothing to do */
	int (*run)(struct job *job);
	int descriptors_min, descriptors_max;
	bool last_is_folder; /* the last descriptor is the folder that it writes to */
	struct sandbox sandbox;
};

/* The row of a kind, or NULL when there is none. */
const struct job_description *job_describe(enum job_kind kind);

/* The kinds: 0, or a negative error with its text in job->error. */
int build_prepare(struct job *job);
int build_run(struct job *job);
int certificate_prepare(struct job *job);
int certificate_run(struct job *job);
int check_keyword_run(struct job *job);
int compile_rules_run(struct job *job);
int import_run(struct job *job);
int unpack_run(struct job *job);
int probe_prepare(struct job *job);
int probe_run(struct job *job);

#endif
