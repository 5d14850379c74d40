#include <stdatomic.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/number.h"
#include "queryd/query.h"

/* The steps of questions about one thing. */

/* ---- parameters ---- */

static int decode_value(struct query *query, const struct http_text *value, enum problem too_long)
{
	if (value->data == NULL) {
		return query_fail(query, PROBLEM_MISSING_PARAMETER, "a parameter has no value");
	}
	int status = http_percent_decode(value, query->space->decoded, LIMIT_URL, &query->asked);
	if (status == SK_E_SYNTAX) {
		return query_fail(query, PROBLEM_BAD_ENCODING,
		        "the value of a parameter is not percent-encoded correctly");
	}
	return status == 0 ? 0 : query_fail(query, too_long, "longer than 8 KiB");
}

static int read_explain(struct query *query, const struct http_text *value)
{
	if (value->length != 1 || (value->data[0] != '0' && value->data[0] != '1')) {
		return query_fail(query, PROBLEM_BAD_PARAMETER, "explain is 0 or 1");
	}
	query->explain = value->data[0] == '1';
	if (query->explain && !query->client->explains) {
		return query_fail(query, PROBLEM_EXPLAIN_NOT_ALLOWED,
		        "this address may not see other clients' rules "
		        "(setting query.explain_from)");
	}
	return 0;
}

/* Takes `name` (needed) and, when `explain`, that. Anything else and anything twice is refused. */
static int read_parameters(
        struct query *query, const char *wanted, bool explain, enum problem too_long)
{
	struct http_text rest = query->target.query, name, value;
	size_t length = strlen(wanted);
	bool found = false, explained = false;
	while (http_query_next(&rest, &name, &value)) {
		int status;
		if (http_text_is(&name, wanted, length)) {
			if (found) {
				return query_fail(query, PROBLEM_DUPLICATE_PARAMETER,
				        "a parameter is given twice");
			}
			found = true;
			status = decode_value(query, &value, too_long);
		} else if (explain && http_text_is(&name, "explain", 7)) {
			if (explained) {
				return query_fail(query, PROBLEM_DUPLICATE_PARAMETER,
				        "a parameter is given twice");
			}
			explained = true;
			status = read_explain(query, &value);
		} else {
			status = query_fail(query, PROBLEM_UNKNOWN_PARAMETER,
			        "there is no such parameter (is an '&' not encoded?)");
		}
		if (status != 0) {
			return status;
		}
	}
	return found ? 0
	             : query_fail(query, PROBLEM_MISSING_PARAMETER,
	                       "the parameter that says what is asked is missing");
}

int query_step_url_parameters(struct query *query)
{
	return read_parameters(query, "url", true, PROBLEM_BAD_URL);
}

int query_step_name_parameters(struct query *query)
{
	return read_parameters(query, "name", true, PROBLEM_BAD_HOST);
}

int query_step_address_parameters(struct query *query)
{
	return read_parameters(query, "address", true, PROBLEM_BAD_ADDRESS);
}

int query_step_lcrc_parameters(struct query *query)
{
	return read_parameters(query, "LCRC", false, PROBLEM_BAD_PARAMETER);
}

int query_step_no_parameters(struct query *query)
{
	struct http_text rest = query->target.query, name, value;
	if (http_query_next(&rest, &name, &value)) {
		return query_fail(query, PROBLEM_UNKNOWN_PARAMETER, "this path has no parameters");
	}
	return 0;
}

/* ---- canonicalize ---- */

int query_step_canonicalize_url(struct query *query)
{
	const char *reason;
	if (url_canonicalize(query->asked.data, query->asked.length, query->space->urls,
	            sizeof(query->space->urls), &query->space->url_queries[0].url, &reason) != 0) {
		return query_fail(query, PROBLEM_BAD_URL, reason);
	}
	return 0;
}

int query_step_canonicalize_host(struct query *query)
{
	const char *reason;
	if (url_from_host(query->asked.data, query->asked.length, query->space->urls,
	            sizeof(query->space->urls), &query->space->url_queries[0].url, &reason) != 0) {
		return query_fail(query, PROBLEM_BAD_HOST, reason);
	}
	return 0;
}

int query_step_canonicalize_address(struct query *query)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	const char *reason;
	struct url *url = &query->space->url_queries[0].url;
	if (address_parse(query->asked.data, query->asked.length, &address) != 0) {
		return query_fail(query, PROBLEM_BAD_ADDRESS, "not an IPv4 or IPv6 address");
	}
	size_t length = address_format(&address, text);
	char bracketed[ADDRESS_TEXT_SIZE + 2];
	const char *host = text;
	if (address.family == ADDRESS_V6) {
		bracketed[0] = '[';
		memcpy(bracketed + 1, text, length);
		bracketed[length + 1] = ']';
		host = bracketed;
		length += 2;
	}
	if (url_from_host(host, length, query->space->urls, sizeof(query->space->urls), url,
	            &reason) != 0) {
		return query_fail(query, PROBLEM_BAD_ADDRESS, reason);
	}
	return 0;
}

int query_step_digest_in_path(struct query *query)
{
	uint8_t skip = query->route->path_length;
	struct http_text *path = &query->target.path;
	if (digest_parse(path->data + skip, path->length - skip, &query->digest) != 0) {
		return query_fail(
		        query, PROBLEM_BAD_DIGEST, "a digest is 32, 40 or 64 hexadecimal digits");
	}
	return 0;
}

