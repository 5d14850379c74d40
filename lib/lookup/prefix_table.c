#include "lib/lookup/prefix_table.h"

#include <inttypes.h>
#include <string.h>

#include "lib/lookup/prefix_format.h"

static inline uint32_t fanout_at(const struct prefix_family *family, uint32_t bucket)
{
	return bytes_get_le32(family->fanout + 4 * (size_t)bucket);
}

static inline address_number boundary_at(const struct prefix_family *family, uint32_t index)
{
	return address_number_load(
	        family->starts + (size_t)index * family->address_size, family->address_size);
}

static inline uint32_t inner_at(const struct prefix_family *family, uint32_t index)
{
	return bytes_get_le32(family->inner + 4 * (size_t)index);
}

static inline const unsigned char *record_at(const struct prefix_family *family, uint32_t index)
{
	return family->prefixes + (size_t)index * prefix_record_size(family->address_size);
}

/* Compares what flattening the prefixes gives with the boundaries in the file. */
struct boundary_check {
	const struct prefix_family *family;
	uint32_t seen;
};

static int check_boundary(void *context, address_number start, uint32_t inner)
{
	struct boundary_check *check = context;
	const struct prefix_family *family = check->family;
	if (check->seen == family->boundary_count || boundary_at(family, check->seen) != start ||
	        inner_at(family, check->seen) != inner) {
		return SK_E_CORRUPT;
	}
	check->seen++;
	return 0;
}

static int check_prefixes(const struct prefix_family *family, uint32_t value_limit)
{
	struct boundary_check check = {family, 0};
	unsigned width = 8u * family->address_size;
	struct flatten flatten;
	address_number last_start = 0;
	unsigned last_length = 0;
	flatten_init(&flatten, width, check_boundary, &check);
	for (uint32_t i = 0; i < family->count; i++) {
		const unsigned char *record = record_at(family, i);
		const unsigned char *rest = record + family->address_size;
		address_number start = address_number_load(record, family->address_size);
		unsigned length = rest[0];
		if (length > width || rest[1] != 0 || rest[2] != 0 || rest[3] != 0 ||
		        (start & prefix_last(0, length, width)) != 0 ||
		        bytes_get_le32(rest + 4) >= value_limit) {
			return SK_E_CORRUPT;
		}
		if (i > 0 &&
		        (start < last_start || (start == last_start && length <= last_length))) {
			return SK_E_CORRUPT;
		}
		last_start = start;
		last_length = length;
		uint32_t parent;
		int status = flatten_add(&flatten, i, start, length, &parent);
		if (status != 0 || parent != bytes_get_le32(rest + 8)) {
			return SK_E_CORRUPT;
		}
	}
	int status = flatten_finish(&flatten);
	return status != 0 || check.seen != family->boundary_count ? SK_E_CORRUPT : 0;
}

/* Each bucket of the fan-out begins at the first boundary that has its bits or higher ones. */
static int check_fanout(const struct prefix_family *family)
{
	uint32_t buckets = 1u << family->fanout_bits;
	uint32_t boundary = 0;
	for (uint32_t bucket = 0; bucket < buckets; bucket++) {
		while (boundary < family->boundary_count &&
		        address_bucket(boundary_at(family, boundary), family->address_size,
		                family->fanout_bits) < bucket) {
			boundary++;
		}
		if (fanout_at(family, bucket) != boundary) {
			return SK_E_CORRUPT;
		}
	}
	return fanout_at(family, buckets) == family->boundary_count ? 0 : SK_E_CORRUPT;
}

static int read_family(struct prefix_family *family, const unsigned char *chunk, size_t size,
        const unsigned char *header, uint64_t *from)
{
	family->count = bytes_get_le32(header);
	family->boundary_count = bytes_get_le32(header + 4);
	family->fanout_bits = (uint8_t)bytes_get_le32(header + 8);
	if (family->count > PREFIX_TABLE_COUNT_MAX ||
	        bytes_get_le32(header + 8) > PREFIX_TABLE_FANOUT_BITS_MAX) {
		return SK_E_CORRUPT;
	}
	struct prefix_layout layout = prefix_layout(*from, family->count, family->boundary_count,
	        family->fanout_bits, family->address_size);
	if (layout.end > size) {
		return SK_E_CORRUPT;
	}
	family->prefixes = chunk + layout.prefixes;
	family->fanout = chunk + layout.fanout;
	family->starts = chunk + layout.starts;
	family->inner = chunk + layout.inner;
	*from = layout.end;
	return 0;
}

