#ifndef TESTS_UNIT_QUERYD_SUPPORT_H
#define TESTS_UNIT_QUERYD_SUPPORT_H

#include "queryd/generation.h"

/*
 * A generation with a few entries of every kind, built in memory, for tests of sekisho-queryd:
 * bad.example (pattern, 49), good.example (90), blocked.example (rule 12), 192.0.2.0/24,
 * EICAR's MD5. Fails the running test when something goes wrong.
 */
struct generation *support_generation(unsigned workers);

/* The same with these settings instead of the usual ones. */
struct generation *support_generation_with(unsigned workers, const struct link_settings *settings);

/* What generation_new gives for an overlay that takes rule 12 back, with the base that has it or
 * without one. */
int support_open_overlay(bool with_base);

/* Usual settings: everything on, loopback may ask, long deadlines. */
struct link_settings support_settings(void);

#define SUPPORT_EICAR "44d88612fea8a8f36de82e1278abb02f"

#endif
