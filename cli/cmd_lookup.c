#include <inttypes.h>

#include "cli/commands.h"
#include "lib/base/limits.h"

/* `sekisho lookup …`: the decision as the query server makes it, without being counted or logged.
 */

#define ANSWER_TEXT_MAX (4 * 1024 * 1024)

/* "client": {…} from the --client-… options, or nothing. */
static void add_client(json_object *params, const struct arguments *arguments)
{
	static const char *const options[][2] = {{"client-address", "address"},
	        {"client-computer", "computer"}, {"client-domain", "domain"}};
	json_object *client = NULL;
	for (size_t i = 0; i < SK_COUNT(options); i++) {
		const char *value = arguments_value(arguments, options[i][0]);
		if (value != NULL && client == NULL) {
			client = json_object_new_object();
		}
		if (value != NULL) {
			cli_param_text(client, options[i][1], value);
		}
	}
	if (client != NULL) {
		json_object_object_add(params, "client", client);
	}
}

static void add_cnc(struct buf *text, json_object *answer)
{
	static const char *const levels[] = {"none", "low", "medium", "high"};
	json_object *cnc = NULL, *level = NULL;
	json_object_object_get_ex(answer, "cnc", &cnc);
	json_object_object_get_ex(cnc, "level", &level);
	int64_t number = json_object_get_int64(level);
	if (number > 0 && number < (int64_t)SK_COUNT(levels)) {
		buf_add_format(text, "\n  C&C          %s, by ", levels[number]);
		show_member(text, cnc, "source");
	}
}

static void add_explanation(struct buf *text, json_object *answer)
{
	json_object *expressions = NULL, *matches = NULL;
	if (json_object_object_get_ex(answer, "expressions", &expressions)) {
		for (size_t i = 0; i < json_object_array_length(expressions); i++) {
			buf_add_text(text, i == 0 ? "\n  tried        " : "\n               ");
			show_value(text, json_object_array_get_idx(expressions, i));
		}
	}
	if (!json_object_object_get_ex(answer, "matches", &matches)) {
		return;
	}
	if (json_object_array_length(matches) == 0) {
		buf_add_literal(text, "\n  applied      nothing");
	}
	for (size_t i = 0; i < json_object_array_length(matches); i++) {
		json_object *match = json_object_array_get_idx(matches, i), *winner = NULL;
		json_object_object_get_ex(match, "winner", &winner);
		buf_add_text(text, i == 0 ? "\n  applied    " : "\n             ");
		buf_add_text(text, json_object_get_boolean(winner) ? "* " : "  ");
		show_member(text, match, "source");
		buf_add_literal(text, " ");
		show_member(text, match, "id");
		buf_add_literal(text, "  ");
		show_member(text, match, "text");
		buf_add_literal(text, "  score ");
		show_member(text, match, "score");
		buf_add_literal(text, "  from ");
		show_member(text, match, "origins");
	}
}

static void add_line(struct buf *text, json_object *answer, const char *title, const char *name)
{
	json_object *value = NULL;
	if (json_object_object_get_ex(answer, name, &value) && value != NULL) {
		buf_add_format(text, "\n  %-11s  ", title);
		show_value(text, value);
	}
}

static void print_answer(json_object *answer, const char *name)
{
	struct buf text;
	buf_init(&text, ANSWER_TEXT_MAX);
	show_member(&text, answer, name);
	add_line(&text, answer, "action", "action");
	add_line(&text, answer, "verdict", "verdict");
	add_line(&text, answer, "score", "score");
	add_line(&text, answer, "rating", "rating");
	add_line(&text, answer, "categories", "categories");
	add_line(&text, answer, "name", strcmp(name, "name") == 0 ? "" : "name");
	add_line(&text, answer, "kind", "kind");
	add_cnc(&text, answer);
	add_line(&text, answer, "decided by", "source");
	add_line(&text, answer, "pattern", "pattern");
	add_line(&text, answer, "valid for s", "ttl");
	add_explanation(&text, answer);
	fwrite(text.data, 1, text.length, stdout);
	putchar('\n');
	buf_release(&text);
}

static int look_up_one(struct cli *cli, const struct arguments *arguments, const char *verb,
        const char *name, const char *value)
{
	json_object *params = json_object_new_object(), *answer = NULL;
	cli_param_text(params, name, value);
	if (arguments_has(arguments, "explain")) {
		json_object_object_add(params, "explain", json_object_new_boolean(1));
	}
	add_client(params, arguments);
	int status = cli_call(cli, verb, params, &answer);
	if (status != CLI_DONE) {
		return status;
	}
	if (cli->json) {
		cli_print_json(answer);
	} else {
		print_answer(answer, name);
	}
	json_object_put(answer);
	return CLI_DONE;
}

/* Every line of standard input. */
static int look_up_input(
        struct cli *cli, const struct arguments *arguments, const char *verb, const char *name)
{
	char line[LIMIT_URL + 2];
	int worst = CLI_DONE;
	while (fgets(line, sizeof(line), stdin) != NULL && worst != CLI_NO_SERVER) {
		size_t length = strcspn(line, "\r\n");
		if (line[length] == '\0' && length + 1 == sizeof(line)) {
			return cli_fail(cli, CLI_FAILED, "limit", "A line is longer than %d bytes.",
			        LIMIT_URL);
		}
		line[length] = '\0';
		if (length > 0) {
			int status = look_up_one(cli, arguments, verb, name, line);
			worst = status > worst ? status : worst;
		}
	}
	return worst;
}

/* All words; the worst status is the whole's. */
static int look_up(
        struct cli *cli, const struct arguments *arguments, const char *verb, const char *name)
{
	int worst = CLI_DONE;
	for (size_t i = 0; i < arguments->word_count && worst != CLI_NO_SERVER; i++) {
		const char *word = arguments->words[i];
		int status = strcmp(word, "-") == 0 ? look_up_input(cli, arguments, verb, name)
		                                    : look_up_one(cli, arguments, verb, name, word);
		worst = status > worst ? status : worst;
	}
	return worst;
}

int lookup_url(struct cli *cli, const struct arguments *arguments)
{
	return look_up(cli, arguments, "lookup.url", "url");
}

int lookup_domain(struct cli *cli, const struct arguments *arguments)
{
	return look_up(cli, arguments, "lookup.domain", "name");
}

int lookup_ip(struct cli *cli, const struct arguments *arguments)
{
	return look_up(cli, arguments, "lookup.ip", "address");
}

int lookup_file(struct cli *cli, const struct arguments *arguments)
{
	return look_up(cli, arguments, "lookup.file", "digest");
}
