#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "cli/when.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/number.h"
#include "lib/rpc/client.h"

#define TEXT_MAX (16 * 1024)
#define CALL_TIMEOUT_MS 15000 /* more than the server's own 5 s for a call */
#define PAGE_MAX 1000
#define LIST_PRESET 100 /* items shown without --limit */
#define LIST_MAX 10000000
#define JOB_POLL_FIRST_MS 50
#define JOB_POLL_MAX_MS 500

void cli_release(struct cli *cli)
{
	rpc_client_close(cli->client);
	cli->client = NULL;
}

/* A formatted text with foreign bytes made visible; release in every case. */
static void format_clean(struct buf *buf, const char *format, va_list list) SK_PRINTF(2, 0);
static void format_clean(struct buf *buf, const char *format, va_list list)
{
	char text[4096];
	int length = vsnprintf(text, sizeof(text), format, list);
	buf_init(buf, TEXT_MAX);
	if (length > 0) {
		size_t size = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
		show_clean(buf, text, size);
	}
}

static void say(const char *prefix, const struct buf *text)
{
	fflush(stdout);
	fprintf(stderr, "%s%.*s\n", prefix, (int)text->length, text->data);
}

int cli_fail(const struct cli *cli, int status, const char *code, const char *format, ...)
{
	struct buf text;
	va_list list;
	va_start(list, format);
	format_clean(&text, format, list);
	va_end(list);
	if (cli->json) {
		json_object *error = json_object_new_object();
		json_object *answer = json_object_new_object();
		json_object_object_add(error, "code", json_object_new_string(code));
		json_object_object_add(
		        error, "text", json_object_new_string_len(text.data, (int)text.length));
		json_object_object_add(answer, "error", error);
		cli_print_json(answer);
		json_object_put(answer);
	}
	say("sekisho: ", &text);
	buf_release(&text);
	return status;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
	struct buf text;
	va_list list;
	va_start(list, format);
	format_clean(&text, format, list);
	va_end(list);
	say("sekisho: ", &text);
	fprintf(stderr, "See: sekisho %s%s--help\n", cli->help, cli->help[0] != '\0' ? " " : "");
	buf_release(&text);
	return CLI_USAGE;
}

void cli_note(const struct cli *cli, const char *format, ...)
{
	struct buf text;
	va_list list;
	if (cli->json) {
		return;
	}
	va_start(list, format);
	format_clean(&text, format, list);
	va_end(list);
	say("", &text);
	buf_release(&text);
}

