#include "lib/rpc/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/json_text.h"
#include "lib/rpc/verbs.h"

struct rpc_client {
	int socket;
	int timeout_ms;
	int64_t next_id;
	struct frame_reader reader;
	json_object *server;
};

static int open_socket(const char *path, int *ret_socket, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path)) {
		return error_set(error, SK_E_LIMIT, "%s: path too long for a socket", path);
	}
	memcpy(address.sun_path, path, length + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return error_set_code(error, -errno, "socket");
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		int status = -errno;
		close(fd);
		return error_set_code(error, status, "%s", path);
	}
	*ret_socket = fd;
	return 0;
}

int rpc_client_open(const char *path, const char *program, int timeout_ms,
        struct rpc_client **ret_client, struct error *error)
{
	struct rpc_client *client = mem_new(1, sizeof(*client));
	if (client == NULL) {
		return error_set_code(error, -ENOMEM, "client");
	}
	client->timeout_ms = timeout_ms;
	client->socket = -1;
	frame_reader_init(&client->reader);
	int status = open_socket(path, &client->socket, error);
	if (status != 0) {
		rpc_client_close(client);
		return status;
	}
	json_object *params = json_object_new_object();
	json_object_object_add(params, "protocol", json_object_new_int(RPC_PROTOCOL_VERSION));
	json_object_object_add(params, "program", json_object_new_string(program));
	struct rpc_fault fault = {0};
	status = rpc_client_call(client, "hello", params, NULL, 0, &client->server, &fault);
	if (status != 0) {
		rpc_client_close(client);
		return error_set(error, status == SK_E_REFUSED ? SK_E_VERSION : status,
		        "%s: %s: %s", path, fault.code, fault.text);
	}
	*ret_client = client;
	return 0;
}

void rpc_client_close(struct rpc_client *client)
{
	if (client == NULL) {
		return;
	}
	if (client->socket >= 0) {
		close(client->socket);
	}
	frame_reader_release(&client->reader);
	json_object_put(client->server);
	mem_free(client);
}

json_object *rpc_client_server(const struct rpc_client *client)
{
	return client->server;
}

static int lost(struct rpc_fault *fault, int status, const char *what)
{
	rpc_fault_set(fault, status == SK_E_TIMEOUT ? RPC_TIMEOUT : RPC_UNAVAILABLE, NULL, "%s: %s",
	        what, sk_strerror(status));
	return status;
}

static int send_request(struct rpc_client *client, const char *verb, json_object *params,
        const int *descriptors, size_t count, int64_t deadline)
{
	json_object *request = json_object_new_object();
	if (request == NULL) {
		json_object_put(params);
		return -ENOMEM;
	}
	json_object_object_add(request, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(request, "id", json_object_new_int64(++client->next_id));
	json_object_object_add(request, "method", json_object_new_string(verb));
	if (params != NULL) {
		json_object_object_add(request, "params", params);
	}
	size_t length;
	const char *text =
	        json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &length);
	int status = text == NULL ? -ENOMEM
	                          : frame_send(client->socket, text, length, descriptors, count,
	                                    deadline);
	json_object_put(request);
	return status;
}

/* Takes the answer apart: the result, or the fault. */
static int read_answer(struct rpc_client *client, json_object *answer, json_object **ret_result,
        struct rpc_fault *fault)
{
	json_object *id, *error, *result = NULL;
	if (!json_object_is_type(answer, json_type_object)) {
		return lost(fault, SK_E_PROTOCOL, "answer");
	}
	if (json_object_object_get_ex(answer, "error", &error)) {
		rpc_fault_decode(error, fault);
		return SK_E_REFUSED;
	}
	if (!json_object_object_get_ex(answer, "id", &id) ||
	        json_object_get_int64(id) != client->next_id ||
	        !json_object_object_get_ex(answer, "result", &result)) {
		return lost(fault, SK_E_PROTOCOL, "answer");
	}
	*ret_result = json_object_get(result);
	return 0;
}

int rpc_client_call(struct rpc_client *client, const char *verb, json_object *params,
        const int *descriptors, size_t count, json_object **ret_result, struct rpc_fault *ret_fault)
{
	int64_t deadline = frame_now() + client->timeout_ms;
	int status = send_request(client, verb, params, descriptors, count, deadline);
	/* A server that refused the connection has said why before it closed. */
	if (status != 0 && status != -EPIPE) {
		return lost(ret_fault, status, "request");
	}
	frame_reader_clear(&client->reader);
	status = frame_receive(&client->reader, client->socket, deadline);
	if (status != 1) {
		return lost(ret_fault, status, "answer");
	}
	json_object *answer;
	status = json_text_parse(client->reader.body.data, client->reader.body.length,
	        JSON_TEXT_DEPTH_MAX, &answer, NULL);
	if (status != 0) {
		return lost(ret_fault, status, "answer");
	}
	status = read_answer(client, answer, ret_result, ret_fault);
	json_object_put(answer);
	return status;
}
