#include "lib/lookup/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/cursor.h"
#include "lib/base/mem.h"
#include "lib/lookup/policy_format.h"
#include "lib/lookup/policy_state.h"

/*
 * Opening verifies every offset, length and index once, so that look-ups follow them without
 * looking. Keys, hosts and prefixes verify themselves (key_table.h, host_filter.h, prefix_table.h);
 * what their values point to is verified here.
 */

static int corrupt(struct error *error, const char *what)
{
	return error_set(error, SK_E_CORRUPT, "policy: %s", what);
}

static const unsigned char *entry_at(const struct policy *policy, uint32_t index)
{
	return policy->entries + (size_t)index * POLICY_ENTRY_SIZE;
}

static int open_head(struct policy *policy, struct error *error)
{
	size_t size;
	const unsigned char *head = lookup_file_chunk(policy->file, POLICY_CHUNK_HEAD, &size);
	if (head == NULL || size != POLICY_HEAD_SIZE) {
		return corrupt(error, "header is missing");
	}
	policy->key = siphash_key_from(head);
	policy->entry_count = bytes_get_le32(head + POLICY_HEAD_ENTRIES);
	policy->content = bytes_get_le32(head + POLICY_HEAD_CONTENT);
	policy->base_entries = bytes_get_le32(head + POLICY_HEAD_BASE_ENTRIES);
	policy->base_checksum = head + POLICY_HEAD_BASE;
	if (policy->entry_count > POLICY_ENTRIES_MAX || policy->base_entries > POLICY_ENTRIES_MAX ||
	        bytes_get_le32(head + 28) != 0) {
		return corrupt(error, "header is wrong");
	}
	return 0;
}

static int open_chunks(struct policy *policy, struct error *error)
{
	struct lookup_file *file = policy->file;
	size_t size;
	policy->entries = lookup_file_chunk(file, POLICY_CHUNK_ENTRIES, &size);
	if (policy->entries == NULL || size != (size_t)policy->entry_count * POLICY_ENTRY_SIZE) {
		return corrupt(error, "entries are missing");
	}
	policy->texts = lookup_file_chunk(file, POLICY_CHUNK_TEXTS, &policy->texts_size);
	policy->targets = lookup_file_chunk(file, POLICY_CHUNK_TARGETS, &policy->targets_size);
	if (policy->texts == NULL || policy->targets == NULL || policy->targets_size % 4 != 0 ||
	        policy->targets_size >= POLICY_NO_TARGETS || policy->texts_size > UINT32_MAX) {
		return corrupt(error, "texts or targets are missing");
	}
	const unsigned char *runs = lookup_file_chunk(file, POLICY_CHUNK_RUNS, &size);
	if (runs == NULL || size % 4 != 0 || size / 4 >= UINT32_MAX) {
		return corrupt(error, "runs are missing");
	}
	/* Look-ups give out pointers to runs as they stand in the file. */
	if (BYTES_LE32(1) != 1 || (uintptr_t)runs % _Alignof(uint32_t) != 0) {
		return error_set(error, SK_E_UNSUPPORTED,
		        "policy: this needs a little-endian machine and aligned memory");
	}
	policy->runs = (const uint32_t *)(const void *)runs;
	policy->run_words = (uint32_t)(size / 4);
	policy->removed = lookup_file_chunk(file, POLICY_CHUNK_REMOVED, &size);
	if (policy->removed == NULL || size != ((size_t)policy->base_entries + 7) / 8) {
		return corrupt(error, "removals are missing");
	}
	return 0;
}

/* One target at the cursor. */
static bool target_is_sound(struct cursor *cursor)
{
	unsigned kind = cursor_u8(cursor);
	if (kind == TARGET_ADDRESS) {
		const unsigned char *pair = cursor_bytes(cursor, POLICY_TARGET_ADDRESS_SIZE);
		return pair != NULL && pair[0] == pair[17] &&
		       (pair[0] == ADDRESS_V4 || pair[0] == ADDRESS_V6);
	}
	if (kind != TARGET_DOMAIN && kind != TARGET_COMPUTER) {
		return false;
	}
	size_t length = cursor_le16(cursor);
	const unsigned char *name = cursor_bytes(cursor, length + 1);
	return name != NULL && memchr(name, '\0', length + 1) == name + length;
}

