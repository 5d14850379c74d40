#include "keeper/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections wait here while queryd is away; the kernel cuts it to net.core.somaxconn. */
#define BACKLOG 4096
/* How often another free port is tried when the other family has it in use. */
#define FREE_PORT_TRIES 50

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The address to listen on in a family; false when `listen` is one of another family. */
static bool make_address(const char *listen, int family, union socket_address *ret_address)
{
	bool all = listen == NULL || strcmp(listen, "::") == 0;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->any.sa_family = (sa_family_t)family;
	if (all) {
		return true; /* both wildcards are all zeros */
	}
	void *target = family == AF_INET ? (void *)&ret_address->v4.sin_addr
	                                 : (void *)&ret_address->v6.sin6_addr;
	return inet_pton(family, listen, target) == 1;
}

static int open_one(union socket_address *address, uint16_t port, int *ret_fd, uint16_t *ret_port)
{
	int family = address->any.sa_family;
	int on = 1;
	socklen_t length = family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (family == AF_INET) {
		address->v4.sin_port = htons(port);
	} else {
		address->v6.sin6_port = htons(port);
	}
	union socket_address bound;
	socklen_t bound_length = sizeof(bound);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	        (family == AF_INET6 &&
	                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	        bind(fd, &address->any, length) != 0 || listen(fd, BACKLOG) != 0 ||
	        getsockname(fd, &bound.any, &bound_length) != 0) {
		int status = -errno;
		close(fd);
		return status;
	}
	*ret_fd = fd;
	*ret_port = ntohs(family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
	return 0;
}

static int find_old(const struct keeper_listeners *old, int family, uint16_t port)
{
	for (size_t i = 0; old != NULL && i < old->count; i++) {
		if (old->items[i].family == family && old->items[i].port == port) {
			return old->items[i].fd;
		}
	}
	return -1;
}

static int open_or_reuse(const char *listen, int family, uint16_t port,
        const struct keeper_listeners *old, struct keeper_listener *ret_listener)
{
	union socket_address address;
	int present = port != 0 ? find_old(old, family, port) : -1;
	if (!make_address(listen, family, &address)) {
		return -EAFNOSUPPORT;
	}
	ret_listener->family = family;
	if (present < 0) {
		return open_one(&address, port, &ret_listener->fd, &ret_listener->port);
	}
	ret_listener->fd = fcntl(present, F_DUPFD_CLOEXEC, 0);
	ret_listener->port = port;
	return ret_listener->fd < 0 ? -errno : 0;
}

static bool is_no_family(int status)
{
	return status == -EAFNOSUPPORT || status == -EADDRNOTAVAIL;
}

/* Opens one port in both families (where there are both), with the same number. */
static int open_role(const char *listen, uint32_t role, uint16_t port,
        const struct keeper_listeners *old, struct keeper_listeners *listeners)
{
	struct keeper_listener v4 = {.role = role, .fd = -1}, v6 = {.role = role, .fd = -1};
	int status = -EADDRINUSE;
	for (int tries = 0; tries < FREE_PORT_TRIES && status == -EADDRINUSE; tries++) {
		status = open_or_reuse(listen, AF_INET, port, old, &v4);
		if (status != 0 && !is_no_family(status)) {
			return status;
		}
		int status6 =
		        open_or_reuse(listen, AF_INET6, status == 0 ? v4.port : port, old, &v6);
		if (status6 != 0 && (!is_no_family(status6) || status != 0)) {
			if (v4.fd >= 0) {
				close(v4.fd);
				v4.fd = -1;
			}
			/* No IPv6 says less than what IPv4 said. */
			status = is_no_family(status6) && status != 0 ? status : status6;
			if (port != 0) {
				return status; /* that very port was asked for */
			}
			continue;
		}
		status = 0;
	}
	if (v4.fd >= 0) {
		listeners->items[listeners->count++] = v4;
	}
	if (v6.fd >= 0) {
		listeners->items[listeners->count++] = v6;
	}
	return status;
}

int listeners_open(const char *listen, const uint16_t ports[KEEPER_PORTS],
        const struct keeper_listeners *old, struct keeper_listeners *ret_listeners,
        uint32_t *ret_failed, struct error *error)
{
	struct keeper_listeners listeners = {.count = 0};
	for (uint32_t i = 0; i < KEEPER_PORTS; i++) {
		uint32_t role = KEEPER_ROLE_FRS_HTTP + i;
		int status = open_role(listen, role, ports[i], old, &listeners);
		if (status != 0) {
			listeners_close(&listeners);
			if (ret_failed != NULL) {
				*ret_failed = i;
			}
			return error_set_code(error, status, "port %u of %s on %s", ports[i],
			        keeper_role_name(role), listen != NULL ? listen : "all addresses");
		}
	}
	*ret_listeners = listeners;
	return 0;
}

void listeners_close(struct keeper_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		close(listeners->items[i].fd);
	}
	listeners->count = 0;
}

void listeners_describe(struct keeper_listener *listener)
{
	union socket_address bound = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t length = sizeof(bound);
	if (getsockname(listener->fd, &bound.any, &length) == 0) {
		listener->family = bound.any.sa_family;
		listener->port = ntohs(
		        bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
	}
}

uint16_t listeners_port(const struct keeper_listeners *listeners, uint32_t role)
{
	for (size_t i = 0; i < listeners->count; i++) {
		if (listeners->items[i].role == role) {
			return listeners->items[i].port;
		}
	}
	return 0;
}
