#ifndef BACKEND_STORE_PATTERNS_H
#define BACKEND_STORE_PATTERNS_H

#include "backend/store/store.h"

/* Generations of the two patterns. */
enum pattern_kind { PATTERN_WEB, PATTERN_FILES, PATTERN_KIND_COUNT };

#define PATTERN_TEXT_MAX 256
struct pattern_row {
	int64_t generation;
	enum pattern_kind kind;
	char version[PATTERN_TEXT_MAX], name[PATTERN_TEXT_MAX], source[32];
	int64_t entries, size, created;
	int64_t activated; /* when last; 0: never */
	bool active;
	char error[ERROR_TEXT_MAX]; /* why its activation failed; "" otherwise */
};
typedef int pattern_visit_fn(void *context, const struct pattern_row *row);

/* Within a transaction. */
int patterns_add(struct store *store, const struct pattern_row *row, int64_t *ret_generation,
        struct error *error) SK_MUST_USE;
int patterns_remove(struct store *store, int64_t generation, struct error *error) SK_MUST_USE;
/* Makes it the active one of its kind, and none other. */
int patterns_set_active(struct store *store, enum pattern_kind kind, int64_t generation,
        int64_t now, struct error *error) SK_MUST_USE;
int patterns_set_error(
        struct store *store, int64_t generation, const char *text, struct error *error) SK_MUST_USE;

/* SK_E_NOT_FOUND. */
int patterns_get(struct store *store, int64_t generation, struct pattern_row *ret_row,
        struct error *error) SK_MUST_USE;
/* The one that was active before the present one. */
int patterns_previous(struct store *store, enum pattern_kind kind, struct pattern_row *ret_row,
        struct error *error) SK_MUST_USE;
/* Newest first, below generation `before`. */
int patterns_each(struct store *store, int64_t before, pattern_visit_fn *visit, void *context,
        struct error *error) SK_MUST_USE;
/* Generations of a kind that need not be kept: activated, but not among the last `keep` that were,
 * and of those never activated all but the newest `keep`. */
int patterns_each_old(struct store *store, enum pattern_kind kind, int keep,
        pattern_visit_fn *visit, void *context, struct error *error) SK_MUST_USE;

#endif
