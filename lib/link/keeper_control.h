#ifndef LIB_LINK_KEEPER_CONTROL_H
#define LIB_LINK_KEEPER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/*
 * The fixed messages between sekisho-keeper and the programs that it runs (descriptor 4 of each);
 * docs/processes.md says who sends what. One SOCK_SEQPACKET message each, 40 bytes, descriptors by
 * SCM_RIGHTS.
 *
 * Requests of sekishod (LISTEN, TLS_RELOAD, JOB) carry a number of the sender's choice in
 * arguments[KEEPER_TAG]; the RESULT has it again, because results may come in another order.
 */
#define KEEPER_MAGIC 0x314b4b53u /* "SKK1" */
#define KEEPER_MESSAGE_SIZE 40
#define KEEPER_ARGUMENTS 8
#define KEEPER_TAG 7
#define KEEPER_FDS_MAX 250 /* the kernel takes 253 in one message */

/* Descriptor numbers that every program started by the keeper finds its things under. */
enum keeper_fd {
	KEEPER_FD_LINK = 3,
	KEEPER_FD_CONTROL = 4,
	KEEPER_FD_STATE = 5, /* sekishod */
	KEEPER_FD_ADMIN = 6,
	KEEPER_FD_CONSOLE = 7,
	KEEPER_FD_AGENT = 8,
	KEEPER_FD_TLS = 5, /* sekisho-queryd */
	KEEPER_FD_TICKETS = 6,
	KEEPER_FD_LISTENERS = 7 /* the first one */
};

/* What a query listener is for; arguments of LISTENERS, words of --listeners. */
enum keeper_role {
	KEEPER_ROLE_NONE = 0,
	KEEPER_ROLE_FRS_HTTP,
	KEEPER_ROLE_FRS_HTTPS,
	KEEPER_ROLE_WRS_HTTP,
	KEEPER_ROLE_WRS_HTTPS,
	KEEPER_ROLE_COUNT
};
const char *keeper_role_name(unsigned role); /* "frs_http" …; NULL when there is none */

enum keeper_message_kind {
	KEEPER_READY = 1,
	KEEPER_LISTEN,
	KEEPER_LISTENERS,
	KEEPER_RESULT,
	KEEPER_TLS,
	KEEPER_TLS_RELOAD,
	KEEPER_STOP,
	KEEPER_JOB,
	KEEPER_JOB_ENDED,
	KEEPER_MESSAGE_KIND_COUNT
};

struct keeper_message {
	uint32_t kind; /* enum keeper_message_kind */
	uint32_t arguments[KEEPER_ARGUMENTS];
};

/* Sends without waiting for room: 0, -EAGAIN when the socket is full, or -errno. The descriptors
 * stay the caller's. Any thread. */
int keeper_message_send(int socket, const struct keeper_message *message, const int *descriptors,
        size_t count) SK_MUST_USE;

/*
 * Takes one message; waits for it when the socket blocks, else -EAGAIN. -EPIPE when the other end
 * is gone. Descriptors come close-on-exec and are the caller's; when there are more than `maximum`
 * the message is SK_E_PROTOCOL, as is one of another size, magic or kind, and nothing stays open.
 */
int keeper_message_receive(int socket, struct keeper_message *ret_message, int *ret_descriptors,
        size_t maximum, size_t *ret_count) SK_MUST_USE;

#endif
