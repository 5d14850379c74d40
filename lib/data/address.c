#include "lib/data/address.h"

#include <string.h>

#include "lib/base/error.h"
#include "lib/base/number.h"

static const uint8_t address_mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* The decimal digits at text[*at …] as a number up to `maximum` without a leading zero; -1 if there
 * is none. */
static int address_decimal(const char *text, size_t length, size_t *at, int maximum)
{
	size_t start = *at;
	int value = 0;
	while (*at < length && text[*at] >= '0' && text[*at] <= '9') {
		value = value * 10 + (text[*at] - '0');
		if (value > maximum || (*at > start && text[start] == '0')) {
			return -1;
		}
		(*at)++;
	}
	return *at > start ? value : -1;
}

static int address_parse_v4(const char *text, size_t length, uint8_t bytes[4])
{
	size_t at = 0;
	for (int i = 0; i < 4; i++) {
		if (i > 0 && (at == length || text[at++] != '.')) {
			return SK_E_SYNTAX;
		}
		int value = address_decimal(text, length, &at, 255);
		if (value < 0) {
			return SK_E_SYNTAX;
		}
		bytes[i] = (uint8_t)value;
	}
	return at == length ? 0 : SK_E_SYNTAX;
}

/* One group of one to four hexadecimal digits; returns its value or -1. */
static int address_group(const char *text, size_t length, size_t *at)
{
	int value = 0;
	size_t digits = 0;
	while (*at < length) {
		int digit = number_hex_digit(text[*at]);
		if (digit < 0) {
			break;
		}
		if (++digits > 4) {
			return -1;
		}
		value = value << 4 | digit;
		(*at)++;
	}
	return digits > 0 ? value : -1;
}

/*
 * The groups up to the end or a "::" from text[*at] on, as bytes from `from` on; the last one may
 * be a dotted quad. Returns how many bytes there are now, or -1. Stops at "::" with *at on its
 * second colon, so that the caller sees a text that is not finished.
 */
static int address_groups(const char *text, size_t length, size_t *at, uint8_t bytes[16], int from)
{
	int filled = from;
	while (*at < length && text[*at] != ':') {
		size_t start = *at;
		int value = address_group(text, length, at);
		if (*at < length && text[*at] == '.') {
			if (filled > 12 || address_parse_v4(text + start, length - start,
			                           bytes + filled) != 0) {
				return -1;
			}
			*at = length;
			return filled + 4;
		}
		if (value < 0 || filled > 14) {
			return -1;
		}
		bytes[filled++] = (uint8_t)(value >> 8);
		bytes[filled++] = (uint8_t)value;
		if (*at == length) {
			break;
		}
		/* A colon must be followed by something. */
		if (text[*at] != ':' || ++*at == length) {
			return -1;
		}
	}
	return filled;
}

static int address_parse_v6(const char *text, size_t length, uint8_t ret_bytes[16])
{
	uint8_t bytes[16] = {0};
	size_t at = 0;
	if (length < 2 || (text[0] == ':' && text[1] != ':')) {
		return SK_E_SYNTAX;
	}
	int filled = 0;
	if (text[0] == ':') {
		at = 1;
	} else {
		filled = address_groups(text, length, &at, bytes, 0);
	}
	if (filled < 0) {
		return SK_E_SYNTAX;
	}
	if (at < length) {
		/* "::" stands for one group of zeros at least. */
		at++;
		uint8_t tail[16] = {0};
		int end = address_groups(text, length, &at, tail, 0);
		if (end < 0 || at < length || filled + end > 14) {
			return SK_E_SYNTAX;
		}
		memcpy(bytes + 16 - end, tail, (size_t)end);
	} else if (filled != 16) {
		return SK_E_SYNTAX;
	}
	memcpy(ret_bytes, bytes, sizeof(bytes));
	return 0;
}

/* As written: an IPv4-mapped address stays IPv6. */
static int address_parse_plain(const char *text, size_t length, struct address *ret_address)
{
	struct address address = {0};
	int status;
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		address.family = ADDRESS_V6;
		status = address_parse_v6(text + 1, length - 2, address.bytes);
	} else if (memchr(text, ':', length) != NULL) {
		address.family = ADDRESS_V6;
		status = address_parse_v6(text, length, address.bytes);
	} else {
		address.family = ADDRESS_V4;
		status = address_parse_v4(text, length, address.bytes);
	}
	if (status == 0) {
		*ret_address = address;
	}
	return status;
}

static bool address_is_mapped(const struct address *address)
{
	return address->family == ADDRESS_V6 &&
	       memcmp(address->bytes, address_mapped_prefix, sizeof(address_mapped_prefix)) == 0;
}

static void address_unmap(struct address *address)
{
	struct address v4 = {.family = ADDRESS_V4};
	memcpy(v4.bytes, address->bytes + sizeof(address_mapped_prefix), 4);
	*address = v4;
}

int address_parse(const char *text, size_t length, struct address *ret_address)
{
	int status = address_parse_plain(text, length, ret_address);
	if (status == 0 && address_is_mapped(ret_address)) {
		address_unmap(ret_address);
	}
	return status;
}

static unsigned address_bits(const struct address *address)
{
	return address->family == ADDRESS_V4 ? 32 : 128;
}

/* Sets (`fill` 0xff) or clears (0) all bits of the address behind the first `length`. */
static void address_fill(struct address *address, unsigned length, uint8_t fill)
{
	unsigned size = address_bits(address) / 8;
	unsigned whole = length / 8;
	if (length % 8 != 0) {
		uint8_t mask = (uint8_t)(0xff >> (length % 8));
		address->bytes[whole] = (uint8_t)((address->bytes[whole] & ~mask) | (fill & mask));
		whole++;
	}
	memset(address->bytes + whole, fill, size - whole);
}

