#ifndef LIB_LOOKUP_POLICY_STATE_H
#define LIB_LOOKUP_POLICY_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/lookup/host_filter.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/policy.h"
#include "lib/lookup/prefix_table.h"

/* An open policy file, for policy*.c only. All pointers point into the file. */
struct policy {
	struct lookup_file *file;
	struct siphash_key key;
	uint32_t entry_count;
	unsigned content; /* enum policy_content */
	const unsigned char *entries;
	const unsigned char *texts;
	size_t texts_size;
	const unsigned char *targets;
	size_t targets_size;
	const uint32_t *runs; /* each: count, then that many entry indexes */
	uint32_t run_words;
	const unsigned char *removed; /* bits */
	uint32_t base_entries; /* how many bits */
	const unsigned char *base_checksum;
	struct host_filter hosts;
	struct key_table keys;
	struct key_table digests;
	struct prefix_table addresses;
};

/* Index of the entry (list, id), or UINT32_MAX. */
uint32_t policy_index_of(const struct policy *policy, enum policy_list list, int64_t id);

#endif
