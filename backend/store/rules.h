#ifndef BACKEND_STORE_RULES_H
#define BACKEND_STORE_RULES_H

#include "backend/store/store.h"

/* A rule as stored. Texts are never NULL; of a row given to a visitor they live until it returns.
 */
struct rule_row {
	int64_t id;
	int list; /* enum policy_list: approved or blocked */
	int kind; /* enum rule_kind */
	const char *pattern, *targets, *comment;
	const char *problem; /* why a keyword rule was switched off by us; "" otherwise */
	bool enabled;
	int64_t expires, created, changed;
	int64_t batch; /* 0: stated alone */
	int64_t revision; /* of its last change alone; 0: came with its batch, never changed */
	int64_t hits, last_hit; /* only where said */
};

/* Nonzero stops the visit and is returned. A scan in pages knows two answers: VISIT_FULL, this row
 * was the last of the page, and VISIT_AGAIN, there is no room for it: the next page starts with it.
 */
enum { VISIT_FULL = 1, VISIT_AGAIN = 2 };
typedef int rule_visit_fn(void *context, const struct rule_row *row);

/* Within a change: a new rule; its id. SK_E_EXISTS when a visible rule has the same list, kind,
 * pattern and targets. The caller sets revision to the change's. */
int rules_add(struct store *store, const struct rule_row *row, int64_t *ret_id,
        struct error *error) SK_MUST_USE;

/*
 * The same in steps, for imports. Which rules say the same is found by a digest of what they say;
 * digests that come in their order go into the table at the cost of a sequential write, those of a
 * million rules in any order would write every page of it a thousand times.
 */
int64_t rules_digest(const struct rule_row *row);
/* SK_E_EXISTS when a visible rule with an id of at least `floor` says the same. */
int rules_check_same(struct store *store, const struct rule_row *row, int64_t digest, int64_t floor,
        struct error *error) SK_MUST_USE;
int rules_add_row(struct store *store, const struct rule_row *row, int64_t *ret_id,
        struct error *error) SK_MUST_USE;
int rules_add_digest(
        struct store *store, int64_t digest, int64_t id, struct error *error) SK_MUST_USE;

/* All of the row but created and batch. SK_E_EXISTS, SK_E_NOT_FOUND. */
int rules_update(struct store *store, const struct rule_row *row, struct error *error) SK_MUST_USE;
/* SK_E_NOT_FOUND when there is no visible rule of that id. */
int rules_remove(struct store *store, int64_t id, struct error *error) SK_MUST_USE;

/* A visible rule with its hits, in one piece of memory (mem_free). SK_E_NOT_FOUND. */
int rules_get(struct store *store, int64_t id, struct rule_row **ret_row,
        struct error *error) SK_MUST_USE;

/* Visible rules that changed after `revision`, in order of id. */
int rules_each_changed(struct store *store, int64_t revision, rule_visit_fn *visit, void *context,
        struct error *error) SK_MUST_USE;

/* Ids of rules (`object` false) or objects that were removed, or changed, or undone with their
 * batch after `revision`. An id may come more than once. */
typedef int removed_visit_fn(void *context, int64_t id);
int removed_each(struct store *store, bool object, int64_t revision, removed_visit_fn *visit,
        void *context, struct error *error) SK_MUST_USE;

/* How many rules, and enabled keyword rules, are visible: reads all of them, for the start. */
int rules_count(struct store *store, int64_t *ret_rules, int64_t *ret_keywords,
        struct error *error) SK_MUST_USE;

/* Within a change: forgets removals up to `revision` (a base built from it is in use). */
int removed_trim(struct store *store, int64_t revision, struct error *error) SK_MUST_USE;

/* ---- of another thread ---- */

/* Which rules a reader sees: those that are visible now, as if batch `include` were live and
 * batch `exclude` undone (0: none). */
struct rule_view {
	int64_t include, exclude;
};

struct rule_filter {
	int list; /* -1: both */
	int enabled; /* -1: either, 0, 1 */
	const char *search; /* part of pattern or comment, ASCII case ignored; NULL: all */
};

/*
 * Newest first from below id `before`: `visit` gets those that fit with their hits, until it
 * returns nonzero or `deadline` (ms of the monotonic clock) has passed. 1 when there may be more:
 * go on with `ret_next` as `before`; 0 at the end.
 */
int rules_scan(struct store_reader *reader, int64_t before, const struct rule_filter *filter,
        int64_t deadline, rule_visit_fn *visit, void *context, int64_t *ret_next,
        struct error *error) SK_MUST_USE;

/* All rules of a view in order of id. Within database_begin of the reader for one state. */
int rules_each(struct store_reader *reader, const struct rule_view *view, rule_visit_fn *visit,
        void *context, struct error *error) SK_MUST_USE;

/* The value of a meta number as this reader sees it. */
int reader_meta(struct store_reader *reader, enum store_meta meta, int64_t *ret_value,
        struct error *error) SK_MUST_USE;

/* A row of a statement whose columns are RULE_COLUMNS. */
#define RULE_COLUMNS                                                                               \
	"r.id, r.list, r.kind, r.pattern, r.targets, r.enabled, r.comment, r.expires, r.created,"  \
	" r.changed, r.problem, r.batch, r.revision"
void rule_row_read(sqlite3_stmt *statement, struct rule_row *ret_row);

/* ASCII-case-insensitive search of `needle` (lower case) in `text`. */
bool text_contains(const char *text, size_t length, const char *needle);

#endif
