#include "cli/commands.h"

/* Everything that can be typed. Help and docs/cli.md's list come from this table. */

/* --- options ------------------------------------------------------------------------------- */

#define OPTION_LIMIT                                                                               \
	{                                                                                          \
		"limit", "N", "at most this many (default 100)"                                    \
	}
#define OPTION_EXPIRES                                                                             \
	{                                                                                          \
		"expires", "WHEN", "never, 7d, 12h, 2026-12-31 (its last day) or a time in UTC"    \
	}
#define OPTIONS_LOG                                                                                \
	{"from", "WHEN", "not older: 2026-11-23, 2026-11-23T18:00:00Z or 7d (ago)"},               \
	        {"to", "WHEN", "not newer"}, OPTION_LIMIT

static const struct cli_option lookup_options[] = {
        {"explain", NULL, "what was tried and all that applied, the winner marked"},
        {"client-address", "ADDRESS", "as if this client asked (rules with a target)"},
        {"client-computer", "NAME", "the same by computer name"},
        {"client-domain", "NAME", "the same by domain"},
};

static const struct cli_option rule_list_options[] = {
        {"list", "LIST", "approved or blocked only"},
        {"search", "TEXT", "with this text in pattern, target or comment"},
        {"enabled", NULL, "only those that are switched on"},
        {"disabled", NULL, "only those that are switched off"},
        OPTION_LIMIT,
};

static const struct cli_option rule_add_options[] = {
        {"site", NULL, "the URL with all sub-sites (this is the default)"},
        {"page", NULL, "this page only"},
        {"keyword", NULL, "PATTERN is a regular expression over the whole URL"},
        {"target", "WHOM",
                "10.0.0.0/8, 192.0.2.1-192.0.2.9, domain:NAME, computer:NAME; "
                "repeatable (default: all clients)"},
        {"comment", "TEXT", "a remark"},
        OPTION_EXPIRES,
        {"disable", NULL, "store it switched off"},
};

static const struct cli_option rule_edit_options[] = {
        {"list", "LIST", "move it to the approved or the blocked"},
        {"pattern", "PATTERN", "another URL or expression"},
        {"site", NULL, "the URL with all sub-sites"},
        {"page", NULL, "this page only"},
        {"keyword", NULL, "a regular expression"},
        {"target", "WHOM", "as of add; \"all\" for all clients"},
        {"comment", "TEXT", "a remark"},
        OPTION_EXPIRES,
        {"enable", NULL, "switch it on"},
        {"disable", NULL, "switch it off"},
};

static const struct cli_option rule_import_options[] = {
        {"replace", NULL, "instead of the rules that are there"},
};

static const struct cli_option object_list_options[] = {
        {"list", "LIST", "user or analyzer only"},
        {"kind", "KIND", "ip, domain, url, sha1 or sha256 only"},
        {"search", "TEXT", "with this text in value or comment"},
        OPTION_LIMIT,
};

static const struct cli_option object_add_options[] = {
        {"list", "LIST", "user (default) or analyzer"},
        {"action", "ACTION", "block (default) or log"},
        {"cnc-level", "N", "command and control: 0 none, 1 low, 2 medium, 3 high"},
        {"comment", "TEXT", "a remark"},
        OPTION_EXPIRES,
};

static const struct cli_option pattern_build_options[] = {
        {"activate", NULL, "and put the result in use"},
        {"version", "TEXT", "instead of the description's or the date's"},
};

static const struct cli_option pattern_import_options[] = {
        {"activate", NULL, "and put it in use"},
};

static const struct cli_option pattern_list_options[] = {
        {"kind", "KIND", "web or files only"},
        OPTION_LIMIT,
};

static const struct cli_option log_url_options[] = {
        OPTIONS_LOG,
        {"keyword", "TEXT", "with this text in the URL"},
        {"source", "SOURCE", "decided by this: user_blocked, pattern …; repeatable"},
};

