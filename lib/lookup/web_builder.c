#include <errno.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/lookup/host_filter.h"
#include "lib/lookup/key_table.h"
#include "lib/lookup/pattern_meta.h"
#include "lib/lookup/radix_sort.h"
#include "lib/lookup/web_entries.h"
#include "lib/lookup/web_format.h"

int web_builder_new(const struct siphash_key *key, struct web_builder **ret_builder)
{
	struct web_builder *builder = mem_new(1, sizeof(*builder));
	if (builder == NULL) {
		return -ENOMEM;
	}
	builder->key = *key;
	*ret_builder = builder;
	return 0;
}

void web_builder_free(struct web_builder *builder)
{
	if (builder != NULL) {
		web_values_release(&builder->values);
		text_arena_release(&builder->texts);
		mem_free(builder->entries);
		mem_free(builder->prefixes);
		mem_free(builder->excludes);
		mem_free(builder);
	}
}

/* Room for one more item in an array that grows by half. */
static int make_room(void **items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return 0;
	}
	size_t larger = *capacity + *capacity / 2 + 1024;
	void *memory = mem_resize(*items, larger, size);
	if (memory == NULL) {
		return -ENOMEM;
	}
	*items = memory;
	*capacity = larger;
	return 0;
}

/* Index of a value that is added; at most LIMIT_PATTERN_VALUES different ones. */
static int intern_value(
        struct web_builder *builder, const struct web_value *value, uint32_t *ret_index)
{
	struct web_values *values = &builder->values;
	if (builder->last_value < values->count &&
	        web_value_compare(&values->items[builder->last_value], value) == 0) {
		*ret_index = builder->last_value;
		return 0;
	}
	if (!web_value_is_valid(value)) {
		return SK_E_RANGE;
	}
	uint32_t index;
	int status = web_values_intern(values, value, &index);
	if (status == 0 && index >= LIMIT_PATTERN_VALUES) {
		status = SK_E_LIMIT;
	}
	if (status == 0) {
		builder->last_value = index;
		*ret_index = index;
	}
	return status;
}

int web_builder_add(
        struct web_builder *builder, const struct url *url, const struct web_value *value)
{
	struct web_entry entry;
	uint32_t index;
	if (builder->count >= KEY_TABLE_COUNT_MAX) {
		return SK_E_LIMIT;
	}
	int status = intern_value(builder, value, &index);
	if (status == 0) {
		status = make_room((void **)&builder->entries, builder->count, &builder->capacity,
		        sizeof(*builder->entries));
	}
	if (status == 0) {
		status = web_entry_make(builder, url, index, &entry);
	}
	if (status == 0) {
		builder->entries[builder->count++] = entry;
		builder->sorted = false;
	}
	return status;
}

int web_builder_add_prefix(struct web_builder *builder, const struct address_prefix *prefix,
        const struct web_value *value)
{
	uint32_t index;
	int status = intern_value(builder, value, &index);
	if (status == 0) {
		status = make_room((void **)&builder->prefixes, builder->prefix_count,
		        &builder->prefix_capacity, sizeof(*builder->prefixes));
	}
	if (status == 0) {
		builder->prefixes[builder->prefix_count++] =
		        (struct prefix_entry){.prefix = *prefix, .value = index};
	}
	return status;
}

int web_builder_exclude(struct web_builder *builder, const char *expression, size_t length)
{
	int status = make_room((void **)&builder->excludes, builder->exclude_count,
	        &builder->exclude_capacity, sizeof(*builder->excludes));
	if (status == 0) {
		builder->excludes[builder->exclude_count++] = lookup_key_cut(
		        lookup_key_from_hash(siphash(&builder->key, expression, length)),
		        KEY_TABLE_EXPRESSION_SIZE);
	}
	return status;
}

/* The hashes (high words) of the different hosts that the entries that are written have, ascending.
 * The caller frees with mem_free. */
static int gather_hosts(const struct web_builder *builder, uint64_t written, uint64_t **ret_hashes,
        uint64_t *ret_count)
{
	uint64_t *hashes = mem_new((size_t)written, sizeof(*hashes));
	if (hashes == NULL) {
		return -ENOMEM;
	}
	size_t count = 0;
	for (size_t i = 0; i < builder->count; i++) {
		web_entry_prefetch(builder, i + WEB_TEXT_AHEAD);
		if (web_entry_is_written(&builder->entries[i])) {
			struct url url;
			web_entry_url(builder, &builder->entries[i], &url);
			hashes[count++] = siphash(&builder->key, url.text, url.host_length).high;
		}
	}
	radix_sort(hashes, count, 1);
	size_t distinct = 0;
	for (size_t i = 0; i < count; i++) {
		if (distinct == 0 || hashes[i] != hashes[distinct - 1]) {
			hashes[distinct++] = hashes[i];
		}
	}
	*ret_hashes = hashes;
	*ret_count = distinct;
	return 0;
}

static int write_hosts(const uint64_t *hashes, uint64_t host_count, struct lookup_writer *writer)
{
	struct host_filter_builder filter;
	int status = host_filter_builder_init(&filter, host_count, HOST_FILTER_BITS_PER_HOST);
	if (status != 0) {
		return status;
	}
	for (uint64_t i = 0; i < host_count; i++) {
		host_filter_builder_add(&filter, hashes[i]);
	}
	status = host_filter_builder_write(&filter, writer, WEB_HOSTS_ID);
	host_filter_builder_release(&filter);
	return status;
}

