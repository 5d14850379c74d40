#include <errno.h>
#include <string.h>

#include "backend/events.h"
#include "backend/import.h"
#include "backend/store/rules.h"
#include "backend/verbs.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/verdict/keyword_set.h"

#define CHECK_MS 3000

/* rule.add or rule.edit while it waits for the check of its keyword. */
struct statement {
	struct backend *backend;
	struct rpc_call *call;
	bool edit;
};

/* ---- what is stated ---- */

static const struct rpc_value *value_of(
        const struct statement *statement, size_t add_position, size_t edit_position)
{
	return &statement->call->values[statement->edit ? edit_position : add_position];
}
#define STATED(statement, input)                                                                   \
	value_of(statement, RPC_INPUT_RULE_ADD_##input - RPC_START_RULE_ADD,                       \
	        RPC_INPUT_RULE_EDIT_##input - RPC_START_RULE_EDIT)

/* Puts what was given into the row. */
static void apply(const struct statement *statement, struct rule_row *row)
{
	const struct rpc_value *list = STATED(statement, LIST), *kind = STATED(statement, KIND);
	const struct rpc_value *pattern = STATED(statement, PATTERN);
	const struct rpc_value *targets = STATED(statement, TARGETS);
	const struct rpc_value *enabled = STATED(statement, ENABLED);
	const struct rpc_value *comment = STATED(statement, COMMENT);
	const struct rpc_value *expires = STATED(statement, EXPIRES);
	row->list = list->present ? (int)list->integer : row->list;
	row->kind = kind->present ? (int)kind->integer : row->kind;
	row->pattern = pattern->present ? pattern->text : row->pattern;
	row->targets = targets->present ? targets->text : row->targets;
	row->enabled = enabled->present ? enabled->boolean : row->enabled;
	row->comment = comment->present ? comment->text : row->comment;
	row->expires = expires->present ? expires->integer : row->expires;
	if (row->enabled) {
		row->problem = "";
	}
}

static int check_targets(const char *text, struct rpc_fault *fault)
{
	struct target *targets = NULL;
	size_t count;
	struct error error = {0};
	if (targets_parse(text, &targets, &count, &error) != 0) {
		return rpc_fault_set(fault, RPC_BAD_INPUT, "targets", "%s", error.text);
	}
	mem_free(targets);
	return 0;
}

static int check_pattern(const struct rule_row *row, struct rpc_fault *fault)
{
	static char space[URL_TEXT_MAX]; /* of the main thread */
	struct error error = {0};
	struct url url;
	size_t length = strlen(row->pattern);
	int status = row->kind == RULE_KEYWORD ? keyword_check_text(row->pattern, length, &error)
	                                       : rule_pattern_parse(row->pattern, length, space,
	                                                 sizeof(space), &url, &error);
	return status == 0 ? 0 : rpc_fault_set(fault, RPC_BAD_INPUT, "pattern", "%s", error.text);
}

static int check_row(const struct rule_row *row, struct rpc_fault *fault)
{
	int status = 0;
	if (!verb_text_is_plain(row->comment, strlen(row->comment))) {
		status = rpc_fault_set(fault, RPC_BAD_INPUT, "comment", "control characters");
	}
	if (status == 0 && !verb_text_is_plain(row->pattern, strlen(row->pattern))) {
		status = rpc_fault_set(fault, RPC_BAD_INPUT, "pattern", "control characters");
	}
	if (status == 0) {
		status = check_pattern(row, fault);
	}
	return status == 0 ? check_targets(row->targets, fault) : status;
}

/* What administrators should know: a name is the client's own word, so approving by it lets anybody
 * pass who says so. */
static json_object *warnings_of(const struct rule_row *row)
{
	json_object *warnings = json_object_new_array();
	if (row->list == POLICY_USER_APPROVED && (strstr(row->targets, "computer:") != NULL ||
	                                                 strstr(row->targets, "domain:") != NULL)) {
		json_object_array_add(warnings, json_object_new_string("target_by_name"));
	}
	return warnings;
}

/* ---- storing ---- */

static int check_room(
        struct backend *backend, bool new_rule, bool new_keyword, struct rpc_fault *fault)
{
	struct rule_counts counts = levels_counts(backend->levels);
	if (new_rule && counts.rules >= LIMIT_RULES) {
		return rpc_fault_set(fault, RPC_LIMIT, NULL, "%d rules", LIMIT_RULES);
	}
	if (new_keyword && counts.keywords >= LIMIT_KEYWORD_RULES) {
		return rpc_fault_set(
		        fault, RPC_LIMIT, "kind", "%d keyword rules", LIMIT_KEYWORD_RULES);
	}
	if (!levels_room(backend->levels, 1)) {
		return rpc_fault_set(fault, RPC_BUSY, NULL, "a new base is being built");
	}
	return 0;
}

static bool is_keyword(const struct rule_row *row)
{
	return row->enabled && row->kind == RULE_KEYWORD;
}

static void store_new(const struct statement *statement)
{
	struct backend *backend = statement->backend;
	struct rpc_call *call = statement->call;
	struct store *store = &backend->store;
	struct error error = {0};
	struct rpc_fault fault;
	int64_t id = 0, now = backend_now(backend);
	struct rule_row row = {.targets = "",
	        .comment = "",
	        .problem = "",
	        .enabled = true,
	        .created = now,
	        .changed = now};
	apply(statement, &row);
	if (check_room(backend, true, is_keyword(&row), &fault) != 0) {
		rpc_call_fail(call, &fault);
		return;
	}
	int status = store_begin(store, &error);
	if (status == 0) {
		row.revision = store->meta[META_REVISION];
		status = rules_add(store, &row, &id, &error);
	}
	status = store_end(store, status, &error);
	if (status != 0) {
		verb_fail(call, status, status == SK_E_EXISTS ? "pattern" : NULL, &error);
		return;
	}
	levels_changed(backend->levels, 1, is_keyword(&row));
	json_object *result = json_object_new_object();
	verb_add_number(result, "id", id);
	json_object_object_add(result, "warnings", warnings_of(&row));
	verb_answer_active(backend, call, result, is_keyword(&row));
}

static int update(struct backend *backend, struct rule_row *row, struct error *error)
{
	struct store *store = &backend->store;
	int status = store_begin(store, error);
	if (status == 0) {
		row->revision = store->meta[META_REVISION];
		row->changed = backend_now(backend);
		status = rules_update(store, row, error);
	}
	return store_end(store, status, error);
}

static void store_edited(const struct statement *statement)
{
	struct backend *backend = statement->backend;
	struct rpc_call *call = statement->call;
	struct error error = {0};
	struct rpc_fault fault;
	struct rule_row *row = NULL;
	int status = rules_get(
	        &backend->store, RPC_VALUE(call->values, RULE_EDIT, ID)->integer, &row, &error);
	if (status != 0) {
		verb_fail(call, status, "id", &error);
		return;
	}
	bool was = is_keyword(row);
	apply(statement, row);
	bool is = is_keyword(row);
	status = check_room(backend, false, is && !was, &fault);
	if (status != 0) {
		mem_free(row);
		rpc_call_fail(call, &fault);
		return;
	}
	status = update(backend, row, &error);
	if (status != 0) {
		mem_free(row);
		verb_fail(call, status, status == SK_E_EXISTS ? "pattern" : NULL, &error);
		return;
	}
	levels_changed(backend->levels, 0, (int)is - (int)was);
	json_object *result = json_object_new_object();
	json_object_object_add(result, "warnings", warnings_of(row));
	/* What was a keyword and is something else now waits for the compiler as well. */
	bool wait = is || (was && row->enabled);
	mem_free(row);
	verb_answer_active(backend, call, result, wait);
}

static void store_statement(const struct statement *statement)
{
	if (statement->edit) {
		store_edited(statement);
	} else {
		store_new(statement);
	}
}

static void on_checked(void *context, const struct job_result *result)
{
	struct statement *statement = context;
	if (result->status == 0) {
		store_statement(statement);
	} else if (result->status == SK_E_REFUSED) {
		rpc_call_fail_with(statement->call, RPC_BAD_INPUT, "pattern", "%s", result->text);
	} else {
		/* One that breaks the limits of its job is refused, too. */
		rpc_call_fail_with(statement->call,
		        result->status == SK_E_CONFLICT ? RPC_UNAVAILABLE : RPC_BAD_INPUT,
		        "pattern", "the expression could not be checked: %s", result->text);
	}
	mem_free(statement);
}

static void check_keyword(const struct statement *statement, const char *expression)
{
	struct statement *copy = mem_new(1, sizeof(*copy));
	json_object *request = json_object_new_object();
	int status = -ENOMEM;
	if (copy != NULL && request != NULL) {
		*copy = *statement;
		verb_add_text(request, "expression", expression);
		struct job_start start = {.kind = JOB_CHECK_KEYWORD,
		        .request = request,
		        .wall_ms = CHECK_MS,
		        .end = on_checked,
		        .context = copy};
		status = jobs_start(statement->backend->jobs, &start, NULL);
	} else {
		json_object_put(request);
	}
	if (status != 0) {
		mem_free(copy);
		rpc_call_fail_with(
		        statement->call, RPC_UNAVAILABLE, NULL, "%s", sk_strerror(status));
	}
}

void verb_rule_add(struct backend *backend, struct rpc_call *call)
{
	struct statement statement = {backend, call, false};
	struct rpc_fault fault;
	struct rule_row row = {.targets = "", .comment = "", .problem = "", .enabled = true};
	apply(&statement, &row);
	if (check_row(&row, &fault) != 0) {
		rpc_call_fail(call, &fault);
	} else if (row.kind == RULE_KEYWORD) {
		check_keyword(&statement, row.pattern);
	} else {
		store_new(&statement);
	}
}

void verb_rule_edit(struct backend *backend, struct rpc_call *call)
{
	struct statement statement = {backend, call, true};
	struct error error = {0};
	struct rpc_fault fault;
	struct rule_row *row = NULL;
	int status = rules_get(
	        &backend->store, RPC_VALUE(call->values, RULE_EDIT, ID)->integer, &row, &error);
	if (status != 0) {
		verb_fail(call, status, "id", &error);
		return;
	}
	bool was = is_keyword(row);
	apply(&statement, row);
	status = check_row(row, &fault);
	bool check = row->kind == RULE_KEYWORD &&
	             (!was || RPC_VALUE(call->values, RULE_EDIT, PATTERN)->present);
	if (status != 0) {
		rpc_call_fail(call, &fault);
	} else if (check) {
		check_keyword(&statement, row->pattern);
	} else {
		store_edited(&statement);
	}
	mem_free(row);
}

/* ---- get, remove ---- */

void verb_rule_get(struct backend *backend, struct rpc_call *call)
{
	struct error error = {0};
	struct rule_row *row = NULL;
	int status = rules_get(
	        &backend->store, RPC_VALUE(call->values, RULE_GET, ID)->integer, &row, &error);
	if (status != 0) {
		verb_fail(call, status, "id", &error);
		return;
	}
	int64_t hits, last;
	events_pending_hits(backend->events, row->list, row->id, &hits, &last);
	row->hits += hits;
	row->last_hit = last > row->last_hit ? last : row->last_hit;
	json_object *result = verb_describe_rule(row);
	mem_free(row);
	rpc_call_answer(call, result);
}

static int remove_all(struct backend *backend, json_object *ids, int64_t *ret_removed,
        int *ret_keywords, struct error *error)
{
	struct store *store = &backend->store;
	int64_t removed = 0;
	int keywords = 0;
	int status = store_begin(store, error);
	for (size_t i = 0; status == 0 && i < json_object_array_length(ids); i++) {
		int64_t id = json_object_get_int64(json_object_array_get_idx(ids, i));
		struct rule_row *row = NULL;
		status = rules_get(store, id, &row, error);
		if (status == 0) {
			keywords += is_keyword(row);
			removed++;
			mem_free(row);
			status = rules_remove(store, id, error);
		} else if (status == SK_E_NOT_FOUND) {
			status = 0;
		}
	}
	if (status == 0 && removed == 0) {
		status = error_set(error, SK_E_NOT_FOUND, "none of these rules is there");
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	*ret_removed = removed;
	*ret_keywords = keywords;
	return 0;
}

void verb_rule_remove(struct backend *backend, struct rpc_call *call)
{
	json_object *ids = RPC_VALUE(call->values, RULE_REMOVE, IDS)->object;
	struct error error = {0};
	int64_t removed = 0;
	int keywords = 0;
	if (!levels_room(backend->levels, (int64_t)json_object_array_length(ids))) {
		rpc_call_fail_with(call, RPC_BUSY, NULL, "a new base is being built");
		return;
	}
	int status = remove_all(backend, ids, &removed, &keywords, &error);
	if (status != 0) {
		verb_fail(call, status, status == SK_E_NOT_FOUND ? "ids" : NULL, &error);
		return;
	}
	levels_changed(backend->levels, -(int)removed, -keywords);
	json_object *result = json_object_new_object();
	verb_add_number(result, "removed", removed);
	verb_answer_active(backend, call, result, false);
}

/* ---- import ---- */

static void answer_job(struct rpc_call *call, int status, int64_t job, const char *field,
        const struct error *error)
{
	if (status == SK_E_CONFLICT) {
		rpc_call_fail_with(
		        call, field != NULL ? RPC_CONFLICT : RPC_BUSY, field, "%s", error->text);
	} else if (status != 0) {
		verb_fail(call, status, field, error);
	} else {
		json_object *result = json_object_new_object();
		verb_add_number(result, "job", job);
		rpc_call_answer(call, result);
	}
}

void verb_rule_import(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *replace = RPC_VALUE(call->values, RULE_IMPORT, REPLACE);
	struct error error = {0};
	int64_t job = 0;
	int status = import_start(backend->importer, call->descriptors[0],
	        replace->present && replace->boolean, &job, &error);
	answer_job(call, status, job, NULL, &error);
}

void verb_rule_import_undo(struct backend *backend, struct rpc_call *call)
{
	struct error error = {0};
	int64_t job = 0;
	int status = import_undo(backend->importer,
	        RPC_VALUE(call->values, RULE_IMPORT_UNDO, BATCH)->integer, &job, &error);
	answer_job(call, status, job, "batch", &error);
}
