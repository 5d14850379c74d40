#include "backend/keeper_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"

#define REQUESTS_MAX 64

struct request {
	uint32_t tag; /* 0: free */
	keeper_result_fn *result;
	void *context;
};

struct keeper_link {
	int socket;
	struct event *event;
	struct keeper_link_events events;
	struct request requests[REQUESTS_MAX];
	uint32_t last_tag;
};

static void on_result(struct keeper_link *link, const struct keeper_message *message)
{
	uint32_t tag = message->arguments[KEEPER_TAG];
	for (size_t i = 0; tag != 0 && i < REQUESTS_MAX; i++) {
		if (link->requests[i].tag == tag) {
			struct request request = link->requests[i];
			link->requests[i].tag = 0;
			int32_t code = (int32_t)message->arguments[0];
			request.result(
			        request.context, code > 0 ? -code : code, message->arguments);
			return;
		}
	}
	log_debug("keeper", "a result of an earlier life");
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct keeper_link *link = context;
	for (int i = 0; i < REQUESTS_MAX; i++) {
		struct keeper_message message;
		int descriptor;
		size_t count = 0;
		int status = keeper_message_receive(fd, &message, &descriptor, 1, &count);
		if (status == -EAGAIN) {
			return;
		}
		if (status == SK_E_PROTOCOL) {
			log_error("keeper", "a message that is none");
			continue;
		}
		if (status != 0) {
			log_error("keeper", "gone: %s", sk_strerror(status));
			event_del(link->event);
			link->events.stop(link->events.context);
			return;
		}
		if (count > 0) {
			close(descriptor);
		}
		if (message.kind == KEEPER_RESULT) {
			on_result(link, &message);
		} else if (message.kind == KEEPER_JOB_ENDED) {
			link->events.job_ended(link->events.context, message.arguments[0],
			        (int)message.arguments[1]);
		} else if (message.kind == KEEPER_STOP) {
			link->events.stop(link->events.context);
			return;
		}
	}
}

int keeper_link_open(struct event_base *base, int socket, const struct keeper_link_events *events,
        struct keeper_link **ret_link)
{
	struct keeper_link *link = mem_new(1, sizeof(*link));
	if (link == NULL) {
		return -ENOMEM;
	}
	link->socket = socket;
	link->events = *events;
	link->event = event_new(base, socket, EV_READ | EV_PERSIST, on_readable, link);
	if (link->event == NULL || fcntl(socket, F_SETFL, O_NONBLOCK) != 0 ||
	        event_add(link->event, NULL) != 0) {
		keeper_link_close(link);
		return -ENOMEM;
	}
	*ret_link = link;
	return 0;
}

void keeper_link_close(struct keeper_link *link)
{
	if (link == NULL) {
		return;
	}
	if (link->event != NULL) {
		event_free(link->event);
	}
	mem_free(link);
}

int keeper_link_ready(struct keeper_link *link)
{
	struct keeper_message message = {.kind = KEEPER_READY};
	return keeper_message_send(link->socket, &message, NULL, 0);
}

int keeper_link_request(struct keeper_link *link, enum keeper_message_kind kind,
        const uint32_t arguments[4], const int *descriptors, size_t count, keeper_result_fn *result,
        void *context)
{
	size_t slot = 0;
	while (slot < REQUESTS_MAX && link->requests[slot].tag != 0) {
		slot++;
	}
	if (slot == REQUESTS_MAX) {
		return -EAGAIN;
	}
	link->last_tag = link->last_tag == UINT32_MAX ? 1 : link->last_tag + 1;
	struct keeper_message message = {.kind = kind};
	memcpy(message.arguments, arguments, 4 * sizeof(*arguments));
	message.arguments[KEEPER_TAG] = link->last_tag;
	int status = keeper_message_send(link->socket, &message, descriptors, count);
	if (status == 0) {
		link->requests[slot] = (struct request){link->last_tag, result, context};
	}
	return status;
}
