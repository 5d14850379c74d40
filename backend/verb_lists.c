#include <stdio.h>
#include <string.h>

#include "backend/reading.h"
#include "backend/store/objects.h"

/* ---- rules ---- */

json_object *verb_describe_rule(const struct rule_row *row)
{
	json_object *item = json_object_new_object();
	verb_add_number(item, "id", row->id);
	verb_add_text(item, "list", verb_list_name(row->list));
	verb_add_text(item, "kind", rule_kind_name((enum rule_kind)row->kind));
	verb_add_text(item, "pattern", row->pattern);
	verb_add_text(item, "targets", row->targets);
	verb_add_bool(item, "enabled", row->enabled);
	verb_add_text(item, "comment", row->comment);
	verb_add_time(item, "expires", row->expires);
	verb_add_time(item, "created", row->created);
	verb_add_time(item, "changed", row->changed);
	verb_add_number(item, "hits", row->hits);
	verb_add_time(item, "last_hit", row->last_hit);
	json_object_object_add(item, "problem",
	        row->problem[0] != '\0' ? json_object_new_string(row->problem) : NULL);
	return item;
}

struct rule_reading {
	struct reading reading;
	struct rule_filter filter;
};

static int visit_rule(void *context, const struct rule_row *row)
{
	return reading_add(context, verb_describe_rule(row));
}

static int read_rules(struct reading *reading, struct readers *readers, struct error *error)
{
	struct rule_reading *rules = (struct rule_reading *)reading;
	struct store_reader *store;
	int64_t next = 0;
	int status = readers_store(readers, &store, error);
	if (status == 0) {
		rules->filter.search = reading->search[0] != '\0' ? reading->search : NULL;
		status = rules_scan(store, reading->before, &rules->filter,
		        database_now() + READING_LIMIT_MS, visit_rule, reading, &next, error);
	}
	if (status >= 0) {
		reading_finish_page(reading, status == 1, next);
	}
	return status;
}

void verb_rule_list(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct rule_reading *rules = reading_new(call, sizeof(*rules), read_rules);
	if (rules == NULL || !reading_page(&rules->reading, RPC_VALUE(values, RULE_LIST, LIMIT),
	                             RPC_VALUE(values, RULE_LIST, CURSOR),
	                             RPC_VALUE(values, RULE_LIST, SEARCH))) {
		return;
	}
	const struct rpc_value *list = RPC_VALUE(values, RULE_LIST, LIST);
	const struct rpc_value *enabled = RPC_VALUE(values, RULE_LIST, ENABLED);
	rules->filter.list = list->present ? (int)list->integer : -1;
	rules->filter.enabled = enabled->present ? (int)enabled->boolean : -1;
	reading_submit(backend->reader, &rules->reading);
}

/* ---- objects ---- */

struct object_reading {
	struct reading reading;
	struct object_filter filter;
};

static int visit_object(void *context, const struct object_row *row)
{
	json_object *item = json_object_new_object();
	verb_add_number(item, "id", row->id);
	verb_add_text(item, "list", verb_list_name(row->list));
	verb_add_text(item, "kind", object_kind_name((enum object_kind)row->kind));
	verb_add_text(item, "value", row->value);
	verb_add_text(item, "action", row->action == OBJECT_BLOCK ? "block" : "log");
	verb_add_number(item, "cnc_level", row->cnc_level);
	verb_add_text(item, "comment", row->comment);
	verb_add_time(item, "expires", row->expires);
	verb_add_time(item, "created", row->created);
	return reading_add(context, item);
}

static int read_objects(struct reading *reading, struct readers *readers, struct error *error)
{
	struct object_reading *objects = (struct object_reading *)reading;
	struct store_reader *store;
	int64_t next = 0;
	int status = readers_store(readers, &store, error);
	if (status == 0) {
		objects->filter.search = reading->search[0] != '\0' ? reading->search : NULL;
		status = objects_scan(store, reading->before, &objects->filter,
		        database_now() + READING_LIMIT_MS, visit_object, reading, &next, error);
	}
	if (status >= 0) {
		reading_finish_page(reading, status == 1, next);
	}
	return status;
}

void verb_object_list(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct object_reading *objects = reading_new(call, sizeof(*objects), read_objects);
	if (objects == NULL ||
	        !reading_page(&objects->reading, RPC_VALUE(values, OBJECT_LIST, LIMIT),
	                RPC_VALUE(values, OBJECT_LIST, CURSOR),
	                RPC_VALUE(values, OBJECT_LIST, SEARCH))) {
		return;
	}
	const struct rpc_value *list = RPC_VALUE(values, OBJECT_LIST, LIST);
	const struct rpc_value *kind = RPC_VALUE(values, OBJECT_LIST, KIND);
	objects->filter.list = list->present ? POLICY_OBJECT_USER + (int)list->integer : -1;
	objects->filter.kind = kind->present ? (int)kind->integer : -1;
	reading_submit(backend->reader, &objects->reading);
}

