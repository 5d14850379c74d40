#include "cli/show.h"

#include <errno.h>
#include <inttypes.h>
#include <wchar.h>

#include "lib/base/clock.h"
#include "lib/base/utf8.h"

#define CELL_MAX (256 * 1024)
#define TABLE_MAX (64 * 1024 * 1024)

/* Control characters of both sets, and what changes the direction of writing. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void show_clean(struct buf *buf, const char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t size = utf8_check(text + i, length - i);
		uint32_t c = size > 0 ? utf8_decode(text + i, size) : 0;
		if (size == 0 || (size == 1 && is_hidden(c))) {
			buf_add_format(buf, "\\x%02x", (unsigned char)text[i]);
			i++;
		} else if (is_hidden(c)) {
			buf_add_format(buf, "\\u%04" PRIx32, c);
			i += size;
		} else {
			buf_add(buf, text + i, size);
			i += size;
		}
	}
}

size_t show_width(const char *text, size_t length)
{
	size_t width = 0;
	for (size_t i = 0; i < length;) {
		size_t size = utf8_check(text + i, length - i);
		int places = size > 0 ? wcwidth((wchar_t)utf8_decode(text + i, size)) : 1;
		width += places > 0 ? (size_t)places : 0;
		i += size > 0 ? size : 1;
	}
	return width;
}

void show_value(struct buf *buf, json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		buf_add_char(buf, '-');
		break;
	case json_type_boolean:
		buf_add_text(buf, json_object_get_boolean(value) ? "yes" : "no");
		break;
	case json_type_string:
		if (json_object_get_string_len(value) == 0) {
			buf_add_char(buf, '-');
		}
		show_clean(buf, json_object_get_string(value),
		        (size_t)json_object_get_string_len(value));
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			json_object *item = json_object_array_get_idx(value, i);
			buf_add_text(buf, i > 0 ? ", " : "");
			if (json_object_is_type(item, json_type_array)) {
				buf_add_text(buf, "[…]");
			} else {
				show_value(buf, item);
			}
		}
		if (json_object_array_length(value) == 0) {
			buf_add_char(buf, '-');
		}
		break;
	default: {
		const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
		show_clean(buf, text != NULL ? text : "-", text != NULL ? strlen(text) : 1);
	}
	}
}

void show_member(struct buf *buf, json_object *object, const char *name)
{
	json_object *value = NULL;
	json_object_object_get_ex(object, name, &value);
	show_value(buf, value);
}

void show_time(struct buf *buf, json_object *value, const char *absent)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t time = json_object_get_int64(value);
	if (time == 0) {
		buf_add_text(buf, absent);
		return;
	}
	clock_format(time, text);
	buf_add(buf, text, 10);
	buf_add_char(buf, ' ');
	buf_add(buf, text + 11, 8);
}

void show_size(struct buf *buf, json_object *value)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double size = json_object_get_double(value);
	size_t unit = 0;
	while (size >= 1024 && unit + 1 < SK_COUNT(units)) {
		size /= 1024;
		unit++;
	}
	buf_add_format(buf, unit > 0 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

void show_table_init(struct show_table *table, const struct show_column *columns, size_t count)
{
	*table = (struct show_table){.columns = columns,
	        .column_count = count < SHOW_COLUMNS_MAX ? count : SHOW_COLUMNS_MAX};
	buf_init(&table->text, TABLE_MAX);
	for (size_t i = 0; i < table->column_count; i++) {
		const char *heading = columns[i].heading;
		heading += heading[0] == '>';
		show_table_cell(table, heading, strlen(heading));
	}
}

void show_table_release(struct show_table *table)
{
	buf_release(&table->text);
	table->cell_count = 0;
}

void show_table_cell(struct show_table *table, const char *text, size_t length)
{
	size_t column = table->cell_count++ % table->column_count;
	size_t width = show_width(text, length);
	if (width > table->widths[column]) {
		table->widths[column] = width;
	}
	buf_add(&table->text, text, length);
	buf_add_char(&table->text, '\0');
}

/* A cell from a buffer, which is released. */
static void take_cell(struct show_table *table, struct buf *cell)
{
	if (buf_status(cell) != 0) {
		show_table_cell(table, "?", 1);
	} else {
		show_table_cell(table, cell->data, cell->length);
	}
	buf_release(cell);
}

void show_table_member(struct show_table *table, json_object *row, const char *name)
{
	struct buf cell;
	buf_init(&cell, CELL_MAX);
	show_member(&cell, row, name);
	take_cell(table, &cell);
}

void show_table_row(struct show_table *table, json_object *item)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const struct show_column *column = &table->columns[i];
		json_object *value = NULL;
		struct buf cell;
		buf_init(&cell, CELL_MAX);
		json_object_object_get_ex(item, column->member, &value);
		switch (column->kind) {
		case SHOW_VALUE:
			show_value(&cell, value);
			break;
		case SHOW_TIME:
			show_time(&cell, value, column->absent);
			break;
		case SHOW_SIZE:
			show_size(&cell, value);
			break;
		case SHOW_MARK:
			buf_add_text(&cell, json_object_get_boolean(value) ? "*" : "");
			break;
		}
		take_cell(table, &cell);
	}
}

static void print_blanks(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		putchar(' ');
	}
}

int show_table_print(struct show_table *table)
{
	int rc = buf_status(&table->text);
	const char *at = table->text.data;
	for (size_t i = 0; i < table->cell_count && rc == 0; i++) {
		size_t column = i % table->column_count;
		size_t length = strlen(at);
		size_t missing = table->widths[column] - show_width(at, length);
		bool is_last = column + 1 == table->column_count;
		bool right = table->columns[column].heading[0] == '>';
		if (right) {
			print_blanks(missing);
		}
		fwrite(at, 1, length, stdout);
		if (is_last) {
			putchar('\n');
		} else {
			print_blanks(2 + (right ? 0 : missing));
		}
		at += length + 1;
	}
	buf_clear(&table->text);
	table->cell_count = 0;
	return rc;
}
