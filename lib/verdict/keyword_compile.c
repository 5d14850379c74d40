#include <errno.h>
#include <hs.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/verdict/keyword_flags.h"
#include "lib/verdict/keyword_set.h"
#include "lib/verdict/keyword_text.h"

/*
 * Compiling all keywords of a policy into one database. Hyperscan names the expression that a
 * compilation failed for: it is left out and the rest is tried again. When the set as a whole is
 * too much for it, the costliest expressions go, twice as many at each further try.
 */

struct compiling {
	const struct policy *policy;
	keyword_refused_fn *refused;
	void *context;
	size_t count;
	uint32_t *entries; /* index in the policy, ascending */
	char **expressions; /* as they are compiled; owned */
	unsigned *flags;
	unsigned *ids;
	size_t cut; /* how many go next when the whole set is too much */
};

static void refuse(struct compiling *compiling, uint32_t index, const char *reason)
{
	struct policy_entry entry;
	policy_entry(compiling->policy, index, &entry);
	if (compiling->refused != NULL) {
		compiling->refused(compiling->context, &entry, reason);
	}
}

/* Takes the expression at `position` out. */
static void leave_out(struct compiling *compiling, size_t position, const char *reason)
{
	refuse(compiling, compiling->entries[position], reason);
	mem_free(compiling->expressions[position]);
	size_t behind = compiling->count - position - 1;
	memmove(compiling->entries + position, compiling->entries + position + 1,
	        behind * sizeof(*compiling->entries));
	memmove(compiling->expressions + position, compiling->expressions + position + 1,
	        behind * sizeof(*compiling->expressions));
	compiling->count--;
}

static int collect(struct compiling *compiling, struct error *error)
{
	uint32_t total = policy_entry_count(compiling->policy);
	if ((policy_content(compiling->policy) & POLICY_HAS_KEYWORDS) == 0) {
		total = 0;
	}
	for (uint32_t i = 0; i < total; i++) {
		struct policy_entry entry;
		struct error reason = {0};
		policy_entry(compiling->policy, i, &entry);
		if (!entry.keyword) {
			continue;
		}
		if (keyword_check_text(entry.text, entry.text_length, &reason) != 0) {
			refuse(compiling, i, reason.text);
			continue;
		}
		if (compiling->count == LIMIT_KEYWORD_RULES) {
			return error_set(error, SK_E_LIMIT, "more than %d keyword rules",
			        LIMIT_KEYWORD_RULES);
		}
		char text[KEYWORD_REWRITTEN_SIZE];
		size_t length = keyword_rewrite(entry.text, entry.text_length, text);
		char *copy = mem_copy_text(text, length);
		if (copy == NULL) {
			return error_set_code(error, -ENOMEM, "keywords");
		}
		compiling->entries[compiling->count] = i;
		compiling->expressions[compiling->count] = copy;
		compiling->count++;
	}
	return 0;
}

/* Bytes that an expression takes when it is compiled alone; more than any when it does not. */
static size_t cost_alone(const char *expression)
{
	hs_database_t *database = NULL;
	hs_compile_error_t *failure = NULL;
	size_t size = SIZE_MAX;
	if (hs_compile(expression, KEYWORD_FLAGS, HS_MODE_BLOCK, NULL, &database, &failure) ==
	        HS_SUCCESS) {
		(void)hs_database_size(database, &size);
	}
	hs_free_compile_error(failure);
	(void)hs_free_database(database);
	return size;
}

/* The whole set is too much: leaves out the costliest. */
static int shrink(struct compiling *compiling, const char *message)
{
	size_t *costs = mem_new(compiling->count, sizeof(*costs));
	if (costs == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < compiling->count; i++) {
		costs[i] = cost_alone(compiling->expressions[i]);
	}
	char reason[ERROR_TEXT_MAX];
	snprintf(reason, sizeof(reason),
	        "all keywords together are too costly (%s), and this one is among the costliest",
	        message);
	for (size_t n = 0; n < compiling->cut && compiling->count > 0; n++) {
		size_t worst = 0;
		for (size_t i = 1; i < compiling->count; i++) {
			worst = costs[i] > costs[worst] ? i : worst;
		}
		memmove(costs + worst, costs + worst + 1,
		        (compiling->count - worst - 1) * sizeof(*costs));
		leave_out(compiling, worst, reason);
	}
	compiling->cut *= 2;
	mem_free(costs);
	return 0;
}

