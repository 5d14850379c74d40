#include "pattern/exclude.h"

#include <errno.h>
#include <hs.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/verdict/keyword_set.h"
#include "pattern/key_set.h"

/* The first byte of what is hashed, so that values of different sorts never meet. */
enum exclude_sort {
	EXCLUDE_URL = 'u',
	EXCLUDE_HOST = 'h',
	EXCLUDE_PREFIX = 'p',
	EXCLUDE_DIGEST = 'd'
};

/* Expressions or literals that become one database. */
struct exclude_scan {
	char **texts;
	size_t *lengths;
	unsigned *flags;
	unsigned *ids; /* the source of each */
	size_t count, capacity;
	hs_database_t *database; /* NULL: none */
};

struct exclude {
	struct siphash_key key;
	struct key_set equal;
	struct key_set covers; /* hosts and prefixes */
	bool lengths[2][129]; /* which prefix lengths there are, of IPv4 and IPv6 */
	struct exclude_scan substrings, expressions;
	hs_scratch_t *scratch;
};

int exclude_new(const struct siphash_key *key, struct exclude **ret_exclude)
{
	struct exclude *exclude = mem_new(1, sizeof(*exclude));
	if (exclude == NULL) {
		return -ENOMEM;
	}
	exclude->key = *key;
	*ret_exclude = exclude;
	return 0;
}

static void scan_release(struct exclude_scan *scan)
{
	for (size_t i = 0; i < scan->count; i++) {
		mem_free(scan->texts[i]);
	}
	mem_free(scan->texts);
	mem_free(scan->lengths);
	mem_free(scan->flags);
	mem_free(scan->ids);
	(void)hs_free_database(scan->database);
}

void exclude_free(struct exclude *exclude)
{
	if (exclude == NULL) {
		return;
	}
	key_set_release(&exclude->equal);
	key_set_release(&exclude->covers);
	scan_release(&exclude->substrings);
	scan_release(&exclude->expressions);
	(void)hs_free_scratch(exclude->scratch);
	mem_free(exclude);
}

static struct siphash_value exclude_hash(
        const struct exclude *exclude, enum exclude_sort sort, const void *bytes, size_t size)
{
	struct siphash state;
	char first = (char)sort;
	siphash_init(&state, &exclude->key);
	siphash_update(&state, &first, 1);
	siphash_update(&state, bytes, size);
	return siphash_finish(&state);
}

static struct siphash_value url_hash(const struct exclude *exclude, const struct url *url)
{
	return exclude_hash(
	        exclude, EXCLUDE_URL, url->text + url->host_start, url->length - url->host_start);
}

static struct siphash_value prefix_hash(
        const struct exclude *exclude, const struct address_prefix *prefix)
{
	unsigned char bytes[18] = {prefix->address.family, prefix->length};
	memcpy(bytes + 2, prefix->address.bytes, sizeof(prefix->address.bytes));
	return exclude_hash(exclude, EXCLUDE_PREFIX, bytes, sizeof(bytes));
}

static struct siphash_value digest_hash(const struct exclude *exclude, const struct digest *digest)
{
	return exclude_hash(exclude, EXCLUDE_DIGEST, digest->bytes,
	        digest_size((enum digest_kind)digest->kind));
}

int exclude_add_url(struct exclude *exclude, const struct url *url, unsigned source)
{
	return key_set_add(&exclude->equal, url_hash(exclude, url), source);
}

int exclude_add_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned source)
{
	return key_set_add(&exclude->equal, prefix_hash(exclude, prefix), source);
}

int exclude_add_digest(struct exclude *exclude, const struct digest *digest, unsigned source)
{
	return key_set_add(&exclude->equal, digest_hash(exclude, digest), source);
}

int exclude_cover_host(struct exclude *exclude, const struct url *host, unsigned source)
{
	return key_set_add(&exclude->covers,
	        exclude_hash(
	                exclude, EXCLUDE_HOST, host->text + host->host_start, host->host_length),
	        source);
}

int exclude_cover_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned source)
{
	/* Asked for by each length that occurs: a hash per length. */
	exclude->lengths[prefix->address.family == ADDRESS_V6][prefix->length] = true;
	return key_set_add(&exclude->covers, prefix_hash(exclude, prefix), source);
}

