#ifndef PATTERN_KEY_SET_H
#define PATTERN_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/siphash.h"

/* A set of 128-bit hashes, each with a small number. Hashes come from SipHash under a secret key,
 * so that nobody can make them collide. Start with {0}. */
struct key_set_slot {
	struct siphash_value key;
	uint32_t number; /* plus one; 0: free */
};

struct key_set {
	struct key_set_slot *slots;
	size_t count, size; /* size: a power of two, or 0 */
};

void key_set_release(struct key_set *set);

/* Adds a key (what is there already keeps its number). `number` below UINT32_MAX. 0 or -ENOMEM. */
int key_set_add(struct key_set *set, struct siphash_value key, uint32_t number) SK_MUST_USE;

/* Whether it is there, and its number. `ret_number` may be NULL. */
bool key_set_find(const struct key_set *set, struct siphash_value key, uint32_t *ret_number);

#endif
