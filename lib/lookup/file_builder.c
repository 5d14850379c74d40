#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/lookup/file_format.h"
#include "lib/lookup/file_values.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/pattern_meta.h"
#include "lib/lookup/radix_sort.h"

/* A digest as it was added. The bytes behind the key are kept only to name a conflict. */
struct file_entry {
	uint64_t high, low; /* first 16 bytes: the key */
	uint64_t tail[2]; /* the others, as they stand in the digest */
	uint32_t value; /* index of file_values */
	uint32_t merged; /* what is written, or FILE_ENTRY_FOLLOWS */
};
#define FILE_ENTRY_FOLLOWS UINT32_MAX /* equal to the one before */

struct file_entries {
	struct file_entry *items;
	size_t count, capacity;
	bool sorted;
};

struct file_builder {
	struct file_entries kinds[DIGEST_KIND_COUNT];
	struct file_values values;
};

struct file_write {
	build_conflict_fn *conflict; /* may be NULL */
	void *context;
	struct build_counts counts;
};

int file_builder_new(struct file_builder **ret_builder)
{
	struct file_builder *builder = mem_new(1, sizeof(*builder));
	if (builder == NULL) {
		return -ENOMEM;
	}
	int status = file_values_init(&builder->values);
	if (status != 0) {
		mem_free(builder);
		return status;
	}
	*ret_builder = builder;
	return 0;
}

void file_builder_free(struct file_builder *builder)
{
	if (builder != NULL) {
		for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
			mem_free(builder->kinds[kind].items);
		}
		file_values_release(&builder->values);
		mem_free(builder);
	}
}

static int make_room(struct file_entries *entries)
{
	if (entries->count < entries->capacity) {
		return 0;
	}
	if (entries->count >= KEY_TABLE_COUNT_MAX) {
		return SK_E_LIMIT;
	}
	size_t larger = entries->capacity + entries->capacity / 2 + 1024;
	struct file_entry *items = mem_resize(entries->items, larger, sizeof(*items));
	if (items == NULL) {
		return -ENOMEM;
	}
	entries->items = items;
	entries->capacity = larger;
	return 0;
}

int file_builder_add(struct file_builder *builder, const struct digest *digest, int malicious,
        uint8_t kind, const char *name, uint64_t origins)
{
	struct file_tuple tuple = {.origins = origins, .malicious = malicious != 0, .kind = kind};
	uint32_t value;
	size_t length = strlen(name);
	if (length > LIMIT_THREAT_NAME) {
		return SK_E_LIMIT;
	}
	if (digest->kind >= DIGEST_KIND_COUNT || kind >= THREAT_KIND_COUNT) {
		return SK_E_RANGE;
	}
	struct file_entries *entries = &builder->kinds[digest->kind];
	int status = make_room(entries);
	if (status == 0) {
		status = file_values_name(&builder->values, name, length, &tuple.name);
	}
	if (status == 0) {
		status = file_values_intern(&builder->values, &tuple, &value);
	}
	if (status != 0) {
		return status;
	}
	struct lookup_key key = lookup_key_from_digest(digest);
	struct file_entry entry = {.high = key.high, .low = key.low, .value = value};
	memcpy(entry.tail, digest->bytes + 16, digest_size(digest->kind) - 16);
	entries->items[entries->count++] = entry;
	entries->sorted = false;
	return 0;
}

/* A tuple under way, for malicious and known good apart. */
struct file_mixture {
	struct file_tuple sides[2];
	bool has[2];
};

/* A name is better than none; of two the first in byte order stays, with the lowest kind that says
 * more than "other". */
static bool comes_first(
        const struct file_values *values, const struct file_tuple *a, const struct file_tuple *b)
{
	if (a->name != b->name) {
		if (a->name == 0 || b->name == 0) {
			return a->name != 0;
		}
		return strcmp(file_values_name_text(values, a->name),
		               file_values_name_text(values, b->name)) < 0;
	}
	return (uint8_t)(a->kind - 1) < (uint8_t)(b->kind - 1);
}

static void mixture_add(struct file_mixture *mixture, const struct file_values *values,
        const struct file_tuple *tuple)
{
	struct file_tuple *side = &mixture->sides[tuple->malicious];
	if (!mixture->has[tuple->malicious]) {
		*side = *tuple;
		mixture->has[tuple->malicious] = true;
		return;
	}
	uint64_t origins = side->origins | tuple->origins;
	if (comes_first(values, tuple, side)) {
		*side = *tuple;
	}
	side->origins = origins;
}

static void report_conflict(enum digest_kind kind, const struct file_entry *entry,
        const struct file_mixture *mixture, struct file_write *write)
{
	write->counts.conflicts++;
	if (write->conflict == NULL) {
		return;
	}
	struct digest digest = {.kind = (uint8_t)kind};
	char text[DIGEST_TEXT_SIZE];
	bytes_put_be64(digest.bytes, entry->high);
	bytes_put_be64(digest.bytes + 8, entry->low);
	memcpy(digest.bytes + 16, entry->tail, sizeof(entry->tail));
	digest_format(&digest, text);
	write->conflict(write->context, BUILD_CONFLICT_DIGEST, text, mixture->sides[1].origins,
	        mixture->sides[0].origins);
}

static bool same_key(const struct file_entry *a, const struct file_entry *b)
{
	return a->high == b->high && a->low == b->low;
}

