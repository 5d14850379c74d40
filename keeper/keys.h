#ifndef KEEPER_KEYS_H
#define KEEPER_KEYS_H

#include "keeper/keeper.h"

/* Makes tls/tickets.key and the two certificates (by sekisho-job) where they are missing; waits
 * until they are there. Names in `error` what is missing. */
int keys_make(struct keeper *keeper, struct error *error) SK_MUST_USE;

#endif
