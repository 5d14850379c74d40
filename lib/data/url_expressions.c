#include "lib/data/url.h"

#include "lib/data/url_escape.h"

/*
 * Which of the up to 16 bytes from `from` on are `c`, bit by bit. Looks at 16 bytes at once, also
 * at the end of the text, by way of the last 16 bytes that there are.
 */
static unsigned url_find(const struct url *url, uint32_t from, uint32_t count, char c)
{
	unsigned wanted = (1u << count) - 1;
	if (from + 16 <= url->length) {
		return url_equal_16(url->text + from, c) & wanted;
	}
	if (url->length >= 16) {
		uint32_t last = url->length - 16;
		return url_equal_16(url->text + last, c) >> (from - last) & wanted;
	}
	unsigned found = 0;
	for (uint32_t i = 0; i < count; i++) {
		found |= (unsigned)(url->text[from + i] == c) << i;
	}
	return found;
}

static void url_path_expressions(const struct url *url, struct url_expressions *expressions)
{
	uint32_t folders[4];
	unsigned folder_count = 0;
	unsigned count = 0;
	for (uint32_t at = 0; at < url->path_length && folder_count < SK_COUNT(folders); at += 16) {
		uint32_t left = url->path_length - at;
		unsigned slashes = url_find(url, url->path_start + at, left < 16 ? left : 16, '/');
		while (slashes != 0 && folder_count < SK_COUNT(folders)) {
			folders[folder_count++] = at + (uint32_t)__builtin_ctz(slashes) + 1;
			slashes &= slashes - 1;
		}
	}
	if (url->query_length > 0) {
		expressions->paths[count++] =
		        (struct url_part){url->path_start, url->path_length + url->query_length};
	}
	if (folders[folder_count - 1] != url->path_length) {
		expressions->paths[count++] = (struct url_part){url->path_start, url->path_length};
	}
	while (folder_count > 0) {
		expressions->paths[count++] =
		        (struct url_part){url->path_start, folders[--folder_count]};
	}
	expressions->path_count = (uint8_t)count;
}

static void url_host_expressions(const struct url *url, struct url_expressions *expressions)
{
	uint32_t end = url->host_start + url->host_length;
	uint32_t starts[URL_HOSTS_MAX]; /* of the last one to five components */
	unsigned dots = 0;
	expressions->hosts[0] = (struct url_part){url->host_start, url->host_length};
	expressions->host_count = 1;
	if (url->address.family != ADDRESS_NONE) {
		return;
	}
	for (uint32_t to = end; to > url->host_start && dots < SK_COUNT(starts);) {
		uint32_t left = to - url->host_start;
		uint32_t from = to - (left < 16 ? left : 16);
		unsigned found = url_find(url, from, to - from, '.');
		while (found != 0 && dots < SK_COUNT(starts)) {
			unsigned last = 31 - (unsigned)__builtin_clz(found);
			starts[dots++] = from + last + 1;
			found ^= 1u << last;
		}
		to = from;
	}
	for (unsigned i = dots; i > 1; i--) {
		expressions->hosts[expressions->host_count++] =
		        (struct url_part){starts[i - 1], end - starts[i - 1]};
	}
}

void url_expressions(const struct url *url, struct url_expressions *ret_expressions)
{
	url_host_expressions(url, ret_expressions);
	url_path_expressions(url, ret_expressions);
}
