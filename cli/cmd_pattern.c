#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#include <json-c/linkhash.h>

#include "cli/commands.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/json_text.h"

/*
 * `sekisho pattern …`. The files of a build are opened here, with the rights of whoever types the
 * command, and go to the server as descriptors: it needs no access to them. Of the description only
 * the names of the files are read; the compiler reads and checks it.
 */

#define DESCRIPTION_MAX (1024 * 1024)

/* The opened files of a description, in its order. */
struct inputs {
	int fds[FRAME_DESCRIPTORS_MAX];
	size_t count;
};

static void inputs_close(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++) {
		close(inputs->fds[i]);
	}
	inputs->count = 0;
}

/* Opens `name`, relative to the folder of the description. */
static int inputs_open(
        const struct cli *cli, struct inputs *inputs, const char *description, const char *name)
{
	char path[PATH_MAX];
	const char *slash = strrchr(description, '/');
	int folder = slash != NULL && name[0] != '/' ? (int)(slash - description) + 1 : 0;
	int length = snprintf(path, sizeof(path), "%.*s%s", folder, description, name);
	if (length < 0 || (size_t)length >= sizeof(path)) {
		return cli_fail(cli, CLI_FAILED, "limit", "The name is too long: %s", name);
	}
	if (inputs->count >= FRAME_DESCRIPTORS_MAX) {
		return cli_fail(cli, CLI_FAILED, "limit",
		        "The description names more than %d files: put some of them together.",
		        FRAME_DESCRIPTORS_MAX - 1);
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return cli_fail(cli, CLI_FAILED, "not_found",
		        "%s, named in %s, cannot be read: %s.", path, description,
		        sk_strerror(-errno));
	}
	inputs->fds[inputs->count++] = fd;
	return CLI_DONE;
}

/* Opens the "path" of each of inputs[], then each of safety.benign[]. */
static int open_named(
        const struct cli *cli, struct inputs *inputs, const char *description, json_object *root)
{
	json_object *list = NULL, *safety = NULL, *benign = NULL;
	int status = CLI_DONE;
	json_object_object_get_ex(root, "inputs", &list);
	if (!json_object_is_type(list, json_type_array)) {
		return cli_fail(cli, CLI_FAILED, "bad_input",
		        "%s has no list \"inputs\"; docs/pattern-description.md says what it "
		        "needs.",
		        description);
	}
	for (size_t i = 0; i < json_object_array_length(list) && status == CLI_DONE; i++) {
		json_object *path = NULL;
		json_object_object_get_ex(json_object_array_get_idx(list, i), "path", &path);
		if (!json_object_is_type(path, json_type_string)) {
			return cli_fail(cli, CLI_FAILED, "bad_input",
			        "inputs[%zu] of %s has no \"path\".", i, description);
		}
		status = inputs_open(cli, inputs, description, json_object_get_string(path));
	}
	json_object_object_get_ex(root, "safety", &safety);
	json_object_object_get_ex(safety, "benign", &benign);
	if (!json_object_is_type(benign, json_type_array)) {
		return status;
	}
	for (size_t i = 0; i < json_object_array_length(benign) && status == CLI_DONE; i++) {
		json_object *path = json_object_array_get_idx(benign, i);
		if (!json_object_is_type(path, json_type_string)) {
			return cli_fail(cli, CLI_FAILED, "bad_input",
			        "safety.benign[%zu] of %s is no file name.", i, description);
		}
		status = inputs_open(cli, inputs, description, json_object_get_string(path));
	}
	return status;
}

/* The description first, then what it names. Close `inputs` in every case. */
static int open_all(const struct cli *cli, const char *description, struct inputs *inputs)
{
	char *text = NULL;
	size_t length;
	json_object *root = NULL;
	struct error error = {0};
	int rc = file_read(description, DESCRIPTION_MAX, &text, &length);
	if (rc != 0) {
		return cli_fail(cli, CLI_FAILED, "not_found", "%s cannot be read: %s.", description,
		        sk_strerror(rc));
	}
	rc = json_text_parse(text, length, JSON_TEXT_DEPTH_MAX, &root, &error);
	mem_free(text);
	if (rc != 0) {
		return cli_fail(cli, CLI_FAILED, "bad_input", "%s is no JSON: %s.", description,
		        error.text);
	}
	const char *slash = strrchr(description, '/');
	int status = inputs_open(cli, inputs, description, slash != NULL ? slash + 1 : description);
	if (status == CLI_DONE) {
		status = open_named(cli, inputs, description, root);
	}
	json_object_put(root);
	return status;
}

static void add_counts(struct buf *text, json_object *report)
{
	json_object_object_foreach(report, name, value)
	{
		if (json_object_is_type(value, json_type_int)) {
			buf_add_format(text, "  %s %" PRId64, name, json_object_get_int64(value));
		}
	}
}

