#ifndef KEEPER_GUARDIAN_H
#define KEEPER_GUARDIAN_H

#include "keeper/keeper.h"

/*
 * Makes this process the guardian: forks keepers, each of which runs control_run(), one after the
 * other until one ends by itself; returns that one's exit code. Returns in the guardian only, which
 * may be a later process than the one that called first.
 */
int guardian_run(struct keeper *keeper);

#endif
