#include "lib/rpc/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json_object_iterator.h>
#include <json-c/json_tokener.h>

#include "lib/base/number.h"

/* What may come next. */
enum json_state {
	WANT_VALUE,
	WANT_VALUE_OR_END, /* just behind '[' */
	WANT_NAME,
	WANT_NAME_OR_END, /* just behind '{' */
	WANT_COMMA_OR_END,
	WANT_NOTHING, /* the outermost value is complete */
};

struct checker {
	const char *text, *at, *end;
	struct error *error;
	size_t members;
	unsigned depth, depth_max;
	bool in_object[JSON_TEXT_DEPTH_MAX];
};

static int refuse(struct checker *checker, const char *what)
{
	return error_set(checker->error, SK_E_SYNTAX, "%s at byte %zu", what,
	        (size_t)(checker->at - checker->text));
}

/* Length of the UTF-8 sequence at `at`, 0 when it is none (overlong, surrogate, above 10FFFF). */
static size_t utf8_length(const char *at, const char *end)
{
	const unsigned char *b = (const unsigned char *)at;
	size_t left = (size_t)(end - at);
	if (b[0] < 0x80) {
		return 1;
	}
	if (b[0] >= 0xc2 && b[0] <= 0xdf && left >= 2 && (b[1] & 0xc0) == 0x80) {
		return 2;
	}
	if ((b[0] & 0xf0) == 0xe0 && left >= 3 && (b[1] & 0xc0) == 0x80 && (b[2] & 0xc0) == 0x80) {
		bool overlong = b[0] == 0xe0 && b[1] < 0xa0;
		bool surrogate = b[0] == 0xed && b[1] >= 0xa0;
		return overlong || surrogate ? 0 : 3;
	}
	if (b[0] >= 0xf0 && b[0] <= 0xf4 && left >= 4 && (b[1] & 0xc0) == 0x80 &&
	        (b[2] & 0xc0) == 0x80 && (b[3] & 0xc0) == 0x80) {
		bool overlong = b[0] == 0xf0 && b[1] < 0x90;
		bool beyond = b[0] == 0xf4 && b[1] >= 0x90;
		return overlong || beyond ? 0 : 4;
	}
	return 0;
}

static int unicode_escape(struct checker *checker, uint32_t *ret_unit)
{
	/* at the 'u' */
	if (checker->end - checker->at < 5) {
		return refuse(checker, "escape is cut");
	}
	unsigned char bytes[2];
	if (number_parse_hex(checker->at + 1, 4, bytes, sizeof(bytes)) != 0) {
		return refuse(checker, "escape without four digits");
	}
	*ret_unit = (uint32_t)bytes[0] << 8 | bytes[1];
	checker->at += 5;
	return 0;
}

static int check_escape(struct checker *checker)
{
	checker->at++; /* the backslash */
	if (checker->at >= checker->end) {
		return refuse(checker, "string is cut");
	}
	if (*checker->at != 'u') {
		if (memchr("\"\\/bfnrt", *checker->at, 8) == NULL) {
			return refuse(checker, "unknown escape");
		}
		checker->at++;
		return 0;
	}
	uint32_t unit;
	int status = unicode_escape(checker, &unit);
	if (status != 0) {
		return status;
	}
	if (unit == 0) {
		return refuse(checker, "NUL in a string");
	}
	if (unit >= 0xdc00 && unit <= 0xdfff) {
		return refuse(checker, "half of a surrogate pair");
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		if (checker->end - checker->at < 2 || checker->at[0] != '\\' ||
		        checker->at[1] != 'u') {
			return refuse(checker, "half of a surrogate pair");
		}
		checker->at++;
		status = unicode_escape(checker, &unit);
		if (status == 0 && (unit < 0xdc00 || unit > 0xdfff)) {
			return refuse(checker, "half of a surrogate pair");
		}
	}
	return status;
}

static int check_string(struct checker *checker)
{
	checker->at++; /* the quote */
	while (checker->at < checker->end) {
		unsigned char c = (unsigned char)*checker->at;
		if (c == '"') {
			checker->at++;
			return 0;
		}
		if (c < 0x20) {
			return refuse(checker, "control character in a string");
		}
		if (c == '\\') {
			int status = check_escape(checker);
			if (status != 0) {
				return status;
			}
			continue;
		}
		size_t length = utf8_length(checker->at, checker->end);
		if (length == 0) {
			return refuse(checker, "not UTF-8");
		}
		checker->at += length;
	}
	return refuse(checker, "string is cut");
}

static size_t skip_digits(struct checker *checker)
{
	const char *start = checker->at;
	while (checker->at < checker->end && *checker->at >= '0' && *checker->at <= '9') {
		checker->at++;
	}
	return (size_t)(checker->at - start);
}

