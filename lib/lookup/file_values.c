#include "lib/lookup/file_values.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/bytes.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/lookup/file_format.h"

#define FIRST_SLOTS 1024u
#define COUNT_MAX (UINT32_MAX / 4)

/* The slot table of twice the size, empty; the array behind it gets room for half as many. */
static int grow(
        void **items, size_t item_size, uint32_t *capacity, uint32_t **slots, uint32_t *slot_count)
{
	if (*slot_count > COUNT_MAX) {
		return SK_E_LIMIT;
	}
	uint32_t larger = *slot_count == 0 ? FIRST_SLOTS : 2 * *slot_count;
	uint32_t *fresh = mem_new(larger, sizeof(*fresh));
	if (fresh == NULL) {
		return -ENOMEM;
	}
	void *resized = mem_resize(*items, larger / 2, item_size);
	if (resized == NULL) {
		mem_free(fresh);
		return -ENOMEM;
	}
	mem_free(*slots);
	*items = resized;
	*capacity = larger / 2;
	*slots = fresh;
	*slot_count = larger;
	return 0;
}

static const char *name_text(const struct file_names *names, uint32_t name)
{
	return (const char *)text_arena_at(&names->texts, names->places[name]);
}

static uint32_t name_slot(const struct file_names *names, const char *name, size_t length)
{
	uint32_t mask = names->slot_count - 1;
	uint32_t slot = (uint32_t)siphash(&names->key, name, length).low & mask;
	while (names->slots[slot] != 0) {
		const char *found = name_text(names, names->slots[slot] - 1);
		if (strlen(found) == length && memcmp(found, name, length) == 0) {
			break;
		}
		slot = (slot + 1) & mask;
	}
	return slot;
}

static int grow_names(struct file_names *names)
{
	int status = grow((void **)&names->places, sizeof(*names->places), &names->capacity,
	        &names->slots, &names->slot_count);
	for (uint32_t i = 0; i < names->count && status == 0; i++) {
		const char *text = name_text(names, i);
		names->slots[name_slot(names, text, strlen(text))] = i + 1;
	}
	return status;
}

int file_values_name(
        struct file_values *values, const char *name, size_t length, uint32_t *ret_name)
{
	struct file_names *names = &values->names;
	if (names->slot_count > 0) {
		uint32_t found = names->slots[name_slot(names, name, length)];
		if (found != 0) {
			*ret_name = found - 1;
			return 0;
		}
	}
	if (names->count == names->capacity) {
		int status = grow_names(names);
		if (status != 0) {
			return status;
		}
	}
	uint64_t place;
	unsigned char *text = text_arena_add(&names->texts, length + 1, &place);
	if (text == NULL) {
		return -ENOMEM;
	}
	uint32_t slot = name_slot(names, name, length);
	memcpy(text, name, length);
	text[length] = '\0';
	names->places[names->count] = place;
	names->slots[slot] = names->count + 1;
	*ret_name = names->count++;
	return 0;
}

const char *file_values_name_text(const struct file_values *values, uint32_t name)
{
	return name_text(&values->names, name);
}

int file_values_init(struct file_values *values)
{
	unsigned char key[16];
	uint32_t empty;
	*values = (struct file_values){0};
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		return -errno;
	}
	values->names.key = siphash_key_from(key);
	int status = file_values_name(values, "", 0, &empty);
	if (status != 0) {
		file_values_release(values);
	}
	return status;
}

void file_values_release(struct file_values *values)
{
	text_arena_release(&values->names.texts);
	mem_free(values->names.places);
	mem_free(values->names.slots);
	mem_free(values->items);
	mem_free(values->slots);
	*values = (struct file_values){0};
}

static uint32_t tuple_slot(const struct file_values *values, const struct file_tuple *tuple)
{
	uint32_t mask = values->slot_count - 1;
	uint64_t mixed = tuple->origins * UINT64_C(0x9e3779b97f4a7c15);
	mixed ^= mixed >> 32;
	mixed ^= (uint64_t)tuple->name << 16 | (uint64_t)tuple->malicious << 8 | tuple->kind;
	mixed *= UINT64_C(0xd6e8feb86659fd93);
	uint32_t slot = (uint32_t)(mixed >> 32) & mask;
	while (values->slots[slot] != 0) {
		const struct file_tuple *found = &values->items[values->slots[slot] - 1];
		if (found->origins == tuple->origins && found->name == tuple->name &&
		        found->malicious == tuple->malicious && found->kind == tuple->kind) {
			break;
		}
		slot = (slot + 1) & mask;
	}
	return slot;
}

static int grow_tuples(struct file_values *values)
{
	int status = grow((void **)&values->items, sizeof(*values->items), &values->capacity,
	        &values->slots, &values->slot_count);
	for (uint32_t i = 0; i < values->count && status == 0; i++) {
		values->slots[tuple_slot(values, &values->items[i])] = i + 1;
	}
	return status;
}

