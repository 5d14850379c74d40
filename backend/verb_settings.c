#include <errno.h>
#include <string.h>

#include <json-c/json_object_iterator.h>

#include "backend/addresses.h"
#include "backend/health.h"
#include "backend/verbs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define PORT_FIRST SETTING_PORTS_FRS_HTTP
#define PORT_COUNT 4

static json_object *describe(struct backend *backend, enum setting_id id, const int ports[4])
{
	static const char *const types[] = {"bool", "number", "number", "ranges"};
	static const int scores[] = {51, 66, 81};
	const struct setting_info *info = setting_info(id);
	json_object *object = json_object_new_object();
	bool port = id >= PORT_FIRST && id < PORT_FIRST + PORT_COUNT;
	json_object *value = settings_value(&backend->settings, id, false);
	if (port && backend->settings.numbers[id] == 0) {
		json_object_put(value);
		value = json_object_new_int(ports[id - PORT_FIRST]);
	}
	json_object_object_add(object, "value", value);
	json_object_object_add(object, "default", settings_value(&backend->settings, id, true));
	verb_add_text(object, "type", types[info->type]);
	if (info->type == SETTING_NUMBER) {
		verb_add_number(object, "minimum", info->minimum);
		verb_add_number(object, "maximum", info->maximum);
	} else if (info->type == SETTING_SCORE) {
		json_object *choices = json_object_new_array();
		for (size_t i = 0; i < SK_COUNT(scores); i++) {
			json_object_array_add(choices, json_object_new_int(scores[i]));
		}
		json_object_object_add(object, "choices", choices);
	} else if (info->type == SETTING_RANGES) {
		verb_add_number(object, "maximum", info->maximum);
	}
	return object;
}

void verb_settings_get(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *names = RPC_VALUE(call->values, SETTINGS_GET, NAMES);
	bool wanted[SETTING_ID_COUNT];
	memset(wanted, !names->present, sizeof(wanted));
	for (size_t i = 0; names->present && i < json_object_array_length(names->object); i++) {
		const char *name =
		        json_object_get_string(json_object_array_get_idx(names->object, i));
		enum setting_id id;
		if (setting_find(name, &id) != 0) {
			rpc_call_fail_with(call, RPC_NOT_FOUND, "names", "no setting %.64s", name);
			return;
		}
		wanted[id] = true;
	}
	struct addresses addresses = {0};
	if (addresses_read(&addresses) != 0) {
		memset(addresses.ports, 0, sizeof(addresses.ports));
	}
	json_object *settings = json_object_new_object();
	for (int id = 0; id < SETTING_ID_COUNT; id++) {
		if (wanted[id]) {
			json_object_object_add(settings, setting_info(id)->name,
			        describe(backend, (enum setting_id)id, addresses.ports));
		}
	}
	addresses_release(&addresses);
	json_object *result = json_object_new_object();
	json_object_object_add(result, "settings", settings);
	rpc_call_answer(call, result);
}

/* ---- setting ---- */

struct setting_change {
	struct backend *backend;
	struct rpc_call *call;
	struct settings settings; /* as they will be */
	bool given[SETTING_ID_COUNT];
};

static int store_values(struct setting_change *change, struct error *error)
{
	struct store *store = &change->backend->store;
	int status = store_begin(store, error);
	for (int id = 0; status == 0 && id < SETTING_ID_COUNT; id++) {
		if (!change->given[id]) {
			continue;
		}
		json_object *value = settings_value(&change->settings, (enum setting_id)id, false);
		status = value == NULL ? error_set_code(error, -ENOMEM, "settings")
		                       : store_settings_set(store, setting_info(id)->name,
		                                 json_object_to_json_string_ext(
		                                         value, JSON_C_TO_STRING_PLAIN),
		                                 error);
		json_object_put(value);
	}
	return store_end(store, status, error);
}

