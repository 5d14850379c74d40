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
#define SHOW_COLUMNS_MAX 16
struct show_table {
	size_t column_count;
	bool right[SHOW_COLUMNS_MAX]; /* numbers: aligned to the right */
	size_t widths[SHOW_COLUMNS_MAX];
	struct buf text; /* all cells, NUL behind each */
	size_t cell_count;
};

/* `heading`: "ID|LIST|PATTERN"; a '>' before a name aligns it to the right. */
void show_table_init(struct show_table *table, const char *heading);
void show_table_release(struct show_table *table);
/* A cell of text that is clean already. */
void show_table_cell(struct show_table *table, const char *text, size_t length);
/* The same from a buffer, which is empty then. */
void show_table_take(struct show_table *table, struct buf *cell);
/* A cell as show_member makes it. */
void show_table_member(struct show_table *table, json_object *row, const char *name);
/* Prints all rows on standard output and forgets them, but not the widths; the heading only once. 0
 * or -ENOMEM. */
int show_table_print(struct show_table *table);

#endif
