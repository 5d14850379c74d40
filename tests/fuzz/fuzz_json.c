/* JSON reader and writer: what the reader takes is written again and must be read the same. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/json_reader.h"
#include "lib/base/json_writer.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One token as text, the way the writer has it. Equal documents give equal traces. */
static int trace(const char *text, size_t length, struct buf *out, struct json_writer *writer)
{
	struct json_reader reader;
	char *space = mem_new(length + 1, 1);
	if (space == NULL) {
		return -1;
	}
	json_reader_init(&reader, text, length);
	int status;
	enum json_token token = JSON_NULL;
	while ((status = json_reader_next(&reader, &token)) == 0 && token != JSON_END) {
		switch (token) {
		case JSON_OBJECT:
			json_write_object(writer);
			break;
		case JSON_OBJECT_END:
			json_write_object_end(writer);
			break;
		case JSON_ARRAY:
			json_write_array(writer);
			break;
		case JSON_ARRAY_END:
			json_write_array_end(writer);
			break;
		case JSON_NAME:
		case JSON_STRING: {
			size_t used = json_unescape(&reader.text, space);
			assert(used <= reader.text.length);
			if (token == JSON_STRING) {
				json_write_string(writer, space, used);
				break;
			}
			/* A name may hold NUL: written as the writer would. */
			if (writer->comma) {
				buf_add_char(out, ',');
			}
			json_add_string(out, space, used);
			buf_add_char(out, ':');
			writer->after_name = true;
			break;
		}
		case JSON_NUMBER: {
			int64_t value = 0;
			if (json_number_i64(&reader.text, INT64_MIN, INT64_MAX, &value) != 0) {
				value = (int64_t)reader.text.length;
			}
			json_write_i64(writer, value);
			break;
		}
		case JSON_TRUE:
		case JSON_FALSE:
			json_write_bool(writer, token == JSON_TRUE);
			break;
		default:
			json_write_null(writer);
			break;
		}
	}
	mem_free(space);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;
	if (size > 65536) {
		return 0;
	}
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	struct json_writer writer = json_writer_over(&first);
	if (trace((const char *)data, size, &first, &writer) == 0) {
		writer = json_writer_over(&second);
		assert(buf_status(&first) == 0);
		int status = trace(first.data, first.length, &second, &writer);
		assert(status == 0);
		assert(first.length == second.length);
		assert(memcmp(first.data, second.data, first.length) == 0);
	}
	buf_release(&first);
	buf_release(&second);
	return 0;
}
