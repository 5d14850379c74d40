#include "lib/lookup/key_table.h"

#include <inttypes.h>
#include <string.h>

#include "lib/lookup/key_table_format.h"

/* Above this, a bucket is halved until it is that small: only keys that somebody chose (digests in
 * a feed) can crowd into one bucket. */
#define LINEAR_MAX 48

static inline uint64_t low_bytes_mask(unsigned bytes)
{
	return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1;
}

static inline uint32_t bucket_start(const struct key_table *table, size_t bucket)
{
	return bytes_get_le32(table->fanout + 4 * bucket);
}

/* The bytes of the key that are stored, as two words in the order of bytes: what a record starts
 * with, loaded big-endian. */
static inline struct lookup_key stored_part(const struct key_table *table, struct lookup_key key)
{
	unsigned shift = 8u * table->implied;
	if (shift == 0) {
		return key;
	}
	return (struct lookup_key){
	        (key.high << shift) | (key.low >> (64 - shift)), key.low << shift};
}

/* The same of a record, with what is not key cleared. */
static inline struct lookup_key record_part(
        const struct key_table *table, const unsigned char *record)
{
	struct lookup_key part = {bytes_get_be64(record) & BYTES_BE64(table->first_mask), 0};
	if (table->second_mask != 0) {
		part.low = bytes_get_be64(record + 8) & BYTES_BE64(table->second_mask);
	}
	return part;
}

static void set_masks(struct key_table *table)
{
	/* The masks are for words as they are loaded on this machine; low bytes come first in
	 * memory on a little-endian one. */
	uint64_t first = low_bytes_mask(table->stored);
	uint64_t second = table->stored > 8 ? low_bytes_mask(table->stored - 8u) : 0;
	table->first_mask = BYTES_LE64(first);
	table->second_mask = BYTES_LE64(second);
	table->value_mask = (uint32_t)low_bytes_mask(table->value_size);
}

/* Header and sizes of a chunk. */
static int read_header(struct key_table *table, const unsigned char *chunk, size_t size)
{
	if (size < KEY_TABLE_HEADER_SIZE) {
		return SK_E_CORRUPT;
	}
	*table = (struct key_table){
	        .count = bytes_get_le32(chunk),
	        .fanout_bits = chunk[4],
	        .key_size = chunk[5],
	        .value_size = chunk[6],
	};
	for (size_t i = 7; i < KEY_TABLE_HEADER_SIZE; i++) {
		if (chunk[i] != 0) {
			return SK_E_CORRUPT;
		}
	}
	if (table->count > KEY_TABLE_COUNT_MAX || table->fanout_bits > KEY_TABLE_FANOUT_BITS_MAX ||
	        table->key_size < KEY_TABLE_KEY_SIZE_MIN ||
	        table->key_size > KEY_TABLE_KEY_SIZE_MAX || table->value_size < 1 ||
	        table->value_size > 4) {
		return SK_E_CORRUPT;
	}
	table->implied = table->fanout_bits / 8;
	table->stored = table->key_size - table->implied;
	table->stride = table->stored + table->value_size;
	struct key_table_layout layout =
	        key_table_layout(table->count, table->stride, table->fanout_bits);
	if (layout.size != size) {
		return SK_E_CORRUPT;
	}
	table->records = chunk + KEY_TABLE_HEADER_SIZE;
	table->fanout = chunk + layout.fanout_offset;
	set_masks(table);
	return 0;
}

/* Records [start, end) of one bucket: in strict order, all with the bucket's bits. Only the first
 * and the last are compared with the bits: what is between two equal ones is equal. */
static bool bucket_is_sound(const struct key_table *table, size_t bucket, uint32_t start,
        uint32_t end, uint32_t *value_max)
{
	const unsigned char *record = table->records + (size_t)start * table->stride;
	struct lookup_key first = record_part(table, record);
	struct lookup_key last = first;
	uint32_t highest = *value_max;
	uint32_t value = bytes_get_le32(record + table->stored) & table->value_mask;
	highest = value > highest ? value : highest;
	for (uint32_t i = start + 1; i < end; i++) {
		record += table->stride;
		struct lookup_key part = record_part(table, record);
		if (part.high < last.high || (part.high == last.high && part.low <= last.low)) {
			return false;
		}
		last = part;
		value = bytes_get_le32(record + table->stored) & table->value_mask;
		highest = value > highest ? value : highest;
	}
	*value_max = highest;
	unsigned loose = table->fanout_bits % 8u;
	uint64_t bits = bucket & ((1u << loose) - 1);
	return (first.high >> 1) >> (63 - loose) == bits &&
	       (last.high >> 1) >> (63 - loose) == bits;
}

static int verify(const struct key_table *table, uint32_t value_limit, struct error *error)
{
	size_t buckets = (size_t)1 << table->fanout_bits;
	uint32_t start = bucket_start(table, 0);
	uint32_t value_max = 0;
	if (start != 0 || bucket_start(table, buckets) != table->count) {
		return error_set(error, SK_E_CORRUPT, "its fan-out does not span the records");
	}
	for (size_t bucket = 0; bucket < buckets; bucket++) {
		uint32_t end = bucket_start(table, bucket + 1);
		if (end < start || end > table->count) {
			return error_set(error, SK_E_CORRUPT, "its fan-out is not in order");
		}
		if (end > start && !bucket_is_sound(table, bucket, start, end, &value_max)) {
			return error_set(error, SK_E_CORRUPT,
			        "records %" PRIu32 " to %" PRIu32 " are not in order", start, end);
		}
		start = end;
	}
	if (table->count > 0 && value_max >= value_limit) {
		return error_set(error, SK_E_CORRUPT,
		        "a record has the value %" PRIu32 " of %" PRIu32, value_max, value_limit);
	}
	return 0;
}

