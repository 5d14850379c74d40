#ifndef BACKEND_PUBLISH_H
#define BACKEND_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/link/link.h"

struct event_base;

/*
 * What is in effect: the present generation (settings and section files), sent to queryd, and who
 * waits for it. Also the link itself: it hands on the events that come from the other end.
 * Main thread.
 *
 * A change calls publish_request; what is to be sent is asked for by prepare(), in the next turn of
 * the loop, so that changes which come together share one generation. While one is under way the
 * next waits, PUBLISH_WAIT_MS at most.
 */
#define PUBLISH_WAIT_MS 2000

struct publisher;

struct publisher_options {
	int socket; /* SOCK_SEQPACKET to queryd */
	/* Brings sections up to date (publish_set_section) and gives number, settings, and the
	 * revision up to which keyword rules are in it. Nonzero: nothing is sent now. */
	int (*prepare)(void *context, uint64_t *ret_generation, struct link_settings *ret_settings,
	        int64_t *ret_complete);
	void (*events)(void *context, const void *packet, size_t size);
	void *context;
};

int publisher_new(struct event_base *base, const struct publisher_options *options,
        struct publisher **ret_publisher) SK_MUST_USE;
/* Says hello; from now on requests are sent. */
void publisher_start(struct publisher *publisher);
/* Nothing is sent any more; waiters are called with `active` false. NULL allowed. */
void publisher_stop(struct publisher *publisher);
void publisher_free(struct publisher *publisher);

/* The file of a section from now on; `fd` becomes the publisher's, -1 means that there is none. Its
 * checksum is read from its end. */
int publish_set_section(struct publisher *publisher, enum section_role role, int fd) SK_MUST_USE;

void publish_request(struct publisher *publisher);

/* How a wait ended: active, or why not (`text` empty when it was time). */
struct publish_end {
	bool active;
	uint64_t generation; /* that is in effect */
	int code; /* of queryd when it refused; 0 */
	const char *text;
};
typedef void publish_end_fn(void *context, const struct publish_end *end);

/* Called when a generation ≥ `generation` is in effect with keyword rules up to revision
 * `complete` (0: does not matter), when queryd refuses it, or after `timeout_ms`. -ENOMEM. */
int publish_wait(struct publisher *publisher, uint64_t generation, int64_t complete, int timeout_ms,
        publish_end_fn *end, void *context) SK_MUST_USE;

struct publisher_status {
	bool connected; /* it has said hello or answered, and did not let the last publish wait */
	uint64_t active; /* generation in effect; 0: none that we know of */
	unsigned workers; /* of queryd, as its last answer says */
	char error[256]; /* why the last one is not in effect */
};
void publisher_get_status(const struct publisher *publisher, struct publisher_status *ret_status);

#endif
