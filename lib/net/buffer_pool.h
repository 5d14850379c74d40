#ifndef LIB_NET_BUFFER_POOL_H
#define LIB_NET_BUFFER_POOL_H

#include <stddef.h>

#include "lib/base/attribute.h"

/*
 * Buffers that a worker's connections borrow while a request is incomplete or an answer unsent. A
 * few sizes; given-back buffers are kept for the next borrower, within limits, so that in steady
 * state nothing is allocated. All buffers out together never exceed `maximum` bytes. One thread.
 */
#define BUFFER_CLASSES 8
#define BUFFER_SIZE_MAX ((size_t)8 << 20)

struct buffer_pool {
	void *free[BUFFER_CLASSES]; /* lists, linked through the buffers' first bytes */
	size_t kept[BUFFER_CLASSES]; /* buffers in each list */
	size_t out; /* bytes that are borrowed */
	size_t maximum;
};

void buffer_pool_init(struct buffer_pool *pool, size_t maximum);

/* Frees what is kept; borrowed buffers must have come back. */
void buffer_pool_release(struct buffer_pool *pool);

/* What a buffer is for. Answers that nobody reads must not take the place of requests, so only
 * three quarters of the maximum are for them. */
enum buffer_use { BUFFER_FOR_REQUEST, BUFFER_FOR_ANSWER };

/* A buffer of at least `size` bytes, content unset; NULL when above BUFFER_SIZE_MAX, the pool's
 * maximum would be passed, or memory is short. */
void *buffer_pool_take(struct buffer_pool *pool, enum buffer_use use, size_t size,
        size_t *ret_capacity) SK_MUST_USE;

/* `capacity` as buffer_pool_take said. NULL is allowed. */
void buffer_pool_give(struct buffer_pool *pool, void *buffer, size_t capacity);

#endif
