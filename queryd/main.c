/*
 * sekisho-queryd: answers queries. Started by the keeper with the descriptors and arguments of
 * docs/processes.md; holds no path to any file and opens no connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/base/priority.h"
#include "queryd/control.h"
#include "queryd/sandbox.h"

#define PEM_MAX (256 * 1024)
#define USAGE "usage: sekisho-queryd --listeners ROLE,… [--workers N]\n"

static struct server server;
static struct control control;

/* ---- arguments ---- */

static int parse_role(const char *name, size_t length, uint8_t *ret_role)
{
	for (unsigned role = KEEPER_ROLE_NONE + 1; role < KEEPER_ROLE_COUNT; role++) {
		const char *known = keeper_role_name(role);
		if (strlen(known) == length && memcmp(known, name, length) == 0) {
			*ret_role = (uint8_t)role;
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}

/* "frs_http,wrs_http": what the descriptors from KEEPER_FD_LISTENERS on are for. */
static int parse_listeners(const char *text, struct listeners *listeners)
{
	while (*text != '\0') {
		size_t length = strcspn(text, ",");
		if (listeners->count == LISTENERS_MAX) {
			return SK_E_LIMIT;
		}
		struct listener *listener = &listeners->items[listeners->count];
		int status = parse_role(text, length, &listener->role);
		if (status != 0) {
			return status;
		}
		listener->fd = KEEPER_FD_LISTENERS + (int)listeners->count++;
		text += length + (text[length] == ',');
	}
	return 0;
}

static int parse_arguments(int argc, char **argv, unsigned *ret_workers)
{
	static const struct option options[] = {{"listeners", required_argument, NULL, 'l'},
	        {"workers", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t workers = cpus > 0 ? (uint64_t)cpus : 1;
	int status = 0;
	for (int c; status == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'l':
			status = parse_listeners(optarg, &control.listeners);
			break;
		case 'w':
			status = number_parse_u64(optarg, strlen(optarg), WORKERS_MAX, &workers);
			break;
		default:
			status = SK_E_SYNTAX;
			break;
		}
	}
	if (status != 0 || optind != argc || workers == 0) {
		return SK_E_SYNTAX;
	}
	*ret_workers = (unsigned)(workers < WORKERS_MAX ? workers : WORKERS_MAX);
	return 0;
}

/* ---- start ---- */

static bool needs_tls(const struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		uint8_t role = listeners->items[i].role;
		if (role == KEEPER_ROLE_FRS_HTTPS || role == KEEPER_ROLE_WRS_HTTPS) {
			return true;
		}
	}
	return false;
}

static int read_ticket_keys(struct error *error)
{
	char *keys;
	size_t length;
	if (lseek(KEEPER_FD_TICKETS, 0, SEEK_SET) < 0) {
		return error_set_code(error, -errno, "ticket keys");
	}
	int status = file_read_fd(KEEPER_FD_TICKETS, TLS_TICKET_KEYS_SIZE, &keys, &length);
	if (status != 0) {
		return error_set_code(error, status, "ticket keys");
	}
	if (length != TLS_TICKET_KEYS_SIZE) {
		status = error_set(error, SK_E_CORRUPT, "ticket keys: %zu bytes", length);
	} else {
		memcpy(control.ticket_keys, keys, length);
	}
	OPENSSL_cleanse(keys, length);
	mem_free(keys);
	return status;
}

static int use_first_certificate(struct error *error)
{
	char *pem;
	size_t length;
	if (lseek(KEEPER_FD_TLS, 0, SEEK_SET) < 0) {
		return error_set_code(error, -errno, "certificate");
	}
	int status = file_read_fd(KEEPER_FD_TLS, PEM_MAX, &pem, &length);
	if (status != 0) {
		return error_set_code(error, status, "certificate");
	}
	status = control_set_certificate(&control, pem, length, error);
	OPENSSL_cleanse(pem, length);
	mem_free(pem);
	return status;
}

static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0) {
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int prepare_descriptors(struct error *error)
{
	set_nonblocking(KEEPER_FD_LINK);
	set_nonblocking(KEEPER_FD_CONTROL);
	for (unsigned i = 0; i < control.listeners.count; i++) {
		set_nonblocking(control.listeners.items[i].fd);
	}
	/* More room for events; what the system grants is enough. */
	int size = 4 << 20;
	(void)setsockopt(KEEPER_FD_LINK, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	control.signal_fd = signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
	server.done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (control.signal_fd < 0 || server.done_fd < 0) {
		return error_set_code(error, -errno, "signalfd, eventfd");
	}
	return 0;
}

static int make_workers(unsigned count, struct error *error)
{
	uint64_t secrets[3];
	if (getrandom(secrets, sizeof(secrets), 0) != (ssize_t)sizeof(secrets)) {
		return error_set_code(error, -errno, "getrandom");
	}
	server.link_fd = KEEPER_FD_LINK;
	server.health = (struct query_health){
	        .generations = server.generations, .count = count, .boot = secrets[2]};
	control.server = &server;
	control.keeper_fd = KEEPER_FD_CONTROL;
	for (unsigned i = 0; i < count; i++) {
		int status = worker_new(&server, i, secrets, &server.workers[i]);
		if (status != 0) {
			return error_set_code(error, status, "worker %u", i);
		}
		server.generations[i] = &server.workers[i]->active_generation;
	}
	server.worker_count = count;
	for (unsigned i = 0; i < count; i++) {
		int status = worker_start(server.workers[i]);
		if (status != 0) {
			return error_set_code(error, status, "thread %u", i);
		}
	}
	return 0;
}

static int start(unsigned workers, struct error *error)
{
	answer_start();
	int status = tls_start(error);
	if (status == 0) {
		status = prepare_descriptors(error);
	}
	/* The first line of the log reads the time zone, which the sandbox would forbid later. */
	log_info("main", "%u workers, %u listeners", workers, control.listeners.count);
	bool tls = needs_tls(&control.listeners);
	if (status == 0 && tls) {
		status = read_ticket_keys(error);
	}
	if (status == 0) {
		status = sandbox_close_files(error);
	}
	if (status == 0) {
		status = make_workers(workers, error);
	}
	if (status == 0 && tls) {
		status = use_first_certificate(error);
	}
	close(KEEPER_FD_TLS);
	close(KEEPER_FD_TICKETS);
	/* Loading a large pattern must not take time from the workers, which run already. */
	priority_give_way();
	return status == 0 ? sandbox_close_calls(error) : status;
}

int main(int argc, char **argv)
{
	struct error error = {0};
	unsigned workers;
	log_init("sekisho-queryd", LOG_LEVEL_INFO);
	if (parse_arguments(argc, argv, &workers) != 0) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (start(workers, &error) != 0) {
		log_error("main", "cannot start: %s", error.text);
		return 1;
	}
	control_set_listeners(&control);
	control_run(&control);
	log_info("main", "ending");
	control_stop(&control);
	return 0;
}
