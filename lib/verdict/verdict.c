#include "lib/verdict/verdict.h"

#include <errno.h>

#include "lib/base/mem.h"
#include "lib/verdict/deciding.h"

/*
 * DESIGN. A URL is looked up in the rules and objects of both levels first: each entry that covers
 * it, applies to the client and has not expired competes for its list, and the most specific one
 * wins the list. The lists are then asked in their order, and only when none of them has a winner
 * the pattern is. Most URLs stop at the host filters: none of their hosts has an entry anywhere.
 */

static const char *const source_names[VERDICT_SOURCE_COUNT] = {"none", "user_approved",
        "user_blocked", "suspicious_user_defined", "suspicious_virtual_analyzer", "pattern"};

static const char *const action_names[] = {"allow", "log", "block"};

const char *verdict_source_name(enum verdict_source source)
{
	return (unsigned)source < VERDICT_SOURCE_COUNT ? source_names[source] : "none";
}

const char *verdict_action_name(enum verdict_action action)
{
	return (unsigned)action < SK_COUNT(action_names) ? action_names[action] : "allow";
}

int verdict_scratch_new(struct verdict_scratch **ret_scratch)
{
	struct verdict_scratch *scratch = mem_new(1, sizeof(*scratch));
	if (scratch == NULL) {
		return -ENOMEM;
	}
	*ret_scratch = scratch;
	return 0;
}

void verdict_scratch_free(struct verdict_scratch *scratch)
{
	if (scratch != NULL) {
		keyword_scratch_free(scratch->keywords);
		mem_free(scratch->indexes);
		mem_free(scratch);
	}
}