static int scan_grow(struct exclude_scan *scan)
{
	size_t capacity = scan->capacity + scan->capacity / 2 + 64;
	char **texts = mem_resize(scan->texts, capacity, sizeof(*texts));
	scan->texts = texts != NULL ? texts : scan->texts;
	size_t *lengths = mem_resize(scan->lengths, capacity, sizeof(*lengths));
	scan->lengths = lengths != NULL ? lengths : scan->lengths;
	unsigned *flags = mem_resize(scan->flags, capacity, sizeof(*flags));
	scan->flags = flags != NULL ? flags : scan->flags;
	unsigned *ids = mem_resize(scan->ids, capacity, sizeof(*ids));
	scan->ids = ids != NULL ? ids : scan->ids;
	if (texts == NULL || lengths == NULL || flags == NULL || ids == NULL) {
		return -ENOMEM;
	}
	scan->capacity = capacity;
	return 0;
}

static int scan_add(
        struct exclude_scan *scan, const char *text, size_t length, unsigned flags, unsigned source)
{
	if (scan->count == scan->capacity) {
		int status = scan_grow(scan);
		if (status != 0) {
			return status;
		}
	}
	char *copy = mem_copy_text(text, length);
	if (copy == NULL) {
		return -ENOMEM;
	}
	scan->texts[scan->count] = copy;
	scan->lengths[scan->count] = length;
	scan->flags[scan->count] = flags;
	scan->ids[scan->count] = source;
	scan->count++;
	return 0;
}

int exclude_add_substring(struct exclude *exclude, const char *text, size_t length, unsigned source,
        const char **ret_reason)
{
	if (length < EXCLUDE_SUBSTRING_SHORTEST) {
		*ret_reason = "text too short to be looked for";
		return SK_E_SYNTAX;
	}
	if (length > LIMIT_URL || memchr(text, '\0', length) != NULL) {
		*ret_reason = "text too long to be looked for";
		return SK_E_LIMIT;
	}
	if (exclude->substrings.count == EXCLUDE_SUBSTRING_MAX) {
		*ret_reason = "too many texts to be looked for";
		return SK_E_LIMIT;
	}
	return scan_add(
	        &exclude->substrings, text, length, HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH, source);
}

int exclude_add_regex(struct exclude *exclude, const char *text, size_t length, bool caseless,
        unsigned source, const char **ret_reason)
{
	if (exclude->expressions.count == EXCLUDE_REGEX_MAX) {
		*ret_reason = "too many regular expressions";
		return SK_E_LIMIT;
	}
	int status = keyword_check(text, length, NULL);
	if (status == -ENOMEM) {
		return status;
	}
	if (status != 0) {
		*ret_reason = "a regular expression that is not supported";
		return SK_E_UNSUPPORTED;
	}
	return scan_add(&exclude->expressions, text, length,
	        HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL | (caseless ? HS_FLAG_CASELESS : 0), source);
}

static int scan_seal(
        struct exclude_scan *scan, bool literal, hs_scratch_t **scratch, struct error *error)
{
	hs_compile_error_t *failure = NULL;
	hs_error_t result = HS_SUCCESS;
	if (scan->count == 0) {
		return 0;
	}
	const char *const *texts = (const char *const *)scan->texts;
	if (literal) {
		result = hs_compile_lit_multi(texts, scan->flags, scan->ids, scan->lengths,
		        (unsigned)scan->count, HS_MODE_BLOCK, NULL, &scan->database, &failure);
	} else {
		result = hs_compile_multi(texts, scan->flags, scan->ids, (unsigned)scan->count,
		        HS_MODE_BLOCK, NULL, &scan->database, &failure);
	}
	if (result != HS_SUCCESS) {
		error_set(error, SK_E_UNSUPPORTED, "cannot prepare the exclusions: %s",
		        failure != NULL ? failure->message : "unknown");
		(void)hs_free_compile_error(failure);
		return SK_E_UNSUPPORTED;
	}
	if (hs_alloc_scratch(scan->database, scratch) != HS_SUCCESS) {
		return error_set_code(error, -ENOMEM, "cannot prepare the exclusions");
	}
	return 0;
}

