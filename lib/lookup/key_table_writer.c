#include <errno.h>

#include "lib/base/mem.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/key_table_format.h"

/* 8 to 16 records per bucket: at most half a byte of fan-out for each. */
static unsigned fanout_bits_for(uint64_t count)
{
	unsigned bits = 0;
	while (bits < KEY_TABLE_FANOUT_BITS_MAX && (count >> (bits + 1)) >= 8) {
		bits++;
	}
	return bits;
}

static unsigned value_size_for(uint32_t value_max)
{
	unsigned size = 1;
	while (size < 4 && value_max >> (8 * size) != 0) {
		size++;
	}
	return size;
}

int key_table_writer_start(struct key_table_writer *table, struct lookup_writer *writer,
        const char id[4], uint64_t count, unsigned key_size, uint32_t value_max)
{
	if (count > KEY_TABLE_COUNT_MAX || key_size < KEY_TABLE_KEY_SIZE_MIN ||
	        key_size > KEY_TABLE_KEY_SIZE_MAX) {
		return SK_E_LIMIT;
	}
	*table = (struct key_table_writer){
	        .writer = writer,
	        .count = (uint32_t)count,
	        .value_max = value_max,
	        .fanout_bits = (uint8_t)fanout_bits_for(count),
	        .key_size = (uint8_t)key_size,
	        .value_size = (uint8_t)value_size_for(value_max),
	};
	table->implied = table->fanout_bits / 8;
	unsigned char header[KEY_TABLE_HEADER_SIZE] = {0};
	bytes_put_le32(header, table->count);
	header[4] = table->fanout_bits;
	header[5] = table->key_size;
	header[6] = table->value_size;
	int status = lookup_writer_start_chunk(writer, id);
	if (status == 0) {
		status = lookup_writer_add(writer, header, sizeof(header));
	}
	if (status != 0) {
		return status;
	}
	table->fanout = mem_new(((size_t)1 << table->fanout_bits) + 1, sizeof(*table->fanout));
	return table->fanout != NULL ? 0 : -ENOMEM;
}

/* Buckets up to and with `bucket` that have no start yet begin with the next record. */
static void start_buckets(struct key_table_writer *table, size_t bucket)
{
	while (table->next_bucket <= bucket) {
		bytes_put_le32(&table->fanout[table->next_bucket++], table->added);
	}
}

int key_table_writer_add(struct key_table_writer *table, struct lookup_key key, uint32_t value)
{
	key = lookup_key_cut(key, table->key_size);
	if (table->added == table->count || value > table->value_max ||
	        (table->added > 0 && lookup_key_compare(table->last, key) >= 0)) {
		return SK_E_RANGE;
	}
	table->last = key;
	start_buckets(table, (size_t)((key.high >> 1) >> (63 - table->fanout_bits)));
	table->added++;

	unsigned char record[KEY_TABLE_KEY_SIZE_MAX + 4];
	unsigned stored = table->key_size - table->implied;
	unsigned char bytes[16];
	bytes_put_be64(bytes, key.high);
	bytes_put_be64(bytes + 8, key.low);
	memcpy(record, bytes + table->implied, stored);
	bytes_put_le32(record + stored, value);
	return lookup_writer_add(table->writer, record, stored + table->value_size);
}

int key_table_writer_finish(struct key_table_writer *table)
{
	static const unsigned char zeros[LOOKUP_ALIGN];
	int status = table->added == table->count ? 0 : SK_E_INTERNAL;
	size_t buckets = (size_t)1 << table->fanout_bits;
	unsigned stride = table->key_size - table->implied + table->value_size;
	uint64_t end = KEY_TABLE_HEADER_SIZE + (uint64_t)table->count * stride;
	start_buckets(table, buckets);
	if (status == 0) {
		status = lookup_writer_add(table->writer, zeros, (size_t)(lookup_align(end) - end));
	}
	if (status == 0) {
		status = lookup_writer_add(
		        table->writer, table->fanout, (buckets + 1) * sizeof(*table->fanout));
	}
	key_table_writer_release(table);
	return status;
}

void key_table_writer_release(struct key_table_writer *table)
{
	mem_free(table->fanout);
	table->fanout = NULL;
}

int key_table_write(struct lookup_writer *writer, const char id[4],
        const struct key_table_entry *entries, size_t count, unsigned key_size)
{
	struct key_table_writer table;
	uint32_t value_max = 0;
	for (size_t i = 0; i < count; i++) {
		value_max = entries[i].value > value_max ? entries[i].value : value_max;
	}
	int status = key_table_writer_start(&table, writer, id, count, key_size, value_max);
	if (status != 0) {
		return status;
	}
	for (size_t i = 0; i < count && status == 0; i++) {
		status = key_table_writer_add(&table, entries[i].key, entries[i].value);
	}
	if (status != 0) {
		key_table_writer_release(&table);
		return status;
	}
	return key_table_writer_finish(&table);
}
