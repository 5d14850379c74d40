#include <string.h>

#include "lib/base/number.h"
#include "pattern/feed_reader.h"

/* Configuration of name servers: response policy zones, BIND, dnsmasq, unbound. */

static struct feed_text dns_without_dot(struct feed_text name)
{
	if (name.length > 1 && name.at[name.length - 1] == '.') {
		name.length--;
	}
	return name;
}

static bool dns_ends(struct feed_text name, const char *suffix)
{
	size_t length = strlen(suffix);
	return length > 0 && name.length > length &&
	       feed_equal(feed_text_of(name.at + name.length - length, length), suffix);
}

/* An owner of "… .rpz-ip": prefix length, then the address backwards, "zz" for "::". */
static int rpz_address(struct feed *feed, struct feed_text owner)
{
	struct feed_text parts[10];
	size_t count = 0;
	while (owner.length > 0) {
		if (count == SK_COUNT(parts)) {
			return feed_refuse(feed, "no address in the name");
		}
		parts[count++] = feed_cut(&owner, ".");
	}
	if (count < 3) {
		return feed_refuse(feed, "no address in the name");
	}
	/* Four decimal numbers and a length are IPv4. */
	char separator = ':';
	if (count == 5) {
		separator = '.';
		for (size_t i = 1; i < count; i++) {
			uint64_t value;
			if (number_parse_u64(parts[i].at, parts[i].length, 255, &value) != 0) {
				separator = ':';
			}
		}
	}
	buf_clear(&feed->row);
	for (size_t i = count - 1; i > 0; i--) {
		bool first = i == count - 1, last = i == 1, zeros = feed_equal(parts[i], "zz");
		if (!zeros) {
			buf_add(&feed->row, parts[i].at, parts[i].length);
		} else if (first || last) {
			buf_add_char(&feed->row, ':');
		}
		buf_add_char(&feed->row, last ? '/' : separator);
	}
	buf_add(&feed->row, parts[0].at, parts[0].length);
	int status = buf_status(&feed->row);
	return status != 0 ? status
	                   : feed_add_ip(feed, feed_text_of(feed->row.data, feed->row.length));
}

static int rpz_owner(struct feed *feed, struct feed_text owner)
{
	static const char *const others[] = {".rpz-client-ip", ".rpz-nsip", ".rpz-nsdname"};
	for (size_t i = 0; i < SK_COUNT(others); i++) {
		if (dns_ends(owner, others[i])) {
			return feed_refuse(feed, "a trigger that is no name or address");
		}
	}
	if (dns_ends(owner, ".rpz-ip")) {
		return rpz_address(feed, feed_text_of(owner.at, owner.length - 7));
	}
	return feed_add_host(feed, owner);
}

/* "$ORIGIN zone." */
static int rpz_directive(struct feed *feed, struct feed_text line)
{
	struct feed_text name = feed_word(&line);
	struct feed_text value = dns_without_dot(feed_word(&line));
	if (feed_equal(name, "$ORIGIN") && value.length + 1 < sizeof(feed->origin)) {
		feed->origin[0] = '.';
		memcpy(feed->origin + 1, value.at, value.length);
		feed->origin[value.length + 1] = '\0';
	}
	feed->sink->blank++;
	return 0;
}

static bool rpz_is_class_or_ttl(struct feed_text word)
{
	uint64_t ttl;
	return feed_equal(word, "IN") ||
	       number_parse_u64(word.at, word.length, UINT32_MAX, &ttl) == 0;
}

/* owner [ttl] [IN] type data */
int feed_line_rpz(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = feed_cut(&line, ";");
	if (rest.at[0] == '$') {
		return rpz_directive(feed, rest);
	}
	/* A line that begins with a blank belongs to the owner before: only the zone's own
	 * records do that. */
	bool continued = feed_is_blank(feed->sink->place.text[0]);
	struct feed_text owner = continued ? feed_text_of("@", 1) : feed_word(&rest);
	struct feed_text type = feed_word(&rest);
	while (rpz_is_class_or_ttl(type)) {
		type = feed_word(&rest);
	}
	struct feed_text data = feed_word(&rest);
	if (feed_equal(owner, "@") || feed_equal(type, "SOA") || feed_equal(type, "NS")) {
		feed->sink->blank++;
		return 0;
	}
	if (feed_starts(data, "rpz-passthru")) {
		return feed_refuse(feed, "an exception");
	}
	if (!feed_equal(type, "CNAME") && !feed_equal(type, "A") && !feed_equal(type, "AAAA")) {
		return feed_refuse(feed, "a record that blocks nothing");
	}
	bool absolute = owner.length > 1 && owner.at[owner.length - 1] == '.';
	owner = dns_without_dot(owner);
	if (absolute && dns_ends(owner, feed->origin)) {
		owner.length -= strlen(feed->origin);
	}
	return rpz_owner(feed, owner);
}

