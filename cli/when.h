#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdint.h>

#include "lib/base/attribute.h"

/* Times as people type them: "never", "7d", "2026-12-31", "2026-12-31T18:00:00Z". UTC. Pure. */

enum when_sense {
	WHEN_FUTURE, /* "7d" is in 7 days; a date alone means its end: it is the last day */
	WHEN_PAST_START, /* "7d" is 7 days ago; a date alone means its beginning */
	WHEN_PAST_END /* the same; a date alone means its end */
};

/* ms since 1970 from a text; 0 for "never" (WHEN_FUTURE only). Units: s, m, h, d, w.
 * SK_E_SYNTAX or SK_E_RANGE (outside of the years 1970 to 9999). */
int when_parse(const char *text, enum when_sense sense, int64_t now, int64_t *ret_time) SK_MUST_USE;

#endif
