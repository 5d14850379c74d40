#include "lib/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE_SIZE ((size_t)2 << 20)

static _Thread_local size_t allocation_count;

void *mem_new(size_t count, size_t size)
{
	allocation_count++;
	return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *mem_resize(void *old, size_t count, size_t size)
{
	allocation_count++;
	return reallocarray(old, count > 0 ? count : 1, size > 0 ? size : 1);
}

char *mem_copy_text(const char *text, size_t length)
{
	if (length == SIZE_MAX) {
		return NULL;
	}
	allocation_count++;
	char *copy = malloc(length + 1);
	if (copy == NULL) {
		return NULL;
	}
	if (length > 0) {
		memcpy(copy, text, length);
	}
	copy[length] = '\0';
	return copy;
}

void mem_free(void *memory)
{
	free(memory);
}

void *mem_map_large(size_t size)
{
	if (size == 0) {
		size = 1;
	}
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		return NULL;
	}
	if (size >= HUGE_PAGE_SIZE) {
		/* Advice only: without huge pages everything works, somewhat slower. */
		(void)madvise(memory, size, MADV_HUGEPAGE);
	}
	return memory;
}

void mem_unmap_large(void *memory, size_t size)
{
	if (memory != NULL) {
		(void)munmap(memory, size > 0 ? size : 1);
	}
}

size_t mem_allocation_count(void)
{
	return allocation_count;
}
