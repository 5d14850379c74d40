#include "job/csv.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/mem.h"

#define BLOCK_SIZE ((size_t)64 * 1024)
#define END_OF_INPUT (-1)

struct csv {
	int fd;
	bool comments;
	bool started, ended;
	int failure; /* -errno of read() */
	uint64_t line; /* of the next character */
	size_t at, size; /* within block */
	size_t length; /* of the record's text */
	size_t starts[CSV_FIELDS_MAX + 1]; /* of fields within text; each ends with a NUL */
	size_t count;
	unsigned char block[BLOCK_SIZE];
	char text[CSV_RECORD_MAX + CSV_FIELDS_MAX + 1];
};

int csv_new(int fd, bool comments, struct csv **ret_csv)
{
	struct csv *csv = mem_new(1, sizeof(*csv));
	if (csv == NULL) {
		return -ENOMEM;
	}
	csv->fd = fd;
	csv->comments = comments;
	csv->line = 1;
	*ret_csv = csv;
	return 0;
}

void csv_free(struct csv *csv)
{
	mem_free(csv);
}

/* The next byte without taking it, or END_OF_INPUT. */
static int peek(struct csv *csv)
{
	if (csv->at == csv->size && !csv->ended) {
		ssize_t got;
		do {
			got = read(csv->fd, csv->block, sizeof(csv->block));
		} while (got < 0 && errno == EINTR);
		csv->ended = got <= 0;
		csv->failure = got < 0 ? -errno : 0;
		csv->at = 0;
		csv->size = got > 0 ? (size_t)got : 0;
	}
	return csv->at < csv->size ? csv->block[csv->at] : END_OF_INPUT;
}

static int take(struct csv *csv)
{
	int c = peek(csv);
	if (c != END_OF_INPUT) {
		csv->at++;
		csv->line += c == '\n';
	}
	return c;
}

static void skip_mark(struct csv *csv)
{
	csv->started = true;
	if (peek(csv) == 0xef && csv->size >= 3 && csv->block[1] == 0xbb && csv->block[2] == 0xbf) {
		csv->at = 3;
	}
}

static void skip_line(struct csv *csv)
{
	for (int c = take(csv); c != '\n' && c != END_OF_INPUT; c = take(csv)) {
	}
}

/* Passes over blank lines and comments; false at the end. */
static bool find_record(struct csv *csv)
{
	for (;;) {
		int c = peek(csv);
		if (c == END_OF_INPUT) {
			return false;
		}
		if (c == '\n' || c == '\r') {
			take(csv);
		} else if (c == '#' && csv->comments) {
			skip_line(csv);
		} else {
			return true;
		}
	}
}

static bool add(struct csv *csv, int c)
{
	if (csv->length >= CSV_RECORD_MAX) {
		return false;
	}
	csv->text[csv->length++] = (char)c;
	return true;
}

static bool ends_field(int c)
{
	return c == ',' || c == '\n' || c == END_OF_INPUT;
}

/* A CR counts as part of the line's end only when LF or the end follows. */
static bool is_line_end(struct csv *csv, int c)
{
	return c == '\r' && (peek(csv) == '\n' || peek(csv) == END_OF_INPUT);
}

/* Behind the opening quote; leaves the character behind the field in `ret_next`. */
static int read_quoted(struct csv *csv, int *ret_next, const char **ret_reason)
{
	for (;;) {
		int c = take(csv);
		if (c == '"' && peek(csv) != '"') {
			break;
		}
		if (c == '"') {
			take(csv);
		}
		if (c == END_OF_INPUT) {
			*ret_reason = "a quotation mark that is not closed";
			return SK_E_SYNTAX;
		}
		if (!add(csv, c)) {
			*ret_reason = "the record is too long";
			return SK_E_LIMIT;
		}
	}
	int next = take(csv);
	if (is_line_end(csv, next)) {
		next = take(csv);
	}
	*ret_next = next;
	if (!ends_field(next)) {
		*ret_reason = "text behind a closing quotation mark";
		return SK_E_SYNTAX;
	}
	return 0;
}

static int read_plain(struct csv *csv, int c, int *ret_next, const char **ret_reason)
{
	*ret_next = c; /* what has been taken already is not to be skipped again on failure */
	while (!ends_field(c)) {
		if (is_line_end(csv, c)) {
			c = take(csv);
			break;
		}
		*ret_next = c;
		if (c == '"') {
			*ret_reason =
			        "a quotation mark within a field that does not start with one";
			return SK_E_SYNTAX;
		}
		if (!add(csv, c)) {
			*ret_reason = "the record is too long";
			return SK_E_LIMIT;
		}
		c = take(csv);
	}
	*ret_next = c;
	return 0;
}

static int read_record(struct csv *csv, int *ret_next, const char **ret_reason)
{
	int next = ',';
	csv->length = 0;
	csv->count = 0;
	while (next == ',') {
		if (csv->count == CSV_FIELDS_MAX) {
			*ret_reason = "the record has too many fields";
			return SK_E_LIMIT;
		}
		csv->starts[csv->count++] = csv->length;
		int c = take(csv);
		int status = c == '"' ? read_quoted(csv, &next, ret_reason)
		                      : read_plain(csv, c, &next, ret_reason);
		if (status != 0) {
			*ret_next = next;
			return status;
		}
		csv->text[csv->length++] = '\0'; /* there is room for one per field */
	}
	csv->starts[csv->count] = csv->length;
	*ret_next = next;
	return 0;
}

int csv_next(struct csv *csv, struct csv_field ret_fields[CSV_FIELDS_MAX], size_t *ret_count,
        uint64_t *ret_line, const char **ret_reason)
{
	int next = 0;
	if (!csv->started) {
		skip_mark(csv);
	}
	if (!find_record(csv)) {
		*ret_line = csv->line;
		return csv->failure;
	}
	*ret_line = csv->line;
	int status = read_record(csv, &next, ret_reason);
	if (csv->failure != 0) {
		return csv->failure;
	}
	if (status != 0) {
		if (next != '\n' && next != END_OF_INPUT) {
			skip_line(csv);
		}
		return status;
	}
	for (size_t i = 0; i < csv->count; i++) {
		ret_fields[i].text = csv->text + csv->starts[i];
		ret_fields[i].length = csv->starts[i + 1] - csv->starts[i] - 1;
	}
	*ret_count = csv->count;
	return 1;
}
