#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "pattern/command.h"
#include "pattern/feed.h"

static const struct command {
	const char *name;
	const char *arguments;
	const char *title;
	command_fn *run;
} commands[] = {
        {"build", "DESCRIPTION --out DIR [--key HEXFILE] [--version V] [--json]",
                "compile lists into patterns", command_build},
        {"inspect", "FILE [--json]", "what a pattern says of itself", command_inspect},
        {"verify", "FILE [--json]", "whether a pattern is undamaged", command_verify},
        {"lookup", "FILE url|domain|ip|file WHAT… [--json]",
                "what a pattern answers; WHAT may be - for lines of standard input",
                command_lookup},
        {"dump", "FILE [--json]", "every entry", command_dump},
        {"diff", "FILE FILE [--json]", "entries in which two patterns differ", command_diff},
};

static void print_help(void)
{
	puts("Usage: sekisho-pattern COMMAND …\n\n"
	     "Compiles threat feeds into the patterns of Sekisho, and looks into patterns.\n");
	for (size_t i = 0; i < SK_COUNT(commands); i++) {
		printf("  %s %s\n      %s\n", commands[i].name, commands[i].arguments,
		        commands[i].title);
	}
	puts("\nFormats of lists (docs/feed-formats.md):");
	for (size_t i = 0; feed_format_at(i) != NULL; i++) {
		printf("  %-16s %s\n", feed_format_name(feed_format_at(i)),
		        feed_format_title(feed_format_at(i)));
	}
	puts("\nExit status: 0 done; 1 it failed; 2 wrong usage; 3 the description is wrong;\n"
	     "4 a pattern is damaged or of another kind; 5 diff: the patterns differ;\n"
	     "6 the safety check did not end, or a built file is not good.");
}

static int parse_options(int argc, char **argv, struct command_options *ret_options)
{
	static const struct option names[] = {
	        {"json", no_argument, NULL, 'j'},
	        {"out", required_argument, NULL, 'o'},
	        {"key", required_argument, NULL, 'k'},
	        {"version", required_argument, NULL, 'v'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	int option;
	*ret_options = (struct command_options){0};
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case 'j':
			ret_options->json = true;
			break;
		case 'o':
			ret_options->out = optarg;
			break;
		case 'k':
			ret_options->key = optarg;
			break;
		case 'v':
			ret_options->version = optarg;
			break;
		case 'h':
			print_help();
			return COMMAND_DONE;
		default:
			return COMMAND_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct command_options options;
	int status = parse_options(argc, argv, &options);
	if (status >= 0) {
		return status;
	}
	if (optind == argc) {
		print_help();
		return COMMAND_USAGE;
	}
	const char *name = argv[optind++];
	for (size_t i = 0; i < SK_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return commands[i].run(&options, argc - optind, argv + optind);
		}
	}
	return command_fail(COMMAND_USAGE, "there is no command %s; see --help", name);
}
