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

/* What can be said of an expression by reading it, in microseconds: length, repeats
 * (LIMIT_KEYWORD_*), ASCII without NUL, no back-reference or look-around. SK_E_LIMIT, SK_E_SYNTAX
 * or SK_E_UNSUPPORTED; the reason in `error` is for administrators. */
int keyword_check_text(const char *expression, size_t length, struct error *error) SK_MUST_USE;

/* The same and whether it compiles alone, to what matches more than the empty text, within
 * KEYWORD_COMPILE_MS of processor time (measured when it is over: a hostile expression takes
 * longer, so in a job with limits) and KEYWORD_DATABASE_MAX bytes. */
#define KEYWORD_COMPILE_MS 100
#define KEYWORD_DATABASE_MAX (16 * 1024 * 1024)
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

/* Opens a compiled set (allocates; not on the query path); takes over `file` on success. */
int keyword_set_open(
        struct lookup_file *file, struct keyword_set **ret_set, struct error *error) SK_MUST_USE;
void keyword_set_close(struct keyword_set *set); /* NULL allowed */
size_t keyword_set_count(const struct keyword_set *set);

/* Was the set compiled from this very policy file (by its checksum)? */
bool keyword_set_fits(const struct keyword_set *set, const struct policy *policy);

const struct lookup_file *keyword_set_file(const struct keyword_set *set);

/* Writes to `fd` the set for policy `to`, without compiling: for when its keyword entries (list, id
 * and text) are the same as in `from`, which the set was compiled from. SK_E_CONFLICT when they are
 * not. */
int keyword_set_rebase(const struct keyword_set *set, const struct policy *from,
        const struct policy *to, int fd, struct error *error) SK_MUST_USE;

/* Scratch memory of one thread, grown to fit a set before that is used for queries. `*scratch` is
 * NULL at first. */
struct keyword_scratch;
int keyword_scratch_fit(
        struct keyword_scratch **scratch, const struct keyword_set *set) SK_MUST_USE;
void keyword_scratch_free(struct keyword_scratch *scratch);

/* Entry indexes of all expressions that match `text`, each once, at most `maximum` (further ones
 * are dropped); returns how many. No allocation. */
size_t keyword_set_match(const struct keyword_set *set, struct keyword_scratch *scratch,
        const char *text, size_t length, uint32_t *ret_indexes, size_t maximum);

#endif
