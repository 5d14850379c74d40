#include "lib/lookup/text_arena.h"

#include "lib/base/mem.h"

void text_arena_release(struct text_arena *arena)
{
	for (size_t i = 0; i < arena->block_count; i++) {
		mem_unmap_large(arena->blocks[i], TEXT_ARENA_BLOCK_SIZE);
	}
	mem_free(arena->blocks);
	*arena = (struct text_arena){0};
}

static int add_block(struct text_arena *arena)
{
	if (arena->block_count == arena->block_capacity) {
		size_t capacity = arena->block_capacity == 0 ? 16 : 2 * arena->block_capacity;
		unsigned char **blocks = mem_resize(arena->blocks, capacity, sizeof(*blocks));
		if (blocks == NULL) {
			return -1;
		}
		arena->blocks = blocks;
		arena->block_capacity = capacity;
	}
	unsigned char *block = mem_map_large(TEXT_ARENA_BLOCK_SIZE);
	if (block == NULL) {
		return -1;
	}
	arena->blocks[arena->block_count++] = block;
	arena->used = 0;
	return 0;
}

unsigned char *text_arena_add(struct text_arena *arena, size_t size, uint64_t *ret_place)
{
	if (size > TEXT_ARENA_PIECE_MAX) {
		return NULL;
	}
	if (arena->block_count == 0 || size > TEXT_ARENA_BLOCK_SIZE - arena->used) {
		if (add_block(arena) != 0) {
			return NULL;
		}
	}
	size_t offset = arena->used;
	arena->used += size;
	*ret_place = ((uint64_t)(arena->block_count - 1) << TEXT_ARENA_BLOCK_BITS) | offset;
	return arena->blocks[arena->block_count - 1] + offset;
}
