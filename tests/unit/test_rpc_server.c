#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <event2/thread.h>

#include "lib/base/error.h"
#include "lib/base/mem.h"
#include "lib/rpc/client.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/json_text.h"
#include "lib/rpc/server.h"

/* A server in a thread of its own. status.get answers at once, rule.get {id} never (test of the
 * time limit), rule.list with `limit` kilobytes of text, rule.export writes to its descriptor. */
struct bench {
	struct event_base *base;
	struct rpc_server *server;
	struct rpc_call *kept;
	pthread_t thread;
	char folder[64], paths[RPC_SOCKET_COUNT][96];
};

static void handle(void *context, struct rpc_call *call)
{
	struct bench *bench = context;
	json_object *result = json_object_new_object();
	switch (call->verb->id) {
	case RPC_RULE_GET:
		bench->kept = call;
		json_object_put(result);
		return;
	case RPC_RULE_LIST: {
		size_t size = (size_t)RPC_VALUE(call->values, RULE_LIST, LIMIT)->integer * 1024;
		char *text = mem_new(size + 1, 1);
		memset(text, 'x', size);
		json_object_object_add(result, "text", json_object_new_string(text));
		mem_free(text);
		break;
	}
	case RPC_RULE_EXPORT:
		if (write(call->descriptors[0], "csv", 3) != 3) {
			rpc_call_fail_with(call, RPC_STORAGE, NULL, "write");
			json_object_put(result);
			return;
		}
		break;
	case RPC_JOB_GET:
		json_object_put(result);
		rpc_call_fail_with(call, RPC_NOT_FOUND, "job", "no job");
		return;
	default:
		json_object_object_add(result, "verb", json_object_new_string(call->verb->name));
	}
	rpc_call_answer(call, result);
}

static void *run(void *context)
{
	struct bench *bench = context;
	event_base_loop(bench->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

static int set_up(void **state)
{
	struct bench *bench = mem_new(1, sizeof(*bench));
	evthread_use_pthreads();
	snprintf(bench->folder, sizeof(bench->folder), "%s", "/tmp/sekisho-rpc-XXXXXX");
	if (mkdtemp(bench->folder) == NULL) {
		return -1;
	}
	bench->base = event_base_new();
	struct rpc_server_options options = {.handle = handle,
	        .context = bench,
	        .version = "1.2.3",
	        .boot = "b",
	        .call_timeout_ms = 100};
	if (rpc_server_new(bench->base, &options, &bench->server) != 0) {
		return -1;
	}
	for (int i = 0; i < RPC_SOCKET_COUNT; i++) {
		snprintf(bench->paths[i], sizeof(bench->paths[i]), "%s/%d.sock", bench->folder, i);
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench->paths[i]);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		        listen(fd, 64) != 0 || rpc_server_listen(bench->server, fd, i) != 0) {
			return -1;
		}
	}
	*state = bench;
	return pthread_create(&bench->thread, NULL, run, bench);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	event_base_loopbreak(bench->base);
	pthread_join(bench->thread, NULL);
	rpc_server_free(bench->server);
	event_base_free(bench->base);
	for (int i = 0; i < RPC_SOCKET_COUNT; i++) {
		unlink(bench->paths[i]);
	}
	rmdir(bench->folder);
	mem_free(bench);
	libevent_global_shutdown();
	return 0;
}

static struct rpc_client *client_of(struct bench *bench, enum rpc_socket kind)
{
	struct rpc_client *client = NULL;
	struct error error = {0};
	if (rpc_client_open(bench->paths[kind], "test", 5000, &client, &error) != 0) {
		fail_msg("%s", error.text);
	}
	return client;
}

static json_object *params_of(const char *text)
{
	json_object *params = NULL;
	assert_int_equal(json_text_parse(text, strlen(text), 32, &params, NULL), 0);
	return params;
}

