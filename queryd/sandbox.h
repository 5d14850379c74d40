#ifndef QUERYD_SANDBOX_H
#define QUERYD_SANDBOX_H

#include "lib/base/error.h"

/*
 * What the process gives up once it is started: files (Landlock) and every system call but those
 * that serving needs (seccomp). In builds with a sanitizer, whose run-time library needs others,
 * both do nothing.
 */

/* Before the first thread starts: no file may be opened any more. A kernel without Landlock is no
 * error (seccomp forbids opening too). */
int sandbox_close_files(struct error *error) SK_MUST_USE;

/* After the last thread has started, for all of them. */
int sandbox_close_calls(struct error *error) SK_MUST_USE;

#endif
