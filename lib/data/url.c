#include "lib/data/url.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/data/url_escape.h"
#include "lib/data/url_fast.h"
#include "lib/data/url_host.h"

/* The parts of a URL as found, before anything is undone; all point into the cleaned input. */
struct url_parts {
	const char *scheme;
	size_t scheme_length;
	char *host;
	size_t host_length;
	bool host_is_ipv6;
	char *path;
	size_t path_length;
	char *query; /* NULL when there is none, else behind the '?' */
	size_t query_length;
};

/* What is written, never beyond `size`; what no longer fits makes it full for good. */
struct url_output {
	char *text;
	size_t size;
	size_t length;
	bool full;
};

static int url_bad(const char **ret_reason, int code, const char *reason)
{
	*ret_reason = reason;
	return code;
}

static int url_check_input(const char **input, size_t *length, const char **ret_reason)
{
	const char *text = *input;
	size_t left = *length;
	if (left > LIMIT_URL) {
		return url_bad(ret_reason, SK_E_LIMIT, "URL too long");
	}
	while (left > 0 && (unsigned char)text[0] <= ' ' && text[0] != '\0') {
		text++;
		left--;
	}
	while (left > 0 && (unsigned char)text[left - 1] <= ' ' && text[left - 1] != '\0') {
		left--;
	}
	if (left == 0) {
		return url_bad(ret_reason, SK_E_SYNTAX, "empty");
	}
	if (memchr(text, '\0', left) != NULL) {
		return url_bad(ret_reason, SK_E_SYNTAX, "NUL byte");
	}
	*input = text;
	*length = left;
	return 0;
}

/* Copies without tab, CR and LF, up to the fragment; '\' before the query becomes '/', as in
 * browsers. */
static size_t url_clean(const char *input, size_t length, char *ret_text)
{
	size_t written = 0;
	bool query = false;
	for (size_t i = 0; i < length; i++) {
		char c = input[i];
		if (SK_UNLIKELY(url_byte_is(c, URL_BYTE_CLEAN))) {
			if (c == '#') {
				break;
			}
			if (c == '?') {
				query = true;
			} else if (c != '\\') {
				continue;
			} else if (!query) {
				c = '/';
			}
		}
		ret_text[written++] = c;
	}
	return written;
}

static bool url_equal_lower(const char *text, size_t length, const char *name)
{
	size_t i = 0;
	while (i < length && name[i] != '\0' && (text[i] | 0x20) == name[i]) {
		i++;
	}
	return i == length && name[i] == '\0';
}

/* The schemes of which browsers know that a host follows, with however many slashes. */
static bool url_scheme_is_special(const char *text, size_t length)
{
	static const char *const names[] = {"http", "https", "ftp", "ws", "wss"};
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		if (url_equal_lower(text, length, names[i])) {
			return true;
		}
	}
	return false;
}

/* Bytes before the first '/' or '?'. */
static size_t url_span_authority(const char *text, size_t length)
{
	size_t i = 0;
	while (i < length && text[i] != '/' && text[i] != '?') {
		i++;
	}
	return i;
}

static bool url_all_digits(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!url_byte_is(text[i], URL_BYTE_DIGIT)) {
			return false;
		}
	}
	return true;
}

/* Whether "name:rest" without "//" is a host with a port (or a bare IPv6 address), not a URL of
 * another kind such as mailto:. */
static bool url_colon_is_of_host(const char *text, size_t length, size_t colon)
{
	size_t end = url_span_authority(text, length);
	if (memchr(text, '.', colon) != NULL) {
		return true;
	}
	if (end > colon + 1 && url_all_digits(text + colon + 1, end - colon - 1)) {
		return true;
	}
	struct address address;
	return address_parse(text, end, &address) == 0;
}

