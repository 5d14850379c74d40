#ifndef LIB_LOOKUP_WEB_PATTERN_H
#define LIB_LOOKUP_WEB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/siphash.h"
#include "lib/data/address.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/lookup_key.h"

/* The Web Blocking Pattern: expressions and address prefixes with what is known of them. */

#define PATTERN_SOURCES_MAX 64 /* a set of sources is one 64-bit word */

struct web_value {
	uint64_t categories; /* set of category bits, lib/data/rating.h */
	uint64_t origins; /* set of indexes into the pattern's sources */
	uint8_t score; /* 0–100 */
	uint8_t cnc_level; /* enum cnc_level */
	uint8_t cnc_source; /* enum cnc_source */
};

struct pattern_info {
	const char *name; /* NUL-terminated, in the file */
	const char *version;
	size_t source_count;
	const char *sources[PATTERN_SOURCES_MAX];
	uint64_t url_count, host_count, v4_count, v6_count; /* web */
	uint64_t digest_counts[3]; /* files, by enum digest_kind */
};

struct web_pattern;

/* Takes over `file` on success. SK_E_CORRUPT when chunks disagree. */
int web_pattern_open(struct lookup_file *file, struct web_pattern **ret_pattern,
        struct error *error) SK_MUST_USE;
void web_pattern_close(struct web_pattern *pattern); /* NULL allowed */

/* The pattern's own. */
const struct pattern_info *web_pattern_info(const struct web_pattern *pattern);
const struct siphash_key *web_pattern_key(const struct web_pattern *pattern);
const struct lookup_file *web_pattern_file(const struct web_pattern *pattern);

/*
 * Looking up, no allocation, no lock, any thread. A host whose hash (SipHash of the host text
 * alone) does not pass the filter has no entry at any path; most queries end there. The prefetches
 * let a caller start the memory accesses of all keys of a query, or of several queries, at once.
 */
void web_pattern_prefetch_host(const struct web_pattern *pattern, struct siphash_value host);
bool web_pattern_may_have_host(const struct web_pattern *pattern, struct siphash_value host);
void web_pattern_prefetch(const struct web_pattern *pattern, struct lookup_key key);
/* The second access of a key, to be started some ten nanoseconds or a few keys after the first. */
void web_pattern_prefetch_slot(const struct web_pattern *pattern, struct lookup_key key);
const struct web_value *web_pattern_find(const struct web_pattern *pattern, struct lookup_key key);

/* The longest prefix that holds `address`, or NULL. `ret_prefix` may be NULL. `outer` is the prefix
 * that a former call returned, to go on with the next shorter one; NULL at first. */
const struct web_value *web_pattern_find_address(const struct web_pattern *pattern,
        const struct address *address, const struct address_prefix *outer,
        struct address_prefix *ret_prefix);

/* Every entry in file order, for `dump` and `diff`: the key (bits that the file keeps, the rest
 * zero) or the prefix, and the value. Stops when `visit` returns nonzero, and returns that. */
int web_pattern_visit(const struct web_pattern *pattern,
        int (*visit)(void *context, const struct lookup_key *key,
                const struct address_prefix *prefix, const struct web_value *value),
        void *context);

#endif
