#include <stdbool.h>
#include <string.h>

#include "lib/base/error.h"
#include "pattern/feed_reader.h"

struct feed_text feed_trim(struct feed_text text)
{
	while (text.length > 0 && feed_is_blank(text.at[0])) {
		text.at++;
		text.length--;
	}
	while (text.length > 0 && feed_is_blank(text.at[text.length - 1])) {
		text.length--;
	}
	return text;
}

struct feed_text feed_cut(struct feed_text *rest, const char *stops)
{
	/* Every list of stops is short; all four at once is faster than a search per byte. */
	char stop[4] = {stops[0], stops[0], stops[0], stops[0]};
	for (size_t i = 1; i < sizeof(stop) && stops[i] != '\0'; i++) {
		stop[i] = stops[i];
	}
	struct feed_text part = *rest;
	for (size_t i = 0; i < rest->length; i++) {
		char c = rest->at[i];
		if (c == stop[0] || c == stop[1] || c == stop[2] || c == stop[3]) {
			part.length = i;
			rest->at += i + 1;
			rest->length -= i + 1;
			return part;
		}
	}
	rest->at += rest->length;
	rest->length = 0;
	return part;
}

struct feed_text feed_word(struct feed_text *rest)
{
	size_t i = 0;
	while (i < rest->length && feed_is_blank(rest->at[i])) {
		i++;
	}
	size_t start = i;
	while (i < rest->length && !feed_is_blank(rest->at[i])) {
		i++;
	}
	struct feed_text word = {rest->at + start, i - start};
	rest->at += i;
	rest->length -= i;
	return word;
}

static char feed_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool feed_starts(struct feed_text text, const char *word)
{
	size_t i = 0;
	while (word[i] != '\0' && i < text.length &&
	        feed_lower(text.at[i]) == feed_lower(word[i])) {
		i++;
	}
	return word[i] == '\0';
}

bool feed_equal(struct feed_text text, const char *word)
{
	return text.length == strlen(word) && feed_starts(text, word);
}

struct feed_text feed_unquote(struct feed_text text)
{
	if (text.length >= 2 && (text.at[0] == '"' || text.at[0] == '\'') &&
	        text.at[text.length - 1] == text.at[0]) {
		text.at++;
		text.length -= 2;
	}
	return text;
}

int feed_refuse(struct feed *feed, const char *reason)
{
	return feed->sink->refuse(feed->sink, reason);
}

/* What stands for what. The longer spellings come first. */
static const struct {
	const char *spelled;
	const char *meant;
} feed_fangs[] = {
        {"[://]", "://"},
        {"[:]//", "://"},
        {"[dot]", "."},
        {"(dot)", "."},
        {"{dot}", "."},
        {"[.]", "."},
        {"(.)", "."},
        {"{.}", "."},
        {"[:]", ":"},
        {"[.", "."},
        {".]", "."},
        {"\\.", "."},
};

static size_t feed_fang_at(struct feed_text text, const char **ret_meant)
{
	for (size_t i = 0; i < SK_COUNT(feed_fangs); i++) {
		if (feed_starts(text, feed_fangs[i].spelled)) {
			*ret_meant = feed_fangs[i].meant;
			return strlen(feed_fangs[i].spelled);
		}
	}
	return 0;
}

/* "hxxp", "hXXps", "fxp" …: how long the spelled scheme is, and what it means. */
static size_t feed_scheme_at(struct feed_text text, const char **ret_meant)
{
	static const struct {
		const char *spelled, *meant;
	} schemes[] = {{"hxxp", "http"}, {"h**p", "http"}, {"htxp", "http"}, {"fxp", "ftp"}};
	for (size_t i = 0; i < SK_COUNT(schemes); i++) {
		size_t length = strlen(schemes[i].spelled);
		if (!feed_starts(text, schemes[i].spelled)) {
			continue;
		}
		/* What follows must end the scheme: hosts may begin like one (hxxps.example). */
		size_t end = length;
		if (end < text.length && (text.at[end] == 's' || text.at[end] == 'S')) {
			end++;
		}
		if (end < text.length && memchr(":[({", text.at[end], 4) != NULL) {
			*ret_meant = schemes[i].meant;
			return length;
		}
	}
	return 0;
}

/* Whether the part before the path has anything to put right: most lines have not. */
static bool feed_has_fangs(struct feed_text text)
{
	const char *meant;
	if (feed_scheme_at(text, &meant) > 0) {
		return true;
	}
	for (size_t i = 0; i < text.length; i++) {
		char c = text.at[i];
		if (c == '/') {
			char before = i > 0 ? text.at[i - 1] : ' ';
			if (before != ':' && before != '/' && before != ']') {
				return false;
			}
		} else if (c == '[' || c == '(' || c == '{' || c == '\\') {
			struct feed_text rest = {text.at + i, text.length - i};
			if (feed_fang_at(rest, &meant) > 0) {
				return true;
			}
		}
	}
	return false;
}