static const struct cli_option log_service_options[] = {
        OPTIONS_LOG,
        {"service", "NAME", "web or files only"},
        {"result", "RESULT", "success or failure only"},
};

#define OPTIONS(table) table, SK_COUNT(table)
#define NO_OPTIONS NULL, 0

/* --- commands ------------------------------------------------------------------------------ */

const struct cli_command commands[] = {
        {"status", "", 0, 0, "what runs, which patterns are active, what is wrong", NULL,
                NO_OPTIONS, status_show},
        {"check", "", 0, 0, "asks both services a real question now",
                "Exit status 1 when one of them fails.", NO_OPTIONS, service_check},
        {"lookup url", "URL…", 1, ARGUMENTS_MAX, "what the server says of URLs",
                "It is neither counted nor logged. \"-\" reads one a line from standard input.",
                OPTIONS(lookup_options), lookup_url},
        {"lookup domain", "NAME…", 1, ARGUMENTS_MAX, "the same of host names", NULL,
                OPTIONS(lookup_options), lookup_domain},
        {"lookup ip", "ADDRESS…", 1, ARGUMENTS_MAX, "the same of IPv4 and IPv6 addresses", NULL,
                OPTIONS(lookup_options), lookup_ip},
        {"lookup file", "DIGEST…", 1, ARGUMENTS_MAX, "the same of files, by digest",
                "MD5, SHA-1 or SHA-256 in hexadecimal digits.", lookup_options, 1, lookup_file},
        {"rule list", "", 0, 0, "the user-defined URLs", NULL, OPTIONS(rule_list_options),
                rule_list},
        {"rule show", "ID", 1, 1, "all that is known of one", NULL, NO_OPTIONS, rule_show},
        {"rule add", "approve|block PATTERN", 2, 2, "adds one",
                "PATTERN is a URL with or without scheme, or with --keyword an expression.",
                OPTIONS(rule_add_options), rule_add},
        {"rule edit", "ID", 1, 1, "changes what is named of one", NULL, OPTIONS(rule_edit_options),
                rule_edit},
        {"rule remove", "ID…", 1, 1000, "removes some", NULL, NO_OPTIONS, rule_remove},
        {"rule import", "FILE.csv", 1, 1, "adds those of a CSV file",
                "The columns: docs/rules-csv.md. Lines that cannot be read are refused and "
                "named, the others are added all at once. \"-\" reads standard input.",
                OPTIONS(rule_import_options), rule_import},
        {"rule undo", "BATCH", 1, 1, "takes an import back", NULL, NO_OPTIONS, rule_undo},
        {"rule export", "FILE.csv", 1, 1, "writes them as CSV", "\"-\" is standard output.",
                NO_OPTIONS, rule_export},
        {"object list", "", 0, 0, "the suspicious objects", NULL, OPTIONS(object_list_options),
                object_list},
        {"object add", "KIND VALUE", 2, 2, "adds one",
                "KIND: ip (or prefix), domain (with sub-domains), url (may have *), sha1, "
                "sha256.",
                OPTIONS(object_add_options), object_add},
        {"object remove", "ID…", 1, 1000, "removes some", NULL, NO_OPTIONS, object_remove},
        {"pattern build", "DESCRIPTION.json", 1, 1, "compiles feeds into patterns",
                "The files that the description names are opened here, with your rights. What "
                "is active stays active until --activate or pattern activate.",
                OPTIONS(pattern_build_options), pattern_build},
        {"pattern import", "FILE", 1, 1, "takes over a pattern that was built elsewhere", NULL,
                OPTIONS(pattern_import_options), pattern_import},
        {"pattern list", "", 0, 0, "the generations that are there; * is active", NULL,
                OPTIONS(pattern_list_options), pattern_list},
        {"pattern activate", "GENERATION", 1, 1, "puts one in use, after checks", NULL, NO_OPTIONS,
                pattern_activate},
        {"pattern rollback", "web|files", 1, 1, "goes back to the one before", NULL, NO_OPTIONS,
                pattern_rollback},
        {"settings get", "[NAME…]", 0, 64, "settings, all or those named", NULL, NO_OPTIONS,
                settings_get},
        {"settings set", "NAME=VALUE…", 1, 64, "changes settings, all or none",
                "yes and no for switches; lists separated by commas.", NO_OPTIONS, settings_set},
        {"log blocked", "", 0, 0, "URLs that were bad, newest first", NULL,
                OPTIONS(log_url_options), log_blocked},
        {"log access", "", 0, 0, "all URLs that were asked (setting log.access)", NULL,
                OPTIONS(log_url_options), log_access},
        {"log service", "", 0, 0, "the self-checks of both services", NULL,
                OPTIONS(log_service_options), log_service},
        {"job show", "JOB", 1, 1, "how far a longer piece of work is", NULL, NO_OPTIONS, job_show},
        {"job cancel", "JOB", 1, 1, "ends it", NULL, NO_OPTIONS, job_cancel},
        {"clock confirm", "", 0, 0, "believe the clock after it has jumped",
                "After a jump of more than 10 minutes nothing expires until this.", NO_OPTIONS,
                clock_confirm},
};
const size_t commands_count = SK_COUNT(commands);

