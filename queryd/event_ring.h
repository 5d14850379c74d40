#ifndef QUERYD_EVENT_RING_H
#define QUERYD_EVENT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/link/link.h"

/*
 * What one worker has to tell sekishod and has not sent yet: a ring of packets, each filled with
 * records and then sent as it stands. Adding costs a copy; nothing here waits. When sekishod does
 * not take them, the ring fills up: access entries may use three quarters of it, blocked entries
 * and counters all of it, and what finds no room is dropped and counted by kind. One thread.
 */
#define EVENT_PACKET_SIZE (32 * 1024)
#define EVENT_PACKETS 32 /* 1 MiB in all */
#define EVENT_PACKETS_ACCESS (EVENT_PACKETS * 3 / 4)

struct event_ring {
	struct buf packet; /* the one being filled */
	bool started; /* it has records */
	uint32_t first, count; /* packets that are full, oldest first */
	uint32_t lengths[EVENT_PACKETS];
	struct link_events_header header; /* of the next packet: boot, worker, sequence, dropped */
	char *space;
};

/* All memory that the ring will take; packets carry `boot` and `worker`. -ENOMEM. */
int event_ring_init(struct event_ring *ring, uint64_t boot, uint16_t worker) SK_MUST_USE;
void event_ring_release(struct event_ring *ring);

/* Adds a record; false when there is no room (counted as dropped). */
bool event_ring_add(struct event_ring *ring, const struct link_event *event);

/* The same for counters, which stay with the caller until there is room: not counted. */
bool event_ring_offer(struct event_ring *ring, const struct link_event *event);

/* Is a packet full, so that sending should not wait for the interval? */
static inline bool event_ring_is_due(const struct event_ring *ring)
{
	return ring->count > 0;
}

/* Sends what there is, the started packet too when `all`, until the socket is full. `wall`: ms.
 * 0, -EAGAIN when the peer is slow, or another -errno. */
int event_ring_send(struct event_ring *ring, int socket, bool all, int64_t wall);

#endif
