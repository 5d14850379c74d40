#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

/* What is typed behind `sekisho`, sorted into words, options and their values. Pure. */

#define ARGUMENTS_MAX 4096 /* words and options of one command line */

struct cli_option {
	const char *name; /* without "--" */
	const char *value; /* what the help calls its value; NULL: it has none */
	const char *help;
};

/* The options that every command takes: --state, --json, --help. */
extern const struct cli_option arguments_common[];
extern const size_t arguments_common_count;

struct given_option {
	const struct cli_option *option;
	const char *value; /* "" for options without one */
};

/* All texts point into argv. */
struct arguments {
	const char **words;
	size_t word_count;
	struct given_option *options;
	size_t option_count;
};

/*
 * Sorts `argc` texts; options may stand anywhere, "--name value" or "--name=value"; behind "--"
 * everything is a word. `options` is what the command takes besides the common ones.
 * SK_E_SYNTAX (unknown option, value missing or not taken), SK_E_LIMIT, -ENOMEM; the reason in
 * `error`. Release in every case of success.
 */
int arguments_parse(int argc, char *const *argv, const struct cli_option *options,
        size_t option_count, struct arguments *ret_arguments, struct error *error) SK_MUST_USE;
void arguments_release(struct arguments *arguments);

/* The last value given for an option, or NULL. */
const char *arguments_value(const struct arguments *arguments, const char *name);
bool arguments_has(const struct arguments *arguments, const char *name);

#endif