/* ---- look up, decide ---- */

int query_step_look_up_url(struct query *query)
{
	verdict_prepare_url(&query->generation->snapshot, &query->space->url_queries[0]);
	return 0;
}

/* Counted before it is decided: meanwhile the memory that the decision needs arrives. */
int query_step_follow_url(struct query *query)
{
	const struct url *url = &query->space->url_queries[0].url;
	counters_add_url(query->counters, url->text, url->length);
	return 0;
}

int query_step_decide_url(struct query *query)
{
	const struct snapshot *snapshot = &query->generation->snapshot;
	const struct url_query *url = &query->space->url_queries[0];
	if (SK_UNLIKELY(query->explain)) {
		verdict_explain_url(snapshot, query->scratch, url, &query->who, query->expiry_time,
		        &query->url_verdict, &query->space->explanation);
	} else {
		verdict_decide_url(snapshot, query->scratch, url, &query->who, query->expiry_time,
		        &query->url_verdict);
	}
	return 0;
}

int query_step_decide_file(struct query *query)
{
	const struct snapshot *snapshot = &query->generation->snapshot;
	verdict_prepare_file(snapshot, &query->digest);
	verdict_decide_file(snapshot, &query->digest, query->expiry_time, &query->file_verdict);
	return 0;
}

/* ---- respond ---- */

static void respond(struct query *query, const char *name, size_t name_length, const char *text,
        size_t text_length)
{
	char space[12];
	struct answer_place place;
	const struct url_verdict *verdict = &query->url_verdict;
	query_begin_answer(query, ANSWER_JSON, query_max_age(query, verdict->ttl, space), &place);
	answer_add_url(
	        query->out, name, name_length, text, text_length, verdict, query->generation);
	if (SK_UNLIKELY(query->explain)) {
		query_add_explanation(query);
	}
	answer_end(query->out, &place);
}

int query_step_respond_url(struct query *query)
{
	static const char name[] = ANSWER_NAME("url");
	const struct url *url = &query->space->url_queries[0].url;
	respond(query, name, sizeof(name) - 1, url->text, url->length);
	return 0;
}

int query_step_respond_name(struct query *query)
{
	static const char name[] = ANSWER_NAME("name");
	const struct url *url = &query->space->url_queries[0].url;
	respond(query, name, sizeof(name) - 1, url->text + url->host_start, url->host_length);
	return 0;
}

int query_step_respond_address(struct query *query)
{
	static const char name[] = ANSWER_NAME("address");
	const struct url *url = &query->space->url_queries[0].url;
	char text[ADDRESS_TEXT_SIZE];
	size_t length = address_format(&url->address, text);
	respond(query, name, sizeof(name) - 1, text, length);
	return 0;
}

int query_step_respond_file(struct query *query)
{
	char space[12];
	struct answer_place place;
	query_begin_answer(
	        query, ANSWER_JSON, query_max_age(query, query->file_verdict.ttl, space), &place);
	answer_add_file(query->out, &query->digest, &query->file_verdict, query->generation);
	answer_end(query->out, &place);
	return 0;
}

int query_step_respond_lcrc(struct query *query)
{
	unsigned char bytes[20];
	struct answer_place place;
	if (number_parse_hex(query->asked.data, query->asked.length, bytes, sizeof(bytes)) != 0) {
		return query_fail(query, PROBLEM_BAD_PARAMETER, "LCRC is 40 hexadecimal digits");
	}
	query_begin_answer(query, ANSWER_BINARY, NULL, &place);
	buf_add(query->out, bytes, sizeof(bytes));
	answer_end(query->out, &place);
	return 0;
}

int query_step_respond_health(struct query *query)
{
	const struct query_health *health = query->health;
	bool web = query->client->service == SERVICE_WEB;
	const struct answer_tail *tail =
	        web ? &query->generation->web_tail : &query->generation->file_tail;
	struct buf *out = query->out;
	struct answer_place place;
	query_begin_answer(query, ANSWER_JSON, NULL, &place);
	buf_add_literal(out, "{\"status\":\"ok\",\"service\":");
	buf_add_text(out, web ? "\"web\"" : "\"file\"");
	buf_add(out, tail->text, tail->length - 1); /* without its brace */
	buf_add_literal(out, ",\"generation\":[");
	for (unsigned i = 0; i < health->count; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		buf_add_u64(
		        out, atomic_load_explicit(health->generations[i], memory_order_relaxed));
	}
	unsigned char boot[8];
	bytes_put_be64(boot, health->boot);
	buf_add_literal(out, "],\"boot\":\"");
	buf_add_hex(out, boot, sizeof(boot));
	buf_add_literal(out, "\"}");
	answer_end(out, &place);
	return 0;
}

/* ---- count, log ---- */

int query_step_count_url(struct query *query)
{
	query_count_verdict(query, &query->url_verdict);
	return 0;
}

int query_step_count_file(struct query *query)
{
	query_count_file_verdict(query, &query->file_verdict);
	return 0;
}

int query_step_log_url(struct query *query)
{
	query_log_verdict(query, &query->space->url_queries[0].url, &query->url_verdict);
	return 0;
}
