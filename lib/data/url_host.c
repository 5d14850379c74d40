#include "lib/data/url_host.h"

#include <idn2.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/data/url_escape.h"

static int url_host_bad(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return SK_E_SYNTAX;
}

/* In place: dots at the ends go, runs of them become one, letters become lower case. Tells the
 * length of the longest label. */
static size_t url_host_tidy(char *host, size_t length, size_t *ret_longest)
{
	size_t written = 0;
	size_t label = 0; /* where the present one starts */
	size_t longest = 0;
	for (size_t i = 0; i < length; i++) {
		char c = host[i];
		if (c == '.') {
			if (written == label) {
				continue;
			}
			longest = written - label > longest ? written - label : longest;
			label = written + 1;
		} else if (url_byte_is(c, URL_BYTE_UPPER)) {
			c = (char)(c | 0x20);
		}
		host[written++] = c;
	}
	*ret_longest = written - label > longest ? written - label : longest;
	return written > 0 && written == label ? written - 1 : written;
}

/* A host with bytes outside ASCII to A-labels, through UTS #46 (not transitional). */
static int url_host_idn(const char *host, size_t length, char space[URL_HOST_IDN_MAX],
        size_t *ret_length, const char **ret_reason)
{
	char input[URL_HOST_IDN_MAX + 1];
	char *output = NULL;
	if (length > URL_HOST_IDN_MAX) {
		return url_host_bad(ret_reason, "host name or label too long");
	}
	memcpy(input, host, length);
	input[length] = '\0';
	if (memchr(input, '\0', length) != NULL) {
		return url_host_bad(ret_reason, "byte in the host that no host has");
	}
	int status = idn2_to_ascii_8z(input, &output, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (status != IDN2_OK) {
		return url_host_bad(ret_reason, "host that is no international domain name");
	}
	size_t output_length = strlen(output);
	if (output_length <= URL_HOST_IDN_MAX) {
		memcpy(space, output, output_length);
	}
	idn2_free(output);
	*ret_length = output_length;
	return output_length <= URL_HOST_IDN_MAX
	               ? 0
	               : url_host_bad(ret_reason, "host name or label too long");
}

static bool url_host_ends_in_number(const char *host, size_t length)
{
	size_t start = length;
	while (start > 0 && host[start - 1] != '.') {
		start--;
	}
	unsigned class = URL_BYTE_DIGIT;
	if (length - start >= 2 && host[start] == '0' && host[start + 1] == 'x') {
		class = URL_BYTE_HEX;
		start += 2;
	}
	for (size_t i = start; i < length; i++) {
		if (!url_byte_is(host[i], class)) {
			return false;
		}
	}
	return true;
}

/* One part of an IPv4 address: decimal, "0…" octal or "0x…" hexadecimal. Values above 32 bits stay
 * above. */
static int url_host_number(const char *text, size_t length, uint64_t *ret_value)
{
	unsigned base = 10;
	uint64_t value = 0;
	size_t i = 0;
	if (length == 0) {
		return SK_E_SYNTAX;
	}
	if (length >= 2 && text[0] == '0') {
		base = text[1] == 'x' ? 16 : 8;
		i = text[1] == 'x' ? 2 : 1;
	}
	for (; i < length; i++) {
		int digit = number_hex_digit(text[i]);
		if (digit < 0 || (unsigned)digit >= base) {
			return SK_E_SYNTAX;
		}
		if (value <= UINT32_MAX) {
			value = value * base + (unsigned)digit;
		}
	}
	*ret_value = value;
	return 0;
}

static int url_host_ipv4(
        const char *host, size_t length, struct address *ret_address, const char **ret_reason)
{
	uint64_t address = 0;
	size_t at = 0;
	for (int part = 0;; part++) {
		const char *dot = memchr(host + at, '.', length - at);
		size_t end = dot != NULL ? (size_t)(dot - host) : length;
		uint64_t value;
		if (part == 4 || url_host_number(host + at, end - at, &value) != 0) {
			return url_host_bad(ret_reason, "host that is no IPv4 address");
		}
		/* The last part fills all bytes that are left. */
		uint64_t limit = dot != NULL ? UINT64_C(0x100) : UINT64_C(1) << (32 - 8 * part);
		if (value >= limit) {
			return url_host_bad(ret_reason, "IPv4 address with a number too large");
		}
		if (dot == NULL) {
			address |= value;
			break;
		}
		address |= value << (24 - 8 * part);
		at = end + 1;
	}
	*ret_address = (struct address){.family = ADDRESS_V4,
	        .bytes = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
	                (uint8_t)(address >> 8), (uint8_t)address}};
	return 0;
}

