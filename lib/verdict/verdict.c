#include "lib/verdict/verdict.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/verdict/explain.h"

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

struct verdict_scratch {
	struct keyword_scratch *keywords;
	uint32_t *indexes; /* what one set matched */
	size_t maximum;
};

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

/* The best entry of a list so far. */
struct winner {
	int64_t id;
	int64_t expires;
	uint32_t specificity;
	bool found;
	uint8_t action; /* enum object_action */
	uint8_t cnc_level;
};

struct deciding {
	const struct snapshot *snapshot;
	const struct url_query *query; /* NULL for a file */
	const struct digest *digest; /* NULL for a URL */
	const struct verdict_client *client;
	int64_t now;
	struct explaining *explaining; /* NULL when nobody asks why */
	struct winner best[POLICY_LIST_COUNT];
};

/* When a list is asked, from 0 on. */
static uint32_t order_of_list(const struct snapshot *snapshot, enum policy_list list)
{
	if (list == POLICY_USER_APPROVED) {
		return snapshot->approved_first ? 0 : 1;
	}
	if (list == POLICY_USER_BLOCKED) {
		return snapshot->approved_first ? 1 : 0;
	}
	return list;
}
#define ORDER_OF_PATTERN POLICY_LIST_COUNT

static enum policy_list list_at(const struct snapshot *snapshot, unsigned order)
{
	/* The two user lists may change places; that is its own inverse. */
	return (enum policy_list)(
	        order <= 1 ? order_of_list(snapshot, (enum policy_list)order) : order);
}

static enum verdict_source source_of_list(enum policy_list list)
{
	static const uint8_t sources[POLICY_LIST_COUNT] = {
	        [POLICY_USER_APPROVED] = VERDICT_USER_APPROVED,
	        [POLICY_USER_BLOCKED] = VERDICT_USER_BLOCKED,
	        [POLICY_OBJECT_USER] = VERDICT_OBJECT_USER,
	        [POLICY_OBJECT_ANALYZER] = VERDICT_OBJECT_ANALYZER,
	};
	return (enum verdict_source)sources[list];
}

static void explain_entry(const struct deciding *deciding, const struct policy_entry *entry)
{
	struct verdict_match match = {
	        .source = (uint8_t)source_of_list(entry->list),
	        .id = entry->id,
	        .text = entry->text,
	        .text_length = entry->text_length,
	        .score = entry->list == POLICY_USER_APPROVED ? SCORE_LISTED_GOOD : SCORE_LISTED_BAD,
	};
	explain_add(deciding->explaining, order_of_list(deciding->snapshot, entry->list),
	        entry->specificity, &match);
}

/* By its text, or for a keyword by what the matcher has said already. */
static bool entry_covers(const struct deciding *deciding, const struct policy *policy,
        uint32_t index, const struct policy_entry *entry)
{
	if (deciding->digest != NULL) {
		return policy_entry_covers_digest(policy, index, deciding->digest);
	}
	return entry->keyword || policy_entry_covers(policy, index, &deciding->query->url);
}

/* A candidate, found by a key or by the keyword matcher: lets it compete for its list. */
static void consider(struct deciding *deciding, const struct policy *policy, uint32_t index)
{
	struct policy_entry entry;
	policy_entry(policy, index, &entry);
	struct winner *best = &deciding->best[entry.list];
	bool better = !best->found || entry.specificity > best->specificity ||
	              (entry.specificity == best->specificity && entry.id < best->id);
	if (!better && deciding->explaining == NULL) {
		return;
	}
	const struct snapshot *snapshot = deciding->snapshot;
	if ((entry.expires != 0 && entry.expires <= deciding->now) ||
	        (policy == snapshot->base && snapshot->overlay != NULL &&
	                policy_removes(snapshot->overlay, index)) ||
	        !entry_covers(deciding, policy, index, &entry)) {
		return;
	}
	const struct verdict_client *client = deciding->client;
	if (client != NULL && !policy_entry_applies(policy, index, &client->address,
	                              client->computer, client->domain)) {
		return;
	}
	if (deciding->explaining != NULL) {
		explain_entry(deciding, &entry);
	}
	if (better) {
		*best = (struct winner){
		        .id = entry.id,
		        .expires = entry.expires,
		        .specificity = entry.specificity,
		        .found = true,
		        .action = entry.action,
		        .cnc_level = entry.cnc_level,
		};
	}
}

static void consider_run(struct deciding *deciding, const struct policy *policy,
        const uint32_t *indexes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		consider(deciding, policy, indexes[i]);
	}
}

static void probe(
        struct deciding *deciding, const struct policy *policy, const struct siphash *state)
{
	uint32_t count;
	struct lookup_key key = lookup_key_from_hash(siphash_finish(state));
	const uint32_t *indexes = policy_find(policy, key, &count);
	consider_run(deciding, policy, indexes, count);
}

