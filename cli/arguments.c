#include "cli/arguments.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"

const struct cli_option arguments_common[] = {
        {"state", "DIR", "the server that keeps its data there (default: as ./run)"},
        {"json", NULL, "answers as JSON, one object per line"},
        {"help", NULL, "what the command does and takes"},
};
const size_t arguments_common_count = SK_COUNT(arguments_common);

static const struct cli_option *find_in(
        const struct cli_option *options, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(options[i].name) == length &&
		        memcmp(options[i].name, name, length) == 0) {
			return &options[i];
		}
	}
	return NULL;
}

/* Takes the option at argv[*at] and its value, and moves `at` to the last text of it. */
static int take_option(struct arguments *arguments, int argc, char *const *argv, int *at,
        const struct cli_option *options, size_t option_count, struct error *error)
{
	const char *name = argv[*at] + 2;
	size_t length = strcspn(name, "=");
	struct given_option given = {find_in(options, option_count, name, length), ""};
	if (given.option == NULL) {
		given.option = find_in(arguments_common, arguments_common_count, name, length);
	}
	if (given.option == NULL) {
		return error_set(
		        error, SK_E_SYNTAX, "there is no option --%.*s here", (int)length, name);
	}
	if (name[length] == '=') {
		given.value = name + length + 1;
		if (given.option->value == NULL) {
			return error_set(
			        error, SK_E_SYNTAX, "--%s takes no value", given.option->name);
		}
	} else if (given.option->value != NULL) {
		if (*at + 1 >= argc) {
			return error_set(error, SK_E_SYNTAX, "--%s needs a value: --%s %s",
			        given.option->name, given.option->name, given.option->value);
		}
		given.value = argv[++*at];
	}
	arguments->options[arguments->option_count++] = given;
	return 0;
}

int arguments_parse(int argc, char *const *argv, const struct cli_option *options,
        size_t option_count, struct arguments *ret_arguments, struct error *error)
{
	struct arguments arguments = {0};
	bool only_words = false;
	int rc = 0;
	if (argc > ARGUMENTS_MAX) {
		return error_set(error, SK_E_LIMIT, "more than %d arguments", ARGUMENTS_MAX);
	}
	arguments.words = mem_new((size_t)argc + 1, sizeof(*arguments.words));
	arguments.options = mem_new((size_t)argc + 1, sizeof(*arguments.options));
	if (arguments.words == NULL || arguments.options == NULL) {
		rc = error_set(error, -ENOMEM, "memory is short");
	}
	for (int i = 0; i < argc && rc == 0; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && strcmp(argv[i], "-h") == 0) {
			arguments.options[arguments.option_count++].option =
			        find_in(arguments_common, arguments_common_count, "help", 4);
		} else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
			rc = take_option(&arguments, argc, argv, &i, options, option_count, error);
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			rc = error_set(error, SK_E_SYNTAX,
			        "there is no option %s (a word that begins with '-' goes behind "
			        "--)",
			        argv[i]);
		} else {
			arguments.words[arguments.word_count++] = argv[i];
		}
	}
	if (rc != 0) {
		arguments_release(&arguments);
		return rc;
	}
	*ret_arguments = arguments;
	return 0;
}

void arguments_release(struct arguments *arguments)
{
	mem_free(arguments->words);
	mem_free(arguments->options);
	*arguments = (struct arguments){0};
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
	for (size_t i = arguments->option_count; i > 0; i--) {
		if (strcmp(arguments->options[i - 1].option->name, name) == 0) {
			return arguments->options[i - 1].value;
		}
	}
	return NULL;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
	return arguments_value(arguments, name) != NULL;
}
