#ifndef LIB_RPC_CLIENT_H
#define LIB_RPC_CLIENT_H

#include <stddef.h>

#include <json-c/json_object.h>

#include "lib/base/error.h"
#include "lib/rpc/fault.h"

/* A blocking client of sekishod's RPC (docs/rpc.md), one call at a time. Not for use by two threads
 * at once. */
struct rpc_client;

/* Connects to the socket at `path` and says hello as `program`. Every call (and the hello) takes at
 * most `timeout_ms`. -errno (-ENOENT, -ECONNREFUSED: no server), SK_E_TIMEOUT, SK_E_VERSION,
 * SK_E_PROTOCOL; the reason in `error`. */
int rpc_client_open(const char *path, const char *program, int timeout_ms,
        struct rpc_client **ret_client, struct error *error) SK_MUST_USE;
void rpc_client_close(struct rpc_client *client); /* NULL allowed */

/*
 * Calls `verb`. `params` (NULL: none) is put in every case; the descriptors stay the caller's.
 * 0: `ret_result` is the caller's (json_object_put; may be NULL for JSON's null).
 * SK_E_REFUSED: the server answered with an error, `ret_fault` says which (code, field, text).
 * Anything else: no answer; `ret_fault` has code "unavailable" or "timeout" and the reason, and the
 * client can only be closed.
 */
int rpc_client_call(struct rpc_client *client, const char *verb, json_object *params,
        const int *descriptors, size_t count, json_object **ret_result,
        struct rpc_fault *ret_fault) SK_MUST_USE;

/* What the server said at hello: {"protocol", "version", "boot"}; the client's. */
json_object *rpc_client_server(const struct rpc_client *client);

#endif
