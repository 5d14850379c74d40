#include "lib/base/number.h"

#include "lib/base/error.h"

int number_parse_u64(const char *text, size_t length, uint64_t maximum, uint64_t *ret_value)
{
	if (length == 0) {
		return SK_E_SYNTAX;
	}
	uint64_t value = 0;
	int status = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return SK_E_SYNTAX;
		}
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (__builtin_mul_overflow(value, 10, &value) ||
		        __builtin_add_overflow(value, digit, &value) || value > maximum) {
			status = SK_E_RANGE;
			value = 0;
			maximum = UINT64_MAX;
		}
	}
	if (status == 0) {
		*ret_value = value;
	}
	return status;
}

int number_parse_i64(
        const char *text, size_t length, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
	int negative = length > 0 && text[0] == '-';
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t magnitude;
	int status =
	        number_parse_u64(text + negative, length - (size_t)negative, limit, &magnitude);
	if (status != 0) {
		return status;
	}
	int64_t value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (value < minimum || value > maximum) {
		return SK_E_RANGE;
	}
	*ret_value = value;
	return 0;
}

static const signed char hex_values[256] = {['0'] = 1,
        ['1'] = 2,
        ['2'] = 3,
        ['3'] = 4,
        ['4'] = 5,
        ['5'] = 6,
        ['6'] = 7,
        ['7'] = 8,
        ['8'] = 9,
        ['9'] = 10,
        ['a'] = 11,
        ['b'] = 12,
        ['c'] = 13,
        ['d'] = 14,
        ['e'] = 15,
        ['f'] = 16,
        ['A'] = 11,
        ['B'] = 12,
        ['C'] = 13,
        ['D'] = 14,
        ['E'] = 15,
        ['F'] = 16};

int number_hex_digit(char c)
{
	return hex_values[(unsigned char)c] - 1;
}

int number_parse_hex(const char *text, size_t length, void *ret_bytes, size_t size)
{
	unsigned char *bytes = ret_bytes;
	if (length % 2 != 0 || length / 2 != size) {
		return SK_E_SYNTAX;
	}
	int bad = 0;
	for (size_t i = 0; i < size; i++) {
		int high = number_hex_digit(text[2 * i]);
		int low = number_hex_digit(text[2 * i + 1]);
		bad |= high | low;
		bytes[i] = (unsigned char)(((unsigned)high << 4) | ((unsigned)low & 15));
	}
	return bad < 0 ? SK_E_SYNTAX : 0;
}
