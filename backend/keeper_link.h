#ifndef BACKEND_KEEPER_LINK_H
#define BACKEND_KEEPER_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/link/keeper_control.h"

struct event_base;

/* sekishod's end of the keeper control (docs/processes.md). Main thread. */
struct keeper_link;

struct keeper_link_events {
	void (*stop)(void *context); /* end: asked to, or the keeper is gone */
	void (*job_ended)(void *context, uint32_t process, int wait_status);
	void *context;
};

int keeper_link_open(struct event_base *base, int socket, const struct keeper_link_events *events,
        struct keeper_link **ret_link) SK_MUST_USE;
void keeper_link_close(struct keeper_link *link); /* NULL allowed; open requests are forgotten */

int keeper_link_ready(struct keeper_link *link) SK_MUST_USE;

/* A request (LISTEN, TLS_RELOAD, JOB); its RESULT comes later, always. `code` is 0 or a negative
 * errno; `arguments` are the RESULT's. The descriptors stay the caller's. 0, or -EAGAIN and such:
 * then nothing comes. */
typedef void keeper_result_fn(void *context, int code, const uint32_t *arguments);
int keeper_link_request(struct keeper_link *link, enum keeper_message_kind kind,
        const uint32_t arguments[4], const int *descriptors, size_t count, keeper_result_fn *result,
        void *context) SK_MUST_USE;

#endif
