#include "keeper/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/listeners.h"
#include "keeper/programs.h"
#include "keeper/state.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/link/job_kind.h"

#define BACK_OFF_MAX_MS 30000
#define STEADY_MS 60000 /* after a life this long the counting starts anew */
/* A program that served is started again at once this often, before it has to wait. */
#define AT_ONCE_MAX 5
#define FIRST_DEATHS_MAX 3 /* before "ready" was said: then the start has failed */
#define FIRST_START_MS 120000
#define STOP_MS 5000 /* what a program has from SIGTERM to SIGKILL */
#define TURN_CHECK_MS 10000
#define RETRY_MS 100
#define CHANGE_MS 10000 /* what queryd has to answer; the next one starts with what was wanted */

/* What the keeper knows of a program besides struct keeper_shared. */
struct life {
	int pidfd; /* -1: does not run */
	int64_t started, next_start;
	int64_t back_off;
	unsigned deaths, at_once;
};

/* What waits for queryd's RESULT: one thing at a time. */
struct change {
	/* KEEPER_LISTEN, KEEPER_TLS_RELOAD, KEEPER_LISTENERS (nobody asked for it), or 0: nothing
	 * is under way */
	uint32_t kind;
	uint32_t tag;
	int64_t until;
	struct keeper_listeners next;
};

struct control {
	struct keeper *keeper;
	int signals;
	struct life lives[PROGRAM_COUNT];
	int job_pidfds[KEEPER_JOBS_MAX];
	struct change change;
	int64_t began, next_turn;
	bool guardian_lost, failed;
};

static int64_t now(void)
{
	return clock_monotonic(&clock_system);
}

void control_fail(struct keeper *keeper, const char *reason)
{
	log_error("control", "start failed: %s", reason);
	dprintf(keeper->error_fd, "failed: %s\n", reason);
	if (keeper->options->ready_fd >= 0 && !keeper->shared->announced) {
		dprintf(keeper->options->ready_fd, "failed: %s\n", reason);
		keeper->shared->announced = true;
	}
}

/* ---- programs ---- */

static void note_start(struct control *control, enum keeper_program program, pid_t pid)
{
	struct life *life = &control->lives[program];
	life->pidfd = pidfd_open(pid, 0);
	life->started = now();
	control->keeper->shared->pids[program] = life->pidfd >= 0 ? pid : 0;
}

static void plan_restart(
        struct control *control, enum keeper_program program, bool served, const char *how)
{
	struct life *life = &control->lives[program];
	int64_t time = now(), delay = 0;
	if (time - life->started >= STEADY_MS) {
		life->back_off = 0;
		life->at_once = 0;
	}
	if (served && life->at_once < AT_ONCE_MAX) {
		life->at_once++;
	} else {
		delay = life->back_off;
		life->back_off = life->back_off == 0 ? 1000 : 2 * life->back_off;
		if (life->back_off > BACK_OFF_MAX_MS) {
			life->back_off = BACK_OFF_MAX_MS;
		}
	}
	life->next_start = time + delay;
	log_warning("control", "%s %s; next start in %lld ms", program_name(program), how,
	        (long long)delay);
	life->deaths++;
	if (!control->keeper->shared->announced && life->deaths >= FIRST_DEATHS_MAX) {
		char reason[200];
		snprintf(reason, sizeof(reason), "%s %s (%u deaths); its log tells more",
		        program_name(program), how, life->deaths);
		control_fail(control->keeper, reason);
		control->failed = true;
	}
}

static void start_programs(struct control *control)
{
	struct keeper *keeper = control->keeper;
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		enum keeper_program program = (enum keeper_program)i;
		struct life *life = &control->lives[i];
		if (life->pidfd >= 0 || keeper->shared->stopping || control->failed ||
		        life->next_start > now()) {
			continue;
		}
		keeper->shared->ready[i] = false;
		pid_t pid = program_start(keeper, program);
		if (pid > 0) {
			note_start(control, program, pid);
		}
		if (pid <= 0 || life->pidfd < 0) {
			life->started = now();
			plan_restart(control, program, false, "could not be started");
		}
	}
}

