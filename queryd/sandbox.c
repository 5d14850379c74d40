#include "queryd/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>

#ifndef SK_SANITIZED
#	include <linux/landlock.h>
#	include <seccomp.h>
#	include <sys/mman.h>
#	include <sys/syscall.h>
#	include <unistd.h>
#endif

#ifdef SK_SANITIZED

int sandbox_close_files(struct error *error)
{
	(void)error;
	return 0;
}

int sandbox_close_calls(struct error *error)
{
	(void)error;
	return 0;
}

#else

/* Rights by version of the interface; the headers of the system may know fewer than the kernel. */
#	define RIGHTS_V1 ((UINT64_C(1) << 13) - 1)
#	define RIGHT_REFER (UINT64_C(1) << 13) /* version 2 */
#	define RIGHT_TRUNCATE (UINT64_C(1) << 14) /* version 3 */
#	define RIGHT_IOCTL (UINT64_C(1) << 15) /* version 5 */
#	define RIGHTS_NET UINT64_C(3) /* version 4: bind and connect by TCP */

/* Of the kernel; older ones take a prefix. */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
};

int sandbox_close_files(struct error *error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return error_set_code(error, -errno, "PR_SET_NO_NEW_PRIVS");
	}
	long version =
	        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1) {
		return 0;
	}
	struct ruleset ruleset = {.handled_access_fs = RIGHTS_V1};
	ruleset.handled_access_fs |= version >= 2 ? RIGHT_REFER : 0;
	ruleset.handled_access_fs |= version >= 3 ? RIGHT_TRUNCATE : 0;
	ruleset.handled_access_fs |= version >= 5 ? RIGHT_IOCTL : 0;
	ruleset.handled_access_net = version >= 4 ? RIGHTS_NET : 0;
	size_t size = version >= 4 ? sizeof(ruleset) : sizeof(ruleset.handled_access_fs);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0) {
		return error_set_code(error, -errno, "Landlock");
	}
	/* No rule at all: everything that is handled is refused. */
	int status = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? 0 : -errno;
	close(fd);
	return status == 0 ? 0 : error_set_code(error, status, "Landlock");
}

/* Without arguments, so that the kernel decides by its bitmap and runs no filter program. */
static const int allowed[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
        SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
        SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
        SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(close),
        SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
        SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(fcntl), SCMP_SYS(futex), SCMP_SYS(munmap),
        SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
        SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
        SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group)};

static int add_rules(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < SK_COUNT(allowed); i++) {
		int status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (status != 0) {
			return status;
		}
	}
	/* Memory, but never executable. */
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_exec);
	if (status == 0) {
		status = seccomp_rule_add_array(
		        filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_exec);
	}
	return status;
}

int sandbox_close_calls(struct error *error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL) {
		return error_set_code(error, -ENOMEM, "seccomp");
	}
	/* All threads at once; a binary tree instead of a list of comparisons. */
	int status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status == 0) {
		status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	}
	if (status == 0) {
		status = add_rules(filter);
	}
	if (status == 0) {
		status = seccomp_load(filter);
	}
	seccomp_release(filter);
	return status == 0 ? 0 : error_set_code(error, status, "seccomp");
}

#endif
