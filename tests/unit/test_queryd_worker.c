/*
 * A whole worker over real sockets, run by the test's own thread: plain HTTP allocates nothing once
 * it is warm (malloc itself is counted), and an idle connection is small.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "queryd/worker.h"
#include "tests/unit/queryd_support.h"

static unsigned long mallocs;

#ifndef SK_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

/* In place of the C library's, for everything in this program. */
__attribute__((visibility("default"))) void *malloc(size_t size)
{
	mallocs++;
	return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	mallocs++;
	return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	mallocs++;
	return __libc_realloc(old, size);
}
#endif

static struct server server;
static struct worker *worker;
static struct generation *generation;
static struct listeners listeners;
static struct sockaddr_in address;
static int link_pair[2];

static void order(const struct worker_order *order)
{
	uint64_t done;
	worker_give_order(worker, order);
	assert_int_equal(net_loop_turn(&worker->loop), 0);
	assert_int_equal(read(server.done_fd, &done, sizeof(done)), sizeof(done));
}

static int set_up(void **state)
{
	(void)state;
	const uint64_t secrets[2] = {7, 11};
	socklen_t length = sizeof(address);
	answer_start();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link_pair), 0);
	server = (struct server){.link_fd = link_pair[0], .worker_count = 1};
	server.done_fd = eventfd(0, EFD_CLOEXEC);
	server.health = (struct query_health){.generations = server.generations, .count = 1};
	assert_int_equal(worker_new(&server, 0, secrets, &worker), 0);
	server.workers[0] = worker;
	server.generations[0] = &worker->active_generation;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	address = (struct sockaddr_in){
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	generation = support_generation(1);
	listeners = (struct listeners){.count = 1, .items = {{fd, KEEPER_ROLE_WRS_HTTP}}};
	const struct worker_order first = {.generation = generation, .listeners = &listeners};
	order(&first);
	return 0;
}

static int connect_client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	/* Requests are sent in pieces: without this the second waits for the first one's ACK. */
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	size_t before = worker->loop.count;
	while (worker->loop.count == before) {
		assert_int_equal(net_loop_turn(&worker->loop), 0);
	}
	return fd;
}

static size_t ask(int fd, const char *request, size_t length, char *space, size_t size)
{
	assert_int_equal(send(fd, request, length, 0), (ssize_t)length);
	for (;;) {
		ssize_t got = recv(fd, space, size, MSG_DONTWAIT);
		if (got > 0) {
			return (size_t)got;
		}
		assert_int_equal(net_loop_turn(&worker->loop), 0);
	}
}

static void test_requests_allocate_nothing(void **state)
{
	(void)state;
	static const char request[] =
	        "GET /v1/url?url=http%3A%2F%2Fbad.example%2Fa HTTP/1.1\r\nHost: a\r\n"
	        "User-Agent: test\r\nX-Client-Name: pc-1\r\n\r\n";
	static char answer[65536];
	int fd = connect_client();
	for (unsigned i = 0; i < 100; i++) {
		ask(fd, request, sizeof(request) - 1, answer, sizeof(answer));
	}
	unsigned long before = mallocs;
	for (unsigned i = 0; i < 20000; i++) {
		size_t got = ask(fd, request, sizeof(request) - 1, answer, sizeof(answer));
		assert_true(got > 200 && memcmp(answer, "HTTP/1.1 200", 12) == 0);
	}
	assert_int_equal(mallocs, before);
	/* Nor when requests come in pieces, or several at once. */
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(send(fd, request, 10, 0), 10);
		assert_int_equal(net_loop_turn(&worker->loop), 0);
		ask(fd, request + 10, sizeof(request) - 11, answer, sizeof(answer));
		if (i == 10) {
			before = mallocs;
		}
	}
	assert_int_equal(mallocs, before);
	close(fd);
	assert_int_equal(net_loop_turn(&worker->loop), 0);
}

static void test_connections_are_small_and_reused(void **state)
{
	(void)state;
	assert_true(sizeof(struct connection) <= 2048);
	int fds[200];
	for (unsigned round = 0; round < 2; round++) {
		unsigned long before = mallocs;
		for (size_t i = 0; i < SK_COUNT(fds); i++) {
			fds[i] = connect_client();
		}
		/* The second time all structures are there already. */
		if (round == 1) {
			assert_int_equal(mallocs, before);
		}
		assert_int_equal(worker->loop.pool.out, 0);
		for (size_t i = 0; i < SK_COUNT(fds); i++) {
			close(fds[i]);
		}
		while (worker->loop.count > 0) {
			assert_int_equal(net_loop_turn(&worker->loop), 0);
		}
	}
	assert_int_equal(atomic_load(&server.connection_count), 0);
}

static void test_stop_ends_the_loop(void **state)
{
	(void)state;
	const struct worker_order stop = {.stop = true};
	int fd = connect_client();
	char byte;
	order(&stop);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	assert_int_equal(worker_start(worker), 0); /* finds itself finished */
	worker_join(worker);
	generation_free(generation);
	close(listeners.items[0].fd);
	close(server.done_fd);
	close(link_pair[0]);
	close(link_pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_requests_allocate_nothing),
	        cmocka_unit_test(test_connections_are_small_and_reused),
	        cmocka_unit_test(test_stop_ends_the_loop),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