static int write_urls(const struct web_builder *builder, const uint32_t *rank, uint64_t written,
        uint32_t value_max, struct lookup_writer *writer)
{
	struct key_table_writer table;
	int status = key_table_writer_start(
	        &table, writer, WEB_URLS_ID, written, KEY_TABLE_EXPRESSION_SIZE, value_max);
	if (status != 0) {
		return status;
	}
	for (size_t i = 0; i < builder->count && status == 0; i++) {
		const struct web_entry *entry = &builder->entries[i];
		if (web_entry_is_written(entry)) {
			status = key_table_writer_add(
			        &table, web_entry_key(entry), rank[entry->merged] - 1);
		}
	}
	if (status != 0) {
		key_table_writer_release(&table);
		return status;
	}
	return key_table_writer_finish(&table);
}

/* What goes into the file, all of it known before the first byte is written. */
struct web_content {
	struct pattern_meta meta;
	uint64_t *hosts; /* info.host_count hashes */
	struct prefix_entry *prefixes;
	size_t prefix_count;
	uint32_t *rank; /* of values, 1 + place */
	struct web_value *values;
	uint32_t value_count;
};

static void content_release(struct web_content *content)
{
	mem_free(content->hosts);
	mem_free(content->prefixes);
	mem_free(content->rank);
	mem_free(content->values);
}

static int rank_values(struct web_builder *builder, struct web_content *content)
{
	content->rank = mem_new(builder->values.count, sizeof(*content->rank));
	if (content->rank == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < builder->count; i++) {
		if (web_entry_is_written(&builder->entries[i])) {
			content->rank[builder->entries[i].merged] = 1;
			content->meta.info.url_count++;
		}
	}
	for (size_t i = 0; i < content->prefix_count; i++) {
		content->rank[content->prefixes[i].value] = 1;
	}
	int status = web_values_rank(
	        &builder->values, content->rank, &content->values, &content->value_count);
	uint64_t all_origins = pattern_all_origins(content->meta.info.source_count);
	for (uint32_t i = 0; status == 0 && i < content->value_count; i++) {
		status = (content->values[i].origins & ~all_origins) != 0 ? SK_E_RANGE : 0;
	}
	for (size_t i = 0; i < content->prefix_count && status == 0; i++) {
		struct prefix_entry *prefix = &content->prefixes[i];
		prefix->value = content->rank[prefix->value] - 1;
		if (prefix->prefix.address.family == ADDRESS_V4) {
			content->meta.info.v4_count++;
		} else {
			content->meta.info.v6_count++;
		}
	}
	return status;
}

static int gather(struct web_builder *builder, struct web_write *write, struct web_content *content)
{
	int status = web_merge(builder, write);
	if (status == 0) {
		status = web_drop_covered(builder, write);
	}
	if (status == 0) {
		status = web_merge_prefixes(
		        builder, write, &content->prefixes, &content->prefix_count);
	}
	if (status == 0) {
		status = rank_values(builder, content);
	}
	if (status == 0) {
		struct pattern_info *info = &content->meta.info;
		content->meta.key = builder->key;
		status = gather_hosts(builder, info->url_count, &content->hosts, &info->host_count);
		write->counts.added = builder->count + builder->prefix_count;
		write->counts.written = info->url_count + content->prefix_count;
	}
	return status;
}

static int write_chunks(const struct web_builder *builder, const struct web_content *content,
        struct lookup_writer *writer)
{
	const struct pattern_info *info = &content->meta.info;
	uint32_t value_max = content->value_count > 0 ? content->value_count - 1 : 0;
	int status = pattern_meta_write(&content->meta, writer);
	if (status == 0) {
		status = web_values_write(content->values, content->value_count, writer);
	}
	if (status == 0) {
		status = write_hosts(content->hosts, info->host_count, writer);
	}
	if (status == 0) {
		status = write_urls(builder, content->rank, info->url_count, value_max, writer);
	}
	if (status == 0) {
		status = prefix_table_write(
		        writer, WEB_ADDRESSES_ID, content->prefixes, content->prefix_count);
	}
	return status;
}

static int write_file(const struct web_builder *builder, const struct web_content *content, int fd)
{
	struct lookup_writer *writer;
	int status = lookup_writer_new(fd, LOOKUP_KIND_WEB, WEB_CHUNK_COUNT, &writer);
	if (status != 0) {
		return status;
	}
	status = write_chunks(builder, content, writer);
	if (status != 0) {
		lookup_writer_free(writer);
		return status;
	}
	return lookup_writer_finish(writer);
}

int web_builder_write(struct web_builder *builder, int fd, const char *name, const char *version,
        const char *const *sources, size_t source_count, build_conflict_fn *conflict, void *context,
        struct build_counts *ret_counts, struct error *error)
{
	struct web_write write = {.conflict = conflict, .context = context};
	struct web_content content = {0};
	int status =
	        pattern_info_set(&content.meta.info, name, version, sources, source_count, error);
	if (status != 0) {
		return status;
	}
	status = gather(builder, &write, &content);
	if (status == SK_E_LIMIT) {
		status = error_set(error, status, "the pattern has more than %d different values",
		        LIMIT_PATTERN_VALUES);
	} else if (status == SK_E_RANGE) {
		status = error_set(error, status, "a value names a source that is not in the list");
	} else if (status != 0) {
		status = error_set_code(error, status, "cannot merge the entries");
	} else {
		status = write_file(builder, &content, fd);
		if (status != 0) {
			status = error_set_code(error, status, "cannot write the pattern");
		}
	}
	content_release(&content);
	if (status != 0) {
		return status;
	}
	*ret_counts = write.counts;
	return 0;
}
