#ifndef BACKEND_SANDBOX_H
#define BACKEND_SANDBOX_H

#include "lib/base/error.h"

/* Gives up, for good and for all threads to come, what sekishod does not need: new privileges,
 * system calls outside of a list (no program is started, no Internet socket opened), and with
 * Landlock (where the kernel has it) files outside of the working folder and `read_folder` ("":
 * none), which stays readable. */
int sandbox_enter(const char *read_folder, struct error *error) SK_MUST_USE;

#endif
