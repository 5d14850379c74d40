#include <inttypes.h>

#include <json-c/linkhash.h>

#include "cli/commands.h"

/* `sekisho status`, `check`, `clock confirm` and `job …`. */

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;
	json_object_object_get_ex(object, name, &value);
	return value;
}

static void add_service(struct buf *text, const char *title, json_object *service)
{
	bool on = json_object_get_boolean(member(service, "on"));
	bool healthy = json_object_get_boolean(member(service, "healthy"));
	buf_add_format(text, "%-22s %s", title, on ? healthy ? "on, works" : "on, " : "off");
	if (on && !healthy) {
		buf_add_literal(text, "FAILS: ");
		show_member(text, service, "error");
	}
	if (member(service, "checked") != NULL) {
		buf_add_literal(text, "  (checked ");
		show_time(text, member(service, "checked"), "never");
		buf_add_char(text, ')');
	}
	buf_add_char(text, '\n');
}

static void add_pattern(struct buf *text, const char *title, json_object *pattern)
{
	buf_add_format(text, "%-22s ", title);
	if (pattern == NULL) {
		buf_add_literal(text, "none active\n");
		return;
	}
	show_member(text, pattern, "version");
	buf_add_literal(text, "  \"");
	show_member(text, pattern, "name");
	buf_add_literal(text, "\", ");
	show_member(text, pattern, "entries");
	buf_add_literal(text, " entries, active since ");
	show_time(text, member(pattern, "activated"), "-");
	buf_add_char(text, '\n');
}

static void add_machine(struct buf *text, json_object *status)
{
	json_object *queryd = member(status, "queryd"), *storage = member(status, "storage");
	json_object *clock = member(status, "clock");
	buf_add_format(text, "%-22s ", "Query server");
	buf_add_text(text, json_object_get_boolean(member(queryd, "connected"))
	                           ? "connected, "
	                           : "NOT CONNECTED, ");
	show_member(text, queryd, "workers");
	buf_add_literal(text, " workers, generation ");
	show_member(text, status, "generation");
	buf_add_format(text, "\n%-22s ", "Storage");
	show_size(text, member(storage, "free"));
	buf_add_literal(text, " free");
	if (member(storage, "error") != NULL) {
		buf_add_literal(text, ", FAILS: ");
		show_member(text, storage, "error");
	}
	buf_add_char(text, '\n');
	if (clock != NULL && !json_object_get_boolean(member(clock, "trusted"))) {
		buf_add_format(text, "%-22s ", "Clock");
		buf_add_literal(text, "has jumped: nothing expires until it is confirmed "
		                      "(sekisho clock confirm)\n");
	}
}

static void add_addresses(struct buf *text, json_object *addresses)
{
	json_object *urls = member(addresses, "urls");
	if (!json_object_is_type(urls, json_type_object)) {
		return;
	}
	json_object_object_foreach(urls, name, url)
	{
		buf_add_format(text, "%-22s ", name);
		show_value(text, url);
		buf_add_char(text, '\n');
	}
}

int status_show(struct cli *cli, const struct arguments *arguments)
{
	json_object *status = NULL;
	(void)arguments;
	int rc = cli_call(cli, "status.get", NULL, &status);
	if (rc != CLI_DONE) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(status);
		json_object_put(status);
		return CLI_DONE;
	}
	json_object *services = member(status, "services"), *patterns = member(status, "patterns");
	struct buf text;
	buf_init(&text, 256 * 1024);
	buf_add_format(&text, "%-22s ", "Sekisho");
	show_member(&text, status, "version");
	buf_add_literal(&text, ", started ");
	show_time(&text, member(status, "started"), "-");
	buf_add_literal(&text, " UTC\n");
	add_service(&text, "Web reputation", member(services, "web"));
	add_service(&text, "File reputation", member(services, "files"));
	add_pattern(&text, "Web Blocking Pattern", member(patterns, "web"));
	add_pattern(&text, "Smart Scan Pattern", member(patterns, "files"));
	buf_add_format(&text, "%-22s ", "User-defined rules");
	show_member(&text, member(status, "rules"), "count");
	buf_add_literal(&text, ", of them keywords ");
	show_member(&text, member(status, "rules"), "keywords");
	buf_add_format(&text, "\n%-22s ", "Suspicious objects");
	show_member(&text, member(status, "objects"), "count");
	buf_add_char(&text, '\n');
	add_machine(&text, status);
	add_addresses(&text, member(status, "addresses"));
	fwrite(text.data, 1, text.length, stdout);
	buf_release(&text);
	json_object_put(status);
	return CLI_DONE;
}

