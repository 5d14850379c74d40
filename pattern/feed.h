#ifndef PATTERN_FEED_H
#define PATTERN_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/data/address.h"
#include "lib/data/digest.h"
#include "pattern/input.h"

/*
 * Reading lists of all formats (docs/feed-formats.md). A reader turns untrusted bytes into values,
 * which it gives to a sink; what it cannot read it gives to the sink's `refuse` with a reason. Only
 * errors that no line can be blamed for (reading, memory) end it.
 */

/* Where the present value stands, for reports: the line (or the number of the line on which a
 * structured value ends) and its text as found. */
struct feed_place {
	uint64_t line;
	const char *text;
	size_t length;
};

enum feed_match {
	FEED_MATCH_HOSTNAME, /* the host and its sub-domains with all pages */
	FEED_MATCH_CIDR, /* addresses and prefixes within */
	FEED_MATCH_SUBSTRING, /* of the canonical text */
	FEED_MATCH_REGEX /* of the canonical text; without delimiters */
};

/*
 * What becomes of the values. Texts are not NUL-terminated and live until the call returns. Each
 * returns 0 or a negative error, which ends the reading; a value that is no good is not an error:
 * the sink counts it as refused. The reader sets `place`, `lines` and `blank`.
 */
struct feed_sink {
	void *context;
	struct feed_place place;
	uint64_t lines;
	uint64_t blank;
	int (*url)(struct feed_sink *sink, const char *text, size_t length);
	int (*host)(struct feed_sink *sink, const char *text, size_t length);
	int (*prefix)(struct feed_sink *sink, const struct address_prefix *prefix);
	int (*digest)(struct feed_sink *sink, const struct digest *digest, const char *name,
	        size_t name_length);
	/* Only from warninglists; `caseless` of regular expressions. */
	int (*match)(struct feed_sink *sink, enum feed_match match, const char *text, size_t length,
	        bool caseless);
	int (*refuse)(struct feed_sink *sink, const char *reason); /* static text */
};

/* What a column can hold. */
enum feed_role {
	FEED_URL,
	FEED_HOST,
	FEED_PATH, /* belongs to the host of its row */
	FEED_IP,
	FEED_DIGEST,
	FEED_MD5,
	FEED_SHA1,
	FEED_SHA256,
	FEED_VALUE, /* told apart by its look */
	FEED_NAME, /* of the threat */
	FEED_ROLE_COUNT
};
const char *feed_role_name(enum feed_role role); /* "url" … */

#define FEED_COLUMNS_MAX 1000

struct feed_columns {
	struct {
		uint16_t number; /* from 1; 0: by its header or not there */
		const char *header; /* NULL: by number or not there */
	} roles[FEED_ROLE_COUNT];
	char separator; /* 0: the format's own */
	uint64_t minimum_count; /* of "address count" lists */
};

struct feed_format;

/* By name; NULL when there is none. */
const struct feed_format *feed_format_find(const char *name);
/* In order of the table; NULL beyond the last. */
const struct feed_format *feed_format_at(size_t index);
const char *feed_format_name(const struct feed_format *format);
const char *feed_format_title(const struct feed_format *format);
bool feed_format_needs_columns(const struct feed_format *format);
bool feed_format_takes_columns(const struct feed_format *format);
bool feed_format_only_excludes(const struct feed_format *format);

/* Reads all of `input`. `columns` may be NULL. 0, an error of the input (`error` says which), or
 * what the sink returned. */
int feed_read(const struct feed_format *format, const struct feed_columns *columns,
        struct input *input, struct feed_sink *sink, struct error *error) SK_MUST_USE;

#endif
