#ifndef LIB_RPC_FAULT_H
#define LIB_RPC_FAULT_H

#include <json-c/json_object.h>

#include "lib/base/attribute.h"

/*
 * The error answer of a call: a stable code, the input that is meant, and technical detail. Each
 * program words errors itself; `text` is for logs.
 */
#define RPC_PROTOCOL "protocol"
#define RPC_UNKNOWN_VERB "unknown_verb"
#define RPC_BAD_INPUT "bad_input"
#define RPC_NOT_PERMITTED "not_permitted"
#define RPC_NOT_FOUND "not_found"
#define RPC_EXISTS "exists"
#define RPC_CONFLICT "conflict"
#define RPC_LIMIT "limit"
#define RPC_BUSY "busy"
#define RPC_TIMEOUT "timeout"
#define RPC_STORAGE "storage"
#define RPC_UNAVAILABLE "unavailable"
#define RPC_INTERNAL "internal"

struct rpc_fault {
	char code[32];
	char field[64]; /* "" when no input is meant */
	char text[512]; /* "" when there is nothing to add */
};

/* Sets all three (cut at their room) and returns SK_E_REFUSED, so that a check can end with it.
 * `field` may be NULL; bytes of foreign text that are not UTF-8 or control become '?'. */
int rpc_fault_set(struct rpc_fault *fault, const char *code, const char *field, const char *format,
        ...) SK_PRINTF(4, 5);

/* For a code of lib/base/error.h that a function of ours returned: which RPC code says it. */
const char *rpc_fault_code_of(int status);

/* The JSON-RPC error object; NULL when memory is short. */
json_object *rpc_fault_encode(const struct rpc_fault *fault);

/* From an error object of a peer. Never fails: what is not understood is RPC_INTERNAL. */
void rpc_fault_decode(json_object *object, struct rpc_fault *ret_fault);

#endif
