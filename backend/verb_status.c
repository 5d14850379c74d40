#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "backend/addresses.h"
#include "backend/events.h"
#include "backend/health.h"
#include "backend/store/objects.h"
#include "backend/verbs.h"
#include "lib/base/log.h"

static json_object *brief_service(struct backend *backend, enum service service)
{
	struct health_status status;
	health_get_status(backend->health, service, &status);
	json_object *object = json_object_new_object();
	verb_add_bool(object, "on", status.on);
	verb_add_bool(object, "healthy", status.healthy);
	return object;
}

void verb_status_brief(struct backend *backend, struct rpc_call *call)
{
	json_object *result = json_object_new_object();
	verb_add_text(result, "version", BACKEND_VERSION);
	json_object_object_add(result, "web", brief_service(backend, SERVICE_WEB));
	json_object_object_add(result, "files", brief_service(backend, SERVICE_FILES));
	rpc_call_answer(call, result);
}

static json_object *full_service(struct backend *backend, enum service service)
{
	struct health_status status;
	health_get_status(backend->health, service, &status);
	json_object *object = brief_service(backend, service);
	verb_add_time(object, "checked", status.checked);
	json_object_object_add(object, "error",
	        status.error[0] != '\0' ? json_object_new_string(status.error) : NULL);
	return object;
}

static json_object *describe_pattern(struct backend *backend, enum pattern_kind kind)
{
	const struct pattern_row *row = activation_active(backend->activation, kind);
	if (row == NULL) {
		return NULL;
	}
	json_object *object = json_object_new_object();
	verb_add_number(object, "generation", row->generation);
	verb_add_text(object, "version", row->version);
	verb_add_text(object, "name", row->name);
	verb_add_time(object, "activated", row->activated);
	verb_add_number(object, "entries", row->entries);
	return object;
}

static json_object *describe_queryd(struct backend *backend)
{
	static const char *const kinds[EVENT_KIND_COUNT] = {
	        NULL, "blocked", "access", "rule_hits", "clients", "top_urls", "totals"};
	struct publisher_status publisher;
	struct events_status events;
	struct logs_status logs;
	publisher_get_status(backend->publisher, &publisher);
	events_get_status(backend->events, &events);
	logs_get_status(backend->logs, &logs);
	json_object *object = json_object_new_object();
	verb_add_bool(object, "connected", publisher.connected);
	verb_add_number(object, "workers", publisher.workers);
	verb_add_number(object, "generation", (int64_t)publisher.active);
	json_object_object_add(object, "error",
	        publisher.error[0] != '\0' ? json_object_new_string(publisher.error) : NULL);
	verb_add_number(object, "lost_packets", (int64_t)events.lost_packets);
	json_object *dropped = json_object_new_object();
	for (int kind = 1; kind < EVENT_KIND_COUNT; kind++) {
		verb_add_number(
		        dropped, kinds[kind], (int64_t)(events.dropped[kind] + logs.dropped[kind]));
	}
	json_object_object_add(object, "dropped", dropped);
	return object;
}

static json_object *describe_storage(struct backend *backend)
{
	struct logs_status logs;
	struct statvfs facts;
	logs_get_status(backend->logs, &logs);
	json_object *object = json_object_new_object();
	int64_t room =
	        statvfs("data", &facts) == 0 ? (int64_t)(facts.f_bavail * facts.f_frsize) : 0;
	verb_add_number(object, "free", room);
	json_object_object_add(
	        object, "error", logs.error[0] != '\0' ? json_object_new_string(logs.error) : NULL);
	json_object *stored = json_object_new_object();
	for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
		verb_add_number(
		        stored, log_kind_name((enum log_kind)kind), (int64_t)logs.stored[kind]);
	}
	json_object_object_add(object, "stored", stored);
	return object;
}