int feed_defang(struct feed *feed, struct feed_text *text)
{
	if (!feed_has_fangs(*text)) {
		return 0;
	}
	const char *meant;
	struct buf *buf = &feed->defanged;
	buf_clear(buf);
	size_t i = feed_scheme_at(*text, &meant);
	if (i > 0) {
		buf_add_text(buf, meant);
	}
	while (i < text->length) {
		struct feed_text rest = {text->at + i, text->length - i};
		size_t length = feed_fang_at(rest, &meant);
		if (length > 0) {
			buf_add_text(buf, meant);
			i += length;
		} else {
			buf_add_char(buf, text->at[i++]);
		}
	}
	int status = buf_status(buf);
	if (status == 0) {
		*text = feed_text_of(buf->data, buf->length);
	}
	return status;
}

int feed_add_url(struct feed *feed, struct feed_text text)
{
	int status = feed_defang(feed, &text);
	if (status != 0) {
		return status;
	}
	return feed->sink->url(feed->sink, text.at, text.length);
}

/* An address in brackets or not, or a CIDR. */
static bool feed_is_prefix(struct feed_text text, struct address_prefix *ret_prefix)
{
	char last = text.length > 0 ? text.at[text.length - 1] : ' ';
	/* All of them end like that; names seldom do. */
	bool may_be = (last >= '0' && last <= '9') || last == ']' || last == ':' ||
	              memchr(text.at, ':', text.length) != NULL;
	return may_be && address_prefix_parse(text.at, text.length, ret_prefix) == 0;
}

int feed_add_host(struct feed *feed, struct feed_text text)
{
	struct address_prefix prefix;
	int status = feed_defang(feed, &text);
	if (status != 0) {
		return status;
	}
	if (text.length >= 2 && text.at[0] == '*' && text.at[1] == '.') {
		text.at++;
		text.length--;
	}
	if (feed_is_prefix(text, &prefix)) {
		return feed->sink->prefix(feed->sink, &prefix);
	}
	return feed->sink->host(feed->sink, text.at, text.length);
}

int feed_add_ip(struct feed *feed, struct feed_text text)
{
	struct address_prefix prefix;
	int status = feed_defang(feed, &text);
	if (status != 0) {
		return status;
	}
	if (feed_is_prefix(text, &prefix)) {
		return feed->sink->prefix(feed->sink, &prefix);
	}
	/* "192.0.2.1:443", "[2001:db8::1]:443" */
	for (size_t i = text.length; i > 0 && text.at[i - 1] != ']'; i--) {
		struct feed_text address = {text.at, i - 1};
		if (text.at[i - 1] == ':' && i < text.length && feed_is_prefix(address, &prefix)) {
			return feed->sink->prefix(feed->sink, &prefix);
		}
		if (text.at[i - 1] < '0' || text.at[i - 1] > '9') {
			break;
		}
	}
	return feed_refuse(feed, text.length > 0 ? "no address" : "empty");
}

int feed_add_digest(struct feed *feed, struct feed_text text, struct feed_text name)
{
	struct digest digest;
	if (digest_parse(text.at, text.length, &digest) != 0) {
		return feed_refuse(feed, text.length > 0 ? "no md5, sha1 or sha256" : "empty");
	}
	return feed->sink->digest(feed->sink, &digest, name.at, name.length);
}

int feed_add_digest_of(
        struct feed *feed, enum digest_kind kind, struct feed_text text, struct feed_text name)
{
	if (text.length != 2 * digest_size(kind)) {
		return feed_refuse(feed, "digest of another length");
	}
	return feed_add_digest(feed, text, name);
}

int feed_add_any(struct feed *feed, struct feed_text text, struct feed_text name)
{
	struct digest digest;
	struct address_prefix prefix;
	if (digest_parse(text.at, text.length, &digest) == 0) {
		return feed->sink->digest(feed->sink, &digest, name.at, name.length);
	}
	int status = feed_defang(feed, &text);
	if (status != 0) {
		return status;
	}
	if (feed_is_prefix(text, &prefix)) {
		return feed->sink->prefix(feed->sink, &prefix);
	}
	if (memchr(text.at, '/', text.length) != NULL ||
	        memchr(text.at, ':', text.length) != NULL ||
	        memchr(text.at, '?', text.length) != NULL) {
		return feed->sink->url(feed->sink, text.at, text.length);
	}
	if (text.length >= 2 && text.at[0] == '*' && text.at[1] == '.') {
		text = feed_text_of(text.at + 1, text.length - 1);
	}
	return feed->sink->host(feed->sink, text.at, text.length);
}
