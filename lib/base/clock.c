#include "lib/base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/error.h"
#include "lib/base/number.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall(void *context)
{
	(void)context;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(void *context)
{
	(void)context;
	return read_clock(CLOCK_BOOTTIME);
}

const struct clock clock_system = {system_wall, system_monotonic, NULL};

void clock_guard_init(struct clock_guard *guard, const struct clock *clock, int64_t tolerance)
{
	guard->tolerance = tolerance;
	clock_guard_confirm(guard, clock);
}

int clock_guard_check(struct clock_guard *guard, const struct clock *clock)
{
	int64_t offset = clock_wall(clock) - clock_monotonic(clock);
	int64_t jump = offset - guard->offset;
	if (jump > guard->tolerance || jump < -guard->tolerance) {
		return 0;
	}
	guard->offset = offset;
	return 1;
}

int64_t clock_guard_time(struct clock_guard *guard, const struct clock *clock)
{
	clock_guard_check(guard, clock);
	return clock_monotonic(clock) + guard->offset;
}

void clock_guard_confirm(struct clock_guard *guard, const struct clock *clock)
{
	guard->offset = clock_wall(clock) - clock_monotonic(clock);
}

void clock_format(int64_t wall, char ret_text[CLOCK_TEXT_SIZE])
{
	static const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	static const int64_t first = -62167219200;
	int64_t seconds = wall >= 0 ? wall / 1000 : -((999 - wall) / 1000);
	time_t clamped = (time_t)(seconds > last ? last : seconds < first ? first : seconds);
	struct tm parts;
	gmtime_r(&clamped, &parts);
	strftime(ret_text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
	if (parts.tm_year + 1900 < 1000) {
		/* strftime does not pad years to four digits everywhere. */
		char year[5];
		snprintf(year, sizeof(year), "%04u", (unsigned)(parts.tm_year + 1900) % 10000u);
		char rest[CLOCK_TEXT_SIZE];
		strftime(rest, sizeof(rest), "-%m-%dT%H:%M:%SZ", &parts);
		memcpy(ret_text, year, 4);
		memcpy(ret_text + 4, rest, strlen(rest) + 1);
	}
}

static int parse_field(const char *text, size_t length, uint64_t maximum, int *ret_value)
{
	uint64_t value;
	int status = number_parse_u64(text, length, maximum, &value);
	if (status == 0) {
		*ret_value = (int)value;
	}
	return status;
}

int clock_parse(const char *text, int64_t *ret_wall)
{
	struct tm parts = {0};
	size_t length = strlen(text);
	if (length < 10 || text[4] != '-' || text[7] != '-' ||
	        parse_field(text, 4, 9999, &parts.tm_year) != 0 ||
	        parse_field(text + 5, 2, 12, &parts.tm_mon) != 0 ||
	        parse_field(text + 8, 2, 31, &parts.tm_mday) != 0) {
		return SK_E_SYNTAX;
	}
	if (parts.tm_mon < 1 || parts.tm_mday < 1) {
		return SK_E_SYNTAX;
	}
	uint64_t milliseconds = 0;
	if (length > 10) {
		if (length < 20 || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' ||
		        text[16] != ':' || text[length - 1] != 'Z' ||
		        parse_field(text + 11, 2, 23, &parts.tm_hour) != 0 ||
		        parse_field(text + 14, 2, 59, &parts.tm_min) != 0 ||
		        parse_field(text + 17, 2, 60, &parts.tm_sec) != 0) {
			return SK_E_SYNTAX;
		}
		size_t digits = length - 20;
		if (digits > 0) {
			/* ".123": only the first three digits count. */
			if (text[19] != '.' || digits < 2 || digits > 10 ||
			        number_parse_u64(
			                text + 20, digits - 1, UINT64_MAX, &milliseconds)) {
				return SK_E_SYNTAX;
			}
			size_t used = digits - 1 < 3 ? digits - 1 : 3;
			milliseconds = 0;
			for (size_t i = 0; i < 3; i++) {
				milliseconds = milliseconds * 10 +
				               (i < used ? (uint64_t)(text[20 + i] - '0') : 0);
			}
		}
	}
	int month = parts.tm_mon - 1;
	int day = parts.tm_mday;
	parts.tm_year -= 1900;
	parts.tm_mon = month;
	time_t seconds = timegm(&parts);
	if (parts.tm_mon != month || parts.tm_mday != day) {
		return SK_E_SYNTAX; /* 30 February and the like */
	}
	*ret_wall = (int64_t)seconds * 1000 + (int64_t)milliseconds;
	return 0;
}
