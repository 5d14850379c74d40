#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/pattern_jobs.h"
#include "backend/verbs.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"

#include <event2/event.h>

#define LIST_DEFAULT 100
/* Below the time that a call may take: then it answers that the pattern is not active yet. */
#define ACTIVE_MS 4500

static void answer_job(struct rpc_call *call, int64_t job)
{
	json_object *result = json_object_new_object();
	verb_add_number(result, "job", job);
	rpc_call_answer(call, result);
}

static void fail_start(struct rpc_call *call, int status, const struct error *error)
{
	if (status == SK_E_CONFLICT) {
		rpc_call_fail_with(call, RPC_BUSY, NULL, "%s", error->text);
	} else {
		verb_fail(call, status, NULL, error);
	}
}

void verb_pattern_build(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *activate = RPC_VALUE(call->values, PATTERN_BUILD, ACTIVATE);
	const struct rpc_value *version = RPC_VALUE(call->values, PATTERN_BUILD, VERSION);
	struct error error = {0};
	int64_t job = 0;
	int status = pattern_build_start(backend, call->descriptors, call->descriptor_count,
	        activate->present && activate->boolean, version->present ? version->text : NULL,
	        &job, &error);
	if (status != 0) {
		fail_start(call, status, &error);
		return;
	}
	answer_job(call, job);
}

void verb_pattern_import(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *activate = RPC_VALUE(call->values, PATTERN_IMPORT, ACTIVATE);
	struct error error = {0};
	int64_t job = 0;
	int status = pattern_import_start(backend, call->descriptors[0],
	        activate->present && activate->boolean, &job, &error);
	if (status != 0) {
		fail_start(call, status, &error);
		return;
	}
	answer_job(call, job);
}

struct listing {
	json_object *items;
	size_t limit;
	int64_t kind; /* -1: both */
	int64_t next;
};

static int list_one(void *context, const struct pattern_row *row)
{
	struct listing *listing = context;
	if (listing->kind >= 0 && listing->kind != (int64_t)row->kind) {
		return 0;
	}
	if (json_object_array_length(listing->items) == listing->limit) {
		listing->next = row->generation + 1;
		return 1;
	}
	json_object *item = json_object_new_object();
	verb_add_number(item, "generation", row->generation);
	verb_add_text(item, "kind", row->kind == PATTERN_WEB ? "web" : "files");
	verb_add_text(item, "version", row->version);
	verb_add_text(item, "name", row->name);
	verb_add_number(item, "entries", row->entries);
	verb_add_number(item, "size", row->size);
	verb_add_time(item, "created", row->created);
	verb_add_time(item, "activated", row->activated);
	verb_add_bool(item, "active", row->active);
	verb_add_text(item, "source", row->source);
	json_object_object_add(
	        item, "error", row->error[0] != '\0' ? json_object_new_string(row->error) : NULL);
	json_object_array_add(listing->items, item);
	return 0;
}

void verb_pattern_list(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *kind = RPC_VALUE(call->values, PATTERN_LIST, KIND);
	const struct rpc_value *limit = RPC_VALUE(call->values, PATTERN_LIST, LIMIT);
	const struct rpc_value *cursor = RPC_VALUE(call->values, PATTERN_LIST, CURSOR);
	int64_t before = INT64_MAX;
	if (cursor->present &&
	        number_parse_i64(cursor->text, cursor->length, 1, INT64_MAX, &before) != 0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "cursor", "not a cursor of ours");
		return;
	}
	struct error error = {0};
	struct listing listing = {.items = json_object_new_array(),
	        .limit = limit->present ? (size_t)limit->integer : LIST_DEFAULT,
	        .kind = kind->present ? kind->integer : -1};
	int status = patterns_each(&backend->store, before, list_one, &listing, &error);
	if (status < 0) {
		json_object_put(listing.items);
		verb_fail(call, status, NULL, &error);
		return;
	}
	json_object *result = json_object_new_object();
	json_object_object_add(result, "items", listing.items);
	char next[24];
	snprintf(next, sizeof(next), "%" PRId64, listing.next);
	json_object_object_add(
	        result, "next", listing.next != 0 ? json_object_new_string(next) : NULL);
	rpc_call_answer(call, result);
}

/* ---- activation ---- */

struct waiting {
	struct backend *backend;
	struct rpc_call *call; /* NULL: answered */
	struct event *timer;
};

static void answer_activation(struct waiting *waiting, bool active)
{
	json_object *result = json_object_new_object();
	verb_add_bool(result, "active", active);
	verb_add_number(result, "generation", waiting->backend->store.committed[META_GENERATION]);
	rpc_call_answer(waiting->call, result);
	waiting->call = NULL;
}

static void on_activated(void *context, int status, const char *text, uint64_t publish_generation)
{
	struct waiting *waiting = context;
	(void)publish_generation;
	if (waiting->call != NULL && status == 0) {
		answer_activation(waiting, true);
	} else if (waiting->call != NULL) {
		rpc_call_fail_with(waiting->call, RPC_CONFLICT, "generation", "%s", text);
	}
	event_free(waiting->timer);
	mem_free(waiting);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	answer_activation(context, false);
}

static void activate(struct backend *backend, struct rpc_call *call, int64_t generation)
{
	struct error error = {0};
	struct waiting *waiting = mem_new(1, sizeof(*waiting));
	struct event *timer =
	        waiting != NULL ? evtimer_new(backend->base, on_patience, waiting) : NULL;
	int status = -ENOMEM;
	if (timer != NULL) {
		*waiting = (struct waiting){backend, call, timer};
		struct timeval limit = {ACTIVE_MS / 1000, ACTIVE_MS % 1000 * 1000};
		event_add(timer, &limit);
		status = activation_start(
		        backend->activation, generation, on_activated, waiting, &error);
	}
	if (status != 0) {
		if (timer != NULL) {
			event_free(timer);
		}
		mem_free(waiting);
		if (status == SK_E_CONFLICT) {
			rpc_call_fail_with(call, RPC_BUSY, NULL, "%s", error.text);
		} else {
			verb_fail(call, status, status == SK_E_NOT_FOUND ? "generation" : NULL,
			        &error);
		}
	}
}

void verb_pattern_activate(struct backend *backend, struct rpc_call *call)
{
	activate(backend, call, RPC_VALUE(call->values, PATTERN_ACTIVATE, GENERATION)->integer);
}

void verb_pattern_rollback(struct backend *backend, struct rpc_call *call)
{
	struct pattern_row row;
	struct error error = {0};
	int64_t kind = RPC_VALUE(call->values, PATTERN_ROLLBACK, KIND)->integer;
	int status = patterns_previous(&backend->store, (enum pattern_kind)kind, &row, &error);
	if (status != 0) {
		verb_fail(call, status, status == SK_E_NOT_FOUND ? "kind" : NULL, &error);
		return;
	}
	activate(backend, call, row.generation);
}
