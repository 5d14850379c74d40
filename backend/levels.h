#ifndef BACKEND_LEVELS_H
#define BACKEND_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/jobs.h"
#include "backend/publish.h"
#include "backend/store/rules.h"
#include "lib/verdict/verdict.h"

/*
 * DESIGN. Rules and suspicious objects on their way to the workers, in two levels. The base holds
 * everything as of some revision; it is built by a thread, its keyword rules are compiled by a job,
 * and it is replaced as a whole. The overlay holds what changed since; it is rebuilt at every
 * change. When the overlay grows beyond half of LIMIT_OVERLAY_CHANGES, or has many keyword rules,
 * or when the pattern's key changes (one key lets a query be hashed once), a new base is built.
 *
 * A keyword rule in the overlay is compiled by a job, too; until it is, the overlay goes without it
 * (overlay.h). `complete` says up to which revision keyword rules are in the present overlay.
 *
 * Main thread.
 */
struct levels;

struct levels_options {
	struct event_base *base;
	struct store *store;
	const char *database; /* path of config.db */
	struct publisher *publisher;
	struct jobs *jobs;
	struct worker *builder;
	struct siphash_key key; /* while no pattern gives one */
	int64_t (*now)(void *context); /* wall time, for what is written to rules */
	void *context;
};

int levels_new(const struct levels_options *options, struct levels **ret_levels) SK_MUST_USE;
void levels_free(struct levels *levels); /* NULL allowed */

/* Opens the base that is there or builds one, and its overlay; then calls done(). */
typedef void levels_done_fn(void *context, int status, const char *text);
void levels_start(struct levels *levels, levels_done_fn *done, void *context);

/* The key that policy files should have: that of the present web pattern, or NULL. */
void levels_set_key(struct levels *levels, const struct siphash_key *key);

/* Rules or objects were changed (committed): counts, and a new overlay before the next publish. */
void levels_changed(struct levels *levels, int rules, int keywords);

/* Before a publish: builds the overlay when something changed, sets the sections. */
int levels_refresh(struct levels *levels, int64_t *ret_complete, struct error *error) SK_MUST_USE;

/* Is there room for `count` more changes at the moment? When not, a new base is on its way. */
bool levels_room(const struct levels *levels, int64_t count);

/*
 * A new base of another view, for what is too large for the overlay. When it is built, commit() is
 * called within the change that makes it the present one, with the revision that it was built from;
 * done() after that, or with the failure (then nothing changed).
 */
struct levels_rebuild {
	struct rule_view view;
	int (*commit)(void *context, int64_t revision, struct error *error);
	levels_done_fn *done;
	void *context;
};
int levels_rebuild(struct levels *levels, const struct levels_rebuild *rebuild) SK_MUST_USE;

/* Visible rules and enabled keyword rules. */
struct rule_counts {
	int64_t rules, keywords;
};
struct rule_counts levels_counts(const struct levels *levels);

/* Revision that the present base was built from. */
int64_t levels_base_revision(const struct levels *levels);

/* What to decide from; valid until the main loop goes on. `ret_version` changes with it. */
void levels_snapshot(
        const struct levels *levels, struct snapshot *ret_snapshot, uint64_t *ret_version);

#endif
