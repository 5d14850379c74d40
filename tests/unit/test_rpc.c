#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/mem.h"
#include "lib/rpc/fault.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/json_text.h"
#include "lib/rpc/verbs.h"

static void pair(int ret_sockets[2])
{
	assert_int_equal(
	        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_sockets), 0);
}

static void test_frame_arrives_byte_by_byte(void **state)
{
	(void)state;
	int sockets[2];
	pair(sockets);
	struct frame_reader reader;
	frame_reader_init(&reader);
	const unsigned char bytes[] = {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'};
	assert_int_equal(frame_reader_read(&reader, sockets[1]), -EAGAIN);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(write(sockets[0], bytes + i, 1), 1);
		int status = frame_reader_read(&reader, sockets[1]);
		assert_int_equal(status, i == sizeof(bytes) - 1 ? 1 : -EAGAIN);
	}
	assert_int_equal(reader.body.length, 5);
	assert_memory_equal(reader.body.data, "hello", 5);
	frame_reader_clear(&reader);
	assert_false(frame_reader_begun(&reader));
	close(sockets[0]);
	assert_int_equal(frame_reader_read(&reader, sockets[1]), -EPIPE);
	close(sockets[1]);
	frame_reader_release(&reader);
}

static void test_frame_lengths_at_the_limits(void **state)
{
	(void)state;
	static const struct {
		uint32_t length;
		int status;
	} cases[] = {{0, SK_E_PROTOCOL}, {1, 0}, {LIMIT_RPC_MESSAGE, 0},
	        {LIMIT_RPC_MESSAGE + 1, SK_E_PROTOCOL}, {0x7fffffff, SK_E_PROTOCOL},
	        {0x80000000, SK_E_PROTOCOL}, {0xffffffff, SK_E_PROTOCOL}};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct frame_reader reader;
		frame_reader_init(&reader);
		char *at = NULL;
		size_t size = 0;
		assert_int_equal(frame_reader_room(&reader, &at, &size), 0);
		assert_int_equal(size, FRAME_HEADER_SIZE);
		bytes_put_be32(at, cases[i].length);
		assert_int_equal(frame_reader_take(&reader, 4), cases[i].status);
		if (cases[i].status == 0) {
			/* A header alone makes nobody allocate a message. */
			assert_int_equal(frame_reader_room(&reader, &at, &size), 0);
			assert_true(size <= 65536 && reader.body.capacity <= 2 * 65536);
		}
		frame_reader_release(&reader);
	}
}

static void test_frame_end_inside_a_message(void **state)
{
	(void)state;
	int sockets[2];
	pair(sockets);
	struct frame_reader reader;
	frame_reader_init(&reader);
	assert_int_equal(write(sockets[0], "\0\0\0\5he", 6), 6);
	close(sockets[0]);
	assert_int_equal(frame_reader_read(&reader, sockets[1]), SK_E_PROTOCOL);
	close(sockets[1]);
	frame_reader_release(&reader);
}

static void test_frame_descriptors_belong_to_their_message(void **state)
{
	(void)state;
	int sockets[2];
	pair(sockets);
	int files[3];
	for (size_t i = 0; i < 3; i++) {
		files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	int64_t deadline = frame_now() + 5000;
	assert_int_equal(frame_send(sockets[0], "a", 1, NULL, 0, deadline), 0);
	assert_int_equal(frame_send(sockets[0], "bb", 2, files, 2, deadline), 0);
	assert_int_equal(frame_send(sockets[0], "ccc", 3, files + 2, 1, deadline), 0);
	struct frame_reader reader;
	frame_reader_init(&reader);
	static const size_t expected[] = {0, 2, 1};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(frame_reader_read(&reader, sockets[1]), 1);
		assert_int_equal(reader.body.length, i + 1);
		assert_int_equal(reader.descriptor_count, expected[i]);
		for (size_t j = 0; j < reader.descriptor_count; j++) {
			assert_int_equal(fcntl(reader.descriptors[j], F_GETFD), FD_CLOEXEC);
		}
		frame_reader_clear(&reader);
	}
	frame_reader_release(&reader);
	for (size_t i = 0; i < 3; i++) {
		close(files[i]);
	}
	close(sockets[0]);
	close(sockets[1]);
}

static void test_frame_sends_more_than_the_socket_holds(void **state)
{
	(void)state;
	int sockets[2];
	pair(sockets);
	char *large = mem_new(1, LIMIT_RPC_MESSAGE);
	assert_non_null(large);
	memset(large, 'x', LIMIT_RPC_MESSAGE);
	/* Nobody reads: the deadline ends it. */
	assert_int_equal(
	        frame_send(sockets[0], large, LIMIT_RPC_MESSAGE, NULL, 0, frame_now() + 20),
	        SK_E_TIMEOUT);
	assert_int_equal(
	        frame_send(sockets[0], large, LIMIT_RPC_MESSAGE + 1, NULL, 0, 0), SK_E_LIMIT);
	assert_int_equal(frame_send(sockets[0], large, 0, NULL, 0, 0), SK_E_LIMIT);
	mem_free(large);
	close(sockets[0]);
	close(sockets[1]);
}

