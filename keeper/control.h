#ifndef KEEPER_CONTROL_H
#define KEEPER_CONTROL_H

#include "keeper/keeper.h"

/* What control_run() returns besides exit codes. */
#define CONTROL_GUARDIAN_LOST (-1)

/*
 * The keeper proper: starts the programs that do not run, watches them, answers their messages,
 * until it is told to stop (0), cannot go on (1), or its guardian is gone (CONTROL_GUARDIAN_LOST:
 * everything keeps running).
 */
int control_run(struct keeper *keeper);

/* The first start cannot succeed: says so to --ready-fd and on standard error. */
void control_fail(struct keeper *keeper, const char *reason);

#endif
