#ifndef LIB_LOOKUP_LOOKUP_FORMAT_H
#define LIB_LOOKUP_LOOKUP_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The numbers of the container that reader and writer share; docs/pattern-format.md is the text.
 *
 *   header (64 bytes) | chunks, each at a multiple of 64 | chunk table | total size | SHA-256
 */
#define LOOKUP_MAGIC "SKLOOKUP"
#define LOOKUP_MAGIC_SIZE 8
#define LOOKUP_VERSION 1
#define LOOKUP_ALIGN 64
#define LOOKUP_HEADER_SIZE 64
#define LOOKUP_ROW_SIZE 24 /* of the chunk table: id, zero, offset, length */
#define LOOKUP_CHUNKS_MAX 64 /* our kinds have at most a dozen */
#define LOOKUP_TAIL_SIZE (8 + 32) /* total size, SHA-256 */

/* More than 50 M entries need; a size beyond it is taken for damage before memory is asked for. */
#define LOOKUP_SIZE_MAX (UINT64_C(16) << 30)

/* The next multiple of LOOKUP_ALIGN; for sizes far below the range of the type. */
static inline uint64_t lookup_align(uint64_t size)
{
	return (size + (LOOKUP_ALIGN - 1)) & ~(uint64_t)(LOOKUP_ALIGN - 1);
}

#endif
