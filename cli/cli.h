#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json_object.h>

#include "cli/arguments.h"
#include "cli/show.h"

/* What every command of `sekisho` uses: the server, the two ways of answering, and errors. */

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1, /* refused or failed; a sentence on standard error says what to do */
	CLI_USAGE = 2, /* the command line is wrong */
	CLI_NO_SERVER = 3 /* no server answers on this state folder */
};

struct rpc_client;

struct cli {
	const char *state; /* folder of the server */
	bool json;
	struct rpc_client *client; /* opened by the first call */
	const char *help; /* words of the command, for hints */
};

/*
 * A command of the table in commands.c: `words` as typed, `arguments` as the help shows them.
 * `run` returns an enum cli_exit.
 */
struct cli_command {
	const char *words;
	const char *arguments;
	size_t words_min, words_max; /* how many words it takes behind its own */
	const char *summary;
	const char *details; /* more for its help; may be NULL */
	const struct cli_option *options;
	size_t option_count;
	int (*run)(struct cli *cli, const struct arguments *arguments);
};

/* Closes the connection. */
void cli_release(struct cli *cli);

/*
 * Calls a verb; `params` is put in every case. CLI_DONE with the result (json_object_put; NULL for
 * null), or the exit status after the error has been worded on standard error (and as JSON on
 * standard output with --json).
 */
int cli_call(struct cli *cli, const char *verb, json_object *params, json_object **ret_result);
int cli_call_with(struct cli *cli, const char *verb, json_object *params, const int *descriptors,
        size_t count, json_object **ret_result);

/* A sentence on standard error ("sekisho: " before it), as JSON too with --json. Returns `status`.
 * Control characters of foreign text are made visible. */
int cli_fail(const struct cli *cli, int status, const char *code, const char *format, ...)
        SK_PRINTF(4, 5);
/* The same for a command line that is wrong: CLI_USAGE, with a hint at the help. */
int cli_usage(const struct cli *cli, const char *format, ...) SK_PRINTF(2, 3);
/* A remark on standard error, unless --json. */
void cli_note(const struct cli *cli, const char *format, ...) SK_PRINTF(2, 3);

/* Prints one JSON value as a line. */
void cli_print_json(json_object *value);

/*
 * After a change: prints the result as JSON, or `sentence` (formatted by the caller), then warnings
 * of the server, then a note when the change is stored but not in effect yet. CLI_DONE.
 */
int cli_print_change(const struct cli *cli, json_object *result, const char *format, ...)
        SK_PRINTF(3, 4);

/* Waits for the job in `result` ({"job": id}, put here), telling its progress on standard error
 * when that is a terminal. CLI_DONE with the job's result (may be NULL), or the exit status. */
int cli_wait_job(struct cli *cli, json_object *result, json_object **ret_result);

/*
 * A list, read page by page, at most --limit items: a row for each (with --json each page is
 * printed as it is). `params` is put in every case. CLI_DONE or the exit status after a message.
 */
int cli_list(struct cli *cli, const struct arguments *arguments, const char *verb,
        json_object *params, const struct show_column *columns, size_t column_count);

/* Calls a verb with the words as "ids" and says how many it removed. */
int cli_remove(struct cli *cli, const struct arguments *arguments, const char *verb);

/* Puts members into params: texts when the option was given; choice options are checked by the
 * server. Times: when.h. 0 or CLI_USAGE after the message. */
void cli_param_text(json_object *params, const char *name, const char *value);
int cli_param_number(const struct cli *cli, json_object *params, const char *name,
        const char *value, int64_t minimum, int64_t maximum);
int cli_param_time(
        const struct cli *cli, json_object *params, const char *name, const char *value, int sense);

#endif
