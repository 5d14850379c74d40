#ifndef LIB_RPC_VERBS_H
#define LIB_RPC_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "lib/base/limits.h"
#include "lib/rpc/fault.h"

/* The verbs and what they take, from the one table lib/rpc/verbs.def. Pure; any thread. */

/* 9999-12-31T23:59:59.999Z: no time behind it has a text. */
#define RPC_TIME_MAX INT64_C(253402300799999)
#define RPC_LOG_SOURCES                                                                            \
	"user_approved|user_blocked|suspicious_user_defined|suspicious_virtual_analyzer|pattern|"  \
	"global_intelligence"

enum rpc_socket { RPC_SOCKET_ADMIN, RPC_SOCKET_CONSOLE, RPC_SOCKET_AGENT, RPC_SOCKET_COUNT };
enum rpc_sockets {
	RPC_ON_ADMIN = 1u << RPC_SOCKET_ADMIN,
	RPC_ON_CONSOLE = 1u << RPC_SOCKET_CONSOLE,
	RPC_ON_AGENT = 1u << RPC_SOCKET_AGENT
};

enum rpc_role { RPC_ROLE_NONE, RPC_ROLE_VIEWER, RPC_ROLE_OPERATOR, RPC_ROLE_ADMINISTRATOR };

enum rpc_type {
	RPC_BOOL,
	RPC_INTEGER,
	RPC_TEXT,
	RPC_CHOICE, /* a text out of `words`; its index counts */
	RPC_INTEGERS, /* an array without repetition */
	RPC_TEXTS, /* an array */
	RPC_OBJECT /* checked by the verb itself; at most `count` members */
};

enum rpc_verb_id {
#define VERB(id, ...) RPC_##id,
#define INPUT(...)
#define END(id)
#include "lib/rpc/verbs.def"
#undef VERB
#undef INPUT
#undef END
	RPC_VERB_COUNT
};

/* Positions in the table of all inputs: RPC_START_<verb>, RPC_INPUT_<verb>_<input>. */
enum rpc_input_position {
#define VERB(id, ...) RPC_START_##id, RPC_BEFORE_##id = RPC_START_##id - 1,
#define INPUT(verb, id, ...) RPC_INPUT_##verb##_##id,
#define END(id) RPC_STOP_##id, RPC_LAST_##id = RPC_STOP_##id - 1,
#include "lib/rpc/verbs.def"
#undef VERB
#undef INPUT
#undef END
	RPC_INPUT_TABLE_SIZE
};
#define RPC_INPUTS_MAX 8

struct rpc_input {
	const char *name;
	enum rpc_type type;
	bool required;
	int64_t minimum, maximum;
	size_t count;
	const char *words;
};

struct rpc_verb {
	enum rpc_verb_id id;
	const char *name;
	unsigned sockets; /* enum rpc_sockets, admin.sock always in it */
	enum rpc_role role; /* the least that may call it */
	bool changes;
	unsigned descriptors_min, descriptors_max;
	const struct rpc_input *inputs;
	size_t input_count;
};

/* An input that was checked. Texts point into the message's JSON and live as long as that. */
struct rpc_value {
	bool present;
	union {
		bool boolean;
		int64_t integer; /* also the index of a choice */
		struct {
			const char *text; /* NUL-terminated, no NUL inside */
			size_t length;
		};
		json_object *object; /* RPC_INTEGERS, RPC_TEXTS (arrays), RPC_OBJECT */
	};
};

/* The value of an input by name of verb and input, from an array that rpc_verb_check filled. */
#define RPC_VALUE(values, verb, input) (&(values)[RPC_INPUT_##verb##_##input - RPC_START_##verb])

const struct rpc_verb *rpc_verb_at(enum rpc_verb_id id);
const struct rpc_verb *rpc_verb_find(const char *name); /* NULL if absent */

/* Checks `params` (an object; NULL counts as empty) against the inputs of the verb and fills
 * `ret_values`. 0, or SK_E_REFUSED with the fault: RPC_BAD_INPUT and the field. */
int rpc_verb_check(const struct rpc_verb *verb, json_object *params,
        struct rpc_value ret_values[RPC_INPUTS_MAX], struct rpc_fault *ret_fault) SK_MUST_USE;

/* Index of `text` among "a|b|c", or -1. */
int rpc_word_index(const char *words, const char *text);

/* A request as it came: its verb, id and parameters. */
struct rpc_request {
	json_object *root; /* owns everything else; json_object_put */
	json_object *id; /* text or integer, NULL when it could not be read */
	json_object *params; /* object or NULL */
	const struct rpc_verb *verb; /* NULL when there is none of that name */
};

/* Reads one message. On SK_E_REFUSED the fault says what to answer, `ret_request->root` and `id`
 * are set as far as they were read (root may be NULL). The caller puts root in every case. */
int rpc_request_parse(const char *text, size_t length, struct rpc_request *ret_request,
        struct rpc_fault *ret_fault) SK_MUST_USE;

#define RPC_DEPTH_MAX 32
#define RPC_PROTOCOL_VERSION 1

#endif