static void test_json_text_takes_json_only(void **state)
{
	(void)state;
	static const char *const good[] = {"{}", "[]", " {\"a\":[1,2,{\"b\":null}]} ", "\"x\"",
	        "-0", "0", "1.5e-3", "9223372036854775807", "-9223372036854775808", "true",
	        "\"\\u00e9\\ud83d\\ude00 \xc3\xa9 \xf0\x9f\x98\x80\"", "[[[[]]]]"};
	static const char *const bad[] = {"", " ", "{", "}", "[1,]", "{\"a\":1,}", "{'a':1}",
	        "{a:1}", "{\"a\" 1}", "NaN", "Infinity", "nul", "truex", "01", "1.", "1e", "-",
	        "+1", ".5", "9223372036854775808", "[1 2]", "\"\x01\"", "\"\t\"", "\"\\x\"",
	        "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
	        "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
	        "\"\xe0\x80\x80\"", "{} {}", "[}", "{]", "/* */1", "{\"a\":1,\"a\":2}",
	        "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\":1,\"\\u0061\":2}", "\"abc", "[\"a\":1]",
	        "{1:2}", "{,}", "[,]"};
	for (size_t i = 0; i < SK_COUNT(good); i++) {
		json_object *value = NULL;
		struct error error = {0};
		int status = json_text_parse(good[i], strlen(good[i]), 8, &value, &error);
		if (status != 0) {
			fail_msg("%s: %s", good[i], error.text);
		}
		json_object_put(value);
	}
	for (size_t i = 0; i < SK_COUNT(bad); i++) {
		json_object *value = NULL;
		if (json_text_parse(bad[i], strlen(bad[i]), 8, &value, NULL) == 0) {
			fail_msg("was taken: %s", bad[i]);
		}
	}
	json_object *value = NULL;
	assert_int_equal(json_text_parse("[[[[]]]]", 8, 3, &value, NULL), SK_E_SYNTAX);
	assert_int_equal(json_text_parse("1\0", 2, 3, &value, NULL), SK_E_SYNTAX);
}

static void test_verb_table_is_whole(void **state)
{
	(void)state;
	for (int i = 0; i < RPC_VERB_COUNT; i++) {
		const struct rpc_verb *verb = rpc_verb_at(i);
		assert_int_equal(verb->id, i);
		assert_ptr_equal(rpc_verb_find(verb->name), verb);
		assert_true(verb->sockets & RPC_ON_ADMIN);
		assert_true(verb->input_count <= RPC_INPUTS_MAX);
		for (size_t j = 0; j < verb->input_count; j++) {
			const struct rpc_input *input = &verb->inputs[j];
			assert_true(input->minimum <= input->maximum);
			assert_true(input->type != RPC_CHOICE || input->words != NULL);
		}
	}
	assert_null(rpc_verb_find("rule"));
	assert_string_equal(rpc_verb_at(RPC_RULE_ADD)
	                            ->inputs[RPC_INPUT_RULE_ADD_PATTERN - RPC_START_RULE_ADD]
	                            .name,
	        "pattern");
}

static int check(const char *verb, const char *params, struct rpc_value *values,
        struct rpc_fault *fault, json_object **ret_object)
{
	assert_int_equal(json_text_parse(params, strlen(params), 32, ret_object, NULL), 0);
	return rpc_verb_check(rpc_verb_find(verb), *ret_object, values, fault);
}

static void test_inputs_are_typed(void **state)
{
	(void)state;
	struct rpc_value values[RPC_INPUTS_MAX];
	struct rpc_fault fault;
	json_object *params = NULL;
	assert_int_equal(check("rule.add",
	                         "{\"list\":\"blocked\",\"kind\":\"page\",\"pattern\":\"a\","
	                         "\"enabled\":false,\"expires\":5}",
	                         values, &fault, &params),
	        0);
	assert_int_equal(RPC_VALUE(values, RULE_ADD, LIST)->integer, 1);
	assert_int_equal(RPC_VALUE(values, RULE_ADD, KIND)->integer, 1);
	assert_string_equal(RPC_VALUE(values, RULE_ADD, PATTERN)->text, "a");
	assert_true(RPC_VALUE(values, RULE_ADD, ENABLED)->present);
	assert_false(RPC_VALUE(values, RULE_ADD, ENABLED)->boolean);
	assert_int_equal(RPC_VALUE(values, RULE_ADD, EXPIRES)->integer, 5);
	assert_false(RPC_VALUE(values, RULE_ADD, COMMENT)->present);
	json_object_put(params);
}

