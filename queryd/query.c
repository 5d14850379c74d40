#include "queryd/query.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"

int query_fail(struct query *query, enum problem problem, const char *detail)
{
	query->problem = problem;
	query->detail = detail;
	return SK_E_REFUSED;
}

/* ---- who asks ---- */

static const enum http_field word_fields[5] = {HTTP_FIELD_CLIENT_GUID, HTTP_FIELD_SERVER_GUID,
        HTTP_FIELD_CLIENT_NAME, HTTP_FIELD_CLIENT_DOMAIN, HTTP_FIELD_PRODUCT_ENTITY};
enum word { WORD_CLIENT_GUID, WORD_SERVER_GUID, WORD_COMPUTER, WORD_DOMAIN, WORD_PRODUCT };

/* Visible ASCII and blanks as they are, anything else as '?', at most LIMIT_CLIENT_WORD. */
static void copy_word(char *word, const struct http_text *field)
{
	size_t length = field->length < LIMIT_CLIENT_WORD ? field->length : LIMIT_CLIENT_WORD;
	for (size_t i = 0; i < length; i++) {
		char c = field->data[i];
		word[i] = c >= 0x20 && c < 0x7f ? c : '?';
	}
	word[length] = '\0';
}

/* Reads the client's words from the header once; `who` is complete then. */
static void read_words(struct query *query)
{
	if (query->words_known) {
		return;
	}
	for (unsigned i = 0; i < SK_COUNT(word_fields); i++) {
		const struct http_text *field = &query->request->fields[word_fields[i]];
		query->space->words[i][0] = '\0';
		if (field->data != NULL) {
			copy_word(query->space->words[i], field);
		}
	}
	query->words_known = true;
}

static void set_who(struct query *query)
{
	const struct http_text *fields = query->request->fields;
	query->words_known = false;
	query->who.address = query->client->address;
	query->who.computer = NULL;
	query->who.domain = NULL;
	if (fields[HTTP_FIELD_CLIENT_NAME].data != NULL ||
	        fields[HTTP_FIELD_CLIENT_DOMAIN].data != NULL) {
		read_words(query);
		query->who.computer = query->space->words[WORD_COMPUTER];
		query->who.domain = query->space->words[WORD_DOMAIN];
	}
}

/* ---- count and log ---- */

/* The list that a verdict's entry stands in, or -1. */
static int list_of_source(uint8_t source)
{
	switch (source) {
	case VERDICT_USER_APPROVED:
		return POLICY_USER_APPROVED;
	case VERDICT_USER_BLOCKED:
		return POLICY_USER_BLOCKED;
	case VERDICT_OBJECT_USER:
		return POLICY_OBJECT_USER;
	case VERDICT_OBJECT_ANALYZER:
		return POLICY_OBJECT_ANALYZER;
	default:
		return -1;
	}
}

static void count_entry(struct query *query, uint8_t source, int64_t id)
{
	int list = list_of_source(source);
	if (list >= 0 && id > 0) {
		counters_add_rule(query->counters, (enum policy_list)list, id, query->wall);
	}
}

void query_count_verdict(struct query *query, const struct url_verdict *verdict)
{
	query->count.queries++;
	query->count.blocks += verdict->action == VERDICT_BLOCK;
	query->count.detections += verdict->bad;
	query->listed += verdict->source != VERDICT_NONE;
	if (verdict->entry_id != 0) {
		count_entry(query, verdict->source, verdict->entry_id);
	}
}

void query_count_file_verdict(struct query *query, const struct file_verdict *verdict)
{
	query->count.queries++;
	query->count.blocks += verdict->action == VERDICT_BLOCK;
	query->count.detections += verdict->answer == FILE_MALICIOUS;
	query->listed += verdict->source != VERDICT_NONE;
	if (verdict->entry_id != 0) {
		count_entry(query, verdict->source, verdict->entry_id);
	}
}

static struct event_text word_text(const char *word)
{
	return (struct event_text){word, (uint16_t)strlen(word)};
}

void query_log_verdict(
        struct query *query, const struct url *url, const struct url_verdict *verdict)
{
	bool access = query->generation->settings.access_log_on;
	if (SK_LIKELY(!verdict->bad && !access)) {
		return;
	}
	read_words(query);
	char(*words)[LIMIT_CLIENT_WORD + 1] = query->space->words;
	uint32_t length = url->length < EVENT_URL_MAX ? url->length : EVENT_URL_MAX;
	struct link_event event = {.kind = EVENT_BLOCKED,
	        .query = {.time = query->wall,
	                .client = query->client->address,
	                .score = verdict->score,
	                .source = verdict->source,
	                .action = verdict->action,
	                .cnc_level = verdict->cnc_level,
	                .cnc_source = verdict->cnc_source,
	                .categories = verdict->categories,
	                .entry_id = verdict->entry_id,
	                .url = {url->text, (uint16_t)length},
	                .client_guid = word_text(words[WORD_CLIENT_GUID]),
	                .server_guid = word_text(words[WORD_SERVER_GUID]),
	                .computer = word_text(words[WORD_COMPUTER]),
	                .domain = word_text(words[WORD_DOMAIN]),
	                .product = word_text(words[WORD_PRODUCT])}};
	if (verdict->bad) {
		event_ring_add(query->events, &event);
	}
	if (access) {
		event.kind = EVENT_ACCESS;
		event_ring_add(query->events, &event);
	}
}