/* One line for each input of a build's report, as far as it has them. */
static void print_report(json_object *result)
{
	json_object *report = NULL, *inputs = NULL;
	struct buf text;
	json_object_object_get_ex(result, "report", &report);
	json_object_object_get_ex(report, "inputs", &inputs);
	if (!json_object_is_type(inputs, json_type_array)) {
		return;
	}
	buf_init(&text, 4 * 1024 * 1024);
	for (size_t i = 0; i < json_object_array_length(inputs); i++) {
		json_object *input = json_object_array_get_idx(inputs, i);
		json_object *name = NULL;
		if (!json_object_object_get_ex(input, "name", &name)) {
			json_object_object_get_ex(input, "path", &name);
		}
		show_value(&text, name);
		buf_add_char(&text, ':');
		add_counts(&text, input);
		buf_add_char(&text, '\n');
	}
	fwrite(text.data, 1, text.length, stdout);
	buf_release(&text);
}

static int print_build(const struct cli *cli, json_object *result, bool activated)
{
	static const char *const kinds[][2] = {
	        {"web", "Web Blocking Pattern"}, {"files", "Smart Scan Pattern"}};
	json_object *generations = NULL;
	if (cli->json) {
		cli_print_json(result);
		return CLI_DONE;
	}
	print_report(result);
	json_object_object_get_ex(result, "generations", &generations);
	for (size_t i = 0; i < SK_COUNT(kinds); i++) {
		json_object *generation = NULL;
		if (json_object_object_get_ex(generations, kinds[i][0], &generation) &&
		        generation != NULL) {
			printf("%s: generation %" PRId64 "%s\n", kinds[i][1],
			        json_object_get_int64(generation), activated ? ", activated" : "");
		}
	}
	if (!activated) {
		cli_note(cli, "Put one in use with: sekisho pattern activate GENERATION");
	}
	return CLI_DONE;
}

int pattern_build(struct cli *cli, const struct arguments *arguments)
{
	struct inputs inputs = {.count = 0};
	bool activate = arguments_has(arguments, "activate");
	json_object *job = NULL, *result = NULL;
	int status = open_all(cli, arguments->words[0], &inputs);
	if (status == CLI_DONE) {
		json_object *params = json_object_new_object();
		if (activate) {
			json_object_object_add(params, "activate", json_object_new_boolean(1));
		}
		cli_param_text(params, "version", arguments_value(arguments, "version"));
		status =
		        cli_call_with(cli, "pattern.build", params, inputs.fds, inputs.count, &job);
	}
	inputs_close(&inputs);
	if (status == CLI_DONE) {
		status = cli_wait_job(cli, job, &result);
	}
	if (status == CLI_DONE) {
		status = print_build(cli, result, activate);
	}
	json_object_put(result);
	return status;
}

int pattern_import(struct cli *cli, const struct arguments *arguments)
{
	const char *path = arguments->words[0];
	json_object *params, *job = NULL, *result = NULL, *generation = NULL;
	file_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return cli_fail(cli, CLI_FAILED, "not_found", "%s cannot be read: %s.", path,
		        sk_strerror(-errno));
	}
	params = json_object_new_object();
	if (arguments_has(arguments, "activate")) {
		json_object_object_add(params, "activate", json_object_new_boolean(1));
	}
	int status = cli_call_with(cli, "pattern.import", params, &fd, 1, &job);
	if (status == CLI_DONE) {
		status = cli_wait_job(cli, job, &result);
	}
	if (status == CLI_DONE) {
		json_object_object_get_ex(result, "generation", &generation);
		status = cli_print_change(cli, result, "Generation %" PRId64 "%s.",
		        json_object_get_int64(generation),
		        arguments_has(arguments, "activate") ? " imported and activated"
		                                             : " imported");
	}
	json_object_put(result);
	return status;
}

int pattern_list(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {" ", "active", SHOW_MARK, NULL},
	        {">GENERATION", "generation", SHOW_VALUE, NULL},
	        {"KIND", "kind", SHOW_VALUE, NULL},
	        {"VERSION", "version", SHOW_VALUE, NULL},
	        {">ENTRIES", "entries", SHOW_VALUE, NULL},
	        {">SIZE", "size", SHOW_SIZE, NULL},
	        {"ACTIVATED (UTC)", "activated", SHOW_TIME, "-"},
	        {"NAME", "name", SHOW_VALUE, NULL},
	        {"ERROR", "error", SHOW_VALUE, NULL},
	};
	json_object *params = json_object_new_object();
	cli_param_text(params, "kind", arguments_value(arguments, "kind"));
	return cli_list(cli, arguments, "pattern.list", params, columns, SK_COUNT(columns));
}

int pattern_activate(struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object(), *result = NULL;
	int status = cli_param_number(cli, params, "generation", arguments->words[0], 1, INT64_MAX);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "pattern.activate", params, &result);
	if (status == CLI_DONE) {
		status = cli_print_change(
		        cli, result, "Generation %s is active.", arguments->words[0]);
	}
	json_object_put(result);
	return status;
}

int pattern_rollback(struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object(), *result = NULL;
	cli_param_text(params, "kind", arguments->words[0]);
	int status = cli_call(cli, "pattern.rollback", params, &result);
	if (status == CLI_DONE) {
		status = cli_print_change(cli, result,
		        "The pattern that was active before is active again (sekisho pattern "
		        "list).");
	}
	json_object_put(result);
	return status;
}
