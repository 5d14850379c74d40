#include "lib/rpc/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/base/error.h"
#include "lib/base/mem.h"

/* How long a connection that was refused or broke the protocol may take to read the reason. */
#define LINGER_MS 1000
/* How long one message may take to arrive once it has begun. */
#define MESSAGE_MS 5000
/* Messages read from one connection before the others get their turn. */
#define TURN_MESSAGES 8

struct connection;

struct pending {
	struct rpc_call call; /* first: a call is its pending */
	struct connection *connection; /* NULL when nobody waits any more */
	struct rpc_server *server;
	struct event *timer;
	json_object *root; /* of the request; values point into it */
	json_object *id;
	struct pending *next, **link; /* all of the server */
};

struct connection {
	struct rpc_server *server;
	int socket;
	enum rpc_socket kind;
	uid_t user;
	pid_t process;
	bool greeted;
	bool closing; /* after what is unsent */
	unsigned in_flight;
	struct frame_reader reader;
	struct buf out;
	size_t sent;
	struct event *read_event, *write_event, *deadline;
	struct connection *next, **link;
};

struct listener {
	struct rpc_server *server;
	int socket;
	enum rpc_socket kind;
	struct event *event;
};

struct rpc_server {
	struct event_base *base;
	struct rpc_server_options options;
	struct listener listeners[RPC_SOCKET_COUNT];
	size_t listener_count;
	struct connection *connections;
	size_t connection_count;
	struct pending *calls;
};

