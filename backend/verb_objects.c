#include <errno.h>

#include "backend/store/objects.h"
#include "backend/verbs.h"
#include "lib/base/limits.h"

static int add(struct backend *backend, struct rpc_call *call, const char *canonical,
        int64_t *ret_id, struct error *error)
{
	const struct rpc_value *values = call->values;
	const struct rpc_value *level = RPC_VALUE(values, OBJECT_ADD, CNC_LEVEL);
	const struct rpc_value *comment = RPC_VALUE(values, OBJECT_ADD, COMMENT);
	const struct rpc_value *expires = RPC_VALUE(values, OBJECT_ADD, EXPIRES);
	struct store *store = &backend->store;
	struct object_row row = {
	        .list = POLICY_OBJECT_USER + (int)RPC_VALUE(values, OBJECT_ADD, LIST)->integer,
	        .kind = (int)RPC_VALUE(values, OBJECT_ADD, KIND)->integer,
	        .value = canonical,
	        .action = (int)RPC_VALUE(values, OBJECT_ADD, ACTION)->integer,
	        .cnc_level = level->present ? (int)level->integer : 0,
	        .comment = comment->present ? comment->text : "",
	        .expires = expires->present ? expires->integer : 0,
	        .created = backend_now(backend)};
	int status = store_begin(store, error);
	if (status == 0) {
		row.revision = store->meta[META_REVISION];
		status = objects_add(store, &row, ret_id, error);
	}
	return store_end(store, status, error);
}

void verb_object_add(struct backend *backend, struct rpc_call *call)
{
	static char space[URL_TEXT_MAX]; /* of the main thread */
	struct error error = {0};
	const struct rpc_value *value = RPC_VALUE(call->values, OBJECT_ADD, VALUE);
	const struct rpc_value *comment = RPC_VALUE(call->values, OBJECT_ADD, COMMENT);
	int status = object_value_parse(
	        (enum object_kind)RPC_VALUE(call->values, OBJECT_ADD, KIND)->integer, value->text,
	        value->length, space, sizeof(space), &error);
	if (status != 0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "value", "%s", error.text);
		return;
	}
	if (comment->present && !verb_text_is_plain(comment->text, comment->length)) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "comment", "control characters");
		return;
	}
	if (!levels_room(backend->levels, 1)) {
		rpc_call_fail_with(call, RPC_BUSY, NULL, "a new base is being built");
		return;
	}
	int64_t id = 0;
	status = add(backend, call, space, &id, &error);
	if (status != 0) {
		verb_fail(call, status, status == SK_E_EXISTS ? "value" : NULL, &error);
		return;
	}
	levels_changed(backend->levels, 0, 0);
	json_object *result = json_object_new_object();
	verb_add_number(result, "id", id);
	verb_answer_active(backend, call, result, false);
}

static int remove_all(
        struct store *store, json_object *ids, int64_t *ret_removed, struct error *error)
{
	int64_t removed = 0;
	int status = store_begin(store, error);
	for (size_t i = 0; status == 0 && i < json_object_array_length(ids); i++) {
		status = objects_remove(
		        store, json_object_get_int64(json_object_array_get_idx(ids, i)), error);
		removed += status == 0;
		status = status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (status == 0 && removed == 0) {
		status = error_set(error, SK_E_NOT_FOUND, "none of these objects is there");
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	*ret_removed = removed;
	return 0;
}

void verb_object_remove(struct backend *backend, struct rpc_call *call)
{
	json_object *ids = RPC_VALUE(call->values, OBJECT_REMOVE, IDS)->object;
	struct error error = {0};
	int64_t removed = 0;
	if (!levels_room(backend->levels, (int64_t)json_object_array_length(ids))) {
		rpc_call_fail_with(call, RPC_BUSY, NULL, "a new base is being built");
		return;
	}
	int status = remove_all(&backend->store, ids, &removed, &error);
	if (status != 0) {
		verb_fail(call, status, status == SK_E_NOT_FOUND ? "ids" : NULL, &error);
		return;
	}
	levels_changed(backend->levels, 0, 0);
	json_object *result = json_object_new_object();
	verb_add_number(result, "removed", removed);
	verb_answer_active(backend, call, result, false);
}
