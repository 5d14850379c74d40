#include "lib/rpc/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"

static void clean_text(char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c >= 0x7f) {
			*text = '?';
		}
	}
}

int rpc_fault_set(
        struct rpc_fault *fault, const char *code, const char *field, const char *format, ...)
{
	snprintf(fault->code, sizeof(fault->code), "%s", code);
	snprintf(fault->field, sizeof(fault->field), "%s", field != NULL ? field : "");
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	clean_text(fault->field);
	clean_text(fault->text);
	return SK_E_REFUSED;
}

const char *rpc_fault_code_of(int status)
{
	switch (status) {
	case SK_E_SYNTAX:
	case SK_E_RANGE:
	case SK_E_UNSUPPORTED:
		return RPC_BAD_INPUT;
	case SK_E_LIMIT:
		return RPC_LIMIT;
	case SK_E_NOT_FOUND:
		return RPC_NOT_FOUND;
	case SK_E_EXISTS:
		return RPC_EXISTS;
	case SK_E_CONFLICT:
	case SK_E_CORRUPT:
	case SK_E_VERSION:
		return RPC_CONFLICT;
	case SK_E_REFUSED:
		return RPC_NOT_PERMITTED;
	case SK_E_TIMEOUT:
		return RPC_TIMEOUT;
	case SK_E_DATABASE:
	case -ENOSPC:
	case -EIO:
	case -EROFS:
	case -EDQUOT:
		return RPC_STORAGE;
	case SK_E_PROTOCOL:
	case -EPIPE:
	case -EAGAIN:
		return RPC_UNAVAILABLE;
	default:
		return RPC_INTERNAL;
	}
}

static int number_of(const char *code)
{
	if (strcmp(code, RPC_UNKNOWN_VERB) == 0) {
		return -32601;
	}
	return strcmp(code, RPC_BAD_INPUT) == 0 ? -32602 : -32000;
}

static int add_text(json_object *object, const char *name, const char *text)
{
	json_object *value = json_object_new_string(text);
	if (value == NULL || json_object_object_add(object, name, value) != 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

json_object *rpc_fault_encode(const struct rpc_fault *fault)
{
	json_object *object = json_object_new_object();
	json_object *data = json_object_new_object();
	if (object == NULL || data == NULL) {
		json_object_put(object);
		json_object_put(data);
		return NULL;
	}
	int status = add_text(data, "code", fault->code);
	if (status == 0 && fault->field[0] != '\0') {
		status = add_text(data, "field", fault->field);
	}
	if (status == 0 && fault->text[0] != '\0') {
		status = add_text(data, "text", fault->text);
	}
	json_object_object_add(object, "code", json_object_new_int(number_of(fault->code)));
	if (status == 0) {
		status = add_text(object, "message", fault->code);
	}
	if (json_object_object_add(object, "data", data) != 0) {
		json_object_put(data);
		status = -ENOMEM;
	}
	if (status != 0) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

static const char *text_of(json_object *object, const char *name)
{
	json_object *value;
	if (!json_object_object_get_ex(object, name, &value) ||
	        !json_object_is_type(value, json_type_string)) {
		return "";
	}
	return json_object_get_string(value);
}

void rpc_fault_decode(json_object *object, struct rpc_fault *ret_fault)
{
	json_object *data = NULL;
	if (json_object_is_type(object, json_type_object)) {
		json_object_object_get_ex(object, "data", &data);
	}
	if (!json_object_is_type(data, json_type_object)) {
		rpc_fault_set(ret_fault, RPC_INTERNAL, NULL, "error answer without data");
		return;
	}
	const char *code = text_of(data, "code");
	rpc_fault_set(ret_fault, code[0] != '\0' ? code : RPC_INTERNAL, text_of(data, "field"),
	        "%s", text_of(data, "text"));
}
