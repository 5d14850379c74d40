#include "lib/lookup/prefix_flatten.h"

#include <stddef.h>

#include "lib/lookup/prefix_table.h"

address_number prefix_last(address_number start, unsigned length, unsigned width)
{
	unsigned host_bits = width - length;
	if (host_bits == 0) {
		return start;
	}
	/* All bits behind the length; a shift by the full 128 would be undefined. */
	return start | (~(address_number)0 >> (128 - host_bits));
}

void flatten_init(struct flatten *flatten, unsigned width, flatten_emit_fn *emit, void *context)
{
	*flatten = (struct flatten){.width = width, .emit = emit, .context = context};
}

/* Hands the pending boundary over, unless nothing changes there. */
static int flush(struct flatten *f)
{
	if (!f->pending || (f->any_emitted && f->pending_inner == f->emitted_inner)) {
		return 0;
	}
	f->any_emitted = true;
	f->emitted_inner = f->pending_inner;
	return f->emit(f->context, f->pending_start, f->pending_inner);
}

/* From `start` on `inner` is innermost. A later word about the same address replaces the former. */
static int change(struct flatten *f, address_number start, uint32_t inner)
{
	if (f->pending && f->pending_start != start) {
		int status = flush(f);
		if (status != 0) {
			return status;
		}
	}
	f->pending = true;
	f->pending_start = start;
	f->pending_inner = inner;
	return 0;
}

/* Closes the innermost open prefix; behind it the one around it is innermost again. */
static int close_inner(struct flatten *f)
{
	address_number last = f->open[--f->depth].last;
	if (last == prefix_last(0, 0, f->width)) {
		return 0; /* nothing is behind the last address */
	}
	uint32_t outer = f->depth > 0 ? f->open[f->depth - 1].index : PREFIX_TABLE_NONE;
	return change(f, last + 1, outer);
}

int flatten_add(struct flatten *f, uint32_t index, address_number start, unsigned length,
        uint32_t *ret_parent)
{
	if (!f->pending) {
		/* The first boundary is always the first address, so that every search finds one.
		 */
		int status = change(f, 0, PREFIX_TABLE_NONE);
		if (status != 0) {
			return status;
		}
	}
	while (f->depth > 0 && f->open[f->depth - 1].last < start) {
		int status = close_inner(f);
		if (status != 0) {
			return status;
		}
	}
	*ret_parent = f->depth > 0 ? f->open[f->depth - 1].index : PREFIX_TABLE_NONE;
	f->open[f->depth].last = prefix_last(start, length, f->width);
	f->open[f->depth].index = index;
	f->depth++;
	return change(f, start, index);
}

int flatten_finish(struct flatten *f)
{
	while (f->depth > 0) {
		int status = close_inner(f);
		if (status != 0) {
			return status;
		}
	}
	return flush(f);
}
