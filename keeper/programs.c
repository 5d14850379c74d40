#include "keeper/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper/state.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/priority.h"
#include "lib/link/job_kind.h"

#define DESCRIPTORS_MAX (KEEPER_FDS_MAX + 4)
/* Above every number that a program is given; what it gets is moved out of the way to here. */
#define DESCRIPTORS_ASIDE (DESCRIPTORS_MAX + 8)
#define WORDS_MAX 10
/* One descriptor per connection and some. */
#define QUERYD_FILES 65536

/* What a new process is to be. Descriptor i becomes number i; -1 leaves the number closed. */
struct start {
	const char *name;
	const char *words[WORDS_MAX];
	size_t word_count;
	int descriptors[DESCRIPTORS_MAX];
	size_t descriptor_count;
	struct keeper_user user;
	rlim_t files; /* 0: as it is */
	bool answers_queries; /* the others give way to it */
};

static const char *const log_names[] = {"keeper", "sekishod", "queryd", "job"};

const char *program_name(enum keeper_program program)
{
	return program == PROGRAM_SEKISHOD ? "sekishod" : "sekisho-queryd";
}

/* In the child: the environment that every program gets. */
static void make_environment(char **environment, size_t size)
{
	static const char *const kept[] = {
	        "PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"};
	static char space[SK_COUNT(kept)][1024];
	static char language[] = "LANG=C.UTF-8";
	size_t count = 0;
	environment[count++] = language;
	for (size_t i = 0; i < SK_COUNT(kept) && count + 1 < size; i++) {
		const char *value = getenv(kept[i]);
		if (value != NULL && strlen(value) < sizeof(space[i]) - 32) {
			snprintf(space[i], sizeof(space[i]), "%s=%s", kept[i], value);
			environment[count++] = space[i];
		}
	}
	environment[count] = NULL;
}

/* In the child: puts the descriptors under their numbers and closes all others. */
static int place_descriptors(const struct start *start)
{
	int aside[DESCRIPTORS_MAX];
	for (size_t i = 0; i < start->descriptor_count; i++) {
		aside[i] = -1;
		if (start->descriptors[i] >= 0) {
			aside[i] = fcntl(start->descriptors[i], F_DUPFD_CLOEXEC, DESCRIPTORS_ASIDE);
			if (aside[i] < 0) {
				return -errno;
			}
		}
	}
	for (size_t i = 0; i < start->descriptor_count; i++) {
		if (aside[i] < 0) {
			close((int)i);
		} else if (dup2(aside[i], (int)i) < 0) {
			return -errno;
		}
	}
	/* Everything of ours is close-on-exec; this is for what we inherited ourselves. */
	if (syscall(SYS_close_range, (unsigned)start->descriptor_count, ~0u, CLOSE_RANGE_CLOEXEC) !=
	                0 &&
	        errno != ENOSYS) {
		return -errno;
	}
	return 0;
}