/* Goes on with what a former keeper started. */
static void adopt(struct control *control)
{
	struct keeper_shared *shared = control->keeper->shared;
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		control->lives[i] = (struct life){.pidfd = -1};
		if (shared->pids[i] > 0) {
			note_start(control, (enum keeper_program)i, shared->pids[i]);
		}
	}
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		struct keeper_job *job = &shared->jobs[i];
		control->job_pidfds[i] = -1;
		if (job->pid > 0 && !job->ended) {
			control->job_pidfds[i] = pidfd_open(job->pid, 0);
			job->ended = control->job_pidfds[i] < 0;
		}
	}
}

/* The wait status of a child that has ended; of another's child it is not known (-1). */
static int reap(pid_t pid)
{
	int status;
	return waitpid(pid, &status, WNOHANG) == pid ? status : -1;
}

static void describe_end(int status, char *text, size_t size)
{
	if (status >= 0 && WIFSIGNALED(status)) {
		snprintf(text, size, "was killed by signal %d", WTERMSIG(status));
	} else if (status >= 0) {
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
	} else {
		snprintf(text, size, "ended");
	}
}

/* ---- messages ---- */

static void send_message(struct control *control, enum keeper_program program,
        const struct keeper_message *message, const int *descriptors, size_t count)
{
	int status = keeper_message_send(
	        control->keeper->control[program][0], message, descriptors, count);
	if (status != 0) {
		log_error("control", "message %u to %s: %s", message->kind, program_name(program),
		        sk_strerror(status));
	}
}

/* Errors of our own have no number that fits; their cause is in the log. */
static uint32_t result_code(int status)
{
	return status == 0 ? 0 : status > -1000 ? (uint32_t)-status : EPROTO;
}

static void answer(struct control *control, uint32_t tag, int status, uint32_t first, uint32_t pid)
{
	struct keeper_message message = {.kind = KEEPER_RESULT,
	        .arguments = {result_code(status), first, pid, [KEEPER_TAG] = tag}};
	send_message(control, PROGRAM_SEKISHOD, &message, NULL, 0);
}

static size_t describe_listeners(const struct keeper_listeners *listeners,
        struct keeper_message *message, int descriptors[KEEPER_LISTENERS_MAX])
{
	*message = (struct keeper_message){.kind = KEEPER_LISTENERS};
	for (size_t i = 0; i < listeners->count; i++) {
		message->arguments[i] = listeners->items[i].role;
		descriptors[i] = listeners->items[i].fd;
	}
	return listeners->count;
}

static void write_addresses(struct control *control)
{
	struct error error = {0};
	if (state_write_addresses(control->keeper, &error) != 0) {
		log_error("control", "%s", error.text);
	}
}

/* The change that was under way is done, or failed with `status`. */
static void finish_change(struct control *control, int status)
{
	struct change *change = &control->change;
	struct keeper *keeper = control->keeper;
	if (change->kind == KEEPER_LISTEN) {
		struct keeper_listeners *loser = status == 0 ? &keeper->listeners : &change->next;
		listeners_close(loser);
		if (status == 0) {
			struct keeper_message message;
			int descriptors[KEEPER_LISTENERS_MAX];
			keeper->listeners = change->next;
			size_t count =
			        describe_listeners(&keeper->listeners, &message, descriptors);
			/* Without a guardian there is nobody to hold them, and poll() tells. */
			(void)!keeper_message_send(keeper->hold[1], &message, descriptors, count);
		}
	}
	if (status == 0) {
		write_addresses(control);
	}
	if (change->kind != KEEPER_LISTENERS) {
		answer(control, change->tag, status, 0, 0);
	}
	change->kind = 0;
}

/* A queryd that was left by a former keeper gets the listeners again: that one may have died
 * between giving it new ones and being told that it has them. */
static void repeat_listeners(struct control *control)
{
	struct keeper *keeper = control->keeper;
	struct keeper_message message;
	int descriptors[KEEPER_LISTENERS_MAX];
	if (!keeper->shared->ready[PROGRAM_QUERYD]) {
		return; /* it has those that it was started with */
	}
	size_t count = describe_listeners(&keeper->listeners, &message, descriptors);
	if (keeper_message_send(keeper->control[PROGRAM_QUERYD][0], &message, descriptors, count) ==
	        0) {
		control->change.kind = KEEPER_LISTENERS;
		control->change.until = now() + CHANGE_MS;
	}
}