/* All path forms of policy.h under one host: the folders, the path, the path with its query. */
static void look_up_host(
        struct deciding *deciding, const struct policy *policy, const struct siphash *host)
{
	const struct url *url = &deciding->query->url;
	const char *path = url->text + url->path_start;
	struct siphash state = *host;
	uint32_t done = 0;
	unsigned folders = 0;
	for (uint32_t i = 0; i < url->path_length && folders < POLICY_FOLDERS_MAX; i++) {
		if (path[i] == '/') {
			siphash_update(&state, path + done, i + 1 - done);
			probe(deciding, policy, &state);
			done = i + 1;
			folders++;
		}
	}
	if (done < url->path_length) {
		siphash_update(&state, path + done, url->path_length - done);
		probe(deciding, policy, &state);
	}
	if (url->query_length > 0) {
		siphash_update(&state, path + url->path_length, url->query_length);
		probe(deciding, policy, &state);
	}
}

/* Rules for whole top-level domains, and hosts of one component with their sub-domains. */
static void look_up_top(struct deciding *deciding, const struct policy *policy)
{
	const struct url *url = &deciding->query->url;
	const char *host = url->text + url->host_start;
	const char *dot = memrchr(host, '.', url->host_length);
	if (dot == NULL || url->address.family != ADDRESS_NONE) {
		return; /* a host of one component is among the hosts already */
	}
	struct siphash state;
	siphash_init(&state, policy_key(policy));
	siphash_update(&state, dot + 1, (size_t)(host + url->host_length - dot - 1));
	if (policy_may_have_host(policy, siphash_finish(&state))) {
		look_up_host(deciding, policy, &state);
	}
}

static void hash_hosts(const struct siphash_key *key, const struct url_query *query,
        struct siphash *ret_states, struct siphash_value *ret_values)
{
	for (unsigned i = 0; i < query->expressions.host_count; i++) {
		const struct url_part *host = &query->expressions.hosts[i];
		siphash_init(&ret_states[i], key);
		siphash_update(&ret_states[i], query->url.text + host->start, host->length);
		ret_values[i] = siphash_finish(&ret_states[i]);
	}
}

static bool keys_equal(const struct siphash_key *a, const struct siphash_key *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1;
}

static bool has(const struct policy *policy, unsigned content)
{
	return policy != NULL && (policy_content(policy) & content) != 0;
}

/* The first level that has entries of URLs: policy_states of a query are of its key, unless the
 * pattern has the same one. */
static const struct policy *first_with_urls(const struct snapshot *snapshot)
{
	if (has(snapshot->base, POLICY_HAS_URLS)) {
		return snapshot->base;
	}
	return has(snapshot->overlay, POLICY_HAS_URLS) ? snapshot->overlay : NULL;
}

/* The hashes of a query under the key of a policy. */
struct host_hashes {
	const struct siphash *states;
	const struct siphash_value *values;
	struct siphash own_states[URL_HOSTS_MAX];
	struct siphash_value own_values[URL_HOSTS_MAX];
};

static void host_hashes_of(const struct snapshot *snapshot, const struct url_query *query,
        const struct policy *policy, struct host_hashes *hashes)
{
	const struct siphash_key *key = policy_key(policy);
	if (snapshot->web != NULL && keys_equal(key, web_pattern_key(snapshot->web))) {
		hashes->states = query->host_states;
		hashes->values = query->host_values;
	} else if (keys_equal(key, policy_key(first_with_urls(snapshot)))) {
		hashes->states = query->policy_states;
		hashes->values = query->policy_values;
	} else {
		/* Two levels with different keys are possible, but nobody makes them. */
		hash_hosts(key, query, hashes->own_states, hashes->own_values);
		hashes->states = hashes->own_states;
		hashes->values = hashes->own_values;
	}
}

static void look_up_hosts(struct deciding *deciding, const struct policy *policy)
{
	struct host_hashes hashes;
	const struct url_query *query = deciding->query;
	host_hashes_of(deciding->snapshot, query, policy, &hashes);
	for (unsigned i = 0; i < query->expressions.host_count; i++) {
		if (SK_UNLIKELY(policy_may_have_host(policy, hashes.values[i]))) {
			look_up_host(deciding, policy, &hashes.states[i]);
		}
	}
}

static void look_up_address(struct deciding *deciding, const struct policy *policy)
{
	const struct address *address = &deciding->query->url.address;
	struct address_prefix prefix;
	uint32_t count;
	const uint32_t *indexes = policy_find_address(policy, address, NULL, &prefix, &count);
	while (indexes != NULL) {
		consider_run(deciding, policy, indexes, count);
		indexes = policy_find_address(policy, address, &prefix, &prefix, &count);
	}
}

