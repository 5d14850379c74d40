#include "keeper/guardian.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/control.h"
#include "keeper/listeners.h"
#include "keeper/programs.h"
#include "keeper/state.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

/* A keeper that lived shorter than this is followed by another only after a pause. */
#define SHORT_LIFE_MS 1000
#define PAUSE_MS 1000

/* The keeper has other listeners now: its copies become ours. */
static void take_listeners(struct keeper *keeper)
{
	struct keeper_message message;
	int descriptors[KEEPER_LISTENERS_MAX];
	size_t count;
	int status = keeper_message_receive(
	        keeper->hold[0], &message, descriptors, KEEPER_LISTENERS_MAX, &count);
	if (status != 0 || message.kind != KEEPER_LISTENERS) {
		for (size_t i = 0; status == 0 && i < count; i++) {
			close(descriptors[i]);
		}
		return;
	}
	struct keeper_listeners next = {.count = count};
	for (size_t i = 0; i < count; i++) {
		next.items[i].fd = descriptors[i];
		next.items[i].role = message.arguments[i];
		listeners_describe(&next.items[i]);
	}
	listeners_close(&keeper->listeners);
	keeper->listeners = next;
}

/* Waits for children that have ended: true when `child` was among them. Others are programs whose
 * own keeper is gone; the next keeper sees their end for itself. */
static bool reap(pid_t child, int *ret_status)
{
	bool found = false;
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid == child) {
			*ret_status = status;
			found = true;
		}
	}
	return found;
}

/* Watches over one keeper until it is gone; its wait status. */
static int watch(struct keeper *keeper, int signals, pid_t child)
{
	struct pollfd waits[] = {
	        {.fd = signals, .events = POLLIN}, {.fd = keeper->hold[0], .events = POLLIN}};
	for (;;) {
		int status;
		if (reap(child, &status)) {
			return status;
		}
		if (poll(waits, SK_COUNT(waits), -1) < 0 && errno != EINTR) {
			log_error("guardian", "poll: %s", sk_strerror(-errno));
		}
		if ((waits[1].revents & POLLIN) != 0) {
			take_listeners(keeper);
		}
		struct signalfd_siginfo info;
		if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
			continue;
		}
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			keeper->shared->stopping = true;
		}
		if (info.ssi_signo != SIGCHLD) {
			program_signal(child, (int)info.ssi_signo);
		}
	}
}

static void pause_after(int64_t started)
{
	if (clock_monotonic(&clock_system) - started < SHORT_LIFE_MS) {
		struct timespec pause = {.tv_sec = PAUSE_MS / 1000};
		nanosleep(&pause, NULL);
	}
}

/* In the new child: the keeper, until its end or its guardian's. */
static _Noreturn void be_keeper(struct keeper *keeper, int signals)
{
	close(signals);
	close(keeper->hold[0]);
	keeper->hold[0] = -1;
	int code = control_run(keeper);
	if (code == CONTROL_GUARDIAN_LOST) {
		log_warning("guardian", "the guardian was killed; taking its place");
		close(keeper->hold[1]);
		code = guardian_run(keeper);
	}
	_exit(code);
}

int guardian_run(struct keeper *keeper)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	file_cleanup_fd int signals = -1;
	keeper->shared->guardian = getpid();
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0 ||
	        (signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
	        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
		log_error("guardian", "start: %s", sk_strerror(-errno));
		return 1;
	}
	int status = state_write_lock(keeper);
	if (status != 0) {
		log_error("guardian", "lock: %s", sk_strerror(status));
	}
	for (;;) {
		int64_t started = clock_monotonic(&clock_system);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		            keeper->hold) != 0) {
			log_error("guardian", "start: %s", sk_strerror(-errno));
			return 1;
		}
		pid_t child = fork();
		if (child == 0) {
			be_keeper(keeper, signals);
		}
		if (child < 0) {
			log_error("guardian", "fork: %s", sk_strerror(-errno));
			return 1;
		}
		close(keeper->hold[1]);
		status = watch(keeper, signals, child);
		take_listeners(keeper);
		close(keeper->hold[0]);
		if (WIFEXITED(status)) {
			return WEXITSTATUS(status);
		}
		log_error("guardian", "the keeper was killed by signal %d; starting another",
		        WTERMSIG(status));
		pause_after(started);
	}
}
