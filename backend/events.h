#ifndef BACKEND_EVENTS_H
#define BACKEND_EVENTS_H

#include "backend/backend.h"

/* What queryd reports: hits of rules are gathered here and written now and then; the rest goes to
 * the log thread. Counts what got lost. Main thread. */
struct events;

int events_new(struct backend *backend, struct events **ret_events) SK_MUST_USE;
/* Writes what was gathered. NULL allowed. */
void events_free(struct events *events);

/* Takes a packet of queryd as it came; one that is none is logged. */
void events_packet(struct events *events, const void *packet, size_t size);

struct events_status {
	uint64_t packets, lost_packets; /* lost: gaps in the sequence */
	uint64_t dropped[EVENT_KIND_COUNT]; /* by queryd, for want of room */
};
void events_get_status(const struct events *events, struct events_status *ret_status);

/* Hits that are not written yet. */
void events_pending_hits(
        const struct events *events, int list, int64_t id, int64_t *ret_hits, int64_t *ret_last);

#endif
