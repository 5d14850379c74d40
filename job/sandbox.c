#include "job/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef HAVE_LINUX_LANDLOCK_H
#	include <linux/landlock.h>
#endif

#include "lib/base/file.h"
#include "lib/base/number.h"

/* ---- resource limits ---- */

static int set_limit(int resource, uint64_t value)
{
	struct rlimit limit = {value, value};
	return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0 : -errno;
}

#ifndef SK_SANITIZED
/* Bytes of address space that the process has now: the first number of /proc/self/statm. */
static int get_address_space(uint64_t *ret_bytes)
{
	char text[64];
	uint64_t pages;
	file_cleanup_fd int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	ssize_t got = read(fd, text, sizeof(text));
	if (got <= 0) {
		return got < 0 ? -errno : SK_E_CORRUPT;
	}
	size_t length = 0;
	while (length < (size_t)got && text[length] != ' ') {
		length++;
	}
	int status = number_parse_u64(text, length, UINT32_MAX, &pages);
	if (status == 0) {
		*ret_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	return status;
}
#endif

static int set_limits(const struct sandbox *sandbox)
{
	/* The kernel counts seconds and kills; a timer of milliseconds comes before that. */
	struct itimerval timer = {.it_value = {.tv_sec = sandbox->cpu_ms / 1000,
	                                  .tv_usec = (suseconds_t)(sandbox->cpu_ms % 1000) * 1000}};
	int status = 0;
#ifndef SK_SANITIZED
	uint64_t present = 0;
	status = get_address_space(&present);
	if (status == 0) {
		status = set_limit(RLIMIT_AS, present + sandbox->memory);
	}
#endif
	if (status == 0) {
		status = set_limit(RLIMIT_CPU, sandbox->cpu_ms / 1000 + 2);
	}
	if (status == 0) {
		status = set_limit(RLIMIT_FSIZE, sandbox->output);
	}
	if (status == 0) {
		status = set_limit(RLIMIT_NOFILE, sandbox->files);
	}
	if (status == 0) {
		status = set_limit(RLIMIT_CORE, 0);
	}
	if (status == 0 && setitimer(ITIMER_PROF, &timer, NULL) != 0) {
		status = -errno;
	}
	/* A file that gets too large is an error that the job can report. */
	signal(SIGXFSZ, SIG_IGN);
	return status;
}

/* ---- Landlock ---- */

#ifdef HAVE_LINUX_LANDLOCK_H
static long landlock_version(void)
{
	return syscall(
	        SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool sandbox_has_landlock(void)
{
	return landlock_version() > 0;
}

#	ifndef SK_SANITIZED
/* Every right over files that Debian 12's kernel knows (its second version of Landlock). */
#		define RIGHTS_FIRST ((1ull << 13) - 1)
#		define RIGHTS_REFER (1ull << 13)
#		define RIGHTS_TRUNCATE (1ull << 14)

static int allow_folder(int ruleset, int folder, uint64_t handled)
{
	struct landlock_path_beneath_attr rule = {.parent_fd = folder,
	        .allowed_access =
	                handled &
	                (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
	                        LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	                        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	                        RIGHTS_TRUNCATE)};
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0
	               ? 0
	               : -errno;
}

static int restrict_paths(const struct sandbox *sandbox)
{
	long version = landlock_version();
	if (version <= 0) {
		return 0; /* this kernel has none; users and seccomp hold */
	}
	struct landlock_ruleset_attr rules = {.handled_access_fs = RIGHTS_FIRST};
	rules.handled_access_fs |= version >= 2 ? RIGHTS_REFER : 0;
	rules.handled_access_fs |= version >= 3 ? RIGHTS_TRUNCATE : 0;
	file_cleanup_fd int ruleset = (int)syscall(
	        SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs), 0);
	if (ruleset < 0) {
		return -errno;
	}
	if (sandbox->folder_fd >= 0) {
		int status = allow_folder(ruleset, sandbox->folder_fd, rules.handled_access_fs);
		if (status != 0) {
			return status;
		}
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : -errno;
}
#	endif
#else
bool sandbox_has_landlock(void)
{
	return false;
}

#	ifndef SK_SANITIZED
static int restrict_paths(const struct sandbox *sandbox)
{
	(void)sandbox;
	return 0;
}
#	endif
#endif

/* ---- system calls ---- */

static const int socket_calls[] = {SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
        SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
        SCMP_SYS(shutdown), SCMP_SYS(socketpair), SCMP_SYS(pipe2), SCMP_SYS(eventfd2)};

#ifdef SK_SANITIZED
/* All calls but those that make or use the network, where the kind has none. */
static int restrict_calls(const struct sandbox *sandbox)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int status = filter == NULL ? -ENOMEM : 0;
	for (size_t i = 0; !sandbox->sockets && i < 3 && status == 0; i++) {
		status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), socket_calls[i], 0);
	}
	if (status == 0) {
		status = seccomp_load(filter);
	}
	seccomp_release(filter);
	return status;
}
#else
static const int plain_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv),
        SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(fstat),
        SCMP_SYS(newfstatat), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
        SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(close), SCMP_SYS(dup),
        SCMP_SYS(fcntl), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
        SCMP_SYS(fdatasync), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom),
        SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
        SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack), SCMP_SYS(setitimer), SCMP_SYS(getpid),
        SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(futex), SCMP_SYS(sched_yield),
        SCMP_SYS(sched_getaffinity), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
        SCMP_SYS(restart_syscall)};

