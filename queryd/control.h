#ifndef QUERYD_CONTROL_H
#define QUERYD_CONTROL_H

#include "queryd/worker.h"

/*
 * The control thread: takes generations from sekishod and listeners, certificates and the end from
 * the keeper, and has the workers change over. It is the only one that loads and frees.
 */
struct control {
	struct server *server;
	struct generation *generation; /* in effect on every worker */
	struct listeners listeners; /* open here */
	int keeper_fd, signal_fd;
	unsigned char ticket_keys[TLS_TICKET_KEYS_SIZE];
	bool has_tls, ready;
	char packet[LINK_PACKET_MAX];
	struct link_publish publish;
};

/* Gives every worker a TLS context from `pem`. The old one stays on failure. */
int control_set_certificate(
        struct control *control, const char *pem, size_t length, struct error *error) SK_MUST_USE;

/* Makes the workers use control->listeners. */
void control_set_listeners(struct control *control);

/* Says hello to sekishod, then handles messages until the end is ordered. Workers are running. */
void control_run(struct control *control);

/* Ends the workers and frees what is in effect. */
void control_stop(struct control *control);

#endif
