#ifndef LIB_LOOKUP_PATTERN_META_H
#define LIB_LOOKUP_PATTERN_META_H

#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/web_pattern.h"

/* What a pattern says about itself, its chunk META. Inside lib/lookup only. */
#define PATTERN_META_ID "META"
#define PATTERN_TEXT_MAX 255 /* bytes of the pattern's name and version */

struct pattern_meta {
	struct pattern_info info; /* texts point into the file */
	struct siphash_key key; /* of a web pattern; zero in others */
};

/* SK_E_CORRUPT with the reason. */
int pattern_meta_read(
        struct pattern_meta *meta, const struct lookup_file *file, struct error *error) SK_MUST_USE;

/* SK_E_LIMIT when a text is longer than PATTERN_TEXT_MAX or LIMIT_SOURCE_NAME, or when there are
 * more than PATTERN_SOURCES_MAX sources. */
int pattern_meta_write(const struct pattern_meta *meta, struct lookup_writer *writer) SK_MUST_USE;

/* Fills name, version and sources of `info`; SK_E_LIMIT with the reason. */
int pattern_info_set(struct pattern_info *info, const char *name, const char *version,
        const char *const *sources, size_t source_count, struct error *error) SK_MUST_USE;

/* The set of all sources of a pattern with `count` of them. */
static inline uint64_t pattern_all_origins(size_t count)
{
	return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

#endif