/* One service's result: a boolean, or an object with "healthy" (or "ok") and "error". */
static bool add_check(struct buf *text, const char *title, json_object *result)
{
	json_object *healthy = member(result, "healthy");
	bool good = json_object_is_type(result, json_type_boolean)
	                    ? json_object_get_boolean(result)
	                    : json_object_get_boolean(healthy);
	buf_add_format(text, "%-16s %s", title, good ? "works" : "FAILS");
	if (!good && member(result, "error") != NULL) {
		buf_add_literal(text, ": ");
		show_member(text, result, "error");
	}
	buf_add_char(text, '\n');
	return good;
}

int service_check(struct cli *cli, const struct arguments *arguments)
{
	json_object *result = NULL;
	(void)arguments;
	int status = cli_call(cli, "service.check", NULL, &result);
	if (status != CLI_DONE) {
		return status;
	}
	struct buf text;
	buf_init(&text, 64 * 1024);
	bool good = add_check(&text, "Web reputation", member(result, "web"));
	good = add_check(&text, "File reputation", member(result, "files")) && good;
	if (cli->json) {
		cli_print_json(result);
	} else {
		fwrite(text.data, 1, text.length, stdout);
	}
	buf_release(&text);
	json_object_put(result);
	return good ? CLI_DONE : CLI_FAILED;
}

int clock_confirm(struct cli *cli, const struct arguments *arguments)
{
	json_object *result = NULL;
	(void)arguments;
	int status = cli_call(cli, "clock.confirm", NULL, &result);
	if (status == CLI_DONE) {
		status = cli_print_change(cli, result, "The clock is believed.");
	}
	json_object_put(result);
	return status;
}

static int call_job(struct cli *cli, const struct arguments *arguments, const char *verb,
        json_object **ret_result)
{
	json_object *params = json_object_new_object();
	int status = cli_param_number(cli, params, "job", arguments->words[0], 1, INT64_MAX);
	if (status != CLI_DONE) {
		json_object_put(params);
		return status;
	}
	return cli_call(cli, verb, params, ret_result);
}

int job_show(struct cli *cli, const struct arguments *arguments)
{
	json_object *job = NULL;
	int status = call_job(cli, arguments, "job.get", &job);
	if (status != CLI_DONE) {
		return status;
	}
	if (cli->json) {
		cli_print_json(job);
	} else {
		struct buf text;
		buf_init(&text, 256 * 1024);
		show_member(&text, job, "state");
		buf_add_literal(&text, ", ");
		show_member(&text, job, "progress");
		buf_add_literal(&text, " %, ");
		show_member(&text, job, "step");
		if (member(job, "error") != NULL) {
			buf_add_literal(&text, ": ");
			show_member(&text, member(job, "error"), "text");
		}
		printf("%.*s\n", (int)text.length, text.data);
		buf_release(&text);
	}
	json_object_put(job);
	return CLI_DONE;
}

int job_cancel(struct cli *cli, const struct arguments *arguments)
{
	json_object *result = NULL;
	int status = call_job(cli, arguments, "job.cancel", &result);
	if (status == CLI_DONE) {
		status = cli_print_change(cli, result, "Job %s cancelled.", arguments->words[0]);
	}
	json_object_put(result);
	return status;
}