static void test_wrong_inputs_name_the_field(void **state)
{
	(void)state;
	static const struct {
		const char *verb, *params, *field;
	} cases[] = {
	        {"rule.get", "{}", "id"},
	        {"rule.get", "{\"id\":0}", "id"},
	        {"rule.get", "{\"id\":1.0}", "id"},
	        {"rule.get", "{\"id\":\"1\"}", "id"},
	        {"rule.get", "{\"id\":null}", "id"},
	        {"rule.get", "{\"id\":1,\"x\\u0001y\":1}", "x?y"},
	        {"rule.add", "{\"list\":\"block\",\"kind\":\"page\",\"pattern\":\"a\"}", "list"},
	        {"rule.add", "{\"list\":\"blocked\",\"kind\":\"page\",\"pattern\":\"\"}",
	                "pattern"},
	        {"rule.remove", "{\"ids\":[]}", "ids"},
	        {"rule.remove", "{\"ids\":[1,\"2\"]}", "ids"},
	        {"rule.remove", "{\"ids\":7}", "ids"},
	        {"settings.set", "{\"values\":[]}", "values"},
	        {"log.blocked", "{\"sources\":[\"pattern\",\"other\"]}", "sources"},
	        {"rule.list", "{\"limit\":1001}", "limit"},
	        {"lookup.url", "{\"url\":\"a\",\"explain\":1}", "explain"},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct rpc_value values[RPC_INPUTS_MAX];
		struct rpc_fault fault = {0};
		json_object *params = NULL;
		assert_int_equal(check(cases[i].verb, cases[i].params, values, &fault, &params),
		        SK_E_REFUSED);
		assert_string_equal(fault.code, RPC_BAD_INPUT);
		assert_string_equal(fault.field, cases[i].field);
		json_object_put(params);
	}
}

static void test_text_maximum_is_in_bytes(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct rpc_value values[RPC_INPUTS_MAX];
		struct rpc_fault fault;
		size_t size = 256 / 2 + over;
		json_object *params = json_object_new_object();
		char text[1024] = "";
		for (size_t i = 0; i < size; i++) {
			memcpy(text + 2 * i, "\xc3\xa9", 3);
		}
		json_object_object_add(params, "search", json_object_new_string(text));
		assert_int_equal(rpc_verb_check(rpc_verb_at(RPC_RULE_LIST), params, values, &fault),
		        over == 0 ? 0 : SK_E_REFUSED);
		json_object_put(params);
	}
}

static void test_requests(void **state)
{
	(void)state;
	static const struct {
		const char *text, *code;
	} cases[] = {
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}", NULL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"status.get\",\"params\":{}}",
	                NULL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}", RPC_UNKNOWN_VERB},
	        {"{\"jsonrpc\":\"2.0\",\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"{\"id\":1,\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\",\"params\":[]}",
	                RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\",\"more\":1}",
	                RPC_PROTOCOL},
	        {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}]", RPC_PROTOCOL},
	        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"status.get\"}", RPC_PROTOCOL},
	        {"nonsense", RPC_PROTOCOL},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct rpc_request request;
		struct rpc_fault fault = {0};
		int status =
		        rpc_request_parse(cases[i].text, strlen(cases[i].text), &request, &fault);
		assert_int_equal(status, cases[i].code == NULL ? 0 : SK_E_REFUSED);
		if (cases[i].code != NULL) {
			assert_string_equal(fault.code, cases[i].code);
		}
		json_object_put(request.root);
	}
}

static void test_fault_there_and_back(void **state)
{
	(void)state;
	struct rpc_fault fault, back;
	assert_int_equal(rpc_fault_set(&fault, RPC_BAD_INPUT, "pattern", "at \x01 byte %d", 3),
	        SK_E_REFUSED);
	json_object *object = rpc_fault_encode(&fault);
	json_object *number = NULL;
	assert_true(json_object_object_get_ex(object, "code", &number));
	assert_int_equal(json_object_get_int(number), -32602);
	rpc_fault_decode(object, &back);
	assert_string_equal(back.code, RPC_BAD_INPUT);
	assert_string_equal(back.field, "pattern");
	assert_string_equal(back.text, "at ? byte 3");
	json_object_put(object);
	rpc_fault_decode(NULL, &back);
	assert_string_equal(back.code, RPC_INTERNAL);
	assert_string_equal(rpc_fault_code_of(-ENOSPC), RPC_STORAGE);
	assert_string_equal(rpc_fault_code_of(SK_E_SYNTAX), RPC_BAD_INPUT);
}

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_frame_arrives_byte_by_byte),
	        cmocka_unit_test(test_frame_lengths_at_the_limits),
	        cmocka_unit_test(test_frame_end_inside_a_message),
	        cmocka_unit_test(test_frame_descriptors_belong_to_their_message),
	        cmocka_unit_test(test_frame_sends_more_than_the_socket_holds),
	        cmocka_unit_test(test_json_text_takes_json_only),
	        cmocka_unit_test(test_verb_table_is_whole),
	        cmocka_unit_test(test_inputs_are_typed),
	        cmocka_unit_test(test_wrong_inputs_name_the_field),
	        cmocka_unit_test(test_text_maximum_is_in_bytes),
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_fault_there_and_back),
	};
	return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
