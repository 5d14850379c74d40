#include <string.h>

#include "lib/base/error.h"
#include "queryd/query.h"

/* The steps of questions about many things: {"urls": […]} and {"digests": […]}. */

static int bad_json(struct query *query, const struct json_reader *reader, const char *detail)
{
	return query_fail(
	        query, PROBLEM_BAD_JSON, reader->reason != NULL ? reader->reason : detail);
}

/* The strings of an array, whose '[' was read, into space->entries. */
static int read_entries(struct query *query, struct json_reader *reader, size_t maximum)
{
	size_t count = 0;
	for (;;) {
		enum json_token token;
		if (json_reader_next(reader, &token) != 0) {
			return bad_json(query, reader, "");
		}
		if (token == JSON_ARRAY_END) {
			break;
		}
		if (token != JSON_STRING) {
			return bad_json(query, reader, "an entry is not a string");
		}
		if (count < maximum) {
			query->space->entries[count] = reader->text;
		}
		count++; /* beyond the maximum they are only counted */
	}
	query->entry_count = count;
	return 0;
}

/* {"<name>": [strings]} and nothing else. */
static int read_body(struct query *query, const char *name, size_t maximum)
{
	struct json_reader reader;
	enum json_token token;
	json_reader_init(&reader, query->request->body, query->request->body_length);
	if (json_reader_next(&reader, &token) != 0 || token != JSON_OBJECT) {
		return bad_json(query, &reader, "the body is not an object");
	}
	bool found = false;
	for (;;) {
		if (json_reader_next(&reader, &token) != 0) {
			return bad_json(query, &reader, "");
		}
		if (token == JSON_OBJECT_END) {
			break;
		}
		if (!json_text_is(&reader.text, name)) {
			return bad_json(query, &reader, "an unknown member");
		}
		if (found) {
			return bad_json(query, &reader, "a member is given twice");
		}
		found = true;
		if (json_reader_next(&reader, &token) != 0 || token != JSON_ARRAY) {
			return bad_json(query, &reader, "the member is not an array");
		}
		int status = read_entries(query, &reader, maximum);
		if (status != 0) {
			return status;
		}
	}
	if (json_reader_next(&reader, &token) != 0) {
		return bad_json(query, &reader, "");
	}
	if (!found) {
		return bad_json(query, &reader, "the member that says what is asked is missing");
	}
	if (query->entry_count == 0 || query->entry_count > maximum) {
		return query_fail(query, PROBLEM_BAD_ENTRY_COUNT,
		        maximum == LIMIT_BULK_URLS ? "1 to 500 URLs can be asked at once"
		                                   : "1 to 1000 digests can be asked at once");
	}
	return 0;
}

int query_step_json_body(struct query *query)
{
	const struct http_text *type = &query->request->fields[HTTP_FIELD_CONTENT_TYPE];
	if (!http_is_json(type)) {
		return query_fail(
		        query, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
	}
	return query->client->service == SERVICE_WEB
	               ? read_body(query, "urls", LIMIT_BULK_URLS)
	               : read_body(query, "digests", LIMIT_BULK_DIGESTS);
}

/* An entry with its escapes undone, in the body's own memory. */
static struct http_text entry_text(struct query *query, size_t index)
{
	const struct json_text *entry = &query->space->entries[index];
	if (SK_LIKELY(!entry->escaped)) {
		return (struct http_text){entry->data, (uint32_t)entry->length};
	}
	char *place = query->request->body + (entry->data - query->request->body);
	return (struct http_text){place, (uint32_t)json_unescape(entry, place)};
}

/* The entries group by group: `prepare` starts the memory accesses of those from `first` on and
 * says how many make the group, `answer` decides the one number `index` of it. Inline, so that both
 * are called by name. */
static inline int answer_entries(struct query *query,
        size_t (*prepare)(struct query *query, size_t first),
        void (*answer)(struct query *query, size_t index), enum problem bad_entry)
{
	struct answer_place place;
	query_begin_answer(query, ANSWER_JSON, NULL, &place);
	buf_add_literal(query->out, "{\"results\":[");
	for (size_t done = 0; done < query->entry_count;) {
		size_t count = prepare(query, done);
		for (size_t i = 0; i < count; i++) {
			const char *error = query->space->errors[i];
			if (done + i > 0) {
				buf_add_char(query->out, ',');
			}
			if (SK_UNLIKELY(error != NULL)) {
				answer_add_entry_error(query->out, bad_entry, error);
			} else {
				answer(query, i);
			}
		}
		done += count;
	}
	buf_add_literal(query->out, "]}");
	answer_end(query->out, &place);
	return 0;
}

/* ---- URLs ---- */

/* Canonicalizes entries until the group is full or its text space ends; starts their memory
 * accesses. Returns how many. */
static size_t prepare_urls(struct query *query, size_t first)
{
	struct query_space *space = query->space;
	const struct snapshot *snapshot = &query->generation->snapshot;
	size_t used = 0, count = 0;
	while (count < QUERY_GROUP && first + count < query->entry_count &&
	        sizeof(space->urls) - used >= URL_TEXT_MAX) {
		struct url_query *url = &space->url_queries[count];
		struct http_text text = entry_text(query, first + count);
		const char *reason = NULL;
		if (url_canonicalize(text.data, text.length, space->urls + used,
		            sizeof(space->urls) - used, &url->url, &reason) == 0) {
			space->errors[count] = NULL;
			used += url->url.length + 1;
			verdict_prepare_url(snapshot, url);
			counters_add_url(query->counters, url->url.text, url->url.length);
		} else {
			space->errors[count] = reason;
		}
		count++;
	}
	return count;
}

static void answer_url(struct query *query, size_t index)
{
	static const char name[] = ANSWER_NAME("url");
	const struct url_query *url = &query->space->url_queries[index];
	struct url_verdict verdict;
	verdict_decide_url(&query->generation->snapshot, query->scratch, url, &query->who,
	        query->expiry_time, &verdict);
	answer_add_url(query->out, name, sizeof(name) - 1, url->url.text, url->url.length, &verdict,
	        query->generation);
	query_count_verdict(query, &verdict);
	query_log_verdict(query, &url->url, &verdict);
}

int query_step_bulk_urls(struct query *query)
{
	return answer_entries(query, prepare_urls, answer_url, PROBLEM_BAD_URL);
}

/* ---- digests ---- */

static size_t prepare_digests(struct query *query, size_t first)
{
	struct query_space *space = query->space;
	const struct snapshot *snapshot = &query->generation->snapshot;
	size_t count = 0;
	while (count < QUERY_GROUP && first + count < query->entry_count) {
		struct http_text text = entry_text(query, first + count);
		if (digest_parse(text.data, text.length, &space->digests[count]) == 0) {
			space->errors[count] = NULL;
			verdict_prepare_file(snapshot, &space->digests[count]);
		} else {
			space->errors[count] = "a digest is 32, 40 or 64 hexadecimal digits";
		}
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		if (SK_LIKELY(space->errors[i] == NULL)) {
			verdict_fetch_file(snapshot, &space->digests[i]);
		}
	}
	return count;
}

static void answer_digest(struct query *query, size_t index)
{
	const struct digest *digest = &query->space->digests[index];
	struct file_verdict verdict;
	verdict_decide_file(&query->generation->snapshot, digest, query->expiry_time, &verdict);
	answer_add_file(query->out, digest, &verdict, query->generation);
	query_count_file_verdict(query, &verdict);
}

int query_step_bulk_digests(struct query *query)
{
	return answer_entries(query, prepare_digests, answer_digest, PROBLEM_BAD_DIGEST);
}
