#include <string.h>

#include "lib/base/number.h"
#include "pattern/feed_reader.h"

/*
 * Rules of Suricata and Snort 3: the host and the URI that a rule for HTTP, DNS or TLS asks for,
 * and the addresses of a rule that asks for nothing else. Everything that makes a rule mean less
 * than "this host" or "this URL" is refused.
 */
enum rule_buffer { RULE_OTHER, RULE_HOST, RULE_URI };

struct rule {
	struct feed_text host, uri; /* decoded, in feed->row */
	struct feed_text last; /* content whose buffer comes behind it (old Suricata) */
	enum rule_buffer buffer;
	unsigned contents;
	const char *reason;
};

/* The next option up to its ';', quotes and backslashes respected. False at the end. */
static bool rule_option(struct feed_text *rest, struct feed_text *ret_option)
{
	bool quoted = false;
	*rest = feed_trim(*rest);
	if (rest->length == 0 || rest->at[0] == ')') {
		return false;
	}
	size_t i = 0;
	for (; i < rest->length; i++) {
		char c = rest->at[i];
		if (c == '\\') {
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (c == ';' && !quoted) {
			break;
		}
	}
	if (i >= rest->length) {
		i = rest->length;
	}
	*ret_option = feed_trim(feed_text_of(rest->at, i));
	size_t used = i < rest->length ? i + 1 : i;
	*rest = feed_text_of(rest->at + used, rest->length - used);
	return true;
}

/* Bytes in "|41 42|". */
static int rule_hex(struct feed *feed, struct feed_text hex)
{
	char high = 0;
	for (size_t i = 0; i < hex.length; i++) {
		if (feed_is_blank(hex.at[i])) {
			continue;
		}
		if (number_hex_digit(hex.at[i]) < 0) {
			return SK_E_SYNTAX;
		}
		if (high == 0) {
			high = hex.at[i];
		} else {
			buf_add_char(&feed->row,
			        (char)(number_hex_digit(high) << 4 | number_hex_digit(hex.at[i])));
			high = 0;
		}
	}
	return high == 0 ? 0 : SK_E_SYNTAX;
}

/* The bytes of a content in quotes, written to feed->row. */
static int rule_content(struct feed *feed, struct feed_text value, struct feed_text *ret_content)
{
	size_t start = feed->row.length;
	if (value.length < 2 || value.at[0] != '"') {
		return SK_E_SYNTAX;
	}
	size_t i = 1;
	while (i < value.length && value.at[i] != '"') {
		if (value.at[i] == '|') {
			struct feed_text hex = feed_text_of(value.at + i + 1, value.length - i - 1);
			size_t left = hex.length;
			hex = feed_cut(&(struct feed_text){hex.at, hex.length}, "|");
			if (hex.length == left || rule_hex(feed, hex) != 0) {
				return SK_E_SYNTAX;
			}
			i += hex.length + 2;
			continue;
		}
		if (value.at[i] == '\\' && i + 1 < value.length) {
			i++;
		}
		buf_add_char(&feed->row, value.at[i++]);
	}
	if (buf_status(&feed->row) != 0 || i >= value.length) {
		return SK_E_SYNTAX;
	}
	*ret_content = feed_text_of(feed->row.data + start, feed->row.length - start);
	return 0;
}

static void rule_take(struct rule *rule, enum rule_buffer buffer, struct feed_text content)
{
	struct feed_text *where = buffer == RULE_HOST ? &rule->host : &rule->uri;
	if (buffer == RULE_OTHER) {
		return;
	}
	if (where->length > 0) {
		rule->reason = "more than one content for the same part";
	}
	*where = content;
	rule->contents++;
}

/* Which buffer a keyword selects: for the contents behind it, or (`before`) for the one before. */
static bool rule_buffer_of(struct feed_text name, struct feed_text value, bool snort,
        enum rule_buffer *ret_buffer, bool *ret_before)
{
	static const struct {
		const char *name;
		enum rule_buffer buffer;
		bool before;
	} buffers[] = {
	        {"http.host", RULE_HOST, false},
	        {"http.host.raw", RULE_HOST, false},
	        {"dns.query", RULE_HOST, false},
	        {"dns_query", RULE_HOST, false},
	        {"tls.sni", RULE_HOST, false},
	        {"tls_sni", RULE_HOST, false},
	        {"http.uri", RULE_URI, false},
	        {"http.uri.raw", RULE_URI, false},
	        {"http.method", RULE_OTHER, false},
	        {"http.user_agent", RULE_OTHER, false},
	        {"http.header", RULE_OTHER, false},
	        {"http.request_body", RULE_OTHER, false},
	        {"http_host", RULE_HOST, true},
	        {"http_uri", RULE_URI, true},
	        {"http_method", RULE_OTHER, true},
	};
	*ret_before = false;
	if (snort && feed_equal(name, "http_header")) {
		*ret_buffer = feed_equal(value, "field host") ? RULE_HOST : RULE_OTHER;
		return true;
	}
	for (size_t i = 0; i < SK_COUNT(buffers); i++) {
		if (feed_equal(name, buffers[i].name)) {
			*ret_buffer = buffers[i].buffer;
			/* Snort 3 puts every keyword before its contents. */
			*ret_before = buffers[i].before && !snort;
			return true;
		}
	}
	return false;
}

static void rule_apply(struct feed *feed, struct rule *rule, struct feed_text option, bool snort)
{
	struct feed_text value = option;
	struct feed_text name = feed_trim(feed_cut(&value, ":"));
	enum rule_buffer buffer;
	bool before;
	value = feed_trim(value);
	if (rule_buffer_of(name, value, snort, &buffer, &before)) {
		if (before) {
			rule_take(rule, buffer, rule->last);
			rule->last.length = 0;
		} else {
			rule->buffer = buffer;
		}
	} else if (feed_equal(name, "content")) {
		if (value.length > 0 && value.at[0] == '!') {
			rule->reason = "a content that must not be there";
		} else if (rule_content(feed, value, &rule->last) != 0) {
			rule->reason = "a content that cannot be read";
		} else if (rule->buffer != RULE_OTHER) {
			rule_take(rule, rule->buffer, rule->last);
		}
	} else if (feed_equal(name, "pcre")) {
		rule->reason = "a regular expression";
	}
}

/* The addresses of "-> [a,b] port" or of the source when the destination is a variable. */
static int rule_addresses(struct feed *feed, struct feed_text header)
{
	struct feed_text words[7];
	for (size_t i = 0; i < SK_COUNT(words); i++) {
		words[i] = feed_word(&header);
	}
	/* action protocol source port direction destination port */
	struct feed_text list = words[5];
	if (list.length == 0 || list.at[0] == '$' || feed_equal(list, "any")) {
		list = words[2];
	}
	if (list.length == 0 || list.at[0] == '$' || list.at[0] == '!' || feed_equal(list, "any")) {
		return feed_refuse(feed, "no host, URI or address in the rule");
	}
	if (list.at[0] == '[' && list.at[list.length - 1] == ']') {
		list = feed_text_of(list.at + 1, list.length - 2);
	}
	while (list.length > 0) {
		struct feed_text one = feed_cut(&list, ",");
		int status = one.length > 0 && one.at[0] == '!'
		                     ? feed_refuse(feed, "an address that is excepted")
		                     : feed_add_ip(feed, one);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

static int rule_emit(struct feed *feed, const struct rule *rule, struct feed_text header)
{
	struct feed_text host = rule->host;
	if (rule->reason != NULL) {
		return feed_refuse(feed, rule->reason);
	}
	if (rule->contents == 0) {
		return rule->last.length > 0 ? feed_refuse(feed, "a content of another part")
		                             : rule_addresses(feed, header);
	}
	if (host.length == 0) {
		return feed_refuse(feed, "a URI without a host");
	}
	if (host.at[0] == '.') {
		host = feed_text_of(host.at + 1, host.length - 1);
	}
	if (rule->uri.length == 0) {
		return feed_add_host(feed, host);
	}
	size_t start = feed->row.length;
	if (rule->uri.at[0] != '/') {
		return feed_refuse(feed, "a part of a URI");
	}
	buf_add(&feed->row, host.at, host.length);
	buf_add(&feed->row, rule->uri.at, rule->uri.length);
	if (buf_status(&feed->row) != 0) {
		return feed_refuse(feed, "line too long");
	}
	return feed_add_url(feed, feed_text_of(feed->row.data + start, feed->row.length - start));
}

static int rule_line(struct feed *feed, struct feed_text line, bool snort)
{
	static const char *const actions[] = {
	        "alert", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "block", "log"};
	struct feed_text rest = line;
	struct feed_text header = feed_cut(&rest, "(");
	struct feed_text words = header;
	struct feed_text action = feed_word(&words);
	bool known = false;
	for (size_t i = 0; i < SK_COUNT(actions) && !known; i++) {
		known = feed_equal(action, actions[i]);
	}
	if (!known || header.length == line.length) {
		return feed_refuse(feed, feed_equal(action, "pass") ? "an exception" : "no rule");
	}
	struct rule rule = {0};
	struct feed_text option;
	/* Room for all contents and the joined URL from the start: the texts do not move. */
	buf_clear(&feed->row);
	if (buf_reserve(&feed->row, 2 * LIMIT_FEED_LINE) == NULL) {
		return buf_status(&feed->row);
	}
	while (rule_option(&rest, &option)) {
		rule_apply(feed, &rule, option, snort);
	}
	return rule_emit(feed, &rule, header);
}

int feed_line_suricata(struct feed *feed, struct feed_text line)
{
	return rule_line(feed, line, false);
}

int feed_line_snort(struct feed *feed, struct feed_text line)
{
	return rule_line(feed, line, true);
}
