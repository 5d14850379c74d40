#ifndef TESTS_UNIT_POLICY_MODEL_H
#define TESTS_UNIT_POLICY_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/data/rule.h"
#include "lib/lookup/policy.h"

/*
 * A plain second implementation of rules and objects for tests: a list that is gone through from
 * the beginning, texts compared with the string functions. No keys, no tables.
 */
struct model_entry {
	int64_t id;
	enum policy_list list;
	enum rule_kind rule; /* of the two user lists */
	enum object_kind object; /* of the others */
	char text[420]; /* a keyword is a plain word here */
	const char *targets;
	int64_t expires;
	enum object_action action;
	uint8_t cnc_level;
	bool removed; /* does not count */
};

struct model_client {
	const char *address, *computer, *domain;
};

static inline bool model_is_rule(const struct model_entry *entry)
{
	return entry->list == POLICY_USER_APPROVED || entry->list == POLICY_USER_BLOCKED;
}

static inline bool model_is_keyword(const struct model_entry *entry)
{
	return model_is_rule(entry) && entry->rule == RULE_KEYWORD;
}

/* By dynamic programming, a row per byte of the glob. */
static inline bool model_glob(const char *glob, const char *text)
{
	static bool row[2][65536];
	size_t length = strlen(text);
	memset(row[0], 0, length + 1);
	row[0][0] = true;
	unsigned now = 0;
	for (; *glob != '\0'; glob++, now ^= 1) {
		bool *from = row[now];
		bool *to = row[now ^ 1];
		to[0] = *glob == '*' && from[0];
		for (size_t i = 1; i <= length; i++) {
			to[i] = *glob == '*' ? from[i] || to[i - 1]
			                     : from[i - 1] && text[i - 1] == *glob;
		}
	}
	return row[now][length];
}

/* "http://host/path?query" in pieces; `path` is without the query. */
struct model_url {
	char host[300];
	char path[65536];
	char whole[65536];
	bool has_query;
	struct address address;
};

static inline void model_split(const char *text, struct model_url *ret_url)
{
	const char *host = strstr(text, "://") + 3;
	const char *path = strchr(host, '/');
	snprintf(ret_url->host, sizeof(ret_url->host), "%.*s", (int)(path - host), host);
	snprintf(ret_url->whole, sizeof(ret_url->whole), "%s", path);
	snprintf(ret_url->path, sizeof(ret_url->path), "%.*s", (int)strcspn(path, "?"), path);
	ret_url->has_query = strchr(path, '?') != NULL;
	ret_url->address = (struct address){0};
	(void)!address_parse(ret_url->host, strlen(ret_url->host), &ret_url->address);
}

