#ifndef TESTS_UNIT_URL_PROPERTIES_H
#define TESTS_UNIT_URL_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/data/url.h"

/*
 * What holds for every input (docs/url-form.md, part 8), for the unit test and the fuzz target.
 * A failure prints the condition and aborts.
 */
#define PROPERTY(condition)                                                                        \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: property violated: %s\n", __FILE__, __LINE__,      \
			        #condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The same URL at the same place, whatever space it stands in. */
static inline void url_properties_same(const struct url *a, const struct url *b)
{
	PROPERTY(a->length == b->length && memcmp(a->text, b->text, a->length + 1) == 0);
	PROPERTY(a->host_start == b->host_start && a->host_length == b->host_length);
	PROPERTY(a->path_start == b->path_start && a->path_length == b->path_length);
	PROPERTY(a->query_length == b->query_length);
	PROPERTY(memcmp(&a->address, &b->address, sizeof(a->address)) == 0);
}

static inline void url_properties_text(const struct url *url)
{
	const char *path = url->text + url->path_start;
	PROPERTY(url->length < URL_TEXT_MAX && url->text[url->length] == '\0');
	for (uint32_t i = 0; i < url->length; i++) {
		PROPERTY(url->text[i] >= 0x21 && url->text[i] <= 0x7e);
	}
	PROPERTY(url->host_start >= 4 && url->host_length >= 1);
	PROPERTY(memcmp(url->text + url->host_start - 3, "://", 3) == 0);
	PROPERTY(url->path_start == url->host_start + url->host_length);
	PROPERTY(url->path_length >= 1 && path[0] == '/');
	PROPERTY(url->length == url->path_start + url->path_length + url->query_length);
	PROPERTY(url->query_length == 0 || path[url->path_length] == '?');
	for (uint32_t i = 0; i < url->path_length; i++) {
		PROPERTY(strchr("?#\\", path[i]) == NULL);
		PROPERTY(path[i] != '/' || path[i + 1] != '/' || i + 1 == url->path_length);
	}
}

static inline void url_properties_host(const struct url *url)
{
	const char *host = url->text + url->host_start;
	struct address address;
	int status = address_parse(host, url->host_length, &address);
	PROPERTY((status == 0) == (url->address.family != ADDRESS_NONE));
	PROPERTY(status != 0 || memcmp(&address, &url->address, sizeof(address)) == 0);
	if (status != 0) {
		PROPERTY(url->host_length <= 253);
		PROPERTY(host[0] != '.' && host[url->host_length - 1] != '.');
		for (uint32_t i = 0; i < url->host_length; i++) {
			PROPERTY(strchr("\"#%*/:<>?@[\\]^`{|}", host[i]) == NULL);
			PROPERTY(host[i] < 'A' || host[i] > 'Z');
		}
	}
}

/* Expressions are distinct suffixes of the host and prefixes of the path, in order of length. */
static inline void url_properties_expressions(const struct url *url)
{
	struct url_expressions expressions;
	url_expressions(url, &expressions);
	const char *text = url->text;
	uint32_t host_end = url->host_start + url->host_length;
	PROPERTY(expressions.host_count >= 1 && expressions.host_count <= URL_HOSTS_MAX);
	PROPERTY(expressions.path_count >= 1 && expressions.path_count <= URL_PATHS_MAX);
	PROPERTY(url->address.family == ADDRESS_NONE || expressions.host_count == 1);
	for (unsigned i = 0; i < expressions.host_count; i++) {
		struct url_part part = expressions.hosts[i];
		PROPERTY(part.start + part.length == host_end);
		if (i == 0) {
			PROPERTY(part.start == url->host_start);
			continue;
		}
		PROPERTY(part.length < expressions.hosts[i - 1].length);
		PROPERTY(text[part.start - 1] == '.');
		PROPERTY(memchr(text + part.start, '.', part.length) != NULL);
	}
	for (unsigned i = 0; i < expressions.path_count; i++) {
		struct url_part part = expressions.paths[i];
		bool last = i + 1 == expressions.path_count;
		PROPERTY(part.start == url->path_start);
		PROPERTY(i == 0 || part.length < expressions.paths[i - 1].length);
		PROPERTY(last == (part.length == 1));
		PROPERTY(part.length == url->path_length ||
		         part.length == url->path_length + url->query_length ||
		         text[part.start + part.length - 1] == '/');
	}
}

/* With every size of space: enough is enough, less is SK_E_LIMIT, and nothing is written behind. */
static inline void url_properties_space(const char *input, size_t length, const struct url *url)
{
	static char space[URL_TEXT_MAX + 1];
	struct url again;
	const char *reason = NULL;
	size_t enough = url->length + 1;
	space[enough] = 0x55;
	PROPERTY(url_canonicalize(input, length, space, enough, &again, &reason) == 0);
	PROPERTY(space[enough] == 0x55);
	url_properties_same(url, &again);
	space[enough - 1] = 0x55;
	PROPERTY(url_canonicalize(input, length, space, enough - 1, &again, &reason) == SK_E_LIMIT);
	PROPERTY(space[enough - 1] == 0x55 && reason != NULL);
}

static inline void url_properties_check(const char *input, size_t length)
{
	static char space[URL_TEXT_MAX], other[URL_TEXT_MAX];
	static char blank[LIMIT_URL + 1];
	struct url url, again;
	const char *reason = NULL;
	int status = url_canonicalize(input, length, space, sizeof(space), &url, &reason);
	PROPERTY(status == 0 || reason != NULL);
	PROPERTY(status == 0 || status == SK_E_SYNTAX || status == SK_E_UNSUPPORTED ||
	         (status == SK_E_LIMIT && length > LIMIT_URL));
	if (length < LIMIT_URL) {
		/* A blank in front changes nothing, but it keeps the input from the fast path. */
		blank[0] = ' ';
		memcpy(blank + 1, input, length);
		PROPERTY(url_canonicalize(blank, length + 1, other, sizeof(other), &again,
		                 &reason) == status);
		if (status == 0) {
			url_properties_same(&url, &again);
		}
	}
	if (status != 0) {
		return;
	}
	url_properties_text(&url);
	url_properties_host(&url);
	url_properties_expressions(&url);
	url_properties_space(input, length, &url);
	if (url.length <= LIMIT_URL) {
		PROPERTY(url_canonicalize(
		                 space, url.length, other, sizeof(other), &again, &reason) == 0);
		url_properties_same(&url, &again);
	}
}

/* A host alone is what it is in a URL. */
static inline void url_properties_check_host(const char *input, size_t length)
{
	static char space[URL_TEXT_MAX], other[URL_TEXT_MAX];
	struct url url, again;
	const char *reason = NULL;
	int status = url_from_host(input, length, space, sizeof(space), &url, &reason);
	if (status != 0) {
		PROPERTY(reason != NULL);
		PROPERTY(status == SK_E_SYNTAX || (status == SK_E_LIMIT && length > LIMIT_URL));
		return;
	}
	url_properties_text(&url);
	url_properties_host(&url);
	PROPERTY(memcmp(space, "http://", 7) == 0 && url.host_start == 7);
	PROPERTY(url.path_length == 1 && url.query_length == 0);
	PROPERTY(url_canonicalize(space, url.length, other, sizeof(other), &again, &reason) == 0);
	url_properties_same(&url, &again);
	PROPERTY(url_from_host(space + url.host_start, url.host_length, other, sizeof(other),
	                 &again, &reason) == 0);
	url_properties_same(&url, &again);
}

#endif
