#ifndef LIB_LOOKUP_WEB_ENTRIES_H
#define LIB_LOOKUP_WEB_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/siphash.h"
#include "lib/data/rating.h"
#include "lib/data/url.h"
#include "lib/lookup/lookup_key.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/prefix_table.h"
#include "lib/lookup/text_arena.h"
#include "lib/lookup/web_values.h"

/*
 * The inside of the web builder; its parts are web_builder.c (adding, writing), web_entries.c (an
 * entry and its text), web_merge.c (equal entries, excludes), web_cover.c (entries that a less
 * specific one covers) and web_prefixes.c.
 *
 * An entry is 24 bytes and its text. Two expressions count as the same when the 72 bits of their
 * key are, which is all that the file keeps of them. Nothing that was added is changed by writing
 * but the order of the entries and their `merged`, so that writing can be repeated.
 */
struct web_entry {
	uint64_t high; /* of the key */
	uint64_t low_place; /* top byte of the key's low word, place of the text in 56 bits */
	uint32_t value; /* as it came, index of web_values */
	uint32_t merged; /* what is to be written, or one of these: */
};
#define WEB_ENTRY_FOLLOWS (UINT32_MAX - 0) /* equal to an entry before it */
#define WEB_ENTRY_EXCLUDED (UINT32_MAX - 1)
#define WEB_ENTRY_DROPPED (UINT32_MAX - 2)
#define WEB_ENTRY_VALUE_MAX (UINT32_MAX - 3)

#define WEB_PLACE_MASK ((UINT64_C(1) << 56) - 1)

struct web_builder {
	struct siphash_key key;
	struct web_values values;
	uint32_t last_value; /* of the entry before; often the same again */
	struct text_arena texts;
	struct web_entry *entries;
	size_t count, capacity;
	bool sorted;
	struct prefix_entry *prefixes; /* value: index of web_values */
	size_t prefix_count, prefix_capacity;
	struct lookup_key *excludes;
	size_t exclude_count, exclude_capacity;
};

/* A run of the writing. */
struct web_write {
	build_conflict_fn *conflict; /* may be NULL */
	void *context;
	struct build_counts counts;
};

static inline struct lookup_key web_entry_key(const struct web_entry *entry)
{
	return (struct lookup_key){entry->high, entry->low_place & ~WEB_PLACE_MASK};
}

static inline bool web_entry_same_key(const struct web_entry *a, const struct web_entry *b)
{
	return a->high == b->high &&
	       (a->low_place & ~WEB_PLACE_MASK) == (b->low_place & ~WEB_PLACE_MASK);
}

static inline bool web_entry_is_written(const struct web_entry *entry)
{
	return entry->merged <= WEB_ENTRY_VALUE_MAX;
}

/* An entry of the URL with the value of index `value`, its text kept by the builder. SK_E_LIMIT
 * when the URL is too long, -ENOMEM. */
int web_entry_make(struct web_builder *builder, const struct url *url, uint32_t value,
        struct web_entry *ret_entry) SK_MUST_USE;

/* The text of an entry as the part of a URL from the host on; not NUL-terminated. */
void web_entry_url(
        const struct web_builder *builder, const struct web_entry *entry, struct url *ret_url);

/* Entries in the order of their keys have their texts anywhere: whoever goes through the texts of
 * all starts the memory access of the one WEB_TEXT_AHEAD further on. */
#define WEB_TEXT_AHEAD 16
LOOKUP_PREFETCHER void web_entry_prefetch(const struct web_builder *builder, size_t index)
{
	if (index < builder->count) {
		SK_PREFETCH(text_arena_at(
		        &builder->texts, builder->entries[index].low_place & WEB_PLACE_MASK));
	}
}

/*
 * Values of the same thing on their way to one: those of the bad and of the good entries apart,
 * because categories, origins and C&C level are those of the bad ones as soon as there is one. The
 * order in which they are added does not matter. Start with {0}.
 */
struct web_mixture {
	struct web_value bad, good;
	bool has_bad, has_good; /* both: a conflict */
};
void web_mixture_add(struct web_mixture *mixture, const struct web_value *value);
static inline const struct web_value *web_mixture_result(const struct web_mixture *mixture)
{
	return mixture->has_bad ? &mixture->bad : &mixture->good;
}

static inline bool web_value_is_good(const struct web_value *value)
{
	return value->score >= SCORE_LISTED_GOOD;
}

/* Sorts the entries and gives the first of each expression its merged value; applies excludes. */
int web_merge(struct web_builder *builder, struct web_write *write) SK_MUST_USE;

/* Marks what is milder than a less specific entry. */
int web_drop_covered(struct web_builder *builder, struct web_write *write) SK_MUST_USE;

/* Merged prefixes in order; value: index of web_values. The caller frees with mem_free. */
int web_merge_prefixes(struct web_builder *builder, struct web_write *write,
        struct prefix_entry **ret_prefixes, size_t *ret_count) SK_MUST_USE;

#endif
