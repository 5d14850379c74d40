#ifndef LIB_DATA_ADDRESS_H
#define LIB_DATA_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/* IPv4 and IPv6 addresses and prefixes. Pure; any thread. */

enum address_family { ADDRESS_NONE = 0, ADDRESS_V4 = 4, ADDRESS_V6 = 6 };

/* Bytes in network order; an IPv4 address uses the first four, the rest is zero. */
struct address {
	uint8_t family; /* enum address_family */
	uint8_t bytes[16];
};

struct address_prefix {
	struct address address; /* bits behind `length` are zero */
	uint8_t length; /* 0–32 or 0–128 */
};

/* From text: dotted quad with four plain decimal numbers (no leading zero), or RFC 4291 IPv6
 * (brackets allowed, no zone). IPv4-mapped IPv6 (::ffff:a.b.c.d) becomes IPv4. 0 or SK_E_SYNTAX. */
int address_parse(const char *text, size_t length, struct address *ret_address) SK_MUST_USE;

/* "10.0.0.0/8", "2001:db8::/32", or an address alone (full length). Bits behind the length are
 * cleared; a prefix within ::ffff:0:0/96 becomes IPv4. 0, SK_E_SYNTAX or SK_E_RANGE (length). */
int address_prefix_parse(
        const char *text, size_t length, struct address_prefix *ret_prefix) SK_MUST_USE;

/* "a-b" (blanks around '-' allowed), "a/len" or "a": first and last address of the range. 0,
 * SK_E_SYNTAX (also: two families) or SK_E_RANGE (first > last, the length). */
int address_range_parse(const char *text, size_t length, struct address *ret_first,
        struct address *ret_last) SK_MUST_USE;

/* Canonical text (RFC 5952 for IPv6, no brackets) with a NUL; returns the length. */
#define ADDRESS_TEXT_SIZE 46
size_t address_format(const struct address *address, char ret_text[ADDRESS_TEXT_SIZE]);

/* The same with "/length" behind. */
#define ADDRESS_PREFIX_TEXT_SIZE 50
size_t address_prefix_format(
        const struct address_prefix *prefix, char ret_text[ADDRESS_PREFIX_TEXT_SIZE]);

/* memcmp order within a family, IPv4 before IPv6. */
int address_compare(const struct address *a, const struct address *b);

bool address_in_prefix(const struct address *address, const struct address_prefix *prefix);

/* First and last address of a prefix. */
void address_prefix_bounds(
        const struct address_prefix *prefix, struct address *ret_first, struct address *ret_last);

#endif
