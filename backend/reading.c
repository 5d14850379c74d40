#include "backend/reading.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/number.h"

static void run(struct task *task, void *context)
{
	struct reading *reading = (struct reading *)task;
	reading->status = reading->read(reading, context, &reading->error);
}

static void done(struct task *task)
{
	struct reading *reading = (struct reading *)task;
	if (reading->status < 0) {
		verb_fail(reading->call, reading->status, NULL, &reading->error);
		json_object_put(reading->result);
	} else {
		rpc_call_answer(reading->call, reading->result);
	}
	json_object_put(reading->items);
	mem_free(reading);
}

void *reading_new(struct rpc_call *call, size_t size,
        int (*read)(struct reading *reading, struct readers *readers, struct error *error))
{
	struct reading *reading = mem_new(1, size);
	json_object *result = json_object_new_object(), *items = json_object_new_array();
	if (reading == NULL || result == NULL || items == NULL) {
		mem_free(reading);
		json_object_put(result);
		json_object_put(items);
		rpc_call_fail_with(call, RPC_INTERNAL, NULL, "out of memory");
		return NULL;
	}
	reading->task.run = run;
	reading->task.done = done;
	reading->call = call;
	reading->read = read;
	reading->result = result;
	reading->items = items;
	reading->limit = READING_LIST_DEFAULT;
	reading->before = INT64_MAX;
	/* In case it is never run. */
	reading->status = SK_E_CONFLICT;
	return reading;
}

bool reading_page(struct reading *reading, const struct rpc_value *limit,
        const struct rpc_value *cursor, const struct rpc_value *search)
{
	reading->limit = limit->present ? (size_t)limit->integer : READING_LIST_DEFAULT;
	if (cursor->present && number_parse_i64(cursor->text, cursor->length, 1, INT64_MAX,
	                               &reading->before) != 0) {
		rpc_call_fail_with(reading->call, RPC_BAD_INPUT, "cursor", "not a cursor of ours");
		json_object_put(reading->result);
		json_object_put(reading->items);
		mem_free(reading);
		return false;
	}
	if (search != NULL && search->present) {
		for (size_t i = 0; i < search->length; i++) {
			char c = search->text[i];
			reading->search[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		}
	}
	return true;
}

void reading_submit(struct worker *worker, struct reading *reading)
{
	worker_submit(worker, &reading->task);
}

int reading_add(struct reading *reading, json_object *item)
{
	size_t length = 0;
	json_object_to_json_string_length(item, JSON_C_TO_STRING_PLAIN, &length);
	if (reading->bytes > 0 && reading->bytes + length > READING_BYTES_MAX) {
		json_object_put(item);
		return VISIT_AGAIN;
	}
	reading->bytes += length + 1;
	json_object_array_add(reading->items, item);
	return json_object_array_length(reading->items) >= reading->limit ? VISIT_FULL : 0;
}

void reading_finish_page(struct reading *reading, bool more, int64_t next)
{
	json_object_object_add(reading->result, "items", json_object_get(reading->items));
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, next);
	json_object_object_add(reading->result, "next", more ? json_object_new_string(text) : NULL);
}

int readers_store(struct readers *readers, struct store_reader **ret_store, struct error *error)
{
	if (!readers->store_open) {
		int status = store_reader_open(BACKEND_DATABASE, &readers->store, error);
		if (status != 0) {
			return status;
		}
		readers->store_open = true;
	}
	*ret_store = &readers->store;
	return 0;
}

int readers_counters(
        struct readers *readers, struct counters_reader **ret_counters, struct error *error)
{
	if (readers->counters == NULL) {
		struct counters_reader *counters = mem_new(1, sizeof(*counters));
		if (counters == NULL) {
			return error_set_code(error, -ENOMEM, "counters");
		}
		int status = counters_reader_open(BACKEND_COUNTERS, counters, error);
		if (status != 0) {
			mem_free(counters);
			return status;
		}
		readers->counters = counters;
	}
	*ret_counters = readers->counters;
	return 0;
}

void readers_close(struct readers *readers)
{
	if (readers->store_open) {
		store_reader_close(&readers->store);
	}
	if (readers->counters != NULL) {
		counters_reader_close(readers->counters);
		mem_free(readers->counters);
	}
	memset(readers, 0, sizeof(*readers));
}
