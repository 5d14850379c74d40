#include "cli/when.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/number.h"

#define DAY_MS INT64_C(86400000)
#define DATE_LENGTH 10 /* "2026-12-31" */
#define TIME_MAX INT64_C(253402300799999) /* the end of the year 9999 */

static int64_t unit_ms(char unit)
{
	switch (unit) {
	case 's':
		return 1000;
	case 'm':
		return 60 * 1000;
	case 'h':
		return 3600 * 1000;
	case 'd':
		return DAY_MS;
	case 'w':
		return 7 * DAY_MS;
	default:
		return 0;
	}
}

/* "7d" as ms, or SK_E_SYNTAX. */
static int parse_span(const char *text, size_t length, int64_t *ret_span)
{
	int64_t unit = length > 1 ? unit_ms(text[length - 1]) : 0;
	uint64_t count;
	if (unit == 0) {
		return SK_E_SYNTAX;
	}
	int rc = number_parse_u64(text, length - 1, (uint64_t)(TIME_MAX / unit), &count);
	if (rc != 0) {
		return rc;
	}
	*ret_span = (int64_t)count * unit;
	return 0;
}

int when_parse(const char *text, enum when_sense sense, int64_t now, int64_t *ret_time)
{
	size_t length = strlen(text);
	int64_t time = 0, span;
	if (strcmp(text, "never") == 0) {
		if (sense != WHEN_FUTURE) {
			return SK_E_SYNTAX;
		}
		*ret_time = 0;
		return 0;
	}
	int rc = parse_span(text, length, &span);
	if (rc == 0) {
		time = sense == WHEN_FUTURE ? now + span : now - span;
	} else if (rc == SK_E_SYNTAX) {
		rc = clock_parse(text, &time);
		if (rc == 0 && length == DATE_LENGTH && sense != WHEN_PAST_START) {
			time += DAY_MS;
		}
	}
	if (rc != 0) {
		return rc;
	}
	if (time <= 0 || time > TIME_MAX) {
		return SK_E_RANGE;
	}
	*ret_time = time;
	return 0;
}