void cli_print_json(json_object *value)
{
	const char *text = json_object_to_json_string_ext(
	        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	puts(text != NULL ? text : "null");
}

static int open_client(struct cli *cli)
{
	char path[PATH_MAX];
	struct error error = {0};
	if (cli->client != NULL) {
		return CLI_DONE;
	}
	if (file_join(path, sizeof(path), cli->state, "run/admin.sock") != 0) {
		return cli_fail(cli, CLI_NO_SERVER, "unavailable",
		        "The name of the state folder is too long: %s", cli->state);
	}
	int rc = rpc_client_open(path, "sekisho", CALL_TIMEOUT_MS, &cli->client, &error);
	switch (rc) {
	case 0:
		return CLI_DONE;
	case -EACCES:
	case -EPERM:
		return cli_fail(cli, CLI_NO_SERVER, "not_permitted",
		        "You may not speak to the server of %s: use its owner's account, or sudo.",
		        cli->state);
	case SK_E_VERSION:
		return cli_fail(cli, CLI_NO_SERVER, "protocol",
		        "The server of %s is of another version (%s): use the program that "
		        "belongs to it.",
		        cli->state, error.text);
	default:
		return cli_fail(cli, CLI_NO_SERVER, "unavailable",
		        "No server answers on %s (%s). Start it with ./run, or name another one "
		        "with --state DIR.",
		        cli->state, error.text[0] != '\0' ? error.text : sk_strerror(rc));
	}
}

/* What to do about an error of the server, in the sentence's two halves around its own detail. */
struct wording {
	const char *code;
	const char *what;
	const char *advice;
};

static const struct wording wordings[] = {
        {RPC_BAD_INPUT, "The server does not take this",
                "Correct it and repeat; --help shows what the command takes."},
        {RPC_NOT_PERMITTED, "You may not do this", "Use the account of an administrator."},
        {RPC_NOT_FOUND, "There is no such thing", "The list commands show what there is."},
        {RPC_EXISTS, "It is there already", "Edit the one that is there, or remove it first."},
        {RPC_CONFLICT, "That is not possible now", "Nothing was changed."},
        {RPC_LIMIT, "A limit is reached", "Remove what is no longer needed and repeat."},
        {RPC_BUSY, "The server is busy", "Repeat it in a moment."},
        {RPC_TIMEOUT, "The server did not answer in time",
                "See with a list command whether it was done before you repeat it."},
        {RPC_STORAGE, "The server could not store it",
                "Nothing was changed. Free space on its disk (sekisho status) and repeat."},
        {RPC_UNAVAILABLE, "The server cannot do it at the moment",
                "See sekisho status, and repeat it."},
        {RPC_UNKNOWN_VERB, "The server does not know this",
                "Use the program that belongs to the server."},
        {RPC_PROTOCOL, "The server and this program do not understand each other",
                "Use the program that belongs to the server."},
};

static int fail_with(const struct cli *cli, int status, const struct rpc_fault *fault)
{
	const struct wording *wording = NULL;
	for (size_t i = 0; i < SK_COUNT(wordings); i++) {
		if (strcmp(wordings[i].code, fault->code) == 0) {
			wording = &wordings[i];
		}
	}
	const char *what = wording != NULL ? wording->what : "The server failed";
	const char *advice = wording != NULL ? wording->advice
	                                     : "Its log (log/sekishod.log in the state folder) "
	                                       "says more.";
	const char *between = fault->field[0] != '\0' && fault->text[0] != '\0' ? ": " : "";
	const char *colon = fault->field[0] != '\0' || fault->text[0] != '\0' ? ": " : "";
	return cli_fail(cli, status, fault->code, "%s%s%s%s%s. %s", what, colon, fault->field,
	        between, fault->text, advice);
}

int cli_call(struct cli *cli, const char *verb, json_object *params, json_object **ret_result)
{
	return cli_call_with(cli, verb, params, NULL, 0, ret_result);
}

int cli_call_with(struct cli *cli, const char *verb, json_object *params, const int *descriptors,
        size_t count, json_object **ret_result)
{
	struct rpc_fault fault = {0};
	int status = open_client(cli);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	int rc = rpc_client_call(cli->client, verb, params, descriptors, count, ret_result, &fault);
	if (rc == 0) {
		return CLI_DONE;
	}
	if (rc == SK_E_REFUSED) {
		return fail_with(cli, CLI_FAILED, &fault);
	}
	cli_release(cli);
	return cli_fail(cli, CLI_NO_SERVER, fault.code,
	        "The server of %s went away before it answered (%s). See with a list command "
	        "whether it was done before you repeat it.",
	        cli->state, fault.text[0] != '\0' ? fault.text : sk_strerror(rc));
}

int cli_print_change(const struct cli *cli, json_object *result, const char *format, ...)
{
	json_object *active = NULL, *warnings = NULL;
	struct buf text;
	va_list list;
	if (cli->json) {
		cli_print_json(result);
		return CLI_DONE;
	}
	va_start(list, format);
	format_clean(&text, format, list);
	va_end(list);
	printf("%.*s\n", (int)text.length, text.data);
	buf_clear(&text);
	if (json_object_object_get_ex(result, "warnings", &warnings) &&
	        json_object_is_type(warnings, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(warnings); i++) {
			show_value(&text, json_object_array_get_idx(warnings, i));
			say("Note: ", &text);
			buf_clear(&text);
		}
	}
	if (json_object_object_get_ex(result, "active", &active) &&
	        !json_object_get_boolean(active)) {
		cli_note(cli,
		        "It is stored, but not in effect yet: the query server did not answer. "
		        "It takes effect when that answers again (sekisho status).");
	}
	buf_release(&text);
	return CLI_DONE;
}

static void sleep_ms(int ms)
{
	struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
	while (nanosleep(&time, &time) != 0 && errno == EINTR) {
	}
}

static void tell_progress(const struct cli *cli, json_object *job)
{
	if (cli->json || !isatty(STDERR_FILENO)) {
		return;
	}
	struct buf text;
	buf_init(&text, TEXT_MAX);
	show_member(&text, job, "progress");
	buf_add_literal(&text, " % ");
	show_member(&text, job, "step");
	fprintf(stderr, "\r\033[K%.*s", (int)text.length, text.data);
	buf_release(&text);
}

/* The end of a job that did not succeed: its error's text. */
static int fail_job(const struct cli *cli, int64_t id, json_object *job, const char *state)
{
	json_object *error = NULL, *code = NULL, *text = NULL;
	json_object_object_get_ex(job, "error", &error);
	json_object_object_get_ex(error, "code", &code);
	json_object_object_get_ex(error, "text", &text);
	return cli_fail(cli, CLI_FAILED, code != NULL ? json_object_get_string(code) : state,
	        "Job %" PRId64 " %s%s%s. What was in effect before stays in effect.", id,
	        strcmp(state, "cancelled") == 0 ? "was cancelled" : "failed",
	        text != NULL ? ": " : "", text != NULL ? json_object_get_string(text) : "");
}

int cli_wait_job(struct cli *cli, json_object *result, json_object **ret_result)
{
	json_object *value = NULL;
	json_object_object_get_ex(result, "job", &value);
	int64_t id = json_object_get_int64(value);
	int wait_ms = JOB_POLL_FIRST_MS;
	bool told = false;
	json_object_put(result);
	for (;;) {
		json_object *params = json_object_new_object(), *job = NULL, *state = NULL;
		json_object_object_add(params, "job", json_object_new_int64(id));
		int status = cli_call(cli, "job.get", params, &job);
		if (status != CLI_DONE) {
			return status;
		}
		json_object_object_get_ex(job, "state", &state);
		const char *name = state != NULL ? json_object_get_string(state) : "failed";
		if (strcmp(name, "running") != 0) {
			if (told && isatty(STDERR_FILENO) && !cli->json) {
				fputs("\r\033[K", stderr);
			}
			if (strcmp(name, "done") != 0) {
				status = fail_job(cli, id, job, name);
			} else {
				json_object_object_get_ex(job, "result", &value);
				*ret_result = json_object_get(value);
			}
			json_object_put(job);
			return status;
		}
		tell_progress(cli, job);
		told = true;
		json_object_put(job);
		sleep_ms(wait_ms);
		wait_ms = wait_ms * 2 < JOB_POLL_MAX_MS ? wait_ms * 2 : JOB_POLL_MAX_MS;
	}
}

static void print_items(struct show_table *table, json_object *items)
{
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		show_table_row(table, json_object_array_get_idx(items, i));
	}
	if (show_table_print(table) != 0) {
		fputs("sekisho: memory is short\n", stderr);
	}
}

