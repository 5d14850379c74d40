#ifndef TESTS_UNIT_LOOKUP_SUPPORT_H
#define TESTS_UNIT_LOOKUP_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/lookup/lookup_file.h"
#include "lib/lookup/pattern_builder.h"

/* What the tests of lib/lookup share: memory files, random numbers that repeat, damage. */

/* splitmix64: the same numbers in every run. */
uint64_t test_random(uint64_t *state);

/* An empty file without a name; fails the test when there is none. */
int test_file_new(void);

/* All bytes of `fd`, exactly that much memory; the caller frees with mem_free. */
unsigned char *test_file_bytes(int fd, size_t *ret_size);

/* Puts the right checksum at the end of `size` bytes that were changed. */
void test_fix_checksum(unsigned char *data, size_t size);

/* Sources of a pattern, for the builders. */
#define TEST_SOURCE_COUNT 4
extern const char *const test_sources[TEST_SOURCE_COUNT];

/* The conflicts of a build: how many, and the last one. test_keep_conflict is a build_conflict_fn
 * with one of these as context. */
struct test_conflicts {
	unsigned count;
	enum build_conflict_kind kind;
	char text[256];
	uint64_t bad, good;
};
void test_keep_conflict(void *context, enum build_conflict_kind kind, const char *text,
        uint64_t bad_origins, uint64_t good_origins);

#endif