/* In the child: gives up everything that the program is not to have. */
static int drop_rights(const struct keeper *keeper, const struct start *start)
{
	struct rlimit none = {0, 0};
	if (start->files > 0) {
		struct rlimit files = {start->files, start->files};
		struct rlimit present;
		/* An ordinary user can have as much as the hard limit gives. */
		if (setrlimit(RLIMIT_NOFILE, &files) != 0 &&
		        getrlimit(RLIMIT_NOFILE, &present) == 0) {
			present.rlim_cur = present.rlim_max;
			setrlimit(RLIMIT_NOFILE, &present);
		}
	}
	umask(077);
	if (setrlimit(RLIMIT_CORE, &none) != 0) {
		return -errno;
	}
	if (keeper->root &&
	        (setgroups(0, NULL) != 0 ||
	                setresgid(start->user.gid, start->user.gid, start->user.gid) != 0 ||
	                setresuid(start->user.uid, start->user.uid, start->user.uid) != 0)) {
		return -errno;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

static _Noreturn void become(const struct keeper *keeper, const struct start *start)
{
	char path[PATH_MAX];
	char *environment[8];
	const char *words[WORDS_MAX + 2] = {start->name};
	sigset_t none;
	for (size_t i = 0; i < start->word_count; i++) {
		words[i + 1] = start->words[i];
	}
	make_environment(environment, SK_COUNT(environment));
	if (setsid() >= 0 && !start->answers_queries) {
		priority_session_give_way();
	}
	int status = file_join(path, sizeof(path), keeper->options->programs, start->name);
	if (status == 0) {
		status = place_descriptors(start);
	}
	if (status == 0) {
		status = drop_rights(keeper, start);
	}
	if (status == 0) {
		signal(SIGPIPE, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(path, (char *const *)(uintptr_t)words, environment);
		status = -errno;
	}
	log_error("programs", "%s could not be started: %s", path, sk_strerror(status));
	_exit(127);
}

/* Forks; descriptors 0 to 2 that are -1 in `start` become /dev/null and the log of `log_name`. */
static pid_t launch(struct keeper *keeper, struct start *start, const char *log_name)
{
	file_cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	file_cleanup_fd int log = state_open_log(keeper, log_name);
	if (null < 0 || log < 0) {
		return null < 0 ? -errno : log;
	}
	if (start->descriptors[0] < 0) {
		start->descriptors[0] = null;
	}
	/* A job has no words to say on standard output. */
	start->descriptors[1] = strcmp(log_name, "job") == 0 ? null : log;
	start->descriptors[2] = log;
	pid_t pid = fork();
	if (pid == 0) {
		become(keeper, start);
	}
	return pid < 0 ? -errno : pid;
}

static void start_sekishod(const struct keeper *keeper, struct start *start)
{
	start->words[0] = "--programs";
	start->words[1] = keeper->options->programs;
	start->word_count = 2;
	if (keeper->options->test_clock) {
		start->words[start->word_count++] = "--test-clock";
	}
	start->user = keeper->sekishod;
	start->descriptors[KEEPER_FD_LINK] = keeper->link[0];
	start->descriptors[KEEPER_FD_CONTROL] = keeper->control[PROGRAM_SEKISHOD][1];
	start->descriptors[KEEPER_FD_STATE] = keeper->state_fd;
	start->descriptors[KEEPER_FD_ADMIN] = keeper->admin_fd;
	start->descriptors[KEEPER_FD_CONSOLE] = keeper->console_fd;
	start->descriptors[KEEPER_FD_AGENT] = keeper->agent_fd;
	start->descriptor_count = KEEPER_FD_AGENT + 1;
}

/* `roles` and `workers` are the texts of the arguments, which must live until the fork. */
static void start_queryd(
        const struct keeper *keeper, struct start *start, struct buf *roles, struct buf *workers)
{
	for (size_t i = 0; i < keeper->listeners.count; i++) {
		const struct keeper_listener *listener = &keeper->listeners.items[i];
		buf_add_format(roles, "%s%s", i > 0 ? "," : "", keeper_role_name(listener->role));
		start->descriptors[KEEPER_FD_LISTENERS + i] = listener->fd;
	}
	buf_add_u64(workers, keeper->options->workers);
	start->words[0] = "--listeners";
	start->words[1] = buf_text(roles);
	start->words[2] = "--workers";
	start->words[3] = buf_text(workers);
	start->word_count = 4;
	start->user = keeper->queryd;
	start->files = QUERYD_FILES;
	start->answers_queries = true;
	start->descriptors[KEEPER_FD_LINK] = keeper->link[1];
	start->descriptors[KEEPER_FD_CONTROL] = keeper->control[PROGRAM_QUERYD][1];
	start->descriptor_count = KEEPER_FD_LISTENERS + keeper->listeners.count;
}

/* What is still under way to a former life of the program is not for the new one. */
static void drain(int socket)
{
	struct keeper_message message;
	int descriptors[KEEPER_FDS_MAX];
	size_t count;
	struct pollfd wait = {.fd = socket, .events = POLLIN};
	while (poll(&wait, 1, 0) == 1 && (wait.revents & POLLIN) != 0) {
		int status = keeper_message_receive(
		        socket, &message, descriptors, KEEPER_FDS_MAX, &count);
		for (size_t i = 0; status == 0 && i < count; i++) {
			close(descriptors[i]);
		}
		if (status != 0 && status != SK_E_PROTOCOL) {
			break;
		}
	}
}

pid_t program_start(struct keeper *keeper, enum keeper_program program)
{
	char roles_space[128], workers_space[16];
	struct buf roles, workers;
	struct start start = {.name = program_name(program), .descriptors = {-1, -1, -1}};
	file_cleanup_fd int tls = -1, tickets = -1;
	buf_init_fixed(&roles, roles_space, sizeof(roles_space));
	buf_init_fixed(&workers, workers_space, sizeof(workers_space));
	drain(keeper->control[program][0]);
	drain(keeper->control[program][1]);
	if (program == PROGRAM_SEKISHOD) {
		start_sekishod(keeper, &start);
		return launch(keeper, &start, "sekishod");
	}
	start_queryd(keeper, &start, &roles, &workers);
	int status = state_open_secret(keeper, "query.pem", &tls);
	if (status == 0) {
		status = state_open_secret(keeper, "tickets.key", &tickets);
	}
	if (status != 0 || start.words[1] == NULL || start.words[3] == NULL) {
		return status != 0 ? status : SK_E_LIMIT;
	}
	start.descriptors[KEEPER_FD_TLS] = tls;
	start.descriptors[KEEPER_FD_TICKETS] = tickets;
	return launch(keeper, &start, "queryd");
}

pid_t program_start_job(struct keeper *keeper, uint32_t kind, const int *descriptors, size_t count)
{
	struct start start = {.name = "sekisho-job",
	        .words = {job_kind_name(kind)},
	        .word_count = 1,
	        .user = keeper->job,
	        .descriptors = {-1, -1, -1}};
	if (start.words[0] == NULL || count < 1 || count > KEEPER_FDS_MAX) {
		return -EINVAL;
	}
	start.descriptors[0] = descriptors[0];
	for (size_t i = 1; i < count; i++) {
		start.descriptors[2 + i] = descriptors[i];
	}
	start.descriptor_count = 2 + count;
	return launch(keeper, &start, "job");
}

static int copy_log(int folder, const char *name, const char *copy)
{
	file_cleanup_fd int from = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	file_cleanup_fd int to =
	        openat(folder, copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	char block[16384];
	ssize_t got = 0;
	if (from < 0 || to < 0) {
		return -errno;
	}
	while ((got = read(from, block, sizeof(block))) > 0) {
		int status = file_write_all(to, block, (size_t)got);
		if (status != 0) {
			return status;
		}
	}
	return got < 0 || ftruncate(from, 0) != 0 ? -errno : 0;
}

void program_turn_logs(const struct keeper *keeper, off_t size)
{
	for (size_t i = 0; i < SK_COUNT(log_names); i++) {
		char name[64], copy[64];
		struct stat facts;
		snprintf(name, sizeof(name), "%s.log", log_names[i]);
		snprintf(copy, sizeof(copy), "%s.log.1", log_names[i]);
		if (fstatat(keeper->log_fd, name, &facts, AT_SYMLINK_NOFOLLOW) != 0 ||
		        facts.st_size <= size) {
			continue;
		}
		int status = copy_log(keeper->log_fd, name, copy);
		if (status != 0) {
			log_error("programs", "%s could not be turned: %s", name,
			        sk_strerror(status));
		}
	}
}

void program_signal(pid_t pid, int number)
{
	if (pid > 0 && kill(pid, number) != 0 && errno != ESRCH) {
		log_error("programs", "process %d could not be signalled: %s", (int)pid,
		        sk_strerror(-errno));
	}
}