int file_values_intern(
        struct file_values *values, const struct file_tuple *tuple, uint32_t *ret_index)
{
	if (values->slot_count > 0) {
		uint32_t found = values->slots[tuple_slot(values, tuple)];
		if (found != 0) {
			*ret_index = found - 1;
			return 0;
		}
	}
	if (values->count == values->capacity) {
		int status = grow_tuples(values);
		if (status != 0) {
			return status;
		}
	}
	values->items[values->count] = *tuple;
	values->slots[tuple_slot(values, tuple)] = values->count + 1;
	*ret_index = values->count++;
	return 0;
}

static int compare_names(const void *a, const void *b, void *context)
{
	const struct file_values *values = context;
	return strcmp(file_values_name_text(values, *(const uint32_t *)a),
	        file_values_name_text(values, *(const uint32_t *)b));
}

struct rank_context {
	const struct file_values *values;
	const uint32_t *name_offsets;
};

/* Known good before malicious, then by kind, name and origins. */
static int compare_values(const void *a, const void *b, void *context)
{
	const struct rank_context *rank = context;
	const struct file_tuple *left = &rank->values->items[*(const uint32_t *)a];
	const struct file_tuple *right = &rank->values->items[*(const uint32_t *)b];
	if (left->malicious != right->malicious) {
		return (int)left->malicious - (int)right->malicious;
	}
	if (left->kind != right->kind) {
		return (int)left->kind - (int)right->kind;
	}
	uint32_t left_name = rank->name_offsets[left->name];
	uint32_t right_name = rank->name_offsets[right->name];
	if (left_name != right_name) {
		return left_name < right_name ? -1 : 1;
	}
	return (left->origins > right->origins) - (left->origins < right->origins);
}

/* Names that a ranked value has, sorted, and where each will stand in the chunk. */
static int rank_names(const struct file_values *values, struct file_ranked *ranked)
{
	uint32_t *offsets = ranked->name_offsets;
	for (uint32_t i = 0; i < ranked->count; i++) {
		offsets[values->items[ranked->order[i]].name] = 1;
	}
	for (uint32_t i = 1; i < values->names.count; i++) {
		if (offsets[i] != 0) {
			ranked->names[ranked->name_count++] = i;
		}
	}
	qsort_r(ranked->names, ranked->name_count, sizeof(*ranked->names), compare_names,
	        (void *)(uintptr_t)values);
	uint64_t offset = 1;
	offsets[0] = 0;
	for (uint32_t i = 0; i < ranked->name_count; i++) {
		if (offset > UINT32_MAX) {
			return SK_E_LIMIT;
		}
		offsets[ranked->names[i]] = (uint32_t)offset;
		offset += strlen(file_values_name_text(values, ranked->names[i])) + 1;
	}
	return 0;
}

int file_values_rank(
        const struct file_values *values, uint32_t *rank, struct file_ranked *ret_ranked)
{
	struct file_ranked ranked = {
	        .order = mem_new(values->count, sizeof(*ranked.order)),
	        .names = mem_new(values->names.count, sizeof(*ranked.names)),
	        .name_offsets = mem_new(values->names.count, sizeof(*ranked.name_offsets)),
	};
	if (ranked.order == NULL || ranked.names == NULL || ranked.name_offsets == NULL) {
		file_ranked_release(&ranked);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < values->count; i++) {
		if (rank[i] != 0) {
			ranked.order[ranked.count++] = i;
		}
	}
	int status = rank_names(values, &ranked);
	if (status != 0) {
		file_ranked_release(&ranked);
		return status;
	}
	struct rank_context context = {values, ranked.name_offsets};
	qsort_r(ranked.order, ranked.count, sizeof(*ranked.order), compare_values, &context);
	for (uint32_t i = 0; i < ranked.count; i++) {
		rank[ranked.order[i]] = i + 1;
	}
	*ret_ranked = ranked;
	return 0;
}

void file_ranked_release(struct file_ranked *ranked)
{
	mem_free(ranked->order);
	mem_free(ranked->names);
	mem_free(ranked->name_offsets);
	*ranked = (struct file_ranked){0};
}

int file_values_write(const struct file_values *values, const struct file_ranked *ranked,
        struct lookup_writer *writer)
{
	int status = lookup_writer_start_chunk(writer, FILE_VALUES_ID);
	for (uint32_t i = 0; i < ranked->count && status == 0; i++) {
		const struct file_tuple *tuple = &values->items[ranked->order[i]];
		unsigned char record[FILE_VALUE_SIZE] = {0};
		bytes_put_le64(record, tuple->origins);
		bytes_put_le32(record + 8, ranked->name_offsets[tuple->name]);
		record[12] = tuple->malicious;
		record[13] = tuple->kind;
		status = lookup_writer_add(writer, record, sizeof(record));
	}
	if (status == 0) {
		status = lookup_writer_start_chunk(writer, FILE_NAMES_ID);
	}
	if (status == 0) {
		status = lookup_writer_add(writer, "", 1);
	}
	for (uint32_t i = 0; i < ranked->name_count && status == 0; i++) {
		const char *name = file_values_name_text(values, ranked->names[i]);
		status = lookup_writer_add(writer, name, strlen(name) + 1);
	}
	return status;
}
