#include <locale.h>
#include <signal.h>
#include <unistd.h>

#include "cli/commands.h"

/* `sekisho`: the command line of the server. It keeps nothing and decides nothing. */

#define STATE_OF_ROOT "/var/lib/sekisho"
#define STATE_OF_USER "./var"
#define COMMAND_WORDS_MAX 2

/* The first words of argv, options of all commands skipped. */
static size_t first_words(int argc, char *const *argv, const char **ret_words)
{
	size_t count = 0;
	for (int i = 0; i < argc && count < COMMAND_WORDS_MAX; i++) {
		if (strcmp(argv[i], "--") == 0) {
			break;
		}
		if (strcmp(argv[i], "--state") == 0) {
			i++;
		} else if (argv[i][0] != '-') {
			ret_words[count++] = argv[i];
		}
	}
	return count;
}

/* No command of that name: help when it was asked for or nothing was said. */
static int without_command(
        const struct cli *cli, int argc, char *const *argv, const char *const *words, size_t count)
{
	bool help = argc == 0;
	for (int i = 0; i < argc; i++) {
		help = help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
	}
	bool is_group = false;
	for (size_t i = 0; i < commands_count && count > 0; i++) {
		size_t length = strlen(words[0]);
		is_group = is_group || (strncmp(commands[i].words, words[0], length) == 0 &&
		                               commands[i].words[length] == ' ');
	}
	if (help || (count == 1 && strcmp(words[0], "help") == 0)) {
		commands_print_all(is_group ? words[0] : NULL);
		return argc == 0 ? CLI_USAGE : CLI_DONE;
	}
	if (count == 0) {
		return cli_usage(cli, "a command is missing");
	}
	if (is_group) {
		return count == 1 ? cli_usage(cli, "%s alone is no command", words[0])
		                  : cli_usage(cli, "there is no command %s %s", words[0], words[1]);
	}
	return cli_usage(cli, "there is no command %s", words[0]);
}

static int run(struct cli *cli, const struct cli_command *command, size_t used,
        struct arguments *arguments)
{
	const char *state = arguments_value(arguments, "state");
	size_t count = arguments->word_count - used;
	if (arguments_has(arguments, "help")) {
		commands_print_one(command);
		return CLI_DONE;
	}
	if (state != NULL) {
		cli->state = state;
	}
	cli->json = arguments_has(arguments, "json");
	if (count < command->words_min || count > command->words_max) {
		return cli_usage(cli, "%s takes %s", command->words,
		        command->arguments[0] != '\0' ? command->arguments : "no further words");
	}
	for (size_t i = 0; i < count; i++) {
		arguments->words[i] = arguments->words[used + i];
	}
	arguments->word_count = count;
	return command->run(cli, arguments);
}

int main(int argc, char **argv)
{
	struct cli cli = {.state = geteuid() == 0 ? STATE_OF_ROOT : STATE_OF_USER, .help = ""};
	struct arguments arguments;
	struct error error = {0};
	const char *words[COMMAND_WORDS_MAX] = {NULL, NULL};
	size_t used = 0;
	int status;

	setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters only */
	signal(SIGPIPE, SIG_IGN);
	size_t count = first_words(argc - 1, argv + 1, words);
	const struct cli_command *command = commands_find(words, count, &used);
	if (command == NULL) {
		return without_command(&cli, argc - 1, argv + 1, words, count);
	}
	cli.help = command->words;
	if (arguments_parse(argc - 1, argv + 1, command->options, command->option_count, &arguments,
	            &error) != 0) {
		return cli_usage(&cli, "%s", error.text);
	}
	status = run(&cli, command, used, &arguments);
	arguments_release(&arguments);
	cli_release(&cli);
	if (fflush(stdout) != 0 && status == CLI_DONE) {
		fputs("sekisho: the answer could not be written\n", stderr);
		status = CLI_FAILED;
	}
	return status;
}
