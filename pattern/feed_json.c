#include <string.h>

#include "lib/base/cursor.h"
#include "lib/base/error.h"
#include "pattern/json_walk.h"

/* Structured lists in JSON: MISP events and warninglists, STIX bundles, Spamhaus DROP. */

/* Reads the input as JSON. What is no JSON is refused, and what follows it cannot be read. */
static int json_read(struct feed *feed, struct json_walk *walk, struct input *input, bool many)
{
	walk->context = feed;
	int status = json_walk_run(walk, input, many);
	if (status == SK_E_SYNTAX) {
		feed->sink->lines++;
		feed->sink->place.line = walk->scan.line;
		feed->sink->place.text = "";
		feed->sink->place.length = 0;
		return feed_refuse(feed, walk->scan.reason);
	}
	if (status < 0) {
		error_set(feed->error, status, "%s", input_reason(input));
	}
	return status;
}

static int json_read_document(struct feed *feed, struct json_walk *walk)
{
	const char *bytes;
	size_t size;
	int status = input_peek(feed->input, &bytes, &size);
	if (status != 0) {
		return error_set(feed->error, status, "%s", input_reason(feed->input));
	}
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		input_consume(feed->input, 3);
	}
	return json_read(feed, walk, feed->input, false);
}

/* Counts a value and says where it stands. */
static void json_place(struct feed *feed, const struct json_walk *walk, struct feed_text value)
{
	feed->sink->lines++;
	feed->sink->place.line = walk->scan.line;
	feed->sink->place.text = value.at;
	feed->sink->place.length = value.length;
}

/* --- MISP events --- */

enum { MISP_TYPE, MISP_VALUE, MISP_INFO, MISP_MEMBERS };
static const char *const misp_members[MISP_MEMBERS] = {"type", "value", "info"};

/* What the event is about is the name of its files. */
static struct feed_text misp_name(const struct json_walk *walk)
{
	for (unsigned above = 1; above < walk->depth; above++) {
		if (feed_equal(json_walk_key(walk, above), "Event")) {
			return json_walk_value(walk, above, MISP_INFO);
		}
	}
	return feed_text_of("", 0);
}

enum misp_kind { MISP_URL, MISP_HOST, MISP_ADDRESS, MISP_DIGEST };

static int misp_part(
        struct feed *feed, enum misp_kind kind, struct feed_text value, struct feed_text name)
{
	switch (kind) {
	case MISP_URL:
		return feed_add_url(feed, value);
	case MISP_HOST:
		return feed_add_host(feed, value);
	case MISP_ADDRESS:
		return feed_add_ip(feed, value);
	case MISP_DIGEST:
		break;
	}
	return feed_add_digest(feed, value, name);
}

/* "a|b": which side is wanted. */
enum misp_side { MISP_WHOLE, MISP_FIRST, MISP_SECOND, MISP_BOTH };

