#ifndef PATTERN_EXCLUDE_H
#define PATTERN_EXCLUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/data/address.h"
#include "lib/data/digest.h"
#include "lib/data/url.h"

/*
 * What must not be among the bad entries: the values of all inputs of kind exclude, each with the
 * index of its source. Filled, sealed, then asked; asking allocates nothing.
 */
struct exclude;

/* Every expression and every text that is looked for in an URL; compiling them takes seconds. */
#define EXCLUDE_REGEX_MAX 1000
#define EXCLUDE_SUBSTRING_MAX 20000
#define EXCLUDE_SUBSTRING_SHORTEST 3

int exclude_new(const struct siphash_key *key, struct exclude **ret_exclude) SK_MUST_USE;
void exclude_free(struct exclude *exclude); /* NULL allowed */

/* Equal values. */
int exclude_add_url(struct exclude *exclude, const struct url *url, unsigned source) SK_MUST_USE;
int exclude_add_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned source) SK_MUST_USE;
int exclude_add_digest(
        struct exclude *exclude, const struct digest *digest, unsigned source) SK_MUST_USE;

/* What covers more. A host covers its sub-domains and all pages. */
int exclude_cover_host(
        struct exclude *exclude, const struct url *host, unsigned source) SK_MUST_USE;
int exclude_cover_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned source) SK_MUST_USE;
/* SK_E_SYNTAX, SK_E_LIMIT or SK_E_UNSUPPORTED: cannot be taken, *ret_reason (static) says why. */
int exclude_add_substring(struct exclude *exclude, const char *text, size_t length, unsigned source,
        const char **ret_reason) SK_MUST_USE;
int exclude_add_regex(struct exclude *exclude, const char *text, size_t length, bool caseless,
        unsigned source, const char **ret_reason) SK_MUST_USE;

/* Prepares for asking; nothing is added from then on. */
int exclude_seal(struct exclude *exclude, struct error *error) SK_MUST_USE;

/* Whether an entry is excluded, and by which source. */
bool exclude_has_url(struct exclude *exclude, const struct url *url, unsigned *ret_source);
bool exclude_has_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned *ret_source);
bool exclude_has_digest(struct exclude *exclude, const struct digest *digest, unsigned *ret_source);

#endif
