#ifndef PATTERN_SAFETY_H
#define PATTERN_SAFETY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/data/address.h"
#include "lib/data/url.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/web_pattern.h"
#include "pattern/report.h"

/* Names and addresses that must not be blocked as a whole, and asking a finished pattern for them.
 */
struct safety;

int safety_new(const struct siphash_key *key, struct safety **ret_safety) SK_MUST_USE;
void safety_free(struct safety *safety); /* NULL allowed */

/* A benign site: the host of `url`, which may be an address. */
int safety_add_site(struct safety *safety, const struct url *url) SK_MUST_USE;
int safety_add_prefix(struct safety *safety, const struct address_prefix *prefix) SK_MUST_USE;

/* What may be blocked all the same: a host, address or CIDR as text. What is none of them is
 * SK_E_SYNTAX with *ret_reason. */
int safety_allow(struct safety *safety, const char *text, const char **ret_reason) SK_MUST_USE;

/* Sorts; after the last name, before the first question. */
void safety_seal(struct safety *safety);

/* Whether a bad prefix holds a benign address and is not allowed to. */
bool safety_forbids_prefix(const struct safety *safety, const struct address_prefix *prefix);

/*
 * Asks `pattern` for every benign site. Each site entry that blocks one and is not allowed is
 * excluded from `builder` and added to `left_out`; allowed ones to `allowed`. *ret_found: how many
 * were excluded now; *ret_asked: names asked. 0 or -ENOMEM.
 */
int safety_ask(struct safety *safety, const struct web_pattern *pattern,
        struct web_builder *builder, struct report_items *left_out, struct report_items *allowed,
        uint64_t *ret_asked, uint64_t *ret_found) SK_MUST_USE;

#endif
