#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rpc/frame.h"
#include "lib/rpc/json_text.h"
#include "lib/rpc/verbs.h"

/* A stream of RPC messages as a server reads it: frames, JSON, request, inputs of the verb. What
 * our checker takes, json-c must take too, and writing and reading it again must give the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_message(const char *text, size_t length)
{
	struct rpc_request request;
	struct rpc_fault fault;
	int status = rpc_request_parse(text, length, &request, &fault);
	if (status == 0) {
		struct rpc_value values[RPC_INPUTS_MAX];
		status = rpc_verb_check(request.verb, request.params, values, &fault);
		(void)status;
	}
	if (request.root != NULL) {
		size_t again_length;
		const char *again = json_object_to_json_string_length(
		        request.root, JSON_C_TO_STRING_PLAIN, &again_length);
		json_object *copy = NULL;
		if (json_text_parse(again, again_length, RPC_DEPTH_MAX, &copy, NULL) != 0) {
			abort();
		}
		json_object_put(copy);
	}
	json_object_put(request.root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader reader;
	frame_reader_init(&reader);
	while (size > 0) {
		char *at = NULL;
		size_t room = 0;
		if (frame_reader_room(&reader, &at, &room) != 0) {
			break;
		}
		size_t part = room < size ? room : size;
		memcpy(at, data, part);
		data += part;
		size -= part;
		int status = frame_reader_take(&reader, part);
		if (status < 0) {
			break;
		}
		if (status == 1) {
			one_message(reader.body.data, reader.body.length);
			frame_reader_clear(&reader);
		}
	}
	frame_reader_release(&reader);
	return 0;
}
