#include "queryd/event_ring.h"

#include <errno.h>

#include "lib/base/mem.h"

static char *packet_at(const struct event_ring *ring, uint32_t index)
{
	return ring->space + (size_t)(index % EVENT_PACKETS) * EVENT_PACKET_SIZE;
}

/* Points `packet` at the next free part; its header is written when it is sent. */
static void start_packet(struct event_ring *ring)
{
	buf_init_fixed(
	        &ring->packet, packet_at(ring, ring->first + ring->count), EVENT_PACKET_SIZE);
	link_encode_events_start(&ring->packet, &ring->header);
	ring->started = false;
}

int event_ring_init(struct event_ring *ring, uint64_t boot, uint16_t worker)
{
	*ring = (struct event_ring){.header = {.boot = boot, .worker = worker}};
	ring->space = mem_map_large((size_t)EVENT_PACKETS * EVENT_PACKET_SIZE);
	if (ring->space == NULL) {
		return -ENOMEM;
	}
	start_packet(ring);
	return 0;
}

void event_ring_release(struct event_ring *ring)
{
	mem_unmap_large(ring->space, (size_t)EVENT_PACKETS * EVENT_PACKET_SIZE);
	ring->space = NULL;
}

static void close_packet(struct event_ring *ring)
{
	ring->lengths[(ring->first + ring->count) % EVENT_PACKETS] = (uint32_t)ring->packet.length;
	ring->count++;
	start_packet(ring);
}

static bool try_add(struct event_ring *ring, const struct link_event *event)
{
	size_t before = ring->packet.length;
	link_encode_event(&ring->packet, event);
	if (buf_status(&ring->packet) == 0) {
		ring->started = true;
		return true;
	}
	ring->packet.length = before;
	ring->packet.status = 0;
	return false;
}

bool event_ring_offer(struct event_ring *ring, const struct link_event *event)
{
	uint32_t limit = event->kind == EVENT_ACCESS ? EVENT_PACKETS_ACCESS : EVENT_PACKETS;
	/* One packet is always the one being filled. */
	if (ring->count + 1 > limit) {
		return false;
	}
	if (try_add(ring, event)) {
		return true;
	}
	if (ring->count + 2 > limit) {
		return false;
	}
	close_packet(ring);
	return try_add(ring, event);
}

bool event_ring_add(struct event_ring *ring, const struct link_event *event)
{
	bool added = event_ring_offer(ring, event);
	if (!added) {
		ring->header.dropped[event->kind]++;
	}
	return added;
}

/* Puts the header right, which knows only now when it is sent and what was dropped. */
static int send_packet(struct event_ring *ring, int socket, int64_t wall)
{
	char *data = packet_at(ring, ring->first);
	uint32_t length = ring->lengths[ring->first % EVENT_PACKETS];
	struct buf packet;
	buf_init_fixed(&packet, data, EVENT_PACKET_SIZE);
	ring->header.sent = wall;
	link_encode_events_start(&packet, &ring->header);
	packet.length = length;
	link_encode_events_finish(&packet);
	return link_send(socket, data, length, NULL, 0);
}

int event_ring_send(struct event_ring *ring, int socket, bool all, int64_t wall)
{
	if (all && ring->started && ring->count + 1 < EVENT_PACKETS) {
		close_packet(ring);
	}
	while (ring->count > 0) {
		int status = send_packet(ring, socket, wall);
		if (status != 0) {
			return status;
		}
		ring->header.sequence++;
		ring->first = (ring->first + 1) % EVENT_PACKETS;
		ring->count--;
	}
	return 0;
}
