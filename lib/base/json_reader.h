#ifndef LIB_BASE_JSON_READER_H
#define LIB_BASE_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/*
 * A pull reader of JSON text (RFC 8259) that lies complete in memory: the caller asks for one token
 * after the other. No allocation, no recursion; strict: UTF-8 is checked, control characters, lone
 * surrogates, leading zeros, trailing commas and anything behind the value are errors. Nesting is
 * limited to JSON_DEPTH_MAX. The text must outlive the reader; strings point into it.
 */
#define JSON_DEPTH_MAX 64

enum json_token {
	JSON_END, /* the text is complete and nothing follows */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_NAME, /* of a member; its value comes next */
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL
};

/* What lies between the quotation marks, or the characters of a number. */
struct json_text {
	const char *data;
	size_t length;
	bool escaped; /* it has backslashes: json_unescape before use */
};

struct json_reader {
	const char *start, *at, *end;
	uint64_t objects; /* bit per level: it is an object */
	uint32_t depth;
	uint8_t expects; /* what may come next, private */
	struct json_text text; /* of JSON_NAME, JSON_STRING and JSON_NUMBER */
	const char *reason; /* after an error: what is wrong, static text */
};

void json_reader_init(struct json_reader *reader, const char *text, size_t length);

/* The next token: 0, SK_E_SYNTAX or SK_E_LIMIT (depth). Errors stick. */
int json_reader_next(struct json_reader *reader, enum json_token *ret_token) SK_MUST_USE;

/* Bytes read so far; after an error where it is. */
static inline size_t json_reader_position(const struct json_reader *reader)
{
	return (size_t)(reader->at - reader->start);
}

/* Undoes the escapes of a text that the reader gave out, into `space` (text->length bytes always
 * suffice; it may be the text's own memory). Returns the length. */
size_t json_unescape(const struct json_text *text, char *space);

/* Is the text, its escapes undone, equal to `name`? */
bool json_text_is(const struct json_text *text, const char *name);

/* A number without fraction and exponent within [minimum, maximum]; 0, SK_E_SYNTAX, SK_E_RANGE. */
int json_number_i64(const struct json_text *number, int64_t minimum, int64_t maximum,
        int64_t *ret_value) SK_MUST_USE;

#endif
