/*
 * The least that answers HTTP/1.1 over keep-alive: bare_epoll PORT FILE. Sends the bytes of FILE
 * (a whole answer with its head) for each request head that it reads, and looks at nothing in it.
 * Listens on loopback, prints "ready" and serves until it is ended. One thread, a peer of the
 * benches: what a request costs when only the kernel works.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"

#define CONNECTIONS_MAX 65536
#define HEAD_MAX 16384
#define ANSWER_MAX 65536
#define EVENTS_PER_TURN 256

struct server {
	int epoll, listener;
	char *answer;
	size_t answer_length;
	char *heads[CONNECTIONS_MAX]; /* by descriptor: an incomplete head, or NULL */
	size_t head_lengths[CONNECTIONS_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "bare_epoll: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(const struct server *server, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		die("epoll_ctl");
	}
}

static void start_listening(struct server *server, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 ||
	        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	        bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	        listen(server->listener, 4096) != 0) {
		die("listen");
	}
	watch(server, server->listener);
}

static void accept_all(struct server *server)
{
	for (;;) {
		int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			return;
		}
		if (fd >= CONNECTIONS_MAX) {
			close(fd);
			continue;
		}
		int one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(server, fd);
	}
}

static void drop(struct server *server, int fd)
{
	mem_free(server->heads[fd]);
	server->heads[fd] = NULL;
	close(fd);
}

/* Keeps the start of a head whose end has not come; 0, or negative to give up. */
static int keep(struct server *server, int fd, const char *data, size_t length)
{
	char *space = mem_resize(server->heads[fd], HEAD_MAX, 1);
	if (space == NULL) {
		return -1;
	}
	memmove(space, data, length);
	server->heads[fd] = space;
	server->head_lengths[fd] = length;
	return 0;
}

static void serve(struct server *server, int fd)
{
	static char space[HEAD_MAX];
	size_t kept = server->heads[fd] != NULL ? server->head_lengths[fd] : 0;
	if (kept > 0) {
		memcpy(space, server->heads[fd], kept);
	}
	ssize_t got = recv(fd, space + kept, sizeof(space) - kept, 0);
	if (got < 0 && errno == EAGAIN) {
		return;
	}
	if (got <= 0) {
		drop(server, fd);
		return;
	}
	size_t length = kept + (size_t)got;
	const char *at = space;
	for (const char *end; (end = memmem(at, length, "\r\n\r\n", 4)) != NULL;) {
		if (send(fd, server->answer, server->answer_length, MSG_NOSIGNAL) !=
		        (ssize_t)server->answer_length) {
			drop(server, fd);
			return;
		}
		length -= (size_t)(end + 4 - at);
		at = end + 4;
	}
	if (length == 0) {
		mem_free(server->heads[fd]);
		server->heads[fd] = NULL;
	} else if (keep(server, fd, at, length) != 0) {
		drop(server, fd);
	}
}

int main(int argc, char **argv)
{
	static struct server server;
	uint64_t port;
	if (argc != 3 || number_parse_u64(argv[1], strlen(argv[1]), 65535, &port) != 0) {
		fprintf(stderr, "usage: bare_epoll PORT FILE\n");
		return 2;
	}
	int status = file_read(argv[2], ANSWER_MAX, &server.answer, &server.answer_length);
	if (status != 0) {
		fprintf(stderr, "bare_epoll: %s: %s\n", argv[2], sk_strerror(status));
		return 1;
	}
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0) {
		die("epoll_create1");
	}
	start_listening(&server, (uint16_t)port);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS_PER_TURN];
		int count = epoll_wait(server.epoll, events, EVENTS_PER_TURN, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == server.listener) {
				accept_all(&server);
			} else {
				serve(&server, events[i].data.fd);
			}
		}
	}
}
