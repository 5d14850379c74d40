#ifndef BACKEND_ADDRESSES_H
#define BACKEND_ADDRESSES_H

#include <json-c/json_object.h>

#include "lib/base/error.h"

/* run/addresses.json, which the keeper keeps: what the server listens on. */
struct addresses {
	json_object *document; /* as it stands there */
	char host[64]; /* where to reach it from here, in brackets when IPv6 */
	int ports[4]; /* frs_http, frs_https, wrs_http, wrs_https; 0: none */
};

/* SK_E_SYNTAX, -errno. Release with addresses_release. */
int addresses_read(struct addresses *ret_addresses) SK_MUST_USE;
void addresses_release(struct addresses *addresses);

#endif
