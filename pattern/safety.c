#include "pattern/safety.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "pattern/key_set.h"

/* All benign names together; 60 million of usual length. */
#define SAFETY_NAMES_MAX (1024 * 1024 * 1024)

struct safety {
	struct siphash_key key;
	struct buf names; /* length byte and canonical host, one after the other */
	uint64_t name_count;
	struct address_prefix *prefixes; /* sorted: address, then longest first */
	size_t prefix_count, prefix_capacity;
	struct key_set allowed; /* hosts and prefixes */
	struct key_set seen; /* site entries that were reported */
};

int safety_new(const struct siphash_key *key, struct safety **ret_safety)
{
	struct safety *safety = mem_new(1, sizeof(*safety));
	if (safety == NULL) {
		return -ENOMEM;
	}
	safety->key = *key;
	buf_init(&safety->names, SAFETY_NAMES_MAX);
	*ret_safety = safety;
	return 0;
}

void safety_free(struct safety *safety)
{
	if (safety == NULL) {
		return;
	}
	buf_release(&safety->names);
	mem_free(safety->prefixes);
	key_set_release(&safety->allowed);
	key_set_release(&safety->seen);
	mem_free(safety);
}

int safety_add_prefix(struct safety *safety, const struct address_prefix *prefix)
{
	if (safety->prefix_count == safety->prefix_capacity) {
		size_t capacity = safety->prefix_capacity * 2 + 256;
		struct address_prefix *larger =
		        mem_resize(safety->prefixes, capacity, sizeof(*larger));
		if (larger == NULL) {
			return -ENOMEM;
		}
		safety->prefixes = larger;
		safety->prefix_capacity = capacity;
	}
	safety->prefixes[safety->prefix_count++] = *prefix;
	return 0;
}

static struct address_prefix prefix_of(const struct address *address)
{
	return (struct address_prefix){
	        *address, address->family == ADDRESS_V4 ? (uint8_t)32 : (uint8_t)128};
}

int safety_add_site(struct safety *safety, const struct url *url)
{
	if (url->address.family != ADDRESS_NONE) {
		struct address_prefix prefix = prefix_of(&url->address);
		return safety_add_prefix(safety, &prefix);
	}
	/* A host has at most 253 bytes (url.h). */
	buf_add_char(&safety->names, (char)url->host_length);
	buf_add(&safety->names, url->text + url->host_start, url->host_length);
	safety->name_count++;
	return buf_status(&safety->names);
}

static struct siphash_value site_hash(const struct safety *safety, const char *host, size_t length)
{
	struct siphash state;
	siphash_init(&state, &safety->key);
	siphash_update(&state, host, length);
	siphash_update(&state, "/", 1);
	return siphash_finish(&state);
}

static struct siphash_value prefix_hash(
        const struct safety *safety, const struct address_prefix *prefix)
{
	unsigned char bytes[18] = {prefix->address.family, prefix->length};
	memcpy(bytes + 2, prefix->address.bytes, sizeof(prefix->address.bytes));
	return siphash(&safety->key, bytes, sizeof(bytes));
}

int safety_allow(struct safety *safety, const char *text, const char **ret_reason)
{
	char space[URL_TEXT_MAX];
	struct url url;
	struct address_prefix prefix;
	if (address_prefix_parse(text, strlen(text), &prefix) == 0) {
		return key_set_add(&safety->allowed, prefix_hash(safety, &prefix), 0);
	}
	int status = url_from_host(text, strlen(text), space, sizeof(space), &url, ret_reason);
	if (status != 0) {
		return SK_E_SYNTAX;
	}
	if (url.address.family != ADDRESS_NONE) {
		prefix = prefix_of(&url.address);
		return key_set_add(&safety->allowed, prefix_hash(safety, &prefix), 0);
	}
	return key_set_add(
	        &safety->allowed, site_hash(safety, url.text + url.host_start, url.host_length), 0);
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct address_prefix *left = a, *right = b;
	int order = address_compare(&left->address, &right->address);
	return order != 0 ? order : (int)right->length - (int)left->length;
}

void safety_seal(struct safety *safety)
{
	if (safety->prefix_count > 1) {
		qsort(safety->prefixes, safety->prefix_count, sizeof(*safety->prefixes),
		        compare_prefixes);
	}
}