/* With a folder to write to; Landlock confines the paths. */
static const int folder_calls[] = {SCMP_SYS(openat), SCMP_SYS(mkdirat), SCMP_SYS(unlinkat),
        SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(fchmod), SCMP_SYS(getdents64),
        SCMP_SYS(fadvise64)};

/* Nothing that a job does leads here by mistake. */
static const int deadly_calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(bpf), SCMP_SYS(mount)};

static int add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = seccomp_rule_add(filter, action, calls[i], 0);
		/* A call that this architecture does not have cannot be made either. */
		if (status != 0 && status != -EDOM && status != -EINVAL) {
			return status;
		}
	}
	return 0;
}

static int add_socket_calls(scmp_filter_ctx filter)
{
	/* Only these families: no netlink, no local sockets by path. */
	int status = seccomp_rule_add(
	        filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET));
	if (status == 0) {
		status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		        SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	}
	if (status == 0) {
		status = add_calls(
		        filter, SCMP_ACT_ALLOW, socket_calls + 1, SK_COUNT(socket_calls) - 1);
	}
	return status;
}

static int restrict_calls(const struct sandbox *sandbox)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL) {
		return -ENOMEM;
	}
	int status = add_calls(filter, SCMP_ACT_ALLOW, plain_calls, SK_COUNT(plain_calls));
	if (status == 0) {
		status = add_calls(
		        filter, SCMP_ACT_KILL_PROCESS, deadly_calls, SK_COUNT(deadly_calls));
	}
	if (status == 0 && sandbox->sockets) {
		status = add_socket_calls(filter);
	}
	if (status == 0 && sandbox->folder_fd >= 0) {
		status = add_calls(filter, SCMP_ACT_ALLOW, folder_calls, SK_COUNT(folder_calls));
	}
	if (status == 0) {
		status = seccomp_load(filter);
	}
	seccomp_release(filter);
	return status;
}
#endif

int sandbox_enter(const struct sandbox *sandbox, struct error *error)
{
	int status = set_limits(sandbox);
	if (status != 0) {
		return error_set_code(error, status, "resource limits");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return error_set_code(error, -errno, "no_new_privs");
	}
#ifndef SK_SANITIZED
	status = restrict_paths(sandbox);
	if (status != 0) {
		return error_set_code(error, status, "Landlock");
	}
#endif
	status = restrict_calls(sandbox);
	return status == 0 ? 0 : error_set_code(error, status, "seccomp");
}
