#ifndef LIB_VERDICT_KEYWORD_SET_H
#define LIB_VERDICT_KEYWORD_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/policy.h"

/*
 * Keyword rules: regular expressions, all matched in one pass and linear time (Hyperscan or
 * Vectorscan). The compiled set is a lookup file of kind KEYWORDS: serialized database and, for
 * each expression, the index of its entry in the policy file that it goes with.
 *
 * Letters match without regard to case, '.' matches every character, '^' and '$' the ends of the
 * canonical URL.
 */

/* Is this an expression that we take: length, repeats (LIMIT_KEYWORD_*), no back-reference or
 * look-around, within compile cost? Compiles it alone: up to 100 ms; in a job or with care. The
 * reason in `error` is for administrators. */
int keyword_check(const char *expression, size_t length, struct error *error) SK_MUST_USE;

/*
 * Compiles the keyword entries of `policy` into a file on `fd`. Costly (seconds for thousands) and
 * in memory: in a job with limits. An expression that fails is left out and reported to `refused`.
 * A set without expressions is a file too.
 */
typedef void keyword_refused_fn(
        void *context, const struct policy_entry *entry, const char *reason);
int keyword_set_compile(const struct policy *policy, int fd, keyword_refused_fn *refused,
        void *context, struct error *error) SK_MUST_USE;

struct keyword_set;

/* Opens a compiled set (allocates; not on the query path); takes over the reference to `file`. */
int keyword_set_open(
        struct lookup_file *file, struct keyword_set **ret_set, struct error *error) SK_MUST_USE;
void keyword_set_close(struct keyword_set *set); /* NULL allowed */
size_t keyword_set_count(const struct keyword_set *set);

/* Scratch memory of one thread, grown to fit a set before that is used for queries. */
struct keyword_scratch;
int keyword_scratch_fit(
        struct keyword_scratch **scratch, const struct keyword_set *set) SK_MUST_USE;
void keyword_scratch_free(struct keyword_scratch *scratch);

/* Entry indexes of all expressions that match `text`, each once, at most `maximum` (further ones
 * are dropped); returns how many. No allocation. */
size_t keyword_set_match(const struct keyword_set *set, struct keyword_scratch *scratch,
        const char *text, size_t length, uint32_t *ret_indexes, size_t maximum);

#endif
