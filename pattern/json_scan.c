#include "pattern/json_scan.h"

#include <errno.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

/* What json_look gives at the end. */
#define JSON_NONE 256

enum json_expect {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END, /* after '[' */
	EXPECT_KEY_OR_END, /* after '{' */
	EXPECT_KEY, /* after ',' in an object */
	EXPECT_COMMA_OR_END, /* after a value within an object or array */
	EXPECT_NOTHING /* after the top value */
};

void json_scan_init(struct json_scan *scan, struct input *input, size_t text_max)
{
	*scan = (struct json_scan){.input = input, .line = 1, .column = 1};
	scan->expect = EXPECT_VALUE;
	buf_init(&scan->text, text_max);
}

void json_scan_release(struct json_scan *scan)
{
	buf_release(&scan->text);
}

static int json_fail(struct json_scan *scan, const char *reason)
{
	scan->reason = reason;
	return SK_E_SYNTAX;
}

/* The next byte without consuming it: 0–255, JSON_NONE, or a negative error. */
static int json_look(struct json_scan *scan)
{
	if (scan->at == scan->end) {
		size_t size;
		input_consume(scan->input, scan->taken);
		scan->taken = 0;
		int status = input_peek(scan->input, &scan->at, &size);
		if (status != 0) {
			scan->at = scan->end = NULL;
			scan->reason = input_reason(scan->input);
			return status;
		}
		scan->end = scan->at + size;
		scan->taken = size;
		if (size == 0) {
			return JSON_NONE;
		}
	}
	return (unsigned char)*scan->at;
}

static void json_skip(struct json_scan *scan)
{
	if (*scan->at == '\n') {
		scan->line++;
		scan->column = 1;
	} else {
		scan->column++;
	}
	scan->at++;
}

/* Adds to the text, or notes that it is cut. */
static void json_add(struct json_scan *scan, const char *bytes, size_t size)
{
	if (scan->cut || scan->text.length + size > scan->text.maximum) {
		scan->cut = true;
		return;
	}
	buf_add(&scan->text, bytes, size);
}

static void json_add_code(struct json_scan *scan, uint32_t code)
{
	char bytes[UTF8_MAX];
	json_add(scan, bytes, utf8_encode(code, bytes));
}

static int json_end_early(struct json_scan *scan, int byte)
{
	return byte < 0 ? byte : json_fail(scan, "the text ends too early");
}

/* Four hexadecimal digits. */
static int json_hex4(struct json_scan *scan, uint32_t *ret_code)
{
	uint32_t code = 0;
	for (int i = 0; i < 4; i++) {
		int byte = json_look(scan);
		if (byte < 0 || byte == JSON_NONE) {
			return json_end_early(scan, byte);
		}
		int digit = number_hex_digit((char)byte);
		if (digit < 0) {
			return json_fail(scan, "no four hexadecimal digits behind \\u");
		}
		code = code << 4 | (uint32_t)digit;
		json_skip(scan);
	}
	*ret_code = code;
	return 0;
}

static int json_low_surrogate(struct json_scan *scan, uint32_t *code)
{
	for (const char *wanted = "\\u"; *wanted != '\0'; wanted++) {
		int byte = json_look(scan);
		if (byte < 0 || byte == JSON_NONE) {
			return json_end_early(scan, byte);
		}
		if (byte != *wanted) {
			return json_fail(scan, "half of a surrogate pair");
		}
		json_skip(scan);
	}
	uint32_t low;
	int status = json_hex4(scan, &low);
	if (status != 0) {
		return status;
	}
	if (low < 0xdc00 || low > 0xdfff) {
		return json_fail(scan, "half of a surrogate pair");
	}
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

/* Behind a backslash. */
static int json_escape(struct json_scan *scan)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	int byte = json_look(scan);
	if (byte < 0 || byte == JSON_NONE) {
		return json_end_early(scan, byte);
	}
	if (byte != 'u') {
		const char *found = byte != 0 ? strchr(names, byte) : NULL;
		if (found == NULL) {
			return json_fail(scan, "an escape that JSON does not have");
		}
		json_add(scan, values + (found - names), 1);
		json_skip(scan);
		return 0;
	}
	json_skip(scan);
	uint32_t code;
	int status = json_hex4(scan, &code);
	if (status == 0 && code >= 0xdc00 && code <= 0xdfff) {
		return json_fail(scan, "half of a surrogate pair");
	}
	if (status == 0 && code >= 0xd800 && code <= 0xdbff) {
		status = json_low_surrogate(scan, &code);
	}
	if (status == 0) {
		json_add_code(scan, code);
	}
	return status;
}