static unsigned url_host_classes(const char *host, size_t length)
{
	unsigned classes = 0;
	for (size_t i = 0; i < length; i++) {
		classes |= url_bytes[(unsigned char)host[i]];
	}
	return classes;
}

static bool url_host_is_ascii(const char *host, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)host[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

static void url_host_put_address(const struct address *address, char *space, size_t *ret_length)
{
	char text[ADDRESS_TEXT_SIZE];
	size_t length = address_format(address, text);
	if (address->family == ADDRESS_V6) {
		space[0] = '[';
		memcpy(space + 1, text, length);
		space[length + 1] = ']';
		length += 2;
	} else {
		memcpy(space, text, length);
	}
	*ret_length = length;
}

int url_host_name(char *host, size_t length, char *space, size_t *ret_length,
        struct address *ret_address, const char **ret_reason)
{
	char idn[URL_HOST_IDN_MAX];
	size_t longest;
	int status;
	if ((url_host_classes(host, length) & URL_BYTE_NOT_HOST) != 0) {
		length = url_unescape(host, length);
		if (!url_host_is_ascii(host, length)) {
			length = url_host_tidy(host, length, &longest);
			status = url_host_idn(host, length, idn, &length, ret_reason);
			if (status != 0) {
				return status;
			}
			host = idn;
		}
		if ((url_host_classes(host, length) & URL_BYTE_NOT_HOST) != 0) {
			return url_host_bad(
			        ret_reason, memchr(host, '*', length) != NULL
			                            ? "wildcard in the host"
			                            : "byte in the host that no host has");
		}
	}
	length = url_host_tidy(host, length, &longest);
	if (length == 0) {
		return url_host_bad(ret_reason, "no host");
	}
	if (url_host_ends_in_number(host, length)) {
		status = url_host_ipv4(host, length, ret_address, ret_reason);
		if (status == 0) {
			url_host_put_address(ret_address, space, ret_length);
		}
		return status;
	}
	if (length > URL_HOST_NAME_MAX || longest > URL_HOST_LABEL_MAX) {
		return url_host_bad(ret_reason, "host name or label too long");
	}
	memcpy(space, host, length);
	*ret_length = length;
	*ret_address = (struct address){.family = ADDRESS_NONE};
	return 0;
}

/* NAT64 with the well-known prefix of RFC 6052: what is reached is the IPv4 address. */
static void url_host_unwrap_nat64(struct address *address)
{
	static const uint8_t prefix[12] = {0x00, 0x64, 0xff, 0x9b};
	if (address->family == ADDRESS_V6 && memcmp(address->bytes, prefix, sizeof(prefix)) == 0) {
		struct address v4 = {.family = ADDRESS_V4};
		memcpy(v4.bytes, address->bytes + sizeof(prefix), 4);
		*address = v4;
	}
}

int url_host_ipv6(const char *host, size_t length, char *space, size_t *ret_length,
        struct address *ret_address, const char **ret_reason)
{
	struct address address;
	if (memchr(host, ':', length) == NULL || address_parse(host, length, &address) != 0) {
		return url_host_bad(ret_reason, "bad IPv6 address in the host");
	}
	url_host_unwrap_nat64(&address);
	url_host_put_address(&address, space, ret_length);
	*ret_address = address;
	return 0;
}
