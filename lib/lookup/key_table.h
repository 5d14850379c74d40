#ifndef LIB_LOOKUP_KEY_TABLE_H
#define LIB_LOOKUP_KEY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/lookup_key.h"

/*
 * A table from keys to small numbers, in one chunk of a lookup file: records of fixed width in the
 * order of their keys, and a fan-out index over the leading bits of the key that tells where the
 * records with these bits begin. Whole leading bytes that the fan-out implies are not stored.
 * Layout: docs/pattern-format.md. The table borrows the chunk; reading is free of allocation and
 * locks, any thread.
 */
#define KEY_TABLE_NONE UINT32_MAX
#define KEY_TABLE_COUNT_MAX (UINT32_MAX - 1)
#define KEY_TABLE_FANOUT_BITS_MAX 28
#define KEY_TABLE_KEY_SIZE_MIN 4
#define KEY_TABLE_KEY_SIZE_MAX 16

/* Bytes of a key that are kept: 72 bits of a keyed hash, all of a digest's first 128 bits. */
#define KEY_TABLE_EXPRESSION_SIZE 9
#define KEY_TABLE_DIGEST_SIZE 16

struct key_table {
	const unsigned char *records;
	const unsigned char *fanout; /* 2^fanout_bits + 1 record numbers */
	uint64_t first_mask, second_mask; /* bytes of a record that are key: first eight, rest */
	uint32_t value_mask;
	uint32_t count;
	uint8_t fanout_bits;
	uint8_t key_size; /* bytes of the key that are kept in all */
	uint8_t implied; /* of these, leading bytes that are not stored */
	uint8_t stored; /* key_size − implied */
	uint8_t value_size;
	uint8_t stride; /* stored + value_size */
};

/*
 * Opens the chunk `id` of `file` and verifies it completely: sizes, order of the fan-out, strict
 * order of the records and that each stands in its bucket, every value < `value_limit`.
 * SK_E_CORRUPT with the reason.
 */
int key_table_open(struct key_table *table, const struct lookup_file *file, const char id[4],
        uint32_t value_limit, struct error *error) SK_MUST_USE;

/* Which bucket of the fan-out a key belongs to. */
static inline size_t key_table_bucket(const struct key_table *table, struct lookup_key key)
{
	return (size_t)((key.high >> 1) >> (63 - table->fanout_bits));
}

/* Starts the memory access for the fan-out; the first of the two that a look-up waits for. */
LOOKUP_PREFETCHER void key_table_prefetch(const struct key_table *table, struct lookup_key key)
{
	SK_PREFETCH(table->fanout + 4 * key_table_bucket(table, key));
}

/* Starts the second one, for the records; to be called when the first has had time to arrive. */
void key_table_prefetch_slot(const struct key_table *table, struct lookup_key key);

/* The value of `key`, or KEY_TABLE_NONE. */
uint32_t key_table_find(const struct key_table *table, struct lookup_key key) SK_HOT;

/* Going through all records in order: key (bits that the table keeps, the rest zero) and value.
 * Start with {0}; false at the end. */
struct key_table_walk {
	uint32_t index;
	uint32_t bucket;
};
bool key_table_next(const struct key_table *table, struct key_table_walk *walk,
        struct lookup_key *ret_key, uint32_t *ret_value);

/*
 * Writing. The keys come in ascending order, `count` of them, no two equal in their first
 * `key_size` bytes (else SK_E_RANGE); values ≤ `value_max`. Errors are those of lookup_writer_add,
 * -ENOMEM, SK_E_LIMIT. The fan-out is kept in memory until the end: half a byte per record at most.
 */
struct key_table_writer {
	struct lookup_writer *writer;
	uint32_t *fanout;
	struct lookup_key last;
	uint32_t count, added;
	uint32_t value_max;
	size_t next_bucket; /* buckets before it have their start in `fanout` */
	uint8_t fanout_bits, key_size, implied, value_size;
};

int key_table_writer_start(struct key_table_writer *table, struct lookup_writer *writer,
        const char id[4], uint64_t count, unsigned key_size, uint32_t value_max) SK_MUST_USE;
int key_table_writer_add(
        struct key_table_writer *table, struct lookup_key key, uint32_t value) SK_MUST_USE;
/* Writes the fan-out and frees what the writer holds, in every case. */
int key_table_writer_finish(struct key_table_writer *table) SK_MUST_USE;
void key_table_writer_release(struct key_table_writer *table); /* gives up */

/* The same from an array. */
struct key_table_entry {
	struct lookup_key key;
	uint32_t value;
};
int key_table_write(struct lookup_writer *writer, const char id[4],
        const struct key_table_entry *entries, size_t count, unsigned key_size) SK_MUST_USE;

/* <0, 0, >0 */
static inline int lookup_key_compare(struct lookup_key a, struct lookup_key b)
{
	if (a.high != b.high) {
		return a.high < b.high ? -1 : 1;
	}
	return (a.low > b.low) - (a.low < b.low);
}

/* `key` with all but its first `size` bytes (1–16) zero. */
static inline struct lookup_key lookup_key_cut(struct lookup_key key, unsigned size)
{
	if (size <= 8) {
		return (struct lookup_key){key.high & (UINT64_MAX << (8 * (8 - size))), 0};
	}
	return (struct lookup_key){key.high, key.low & (UINT64_MAX << (8 * (16 - size)))};
}

#endif
