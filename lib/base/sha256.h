#ifndef LIB_BASE_SHA256_H
#define LIB_BASE_SHA256_H

#include <stddef.h>

#include "lib/base/attribute.h"

#define SHA256_SIZE 32

/* SHA-256 of bytes in memory, by OpenSSL (which uses the processor's instructions); 0 or
 * SK_E_CRYPTO. */
int sha256(const void *bytes, size_t size, unsigned char ret_digest[SHA256_SIZE]) SK_MUST_USE;

#endif
