#include "cli/commands.h"
#include "cli/when.h"

/* `sekisho log …`: what was asked and found. Newest first. */

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

/* Logs of URLs: the same search in both. */
static int show_url_log(struct cli *cli, const struct arguments *arguments, const char *verb,
        const struct show_column *columns, size_t count)
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
	return cli_list(cli, arguments, verb, params, columns, count);
}

int log_blocked(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {"TIME (UTC)", "time", SHOW_TIME, "-"},
	        {"SOURCE", "source", SHOW_VALUE, NULL},
	        {">SCORE", "score", SHOW_VALUE, NULL},
	        {">C&C", "cnc_level", SHOW_VALUE, NULL},
	        {"CLIENT", "client_address", SHOW_VALUE, NULL},
	        {"COMPUTER", "computer", SHOW_VALUE, NULL},
	        {"DOMAIN", "domain", SHOW_VALUE, NULL},
	        {"URL", "url", SHOW_VALUE, NULL},
	};
	return show_url_log(cli, arguments, "log.blocked", columns, SK_COUNT(columns));
}

int log_access(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {"TIME (UTC)", "time", SHOW_TIME, "-"},
	        {"ACTION", "action", SHOW_VALUE, NULL},
	        {"SOURCE", "source", SHOW_VALUE, NULL},
	        {">SCORE", "score", SHOW_VALUE, NULL},
	        {"CATEGORIES", "categories", SHOW_VALUE, NULL},
	        {"CLIENT", "client_address", SHOW_VALUE, NULL},
	        {"COMPUTER", "computer", SHOW_VALUE, NULL},
	        {"URL", "url", SHOW_VALUE, NULL},
	};
	return show_url_log(cli, arguments, "log.access", columns, SK_COUNT(columns));
}

int log_service(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {"TIME (UTC)", "time", SHOW_TIME, "-"},
	        {"SERVICE", "service", SHOW_VALUE, NULL},
	        {"RESULT", "result", SHOW_VALUE, NULL},
	        {"DESCRIPTION", "description", SHOW_VALUE, NULL},
	};
	json_object *params = log_params(cli, arguments);
	if (params == NULL) {
		return CLI_USAGE;
	}
	cli_param_text(params, "service", arguments_value(arguments, "service"));
	cli_param_text(params, "result", arguments_value(arguments, "result"));
	return cli_list(cli, arguments, "log.service", params, columns, SK_COUNT(columns));
}