/* A character of more than one byte; overlong forms, surrogates and what is above U+10FFFF are no
 * UTF-8. */
static int json_utf8(struct json_scan *scan, int first)
{
	char bytes[UTF8_MAX];
	int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	int low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	int high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0xc2 || first > 0xf4) {
		return json_fail(scan, "no UTF-8");
	}
	bytes[0] = (char)first;
	json_skip(scan);
	for (int i = 1; i <= more; i++) {
		int byte = json_look(scan);
		if (byte < low || byte > high) {
			return byte < 0 ? byte : json_fail(scan, "no UTF-8");
		}
		low = 0x80;
		high = 0xbf;
		bytes[i] = (char)byte;
		json_skip(scan);
	}
	json_add(scan, bytes, (size_t)more + 1);
	return 0;
}

/* Behind the opening quote, up to behind the closing one. */
static int json_string(struct json_scan *scan)
{
	buf_clear(&scan->text);
	scan->cut = false;
	for (;;) {
		int status = 0;
		int byte = json_look(scan);
		if (byte < 0 || byte == JSON_NONE) {
			return json_end_early(scan, byte);
		}
		if (byte < 0x20) {
			return json_fail(scan, "a control character in a string");
		}
		if (byte >= 0x80) {
			status = json_utf8(scan, byte);
		} else {
			json_skip(scan);
			if (byte == '"') {
				return buf_status(&scan->text);
			}
			if (byte == '\\') {
				status = json_escape(scan);
			} else {
				char c = (char)byte;
				json_add(scan, &c, 1);
			}
		}
		if (status != 0) {
			return status;
		}
	}
}

/* Adds digits; how many. */
static int json_digits(struct json_scan *scan, size_t *ret_count)
{
	size_t count = 0;
	for (;;) {
		int byte = json_look(scan);
		if (byte < 0) {
			return byte;
		}
		if (byte < '0' || byte > '9') {
			*ret_count = count;
			return 0;
		}
		char c = (char)byte;
		json_add(scan, &c, 1);
		json_skip(scan);
		count++;
	}
}

/* Adds the next byte when it is one of `set`; 1, 0 or an error. */
static int json_take(struct json_scan *scan, const char *set)
{
	int byte = json_look(scan);
	if (byte < 0) {
		return byte;
	}
	if (byte == 0 || byte == JSON_NONE || strchr(set, byte) == NULL) {
		return 0;
	}
	char c = (char)byte;
	json_add(scan, &c, 1);
	json_skip(scan);
	return 1;
}

static int json_fraction(struct json_scan *scan)
{
	size_t count;
	int taken = json_take(scan, ".");
	if (taken > 0) {
		taken = json_digits(scan, &count);
		if (taken == 0 && count == 0) {
			return json_fail(scan, "a number that JSON does not have");
		}
	}
	if (taken < 0) {
		return taken;
	}
	taken = json_take(scan, "eE");
	if (taken <= 0) {
		return taken;
	}
	taken = json_take(scan, "+-");
	if (taken < 0) {
		return taken;
	}
	taken = json_digits(scan, &count);
	if (taken == 0 && count == 0) {
		return json_fail(scan, "a number that JSON does not have");
	}
	return taken;
}

static int json_number(struct json_scan *scan)
{
	size_t count;
	buf_clear(&scan->text);
	scan->cut = false;
	int status = json_take(scan, "-");
	if (status < 0) {
		return status;
	}
	size_t before = scan->text.length;
	status = json_digits(scan, &count);
	if (status != 0) {
		return status;
	}
	if (count == 0 || (count > 1 && scan->text.data[before] == '0')) {
		return json_fail(scan, "a value that JSON does not have");
	}
	status = json_fraction(scan);
	return status != 0 ? status : buf_status(&scan->text);
}

static int json_word(struct json_scan *scan, const char *word)
{
	for (; *word != '\0'; word++) {
		int byte = json_look(scan);
		if (byte < 0) {
			return byte;
		}
		if (byte != *word) {
			return json_fail(scan, "a value that JSON does not have");
		}
		json_skip(scan);
	}
	return 0;
}