static struct timeval time_of(int ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static void connection_free(struct connection *connection)
{
	struct rpc_server *server = connection->server;
	for (struct pending *call = server->calls; call != NULL; call = call->next) {
		if (call->connection == connection) {
			call->connection = NULL;
		}
	}
	*connection->link = connection->next;
	if (connection->next != NULL) {
		connection->next->link = connection->link;
	}
	server->connection_count--;
	struct event *events[] = {
	        connection->read_event, connection->write_event, connection->deadline};
	for (size_t i = 0; i < SK_COUNT(events); i++) {
		if (events[i] != NULL) {
			event_free(events[i]);
		}
	}
	close(connection->socket);
	frame_reader_release(&connection->reader);
	buf_release(&connection->out);
	mem_free(connection);
}

/* Sends what there is. False when the connection is gone (and freed). */
static bool connection_flush(struct connection *connection)
{
	while (connection->sent < connection->out.length) {
		ssize_t done = send(connection->socket, connection->out.data + connection->sent,
		        connection->out.length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done < 0 && errno == EAGAIN) {
			event_add(connection->write_event, NULL);
			return true;
		}
		if (done <= 0) {
			connection_free(connection);
			return false;
		}
		connection->sent += (size_t)done;
	}
	if (connection->closing) {
		connection_free(connection);
		return false;
	}
	connection->sent = 0;
	if (connection->out.capacity > 65536) {
		buf_release(&connection->out);
	}
	buf_clear(&connection->out);
	event_add(connection->read_event, NULL);
	return true;
}

/* Puts a message into the output; false when the connection is gone. */
static bool connection_send(struct connection *connection, json_object *message)
{
	size_t length = 0;
	const char *text = message == NULL ? NULL
	                                   : json_object_to_json_string_length(
	                                             message, JSON_C_TO_STRING_PLAIN, &length);
	if (text != NULL && length <= LIMIT_RPC_MESSAGE) {
		frame_encode(&connection->out, text, length);
	}
	if (text == NULL || length > LIMIT_RPC_MESSAGE || buf_status(&connection->out) != 0) {
		connection_free(connection); /* out of memory, or a client that never reads */
		return false;
	}
	return connection_flush(connection);
}

static json_object *envelope(json_object *id, const char *name, json_object *value)
{
	json_object *message = json_object_new_object();
	if (message == NULL) {
		json_object_put(value);
		return NULL;
	}
	json_object_object_add(message, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(message, "id", json_object_get(id));
	json_object_object_add(message, name, value);
	return message;
}

static bool connection_send_fault(
        struct connection *connection, json_object *id, const struct rpc_fault *fault)
{
	json_object *message = envelope(id, "error", rpc_fault_encode(fault));
	bool alive = connection_send(connection, message);
	json_object_put(message);
	return alive;
}

/* Says why and closes, after LINGER_MS at the latest. */
static void connection_refuse(
        struct connection *connection, json_object *id, const struct rpc_fault *fault)
{
	connection->closing = true;
	event_del(connection->read_event);
	struct timeval linger = time_of(LINGER_MS);
	event_add(connection->deadline, &linger);
	connection_send_fault(connection, id, fault);
}

static void pending_free(struct pending *pending)
{
	*pending->link = pending->next;
	if (pending->next != NULL) {
		pending->next->link = pending->link;
	}
	for (size_t i = 0; i < pending->call.descriptor_count; i++) {
		if (pending->call.descriptors[i] >= 0) {
			close(pending->call.descriptors[i]);
		}
	}
	if (pending->timer != NULL) {
		event_free(pending->timer);
	}
	json_object_put(pending->root);
	mem_free(pending);
}

bool rpc_call_abandoned(const struct rpc_call *call)
{
	return ((const struct pending *)call)->connection == NULL;
}

static void finish(struct pending *pending, json_object *message)
{
	struct connection *connection = pending->connection;
	pending->connection = NULL;
	if (connection != NULL) {
		connection->in_flight--;
		connection_send(connection, message);
	}
	json_object_put(message);
}

void rpc_call_answer(struct rpc_call *call, json_object *result)
{
	struct pending *pending = (struct pending *)call;
	if (pending->connection == NULL) {
		json_object_put(result);
		pending_free(pending);
		return;
	}
	if (result == NULL) {
		result = json_object_new_object();
	}
	json_object *message = envelope(pending->id, "result", result);
	size_t length = 0;
	if (message != NULL) {
		json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &length);
	}
	if (length > LIMIT_RPC_MESSAGE) {
		json_object_put(message);
		rpc_call_fail_with(call, RPC_LIMIT, NULL, "answer of %zu bytes", length);
		return;
	}
	finish(pending, message);
	pending_free(pending);
}

void rpc_call_fail(struct rpc_call *call, const struct rpc_fault *fault)
{
	struct pending *pending = (struct pending *)call;
	finish(pending, envelope(pending->id, "error", rpc_fault_encode(fault)));
	pending_free(pending);
}

void rpc_call_fail_with(
        struct rpc_call *call, const char *code, const char *field, const char *format, ...)
{
	struct rpc_fault fault;
	char text[sizeof(fault.text)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	rpc_fault_set(&fault, code, field, "%s", text);
	rpc_call_fail(call, &fault);
}

static void on_call_timeout(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct pending *pending = context;
	struct rpc_fault fault;
	rpc_fault_set(&fault, RPC_TIMEOUT, NULL, "%s took too long", pending->call.verb->name);
	finish(pending, envelope(pending->id, "error", rpc_fault_encode(&fault)));
}

static int pending_new(struct connection *connection, const struct rpc_request *request,
        struct pending **ret_pending)
{
	struct rpc_server *server = connection->server;
	struct pending *pending = mem_new(1, sizeof(*pending));
	if (pending == NULL) {
		return -ENOMEM;
	}
	pending->timer = evtimer_new(server->base, on_call_timeout, pending);
	if (pending->timer == NULL) {
		mem_free(pending);
		return -ENOMEM;
	}
	struct timeval limit = time_of(server->options.call_timeout_ms);
	event_add(pending->timer, &limit);
	pending->server = server;
	pending->connection = connection;
	pending->root = json_object_get(request->root);
	pending->id = request->id;
	pending->call.verb = request->verb;
	pending->call.socket = connection->kind;
	pending->call.user = connection->user;
	pending->call.process = connection->process;
	pending->next = server->calls;
	pending->link = &server->calls;
	if (server->calls != NULL) {
		server->calls->link = &pending->next;
	}
	server->calls = pending;
	*ret_pending = pending;
	return 0;
}

/* May this connection call the verb, with so many descriptors? */
static int check_call(
        const struct connection *connection, const struct rpc_verb *verb, struct rpc_fault *fault)
{
	static const enum rpc_role roles[RPC_SOCKET_COUNT] = {
	        RPC_ROLE_ADMINISTRATOR, RPC_ROLE_NONE, RPC_ROLE_VIEWER};
	if ((verb->sockets & 1u << connection->kind) == 0 || verb->role > roles[connection->kind]) {
		return rpc_fault_set(fault, RPC_NOT_PERMITTED, NULL, "%s", verb->name);
	}
	if (connection->in_flight >= LIMIT_RPC_IN_FLIGHT) {
		return rpc_fault_set(
		        fault, RPC_BUSY, NULL, "%u calls in flight", connection->in_flight);
	}
	size_t count = connection->reader.descriptor_count;
	if (count < verb->descriptors_min || count > verb->descriptors_max) {
		return rpc_fault_set(fault, RPC_BAD_INPUT, "descriptors",
		        "%zu descriptors, %u to %u", count, verb->descriptors_min,
		        verb->descriptors_max);
	}
	return 0;
}

static int start_call(
        struct connection *connection, const struct rpc_request *request, struct rpc_fault *fault)
{
	struct rpc_value values[RPC_INPUTS_MAX];
	int status = check_call(connection, request->verb, fault);
	if (status == 0) {
		status = rpc_verb_check(request->verb, request->params, values, fault);
	}
	if (status != 0) {
		return status;
	}
	struct pending *pending;
	if (pending_new(connection, request, &pending) != 0) {
		return rpc_fault_set(fault, RPC_INTERNAL, NULL, "out of memory");
	}
	memcpy(pending->call.values, values, sizeof(values));
	struct frame_reader *reader = &connection->reader;
	memcpy(pending->call.descriptors, reader->descriptors,
	        reader->descriptor_count * sizeof(int));
	pending->call.descriptor_count = reader->descriptor_count;
	reader->descriptor_count = 0;
	connection->in_flight++;
	connection->server->options.handle(connection->server->options.context, &pending->call);
	return 0;
}

static int check_hello(const struct connection *connection, const struct rpc_request *request,
        struct rpc_fault *fault)
{
	struct rpc_value values[RPC_INPUTS_MAX];
	if (connection->greeted || connection->reader.descriptor_count > 0) {
		return rpc_fault_set(fault, RPC_PROTOCOL, NULL, "a second hello");
	}
	if (rpc_verb_check(request->verb, request->params, values, fault) != 0) {
		return rpc_fault_set(fault, RPC_PROTOCOL, fault->field, "hello");
	}
	if (RPC_VALUE(values, HELLO, PROTOCOL)->integer != RPC_PROTOCOL_VERSION) {
		return rpc_fault_set(fault, RPC_PROTOCOL, "protocol", "version %d is spoken here",
		        RPC_PROTOCOL_VERSION);
	}
	return 0;
}

static bool answer_hello(struct connection *connection, json_object *id)
{
	const struct rpc_server_options *options = &connection->server->options;
	json_object *result = json_object_new_object();
	json_object_object_add(result, "protocol", json_object_new_int(RPC_PROTOCOL_VERSION));
	json_object_object_add(result, "version", json_object_new_string(options->version));
	json_object_object_add(result, "boot", json_object_new_string(options->boot));
	connection->greeted = true;
	json_object *message = envelope(id, "result", result);
	bool alive = connection_send(connection, message);
	json_object_put(message);
	return alive;
}

/* The handler may have answered at once, and the answer may have ended the connection. */
static bool still_open(const struct rpc_server *server, const struct connection *connection)
{
	const struct connection *at = server->connections;
	while (at != NULL && at != connection) {
		at = at->next;
	}
	return at != NULL;
}

/* One whole message. False when the connection is gone or will close. */
static bool handle_message(struct connection *connection)
{
	struct rpc_request request;
	struct rpc_fault fault;
	int status = rpc_request_parse(
	        connection->reader.body.data, connection->reader.body.length, &request, &fault);
	bool alive = true;
	bool hello = status == 0 && request.verb->id == RPC_HELLO;
	if (status == 0 && hello) {
		status = check_hello(connection, &request, &fault);
	} else if (!connection->greeted) {
		status = rpc_fault_set(&fault, RPC_PROTOCOL, NULL, "no hello");
	}
	if (status != 0 && strcmp(fault.code, RPC_PROTOCOL) == 0) {
		connection_refuse(connection, request.id, &fault);
		alive = false;
	} else if (status != 0) {
		alive = connection_send_fault(connection, request.id, &fault);
	} else if (hello) {
		alive = answer_hello(connection, request.id);
	} else {
		struct rpc_server *server = connection->server;
		status = start_call(connection, &request, &fault);
		alive = status != 0 ? connection_send_fault(connection, request.id, &fault)
		                    : still_open(server, connection);
	}
	json_object_put(request.root);
	return alive;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct connection *connection = context;
	for (int i = 0; i < TURN_MESSAGES; i++) {
		if (connection->out.length - connection->sent > RPC_UNSENT_MAX) {
			event_del(connection->read_event); /* connection_flush adds it again */
			return;
		}
		int status = frame_reader_read(&connection->reader, connection->socket);
		if (status == -EAGAIN) {
			if (frame_reader_begun(&connection->reader) &&
			        !event_pending(connection->deadline, EV_TIMEOUT, NULL)) {
				struct timeval limit = time_of(MESSAGE_MS);
				event_add(connection->deadline, &limit);
			}
			return;
		}
		if (status == SK_E_PROTOCOL) {
			struct rpc_fault fault;
			rpc_fault_set(&fault, RPC_PROTOCOL, NULL, "length or descriptors");
			connection_refuse(connection, NULL, &fault);
			return;
		}
		if (status != 1) {
			connection_free(connection);
			return;
		}
		event_del(connection->deadline);
		if (!handle_message(connection)) {
			return;
		}
		frame_reader_clear(&connection->reader);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_flush(context);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_free(context);
}

/* Takes over the socket; closes it when memory is short. */
static void connection_new(
        struct rpc_server *server, int socket, enum rpc_socket kind, const struct ucred *peer)
{
	struct connection *connection = mem_new(1, sizeof(*connection));
	if (connection == NULL) {
		close(socket);
		return;
	}
	connection->server = server;
	connection->socket = socket;
	connection->kind = kind;
	connection->user = peer->uid;
	connection->process = peer->pid;
	frame_reader_init(&connection->reader);
	buf_init(&connection->out,
	        RPC_UNSENT_MAX + (LIMIT_RPC_IN_FLIGHT + 1) * (size_t)LIMIT_RPC_MESSAGE);
	connection->next = server->connections;
	connection->link = &server->connections;
	if (server->connections != NULL) {
		server->connections->link = &connection->next;
	}
	server->connections = connection;
	server->connection_count++;
	connection->read_event =
	        event_new(server->base, socket, EV_READ | EV_PERSIST, on_readable, connection);
	connection->write_event =
	        event_new(server->base, socket, EV_WRITE, on_writable, connection);
	connection->deadline = evtimer_new(server->base, on_deadline, connection);
	if (connection->read_event == NULL || connection->write_event == NULL ||
	        connection->deadline == NULL || event_add(connection->read_event, NULL) != 0) {
		connection_free(connection);
	}
}

static size_t connections_of(const struct rpc_server *server, uid_t user)
{
	size_t count = 0;
	for (const struct connection *at = server->connections; at != NULL; at = at->next) {
		count += at->user == user;
	}
	return count;
}

/* Who is at the other end, and may it be here at all? admin.sock is for root and for the user that
 * we run as (in single-user mode the owner). */
static int check_peer(int socket, enum rpc_socket kind, struct ucred *ret_peer)
{
	socklen_t size = sizeof(*ret_peer);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) != 0) {
		return -errno;
	}
	bool owner = ret_peer->uid == 0 || ret_peer->uid == geteuid();
	return kind == RPC_SOCKET_ADMIN && !owner ? SK_E_REFUSED : 0;
}

/* Says why, if it fits into the socket, and closes. */
static void turn_away(int socket, const struct rpc_fault *fault)
{
	json_object *message = envelope(NULL, "error", rpc_fault_encode(fault));
	struct buf out;
	buf_init(&out, 4096);
	if (message != NULL) {
		const char *text = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);
		frame_encode(&out, text, strlen(text));
		ssize_t sent = send(socket, out.data, out.length, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)sent; /* it is closed either way */
	}
	json_object_put(message);
	buf_release(&out);
	close(socket);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct listener *listener = context;
	struct rpc_server *server = listener->server;
	int socket = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (socket < 0) {
		return;
	}
	struct ucred peer = {0};
	struct rpc_fault fault;
	int status = check_peer(socket, listener->kind, &peer);
	if (status != 0) {
		rpc_fault_set(&fault, RPC_NOT_PERMITTED, NULL, "user %u", (unsigned)peer.uid);
	} else if (server->connection_count >= RPC_CONNECTIONS_MAX ||
	           connections_of(server, peer.uid) >= RPC_CONNECTIONS_PER_USER) {
		status = rpc_fault_set(&fault, RPC_BUSY, NULL, "too many connections");
	}
	if (status != 0) {
		turn_away(socket, &fault);
		return;
	}
	connection_new(server, socket, listener->kind, &peer);
}