/* zone "host" [IN] { … }; and the inner lines of such statements. */
int feed_line_bind(struct feed *feed, struct feed_text line)
{
	static const char *const inner[] = {"type", "notify", "file", "}", "{", "allow-query",
	        "allow-transfer", "allow-update", "check-names", "//", "/*", "*"};
	struct feed_text rest = line;
	struct feed_text word = feed_word(&rest);
	if (!feed_equal(word, "zone")) {
		for (size_t i = 0; i < SK_COUNT(inner); i++) {
			if (feed_starts(line, inner[i])) {
				feed->sink->blank++;
				return 0;
			}
		}
		return feed_refuse(feed, "no zone statement");
	}
	rest = feed_trim(rest);
	if (rest.length == 0 || rest.at[0] != '"') {
		return feed_refuse(feed, "no name in quotes");
	}
	rest = feed_text_of(rest.at + 1, rest.length - 1);
	return feed_add_host(feed, dns_without_dot(feed_cut(&rest, "\"")));
}

/* address=/host/…/target, server=/host/, local=/host/ */
int feed_line_dnsmasq(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = line;
	struct feed_text option = feed_trim(feed_cut(&rest, "="));
	rest = feed_trim(rest);
	if (!feed_equal(option, "address") && !feed_equal(option, "server") &&
	        !feed_equal(option, "local")) {
		return feed_refuse(feed, "an option that blocks nothing");
	}
	if (rest.length == 0 || rest.at[0] != '/') {
		return feed_refuse(feed, "no host between slashes");
	}
	feed_cut(&rest, "/");
	unsigned hosts = 0;
	/* What follows the last slash is where the name shall lead. */
	while (memchr(rest.at, '/', rest.length) != NULL) {
		struct feed_text host = feed_cut(&rest, "/");
		int status = feed_equal(host, "#") ? feed_refuse(feed, "a rule for everything")
		                                   : feed_add_host(feed, host);
		if (status != 0) {
			return status;
		}
		hosts++;
	}
	return hosts > 0 ? 0 : feed_refuse(feed, "no host between slashes");
}

/* A word that may stand in quotes. */
static struct feed_text unbound_word(struct feed_text *rest)
{
	*rest = feed_trim(*rest);
	if (rest->length > 0 && rest->at[0] == '"') {
		*rest = feed_text_of(rest->at + 1, rest->length - 1);
		return feed_cut(rest, "\"");
	}
	return feed_word(rest);
}

static bool unbound_blocks(struct feed_text type)
{
	static const char *const types[] = {"always_nxdomain", "always_refuse", "always_null",
	        "always_nodata", "always_deny", "refuse", "deny", "static", "redirect",
	        "inform_deny", "inform_redirect", "block_a"};
	for (size_t i = 0; i < SK_COUNT(types); i++) {
		if (feed_equal(type, types[i])) {
			return true;
		}
	}
	return false;
}

/* local-zone: "host" type, local-data: "host A 0.0.0.0" */
int feed_line_unbound(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = line;
	struct feed_text option = feed_word(&rest);
	if (feed_equal(option, "server:")) {
		feed->sink->blank++;
		return 0;
	}
	if (feed_equal(option, "local-data:")) {
		struct feed_text record = unbound_word(&rest);
		return feed_add_host(feed, dns_without_dot(feed_word(&record)));
	}
	if (!feed_equal(option, "local-zone:")) {
		return feed_refuse(feed, "an option that blocks nothing");
	}
	struct feed_text host = dns_without_dot(unbound_word(&rest));
	struct feed_text type = unbound_word(&rest);
	if (!unbound_blocks(type)) {
		return feed_refuse(feed, "a zone type that blocks nothing");
	}
	return feed_add_host(feed, host);
}
