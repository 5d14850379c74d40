#include "keeper/keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/programs.h"
#include "keeper/state.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/link/job_kind.h"

#define CERTIFICATE_DAYS "3650"
#define CERTIFICATE_ADDRESSES_MAX 32
#define CERTIFICATE_WAIT_MS 60000

/* Adds this machine's addresses to the JSON list that `request` is in. */
static void add_addresses(struct buf *request)
{
	struct ifaddrs *list = NULL;
	size_t count = 0;
	buf_add_text(request, "\"127.0.0.1\",\"::1\"");
	if (getifaddrs(&list) != 0) {
		return;
	}
	for (struct ifaddrs *at = list; at != NULL && count < CERTIFICATE_ADDRESSES_MAX;
	        at = at->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *bytes = NULL;
		if (at->ifa_addr == NULL) {
			continue;
		}
		if (at->ifa_addr->sa_family == AF_INET) {
			bytes = &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr;
		} else if (at->ifa_addr->sa_family == AF_INET6) {
			bytes = &((struct sockaddr_in6 *)(void *)at->ifa_addr)->sin6_addr;
		}
		if (bytes != NULL &&
		        inet_ntop(at->ifa_addr->sa_family, bytes, text, sizeof(text)) != NULL) {
			buf_add_format(request, ",\"%s\"", text);
			count++;
		}
	}
	freeifaddrs(list);
}

/* Waits for a job that was started here; its wait status. */
static int wait_for_job(pid_t pid, int *ret_status)
{
	file_cleanup_fd int process = pidfd_open(pid, 0);
	struct pollfd end = {.fd = process, .events = POLLIN};
	if (process < 0) {
		return -errno;
	}
	int ready;
	do {
		ready = poll(&end, 1, CERTIFICATE_WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0) {
		program_signal(pid, SIGKILL);
	}
	if (waitpid(pid, ret_status, 0) != pid) {
		return -errno;
	}
	return ready > 0 ? 0 : SK_E_TIMEOUT;
}

/* Runs `sekisho-job certificate`, which writes to `output`. */
static int run_certificate_job(struct keeper *keeper, int output, struct error *error)
{
	char host[KEEPER_HOST_NAME_SIZE], space[4096], answer[1024];
	struct buf request;
	int pair[2], result = 0;
	state_host_name(host);
	buf_init_fixed(&request, space, sizeof(space));
	buf_add_format(&request, "{\"names\":[\"%s\",\"localhost\"],\"addresses\":[", host);
	add_addresses(&request);
	buf_add_text(&request, "],\"days\":" CERTIFICATE_DAYS "}");
	if (buf_status(&request) != 0) {
		return error_set_code(error, buf_status(&request), "certificate");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		return error_set_code(error, -errno, "certificate");
	}
	file_cleanup_fd int ours = pair[0];
	file_cleanup_fd int theirs = pair[1];
	int descriptors[] = {theirs, output};
	if (send(ours, request.data, request.length, MSG_NOSIGNAL) < 0) {
		return error_set_code(error, -errno, "certificate");
	}
	pid_t pid = program_start_job(keeper, JOB_CERTIFICATE, descriptors, 2);
	int status = pid < 0 ? (int)pid : wait_for_job(pid, &result);
	if (status != 0) {
		return error_set_code(error, status, "sekisho-job certificate");
	}
	ssize_t got = recv(ours, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	answer[got > 0 ? got : 0] = '\0';
	if (!WIFEXITED(result) || WEXITSTATUS(result) != 0 || lseek(output, 0, SEEK_END) <= 0) {
		return error_set(error, SK_E_INTERNAL,
		        "sekisho-job certificate failed (wait status %d): %s", result, answer);
	}
	return 0;
}

static int make_certificate(struct keeper *keeper, const char *name, struct error *error)
{
	if (faccessat(keeper->tls_fd, name, F_OK, 0) == 0) {
		return 0;
	}
	file_cleanup_fd int output = memfd_create(name, MFD_CLOEXEC);
	if (output < 0) {
		return error_set_code(error, -errno, "tls/%s", name);
	}
	int status = run_certificate_job(keeper, output, error);
	return status != 0 ? status : state_store_secret_from(keeper, name, output, error);
}

int keys_make(struct keeper *keeper, struct error *error)
{
	if (faccessat(keeper->tls_fd, "tickets.key", F_OK, 0) != 0) {
		unsigned char key[KEEPER_TICKET_KEY_SIZE];
		if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
			return error_set_code(error, -errno, "tls/tickets.key");
		}
		int status = state_store_secret(keeper, "tickets.key", key, sizeof(key), error);
		explicit_bzero(key, sizeof(key));
		if (status != 0) {
			return status;
		}
	}
	int status = make_certificate(keeper, "query.pem", error);
	return status != 0 ? status : make_certificate(keeper, "console.pem", error);
}
