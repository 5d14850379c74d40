#ifndef LIB_LOOKUP_TEXT_ARENA_H
#define LIB_LOOKUP_TEXT_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/*
 * Many short pieces of bytes behind each other, in blocks that never move; a place is a number.
 * Freed as a whole. Inside lib/lookup only; not for two threads.
 */
#define TEXT_ARENA_BLOCK_BITS 23
#define TEXT_ARENA_BLOCK_SIZE ((size_t)1 << TEXT_ARENA_BLOCK_BITS)
#define TEXT_ARENA_PIECE_MAX ((size_t)1 << 20)

struct text_arena {
	unsigned char **blocks;
	size_t block_count, block_capacity;
	size_t used; /* of the last block */
};

void text_arena_release(struct text_arena *arena);

/* Room for `size` bytes (at most TEXT_ARENA_PIECE_MAX): where to write them, and their place.
 * NULL when there is no memory. */
unsigned char *text_arena_add(struct text_arena *arena, size_t size, uint64_t *ret_place);

static inline const unsigned char *text_arena_at(const struct text_arena *arena, uint64_t place)
{
	return arena->blocks[place >> TEXT_ARENA_BLOCK_BITS] +
	       (place & (TEXT_ARENA_BLOCK_SIZE - 1));
}

#endif
