#include "lib/base/priority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GIVE_WAY_NICE 10
#define GIVE_WAY_NICE_TEXT "10"
#define SESSION_TRIES 4
#define GIVE_WAY_SLICE_NS 100000 /* the least that the kernel takes */

/* As the kernel has it (sched_setattr(2)); the C library of Debian 12 does not declare it. */
struct scheduling {
	uint32_t size;
	uint32_t policy; /* 0: SCHED_OTHER */
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* of SCHED_OTHER runtime is the slice */
};

void priority_give_way(void)
{
	struct scheduling scheduling = {
	        .size = sizeof(scheduling), .nice = GIVE_WAY_NICE, .runtime = GIVE_WAY_SLICE_NS};
	if (syscall(SYS_sched_setattr, 0, &scheduling, 0) != 0) {
		(void)setpriority(PRIO_PROCESS, 0, GIVE_WAY_NICE);
	}
}

void priority_session_give_way(void)
{
	const struct timespec patience = {.tv_nsec = 60000000};
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	/* The kernel takes one such change in 0.1 s from those who are not root. */
	for (int tries = 0; fd >= 0 && tries < SESSION_TRIES; tries++) {
		if (write(fd, GIVE_WAY_NICE_TEXT, sizeof(GIVE_WAY_NICE_TEXT) - 1) > 0 ||
		        errno != EAGAIN) {
			break;
		}
		nanosleep(&patience, NULL);
	}
	if (fd >= 0) {
		close(fd);
	}
}
