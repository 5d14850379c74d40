#ifndef LIB_LOOKUP_RADIX_SORT_H
#define LIB_LOOKUP_RADIX_SORT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sorts `count` items of `words` 64-bit words each (1, 3 or 5) by the first word, then, when there
 * are more, by the second; in place, without memory of its own. Time grows with count whatever the
 * keys are. Equal items come in no particular order.
 */
void radix_sort(uint64_t *items, size_t count, unsigned words);

#endif
