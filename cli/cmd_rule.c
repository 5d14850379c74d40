#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/when.h"
#include "lib/base/file.h"

/* `sekisho rule …`: the user-defined lists of approved and blocked URLs. */

int rule_list(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {">ID", "id", SHOW_VALUE, NULL},
	        {"LIST", "list", SHOW_VALUE, NULL},
	        {"KIND", "kind", SHOW_VALUE, NULL},
	        {"ON", "enabled", SHOW_VALUE, NULL},
	        {"EXPIRES (UTC)", "expires", SHOW_TIME, "never"},
	        {">HITS", "hits", SHOW_VALUE, NULL},
	        {"PATTERN", "pattern", SHOW_VALUE, NULL},
	        {"FOR", "targets", SHOW_VALUE, NULL},
	        {"COMMENT", "comment", SHOW_VALUE, NULL},
	};
	json_object *params = json_object_new_object();
	cli_param_text(params, "list", arguments_value(arguments, "list"));
	cli_param_text(params, "search", arguments_value(arguments, "search"));
	if (arguments_has(arguments, "enabled") || arguments_has(arguments, "disabled")) {
		json_object_object_add(params, "enabled",
		        json_object_new_boolean(arguments_has(arguments, "enabled")));
	}
	return cli_list(cli, arguments, "rule.list", params, columns, SK_COUNT(columns));
}

int rule_show(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {"id", "list", "kind", "pattern", "targets", "enabled",
	        "expires", "created", "changed", "hits", "last_hit", "comment"};
	json_object *params = json_object_new_object(), *rule = NULL, *value = NULL;
	int status = cli_param_number(cli, params, "id", arguments->words[0], 1, INT64_MAX);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "rule.get", params, &rule);
	if (status != CLI_DONE) {
		return status;
	}
	if (cli->json) {
		cli_print_json(rule);
		json_object_put(rule);
		return CLI_DONE;
	}
	struct buf text;
	buf_init(&text, 1024 * 1024);
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		json_object_object_get_ex(rule, names[i], &value);
		buf_add_format(&text, "%-9s ", names[i]);
		if (i >= 6 && i != 9 && i != 11) {
			show_time(&text, value, i == 6 ? "never" : "-");
		} else {
			show_value(&text, value);
		}
		buf_add_char(&text, '\n');
	}
	fwrite(text.data, 1, text.length, stdout);
	buf_release(&text);
	json_object_put(rule);
	return CLI_DONE;
}

/* All --target values as one text, separated by commas. */
static void add_targets(json_object *params, const struct arguments *arguments)
{
	struct buf text;
	bool given = false;
	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < arguments->option_count; i++) {
		if (strcmp(arguments->options[i].option->name, "target") == 0) {
			const char *value = arguments->options[i].value;
			if (text.length > 0 && value[0] != '\0') {
				buf_add_literal(&text, ", ");
			}
			buf_add_text(&text, strcmp(value, "all") == 0 ? "" : value);
			given = true;
		}
	}
	if (given) {
		cli_param_text(params, "targets", buf_text(&text));
	}
	buf_release(&text);
}

/* What add and edit share: kind, targets, comment, expiry. */
static int add_common(const struct cli *cli, json_object *params, const struct arguments *arguments)
{
	static const char *const kinds[] = {"site", "page", "keyword"};
	size_t given = 0;
	for (size_t i = 0; i < SK_COUNT(kinds); i++) {
		if (arguments_has(arguments, kinds[i])) {
			cli_param_text(params, "kind", kinds[i]);
			given++;
		}
	}
	if (given > 1) {
		return cli_usage(cli, "a rule is either --site, --page or --keyword");
	}
	if (arguments_has(arguments, "enable") && arguments_has(arguments, "disable")) {
		return cli_usage(cli, "a rule is switched on or off, not both");
	}
	if (arguments_has(arguments, "enable") || arguments_has(arguments, "disable")) {
		json_object_object_add(params, "enabled",
		        json_object_new_boolean(arguments_has(arguments, "enable")));
	}
	add_targets(params, arguments);
	cli_param_text(params, "comment", arguments_value(arguments, "comment"));
	return cli_param_time(
	        cli, params, "expires", arguments_value(arguments, "expires"), WHEN_FUTURE);
}