static inline bool model_ends_in(const char *text, const char *end)
{
	size_t length = strlen(text);
	size_t end_length = strlen(end);
	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static inline bool model_host_below(const struct model_url *pattern, const struct model_url *url)
{
	char dotted[302];
	snprintf(dotted, sizeof(dotted), ".%s", pattern->host);
	return strcmp(pattern->host, url->host) == 0 ||
	       (url->address.family == ADDRESS_NONE && model_ends_in(url->host, dotted));
}

static inline bool model_path_below(const struct model_url *pattern, const struct model_url *url)
{
	if (pattern->has_query) {
		return strcmp(pattern->whole, url->whole) == 0;
	}
	if (strcmp(pattern->path, url->path) == 0) {
		return true;
	}
	size_t length = strlen(pattern->path);
	return strncmp(pattern->path, url->path, length) == 0 &&
	       (pattern->path[length - 1] == '/' || url->path[length] == '/');
}

static inline bool model_url_object_covers(
        const struct model_url *pattern, const char *text, const struct model_url *url)
{
	bool folder = !pattern->has_query && model_ends_in(pattern->path, "/");
	if (strchr(text, '*') == NULL) {
		return strcmp(pattern->host, url->host) == 0 &&
		       (folder ? model_path_below(pattern, url)
		               : strcmp(pattern->whole, url->whole) == 0);
	}
	char below[65600];
	snprintf(below, sizeof(below), "%s*", pattern->path);
	return model_glob(pattern->host, url->host) &&
	       (folder ? model_glob(below, url->path) : model_glob(pattern->whole, url->whole));
}

/* The canonical form of what the entry says, as "http://host/path?query". */
static inline bool model_canonical(const struct model_entry *entry, char *space, size_t size)
{
	struct error error = {0};
	struct url url;
	if (model_is_rule(entry)) {
		return rule_pattern_parse(
		               entry->text, strlen(entry->text), space, size, &url, &error) == 0;
	}
	if (entry->object == OBJECT_DOMAIN) {
		char host[420];
		if (object_value_parse(OBJECT_DOMAIN, entry->text, strlen(entry->text), host,
		            sizeof(host), &error) != 0) {
			return false;
		}
		return snprintf(space, size, "http://%s/", host) > 0;
	}
	return object_value_parse(
	               entry->object, entry->text, strlen(entry->text), space, size, &error) == 0;
}

static inline bool model_covers(const struct model_entry *entry, const char *url_text)
{
	static struct model_url pattern, url;
	char space[URL_TEXT_MAX];
	model_split(url_text, &url);
	if (model_is_keyword(entry)) {
		return strcasestr(url_text, entry->text) != NULL;
	}
	if (!model_is_rule(entry) && entry->object == OBJECT_IP) {
		struct address_prefix prefix;
		return address_prefix_parse(entry->text, strlen(entry->text), &prefix) == 0 &&
		       url.address.family != ADDRESS_NONE &&
		       address_in_prefix(&url.address, &prefix);
	}
	if (!model_is_rule(entry) && entry->object >= OBJECT_SHA1) {
		return false;
	}
	if (!model_canonical(entry, space, sizeof(space))) {
		return false;
	}
	model_split(space, &pattern);
	if (!model_is_rule(entry) && entry->object == OBJECT_URL) {
		return model_url_object_covers(&pattern, space, &url);
	}
	if (model_is_rule(entry) && entry->rule == RULE_PAGE) {
		return strcmp(pattern.host, url.host) == 0 && strcmp(pattern.whole, url.whole) == 0;
	}
	return model_host_below(&pattern, &url) && model_path_below(&pattern, &url);
}

static inline bool model_applies(
        const struct model_entry *entry, const struct model_client *client, int64_t now)
{
	if (entry->removed || (entry->expires != 0 && entry->expires <= now)) {
		return false;
	}
	struct target *targets;
	size_t count;
	struct error error = {0};
	struct address address;
	if (entry->targets == NULL) {
		return true;
	}
	if (targets_parse(entry->targets, &targets, &count, &error) != 0 ||
	        address_parse(client->address, strlen(client->address), &address) != 0) {
		return false;
	}
	bool applies = targets_match(targets, count, &address, client->computer, client->domain);
	mem_free(targets);
	return applies;
}

/* How specific: host, then path, then page; compared in this order. */
struct model_weight {
	size_t host, path, page;
};

static inline struct model_weight model_weight_of(const struct model_entry *entry)
{
	static struct model_url pattern;
	char space[URL_TEXT_MAX];
	struct model_weight weight = {0};
	if (model_is_keyword(entry) || (!model_is_rule(entry) && entry->object >= OBJECT_SHA1)) {
		return weight;
	}
	if (!model_is_rule(entry) && entry->object == OBJECT_IP) {
		struct address_prefix prefix;
		(void)!address_prefix_parse(entry->text, strlen(entry->text), &prefix);
		weight.host = prefix.length + (prefix.address.family == ADDRESS_V4 ? 97 : 1);
		return weight;
	}
	(void)model_canonical(entry, space, sizeof(space));
	model_split(space, &pattern);
	bool object_url = !model_is_rule(entry) && entry->object == OBJECT_URL;
	bool glob = object_url && strchr(space, '*') != NULL;
	const char *star = strrchr(pattern.host, '*');
	const char *literal = star != NULL ? strchr(star, '.') + 1 : pattern.host;
	weight.host = pattern.address.family != ADDRESS_NONE ? 130 : 1;
	for (; pattern.address.family == ADDRESS_NONE && *literal != '\0'; literal++) {
		weight.host += *literal == '.';
	}
	for (const char *at = pattern.whole; *at != '\0'; at++) {
		weight.path += !glob || *at != '*';
	}
	weight.page =
	        (model_is_rule(entry) && entry->rule == RULE_PAGE) ||
	        (object_url && !glob && (pattern.has_query || !model_ends_in(pattern.path, "/")));
	return weight;
}

/* Does `a` win over `b` of the same list? */
static inline bool model_beats(const struct model_entry *a, const struct model_entry *b)
{
	struct model_weight left = model_weight_of(a);
	struct model_weight right = model_weight_of(b);
	if (left.host != right.host) {
		return left.host > right.host;
	}
	if (left.path != right.path) {
		return left.path > right.path;
	}
	return left.page != right.page ? left.page > right.page : a->id < b->id;
}

/* What decides about a URL, or NULL. */
static inline const struct model_entry *model_decide(const struct model_entry *entries,
        size_t count, const char *url, const struct model_client *client, int64_t now,
        bool approved_first)
{
	const enum policy_list orders[2][4] = {{POLICY_USER_BLOCKED, POLICY_USER_APPROVED,
	                                               POLICY_OBJECT_USER, POLICY_OBJECT_ANALYZER},
	        {POLICY_USER_APPROVED, POLICY_USER_BLOCKED, POLICY_OBJECT_USER,
	                POLICY_OBJECT_ANALYZER}};
	for (size_t order = 0; order < 4; order++) {
		const struct model_entry *best = NULL;
		for (size_t i = 0; i < count; i++) {
			const struct model_entry *entry = &entries[i];
			if (entry->list == orders[approved_first][order] &&
			        model_applies(entry, client, now) && model_covers(entry, url) &&
			        (best == NULL || model_beats(entry, best))) {
				best = entry;
			}
		}
		if (best != NULL) {
			return best;
		}
	}
	return NULL;
}

static inline int model_add(
        struct policy_builder *builder, const struct model_entry *entry, struct error *error)
{
	if (!model_is_rule(entry)) {
		struct object object = {.id = entry->id,
		        .list = entry->list,
		        .kind = entry->object,
		        .value = entry->text,
		        .action = entry->action,
		        .cnc_level = entry->cnc_level,
		        .expires = entry->expires,
		        .comment = ""};
		return policy_builder_add_object(builder, &object, error);
	}
	struct target *targets = NULL;
	size_t count = 0;
	if (entry->targets != NULL) {
		int status = targets_parse(entry->targets, &targets, &count, error);
		if (status != 0) {
			return status;
		}
	}
	struct rule rule = {.id = entry->id,
	        .list = entry->list,
	        .kind = entry->rule,
	        .pattern = entry->text,
	        .targets = targets,
	        .target_count = count,
	        .expires = entry->expires,
	        .enabled = true,
	        .comment = ""};
	int status = policy_builder_add_rule(builder, &rule, error);
	mem_free(targets);
	return status;
}

static inline int model_memory_file(void)
{
	return memfd_create("policy", MFD_CLOEXEC);
}

/* Writes the builder's file and opens it; the builder is freed. */
static inline int model_open(
        struct policy_builder *builder, struct policy **ret_policy, struct error *error)
{
	int fd = model_memory_file();
	struct lookup_file *file;
	int status = policy_builder_write(builder, fd, error);
	policy_builder_free(builder);
	if (status == 0) {
		status = lookup_file_load(fd, LOOKUP_KIND_POLICY, &file, error);
	}
	close(fd);
	if (status == 0) {
		status = policy_open(file, ret_policy, error);
		if (status != 0) {
			lookup_file_close(file);
		}
	}
	return status;
}

/* All entries that are not removed, in one policy. */
static inline int model_build(const struct model_entry *entries, size_t count,
        const struct siphash_key *key, struct policy **ret_policy, struct error *error)
{
	struct policy_builder *builder;
	int status = policy_builder_new(key, &builder);
	for (size_t i = 0; status == 0 && i < count; i++) {
		status = entries[i].removed ? 0 : model_add(builder, &entries[i], error);
	}
	if (status != 0) {
		policy_builder_free(builder);
		return status;
	}
	return model_open(builder, ret_policy, error);
}

/* Random entries and URLs from few words, so that they meet. */
struct model_random {
	uint64_t state;
};

static inline uint32_t model_pick(struct model_random *random, uint32_t below)
{
	random->state =
	        random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random->state >> 33) % below);
}