/* --- finding and helping ------------------------------------------------------------------- */

/* How many of `words` the command's own words are, when they are the first; 0 otherwise. */
static size_t match(const struct cli_command *command, const char *const *words, size_t count)
{
	const char *at = command->words;
	size_t used = 0;
	while (*at != '\0') {
		size_t length = strcspn(at, " ");
		if (used >= count || strlen(words[used]) != length ||
		        memcmp(words[used], at, length) != 0) {
			return 0;
		}
		used++;
		at += length + (at[length] == ' ' ? 1 : 0);
	}
	return used;
}

const struct cli_command *commands_find(const char *const *words, size_t count, size_t *ret_used)
{
	for (size_t i = 0; i < commands_count; i++) {
		size_t used = match(&commands[i], words, count);
		if (used > 0) {
			*ret_used = used;
			return &commands[i];
		}
	}
	return NULL;
}

/* Two columns; the first may hold characters of several bytes. */
static void print_pair(const char *left, const char *right, size_t width)
{
	size_t have = show_width(left, strlen(left));
	printf("  %s%*s %s\n", left, have < width ? (int)(width - have) : 0, "", right);
}

static void print_options(const struct cli_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[64];
		snprintf(text, sizeof(text), "--%s%s%s", options[i].name,
		        options[i].value != NULL ? " " : "",
		        options[i].value != NULL ? options[i].value : "");
		print_pair(text, options[i].help, 26);
	}
}

void commands_print_all(const char *group)
{
	size_t length = group != NULL ? strlen(group) : 0;
	puts("sekisho COMMAND … [OPTION…]: asks and manages a Sekisho server on this machine.\n");
	for (size_t i = 0; i < commands_count; i++) {
		const struct cli_command *command = &commands[i];
		char text[64];
		if (group != NULL && (strncmp(command->words, group, length) != 0 ||
		                             command->words[length] != ' ')) {
			continue;
		}
		snprintf(text, sizeof(text), "%s %s", command->words, command->arguments);
		print_pair(text, command->summary, 32);
	}
	puts("\nEvery command takes:");
	print_options(arguments_common, arguments_common_count);
	puts("\nMore of one: sekisho COMMAND --help\n"
	     "Exit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no server "
	     "answers.");
}

void commands_print_one(const struct cli_command *command)
{
	printf("sekisho %s%s%s%s: %s\n", command->words, command->arguments[0] != '\0' ? " " : "",
	        command->arguments, command->option_count > 0 ? " [OPTION…]" : "",
	        command->summary);
	if (command->details != NULL) {
		puts(command->details);
	}
	putchar('\n');
	print_options(command->options, command->option_count);
	print_options(arguments_common, arguments_common_count);
}
