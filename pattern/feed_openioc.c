#include <string.h>

#include "lib/base/error.h"
#include "pattern/feed_reader.h"

/*
 * OpenIOC: IndicatorItem elements with Context (what is compared) and Content (with what). A small
 * reader of tags and text; no document type, no entities but the five of XML and numeric ones.
 */
struct ioc {
	struct feed *feed;
	struct buf text; /* of the tag or the text between two tags */
	uint64_t line;
	char search[128]; /* of the last Context */
	bool in_content;
	bool content_there;
	/* One byte more than any URL, so that what was cut is refused as too long. */
	char content[LIMIT_URL + 1];
	size_t content_length;
	uint64_t all_of; /* a bit per open Indicator: its items must all be there */
	unsigned depth;
	bool negate;
};

/* Reads up to `stop`, which is consumed; false at the end. Text beyond the maximum is cut. */
static int ioc_until(struct ioc *ioc, char stop, bool *ret_found)
{
	buf_clear(&ioc->text);
	for (;;) {
		const char *bytes;
		size_t size;
		int status = input_peek(ioc->feed->input, &bytes, &size);
		if (status != 0) {
			return error_set(
			        ioc->feed->error, status, "%s", input_reason(ioc->feed->input));
		}
		if (size == 0) {
			*ret_found = false;
			return 0;
		}
		const char *found = memchr(bytes, stop, size);
		size_t used = found != NULL ? (size_t)(found - bytes) : size;
		for (size_t i = 0; i < used; i++) {
			ioc->line += bytes[i] == '\n';
		}
		size_t room = ioc->text.maximum - ioc->text.length;
		buf_add(&ioc->text, bytes, used < room ? used : room);
		input_consume(ioc->feed->input, found != NULL ? used + 1 : used);
		if (buf_status(&ioc->text) != 0) {
			return buf_status(&ioc->text);
		}
		if (found != NULL) {
			*ret_found = true;
			return 0;
		}
	}
}

static struct feed_text ioc_text(const struct ioc *ioc)
{
	return feed_text_of(ioc->text.length > 0 ? ioc->text.data : "", ioc->text.length);
}

static bool ioc_ends(struct feed_text text, const char *end)
{
	size_t length = strlen(end);
	return text.length >= length && memcmp(text.at + text.length - length, end, length) == 0;
}

/* The rest of a comment, which a '>' may have cut. */
static int ioc_comment(struct ioc *ioc)
{
	bool more = true;
	while (more && !ioc_ends(ioc_text(ioc), "--")) {
		int status = ioc_until(ioc, '>', &more);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

static void ioc_add(struct ioc *ioc, const char *bytes, size_t size)
{
	size_t room = sizeof(ioc->content) - ioc->content_length;
	size = size < room ? size : room;
	memcpy(ioc->content + ioc->content_length, bytes, size);
	ioc->content_length += size;
	ioc->content_there = true;
}

/* A CDATA section is content as it stands; a '>' may have cut it. */
static int ioc_cdata(struct ioc *ioc)
{
	struct feed_text piece = ioc_text(ioc);
	piece = feed_text_of(piece.at + 8, piece.length - 8);
	bool more = true;
	while (more && !ioc_ends(piece, "]]")) {
		if (ioc->in_content) {
			ioc_add(ioc, piece.at, piece.length);
			ioc_add(ioc, ">", 1);
		}
		int status = ioc_until(ioc, '>', &more);
		if (status != 0) {
			return status;
		}
		piece = ioc_text(ioc);
	}
	if (ioc->in_content && more) {
		ioc_add(ioc, piece.at, piece.length - 2);
	}
	return 0;
}

/* The value of an attribute of the tag, or an empty text. */
static struct feed_text ioc_attribute(struct feed_text tag, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 1; i + length + 2 < tag.length; i++) {
		struct feed_text here = {tag.at + i, tag.length - i};
		char before = tag.at[i - 1];
		if ((feed_is_blank(before) || before == '\n') && feed_starts(here, name) &&
		        here.at[length] == '=' &&
		        (here.at[length + 1] == '"' || here.at[length + 1] == '\'')) {
			char quote[2] = {here.at[length + 1], '\0'};
			here = feed_text_of(here.at + length + 2, here.length - length - 2);
			return feed_cut(&here, quote);
		}
	}
	return feed_text_of("", 0);
}

/* "&amp;" … into their characters, as far as they are ASCII. */
static void ioc_unescape(struct ioc *ioc, struct feed_text text)
{
	static const struct {
		const char *name;
		char meant;
	} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'},
	        {"&apos;", '\''}, {"&#38;", '&'}, {"&#x26;", '&'}};
	for (size_t i = 0; i < text.length;) {
		struct feed_text rest = {text.at + i, text.length - i};
		char c = text.at[i];
		size_t used = 1;
		for (size_t e = 0; c == '&' && e < SK_COUNT(entities); e++) {
			if (feed_starts(rest, entities[e].name)) {
				c = entities[e].meant;
				used = strlen(entities[e].name);
			}
		}
		ioc_add(ioc, &c, 1);
		i += used;
	}
}

