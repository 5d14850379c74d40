#include <errno.h>
#include <string.h>

#include <json-c/json_object_iterator.h>

#include "backend/verbs.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"

/*
 * "Test URL" and its kin: the same decision from the same generation as the query server's, without
 * counting or logging. The answers have the shape of the query API's (docs/query-api.md).
 */

/* Of the main thread; made at the first look-up, fitted to the snapshot when that changes. */
struct asking {
	struct snapshot snapshot;
	struct verdict_scratch *scratch;
	struct verdict_client client;
	int64_t now;
};
static struct verdict_scratch *main_scratch;

static int prepare(struct backend *backend, struct asking *asking, struct error *error)
{
	const int64_t *numbers = backend->settings.numbers;
	uint64_t version;
	int64_t complete;
	int status = levels_refresh(backend->levels, &complete, error);
	if (status != 0) {
		return status;
	}
	*asking =
	        (struct asking){.snapshot = {.approved_first = numbers[SETTING_APPROVED_FIRST] != 0,
	                                .block_below = (uint8_t)numbers[SETTING_BLOCK_BELOW],
	                                .log_score_max = (uint8_t)numbers[SETTING_LOG_SCORE_MAX],
	                                .ttl_listed = (uint32_t)numbers[SETTING_TTL_LISTED],
	                                .ttl_unlisted = (uint32_t)numbers[SETTING_TTL_UNLISTED]},
	                .client = {.address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}}},
	                .now = clocks_expiry_time(&backend->clocks)};
	levels_snapshot(backend->levels, &asking->snapshot, &version);
	activation_snapshot(backend->activation, &asking->snapshot);
	if (main_scratch == NULL) {
		status = verdict_scratch_new(&main_scratch);
	}
	if (status == 0) {
		status = verdict_scratch_fit(main_scratch, &asking->snapshot);
	}
	asking->scratch = main_scratch;
	return status == 0 ? 0 : error_set_code(error, status, "look-up");
}

void verb_lookup_release(void)
{
	verdict_scratch_free(main_scratch);
	main_scratch = NULL;
}

/* ---- who asks ---- */

static int read_client(json_object *object, struct verdict_client *client, struct rpc_fault *fault)
{
	struct json_object_iterator at = json_object_iter_begin(object);
	struct json_object_iterator end = json_object_iter_end(object);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		json_object *value = json_object_iter_peek_value(&at);
		const char *text = json_object_get_string(value);
		bool fits = json_object_is_type(value, json_type_string) &&
		            json_object_get_string_len(value) <= LIMIT_CLIENT_WORD;
		if (fits && strcmp(name, "address") == 0) {
			fits = address_parse(text, strlen(text), &client->address) == 0;
		} else if (fits && strcmp(name, "computer") == 0) {
			client->computer = text;
		} else if (fits && strcmp(name, "domain") == 0) {
			client->domain = text;
		} else {
			fits = false;
		}
		if (!fits) {
			return rpc_fault_set(fault, RPC_BAD_INPUT, "client", "%.64s", name);
		}
	}
	return 0;
}

/* ---- answers ---- */

static void add_optional(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, text != NULL ? json_object_new_string(text) : NULL);
}

static const char *pattern_version(struct backend *backend, enum pattern_kind kind)
{
	const struct pattern_info *info = activation_info(backend->activation, kind);
	return info != NULL ? info->version : NULL;
}

static json_object *describe_url(struct backend *backend, const char *name, const char *text,
        const struct url_verdict *verdict)
{
	json_object *result = json_object_new_object();
	verb_add_text(result, name, text);
	verb_add_number(result, "score", verdict->score);
	verb_add_text(result, "rating", rating_name(rating_of_score(verdict->score)));
	verb_add_categories(result, "categories", verdict->categories);
	json_object *cnc = json_object_new_object();
	verb_add_number(cnc, "level", verdict->cnc_level);
	add_optional(cnc, "source", cnc_source_name((enum cnc_source)verdict->cnc_source));
	json_object_object_add(result, "cnc", cnc);
	verb_add_text(result, "action", verdict_action_name((enum verdict_action)verdict->action));
	verb_add_text(result, "source", verdict_source_name((enum verdict_source)verdict->source));
	verb_add_number(result, "ttl", verdict->ttl);
	add_optional(result, "pattern", pattern_version(backend, PATTERN_WEB));
	return result;
}

