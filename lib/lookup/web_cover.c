#include <errno.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/lookup/host_filter.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/web_entries.h"

/*
 * An entry is looked for under each of its less specific expressions among the entries themselves;
 * a filter over all of them answers nearly all of the questions from the cache.
 */
#define FILTER_BITS 12
#define ENTRIES_PER_BUCKET 8
#define OUTER_MAX (URL_HOSTS_MAX * URL_PATHS_MAX)

struct cover {
	struct web_builder *builder;
	struct host_filter_builder filter;
	uint32_t *fanout; /* first entry of each bucket of the high word */
	unsigned fanout_bits;
};

static uint8_t score_of(const struct web_builder *builder, const struct web_entry *entry)
{
	return builder->values.items[entry->merged].score;
}

/* The filter asks for the high word of a hash, which stands here for that of a key. */
static struct siphash_value filter_value(uint64_t high)
{
	return (struct siphash_value){.high = high};
}

/* The lowest score of all, and whether any entry could be dropped at all. */
static bool any_milder(const struct web_builder *builder, uint8_t *ret_worst)
{
	uint8_t worst = SCORE_MAX;
	bool seen[SCORE_MAX + 1] = {false};
	for (size_t i = 0; i < builder->count; i++) {
		if (web_entry_is_written(&builder->entries[i])) {
			seen[score_of(builder, &builder->entries[i])] = true;
		}
	}
	for (unsigned score = SCORE_MAX + 1; score-- > 0;) {
		worst = seen[score] ? (uint8_t)score : worst;
	}
	*ret_worst = worst;
	for (unsigned score = worst + 1u; score < SCORE_LISTED_GOOD; score++) {
		if (seen[score]) {
			return true;
		}
	}
	return false;
}

static int cover_init(struct cover *cover, struct web_builder *builder)
{
	*cover = (struct cover){.builder = builder};
	while (builder->count >> (cover->fanout_bits + 1) >= ENTRIES_PER_BUCKET &&
	        cover->fanout_bits < KEY_TABLE_FANOUT_BITS_MAX) {
		cover->fanout_bits++;
	}
	size_t buckets = (size_t)1 << cover->fanout_bits;
	cover->fanout = mem_new(buckets + 1, sizeof(*cover->fanout));
	if (cover->fanout == NULL) {
		return -ENOMEM;
	}
	int status = host_filter_builder_init(&cover->filter, builder->count, FILTER_BITS);
	if (status != 0) {
		mem_free(cover->fanout);
		return status;
	}
	size_t next = 0;
	for (size_t i = 0; i < builder->count; i++) {
		const struct web_entry *entry = &builder->entries[i];
		size_t bucket = (size_t)((entry->high >> 1) >> (63 - cover->fanout_bits));
		while (next <= bucket) {
			cover->fanout[next++] = (uint32_t)i;
		}
		host_filter_builder_add(&cover->filter, entry->high);
	}
	while (next <= buckets) {
		cover->fanout[next++] = (uint32_t)builder->count;
	}
	return 0;
}

static void cover_release(struct cover *cover)
{
	mem_free(cover->fanout);
	host_filter_builder_release(&cover->filter);
}

/* The entry that is written under `key`, or NULL. */
static const struct web_entry *find(const struct cover *cover, struct lookup_key key)
{
	size_t bucket = (size_t)((key.high >> 1) >> (63 - cover->fanout_bits));
	const struct web_entry *entries = cover->builder->entries;
	key.low &= ~WEB_PLACE_MASK;
	for (uint32_t i = cover->fanout[bucket]; i < cover->fanout[bucket + 1]; i++) {
		if (entries[i].high == key.high && web_entry_is_written(&entries[i]) &&
		        lookup_key_compare(web_entry_key(&entries[i]), key) == 0) {
			return &entries[i];
		}
	}
	return NULL;
}

/* Keys of the less specific expressions of an entry; the filter's memory accesses are started. */
static unsigned outer_keys(const struct cover *cover, const struct host_filter *filter,
        const struct web_entry *entry, struct lookup_key keys[OUTER_MAX])
{
	struct url url;
	struct url_expressions expressions;
	unsigned count = 0;
	web_entry_url(cover->builder, entry, &url);
	url_expressions(&url, &expressions);
	for (unsigned i = 0; i < expressions.host_count; i++) {
		struct siphash host;
		siphash_init(&host, &cover->builder->key);
		siphash_update(
		        &host, url.text + expressions.hosts[i].start, expressions.hosts[i].length);
		for (unsigned j = i == 0 ? 1 : 0; j < expressions.path_count; j++) {
			struct siphash state = host;
			siphash_update(&state, url.text + expressions.paths[j].start,
			        expressions.paths[j].length);
			keys[count] = lookup_key_from_hash(siphash_finish(&state));
			host_filter_prefetch(filter, filter_value(keys[count++].high));
		}
	}
	return count;
}

