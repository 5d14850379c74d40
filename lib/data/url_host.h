#ifndef LIB_DATA_URL_HOST_H
#define LIB_DATA_URL_HOST_H

#include <stddef.h>

#include "lib/base/attribute.h"
#include "lib/data/address.h"

/* Hosts of URLs in their one form (docs/url-form.md, part 2). Only for url*.c. */

#define URL_HOST_NAME_MAX 253
#define URL_HOST_LABEL_MAX 63
/* A non-ASCII host longer than this is not given to libidn2, whose work grows faster than its
 * input. */
#define URL_HOST_IDN_MAX 1024
#define URL_HOST_TEXT_SIZE (URL_HOST_NAME_MAX + 1)

/*
 * `host` is changed on the way. Writes at most URL_HOST_TEXT_SIZE bytes, no NUL, to `space`.
 * 0 or SK_E_SYNTAX with *ret_reason; *ret_address has family ADDRESS_NONE for a name.
 */
int url_host_name(char *host, size_t length, char *space, size_t *ret_length,
        struct address *ret_address, const char **ret_reason) SK_MUST_USE;

/* The same for an IPv6 address, with or without brackets. */
int url_host_ipv6(const char *host, size_t length, char *space, size_t *ret_length,
        struct address *ret_address, const char **ret_reason) SK_MUST_USE;

#endif
