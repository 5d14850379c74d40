#include <errno.h>
#include <hs.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/verdict/keyword_flags.h"
#include "lib/verdict/keyword_set.h"

/*
 * The set of one policy file made fit for another that has the same keyword entries: the compiled
 * database stays, only the entries' indexes change. Takes microseconds where compiling takes up to
 * seconds.
 */

static uint32_t next_keyword(
        const struct policy *policy, uint32_t from, struct policy_entry *ret_entry)
{
	uint32_t total = policy_entry_count(policy);
	for (; from < total; from++) {
		policy_entry(policy, from, ret_entry);
		if (ret_entry->keyword) {
			break;
		}
	}
	return from;
}

static bool same_entry(const struct policy_entry *a, const struct policy_entry *b)
{
	return a->list == b->list && a->id == b->id && a->text_length == b->text_length &&
	       memcmp(a->text, b->text, a->text_length) == 0;
}

/* Replaces each index of `from` in `index` (ascending) by that of the same entry in `to`. */
static int map_index(const struct policy *from, const struct policy *to, unsigned char *index,
        uint32_t count, struct error *error)
{
	uint32_t a = 0, b = 0, done = 0;
	for (;; a++, b++) {
		struct policy_entry old, new;
		a = next_keyword(from, a, &old);
		b = next_keyword(to, b, &new);
		bool end_a = a == policy_entry_count(from), end_b = b == policy_entry_count(to);
		if (end_a && end_b && done == count) {
			return 0;
		}
		if (end_a || end_b || !same_entry(&old, &new)) {
			return error_set(error, SK_E_CONFLICT, "keywords: not the same rules");
		}
		if (done < count && bytes_get_le32(index + 4 * (size_t)done) == a) {
			bytes_put_le32(index + 4 * (size_t)done, b);
			done++;
		}
	}
}

static int write_chunk(
        struct lookup_writer *writer, const char id[4], const void *bytes, size_t size)
{
	int status = lookup_writer_start_chunk(writer, id);
	return status == 0 && size > 0 ? lookup_writer_add(writer, bytes, size) : status;
}

static int write_set(int fd, const unsigned char *head, const unsigned char *index, size_t size,
        const unsigned char *database, size_t database_size)
{
	struct lookup_writer *writer;
	int status = lookup_writer_new(fd, LOOKUP_KIND_KEYWORDS, 3, &writer);
	if (status != 0) {
		return status;
	}
	status = write_chunk(writer, KEYWORD_CHUNK_HEAD, head, KEYWORD_HEAD_SIZE);
	if (status == 0) {
		status = write_chunk(writer, KEYWORD_CHUNK_INDEX, index, size);
	}
	if (status == 0) {
		status = write_chunk(writer, KEYWORD_CHUNK_DATABASE, database, database_size);
	}
	if (status != 0) {
		lookup_writer_free(writer);
		return status;
	}
	return lookup_writer_finish(writer);
}

int keyword_set_rebase(const struct keyword_set *set, const struct policy *from,
        const struct policy *to, int fd, struct error *error)
{
	if (!keyword_set_fits(set, from)) {
		return error_set(error, SK_E_CONFLICT, "keywords: of another policy");
	}
	const struct lookup_file *file = keyword_set_file(set);
	size_t head_size, index_size, database_size;
	const unsigned char *old_head = lookup_file_chunk(file, KEYWORD_CHUNK_HEAD, &head_size);
	const unsigned char *old_index = lookup_file_chunk(file, KEYWORD_CHUNK_INDEX, &index_size);
	const unsigned char *database =
	        lookup_file_chunk(file, KEYWORD_CHUNK_DATABASE, &database_size);
	unsigned char head[KEYWORD_HEAD_SIZE];
	memcpy(head, old_head, sizeof(head));
	memcpy(head + 8, lookup_file_checksum(policy_file(to)), SHA256_SIZE);
	unsigned char *index = mem_new(index_size + 1, 1);
	if (index == NULL) {
		return error_set_code(error, -ENOMEM, "keywords");
	}
	if (index_size > 0) {
		memcpy(index, old_index, index_size);
	}
	int status = map_index(from, to, index, (uint32_t)(index_size / 4), error);
	if (status == 0) {
		status = write_set(fd, head, index, index_size, database, database_size);
		if (status != 0) {
			error_set_code(error, status, "cannot write the keyword file");
		}
	}
	mem_free(index);
	return status;
}