static int misp_attribute(
        struct feed *feed, struct feed_text type, struct feed_text value, struct feed_text name)
{
	static const struct {
		const char *type;
		enum misp_kind kind;
		enum misp_side side;
	} types[] = {
	        {"url", MISP_URL, MISP_WHOLE},
	        {"uri", MISP_URL, MISP_WHOLE},
	        {"domain", MISP_HOST, MISP_WHOLE},
	        {"hostname", MISP_HOST, MISP_WHOLE},
	        {"hostname|port", MISP_HOST, MISP_FIRST},
	        {"domain|ip", MISP_HOST, MISP_BOTH},
	        {"ip-src", MISP_ADDRESS, MISP_WHOLE},
	        {"ip-dst", MISP_ADDRESS, MISP_WHOLE},
	        {"ip-src|port", MISP_ADDRESS, MISP_FIRST},
	        {"ip-dst|port", MISP_ADDRESS, MISP_FIRST},
	        {"md5", MISP_DIGEST, MISP_WHOLE},
	        {"sha1", MISP_DIGEST, MISP_WHOLE},
	        {"sha256", MISP_DIGEST, MISP_WHOLE},
	        {"filename|md5", MISP_DIGEST, MISP_SECOND},
	        {"filename|sha1", MISP_DIGEST, MISP_SECOND},
	        {"filename|sha256", MISP_DIGEST, MISP_SECOND},
	        {"malware-sample", MISP_DIGEST, MISP_SECOND},
	};
	for (size_t i = 0; i < SK_COUNT(types); i++) {
		if (!feed_equal(type, types[i].type)) {
			continue;
		}
		if (types[i].side == MISP_WHOLE) {
			return misp_part(feed, types[i].kind, value, name);
		}
		struct feed_text second = value;
		struct feed_text first = feed_cut(&second, "|");
		if (types[i].side == MISP_SECOND) {
			return misp_part(feed, types[i].kind, second, name);
		}
		int status = misp_part(feed, types[i].kind, first, name);
		if (status == 0 && types[i].side == MISP_BOTH) {
			status = misp_part(feed, MISP_ADDRESS, second, name);
		}
		return status;
	}
	return feed_refuse(feed, "a type that no pattern holds");
}

static int misp_object(struct json_walk *walk)
{
	struct feed *feed = walk->context;
	struct feed_text type = json_walk_value(walk, 0, MISP_TYPE);
	struct feed_text value = feed_trim(json_walk_value(walk, 0, MISP_VALUE));
	/* Attributes stand in arrays of that name, in the event or its objects. */
	if (type.length == 0 || value.length == 0 ||
	        !feed_equal(json_walk_key(walk, 1), "Attribute")) {
		return 0;
	}
	json_place(feed, walk, value);
	return misp_attribute(feed, type, value, misp_name(walk));
}

int feed_misp(struct feed *feed)
{
	struct json_walk walk = {
	        .members = misp_members, .member_count = MISP_MEMBERS, .object = misp_object};
	return json_read_document(feed, &walk);
}

/* --- STIX bundles --- */

enum {
	STIX_TYPE,
	STIX_NAME,
	STIX_PATTERN,
	STIX_PATTERN_TYPE,
	STIX_VALUE,
	STIX_MD5,
	STIX_SHA1,
	STIX_SHA256,
	STIX_REVOKED,
	STIX_MEMBERS
};
static const char *const stix_members[STIX_MEMBERS] = {
        "type", "name", "pattern", "pattern_type", "value", "MD5", "SHA-1", "SHA-256", "revoked"};

/* An indicator's name, unless it only repeats the value. */
static struct feed_text stix_name(const struct json_walk *walk, struct feed_text value)
{
	struct feed_text name = json_walk_value(walk, 0, STIX_NAME);
	if (name.length >= 4 && memmem(value.at, value.length, name.at, name.length) != NULL) {
		return feed_text_of("", 0);
	}
	return name;
}

static int stix_indicator(struct feed *feed, struct json_walk *walk)
{
	struct feed_text pattern = json_walk_value(walk, 0, STIX_PATTERN);
	struct feed_text type = json_walk_value(walk, 0, STIX_PATTERN_TYPE);
	json_place(feed, walk, pattern);
	if (feed_equal(json_walk_value(walk, 0, STIX_REVOKED), "true")) {
		return feed_refuse(feed, "revoked");
	}
	if (type.length > 0 && !feed_equal(type, "stix")) {
		return feed_refuse(feed, "a pattern in another language");
	}
	return feed_stix_pattern(feed, pattern, stix_name(walk, pattern));
}

static int stix_file(struct feed *feed, struct json_walk *walk)
{
	static const enum digest_kind kinds[] = {DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256};
	unsigned found = 0;
	for (unsigned i = 0; i < SK_COUNT(kinds); i++) {
		struct feed_text digest = json_walk_value(walk, 0, STIX_MD5 + i);
		if (digest.length == 0) {
			continue;
		}
		json_place(feed, walk, digest);
		found++;
		int status = feed_add_digest_of(feed, kinds[i], digest, feed_text_of("", 0));
		if (status != 0) {
			return status;
		}
	}
	if (found > 0) {
		return 0;
	}
	json_place(feed, walk, json_walk_value(walk, 0, STIX_NAME));
	return feed_refuse(feed, "a file without md5, sha1 or sha256");
}

