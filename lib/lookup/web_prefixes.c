#include <errno.h>

#include "lib/base/mem.h"
#include "lib/lookup/web_entries.h"

/* The prefixes around the one that is looked at, of those that are written. */
struct outer_prefixes {
	struct {
		const struct address_prefix *prefix;
		uint8_t score;
	} open[130];
	unsigned depth;
};

static void report_conflict(const struct address_prefix *prefix, const struct web_mixture *mixture,
        struct web_write *write)
{
	char text[ADDRESS_PREFIX_TEXT_SIZE];
	write->counts.conflicts++;
	if (write->conflict != NULL) {
		address_prefix_format(prefix, text);
		write->conflict(write->context, BUILD_CONFLICT_ADDRESS, text, mixture->bad.origins,
		        mixture->good.origins);
	}
}

/* Whether the next prefix around `prefix` is worse: it is what would answer in its place. Those
 * that do not reach so far are closed. */
static bool is_covered(struct outer_prefixes *outer, const struct address_prefix *prefix,
        const struct web_value *value)
{
	while (outer->depth > 0 &&
	        !address_in_prefix(&prefix->address, outer->open[outer->depth - 1].prefix)) {
		outer->depth--;
	}
	return outer->depth > 0 && outer->open[outer->depth - 1].score < value->score &&
	       !web_value_is_good(value);
}

static void open_prefix(
        struct outer_prefixes *outer, const struct address_prefix *prefix, uint8_t score)
{
	outer->open[outer->depth].prefix = prefix;
	outer->open[outer->depth].score = score;
	outer->depth++;
}

static int merge_into(struct web_builder *builder, struct web_write *write,
        struct prefix_entry *merged, size_t *ret_count)
{
	const struct prefix_entry *entries = builder->prefixes;
	struct outer_prefixes outer = {.depth = 0};
	size_t count = 0;
	size_t end;
	for (size_t start = 0; start < builder->prefix_count; start = end) {
		struct web_mixture mixture = {0};
		for (end = start; end < builder->prefix_count &&
		                  prefix_entry_compare(&entries[start], &entries[end]) == 0;
		        end++) {
			web_mixture_add(&mixture, &builder->values.items[entries[end].value]);
		}
		write->counts.merged += end - start - 1;
		if (mixture.has_bad && mixture.has_good) {
			report_conflict(&entries[start].prefix, &mixture, write);
		}
		const struct web_value *value = web_mixture_result(&mixture);
		if (is_covered(&outer, &entries[start].prefix, value)) {
			write->counts.dropped++;
			continue;
		}
		open_prefix(&outer, &entries[start].prefix, value->score);
		merged[count].prefix = entries[start].prefix;
		int status = web_values_intern(&builder->values, value, &merged[count].value);
		if (status != 0) {
			return status;
		}
		count++;
	}
	*ret_count = count;
	return 0;
}

int web_merge_prefixes(struct web_builder *builder, struct web_write *write,
        struct prefix_entry **ret_prefixes, size_t *ret_count)
{
	if (builder->prefix_count > 0) {
		qsort(builder->prefixes, builder->prefix_count, sizeof(*builder->prefixes),
		        prefix_entry_compare);
	}
	struct prefix_entry *merged = mem_new(builder->prefix_count, sizeof(*merged));
	if (merged == NULL) {
		return -ENOMEM;
	}
	int status = merge_into(builder, write, merged, ret_count);
	if (status != 0) {
		mem_free(merged);
		return status;
	}
	*ret_prefixes = merged;
	return 0;
}
