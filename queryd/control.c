#include "queryd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define SEND_BUFFER_SIZE (128 * 1024) /* bytes; the kernel doubles it for its own needs */

#define PEM_MAX (256 * 1024)

/* ---- orders ---- */

/* Gives each worker its order and waits until all are carried out (a turn of a loop at most). */
static void give_orders(struct control *control, const struct worker_order *orders, bool same)
{
	struct server *server = control->server;
	for (unsigned i = 0; i < server->worker_count; i++) {
		worker_give_order(server->workers[i], same ? orders : &orders[i]);
	}
	for (uint64_t done = 0, more; done < server->worker_count; done += more) {
		struct pollfd wait = {.fd = server->done_fd, .events = POLLIN};
		more = 0;
		if (poll(&wait, 1, -1) < 0 && errno != EINTR) {
			log_error("control", "poll: %s", sk_strerror(-errno));
			return;
		}
		if (read(server->done_fd, &more, sizeof(more)) != (ssize_t)sizeof(more)) {
			more = 0;
		}
	}
}

/* What the kernel keeps of unsent answers would otherwise grow to megabytes for each client that
 * reads slowly, before the connection knows of it. Accepted sockets inherit this. */
static void bound_send_buffers(const struct listeners *listeners)
{
	int size = SEND_BUFFER_SIZE;
	for (unsigned i = 0; i < listeners->count; i++) {
		if (setsockopt(listeners->items[i].fd, SOL_SOCKET, SO_SNDBUF, &size,
		            sizeof(size)) != 0) {
			log_warning("control", "SO_SNDBUF: %s", strerror(errno));
		}
	}
}

void control_set_listeners(struct control *control)
{
	bound_send_buffers(&control->listeners);
	const struct worker_order order = {.listeners = &control->listeners};
	give_orders(control, &order, true);
}

int control_set_certificate(
        struct control *control, const char *pem, size_t length, struct error *error)
{
	struct worker_order orders[WORKERS_MAX] = {0};
	unsigned count = control->server->worker_count;
	for (unsigned i = 0; i < count; i++) {
		int status =
		        tls_context_new(pem, length, control->ticket_keys, &orders[i].tls, error);
		if (status != 0) {
			while (i-- > 0) {
				SSL_CTX_free(orders[i].tls);
			}
			return status;
		}
	}
	give_orders(control, orders, false);
	control->has_tls = true;
	return 0;
}

/* ---- sekishod ---- */

static void send_active(struct control *control, uint64_t generation, const struct error *error)
{
	struct link_active active = {.generation = generation,
	        .code = error->code,
	        .workers = (uint16_t)control->server->worker_count};
	struct buf buf;
	memcpy(active.text, error->text, sizeof(active.text) - 1);
	buf_init_fixed(&buf, control->packet, sizeof(control->packet));
	link_encode_active(&buf, &active);
	int status = link_send(control->server->link_fd, buf.data, buf.length, NULL, 0);
	if (status != 0) {
		log_warning("control", "cannot answer sekishod: %s", sk_strerror(status));
	}
}

static void send_ready(struct control *control)
{
	struct keeper_message message = {.kind = KEEPER_READY};
	int status = keeper_message_send(control->keeper_fd, &message, NULL, 0);
	if (status != 0) {
		log_warning("control", "cannot answer the keeper: %s", sk_strerror(status));
	}
}

static void change_over(struct control *control, struct generation *generation)
{
	const struct worker_order order = {.generation = generation};
	struct generation *before = control->generation;
	give_orders(control, &order, true);
	control->generation = generation;
	generation_free(before);
	if (!control->ready) {
		control->ready = true;
		send_ready(control);
	}
}

static void on_publish(
        struct control *control, struct cursor *body, const int *descriptors, size_t count)
{
	struct error error = {0};
	struct generation *generation = NULL;
	struct link_publish *publish = &control->publish;
	int status = link_decode_publish(body, publish);
	if (status != 0) {
		log_error("control", "a generation of sekishod: %s", sk_strerror(status));
		error_set_code(&error, status, "message");
		send_active(control, 0, &error);
		return;
	}
	int64_t start = clock_monotonic(&clock_system);
	status = generation_new(publish, descriptors, count, control->generation,
	        control->server->worker_count, &generation, &error);
	if (status != 0) {
		log_error("control", "generation %llu refused: %s",
		        (unsigned long long)publish->generation, error.text);
		send_active(control, publish->generation, &error);
		return;
	}
	change_over(control, generation);
	send_active(control, publish->generation, &error);
	log_info("control", "generation %llu is in effect after %lld ms",
	        (unsigned long long)publish->generation,
	        (long long)(clock_monotonic(&clock_system) - start));
}

static void close_all(const int *descriptors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		close(descriptors[i]);
	}
}

static void on_link(struct control *control)
{
	int descriptors[LINK_DESCRIPTORS_MAX];
	size_t count = 0;
	ssize_t got = link_receive(control->server->link_fd, control->packet,
	        sizeof(control->packet), descriptors, &count);
	if (got == -EAGAIN) {
		return;
	}
	enum link_kind kind;
	struct cursor body;
	int status = got > 0 ? link_decode(control->packet, (size_t)got, &kind, &body) : (int)got;
	if (status != 0) {
		log_warning("control", "a message of sekishod: %s", sk_strerror(status));
	} else if (got > 0 && kind == LINK_PUBLISH) {
		on_publish(control, &body, descriptors, count);
	} else if (got > 0 && kind == LINK_HELLO) {
		struct link_hello hello;
		if (link_decode_hello(&body, &hello) == 0) {
			log_info("control", "sekishod started (boot %016llx)",
			        (unsigned long long)hello.boot);
		}
	}
	close_all(descriptors, count);
}

