/*
 * The floor of what an HTTP answer costs: accept, epoll, read, look for the empty line, write the
 * same bytes each time. No parser, no timeouts, no limits: only for tests/bench/run to compare
 * with.
 *
 *   bare_epoll --port N --response FILE
 *
 * Listens on 127.0.0.1, one thread; ends by a signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/number.h"

#define RESPONSE_MAX (1024 * 1024)
#define REQUEST_MAX 16384
#define DESCRIPTORS_MAX 65536
#define EVENTS_PER_TURN 256
#define BACKLOG 4096

struct connection {
	size_t length;
	char request[REQUEST_MAX];
};

static struct connection *connections[DESCRIPTORS_MAX];
static char *response;
static size_t response_length;

static void die(const char *what)
{
	fprintf(stderr, "bare_epoll: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void close_connection(int fd)
{
	free(connections[fd]);
	connections[fd] = NULL;
	close(fd);
}

/* Answers every request that is complete; they have no bodies. */
static int answer_all(int fd, struct connection *connection)
{
	char *at = connection->request;
	size_t left = connection->length;
	char *stop;
	while ((stop = memmem(at, left, "\r\n\r\n", 4)) != NULL) {
		size_t used = (size_t)(stop - at) + 4;
		at += used;
		left -= used;
		if (send(fd, response, response_length, MSG_NOSIGNAL) != (ssize_t)response_length) {
			return -1;
		}
	}
	memmove(connection->request, at, left);
	connection->length = left;
	return left < REQUEST_MAX ? 0 : -1;
}

static void read_connection(int fd)
{
	struct connection *connection = connections[fd];
	ssize_t got = recv(
	        fd, connection->request + connection->length, REQUEST_MAX - connection->length, 0);
	if (got < 0 && errno == EAGAIN) {
		return;
	}
	if (got <= 0) {
		close_connection(fd);
		return;
	}
	connection->length += (size_t)got;
	if (answer_all(fd, connection) != 0) {
		close_connection(fd);
	}
}

static void accept_all(int listener, int poll)
{
	int one = 1;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			return;
		}
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
		if (fd >= DESCRIPTORS_MAX ||
		        (connections[fd] = calloc(1, sizeof(*connections[fd]))) == NULL) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) {
			close_connection(fd);
		}
	}
}

static int open_listener(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	        listen(fd, BACKLOG) != 0) {
		die("listen");
	}
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
	        {"port", 1, NULL, 'p'}, {"response", 1, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t port = 0;
	const char *path = "";
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (c == 'p' && number_parse_u64(optarg, strlen(optarg), 65535, &port) == 0) {
			continue;
		}
		if (c != 'r') {
			return 2;
		}
		path = optarg;
	}
	int rc = file_read(path, RESPONSE_MAX, &response, &response_length);
	if (rc != 0) {
		fprintf(stderr, "bare_epoll: %s: %s\n", path, sk_strerror(rc));
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	int listener = open_listener((uint16_t)port);
	int poll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) != 0) {
		die("epoll");
	}
	for (;;) {
		int count = epoll_wait(poll, events, EVENTS_PER_TURN, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener) {
				accept_all(listener, poll);
			} else {
				read_connection(events[i].data.fd);
			}
		}
	}
}
