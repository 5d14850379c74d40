#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "pattern/command.h"

/* diff: entries that only one of two patterns has, and those with other values. */

/* An entry of either kind of pattern; what is compared is all of it. */
struct entry {
	unsigned char key[18]; /* sort, then what it is of */
	unsigned char sort; /* 'u' URL key, 'p' prefix, 'd' digest */
	uint8_t malicious, kind;
	struct web_value value; /* origins in the numbers of the first file */
	const char *name; /* of digests */
};

struct entries {
	struct entry *items;
	size_t count, capacity;
	const uint64_t *origins; /* what each source of this file is in the first one */
	size_t source_count;
	bool with_urls;
	bool failed;
};

static struct entry *entries_add(struct entries *entries)
{
	if (entries->count == entries->capacity) {
		size_t capacity = entries->capacity * 2 + 4096;
		struct entry *larger = mem_resize(entries->items, capacity, sizeof(*larger));
		if (larger == NULL) {
			entries->failed = true;
			return NULL;
		}
		entries->items = larger;
		entries->capacity = capacity;
	}
	struct entry *entry = &entries->items[entries->count++];
	*entry = (struct entry){.name = ""};
	return entry;
}

static uint64_t map_origins(const struct entries *entries, uint64_t set)
{
	uint64_t mapped = 0;
	for (size_t i = 0; i < entries->source_count; i++) {
		mapped |= (set >> i & 1) != 0 ? entries->origins[i] : 0;
	}
	return mapped;
}

static int add_web(void *context, const struct lookup_key *key, const struct address_prefix *prefix,
        const struct web_value *value)
{
	struct entries *entries = context;
	if (prefix == NULL && !entries->with_urls) {
		return 0;
	}
	struct entry *entry = entries_add(entries);
	if (entry == NULL) {
		return 1;
	}
	entry->sort = prefix != NULL ? 'p' : 'u';
	if (prefix != NULL) {
		entry->key[0] = prefix->address.family;
		memcpy(entry->key + 1, prefix->address.bytes, 16);
		entry->key[17] = prefix->length;
	} else {
		bytes_put_be64(entry->key, key->high);
		bytes_put_be64(entry->key + 8, key->low);
	}
	entry->value = *value;
	entry->value.origins = map_origins(entries, value->origins);
	return 0;
}

static int add_file(void *context, const struct digest *digest, const struct file_value *value)
{
	struct entries *entries = context;
	struct entry *entry = entries_add(entries);
	if (entry == NULL) {
		return 1;
	}
	entry->sort = 'd';
	entry->key[0] = digest->kind;
	memcpy(entry->key + 1, digest->bytes, 16);
	entry->malicious = value->malicious;
	entry->kind = value->kind;
	entry->name = value->name;
	entry->value.origins = map_origins(entries, value->origins);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	if (left->sort != right->sort) {
		return left->sort < right->sort ? -1 : 1;
	}
	return memcmp(left->key, right->key, sizeof(left->key));
}