static int read_header(struct prefix_table *table, const unsigned char *chunk, size_t size)
{
	if (size < PREFIX_HEADER_SIZE) {
		return SK_E_CORRUPT;
	}
	for (size_t i = 24; i < PREFIX_HEADER_SIZE; i++) {
		if (chunk[i] != 0) {
			return SK_E_CORRUPT;
		}
	}
	*table = (struct prefix_table){.v4.address_size = 4, .v6.address_size = 16};
	uint64_t end = PREFIX_HEADER_SIZE;
	int status = read_family(&table->v4, chunk, size, chunk, &end);
	if (status == 0) {
		status = read_family(&table->v6, chunk, size, chunk + 12, &end);
	}
	return status == 0 && end != size ? SK_E_CORRUPT : status;
}

int prefix_table_open(struct prefix_table *table, const struct lookup_file *file, const char id[4],
        uint32_t value_limit, struct error *error)
{
	struct prefix_table opened;
	size_t size;
	const unsigned char *chunk = lookup_file_chunk(file, id, &size);
	if (chunk == NULL) {
		return error_set(error, SK_E_CORRUPT, "the chunk %.4s is missing", id);
	}
	if (read_header(&opened, chunk, size) != 0) {
		return error_set(
		        error, SK_E_CORRUPT, "the header of the prefix table %.4s is wrong", id);
	}
	if (check_prefixes(&opened.v4, value_limit) != 0 || check_fanout(&opened.v4) != 0 ||
	        check_prefixes(&opened.v6, value_limit) != 0 || check_fanout(&opened.v6) != 0) {
		return error_set(error, SK_E_CORRUPT,
		        "the prefix table %.4s is not in order or refers to what is not there", id);
	}
	*table = opened;
	return 0;
}

/* The last boundary at or before `number`; there is one, the first stands at address zero. */
static inline uint32_t find_boundary(
        const struct prefix_family *family, address_number number, unsigned address_size)
{
	uint32_t bucket = address_bucket(number, address_size, family->fanout_bits);
	uint32_t low = fanout_at(family, bucket);
	uint32_t high = fanout_at(family, bucket + 1);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (address_number_load(family->starts + (size_t)middle * address_size,
		            address_size) <= number) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low - 1;
}

uint32_t prefix_table_find(const struct prefix_table *table, const struct address *address)
{
	if (address->family == ADDRESS_V4) {
		if (table->v4.count == 0) {
			return PREFIX_TABLE_NONE;
		}
		return inner_at(&table->v4,
		        find_boundary(&table->v4, address_number_load(address->bytes, 4), 4));
	}
	if (address->family != ADDRESS_V6 || table->v6.count == 0) {
		return PREFIX_TABLE_NONE;
	}
	uint32_t inner = inner_at(
	        &table->v6, find_boundary(&table->v6, address_number_load(address->bytes, 16), 16));
	return inner != PREFIX_TABLE_NONE ? table->v4.count + inner : PREFIX_TABLE_NONE;
}

uint32_t prefix_table_parent(const struct prefix_table *table, uint32_t index)
{
	if (index < table->v4.count) {
		return bytes_get_le32(record_at(&table->v4, index) + 4 + 8);
	}
	uint32_t parent = bytes_get_le32(record_at(&table->v6, index - table->v4.count) + 16 + 8);
	return parent != PREFIX_TABLE_NONE ? table->v4.count + parent : PREFIX_TABLE_NONE;
}

uint32_t prefix_table_at(
        const struct prefix_table *table, uint32_t index, struct address_prefix *ret_prefix)
{
	bool v4 = index < table->v4.count;
	const struct prefix_family *family = v4 ? &table->v4 : &table->v6;
	const unsigned char *record = record_at(family, v4 ? index : index - table->v4.count);
	const unsigned char *rest = record + family->address_size;
	if (ret_prefix != NULL) {
		*ret_prefix = (struct address_prefix){
		        .address.family = v4 ? ADDRESS_V4 : ADDRESS_V6,
		        .length = rest[0],
		};
		memcpy(ret_prefix->address.bytes, record, family->address_size);
	}
	return bytes_get_le32(rest + 4);
}
