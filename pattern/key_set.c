#include "pattern/key_set.h"

#include <errno.h>

#include "lib/base/mem.h"

#define KEY_SET_FIRST 1024

void key_set_release(struct key_set *set)
{
	mem_free(set->slots);
	*set = (struct key_set){0};
}

/* The slot of a key, or the free one where it would go. */
static struct key_set_slot *key_set_slot(const struct key_set *set, struct siphash_value key)
{
	size_t at = (size_t)key.low & (set->size - 1);
	while (set->slots[at].number != 0 &&
	        (set->slots[at].key.low != key.low || set->slots[at].key.high != key.high)) {
		at = (at + 1) & (set->size - 1);
	}
	return &set->slots[at];
}

static int key_set_grow(struct key_set *set)
{
	struct key_set larger = {.size = set->size > 0 ? set->size * 2 : KEY_SET_FIRST};
	larger.slots = mem_new(larger.size, sizeof(*larger.slots));
	if (larger.slots == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < set->size; i++) {
		if (set->slots[i].number != 0) {
			*key_set_slot(&larger, set->slots[i].key) = set->slots[i];
		}
	}
	larger.count = set->count;
	key_set_release(set);
	*set = larger;
	return 0;
}

int key_set_add(struct key_set *set, struct siphash_value key, uint32_t number)
{
	/* At most half full: short probes. */
	if (set->count * 2 >= set->size) {
		int status = key_set_grow(set);
		if (status != 0) {
			return status;
		}
	}
	struct key_set_slot *slot = key_set_slot(set, key);
	if (slot->number == 0) {
		slot->key = key;
		slot->number = number + 1;
		set->count++;
	}
	return 0;
}

bool key_set_find(const struct key_set *set, struct siphash_value key, uint32_t *ret_number)
{
	if (set->count == 0) {
		return false;
	}
	const struct key_set_slot *slot = key_set_slot(set, key);
	if (slot->number == 0) {
		return false;
	}
	if (ret_number != NULL) {
		*ret_number = slot->number - 1;
	}
	return true;
}
