#include "lib/rpc/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json_object_iterator.h>
#include <json-c/json_tokener.h>

#include "lib/base/json_reader.h"

static int refuse(const struct json_reader *reader, const char *what, struct error *error)
{
	return error_set(error, SK_E_SYNTAX, "%s at byte %zu", what, json_reader_position(reader));
}

static bool has_nul(const struct json_text *text)
{
	const char *end = text->data + text->length;
	for (const char *at = text->data; text->escaped && at < end; at++) {
		if (*at == '\\' && *++at == 'u' && memcmp(at, "u0000", 5) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_too_large(const struct json_text *number)
{
	int64_t value;
	for (size_t i = 0; i < number->length; i++) {
		if (memchr(".eE", number->data[i], 3) != NULL) {
			return false; /* a fraction has no such limit */
		}
	}
	return json_number_i64(number, INT64_MIN, INT64_MAX, &value) != 0;
}

/* Is it what json_text_parse takes, but for members given twice? Counts the members of all
 * objects. */
static int check_text(const char *text, size_t length, unsigned depth_max, size_t *ret_members,
        struct error *error)
{
	struct json_reader reader;
	enum json_token token;
	size_t members = 0;
	json_reader_init(&reader, text, length);
	do {
		if (json_reader_next(&reader, &token) != 0) {
			return refuse(&reader, reader.reason, error);
		}
		if (reader.depth > depth_max) {
			return refuse(&reader, "nested too deep", error);
		}
		if (token == JSON_NUMBER && is_too_large(&reader.text)) {
			return refuse(&reader, "an integer too large", error);
		}
		if ((token == JSON_STRING || token == JSON_NAME) && has_nul(&reader.text)) {
			return refuse(&reader, "a NUL in a string", error);
		}
		members += token == JSON_NAME;
	} while (token != JSON_END);
	*ret_members = members;
	return 0;
}

/* Members of all objects in `value`, whose depth has been checked. */
static size_t count_members(json_object *value)
{
	/* An explicit stack: a level's array or object with the position in it. */
	struct {
		json_object *value;
		size_t index;
		struct json_object_iterator at, end;
	} stack[JSON_TEXT_DEPTH_MAX];
	size_t depth = 0, members = 0;
	json_object *next = value;
	for (;;) {
		enum json_type type = json_object_get_type(next);
		if (type == json_type_object || type == json_type_array) {
			stack[depth].value = next;
			stack[depth].index = 0;
			if (type == json_type_object) {
				members += (size_t)json_object_object_length(next);
				stack[depth].at = json_object_iter_begin(next);
				stack[depth].end = json_object_iter_end(next);
			}
			depth++;
		}
		for (;;) {
			if (depth == 0) {
				return members;
			}
			json_object *top = stack[depth - 1].value;
			if (json_object_get_type(top) == json_type_array) {
				size_t index = stack[depth - 1].index++;
				if (index < json_object_array_length(top)) {
					next = json_object_array_get_idx(top, index);
					break;
				}
			} else if (!json_object_iter_equal(
			                   &stack[depth - 1].at, &stack[depth - 1].end)) {
				next = json_object_iter_peek_value(&stack[depth - 1].at);
				json_object_iter_next(&stack[depth - 1].at);
				break;
			}
			depth--;
		}
	}
}

int json_text_parse(const char *text, size_t length, unsigned depth_max, json_object **ret_value,
        struct error *error)
{
	size_t members = 0;
	int status = check_text(text, length, depth_max, &members, error);
	if (status != 0) {
		return status;
	}
	if (length > INT32_MAX) {
		return error_set(error, SK_E_LIMIT, "text too long");
	}
	struct json_tokener *tokener = json_tokener_new_ex(JSON_TEXT_DEPTH_MAX + 1);
	if (tokener == NULL) {
		return error_set_code(error, -ENOMEM, "JSON");
	}
	json_object *value = json_tokener_parse_ex(tokener, text, (int)length);
	if (value == NULL && json_tokener_get_error(tokener) == json_tokener_continue) {
		value = json_tokener_parse_ex(tokener, "", 1); /* a number at the very end */
	}
	enum json_tokener_error problem = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (problem != json_tokener_success) {
		return error_set(error, SK_E_SYNTAX, "%s", json_tokener_error_desc(problem));
	}
	if (count_members(value) != members) {
		json_object_put(value);
		return error_set(error, SK_E_SYNTAX, "a member is given twice");
	}
	*ret_value = value;
	return 0;
}

const char *json_member_text(json_object *object, const char *name)
{
	json_object *value = NULL;
	json_object_object_get_ex(object, name, &value);
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

int64_t json_member_number(json_object *object, const char *name)
{
	json_object *value = NULL;
	json_object_object_get_ex(object, name, &value);
	return json_object_get_int64(value);
}