static json_object *describe_origins(const struct pattern_info *info, uint64_t origins)
{
	json_object *array = json_object_new_array();
	for (size_t i = 0; info != NULL && i < info->source_count; i++) {
		if ((origins >> i & 1) != 0) {
			json_object_array_add(array, json_object_new_string(info->sources[i]));
		}
	}
	return array;
}

static void add_matches(json_object *result, const struct verdict_explanation *explanation,
        const struct pattern_info *info)
{
	json_object *matches = json_object_new_array();
	for (size_t i = 0; i < explanation->count; i++) {
		const struct verdict_match *match = &explanation->matches[i];
		json_object *object = json_object_new_object();
		verb_add_text(
		        object, "source", verdict_source_name((enum verdict_source)match->source));
		verb_add_time(object, "id", match->id);
		json_object_object_add(object, "text",
		        json_object_new_string_len(match->text, (int)match->text_length));
		verb_add_number(object, "score", match->score);
		json_object_object_add(object, "origins", describe_origins(info, match->origins));
		verb_add_bool(object, "winner", match->winner);
		json_object_array_add(matches, object);
	}
	json_object_object_add(result, "matches", matches);
	if (explanation->more) {
		verb_add_bool(result, "more", true);
	}
}

static void add_expressions(json_object *result, const struct url_query *query)
{
	json_object *array = json_object_new_array();
	const struct url_expressions *all = &query->expressions;
	struct buf text;
	buf_init(&text, 2 * URL_TEXT_MAX);
	for (size_t i = 0; i < all->host_count; i++) {
		for (size_t j = 0; j < all->path_count; j++) {
			buf_clear(&text);
			buf_add(&text, query->url.text + all->hosts[i].start, all->hosts[i].length);
			buf_add(&text, query->url.text + all->paths[j].start, all->paths[j].length);
			if (buf_status(&text) == 0) {
				json_object_array_add(array,
				        json_object_new_string_len(text.data, (int)text.length));
			}
		}
	}
	buf_release(&text);
	json_object_object_add(result, "expressions", array);
}

/* ---- the verbs ---- */

static void answer_url(struct backend *backend, struct rpc_call *call, struct asking *asking,
        const struct url *url, const char *name, const char *text, bool explain)
{
	static struct url_query query; /* large; of the main thread */
	static struct verdict_explanation explanation;
	struct url_verdict verdict;
	query.url = *url;
	verdict_prepare_url(&asking->snapshot, &query);
	if (!explain) {
		verdict_decide_url(&asking->snapshot, asking->scratch, &query, &asking->client,
		        asking->now, &verdict);
		rpc_call_answer(call, describe_url(backend, name, text, &verdict));
		return;
	}
	verdict_explain_url(&asking->snapshot, asking->scratch, &query, &asking->client,
	        asking->now, &verdict, &explanation);
	json_object *result = describe_url(backend, name, text, &verdict);
	add_expressions(result, &query);
	add_matches(result, &explanation, activation_info(backend->activation, PATTERN_WEB));
	rpc_call_answer(call, result);
}

/* What the three URL verbs have in common: the client, the snapshot. */
static int start(struct backend *backend, struct rpc_call *call, const struct rpc_value *client,
        struct asking *asking)
{
	struct error error = {0};
	struct rpc_fault fault;
	int status = prepare(backend, asking, &error);
	if (status != 0) {
		verb_fail(call, status, NULL, &error);
		return status;
	}
	if (client->present) {
		status = read_client(client->object, &asking->client, &fault);
		if (status != 0) {
			rpc_call_fail(call, &fault);
		}
	}
	return status;
}

static char url_space[URL_TEXT_MAX]; /* of the main thread */

void verb_lookup_url(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *text = RPC_VALUE(call->values, LOOKUP_URL, URL);
	const struct rpc_value *explain = RPC_VALUE(call->values, LOOKUP_URL, EXPLAIN);
	struct asking asking;
	struct url url;
	const char *reason = NULL;
	if (url_canonicalize(
	            text->text, text->length, url_space, sizeof(url_space), &url, &reason) != 0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "url", "%s", reason);
	} else if (start(backend, call, RPC_VALUE(call->values, LOOKUP_URL, CLIENT), &asking) ==
	           0) {
		answer_url(backend, call, &asking, &url, "url", url.text, explain->boolean);
	}
}

