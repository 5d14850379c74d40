#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "job/csv.h"
#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include "lib/data/rule.h"
#include "lib/data/url.h"
#include "lib/verdict/keyword_set.h"

/*
 * Rules from a file that somebody uploaded (docs/rules-csv.md). Every record becomes one line of
 * JSON: the rule as sekishod stores it, or why it is refused.
 */
#define INPUT_FD JOB_FD_FIRST
#define OUTPUT_FD (JOB_FD_FIRST + 1)
#define OUTPUT_FLUSH ((size_t)64 * 1024)
#define RECORD_TEXT_MAX ((size_t)512 * 1024) /* 64 KiB can become six-fold when escaped */
#define TARGETS_TEXT_MAX 16384

enum column {
	COLUMN_LIST,
	COLUMN_KIND,
	COLUMN_PATTERN,
	COLUMN_TARGETS,
	COLUMN_ENABLED,
	COLUMN_EXPIRES,
	COLUMN_COMMENT,
	COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
        "list", "kind", "pattern", "targets", "enabled", "expires", "comment"};

struct import {
	struct job *job;
	struct csv *csv;
	struct buf output;
	bool simple; /* one pattern a line, no header */
	const char *default_list; /* "approved" or "blocked" */
	int columns[CSV_FIELDS_MAX]; /* enum column of each field, -1: none */
	size_t column_count;
	uint64_t records, accepted;
};

/* A record while it is read; texts are the CSV reader's. */
struct record {
	struct csv_field fields[COLUMN_COUNT];
	const char *list, *kind;
	bool enabled;
	int64_t expires;
	const char *field; /* the one that is refused */
	struct error error;
};

/* ---- fields ---- */

static int refuse(struct record *record, enum column column, int code, const char *reason)
{
	record->field = column_names[column];
	return error_set(&record->error, code, "%s", reason);
}

/* The name at index n of `words` means results[n]. */
static const char *find_word(const char *text, const char *const *words, const char *const *results)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcasecmp(words[i], text) == 0) {
			return results[i];
		}
	}
	return NULL;
}

static int read_list(struct record *record, const char *preset)
{
	static const char *const words[] = {
	        "approve", "approved", "allow", "block", "blocked", NULL};
	static const char *const results[] = {
	        "approved", "approved", "approved", "blocked", "blocked"};
	const struct csv_field *field = &record->fields[COLUMN_LIST];
	record->list = field->length == 0 ? preset : find_word(field->text, words, results);
	return record->list != NULL
	               ? 0
	               : refuse(record, COLUMN_LIST, SK_E_SYNTAX, "it is approve or block");
}

static int read_kind(struct record *record)
{
	static const char *const words[] = {"site", "page", "keyword", NULL};
	const struct csv_field *field = &record->fields[COLUMN_KIND];
	record->kind = field->length == 0 ? "site" : find_word(field->text, words, words);
	return record->kind != NULL
	               ? 0
	               : refuse(record, COLUMN_KIND, SK_E_SYNTAX, "it is site, page or keyword");
}

static int read_enabled(struct record *record)
{
	static const char *const words[] = {
	        "yes", "true", "1", "on", "no", "false", "0", "off", NULL};
	static const char *const results[] = {"y", "y", "y", "y", "n", "n", "n", "n"};
	const struct csv_field *field = &record->fields[COLUMN_ENABLED];
	const char *word = field->length == 0 ? "y" : find_word(field->text, words, results);
	record->enabled = word != NULL && word[0] == 'y';
	return word != NULL ? 0 : refuse(record, COLUMN_ENABLED, SK_E_SYNTAX, "it is yes or no");
}

static int read_expires(struct record *record)
{
	const struct csv_field *field = &record->fields[COLUMN_EXPIRES];
	record->expires = 0;
	if (field->length == 0 || clock_parse(field->text, &record->expires) == 0) {
		return 0;
	}
	return refuse(record, COLUMN_EXPIRES, SK_E_SYNTAX,
	        "it is a time like 2027-01-31T12:00:00Z or 2027-01-31");
}

static int check_text(struct record *record, enum column column, size_t maximum)
{
	const struct csv_field *field = &record->fields[column];
	if (field->length > maximum) {
		return refuse(record, column, SK_E_LIMIT, "it is too long");
	}
	for (size_t i = 0; i < field->length;) {
		size_t size = utf8_check(field->text + i, field->length - i);
		unsigned char c = (unsigned char)field->text[i];
		if (size == 0 || (c < 0x20 && c != '\t') || c == 0x7f) {
			return refuse(record, column, SK_E_SYNTAX,
			        "it is not UTF-8, or has control characters");
		}
		i += size;
	}
	return 0;
}

