#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/lookup/host_filter.h"
#include "lib/lookup/policy_drafts.h"
#include "lib/lookup/policy_format.h"
#include "lib/lookup/policy_state.h"
#include "lib/lookup/prefix_table.h"

/* From drafts to a file: entries in the order of (list, id), then the tables that lead to them. */

struct position {
	int64_t id;
	uint32_t list;
	uint32_t entry; /* number in the order of adding */
};

/* What is made for the file and freed after it. */
struct making {
	struct policy_builder *builder;
	struct lookup_writer *writer;
	struct position *order;
	uint32_t *index_of; /* by number in the order of adding */
	struct buf runs; /* uint32_t, little-endian */
	struct buf key_rows; /* struct key_table_entry */
	struct buf digest_rows;
	struct buf prefix_rows; /* struct prefix_entry */
};

static int compare_positions(const void *a, const void *b)
{
	const struct position *left = a;
	const struct position *right = b;
	if (left->list != right->list) {
		return left->list < right->list ? -1 : 1;
	}
	return (left->id > right->id) - (left->id < right->id);
}

static int make_order(struct making *making, struct error *error)
{
	const struct policy_builder *builder = making->builder;
	uint32_t count = builder->entry_count;
	making->order = mem_new(count, sizeof(*making->order));
	making->index_of = mem_new(count, sizeof(*making->index_of));
	if (making->order == NULL || making->index_of == NULL) {
		return error_set_code(error, -ENOMEM, "policy");
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *record = builder->entries.data + (size_t)i * POLICY_ENTRY_SIZE;
		making->order[i] = (struct position){
		        .id = (int64_t)bytes_get_le64(record + POLICY_ENTRY_ID),
		        .list = (unsigned char)record[POLICY_ENTRY_LIST],
		        .entry = i,
		};
	}
	qsort(making->order, count, sizeof(*making->order), compare_positions);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && compare_positions(&making->order[i - 1], &making->order[i]) == 0) {
			return error_set(error, SK_E_EXISTS, "policy: id %" PRId64 " came twice",
			        making->order[i].id);
		}
		making->index_of[making->order[i].entry] = i;
	}
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key_use *left = a;
	const struct key_use *right = b;
	int order = lookup_key_compare(left->key, right->key);
	if (order != 0) {
		return order;
	}
	return (left->entry > right->entry) - (left->entry < right->entry);
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix_use *left = a;
	const struct prefix_use *right = b;
	struct prefix_entry entries[2] = {{left->prefix, 0}, {right->prefix, 0}};
	int order = prefix_entry_compare(&entries[0], &entries[1]);
	if (order != 0) {
		return order;
	}
	return (left->entry > right->entry) - (left->entry < right->entry);
}

/* Keys to rows of a table, equal keys to one run. `uses` get the indexes of the file. */
static void make_key_runs(struct making *making, struct buf *uses, struct buf *rows)
{
	struct key_use *use = (struct key_use *)(void *)uses->data;
	size_t count = uses->length / sizeof(*use);
	for (size_t i = 0; i < count; i++) {
		use[i].entry = making->index_of[use[i].entry];
	}
	if (count > 0) {
		qsort(use, count, sizeof(*use), compare_keys);
	}
	for (size_t start = 0; start < count;) {
		size_t end = start + 1;
		while (end < count && lookup_key_compare(use[start].key, use[end].key) == 0) {
			end++;
		}
		struct key_table_entry row = {
		        use[start].key, (uint32_t)(making->runs.length / sizeof(uint32_t))};
		buf_add(rows, &row, sizeof(row));
		buf_add_le32(&making->runs, (uint32_t)(end - start));
		for (; start < end; start++) {
			buf_add_le32(&making->runs, use[start].entry);
		}
	}
}

static void make_prefix_runs(struct making *making)
{
	struct buf *uses = &making->builder->addresses;
	struct prefix_use *use = (struct prefix_use *)(void *)uses->data;
	size_t count = uses->length / sizeof(*use);
	for (size_t i = 0; i < count; i++) {
		use[i].entry = making->index_of[use[i].entry];
	}
	if (count > 0) {
		qsort(use, count, sizeof(*use), compare_prefixes);
	}
	for (size_t start = 0; start < count;) {
		struct prefix_entry row = {
		        use[start].prefix, (uint32_t)(making->runs.length / sizeof(uint32_t))};
		size_t end = start + 1;
		while (end < count) {
			struct prefix_entry next = {use[end].prefix, 0};
			if (prefix_entry_compare(&row, &next) != 0) {
				break;
			}
			end++;
		}
		buf_add(&making->prefix_rows, &row, sizeof(row));
		buf_add_le32(&making->runs, (uint32_t)(end - start));
		for (; start < end; start++) {
			buf_add_le32(&making->runs, use[start].entry);
		}
	}
}

static int make_runs(struct making *making)
{
	make_key_runs(making, &making->builder->keys, &making->key_rows);
	make_key_runs(making, &making->builder->digests, &making->digest_rows);
	make_prefix_runs(making);
	const struct buf *const all[] = {
	        &making->runs, &making->key_rows, &making->digest_rows, &making->prefix_rows};
	for (size_t i = 0; i < SK_COUNT(all); i++) {
		if (buf_status(all[i]) != 0) {
			return buf_status(all[i]);
		}
	}
	return 0;
}