int verdict_scratch_fit(struct verdict_scratch *scratch, const struct snapshot *snapshot)
{
	const struct keyword_set *const sets[] = {
	        snapshot->base_keywords, snapshot->overlay_keywords};
	for (size_t i = 0; i < SK_COUNT(sets); i++) {
		if (sets[i] == NULL || keyword_set_count(sets[i]) == 0) {
			continue;
		}
		size_t count = keyword_set_count(sets[i]);
		if (count > scratch->maximum) {
			uint32_t *indexes = mem_resize(scratch->indexes, count, sizeof(*indexes));
			if (indexes == NULL) {
				return -ENOMEM;
			}
			scratch->indexes = indexes;
			scratch->maximum = count;
		}
		int status = keyword_scratch_fit(&scratch->keywords, sets[i]);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

/* The list that decides, or POLICY_LIST_COUNT. */
static enum policy_list deciding_list(const struct deciding *deciding)
{
	for (unsigned order = 0; order < POLICY_LIST_COUNT; order++) {
		enum policy_list list = lists_at(deciding->snapshot, order);
		if (deciding->best[list].found) {
			return list;
		}
	}
	return POLICY_LIST_COUNT;
}

/* Seconds that an answer may be cached: never beyond what it stands on. */
static uint32_t ttl_of(uint32_t ttl, int64_t expires, int64_t now)
{
	if (expires != 0 && expires - now < (int64_t)ttl * 1000) {
		ttl = (uint32_t)((expires - now) / 1000);
	}
	return ttl > 0 ? ttl : 1;
}

static enum verdict_action action_of(enum policy_list list, const struct winner *winner)
{
	if (list == POLICY_USER_APPROVED) {
		return VERDICT_ALLOW;
	}
	if (list != POLICY_USER_BLOCKED && winner->action == OBJECT_LOG) {
		return VERDICT_LOG;
	}
	return VERDICT_BLOCK;
}

static void fill_listed(
        const struct deciding *deciding, enum policy_list list, struct url_verdict *ret_verdict)
{
	const struct winner *winner = &deciding->best[list];
	uint8_t cnc_source = CNC_SOURCE_NONE;
	if (winner->cnc_level > 0) {
		cnc_source = list == POLICY_OBJECT_ANALYZER ? CNC_SOURCE_VIRTUAL_ANALYZER
		                                            : CNC_SOURCE_USER_DEFINED;
	}
	*ret_verdict = (struct url_verdict){
	        .entry_id = winner->id,
	        .ttl = ttl_of(deciding->snapshot->ttl_listed, winner->expires, deciding->now),
	        .score = list == POLICY_USER_APPROVED ? SCORE_LISTED_GOOD : SCORE_LISTED_BAD,
	        .cnc_level = winner->cnc_level,
	        .cnc_source = cnc_source,
	        .action = (uint8_t)action_of(list, winner),
	        .source = (uint8_t)lists_source(list),
	        .bad = list != POLICY_USER_APPROVED,
	};
}

/* The keys of all paths under one host of the pattern. */
static void hash_paths(
        const struct url_query *query, unsigned host, struct lookup_key ret_keys[URL_PATHS_MAX])
{
	const struct url_expressions *expressions = &query->expressions;
	struct siphash state = query->host_states[host];
	uint32_t done = 0;
	/* From the shortest on: each path is the beginning of those before it. */
	for (unsigned i = expressions->path_count; i > 0; i--) {
		const struct url_part *path = &expressions->paths[i - 1];
		siphash_update(&state, query->url.text + path->start + done, path->length - done);
		done = path->length;
		ret_keys[i - 1] = lookup_key_from_hash(siphash_finish(&state));
	}
}

/* What the pattern knows of a URL, and by which host of the expressions. */
struct web_hit {
	const struct web_value *value; /* NULL when nothing */
	unsigned host;
	bool by_address;
};

static const struct web_value *find_under_host(
        const struct web_pattern *web, const struct url_query *query, unsigned host)
{
	struct lookup_key keys[URL_PATHS_MAX];
	hash_paths(query, host, keys);
	for (unsigned i = 0; i < query->expressions.path_count; i++) {
		web_pattern_prefetch(web, keys[i]);
	}
	for (unsigned i = 0; i < query->expressions.path_count; i++) {
		web_pattern_prefetch_slot(web, keys[i]);
	}
	for (unsigned i = 0; i < query->expressions.path_count; i++) {
		const struct web_value *value = web_pattern_find(web, keys[i]);
		if (value != NULL) {
			return value;
		}
	}
	return NULL;
}

static struct web_hit find_in_pattern(const struct web_pattern *web, const struct url_query *query)
{
	struct web_hit hit = {0};
	for (unsigned i = 0; i < query->expressions.host_count && hit.value == NULL; i++) {
		if (SK_UNLIKELY(web_pattern_may_have_host(web, query->host_values[i]))) {
			hit.value = find_under_host(web, query, i);
			hit.host = i;
		}
	}
	if (query->url.address.family != ADDRESS_NONE) {
		const struct web_value *value =
		        web_pattern_find_address(web, &query->url.address, NULL, NULL);
		if (value != NULL && (hit.value == NULL || value->score < hit.value->score)) {
			hit.value = value;
			hit.by_address = true;
		}
	}
	return hit;
}

static void fill_from_pattern(const struct snapshot *snapshot, const struct web_value *value,
        struct url_verdict *ret_verdict)
{
	*ret_verdict = (struct url_verdict){
	        .categories = value->categories,
	        .ttl = ttl_of(snapshot->ttl_listed, 0, 0),
	        .score = value->score,
	        .cnc_level = value->cnc_level,
	        .cnc_source = value->cnc_source,
	        .action = value->score < snapshot->block_below ? VERDICT_BLOCK : VERDICT_ALLOW,
	        .source = VERDICT_PATTERN,
	        .bad = value->cnc_level > 0 || value->score <= snapshot->log_score_max,
	};
}

static void fill_unknown(const struct snapshot *snapshot, struct url_verdict *ret_verdict)
{
	*ret_verdict = (struct url_verdict){
	        .ttl = ttl_of(snapshot->ttl_unlisted, 0, 0),
	        .score = SCORE_UNRATED,
	        .action = VERDICT_ALLOW,
	        .source = VERDICT_NONE,
	        .bad = snapshot->log_score_max >= SCORE_UNRATED,
	};
}

void verdict_prepare_url(const struct snapshot *snapshot, struct url_query *query)
{
	url_expressions(&query->url, &query->expressions);
	if (snapshot->web != NULL) {
		lists_hash_hosts(web_pattern_key(snapshot->web), query, query->host_states,
		        query->host_values);
		for (unsigned i = 0; i < query->expressions.host_count; i++) {
			web_pattern_prefetch_host(snapshot->web, query->host_values[i]);
		}
	}
	lists_prepare(snapshot, query);
}

static void decide_url(struct deciding *deciding, struct verdict_scratch *scratch,
        struct url_verdict *ret_verdict, struct web_hit *ret_hit)
{
	const struct snapshot *snapshot = deciding->snapshot;
	*ret_hit = (struct web_hit){0};
	if (snapshot->base != NULL || snapshot->overlay != NULL) {
		lists_look_up_url(deciding, scratch);
		enum policy_list list = deciding_list(deciding);
		if (list != POLICY_LIST_COUNT) {
			fill_listed(deciding, list, ret_verdict);
			return;
		}
	}
	if (snapshot->web != NULL) {
		*ret_hit = find_in_pattern(snapshot->web, deciding->query);
	}
	if (ret_hit->value != NULL) {
		fill_from_pattern(snapshot, ret_hit->value, ret_verdict);
	} else {
		fill_unknown(snapshot, ret_verdict);
	}
}

void verdict_decide_url(const struct snapshot *snapshot, struct verdict_scratch *scratch,
        const struct url_query *query, const struct verdict_client *client, int64_t now,
        struct url_verdict *ret_verdict)
{
	struct web_hit hit;
	struct deciding deciding = {
	        .snapshot = snapshot, .query = query, .client = client, .now = now};
	decide_url(&deciding, scratch, ret_verdict, &hit);
}

static void explain_value(struct explaining *explaining, const struct web_value *value,
        const char *text, uint32_t length)
{
	struct verdict_match match = {
	        .source = VERDICT_PATTERN,
	        .text = text,
	        .text_length = length,
	        .score = value->score,
	        .origins = value->origins,
	};
	explain_add(explaining, LISTS_ORDER_OF_PATTERN, 0, &match);
}

/* Every expression of the URL that the pattern has; host and path stand side by side in the URL. */
static void explain_expressions(const struct deciding *deciding, const struct web_pattern *web)
{
	const struct url_query *query = deciding->query;
	const struct url_expressions *expressions = &query->expressions;
	for (unsigned i = 0; i < expressions->host_count; i++) {
		struct lookup_key keys[URL_PATHS_MAX];
		const struct url_part *host = &expressions->hosts[i];
		if (!web_pattern_may_have_host(web, query->host_values[i])) {
			continue;
		}
		hash_paths(query, i, keys);
		for (unsigned j = 0; j < expressions->path_count; j++) {
			const struct web_value *value = web_pattern_find(web, keys[j]);
			if (value != NULL) {
				explain_value(deciding->explaining, value,
				        query->url.text + host->start,
				        host->length + expressions->paths[j].length);
			}
		}
	}
}

/* Every prefix around the address, innermost first; returns the text of that one, or NULL. */
static const char *explain_prefixes(const struct deciding *deciding, const struct web_pattern *web)
{
	const struct address *address = &deciding->query->url.address;
	const char *innermost = NULL;
	if (address->family == ADDRESS_NONE) {
		return NULL;
	}
	struct address_prefix prefix;
	const struct web_value *value = web_pattern_find_address(web, address, NULL, &prefix);
	while (value != NULL) {
		char text[ADDRESS_PREFIX_TEXT_SIZE];
		uint32_t length;
		const char *kept = explain_keep_text(
		        deciding->explaining, text, address_prefix_format(&prefix, text), &length);
		explain_value(deciding->explaining, value, kept, length);
		innermost = innermost != NULL ? innermost : kept;
		value = web_pattern_find_address(web, address, &prefix, &prefix);
	}
	return innermost;
}

void verdict_explain_url(const struct snapshot *snapshot, struct verdict_scratch *scratch,
        const struct url_query *query, const struct verdict_client *client, int64_t now,
        struct url_verdict *ret_verdict, struct verdict_explanation *ret_explanation)
{
	struct explaining explaining;
	struct web_hit hit;
	struct deciding deciding = {.snapshot = snapshot,
	        .query = query,
	        .client = client,
	        .now = now,
	        .explaining = &explaining};
	explain_start(&explaining, ret_explanation);
	decide_url(&deciding, scratch, ret_verdict, &hit);
	const char *winner = NULL;
	if (snapshot->web != NULL) {
		explain_expressions(&deciding, snapshot->web);
		const char *innermost = explain_prefixes(&deciding, snapshot->web);
		winner = hit.by_address
		                 ? innermost
		                 : query->url.text + query->expressions.hosts[hit.host].start;
	}
	if (ret_verdict->source != VERDICT_NONE) {
		bool pattern = ret_verdict->source == VERDICT_PATTERN;
		explain_mark(&explaining, ret_verdict->source, ret_verdict->entry_id,
		        pattern ? winner : NULL);
	}
}

void verdict_prepare_file(const struct snapshot *snapshot, const struct digest *digest)
{
	if (snapshot->files != NULL) {
		file_pattern_prefetch(snapshot->files, digest);
	}
}

static void fill_file_listed(
        const struct deciding *deciding, enum policy_list list, struct file_verdict *ret_verdict)
{
	const struct winner *winner = &deciding->best[list];
	*ret_verdict = (struct file_verdict){
	        .name = "",
	        .entry_id = winner->id,
	        .ttl = ttl_of(deciding->snapshot->ttl_listed, winner->expires, deciding->now),
	        .answer = FILE_MALICIOUS,
	        .kind = THREAT_OTHER,
	        .action = (uint8_t)action_of(list, winner),
	        .source = (uint8_t)lists_source(list),
	};
}

static void fill_file_from_pattern(const struct snapshot *snapshot, const struct digest *digest,
        struct file_verdict *ret_verdict)
{
	struct file_value value;
	*ret_verdict = (struct file_verdict){
	        .name = "",
	        .ttl = ttl_of(snapshot->ttl_unlisted, 0, 0),
	        .answer = FILE_UNKNOWN,
	        .action = VERDICT_ALLOW,
	        .source = VERDICT_NONE,
	};
	if (snapshot->files == NULL || !file_pattern_find(snapshot->files, digest, &value)) {
		return;
	}
	ret_verdict->source = VERDICT_PATTERN;
	ret_verdict->ttl = ttl_of(snapshot->ttl_listed, 0, 0);
	if (!value.malicious) {
		ret_verdict->answer = FILE_KNOWN_GOOD;
		return;
	}
	ret_verdict->answer = FILE_MALICIOUS;
	ret_verdict->action = VERDICT_BLOCK;
	ret_verdict->name = value.name;
	ret_verdict->kind = value.kind;
}

static void decide_file(struct deciding *deciding, struct file_verdict *ret_verdict)
{
	const struct snapshot *snapshot = deciding->snapshot;
	lists_look_up_file(deciding);
	enum policy_list list = deciding_list(deciding);
	if (list != POLICY_LIST_COUNT) {
		fill_file_listed(deciding, list, ret_verdict);
	} else {
		fill_file_from_pattern(snapshot, deciding->digest, ret_verdict);
	}
}

void verdict_fetch_file(const struct snapshot *snapshot, const struct digest *digest)
{
	if (snapshot->files != NULL) {
		file_pattern_prefetch_slot(snapshot->files, digest);
	}
}

void verdict_decide_file(const struct snapshot *snapshot, const struct digest *digest, int64_t now,
        struct file_verdict *ret_verdict)
{
	struct deciding deciding = {.snapshot = snapshot, .digest = digest, .now = now};
	decide_file(&deciding, ret_verdict);
}

void verdict_explain_file(const struct snapshot *snapshot, const struct digest *digest, int64_t now,
        struct file_verdict *ret_verdict, struct verdict_explanation *ret_explanation)
{
	struct explaining explaining;
	struct file_value value;
	struct deciding deciding = {
	        .snapshot = snapshot, .digest = digest, .now = now, .explaining = &explaining};
	explain_start(&explaining, ret_explanation);
	decide_file(&deciding, ret_verdict);
	if (snapshot->files != NULL && file_pattern_find(snapshot->files, digest, &value)) {
		char text[DIGEST_TEXT_SIZE];
		struct verdict_match match = {
		        .source = VERDICT_PATTERN,
		        .score = value.malicious ? SCORE_LISTED_BAD : SCORE_LISTED_GOOD,
		        .origins = value.origins,
		};
		match.text = explain_keep_text(
		        &explaining, text, digest_format(digest, text), &match.text_length);
		explain_add(&explaining, LISTS_ORDER_OF_PATTERN, 0, &match);
	}
	if (ret_verdict->source != VERDICT_NONE) {
		explain_mark(&explaining, ret_verdict->source, ret_verdict->entry_id, NULL);
	}
}
