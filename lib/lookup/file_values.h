#ifndef LIB_LOOKUP_FILE_VALUES_H
#define LIB_LOOKUP_FILE_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/siphash.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/text_arena.h"

/*
 * The distinct names and values of a file pattern that is being built. Inside lib/lookup only.
 *
 * Both sets are tables with open addressing over a growing array; a slot holds index + 1. Names
 * come from feeds, so their hash is keyed with a random key; the result does not depend on it.
 */
struct file_names {
	struct text_arena texts;
	uint64_t *places; /* of the names, NUL-terminated */
	uint32_t count, capacity;
	uint32_t *slots;
	uint32_t slot_count;
	struct siphash_key key;
};

struct file_tuple {
	uint64_t origins;
	uint32_t name; /* number in file_names; 0 is the empty name */
	uint8_t malicious, kind;
};

struct file_values {
	struct file_names names;
	struct file_tuple *items;
	uint32_t count, capacity;
	uint32_t *slots;
	uint32_t slot_count;
};

/* -ENOMEM; the others also SK_E_LIMIT when there are too many. */
int file_values_init(struct file_values *values) SK_MUST_USE;
void file_values_release(struct file_values *values);

/* Number of a name, which is copied when it is new. */
int file_values_name(struct file_values *values, const char *name, size_t length,
        uint32_t *ret_name) SK_MUST_USE;
const char *file_values_name_text(const struct file_values *values, uint32_t name);

/* Index of `tuple`, which is added when it is new. */
int file_values_intern(struct file_values *values, const struct file_tuple *tuple,
        uint32_t *ret_index) SK_MUST_USE;

/* The values whose `rank` is not 0 in the order of the file: rank[i] becomes 1 + place there. */
struct file_ranked {
	uint32_t *order; /* index of the value at each place */
	uint32_t count;
	uint32_t *names; /* numbers of the names that are used, in byte order, without the empty */
	uint32_t name_count;
	uint32_t *name_offsets; /* by number of the name */
};
int file_values_rank(const struct file_values *values, uint32_t *rank,
        struct file_ranked *ret_ranked) SK_MUST_USE;
void file_ranked_release(struct file_ranked *ranked);

/* The chunks VALS and NAME. */
int file_values_write(const struct file_values *values, const struct file_ranked *ranked,
        struct lookup_writer *writer) SK_MUST_USE;

#endif
