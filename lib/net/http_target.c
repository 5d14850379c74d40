#include "lib/net/http_target.h"

#include <string.h>
#include <strings.h>

#include "lib/base/error.h"
#include "lib/base/number.h"

void http_target_split(const struct http_text *target, struct http_target *ret_target)
{
	const char *mark = memchr(target->data, '?', target->length);
	*ret_target = (struct http_target){.path = *target};
	if (mark != NULL) {
		uint32_t length = (uint32_t)(mark - target->data);
		ret_target->path.length = length;
		ret_target->query = (struct http_text){mark + 1, target->length - length - 1};
	}
}

bool http_query_next(
        struct http_text *query, struct http_text *ret_name, struct http_text *ret_value)
{
	while (query->length > 0 && query->data[0] == '&') {
		query->data++;
		query->length--;
	}
	if (query->length == 0) {
		return false;
	}
	const char *start = query->data;
	const char *stop = memchr(start, '&', query->length);
	uint32_t length = stop != NULL ? (uint32_t)(stop - start) : query->length;
	const char *equals = memchr(start, '=', length);
	uint32_t name = equals != NULL ? (uint32_t)(equals - start) : length;
	*ret_name = (struct http_text){start, name};
	*ret_value = equals != NULL ? (struct http_text){equals + 1, length - name - 1}
	                            : (struct http_text){NULL, 0};
	query->data += length;
	query->length -= length;
	return true;
}

int http_percent_decode(
        const struct http_text *text, char *space, size_t size, struct http_text *ret_decoded)
{
	const char *at = text->data, *end = text->data + text->length;
	if (text->length == 0) {
		*ret_decoded = (struct http_text){"", 0};
		return 0;
	}
	if (memchr(at, '#', text->length) != NULL) {
		return SK_E_SYNTAX;
	}
	if (memchr(at, '%', text->length) == NULL) {
		if (text->length > size) {
			return SK_E_LIMIT;
		}
		*ret_decoded = *text;
		return 0;
	}
	size_t used = 0;
	bool fits = true;
	while (at < end) {
		char c = *at++;
		if (c == '%') {
			int high = end - at >= 2 ? number_hex_digit(at[0]) : -1;
			int low = end - at >= 2 ? number_hex_digit(at[1]) : -1;
			if (high < 0 || low < 0) {
				return SK_E_SYNTAX;
			}
			c = (char)((high << 4) | low);
			at += 2;
		}
		if (used == size) {
			fits = false;
			continue;
		}
		space[used++] = c;
	}
	if (!fits) {
		return SK_E_LIMIT;
	}
	*ret_decoded = (struct http_text){space, (uint32_t)used};
	return 0;
}

bool http_is_json(const struct http_text *content_type)
{
	static const char type[] = "application/json";
	const size_t length = sizeof(type) - 1;
	if (content_type->data == NULL || content_type->length < length ||
	        strncasecmp(content_type->data, type, length) != 0) {
		return false;
	}
	if (content_type->length == length) {
		return true;
	}
	char next = content_type->data[length];
	return next == ';' || next == ' ' || next == '\t';
}