/* One try; 0 with the database, 1 when something was left out and it is to be tried again. */
static int try_compile(
        struct compiling *compiling, hs_database_t **ret_database, struct error *error)
{
	hs_compile_error_t *failure = NULL;
	for (size_t i = 0; i < compiling->count; i++) {
		compiling->flags[i] = KEYWORD_FLAGS;
		compiling->ids[i] = (unsigned)i;
	}
	hs_error_t result = hs_compile_multi((const char *const *)compiling->expressions,
	        compiling->flags, compiling->ids, (unsigned)compiling->count, HS_MODE_BLOCK, NULL,
	        ret_database, &failure);
	if (result == HS_SUCCESS) {
		return 0;
	}
	int status = 1;
	if (result != HS_COMPILER_ERROR || failure == NULL) {
		status = error_set(error, -ENOMEM, "keywords: no memory to compile them");
	} else if (failure->expression >= 0 && (size_t)failure->expression < compiling->count) {
		leave_out(compiling, (size_t)failure->expression, failure->message);
	} else if (shrink(compiling, failure->message) != 0) {
		status = error_set_code(error, -ENOMEM, "keywords");
	}
	hs_free_compile_error(failure);
	return status;
}

/* Serialized, as *ret_bytes for free(); NULL and 0 for a set without expressions. */
static int compile_all(
        struct compiling *compiling, char **ret_bytes, size_t *ret_length, struct error *error)
{
	hs_database_t *database = NULL;
	int status = 1;
	*ret_bytes = NULL;
	*ret_length = 0;
	while (status == 1 && compiling->count > 0) {
		status = try_compile(compiling, &database, error);
	}
	if (status < 0 || compiling->count == 0) {
		return status < 0 ? status : 0;
	}
	hs_error_t result = hs_serialize_database(database, ret_bytes, ret_length);
	(void)hs_free_database(database);
	if (result != HS_SUCCESS) {
		return error_set(error, -ENOMEM, "keywords: no memory to keep them");
	}
	if (*ret_length > KEYWORD_SET_MAX) {
		free(*ret_bytes);
		return error_set(
		        error, SK_E_LIMIT, "keywords: %zu bytes when compiled", *ret_length);
	}
	return 0;
}

static int write_chunk(
        struct lookup_writer *writer, const char id[4], const void *bytes, size_t size)
{
	int status = lookup_writer_start_chunk(writer, id);
	return status == 0 && size > 0 ? lookup_writer_add(writer, bytes, size) : status;
}

static int write_chunks(const struct compiling *compiling, struct lookup_writer *writer,
        const char *bytes, size_t length)
{
	unsigned char head[KEYWORD_HEAD_SIZE] = {0};
	bytes_put_le32(head, (uint32_t)compiling->count);
	memcpy(head + 8, lookup_file_checksum(policy_file(compiling->policy)), SHA256_SIZE);
	int status = write_chunk(writer, KEYWORD_CHUNK_HEAD, head, sizeof(head));
	if (status == 0) {
		status = lookup_writer_start_chunk(writer, KEYWORD_CHUNK_INDEX);
	}
	for (size_t i = 0; status == 0 && i < compiling->count; i++) {
		unsigned char index[4];
		bytes_put_le32(index, compiling->entries[i]);
		status = lookup_writer_add(writer, index, sizeof(index));
	}
	return status == 0 ? write_chunk(writer, KEYWORD_CHUNK_DATABASE, bytes, length) : status;
}

static int write_set(const struct compiling *compiling, int fd, const char *bytes, size_t length)
{
	struct lookup_writer *writer;
	int status = lookup_writer_new(fd, LOOKUP_KIND_KEYWORDS, 3, &writer);
	if (status != 0) {
		return status;
	}
	status = write_chunks(compiling, writer, bytes, length);
	if (status != 0) {
		lookup_writer_free(writer);
		return status;
	}
	return lookup_writer_finish(writer);
}

int keyword_set_compile(const struct policy *policy, int fd, keyword_refused_fn *refused,
        void *context, struct error *error)
{
	struct compiling compiling = {
	        .policy = policy, .refused = refused, .context = context, .cut = 1};
	compiling.entries = mem_new(LIMIT_KEYWORD_RULES, sizeof(*compiling.entries));
	compiling.expressions = mem_new(LIMIT_KEYWORD_RULES, sizeof(*compiling.expressions));
	compiling.flags = mem_new(LIMIT_KEYWORD_RULES, sizeof(*compiling.flags));
	compiling.ids = mem_new(LIMIT_KEYWORD_RULES, sizeof(*compiling.ids));
	int status = 0;
	if (compiling.entries == NULL || compiling.expressions == NULL || compiling.flags == NULL ||
	        compiling.ids == NULL) {
		status = error_set_code(error, -ENOMEM, "keywords");
	}
	if (status == 0) {
		status = collect(&compiling, error);
	}
	char *bytes = NULL;
	size_t length = 0;
	if (status == 0) {
		status = compile_all(&compiling, &bytes, &length, error);
	}
	if (status == 0) {
		status = write_set(&compiling, fd, bytes, length);
		if (status != 0) {
			(void)error_set_code(error, status, "cannot write the keyword file");
		}
		free(bytes); /* hs allocates with malloc */
	}
	for (size_t i = 0; i < compiling.count; i++) {
		mem_free(compiling.expressions[i]);
	}
	mem_free(compiling.entries);
	mem_free(compiling.expressions);
	mem_free(compiling.flags);
	mem_free(compiling.ids);
	return status;
}
