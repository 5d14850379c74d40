#ifndef LIB_LOOKUP_HOST_FILTER_H
#define LIB_LOOKUP_HOST_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/lookup_key.h"

/*
 * A set of host hashes that may answer "yes" for one in about a hundred that are not in it, and
 * never "no" for one that is: a Bloom filter whose bits for one hash all stand in one block of 64
 * bytes, so that a probe costs one cache line. Layout: docs/pattern-format.md. Reading: any thread.
 */
#define HOST_FILTER_BITS_PER_HOST 10
#define HOST_FILTER_PROBES 6
#define HOST_FILTER_BLOCK_SIZE 64

struct host_filter {
	const unsigned char *blocks;
	uint64_t block_count; /* at least 1 */
	uint64_t host_count; /* what it was built from */
};

/* Opens and verifies the chunk `id`; SK_E_CORRUPT with the reason. */
int host_filter_open(struct host_filter *filter, const struct lookup_file *file, const char id[4],
        struct error *error) SK_MUST_USE;

/* Only the high word of a hash counts here: 64 bits are plenty for a filter. Its block is the word
 * scaled to the number of blocks. */
static inline size_t host_filter_block(uint64_t block_count, uint64_t hash)
{
	return (size_t)(((unsigned __int128)hash * block_count) >> 64);
}

/* From what its bits within the block are taken, nine for each: words of one block share their
 * leading bits, the product's low bits come from all others. */
static inline uint64_t host_filter_bits(uint64_t hash)
{
	return hash * UINT64_C(0x9e3779b97f4a7c15);
}

LOOKUP_PREFETCHER void host_filter_prefetch(
        const struct host_filter *filter, struct siphash_value host)
{
	SK_PREFETCH(filter->blocks +
	            HOST_FILTER_BLOCK_SIZE * host_filter_block(filter->block_count, host.high));
}

static inline bool host_filter_may_have(const struct host_filter *filter, struct siphash_value host)
{
	const unsigned char *block =
	        filter->blocks +
	        HOST_FILTER_BLOCK_SIZE * host_filter_block(filter->block_count, host.high);
	uint64_t bits = host_filter_bits(host.high);
	unsigned all = 1;
	for (unsigned i = 0; i < HOST_FILTER_PROBES; i++) {
		unsigned bit = (unsigned)(bits >> (9 * i)) & 511;
		all &= (unsigned)block[bit / 8] >> (bit % 8);
	}
	return all & 1;
}

/* Building: a filter in memory for `host_count` hashes, filled in any order, then written. */
struct host_filter_builder {
	unsigned char *blocks; /* from mem_map_large */
	uint64_t block_count;
	uint64_t host_count;
};

/* `bits_per_host` HOST_FILTER_BITS_PER_HOST for what is written; more for sharper uses in memory.
 * 0 or -ENOMEM. */
int host_filter_builder_init(struct host_filter_builder *builder, uint64_t host_count,
        unsigned bits_per_host) SK_MUST_USE;
void host_filter_builder_release(struct host_filter_builder *builder);
/* `hash`: the high word of a host's hash. Ascending hashes are fastest. */
void host_filter_builder_add(struct host_filter_builder *builder, uint64_t hash);
/* A filter over what is being built, to ask it in memory. */
struct host_filter host_filter_builder_view(const struct host_filter_builder *builder);
int host_filter_builder_write(const struct host_filter_builder *builder,
        struct lookup_writer *writer, const char id[4]) SK_MUST_USE;

#endif
