#include "lib/lookup/file_pattern.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/lookup/file_format.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/pattern_meta.h"

struct file_pattern {
	struct key_table tables[DIGEST_KIND_COUNT];
	const unsigned char *values;
	const char *names;
	struct pattern_meta meta;
	struct lookup_file *file;
};

/* A name starts behind the NUL of another one or at the very beginning, and the last byte of all is
 * a NUL: so each ends inside the chunk. */
static bool is_name_start(const unsigned char *names, size_t size, uint32_t offset)
{
	return offset < size && (offset == 0 || names[offset - 1] == '\0');
}

/* Values stand in strict order of their content: (malicious, kind, name, origins). */
static bool values_ascend(const unsigned char *a, const unsigned char *b)
{
	unsigned left = (unsigned)a[12] << 8 | a[13];
	unsigned right = (unsigned)b[12] << 8 | b[13];
	if (left != right) {
		return left < right;
	}
	uint32_t left_name = bytes_get_le32(a + 8);
	uint32_t right_name = bytes_get_le32(b + 8);
	if (left_name != right_name) {
		return left_name < right_name;
	}
	return bytes_get_le64(a) < bytes_get_le64(b);
}

static int open_values(struct file_pattern *pattern, uint32_t *ret_count, struct error *error)
{
	size_t size, names_size;
	const unsigned char *values = lookup_file_chunk(pattern->file, FILE_VALUES_ID, &size);
	const unsigned char *names = lookup_file_chunk(pattern->file, FILE_NAMES_ID, &names_size);
	if (values == NULL || size % FILE_VALUE_SIZE != 0 ||
	        size / FILE_VALUE_SIZE >= KEY_TABLE_NONE) {
		return error_set(error, SK_E_CORRUPT,
		        "the chunk VALS is missing or has a size that it cannot have");
	}
	if (names == NULL || names_size == 0 || names[0] != '\0' || names[names_size - 1] != '\0') {
		return error_set(error, SK_E_CORRUPT, "the chunk NAME is missing or has no end");
	}
	uint32_t count = (uint32_t)(size / FILE_VALUE_SIZE);
	uint64_t all_origins = pattern_all_origins(pattern->meta.info.source_count);
	for (uint32_t i = 0; i < count; i++) {
		const unsigned char *value = values + (size_t)i * FILE_VALUE_SIZE;
		if ((bytes_get_le64(value) & ~all_origins) != 0 ||
		        !is_name_start(names, names_size, bytes_get_le32(value + 8)) ||
		        value[12] > 1 || value[13] >= THREAT_KIND_COUNT ||
		        bytes_get_le16(value + 14) != 0 ||
		        (i > 0 && !values_ascend(value - FILE_VALUE_SIZE, value))) {
			return error_set(error, SK_E_CORRUPT,
			        "value %" PRIu32 " of the chunk VALS is wrong", i);
		}
	}
	pattern->values = values;
	pattern->names = (const char *)names;
	*ret_count = count;
	return 0;
}

static int open_tables(struct file_pattern *pattern, uint32_t value_count, struct error *error)
{
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		struct key_table *table = &pattern->tables[kind];
		int status = key_table_open(
		        table, pattern->file, file_table_ids[kind], value_count, error);
		if (status != 0) {
			return status;
		}
		if (table->key_size != KEY_TABLE_DIGEST_SIZE ||
		        table->count != pattern->meta.info.digest_counts[kind]) {
			return error_set(
			        error, SK_E_CORRUPT, "META and the tables do not say the same");
		}
	}
	return 0;
}

int file_pattern_open(
        struct lookup_file *file, struct file_pattern **ret_pattern, struct error *error)
{
	uint32_t value_count = 0;
	struct file_pattern *pattern = mem_new(1, sizeof(*pattern));
	if (pattern == NULL) {
		return error_set_code(error, -ENOMEM, "cannot open the pattern");
	}
	pattern->file = file;
	int status = pattern_meta_read(&pattern->meta, file, error);
	if (status == 0) {
		status = open_values(pattern, &value_count, error);
	}
	if (status == 0) {
		status = open_tables(pattern, value_count, error);
	}
	if (status != 0) {
		mem_free(pattern);
		return status;
	}
	*ret_pattern = pattern;
	return 0;
}

void file_pattern_close(struct file_pattern *pattern)
{
	if (pattern != NULL) {
		lookup_file_close(pattern->file);
		mem_free(pattern);
	}
}

const struct pattern_info *file_pattern_info(const struct file_pattern *pattern)
{
	return &pattern->meta.info;
}

const struct lookup_file *file_pattern_file(const struct file_pattern *pattern)
{
	return pattern->file;
}

void file_pattern_prefetch(const struct file_pattern *pattern, const struct digest *digest)
{
	if (digest->kind < DIGEST_KIND_COUNT) {
		key_table_prefetch(&pattern->tables[digest->kind], lookup_key_from_digest(digest));
	}
}

void file_pattern_prefetch_slot(const struct file_pattern *pattern, const struct digest *digest)
{
	if (digest->kind < DIGEST_KIND_COUNT) {
		key_table_prefetch_slot(
		        &pattern->tables[digest->kind], lookup_key_from_digest(digest));
	}
}

static struct file_value value_at(const struct file_pattern *pattern, uint32_t index)
{
	const unsigned char *value = pattern->values + (size_t)index * FILE_VALUE_SIZE;
	return (struct file_value){
	        .name = pattern->names + bytes_get_le32(value + 8),
	        .origins = bytes_get_le64(value),
	        .malicious = value[12] != 0,
	        .kind = value[13],
	};
}

bool file_pattern_find(const struct file_pattern *pattern, const struct digest *digest,
        struct file_value *ret_value)
{
	if (digest->kind >= DIGEST_KIND_COUNT) {
		return false;
	}
	uint32_t index =
	        key_table_find(&pattern->tables[digest->kind], lookup_key_from_digest(digest));
	if (index == KEY_TABLE_NONE) {
		return false;
	}
	*ret_value = value_at(pattern, index);
	return true;
}

int file_pattern_visit(const struct file_pattern *pattern,
        int (*visit)(void *context, const struct digest *digest, const struct file_value *value),
        void *context)
{
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		struct key_table_walk walk = {0};
		struct lookup_key key;
		uint32_t index;
		while (key_table_next(&pattern->tables[kind], &walk, &key, &index)) {
			struct digest digest = {.kind = (uint8_t)kind};
			struct file_value value = value_at(pattern, index);
			bytes_put_be64(digest.bytes, key.high);
			bytes_put_be64(digest.bytes + 8, key.low);
			int status = visit(context, &digest, &value);
			if (status != 0) {
				return status;
			}
		}
	}
	return 0;
}
