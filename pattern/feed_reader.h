#ifndef PATTERN_FEED_READER_H
#define PATTERN_FEED_READER_H

#include "lib/base/limits.h"
#include "pattern/feed.h"

/* What the readers of the formats share. Private to pattern/feed_*.c. */

#define FEED_ROW_FIELDS FEED_COLUMNS_MAX

/* A piece of text that belongs to somebody else. */
struct feed_text {
	const char *at;
	size_t length;
};

/* The state of one reading. */
struct feed {
	const struct feed_format *format;
	const struct feed_columns *columns; /* never NULL */
	struct input *input;
	struct feed_sink *sink;
	struct error *error;
	struct buf defanged; /* text with its dots put right */
	struct buf row; /* unquoted fields, joined texts */
	struct feed_text *fields; /* of a row of a table */
	size_t field_count;
	uint16_t roles[FEED_ROLE_COUNT]; /* column numbers from 1, 0: none */
	bool header_done;
	bool started; /* the first line of content was there */
	char origin[256]; /* of a zone file, without dots at its ends */
};

typedef int feed_line_fn(struct feed *feed, struct feed_text line);
typedef int feed_document_fn(struct feed *feed);

/* One of `line` (called for each line that is not blank and no comment, without blanks at its
 * ends) and `document` (reads the input itself). */
struct feed_format {
	const char *name;
	const char *title;
	const char *comments; /* characters that begin a comment line */
	feed_line_fn *line;
	feed_document_fn *document;
	bool table; /* has columns: `fields` and `roles` are there */
	bool needs_columns;
	bool takes_columns;
	bool only_excludes;
	char separator; /* of columns */
};

/* feed_text.c: pieces of text. */
static inline bool feed_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}
static inline struct feed_text feed_text_of(const char *at, size_t length)
{
	return (struct feed_text){at, length};
}
struct feed_text feed_trim(struct feed_text text);
/* Cuts the part before the first of one to four `stops` off `rest` (the stop is consumed too). */
struct feed_text feed_cut(struct feed_text *rest, const char *stops);
/* The next word, after blanks. Empty at the end. */
struct feed_text feed_word(struct feed_text *rest);
bool feed_equal(struct feed_text text, const char *word); /* either case */
bool feed_starts(struct feed_text text, const char *word); /* either case */
/* Without one pair of double or single quotes around it. */
struct feed_text feed_unquote(struct feed_text text);
/* Puts right what feeds do to addresses against clicks; the result lives until the next call. */
int feed_defang(struct feed *feed, struct feed_text *text) SK_MUST_USE;

/* feed_text.c: values. Each defangs, and gives the sink a value or a refusal. */
int feed_add_url(struct feed *feed, struct feed_text text) SK_MUST_USE;
/* Also ".host", "*.host", "host." and addresses. */
int feed_add_host(struct feed *feed, struct feed_text text) SK_MUST_USE;
/* An address, CIDR, or address with port. */
int feed_add_ip(struct feed *feed, struct feed_text text) SK_MUST_USE;
int feed_add_digest(struct feed *feed, struct feed_text text, struct feed_text name) SK_MUST_USE;
/* The same when it must be of one kind. */
int feed_add_digest_of(struct feed *feed, enum digest_kind kind, struct feed_text text,
        struct feed_text name) SK_MUST_USE;
/* By its look: digest, CIDR, address, URL, host with path, host. */
int feed_add_any(struct feed *feed, struct feed_text text, struct feed_text name) SK_MUST_USE;
int feed_refuse(struct feed *feed, const char *reason) SK_MUST_USE;

/* The formats. */
feed_line_fn feed_line_urls, feed_line_hosts, feed_line_ips, feed_line_digests, feed_line_auto;
feed_line_fn feed_line_hosts_file, feed_line_tpl, feed_line_adblock;
feed_line_fn feed_line_rpz, feed_line_bind, feed_line_dnsmasq, feed_line_unbound;
feed_line_fn feed_line_suricata, feed_line_snort, feed_line_drop;
feed_document_fn feed_table, feed_zeek;
feed_document_fn feed_misp, feed_warninglist, feed_stix, feed_openioc;

/* feed.c: calls `line` for every line of the input, comments and blank lines left out. */
int feed_each_line(struct feed *feed, feed_line_fn *line) SK_MUST_USE;

/* feed_stix.c: the values of a STIX pattern. */
int feed_stix_pattern(
        struct feed *feed, struct feed_text pattern, struct feed_text name) SK_MUST_USE;

#endif
