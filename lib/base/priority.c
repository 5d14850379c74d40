#include "lib/base/priority.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GIVE_WAY_NICE 10
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
