#ifndef LIB_BASE_SIPHASH_H
#define LIB_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * SipHash-2-4 with a 128-bit result (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * 2012, and the authors' description of the 128-bit variant): a keyed function, so that nobody who
 * does not know the key can choose inputs that collide.
 */
struct siphash_key {
	uint64_t k0, k1;
};

struct siphash_value {
	uint64_t low, high;
};

/* The state after a prefix, so that "host" + many paths hash the host once. Bytes are buffered up
 * to eight; a state may be copied. */
struct siphash {
	uint64_t v0, v1, v2, v3;
	uint64_t pending;
	uint64_t total;
};

/* A hash in steps; siphash_finish leaves the state as it is. */
void siphash_init(struct siphash *state, const struct siphash_key *key);
void siphash_update(struct siphash *state, const void *bytes, size_t size);
struct siphash_value siphash_finish(const struct siphash *state);

/* The hash of `size` bytes at once. */
struct siphash_value siphash(const struct siphash_key *key, const void *bytes, size_t size);

/* Key from 16 bytes, little-endian as in the paper. */
struct siphash_key siphash_key_from(const unsigned char bytes[16]);

#endif
