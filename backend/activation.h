#ifndef BACKEND_ACTIVATION_H
#define BACKEND_ACTIVATION_H

#include <json-c/json_object.h>

#include "backend/levels.h"
#include "backend/store/patterns.h"
#include "lib/verdict/verdict.h"

/*
 * The pattern files: which is in use, and changing that. A file is loaded and verified here, asked
 * a few questions, published, and only when every worker has it marked as active in the store. When
 * anything fails the old one stays, and the reason is kept with the new one.
 *
 * A file that was active before (rollback) has passed all that: it is published while it is still
 * being loaded here.
 *
 * Main thread.
 */
#define PATTERNS_KEPT 3

struct activation;

struct activation_options {
	struct event_base *base;
	struct store *store;
	struct publisher *publisher;
	struct levels *levels;
	struct worker *builder;
	int64_t (*now)(void *context);
	void *context;
};

int activation_new(
        const struct activation_options *options, struct activation **ret_activation) SK_MUST_USE;
void activation_free(struct activation *activation); /* NULL allowed */

/* At start-up: loads the active patterns. One that is damaged is marked so, and the one before it
 * taken. Removes files that belong to no generation. */
int activation_open(struct activation *activation, struct error *error) SK_MUST_USE;

/* Takes a verified file (the temporary of file_replace_start below "patterns/") over as a new
 * generation. `row` says kind, version, name, entries, size, source. On failure the temporary is
 * gone. */
int activation_add(struct activation *activation, const struct pattern_row *row,
        const char *temporary, int fd, int64_t *ret_generation, struct error *error) SK_MUST_USE;

/* Makes a generation the active one; done() comes later, always. SK_E_NOT_FOUND, SK_E_CONFLICT (one
 * is under way): then it does not. */
typedef void activation_done_fn(
        void *context, int status, const char *text, uint64_t publish_generation);
int activation_start(struct activation *activation, int64_t generation, activation_done_fn *done,
        void *context, struct error *error) SK_MUST_USE;

/* The pattern in use: its row (NULL when there is none), and what to decide from. */
const struct pattern_row *activation_active(
        const struct activation *activation, enum pattern_kind kind);
const struct pattern_info *activation_info(
        const struct activation *activation, enum pattern_kind kind);
void activation_snapshot(const struct activation *activation, struct snapshot *ret_snapshot);

#endif