/* ---- counters ---- */

struct counter_reading {
	struct reading reading;
	int service;
	int64_t from, to;
	enum counters_order order;
};

static int visit_client(void *context, const struct counters_client *client)
{
	char address[ADDRESS_TEXT_SIZE];
	address_format(&client->address, address);
	json_object *item = json_object_new_object();
	verb_add_text(item, "address", address);
	verb_add_number(item, "queries", client->queries);
	verb_add_number(item, "bytes", client->bytes);
	verb_add_number(item, "detections", client->detections);
	verb_add_number(item, "blocks", client->blocks);
	return reading_add(context, item);
}

static int read_clients(struct reading *reading, struct readers *readers, struct error *error)
{
	struct counter_reading *what = (struct counter_reading *)reading;
	struct counters_reader *counters;
	int status = readers_counters(readers, &counters, error);
	if (status == 0) {
		status = counters_clients(counters, what->service, what->from, what->to,
		        what->order, (int)reading->limit, visit_client, reading, error);
	}
	if (status >= 0) {
		json_object_object_add(reading->result, "items", json_object_get(reading->items));
	}
	return status;
}

/* "web" is 0 in the words of the verbs, 1 in lib/link. */
static int service_of(const struct rpc_value *value)
{
	return value->integer == 0 ? 1 : 0;
}

void verb_counters_clients(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct counter_reading *what = reading_new(call, sizeof(*what), read_clients);
	if (what == NULL) {
		return;
	}
	const struct rpc_value *limit = RPC_VALUE(values, COUNTERS_CLIENTS, LIMIT);
	what->service = service_of(RPC_VALUE(values, COUNTERS_CLIENTS, SERVICE));
	what->from = RPC_VALUE(values, COUNTERS_CLIENTS, FROM)->integer;
	what->to = RPC_VALUE(values, COUNTERS_CLIENTS, TO)->integer;
	what->order = (enum counters_order)RPC_VALUE(values, COUNTERS_CLIENTS, ORDER)->integer;
	what->reading.limit = limit->present ? (size_t)limit->integer : READING_LIST_DEFAULT;
	reading_submit(backend->reader, &what->reading);
}

static int read_totals(struct reading *reading, struct readers *readers, struct error *error)
{
	struct counter_reading *what = (struct counter_reading *)reading;
	struct counters_reader *counters;
	struct counters_totals totals;
	int status = readers_counters(readers, &counters, error);
	if (status == 0) {
		status = counters_totals(
		        counters, what->service, what->from, what->to, &totals, error);
	}
	if (status != 0) {
		return status;
	}
	verb_add_number(reading->result, "requests", totals.requests);
	verb_add_number(reading->result, "queries", totals.queries);
	verb_add_number(reading->result, "listed", totals.listed);
	verb_add_number(reading->result, "blocked", totals.blocked);
	verb_add_number(reading->result, "errors", totals.errors);
	verb_add_number(reading->result, "bytes_in", totals.bytes_in);
	verb_add_number(reading->result, "bytes_out", totals.bytes_out);
	verb_add_number(reading->result, "clients", totals.clients);
	return 0;
}

void verb_counters_totals(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct counter_reading *what = reading_new(call, sizeof(*what), read_totals);
	if (what == NULL) {
		return;
	}
	what->service = service_of(RPC_VALUE(values, COUNTERS_TOTALS, SERVICE));
	what->from = RPC_VALUE(values, COUNTERS_TOTALS, FROM)->integer;
	what->to = RPC_VALUE(values, COUNTERS_TOTALS, TO)->integer;
	reading_submit(backend->reader, &what->reading);
}

static int visit_url(void *context, const char *url, int64_t count)
{
	json_object *item = json_object_new_object();
	verb_add_text(item, "url", url);
	verb_add_number(item, "count", count);
	return reading_add(context, item);
}

static int read_top_urls(struct reading *reading, struct readers *readers, struct error *error)
{
	struct counter_reading *what = (struct counter_reading *)reading;
	struct counters_reader *counters;
	int status = readers_counters(readers, &counters, error);
	if (status == 0) {
		status = counters_top_urls(
		        counters, what->from, (int)reading->limit, visit_url, reading, error);
	}
	if (status >= 0) {
		json_object_object_add(reading->result, "items", json_object_get(reading->items));
	}
	return status;
}

void verb_counters_top_urls(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct counter_reading *what = reading_new(call, sizeof(*what), read_top_urls);
	if (what == NULL) {
		return;
	}
	const struct rpc_value *from = RPC_VALUE(values, COUNTERS_TOP_URLS, FROM);
	const struct rpc_value *limit = RPC_VALUE(values, COUNTERS_TOP_URLS, LIMIT);
	what->from = from->present ? from->integer : 0;
	what->reading.limit = limit->present ? (size_t)limit->integer : READING_LIST_DEFAULT;
	reading_submit(backend->reader, &what->reading);
}
