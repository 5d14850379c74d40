#ifndef JOB_SANDBOX_H
#define JOB_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"

/* What a kind of job may use. Memory limits do not apply to builds with a sanitizer, which also
 * need more system calls than the list has: these only lose what the kind must not have. */
struct sandbox {
	uint64_t memory; /* bytes beyond what the program has when it starts */
	uint64_t output; /* bytes of one file */
	uint32_t cpu_ms; /* processor time */
	uint16_t files; /* open at a time */
	bool sockets; /* may connect by IPv4 and IPv6 */
	int folder_fd; /* it may make files below this folder; -1: no path at all */
};

/*
 * Gives up everything else, for good: resource limits, no_new_privs, Landlock (where the kernel
 * has it), seccomp. What is refused fails with EPERM or EACCES; starting a program, or tracing
 * one, ends the process.
 */
int sandbox_enter(const struct sandbox *sandbox, struct error *error) SK_MUST_USE;

/* Does this kernel have Landlock? (for tests and the log) */
bool sandbox_has_landlock(void);

#endif
