#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "lib/base/buf.h"

/*
 * What people read: texts that a terminal cannot be fooled with, and columns. Texts of rules, URLs
 * and clients are foreign: control characters, what turns the direction of writing, and bytes that
 * are not UTF-8 are shown as \xHH or \uHHHH.
 */
void show_clean(struct buf *buf, const char *text, size_t length);

/* Places that a cleaned text takes on a terminal. */
size_t show_width(const char *text, size_t length);

/* A member of an object as clean text: numbers in digits, true as "yes", arrays joined by ", ",
 * what is missing or null as "-". */
void show_member(struct buf *buf, json_object *object, const char *name);
void show_value(struct buf *buf, json_object *value);

/* A time in ms as text ("2026-11-23 01:02:03", UTC), 0 or nothing as `absent`. */
void show_time(struct buf *buf, json_object *value, const char *absent);

/* "12.3 MiB". */
void show_size(struct buf *buf, json_object *value);

/*
 * Columns: cells are added row by row and printed together, each as wide as its longest cell. The
 * last column is not padded. When memory is short, show_table_print says so by its result.
 */
enum show_kind {
	SHOW_VALUE, /* as show_member makes it */
	SHOW_TIME,
	SHOW_SIZE,
	SHOW_MARK /* "*" for true */
};

struct show_column {
	const char *heading; /* a '>' before it aligns the column to the right */
	const char *member; /* of an item, for show_table_row */
	enum show_kind kind;
	const char *absent; /* SHOW_TIME: what stands for none */
};

#define SHOW_COLUMNS_MAX 16
struct show_table {
	const struct show_column *columns;
	size_t column_count;
	size_t widths[SHOW_COLUMNS_MAX];
	struct buf text; /* all cells, NUL behind each */
	size_t cell_count;
};

/* `columns` must outlive the table; at most SHOW_COLUMNS_MAX. */
void show_table_init(struct show_table *table, const struct show_column *columns, size_t count);
void show_table_release(struct show_table *table);
/* A cell of text that is clean already. */
void show_table_cell(struct show_table *table, const char *text, size_t length);
/* A cell as show_member makes it. */
void show_table_member(struct show_table *table, json_object *row, const char *name);
/* A row: the member of each column. */
void show_table_row(struct show_table *table, json_object *item);
/* Prints all rows on standard output and forgets them, but not the widths; the heading only once. 0
 * or -ENOMEM. */
int show_table_print(struct show_table *table);

#endif