static void do_listen(struct control *control, const struct keeper_message *request)
{
	struct change *change = &control->change;
	struct keeper *keeper = control->keeper;
	struct error error = {0};
	struct keeper_message message;
	int descriptors[KEEPER_LISTENERS_MAX];
	uint16_t ports[KEEPER_PORTS];
	uint32_t failed = 0;
	int status = 0;
	for (uint32_t i = 0; i < KEEPER_PORTS; i++) {
		ports[i] = (uint16_t)request->arguments[i];
		if (request->arguments[i] > UINT16_MAX) {
			status = -ERANGE;
			failed = i;
		}
	}
	if (status == 0) {
		status = listeners_open(keeper->options->listen, ports, &keeper->listeners,
		        &change->next, &failed, &error);
	}
	if (status != 0) {
		log_error("control", "new ports: %s", error.text);
		answer(control, request->arguments[KEEPER_TAG], status, failed, 0);
		return;
	}
	change->until = now() + CHANGE_MS;
	change->kind = KEEPER_LISTEN;
	change->tag = request->arguments[KEEPER_TAG];
	size_t count = describe_listeners(&change->next, &message, descriptors);
	status = keeper_message_send(
	        keeper->control[PROGRAM_QUERYD][0], &message, descriptors, count);
	if (status != 0) {
		finish_change(control, status);
	}
}

static void do_tls_reload(struct control *control, const struct keeper_message *request, int pem)
{
	struct change *change = &control->change;
	struct keeper *keeper = control->keeper;
	struct keeper_message message = {.kind = KEEPER_TLS};
	struct error error = {0};
	file_cleanup_fd int secret = -1;
	int status = state_store_secret_from(keeper, "query.pem", pem, &error);
	if (status == 0) {
		status = state_open_secret(keeper, "query.pem", &secret);
	}
	if (status != 0) {
		log_error("control", "new certificate: %s", error.text);
		answer(control, request->arguments[KEEPER_TAG], status, 0, 0);
		return;
	}
	change->until = now() + CHANGE_MS;
	change->kind = KEEPER_TLS_RELOAD;
	change->tag = request->arguments[KEEPER_TAG];
	status = keeper_message_send(keeper->control[PROGRAM_QUERYD][0], &message, &secret, 1);
	if (status != 0) {
		finish_change(control, status);
	}
}

static void do_job(struct control *control, const struct keeper_message *request,
        const int *descriptors, size_t count)
{
	struct keeper_shared *shared = control->keeper->shared;
	uint32_t tag = request->arguments[KEEPER_TAG];
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		if (shared->jobs[i].pid != 0) {
			continue;
		}
		pid_t pid = program_start_job(
		        control->keeper, request->arguments[0], descriptors, count);
		if (pid > 0) {
			shared->jobs[i] = (struct keeper_job){.pid = pid};
			control->job_pidfds[i] = pidfd_open(pid, 0);
			shared->jobs[i].ended = control->job_pidfds[i] < 0;
		}
		answer(control, tag, pid < 0 ? (int)pid : 0, 0, pid > 0 ? (uint32_t)pid : 0);
		return;
	}
	answer(control, tag, -EAGAIN, 0, 0);
}

static void become_ready(struct control *control, enum keeper_program program)
{
	struct keeper_shared *shared = control->keeper->shared;
	shared->ready[program] = true;
	if (shared->announced || !shared->ready[PROGRAM_SEKISHOD] ||
	        !shared->ready[PROGRAM_QUERYD]) {
		return;
	}
	shared->announced = true;
	log_info("control", "ready");
	if (control->keeper->options->ready_fd >= 0) {
		dprintf(control->keeper->options->ready_fd, "ready\n");
	}
}

static void handle_sekishod(struct control *control, const struct keeper_message *message,
        const int *descriptors, size_t count)
{
	bool busy = control->change.kind != 0;
	uint32_t tag = message->arguments[KEEPER_TAG];
	if (message->kind == KEEPER_READY) {
		become_ready(control, PROGRAM_SEKISHOD);
	} else if (message->kind == KEEPER_JOB) {
		do_job(control, message, descriptors, count);
	} else if (message->kind == KEEPER_LISTEN && !busy) {
		do_listen(control, message);
	} else if (message->kind == KEEPER_TLS_RELOAD && !busy && count == 1) {
		do_tls_reload(control, message, descriptors[0]);
	} else if (message->kind == KEEPER_LISTEN || message->kind == KEEPER_TLS_RELOAD) {
		answer(control, tag, busy ? -EBUSY : -EINVAL, 0, 0);
	} else {
		log_error("control", "sekishod sent message %u", message->kind);
	}
}