static int json_skip_blanks(struct json_scan *scan)
{
	for (;;) {
		int byte = json_look(scan);
		if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
			return byte;
		}
		json_skip(scan);
	}
}

static void json_value_done(struct json_scan *scan)
{
	if (scan->depth > 0) {
		scan->expect = EXPECT_COMMA_OR_END;
	} else {
		scan->expect = scan->many ? EXPECT_VALUE : EXPECT_NOTHING;
	}
}

static int json_enter(struct json_scan *scan, int object)
{
	if (scan->depth == JSON_DEPTH_MAX) {
		return json_fail(scan, "nested too deep");
	}
	scan->open = scan->open << 1 | (unsigned)object;
	scan->depth++;
	scan->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	json_skip(scan);
	return 0;
}

static void json_leave(struct json_scan *scan)
{
	scan->open >>= 1;
	scan->depth--;
	json_skip(scan);
	json_value_done(scan);
}

static int json_value(struct json_scan *scan, int byte, enum json_event *ret_event)
{
	int status;
	if (byte == '{' || byte == '[') {
		*ret_event = byte == '{' ? JSON_OBJECT_START : JSON_ARRAY_START;
		return json_enter(scan, byte == '{');
	}
	if (byte == '"') {
		*ret_event = JSON_STRING;
		json_skip(scan);
		status = json_string(scan);
	} else if (byte == 't') {
		*ret_event = JSON_TRUE;
		status = json_word(scan, "true");
	} else if (byte == 'f') {
		*ret_event = JSON_FALSE;
		status = json_word(scan, "false");
	} else if (byte == 'n') {
		*ret_event = JSON_NULL;
		status = json_word(scan, "null");
	} else {
		*ret_event = JSON_NUMBER;
		status = json_number(scan);
	}
	json_value_done(scan);
	return status;
}

static int json_key(struct json_scan *scan, int byte)
{
	if (byte != '"') {
		return json_fail(scan, "a key in double quotes is expected");
	}
	json_skip(scan);
	int status = json_string(scan);
	if (status != 0) {
		return status;
	}
	byte = json_skip_blanks(scan);
	if (byte != ':') {
		return byte < 0 ? byte : json_fail(scan, "':' is expected");
	}
	json_skip(scan);
	scan->expect = EXPECT_VALUE;
	return 0;
}

/* The closing bracket of what is open, or 0. */
static int json_close(const struct json_scan *scan)
{
	return scan->depth == 0 ? 0 : (scan->open & 1) ? '}' : ']';
}

int json_scan_next(struct json_scan *scan, enum json_event *ret_event)
{
	int byte = json_skip_blanks(scan);
	if (byte < 0) {
		return byte;
	}
	if (byte == JSON_NONE) {
		if (scan->depth == 0 && (scan->expect == EXPECT_NOTHING ||
		                                (scan->many && scan->expect == EXPECT_VALUE))) {
			*ret_event = JSON_END;
			return 0;
		}
		return json_fail(scan, "the text ends too early");
	}
	if (scan->expect == EXPECT_NOTHING) {
		return json_fail(scan, "something follows the end");
	}
	bool may_close = scan->expect == EXPECT_VALUE_OR_END || scan->expect == EXPECT_KEY_OR_END ||
	                 scan->expect == EXPECT_COMMA_OR_END;
	if (may_close && byte == json_close(scan)) {
		*ret_event = byte == '}' ? JSON_OBJECT_END : JSON_ARRAY_END;
		json_leave(scan);
		return 0;
	}
	if (scan->expect == EXPECT_COMMA_OR_END) {
		if (byte != ',') {
			return json_fail(scan, "',' or the closing bracket is expected");
		}
		json_skip(scan);
		scan->expect = (scan->open & 1) ? EXPECT_KEY : EXPECT_VALUE;
		byte = json_skip_blanks(scan);
		if (byte < 0 || byte == JSON_NONE) {
			return json_end_early(scan, byte);
		}
	}
	if (scan->expect == EXPECT_KEY || scan->expect == EXPECT_KEY_OR_END) {
		*ret_event = JSON_KEY;
		return json_key(scan, byte);
	}
	return json_value(scan, byte, ret_event);
}
