#ifndef TESTS_UNIT_LOOKUP_SUPPORT_H
#define TESTS_UNIT_LOOKUP_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/lookup/lookup_file.h"

/* What the tests of lib/lookup share: memory files, random numbers that repeat, damage. */

/* splitmix64: the same numbers in every run. */
uint64_t test_random(uint64_t *state);

/* An empty file without a name; fails the test when there is none. */
int test_file_new(void);

/* All bytes of `fd`, exactly that much memory; the caller frees with mem_free. */
unsigned char *test_file_bytes(int fd, size_t *ret_size);

/* Puts the right checksum at the end of `size` bytes that were changed. */
void test_fix_checksum(unsigned char *data, size_t size);

#endif