/* The first benign prefix at or behind (`behind`: only behind) an address. */
static size_t first_prefix(const struct safety *safety, const struct address *address, bool behind)
{
	size_t low = 0, high = safety->prefix_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = address_compare(&safety->prefixes[middle].address, address);
		if (order < 0 || (behind && order == 0)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

bool safety_forbids_prefix(const struct safety *safety, const struct address_prefix *prefix)
{
	if (safety->prefix_count == 0) {
		return false;
	}
	size_t at = first_prefix(safety, &prefix->address, false);
	/* Those with the same first address come longest first: when the first is wider than the
	 * bad one, so are all of them. */
	if (at < safety->prefix_count && safety->prefixes[at].length < prefix->length) {
		at = first_prefix(safety, &prefix->address, true);
	}
	return at < safety->prefix_count &&
	       address_in_prefix(&safety->prefixes[at].address, prefix) &&
	       !key_set_find(&safety->allowed, prefix_hash(safety, prefix), NULL);
}

/* One question on its way. */
struct question {
	struct safety *safety;
	const struct web_pattern *pattern;
	struct web_builder *builder;
	struct report_items *left_out, *allowed;
	const struct url *url;
	uint64_t found;
};

/* Names a site entry once, whichever benign names it stands against; what is left out is
 * excluded from the builder then. */
static int question_report(struct question *question, struct report_items *items, const char *host,
        size_t length, uint64_t origins)
{
	char text[256];
	struct siphash_value hash = site_hash(question->safety, host, length);
	if (key_set_find(&question->safety->seen, hash, NULL)) {
		return 0;
	}
	memcpy(text, host, length);
	text[length] = '/';
	int status = key_set_add(&question->safety->seen, hash, 0);
	if (status == 0) {
		status = report_add(items, text, length + 1,
		        question->url->text + question->url->host_start, question->url->host_length,
		        origins, 0);
	}
	if (status == 0 && items == question->left_out) {
		question->found++;
		status = web_builder_exclude(question->builder, text, length + 1);
	}
	return status;
}

/* The site entry of one host of a benign name. *ret_decided: the question is answered. */
static int question_ask(
        struct question *question, const char *host, size_t length, bool *ret_decided)
{
	const struct siphash_key *key = web_pattern_key(question->pattern);
	*ret_decided = false;
	if (!web_pattern_may_have_host(question->pattern, siphash(key, host, length))) {
		return 0;
	}
	struct siphash state;
	siphash_init(&state, key);
	siphash_update(&state, host, length);
	siphash_update(&state, "/", 1);
	const struct web_value *value =
	        web_pattern_find(question->pattern, lookup_key_from_hash(siphash_finish(&state)));
	if (value == NULL) {
		return 0;
	}
	*ret_decided = true;
	if (value->score >= SCORE_LISTED_GOOD || value->score == SCORE_UNRATED) {
		return 0;
	}
	if (key_set_find(
	            &question->safety->allowed, site_hash(question->safety, host, length), NULL)) {
		return question_report(question, question->allowed, host, length, value->origins);
	}
	/* Without it the next less specific one decides. */
	*ret_decided = false;
	return question_report(question, question->left_out, host, length, value->origins);
}

static int question_site(struct question *question)
{
	struct url_expressions expressions;
	url_expressions(question->url, &expressions);
	for (unsigned i = 0; i < expressions.host_count; i++) {
		bool decided;
		int status =
		        question_ask(question, question->url->text + expressions.hosts[i].start,
		                expressions.hosts[i].length, &decided);
		if (status != 0 || decided) {
			return status;
		}
	}
	return 0;
}

int safety_ask(struct safety *safety, const struct web_pattern *pattern,
        struct web_builder *builder, struct report_items *left_out, struct report_items *allowed,
        uint64_t *ret_asked, uint64_t *ret_found)
{
	char space[URL_TEXT_MAX];
	struct url url;
	const char *reason;
	struct question question = {.safety = safety,
	        .pattern = pattern,
	        .builder = builder,
	        .left_out = left_out,
	        .allowed = allowed,
	        .url = &url};
	for (size_t at = 0; at < safety->names.length;) {
		size_t length = (unsigned char)safety->names.data[at];
		int status = url_from_host(
		        safety->names.data + at + 1, length, space, sizeof(space), &url, &reason);
		if (status == 0) {
			status = question_site(&question);
		}
		if (status != 0) {
			return status;
		}
		at += 1 + length;
	}
	*ret_asked = safety->name_count;
	*ret_found = question.found;
	return 0;
}
