#ifndef LIB_BASE_NUMBER_H
#define LIB_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/* Numbers and hexadecimal digits from text. The whole text must be the number: no sign, no blank,
 * no prefix. */

/* 0, SK_E_SYNTAX (not only digits, or empty) or SK_E_RANGE (above `maximum`). */
int number_parse_u64(
        const char *text, size_t length, uint64_t maximum, uint64_t *ret_value) SK_MUST_USE;

/* The same with an optional '-', within [minimum, maximum]. */
int number_parse_i64(const char *text, size_t length, int64_t minimum, int64_t maximum,
        int64_t *ret_value) SK_MUST_USE;

/* Value of one hexadecimal digit of either case, or -1. */
int number_hex_digit(char c);

/* Decodes exactly 2 × `size` digits into `ret_bytes`; 0 or SK_E_SYNTAX. */
int number_parse_hex(const char *text, size_t length, void *ret_bytes, size_t size) SK_MUST_USE;

#endif