static int write_chunk(
        struct lookup_writer *writer, const char id[4], const void *bytes, size_t size)
{
	int status = lookup_writer_start_chunk(writer, id);
	return status == 0 && size > 0 ? lookup_writer_add(writer, bytes, size) : status;
}

static int write_head(const struct making *making)
{
	const struct policy_builder *builder = making->builder;
	unsigned char head[POLICY_HEAD_SIZE] = {0};
	bytes_put_le64(head, builder->key.k0);
	bytes_put_le64(head + 8, builder->key.k1);
	bytes_put_le32(head + POLICY_HEAD_ENTRIES, builder->entry_count);
	bytes_put_le32(head + POLICY_HEAD_CONTENT, builder->content);
	if (builder->base != NULL) {
		bytes_put_le32(head + POLICY_HEAD_BASE_ENTRIES, builder->base->entry_count);
		memcpy(head + POLICY_HEAD_BASE, lookup_file_checksum(builder->base->file),
		        SHA256_SIZE);
	}
	return write_chunk(making->writer, POLICY_CHUNK_HEAD, head, sizeof(head));
}

static int write_entries(const struct making *making)
{
	const struct policy_builder *builder = making->builder;
	int status = lookup_writer_start_chunk(making->writer, POLICY_CHUNK_ENTRIES);
	for (uint32_t i = 0; status == 0 && i < builder->entry_count; i++) {
		status = lookup_writer_add(making->writer,
		        builder->entries.data + (size_t)making->order[i].entry * POLICY_ENTRY_SIZE,
		        POLICY_ENTRY_SIZE);
	}
	return status;
}

static int write_hosts(const struct making *making)
{
	const struct siphash_value *hosts =
	        (const struct siphash_value *)(const void *)making->builder->hosts.data;
	size_t count = making->builder->hosts.length / sizeof(*hosts);
	struct host_filter_builder filter;
	int status = host_filter_builder_init(&filter, count, HOST_FILTER_BITS_PER_HOST);
	if (status != 0) {
		return status;
	}
	for (size_t i = 0; i < count; i++) {
		host_filter_builder_add(&filter, hosts[i].high);
	}
	status = host_filter_builder_write(&filter, making->writer, POLICY_CHUNK_HOSTS);
	host_filter_builder_release(&filter);
	return status;
}

static int write_tables(const struct making *making)
{
	const struct buf *rows = &making->key_rows;
	int status = key_table_write(making->writer, POLICY_CHUNK_KEYS,
	        (const struct key_table_entry *)(const void *)rows->data,
	        rows->length / sizeof(struct key_table_entry), KEY_TABLE_EXPRESSION_SIZE);
	if (status != 0) {
		return status;
	}
	rows = &making->digest_rows;
	status = key_table_write(making->writer, POLICY_CHUNK_DIGESTS,
	        (const struct key_table_entry *)(const void *)rows->data,
	        rows->length / sizeof(struct key_table_entry), KEY_TABLE_DIGEST_SIZE);
	if (status != 0) {
		return status;
	}
	rows = &making->prefix_rows;
	return prefix_table_write(making->writer, POLICY_CHUNK_ADDRESSES,
	        (const struct prefix_entry *)(const void *)rows->data,
	        rows->length / sizeof(struct prefix_entry));
}

static int write_chunks(const struct making *making)
{
	const struct policy_builder *builder = making->builder;
	struct lookup_writer *writer = making->writer;
	int status = write_head(making);
	if (status == 0) {
		status = write_entries(making);
	}
	if (status == 0) {
		status = write_chunk(
		        writer, POLICY_CHUNK_TEXTS, builder->texts.data, builder->texts.length);
	}
	if (status == 0) {
		status = write_chunk(writer, POLICY_CHUNK_TARGETS, builder->targets.data,
		        builder->targets.length);
	}
	if (status == 0) {
		status = write_chunk(
		        writer, POLICY_CHUNK_RUNS, making->runs.data, making->runs.length);
	}
	if (status == 0) {
		status = write_hosts(making);
	}
	if (status == 0) {
		status = write_tables(making);
	}
	if (status == 0) {
		size_t bits = builder->base != NULL ? builder->base->entry_count : 0;
		status =
		        write_chunk(writer, POLICY_CHUNK_REMOVED, builder->removed, (bits + 7) / 8);
	}
	return status;
}

static int write_file(struct making *making, int fd, struct error *error)
{
	int status = make_runs(making);
	if (status == 0) {
		status = lookup_writer_new(
		        fd, LOOKUP_KIND_POLICY, POLICY_CHUNK_COUNT, &making->writer);
	}
	if (status == 0) {
		status = write_chunks(making);
		if (status == 0) {
			status = lookup_writer_finish(making->writer);
		} else {
			lookup_writer_free(making->writer);
		}
	}
	return status == 0 ? 0 : error_set_code(error, status, "cannot write the policy file");
}

int policy_builder_write(struct policy_builder *builder, int fd, struct error *error)
{
	struct making making = {.builder = builder};
	buf_init(&making.runs, UINT32_MAX);
	buf_init(&making.key_rows, SIZE_MAX);
	buf_init(&making.digest_rows, SIZE_MAX);
	buf_init(&making.prefix_rows, SIZE_MAX);
	int status = make_order(&making, error);
	if (status == 0) {
		status = write_file(&making, fd, error);
	}
	mem_free(making.order);
	mem_free(making.index_of);
	buf_release(&making.runs);
	buf_release(&making.key_rows);
	buf_release(&making.digest_rows);
	buf_release(&making.prefix_rows);
	return status;
}
