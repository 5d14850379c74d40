#include "lib/base/cursor.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"

const unsigned char *cursor_bytes(struct cursor *cursor, size_t size)
{
	if (cursor->failed || size > (size_t)(cursor->end - cursor->at)) {
		cursor->failed = 1;
		return NULL;
	}
	const unsigned char *bytes = cursor->at;
	cursor->at += size;
	return bytes;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	const unsigned char *bytes = cursor_bytes(cursor, 1);
	return bytes != NULL ? bytes[0] : 0;
}

uint16_t cursor_le16(struct cursor *cursor)
{
	const unsigned char *bytes = cursor_bytes(cursor, 2);
	return bytes != NULL ? bytes_get_le16(bytes) : 0;
}

uint32_t cursor_le32(struct cursor *cursor)
{
	const unsigned char *bytes = cursor_bytes(cursor, 4);
	return bytes != NULL ? bytes_get_le32(bytes) : 0;
}

uint64_t cursor_le64(struct cursor *cursor)
{
	const unsigned char *bytes = cursor_bytes(cursor, 8);
	return bytes != NULL ? bytes_get_le64(bytes) : 0;
}

int cursor_finish(const struct cursor *cursor)
{
	return cursor->failed || cursor->at != cursor->end ? SK_E_CORRUPT : 0;
}