static inline void model_random_host(struct model_random *random, char *ret_host, size_t size)
{
	static const char *const labels[] = {"a", "b", "www", "cdn-1"};
	static const char *const ends[] = {
	        "example.com", "example.net", "b.example.com", "com", "x.co.uk", "localhost"};
	static const char *const addresses[] = {
	        "192.0.2.1", "192.0.2.2", "198.51.100.7", "[2001:db8::1]", "[2001:db8::2]"};
	if (model_pick(random, 6) == 0) {
		snprintf(ret_host, size, "%s", addresses[model_pick(random, 5)]);
		return;
	}
	size_t used = 0;
	uint32_t depth = model_pick(random, 8) == 0 ? model_pick(random, 9) : model_pick(random, 3);
	for (; depth > 0; depth--) {
		used += (size_t)snprintf(
		        ret_host + used, size - used, "%s.", labels[model_pick(random, 4)]);
	}
	snprintf(ret_host + used, size - used, "%s", ends[model_pick(random, 6)]);
}

static inline void model_random_path(struct model_random *random, char *ret_path, size_t size)
{
	static const char *const segments[] = {"a", "b", "index.html", "a.b", "x"};
	uint32_t depth =
	        model_pick(random, 10) == 0 ? model_pick(random, 22) : model_pick(random, 4);
	size_t used = (size_t)snprintf(ret_path, size, "/");
	/* Deep paths repeat themselves, otherwise no two would meet. */
	bool deep = depth > 4;
	for (uint32_t i = 0; i < depth; i++) {
		used += (size_t)snprintf(ret_path + used, size - used, "%s/",
		        segments[deep && i < 14 ? 0 : model_pick(random, 5)]);
	}
	if (model_pick(random, 2) == 0) {
		used += (size_t)snprintf(
		        ret_path + used, size - used, "%s", segments[model_pick(random, 5)]);
	}
	if (model_pick(random, 4) == 0) {
		snprintf(
		        ret_path + used, size - used, "?%s", model_pick(random, 2) ? "a=/b/" : "x");
	}
}

