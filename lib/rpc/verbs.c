#include "lib/rpc/verbs.h"

#include <string.h>

#include <json-c/json_object_iterator.h>

#include "lib/base/error.h"
#include "lib/rpc/json_text.h"

static const struct rpc_input inputs[] = {
#define VERB(...)
#define INPUT(verb, id, name, type, required, minimum, maximum, count, words)                      \
	{name, type, required, minimum, maximum, count, words},
#define END(id)
#include "lib/rpc/verbs.def"
#undef VERB
#undef INPUT
#undef END
};

static const struct rpc_verb verbs[] = {
#define VERB(id, name, sockets, role, changes, descriptors_min, descriptors_max)                   \
	{RPC_##id, name, (sockets) | RPC_ON_ADMIN, role, changes, descriptors_min,                 \
	        descriptors_max, inputs + RPC_START_##id, RPC_STOP_##id - RPC_START_##id},
#define INPUT(...)
#define END(id)
#include "lib/rpc/verbs.def"
#undef VERB
#undef INPUT
#undef END
};

#define VERB(...)
#define INPUT(...)
#define END(id)                                                                                    \
	_Static_assert(RPC_STOP_##id - RPC_START_##id <= RPC_INPUTS_MAX, "RPC_INPUTS_MAX: " #id);
#include "lib/rpc/verbs.def"
#undef VERB
#undef INPUT
#undef END

const struct rpc_verb *rpc_verb_at(enum rpc_verb_id id)
{
	return &verbs[id];
}

const struct rpc_verb *rpc_verb_find(const char *name)
{
	for (size_t i = 0; i < SK_COUNT(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

int rpc_word_index(const char *words, const char *text)
{
	size_t length = strlen(text);
	for (int index = 0; words != NULL; index++) {
		const char *end = strchr(words, '|');
		size_t size = end != NULL ? (size_t)(end - words) : strlen(words);
		if (size == length && memcmp(words, text, length) == 0) {
			return index;
		}
		words = end != NULL ? end + 1 : NULL;
	}
	return -1;
}

static int refuse(struct rpc_fault *fault, const struct rpc_input *input, const char *why)
{
	return rpc_fault_set(fault, RPC_BAD_INPUT, input->name, "%s", why);
}

static int check_text(const struct rpc_input *input, json_object *value, struct rpc_fault *fault)
{
	if (!json_object_is_type(value, json_type_string)) {
		return refuse(fault, input, "not a text");
	}
	int64_t length = json_object_get_string_len(value);
	if (length < input->minimum) {
		return refuse(fault, input, "text too short");
	}
	return length > input->maximum ? refuse(fault, input, "text too long") : 0;
}

static int check_integer(const struct rpc_input *input, json_object *value, struct rpc_fault *fault)
{
	if (!json_object_is_type(value, json_type_int)) {
		return refuse(fault, input, "not an integer");
	}
	int64_t integer = json_object_get_int64(value);
	return integer < input->minimum || integer > input->maximum
	               ? refuse(fault, input, "integer out of range")
	               : 0;
}

static int check_array(const struct rpc_input *input, json_object *value, struct rpc_fault *fault)
{
	if (!json_object_is_type(value, json_type_array)) {
		return refuse(fault, input, "not an array");
	}
	size_t count = json_object_array_length(value);
	if (count < 1 || count > input->count) {
		return refuse(fault, input, count < 1 ? "empty array" : "too many elements");
	}
	for (size_t i = 0; i < count; i++) {
		json_object *element = json_object_array_get_idx(value, i);
		int status = input->type == RPC_TEXTS ? check_text(input, element, fault)
		                                      : check_integer(input, element, fault);
		if (status != 0) {
			return status;
		}
		if (input->words != NULL &&
		        rpc_word_index(input->words, json_object_get_string(element)) < 0) {
			return refuse(fault, input, "unknown word");
		}
	}
	return 0;
}

static int check_choice(const struct rpc_input *input, json_object *value, int64_t *ret_index,
        struct rpc_fault *fault)
{
	if (!json_object_is_type(value, json_type_string)) {
		return refuse(fault, input, "not a text");
	}
	int index = rpc_word_index(input->words, json_object_get_string(value));
	if (index < 0) {
		return refuse(fault, input, "unknown word");
	}
	*ret_index = index;
	return 0;
}

static int check_value(const struct rpc_input *input, json_object *value,
        struct rpc_value *ret_value, struct rpc_fault *fault)
{
	int status = 0;
	switch (input->type) {
	case RPC_BOOL:
		if (!json_object_is_type(value, json_type_boolean)) {
			return refuse(fault, input, "not true or false");
		}
		ret_value->boolean = json_object_get_boolean(value);
		break;
	case RPC_INTEGER:
		status = check_integer(input, value, fault);
		ret_value->integer = json_object_get_int64(value);
		break;
	case RPC_TEXT:
		status = check_text(input, value, fault);
		if (status == 0) {
			ret_value->text = json_object_get_string(value);
			ret_value->length = (size_t)json_object_get_string_len(value);
		}
		break;
	case RPC_CHOICE:
		status = check_choice(input, value, &ret_value->integer, fault);
		break;
	case RPC_INTEGERS:
	case RPC_TEXTS:
		status = check_array(input, value, fault);
		ret_value->object = value;
		break;
	case RPC_OBJECT:
		if (!json_object_is_type(value, json_type_object)) {
			return refuse(fault, input, "not an object");
		}
		if ((size_t)json_object_object_length(value) > input->count) {
			return refuse(fault, input, "too many members");
		}
		ret_value->object = value;
		break;
	}
	ret_value->present = status == 0;
	return status;
}

static const struct rpc_input *find_input(
        const struct rpc_verb *verb, const char *name, size_t *ret_index)
{
	for (size_t i = 0; i < verb->input_count; i++) {
		if (strcmp(verb->inputs[i].name, name) == 0) {
			*ret_index = i;
			return &verb->inputs[i];
		}
	}
	return NULL;
}

int rpc_verb_check(const struct rpc_verb *verb, json_object *params,
        struct rpc_value ret_values[RPC_INPUTS_MAX], struct rpc_fault *ret_fault)
{
	memset(ret_values, 0, sizeof(*ret_values) * RPC_INPUTS_MAX);
	if (params != NULL) {
		struct json_object_iterator at = json_object_iter_begin(params);
		struct json_object_iterator end = json_object_iter_end(params);
		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
			const char *name = json_object_iter_peek_name(&at);
			size_t index = 0;
			const struct rpc_input *input = find_input(verb, name, &index);
			if (input == NULL) {
				return rpc_fault_set(
				        ret_fault, RPC_BAD_INPUT, name, "unknown member");
			}
			int status = check_value(input, json_object_iter_peek_value(&at),
			        &ret_values[index], ret_fault);
			if (status != 0) {
				return status;
			}
		}
	}
	for (size_t i = 0; i < verb->input_count; i++) {
		if (verb->inputs[i].required && !ret_values[i].present) {
			return refuse(ret_fault, &verb->inputs[i], "missing");
		}
	}
	return 0;
}

/* The members of a request; anything else in it is refused. */
static int read_members(json_object *root, struct rpc_request *request, const char **ret_method,
        struct rpc_fault *fault)
{
	bool version = false;
	struct json_object_iterator at = json_object_iter_begin(root);
	struct json_object_iterator end = json_object_iter_end(root);
	const char *wrong = NULL;
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		json_object *value = json_object_iter_peek_value(&at);
		if (strcmp(name, "jsonrpc") == 0 && json_object_is_type(value, json_type_string)) {
			version = strcmp(json_object_get_string(value), "2.0") == 0;
		} else if (strcmp(name, "id") == 0 &&
		           (json_object_is_type(value, json_type_int) ||
		                   (json_object_is_type(value, json_type_string) &&
		                           json_object_get_string_len(value) <= 64))) {
			request->id = value;
		} else if (strcmp(name, "method") == 0 &&
		           json_object_is_type(value, json_type_string)) {
			*ret_method = json_object_get_string(value);
		} else if (strcmp(name, "params") == 0 &&
		           json_object_is_type(value, json_type_object)) {
			request->params = value;
		} else {
			wrong = name;
		}
	}
	if (wrong != NULL) {
		return rpc_fault_set(fault, RPC_PROTOCOL, NULL, "member %.64s", wrong);
	}
	if (!version || request->id == NULL || *ret_method == NULL) {
		return rpc_fault_set(fault, RPC_PROTOCOL, NULL, "not a JSON-RPC 2.0 request");
	}
	return 0;
}

int rpc_request_parse(const char *text, size_t length, struct rpc_request *ret_request,
        struct rpc_fault *ret_fault)
{
	memset(ret_request, 0, sizeof(*ret_request));
	struct error error = {0};
	if (json_text_parse(text, length, RPC_DEPTH_MAX, &ret_request->root, &error) != 0) {
		return rpc_fault_set(ret_fault, RPC_PROTOCOL, NULL, "%s", error.text);
	}
	if (!json_object_is_type(ret_request->root, json_type_object)) {
		return rpc_fault_set(ret_fault, RPC_PROTOCOL, NULL, "not an object");
	}
	const char *method = NULL;
	int status = read_members(ret_request->root, ret_request, &method, ret_fault);
	if (status != 0) {
		return status;
	}
	ret_request->verb = rpc_verb_find(method);
	if (ret_request->verb == NULL) {
		return rpc_fault_set(ret_fault, RPC_UNKNOWN_VERB, NULL, "%.64s", method);
	}
	return 0;
}
