#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/control.h"
#include "keeper/guardian.h"
#include "keeper/keeper.h"
#include "keeper/keys.h"
#include "keeper/listeners.h"
#include "keeper/programs.h"
#include "keeper/state.h"
#include "lib/base/log.h"
#include "lib/base/number.h"

#define WORKERS_MAX 256

static const char usage[] =
        "sekisho-keeper --state DIR --programs DIR [--ports A,B,C,D,E] [--listen ADDR]\n"
        "               [--workers N] [--ready-fd N] [--test-clock]\n"
        "Starts and watches the programs of Sekisho (docs/processes.md); ./run calls it.\n";

/* "A,B,C,D,E": the four query ports and the console's, which only has to be a port. */
static bool parse_ports(const char *text, uint16_t ports[KEEPER_PORTS])
{
	for (size_t i = 0; i <= KEEPER_PORTS; i++) {
		uint64_t value;
		size_t length = strcspn(text, ",");
		bool last = text[length] == '\0';
		if (last != (i == KEEPER_PORTS) ||
		        number_parse_u64(text, length, UINT16_MAX, &value) != 0) {
			return false;
		}
		if (i < KEEPER_PORTS) {
			ports[i] = (uint16_t)value;
		}
		text += length + (last ? 0 : 1);
	}
	return true;
}

static bool parse_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *ret_value)
{
	return number_parse_u64(text, strlen(text), maximum, ret_value) == 0 &&
	       *ret_value >= minimum;
}

static bool parse_option(const char *name, const char *value, struct keeper_options *options)
{
	uint64_t number;
	if (strcmp(name, "--state") == 0) {
		options->state = value;
	} else if (strcmp(name, "--programs") == 0) {
		options->programs = value;
	} else if (strcmp(name, "--ports") == 0) {
		return parse_ports(value, options->ports);
	} else if (strcmp(name, "--listen") == 0) {
		/* What is no address is refused when it is listened on; this keeps it short and
		 * free of what would need escaping. */
		options->listen = value;
		return value[strspn(value, "0123456789abcdefABCDEF.:")] == '\0' &&
		       value[0] != '\0' && strlen(value) < 64;
	} else if (strcmp(name, "--workers") == 0 && parse_number(value, 1, WORKERS_MAX, &number)) {
		options->workers = (unsigned)number;
	} else if (strcmp(name, "--ready-fd") == 0 && parse_number(value, 3, 1023, &number)) {
		options->ready_fd = (int)number;
	} else {
		return false;
	}
	return true;
}

static bool parse_options(int argc, char **argv, struct keeper_options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	*options = (struct keeper_options){.ports = {8080, 8443, 5274, 5275},
	        .workers = processors < 1             ? 1
	                   : processors > WORKERS_MAX ? WORKERS_MAX
	                                              : (unsigned)processors,
	        .ready_fd = -1};
	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--test-clock") == 0) {
			options->test_clock = true;
			i--;
			continue;
		}
		if (i + 1 >= argc || !parse_option(argv[i], argv[i + 1], options)) {
			fprintf(stderr, "%ssekisho-keeper: bad argument %s %s\n", usage, argv[i],
			        i + 1 < argc ? argv[i + 1] : "");
			return false;
		}
	}
	if (options->state == NULL || options->programs == NULL || options->state[0] != '/' ||
	        options->programs[0] != '/') {
		fprintf(stderr, "%ssekisho-keeper: --state and --programs need absolute paths\n",
		        usage);
		return false;
	}
	return true;
}

/* Descriptors 0 to 2 exist, so that nothing of ours gets one of these numbers, and standard error
 * goes to log/keeper.log; what it was is kept for a start that fails. */
static int redirect(struct keeper *keeper)
{
	int log = state_open_log(keeper, "keeper");
	if (log < 0) {
		return log;
	}
	keeper->error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (keeper->error_fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	        dup2(null, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) {
		return -errno;
	}
	close(null);
	close(log);
	return 0;
}

static int open_sockets(struct keeper *keeper, struct error *error)
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
	if (socketpair(AF_UNIX, type, 0, keeper->link) != 0 ||
	        socketpair(AF_UNIX, type, 0, keeper->control[PROGRAM_SEKISHOD]) != 0 ||
	        socketpair(AF_UNIX, type, 0, keeper->control[PROGRAM_QUERYD]) != 0) {
		return error_set_code(error, -errno, "socket pair");
	}
	int status = state_open_rpc(keeper, "admin.sock", 0600, 0, &keeper->admin_fd, error);
	gid_t group = keeper->console.gid;
	if (status == 0) {
		status = state_open_rpc(
		        keeper, "console.sock", 0660, group, &keeper->console_fd, error);
	}
	if (status == 0) {
		status =
		        state_open_rpc(keeper, "agent.sock", 0660, group, &keeper->agent_fd, error);
	}
	if (status == 0) {
		status = listeners_open(keeper->options->listen, keeper->options->ports, NULL,
		        &keeper->listeners, NULL, error);
	}
	return status;
}

static int prepare(struct keeper *keeper, struct error *error)
{
	int status = state_prepare(keeper, error);
	if (status != 0) {
		return status;
	}
	status = redirect(keeper);
	if (status != 0) {
		return error_set_code(error, status, "log/keeper.log");
	}
	status = open_sockets(keeper, error);
	return status != 0 ? status : keys_make(keeper, error);
}

static void keep_private(int fd)
{
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
}

int main(int argc, char **argv)
{
	struct keeper_options options;
	struct keeper keeper = {.options = &options, .error_fd = STDERR_FILENO};
	struct error error = {0};
	log_init("sekisho-keeper", LOG_LEVEL_INFO);
	if (!parse_options(argc, argv, &options)) {
		return 1;
	}
	keep_private(options.ready_fd);
	signal(SIGPIPE, SIG_IGN);
	/* A shell starts what runs in the background with SIGINT ignored. */
	signal(SIGINT, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	keeper.shared = mmap(NULL, sizeof(*keeper.shared), PROT_READ | PROT_WRITE,
	        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (keeper.shared == MAP_FAILED) {
		fprintf(stderr, "sekisho-keeper: no memory\n");
		return 1;
	}
	keeper.shared->guardian = getpid();
	int status = state_lock(&keeper, &error);
	if (status == -EWOULDBLOCK) {
		control_fail(&keeper, error.text);
		return KEEPER_EXIT_LOCKED;
	}
	if (status == 0) {
		status = prepare(&keeper, &error);
	}
	if (status != 0) {
		control_fail(&keeper, error.text);
		return 1;
	}
	log_info("main", "keeper of %s starts", options.state);
	return guardian_run(&keeper);
}
