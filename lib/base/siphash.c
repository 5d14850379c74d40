#include "lib/base/siphash.h"

#include "lib/base/bytes.h"

static inline uint64_t rotate_left(uint64_t value, int bits)
{
	return (value << bits) | (value >> (64 - bits));
}

static inline void sip_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void compress(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

struct siphash_key siphash_key_from(const unsigned char bytes[16])
{
	return (struct siphash_key){bytes_get_le64(bytes), bytes_get_le64(bytes + 8)};
}

void siphash_init(struct siphash *state, const struct siphash_key *key)
{
	*state = (struct siphash){
	        .v0 = UINT64_C(0x736f6d6570736575) ^ key->k0,
	        .v1 = UINT64_C(0x646f72616e646f6d) ^ key->k1 ^ 0xee,
	        .v2 = UINT64_C(0x6c7967656e657261) ^ key->k0,
	        .v3 = UINT64_C(0x7465646279746573) ^ key->k1,
	};
}

/* The next `size` < 8 bytes as a little-endian word. */
static inline uint64_t load_tail(const unsigned char *at, size_t size)
{
	uint64_t word = 0;
	for (size_t i = 0; i < size; i++) {
		word |= (uint64_t)at[i] << (8 * i);
	}
	return word;
}

void siphash_update(struct siphash *state, const void *bytes, size_t size)
{
	struct siphash s = *state;
	const unsigned char *at = bytes;
	size_t held = s.total & 7;
	s.total += size;
	if (held > 0) {
		size_t take = 8 - held < size ? 8 - held : size;
		s.pending |= load_tail(at, take) << (8 * held);
		at += take;
		size -= take;
		if (held + take < 8) {
			*state = s;
			return;
		}
		compress(&s, s.pending);
		s.pending = 0;
	}
	for (; size >= 8; at += 8, size -= 8) {
		compress(&s, bytes_get_le64(at));
	}
	s.pending = load_tail(at, size);
	*state = s;
}

struct siphash_value siphash_finish(const struct siphash *state)
{
	struct siphash s = *state;
	struct siphash_value value;
	compress(&s, s.pending | (s.total << 56));
	s.v2 ^= 0xee;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	value.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	value.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return value;
}

struct siphash_value siphash(const struct siphash_key *key, const void *bytes, size_t size)
{
	struct siphash state;
	siphash_init(&state, key);
	siphash_update(&state, bytes, size);
	return siphash_finish(&state);
}
