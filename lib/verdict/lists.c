#include <string.h>

#include "lib/verdict/deciding.h"

/*
 * Looking up rules and objects: candidates by their keys, by address, by digest and by keyword.
 * Each that covers, applies and has not expired competes for its list.
 */

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

enum policy_list lists_at(const struct snapshot *snapshot, unsigned order)
{
	/* The two user lists may change places; that is its own inverse. */
	return (enum policy_list)(
	        order <= 1 ? order_of_list(snapshot, (enum policy_list)order) : order);
}

enum verdict_source lists_source(enum policy_list list)
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
	        .source = (uint8_t)lists_source(entry->list),
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

void lists_hash_hosts(const struct siphash_key *key, const struct url_query *query,
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
		lists_hash_hosts(key, query, hashes->own_states, hashes->own_values);
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
void lists_look_up_url(struct deciding *deciding, struct verdict_scratch *scratch)
{
	const struct snapshot *snapshot = deciding->snapshot;
	look_up_policy(deciding, snapshot->base);
	look_up_policy(deciding, snapshot->overlay);
	/* No keyword outranks a URL of the list that is asked first. */
	if (deciding->best[lists_at(snapshot, 0)].found && deciding->explaining == NULL) {
		return;
	}
	look_up_keywords(deciding, snapshot->base, snapshot->base_keywords, scratch);
	look_up_keywords(deciding, snapshot->overlay, snapshot->overlay_keywords, scratch);
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

void lists_look_up_file(struct deciding *deciding)
{
	look_up_digest(deciding, deciding->snapshot->base);
	look_up_digest(deciding, deciding->snapshot->overlay);
}

void lists_prepare(const struct snapshot *snapshot, struct url_query *query)
{
	const struct policy *first = first_with_urls(snapshot);
	if (first == NULL) {
		return;
	}
	const struct siphash_key *key = policy_key(first);
	const struct siphash_value *values = query->host_values;
	if (snapshot->web == NULL || !keys_equal(key, web_pattern_key(snapshot->web))) {
		lists_hash_hosts(key, query, query->policy_states, query->policy_values);
		values = query->policy_values;
	}
	for (unsigned i = 0; i < query->expressions.host_count; i++) {
		policy_prefetch_host(first, values[i]);
	}
}
