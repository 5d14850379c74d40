#ifndef BACKEND_READING_H
#define BACKEND_READING_H

#include "backend/store/counters.h"
#include "backend/store/rules.h"
#include "backend/verbs.h"

/*
 * What the reader thread does for the verbs that list and search: read() fills `result` (an object)
 * with its own connections; the answer is sent by the main thread.
 */
#define READING_LIMIT_MS 150
#define READING_LIST_DEFAULT 100
/* Items stop here, so that the answer fits into a message. */
#define READING_BYTES_MAX (900 * 1024)

struct reading {
	struct task task; /* first: a task is its reading */
	struct rpc_call *call;
	int (*read)(struct reading *reading, struct readers *readers, struct error *error);
	int status;
	struct error error;
	json_object *result;

	/* of lists: a page */
	json_object *items;
	size_t limit, bytes;
	int64_t before; /* from the cursor; INT64_MAX at first */
	char search[257]; /* lower case; "" for all */
};

/* Starts it; what it needs further stands behind it in its own struct. `size` is that of this
 * struct, whose first member is the reading. NULL (the call is answered then). */
void *reading_new(struct rpc_call *call, size_t size,
        int (*read)(struct reading *reading, struct readers *readers, struct error *error));

/* The common inputs of lists; false when the call was answered with a fault (reading is freed). */
bool reading_page(struct reading *reading, const struct rpc_value *limit,
        const struct rpc_value *cursor, const struct rpc_value *search);
void reading_submit(struct worker *worker, struct reading *reading);

/* Adds an item to the page: 0, VISIT_FULL or VISIT_AGAIN (then `item` is put). */
int reading_add(struct reading *reading, json_object *item);
/* Puts "items" and "next" into the result; `more` and `next` as a scan gave them. */
void reading_finish_page(struct reading *reading, bool more, int64_t next);

/* The connections, opened when first needed. */
int readers_store(
        struct readers *readers, struct store_reader **ret_store, struct error *error) SK_MUST_USE;
int readers_counters(struct readers *readers, struct counters_reader **ret_counters,
        struct error *error) SK_MUST_USE;

#endif
