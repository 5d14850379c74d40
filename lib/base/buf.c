#include "lib/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/mem.h"

#define BUF_FIRST_CAPACITY 256

void buf_init(struct buf *buf, size_t maximum)
{
	*buf = (struct buf){.maximum = maximum};
}

void buf_init_fixed(struct buf *buf, void *space, size_t size)
{
	*buf = (struct buf){.data = space, .capacity = size, .maximum = size, .fixed = true};
}

void buf_release(struct buf *buf)
{
	if (buf->fixed) {
		buf_clear(buf);
		return;
	}
	mem_free(buf->data);
	buf_init(buf, buf->maximum);
}

char *buf_reserve_slow(struct buf *buf, size_t size)
{
	if (buf->status != 0) {
		return NULL;
	}
	if (size > buf->maximum - buf->length) {
		buf->status = SK_E_LIMIT;
		return NULL;
	}
	if (size <= buf->capacity - buf->length) {
		return buf->data + buf->length;
	}
	size_t need = buf->length + size;
	size_t capacity = buf->capacity > 0 ? buf->capacity : BUF_FIRST_CAPACITY;
	while (capacity < need && capacity <= buf->maximum / 2) {
		capacity *= 2;
	}
	if (capacity < need || capacity > buf->maximum) {
		capacity = buf->maximum;
	}
	char *data = mem_resize(buf->data, capacity, 1);
	if (data == NULL) {
		buf->status = -ENOMEM;
		return NULL;
	}
	buf->data = data;
	buf->capacity = capacity;
	return buf->data + buf->length;
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
	char small[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (length < 0) {
		buf->status = SK_E_INTERNAL;
		return;
	}
	if ((size_t)length < sizeof(small)) {
		buf_add(buf, small, (size_t)length);
		return;
	}
	/* vsnprintf wants room for its NUL, which is not committed. */
	char *at = buf_reserve(buf, (size_t)length + 1);
	if (at == NULL) {
		return;
	}
	va_start(args, format);
	vsnprintf(at, (size_t)length + 1, format, args);
	va_end(args);
	buf_commit(buf, (size_t)length);
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *buf, int64_t value)
{
	uint64_t magnitude = (uint64_t)value;
	if (value < 0) {
		buf_add_char(buf, '-');
		magnitude = 0 - magnitude;
	}
	buf_add_u64(buf, magnitude);
}

void buf_add_hex(struct buf *buf, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	if (size > SIZE_MAX / 2) {
		buf->status = SK_E_LIMIT;
		return;
	}
	char *at = buf_reserve(buf, 2 * size);
	if (at == NULL) {
		return;
	}
	const unsigned char *from = bytes;
	for (size_t i = 0; i < size; i++) {
		at[2 * i] = digits[from[i] >> 4];
		at[2 * i + 1] = digits[from[i] & 15];
	}
	buf_commit(buf, 2 * size);
}

void buf_add_le16(struct buf *buf, uint16_t value)
{
	unsigned char bytes[2];
	bytes_put_le16(bytes, value);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_le32(struct buf *buf, uint32_t value)
{
	unsigned char bytes[4];
	bytes_put_le32(bytes, value);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_le64(struct buf *buf, uint64_t value)
{
	unsigned char bytes[8];
	bytes_put_le64(bytes, value);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_consume(struct buf *buf, size_t size)
{
	if (size >= buf->length) {
		buf->length = 0;
		return;
	}
	memmove(buf->data, buf->data + size, buf->length - size);
	buf->length -= size;
}

const char *buf_text(struct buf *buf)
{
	char *at = buf_reserve(buf, 1);
	if (at == NULL) {
		return NULL;
	}
	*at = '\0';
	return buf->data;
}

char *buf_take(struct buf *buf, size_t *ret_length)
{
	if (buf->fixed || buf_text(buf) == NULL) {
		buf_release(buf);
		return NULL;
	}
	char *data = buf->data;
	if (ret_length != NULL) {
		*ret_length = buf->length;
	}
	buf_init(buf, buf->maximum);
	return data;
}
