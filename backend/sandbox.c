#include "backend/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef SK_SANITIZED
#	include <linux/landlock.h>
#	include <sched.h>
#	include <seccomp.h>
#	include <sys/mman.h>
#	include <sys/socket.h>
#	include <sys/syscall.h>
#endif

#include "lib/base/file.h"
#include "lib/base/log.h"

#ifdef SK_SANITIZED

int sandbox_enter(const char *read_folder, struct error *error)
{
	(void)read_folder;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
	               ? 0
	               : error_set_code(error, -errno, "PR_SET_NO_NEW_PRIVS");
}

#else

/* Rights by version of the interface; the headers of the system may know fewer than the kernel. */
#	define RIGHTS_V1 ((UINT64_C(1) << 13) - 1)
#	define RIGHT_REFER (UINT64_C(1) << 13) /* version 2 */
#	define RIGHT_TRUNCATE (UINT64_C(1) << 14) /* version 3 */
#	define RIGHT_EXECUTE (UINT64_C(1) << 0)
#	define RIGHTS_READ (UINT64_C(1) << 2 | UINT64_C(1) << 3) /* files, folders */

static int add_folder(int ruleset, const char *path, uint64_t rights)
{
	file_cleanup_fd int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = folder};
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0
	               ? 0
	               : -errno;
}

static int close_files(const char *read_folder)
{
	long version = syscall(
	        SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 2) {
		/* Version 1 forbids every rename from folder to folder, which we need. */
		log_info("sandbox", "this kernel has no Landlock that serves");
		return 0;
	}
	uint64_t rights = RIGHTS_V1 | RIGHT_REFER;
	rights |= version >= 3 ? RIGHT_TRUNCATE : 0;
	struct landlock_ruleset_attr rules = {.handled_access_fs = rights};
	file_cleanup_fd int ruleset = (int)syscall(
	        SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs), 0);
	if (ruleset < 0) {
		return -errno;
	}
	int status = add_folder(ruleset, ".", rights & ~RIGHT_EXECUTE);
	if (status == 0 && read_folder[0] != '\0') {
		status = add_folder(ruleset, read_folder, RIGHTS_READ);
	}
	if (status != 0) {
		return status;
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : -errno;
}

static const int allowed[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
        SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(fsync),
        SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(open),
        SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
        SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
        SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
        SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(mkdir),
        SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename),
        SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(chmod), SCMP_SYS(fchmod),
        SCMP_SYS(fchmodat), SCMP_SYS(fchown), SCMP_SYS(utimensat), SCMP_SYS(umask), SCMP_SYS(fcntl),
        SCMP_SYS(flock), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(memfd_create),
        SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll),
        SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_pwait2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
        SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
        SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
        SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(futex), SCMP_SYS(brk),
        SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync),
        SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
        SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
        SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
        SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
        SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(prlimit64), SCMP_SYS(tgkill),
        SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group)};

static int add_rules(scmp_filter_ctx filter)
{
	int status = 0;
	for (size_t i = 0; status == 0 && i < SK_COUNT(allowed); i++) {
		status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	}
	/* Memory, but never executable; threads, but no processes; local sockets only. */
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	const struct scmp_arg_cmp local = SCMP_A0(SCMP_CMP_EQ, AF_UNIX);
	const struct {
		int call;
		const struct scmp_arg_cmp *condition;
	} conditional[] = {{SCMP_SYS(mmap), &no_exec}, {SCMP_SYS(mprotect), &no_exec},
	        {SCMP_SYS(clone), &thread}, {SCMP_SYS(socketpair), &local},
	        {SCMP_SYS(socket), &local}};
	for (size_t i = 0; status == 0 && i < SK_COUNT(conditional); i++) {
		status = seccomp_rule_add_array(
		        filter, SCMP_ACT_ALLOW, conditional[i].call, 1, conditional[i].condition);
	}
	if (status == 0) {
		/* Its flags are in memory; the C library falls back to clone(). */
		status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	}
	return status;
}

static int close_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL) {
		return -ENOMEM;
	}
	int status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (status == 0) {
		status = add_rules(filter);
	}
	const int killed[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace)};
	for (size_t i = 0; status == 0 && i < SK_COUNT(killed); i++) {
		status = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, killed[i], 0);
	}
	if (status == 0) {
		status = seccomp_load(filter);
	}
	seccomp_release(filter);
	return status;
}

int sandbox_enter(const char *read_folder, struct error *error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return error_set_code(error, -errno, "PR_SET_NO_NEW_PRIVS");
	}
	int status = close_files(read_folder);
	if (status != 0) {
		return error_set_code(error, status, "Landlock");
	}
	status = close_calls();
	return status == 0 ? 0 : error_set_code(error, status, "seccomp");
}

#endif
