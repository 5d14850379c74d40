#ifndef BACKEND_PATTERN_JOBS_H
#define BACKEND_PATTERN_JOBS_H

#include "backend/backend.h"

/* Getting new patterns: building them from feeds, taking files in. Each file goes through the job
 * "unpack", which verifies it, before anything else reads it. */

/* Descriptors: description, then its lists; they stay the caller's. `version` may be NULL. */
int pattern_build_start(struct backend *backend, const int *descriptors, size_t count,
        bool activate, const char *version, int64_t *ret_job, struct error *error) SK_MUST_USE;
int pattern_import_start(struct backend *backend, int fd, bool activate, int64_t *ret_job,
        struct error *error) SK_MUST_USE;

/* At the first start, when there is no pattern: builds and activates the one of the default feed.
 * done() comes in every case. */
void pattern_build_default(struct backend *backend,
        void (*done)(void *context, int status, const char *text), void *context);

/* At start-up: what builds left behind. */
void pattern_jobs_clean(void);

#endif
