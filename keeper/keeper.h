#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/link/keeper_control.h"

/*
 * DESIGN: sekisho-keeper is two processes of this one program. The guardian opens everything (lock,
 * folders, sockets), forks the keeper proper and waits; the keeper starts and watches the programs.
 * Both hold every descriptor and share a page with the process ids, so either may die at any moment
 * and the other puts a new one in its place, without the programs or their sockets noticing:
 *   - the keeper dies: the guardian (whom the kernel makes the parent of what the keeper started)
 *     forks another, which goes on with the programs that run;
 *   - the guardian dies: the keeper becomes the guardian and forks a keeper.
 * Neither reads anything but its arguments and the fixed messages of lib/link/keeper_control.h.
 */

#define KEEPER_LISTENERS_MAX KEEPER_ARGUMENTS /* four ports, IPv4 and IPv6 */
#define KEEPER_PORTS 4 /* in the order of enum keeper_role, from KEEPER_ROLE_FRS_HTTP */
#define KEEPER_JOBS_MAX 32
#define KEEPER_PEM_MAX (256 * 1024)
#define KEEPER_TICKET_KEY_SIZE 80

struct keeper_options {
	const char *state, *programs;
	const char *listen; /* NULL: all addresses */
	uint16_t ports[KEEPER_PORTS]; /* 0: any free one */
	unsigned workers;
	int ready_fd; /* -1: none */
	bool test_clock; /* sekishod's clocks can be moved by RPC: for tests only */
};

struct keeper_listener {
	int fd;
	int family; /* AF_INET, AF_INET6 */
	uint32_t role; /* enum keeper_role */
	uint16_t port; /* the one in use, never 0 */
};

struct keeper_listeners {
	size_t count;
	struct keeper_listener items[KEEPER_LISTENERS_MAX];
};

/* Who a program runs as. */
struct keeper_user {
	uid_t uid;
	gid_t gid;
};

enum keeper_program { PROGRAM_SEKISHOD, PROGRAM_QUERYD, PROGRAM_COUNT };

struct keeper_job {
	pid_t pid; /* 0: the place is free */
	bool ended; /* JOB_ENDED could not be sent yet */
	int status; /* as waitpid() has it */
};

/* In memory that guardian and keeper share. Only the keeper writes, but for `stopping`. */
struct keeper_shared {
	pid_t guardian;
	pid_t pids[PROGRAM_COUNT]; /* 0: does not run */
	bool ready[PROGRAM_COUNT]; /* it said READY in this life */
	bool announced; /* "ready" went to --ready-fd */
	volatile bool stopping;
	struct keeper_job jobs[KEEPER_JOBS_MAX];
};

struct keeper {
	const struct keeper_options *options;
	bool root; /* programs run as users of their own */
	struct keeper_user sekishod, queryd, job, console;
	int state_fd, run_fd, log_fd, tls_fd; /* folders */
	int lock_fd;
	int error_fd; /* standard error as it was at the start */
	int admin_fd, console_fd, agent_fd; /* RPC listeners */
	int link[2]; /* sekishod's and queryd's end */
	int control[PROGRAM_COUNT][2]; /* ours, the program's */
	int hold[2]; /* guardian's and keeper's end: listeners that are in use now */
	struct keeper_listeners listeners;
	struct keeper_shared *shared;
};

#endif
