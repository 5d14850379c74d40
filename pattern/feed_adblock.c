#include <string.h>

#include "pattern/feed_reader.h"

/* Adblock filter lists: what blocks a host or a URL as a whole. */

/* Options that do not narrow the rule. */
static bool adblock_is_wide(struct feed_text options)
{
	static const char *const wide[] = {
	        "all", "document", "doc", "important", "popup", "network"};
	while (options.length > 0) {
		struct feed_text option = feed_trim(feed_cut(&options, ","));
		bool found = false;
		for (size_t i = 0; i < SK_COUNT(wide) && !found; i++) {
			found = feed_equal(option, wide[i]);
		}
		if (!found) {
			return false;
		}
	}
	return true;
}

/* What is no blocking rule; NULL when it may be one. */
static const char *adblock_other(struct feed_text line)
{
	if (feed_starts(line, "@@")) {
		return "an exception";
	}
	for (size_t i = 0; i + 1 < line.length; i++) {
		if (line.at[i] == '#' && strchr("#@?$%", line.at[i + 1]) != NULL &&
		        line.at[i + 1] != '\0') {
			return "a rule for parts of pages";
		}
	}
	if (line.at[0] == '/' && line.length > 1) {
		return "a rule for a part of the URL";
	}
	return NULL;
}

/* The rule's text and its options, which stand behind the last '$' that options can follow. */
static struct feed_text adblock_split(struct feed_text line, struct feed_text *ret_options)
{
	*ret_options = feed_text_of("", 0);
	for (size_t i = line.length; i > 0; i--) {
		char c = line.at[i - 1];
		if (c == '$') {
			*ret_options = feed_text_of(line.at + i, line.length - i);
			return feed_text_of(line.at, i - 1);
		}
		if (c == '/' || c == '?' || c == '&') {
			break;
		}
	}
	return line;
}

int feed_line_adblock(struct feed *feed, struct feed_text line)
{
	if (line.at[0] == '[' || (line.at[0] == '#' && (line.length == 1 || line.at[1] == ' '))) {
		feed->sink->blank++;
		return 0;
	}
	const char *other = adblock_other(line);
	if (other != NULL) {
		return feed_refuse(feed, other);
	}
	struct feed_text options;
	struct feed_text rule = adblock_split(line, &options);
	if (!adblock_is_wide(options)) {
		return feed_refuse(feed, "options that narrow the rule");
	}
	if (feed_starts(rule, "||")) {
		rule = feed_text_of(rule.at + 2, rule.length - 2);
	} else if (feed_starts(rule, "|")) {
		rule = feed_text_of(rule.at + 1, rule.length - 1);
	}
	if (rule.length > 0 &&
	        (rule.at[rule.length - 1] == '^' || rule.at[rule.length - 1] == '|')) {
		rule.length--;
	}
	if (rule.length == 0) {
		return feed_refuse(feed, "a rule for everything");
	}
	if (memchr(rule.at, '*', rule.length) != NULL ||
	        memchr(rule.at, '^', rule.length) != NULL ||
	        memchr(rule.at, '|', rule.length) != NULL) {
		return feed_refuse(feed, "a pattern, not a host or URL");
	}
	if (memchr(rule.at, '/', rule.length) == NULL &&
	        memchr(rule.at, '?', rule.length) == NULL) {
		return feed_add_host(feed, rule);
	}
	return feed_add_url(feed, rule);
}