static int check_number(struct checker *checker)
{
	const char *start = checker->at;
	if (*checker->at == '-') {
		checker->at++;
	}
	const char *digits = checker->at;
	size_t count = skip_digits(checker);
	if (count == 0 || (count > 1 && *digits == '0')) {
		return refuse(checker, "not a number");
	}
	bool integer = true;
	if (checker->at < checker->end && *checker->at == '.') {
		integer = false;
		checker->at++;
		if (skip_digits(checker) == 0) {
			return refuse(checker, "not a number");
		}
	}
	if (checker->at < checker->end && (*checker->at == 'e' || *checker->at == 'E')) {
		integer = false;
		checker->at++;
		if (checker->at < checker->end && (*checker->at == '+' || *checker->at == '-')) {
			checker->at++;
		}
		if (skip_digits(checker) == 0) {
			return refuse(checker, "not a number");
		}
	}
	int64_t value;
	if (integer && number_parse_i64(start, (size_t)(checker->at - start), INT64_MIN, INT64_MAX,
	                       &value) != 0) {
		return refuse(checker, "integer too large");
	}
	return 0;
}

static int check_word(struct checker *checker, const char *word)
{
	size_t length = strlen(word);
	if ((size_t)(checker->end - checker->at) < length ||
	        memcmp(checker->at, word, length) != 0) {
		return refuse(checker, "not JSON");
	}
	checker->at += length;
	return 0;
}

static int open_level(struct checker *checker, enum json_state *state)
{
	if (checker->depth >= checker->depth_max) {
		return refuse(checker, "nested too deep");
	}
	bool object = *checker->at == '{';
	checker->in_object[checker->depth++] = object;
	checker->at++;
	*state = object ? WANT_NAME_OR_END : WANT_VALUE_OR_END;
	return 0;
}

static enum json_state after_value(const struct checker *checker)
{
	return checker->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

static int close_level(struct checker *checker, enum json_state *state)
{
	if (checker->depth == 0 ||
	        checker->in_object[checker->depth - 1] != (*checker->at == '}')) {
		return refuse(checker, "wrong bracket");
	}
	checker->depth--;
	checker->at++;
	*state = after_value(checker);
	return 0;
}

static void skip_blanks(struct checker *checker)
{
	while (checker->at < checker->end &&
	        (*checker->at == ' ' || *checker->at == '\t' || *checker->at == '\n' ||
	                *checker->at == '\r')) {
		checker->at++;
	}
}

static int check_scalar(struct checker *checker)
{
	switch (*checker->at) {
	case '"':
		return check_string(checker);
	case 't':
		return check_word(checker, "true");
	case 'f':
		return check_word(checker, "false");
	case 'n':
		return check_word(checker, "null");
	default:
		return check_number(checker);
	}
}

static int check_name(struct checker *checker, enum json_state *state)
{
	if (*checker->at != '"') {
		return refuse(checker, "no member name");
	}
	int status = check_string(checker);
	if (status != 0) {
		return status;
	}
	skip_blanks(checker);
	if (checker->at >= checker->end || *checker->at != ':') {
		return refuse(checker, "no ':' behind a member name");
	}
	checker->at++;
	checker->members++;
	*state = WANT_VALUE;
	return 0;
}

static int check_step(struct checker *checker, enum json_state *state)
{
	char c = *checker->at;
	switch (*state) {
	case WANT_NAME_OR_END:
	case WANT_NAME:
		if (c == '}' && *state == WANT_NAME_OR_END) {
			return close_level(checker, state);
		}
		return check_name(checker, state);
	case WANT_VALUE_OR_END:
	case WANT_VALUE:
		if (c == ']' && *state == WANT_VALUE_OR_END) {
			return close_level(checker, state);
		}
		if (c == '{' || c == '[') {
			return open_level(checker, state);
		}
		*state = after_value(checker);
		return check_scalar(checker);
	case WANT_COMMA_OR_END:
		if (c == '}' || c == ']') {
			return close_level(checker, state);
		}
		if (c != ',') {
			return refuse(checker, "no ',' between values");
		}
		checker->at++;
		*state = checker->in_object[checker->depth - 1] ? WANT_NAME : WANT_VALUE;
		return 0;
	case WANT_NOTHING:
	default:
		return refuse(checker, "something behind the value");
	}
}

int json_text_check(const char *text, size_t length, unsigned depth_max, size_t *ret_members,
        struct error *error)
{
	struct checker checker = {.text = text,
	        .at = text,
	        .end = text + length,
	        .error = error,
	        .depth_max = depth_max < JSON_TEXT_DEPTH_MAX ? depth_max : JSON_TEXT_DEPTH_MAX};
	enum json_state state = WANT_VALUE;
	for (;;) {
		skip_blanks(&checker);
		if (checker.at >= checker.end) {
			break;
		}
		int status = check_step(&checker, &state);
		if (status != 0) {
			return status;
		}
	}
	if (state != WANT_NOTHING) {
		return refuse(&checker, "text is cut");
	}
	*ret_members = checker.members;
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
	size_t members;
	int status = json_text_check(text, length, depth_max, &members, error);
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