int address_prefix_parse(const char *text, size_t length, struct address_prefix *ret_prefix)
{
	struct address_prefix prefix;
	const char *slash = memchr(text, '/', length);
	size_t address_length = slash != NULL ? (size_t)(slash - text) : length;
	int status = address_parse_plain(text, address_length, &prefix.address);
	if (status != 0) {
		return status;
	}
	uint64_t bits = address_bits(&prefix.address);
	if (slash != NULL) {
		status = number_parse_u64(slash + 1, length - address_length - 1, bits, &bits);
		if (status != 0) {
			return status;
		}
	}
	if (bits >= 96 && address_is_mapped(&prefix.address)) {
		address_unmap(&prefix.address);
		bits -= 96;
	}
	prefix.length = (uint8_t)bits;
	address_fill(&prefix.address, prefix.length, 0);
	*ret_prefix = prefix;
	return 0;
}

int address_range_parse(
        const char *text, size_t length, struct address *ret_first, struct address *ret_last)
{
	const char *dash = memchr(text, '-', length);
	if (dash == NULL) {
		struct address_prefix prefix;
		int status = address_prefix_parse(text, length, &prefix);
		if (status == 0) {
			address_prefix_bounds(&prefix, ret_first, ret_last);
		}
		return status;
	}
	const char *end = dash;
	const char *next = dash + 1;
	while (end > text && end[-1] == ' ') {
		end--;
	}
	while (next < text + length && *next == ' ') {
		next++;
	}
	struct address first, last;
	if (address_parse(text, (size_t)(end - text), &first) != 0 ||
	        address_parse(next, (size_t)(text + length - next), &last) != 0 ||
	        first.family != last.family) {
		return SK_E_SYNTAX;
	}
	if (address_compare(&first, &last) > 0) {
		return SK_E_RANGE;
	}
	*ret_first = first;
	*ret_last = last;
	return 0;
}

static size_t address_put_decimal(char *text, unsigned value)
{
	size_t length = 0;
	if (value >= 100) {
		text[length++] = (char)('0' + value / 100);
	}
	if (value >= 10) {
		text[length++] = (char)('0' + value / 10 % 10);
	}
	text[length++] = (char)('0' + value % 10);
	return length;
}

static size_t address_format_v4(const uint8_t bytes[4], char *text)
{
	size_t length = 0;
	for (int i = 0; i < 4; i++) {
		if (i > 0) {
			text[length++] = '.';
		}
		length += address_put_decimal(text + length, bytes[i]);
	}
	return length;
}

static size_t address_put_group(char *text, unsigned group)
{
	static const char digits[] = "0123456789abcdef";
	size_t length = 0;
	for (int shift = 12; shift >= 0; shift -= 4) {
		if (length > 0 || shift == 0 || group >> shift != 0) {
			text[length++] = digits[group >> shift & 15];
		}
	}
	return length;
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952, section 4.2). */
static void address_zero_run(const unsigned groups[8], int *ret_start, int *ret_length)
{
	*ret_start = -1;
	*ret_length = 1;
	for (int i = 0; i < 8; i++) {
		int end = i;
		while (end < 8 && groups[end] == 0) {
			end++;
		}
		if (end - i > *ret_length) {
			*ret_start = i;
			*ret_length = end - i;
		}
	}
}

static size_t address_format_v6(const uint8_t bytes[16], char *text)
{
	unsigned groups[8];
	for (int i = 0; i < 8; i++) {
		groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
	}
	int run_start, run_length;
	address_zero_run(groups, &run_start, &run_length);
	size_t length = 0;
	for (int i = 0; i < 8; i++) {
		if (i == run_start) {
			text[length++] = ':';
			i += run_length - 1;
			if (i == 7) {
				text[length++] = ':';
			}
			continue;
		}
		if (i > 0) {
			text[length++] = ':';
		}
		length += address_put_group(text + length, groups[i]);
	}
	return length;
}

size_t address_format(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE])
{
	size_t length = address->family == ADDRESS_V4 ? address_format_v4(address->bytes, ret_text)
	                                              : address_format_v6(address->bytes, ret_text);
	ret_text[length] = '\0';
	return length;
}

size_t address_prefix_format(
        const struct address_prefix *prefix, char ret_text[ADDRESS_PREFIX_TEXT_SIZE])
{
	size_t length = address_format(&prefix->address, ret_text);
	ret_text[length++] = '/';
	length += address_put_decimal(ret_text + length, prefix->length);
	ret_text[length] = '\0';
	return length;
}

int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family) {
		return a->family < b->family ? -1 : 1;
	}
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool address_in_prefix(const struct address *address, const struct address_prefix *prefix)
{
	if (address->family != prefix->address.family) {
		return false;
	}
	unsigned whole = prefix->length / 8;
	if (memcmp(address->bytes, prefix->address.bytes, whole) != 0) {
		return false;
	}
	unsigned rest = prefix->length % 8;
	return rest == 0 ||
	       (address->bytes[whole] ^ prefix->address.bytes[whole]) >> (8 - rest) == 0;
}

void address_prefix_bounds(
        const struct address_prefix *prefix, struct address *ret_first, struct address *ret_last)
{
	*ret_first = prefix->address;
	*ret_last = prefix->address;
	address_fill(ret_last, prefix->length, 0xff);
}
