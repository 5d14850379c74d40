#ifndef PATTERN_COMMAND_H
#define PATTERN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/web_pattern.h"

/* The commands of sekisho-pattern. Private to its sources. */

/* Exit statuses; docs/pattern-description.md has the table. */
enum command_status {
	COMMAND_DONE = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
	COMMAND_DESCRIPTION = 3,
	COMMAND_DAMAGED = 4,
	COMMAND_DIFFERENT = 5,
	COMMAND_UNSAFE = 6
};

struct command_options {
	bool json;
	const char *out;
	const char *key;
	const char *version;
};

/* `arguments` are those behind the options. Returns an exit status. */
typedef int command_fn(const struct command_options *options, int count, char **arguments);
command_fn command_build, command_inspect, command_verify, command_lookup, command_dump,
        command_diff;

/* A pattern file of either kind. */
struct command_pattern {
	const char *path;
	struct web_pattern *web; /* one of the two */
	struct file_pattern *files;
	const struct pattern_info *info;
	const struct lookup_file *file;
};

/* Opens and verifies; on failure prints why and returns the exit status. */
int command_open(const char *path, struct command_pattern *ret_pattern);
void command_close(struct command_pattern *pattern);

/* Prints "sekisho-pattern: …" on standard error and returns `status`. */
int command_fail(int status, const char *format, ...) SK_PRINTF(2, 3);

/* A JSON string, with its quotes. What is no UTF-8 becomes U+FFFD. */
void command_print_string(FILE *out, const char *text, size_t length);
void command_print_text(FILE *out, const char *text);
/* ["name", …] of the sources in a set. */
void command_print_sources(FILE *out, const struct pattern_info *info, uint64_t set);
/* The same for people: names with commas between. */
void command_print_source_names(FILE *out, const struct pattern_info *info, uint64_t set);
/* "score":…,"rating":…,"categories":[…],"cnc":{…} */
void command_print_web_value(FILE *out, const struct web_value *value);
/* Ends the output: COMMAND_FAILED when it could not be written. */
int command_finish(int status);

#endif
