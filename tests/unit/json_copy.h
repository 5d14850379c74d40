#ifndef TESTS_UNIT_JSON_COPY_H
#define TESTS_UNIT_JSON_COPY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/json_reader.h"
#include "lib/base/json_writer.h"
#include "lib/base/mem.h"

/* Writes a token of the reader: literals and numbers as they stand, strings escaped anew in
 * `space`, which holds the longest. */
static inline void json_copy_token(
        const struct json_reader *reader, enum json_token token, char *space, struct buf *out)
{
	static const char *const marks[] = {[JSON_OBJECT] = "{",
	        [JSON_OBJECT_END] = "}",
	        [JSON_ARRAY] = "[",
	        [JSON_ARRAY_END] = "]",
	        [JSON_TRUE] = "true",
	        [JSON_FALSE] = "false",
	        [JSON_NULL] = "null"};
	if (token == JSON_NUMBER) {
		buf_add(out, reader->text.data, reader->text.length);
	} else if (token == JSON_STRING || token == JSON_NAME) {
		json_add_string(out, space, json_unescape(&reader->text, space));
	} else {
		buf_add_text(out, marks[token]);
	}
}

/* Copies a JSON text through reader and writer, without blanks. 0, -ENOMEM or as
 * json_reader_next. */
static inline int json_copy(const char *text, size_t length, struct buf *out)
{
	struct json_reader reader;
	enum json_token token = JSON_NULL, before = JSON_OBJECT;
	char *space = mem_new(length + 1, 1);
	if (space == NULL) {
		return -ENOMEM;
	}
	json_reader_init(&reader, text, length);
	int status = json_reader_next(&reader, &token);
	while (status == 0 && token != JSON_END) {
		bool first = before == JSON_OBJECT || before == JSON_ARRAY || before == JSON_NAME;
		if (!first && token != JSON_OBJECT_END && token != JSON_ARRAY_END) {
			buf_add_char(out, ',');
		}
		json_copy_token(&reader, token, space, out);
		if (token == JSON_NAME) {
			buf_add_char(out, ':');
		}
		before = token;
		status = json_reader_next(&reader, &token);
	}
	mem_free(space);
	return status;
}

#endif
