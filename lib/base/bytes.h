#ifndef LIB_BASE_BYTES_H
#define LIB_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

/* Integers in byte sequences, order and width explicit. The pointer need not be aligned. */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#	define BYTES_LE16(v) (v)
#	define BYTES_LE32(v) (v)
#	define BYTES_LE64(v) (v)
#	define BYTES_BE16(v) __builtin_bswap16(v)
#	define BYTES_BE32(v) __builtin_bswap32(v)
#	define BYTES_BE64(v) __builtin_bswap64(v)
#else
#	define BYTES_LE16(v) __builtin_bswap16(v)
#	define BYTES_LE32(v) __builtin_bswap32(v)
#	define BYTES_LE64(v) __builtin_bswap64(v)
#	define BYTES_BE16(v) (v)
#	define BYTES_BE32(v) (v)
#	define BYTES_BE64(v) (v)
#endif

#define BYTES_DEFINE(name, type, convert)                                                          \
	static inline type bytes_get_##name(const void *at)                                        \
	{                                                                                          \
		type value;                                                                        \
		memcpy(&value, at, sizeof(value));                                                 \
		return convert(value);                                                             \
	}                                                                                          \
	static inline void bytes_put_##name(void *at, type value)                                  \
	{                                                                                          \
		value = convert(value);                                                            \
		memcpy(at, &value, sizeof(value));                                                 \
	}

BYTES_DEFINE(le16, uint16_t, BYTES_LE16)
BYTES_DEFINE(le32, uint32_t, BYTES_LE32)
BYTES_DEFINE(le64, uint64_t, BYTES_LE64)
BYTES_DEFINE(be16, uint16_t, BYTES_BE16)
BYTES_DEFINE(be32, uint32_t, BYTES_BE32)
BYTES_DEFINE(be64, uint64_t, BYTES_BE64)

#endif