static int check_pattern(struct record *record)
{
	static char space[URL_TEXT_MAX];
	const struct csv_field *field = &record->fields[COLUMN_PATTERN];
	struct url url;
	int status = check_text(record, COLUMN_PATTERN, LIMIT_RULE_PATTERN);
	if (status != 0) {
		return status;
	}
	record->field = column_names[COLUMN_PATTERN];
	if (strcmp(record->kind, "keyword") == 0) {
		return keyword_check_text(field->text, field->length, &record->error);
	}
	return rule_pattern_parse(
	        field->text, field->length, space, sizeof(space), &url, &record->error);
}

static int check_targets(struct record *record)
{
	struct target *targets;
	size_t count;
	int status = check_text(record, COLUMN_TARGETS, TARGETS_TEXT_MAX);
	if (status != 0) {
		return status;
	}
	record->field = column_names[COLUMN_TARGETS];
	status = targets_parse(
	        record->fields[COLUMN_TARGETS].text, &targets, &count, &record->error);
	if (status == 0) {
		mem_free(targets);
	}
	return status;
}

static int check_record(struct record *record, const char *default_list)
{
	int status = read_list(record, default_list);
	if (status == 0) {
		status = read_kind(record);
	}
	if (status == 0) {
		status = read_enabled(record);
	}
	if (status == 0) {
		status = read_expires(record);
	}
	if (status == 0) {
		status = check_text(record, COLUMN_COMMENT, LIMIT_RULE_COMMENT);
	}
	if (status == 0) {
		status = check_targets(record);
	}
	return status == 0 ? check_pattern(record) : status;
}

/* ---- the header ---- */

static void trim(struct csv_field *field)
{
	while (field->length > 0 && (field->text[0] == ' ' || field->text[0] == '\t')) {
		field->text++;
		field->length--;
	}
}

/* Which columns there are. A first record that has no column "pattern" is no header: the file is
 * then a simple list. Whether it is one is returned; an unknown column is an error. */
static int read_header(struct import *import, struct csv_field *fields, size_t count, bool *ret_is)
{
	bool seen[COLUMN_COUNT] = {false};
	*ret_is = false;
	for (size_t i = 0; i < count; i++) {
		trim(&fields[i]);
		*ret_is |= strcasecmp(fields[i].text, column_names[COLUMN_PATTERN]) == 0;
	}
	for (size_t i = 0; *ret_is && i < count; i++) {
		int column = 0;
		while (column < COLUMN_COUNT &&
		        strcasecmp(fields[i].text, column_names[column]) != 0) {
			column++;
		}
		if (column == COLUMN_COUNT || seen[column]) {
			return error_set(&import->job->error, SK_E_SYNTAX,
			        "column %zu of the header, \"%.40s\", is %s", i + 1, fields[i].text,
			        column == COLUMN_COUNT ? "not known" : "there twice");
		}
		seen[column] = true;
		import->columns[i] = column;
	}
	import->column_count = count;
	return 0;
}

static void use_simple(struct import *import)
{
	import->simple = true;
	import->column_count = 1;
	import->columns[0] = COLUMN_PATTERN;
}

/* ---- output ---- */

static int flush(struct import *import, size_t threshold)
{
	int status = buf_status(&import->output);
	if (status == 0 && import->output.length > threshold) {
		status = file_write_all(OUTPUT_FD, import->output.data, import->output.length);
		buf_clear(&import->output);
	}
	return status == 0 ? 0 : error_set_code(&import->job->error, status, "writing the rules");
}

static int write_line(struct import *import, struct json_object *line)
{
	const char *text = json_object_to_json_string_ext(
	        line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text != NULL) {
		buf_add_text(&import->output, text);
		buf_add_char(&import->output, '\n');
	}
	json_object_put(line);
	return text == NULL ? error_set_code(&import->job->error, -ENOMEM, "writing the rules")
	                    : flush(import, OUTPUT_FLUSH);
}

static void add_text(struct json_object *line, const char *name, const char *text)
{
	json_object_object_add(line, name, json_object_new_string(text));
}

static int write_refusal(
        struct import *import, uint64_t number, const char *field, const struct error *error)
{
	struct json_object *line = json_object_new_object();
	struct json_object *reason = json_object_new_object();
	if (line == NULL || reason == NULL) {
		json_object_put(line);
		json_object_put(reason);
		return error_set_code(&import->job->error, -ENOMEM, "writing the rules");
	}
	add_text(reason, "code", sk_error_name(error->code));
	if (field != NULL) {
		add_text(reason, "field", field);
	}
	add_text(reason, "text", error->text);
	json_object_object_add(line, "line", json_object_new_int64((int64_t)number));
	json_object_object_add(line, "error", reason);
	return write_line(import, line);
}

