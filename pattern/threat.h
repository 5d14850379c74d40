#ifndef PATTERN_THREAT_H
#define PATTERN_THREAT_H

#include <stddef.h>

#include "lib/base/limits.h"
#include "lib/data/rating.h"

/* What a threat's name says of its kind: the words of docs/pattern-description.md. */
enum threat_kind threat_kind_of_name(const char *name, size_t length);

/* A name as a pattern can carry it: UTF-8 without control characters (what is not becomes '?'), no
 * blanks at its ends, cut to LIMIT_THREAT_NAME bytes between two characters. */
void threat_clean_name(const char *name, size_t length, char ret_name[LIMIT_THREAT_NAME + 1]);

#endif