static int stix_object(struct json_walk *walk)
{
	struct feed *feed = walk->context;
	struct feed_text type = json_walk_value(walk, 0, STIX_TYPE);
	struct feed_text value = json_walk_value(walk, 0, STIX_VALUE);
	if (feed_equal(type, "indicator")) {
		return stix_indicator(feed, walk);
	}
	if (feed_equal(type, "file")) {
		return stix_file(feed, walk);
	}
	bool url = feed_equal(type, "url"), name = feed_equal(type, "domain-name");
	bool address = feed_equal(type, "ipv4-addr") || feed_equal(type, "ipv6-addr");
	if (!url && !name && !address) {
		return 0;
	}
	json_place(feed, walk, value);
	return url    ? feed_add_url(feed, value)
	       : name ? feed_add_host(feed, value)
	              : feed_add_ip(feed, value);
}

int feed_stix(struct feed *feed)
{
	struct json_walk walk = {.members = stix_members,
	        .member_count = STIX_MEMBERS,
	        .flat = "hashes",
	        .object = stix_object};
	return json_read_document(feed, &walk);
}

/* --- Spamhaus DROP: a JSON object per line --- */

enum { DROP_CIDR, DROP_TYPE, DROP_MEMBERS };
static const char *const drop_members[DROP_MEMBERS] = {"cidr", "type"};

static int drop_object(struct json_walk *walk)
{
	struct feed *feed = walk->context;
	struct feed_text cidr = json_walk_value(walk, 0, DROP_CIDR);
	if (walk->depth > 1) {
		return 0;
	}
	if (cidr.length == 0) {
		if (feed_equal(json_walk_value(walk, 0, DROP_TYPE), "metadata")) {
			feed->sink->blank++;
			return 0;
		}
		return feed_refuse(feed, "no cidr in the object");
	}
	return feed_add_ip(feed, cidr);
}

int feed_line_drop(struct feed *feed, struct feed_text line)
{
	struct json_walk walk = {
	        .members = drop_members, .member_count = DROP_MEMBERS, .object = drop_object};
	struct input *input;
	int status = input_over(line.at, line.length, &input);
	if (status != 0) {
		return error_set_code(feed->error, status, "cannot read a line");
	}
	walk.context = feed;
	status = json_walk_run(&walk, input, false);
	input_close(input);
	return status == SK_E_SYNTAX ? feed_refuse(feed, walk.scan.reason) : status;
}

/* --- MISP warninglists --- */

enum { WARNING_TYPE, WARNING_MEMBERS };
static const char *const warning_members[WARNING_MEMBERS] = {"type"};

/* All values of a warninglist, which are kept until its type is known: it stands behind them. */
#define WARNING_TEXTS (64 * 1024 * 1024)

struct warning {
	struct feed *feed;
	struct buf texts; /* u32 line, u32 length, bytes */
	char type[16];
};

static int warning_element(struct json_walk *walk, struct feed_text text)
{
	struct warning *warning = walk->context;
	if (walk->depth != 2 || !feed_equal(json_walk_key(walk, 0), "list")) {
		return 0;
	}
	buf_add_le32(&warning->texts, (uint32_t)walk->scan.line);
	buf_add_le32(&warning->texts, (uint32_t)text.length);
	buf_add(&warning->texts, text.at, text.length);
	return buf_status(&warning->texts);
}

static int warning_object(struct json_walk *walk)
{
	struct warning *warning = walk->context;
	struct feed_text type = json_walk_value(walk, 0, WARNING_TYPE);
	if (walk->depth == 1 && type.length < sizeof(warning->type)) {
		memcpy(warning->type, type.at, type.length);
		warning->type[type.length] = '\0';
	}
	return 0;
}

