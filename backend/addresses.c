#include "backend/addresses.h"

#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

#define SIZE_MAX_BYTES 65536

static const char *const names[4] = {"frs_http", "frs_https", "wrs_http", "wrs_https"};

static void set_host(struct addresses *addresses, const char *listen)
{
	bool any = listen[0] == '\0' || strcmp(listen, "::") == 0 || strcmp(listen, "0.0.0.0") == 0;
	const char *host = any ? "127.0.0.1" : listen;
	bool brackets = strchr(host, ':') != NULL && host[0] != '[';
	snprintf(addresses->host, sizeof(addresses->host), brackets ? "[%s]" : "%s", host);
}

int addresses_read(struct addresses *ret_addresses)
{
	struct addresses addresses = {0};
	char *text;
	size_t length;
	int status = file_read(BACKEND_ADDRESSES, SIZE_MAX_BYTES, &text, &length);
	if (status != 0) {
		return status;
	}
	status = json_text_parse(text, length, 8, &addresses.document, NULL);
	mem_free(text);
	if (status != 0) {
		return status;
	}
	set_host(&addresses, json_member_text(addresses.document, "listen"));
	for (size_t i = 0; i < SK_COUNT(names); i++) {
		addresses.ports[i] = (int)json_member_number(addresses.document, names[i]);
	}
	*ret_addresses = addresses;
	return 0;
}

void addresses_release(struct addresses *addresses)
{
	json_object_put(addresses->document);
	addresses->document = NULL;
}