void verb_lookup_domain(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *text = RPC_VALUE(call->values, LOOKUP_DOMAIN, NAME);
	const struct rpc_value *explain = RPC_VALUE(call->values, LOOKUP_DOMAIN, EXPLAIN);
	struct asking asking;
	struct url url;
	const char *reason = NULL;
	if (url_from_host(text->text, text->length, url_space, sizeof(url_space), &url, &reason) !=
	        0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "name", "%s", reason);
	} else if (start(backend, call, RPC_VALUE(call->values, LOOKUP_DOMAIN, CLIENT), &asking) ==
	           0) {
		char name[256];
		size_t length = url.host_length < sizeof(name) ? url.host_length : sizeof(name) - 1;
		memcpy(name, url.text + url.host_start, length);
		name[length] = '\0';
		answer_url(backend, call, &asking, &url, "name", name, explain->boolean);
	}
}

void verb_lookup_ip(struct backend *backend, struct rpc_call *call)
{
	const struct rpc_value *text = RPC_VALUE(call->values, LOOKUP_IP, ADDRESS);
	const struct rpc_value *explain = RPC_VALUE(call->values, LOOKUP_IP, EXPLAIN);
	struct asking asking;
	struct url url;
	struct address address;
	const char *reason = NULL;
	char name[ADDRESS_TEXT_SIZE], host[ADDRESS_TEXT_SIZE + 2];
	if (address_parse(text->text, text->length, &address) != 0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "address", "not an IP address");
		return;
	}
	size_t length = address_format(&address, name);
	struct buf buf;
	buf_init_fixed(&buf, host, sizeof(host));
	buf_add_text(&buf, address.family == ADDRESS_V6 ? "[" : "");
	buf_add(&buf, name, length);
	buf_add_text(&buf, address.family == ADDRESS_V6 ? "]" : "");
	if (url_from_host(host, buf.length, url_space, sizeof(url_space), &url, &reason) != 0) {
		rpc_call_fail_with(call, RPC_BAD_INPUT, "address", "%s", reason);
	} else if (start(backend, call, RPC_VALUE(call->values, LOOKUP_IP, CLIENT), &asking) == 0) {
		answer_url(backend, call, &asking, &url, "address", name, explain->boolean);
	}
}

static const char *answer_name(enum file_answer answer)
{
	static const char *const names[] = {"unknown", "known_good", "malicious"};
	return names[answer];
}

void verb_lookup_file(struct backend *backend, struct rpc_call *call)
{
	static struct verdict_explanation explanation; /* of the main thread */
	const struct rpc_value *text = RPC_VALUE(call->values, LOOKUP_FILE, DIGEST);
	const struct rpc_value *explain = RPC_VALUE(call->values, LOOKUP_FILE, EXPLAIN);
	struct error error = {0};
	struct asking asking;
	struct digest digest;
	struct file_verdict verdict;
	char name[DIGEST_TEXT_SIZE];
	if (digest_parse(text->text, text->length, &digest) != 0) {
		rpc_call_fail_with(
		        call, RPC_BAD_INPUT, "digest", "not 32, 40 or 64 hexadecimal digits");
		return;
	}
	int status = prepare(backend, &asking, &error);
	if (status != 0) {
		verb_fail(call, status, NULL, &error);
		return;
	}
	verdict_prepare_file(&asking.snapshot, &digest);
	verdict_explain_file(&asking.snapshot, &digest, asking.now, &verdict, &explanation);
	digest_format(&digest, name);
	json_object *result = json_object_new_object();
	verb_add_text(result, "digest", name);
	verb_add_text(result, "verdict", answer_name((enum file_answer)verdict.answer));
	verb_add_text(result, "name", verdict.name);
	add_optional(result, "kind",
	        verdict.answer == FILE_MALICIOUS ? threat_kind_name((enum threat_kind)verdict.kind)
	                                         : NULL);
	verb_add_text(result, "source", verdict_source_name((enum verdict_source)verdict.source));
	verb_add_text(result, "action", verdict_action_name((enum verdict_action)verdict.action));
	verb_add_number(result, "ttl", verdict.ttl);
	add_optional(result, "pattern", pattern_version(backend, PATTERN_FILES));
	if (explain->boolean) {
		add_matches(
		        result, &explanation, activation_info(backend->activation, PATTERN_FILES));
	}
	rpc_call_answer(call, result);
}
