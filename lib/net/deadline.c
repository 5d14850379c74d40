#include "lib/net/deadline.h"

#include <stddef.h>
#include <string.h>

void deadline_wheel_init(struct deadline_wheel *wheel, int64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->tick = now / DEADLINE_TICK;
}

void deadline_clear(struct deadline *deadline)
{
	if (deadline->link == NULL) {
		return;
	}
	*deadline->link = deadline->next;
	if (deadline->next != NULL) {
		deadline->next->link = deadline->link;
	}
	deadline->link = NULL;
}

void deadline_set_slowly(struct deadline_wheel *wheel, struct deadline *deadline, int64_t at)
{
	deadline_clear(deadline);
	/* The slot behind the moment; what is further than one turn waits in the last slot. */
	int64_t tick = at / DEADLINE_TICK + 1;
	if (tick < wheel->tick) {
		tick = wheel->tick;
	} else if (tick >= wheel->tick + DEADLINE_SLOTS) {
		tick = wheel->tick + DEADLINE_SLOTS - 1;
	}
	struct deadline **slot = &wheel->slots[tick % DEADLINE_SLOTS];
	deadline->at = at;
	deadline->slot_at = tick * DEADLINE_TICK;
	deadline->next = *slot;
	deadline->link = slot;
	if (*slot != NULL) {
		(*slot)->link = &deadline->next;
	}
	*slot = deadline;
}

static void run_slot(struct deadline_wheel *wheel, struct deadline **slot, int64_t now,
        void (*expired)(void *context, struct deadline *deadline), void *context)
{
	/* Taken off first: callbacks and re-setting may put new ones into this very slot. */
	struct deadline *due = *slot;
	*slot = NULL;
	if (due != NULL) {
		due->link = &due;
	}
	while (due != NULL) {
		struct deadline *deadline = due;
		deadline_clear(deadline);
		if (deadline->at > now) {
			deadline_set_slowly(wheel, deadline, deadline->at);
		} else {
			expired(context, deadline);
		}
	}
}

void deadline_wheel_run(struct deadline_wheel *wheel, int64_t now,
        void (*expired)(void *context, struct deadline *deadline), void *context)
{
	int64_t last = now / DEADLINE_TICK;
	if (last - wheel->tick >= DEADLINE_SLOTS) {
		/* A turn or more was missed: each slot once is enough. */
		wheel->tick = last - DEADLINE_SLOTS + 1;
	}
	while (wheel->tick <= last) {
		struct deadline **slot = &wheel->slots[wheel->tick % DEADLINE_SLOTS];
		wheel->tick++;
		run_slot(wheel, slot, now, expired, context);
	}
}
