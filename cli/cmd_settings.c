#include <inttypes.h>

#include <json-c/linkhash.h>

#include "cli/commands.h"
#include "lib/base/number.h"

/* `sekisho settings …`. What a value must look like is told by the type of its default. */

#define SETTING_TEXT_MAX (64 * 1024)

int settings_get(struct cli *cli, const struct arguments *arguments)
{
	static const struct show_column columns[] = {
	        {"NAME", NULL, SHOW_VALUE, NULL},
	        {"VALUE", NULL, SHOW_VALUE, NULL},
	        {"DEFAULT", NULL, SHOW_VALUE, NULL},
	};
	json_object *params = json_object_new_object(), *result = NULL, *settings = NULL;
	struct show_table table;
	if (arguments->word_count > 0) {
		json_object *names = json_object_new_array();
		for (size_t i = 0; i < arguments->word_count; i++) {
			json_object_array_add(names, json_object_new_string(arguments->words[i]));
		}
		json_object_object_add(params, "names", names);
	}
	int status = cli_call(cli, "settings.get", params, &result);
	if (status != CLI_DONE) {
		return status;
	}
	if (cli->json) {
		cli_print_json(result);
		json_object_put(result);
		return CLI_DONE;
	}
	show_table_init(&table, columns, SK_COUNT(columns));
	if (json_object_object_get_ex(result, "settings", &settings)) {
		json_object_object_foreach(settings, name, setting)
		{
			show_table_cell(&table, name, strlen(name));
			show_table_member(&table, setting, "value");
			show_table_member(&table, setting, "default");
		}
	}
	status = show_table_print(&table) == 0 ? CLI_DONE : CLI_FAILED;
	show_table_release(&table);
	json_object_put(result);
	return status;
}

static json_object *parse_bool(const char *text)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};
	for (size_t i = 0; i < SK_COUNT(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			return json_object_new_boolean(i % 2 == 1);
		}
	}
	return NULL;
}

/* "a, b" as an array of texts; "" as an empty one. */
static json_object *parse_list(const char *text)
{
	json_object *list = json_object_new_array();
	while (*text != '\0') {
		text += strspn(text, " ,");
		size_t length = strcspn(text, " ,");
		if (length > 0) {
			json_object_array_add(list, json_object_new_string_len(text, (int)length));
		}
		text += length;
	}
	return list;
}

/* The value that `text` means for a setting of this default; NULL when it is none. */
static json_object *parse_value(json_object *preset, const char *text)
{
	int64_t number;
	switch (json_object_get_type(preset)) {
	case json_type_boolean:
		return parse_bool(text);
	case json_type_int:
		if (number_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX, &number) != 0) {
			return NULL;
		}
		return json_object_new_int64(number);
	case json_type_array:
		return parse_list(text);
	default:
		return json_object_new_string(text);
	}
}

/* Asks for the defaults of the settings that are named in "NAME=VALUE" words. */
static int get_presets(struct cli *cli, const struct arguments *arguments, json_object **ret_result)
{
	json_object *params = json_object_new_object(), *names = json_object_new_array();
	for (size_t i = 0; i < arguments->word_count; i++) {
		const char *word = arguments->words[i];
		const char *sign = strchr(word, '=');
		if (sign == NULL || sign == word) {
			json_object_put(names);
			json_object_put(params);
			return cli_usage(cli, "%s is not of the form NAME=VALUE", word);
		}
		json_object_array_add(names, json_object_new_string_len(word, (int)(sign - word)));
	}
	json_object_object_add(params, "names", names);
	return cli_call(cli, "settings.get", params, ret_result);
}

static int add_values(const struct cli *cli, const struct arguments *arguments,
        json_object *settings, json_object *values)
{
	for (size_t i = 0; i < arguments->word_count; i++) {
		char name[128];
		const char *word = arguments->words[i];
		const char *text = strchr(word, '=') + 1;
		size_t length = (size_t)(text - word) - 1;
		json_object *setting = NULL, *preset = NULL;
		snprintf(name, sizeof(name), "%.*s", (int)length, word);
		json_object_object_get_ex(settings, name, &setting);
		json_object_object_get_ex(setting, "default", &preset);
		json_object *value = parse_value(preset, text);
		if (value == NULL) {
			return cli_usage(cli, "%s takes %s, not %s", name,
			        json_object_is_type(preset, json_type_boolean) ? "yes or no"
			                                                       : "a number",
			        text);
		}
		json_object_object_add(values, name, value);
	}
	return CLI_DONE;
}

int settings_set(struct cli *cli, const struct arguments *arguments)
{
	json_object *presets = NULL, *settings = NULL, *result = NULL;
	int status = get_presets(cli, arguments, &presets);
	if (status != CLI_DONE) {
		return status;
	}
	json_object *params = json_object_new_object(), *values = json_object_new_object();
	json_object_object_add(params, "values", values);
	json_object_object_get_ex(presets, "settings", &settings);
	status = add_values(cli, arguments, settings, values);
	json_object_put(presets);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	status = cli_call(cli, "settings.set", params, &result);
	if (status == CLI_DONE) {
		status = cli_print_change(cli, result, "Set.");
	}
	json_object_put(result);
	return status;
}