static int ioc_item(struct ioc *ioc)
{
	static const struct {
		const char *end; /* of the search path */
		enum { IOC_URL, IOC_HOST, IOC_ADDRESS, IOC_DIGEST } kind;
	} searches[] = {
	        {"/Md5sum", IOC_DIGEST},
	        {"/Sha1sum", IOC_DIGEST},
	        {"/Sha256sum", IOC_DIGEST},
	        {"Network/URI", IOC_URL},
	        {"UrlHistoryItem/URL", IOC_URL},
	        {"FileDownloadHistoryItem/SourceURL", IOC_URL},
	        {"Network/DNS", IOC_HOST},
	        {"DnsEntryItem/Host", IOC_HOST},
	        {"DnsEntryItem/RecordName", IOC_HOST},
	        {"UrlHistoryItem/HostName", IOC_HOST},
	        {"PortItem/remoteIP", IOC_ADDRESS},
	        {"RouteEntryItem/Destination", IOC_ADDRESS},
	};
	struct feed *feed = ioc->feed;
	struct feed_text value = feed_trim(feed_text_of(ioc->content, ioc->content_length));
	struct feed_text search = feed_text_of(ioc->search, strlen(ioc->search));
	feed->sink->lines++;
	feed->sink->place = (struct feed_place){ioc->line, value.at, value.length};
	if (ioc->negate) {
		return feed_refuse(feed, "a content that must not be there");
	}
	for (size_t i = 0; i < SK_COUNT(searches); i++) {
		size_t length = strlen(searches[i].end);
		if (search.length < length ||
		        !feed_equal(feed_text_of(search.at + search.length - length, length),
		                searches[i].end)) {
			continue;
		}
		if (searches[i].kind == IOC_DIGEST) {
			return feed_add_digest(feed, value, feed_text_of("", 0));
		}
		if (ioc->all_of & 1) {
			return feed_refuse(feed, "bad only together with other items");
		}
		return searches[i].kind == IOC_URL    ? feed_add_url(feed, value)
		       : searches[i].kind == IOC_HOST ? feed_add_host(feed, value)
		                                      : feed_add_ip(feed, value);
	}
	return feed_refuse(feed, "a kind of item that no pattern holds");
}

static void ioc_open_indicator(struct ioc *ioc, struct feed_text tag)
{
	ioc->depth++;
	ioc->all_of = ioc->all_of << 1 | feed_equal(ioc_attribute(tag, "operator"), "AND");
}

/* The name of an element, up to a blank or the slash of an empty one. */
static struct feed_text ioc_name(struct feed_text tag)
{
	size_t length = 0;
	while (length < tag.length && !feed_is_blank(tag.at[length]) && tag.at[length] != '\n' &&
	        tag.at[length] != '/') {
		length++;
	}
	return feed_text_of(tag.at, length);
}

static int ioc_tag(struct ioc *ioc)
{
	struct feed_text tag = ioc_text(ioc);
	struct feed_text name = ioc_name(tag);
	if (feed_starts(tag, "!--")) {
		return ioc_comment(ioc);
	}
	if (feed_starts(tag, "![CDATA[")) {
		return ioc_cdata(ioc);
	}
	if (feed_equal(name, "Context")) {
		struct feed_text search = ioc_attribute(tag, "search");
		size_t length = search.length < sizeof(ioc->search) ? search.length : 0;
		memcpy(ioc->search, search.at, length);
		ioc->search[length] = '\0';
	} else if (feed_equal(name, "IndicatorItem")) {
		ioc->negate = feed_equal(ioc_attribute(tag, "negate"), "true") ||
		              feed_starts(ioc_attribute(tag, "condition"), "isnot") ||
		              feed_starts(ioc_attribute(tag, "condition"), "containsnot");
		ioc->content_length = 0;
		ioc->content_there = false;
		ioc->search[0] = '\0';
	} else if (feed_equal(name, "Content")) {
		ioc->in_content = tag.at[tag.length - 1] != '/';
	} else if (feed_equal(tag, "/Content")) {
		ioc->in_content = false;
	} else if (feed_equal(tag, "/IndicatorItem") && ioc->content_there) {
		return ioc_item(ioc);
	} else if (feed_equal(name, "Indicator")) {
		ioc_open_indicator(ioc, tag);
	} else if (feed_equal(tag, "/Indicator") && ioc->depth > 0) {
		ioc->depth--;
		ioc->all_of >>= 1;
	}
	return 0;
}

int feed_openioc(struct feed *feed)
{
	struct ioc ioc = {.feed = feed, .line = 1};
	buf_init(&ioc.text, LIMIT_FEED_LINE);
	bool found = true;
	int status = 0;
	while (status == 0) {
		/* Text up to the next tag, then the tag. */
		status = ioc_until(&ioc, '<', &found);
		if (status != 0 || !found) {
			break;
		}
		if (ioc.in_content) {
			ioc_unescape(&ioc, ioc_text(&ioc));
		}
		status = ioc_until(&ioc, '>', &found);
		if (status != 0 || !found) {
			break;
		}
		status = ioc_tag(&ioc);
	}
	buf_release(&ioc.text);
	return status;
}
