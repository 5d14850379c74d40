#ifndef LIB_LOOKUP_LOOKUP_KEY_H
#define LIB_LOOKUP_LOOKUP_KEY_H

#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/siphash.h"
#include "lib/data/digest.h"

/* gcc takes a function that only prefetches for one without effect and drops the calls; not so what
 * is inlined before it looks. */
#define LOOKUP_PREFETCHER static inline __attribute__((always_inline))

/* A 128-bit key of a key table; `high` sorts first. */
struct lookup_key {
	uint64_t high, low;
};

/* Of an expression "host/path": its SipHash-2-4-128 under the file's key. */
static inline struct lookup_key lookup_key_from_hash(struct siphash_value value)
{
	return (struct lookup_key){value.low, value.high};
}

/* Of a digest: its first 16 bytes. */
static inline struct lookup_key lookup_key_from_digest(const struct digest *digest)
{
	return (struct lookup_key){
	        bytes_get_be64(digest->bytes), bytes_get_be64(digest->bytes + 8)};
}

#endif