static void count_request(struct query *query, size_t bytes_in, size_t bytes_out, bool failed)
{
	enum service service = query->client->service;
	struct event_totals *totals = &query->counters->totals[service];
	totals->requests++;
	totals->errors += failed;
	totals->queries += query->count.queries;
	totals->listed += query->listed;
	totals->blocked += query->count.blocks;
	totals->bytes_in += bytes_in;
	totals->bytes_out += bytes_out;
	query->count.bytes_in = bytes_in;
	counters_add_client(query->counters, &query->client->address, service, &query->count);
}

/* ---- answers ---- */

void query_begin_answer(struct query *query, enum answer_media media, const char *max_age,
        struct answer_place *ret_place)
{
	const struct answer_head head = {.status = 200,
	        .media = (uint8_t)media,
	        .minor = query->request->minor,
	        .keep_alive = query->keep_alive,
	        .body_wanted = query->request->method != HTTP_REQUEST_HEAD,
	        .title = "OK",
	        .date = query->date,
	        .max_age = max_age};
	answer_begin(query->out, &head, ret_place);
}

const char *query_max_age(const struct query *query, uint32_t ttl, char space[12])
{
	const struct generation *generation = query->generation;
	if (ttl == generation->settings.ttl_unlisted) {
		return generation->ttl_unlisted;
	}
	if (ttl == generation->settings.ttl_listed) {
		return generation->ttl_listed;
	}
	snprintf(space, 12, "%u", ttl);
	return space;
}

static void respond_problem(struct query *query, uint8_t minor, bool body_wanted)
{
	const struct problem_info *info = problem_info(query->problem);
	const struct answer_head head = {.status = info->status,
	        .media = ANSWER_PROBLEM,
	        .minor = minor,
	        .keep_alive = query->keep_alive,
	        .body_wanted = body_wanted,
	        .title = info->title,
	        .date = query->date,
	        .extra = query->extra};
	struct answer_place place;
	answer_begin(query->out, &head, &place);
	answer_add_problem(query->out, query->problem, query->detail);
	answer_end(query->out, &place);
}

/* ---- the way through ---- */

/* Which steps to take, or a problem. */
static int find_steps(struct query *query, query_step *const **ret_steps)
{
	const struct link_settings *settings = &query->generation->settings;
	enum service service = query->client->service;
	if (!query->client->allowed) {
		return query_fail(query, PROBLEM_CLIENT_NOT_ALLOWED,
		        "this address may not ask (setting query.allow_from)");
	}
	bool other_service = false;
	http_target_split(&query->request->target, &query->target);
	query->route = route_find(&query->target.path, service, &other_service);
	if (query->route == NULL) {
		return other_service
		               ? query_fail(query, PROBLEM_WRONG_SERVICE,
		                         "this path is served on the other service's ports")
		               : query_fail(query, PROBLEM_NOT_FOUND, "there is no such path");
	}
	uint8_t method = query->request->method;
	*ret_steps = method == HTTP_REQUEST_POST    ? query->route->post_steps
	             : method == HTTP_REQUEST_OTHER ? NULL
	                                            : query->route->get_steps;
	if (*ret_steps == NULL) {
		query->extra = query->route->allow;
		return query_fail(
		        query, PROBLEM_METHOD_NOT_ALLOWED, "this path has no such method");
	}
	if (SK_UNLIKELY(service == SERVICE_WEB ? !settings->web_on : !settings->files_on)) {
		query->extra = "\r\nRetry-After: 60";
		return query_fail(query, PROBLEM_SERVICE_OFF, "this service is switched off");
	}
	return 0;
}

bool query_answer(struct query *query, const struct query_client *client,
        const struct http_request *request, struct buf *out)
{
	query->request = request;
	query->client = client;
	query->out = out;
	query->keep_alive = request->keep_alive;
	query->explain = false;
	query->extra = NULL;
	query->count = (struct client_count){0};
	query->listed = 0;
	set_who(query);
	size_t start = out->length;
	query_step *const *steps;
	int status = find_steps(query, &steps);
	for (; status == 0 && *steps != NULL; steps++) {
		status = (*steps)(query);
	}
	if (SK_UNLIKELY(status != 0)) {
		out->length = start;
		query->count.queries = 0;
		query->keep_alive = query->keep_alive && problem_info(query->problem)->closes == 0;
		respond_problem(query, request->minor, request->method != HTTP_REQUEST_HEAD);
	}
	count_request(query, request->length, out->length - start, status != 0);
	return query->keep_alive;
}

void query_refuse(struct query *query, const struct query_client *client, enum problem problem,
        const char *detail, struct buf *out)
{
	size_t start = out->length;
	query->client = client;
	query->out = out;
	query->keep_alive = false;
	query->extra = NULL;
	query->count = (struct client_count){0};
	query->listed = 0;
	query_fail(query, problem, detail);
	respond_problem(query, 1, true);
	count_request(query, 0, out->length - start, true);
}
