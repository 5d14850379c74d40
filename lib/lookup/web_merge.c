#include <string.h>

#include "lib/base/buf.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/radix_sort.h"
#include "lib/lookup/web_entries.h"

static void mix(struct web_value *into, bool *has, const struct web_value *value)
{
	if (!*has) {
		*into = *value;
		*has = true;
		return;
	}
	into->score = value->score < into->score ? value->score : into->score;
	into->categories |= value->categories;
	into->origins |= value->origins;
	/* At the same level the lower source; none (0) is taken only when there is no other. */
	if (value->cnc_level > into->cnc_level ||
	        (value->cnc_level == into->cnc_level &&
	                (uint8_t)(value->cnc_source - 1) < (uint8_t)(into->cnc_source - 1))) {
		into->cnc_level = value->cnc_level;
		into->cnc_source = value->cnc_source;
	}
}

void web_mixture_add(struct web_mixture *mixture, const struct web_value *value)
{
	if (web_value_is_good(value)) {
		mix(&mixture->good, &mixture->has_good, value);
	} else {
		mix(&mixture->bad, &mixture->has_bad, value);
	}
}

static void report_conflict(const struct web_builder *builder, const struct web_entry *entry,
        const struct web_mixture *mixture, struct web_write *write)
{
	write->counts.conflicts++;
	if (write->conflict == NULL) {
		return;
	}
	struct url url;
	char text[URL_TEXT_MAX];
	web_entry_url(builder, entry, &url);
	memcpy(text, url.text, url.length);
	text[url.length] = '\0';
	write->conflict(write->context, BUILD_CONFLICT_URL, text, mixture->bad.origins,
	        mixture->good.origins);
}

/* Entries [start, end) are of one expression: the first one stands for all. */
static int merge_group(
        struct web_builder *builder, size_t start, size_t end, struct web_write *write)
{
	struct web_entry *entries = builder->entries;
	struct web_mixture mixture = {0};
	for (size_t i = start; i < end; i++) {
		web_mixture_add(&mixture, &builder->values.items[entries[i].value]);
		entries[i].merged = WEB_ENTRY_FOLLOWS;
	}
	write->counts.merged += end - start - 1;
	if (mixture.has_bad && mixture.has_good) {
		report_conflict(builder, &entries[start], &mixture, write);
	}
	return web_values_intern(
	        &builder->values, web_mixture_result(&mixture), &entries[start].merged);
}

static int merge_equal(struct web_builder *builder, struct web_write *write)
{
	struct web_entry *entries = builder->entries;
	size_t end;
	for (size_t start = 0; start < builder->count; start = end) {
		end = start + 1;
		while (end < builder->count && web_entry_same_key(&entries[start], &entries[end])) {
			end++;
		}
		if (end == start + 1) {
			entries[start].merged = entries[start].value;
			continue;
		}
		int status = merge_group(builder, start, end, write);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

/* The first entry with `key`, or NULL. */
static struct web_entry *find_entry(const struct web_builder *builder, struct lookup_key key)
{
	size_t low = 0;
	size_t high = builder->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (lookup_key_compare(web_entry_key(&builder->entries[middle]), key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == builder->count ||
	        lookup_key_compare(web_entry_key(&builder->entries[low]), key) != 0) {
		return NULL;
	}
	return &builder->entries[low];
}

int web_merge(struct web_builder *builder, struct web_write *write)
{
	if (!builder->sorted) {
		_Static_assert(sizeof(struct web_entry) == 3 * sizeof(uint64_t), "sorted as words");
		radix_sort((uint64_t *)builder->entries, builder->count, 3);
		builder->sorted = true;
	}
	int status = merge_equal(builder, write);
	if (status != 0) {
		return status;
	}
	for (size_t i = 0; i < builder->exclude_count; i++) {
		struct web_entry *entry = find_entry(builder, builder->excludes[i]);
		if (entry != NULL && entry->merged != WEB_ENTRY_EXCLUDED) {
			entry->merged = WEB_ENTRY_EXCLUDED;
			write->counts.excluded++;
		}
	}
	return 0;
}