/* "approve" and "block" are what people say, "approved" and "blocked" what the lists are called. */
static const char *list_of(const char *word)
{
	if (strcmp(word, "approve") == 0 || strcmp(word, "approved") == 0) {
		return "approved";
	}
	if (strcmp(word, "block") == 0 || strcmp(word, "blocked") == 0) {
		return "blocked";
	}
	return NULL;
}

int rule_add(struct cli *cli, const struct arguments *arguments)
{
	const char *list = list_of(arguments->words[0]);
	json_object *result = NULL, *id = NULL;
	if (list == NULL) {
		return cli_usage(
		        cli, "a rule is to approve or to block, not to %s", arguments->words[0]);
	}
	json_object *params = json_object_new_object();
	cli_param_text(params, "list", list);
	cli_param_text(params, "kind", "site");
	cli_param_text(params, "pattern", arguments->words[1]);
	int status = add_common(cli, params, arguments);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "rule.add", params, &result);
	if (status == CLI_DONE) {
		json_object_object_get_ex(result, "id", &id);
		status = cli_print_change(
		        cli, result, "Rule %" PRId64 " added.", json_object_get_int64(id));
	}
	json_object_put(result);
	return status;
}

int rule_edit(struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object(), *result = NULL;
	const char *list = arguments_value(arguments, "list");
	int status = cli_param_number(cli, params, "id", arguments->words[0], 1, INT64_MAX);
	if (status == CLI_DONE && list != NULL) {
		cli_param_text(params, "list", list_of(list) != NULL ? list_of(list) : list);
	}
	cli_param_text(params, "pattern", arguments_value(arguments, "pattern"));
	if (status == CLI_DONE) {
		status = add_common(cli, params, arguments);
	}
	if (status == CLI_DONE && json_object_object_length(params) < 2) {
		status = cli_usage(cli, "nothing to change was named");
	}
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "rule.edit", params, &result);
	if (status == CLI_DONE) {
		status = cli_print_change(cli, result, "Rule %s changed.", arguments->words[0]);
	}
	json_object_put(result);
	return status;
}

int rule_remove(struct cli *cli, const struct arguments *arguments)
{
	return cli_remove(cli, arguments, "rule.remove");
}

/* ": pattern: …", from the column and the text of a refused line's error. */
static void show_reason(struct buf *text, json_object *item)
{
	json_object *error = NULL, *field = NULL;
	json_object_object_get_ex(item, "error", &error);
	if (!json_object_is_type(error, json_type_object)) {
		return;
	}
	buf_add_literal(text, ": ");
	if (json_object_object_get_ex(error, "field", &field)) {
		show_value(text, field);
		buf_add_literal(text, ": ");
	}
	show_member(text, error, "text");
}

/* What the server refused: items are objects or texts. */
static void print_refusals(json_object *result)
{
	json_object *errors = NULL;
	if (!json_object_object_get_ex(result, "first_errors", &errors) ||
	        !json_object_is_type(errors, json_type_array)) {
		return;
	}
	for (size_t i = 0; i < json_object_array_length(errors); i++) {
		json_object *item = json_object_array_get_idx(errors, i);
		struct buf text;
		buf_init(&text, 64 * 1024);
		if (json_object_is_type(item, json_type_object)) {
			buf_add_literal(&text, "line ");
			show_member(&text, item, "line");
			show_reason(&text, item);
		} else {
			show_value(&text, item);
		}
		fprintf(stderr, "%.*s\n", (int)text.length, text.data);
		buf_release(&text);
	}
}

