#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/verdict/verdict.h"
#include "pattern/command.h"

/* lookup: the verdict of the query server, from one pattern alone. */

enum lookup_what { LOOKUP_URL, LOOKUP_DOMAIN, LOOKUP_IP, LOOKUP_FILE };

struct lookup {
	const struct command_pattern *pattern;
	enum lookup_what what;
	bool json;
	struct snapshot snapshot;
	struct verdict_scratch *scratch;
	struct url_query query;
	struct verdict_explanation explanation;
	char space[URL_TEXT_MAX];
};

static void print_error(
        const struct lookup *lookup, const char *text, size_t length, int code, const char *reason)
{
	if (lookup->json) {
		fputs("{\"query\":", stdout);
		command_print_string(stdout, text, length);
		printf(",\"error\":{\"code\":\"%s\",\"text\":", sk_error_name(code));
		command_print_text(stdout, reason);
		fputs("}}\n", stdout);
	} else {
		fwrite(text, 1, length, stdout);
		printf("\terror\t%s\n", reason);
	}
}

static const struct verdict_match *winner_of(const struct verdict_explanation *explanation)
{
	for (size_t i = 0; i < explanation->count; i++) {
		if (explanation->matches[i].winner) {
			return &explanation->matches[i];
		}
	}
	return NULL;
}

static void print_web(const struct lookup *lookup, const char *text, size_t length,
        const struct url_verdict *verdict)
{
	const struct verdict_match *match = winner_of(&lookup->explanation);
	const struct pattern_info *info = lookup->pattern->info;
	if (!lookup->json) {
		fwrite(text, 1, length, stdout);
		printf("\t%s\t%u\t%s", match != NULL ? "listed" : "unlisted", verdict->score,
		        rating_name(rating_of_score(verdict->score)));
		if (match != NULL) {
			printf("\t%.*s\t", (int)match->text_length, match->text);
			command_print_source_names(stdout, info, match->origins);
		}
		putchar('\n');
		return;
	}
	struct web_value value = {.categories = verdict->categories,
	        .score = verdict->score,
	        .cnc_level = verdict->cnc_level,
	        .cnc_source = verdict->cnc_source};
	fputs("{\"query\":", stdout);
	command_print_string(stdout, text, length);
	fputs(",\"url\":", stdout);
	command_print_string(stdout, lookup->query.url.text, lookup->query.url.length);
	printf(",\"listed\":%s,", match != NULL ? "true" : "false");
	command_print_web_value(stdout, &value);
	if (match != NULL) {
		fputs(",\"entry\":", stdout);
		command_print_string(stdout, match->text, match->text_length);
		fputs(",\"sources\":", stdout);
		command_print_sources(stdout, info, match->origins);
	}
	fputs("}\n", stdout);
}

static void lookup_web(struct lookup *lookup, const char *text, size_t length)
{
	static const struct verdict_client nobody;
	struct url_verdict verdict;
	const char *reason = "";
	struct url *url = &lookup->query.url;
	int status;
	if (lookup->what == LOOKUP_URL) {
		status = url_canonicalize(
		        text, length, lookup->space, sizeof(lookup->space), url, &reason);
	} else {
		status = url_from_host(
		        text, length, lookup->space, sizeof(lookup->space), url, &reason);
		if (status == 0 && lookup->what == LOOKUP_IP &&
		        url->address.family == ADDRESS_NONE) {
			status = SK_E_SYNTAX;
			reason = "no address";
		}
	}
	if (status != 0) {
		print_error(lookup, text, length, status, reason);
		return;
	}
	verdict_prepare_url(&lookup->snapshot, &lookup->query);
	verdict_explain_url(&lookup->snapshot, lookup->scratch, &lookup->query, &nobody, 0,
	        &verdict, &lookup->explanation);
	print_web(lookup, text, length, &verdict);
}

