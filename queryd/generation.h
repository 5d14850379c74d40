#ifndef QUERYD_GENERATION_H
#define QUERYD_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/link/link.h"
#include "lib/verdict/verdict.h"

/*
 * A generation: settings, patterns and policies that answers are given from, immutable once built.
 * Built and freed by the control thread; workers only read it. Files that are the same as before
 * (by checksum) are kept in memory and shared.
 */
#define WORKERS_MAX 64

struct section; /* an opened file, counted by the generations that hold it */

/* The end of every answer: `,"pattern":"<version>"}`, or with null. */
#define GENERATION_TAIL_MAX 448
struct answer_tail {
	uint32_t length;
	char text[GENERATION_TAIL_MAX];
};

struct generation {
	uint64_t number;
	struct link_settings settings;
	struct snapshot snapshot;
	struct section *sections[SECTION_COUNT];
	struct answer_tail web_tail, file_tail;
	char ttl_listed[12], ttl_unlisted[12]; /* decimal, NUL-terminated */
	unsigned worker_count;
	struct verdict_scratch *scratch[WORKERS_MAX];
};

/*
 * Opens what `publish` announces. `descriptors` are of the present sections, in order, and stay the
 * caller's. `before` (NULL allowed) lends sections with the same checksum. Loading is slow: seconds
 * for large patterns. On failure `error` says which section and why.
 */
int generation_new(const struct link_publish *publish, const int *descriptors, size_t count,
        const struct generation *before, unsigned worker_count, struct generation **ret_generation,
        struct error *error) SK_MUST_USE;

/* NULL allowed. No worker may use it any more. */
void generation_free(struct generation *generation);

#endif