static void test_call_and_answer(void **state)
{
	struct rpc_client *client = client_of(*state, RPC_SOCKET_ADMIN);
	json_object *version = NULL, *result = NULL;
	assert_true(json_object_object_get_ex(rpc_client_server(client), "version", &version));
	assert_string_equal(json_object_get_string(version), "1.2.3");
	struct rpc_fault fault = {0};
	for (int i = 0; i < 100; i++) {
		assert_int_equal(
		        rpc_client_call(client, "status.get", NULL, NULL, 0, &result, &fault), 0);
		json_object_put(result);
	}
	assert_int_equal(rpc_client_call(client, "job.get", params_of("{\"job\":1}"), NULL, 0,
	                         &result, &fault),
	        SK_E_REFUSED);
	assert_string_equal(fault.code, RPC_NOT_FOUND);
	assert_int_equal(
	        rpc_client_call(client, "no.such", NULL, NULL, 0, &result, &fault), SK_E_REFUSED);
	assert_string_equal(fault.code, RPC_UNKNOWN_VERB);
	assert_int_equal(rpc_client_call(client, "job.get", params_of("{\"job\":1,\"x\":2}"), NULL,
	                         0, &result, &fault),
	        SK_E_REFUSED);
	assert_string_equal(fault.field, "x");
	rpc_client_close(client);
}

static void test_large_answers(void **state)
{
	struct rpc_client *client = client_of(*state, RPC_SOCKET_ADMIN);
	json_object *result = NULL;
	struct rpc_fault fault = {0};
	assert_int_equal(rpc_client_call(client, "rule.list", params_of("{\"limit\":1000}"), NULL,
	                         0, &result, &fault),
	        0);
	json_object_put(result);
	rpc_client_close(client);
}

static void test_descriptors_go_over(void **state)
{
	struct rpc_client *client = client_of(*state, RPC_SOCKET_ADMIN);
	json_object *result = NULL;
	struct rpc_fault fault = {0};
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(
	        rpc_client_call(client, "rule.export", NULL, &ends[1], 1, &result, &fault), 0);
	json_object_put(result);
	char text[4] = "";
	assert_int_equal(read(ends[0], text, 3), 3);
	assert_string_equal(text, "csv");
	/* Without one, or to a verb that takes none: refused, and the connection goes on. */
	assert_int_equal(rpc_client_call(client, "rule.export", NULL, NULL, 0, &result, &fault),
	        SK_E_REFUSED);
	assert_string_equal(fault.field, "descriptors");
	assert_int_equal(rpc_client_call(client, "status.get", NULL, ends, 2, &result, &fault),
	        SK_E_REFUSED);
	assert_int_equal(rpc_client_call(client, "status.get", NULL, NULL, 0, &result, &fault), 0);
	json_object_put(result);
	close(ends[0]);
	close(ends[1]);
	rpc_client_close(client);
}

static void test_sockets_allow_their_verbs(void **state)
{
	json_object *result = NULL;
	struct rpc_fault fault = {0};
	struct rpc_client *console = client_of(*state, RPC_SOCKET_CONSOLE);
	assert_int_equal(
	        rpc_client_call(console, "status.brief", NULL, NULL, 0, &result, &fault), 0);
	json_object_put(result);
	assert_int_equal(rpc_client_call(console, "status.get", NULL, NULL, 0, &result, &fault),
	        SK_E_REFUSED);
	assert_string_equal(fault.code, RPC_NOT_PERMITTED);
	rpc_client_close(console);
	struct rpc_client *agent = client_of(*state, RPC_SOCKET_AGENT);
	assert_int_equal(rpc_client_call(agent, "status.get", NULL, NULL, 0, &result, &fault), 0);
	json_object_put(result);
	assert_int_equal(
	        rpc_client_call(agent, "rule.list", NULL, NULL, 0, &result, &fault), SK_E_REFUSED);
	rpc_client_close(agent);
}

static void test_a_slow_call_times_out(void **state)
{
	struct bench *bench = *state;
	struct rpc_client *client = client_of(bench, RPC_SOCKET_ADMIN);
	json_object *result = NULL;
	struct rpc_fault fault = {0};
	assert_int_equal(rpc_client_call(client, "rule.get", params_of("{\"id\":1}"), NULL, 0,
	                         &result, &fault),
	        SK_E_REFUSED);
	assert_string_equal(fault.code, RPC_TIMEOUT);
	assert_true(rpc_call_abandoned(bench->kept));
	assert_int_equal(rpc_client_call(client, "status.get", NULL, NULL, 0, &result, &fault), 0);
	json_object_put(result);
	rpc_client_close(client);
}

