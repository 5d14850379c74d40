#include <string.h>

#include "pattern/feed_reader.h"

/* Lists in columns: CSV (RFC 4180, a row is a line), TSV, and Zeek's intelligence files. */

/* Layouts that are known by name. */
static const struct {
	const char *format;
	struct feed_columns columns;
} table_layouts[] = {
        {"urlhaus-csv", {.roles = {[FEED_URL] = {3, NULL}}}},
        {"phishtank-csv", {.roles = {[FEED_URL] = {0, "url"}}}},
        {"tweetfeed-csv", {.roles = {[FEED_VALUE] = {4, NULL}}}},
};

/* A field in quotes; `*at` is behind the opening one and moves behind the closing one. */
static int table_quoted(
        struct feed *feed, const char **at, const char *end, struct feed_text *ret_field)
{
	size_t start = feed->row.length;
	const char *from = *at;
	bool doubled = false;
	for (;;) {
		const char *quote = memchr(*at, '"', (size_t)(end - *at));
		if (quote == NULL) {
			return SK_E_SYNTAX;
		}
		*at = quote + 1;
		if (*at == end || **at != '"') {
			break;
		}
		buf_add(&feed->row, from, (size_t)(quote + 1 - from));
		from = ++*at;
		doubled = true;
	}
	size_t length = (size_t)(*at - 1 - from);
	if (!doubled) {
		*ret_field = feed_text_of(from, length);
		return 0;
	}
	buf_add(&feed->row, from, length);
	/* The buffer has room for two lines from the start, so it does not move. */
	*ret_field = feed_text_of(feed->row.data + start, feed->row.length - start);
	return buf_status(&feed->row);
}

/* Splits a row into feed->fields. NULL or why it cannot be. */
static const char *table_split(struct feed *feed, struct feed_text line, char separator)
{
	const char *at = line.at, *end = line.at + line.length;
	feed->field_count = 0;
	for (;;) {
		if (feed->field_count == FEED_ROW_FIELDS) {
			return "too many columns";
		}
		struct feed_text *field = &feed->fields[feed->field_count++];
		if (at < end && *at == '"' && separator != '\t') {
			at++;
			if (table_quoted(feed, &at, end, field) != 0) {
				return "a quote that is not closed";
			}
			while (at < end && *at == ' ') {
				at++;
			}
			if (at < end && *at != separator) {
				return "something behind the closing quote";
			}
		} else {
			const char *stop = memchr(at, separator, (size_t)(end - at));
			stop = stop != NULL ? stop : end;
			*field = feed_trim(feed_text_of(at, (size_t)(stop - at)));
			at = stop;
		}
		if (at == end) {
			return NULL;
		}
		at++;
	}
}

static struct feed_text table_field(const struct feed *feed, enum feed_role role)
{
	uint16_t number = feed->roles[role];
	if (number == 0 || number > feed->field_count) {
		return feed_text_of("", 0);
	}
	return feed->fields[number - 1];
}

/* Finds the named columns in a header row; false when one is missing. */
static bool table_take_header(struct feed *feed)
{
	uint16_t found[FEED_ROLE_COUNT] = {0};
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		const char *header = feed->columns->roles[role].header;
		if (header == NULL) {
			continue;
		}
		for (size_t i = 0; i < feed->field_count && found[role] == 0; i++) {
			if (feed_equal(feed_unquote(feed->fields[i]), header)) {
				found[role] = (uint16_t)(i + 1);
			}
		}
		if (found[role] == 0) {
			return false;
		}
	}
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		if (found[role] > 0) {
			feed->roles[role] = found[role];
		}
	}
	return true;
}

/* Host and path in columns of their own. */
static int table_host_and_path(struct feed *feed, struct feed_text host, struct feed_text path)
{
	if (path.length == 0) {
		return feed_add_host(feed, host);
	}
	size_t start = feed->row.length;
	buf_add(&feed->row, host.at, host.length);
	if (path.at[0] != '/' && path.at[0] != '?') {
		buf_add_char(&feed->row, '/');
	}
	buf_add(&feed->row, path.at, path.length);
	int status = buf_status(&feed->row);
	if (status != 0) {
		return feed_refuse(feed, "line too long");
	}
	return feed_add_url(feed, feed_text_of(feed->row.data + start, feed->row.length - start));
}

static bool table_is_empty(struct feed_text field)
{
	return field.length == 0 || feed_equal(field, "-") || feed_equal(field, "n/a") ||
	       feed_equal(field, "null");
}

static int table_add_role(
        struct feed *feed, enum feed_role role, struct feed_text field, struct feed_text name)
{
	switch (role) {
	case FEED_URL:
		return feed_add_url(feed, field);
	case FEED_HOST:
		return table_host_and_path(feed, field, table_field(feed, FEED_PATH));
	case FEED_IP:
		return feed_add_ip(feed, field);
	case FEED_DIGEST:
		return feed_add_digest(feed, field, name);
	case FEED_MD5:
		return feed_add_digest_of(feed, DIGEST_MD5, field, name);
	case FEED_SHA1:
		return feed_add_digest_of(feed, DIGEST_SHA1, field, name);
	case FEED_SHA256:
		return feed_add_digest_of(feed, DIGEST_SHA256, field, name);
	case FEED_VALUE:
		return feed_add_any(feed, field, name);
	case FEED_PATH:
	case FEED_NAME:
	case FEED_ROLE_COUNT:
		break;
	}
	return 0;
}

