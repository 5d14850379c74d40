#include <inttypes.h>

#include "cli/commands.h"
#include "cli/when.h"

/* `sekisho object …`: suspicious objects. */

static void print_objects(void *context, json_object *items)
{
	struct show_table *table = context;
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		json_object *object = json_object_array_get_idx(items, i), *time = NULL;
		struct buf cell;
		buf_init(&cell, 256);
		show_table_member(table, object, "id");
		show_table_member(table, object, "list");
		show_table_member(table, object, "kind");
		show_table_member(table, object, "action");
		show_table_member(table, object, "cnc_level");
		json_object_object_get_ex(object, "expires", &time);
		show_time(&cell, time, "never");
		show_table_take(table, &cell);
		show_table_member(table, object, "value");
		show_table_member(table, object, "comment");
		buf_release(&cell);
	}
	if (show_table_print(table) != 0) {
		fputs("sekisho: memory is short\n", stderr);
	}
}

int object_list(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {"list", "kind", "search"};
	struct show_table table;
	size_t limit = cli_limit(cli, arguments, CLI_LIST_PRESET);
	if (limit == 0) {
		return CLI_USAGE;
	}
	json_object *params = json_object_new_object();
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		cli_param_text(params, names[i], arguments_value(arguments, names[i]));
	}
	show_table_init(&table, ">ID|LIST|KIND|ACTION|>C&C|EXPIRES (UTC)|VALUE|COMMENT");
	int status = cli_list(cli, "object.list", params, limit, print_objects, &table);
	show_table_release(&table);
	return status;
}

int object_add(struct cli *cli, const struct arguments *arguments)
{
	const char *list = arguments_value(arguments, "list");
	const char *action = arguments_value(arguments, "action");
	json_object *params = json_object_new_object(), *result = NULL, *id = NULL;
	cli_param_text(params, "list", list != NULL ? list : "user");
	cli_param_text(params, "kind", arguments->words[0]);
	cli_param_text(params, "value", arguments->words[1]);
	cli_param_text(params, "action", action != NULL ? action : "block");
	cli_param_text(params, "comment", arguments_value(arguments, "comment"));
	int status = cli_param_number(
	        cli, params, "cnc_level", arguments_value(arguments, "cnc-level"), 0, 3);
	if (status == CLI_DONE) {
		status = cli_param_time(
		        cli, params, "expires", arguments_value(arguments, "expires"), WHEN_FUTURE);
	}
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "object.add", params, &result);
	if (status == CLI_DONE) {
		json_object_object_get_ex(result, "id", &id);
		status = cli_print_change(
		        cli, result, "Object %" PRId64 " added.", json_object_get_int64(id));
	}
	json_object_put(result);
	return status;
}

int object_remove(struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object(), *result = NULL, *removed = NULL;
	int status = cli_param_ids(cli, params, "ids", arguments, 0);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "object.remove", params, &result);
	if (status == CLI_DONE) {
		json_object_object_get_ex(result, "removed", &removed);
		status = cli_print_change(cli, result, "%" PRId64 " of %zu removed.",
		        json_object_get_int64(removed), arguments->word_count);
	}
	json_object_put(result);
	return status;
}