/* All sets of targets, marking in `starts` (a bit per four bytes) where one begins. */
static int check_targets(const struct policy *policy, unsigned char *starts, struct error *error)
{
	struct cursor cursor = cursor_over(policy->targets, policy->targets_size);
	while (cursor_left(&cursor) > 0) {
		size_t word = (size_t)(cursor.at - policy->targets) / 4;
		starts[word / 8] |= (unsigned char)(1u << word % 8);
		uint32_t count = cursor_le32(&cursor);
		if (count > LIMIT_RULE_TARGETS) {
			return corrupt(error, "a set of targets is too large");
		}
		for (uint32_t i = 0; i < count; i++) {
			if (!target_is_sound(&cursor)) {
				return corrupt(error, "a target is damaged");
			}
		}
		(void)cursor_bytes(
		        &cursor, (size_t)(policy->targets + policy->targets_size - cursor.at) % 4);
	}
	return cursor_finish(&cursor) == 0 ? 0 : corrupt(error, "targets end too early");
}

static bool match_is_sound(const struct policy *policy, const unsigned char *entry)
{
	size_t offset = bytes_get_le32(entry + POLICY_ENTRY_MATCH);
	size_t host = bytes_get_le16(entry + POLICY_ENTRY_HOST_LENGTH);
	size_t path = bytes_get_le16(entry + POLICY_ENTRY_PATH_LENGTH);
	size_t whole = bytes_get_le16(entry + POLICY_ENTRY_WHOLE_LENGTH);
	size_t left = offset <= policy->texts_size ? policy->texts_size - offset : 0;
	const unsigned char *text = policy->texts + offset;
	switch ((enum policy_form)entry[POLICY_ENTRY_FORM]) {
	case POLICY_FORM_SITE:
	case POLICY_FORM_PAGE:
	case POLICY_FORM_FOLDER:
	case POLICY_FORM_GLOB:
		return left >= host + whole && host > 0 && path > 0 && path <= whole &&
		       text[host] == '/';
	case POLICY_FORM_ADDRESS:
		return left >= POLICY_ADDRESS_SIZE &&
		       ((text[0] == ADDRESS_V4 && text[1] <= 32) ||
		               (text[0] == ADDRESS_V6 && text[1] <= 128));
	case POLICY_FORM_DIGEST:
		return left >= POLICY_DIGEST_SIZE && text[0] < DIGEST_KIND_COUNT;
	case POLICY_FORM_KEYWORD:
		return offset == 0 && host == 0 && whole == 0;
	case POLICY_FORM_COUNT:
		break;
	}
	return false;
}

static bool entry_is_sound(
        const struct policy *policy, const unsigned char *entry, const unsigned char *starts)
{
	size_t text = bytes_get_le32(entry + POLICY_ENTRY_TEXT);
	size_t length = bytes_get_le16(entry + POLICY_ENTRY_TEXT_LENGTH);
	if (text >= policy->texts_size || policy->texts_size - text <= length ||
	        policy->texts[text + length] != '\0' ||
	        entry[POLICY_ENTRY_LIST] >= POLICY_LIST_COUNT ||
	        bytes_get_le32(entry + POLICY_ENTRY_ZERO) != 0) {
		return false;
	}
	uint32_t targets = bytes_get_le32(entry + POLICY_ENTRY_TARGETS);
	if (targets != POLICY_NO_TARGETS &&
	        (targets % 4 != 0 || targets >= policy->targets_size ||
	                (starts[targets / 32] >> (targets / 4 % 8) & 1) == 0)) {
		return false;
	}
	return match_is_sound(policy, entry);
}

