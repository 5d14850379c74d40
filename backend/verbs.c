#include "backend/verbs.h"

#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"

#define KEYWORDS_MS 4500 /* below the time that a call may take */

static verb_fn *const table[RPC_VERB_COUNT] = {
        [RPC_STATUS_BRIEF] = verb_status_brief,
        [RPC_STATUS_GET] = verb_status_get,
        [RPC_SETTINGS_GET] = verb_settings_get,
        [RPC_SETTINGS_SET] = verb_settings_set,
        [RPC_LOOKUP_URL] = verb_lookup_url,
        [RPC_LOOKUP_DOMAIN] = verb_lookup_domain,
        [RPC_LOOKUP_IP] = verb_lookup_ip,
        [RPC_LOOKUP_FILE] = verb_lookup_file,
        [RPC_RULE_LIST] = verb_rule_list,
        [RPC_RULE_GET] = verb_rule_get,
        [RPC_RULE_ADD] = verb_rule_add,
        [RPC_RULE_EDIT] = verb_rule_edit,
        [RPC_RULE_REMOVE] = verb_rule_remove,
        [RPC_RULE_IMPORT] = verb_rule_import,
        [RPC_RULE_IMPORT_UNDO] = verb_rule_import_undo,
        [RPC_RULE_EXPORT] = verb_rule_export,
        [RPC_OBJECT_LIST] = verb_object_list,
        [RPC_OBJECT_ADD] = verb_object_add,
        [RPC_OBJECT_REMOVE] = verb_object_remove,
        [RPC_PATTERN_BUILD] = verb_pattern_build,
        [RPC_PATTERN_IMPORT] = verb_pattern_import,
        [RPC_PATTERN_LIST] = verb_pattern_list,
        [RPC_PATTERN_ACTIVATE] = verb_pattern_activate,
        [RPC_PATTERN_ROLLBACK] = verb_pattern_rollback,
        [RPC_LOG_BLOCKED] = verb_log_blocked,
        [RPC_LOG_ACCESS] = verb_log_access,
        [RPC_LOG_SERVICE] = verb_log_service,
        [RPC_COUNTERS_CLIENTS] = verb_counters_clients,
        [RPC_COUNTERS_TOTALS] = verb_counters_totals,
        [RPC_COUNTERS_TOP_URLS] = verb_counters_top_urls,
        [RPC_JOB_GET] = verb_job_get,
        [RPC_JOB_CANCEL] = verb_job_cancel,
        [RPC_CLOCK_CONFIRM] = verb_clock_confirm,
        [RPC_SERVICE_CHECK] = verb_service_check,
        [RPC_TEST_ADVANCE] = verb_test_advance,
};

void verbs_handle(void *backend, struct rpc_call *call)
{
	verb_fn *verb = table[call->verb->id];
	if (verb == NULL) {
		rpc_call_fail_with(call, RPC_INTERNAL, NULL, "%s", call->verb->name);
		return;
	}
	verb(backend, call);
}

void verb_fail(struct rpc_call *call, int status, const char *field, const struct error *error)
{
	const char *text = error->text[0] != '\0' ? error->text : sk_strerror(status);
	const char *code = rpc_fault_code_of(status);
	if (strcmp(code, RPC_STORAGE) == 0 || strcmp(code, RPC_INTERNAL) == 0) {
		log_error("rpc", "%s: %s", call->verb->name, text);
	}
	rpc_call_fail_with(call, code, field, "%s", text);
}

void verb_add_time(json_object *object, const char *name, int64_t time)
{
	json_object_object_add(object, name, time != 0 ? json_object_new_int64(time) : NULL);
}

void verb_add_text(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

void verb_add_number(json_object *object, const char *name, int64_t number)
{
	json_object_object_add(object, name, json_object_new_int64(number));
}

void verb_add_bool(json_object *object, const char *name, bool value)
{
	json_object_object_add(object, name, json_object_new_boolean(value));
}

void verb_add_categories(json_object *object, const char *name, uint64_t categories)
{
	json_object *array = json_object_new_array();
	for (unsigned bit = 0; bit < category_count(); bit++) {
		if ((categories >> bit & 1) != 0) {
			json_object_array_add(array, json_object_new_string(category_name(bit)));
		}
	}
	json_object_object_add(object, name, array);
}

bool verb_text_is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
	}
	return true;
}

const char *verb_list_name(int list)
{
	static const char *const names[POLICY_LIST_COUNT] = {
	        "approved", "blocked", "user", "analyzer"};
	return names[list];
}

/* A change that is durable and waits for the workers. */
struct change {
	struct rpc_call *call;
	json_object *result;
	int64_t generation;
};

static void on_active(void *context, const struct publish_end *end)
{
	struct change *change = context;
	verb_add_bool(change->result, "active", end->active);
	verb_add_number(change->result, "generation", change->generation);
	rpc_call_answer(change->call, change->result);
	mem_free(change);
}

void verb_answer_active(
        struct backend *backend, struct rpc_call *call, json_object *result, bool keywords)
{
	const int64_t *meta = backend->store.committed;
	struct change *change = mem_new(1, sizeof(*change));
	int status = -ENOMEM;
	publish_request(backend->publisher);
	if (change != NULL) {
		*change = (struct change){call, result, meta[META_GENERATION]};
		status = publish_wait(backend->publisher, (uint64_t)meta[META_GENERATION],
		        keywords ? meta[META_REVISION] : 0,
		        keywords ? KEYWORDS_MS : PUBLISH_WAIT_MS, on_active, change);
	}
	if (status != 0) {
		/* Nobody can watch it, but it is durable and on its way. */
		mem_free(change);
		verb_add_bool(result, "active", false);
		verb_add_number(result, "generation", meta[META_GENERATION]);
		rpc_call_answer(call, result);
	}
}