int rpc_server_new(struct event_base *base, const struct rpc_server_options *options,
        struct rpc_server **ret_server)
{
	struct rpc_server *server = mem_new(1, sizeof(*server));
	if (server == NULL) {
		return -ENOMEM;
	}
	server->base = base;
	server->options = *options;
	*ret_server = server;
	return 0;
}

void rpc_server_free(struct rpc_server *server)
{
	if (server == NULL) {
		return;
	}
	while (server->connections != NULL) {
		connection_free(server->connections);
	}
	while (server->calls != NULL) {
		pending_free(server->calls);
	}
	for (size_t i = 0; i < server->listener_count; i++) {
		event_free(server->listeners[i].event);
		close(server->listeners[i].socket);
	}
	mem_free(server);
}

int rpc_server_listen(struct rpc_server *server, int listener, enum rpc_socket kind)
{
	if (server->listener_count == SK_COUNT(server->listeners)) {
		return SK_E_LIMIT;
	}
	struct listener *entry = &server->listeners[server->listener_count];
	struct event *event =
	        event_new(server->base, listener, EV_READ | EV_PERSIST, on_accept, entry);
	if (event == NULL || evutil_make_socket_nonblocking(listener) != 0 ||
	        event_add(event, NULL) != 0) {
		if (event != NULL) {
			event_free(event);
		}
		return -ENOMEM;
	}
	*entry = (struct listener){server, listener, kind, event};
	server->listener_count++;
	return 0;
}
