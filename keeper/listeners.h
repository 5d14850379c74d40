#ifndef KEEPER_LISTENERS_H
#define KEEPER_LISTENERS_H

#include "keeper/keeper.h"

/*
 * Opens the query ports. A socket of `old` (NULL: none) that listens on a wanted port already is
 * used again (as a duplicate), for whatever role; so ports can be exchanged. `ports` by role, from
 * KEEPER_ROLE_FRS_HTTP; 0 takes any free one. On failure nothing stays open and `ret_failed` (may
 * be NULL) is the index of the port.
 */
int listeners_open(const char *listen, const uint16_t ports[KEEPER_PORTS],
        const struct keeper_listeners *old, struct keeper_listeners *ret_listeners,
        uint32_t *ret_failed, struct error *error) SK_MUST_USE;

void listeners_close(struct keeper_listeners *listeners);

/* Fills family and port from the socket itself. */
void listeners_describe(struct keeper_listener *listener);

/* The port of a role, 0 when nothing listens for it. */
uint16_t listeners_port(const struct keeper_listeners *listeners, uint32_t role);

#endif
