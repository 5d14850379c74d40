#ifndef BACKEND_STORE_OBJECTS_H
#define BACKEND_STORE_OBJECTS_H

#include "backend/store/store.h"

/* Suspicious objects. Texts as in rules.h. */
struct object_row {
	int64_t id;
	int list; /* enum policy_list */
	int kind; /* enum object_kind */
	const char *value; /* canonical */
	int action; /* enum object_action */
	int cnc_level;
	const char *comment;
	int64_t expires, created, revision;
};
typedef int object_visit_fn(void *context, const struct object_row *row);

/* Within a change. SK_E_EXISTS when that list has it already. */
int objects_add(struct store *store, const struct object_row *row, int64_t *ret_id,
        struct error *error) SK_MUST_USE;
/* SK_E_NOT_FOUND. */
int objects_remove(struct store *store, int64_t id, struct error *error) SK_MUST_USE;

/* Objects that changed after `revision`. */
int objects_each_changed(struct store *store, int64_t revision, object_visit_fn *visit,
        void *context, struct error *error) SK_MUST_USE;

int objects_count(struct store *store, int64_t *ret_count, struct error *error) SK_MUST_USE;

/* ---- of another thread ---- */
struct object_filter {
	int list; /* -1: both */
	int kind; /* -1: any */
	const char *search; /* part of value or comment, lower case; NULL: all */
};
/* As rules_scan. */
int objects_scan(struct store_reader *reader, int64_t before, const struct object_filter *filter,
        int64_t deadline, object_visit_fn *visit, void *context, int64_t *ret_next,
        struct error *error) SK_MUST_USE;
int objects_each(struct store_reader *reader, object_visit_fn *visit, void *context,
        struct error *error) SK_MUST_USE;

#endif