/* "/expression/flags" or an expression alone. */
static int warning_regex(struct feed *feed, struct feed_text text)
{
	bool caseless = false;
	if (text.length >= 2 && text.at[0] == '/') {
		size_t end = text.length - 1;
		while (end > 0 && text.at[end] != '/') {
			if (text.at[end] != 'i') {
				return feed_refuse(feed, "a flag that is not known");
			}
			caseless = true;
			end--;
		}
		if (end == 0) {
			return feed_refuse(feed, "no closing slash");
		}
		text = feed_text_of(text.at + 1, end - 1);
	}
	return feed->sink->match(feed->sink, FEED_MATCH_REGEX, text.at, text.length, caseless);
}

static int warning_hostname(struct feed *feed, struct feed_text text)
{
	int status = feed_defang(feed, &text);
	if (status != 0) {
		return status;
	}
	while (text.length > 0 && (text.at[0] == '.' || text.at[0] == '*')) {
		text = feed_text_of(text.at + 1, text.length - 1);
	}
	return feed->sink->match(feed->sink, FEED_MATCH_HOSTNAME, text.at, text.length, false);
}

static int warning_value(struct warning *warning, struct feed_text text)
{
	struct feed *feed = warning->feed;
	if (text.length == 0) {
		return feed_refuse(feed, "empty");
	}
	if (strcmp(warning->type, "hostname") == 0) {
		return warning_hostname(feed, text);
	}
	if (strcmp(warning->type, "cidr") == 0) {
		return feed->sink->match(feed->sink, FEED_MATCH_CIDR, text.at, text.length, false);
	}
	if (strcmp(warning->type, "substring") == 0) {
		return feed->sink->match(
		        feed->sink, FEED_MATCH_SUBSTRING, text.at, text.length, false);
	}
	if (strcmp(warning->type, "regex") == 0) {
		return warning_regex(feed, text);
	}
	if (strcmp(warning->type, "string") == 0) {
		return feed_add_any(feed, text, feed_text_of("", 0));
	}
	return feed_refuse(feed, "a type of warninglist that is not known");
}

static int warning_give_values(struct warning *warning)
{
	struct cursor cursor = cursor_over(warning->texts.data, warning->texts.length);
	while (cursor_left(&cursor) > 0) {
		struct feed_sink *sink = warning->feed->sink;
		uint32_t line = cursor_le32(&cursor);
		uint32_t length = cursor_le32(&cursor);
		const char *text = (const char *)cursor_bytes(&cursor, length);
		if (text == NULL) {
			return cursor_finish(&cursor);
		}
		sink->lines++;
		sink->place = (struct feed_place){line, text, length};
		int status = warning_value(warning, feed_trim(feed_text_of(text, length)));
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

int feed_warninglist(struct feed *feed)
{
	struct warning warning = {.feed = feed};
	struct json_walk walk = {.members = warning_members,
	        .member_count = WARNING_MEMBERS,
	        .object = warning_object,
	        .element = warning_element};
	buf_init(&warning.texts, WARNING_TEXTS);
	const char *bytes;
	size_t size;
	int status = input_peek(feed->input, &bytes, &size);
	if (status == 0 && size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		input_consume(feed->input, 3);
	}
	if (status == 0) {
		walk.context = &warning;
		status = json_walk_run(&walk, feed->input, false);
	}
	if (status == SK_E_SYNTAX) {
		feed->sink->lines++;
		feed->sink->place = (struct feed_place){walk.scan.line, "", 0};
		status = feed_refuse(feed, walk.scan.reason);
	} else if (status != 0) {
		error_set_code(feed->error, status, "cannot read a warninglist");
	}
	if (status == 0) {
		status = warning_give_values(&warning);
	}
	buf_release(&warning.texts);
	return status;
}