static void handle_queryd(struct control *control, const struct keeper_message *message)
{
	if (message->kind == KEEPER_READY) {
		become_ready(control, PROGRAM_QUERYD);
	} else if (message->kind == KEEPER_RESULT && control->change.kind != 0) {
		/* A number from a program that parses strangers' bytes: only 0 is believed. */
		uint32_t code = message->arguments[0];
		finish_change(control, code == 0 ? 0 : code < 4096 ? -(int)code : -EPROTO);
	} else {
		log_error("control", "sekisho-queryd sent message %u", message->kind);
	}
}

static void receive(struct control *control, enum keeper_program program)
{
	struct keeper_message message;
	int descriptors[KEEPER_FDS_MAX];
	size_t count = 0;
	int status;
	while ((status = keeper_message_receive(control->keeper->control[program][0], &message,
	                descriptors, KEEPER_FDS_MAX, &count)) == 0) {
		if (program == PROGRAM_SEKISHOD) {
			handle_sekishod(control, &message, descriptors, count);
		} else {
			handle_queryd(control, &message);
		}
		for (size_t i = 0; i < count; i++) {
			close(descriptors[i]);
		}
	}
	if (status != -EAGAIN) {
		log_error(
		        "control", "message of %s: %s", program_name(program), sk_strerror(status));
	}
}

/* ---- ends ---- */

static void kill_jobs(struct control *control)
{
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		if (control->job_pidfds[i] >= 0) {
			program_signal(control->keeper->shared->jobs[i].pid, SIGKILL);
		}
	}
}

static void end_program(struct control *control, enum keeper_program program)
{
	struct keeper_shared *shared = control->keeper->shared;
	struct life *life = &control->lives[program];
	char how[64];
	receive(control, program); /* what it said before it died */
	describe_end(reap(shared->pids[program]), how, sizeof(how));
	close(life->pidfd);
	life->pidfd = -1;
	shared->pids[program] = 0;
	bool served = shared->ready[program];
	shared->ready[program] = false;
	if (program == PROGRAM_SEKISHOD) {
		kill_jobs(control); /* nobody is left who waits for them */
	} else if (control->change.kind != 0) {
		/* The next queryd starts with what was wanted: the change is done. */
		finish_change(control, 0);
	}
	if (!shared->stopping) {
		plan_restart(control, program, served, how);
	}
}

static void end_job(struct control *control, size_t index)
{
	struct keeper_job *job = &control->keeper->shared->jobs[index];
	close(control->job_pidfds[index]);
	control->job_pidfds[index] = -1;
	job->status = reap(job->pid);
	job->ended = true;
}

/* Tells sekishod of jobs that have ended; true when some could not be told yet. */
static bool report_jobs(struct control *control)
{
	struct keeper_shared *shared = control->keeper->shared;
	bool left = false;
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		struct keeper_job *job = &shared->jobs[i];
		struct keeper_message message = {.kind = KEEPER_JOB_ENDED,
		        .arguments = {(uint32_t)job->pid, (uint32_t)job->status}};
		if (job->pid == 0 || !job->ended) {
			continue;
		}
		int status = keeper_message_send(
		        control->keeper->control[PROGRAM_SEKISHOD][0], &message, NULL, 0);
		if (status == -EAGAIN && shared->pids[PROGRAM_SEKISHOD] > 0) {
			left = true;
		} else {
			*job = (struct keeper_job){0};
		}
	}
	return left;
}

/* ---- the loop ---- */

enum {
	WAIT_SIGNALS,
	WAIT_HOLD,
	WAIT_CONTROL,
	WAIT_LIFE = WAIT_CONTROL + PROGRAM_COUNT,
	WAIT_JOBS = WAIT_LIFE + PROGRAM_COUNT,
	WAIT_COUNT = WAIT_JOBS + KEEPER_JOBS_MAX
};

static void read_signals(struct control *control)
{
	struct signalfd_siginfo info;
	while (read(control->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			program_turn_logs(control->keeper, 0);
		} else {
			control->keeper->shared->stopping = true;
		}
	}
}

static void earlier(int64_t *wait, int64_t candidate)
{
	if (candidate < *wait) {
		*wait = candidate > 0 ? candidate : 0;
	}
}

