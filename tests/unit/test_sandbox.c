#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "job/sandbox.h"

#define MIB (1024 * 1024)

static const struct sandbox plain = {
        .memory = 64 * MIB, .output = MIB, .cpu_ms = 5000, .files = 64, .folder_fd = -1};

/* Runs `attempt` in a child within the sandbox; its wait status. What an attempt returns is the
 * exit status: 0, or an errno. */
static int run_within(const struct sandbox *sandbox, int (*attempt)(void))
{
	pid_t child = fork();
	if (child == 0) {
		struct error error = {0};
		if (sandbox_enter(sandbox, &error) != 0) {
			_exit(255);
		}
		_exit(attempt());
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_ends_with(const struct sandbox *sandbox, int (*attempt)(void), int code)
{
	int status = run_within(sandbox, attempt);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static int try_nothing(void)
{
	return 0;
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

#ifndef SK_SANITIZED
static int try_local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}
#endif

static void test_sockets_only_where_allowed(void **state)
{
	(void)state;
	struct sandbox sockets = plain;
	sockets.sockets = true;
	assert_ends_with(&plain, try_nothing, 0);
	assert_ends_with(&plain, try_socket, EPERM);
	assert_ends_with(&sockets, try_socket, 0);
#ifndef SK_SANITIZED
	assert_ends_with(&sockets, try_local_socket, EPERM);
#endif
}

static int try_forever(void)
{
	volatile int forever = 1;
	while (forever) {
	}
	return 0;
}

static void test_processor_time_ends(void **state)
{
	(void)state;
	struct sandbox hasty = plain;
	hasty.cpu_ms = 50;
	int status = run_within(&hasty, try_forever);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPROF);
}

static int output_fd;

static int try_large_file(void)
{
	static char block[65536];
	for (int i = 0; i < 64; i++) {
		if (write(output_fd, block, sizeof(block)) < 0) {
			return errno;
		}
	}
	return 0;
}

static void test_file_size_is_an_error(void **state)
{
	(void)state;
	char path[] = "/tmp/sekisho-test-XXXXXX";
	output_fd = mkstemp(path);
	assert_true(output_fd >= 0);
	unlink(path);
	assert_ends_with(&plain, try_large_file, EFBIG);
	struct stat facts;
	assert_int_equal(fstat(output_fd, &facts), 0);
	assert_int_equal(facts.st_size, MIB);
	close(output_fd);
}

#ifndef SK_SANITIZED
static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0 ? 0 : errno;
}

static int try_create(void)
{
	return open("/tmp/sekisho-test-never", O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : errno;
}

static int try_fork(void)
{
	return fork() >= 0 ? 0 : errno;
}

static int try_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int try_trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int try_memory(void)
{
	void *memory = mmap(NULL, (size_t)256 * MIB, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory != MAP_FAILED ? 0 : errno;
}

static void test_no_path_no_process(void **state)
{
	(void)state;
	struct sandbox sockets = plain;
	sockets.sockets = true;
	assert_ends_with(&plain, try_open, EPERM);
	assert_ends_with(&plain, try_create, EPERM);
	assert_ends_with(&sockets, try_open, EPERM);
	assert_ends_with(&plain, try_fork, EPERM);
	int status = run_within(&plain, try_exec);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = run_within(&plain, try_trace);
	assert_true(WIFSIGNALED(status));
	assert_ends_with(&plain, try_memory, ENOMEM);
}

static char folder_path[] = "/tmp/sekisho-test-XXXXXX";
static int folder_fd;

static int try_inside(void)
{
	int fd = openat(folder_fd, "made", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 ||
	        renameat(folder_fd, "made", folder_fd, "kept") != 0) {
		return errno;
	}
	fd = openat(folder_fd, "kept", O_RDONLY);
	return fd >= 0 ? 0 : errno;
}

/* Landlock says EACCES where seccomp would have let it pass. */
static void test_folder_only(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder_path));
	folder_fd = open(folder_path, O_RDONLY | O_DIRECTORY);
	assert_true(folder_fd >= 0);
	struct sandbox folder = plain;
	folder.folder_fd = folder_fd;
	assert_ends_with(&folder, try_inside, 0);
	if (sandbox_has_landlock()) {
		assert_ends_with(&folder, try_open, EACCES);
		assert_ends_with(&folder, try_create, EACCES);
	}
	assert_int_equal(unlinkat(folder_fd, "kept", 0), 0);
	assert_int_equal(rmdir(folder_path), 0);
	close(folder_fd);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_sockets_only_where_allowed),
	        cmocka_unit_test(test_processor_time_ends),
	        cmocka_unit_test(test_file_size_is_an_error),
#ifndef SK_SANITIZED
	        cmocka_unit_test(test_no_path_no_process),
	        cmocka_unit_test(test_folder_only),
#endif
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
