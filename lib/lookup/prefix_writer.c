#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/lookup/prefix_format.h"
#include "lib/lookup/prefix_table.h"

/* One family on its way to the file. */
struct family_writer {
	const struct prefix_entry *entries;
	uint32_t count;
	unsigned address_size;
	unsigned fanout_bits;
	uint32_t *parents;
	unsigned char *starts; /* room for twice `count` boundaries and the first */
	unsigned char *inner;
	uint32_t boundary_count;
};

int prefix_entry_compare(const void *a, const void *b)
{
	const struct address_prefix *left = &((const struct prefix_entry *)a)->prefix;
	const struct address_prefix *right = &((const struct prefix_entry *)b)->prefix;
	if (left->address.family != right->address.family) {
		return left->address.family < right->address.family ? -1 : 1;
	}
	int order = memcmp(left->address.bytes, right->address.bytes, sizeof(left->address.bytes));
	return order != 0 ? order : (int)left->length - (int)right->length;
}

static int keep_boundary(void *context, address_number start, uint32_t inner)
{
	struct family_writer *family = context;
	size_t index = family->boundary_count++;
	address_number_store(
	        family->starts + index * family->address_size, start, family->address_size);
	bytes_put_le32(family->inner + 4 * index, inner);
	return 0;
}

static bool entry_is_sound(const struct prefix_entry *entry, unsigned address_size)
{
	unsigned width = 8 * address_size;
	address_number start = address_number_load(entry->prefix.address.bytes, address_size);
	return entry->prefix.length <= width &&
	       (start & prefix_last(0, entry->prefix.length, width)) == 0;
}

static int flatten_family(struct family_writer *family)
{
	struct flatten flatten;
	flatten_init(&flatten, 8 * family->address_size, keep_boundary, family);
	for (uint32_t i = 0; i < family->count; i++) {
		const struct prefix_entry *entry = &family->entries[i];
		if (!entry_is_sound(entry, family->address_size) ||
		        (i > 0 && prefix_entry_compare(entry - 1, entry) >= 0)) {
			return SK_E_RANGE;
		}
		int status = flatten_add(&flatten, i,
		        address_number_load(entry->prefix.address.bytes, family->address_size),
		        entry->prefix.length, &family->parents[i]);
		if (status != 0) {
			return status;
		}
	}
	int status = flatten_finish(&flatten);
	/* About four boundaries per bucket, never more buckets than 16 bits have. */
	while (family->fanout_bits < PREFIX_TABLE_FANOUT_BITS_MAX &&
	        family->boundary_count >> (family->fanout_bits + 1) >= 4) {
		family->fanout_bits++;
	}
	return status;
}

static int family_init(struct family_writer *family, const struct prefix_entry *entries,
        size_t count, unsigned address_size)
{
	*family = (struct family_writer){.entries = entries, .address_size = address_size};
	if (count > PREFIX_TABLE_COUNT_MAX) {
		return SK_E_LIMIT;
	}
	family->count = (uint32_t)count;
	family->parents = mem_new(count, sizeof(*family->parents));
	family->starts = mem_new(2 * count + 1, address_size);
	family->inner = mem_new(2 * count + 1, 4);
	if (family->parents == NULL || family->starts == NULL || family->inner == NULL) {
		return -ENOMEM;
	}
	return flatten_family(family);
}

static void family_release(struct family_writer *family)
{
	mem_free(family->parents);
	mem_free(family->starts);
	mem_free(family->inner);
}

/* Zeros from `*at` to `offset`, both counted from the start of the chunk. */
static int pad_to(struct lookup_writer *writer, uint64_t *at, uint64_t offset)
{
	static const unsigned char zeros[LOOKUP_ALIGN];
	uint64_t missing = offset - *at;
	*at = offset;
	return lookup_writer_add(writer, zeros, (size_t)missing);
}