static void lookup_file(struct lookup *lookup, const char *text, size_t length)
{
	struct digest digest;
	struct file_value value = {.name = ""};
	int status = digest_parse(text, length, &digest);
	if (status != 0) {
		print_error(lookup, text, length, status, "no md5, sha1 or sha256");
		return;
	}
	bool listed = file_pattern_find(lookup->pattern->files, &digest, &value);
	const char *verdict = !listed ? "unknown" : value.malicious ? "malicious" : "known_good";
	const char *kind = threat_kind_name((enum threat_kind)value.kind);
	if (!lookup->json) {
		fwrite(text, 1, length, stdout);
		printf("\t%s", verdict);
		if (listed) {
			printf("\t%s\t%s\t", value.malicious ? kind : "", value.name);
			command_print_source_names(stdout, lookup->pattern->info, value.origins);
		}
		putchar('\n');
		return;
	}
	fputs("{\"query\":", stdout);
	command_print_string(stdout, text, length);
	printf(",\"listed\":%s,\"verdict\":\"%s\"", listed ? "true" : "false", verdict);
	if (listed && value.malicious) {
		printf(",\"kind\":\"%s\",\"name\":", kind);
		command_print_text(stdout, value.name);
	}
	if (listed) {
		fputs(",\"sources\":", stdout);
		command_print_sources(stdout, lookup->pattern->info, value.origins);
	}
	fputs("}\n", stdout);
}

static void lookup_one(struct lookup *lookup, const char *text, size_t length)
{
	if (lookup->what == LOOKUP_FILE) {
		lookup_file(lookup, text, length);
	} else {
		lookup_web(lookup, text, length);
	}
}

/* A question per line of standard input. */
static int lookup_lines(struct lookup *lookup)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	while ((length = getline(&line, &size, stdin)) >= 0) {
		while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
			length--;
		}
		if (length > 0) {
			lookup_one(lookup, line, (size_t)length);
		}
	}
	bool failed = ferror(stdin) != 0;
	free(line);
	return failed ? command_fail(COMMAND_FAILED, "cannot read standard input") : COMMAND_DONE;
}

static int lookup_all(struct lookup *lookup, int count, char **arguments)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(arguments[i], "-") == 0) {
			int status = lookup_lines(lookup);
			if (status != COMMAND_DONE) {
				return status;
			}
		} else {
			lookup_one(lookup, arguments[i], strlen(arguments[i]));
		}
	}
	return COMMAND_DONE;
}

static bool lookup_what_of(const char *name, enum lookup_what *ret_what)
{
	static const char *const names[] = {"url", "domain", "ip", "file"};
	for (unsigned i = 0; i < SK_COUNT(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_what = (enum lookup_what)i;
			return true;
		}
	}
	return false;
}

static int lookup_run(struct lookup *lookup, int count, char **arguments)
{
	lookup->snapshot.web = lookup->pattern->web;
	lookup->snapshot.files = lookup->pattern->files;
	lookup->snapshot.block_below = BLOCK_BELOW_DEFAULT;
	lookup->snapshot.log_score_max = SCORE_LOGGED_MAX;
	if (verdict_scratch_new(&lookup->scratch) != 0) {
		return command_fail(COMMAND_FAILED, "no memory");
	}
	int status = verdict_scratch_fit(lookup->scratch, &lookup->snapshot) != 0
	                     ? command_fail(COMMAND_FAILED, "no memory")
	                     : lookup_all(lookup, count, arguments);
	verdict_scratch_free(lookup->scratch);
	return status;
}

int command_lookup(const struct command_options *options, int count, char **arguments)
{
	struct command_pattern pattern;
	enum lookup_what what;
	if (count < 3 || !lookup_what_of(arguments[1], &what)) {
		return command_fail(COMMAND_USAGE, "lookup needs a file, one of url, domain, ip "
		                                   "and file, and what to look up");
	}
	int status = command_open(arguments[0], &pattern);
	if (status != COMMAND_DONE) {
		return status;
	}
	struct lookup *lookup = NULL;
	if ((what == LOOKUP_FILE) != (pattern.files != NULL)) {
		status =
		        command_fail(COMMAND_USAGE, "%s is not the pattern for that", arguments[0]);
	} else if ((lookup = mem_new(1, sizeof(*lookup))) == NULL) {
		status = command_fail(COMMAND_FAILED, "no memory");
	} else {
		lookup->pattern = &pattern;
		lookup->what = what;
		lookup->json = options->json;
		status = lookup_run(lookup, count - 2, arguments + 2);
	}
	mem_free(lookup);
	command_close(&pattern);
	return command_finish(status);
}