/* One page; counts what came and puts the cursor of the next into params, or NULL at the end. */
static int list_page(struct cli *cli, const char *verb, json_object *params, uint64_t *left,
        struct show_table *table, bool *ret_more)
{
	json_object *result = NULL, *items = NULL, *next = NULL;
	uint64_t size = *left < PAGE_MAX ? *left : PAGE_MAX;
	json_object_object_add(params, "limit", json_object_new_int64((int64_t)size));
	int status = cli_call(cli, verb, json_object_get(params), &result);
	if (status != CLI_DONE) {
		return status;
	}
	json_object_object_get_ex(result, "items", &items);
	size_t count =
	        json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;
	if (cli->json) {
		cli_print_json(result);
	} else if (count > 0) {
		print_items(table, items);
	}
	*left -= count < *left ? count : *left;
	*ret_more = json_object_object_get_ex(result, "next", &next) && next != NULL;
	if (*ret_more) {
		json_object_object_add(params, "cursor", json_object_get(next));
	}
	json_object_put(result);
	return CLI_DONE;
}

int cli_list(struct cli *cli, const struct arguments *arguments, const char *verb,
        json_object *params, const struct show_column *columns, size_t column_count)
{
	struct show_table table;
	uint64_t left = LIST_PRESET;
	bool more = true;
	int status = CLI_DONE;
	const char *limit = arguments_value(arguments, "limit");
	if (limit != NULL &&
	        (number_parse_u64(limit, strlen(limit), LIST_MAX, &left) != 0 || left == 0)) {
		json_object_put(params);
		return cli_usage(
		        cli, "--limit must be a number from 1 to %d, not %s", LIST_MAX, limit);
	}
	show_table_init(&table, columns, column_count);
	while (status == CLI_DONE && more && left > 0) {
		status = list_page(cli, verb, params, &left, &table, &more);
	}
	if (status == CLI_DONE && more) {
		cli_note(cli, "There is more: --limit N shows up to N.");
	}
	show_table_release(&table);
	json_object_put(params);
	return status;
}

