#include <string.h>

#include "backend/reading.h"
#include "backend/store/log_file.h"
#include "lib/data/rating.h"

/* The words of `sources`, in the order of RPC_LOG_SOURCES: a source, or who says that it is C&C. */
static const struct {
	uint32_t sources, cnc_sources;
} source_bits[] = {{1u << VERDICT_USER_APPROVED, 0}, {1u << VERDICT_USER_BLOCKED, 0},
        {1u << VERDICT_OBJECT_USER, 0}, {1u << VERDICT_OBJECT_ANALYZER, 0},
        {1u << VERDICT_PATTERN, 0}, {0, 1u << CNC_SOURCE_GLOBAL_INTELLIGENCE}};

struct log_reading {
	struct reading reading;
	struct log_search search;
};

static void add_word(json_object *item, const char *name, const char *text)
{
	json_object_object_add(item, name, text[0] != '\0' ? json_object_new_string(text) : NULL);
}

static json_object *describe_query(const struct log_entry *entry, bool access)
{
	char address[ADDRESS_TEXT_SIZE];
	address_format(&entry->client, address);
	json_object *item = json_object_new_object();
	verb_add_number(item, "time", entry->time);
	verb_add_text(item, "url", entry->url);
	verb_add_text(item, "source", verdict_source_name((enum verdict_source)entry->source));
	verb_add_number(item, "cnc_level", entry->cnc_level);
	const char *cnc = entry->cnc_level > 0 && entry->cnc_source < CNC_SOURCE_COUNT
	                          ? cnc_source_name((enum cnc_source)entry->cnc_source)
	                          : NULL;
	add_word(item, "cnc_source", cnc != NULL ? cnc : "");
	verb_add_number(item, "score", entry->score);
	add_word(item, "client_guid", entry->client_guid);
	add_word(item, "server_guid", entry->server_guid);
	verb_add_text(item, "client_address", address);
	add_word(item, "computer", entry->computer);
	add_word(item, "domain", entry->domain);
	add_word(item, "product", entry->product);
	verb_add_time(item, "entry", entry->entry);
	if (access) {
		verb_add_text(
		        item, "action", verdict_action_name((enum verdict_action)entry->action));
		verb_add_categories(item, "categories", entry->categories);
	}
	return item;
}

static json_object *describe_service(const struct log_entry *entry)
{
	json_object *item = json_object_new_object();
	verb_add_number(item, "time", entry->time);
	verb_add_text(item, "service", entry->service == 1 ? "web" : "files");
	verb_add_text(item, "result", entry->success ? "success" : "failure");
	verb_add_text(item, "description", entry->description);
	return item;
}

static int visit_entry(void *context, const struct log_entry *entry)
{
	struct log_reading *log = context;
	enum log_kind kind = log->search.kind;
	/* Numbers that a damaged file could hold. */
	if (kind != LOG_SERVICE && (entry->source < 0 || entry->source >= VERDICT_SOURCE_COUNT ||
	                                   entry->action < 0 || entry->action > VERDICT_BLOCK)) {
		return 0;
	}
	return reading_add(&log->reading, kind == LOG_SERVICE
	                                          ? describe_service(entry)
	                                          : describe_query(entry, kind == LOG_ACCESS));
}

static int read_log(struct reading *reading, struct readers *readers, struct error *error)
{
	struct log_reading *log = (struct log_reading *)reading;
	int64_t next = 0;
	bool timed_out = false;
	(void)readers;
	log->search.before = reading->before;
	log->search.keyword = reading->search[0] != '\0' ? reading->search : NULL;
	int status = log_search(BACKEND_LOGS, &log->search, database_now() + READING_LIMIT_MS,
	        visit_entry, log, &next, &timed_out, error);
	if (status >= 0) {
		reading_finish_page(reading, status == 1, next);
	}
	if (status == 1 && timed_out) {
		verb_add_number(reading->result, "searched_to", next >> LOG_KEY_BITS);
	}
	return status;
}

static struct log_reading *log_reading_new(struct rpc_call *call, enum log_kind kind,
        const struct rpc_value *from, const struct rpc_value *to)
{
	struct log_reading *log = reading_new(call, sizeof(*log), read_log);
	if (log != NULL) {
		log->search.kind = kind;
		log->search.from = from->present ? from->integer : 0;
		log->search.to = to->present ? to->integer : RPC_TIME_MAX;
		log->search.service = -1;
		log->search.result = -1;
	}
	return log;
}

static void set_sources(struct log_search *search, const struct rpc_value *sources)
{
	for (size_t i = 0; sources->present && i < json_object_array_length(sources->object); i++) {
		int index = rpc_word_index(RPC_LOG_SOURCES,
		        json_object_get_string(json_object_array_get_idx(sources->object, i)));
		search->sources |= source_bits[index].sources;
		search->cnc_sources |= source_bits[index].cnc_sources;
	}
}

void verb_log_blocked(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct log_reading *log = log_reading_new(call, LOG_BLOCKED,
	        RPC_VALUE(values, LOG_BLOCKED, FROM), RPC_VALUE(values, LOG_BLOCKED, TO));
	if (log == NULL || !reading_page(&log->reading, RPC_VALUE(values, LOG_BLOCKED, LIMIT),
	                           RPC_VALUE(values, LOG_BLOCKED, CURSOR),
	                           RPC_VALUE(values, LOG_BLOCKED, KEYWORD))) {
		return;
	}
	set_sources(&log->search, RPC_VALUE(values, LOG_BLOCKED, SOURCES));
	reading_submit(backend->reader, &log->reading);
}

void verb_log_access(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct log_reading *log = log_reading_new(call, LOG_ACCESS,
	        RPC_VALUE(values, LOG_ACCESS, FROM), RPC_VALUE(values, LOG_ACCESS, TO));
	if (log == NULL || !reading_page(&log->reading, RPC_VALUE(values, LOG_ACCESS, LIMIT),
	                           RPC_VALUE(values, LOG_ACCESS, CURSOR),
	                           RPC_VALUE(values, LOG_ACCESS, KEYWORD))) {
		return;
	}
	set_sources(&log->search, RPC_VALUE(values, LOG_ACCESS, SOURCES));
	reading_submit(backend->reader, &log->reading);
}

void verb_log_service(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *values = call->values;
	struct log_reading *log = log_reading_new(call, LOG_SERVICE,
	        RPC_VALUE(values, LOG_SERVICE, FROM), RPC_VALUE(values, LOG_SERVICE, TO));
	if (log == NULL || !reading_page(&log->reading, RPC_VALUE(values, LOG_SERVICE, LIMIT),
	                           RPC_VALUE(values, LOG_SERVICE, CURSOR), NULL)) {
		return;
	}
	const struct rpc_value *service = RPC_VALUE(values, LOG_SERVICE, SERVICE);
	const struct rpc_value *result = RPC_VALUE(values, LOG_SERVICE, RESULT);
	log->search.service = service->present ? service->integer == 0 : -1;
	log->search.result = result->present ? result->integer == 0 : -1;
	reading_submit(backend->reader, &log->reading);
}