static void wait_and_handle(struct control *control, int64_t timeout)
{
	struct pollfd waits[WAIT_COUNT];
	struct keeper *keeper = control->keeper;
	for (size_t i = 0; i < WAIT_COUNT; i++) {
		waits[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	}
	waits[WAIT_SIGNALS].fd = control->signals;
	waits[WAIT_HOLD].fd = keeper->hold[1];
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		waits[WAIT_CONTROL + i].fd = keeper->control[i][0];
		waits[WAIT_LIFE + i].fd = control->lives[i].pidfd;
	}
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		waits[WAIT_JOBS + i].fd = control->job_pidfds[i];
	}
	if (poll(waits, WAIT_COUNT, (int)timeout) <= 0) {
		return;
	}
	if (waits[WAIT_SIGNALS].revents != 0) {
		read_signals(control);
	}
	control->guardian_lost = waits[WAIT_HOLD].revents != 0;
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		if (waits[WAIT_CONTROL + i].revents != 0) {
			receive(control, (enum keeper_program)i);
		}
		if (waits[WAIT_LIFE + i].revents != 0) {
			end_program(control, (enum keeper_program)i);
		}
	}
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		if (waits[WAIT_JOBS + i].revents != 0) {
			end_job(control, i);
		}
	}
}

static int64_t time_to_wait(struct control *control)
{
	int64_t time = now(), wait = TURN_CHECK_MS;
	if (report_jobs(control)) {
		earlier(&wait, RETRY_MS);
	}
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		if (control->lives[i].pidfd < 0) {
			earlier(&wait, control->lives[i].next_start - time);
		}
	}
	if (control->change.kind != 0 && time >= control->change.until) {
		log_error("control", "sekisho-queryd does not answer; starting it anew");
		program_signal(control->keeper->shared->pids[PROGRAM_QUERYD], SIGKILL);
		control->change.until = time + CHANGE_MS;
	} else if (control->change.kind != 0) {
		earlier(&wait, control->change.until - time);
	}
	if (time >= control->next_turn) {
		program_turn_logs(control->keeper, LOG_TURN_SIZE);
		control->next_turn = time + TURN_CHECK_MS;
	}
	return wait;
}

/* SIGTERM, then SIGKILL when the time is over. */
static void stop_program(struct control *control, enum keeper_program program)
{
	pid_t pid = control->keeper->shared->pids[program];
	int64_t until = now() + STOP_MS;
	if (control->lives[program].pidfd < 0) {
		return;
	}
	program_signal(pid, SIGTERM);
	while (control->lives[program].pidfd >= 0) {
		int64_t left = until - now();
		if (left <= 0) {
			log_warning("control", "%s did not end in time", program_name(program));
			program_signal(pid, SIGKILL);
			left = STOP_MS;
			until = now() + STOP_MS;
		}
		report_jobs(control);
		wait_and_handle(control, left);
	}
}

/* queryd first: sekishod then stores what the last queries left. */
static void stop_all(struct control *control)
{
	control->keeper->shared->stopping = true;
	stop_program(control, PROGRAM_QUERYD);
	stop_program(control, PROGRAM_SEKISHOD);
	kill_jobs(control);
	state_clear_run(control->keeper);
}

static int open_signals(int *ret_fd)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0) {
		return -errno;
	}
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

int control_run(struct keeper *keeper)
{
	struct control control = {.keeper = keeper, .signals = -1, .began = now()};
	int status = open_signals(&control.signals);
	if (status != 0) {
		control_fail(keeper, sk_strerror(status));
		return 1;
	}
	adopt(&control);
	repeat_listeners(&control);
	write_addresses(&control);
	while (!keeper->shared->stopping && !control.failed && !control.guardian_lost) {
		start_programs(&control);
		wait_and_handle(&control, time_to_wait(&control));
		if (!keeper->shared->announced && now() - control.began > FIRST_START_MS) {
			control_fail(keeper, "the programs did not get ready in time");
			control.failed = true;
		}
	}
	if (!control.guardian_lost) {
		stop_all(&control);
	}
	close(control.signals);
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		file_close_fd(&control.lives[i].pidfd);
	}
	for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
		file_close_fd(&control.job_pidfds[i]);
	}
	if (control.guardian_lost) {
		return CONTROL_GUARDIAN_LOST;
	}
	return control.failed ? 1 : 0;
}
