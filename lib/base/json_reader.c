#include "lib/base/json_reader.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

/* What may come next. */
enum expects {
	EXPECTS_VALUE,
	EXPECTS_VALUE_OR_END, /* right behind '[' */
	EXPECTS_NAME, /* behind a ',' in an object */
	EXPECTS_NAME_OR_END, /* right behind '{' */
	EXPECTS_COMMA_OR_END,
	EXPECTS_NOTHING,
	EXPECTS_ERROR
};

void json_reader_init(struct json_reader *reader, const char *text, size_t length)
{
	*reader = (struct json_reader){
	        .start = text, .at = text, .end = text + length, .expects = EXPECTS_VALUE};
}

static int reader_fail(struct json_reader *reader, int code, const char *reason)
{
	reader->expects = EXPECTS_ERROR;
	reader->reason = reason;
	return code;
}

static int syntax(struct json_reader *reader, const char *reason)
{
	return reader_fail(reader, SK_E_SYNTAX, reason);
}

static inline void skip_blanks(struct json_reader *reader)
{
	const char *at = reader->at;
	while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) {
		at++;
	}
	reader->at = at;
}

/* What follows a complete value depends on what it stands in. */
static inline void after_value(struct json_reader *reader)
{
	reader->expects = reader->depth == 0 ? EXPECTS_NOTHING : EXPECTS_COMMA_OR_END;
}

/* ---- strings ---- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Nonzero in the high bit of (at least) the first byte of `word` that is '"', '\\', below 0x20 or
 * above 0x7f; bytes behind the first hit may be marked wrongly. */
static inline uint64_t special_bytes(uint64_t word)
{
	uint64_t quote = word ^ (ONES * '"');
	uint64_t backslash = word ^ (ONES * '\\');
	uint64_t found = (quote - ONES) & ~quote;
	found |= (backslash - ONES) & ~backslash;
	found |= (word - ONES * 0x20) & ~word;
	return (found | word) & HIGHS;
}

/* The first byte from `at` on that needs a closer look, or `end`. */
static inline const char *find_special(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t found = special_bytes(bytes_get_le64(at));
		if (found != 0) {
			return at + (__builtin_ctzll(found) >> 3);
		}
		at += 8;
	}
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20 &&
	        (unsigned char)*at < 0x80) {
		at++;
	}
	return at;
}

/* The four digits of \uXXXX at `at`, or -1. */
static int32_t hex4(const char *at, const char *end)
{
	unsigned char bytes[2];
	if (end - at < 4 || number_parse_hex(at, 4, bytes, 2) != 0) {
		return -1;
	}
	return bytes_get_be16(bytes);
}

/* Checks the escape at `at` (a backslash); returns where it ends, or NULL. */
static const char *check_escape(const char *at, const char *end)
{
	if (end - at < 2) {
		return NULL;
	}
	if (at[1] != 'u') {
		return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? at + 2 : NULL;
	}
	int32_t unit = hex4(at + 2, end);
	if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
		return NULL;
	}
	at += 6;
	if (unit < 0xd800 || unit > 0xdbff) {
		return at;
	}
	if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
		return NULL;
	}
	unit = hex4(at + 2, end);
	return unit >= 0xdc00 && unit <= 0xdfff ? at + 6 : NULL;
}

/* Reads a string whose opening mark was consumed; sets reader->text. */
static int read_string(struct json_reader *reader)
{
	const char *start = reader->at;
	const char *at = start;
	bool escaped = false;
	for (;;) {
		at = find_special(at, reader->end);
		if (SK_LIKELY(at < reader->end && *at == '"')) {
			break;
		}
		reader->at = at;
		if (at == reader->end) {
			return syntax(reader, "a string does not end");
		}
		if (*at == '\\') {
			escaped = true;
			at = check_escape(at, reader->end);
			if (at == NULL) {
				return syntax(reader, "a bad escape in a string");
			}
		} else if ((unsigned char)*at < 0x20) {
			return syntax(reader, "a control character in a string");
		} else {
			size_t size = utf8_check(at, (size_t)(reader->end - at));
			if (size == 0) {
				return syntax(reader, "a string is not UTF-8");
			}
			at += size;
		}
	}
	reader->text = (struct json_text){start, (size_t)(at - start), escaped};
	reader->at = at + 1;
	return 0;
}

/* ---- numbers and words ---- */

static inline bool is_digit(const char *at, const char *end)
{
	return at < end && *at >= '0' && *at <= '9';
}

static const char *skip_digits(const char *at, const char *end)
{
	while (is_digit(at, end)) {
		at++;
	}
	return at;
}

static int read_number(struct json_reader *reader)
{
	const char *start = reader->at, *at = start, *end = reader->end;
	at += *at == '-';
	if (!is_digit(at, end)) {
		return syntax(reader, "a number without digits");
	}
	if (*at == '0' && is_digit(at + 1, end)) {
		return syntax(reader, "a number with a leading zero");
	}
	at = skip_digits(at, end);
	if (at < end && *at == '.') {
		if (!is_digit(at + 1, end)) {
			return syntax(reader, "a number without digits");
		}
		at = skip_digits(at + 1, end);
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		if (!is_digit(at, end)) {
			return syntax(reader, "a number without digits");
		}
		at = skip_digits(at, end);
	}
	reader->text = (struct json_text){start, (size_t)(at - start), false};
	reader->at = at;
	after_value(reader);
	return 0;
}

static int read_word(struct json_reader *reader, const char *word, size_t length)
{
	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
		return syntax(reader, "an unknown word");
	}
	reader->at += length;
	after_value(reader);
	return 0;
}

/* ---- structure ---- */