static int write_prefixes(const struct family_writer *family, struct lookup_writer *writer)
{
	unsigned size = family->address_size;
	int status = 0;
	for (uint32_t i = 0; i < family->count && status == 0; i++) {
		unsigned char record[16 + 12] = {0};
		memcpy(record, family->entries[i].prefix.address.bytes, size);
		record[size] = family->entries[i].prefix.length;
		bytes_put_le32(record + size + 4, family->entries[i].value);
		bytes_put_le32(record + size + 8, family->parents[i]);
		status = lookup_writer_add(writer, record, prefix_record_size(size));
	}
	return status;
}

static int write_fanout(const struct family_writer *family, struct lookup_writer *writer)
{
	uint32_t buckets = 1u << family->fanout_bits;
	uint32_t boundary = 0;
	int status = 0;
	for (uint32_t bucket = 0; bucket <= buckets && status == 0; bucket++) {
		while (boundary < family->boundary_count &&
		        address_bucket(
		                address_number_load(
		                        family->starts + (size_t)boundary * family->address_size,
		                        family->address_size),
		                family->address_size, family->fanout_bits) < bucket) {
			boundary++;
		}
		unsigned char row[4];
		bytes_put_le32(row, boundary);
		status = lookup_writer_add(writer, row, sizeof(row));
	}
	return status;
}

static int write_family(
        const struct family_writer *family, struct lookup_writer *writer, uint64_t *at)
{
	size_t boundaries = family->boundary_count;
	struct prefix_layout layout = prefix_layout(*at, family->count, family->boundary_count,
	        family->fanout_bits, family->address_size);
	int status = pad_to(writer, at, layout.prefixes);
	if (status == 0) {
		status = write_prefixes(family, writer);
	}
	*at += (uint64_t)family->count * prefix_record_size(family->address_size);
	if (status == 0) {
		status = pad_to(writer, at, layout.fanout);
	}
	if (status == 0) {
		status = write_fanout(family, writer);
	}
	*at += 4 * ((UINT64_C(1) << family->fanout_bits) + 1);
	if (status == 0) {
		status = pad_to(writer, at, layout.starts);
	}
	if (status == 0) {
		status = lookup_writer_add(
		        writer, family->starts, boundaries * family->address_size);
	}
	*at += boundaries * family->address_size;
	if (status == 0) {
		status = pad_to(writer, at, layout.inner);
	}
	if (status == 0) {
		status = lookup_writer_add(writer, family->inner, boundaries * 4);
	}
	*at = layout.end;
	return status;
}

static void put_header(unsigned char *header, const struct family_writer *family)
{
	bytes_put_le32(header, family->count);
	bytes_put_le32(header + 4, family->boundary_count);
	bytes_put_le32(header + 8, family->fanout_bits);
}

int prefix_table_write(struct lookup_writer *writer, const char id[4],
        const struct prefix_entry *entries, size_t count)
{
	struct family_writer v4, v6 = {0};
	unsigned char header[PREFIX_HEADER_SIZE] = {0};
	uint64_t at = PREFIX_HEADER_SIZE;
	size_t v4_count = 0;
	while (v4_count < count && entries[v4_count].prefix.address.family == ADDRESS_V4) {
		v4_count++;
	}
	for (size_t i = v4_count; i < count; i++) {
		if (entries[i].prefix.address.family != ADDRESS_V6) {
			return SK_E_RANGE;
		}
	}
	int status = family_init(&v4, entries, v4_count, 4);
	if (status == 0) {
		status = family_init(
		        &v6, v4_count < count ? entries + v4_count : entries, count - v4_count, 16);
	}
	if (status == 0) {
		status = lookup_writer_start_chunk(writer, id);
	}
	if (status == 0) {
		put_header(header, &v4);
		put_header(header + 12, &v6);
		status = lookup_writer_add(writer, header, sizeof(header));
	}
	if (status == 0) {
		status = write_family(&v4, writer, &at);
	}
	if (status == 0) {
		status = write_family(&v6, writer, &at);
	}
	family_release(&v4);
	family_release(&v6);
	return status;
}
