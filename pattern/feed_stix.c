#include <string.h>

#include "pattern/feed_reader.h"

/*
 * STIX patterns. Read are comparisons with '=' or IN of a URL, a domain name, an address or a
 * file's hash, joined by OR, within one or several brackets; and hashes of the same file joined by
 * AND, each of which alone tells the file. What asks for more at once is no single entry: refused.
 */
enum stix_token_kind {
	STIX_TOKEN_END,
	STIX_TOKEN_WORD, /* a path, an operator, a key word */
	STIX_TOKEN_TEXT, /* in single quotes */
	STIX_TOKEN_MARK, /* one of [ ] ( ) = , or two-letter operators */
	STIX_TOKEN_BAD
};

struct stix_token {
	enum stix_token_kind kind;
	struct feed_text text; /* without quotes; escapes as they are */
};

struct stix_reader {
	struct feed *feed;
	struct feed_text rest;
	struct feed_text name;
	struct stix_token token;
	bool joined_by_and;
	bool not_only_files; /* something else than hashes of files */
	unsigned brackets;
};

/* A path may have quoted parts: file:hashes.'SHA-256'. */
static void stix_next(struct stix_reader *reader)
{
	struct feed_text rest = feed_trim(reader->rest);
	while (rest.length > 0 && rest.at[0] == '\n') {
		rest = feed_trim(feed_text_of(rest.at + 1, rest.length - 1));
	}
	size_t i = 0;
	reader->token.kind = STIX_TOKEN_END;
	if (rest.length == 0) {
		reader->token.text = rest;
		return;
	}
	if (rest.at[0] == '\'') {
		for (i = 1; i < rest.length && rest.at[i] != '\''; i++) {
			i += rest.at[i] == '\\' ? 1 : 0;
		}
		reader->token.kind = i < rest.length ? STIX_TOKEN_TEXT : STIX_TOKEN_BAD;
		reader->token.text = feed_text_of(rest.at + 1, i < rest.length ? i - 1 : 0);
		i++;
	} else if (strchr("[](),=!<>", rest.at[0]) != NULL && rest.at[0] != '\0') {
		reader->token.kind = STIX_TOKEN_MARK;
		i = 1;
		if (strchr("!<>", rest.at[0]) != NULL && rest.length > 1 && rest.at[1] == '=') {
			i = 2;
		}
		reader->token.text = feed_text_of(rest.at, i);
	} else {
		bool quoted = false;
		for (; i < rest.length; i++) {
			char c = rest.at[i];
			if (c == '\'') {
				quoted = !quoted;
			} else if (!quoted && (c == '\0' || strchr("[](),=!<> \t\n", c) != NULL)) {
				break;
			}
		}
		reader->token.kind = i > 0 ? STIX_TOKEN_WORD : STIX_TOKEN_BAD;
		reader->token.text = feed_text_of(rest.at, i);
	}
	i = i < rest.length ? i : rest.length;
	reader->rest = feed_text_of(rest.at + i, rest.length - i);
}

static bool stix_is(const struct stix_reader *reader, const char *text)
{
	return (reader->token.kind == STIX_TOKEN_MARK || reader->token.kind == STIX_TOKEN_WORD) &&
	       feed_equal(reader->token.text, text);
}

enum stix_object { STIX_OTHER, STIX_URL, STIX_HOST, STIX_ADDRESS, STIX_HASH };

static enum stix_object stix_object_of(struct feed_text path)
{
	static const struct {
		const char *path;
		enum stix_object object;
	} paths[] = {
	        {"url:value", STIX_URL},
	        {"domain-name:value", STIX_HOST},
	        {"ipv4-addr:value", STIX_ADDRESS},
	        {"ipv6-addr:value", STIX_ADDRESS},
	        {"network-traffic:dst_ref.value", STIX_ADDRESS},
	        {"file:hashes.MD5", STIX_HASH},
	        {"file:hashes.'MD5'", STIX_HASH},
	        {"file:hashes.SHA1", STIX_HASH},
	        {"file:hashes.'SHA1'", STIX_HASH},
	        {"file:hashes.'SHA-1'", STIX_HASH},
	        {"file:hashes.SHA256", STIX_HASH},
	        {"file:hashes.'SHA256'", STIX_HASH},
	        {"file:hashes.'SHA-256'", STIX_HASH},
	};
	for (size_t i = 0; i < SK_COUNT(paths); i++) {
		if (feed_equal(path, paths[i].path)) {
			return paths[i].object;
		}
	}
	return STIX_OTHER;
}