/* Only what was given: others may have been set while the keeper was asked. */
static void take_values(struct settings *settings, const struct setting_change *change)
{
	for (int id = 0; id < SETTING_ID_COUNT; id++) {
		if (change->given[id]) {
			settings->numbers[id] = change->settings.numbers[id];
			settings->stored[id] = true;
		}
	}
	if (change->given[SETTING_ALLOW_FROM]) {
		settings->allow_from = change->settings.allow_from;
	}
	if (change->given[SETTING_EXPLAIN_FROM]) {
		settings->explain_from = change->settings.explain_from;
	}
}

static void apply(struct setting_change *change)
{
	struct backend *backend = change->backend;
	struct rpc_call *call = change->call;
	struct error error = {0};
	int status = store_values(change, &error);
	if (status != 0) {
		verb_fail(call, status, NULL, &error);
		mem_free(change);
		return;
	}
	take_values(&backend->settings, change);
	mem_free(change);
	logs_set_batch_ms(backend->logs, (int)backend->settings.numbers[SETTING_BATCH_MS]);
	backend->clocks.guard.tolerance = backend->settings.numbers[SETTING_CLOCK_TOLERANCE_MS];
	health_settings(backend->health);
	verb_answer_active(backend, call, json_object_new_object(), false);
	backend_tick(backend);
}

static void on_listening(void *context, int code, const uint32_t *arguments)
{
	struct setting_change *change = context;
	if (code == 0) {
		apply(change);
		return;
	}
	enum setting_id id = PORT_FIRST + (arguments[1] < PORT_COUNT ? arguments[1] : 0);
	rpc_call_fail_with(change->call, code == -EBUSY ? RPC_BUSY : RPC_CONFLICT,
	        setting_info(id)->name, "%s", sk_strerror(code));
	mem_free(change);
}

/* Asks the keeper for other ports; 0 keeps the present one. */
static int change_ports(struct setting_change *change)
{
	struct addresses addresses = {0};
	int status = addresses_read(&addresses);
	if (status != 0) {
		return status;
	}
	uint32_t ports[PORT_COUNT];
	bool other = false;
	for (int i = 0; i < PORT_COUNT; i++) {
		int64_t wanted = change->settings.numbers[PORT_FIRST + i];
		ports[i] = wanted != 0 ? (uint32_t)wanted : (uint32_t)addresses.ports[i];
		other = other || ports[i] != (uint32_t)addresses.ports[i];
	}
	addresses_release(&addresses);
	if (!other) {
		apply(change);
		return 0;
	}
	return keeper_link_request(
	        change->backend->keeper, KEEPER_LISTEN, ports, NULL, 0, on_listening, change);
}

static int read_values(struct setting_change *change, json_object *values, bool *ret_ports,
        struct rpc_fault *fault)
{
	struct json_object_iterator at = json_object_iter_begin(values);
	struct json_object_iterator end = json_object_iter_end(values);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		enum setting_id id;
		if (setting_find(name, &id) != 0) {
			return rpc_fault_set(fault, RPC_BAD_INPUT, name, "no such setting");
		}
		int status = settings_set(
		        &change->settings, id, json_object_iter_peek_value(&at), fault);
		if (status != 0) {
			return status;
		}
		change->given[id] = true;
		*ret_ports = *ret_ports || (id >= PORT_FIRST && id < PORT_FIRST + PORT_COUNT);
	}
	return 0;
}

void verb_settings_set(struct backend *backend, struct rpc_call *call)
{
	struct rpc_fault fault;
	bool ports = false;
	struct setting_change *change = mem_new(1, sizeof(*change));
	if (change == NULL) {
		rpc_call_fail_with(call, RPC_INTERNAL, NULL, "out of memory");
		return;
	}
	change->backend = backend;
	change->call = call;
	change->settings = backend->settings;
	int status = read_values(
	        change, RPC_VALUE(call->values, SETTINGS_SET, VALUES)->object, &ports, &fault);
	if (status != 0) {
		mem_free(change);
		rpc_call_fail(call, &fault);
		return;
	}
	if (!ports) {
		apply(change);
		return;
	}
	status = change_ports(change);
	if (status != 0) {
		mem_free(change);
		rpc_call_fail_with(call, RPC_UNAVAILABLE, NULL, "keeper: %s", sk_strerror(status));
	}
}
