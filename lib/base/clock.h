#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>

/*
 * Time comes in as a parameter: code that depends on it takes a struct clock, so that tests turn
 * the hands themselves. All in milliseconds.
 */
struct clock {
	int64_t (*wall)(void *context); /* since 1970-01-01 UTC; may jump */
	int64_t (*monotonic)(
	        void *context); /* since boot, suspended time counted; never goes back */
	void *context;
};

/* The machine's clocks. */
extern const struct clock clock_system;

static inline int64_t clock_wall(const struct clock *clock)
{
	return clock->wall(clock->context);
}

static inline int64_t clock_monotonic(const struct clock *clock)
{
	return clock->monotonic(clock->context);
}

/*
 * A wall clock that is believed only while it runs along with the boot clock. A jump of more than
 * `tolerance` ms in either direction makes it suspect: nothing may expire until an administrator
 * confirms it (clock_guard_confirm) or the wall clock comes back.
 */
struct clock_guard {
	int64_t offset; /* wall − monotonic when last believed */
	int64_t tolerance;
};

void clock_guard_init(struct clock_guard *guard, const struct clock *clock, int64_t tolerance);

/* Nonzero when the wall clock can be believed; small drifts are followed. */
int clock_guard_check(struct clock_guard *guard, const struct clock *clock);

/* The wall time that expiry may use: the wall clock when believed, else the last believed time
 * carried on by the boot clock. */
int64_t clock_guard_time(struct clock_guard *guard, const struct clock *clock);

void clock_guard_confirm(struct clock_guard *guard, const struct clock *clock);

/* Writes "2026-11-23T01:02:03Z" (20 characters and a NUL; years outside 0–9999 are clamped). */
#define CLOCK_TEXT_SIZE 21
void clock_format(int64_t wall, char ret_text[CLOCK_TEXT_SIZE]);

/* Reads that form, also with a fraction or as a date alone; 0 or SK_E_SYNTAX. */
int clock_parse(const char *text, int64_t *ret_wall);

#endif
