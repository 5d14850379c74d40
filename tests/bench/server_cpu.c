#include "tests/bench/server_cpu.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/base/number.h"

#define STAT_MAX 1024
#define FIELD_UTIME 14 /* as proc(5) counts them */
#define FIELD_STIME 15

static void die(const char *what)
{
	fprintf(stderr, "load: CPU time of the server: %s\n", what);
	exit(1);
}

/* utime + stime in clock ticks from the text of a stat file. */
static uint64_t ticks_of(const char *text)
{
	const char *at = strrchr(text, ')'); /* the program's name may hold blanks */
	uint64_t ticks = 0;
	for (int field = 2; at != NULL && field <= FIELD_STIME; field++) {
		const char *end = strchr(at, ' ');
		uint64_t value;
		if (end == NULL) {
			die("stat file is cut");
		}
		if (field >= FIELD_UTIME) {
			if (number_parse_u64(at, (size_t)(end - at), UINT64_MAX / 2, &value) != 0) {
				die("stat file has no number");
			}
			ticks += value;
		}
		at = end + 1;
	}
	return ticks;
}

static uint64_t process_ticks(const char *pid, size_t length)
{
	char path[64], text[STAT_MAX];
	snprintf(path, sizeof(path), "/proc/%.*s/stat", (int)length, pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (got <= 0) {
		die(path);
	}
	close(fd);
	text[got] = '\0';
	return ticks_of(text);
}

double server_cpu_seconds(const char *pids)
{
	uint64_t ticks = 0;
	while (*pids != '\0') {
		size_t length = strcspn(pids, ",");
		ticks += process_ticks(pids, length);
		pids += length;
		pids += *pids == ',';
	}
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}
