#include "cli/commands.h"
#include "cli/when.h"

/* `sekisho log …`: what was asked and found. Newest first. */

#define CELL_TEXT_MAX (128 * 1024)

struct log_view {
	struct show_table table;
	const char *const *names;
	size_t count;
};

/* The first column is a time; the others are shown as they are. */
static void print_entries(void *context, json_object *items)
{
	struct log_view *view = context;
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		json_object *entry = json_object_array_get_idx(items, i), *time = NULL;
		struct buf cell;
		buf_init(&cell, CELL_TEXT_MAX);
		json_object_object_get_ex(entry, "time", &time);
		show_time(&cell, time, "-");
		show_table_take(&view->table, &cell);
		for (size_t j = 0; j < view->count; j++) {
			show_table_member(&view->table, entry, view->names[j]);
		}
		buf_release(&cell);
	}
	if (show_table_print(&view->table) != 0) {
		fputs("sekisho: memory is short\n", stderr);
	}
}

/* What all logs take; NULL after a message. */
static json_object *log_params(const struct cli *cli, const struct arguments *arguments)
{
	json_object *params = json_object_new_object();
	if (cli_param_time(cli, params, "from", arguments_value(arguments, "from"),
	            WHEN_PAST_START) != CLI_DONE ||
	        cli_param_time(cli, params, "to", arguments_value(arguments, "to"),
	                WHEN_PAST_END) != CLI_DONE) {
		json_object_put(params);
		return NULL;
	}
	return params;
}

static int show_log(struct cli *cli, const struct arguments *arguments, const char *verb,
        json_object *params, const char *heading, const char *const *names, size_t count)
{
	struct log_view view = {.names = names, .count = count};
	size_t limit = cli_limit(cli, arguments, CLI_LIST_PRESET);
	if (limit == 0) {
		json_object_put(params);
		return CLI_USAGE;
	}
	show_table_init(&view.table, heading);
	int status = cli_list(cli, verb, params, limit, print_entries, &view);
	show_table_release(&view.table);
	return status;
}

/* Logs of URLs: the same search in both. */
static int show_url_log(struct cli *cli, const struct arguments *arguments, const char *verb,
        const char *heading, const char *const *names, size_t count)
{
	json_object *params = log_params(cli, arguments), *sources = NULL;
	if (params == NULL) {
		return CLI_USAGE;
	}
	cli_param_text(params, "keyword", arguments_value(arguments, "keyword"));
	for (size_t i = 0; i < arguments->option_count; i++) {
		if (strcmp(arguments->options[i].option->name, "source") == 0) {
			if (sources == NULL) {
				sources = json_object_new_array();
				json_object_object_add(params, "sources", sources);
			}
			json_object_array_add(
			        sources, json_object_new_string(arguments->options[i].value));
		}
	}
	return show_log(cli, arguments, verb, params, heading, names, count);
}

int log_blocked(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {
	        "source", "score", "cnc_level", "client_address", "computer", "domain", "url"};
	return show_url_log(cli, arguments, "log.blocked",
	        "TIME (UTC)|SOURCE|>SCORE|>C&C|CLIENT|COMPUTER|DOMAIN|URL", names, SK_COUNT(names));
}

int log_access(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {
	        "action", "source", "score", "categories", "client_address", "computer", "url"};
	return show_url_log(cli, arguments, "log.access",
	        "TIME (UTC)|ACTION|SOURCE|>SCORE|CATEGORIES|CLIENT|COMPUTER|URL", names,
	        SK_COUNT(names));
}

int log_service(struct cli *cli, const struct arguments *arguments)
{
	static const char *const names[] = {"service", "result", "description"};
	json_object *params = log_params(cli, arguments);
	if (params == NULL) {
		return CLI_USAGE;
	}
	cli_param_text(params, "service", arguments_value(arguments, "service"));
	cli_param_text(params, "result", arguments_value(arguments, "result"));
	return show_log(cli, arguments, "log.service", params,
	        "TIME (UTC)|SERVICE|RESULT|DESCRIPTION", names, SK_COUNT(names));
}
