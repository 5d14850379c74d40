#ifndef LIB_NET_HTTP_TARGET_H
#define LIB_NET_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attribute.h"
#include "lib/net/http_parser.h"

/* A request target taken apart. Pure, nothing is copied but by http_percent_decode. */

/* What stands before the '?', and what stands behind it. */
struct http_target {
	struct http_text path;
	struct http_text query; /* data NULL when there is no '?' */
};

void http_target_split(const struct http_text *target, struct http_target *ret_target);

/* The next "name=value" of `query`, which is shortened; a name alone has an empty value with data
 * NULL. False at the end. Empty pieces ("a=1&&b=2") are passed over. */
bool http_query_next(
        struct http_text *query, struct http_text *ret_name, struct http_text *ret_value);

/*
 * Undoes %XX once; '+' stays. 0; SK_E_SYNTAX: a '%' without two hexadecimal digits, or a '#';
 * SK_E_LIMIT: more than `size` bytes. Without any '%' the result is the text itself, else it stands
 * in `space`.
 */
int http_percent_decode(const struct http_text *text, char *space, size_t size,
        struct http_text *ret_decoded) SK_MUST_USE;

/* Is the media type of a Content-Type header "application/json", whatever its parameters? */
bool http_is_json(const struct http_text *content_type);

static inline bool http_text_is(const struct http_text *text, const char *expected, size_t length)
{
	return text->length == length && __builtin_memcmp(text->data, expected, length) == 0;
}

#endif