static bool same_value(const struct entry *a, const struct entry *b)
{
	return a->value.origins == b->value.origins && a->value.score == b->value.score &&
	       a->value.categories == b->value.categories &&
	       a->value.cnc_level == b->value.cnc_level &&
	       a->value.cnc_source == b->value.cnc_source && a->malicious == b->malicious &&
	       a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static int gather(const struct command_pattern *pattern, struct entries *entries)
{
	if (pattern->web != NULL) {
		(void)web_pattern_visit(pattern->web, add_web, entries);
	} else {
		(void)file_pattern_visit(pattern->files, add_file, entries);
	}
	if (entries->failed) {
		return command_fail(COMMAND_FAILED, "no memory");
	}
	if (entries->count > 1) {
		qsort(entries->items, entries->count, sizeof(*entries->items), compare_entries);
	}
	return COMMAND_DONE;
}

/* The sources of `pattern` in the numbers of `first`; those it does not have share a high bit. */
static void match_sources(const struct pattern_info *first, const struct pattern_info *pattern,
        uint64_t ret_origins[PATTERN_SOURCES_MAX])
{
	for (size_t i = 0; i < pattern->source_count; i++) {
		ret_origins[i] = UINT64_C(1) << 63;
		for (size_t j = 0; j < first->source_count; j++) {
			if (strcmp(pattern->sources[i], first->sources[j]) == 0) {
				ret_origins[i] = UINT64_C(1) << j;
			}
		}
	}
}

static void print_entry(bool json, char mark, const struct entry *entry)
{
	static const char *const words[] = {"removed", "changed", "added"};
	char text[64] = "";
	if (entry->sort == 'p') {
		struct address_prefix prefix = {.length = entry->key[17]};
		prefix.address.family = entry->key[0];
		memcpy(prefix.address.bytes, entry->key + 1, 16);
		address_prefix_format(&prefix, text);
	} else {
		const unsigned char *bytes = entry->key + (entry->sort == 'd' ? 1 : 0);
		for (int i = 0; i < 16; i++) {
			snprintf(text + 2 * i, 3, "%02x", bytes[i]);
		}
	}
	const char *kind = entry->sort == 'p'   ? "prefix"
	                   : entry->sort == 'u' ? "key"
	                                        : digest_kind_name((enum digest_kind)entry->key[0]);
	if (json) {
		printf("{\"change\":\"%s\",\"%s\":\"%s\"}\n",
		        words[mark == '-'     ? 0
		                : mark == '~' ? 1
		                              : 2],
		        kind, text);
	} else {
		printf("%c %s %s\n", mark, kind, text);
	}
}

struct difference {
	uint64_t removed, changed, added;
};

static struct difference compare(bool json, const struct entries *a, const struct entries *b)
{
	struct difference difference = {0};
	size_t i = 0, j = 0;
	while (i < a->count || j < b->count) {
		int order = i == a->count   ? 1
		            : j == b->count ? -1
		                            : compare_entries(&a->items[i], &b->items[j]);
		if (order < 0) {
			print_entry(json, '-', &a->items[i++]);
			difference.removed++;
		} else if (order > 0) {
			print_entry(json, '+', &b->items[j++]);
			difference.added++;
		} else {
			if (!same_value(&a->items[i], &b->items[j])) {
				print_entry(json, '~', &a->items[i]);
				difference.changed++;
			}
			i++;
			j++;
		}
	}
	return difference;
}

static bool same_key(const struct command_pattern *a, const struct command_pattern *b)
{
	if (a->web == NULL) {
		return true;
	}
	const struct siphash_key *first = web_pattern_key(a->web);
	const struct siphash_key *second = web_pattern_key(b->web);
	return first->k0 == second->k0 && first->k1 == second->k1;
}

static int diff_patterns(
        bool json, const struct command_pattern *a, const struct command_pattern *b)
{
	uint64_t own[PATTERN_SOURCES_MAX], other[PATTERN_SOURCES_MAX];
	bool keys = same_key(a, b);
	struct entries first = {.origins = own, .source_count = a->info->source_count};
	struct entries second = {.origins = other, .source_count = b->info->source_count};
	first.with_urls = second.with_urls = keys;
	match_sources(a->info, a->info, own);
	match_sources(a->info, b->info, other);
	int status = gather(a, &first);
	if (status == COMMAND_DONE) {
		status = gather(b, &second);
	}
	if (status == COMMAND_DONE) {
		struct difference difference = compare(json, &first, &second);
		/* Under different keys the same URL has different entries. */
		if (json) {
			printf("{\"removed\":%llu,\"changed\":%llu,\"added\":%llu,"
			       "\"urls_compared\":%s,\"urls\":[%llu,%llu]}\n",
			        (unsigned long long)difference.removed,
			        (unsigned long long)difference.changed,
			        (unsigned long long)difference.added, keys ? "true" : "false",
			        (unsigned long long)a->info->url_count,
			        (unsigned long long)b->info->url_count);
		} else {
			printf("%llu removed, %llu changed, %llu added\n",
			        (unsigned long long)difference.removed,
			        (unsigned long long)difference.changed,
			        (unsigned long long)difference.added);
			if (!keys) {
				printf("the keys differ: %llu and %llu URLs were not compared\n",
				        (unsigned long long)a->info->url_count,
				        (unsigned long long)b->info->url_count);
			}
		}
		bool same = difference.removed + difference.changed + difference.added == 0;
		status = same && keys ? COMMAND_DONE : COMMAND_DIFFERENT;
	}
	mem_free(first.items);
	mem_free(second.items);
	return status;
}

int command_diff(const struct command_options *options, int count, char **arguments)
{
	struct command_pattern a, b;
	if (count != 2) {
		return command_fail(COMMAND_USAGE, "diff needs two files");
	}
	int status = command_open(arguments[0], &a);
	if (status != COMMAND_DONE) {
		return status;
	}
	status = command_open(arguments[1], &b);
	if (status == COMMAND_DONE) {
		if ((a.web != NULL) != (b.web != NULL)) {
			status = command_fail(
			        COMMAND_USAGE, "the two files are patterns of different kinds");
		} else {
			status = diff_patterns(options->json, &a, &b);
		}
		command_close(&b);
	}
	command_close(&a);
	return command_finish(status);
}
