#ifndef BACKEND_BASE_BUILD_H
#define BACKEND_BASE_BUILD_H

#include "backend/store/rules.h"
#include "backend/worker.h"
#include "lib/lookup/policy.h"

/* The base level: every rule and object as of one revision, as a policy file; a task of the builder
 * thread. */
struct base_build {
	struct task task; /* run is base_build_run */
	/* in */
	const char *database; /* path of config.db */
	char path[64]; /* of the file to write */
	struct siphash_key key;
	struct rule_view view;
	/* out */
	int status;
	struct error error;
	int64_t revision; /* what it was built from */
	int64_t rules, keywords; /* in the view; keywords: enabled ones */
	int64_t left_out; /* rows that the builder did not take */
	int fd; /* the file, -1 on failure; the caller's */
	struct policy *policy; /* opened and verified; the caller's */
};

/* Fills in what is out; takes as long as it takes. On the builder thread. */
void base_build_run(struct task *task, void *context);

#endif
