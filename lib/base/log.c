#include "lib/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static const char *log_program = "sekisho";
static enum log_level log_maximum = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_maximum = level;
}

static size_t clamp_length(int length, size_t size)
{
	if (length < 0) {
		return 0;
	}
	return (size_t)length < size ? (size_t)length : size - 1;
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
	if (level > log_maximum) {
		return;
	}
	char line[LOG_LINE_MAX];
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t length = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &parts);
	size_t room = sizeof(line) - 1 - length;
	length += clamp_length(
	        snprintf(line + length, room, ".%03ldZ %s %s[%s] ", now.tv_nsec / 1000000,
	                level_names[level], log_program, module),
	        room);
	size_t text_start = length;
	room = sizeof(line) - 1 - length;
	va_list args;
	va_start(args, format);
	length += clamp_length(vsnprintf(line + length, room, format, args), room);
	va_end(args);
	for (size_t i = text_start; i < length; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
			line[i] = '?';
		}
	}
	line[length++] = '\n';
	ssize_t written = write(STDERR_FILENO, line, length);
	(void)written; /* there is nowhere left to report a failure of the log itself */
}
