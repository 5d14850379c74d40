#ifndef LIB_LOOKUP_PREFIX_TABLE_H
#define LIB_LOOKUP_PREFIX_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/data/address.h"
#include "lib/lookup/lookup_file.h"

/*
 * Address prefixes of both families with a small number each, in one chunk of a lookup file. The
 * nested prefixes are flattened: for each address where the innermost prefix changes there is a
 * boundary, so that a search among the boundaries finds the innermost prefix, whose record names
 * the one around it. Layout: docs/pattern-format.md. Reading: any thread, no allocation.
 */
#define PREFIX_TABLE_NONE UINT32_MAX
#define PREFIX_TABLE_FANOUT_BITS_MAX 16
#define PREFIX_TABLE_COUNT_MAX (1u << 30) /* of one family */

struct prefix_family {
	const unsigned char *prefixes;
	const unsigned char *fanout;
	const unsigned char *starts; /* of the boundaries */
	const unsigned char *inner; /* innermost prefix from there on, or PREFIX_TABLE_NONE */
	uint32_t count;
	uint32_t boundary_count; /* 0 only when count is 0 */
	uint8_t fanout_bits;
	uint8_t address_size; /* 4 or 16 */
};

struct prefix_table {
	struct prefix_family v4, v6;
};

/* Opens the chunk `id` and verifies it completely: order and form of the prefixes, their parents,
 * that the boundaries are exactly those of the prefixes, every value < `value_limit`. */
int prefix_table_open(struct prefix_table *table, const struct lookup_file *file, const char id[4],
        uint32_t value_limit, struct error *error) SK_MUST_USE;

/* Index of the longest prefix that holds `address`, or PREFIX_TABLE_NONE. */
uint32_t prefix_table_find(const struct prefix_table *table, const struct address *address) SK_HOT;

/* Index of the next shorter prefix around prefix `index`, or PREFIX_TABLE_NONE. */
uint32_t prefix_table_parent(const struct prefix_table *table, uint32_t index);

/* Prefix number `index` (IPv4 first, ascending, outer before inner) and its value. `ret_prefix` may
 * be NULL. */
uint32_t prefix_table_at(
        const struct prefix_table *table, uint32_t index, struct address_prefix *ret_prefix);

static inline uint32_t prefix_table_count(const struct prefix_table *table)
{
	return table->v4.count + table->v6.count;
}

/* Writing: entries in the order of prefix_entry_compare, none twice (else SK_E_RANGE). */
struct prefix_entry {
	struct address_prefix prefix;
	uint32_t value;
};
/* IPv4 before IPv6, then by address, then shorter (outer) first; for qsort. */
int prefix_entry_compare(const void *a, const void *b);
int prefix_table_write(struct lookup_writer *writer, const char id[4],
        const struct prefix_entry *entries, size_t count) SK_MUST_USE;

#endif
