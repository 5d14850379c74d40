#ifndef LIB_LOOKUP_WEB_VALUES_H
#define LIB_LOOKUP_WEB_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/web_pattern.h"

/* The distinct values of a web pattern. Inside lib/lookup only. */
#define WEB_VALUES_ID "VALS"

/* Merging makes values that are not in the file in the end; more than this are refused. */
#define WEB_VALUES_INTERNED_MAX (1u << 20)

struct web_values {
	struct web_value *items; /* in the order in which they came */
	uint32_t count, capacity;
	uint32_t *slots; /* open addressing, index + 1, 0 for empty */
	uint32_t slot_count; /* a power of two */
};

void web_values_release(struct web_values *values);

/* Index of `value`, which is added when it is new. -ENOMEM, SK_E_LIMIT. */
int web_values_intern(
        struct web_values *values, const struct web_value *value, uint32_t *ret_index) SK_MUST_USE;

/* Whether score, level, source and categories are what they can be. */
bool web_value_is_valid(const struct web_value *value);

/* Worst first: the order in which values stand in a file. */
int web_value_compare(const struct web_value *a, const struct web_value *b);

/* Gives the values whose `rank` is not 0 their places in the file, in the order of their content:
 * rank[i] becomes 1 + place. The result's items are in that order. SK_E_LIMIT when they are more
 * than LIMIT_PATTERN_VALUES. */
int web_values_rank(const struct web_values *values, uint32_t *rank, struct web_value **ret_sorted,
        uint32_t *ret_count) SK_MUST_USE;

/* The chunk VALS. */
int web_values_write(
        const struct web_value *values, uint32_t count, struct lookup_writer *writer) SK_MUST_USE;

/* Reads and verifies the chunk; `all_origins` are the bits that origins may have. The caller frees
 * the array with mem_free. */
int web_values_read(const struct lookup_file *file, uint64_t all_origins,
        struct web_value **ret_values, uint32_t *ret_count, struct error *error) SK_MUST_USE;

#endif
