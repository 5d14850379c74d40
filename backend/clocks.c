#include "backend/clocks.h"

static int64_t wall(void *context)
{
	const struct clocks *clocks = context;
	return clock_wall(&clock_system) + clocks->wall_shift;
}

static int64_t monotonic(void *context)
{
	const struct clocks *clocks = context;
	return clock_monotonic(&clock_system) + clocks->monotonic_shift;
}

void clocks_init(struct clocks *clocks, int64_t tolerance)
{
	*clocks = (struct clocks){.trusted = true};
	clocks->clock = (struct clock){.wall = wall, .monotonic = monotonic, .context = clocks};
	clock_guard_init(&clocks->guard, &clocks->clock, tolerance);
}

bool clocks_check(struct clocks *clocks)
{
	bool trusted = clock_guard_check(&clocks->guard, &clocks->clock) != 0;
	bool changed = trusted != clocks->trusted;
	clocks->trusted = trusted;
	return changed;
}

int64_t clocks_expiry_time(struct clocks *clocks)
{
	return clock_guard_time(&clocks->guard, &clocks->clock);
}

int64_t clocks_expiry_offset(struct clocks *clocks)
{
	return clocks_expiry_time(clocks) - clock_monotonic(&clock_system);
}

void clocks_confirm(struct clocks *clocks)
{
	clock_guard_confirm(&clocks->guard, &clocks->clock);
	clocks->trusted = true;
}
