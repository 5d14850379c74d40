#ifndef LIB_LOOKUP_POLICY_DRAFTS_H
#define LIB_LOOKUP_POLICY_DRAFTS_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/data/address.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/policy.h"

/* A policy file that is being built, for policy_builder.c and policy_writer.c only. */

struct key_use {
	struct lookup_key key;
	uint32_t entry; /* number in the order of adding */
};

struct prefix_use {
	struct address_prefix prefix;
	uint32_t entry;
};

/* Sets of targets written lately, by their hash; a length of 0 is an empty slot. */
#define POLICY_TARGET_SETS 1024
struct target_set {
	uint32_t offset, length;
};

struct policy_builder {
	struct siphash_key key;
	unsigned content; /* enum policy_content */
	uint32_t entry_count;
	struct buf entries; /* records as in the file, in the order of adding */
	struct buf texts;
	struct buf targets;
	struct buf keys; /* struct key_use */
	struct buf digests; /* struct key_use */
	struct buf addresses; /* struct prefix_use */
	struct buf hosts; /* struct siphash_value */
	const struct policy *base; /* of an overlay with removals */
	unsigned char *removed; /* bits, by index of the base */
	struct target_set target_sets[POLICY_TARGET_SETS];
};

#endif
