#ifndef TESTS_UNIT_FEED_SUPPORT_H
#define TESTS_UNIT_FEED_SUPPORT_H

#include <stddef.h>

#include "pattern/feed.h"

/*
 * Reads `text` in a format and gives what came out as lines, in order:
 *   url TEXT | host TEXT | prefix CIDR | digest HEX "NAME" | hostname, cidr, substring, regex TEXT
 *   refuse LINE REASON
 * and at the end "lines N blank N". The result is freed with mem_free. Fails the test when the
 * reading itself fails.
 */
char *feed_values(const char *format, const char *text, const struct feed_columns *columns);
char *feed_values_of(
        const char *format, const char *text, size_t length, const struct feed_columns *columns);

/* Asserts that exactly these lines come out. */
void assert_feed(const char *format, const char *text, const char *expected);
void assert_feed_columns(const char *format, const struct feed_columns *columns, const char *text,
        const char *expected);

#endif