/* <0, 0, >0 by list, then id: the order of the entries. */
static int compare_to(const unsigned char *entry, unsigned list, int64_t id)
{
	unsigned own_list = entry[POLICY_ENTRY_LIST];
	int64_t own_id = (int64_t)bytes_get_le64(entry + POLICY_ENTRY_ID);
	if (own_list != list) {
		return own_list < list ? -1 : 1;
	}
	return (own_id > id) - (own_id < id);
}

static int check_entries(const struct policy *policy, struct error *error)
{
	unsigned char *starts = mem_new(policy->targets_size / 32 + 1, 1);
	if (starts == NULL) {
		return error_set_code(error, -ENOMEM, "policy");
	}
	int status = check_targets(policy, starts, error);
	const unsigned char *last = NULL;
	for (uint32_t i = 0; status == 0 && i < policy->entry_count; i++) {
		const unsigned char *entry = entry_at(policy, i);
		if (!entry_is_sound(policy, entry, starts)) {
			status = error_set(
			        error, SK_E_CORRUPT, "policy: entry %" PRIu32 " is damaged", i);
		} else if (last != NULL &&
		           compare_to(last, entry[POLICY_ENTRY_LIST],
		                   (int64_t)bytes_get_le64(entry + POLICY_ENTRY_ID)) >= 0) {
			status = corrupt(error, "entries are out of order");
		}
		last = entry;
	}
	mem_free(starts);
	return status;
}

static bool run_is_sound(const struct policy *policy, uint32_t start)
{
	if (start >= policy->run_words) {
		return false;
	}
	uint32_t count = policy->runs[start];
	if (count == 0 || count > policy->run_words - start - 1) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (policy->runs[start + 1 + i] >= policy->entry_count) {
			return false;
		}
	}
	return true;
}

static bool table_runs_are_sound(const struct policy *policy, const struct key_table *table)
{
	struct key_table_walk walk = {0};
	struct lookup_key key;
	uint32_t run;
	while (key_table_next(table, &walk, &key, &run)) {
		if (!run_is_sound(policy, run)) {
			return false;
		}
	}
	return true;
}

static int open_tables(struct policy *policy, struct error *error)
{
	struct lookup_file *file = policy->file;
	uint32_t limit = policy->run_words;
	int status = host_filter_open(&policy->hosts, file, POLICY_CHUNK_HOSTS, error);
	if (status == 0) {
		status = key_table_open(&policy->keys, file, POLICY_CHUNK_KEYS, limit, error);
	}
	if (status == 0) {
		status = key_table_open(&policy->digests, file, POLICY_CHUNK_DIGESTS, limit, error);
	}
	if (status == 0) {
		status = prefix_table_open(
		        &policy->addresses, file, POLICY_CHUNK_ADDRESSES, limit, error);
	}
	if (status != 0) {
		return status;
	}
	bool sound = table_runs_are_sound(policy, &policy->keys) &&
	             table_runs_are_sound(policy, &policy->digests);
	for (uint32_t i = 0; sound && i < prefix_table_count(&policy->addresses); i++) {
		sound = run_is_sound(policy, prefix_table_at(&policy->addresses, i, NULL));
	}
	return sound ? 0 : corrupt(error, "runs are damaged");
}

int policy_open(struct lookup_file *file, struct policy **ret_policy, struct error *error)
{
	struct policy *policy = mem_new(1, sizeof(*policy));
	if (policy == NULL) {
		return error_set_code(error, -ENOMEM, "policy");
	}
	policy->file = file;
	int status = open_head(policy, error);
	if (status == 0) {
		status = open_chunks(policy, error);
	}
	if (status == 0) {
		status = check_entries(policy, error);
	}
	if (status == 0) {
		status = open_tables(policy, error);
	}
	if (status != 0) {
		mem_free(policy);
		return status;
	}
	*ret_policy = policy;
	return 0;
}

void policy_close(struct policy *policy)
{
	if (policy != NULL) {
		lookup_file_close(policy->file);
		mem_free(policy);
	}
}

const struct siphash_key *policy_key(const struct policy *policy)
{
	return &policy->key;
}

const struct lookup_file *policy_file(const struct policy *policy)
{
	return policy->file;
}