static int enter(struct json_reader *reader, bool object)
{
	if (reader->depth >= JSON_DEPTH_MAX) {
		return reader_fail(reader, SK_E_LIMIT, "nested too deep");
	}
	uint64_t bit = UINT64_C(1) << reader->depth++;
	reader->objects = object ? reader->objects | bit : reader->objects & ~bit;
	reader->expects = object ? EXPECTS_NAME_OR_END : EXPECTS_VALUE_OR_END;
	reader->at++;
	return 0;
}

static inline bool in_object(const struct json_reader *reader)
{
	return reader->depth > 0 && ((reader->objects >> (reader->depth - 1)) & 1) != 0;
}

static int leave(struct json_reader *reader, enum json_token *ret_token)
{
	*ret_token = in_object(reader) ? JSON_OBJECT_END : JSON_ARRAY_END;
	reader->depth--;
	reader->at++;
	after_value(reader);
	return 0;
}

static int read_value(struct json_reader *reader, enum json_token *ret_token)
{
	int status;
	switch (*reader->at) {
	case '"':
		reader->at++;
		status = read_string(reader);
		if (status == 0) {
			*ret_token = JSON_STRING;
			after_value(reader);
		}
		return status;
	case '{':
		*ret_token = JSON_OBJECT;
		return enter(reader, true);
	case '[':
		*ret_token = JSON_ARRAY;
		return enter(reader, false);
	case 't':
		*ret_token = JSON_TRUE;
		return read_word(reader, "true", 4);
	case 'f':
		*ret_token = JSON_FALSE;
		return read_word(reader, "false", 5);
	case 'n':
		*ret_token = JSON_NULL;
		return read_word(reader, "null", 4);
	default:
		if (*reader->at != '-' && !is_digit(reader->at, reader->end)) {
			return syntax(reader, "a value is missing");
		}
		*ret_token = JSON_NUMBER;
		return read_number(reader);
	}
}

static int read_name(struct json_reader *reader, enum json_token *ret_token)
{
	if (*reader->at != '"') {
		return syntax(reader, "the name of a member is missing");
	}
	reader->at++;
	int status = read_string(reader);
	if (status != 0) {
		return status;
	}
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != ':') {
		return syntax(reader, "a colon is missing");
	}
	reader->at++;
	reader->expects = EXPECTS_VALUE;
	*ret_token = JSON_NAME;
	return 0;
}

int json_reader_next(struct json_reader *reader, enum json_token *ret_token)
{
	skip_blanks(reader);
	if (reader->at == reader->end) {
		if (reader->expects == EXPECTS_NOTHING) {
			*ret_token = JSON_END;
			return 0;
		}
		return reader->expects == EXPECTS_ERROR ? SK_E_SYNTAX
		                                        : syntax(reader, "the text is cut off");
	}
	char c = *reader->at;
	switch ((enum expects)reader->expects) {
	case EXPECTS_COMMA_OR_END:
		if (c == (in_object(reader) ? '}' : ']')) {
			return leave(reader, ret_token);
		}
		if (c != ',') {
			return syntax(reader, "a comma is missing");
		}
		reader->at++;
		skip_blanks(reader);
		if (reader->at == reader->end) {
			return syntax(reader, "the text is cut off");
		}
		return in_object(reader) ? read_name(reader, ret_token)
		                         : read_value(reader, ret_token);
	case EXPECTS_NAME_OR_END:
		return c == '}' ? leave(reader, ret_token) : read_name(reader, ret_token);
	case EXPECTS_VALUE_OR_END:
		return c == ']' ? leave(reader, ret_token) : read_value(reader, ret_token);
	case EXPECTS_NAME:
		return read_name(reader, ret_token);
	case EXPECTS_VALUE:
		return read_value(reader, ret_token);
	case EXPECTS_NOTHING:
		return syntax(reader, "something follows the value");
	case EXPECTS_ERROR:
		break;
	}
	return SK_E_SYNTAX;
}

/* ---- texts ---- */

/* Undoes one escape at `*at`; the result at `out`, its size is returned. */
static size_t undo_escape(const char **at, char *out)
{
	static const char plain[] = "\"\\/bfnrt";
	static const char undone[] = "\"\\/\b\f\n\r\t";
	const char *from = *at;
	if (from[1] != 'u') {
		*out = undone[strchr(plain, from[1]) - plain];
		*at = from + 2;
		return 1;
	}
	uint32_t code = (uint32_t)hex4(from + 2, from + 6);
	*at = from + 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		uint32_t low = (uint32_t)hex4(from + 8, from + 12);
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		*at = from + 12;
	}
	return utf8_encode(code, out);
}

size_t json_unescape(const struct json_text *text, char *space)
{
	const char *at = text->data, *end = text->data + text->length;
	char *out = space;
	while (at < end) {
		const char *stop = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((stop != NULL ? stop : end) - at);
		memmove(out, at, plain);
		out += plain;
		at += plain;
		if (stop != NULL) {
			char undone[UTF8_MAX];
			size_t size = undo_escape(&at, undone);
			memcpy(out, undone, size);
			out += size;
		}
	}
	return (size_t)(out - space);
}

bool json_text_is(const struct json_text *text, const char *name)
{
	size_t length = strlen(name);
	if (!text->escaped) {
		return text->length == length && memcmp(text->data, name, length) == 0;
	}
	const char *at = text->data, *end = text->data + text->length;
	size_t used = 0;
	while (at < end) {
		char piece[UTF8_MAX] = {*at};
		size_t size = 1;
		if (*at == '\\') {
			size = undo_escape(&at, piece);
		} else {
			at++;
		}
		if (size > length - used || memcmp(name + used, piece, size) != 0) {
			return false;
		}
		used += size;
	}
	return used == length;
}

int json_number_i64(
        const struct json_text *number, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
	return number_parse_i64(number->data, number->length, minimum, maximum, ret_value);
}
