#ifndef BACKEND_CLOCKS_H
#define BACKEND_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"

/* The clocks of sekishod: the machine's, moved by test.advance; and whether the wall clock can be
 * believed. Main thread. */
struct clocks {
	struct clock clock; /* its context is this struct, which must not move */
	int64_t wall_shift, monotonic_shift;
	struct clock_guard guard;
	bool trusted;
};

/* The wall clock counts as right; `tolerance`: ms that it may be off the other one. */
void clocks_init(struct clocks *clocks, int64_t tolerance);

static inline int64_t clocks_wall(struct clocks *clocks)
{
	return clock_wall(&clocks->clock);
}

/* Looks whether the wall clock runs along; true when `trusted` changed. */
bool clocks_check(struct clocks *clocks);

/* The time that expiry may use. */
int64_t clocks_expiry_time(struct clocks *clocks);

/* The same as an offset to the machine's boot clock, for queryd. */
int64_t clocks_expiry_offset(struct clocks *clocks);

/* An administrator says that the wall clock is right. */
void clocks_confirm(struct clocks *clocks);

#endif
