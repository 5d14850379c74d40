#include "lib/net/buffer_pool.h"

#include <string.h>

#include "lib/base/mem.h"

static const size_t sizes[BUFFER_CLASSES] = {4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10,
        (1 << 20) + (64 << 10), 4 << 20, BUFFER_SIZE_MAX};

/* How many unused buffers of a size are kept: 4 MiB of the small ones, one or two of the large. */
static const size_t kept_max[BUFFER_CLASSES] = {1024, 128, 32, 16, 8, 2, 1, 0};

void buffer_pool_init(struct buffer_pool *pool, size_t maximum)
{
	*pool = (struct buffer_pool){.maximum = maximum};
}

/* Large buffers are mapped, so that giving one back really returns its pages. */
static void *new_buffer(unsigned class)
{
	return class < 2 ? mem_new(1, sizes[class]) : mem_map_large(sizes[class]);
}

static void free_buffer(void *buffer, unsigned class)
{
	if (class < 2) {
		mem_free(buffer);
	} else {
		mem_unmap_large(buffer, sizes[class]);
	}
}

void buffer_pool_release(struct buffer_pool *pool)
{
	for (unsigned class = 0; class < BUFFER_CLASSES; class ++) {
		for (void *buffer = pool->free[class]; buffer != NULL;) {
			void *next;
			memcpy(&next, buffer, sizeof(next));
			free_buffer(buffer, class);
			buffer = next;
		}
		pool->free[class] = NULL;
		pool->kept[class] = 0;
	}
}

void *buffer_pool_take(
        struct buffer_pool *pool, enum buffer_use use, size_t size, size_t *ret_capacity)
{
	unsigned class = 0;
	while (class < BUFFER_CLASSES && sizes[class] < size) {
		class ++;
	}
	size_t maximum = use == BUFFER_FOR_ANSWER ? pool->maximum / 4 * 3 : pool->maximum;
	if (class == BUFFER_CLASSES || pool->out + sizes[class] > maximum) {
		return NULL;
	}
	void *buffer = pool->free[class];
	if (buffer != NULL) {
		memcpy(&pool->free[class], buffer, sizeof(void *));
		pool->kept[class]--;
	} else {
		buffer = new_buffer(class);
	}
	if (buffer != NULL) {
		pool->out += sizes[class];
		*ret_capacity = sizes[class];
	}
	return buffer;
}

void buffer_pool_give(struct buffer_pool *pool, void *buffer, size_t capacity)
{
	if (buffer == NULL) {
		return;
	}
	unsigned class = 0;
	while (sizes[class] < capacity) {
		class ++;
	}
	pool->out -= sizes[class];
	if (pool->kept[class] >= kept_max[class]) {
		free_buffer(buffer, class);
		return;
	}
	memcpy(buffer, &pool->free[class], sizeof(void *));
	pool->free[class] = buffer;
	pool->kept[class]++;
}
