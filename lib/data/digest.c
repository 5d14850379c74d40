#include "lib/data/digest.h"

#include "lib/base/error.h"
#include "lib/base/number.h"

static const struct {
	const char *name;
	uint8_t size;
} digest_kinds[DIGEST_KIND_COUNT] = {
        [DIGEST_MD5] = {"md5", 16},
        [DIGEST_SHA1] = {"sha1", 20},
        [DIGEST_SHA256] = {"sha256", 32},
};

size_t digest_size(enum digest_kind kind)
{
	return digest_kinds[kind].size;
}

const char *digest_kind_name(enum digest_kind kind)
{
	return digest_kinds[kind].name;
}

int digest_parse(const char *text, size_t length, struct digest *ret_digest)
{
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		if (length == 2u * digest_kinds[kind].size) {
			struct digest digest = {.kind = (uint8_t)kind};
			int status = number_parse_hex(
			        text, length, digest.bytes, digest_kinds[kind].size);
			if (status == 0) {
				*ret_digest = digest;
			}
			return status;
		}
	}
	return SK_E_SYNTAX;
}

size_t digest_format(const struct digest *digest, char ret_text[DIGEST_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t size = digest_kinds[digest->kind].size;
	for (size_t i = 0; i < size; i++) {
		ret_text[2 * i] = digits[digest->bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret_text[2 * size] = '\0';
	return 2 * size;
}