int key_table_open(struct key_table *table, const struct lookup_file *file, const char id[4],
        uint32_t value_limit, struct error *error)
{
	struct key_table opened;
	size_t size;
	const unsigned char *chunk = lookup_file_chunk(file, id, &size);
	if (chunk == NULL) {
		return error_set(error, SK_E_CORRUPT, "the chunk %.4s is missing", id);
	}
	if (read_header(&opened, chunk, size) != 0) {
		return error_set(
		        error, SK_E_CORRUPT, "the header of the key table %.4s is wrong", id);
	}
	if (verify(&opened, value_limit, error) != 0) {
		return error_prefix(error, "key table %.4s", id);
	}
	*table = opened;
	return 0;
}

/* Where in a bucket of `count` records the key is likely to be: keys are spread evenly, so the bits
 * behind those of the fan-out say how far down. Right within one or two records as a rule. */
static inline uint32_t likely_place(
        const struct key_table *table, struct lookup_key key, uint32_t count)
{
	uint64_t behind = (key.high << table->fanout_bits) >> 32;
	return (uint32_t)((behind * count) >> 32);
}

void key_table_prefetch_slot(const struct key_table *table, struct lookup_key key)
{
	size_t bucket = key_table_bucket(table, key);
	uint32_t start = bucket_start(table, bucket);
	uint32_t count = bucket_start(table, bucket + 1) - start;
	const unsigned char *record =
	        table->records + ((size_t)start + likely_place(table, key, count)) * table->stride;
	SK_PREFETCH(record - table->stride);
	SK_PREFETCH(record + 2 * table->stride);
}

/* Narrows a crowded bucket to where `part` is if it is there at all. */
static void narrow(
        const struct key_table *table, struct lookup_key part, uint32_t *start, uint32_t *end)
{
	while (*end - *start > LINEAR_MAX) {
		uint32_t middle = *start + (*end - *start) / 2;
		const unsigned char *record = table->records + (size_t)middle * table->stride;
		if (lookup_key_compare(part, record_part(table, record)) < 0) {
			*end = middle;
		} else {
			*start = middle;
		}
	}
}

static inline uint32_t record_value(const struct key_table *table, const unsigned char *record)
{
	return bytes_get_le32(record + table->stored) & table->value_mask;
}

/* The slow and safe way: one record after the other. */
static uint32_t find_among(
        const struct key_table *table, struct lookup_key part, uint32_t start, uint32_t end)
{
	narrow(table, part, &start, &end);
	for (; start < end; start++) {
		const unsigned char *record = table->records + (size_t)start * table->stride;
		if (lookup_key_compare(part, record_part(table, record)) == 0) {
			return record_value(table, record);
		}
	}
	return KEY_TABLE_NONE;
}

uint32_t key_table_find(const struct key_table *table, struct lookup_key key)
{
	size_t bucket = key_table_bucket(table, key);
	uint32_t start = bucket_start(table, bucket);
	uint32_t end = bucket_start(table, bucket + 1);
	uint64_t mask = BYTES_BE64(table->first_mask);
	struct lookup_key part = stored_part(table, key);
	part.high &= mask;
	part.low &= BYTES_BE64(table->second_mask);
	uint32_t count = end - start;
	if (SK_UNLIKELY(count - 1 >= LINEAR_MAX)) {
		return count == 0 ? KEY_TABLE_NONE : find_among(table, part, start, end);
	}
	const unsigned char *first = table->records + (size_t)start * table->stride;
	const unsigned char *last = first + (size_t)(count - 1) * table->stride;
	const unsigned char *record =
	        first + (size_t)likely_place(table, key, count) * table->stride;
	uint64_t word = bytes_get_be64(record) & mask;
	while (word < part.high && record != last) {
		record += table->stride;
		word = bytes_get_be64(record) & mask;
	}
	while (word > part.high && record != first) {
		record -= table->stride;
		word = bytes_get_be64(record) & mask;
	}
	if (word != part.high) {
		return KEY_TABLE_NONE;
	}
	if (table->second_mask != 0 &&
	        (bytes_get_be64(record + 8) & BYTES_BE64(table->second_mask)) != part.low) {
		/* Others may have the same first eight bytes. */
		return find_among(table, part, start, end);
	}
	return record_value(table, record);
}

/* A record's whole key: the stored bytes behind those that its bucket implies. */
static struct lookup_key whole_key(
        const struct key_table *table, const unsigned char *record, size_t bucket)
{
	struct lookup_key part = record_part(table, record);
	unsigned shift = 8u * table->implied;
	if (shift == 0) {
		return part;
	}
	uint64_t implied = (uint64_t)(bucket >> (table->fanout_bits % 8u));
	return (struct lookup_key){(implied << (64 - shift)) | (part.high >> shift),
	        (part.high << (64 - shift)) | (part.low >> shift)};
}

bool key_table_next(const struct key_table *table, struct key_table_walk *walk,
        struct lookup_key *ret_key, uint32_t *ret_value)
{
	if (walk->index >= table->count) {
		return false;
	}
	while (bucket_start(table, (size_t)walk->bucket + 1) <= walk->index) {
		walk->bucket++;
	}
	const unsigned char *record = table->records + (size_t)walk->index * table->stride;
	*ret_key = whole_key(table, record, walk->bucket);
	*ret_value = bytes_get_le32(record + table->stored) & table->value_mask;
	walk->index++;
	return true;
}
