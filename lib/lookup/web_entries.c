#include "lib/lookup/web_entries.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

/* The text of an entry: length of the host, its highest bit set for an address; length of path
 * and query; the text. */
#define TEXT_HEADER_SIZE 4
#define HOST_IS_ADDRESS 0x8000u

int web_entry_make(struct web_builder *builder, const struct url *url, uint32_t value,
        struct web_entry *ret_entry)
{
	uint32_t rest = url->path_length + url->query_length;
	uint64_t place;
	if (url->host_length >= HOST_IS_ADDRESS || rest > UINT16_MAX) {
		return SK_E_LIMIT;
	}
	unsigned char *text =
	        text_arena_add(&builder->texts, TEXT_HEADER_SIZE + url->host_length + rest, &place);
	if (text == NULL) {
		return -ENOMEM;
	}
	unsigned flag = url->address.family != ADDRESS_NONE ? HOST_IS_ADDRESS : 0;
	bytes_put_le16(text, (uint16_t)(url->host_length | flag));
	bytes_put_le16(text + 2, (uint16_t)rest);
	memcpy(text + TEXT_HEADER_SIZE, url->text + url->host_start, url->host_length);
	memcpy(text + TEXT_HEADER_SIZE + url->host_length, url->text + url->path_start, rest);
	struct lookup_key key = lookup_key_from_hash(
	        siphash(&builder->key, text + TEXT_HEADER_SIZE, url->host_length + rest));
	*ret_entry = (struct web_entry){
	        .high = key.high,
	        .low_place = (key.low & ~WEB_PLACE_MASK) | place,
	        .value = value,
	};
	return 0;
}

void web_entry_url(
        const struct web_builder *builder, const struct web_entry *entry, struct url *ret_url)
{
	const unsigned char *text =
	        text_arena_at(&builder->texts, entry->low_place & WEB_PLACE_MASK);
	unsigned host = bytes_get_le16(text);
	uint32_t host_length = host & ~HOST_IS_ADDRESS;
	uint32_t rest = bytes_get_le16(text + 2);
	const char *path = (const char *)text + TEXT_HEADER_SIZE + host_length;
	const char *query = memchr(path, '?', rest);
	uint32_t path_length = query != NULL ? (uint32_t)(query - path) : rest;
	*ret_url = (struct url){
	        .text = (const char *)text + TEXT_HEADER_SIZE,
	        .length = host_length + rest,
	        .host_length = host_length,
	        .path_start = host_length,
	        .path_length = path_length,
	        .query_length = rest - path_length,
	        /* Which address does not matter to those who ask. */
	        .address.family = (host & HOST_IS_ADDRESS) != 0 ? ADDRESS_V4 : ADDRESS_NONE,
	};
}