static void say_hello(struct control *control)
{
	struct link_hello hello = {.boot = control->server->health.boot};
	struct buf buf;
	buf_init_fixed(&buf, control->packet, sizeof(control->packet));
	link_encode_hello(&buf, &hello);
	int status = link_send(control->server->link_fd, buf.data, buf.length, NULL, 0);
	if (status != 0) {
		log_warning("control", "cannot greet sekishod: %s", sk_strerror(status));
	}
}

/* ---- the keeper ---- */

static void send_result(struct control *control, const struct keeper_message *request, int status)
{
	struct keeper_message result = {.kind = KEEPER_RESULT};
	/* Our own codes have no errno; what the keeper got wrong is an invalid argument. */
	result.arguments[0] = status == 0      ? 0
	                      : status > -1000 ? (uint32_t)-status
	                                       : (uint32_t)EINVAL;
	result.arguments[KEEPER_TAG] = request->arguments[KEEPER_TAG];
	status = keeper_message_send(control->keeper_fd, &result, NULL, 0);
	if (status != 0) {
		log_warning("control", "cannot answer the keeper: %s", sk_strerror(status));
	}
}

static int use_new_certificate(struct control *control, const int *descriptors, size_t count)
{
	struct error error = {0};
	char *pem;
	size_t length;
	if (count != 1) {
		return SK_E_PROTOCOL;
	}
	if (lseek(descriptors[0], 0, SEEK_SET) < 0) {
		return -errno;
	}
	int status = file_read_fd(descriptors[0], PEM_MAX, &pem, &length);
	if (status != 0) {
		return status;
	}
	status = control_set_certificate(control, pem, length, &error);
	OPENSSL_cleanse(pem, length);
	mem_free(pem);
	if (status != 0) {
		log_error("control", "new certificate refused: %s", error.text);
		return status;
	}
	log_info("control", "a new certificate is in use");
	return 0;
}

/* Takes over the descriptors on success. */
static int use_new_listeners(struct control *control, const struct keeper_message *message,
        const int *descriptors, size_t count)
{
	struct listeners before = control->listeners, after = {.count = (unsigned)count};
	if (count > KEEPER_ARGUMENTS || count > LISTENERS_MAX) {
		return SK_E_LIMIT;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t role = message->arguments[i];
		if (role == KEEPER_ROLE_NONE || role >= KEEPER_ROLE_COUNT) {
			return SK_E_PROTOCOL;
		}
		int flags = fcntl(descriptors[i], F_GETFL);
		if (flags < 0 || fcntl(descriptors[i], F_SETFL, flags | O_NONBLOCK) != 0) {
			return -errno;
		}
		after.items[i] = (struct listener){descriptors[i], (uint8_t)role};
	}
	control->listeners = after;
	control_set_listeners(control);
	for (unsigned i = 0; i < before.count; i++) {
		close(before.items[i].fd);
	}
	log_info("control", "%zu listeners replace %u", count, before.count);
	return 0;
}

/* Returns true when the end is ordered. */
static bool on_keeper(struct control *control)
{
	struct keeper_message message;
	int descriptors[LISTENERS_MAX];
	size_t count = 0;
	int status = keeper_message_receive(
	        control->keeper_fd, &message, descriptors, LISTENERS_MAX, &count);
	if (status == -EAGAIN) {
		return false;
	}
	if (status == -EPIPE) {
		log_error("control", "the keeper is gone");
		return true;
	}
	if (status != 0) {
		log_warning("control", "a message of the keeper: %s", sk_strerror(status));
		return false;
	}
	switch (message.kind) {
	case KEEPER_STOP:
		close_all(descriptors, count);
		return true;
	case KEEPER_TLS:
		status = use_new_certificate(control, descriptors, count);
		close_all(descriptors, count);
		send_result(control, &message, status);
		return false;
	case KEEPER_LISTENERS:
		status = use_new_listeners(control, &message, descriptors, count);
		if (status != 0) {
			close_all(descriptors, count);
		}
		send_result(control, &message, status);
		return false;
	default:
		close_all(descriptors, count);
		return false;
	}
}

/* ---- the loop ---- */

void control_run(struct control *control)
{
	say_hello(control);
	for (;;) {
		struct pollfd polls[] = {
		        {.fd = control->keeper_fd, .events = POLLIN},
		        {.fd = control->signal_fd, .events = POLLIN},
		        {.fd = control->server->link_fd, .events = POLLIN},
		};
		if (poll(polls, SK_COUNT(polls), -1) < 0) {
			if (errno != EINTR) {
				log_error("control", "poll: %s", sk_strerror(-errno));
				return;
			}
			continue;
		}
		if (polls[1].revents != 0 || (polls[0].revents != 0 && on_keeper(control))) {
			return;
		}
		if ((polls[2].revents & POLLIN) != 0) {
			on_link(control);
		} else if (polls[2].revents != 0) {
			/* Nobody holds the other end any more: the keeper is gone too. */
			log_error("control", "the link is gone");
			return;
		}
	}
}

void control_stop(struct control *control)
{
	struct server *server = control->server;
	const struct worker_order order = {.stop = true};
	give_orders(control, &order, true);
	for (unsigned i = 0; i < server->worker_count; i++) {
		worker_join(server->workers[i]);
	}
	generation_free(control->generation);
	for (unsigned i = 0; i < control->listeners.count; i++) {
		close(control->listeners.items[i].fd);
	}
}
