#include "lib/base/sha256.h"

#include <openssl/evp.h>

#include "lib/base/error.h"

int sha256(const void *bytes, size_t size, unsigned char ret_digest[SHA256_SIZE])
{
	unsigned length = SHA256_SIZE;
	return EVP_Digest(bytes, size, ret_digest, &length, EVP_sha256(), NULL) == 1 ? 0
	                                                                             : SK_E_CRYPTO;
}
