#include "lib/lookup/web_values.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"

/* A value in the file: categories, origins, score, C&C level and source, zeros. */
#define RECORD_SIZE 24

#define FIRST_SLOTS 1024u

void web_values_release(struct web_values *values)
{
	mem_free(values->items);
	mem_free(values->slots);
	*values = (struct web_values){0};
}

static bool same_value(const struct web_value *a, const struct web_value *b)
{
	return a->categories == b->categories && a->origins == b->origins && a->score == b->score &&
	       a->cnc_level == b->cnc_level && a->cnc_source == b->cnc_source;
}

static uint32_t first_slot(const struct web_values *values, const struct web_value *value)
{
	uint64_t mixed = value->categories * UINT64_C(0x9e3779b97f4a7c15);
	mixed = (mixed ^ (mixed >> 32) ^ value->origins) * UINT64_C(0xd6e8feb86659fd93);
	mixed ^= (uint64_t)value->score << 16 | (uint64_t)value->cnc_level << 8 | value->cnc_source;
	mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(mixed >> 32) & (values->slot_count - 1);
}

/* The slot where `value` is or would be. */
static uint32_t find_slot(const struct web_values *values, const struct web_value *value)
{
	uint32_t slot = first_slot(values, value);
	while (values->slots[slot] != 0 &&
	        !same_value(&values->items[values->slots[slot] - 1], value)) {
		slot = (slot + 1) & (values->slot_count - 1);
	}
	return slot;
}

/* Twice the slots (they are at most half full) and as many items as fit then. */
static int grow(struct web_values *values)
{
	uint32_t slot_count = values->slot_count == 0 ? FIRST_SLOTS : 2 * values->slot_count;
	struct web_value *items = mem_resize(values->items, slot_count / 2, sizeof(*values->items));
	if (items == NULL) {
		return -ENOMEM;
	}
	values->items = items;
	values->capacity = values->slot_count / 2;
	uint32_t *slots = mem_new(slot_count, sizeof(*slots));
	if (slots == NULL) {
		return -ENOMEM;
	}
	mem_free(values->slots);
	values->slots = slots;
	values->slot_count = slot_count;
	values->capacity = slot_count / 2;
	for (uint32_t i = 0; i < values->count; i++) {
		values->slots[find_slot(values, &values->items[i])] = i + 1;
	}
	return 0;
}

int web_values_intern(struct web_values *values, const struct web_value *value, uint32_t *ret_index)
{
	if (values->slot_count > 0) {
		uint32_t found = values->slots[find_slot(values, value)];
		if (found != 0) {
			*ret_index = found - 1;
			return 0;
		}
	}
	if (values->count == WEB_VALUES_INTERNED_MAX) {
		return SK_E_LIMIT;
	}
	if (values->count == values->capacity) {
		int status = grow(values);
		if (status != 0) {
			return status;
		}
	}
	values->items[values->count] = *value;
	values->slots[find_slot(values, value)] = values->count + 1;
	*ret_index = values->count++;
	return 0;
}

