#include "lib/verdict/keyword_set.h"

#include <errno.h>
#include <hs.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/verdict/keyword_flags.h"

struct keyword_set {
	struct lookup_file *file;
	hs_database_t *database; /* NULL when there are no expressions */
	const unsigned char *policy_checksum;
	const unsigned char *index; /* u32 for each expression: its entry */
	uint32_t count;
};

struct keyword_scratch {
	hs_scratch_t *scratch; /* NULL until a set with expressions was fitted */
};

static int corrupt(struct error *error, const char *what)
{
	return error_set(error, SK_E_CORRUPT, "keywords: %s", what);
}

static int open_index(struct keyword_set *set, struct error *error)
{
	size_t size;
	const unsigned char *head = lookup_file_chunk(set->file, KEYWORD_CHUNK_HEAD, &size);
	if (head == NULL || size != KEYWORD_HEAD_SIZE || bytes_get_le32(head + 4) != 0) {
		return corrupt(error, "header is wrong");
	}
	set->count = bytes_get_le32(head);
	set->policy_checksum = head + 8;
	set->index = lookup_file_chunk(set->file, KEYWORD_CHUNK_INDEX, &size);
	if (set->index == NULL || set->count > LIMIT_KEYWORD_RULES ||
	        size != (size_t)set->count * 4) {
		return corrupt(error, "index is wrong");
	}
	for (uint32_t i = 1; i < set->count; i++) {
		if (bytes_get_le32(set->index + 4 * (size_t)i) <=
		        bytes_get_le32(set->index + 4 * (size_t)i - 4)) {
			return corrupt(error, "index is out of order");
		}
	}
	return 0;
}

static int refuse_database(hs_error_t result, struct error *error)
{
	switch (result) {
	case HS_NOMEM:
		return error_set_code(error, -ENOMEM, "keywords");
	case HS_DB_VERSION_ERROR:
		return error_set(error, SK_E_VERSION,
		        "keywords: compiled by another version of the matcher; compile again");
	case HS_DB_PLATFORM_ERROR:
		return error_set(error, SK_E_VERSION,
		        "keywords: compiled for another kind of processor; compile again");
	case HS_ARCH_ERROR:
		return error_set(error, SK_E_UNSUPPORTED,
		        "keywords: this processor lacks what the matcher needs (SSSE3)");
	default:
		return corrupt(error, "database is damaged");
	}
}

static int open_database(struct keyword_set *set, struct error *error)
{
	size_t size;
	const char *bytes =
	        (const char *)lookup_file_chunk(set->file, KEYWORD_CHUNK_DATABASE, &size);
	if (set->count == 0) {
		return bytes != NULL && size == 0 ? 0 : corrupt(error, "database without index");
	}
	if (bytes == NULL || size == 0 || size > KEYWORD_SET_MAX) {
		return corrupt(error, "database is missing");
	}
	/* What it will take in memory, and for which version and processor it is; the copy then
	 * checks the database's own checksum. */
	size_t memory = 0;
	char *info = NULL;
	hs_error_t result = hs_valid_platform();
	if (result == HS_SUCCESS) {
		result = hs_serialized_database_info(bytes, size, &info);
		free(info); /* hs allocates with malloc */
	}
	if (result == HS_SUCCESS) {
		result = hs_serialized_database_size(bytes, size, &memory);
	}
	if (result == HS_SUCCESS && memory > KEYWORD_SET_MAX) {
		return error_set(error, SK_E_LIMIT, "keywords: database of %zu bytes", memory);
	}
	if (result == HS_SUCCESS) {
		result = hs_deserialize_database(bytes, size, &set->database);
	}
	return result == HS_SUCCESS ? 0 : refuse_database(result, error);
}

int keyword_set_open(struct lookup_file *file, struct keyword_set **ret_set, struct error *error)
{
	struct keyword_set *set = mem_new(1, sizeof(*set));
	if (set == NULL) {
		return error_set_code(error, -ENOMEM, "keywords");
	}
	set->file = file;
	int status = open_index(set, error);
	if (status == 0) {
		status = open_database(set, error);
	}
	if (status != 0) {
		mem_free(set);
		return status;
	}
	*ret_set = set;
	return 0;
}

void keyword_set_close(struct keyword_set *set)
{
	if (set != NULL) {
		(void)hs_free_database(set->database);
		lookup_file_close(set->file);
		mem_free(set);
	}
}

size_t keyword_set_count(const struct keyword_set *set)
{
	return set->count;
}

const struct lookup_file *keyword_set_file(const struct keyword_set *set)
{
	return set->file;
}

bool keyword_set_fits(const struct keyword_set *set, const struct policy *policy)
{
	const unsigned char *checksum = lookup_file_checksum(policy_file(policy));
	return memcmp(set->policy_checksum, checksum, SHA256_SIZE) == 0;
}

int keyword_scratch_fit(struct keyword_scratch **scratch, const struct keyword_set *set)
{
	if (*scratch == NULL) {
		*scratch = mem_new(1, sizeof(**scratch));
		if (*scratch == NULL) {
			return -ENOMEM;
		}
	}
	if (set->database != NULL &&
	        hs_alloc_scratch(set->database, &(*scratch)->scratch) != HS_SUCCESS) {
		return -ENOMEM;
	}
	return 0;
}

void keyword_scratch_free(struct keyword_scratch *scratch)
{
	if (scratch != NULL) {
		(void)hs_free_scratch(scratch->scratch);
		mem_free(scratch);
	}
}

struct matching {
	const struct keyword_set *set;
	uint32_t *indexes;
	size_t count;
	size_t maximum;
};

/* Called by the matcher; nonzero ends it. Each expression comes once (HS_FLAG_SINGLEMATCH). */
static int take_match(
        unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	struct matching *matching = context;
	(void)from;
	(void)to;
	(void)flags;
	if (matching->count == matching->maximum) {
		return 1;
	}
	if (id < matching->set->count) {
		matching->indexes[matching->count++] =
		        bytes_get_le32(matching->set->index + 4 * (size_t)id);
	}
	return 0;
}

size_t keyword_set_match(const struct keyword_set *set, struct keyword_scratch *scratch,
        const char *text, size_t length, uint32_t *ret_indexes, size_t maximum)
{
	struct matching matching = {.set = set, .indexes = ret_indexes, .maximum = maximum};
	if (set->database == NULL || length > UINT32_MAX) {
		return 0;
	}
	(void)hs_scan(
	        set->database, text, (unsigned)length, 0, scratch->scratch, take_match, &matching);
	return matching.count;
}
