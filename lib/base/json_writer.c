#include "lib/base/json_writer.h"

#include "lib/base/bytes.h"
#include "lib/base/utf8.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Has one of the eight bytes to be escaped or looked at: '"', '\\', below 0x20, above 0x7e? */
static inline bool has_special(uint64_t word)
{
	uint64_t quote = word ^ (ONES * '"');
	uint64_t backslash = word ^ (ONES * '\\');
	uint64_t del = word ^ (ONES * 0x7f);
	uint64_t found = (quote - ONES) & ~quote;
	found |= (backslash - ONES) & ~backslash;
	found |= (del - ONES) & ~del;
	found |= (word - ONES * 0x20) & ~word;
	return ((found | word) & HIGHS) != 0;
}

/* Writes the escape of one ASCII character that needs one; returns its size. */
static size_t write_escape(char *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char letters[0x20] = {
	        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	out[0] = '\\';
	if (c == '"' || c == '\\') {
		out[1] = (char)c;
		return 2;
	}
	if (c < 0x20 && letters[c] != 0) {
		out[1] = letters[c];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[c >> 4];
	out[5] = digits[c & 15];
	return 6;
}

/* Writes what stands for the next character of `*at`, which is moved on; returns the size. */
static size_t write_special(char *out, const char **at, const char *end)
{
	unsigned char c = (unsigned char)**at;
	if (c < 0x80) {
		(*at)++;
		return write_escape(out, c);
	}
	size_t size = utf8_check(*at, (size_t)(end - *at));
	if (size == 0) {
		(*at)++;
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	memcpy(out, *at, size);
	*at += size;
	return size;
}

static inline bool is_special(char c)
{
	unsigned char u = (unsigned char)c;
	return u < 0x20 || u > 0x7e || u == '"' || u == '\\';
}

/* How many bytes stand for themselves. */
static size_t plain_length(const char *text, size_t length)
{
	size_t done = 0;
	while (length - done >= 8 && !has_special(bytes_get_le64(text + done))) {
		done += 8;
	}
	while (done < length && !is_special(text[done])) {
		done++;
	}
	return done;
}

void json_add_escaped(struct buf *buf, const char *text, size_t length)
{
	const char *at = text, *end = text + length;
	while (at < end) {
		size_t plain = plain_length(at, (size_t)(end - at));
		buf_add(buf, at, plain);
		at += plain;
		if (at < end) {
			char special[6];
			size_t size = write_special(special, &at, end);
			buf_add(buf, special, size);
		}
	}
}

void json_add_string(struct buf *buf, const char *text, size_t length)
{
	buf_add_char(buf, '"');
	json_add_escaped(buf, text, length);
	buf_add_char(buf, '"');
}

void json_add_ascii(struct buf *buf, const char *text, size_t length)
{
	char *out = buf_reserve(buf, length + 2);
	if (out == NULL) {
		return;
	}
	size_t done = 0;
	*out++ = '"';
	/* Copies and looks in one pass; nearly every URL goes through. */
	for (; length - done >= 8; done += 8) {
		uint64_t word;
		memcpy(&word, text + done, 8);
		if (has_special(word)) {
			break;
		}
		memcpy(out + done, &word, 8);
	}
	for (; done < length && !is_special(text[done]); done++) {
		out[done] = text[done];
	}
	if (SK_LIKELY(done == length)) {
		out[length] = '"';
		buf_commit(buf, length + 2);
		return;
	}
	json_add_string(buf, text, length);
}
