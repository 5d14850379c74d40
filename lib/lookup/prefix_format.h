#ifndef LIB_LOOKUP_PREFIX_FORMAT_H
#define LIB_LOOKUP_PREFIX_FORMAT_H

#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/lookup/lookup_format.h"
#include "lib/lookup/prefix_flatten.h"

/* What reader and writer of a prefix table share: header | IPv4 | IPv6, and of each family
 * prefixes | fan-out | starts of the boundaries | their prefixes, each at a multiple of 64. */
#define PREFIX_HEADER_SIZE 64

struct prefix_layout {
	uint64_t prefixes, fanout, starts, inner; /* offsets in the chunk */
	uint64_t end;
};

/* Record of a prefix: address, length, three zero bytes, value, parent. */
static inline unsigned prefix_record_size(unsigned address_size)
{
	return address_size + 12;
}

static inline struct prefix_layout prefix_layout(uint64_t from, uint32_t count,
        uint32_t boundary_count, unsigned fanout_bits, unsigned address_size)
{
	struct prefix_layout layout;
	layout.prefixes = lookup_align(from);
	layout.fanout =
	        lookup_align(layout.prefixes + (uint64_t)count * prefix_record_size(address_size));
	layout.starts = lookup_align(layout.fanout + 4 * ((UINT64_C(1) << fanout_bits) + 1));
	layout.inner = lookup_align(layout.starts + (uint64_t)boundary_count * address_size);
	layout.end = layout.inner + (uint64_t)boundary_count * 4;
	return layout;
}

static inline address_number address_number_load(const unsigned char *bytes, unsigned address_size)
{
	if (address_size == 4) {
		return bytes_get_be32(bytes);
	}
	return ((address_number)bytes_get_be64(bytes) << 64) | bytes_get_be64(bytes + 8);
}

static inline void address_number_store(
        unsigned char *bytes, address_number number, unsigned address_size)
{
	if (address_size == 4) {
		bytes_put_be32(bytes, (uint32_t)number);
		return;
	}
	bytes_put_be64(bytes, (uint64_t)(number >> 64));
	bytes_put_be64(bytes + 8, (uint64_t)number);
}

/* The leading `fanout_bits` (0–16) of an address. */
static inline uint32_t address_bucket(
        address_number number, unsigned address_size, unsigned fanout_bits)
{
	return (uint32_t)(number >> (8 * address_size - 16)) >> (16 - fanout_bits);
}

#endif