uint32_t policy_entry_count(const struct policy *policy)
{
	return policy->entry_count;
}

unsigned policy_content(const struct policy *policy)
{
	return policy->content;
}

void policy_entry(const struct policy *policy, uint32_t index, struct policy_entry *ret_entry)
{
	const unsigned char *entry = entry_at(policy, index);
	*ret_entry = (struct policy_entry){
	        .list = (enum policy_list)entry[POLICY_ENTRY_LIST],
	        .id = (int64_t)bytes_get_le64(entry + POLICY_ENTRY_ID),
	        .keyword = entry[POLICY_ENTRY_FORM] == POLICY_FORM_KEYWORD,
	        .text = (const char *)policy->texts + bytes_get_le32(entry + POLICY_ENTRY_TEXT),
	        .text_length = bytes_get_le16(entry + POLICY_ENTRY_TEXT_LENGTH),
	        .expires = (int64_t)bytes_get_le64(entry + POLICY_ENTRY_EXPIRES),
	        .action = entry[POLICY_ENTRY_ACTION],
	        .cnc_level = entry[POLICY_ENTRY_CNC_LEVEL],
	        .specificity = bytes_get_le32(entry + POLICY_ENTRY_SPECIFICITY),
	};
}

uint32_t policy_index_of(const struct policy *policy, enum policy_list list, int64_t id)
{
	uint32_t low = 0;
	uint32_t high = policy->entry_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_to(entry_at(policy, middle), list, id);
		if (order == 0) {
			return middle;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return UINT32_MAX;
}

bool policy_fits(const struct policy *overlay, const struct policy *base)
{
	if ((overlay->content & POLICY_HAS_REMOVALS) == 0) {
		return true;
	}
	return base != NULL && base->entry_count == overlay->base_entries &&
	       memcmp(lookup_file_checksum(base->file), overlay->base_checksum, SHA256_SIZE) == 0;
}

bool policy_removes(const struct policy *overlay, uint32_t base_index)
{
	return base_index < overlay->base_entries &&
	       (overlay->removed[base_index / 8] >> base_index % 8 & 1) != 0;
}

void policy_prefetch_host(const struct policy *policy, struct siphash_value host)
{
	host_filter_prefetch(&policy->hosts, host);
}

bool policy_may_have_host(const struct policy *policy, struct siphash_value host)
{
	return host_filter_may_have(&policy->hosts, host);
}

static const uint32_t *run_at(const struct policy *policy, uint32_t start, uint32_t *ret_count)
{
	*ret_count = policy->runs[start];
	return policy->runs + start + 1;
}

static const uint32_t *no_run(uint32_t *ret_count)
{
	*ret_count = 0;
	return NULL;
}

const uint32_t *policy_find(const struct policy *policy, struct lookup_key key, uint32_t *ret_count)
{
	uint32_t run = key_table_find(&policy->keys, key);
	return run != KEY_TABLE_NONE ? run_at(policy, run, ret_count) : no_run(ret_count);
}

const uint32_t *policy_find_digest(
        const struct policy *policy, const struct digest *digest, uint32_t *ret_count)
{
	uint32_t run = key_table_find(&policy->digests, lookup_key_from_digest(digest));
	return run != KEY_TABLE_NONE ? run_at(policy, run, ret_count) : no_run(ret_count);
}

const uint32_t *policy_find_address(const struct policy *policy, const struct address *address,
        const struct address_prefix *outer, struct address_prefix *ret_prefix, uint32_t *ret_count)
{
	uint32_t index = prefix_table_find(&policy->addresses, address);
	while (index != PREFIX_TABLE_NONE) {
		struct address_prefix prefix;
		uint32_t run = prefix_table_at(&policy->addresses, index, &prefix);
		if (outer == NULL || prefix.length < outer->length) {
			if (ret_prefix != NULL) {
				*ret_prefix = prefix;
			}
			return run_at(policy, run, ret_count);
		}
		index = prefix_table_parent(&policy->addresses, index);
	}
	return no_run(ret_count);
}
