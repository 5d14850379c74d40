#include "lib/data/url_escape.h"

#include <string.h>

#include "lib/base/number.h"

#define Q URL_BYTE_ESCAPE_QUERY
#define P URL_BYTE_ESCAPE_PATH
#define N URL_BYTE_NOT_HOST
#define S URL_BYTE_SCHEME
#define U URL_BYTE_UPPER
#define D URL_BYTE_DIGIT
#define X URL_BYTE_HEX
#define C URL_BYTE_CLEAN

const uint8_t url_bytes[256] = {
        [0 ... 0x08] = Q | P | N,
        ['\t'] = Q | P | N | C,
        ['\n'] = Q | P | N | C,
        [0x0b ... 0x0c] = Q | P | N,
        ['\r'] = Q | P | N | C,
        [0x0e ... 0x20] = Q | P | N,
        ['"'] = N,
        ['#'] = Q | P | N | C,
        ['%'] = Q | P | N,
        ['*'] = N,
        ['+'] = S,
        ['-'] = S,
        ['.'] = S,
        ['/'] = N,
        ['0' ... '9'] = S | D | X,
        [':'] = N,
        ['<'] = N,
        ['>'] = N,
        ['?'] = P | N | C,
        ['@'] = N,
        ['A' ... 'F'] = S | U | X,
        ['G' ... 'Z'] = S | U,
        ['['] = N,
        ['\\'] = P | N | C,
        [']'] = N,
        ['^'] = N,
        ['`'] = N,
        ['a' ... 'f'] = S | X,
        ['g' ... 'z'] = S,
        ['{'] = N,
        ['|'] = N,
        ['}'] = N,
        [0x7f] = Q | P | N,
        [0x80 ... 0xff] = Q | P | N,
};

size_t url_unescape(char *text, size_t length)
{
	char *first = memchr(text, '%', length);
	if (first == NULL) {
		return length;
	}
	size_t written = (size_t)(first - text);
	for (size_t i = written; i < length; i++) {
		text[written++] = text[i];
		while (written >= 3 && text[written - 3] == '%' &&
		        url_byte_is(text[written - 2], URL_BYTE_HEX) &&
		        url_byte_is(text[written - 1], URL_BYTE_HEX)) {
			int high = number_hex_digit(text[written - 2]);
			int low = number_hex_digit(text[written - 1]);
			written -= 2;
			text[written - 1] = (char)(high << 4 | low);
		}
	}
	return written;
}
