#include <string.h>

#include "lib/base/number.h"
#include "pattern/feed_reader.h"

/* Lists with one value per line, and hosts files. */

static const struct feed_text feed_no_name = {"", 0};

/* Cuts off a comment behind a blank ("value # comment"): a '#' alone may belong to a URL. */
static struct feed_text list_value(struct feed_text line)
{
	for (size_t i = 1; i < line.length; i++) {
		if (line.at[i] == '#' && feed_is_blank(line.at[i - 1])) {
			line.length = i;
			return feed_trim(line);
		}
	}
	return line;
}

int feed_line_urls(struct feed *feed, struct feed_text line)
{
	return feed_add_url(feed, feed_unquote(list_value(line)));
}

int feed_line_hosts(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = list_value(line);
	struct feed_text word = feed_word(&rest);
	if (feed_trim(rest).length > 0) {
		return feed_refuse(feed, "more than a host");
	}
	return feed_add_host(feed, feed_unquote(word));
}

/* "address", "address count", "address ; comment", "first - last" is not among them. */
int feed_line_ips(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = list_value(line);
	struct feed_text value = feed_cut(&rest, " \t,;");
	rest = feed_trim(rest);
	if (feed->columns->minimum_count > 0) {
		uint64_t count;
		if (number_parse_u64(rest.at, rest.length, UINT64_MAX, &count) != 0) {
			return feed_refuse(feed, "no count");
		}
		if (count < feed->columns->minimum_count) {
			return feed_refuse(feed, "count below the minimum");
		}
	}
	return feed_add_ip(feed, value);
}

int feed_line_digests(struct feed *feed, struct feed_text line)
{
	struct feed_text name = line;
	struct feed_text digest = feed_unquote(feed_cut(&name, " \t,;"));
	name = feed_trim(name);
	/* "digest ; name", "digest,,name", and sha256sum's mark of binary files. */
	while (name.length > 0 && strchr(",;*", name.at[0]) != NULL && name.at[0] != '\0') {
		name = feed_trim(feed_text_of(name.at + 1, name.length - 1));
	}
	return feed_add_digest(feed, digest, feed_unquote(name));
}

static bool list_all_digits(struct feed_text text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] < '0' || text.at[i] > '9') {
			return false;
		}
	}
	return text.length > 0;
}

/* The value ends at the first blank, comma or semicolon; commas and semicolons occur in URLs, there
 * only a blank ends it. "rank,name" gives the name. What follows a digest is its name. */
int feed_line_auto(struct feed *feed, struct feed_text line)
{
	struct digest digest;
	struct feed_text rest = list_value(line);
	struct feed_text whole = rest;
	struct feed_text value = feed_cut(&rest, " \t");
	struct feed_text head = value;
	struct feed_text tail = value;
	head = feed_cut(&tail, ",;");
	if (digest_parse(head.at, head.length, &digest) == 0) {
		return feed_line_digests(feed, whole);
	}
	bool is_url = memchr(value.at, '/', value.length) != NULL;
	if (list_all_digits(head) && tail.length > 0 && !is_url) {
		head = feed_cut(&tail, ",;");
	}
	return feed_add_any(feed, feed_unquote(is_url ? value : head), feed_no_name);
}

/* Names that a hosts file gives to the machine itself, which no feed means. */
static bool list_is_own_name(struct feed_text name)
{
	static const char *const names[] = {"localhost", "localhost.localdomain", "local",
	        "broadcasthost", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix",
	        "ip6-allnodes", "ip6-allrouters", "ip6-allhosts", "0.0.0.0"};
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		if (feed_equal(name, names[i])) {
			return true;
		}
	}
	return false;
}

int feed_line_hosts_file(struct feed *feed, struct feed_text line)
{
	struct address address;
	struct feed_text rest = feed_cut(&line, "#");
	struct feed_text word = feed_word(&rest);
	if (address_parse(word.at, word.length, &address) != 0) {
		return feed_refuse(feed, "no address at the beginning");
	}
	word = feed_word(&rest);
	if (word.length == 0) {
		return feed_refuse(feed, "no name behind the address");
	}
	for (; word.length > 0; word = feed_word(&rest)) {
		int status = list_is_own_name(word)
		                     ? feed_refuse(feed, "a name of the machine itself")
		                     : feed_add_host(feed, word);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

/* "msFilterList", "-d host", "-d host path"; "+d" allows. */
int feed_line_tpl(struct feed *feed, struct feed_text line)
{
	struct feed_text rest = line;
	struct feed_text word = feed_word(&rest);
	if (feed_equal(word, "msFilterList")) {
		feed->sink->blank++;
		return 0;
	}
	if (feed_equal(word, "+d")) {
		return feed_refuse(feed, "an exception");
	}
	if (!feed_equal(word, "-d")) {
		return feed_refuse(feed, "no rule for a host");
	}
	word = feed_word(&rest);
	if (feed_trim(rest).length > 0) {
		return feed_refuse(feed, "a rule for a part of the path");
	}
	return feed_add_host(feed, word);
}
