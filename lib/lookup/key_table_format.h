#ifndef LIB_LOOKUP_KEY_TABLE_FORMAT_H
#define LIB_LOOKUP_KEY_TABLE_FORMAT_H

#include <stdint.h>

#include "lib/lookup/lookup_format.h"

/* What reader and writer of a key table share: header | records | fan-out. */
#define KEY_TABLE_HEADER_SIZE 64

struct key_table_layout {
	uint64_t fanout_offset; /* from the start of the chunk */
	uint64_t size; /* of the chunk */
};

static inline struct key_table_layout key_table_layout(
        uint32_t count, unsigned stride, unsigned fanout_bits)
{
	uint64_t fanout_offset = lookup_align(KEY_TABLE_HEADER_SIZE + (uint64_t)count * stride);
	uint64_t rows = (UINT64_C(1) << fanout_bits) + 1;
	return (struct key_table_layout){fanout_offset, fanout_offset + 4 * rows};
}

#endif