/* Gives the first entry of each digest of a kind its merged value. */
static int merge_kind(struct file_builder *builder, enum digest_kind kind, struct file_write *write)
{
	struct file_entries *entries = &builder->kinds[kind];
	struct file_entry *items = entries->items;
	size_t end;
	if (!entries->sorted) {
		_Static_assert(sizeof(*items) == 5 * sizeof(uint64_t), "sorted as words");
		radix_sort((uint64_t *)items, entries->count, 5);
		entries->sorted = true;
	}
	write->counts.added += entries->count;
	for (size_t start = 0; start < entries->count; start = end) {
		struct file_mixture mixture = {0};
		end = start;
		do {
			items[end].merged = FILE_ENTRY_FOLLOWS;
			mixture_add(&mixture, &builder->values,
			        &builder->values.items[items[end++].value]);
		} while (end < entries->count && same_key(&items[start], &items[end]));
		write->counts.merged += end - start - 1;
		if (mixture.has[0] && mixture.has[1]) {
			report_conflict(kind, &items[start], &mixture, write);
		}
		int status = 0;
		if (end == start + 1) {
			items[start].merged = items[start].value;
		} else {
			status = file_values_intern(&builder->values,
			        &mixture.sides[mixture.has[1]], &items[start].merged);
		}
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

/* What goes into the file, all of it known before the first byte is written. */
struct file_content {
	struct pattern_meta meta;
	uint32_t *rank;
	struct file_ranked ranked;
};

static int rank_values(const struct file_builder *builder, struct file_content *content)
{
	content->rank = mem_new(builder->values.count, sizeof(*content->rank));
	if (content->rank == NULL) {
		return -ENOMEM;
	}
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		const struct file_entries *entries = &builder->kinds[kind];
		for (size_t i = 0; i < entries->count; i++) {
			if (entries->items[i].merged != FILE_ENTRY_FOLLOWS) {
				content->rank[entries->items[i].merged] = 1;
				content->meta.info.digest_counts[kind]++;
			}
		}
	}
	uint64_t all_origins = pattern_all_origins(content->meta.info.source_count);
	for (uint32_t i = 0; i < builder->values.count; i++) {
		if (content->rank[i] != 0 &&
		        (builder->values.items[i].origins & ~all_origins) != 0) {
			return SK_E_RANGE;
		}
	}
	return file_values_rank(&builder->values, content->rank, &content->ranked);
}

static int write_table(const struct file_builder *builder, enum digest_kind kind,
        const struct file_content *content, struct lookup_writer *writer)
{
	struct key_table_writer table;
	const struct file_entries *entries = &builder->kinds[kind];
	uint32_t value_max = content->ranked.count > 0 ? content->ranked.count - 1 : 0;
	int status = key_table_writer_start(&table, writer, file_table_ids[kind],
	        content->meta.info.digest_counts[kind], KEY_TABLE_DIGEST_SIZE, value_max);
	if (status != 0) {
		return status;
	}
	for (size_t i = 0; i < entries->count && status == 0; i++) {
		const struct file_entry *entry = &entries->items[i];
		if (entry->merged != FILE_ENTRY_FOLLOWS) {
			status = key_table_writer_add(&table,
			        (struct lookup_key){entry->high, entry->low},
			        content->rank[entry->merged] - 1);
		}
	}
	if (status != 0) {
		key_table_writer_release(&table);
		return status;
	}
	return key_table_writer_finish(&table);
}

static int write_chunks(const struct file_builder *builder, const struct file_content *content,
        struct lookup_writer *writer)
{
	int status = pattern_meta_write(&content->meta, writer);
	if (status == 0) {
		status = file_values_write(&builder->values, &content->ranked, writer);
	}
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT && status == 0; kind++) {
		status = write_table(builder, kind, content, writer);
	}
	return status;
}

static int write_pattern(struct file_builder *builder, int fd, struct file_content *content,
        struct file_write *write)
{
	struct lookup_writer *writer;
	int status = 0;
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT && status == 0; kind++) {
		status = merge_kind(builder, kind, write);
	}
	if (status == 0) {
		status = rank_values(builder, content);
	}
	if (status == 0) {
		status = lookup_writer_new(fd, LOOKUP_KIND_FILES, FILE_CHUNK_COUNT, &writer);
	}
	if (status != 0) {
		return status;
	}
	status = write_chunks(builder, content, writer);
	if (status != 0) {
		lookup_writer_free(writer);
		return status;
	}
	for (unsigned kind = 0; kind < DIGEST_KIND_COUNT; kind++) {
		write->counts.written += content->meta.info.digest_counts[kind];
	}
	return lookup_writer_finish(writer);
}

int file_builder_write(struct file_builder *builder, int fd, const char *name, const char *version,
        const char *const *sources, size_t source_count, build_conflict_fn *conflict, void *context,
        struct build_counts *ret_counts, struct error *error)
{
	struct file_write write = {.conflict = conflict, .context = context};
	struct file_content content = {0};
	int status =
	        pattern_info_set(&content.meta.info, name, version, sources, source_count, error);
	if (status != 0) {
		return status;
	}
	status = write_pattern(builder, fd, &content, &write);
	mem_free(content.rank);
	file_ranked_release(&content.ranked);
	if (status == SK_E_LIMIT) {
		return error_set(error, status, "the names or values of the pattern are too many");
	}
	if (status == SK_E_RANGE) {
		return error_set(error, status, "a value names a source that is not in the list");
	}
	if (status != 0) {
		return error_set_code(error, status, "cannot write the pattern");
	}
	*ret_counts = write.counts;
	return 0;
}
