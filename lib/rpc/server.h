#ifndef LIB_RPC_SERVER_H
#define LIB_RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <json-c/json_object.h>

#include "lib/rpc/frame.h"
#include "lib/rpc/verbs.h"

struct event_base;

/*
 * The server side of docs/rpc.md on libevent's core: never blocks, everything in the thread of the
 * event loop. It reads and checks messages, who may call what, and the limits (connections, calls
 * in flight, time per call); the program's own function does the verb and answers at once or later.
 */
#define RPC_CONNECTIONS_MAX 64
#define RPC_CONNECTIONS_PER_USER 16
#define RPC_UNSENT_MAX (4 * 1024 * 1024) /* above it nothing is read from that client */

struct rpc_server;

/* A call under way. Lives until it is answered, even when its client has gone. */
struct rpc_call {
	const struct rpc_verb *verb;
	struct rpc_value values[RPC_INPUTS_MAX];
	int descriptors[FRAME_DESCRIPTORS_MAX]; /* the call's; one that is taken is set to -1 */
	size_t descriptor_count;
	enum rpc_socket socket;
	uid_t user;
	pid_t process;
	void *context; /* the handler's own */
};

typedef void rpc_handler_fn(void *context, struct rpc_call *call);

struct rpc_server_options {
	rpc_handler_fn *handle; /* called with every call but hello */
	void *context;
	const char *version; /* of the program, for hello */
	const char *boot;
	int call_timeout_ms; /* 5000 */
};

/* `options` is copied, its texts must live on. */
int rpc_server_new(struct event_base *base, const struct rpc_server_options *options,
        struct rpc_server **ret_server) SK_MUST_USE;
/* Closes all connections. Calls that are still unanswered must not be answered after this; they are
 * freed. */
void rpc_server_free(struct rpc_server *server); /* NULL allowed */

/* Accepts on a listening socket, which becomes the server's. */
int rpc_server_listen(struct rpc_server *server, int listener, enum rpc_socket kind) SK_MUST_USE;

/* Answers and frees the call. `result` is put in every case; NULL means an empty object. A result
 * that is larger than a message is answered by RPC_LIMIT. */
void rpc_call_answer(struct rpc_call *call, json_object *result);
void rpc_call_fail(struct rpc_call *call, const struct rpc_fault *fault);
/* The same in one step. */
void rpc_call_fail_with(struct rpc_call *call, const char *code, const char *field,
        const char *format, ...) SK_PRINTF(4, 5);

/* Nobody waits for this call any more: its client has gone or it took too long. Still to be
 * answered. */
bool rpc_call_abandoned(const struct rpc_call *call);

#endif
