#ifndef LIB_LOOKUP_PATTERN_BUILDER_H
#define LIB_LOOKUP_PATTERN_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/data/address.h"
#include "lib/data/digest.h"
#include "lib/data/url.h"
#include "lib/lookup/web_pattern.h"

/*
 * Builds the two patterns from entries that arrive in any order and number, at most 100 bytes of
 * memory per entry (texts of usual length counted). The same entries and key give the same bytes,
 * in whatever order they came.
 *
 * Rules of merging (web): entries of the same expression become one, with the lowest score, the
 * highest C&C level (and its source), all categories and all origins of the bad ones; "good" (score
 * ≥ 81) and "bad" entries of the same expression are a conflict: reported, the lower score stays.
 * An entry that is milder than what would answer in its place (the next less specific entry that
 * covers it) is dropped, unless it is rated safe (≥ 81); address prefixes likewise. (files):
 * malicious wins over known good (a conflict); of the winning side the first name in byte order
 * stays (any name before none) with its kind, origins unite.
 */
enum build_conflict_kind { BUILD_CONFLICT_URL, BUILD_CONFLICT_ADDRESS, BUILD_CONFLICT_DIGEST };

/* A conflict as text ("host/path", "192.0.2.0/24", hex digest) with the sets of sources. */
typedef void build_conflict_fn(void *context, enum build_conflict_kind kind, const char *text,
        uint64_t bad_origins, uint64_t good_origins);

struct build_counts {
	uint64_t added; /* entries given */
	uint64_t merged; /* equal to another */
	uint64_t dropped; /* milder than what covers them */
	uint64_t excluded; /* left out by web_builder_exclude */
	uint64_t conflicts;
	uint64_t written;
};

struct web_builder;

/* `key` is copied: the random one of the pattern. -ENOMEM. */
int web_builder_new(const struct siphash_key *key, struct web_builder **ret_builder) SK_MUST_USE;
void web_builder_free(struct web_builder *builder); /* NULL allowed */

/* An entry for `url` as it is canonical: its host and its path with query, the most specific
 * expression; "host/" covers the whole site and its sub-sites. SK_E_LIMIT when more than
 * LIMIT_PATTERN_VALUES distinct values are there, SK_E_RANGE for a value that no pattern can have
 * (score, C&C level and source, category), -ENOMEM. */
int web_builder_add(struct web_builder *builder, const struct url *url,
        const struct web_value *value) SK_MUST_USE;
int web_builder_add_prefix(struct web_builder *builder, const struct address_prefix *prefix,
        const struct web_value *value) SK_MUST_USE;

/* Takes the entry of exactly this expression "host/path" out of what is written (safety check). */
int web_builder_exclude(
        struct web_builder *builder, const char *expression, size_t length) SK_MUST_USE;

/* Merges and writes the pattern. May be called again after further excludes; each call reports and
 * counts everything anew. `sources` are the names behind the origin bits (a value with another bit:
 * SK_E_RANGE). `conflict` may be NULL. */
int web_builder_write(struct web_builder *builder, int fd, const char *name, const char *version,
        const char *const *sources, size_t source_count, build_conflict_fn *conflict, void *context,
        struct build_counts *ret_counts, struct error *error) SK_MUST_USE;

struct file_builder;

/* file_builder_free frees it. -ENOMEM, -errno. */
int file_builder_new(struct file_builder **ret_builder) SK_MUST_USE;
void file_builder_free(struct file_builder *builder);

/* `name` (at most LIMIT_THREAT_NAME bytes, else SK_E_LIMIT) is copied; "" when not known.
 * SK_E_RANGE for a digest or threat of no kind. */
int file_builder_add(struct file_builder *builder, const struct digest *digest, int malicious,
        uint8_t kind, const char *name, uint64_t origins) SK_MUST_USE;

/* As web_builder_write. */
int file_builder_write(struct file_builder *builder, int fd, const char *name, const char *version,
        const char *const *sources, size_t source_count, build_conflict_fn *conflict, void *context,
        struct build_counts *ret_counts, struct error *error) SK_MUST_USE;

#endif
