#ifndef LIB_NET_DEADLINE_H
#define LIB_NET_DEADLINE_H

#include <stdint.h>

/*
 * Deadlines of many connections in a coarse wheel: setting one costs a few instructions, and moving
 * it further away (a keep-alive connection after each request) only stores a number. What is due is
 * found up to one turn of DEADLINE_TICK late. One thread.
 */
#define DEADLINE_TICK 32 /* ms a slot */
#define DEADLINE_SLOTS 1024

struct deadline {
	struct deadline *next, **link; /* link NULL: not set */
	int64_t at; /* ms */
	int64_t slot_at; /* when its slot comes */
};

struct deadline_wheel {
	int64_t tick; /* slots before this one have been looked at */
	struct deadline *slots[DEADLINE_SLOTS];
};

/* `now` in ms of whatever clock the caller uses throughout. */
void deadline_wheel_init(struct deadline_wheel *wheel, int64_t now);

void deadline_set_slowly(struct deadline_wheel *wheel, struct deadline *deadline, int64_t at);

/* (Re)sets; a deadline that is zeroed is not set. */
static inline void deadline_set(struct deadline_wheel *wheel, struct deadline *deadline, int64_t at)
{
	if (deadline->link != 0 && at >= deadline->slot_at) {
		deadline->at = at; /* its slot comes first and puts it further */
		return;
	}
	deadline_set_slowly(wheel, deadline, at);
}

void deadline_clear(struct deadline *deadline);

/* Calls `expired` for each deadline that is due; it is cleared before. The callback may set and
 * clear any deadline. */
void deadline_wheel_run(struct deadline_wheel *wheel, int64_t now,
        void (*expired)(void *context, struct deadline *deadline), void *context);

#endif
