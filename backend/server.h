#ifndef BACKEND_SERVER_H
#define BACKEND_SERVER_H

#include <stdbool.h>

/* The life of sekishod, from the descriptors that the keeper passed to the end. */
struct server_options {
	char default_feed[256]; /* folder, absolute; "" when there is none */
	bool test_clock;
};

/* Runs until it is told to end: 0; or a negative code when it cannot start (logged). */
int server_run(const struct server_options *options);

#endif
