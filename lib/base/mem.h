#ifndef LIB_BASE_MEM_H
#define LIB_BASE_MEM_H

#include <stddef.h>

#include "lib/base/attribute.h"

/*
 * Heap memory. Every call may return NULL, and every caller checks. Sizes are multiplied with a
 * check for overflow. The counter lets tests prove that a path allocates nothing.
 */

/* `count` × `size` zeroed bytes, or NULL. Free with mem_free. */
void *mem_new(size_t count, size_t size) SK_MUST_USE;

/* Resizes `old` (NULL allowed) to `count` × `size` bytes, new bytes unset; NULL leaves `old` as is.
 */
void *mem_resize(void *old, size_t count, size_t size) SK_MUST_USE;

/* A copy of `length` bytes with a NUL behind, or NULL. */
char *mem_copy_text(const char *text, size_t length) SK_MUST_USE;

/* Frees; NULL is allowed. */
void mem_free(void *memory);

/* Anonymous pages for large immutable data, backed by huge pages where the kernel has them
 * (look-ups in 100 MB of random addresses are bound by the TLB otherwise). NULL on failure. */
void *mem_map_large(size_t size) SK_MUST_USE;
void mem_unmap_large(void *memory, size_t size);

/* Allocations by this thread so far (mem_new, mem_resize, mem_copy_text). */
size_t mem_allocation_count(void);

#endif