static int table_row(struct feed *feed)
{
	struct feed_text name = table_field(feed, FEED_NAME);
	unsigned values = 0;
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		struct feed_text field = table_field(feed, (enum feed_role)role);
		if (role == FEED_PATH || role == FEED_NAME || table_is_empty(field)) {
			continue;
		}
		int status = table_add_role(feed, (enum feed_role)role, field, name);
		if (status != 0) {
			return status;
		}
		values++;
	}
	return values > 0 ? 0 : feed_refuse(feed, "no value in its columns");
}

/* A row of the header, also behind '#': taken when all wanted names stand in it. */
static int table_header(struct feed *feed, bool comment)
{
	if (table_take_header(feed)) {
		feed->header_done = true;
		feed->sink->blank++;
		return 0;
	}
	if (comment) {
		feed->sink->blank++;
		return 0;
	}
	/* Without its header no row can be read; each says so. */
	feed->header_done = true;
	return feed_refuse(feed, "a header without a column that the description names");
}

static char table_separator(const struct feed *feed)
{
	return feed->columns->separator != 0 ? feed->columns->separator : feed->format->separator;
}

static int table_line(struct feed *feed, struct feed_text line)
{
	bool comment = line.at[0] == '#';
	if (comment && feed->header_done) {
		feed->sink->blank++;
		return 0;
	}
	/* The line as found: its first columns may be blank. */
	line = feed_text_of(feed->sink->place.text, feed->sink->place.length);
	if (comment) {
		line = feed_trim(line);
		line = feed_trim(feed_text_of(line.at + 1, line.length - 1));
	}
	buf_clear(&feed->row);
	const char *reason = table_split(feed, line, table_separator(feed));
	if (comment || (reason == NULL && !feed->header_done)) {
		if (reason != NULL) {
			feed->field_count = 0;
		}
		return table_header(feed, comment);
	}
	return reason != NULL ? feed_refuse(feed, reason) : table_row(feed);
}

/* Starts a reading in columns: room for a row that never moves, the numbers of columns. */
static int table_start(struct feed *feed)
{
	for (size_t i = 0; i < SK_COUNT(table_layouts); i++) {
		if (strcmp(feed->format->name, table_layouts[i].format) == 0) {
			feed->columns = &table_layouts[i].columns;
		}
	}
	feed->header_done = true;
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		feed->roles[role] = feed->columns->roles[role].number;
		if (feed->columns->roles[role].header != NULL) {
			feed->header_done = false;
		}
	}
	return buf_reserve(&feed->row, 2 * LIMIT_FEED_LINE) != NULL ? 0 : buf_status(&feed->row);
}

int feed_table(struct feed *feed)
{
	int status = table_start(feed);
	return status != 0 ? status : feed_each_line(feed, table_line);
}

static const struct feed_columns zeek_columns = {.roles = {
                                                         [FEED_VALUE] = {0, "indicator"},
                                                         [FEED_DIGEST] = {0, "indicator_type"},
                                                 }};

static int zeek_value(struct feed *feed, struct feed_text type, struct feed_text value)
{
	struct feed_text name = table_field(feed, FEED_NAME);
	if (table_is_empty(name)) {
		name = feed_text_of("", 0);
	}
	if (feed_equal(type, "Intel::URL")) {
		return feed_add_url(feed, value);
	}
	if (feed_equal(type, "Intel::DOMAIN")) {
		return feed_add_host(feed, value);
	}
	if (feed_equal(type, "Intel::ADDR") || feed_equal(type, "Intel::SUBNET")) {
		return feed_add_ip(feed, value);
	}
	if (feed_equal(type, "Intel::FILE_HASH")) {
		return feed_add_digest(feed, value, name);
	}
	return feed_refuse(feed, "a type that no pattern holds");
}

/* "#fields" TAB names; then a row per indicator. */
static int zeek_line(struct feed *feed, struct feed_text line)
{
	buf_clear(&feed->row);
	if (line.at[0] == '#') {
		if (feed_starts(line, "#fields\t")) {
			(void)table_split(feed, feed_text_of(line.at + 8, line.length - 8), '\t');
			feed->header_done = table_take_header(feed);
			for (size_t i = 0; i < feed->field_count; i++) {
				if (feed_equal(feed->fields[i], "meta.desc")) {
					feed->roles[FEED_NAME] = (uint16_t)(i + 1);
				}
			}
		}
		feed->sink->blank++;
		return 0;
	}
	if (!feed->header_done) {
		return feed_refuse(
		        feed, "no #fields line with indicator and indicator_type before");
	}
	const char *reason = table_split(feed, line, '\t');
	if (reason != NULL) {
		return feed_refuse(feed, reason);
	}
	struct feed_text value = table_field(feed, FEED_VALUE);
	return value.length > 0 ? zeek_value(feed, table_field(feed, FEED_DIGEST), value)
	                        : feed_refuse(feed, "empty");
}

int feed_zeek(struct feed *feed)
{
	feed->columns = &zeek_columns;
	int status = table_start(feed);
	feed->header_done = false;
	return status != 0 ? status : feed_each_line(feed, zeek_line);
}
