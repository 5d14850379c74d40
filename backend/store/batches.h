#ifndef BACKEND_STORE_BATCHES_H
#define BACKEND_STORE_BATCHES_H

#include "backend/store/store.h"

/* Imports of rules (see store.h). */
enum batch_state { BATCH_PENDING, BATCH_LIVE, BATCH_UNDONE, BATCH_STATE_COUNT };

struct batch {
	int64_t id;
	enum batch_state state;
	int64_t floor; /* 0: replaces nothing */
	int64_t created;
	int64_t revision; /* of the change that made it live or undone */
};

/* Within a transaction: a new pending batch. With `replace` it hides, once it is live, every rule
 * that exists now. */
int batches_add(struct store *store, bool replace, int64_t now, struct batch *ret_batch,
        struct error *error) SK_MUST_USE;

/* SK_E_NOT_FOUND. */
int batches_get(
        struct store *store, int64_t id, struct batch *ret_batch, struct error *error) SK_MUST_USE;

/* Within a change: live or undone. `revision` is the one that the change counts as from: the
 * change's own, or that of a base which was built with it already. */
int batches_set(struct store *store, int64_t id, enum batch_state state, int64_t revision,
        struct error *error) SK_MUST_USE;

/* Rows of a batch, and of them enabled keyword rules. */
int batches_count(struct store *store, int64_t id, int64_t *ret_rows, int64_t *ret_keywords,
        struct error *error) SK_MUST_USE;

/*
 * Deletes at most `limit` rows that can never count again: of batches that were undone up to
 * `base_revision` or were pending when the process ended (`recover`), and what was hidden by a
 * batch before the last one that replaced. A transaction of its own. How many; 0 when clean.
 */
int batches_sweep(struct store *store, int64_t base_revision, int limit, int *ret_deleted,
        struct error *error) SK_MUST_USE;

/* The digests of rules that are gone, `limit` at a time in their order: `*at` starts as INT64_MIN.
 * 1 while there is more, 0 at the end. */
int batches_sweep_digests(
        struct store *store, int limit, int64_t *at, struct error *error) SK_MUST_USE;

/* At start-up: pending batches are left from a crash; they become undone. */
int batches_recover(struct store *store, struct error *error) SK_MUST_USE;

#endif
