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

#include "lib/base/error.h"
#include "lib/link/job_kind.h"
#include "lib/link/keeper_control.h"

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void test_message_travels_whole(void **state)
{
	(void)state;
	struct keeper_message sent = {
	        .kind = KEEPER_LISTEN, .arguments = {1, 65535, 0, UINT32_MAX, [KEEPER_TAG] = 77}};
	struct keeper_message got;
	int pipes[2], descriptors[4];
	size_t count;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(keeper_message_send(pair[0], &sent, pipes, 2), 0);
	assert_int_equal(keeper_message_receive(pair[1], &got, descriptors, 4, &count), 0);
	assert_memory_equal(&got, &sent, sizeof(got));
	assert_int_equal(count, 2);
	assert_int_equal(write(descriptors[1], "x", 1), 1);
	char c;
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(fcntl(descriptors[0], F_GETFD), FD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(descriptors[i]);
	}
	assert_int_equal(keeper_message_receive(pair[1], &got, descriptors, 4, &count), -EAGAIN);
}

static void test_as_many_descriptors_as_promised(void **state)
{
	(void)state;
	struct keeper_message message = {.kind = KEEPER_JOB}, got;
	int sent[KEEPER_FDS_MAX + 1], received[KEEPER_FDS_MAX];
	size_t count;
	for (size_t i = 0; i <= KEEPER_FDS_MAX; i++) {
		sent[i] = STDERR_FILENO;
	}
	assert_int_equal(keeper_message_send(pair[0], &message, sent, KEEPER_FDS_MAX), 0);
	assert_int_equal(
	        keeper_message_receive(pair[1], &got, received, KEEPER_FDS_MAX, &count), 0);
	assert_int_equal(count, KEEPER_FDS_MAX);
	for (size_t i = 0; i < count; i++) {
		close(received[i]);
	}
	assert_int_equal(
	        keeper_message_send(pair[0], &message, sent, KEEPER_FDS_MAX + 1), SK_E_LIMIT);
}

static void test_more_descriptors_than_wanted_are_closed(void **state)
{
	(void)state;
	struct keeper_message message = {.kind = KEEPER_TLS}, got;
	int sent[3] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO}, received[1];
	size_t count;
	int next = dup(STDERR_FILENO);
	close(next);
	assert_int_equal(keeper_message_send(pair[0], &message, sent, 3), 0);
	assert_int_equal(keeper_message_receive(pair[1], &got, received, 1, &count), SK_E_PROTOCOL);
	int after = dup(STDERR_FILENO);
	assert_int_equal(after, next); /* nothing stayed open */
	close(after);
}

static void test_what_is_no_message(void **state)
{
	(void)state;
	unsigned char bytes[KEEPER_MESSAGE_SIZE + 8] = {'S', 'K', 'K', '1', 1};
	struct keeper_message got;
	size_t count;
	assert_int_equal(send(pair[0], bytes, KEEPER_MESSAGE_SIZE, 0), KEEPER_MESSAGE_SIZE);
	assert_int_equal(keeper_message_receive(pair[1], &got, NULL, 0, &count), 0);
	static const struct {
		size_t size;
		int index;
		unsigned char value;
	} faults[] = {{KEEPER_MESSAGE_SIZE - 1, 0, 'S'}, {KEEPER_MESSAGE_SIZE + 1, 0, 'S'},
	        {1, 0, 'S'}, {KEEPER_MESSAGE_SIZE, 3, '2'}, {KEEPER_MESSAGE_SIZE, 4, 0},
	        {KEEPER_MESSAGE_SIZE, 4, KEEPER_MESSAGE_KIND_COUNT}, {KEEPER_MESSAGE_SIZE, 7, 1}};
	for (size_t i = 0; i < SK_COUNT(faults); i++) {
		unsigned char copy[sizeof(bytes)];
		memcpy(copy, bytes, sizeof(bytes));
		copy[faults[i].index] = faults[i].value;
		assert_int_equal(send(pair[0], copy, faults[i].size, 0), faults[i].size);
		assert_int_equal(
		        keeper_message_receive(pair[1], &got, NULL, 0, &count), SK_E_PROTOCOL);
	}
}

static void test_end_and_full(void **state)
{
	(void)state;
	struct keeper_message message = {.kind = KEEPER_READY}, got;
	size_t count;
	int status = 0;
	for (int i = 0; i < 100000 && status == 0; i++) {
		status = keeper_message_send(pair[0], &message, NULL, 0);
	}
	assert_int_equal(status, -EAGAIN);
	shutdown(pair[0], SHUT_RDWR);
	do {
		status = keeper_message_receive(pair[1], &got, NULL, 0, &count);
	} while (status == 0);
	assert_int_equal(status, -EPIPE);
}

static void test_names(void **state)
{
	(void)state;
	enum job_kind kind;
	for (unsigned i = JOB_NONE + 1; i < JOB_KIND_COUNT; i++) {
		assert_non_null(job_kind_name(i));
		assert_int_equal(job_kind_parse(job_kind_name(i), &kind), 0);
		assert_int_equal(kind, i);
	}
	assert_null(job_kind_name(JOB_NONE));
	assert_null(job_kind_name(JOB_KIND_COUNT));
	assert_int_equal(job_kind_parse("", &kind), SK_E_NOT_FOUND);
	assert_string_equal(keeper_role_name(KEEPER_ROLE_WRS_HTTPS), "wrs_https");
	assert_null(keeper_role_name(KEEPER_ROLE_NONE));
	assert_null(keeper_role_name(KEEPER_ROLE_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_message_travels_whole, open_pair, close_pair),
	        cmocka_unit_test_setup_teardown(
	                test_as_many_descriptors_as_promised, open_pair, close_pair),
	        cmocka_unit_test_setup_teardown(
	                test_more_descriptors_than_wanted_are_closed, open_pair, close_pair),
	        cmocka_unit_test_setup_teardown(test_what_is_no_message, open_pair, close_pair),
	        cmocka_unit_test_setup_teardown(test_end_and_full, open_pair, close_pair),
	        cmocka_unit_test(test_names),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
