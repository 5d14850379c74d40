#include "lib/lookup/pattern_meta.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/cursor.h"
#include "lib/base/limits.h"

/* A text stands with its length before and a NUL behind, so that it can be used in place. */
static const char *read_text(struct cursor *cursor)
{
	size_t length = cursor_u8(cursor);
	const unsigned char *text = cursor_bytes(cursor, length + 1);
	if (text == NULL || memchr(text, '\0', length + 1) != text + length) {
		cursor->failed = 1;
		return "";
	}
	return (const char *)text;
}

int pattern_meta_read(
        struct pattern_meta *meta, const struct lookup_file *file, struct error *error)
{
	size_t size;
	const unsigned char *chunk = lookup_file_chunk(file, PATTERN_META_ID, &size);
	if (chunk == NULL) {
		return error_set(error, SK_E_CORRUPT, "the chunk META is missing");
	}
	struct cursor cursor = cursor_over(chunk, size);
	struct pattern_meta read = {0};
	struct pattern_info *info = &read.info;
	info->url_count = cursor_le64(&cursor);
	info->host_count = cursor_le64(&cursor);
	info->v4_count = cursor_le64(&cursor);
	info->v6_count = cursor_le64(&cursor);
	for (size_t i = 0; i < SK_COUNT(info->digest_counts); i++) {
		info->digest_counts[i] = cursor_le64(&cursor);
	}
	read.key.k0 = cursor_le64(&cursor);
	read.key.k1 = cursor_le64(&cursor);
	info->source_count = cursor_u8(&cursor);
	info->name = read_text(&cursor);
	info->version = read_text(&cursor);
	if (info->source_count > PATTERN_SOURCES_MAX) {
		return error_set(
		        error, SK_E_CORRUPT, "META claims %zu sources", info->source_count);
	}
	for (size_t i = 0; i < info->source_count; i++) {
		info->sources[i] = read_text(&cursor);
	}
	if (cursor_finish(&cursor) != 0) {
		return error_set(error, SK_E_CORRUPT, "META does not have the form that it must");
	}
	*meta = read;
	return 0;
}

static int write_text(struct lookup_writer *writer, const char *text)
{
	size_t length = strlen(text);
	unsigned char before = (unsigned char)length;
	int status = lookup_writer_add(writer, &before, 1);
	return status != 0 ? status : lookup_writer_add(writer, text, length + 1);
}

int pattern_meta_write(const struct pattern_meta *meta, struct lookup_writer *writer)
{
	const struct pattern_info *info = &meta->info;
	const uint64_t numbers[] = {info->url_count, info->host_count, info->v4_count,
	        info->v6_count, info->digest_counts[0], info->digest_counts[1],
	        info->digest_counts[2], meta->key.k0, meta->key.k1};
	unsigned char fixed[8 * SK_COUNT(numbers) + 1];
	for (size_t i = 0; i < SK_COUNT(numbers); i++) {
		bytes_put_le64(fixed + 8 * i, numbers[i]);
	}
	fixed[sizeof(fixed) - 1] = (unsigned char)info->source_count;
	int status = lookup_writer_start_chunk(writer, PATTERN_META_ID);
	if (status == 0) {
		status = lookup_writer_add(writer, fixed, sizeof(fixed));
	}
	if (status == 0) {
		status = write_text(writer, info->name);
	}
	if (status == 0) {
		status = write_text(writer, info->version);
	}
	for (size_t i = 0; i < info->source_count && status == 0; i++) {
		status = write_text(writer, info->sources[i]);
	}
	return status;
}

int pattern_info_set(struct pattern_info *info, const char *name, const char *version,
        const char *const *sources, size_t source_count, struct error *error)
{
	if (strlen(name) > PATTERN_TEXT_MAX || strlen(version) > PATTERN_TEXT_MAX) {
		return error_set(error, SK_E_LIMIT,
		        "name and version of a pattern have at most %d bytes", PATTERN_TEXT_MAX);
	}
	if (source_count > PATTERN_SOURCES_MAX) {
		return error_set(error, SK_E_LIMIT, "a pattern has at most %d sources, not %zu",
		        PATTERN_SOURCES_MAX, source_count);
	}
	info->name = name;
	info->version = version;
	info->source_count = source_count;
	for (size_t i = 0; i < source_count; i++) {
		if (strlen(sources[i]) > LIMIT_SOURCE_NAME) {
			return error_set(error, SK_E_LIMIT,
			        "the name of source %zu has more than %d bytes", i,
			        LIMIT_SOURCE_NAME);
		}
		info->sources[i] = sources[i];
	}
	return 0;
}
