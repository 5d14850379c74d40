#ifndef LIB_DATA_URL_FAST_H
#define LIB_DATA_URL_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/data/url.h"

/*
 * The way of most URLs: those that are canonical but for a missing scheme or a missing slash behind
 * the host. Returns false, with `space` spoilt, for every other input, whether good or bad; the
 * general path decides about those. Only for url.c.
 */
bool url_fast(const char *input, size_t length, char *space, size_t size, struct url *ret_url);

#endif