static inline void model_random_url(struct model_random *random, char *ret_url, size_t size)
{
	char host[100];
	char path[300];
	model_random_host(random, host, sizeof(host));
	model_random_path(random, path, sizeof(path));
	snprintf(ret_url, size, "%s%s%s", model_pick(random, 2) ? "http://" : "https://", host,
	        path);
}

/* Puts a '*' in place of some bytes of the path, or before its host's first label. */
static inline void model_random_star(struct model_random *random, char *text, size_t size)
{
	char copy[440];
	const char *host = strstr(text, "://") + 3;
	size_t path = (size_t)(strchr(host, '/') - text);
	if (model_pick(random, 2) == 0 && strchr("0123456789[", *host) == NULL) {
		const char *dot = strchr(host, '.');
		const char *from = dot != NULL && model_pick(random, 2) == 0 ? dot : host;
		snprintf(copy, sizeof(copy), "http://*%s%s", model_pick(random, 2) ? "a" : "",
		        from == dot ? dot : from);
		if (model_pick(random, 2) == 0) {
			snprintf(copy, sizeof(copy), "http://*%s%s", from == dot ? "" : ".", from);
		}
		snprintf(text, size, "%.419s", copy);
		return;
	}
	size_t length = strlen(text);
	size_t start = path + 1 + model_pick(random, (uint32_t)(length - path));
	size_t end = start + model_pick(random, (uint32_t)(length - start + 1));
	snprintf(copy, sizeof(copy), "%.*s*%s", (int)start, text, text + end);
	snprintf(text, size, "%.419s", copy);
}

/* An entry that parses. */
static inline void model_random_entry(
        struct model_random *random, int64_t id, struct model_entry *ret_entry)
{
	static const char *const targets[] = {NULL, NULL, NULL, "10.0.0.0/8", "domain:corp.example",
	        "computer:pc-1, 2001:db8::/32", "192.0.2.5-192.0.2.9"};
	static const char *const prefixes[] = {"192.0.2.1", "192.0.2.0/30", "192.0.2.0/24",
	        "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "198.51.100.0/24"};
	static const char *const words[] = {"index", "EXAMPLE.net", "a/b", "cdn-1", "html"};
	for (;;) {
		struct model_entry entry = {.id = id};
		entry.list = (enum policy_list)model_pick(random, POLICY_LIST_COUNT);
		entry.rule = (enum rule_kind)(
		        model_pick(random, 12) == 0 ? RULE_KEYWORD : model_pick(random, 2));
		entry.object = (enum object_kind)model_pick(random, 3);
		entry.expires = model_pick(random, 6) == 0 ? 500 + model_pick(random, 1000) : 0;
		entry.action = (enum object_action)model_pick(random, 2);
		entry.cnc_level = (uint8_t)model_pick(random, 4);
		model_random_url(random, entry.text, sizeof(entry.text));
		if (model_is_rule(&entry)) {
			entry.targets = targets[model_pick(random, 7)];
			if (entry.rule == RULE_KEYWORD) {
				snprintf(entry.text, sizeof(entry.text), "%s",
				        words[model_pick(random, 5)]);
			}
		} else if (entry.object == OBJECT_IP) {
			snprintf(entry.text, sizeof(entry.text), "%s",
			        prefixes[model_pick(random, 7)]);
		} else if (entry.object == OBJECT_DOMAIN) {
			model_random_host(random, entry.text, sizeof(entry.text));
		} else if (model_pick(random, 2) == 0) {
			model_random_star(random, entry.text, sizeof(entry.text));
		}
		char space[URL_TEXT_MAX];
		if (model_is_keyword(&entry) || model_canonical(&entry, space, sizeof(space))) {
			*ret_entry = entry;
			return;
		}
	}
}

#endif