static int stix_add(struct stix_reader *reader, enum stix_object object, struct feed_text value)
{
	struct feed *feed = reader->feed;
	if (memchr(value.at, '\\', value.length) != NULL) {
		buf_clear(&feed->row);
		for (size_t i = 0; i < value.length; i++) {
			i += value.at[i] == '\\' && i + 1 < value.length ? 1 : 0;
			buf_add_char(&feed->row, value.at[i]);
		}
		if (buf_status(&feed->row) != 0) {
			return feed_refuse(feed, "line too long");
		}
		value = feed_text_of(feed->row.data, feed->row.length);
	}
	switch (object) {
	case STIX_URL:
		return feed_add_url(feed, value);
	case STIX_HOST:
		return feed_add_host(feed, value);
	case STIX_ADDRESS:
		return feed_add_ip(feed, value);
	case STIX_HASH:
		return feed_add_digest(feed, value, reader->name);
	case STIX_OTHER:
		break;
	}
	return 0;
}

/* 'text' or ('text', 'text' …). Values are added only when `add`. NULL or the reason. */
static const char *stix_values(
        struct stix_reader *reader, enum stix_object object, bool set, bool add, int *status)
{
	if (set) {
		if (!stix_is(reader, "(")) {
			return "a pattern that cannot be read";
		}
		stix_next(reader);
	}
	for (;;) {
		if (reader->token.kind != STIX_TOKEN_TEXT) {
			return "a pattern that cannot be read";
		}
		if (add) {
			*status = stix_add(reader, object, reader->token.text);
			if (*status != 0) {
				return NULL;
			}
		}
		stix_next(reader);
		if (!set) {
			return NULL;
		}
		bool more = stix_is(reader, ",");
		if (!more && !stix_is(reader, ")")) {
			return "a pattern that cannot be read";
		}
		stix_next(reader);
		if (!more) {
			return NULL;
		}
	}
}

/* path operator value */
static const char *stix_comparison(struct stix_reader *reader, bool add, int *status)
{
	enum stix_object object = stix_object_of(reader->token.text);
	if (reader->token.kind != STIX_TOKEN_WORD) {
		return "a pattern that cannot be read";
	}
	if (object == STIX_OTHER) {
		return "a pattern over what no pattern file holds";
	}
	if (object != STIX_HASH) {
		reader->not_only_files = true;
	}
	stix_next(reader);
	bool set = stix_is(reader, "IN");
	if (!set && !stix_is(reader, "=")) {
		return "a comparison that is not '=' or IN";
	}
	stix_next(reader);
	return stix_values(reader, object, set, add, status);
}

/* One pass over the pattern; brackets and parentheses only group, since all is joined alike. */
static const char *stix_pass(struct stix_reader *reader, bool add, int *status)
{
	unsigned comparisons = 0;
	for (stix_next(reader); *status == 0; comparisons++) {
		while (stix_is(reader, "[") || stix_is(reader, "(")) {
			stix_next(reader);
		}
		const char *reason = stix_comparison(reader, add, status);
		if (reason != NULL) {
			return reason;
		}
		while (stix_is(reader, "]") || stix_is(reader, ")")) {
			stix_next(reader);
		}
		if (reader->token.kind == STIX_TOKEN_END) {
			return NULL;
		}
		if (stix_is(reader, "AND")) {
			reader->joined_by_and = true;
		} else if (!stix_is(reader, "OR")) {
			return "a combination that is no single entry";
		}
		stix_next(reader);
	}
	return NULL;
}

int feed_stix_pattern(struct feed *feed, struct feed_text pattern, struct feed_text name)
{
	int status = 0;
	struct stix_reader reader = {.feed = feed, .rest = pattern, .name = name};
	const char *reason = stix_pass(&reader, false, &status);
	if (reason == NULL && reader.joined_by_and && reader.not_only_files) {
		reason = "a combination that is no single entry";
	}
	if (reason != NULL) {
		return feed_refuse(feed, reason);
	}
	reader = (struct stix_reader){.feed = feed, .rest = pattern, .name = name};
	(void)stix_pass(&reader, true, &status);
	return status;
}