void cli_param_text(json_object *params, const char *name, const char *value)
{
	if (value != NULL) {
		json_object_object_add(params, name, json_object_new_string(value));
	}
}

int cli_param_number(const struct cli *cli, json_object *params, const char *name,
        const char *value, int64_t minimum, int64_t maximum)
{
	int64_t number;
	if (value == NULL) {
		return CLI_DONE;
	}
	if (number_parse_i64(value, strlen(value), minimum, maximum, &number) != 0) {
		return cli_usage(cli, "%s must be a number from %" PRId64 " to %" PRId64 ", not %s",
		        name, minimum, maximum, value);
	}
	json_object_object_add(params, name, json_object_new_int64(number));
	return CLI_DONE;
}

int cli_param_time(
        const struct cli *cli, json_object *params, const char *name, const char *value, int sense)
{
	int64_t time;
	if (value == NULL) {
		return CLI_DONE;
	}
	if (when_parse(value, (enum when_sense)sense, clock_wall(&clock_system), &time) != 0) {
		return cli_usage(cli,
		        "%s is no time: 2026-12-31, 2026-12-31T18:00:00Z (UTC), 7d, 12h%s", value,
		        sense == WHEN_FUTURE ? " or never" : "");
	}
	json_object_object_add(params, name, json_object_new_int64(time));
	return CLI_DONE;
}

/* The words as an array of ids into params: 0 or CLI_USAGE. */
static int param_ids(const struct cli *cli, json_object *params, const struct arguments *arguments)
{
	json_object *ids = json_object_new_array();
	json_object_object_add(params, "ids", ids);
	for (size_t i = 0; i < arguments->word_count; i++) {
		const char *word = arguments->words[i];
		int64_t id;
		if (number_parse_i64(word, strlen(word), 1, INT64_MAX, &id) != 0) {
			return cli_usage(
			        cli, "%s is no id: ids are numbers, as list shows them", word);
		}
		json_object_array_add(ids, json_object_new_int64(id));
	}
	return CLI_DONE;
}

int cli_remove(struct cli *cli, const struct arguments *arguments, const char *verb)
{
	json_object *params = json_object_new_object(), *result = NULL, *removed = NULL;
	int status = param_ids(cli, params, arguments);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, verb, params, &result);
	if (status == CLI_DONE) {
		json_object_object_get_ex(result, "removed", &removed);
		status = cli_print_change(cli, result, "%" PRId64 " of %zu removed.",
		        json_object_get_int64(removed), arguments->word_count);
	}
	json_object_put(result);
	return status;
}