int exclude_seal(struct exclude *exclude, struct error *error)
{
	int status = scan_seal(&exclude->substrings, true, &exclude->scratch, error);
	if (status == 0) {
		status = scan_seal(&exclude->expressions, false, &exclude->scratch, error);
	}
	return status;
}

struct scan_result {
	bool found;
	unsigned source;
};

static int scan_matched(
        unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	struct scan_result *result = context;
	(void)from;
	(void)to;
	(void)flags;
	result->found = true;
	result->source = id;
	return 1; /* one is enough */
}

static bool scan_text(
        struct exclude *exclude, const char *text, size_t length, unsigned *ret_source)
{
	struct scan_result result = {false, 0};
	const hs_database_t *databases[] = {
	        exclude->substrings.database, exclude->expressions.database};
	for (size_t i = 0; i < SK_COUNT(databases) && !result.found; i++) {
		if (databases[i] != NULL) {
			/* The callback ends it early; another failure matches nothing. */
			(void)hs_scan(databases[i], text, (unsigned)length, 0, exclude->scratch,
			        scan_matched, &result);
		}
	}
	*ret_source = result.source;
	return result.found;
}

/* Is the host, or a domain above it, covered? */
static bool host_is_covered(struct exclude *exclude, const struct url *url, unsigned *ret_source)
{
	const char *host = url->text + url->host_start;
	size_t length = url->host_length;
	while (exclude->covers.count > 0 && length > 0) {
		if (key_set_find(&exclude->covers,
		            exclude_hash(exclude, EXCLUDE_HOST, host, length), ret_source)) {
			return true;
		}
		const char *dot = memchr(host, '.', length);
		if (dot == NULL || url->address.family != ADDRESS_NONE) {
			return false;
		}
		length -= (size_t)(dot + 1 - host);
		host = dot + 1;
	}
	return false;
}

bool exclude_has_url(struct exclude *exclude, const struct url *url, unsigned *ret_source)
{
	return key_set_find(&exclude->equal, url_hash(exclude, url), ret_source) ||
	       host_is_covered(exclude, url, ret_source) ||
	       scan_text(exclude, url->text, url->length, ret_source);
}

/* Is a prefix that holds this one among the covering ones? */
static bool prefix_is_covered(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned *ret_source)
{
	const bool *lengths = exclude->lengths[prefix->address.family == ADDRESS_V6];
	for (unsigned length = 0; length <= prefix->length; length++) {
		if (!lengths[length]) {
			continue;
		}
		struct address_prefix outer = *prefix;
		outer.length = (uint8_t)length;
		unsigned whole = length / 8;
		if (whole < sizeof(outer.address.bytes)) {
			outer.address.bytes[whole] &= (uint8_t) ~(0xffu >> length % 8);
			memset(outer.address.bytes + whole + 1, 0,
			        sizeof(outer.address.bytes) - whole - 1);
		}
		if (key_set_find(&exclude->covers, prefix_hash(exclude, &outer), ret_source)) {
			return true;
		}
	}
	return false;
}

bool exclude_has_prefix(
        struct exclude *exclude, const struct address_prefix *prefix, unsigned *ret_source)
{
	char text[ADDRESS_PREFIX_TEXT_SIZE];
	bool alone = prefix->length == (prefix->address.family == ADDRESS_V4 ? 32 : 128);
	size_t length = alone ? address_format(&prefix->address, text)
	                      : address_prefix_format(prefix, text);
	return key_set_find(&exclude->equal, prefix_hash(exclude, prefix), ret_source) ||
	       prefix_is_covered(exclude, prefix, ret_source) ||
	       scan_text(exclude, text, length, ret_source);
}

bool exclude_has_digest(struct exclude *exclude, const struct digest *digest, unsigned *ret_source)
{
	char text[DIGEST_TEXT_SIZE];
	if (key_set_find(&exclude->equal, digest_hash(exclude, digest), ret_source)) {
		return true;
	}
	size_t length = digest_format(digest, text);
	return scan_text(exclude, text, length, ret_source);
}