/* Finds the scheme; *ret_start is where the authority begins. */
static int url_split_scheme(const char *text, size_t length, struct url_parts *parts,
        size_t *ret_start, const char **ret_reason)
{
	size_t colon = 0;
	while (colon < length && url_byte_is(text[colon], URL_BYTE_SCHEME)) {
		colon++;
	}
	parts->scheme = "http";
	parts->scheme_length = 4;
	*ret_start = 0;
	bool letter = length > 0 && url_byte_is(text[0], URL_BYTE_SCHEME) &&
	              (text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z';
	if (!letter || colon == length || text[colon] != ':') {
		if (length >= 2 && text[0] == '/' && text[1] == '/') {
			*ret_start = 2;
		}
		return 0;
	}
	size_t start = colon + 1;
	if (url_scheme_is_special(text, colon)) {
		while (start < length && text[start] == '/') {
			start++;
		}
	} else if (length - start >= 2 && text[start] == '/' && text[start + 1] == '/') {
		start += 2;
	} else if (url_colon_is_of_host(text, length, colon)) {
		return 0;
	} else {
		return url_bad(ret_reason, SK_E_UNSUPPORTED, "scheme without a host");
	}
	parts->scheme = text;
	parts->scheme_length = colon;
	*ret_start = start;
	return 0;
}

static int url_check_port(const char *text, size_t length, const char **ret_reason)
{
	unsigned port = 0;
	for (size_t i = 0; i < length; i++) {
		if (!url_byte_is(text[i], URL_BYTE_DIGIT)) {
			return url_bad(ret_reason, SK_E_SYNTAX, "port that is no number");
		}
		port = port * 10 + (unsigned)(text[i] - '0');
		if (port > 65535) {
			return url_bad(ret_reason, SK_E_SYNTAX, "port above 65535");
		}
	}
	return 0;
}

/* The host within [user[:password]@]host[:port]. */
static int url_split_authority(
        char *text, size_t length, struct url_parts *parts, const char **ret_reason)
{
	char *at = memrchr(text, '@', length);
	if (at != NULL) {
		length -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	parts->host = text;
	parts->host_is_ipv6 = false;
	char *colon;
	if (length > 0 && text[0] == '[') {
		char *close = memchr(text, ']', length);
		if (close == NULL) {
			return url_bad(ret_reason, SK_E_SYNTAX, "bad IPv6 address in the host");
		}
		parts->host_is_ipv6 = true;
		parts->host_length = (size_t)(close + 1 - text);
		colon = parts->host_length < length ? close + 1 : NULL;
		if (colon != NULL && *colon != ':') {
			return url_bad(ret_reason, SK_E_SYNTAX, "port that is no number");
		}
	} else {
		colon = memchr(text, ':', length);
		size_t behind = colon != NULL ? length - (size_t)(colon + 1 - text) : 0;
		if (behind > 0 && memchr(colon + 1, ':', behind) != NULL) {
			/* Two colons: only an IPv6 address without brackets has them. */
			parts->host_is_ipv6 = true;
			colon = NULL;
		}
		parts->host_length = colon != NULL ? (size_t)(colon - text) : length;
	}
	if (colon == NULL) {
		return 0;
	}
	return url_check_port(colon + 1, length - (size_t)(colon + 1 - text), ret_reason);
}

static int url_split(
        char *text, size_t length, struct url_parts *ret_parts, const char **ret_reason)
{
	size_t start;
	int status = url_split_scheme(text, length, ret_parts, &start, ret_reason);
	if (status != 0) {
		return status;
	}
	size_t authority = url_span_authority(text + start, length - start);
	status = url_split_authority(text + start, authority, ret_parts, ret_reason);
	if (status != 0) {
		return status;
	}
	ret_parts->path = text + start + authority;
	size_t left = length - start - authority;
	char *question = memchr(ret_parts->path, '?', left);
	ret_parts->query = NULL;
	ret_parts->query_length = 0;
	ret_parts->path_length = left;
	if (question != NULL) {
		ret_parts->path_length = (size_t)(question - ret_parts->path);
		ret_parts->query = question + 1;
		ret_parts->query_length = left - ret_parts->path_length - 1;
	}
	return 0;
}

/* Resolves "." and ".." in place, with an empty segment counting as one. The path starts with '/'.
 */
static size_t url_resolve_dots(char *path, size_t length)
{
	size_t written = 0;
	size_t at = 0;
	while (at < length) {
		size_t next = at + 1;
		while (next < length && path[next] != '/') {
			next++;
		}
		size_t segment = next - at - 1;
		bool dots = segment > 0 && segment <= 2 && path[at + 1] == '.' &&
		            path[at + segment] == '.';
		if (!dots) {
			if (written != at) {
				memmove(path + written, path + at, segment + 1);
			}
			written += segment + 1;
		} else {
			if (segment == 2) {
				while (written > 0 && path[--written] != '/') {
				}
			}
			if (next == length) {
				path[written++] = '/';
			}
		}
		at = next;
	}
	return written;
}

static void url_put(struct url_output *output, const char *text, size_t length)
{
	if (output->full || output->size - output->length < length) {
		output->full = true;
		return;
	}
	memcpy(output->text + output->length, text, length);
	output->length += length;
}

/* Writes with %XX for the bytes of class `escape`; with `one_slash`, runs of '/' as one. */
static void url_put_escaped(
        struct url_output *output, const char *text, size_t length, unsigned escape, bool one_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to = output->text + output->length;
	char *end = output->text + output->size;
	char last = '\0';
	for (size_t i = 0; i < length && !output->full; i++) {
		char c = text[i];
		if (one_slash && c == '/' && last == '/') {
			continue;
		}
		last = c;
		if (!url_byte_is(c, escape)) {
			output->full = to == end;
			if (!output->full) {
				*to++ = c;
			}
		} else {
			output->full = end - to < 3;
			if (!output->full) {
				*to++ = '%';
				*to++ = digits[(unsigned char)c >> 4];
				*to++ = digits[(unsigned char)c & 15];
			}
		}
	}
	output->length = (size_t)(to - output->text);
}

static void url_put_path(struct url_output *output, char *path, size_t length)
{
	if (length == 0) {
		url_put(output, "/", 1);
		return;
	}
	length = url_resolve_dots(path, url_unescape(path, length));
	url_put_escaped(output, path, length, URL_BYTE_ESCAPE_PATH, true);
}

static void url_put_query(struct url_output *output, char *query, size_t length)
{
	url_put(output, "?", 1);
	length = url_unescape(query, length);
	url_put_escaped(output, query, length, URL_BYTE_ESCAPE_QUERY, false);
}

static int url_write(struct url_parts *parts, char *space, size_t size, struct url *ret_url,
        const char **ret_reason)
{
	char host[URL_HOST_TEXT_SIZE];
	struct url url = {.text = space};
	struct url_output output = {.text = space, .size = size};
	size_t length;
	int status = parts->host_is_ipv6 ? url_host_ipv6(parts->host, parts->host_length, host,
	                                           &length, &url.address, ret_reason)
	                                 : url_host_name(parts->host, parts->host_length, host,
	                                           &length, &url.address, ret_reason);
	if (status != 0) {
		return status;
	}
	url_put(&output, parts->scheme, parts->scheme_length);
	for (size_t i = 0; i < output.length; i++) {
		if (url_byte_is(space[i], URL_BYTE_UPPER)) {
			space[i] = (char)(space[i] | 0x20);
		}
	}
	url_put(&output, "://", 3);
	url.host_start = (uint32_t)output.length;
	url.host_length = (uint32_t)length;
	url_put(&output, host, length);
	url.path_start = (uint32_t)output.length;
	url_put_path(&output, parts->path, parts->path_length);
	url.path_length = (uint32_t)output.length - url.path_start;
	if (parts->query != NULL) {
		url_put_query(&output, parts->query, parts->query_length);
	}
	url.length = (uint32_t)output.length;
	url.query_length = url.length - url.path_start - url.path_length;
	url_put(&output, "", 1);
	if (output.full) {
		return url_bad(ret_reason, SK_E_LIMIT, "URL too long");
	}
	*ret_url = url;
	return 0;
}

static int url_general(const char *input, size_t length, char *space, size_t size,
        struct url *ret_url, const char **ret_reason)
{
	char text[LIMIT_URL];
	struct url_parts parts;
	int status = url_check_input(&input, &length, ret_reason);
	if (status != 0) {
		return status;
	}
	length = url_clean(input, length, text);
	status = url_split(text, length, &parts, ret_reason);
	if (status != 0) {
		return status;
	}
	return url_write(&parts, space, size, ret_url, ret_reason);
}

int url_canonicalize(const char *input, size_t length, char *space, size_t size,
        struct url *ret_url, const char **ret_reason)
{
	if (url_fast(input, length, space, size, ret_url)) {
		return 0;
	}
	return url_general(input, length, space, size, ret_url, ret_reason);
}

int url_from_host(const char *input, size_t length, char *space, size_t size, struct url *ret_url,
        const char **ret_reason)
{
	char text[LIMIT_URL];
	int status = url_check_input(&input, &length, ret_reason);
	if (status != 0) {
		return status;
	}
	memcpy(text, input, length);
	struct url_parts parts = {.scheme = "http", .scheme_length = 4, .host = text};
	parts.host_length = length;
	parts.path = text;
	parts.host_is_ipv6 = text[0] == '[' || memchr(text, ':', length) != NULL;
	for (size_t i = 0; i < length; i++) {
		if (strchr("/?#@\\", text[i]) != NULL) {
			return url_bad(ret_reason, SK_E_SYNTAX, "more than a host");
		}
	}
	return url_write(&parts, space, size, ret_url, ret_reason);
}
