#include <inttypes.h>

#include "cli/commands.h"
#include "cli/when.h"

/* `sekisho object …`: suspicious objects. */

int object_list(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {"list", "kind", "search"};
	static const struct show_column columns[] = {
	        {">ID", "id", SHOW_VALUE, NULL},
	        {"LIST", "list", SHOW_VALUE, NULL},
	        {"KIND", "kind", SHOW_VALUE, NULL},
	        {"ACTION", "action", SHOW_VALUE, NULL},
	        {">C&C", "cnc_level", SHOW_VALUE, NULL},
	        {"EXPIRES (UTC)", "expires", SHOW_TIME, "never"},
	        {"VALUE", "value", SHOW_VALUE, NULL},
	        {"COMMENT", "comment", SHOW_VALUE, NULL},
	};
	json_object *params = json_object_new_object();
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		cli_param_text(params, names[i], arguments_value(arguments, names[i]));
	}
	return cli_list(cli, arguments, "object.list", params, columns, SK_COUNT(columns));
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
	return cli_remove(cli, arguments, "object.remove");
}
