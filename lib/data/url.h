#ifndef LIB_DATA_URL_H
#define LIB_DATA_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/limits.h"
#include "lib/data/address.h"

/*
 * URLs in the one form that everything is compared in, and the expressions that stand for a URL
 * in look-ups. Both follow the public text of the Safe Browsing protocol ("URLs and Hashing");
 * docs/url-form.md is our exact statement of it, with examples. Pure, no allocation but for hosts
 * that are not ASCII (libidn2), any thread.
 *
 * Canonical text:  scheme "://" host path [ "?" query ]
 *   - the fragment, user name, password and port are dropped; no scheme means http
 *   - tab, CR and LF are removed; leading and trailing blanks too; %XX is undone until nothing
 *     changes (in the query too), then bytes ≤ 0x20, ≥ 0x7f, '#' and '%' are escaped, upper case
 *     (in the path '?' and '\' too)
 *   - host: lower case, IDNA to A-labels, dots at the ends and runs of dots reduced; any spelling
 * of an IPv4 address (octal, hexadecimal, fewer parts) as dotted quad, IPv6 as RFC 5952 in brackets
 *   - path: at least "/", "." and ".." segments resolved, runs of "/" reduced; the query is kept
 */

/* Escaping can triple each of LIMIT_URL bytes; scheme, slash and a host that grew from a few bytes
 * of UTF-8 come on top. */
#define URL_TEXT_MAX (3 * LIMIT_URL + 272)

#define URL_HOSTS_MAX 5 /* the exact host and up to four of its last five components */
#define URL_PATHS_MAX 6 /* with query, without, and up to four folders from the root */

struct url {
	const char *text; /* canonical, NUL-terminated, in the caller's space */
	uint32_t length;
	uint32_t host_start;
	uint32_t host_length; /* with the brackets of an IPv6 literal */
	uint32_t path_start; /* of the first '/' after the host */
	uint32_t path_length; /* without the query */
	uint32_t query_length; /* with its '?'; 0 when there is none */
	struct address address; /* the host as an address, else family ADDRESS_NONE */
};

/*
 * Canonicalizes `length` bytes (any bytes) into `space` of `size` bytes (URL_TEXT_MAX always
 * suffices). Errors, `ret_reason` (never NULL then, static text) says what is wrong:
 * SK_E_LIMIT longer than LIMIT_URL; SK_E_SYNTAX empty, NUL in it, no host, a host with bytes that
 * no host has, over 253 characters or labels over 63, a bad IPv6 literal, a port that is no number;
 * SK_E_UNSUPPORTED "scheme:" without "//" (mailto:, javascript:, data: …).
 */
int url_canonicalize(const char *input, size_t length, char *space, size_t size,
        struct url *ret_url, const char **ret_reason) SK_MUST_USE;

/* The same for a host name or address alone, as /v1/domain and lists of hosts have them: the result
 * is the URL "http://host/". A scheme, path, port or user name is SK_E_SYNTAX. */
int url_from_host(const char *input, size_t length, char *space, size_t size, struct url *ret_url,
        const char **ret_reason) SK_MUST_USE;

/*
 * The expressions of a URL: each of `hosts` with each of `paths` behind it, most specific first
 * (exact host first, then the longer suffixes; path with query, path, then folders from the longest
 * to "/"). All point into url->text. A host that is an address has only itself.
 */
struct url_part {
	uint32_t start, length;
};

struct url_expressions {
	uint8_t host_count; /* 1 … URL_HOSTS_MAX */
	uint8_t path_count; /* 1 … URL_PATHS_MAX */
	struct url_part hosts[URL_HOSTS_MAX];
	struct url_part
	        paths[URL_PATHS_MAX]; /* all start at path_start; the query form is longest */
};

/* Of a canonical URL. Pure. */
void url_expressions(const struct url *url, struct url_expressions *ret_expressions);

#endif