static void look_up_policy(struct deciding *deciding, const struct policy *policy)
{
	if (policy == NULL) {
		return;
	}
	unsigned content = policy_content(policy);
	if ((content & POLICY_HAS_URLS) != 0) {
		look_up_hosts(deciding, policy);
	}
	if ((content & POLICY_HAS_TOPS) != 0) {
		look_up_top(deciding, policy);
	}
	if ((content & POLICY_HAS_ADDRESSES) != 0 &&
	        deciding->query->url.address.family != ADDRESS_NONE) {
		look_up_address(deciding, policy);
	}
}

static void look_up_keywords(struct deciding *deciding, const struct policy *policy,
        const struct keyword_set *set, struct verdict_scratch *scratch)
{
	const struct url *url = &deciding->query->url;
	if (set == NULL || policy == NULL || scratch == NULL || scratch->maximum == 0) {
		return;
	}
	size_t count = keyword_set_match(
	        set, scratch->keywords, url->text, url->length, scratch->indexes, scratch->maximum);
	uint32_t entry_count = policy_entry_count(policy);
	for (size_t i = 0; i < count; i++) {
		struct policy_entry entry;
		/* A set of another policy must not lead astray (keyword_set_fits). */
		if (scratch->indexes[i] >= entry_count) {
			continue;
		}
		policy_entry(policy, scratch->indexes[i], &entry);
		if (entry.keyword) {
			consider(deciding, policy, scratch->indexes[i]);
		}
	}
}

/* Everything of rules and objects that may decide the URL. */
static void look_up_lists(struct deciding *deciding, struct verdict_scratch *scratch)
{
	const struct snapshot *snapshot = deciding->snapshot;
	look_up_policy(deciding, snapshot->base);
	look_up_policy(deciding, snapshot->overlay);
	/* No keyword outranks a URL of the list that is asked first. */
	if (deciding->best[list_at(snapshot, 0)].found && deciding->explaining == NULL) {
		return;
	}
	look_up_keywords(deciding, snapshot->base, snapshot->base_keywords, scratch);
	look_up_keywords(deciding, snapshot->overlay, snapshot->overlay_keywords, scratch);
}

/* The list that decides, or POLICY_LIST_COUNT. */
static enum policy_list deciding_list(const struct deciding *deciding)
{
	for (unsigned order = 0; order < POLICY_LIST_COUNT; order++) {
		enum policy_list list = list_at(deciding->snapshot, order);
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
	        .source = (uint8_t)source_of_list(list),
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
	unsigned count = query->expressions.host_count;
	const struct siphash_key *web_key = NULL;
	if (snapshot->web != NULL) {
		web_key = web_pattern_key(snapshot->web);
		hash_hosts(web_key, query, query->host_states, query->host_values);
		for (unsigned i = 0; i < count; i++) {
			web_pattern_prefetch_host(snapshot->web, query->host_values[i]);
		}
	}
	const struct policy *first = first_with_urls(snapshot);
	if (first == NULL) {
		return;
	}
	const struct siphash_value *values = query->host_values;
	if (web_key == NULL || !keys_equal(web_key, policy_key(first))) {
		hash_hosts(policy_key(first), query, query->policy_states, query->policy_values);
		values = query->policy_values;
	}
	for (unsigned i = 0; i < count; i++) {
		policy_prefetch_host(first, values[i]);
	}
}

static void decide_url(struct deciding *deciding, struct verdict_scratch *scratch,
        struct url_verdict *ret_verdict, struct web_hit *ret_hit)
{
	const struct snapshot *snapshot = deciding->snapshot;
	*ret_hit = (struct web_hit){0};
	if (snapshot->base != NULL || snapshot->overlay != NULL) {
		look_up_lists(deciding, scratch);
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
	explain_add(explaining, ORDER_OF_PATTERN, 0, &match);
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

static void look_up_digest(struct deciding *deciding, const struct policy *policy)
{
	if (!has(policy, POLICY_HAS_DIGESTS)) {
		return;
	}
	uint32_t count;
	const uint32_t *indexes = policy_find_digest(policy, deciding->digest, &count);
	consider_run(deciding, policy, indexes, count);
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
	        .source = (uint8_t)source_of_list(list),
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
	look_up_digest(deciding, snapshot->base);
	look_up_digest(deciding, snapshot->overlay);
	enum policy_list list = deciding_list(deciding);
	if (list != POLICY_LIST_COUNT) {
		fill_file_listed(deciding, list, ret_verdict);
	} else {
		fill_file_from_pattern(snapshot, deciding->digest, ret_verdict);
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
		explain_add(&explaining, ORDER_OF_PATTERN, 0, &match);
	}
	if (ret_verdict->source != VERDICT_NONE) {
		explain_mark(&explaining, ret_verdict->source, ret_verdict->entry_id, NULL);
	}
}
