#include "lib/data/rule.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"

static const char *const rule_kind_names[RULE_KIND_COUNT] = {"site", "page", "keyword"};

static const char *const target_kind_names[TARGET_KIND_COUNT] = {"address", "domain", "computer"};

static const char *const object_kind_names[OBJECT_KIND_COUNT] = {
        "ip", "domain", "url", "sha1", "sha256"};

const char *rule_kind_name(enum rule_kind kind)
{
	return (unsigned)kind < RULE_KIND_COUNT ? rule_kind_names[kind] : "site";
}

int rule_kind_parse(const char *name, enum rule_kind *ret_kind)
{
	for (unsigned i = 0; i < RULE_KIND_COUNT; i++) {
		if (strcmp(name, rule_kind_names[i]) == 0) {
			*ret_kind = (enum rule_kind)i;
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}

const char *target_kind_name(enum target_kind kind)
{
	return (unsigned)kind < TARGET_KIND_COUNT ? target_kind_names[kind] : "address";
}

const char *object_kind_name(enum object_kind kind)
{
	return (unsigned)kind < OBJECT_KIND_COUNT ? object_kind_names[kind] : "url";
}

int object_kind_parse(const char *name, enum object_kind *ret_kind)
{
	for (unsigned i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (strcmp(name, object_kind_names[i]) == 0) {
			*ret_kind = (enum object_kind)i;
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_byte(char c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* A piece of text that is not its own. */
struct piece {
	const char *at;
	size_t length;
};

static struct piece piece_trim(struct piece piece)
{
	while (piece.length > 0 && is_blank(piece.at[0])) {
		piece.at++;
		piece.length--;
	}
	while (piece.length > 0 && is_blank(piece.at[piece.length - 1])) {
		piece.length--;
	}
	return piece;
}

/* Takes `prefix` (lower case) off the front, whatever its case. */
static bool piece_take(struct piece *piece, const char *prefix)
{
	size_t length = strlen(prefix);
	if (piece->length < length || strncasecmp(piece->at, prefix, length) != 0) {
		return false;
	}
	piece->at += length;
	piece->length -= length;
	return true;
}

/* How much of foreign text an error quotes. */
static int quoted(size_t length)
{
	return length < 100 ? (int)length : 100;
}

static int target_parse_name(
        struct piece entry, char **space, struct target *ret_target, struct error *error)
{
	struct piece name = piece_trim(entry);
	if (name.length == 0 || name.length > LIMIT_CLIENT_WORD) {
		return error_set(error, SK_E_SYNTAX,
		        "target \"%.*s\": a name has 1 to %d characters", quoted(entry.length),
		        entry.at, LIMIT_CLIENT_WORD);
	}
	for (size_t i = 0; i < name.length; i++) {
		bool empty_label = name.at[i] == '.' &&
		                   (i == 0 || i + 1 == name.length || name.at[i - 1] == '.');
		if (!is_name_byte(name.at[i]) || empty_label) {
			return error_set(error, SK_E_SYNTAX,
			        "target \"%.*s\": a name has letters, digits, '-', '_' and single "
			        "dots only",
			        quoted(entry.length), entry.at);
		}
		(*space)[i] = lower(name.at[i]);
	}
	(*space)[name.length] = '\0';
	ret_target->name = *space;
	*space += name.length + 1;
	return 0;
}

static int target_parse(
        struct piece entry, char **space, struct target *ret_target, struct error *error)
{
	*ret_target = (struct target){.kind = TARGET_ADDRESS};
	if (entry.length == 0) {
		return error_set(error, SK_E_SYNTAX, "a target is empty: a comma too many?");
	}
	struct piece rest = entry;
	if (piece_take(&rest, "domain:")) {
		ret_target->kind = TARGET_DOMAIN;
		return target_parse_name(rest, space, ret_target, error);
	}
	if (piece_take(&rest, "computer:")) {
		ret_target->kind = TARGET_COMPUTER;
		return target_parse_name(rest, space, ret_target, error);
	}
	int status =
	        address_range_parse(entry.at, entry.length, &ret_target->first, &ret_target->last);
	if (status != 0) {
		return error_set(error, SK_E_SYNTAX,
		        "target \"%.*s\" is neither an address, a range (a-b, a/length), "
		        "\"domain:name\" nor \"computer:name\"",
		        quoted(entry.length), entry.at);
	}
	return 0;
}

static size_t count_entries(struct piece text)
{
	size_t count = text.length > 0 ? 1 : 0;
	for (size_t i = 0; i < text.length; i++) {
		count += text.at[i] == ',';
	}
	return count;
}

int targets_parse(
        const char *text, struct target **ret_targets, size_t *ret_count, struct error *error)
{
	struct piece left = piece_trim((struct piece){text, strlen(text)});
	size_t count = count_entries(left);
	if (count > LIMIT_RULE_TARGETS) {
		return error_set(error, SK_E_LIMIT, "%zu targets; at most %d are possible", count,
		        LIMIT_RULE_TARGETS);
	}
	/* Each name is shorter than its entry by "domain:", so its NUL has room, too. */
	struct target *targets = mem_new(count * sizeof(*targets) + left.length + 1, 1);
	if (targets == NULL) {
		return error_set_code(error, -ENOMEM, "targets");
	}
	char *space = (char *)(targets + count);
	for (size_t i = 0; i < count; i++) {
		const char *comma = memchr(left.at, ',', left.length);
		size_t length = comma != NULL ? (size_t)(comma - left.at) : left.length;
		struct piece entry = piece_trim((struct piece){left.at, length});
		int status = target_parse(entry, &space, &targets[i], error);
		if (status != 0) {
			mem_free(targets);
			return status;
		}
		if (comma != NULL) {
			left.at += length + 1;
			left.length -= length + 1;
		}
	}
	*ret_targets = targets;
	*ret_count = count;
	return 0;
}

bool target_name_matches(enum target_kind kind, const char *name, const char *word)
{
	if (word == NULL) {
		return false;
	}
	if (kind != TARGET_DOMAIN) {
		return strcasecmp(name, word) == 0;
	}
	size_t length = strlen(name);
	size_t whole = strlen(word);
	if (whole < length || strcasecmp(word + whole - length, name) != 0) {
		return false;
	}
	return whole == length || word[whole - length - 1] == '.';
}

static bool target_matches(const struct target *target, const struct address *address,
        const char *computer, const char *domain)
{
	if (target->kind == TARGET_ADDRESS) {
		return target->first.family == address->family &&
		       address_compare(&target->first, address) <= 0 &&
		       address_compare(address, &target->last) <= 0;
	}
	return target_name_matches(
	        target->kind, target->name, target->kind == TARGET_DOMAIN ? domain : computer);
}

bool targets_match(const struct target *targets, size_t count, const struct address *address,
        const char *computer, const char *domain)
{
	for (size_t i = 0; i < count; i++) {
		if (target_matches(&targets[i], address, computer, domain)) {
			return true;
		}
	}
	return count == 0;
}

/* The bytes of the authority of a URL as typed: behind "scheme://", before path, query, fragment.
 */
static struct piece authority_of(struct piece text)
{
	for (size_t i = 0; i + 2 < text.length; i++) {
		if (text.at[i] == '/' || text.at[i] == '?' || text.at[i] == '#') {
			break;
		}
		if (memcmp(text.at + i, "://", 3) == 0) {
			text.at += i + 3;
			text.length -= i + 3;
			break;
		}
	}
	for (size_t i = 0; i < text.length; i++) {
		if (strchr("/\\?#", text.at[i]) != NULL && text.at[i] != '\0') {
			text.length = i;
			break;
		}
	}
	return text;
}

int rule_pattern_parse(const char *pattern, size_t length, char *space, size_t size,
        struct url *ret_url, struct error *error)
{
	if (length > LIMIT_RULE_PATTERN) {
		return error_set(error, SK_E_LIMIT,
		        "the URL has %zu bytes; at most %d are possible", length,
		        LIMIT_RULE_PATTERN);
	}
	struct piece authority = authority_of((struct piece){pattern, length});
	if (authority.length > 0 && memchr(authority.at, '*', authority.length) != NULL) {
		return error_set(error, SK_E_SYNTAX,
		        "'*' in a host: leave it out, a URL with all sub-sites covers the "
		        "sub-domains");
	}
	const char *reason = NULL;
	int status = url_canonicalize(pattern, length, space, size, ret_url, &reason);
	if (status != 0) {
		return error_set(error, status, "not a URL: %s", reason);
	}
	return 0;
}

/* Copies with a NUL behind; SK_E_LIMIT when `space` is too small. */
static int put_text(char *space, size_t size, const char *text, size_t length, struct error *error)
{
	if (length >= size) {
		return error_set_code(error, SK_E_LIMIT, "value");
	}
	memmove(space, text, length);
	space[length] = '\0';
	return 0;
}

static int parse_ip(struct piece value, char *space, size_t size, struct error *error)
{
	struct address_prefix prefix;
	char text[ADDRESS_PREFIX_TEXT_SIZE];
	int status = address_prefix_parse(value.at, value.length, &prefix);
	if (status != 0) {
		return error_set(error, status, "\"%.*s\" is no IP address or prefix",
		        quoted(value.length), value.at);
	}
	unsigned whole = prefix.address.family == ADDRESS_V4 ? 32 : 128;
	size_t length = prefix.length == whole ? address_format(&prefix.address, text)
	                                       : address_prefix_format(&prefix, text);
	return put_text(space, size, text, length, error);
}

static int parse_domain(struct piece value, char *space, size_t size, struct error *error)
{
	struct url url;
	const char *reason = NULL;
	if (value.length > 0 && memchr(value.at, '*', value.length) != NULL) {
		return error_set(error, SK_E_SYNTAX,
		        "'*' in a domain: leave it out, a domain covers its sub-domains");
	}
	int status = url_from_host(value.at, value.length, space, size, &url, &reason);
	if (status != 0) {
		return error_set(error, status, "not a domain name: %s", reason);
	}
	if (url.address.family != ADDRESS_NONE) {
		return error_set(error, SK_E_SYNTAX, "this is an IP address, not a domain name");
	}
	return put_text(space, size, url.text + url.host_start, url.host_length, error);
}

static int parse_digest(
        enum digest_kind kind, struct piece value, char *space, size_t size, struct error *error)
{
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	if (digest_parse(value.at, value.length, &digest) != 0 || digest.kind != kind) {
		return error_set(error, SK_E_SYNTAX, "a %s digest has %zu hexadecimal digits",
		        digest_kind_name(kind), 2 * digest_size(kind));
	}
	return put_text(space, size, text, digest_format(&digest, text), error);
}

/* What stands before the literal part of a host with '*': "*.", "*bad.", "a*.b*." and the like. */
struct host_glob {
	struct piece prefix; /* up to and with the dot behind the last label that has a '*' */
	struct piece literal; /* host behind it, perhaps with a port */
};

static int split_host_glob(struct piece host, struct host_glob *ret_glob, struct error *error)
{
	size_t end = 0;
	for (size_t i = 0; i < host.length; i++) {
		if (host.at[i] == '*') {
			end = i + 1;
		} else if (!is_name_byte(host.at[i]) && end == 0) {
			return error_set(error, SK_E_SYNTAX,
			        "before a '*' in a host only letters, digits, '-', '_' and '.' are "
			        "possible");
		}
	}
	while (end < host.length && host.at[end] != '.') {
		if (!is_name_byte(host.at[end])) {
			break;
		}
		end++;
	}
	if (end >= host.length || host.at[end] != '.') {
		return error_set(error, SK_E_SYNTAX,
		        "'*' in a host is possible in its first labels only, before at least two "
		        "literal ones (*.example.com)");
	}
	ret_glob->prefix = (struct piece){host.at, end + 1};
	ret_glob->literal = (struct piece){host.at + end + 1, host.length - end - 1};
	return 0;
}

/* Lower case, runs of '*' reduced; returns the length, at most that of `text`. */
static size_t put_glob(char *space, struct piece text)
{
	size_t used = 0;
	for (size_t i = 0; i < text.length; i++) {
		if (text.at[i] == '*' && used > 0 && space[used - 1] == '*') {
			continue;
		}
		space[used++] = lower(text.at[i]);
	}
	return used;
}

/* "http://" + host glob + canonical host and path: in `space`, where the latter stand already. */
static int join_glob(
        const struct url *url, struct piece prefix, char *space, size_t size, struct error *error)
{
	static const char scheme[] = "http://";
	size_t scheme_length = sizeof(scheme) - 1;
	const char *host = url->text + url->host_start;
	size_t length = url->length - url->host_start;
	size_t host_length = url->host_length;
	if (scheme_length + prefix.length + length >= size) {
		return error_set_code(error, SK_E_LIMIT, "value");
	}
	if (prefix.length + host_length > 253) {
		return error_set(error, SK_E_SYNTAX, "the host has more than 253 characters");
	}
	memmove(space + scheme_length + prefix.length, host, length + 1);
	memcpy(space, scheme, scheme_length);
	size_t used = put_glob(space + scheme_length, prefix);
	/* Runs of '*' may have left a gap, and there may be more of them in path and query. */
	char *to = space + scheme_length + used;
	const char *from = space + scheme_length + prefix.length;
	for (; *from != '\0'; from++) {
		if (*from != '*' || to[-1] != '*') {
			*to++ = *from;
		}
	}
	*to = '\0';
	return 0;
}

static size_t count_dots(const char *text, size_t length)
{
	size_t count = 0;
	for (size_t i = 0; i < length; i++) {
		count += text[i] == '.';
	}
	return count;
}

/* The value without its host's glob: what url_canonicalize can read. */
static int without_host_glob(struct piece value, struct piece authority, struct host_glob *ret_glob,
        char *space, size_t size, size_t *ret_length, struct error *error)
{
	if (memchr(authority.at, '@', authority.length) != NULL) {
		return error_set(error, SK_E_SYNTAX, "a user name and '*' in one host");
	}
	int status = split_host_glob(authority, ret_glob, error);
	if (status != 0) {
		return status;
	}
	const char *rest = ret_glob->literal.at;
	size_t length = (size_t)(value.at + value.length - rest);
	if (length > size) {
		return error_set_code(error, SK_E_LIMIT, "value");
	}
	memcpy(space, rest, length);
	*ret_length = length;
	return 0;
}

static int parse_url(struct piece value, char *space, size_t size, struct error *error)
{
	char plain[LIMIT_RULE_PATTERN];
	struct host_glob glob = {0};
	struct url url;
	const char *reason = NULL;
	(void)piece_take(&value, "*://"); /* any scheme, which is what every URL object means */
	struct piece input = value;
	struct piece authority = authority_of(value);
	if (authority.length > 0 && memchr(authority.at, '*', authority.length) != NULL) {
		size_t length = 0;
		int status = without_host_glob(
		        value, authority, &glob, plain, sizeof(plain), &length, error);
		if (status != 0) {
			return status;
		}
		input = (struct piece){plain, length};
	}
	int status = url_canonicalize(input.at, input.length, space, size, &url, &reason);
	if (status != 0) {
		return error_set(error, status, "not a URL: %s", reason);
	}
	if (glob.prefix.length > 0 &&
	        (url.address.family != ADDRESS_NONE ||
	                count_dots(url.text + url.host_start, url.host_length) == 0)) {
		return error_set(error, SK_E_SYNTAX,
		        "behind a '*' in a host at least two literal labels must follow "
		        "(*.example.com)");
	}
	return join_glob(&url, glob.prefix, space, size, error);
}

int object_value_parse(enum object_kind kind, const char *value, size_t length, char *space,
        size_t size, struct error *error)
{
	struct piece piece = piece_trim((struct piece){value, length});
	if (piece.length > LIMIT_RULE_PATTERN) {
		return error_set(error, SK_E_LIMIT,
		        "the value has %zu bytes; at most %d are possible", piece.length,
		        LIMIT_RULE_PATTERN);
	}
	switch (kind) {
	case OBJECT_IP:
		return parse_ip(piece, space, size, error);
	case OBJECT_DOMAIN:
		return parse_domain(piece, space, size, error);
	case OBJECT_URL:
		return parse_url(piece, space, size, error);
	case OBJECT_SHA1:
		return parse_digest(DIGEST_SHA1, piece, space, size, error);
	case OBJECT_SHA256:
		return parse_digest(DIGEST_SHA256, piece, space, size, error);
	case OBJECT_KIND_COUNT:
		break;
	}
	return error_set_code(error, SK_E_RANGE, "kind of object");
}