static int raw_connection(struct bench *bench)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench->paths[0]);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void expect_code(int fd, const char *code)
{
	struct frame_reader reader;
	frame_reader_init(&reader);
	assert_int_equal(frame_receive(&reader, fd, frame_now() + 5000), 1);
	json_object *answer = NULL, *error = NULL;
	assert_int_equal(
	        json_text_parse(reader.body.data, reader.body.length, 32, &answer, NULL), 0);
	struct rpc_fault fault = {.code = ""};
	if (json_object_object_get_ex(answer, "error", &error)) {
		rpc_fault_decode(error, &fault);
	}
	assert_string_equal(fault.code, code);
	json_object_put(answer);
	frame_reader_release(&reader);
}

static void expect_end(int fd)
{
	struct frame_reader reader;
	frame_reader_init(&reader);
	int status = frame_receive(&reader, fd, frame_now() + 5000);
	assert_true(status == -EPIPE || status == -ECONNRESET);
	frame_reader_release(&reader);
	close(fd);
}

static void test_protocol_breaks_end_the_connection(void **state)
{
	static const char *const first[] = {
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}",
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\",\"params\":{\"protocol\":2}}",
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}",
	        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}", "x", "[]"};
	for (size_t i = 0; i < SK_COUNT(first); i++) {
		int fd = raw_connection(*state);
		assert_int_equal(
		        frame_send(fd, first[i], strlen(first[i]), NULL, 0, frame_now() + 5000), 0);
		expect_code(fd, RPC_PROTOCOL);
		expect_end(fd);
	}
	int fd = raw_connection(*state);
	assert_int_equal(send(fd, "\xff\xff\xff\xff", 4, 0), 4);
	expect_code(fd, RPC_PROTOCOL);
	expect_end(fd);
}

static void test_calls_in_flight_are_limited(void **state)
{
	int fd = raw_connection(*state);
	const char *hello =
	        "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"hello\",\"params\":{\"protocol\":1}}";
	assert_int_equal(frame_send(fd, hello, strlen(hello), NULL, 0, frame_now() + 5000), 0);
	expect_code(fd, "");
	for (int i = 0; i <= LIMIT_RPC_IN_FLIGHT; i++) {
		const char *call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rule.get\","
		                   "\"params\":{\"id\":1}}";
		assert_int_equal(
		        frame_send(fd, call, strlen(call), NULL, 0, frame_now() + 5000), 0);
	}
	expect_code(fd, RPC_BUSY);
	for (int i = 0; i < LIMIT_RPC_IN_FLIGHT; i++) {
		expect_code(fd, RPC_TIMEOUT);
	}
	close(fd);
}

static void test_connections_per_user_are_limited(void **state)
{
	struct bench *bench = *state;
	struct rpc_client *clients[RPC_CONNECTIONS_PER_USER + 1] = {0};
	struct error error = {0};
	int status = 0;
	size_t count = 0;
	while (count <= RPC_CONNECTIONS_PER_USER && status == 0) {
		status = rpc_client_open(bench->paths[0], "t", 5000, &clients[count], &error);
		count += status == 0;
	}
	/* Connections of the tests before may not have been noticed as closed yet. */
	assert_in_range(count, RPC_CONNECTIONS_PER_USER - 2, RPC_CONNECTIONS_PER_USER);
	assert_non_null(strstr(error.text, RPC_BUSY));
	for (size_t i = 0; i < count; i++) {
		rpc_client_close(clients[i]);
	}
}

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_call_and_answer),
	        cmocka_unit_test(test_large_answers),
	        cmocka_unit_test(test_descriptors_go_over),
	        cmocka_unit_test(test_sockets_allow_their_verbs),
	        cmocka_unit_test(test_a_slow_call_times_out),
	        cmocka_unit_test(test_protocol_breaks_end_the_connection),
	        cmocka_unit_test(test_calls_in_flight_are_limited),
	        cmocka_unit_test(test_connections_per_user_are_limited),
	};
	return cmocka_run_group_tests_name("rpc_server", tests, set_up, tear_down);
}