bool web_value_is_valid(const struct web_value *value)
{
	size_t categories = category_count();
	uint64_t known = categories >= 64 ? UINT64_MAX : (UINT64_C(1) << categories) - 1;
	return value->score <= SCORE_MAX && value->cnc_level < CNC_LEVEL_COUNT &&
	       value->cnc_source < CNC_SOURCE_COUNT && (value->categories & ~known) == 0;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int web_value_compare(const struct web_value *a, const struct web_value *b)
{
	int order = (int)a->score - (int)b->score;
	if (order == 0) {
		order = (int)b->cnc_level - (int)a->cnc_level;
	}
	if (order == 0) {
		order = (int)a->cnc_source - (int)b->cnc_source;
	}
	if (order == 0) {
		order = compare_u64(a->categories, b->categories);
	}
	return order != 0 ? order : compare_u64(a->origins, b->origins);
}

struct numbered_value {
	struct web_value value;
	uint32_t index;
};

static int compare_numbered(const void *a, const void *b)
{
	return web_value_compare(&((const struct numbered_value *)a)->value,
	        &((const struct numbered_value *)b)->value);
}

int web_values_rank(const struct web_values *values, uint32_t *rank, struct web_value **ret_sorted,
        uint32_t *ret_count)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < values->count; i++) {
		used += rank[i] != 0;
	}
	if (used > LIMIT_PATTERN_VALUES) {
		return SK_E_LIMIT;
	}
	struct numbered_value *numbered = mem_new(used, sizeof(*numbered));
	struct web_value *sorted = mem_new(used, sizeof(*sorted));
	if (numbered == NULL || sorted == NULL) {
		mem_free(numbered);
		mem_free(sorted);
		return -ENOMEM;
	}
	uint32_t next = 0;
	for (uint32_t i = 0; i < values->count; i++) {
		if (rank[i] != 0) {
			numbered[next++] = (struct numbered_value){values->items[i], i};
		}
	}
	qsort(numbered, used, sizeof(*numbered), compare_numbered);
	for (uint32_t i = 0; i < used; i++) {
		sorted[i] = numbered[i].value;
		rank[numbered[i].index] = i + 1;
	}
	mem_free(numbered);
	*ret_sorted = sorted;
	*ret_count = used;
	return 0;
}

int web_values_write(const struct web_value *values, uint32_t count, struct lookup_writer *writer)
{
	int status = lookup_writer_start_chunk(writer, WEB_VALUES_ID);
	for (uint32_t i = 0; i < count && status == 0; i++) {
		unsigned char record[RECORD_SIZE] = {0};
		bytes_put_le64(record, values[i].categories);
		bytes_put_le64(record + 8, values[i].origins);
		record[16] = values[i].score;
		record[17] = values[i].cnc_level;
		record[18] = values[i].cnc_source;
		status = lookup_writer_add(writer, record, sizeof(record));
	}
	return status;
}

static int read_one(const unsigned char *record, uint64_t all_origins, struct web_value *ret_value)
{
	*ret_value = (struct web_value){
	        .categories = bytes_get_le64(record),
	        .origins = bytes_get_le64(record + 8),
	        .score = record[16],
	        .cnc_level = record[17],
	        .cnc_source = record[18],
	};
	for (unsigned i = 19; i < RECORD_SIZE; i++) {
		if (record[i] != 0) {
			return SK_E_CORRUPT;
		}
	}
	return web_value_is_valid(ret_value) && (ret_value->origins & ~all_origins) == 0
	               ? 0
	               : SK_E_CORRUPT;
}

int web_values_read(const struct lookup_file *file, uint64_t all_origins,
        struct web_value **ret_values, uint32_t *ret_count, struct error *error)
{
	size_t size;
	const unsigned char *chunk = lookup_file_chunk(file, WEB_VALUES_ID, &size);
	if (chunk == NULL || size % RECORD_SIZE != 0 || size / RECORD_SIZE > LIMIT_PATTERN_VALUES) {
		return error_set(error, SK_E_CORRUPT,
		        "the chunk VALS is missing or has a size that it cannot have");
	}
	uint32_t count = (uint32_t)(size / RECORD_SIZE);
	struct web_value *values = mem_new(count, sizeof(*values));
	if (values == NULL) {
		return error_set_code(error, -ENOMEM, "cannot keep the values");
	}
	for (uint32_t i = 0; i < count; i++) {
		int status = read_one(chunk + (size_t)i * RECORD_SIZE, all_origins, &values[i]);
		if (status != 0 || (i > 0 && web_value_compare(&values[i - 1], &values[i]) >= 0)) {
			mem_free(values);
			return error_set(error, SK_E_CORRUPT,
			        "value %" PRIu32 " of the chunk VALS is wrong", i);
		}
	}
	*ret_values = values;
	*ret_count = count;
	return 0;
}
