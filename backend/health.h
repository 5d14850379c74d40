#ifndef BACKEND_HEALTH_H
#define BACKEND_HEALTH_H

#include "backend/backend.h"

/* The self-check of both services: real queries through the real ports, asked by probe jobs. Every
 * change, and now and then that nothing changed, is an entry of the reputation service log. Main
 * thread. */
struct health;
enum service { SERVICE_FILES, SERVICE_WEB, SERVICE_COUNT }; /* as in lib/link */

struct health_status {
	bool on, healthy;
	int64_t checked; /* wall ms; 0: never */
	char error[512]; /* why it is not healthy */
};

int health_new(struct backend *backend, struct health **ret_health) SK_MUST_USE;
void health_free(struct health *health); /* NULL allowed */

/* The first check, and then again and again. */
void health_start(struct health *health);
/* Settings have changed. */
void health_settings(struct health *health);

/* Checks now; done() comes when both services have been asked. -ENOMEM. */
int health_check(struct health *health, void (*done)(void *context), void *context) SK_MUST_USE;

/* As of the last check. */
void health_get_status(
        const struct health *health, enum service service, struct health_status *ret_status);

#endif