static int write_rule(struct import *import, uint64_t number, const struct record *record)
{
	struct json_object *line = json_object_new_object();
	if (line == NULL) {
		return error_set_code(&import->job->error, -ENOMEM, "writing the rules");
	}
	json_object_object_add(line, "line", json_object_new_int64((int64_t)number));
	json_object_object_add(line, "ok", json_object_new_boolean(true));
	add_text(line, "list", record->list);
	add_text(line, "kind", record->kind);
	add_text(line, "pattern", record->fields[COLUMN_PATTERN].text);
	add_text(line, "targets", record->fields[COLUMN_TARGETS].text);
	json_object_object_add(line, "enabled", json_object_new_boolean(record->enabled));
	json_object_object_add(line, "expires", json_object_new_int64(record->expires));
	add_text(line, "comment", record->fields[COLUMN_COMMENT].text);
	import->accepted++;
	return write_line(import, line);
}

/* ---- records ---- */

static int import_record(
        struct import *import, uint64_t number, struct csv_field *fields, size_t count)
{
	struct record record = {.field = NULL};
	import->records++;
	if (import->records > LIMIT_RULES) {
		return error_set(&import->job->error, SK_E_LIMIT,
		        "the file has more than %d records", LIMIT_RULES);
	}
	if (count != import->column_count) {
		error_set(&record.error, SK_E_SYNTAX, "%zu fields instead of %zu", count,
		        import->column_count);
		return write_refusal(import, number, NULL, &record.error);
	}
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		record.fields[i] = (struct csv_field){"", 0};
	}
	for (size_t i = 0; i < count; i++) {
		trim(&fields[i]);
		record.fields[import->columns[i]] = fields[i];
	}
	int status = check_record(&record, import->default_list);
	return status != 0 ? write_refusal(import, number, record.field, &record.error)
	                   : write_rule(import, number, &record);
}

static int import_all(struct import *import)
{
	struct csv_field fields[CSV_FIELDS_MAX];
	bool first = true;
	for (;;) {
		const char *reason = "";
		uint64_t number = 0;
		size_t count = 0;
		int got = csv_next(import->csv, fields, &count, &number, &reason);
		int status = 0;
		if (got == 0) {
			return flush(import, 0);
		}
		if (got == SK_E_SYNTAX || got == SK_E_LIMIT) {
			struct error error = {0};
			error_set(&error, got, "%s", reason);
			import->records++;
			status = write_refusal(import, number, NULL, &error);
		} else if (got < 0) {
			return error_set_code(&import->job->error, got, "reading the file");
		} else if (first && !import->simple) {
			bool header;
			status = read_header(import, fields, count, &header);
			if (status == 0 && !header) {
				use_simple(import);
				status = import_record(import, number, fields, count);
			}
		} else {
			status = import_record(import, number, fields, count);
		}
		if (status != 0) {
			return status;
		}
		first = false;
	}
}

/* {"format": "csv" (default; a file without a header is a list) or "list", "list": the list that
 * records without one belong to, "blocked" (default) or "approved"} */
static int read_request(struct import *import)
{
	static const char *const members[] = {"format", "list", NULL};
	struct job *job = import->job;
	const char *format = "csv";
	int status = job_check_members(job, members);
	if (status == 0) {
		status = job_get_text(job, "format", 16, &format, NULL);
		status = status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (status == 0) {
		status = job_get_text(job, "list", 16, &import->default_list, NULL);
		status = status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (status != 0) {
		return status;
	}
	if (strcmp(import->default_list, "blocked") != 0 &&
	        strcmp(import->default_list, "approved") != 0) {
		return error_set(&job->error, SK_E_SYNTAX, "\"list\" is blocked or approved");
	}
	if (strcmp(format, "list") == 0) {
		use_simple(import);
	} else if (strcmp(format, "csv") != 0) {
		return error_set(&job->error, SK_E_SYNTAX, "\"format\" is csv or list");
	}
	return 0;
}

int import_run(struct job *job)
{
	struct import import = {.job = job, .default_list = "blocked"};
	int status = read_request(&import);
	if (status == 0) {
		status = csv_new(INPUT_FD, true, &import.csv);
	}
	buf_init(&import.output, OUTPUT_FLUSH + RECORD_TEXT_MAX);
	if (status == 0) {
		status = import_all(&import);
	}
	if (status == 0) {
		job_answer_number(job, "records", (int64_t)import.records);
		job_answer_number(job, "accepted", (int64_t)import.accepted);
		job_answer_number(job, "refused", (int64_t)(import.records - import.accepted));
	}
	buf_release(&import.output);
	csv_free(import.csv);
	return status;
}