/*
 * What would answer in place of an entry is the first of its less specific expressions that is
 * written; when that is worse, the entry is dropped. Dropping changes what is written, so less
 * specific ones must be decided first. Nearly always that does not matter: when all that are found
 * are worse, or none is, it is clear; only the mixed cases have to wait for their turn.
 */
enum cover_answer { COVER_KEEP, COVER_DROP, COVER_MIXED };

static enum cover_answer ask(const struct cover *cover, const struct host_filter *filter,
        const struct web_entry *entry, unsigned *ret_expressions, bool *ret_first_is_worse)
{
	struct lookup_key keys[OUTER_MAX];
	uint8_t score = score_of(cover->builder, entry);
	unsigned count = outer_keys(cover, filter, entry, keys);
	unsigned found = 0, worse = 0;
	*ret_expressions = count;
	*ret_first_is_worse = false;
	for (unsigned i = 0; i < count; i++) {
		if (!host_filter_may_have(filter, filter_value(keys[i].high))) {
			continue;
		}
		const struct web_entry *outer = find(cover, keys[i]);
		if (outer == NULL) {
			continue;
		}
		bool is_worse = score_of(cover->builder, outer) < score;
		*ret_first_is_worse = found == 0 ? is_worse : *ret_first_is_worse;
		worse += is_worse;
		found++;
	}
	return worse == 0 ? COVER_KEEP : worse == found ? COVER_DROP : COVER_MIXED;
}

/* A mixed case: how many less specific expressions it has; fewer come first. */
struct mixed_entry {
	uint32_t index;
	uint32_t expressions;
};

static void drop(struct web_entry *entry, struct web_write *write)
{
	entry->merged = WEB_ENTRY_DROPPED;
	write->counts.dropped++;
}

/* All that is clear; the others go to `mixed`. */
static void drop_clear(const struct cover *cover, const struct host_filter *filter, uint8_t worst,
        struct web_write *write, struct buf *mixed)
{
	struct web_builder *builder = cover->builder;
	for (size_t i = 0; i < builder->count; i++) {
		struct web_entry *entry = &builder->entries[i];
		struct mixed_entry later = {.index = (uint32_t)i};
		bool first_is_worse;
		web_entry_prefetch(builder, i + WEB_TEXT_AHEAD);
		if (!web_entry_is_written(entry)) {
			continue;
		}
		uint8_t score = score_of(builder, entry);
		if (score <= worst || score >= SCORE_LISTED_GOOD) {
			continue;
		}
		switch (ask(cover, filter, entry, &later.expressions, &first_is_worse)) {
		case COVER_DROP:
			drop(entry, write);
			break;
		case COVER_MIXED:
			buf_add(mixed, &later, sizeof(later));
			break;
		case COVER_KEEP:
			break;
		}
	}
}

static int compare_mixed(const void *a, const void *b)
{
	const struct mixed_entry *left = a, *right = b;
	if (left->expressions != right->expressions) {
		return left->expressions < right->expressions ? -1 : 1;
	}
	return left->index < right->index ? -1 : left->index > right->index;
}

static void drop_mixed(const struct cover *cover, const struct host_filter *filter,
        struct mixed_entry *mixed, size_t count, struct web_write *write)
{
	qsort(mixed, count, sizeof(*mixed), compare_mixed);
	for (size_t i = 0; i < count; i++) {
		struct web_entry *entry = &cover->builder->entries[mixed[i].index];
		unsigned expressions;
		bool first_is_worse;
		ask(cover, filter, entry, &expressions, &first_is_worse);
		if (first_is_worse) {
			drop(entry, write);
		}
	}
}

int web_drop_covered(struct web_builder *builder, struct web_write *write)
{
	struct cover cover;
	struct buf mixed;
	uint8_t worst;
	if (!any_milder(builder, &worst)) {
		return 0;
	}
	int status = cover_init(&cover, builder);
	if (status != 0) {
		return status;
	}
	struct host_filter filter = host_filter_builder_view(&cover.filter);
	buf_init(&mixed, (builder->count + 1) * sizeof(struct mixed_entry));
	drop_clear(&cover, &filter, worst, write, &mixed);
	status = buf_status(&mixed);
	if (status == 0 && mixed.length > 0) {
		/* The buffer's memory is from malloc, and nothing else is in it. */
		drop_mixed(&cover, &filter, (struct mixed_entry *)(void *)mixed.data,
		        mixed.length / sizeof(struct mixed_entry), write);
	}
	buf_release(&mixed);
	cover_release(&cover);
	return status;
}