static int print_import(const struct cli *cli, json_object *result)
{
	json_object *added = NULL, *refused = NULL, *undo = NULL;
	json_object_object_get_ex(result, "added", &added);
	json_object_object_get_ex(result, "refused", &refused);
	json_object_object_get_ex(result, "undo", &undo);
	if (!cli->json) {
		fflush(stdout);
		print_refusals(result);
	}
	return cli_print_change(cli, result,
	        "%" PRId64 " rules added, %" PRId64
	        " lines refused. To take it back: sekisho rule undo %" PRId64,
	        json_object_get_int64(added), json_object_get_int64(refused),
	        json_object_get_int64(undo));
}

int rule_import(struct cli *cli, const struct arguments *arguments)
{
	const char *path = arguments->words[0];
	json_object *params, *result = NULL;
	file_cleanup_fd int opened = -1;
	int fd = STDIN_FILENO;
	if (strcmp(path, "-") != 0) {
		opened = open(path, O_RDONLY | O_CLOEXEC);
		fd = opened;
	}
	if (fd < 0) {
		return cli_fail(cli, CLI_FAILED, "not_found", "%s cannot be read: %s.", path,
		        sk_strerror(-errno));
	}
	params = json_object_new_object();
	if (arguments_has(arguments, "replace")) {
		json_object_object_add(params, "replace", json_object_new_boolean(1));
	}
	int status = cli_call_with(cli, "rule.import", params, &fd, 1, &result);
	if (status == CLI_DONE) {
		json_object *job = result;
		result = NULL;
		status = cli_wait_job(cli, job, &result);
	}
	if (status == CLI_DONE) {
		status = print_import(cli, result);
	}
	json_object_put(result);
	return status;
}

int rule_undo(struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object(), *job = NULL, *result = NULL;
	int status = cli_param_number(cli, params, "batch", arguments->words[0], 1, INT64_MAX);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "rule.import_undo", params, &job);
	if (status == CLI_DONE) {
		status = cli_wait_job(cli, job, &result);
	}
	if (status == CLI_DONE) {
		status = cli_print_change(
		        cli, result, "Import %s was taken back.", arguments->words[0]);
	}
	json_object_put(result);
	return status;
}

static int export_to(struct cli *cli, int fd, json_object **ret_result)
{
	return cli_call_with(cli, "rule.export", json_object_new_object(), &fd, 1, ret_result);
}

/* Into a temporary file first, so that a failure leaves what was there. */
static int export_to_file(struct cli *cli, const char *path, json_object **ret_result)
{
	char temporary[PATH_MAX];
	struct error error = {0};
	int fd;
	int rc = file_replace_start(path, 0644, temporary, &fd);
	if (rc != 0) {
		return cli_fail(cli, CLI_FAILED, "storage", "%s cannot be written: %s.", path,
		        sk_strerror(rc));
	}
	int status = export_to(cli, fd, ret_result);
	if (status != CLI_DONE) {
		file_replace_abort(temporary, fd);
		return status;
	}
	if (file_replace_finish(path, temporary, fd, &error) != 0) {
		json_object_put(*ret_result);
		return cli_fail(
		        cli, CLI_FAILED, "storage", "%s was not written: %s.", path, error.text);
	}
	return CLI_DONE;
}

int rule_export(struct cli *cli, const struct arguments *arguments)
{
	const char *path = arguments->words[0];
	json_object *result = NULL, *written = NULL;
	if (strcmp(path, "-") == 0) {
		int status = export_to(cli, STDOUT_FILENO, &result);
		if (status == CLI_DONE) {
			json_object_put(result);
		}
		return status;
	}
	int status = export_to_file(cli, path, &result);
	if (status != CLI_DONE) {
		return status;
	}
	json_object_object_get_ex(result, "written", &written);
	status = cli_print_change(cli, result, "%" PRId64 " rules written to %s.",
	        json_object_get_int64(written), path);
	json_object_put(result);
	return status;
}
