#ifndef LIB_LOOKUP_PREFIX_FLATTEN_H
#define LIB_LOOKUP_PREFIX_FLATTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/*
 * From nested prefixes to boundaries, the one statement of it for writer and verifier. Addresses of
 * both families are numbers here: an IPv4 address the number of its 32 bits, an IPv6 address of its
 * 128 bits.
 */
typedef unsigned __int128 address_number;

/* Receives boundaries in ascending order of `start`; nonzero stops. */
typedef int flatten_emit_fn(void *context, address_number start, uint32_t inner);

struct flatten {
	unsigned width; /* bits of an address: 32 or 128 */
	flatten_emit_fn *emit;
	void *context;
	/* The prefixes that are open, outermost first: a prefix can lie in at most as many as it
	 * has bits. */
	struct {
		address_number last;
		uint32_t index;
	} open[130];
	unsigned depth;
	address_number pending_start;
	uint32_t pending_inner, emitted_inner;
	bool pending, any_emitted;
};

void flatten_init(struct flatten *flatten, unsigned width, flatten_emit_fn *emit, void *context);

/* Prefix number `index`, in ascending order of (start, length). Gives its parent, or what `emit`
 * returned when that was not 0. */
int flatten_add(struct flatten *flatten, uint32_t index, address_number start, unsigned length,
        uint32_t *ret_parent) SK_MUST_USE;
int flatten_finish(struct flatten *flatten) SK_MUST_USE;

/* First and last number of a prefix; `length` ≤ `width`. */
address_number prefix_last(address_number start, unsigned length, unsigned width);

#endif