void verb_status_get(struct backend *backend, struct rpc_call *call)
{
	struct error error = {0};
	int64_t objects = 0;
	int status = objects_count(&backend->store, &objects, &error);
	if (status != 0) {
		verb_fail(call, status, NULL, &error);
		return;
	}
	json_object *result = json_object_new_object();
	verb_add_text(result, "version", BACKEND_VERSION);
	verb_add_text(result, "boot", backend->boot);
	verb_add_time(result, "started", backend->started);
	json_object *clock = json_object_new_object();
	verb_add_bool(clock, "trusted", backend->clocks.trusted);
	verb_add_number(
	        clock, "offset", backend_now(backend) - clocks_expiry_time(&backend->clocks));
	json_object_object_add(result, "clock", clock);
	verb_add_number(result, "generation", backend->store.committed[META_GENERATION]);
	json_object *services = json_object_new_object();
	json_object_object_add(services, "web", full_service(backend, SERVICE_WEB));
	json_object_object_add(services, "files", full_service(backend, SERVICE_FILES));
	json_object_object_add(result, "services", services);
	json_object *patterns = json_object_new_object();
	json_object_object_add(patterns, "web", describe_pattern(backend, PATTERN_WEB));
	json_object_object_add(patterns, "files", describe_pattern(backend, PATTERN_FILES));
	json_object_object_add(result, "patterns", patterns);
	struct rule_counts counts = levels_counts(backend->levels);
	json_object *rules = json_object_new_object();
	verb_add_number(rules, "count", counts.rules);
	verb_add_number(rules, "keywords", counts.keywords);
	json_object_object_add(result, "rules", rules);
	json_object *object_counts = json_object_new_object();
	verb_add_number(object_counts, "count", objects);
	json_object_object_add(result, "objects", object_counts);
	json_object_object_add(result, "queryd", describe_queryd(backend));
	struct addresses addresses = {0};
	status = addresses_read(&addresses);
	json_object_object_add(result, "addresses",
	        status == 0 ? json_object_get(addresses.document) : json_object_new_object());
	addresses_release(&addresses);
	json_object_object_add(result, "storage", describe_storage(backend));
	rpc_call_answer(call, result);
}

void verb_job_get(struct backend *backend, struct rpc_call *call)
{
	struct error error = {0};
	json_object *result = NULL;
	int status = works_get(
	        backend->works, RPC_VALUE(call->values, JOB_GET, JOB)->integer, &result, &error);
	if (status != 0) {
		verb_fail(call, status, "job", &error);
		return;
	}
	rpc_call_answer(call, result);
}

void verb_job_cancel(struct backend *backend, struct rpc_call *call)
{
	int64_t id = RPC_VALUE(call->values, JOB_CANCEL, JOB)->integer;
	int status = works_cancel(backend->works, id);
	if (status != 0) {
		rpc_call_fail_with(call, RPC_NOT_FOUND, "job", "no such job is under way");
		return;
	}
	rpc_call_answer(call, NULL);
}

void verb_clock_confirm(struct backend *backend, struct rpc_call *call)
{
	struct error error = {0};
	clocks_confirm(&backend->clocks);
	log_info("clock", "the wall clock was confirmed");
	int status = store_next_generation(&backend->store, &error);
	if (status != 0) {
		verb_fail(call, status, NULL, &error);
		return;
	}
	verb_answer_active(backend, call, json_object_new_object(), false);
}

static void on_checked(void *context)
{
	struct rpc_call *call = context;
	struct backend *backend = call->context;
	json_object *result = json_object_new_object();
	json_object_object_add(result, "web", full_service(backend, SERVICE_WEB));
	json_object_object_add(result, "files", full_service(backend, SERVICE_FILES));
	rpc_call_answer(call, result);
}

void verb_service_check(struct backend *backend, struct rpc_call *call)
{
	call->context = backend;
	if (health_check(backend->health, on_checked, call) != 0) {
		rpc_call_fail_with(call, RPC_INTERNAL, NULL, "out of memory");
	}
}

void verb_test_advance(struct backend *backend, struct rpc_call *call)
{
	if (!backend->test_clock) {
		rpc_call_fail_with(call, RPC_NOT_PERMITTED, NULL, "not started with --test-clock");
		return;
	}
	const struct rpc_value *wall = RPC_VALUE(call->values, TEST_ADVANCE, WALL_MS);
	const struct rpc_value *monotonic = RPC_VALUE(call->values, TEST_ADVANCE, MONOTONIC_MS);
	backend->clocks.wall_shift += wall->present ? wall->integer : 0;
	backend->clocks.monotonic_shift += monotonic->present ? monotonic->integer : 0;
	backend_tick(backend);
	json_object *result = json_object_new_object();
	verb_add_number(result, "wall", backend_now(backend));
	verb_add_bool(result, "trusted", backend->clocks.trusted);
	rpc_call_answer(call, result);
}
