#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/data/rating.h"
#include "lib/lookup/policy.h"
#include "lib/lookup/policy_drafts.h"
#include "lib/lookup/policy_format.h"
#include "lib/lookup/policy_state.h"

/*
 * Taking entries in: each becomes its record at once, as it will stand in the file, with its texts
 * and the keys that lead to it. What needs all of them (order, tables) is policy_writer.c.
 */

#define BUILDER_BYTES_MAX UINT32_MAX

int policy_builder_new(const struct siphash_key *key, struct policy_builder **ret_builder)
{
	struct policy_builder *builder = mem_new(1, sizeof(*builder));
	if (builder == NULL) {
		return -ENOMEM;
	}
	builder->key = *key;
	buf_init(&builder->entries, (size_t)POLICY_ENTRIES_MAX * POLICY_ENTRY_SIZE);
	buf_init(&builder->texts, BUILDER_BYTES_MAX);
	buf_init(&builder->targets, BUILDER_BYTES_MAX - 1);
	buf_init(&builder->keys, (size_t)POLICY_ENTRIES_MAX * 2 * sizeof(struct key_use));
	buf_init(&builder->digests, (size_t)POLICY_ENTRIES_MAX * sizeof(struct key_use));
	buf_init(&builder->addresses, (size_t)POLICY_ENTRIES_MAX * sizeof(struct prefix_use));
	buf_init(&builder->hosts, (size_t)POLICY_ENTRIES_MAX * sizeof(struct siphash_value));
	*ret_builder = builder;
	return 0;
}

void policy_builder_free(struct policy_builder *builder)
{
	if (builder == NULL) {
		return;
	}
	buf_release(&builder->entries);
	buf_release(&builder->texts);
	buf_release(&builder->targets);
	buf_release(&builder->keys);
	buf_release(&builder->digests);
	buf_release(&builder->addresses);
	buf_release(&builder->hosts);
	mem_free(builder->removed);
	mem_free(builder);
}

/* An entry on its way into the builder. */
struct draft {
	enum policy_list list;
	enum policy_form form;
	int64_t id;
	int64_t expires;
	const char *text;
	size_t text_length;
	const char *match; /* host and path, or bytes of an address or digest */
	size_t match_length;
	uint32_t host_length, path_length, whole_length;
	uint32_t specificity;
	uint32_t targets;
	uint8_t action, cnc_level;
	bool host_is_address;
};

static int first_status(const struct policy_builder *builder)
{
	const struct buf *const all[] = {&builder->entries, &builder->texts, &builder->targets,
	        &builder->keys, &builder->digests, &builder->addresses, &builder->hosts};
	for (size_t i = 0; i < SK_COUNT(all); i++) {
		if (buf_status(all[i]) != 0) {
			return buf_status(all[i]);
		}
	}
	return 0;
}

/* The display text with a NUL; the match text within it where it stands there already. */
static void add_texts(struct policy_builder *builder, const struct draft *draft, uint32_t *ret_text,
        uint32_t *ret_match)
{
	struct buf *texts = &builder->texts;
	*ret_text = (uint32_t)texts->length;
	*ret_match = 0;
	buf_add(texts, draft->text, draft->text_length);
	buf_add_char(texts, '\0');
	if (draft->match_length == 0) {
		return;
	}
	const char *shared =
	        memmem(draft->text, draft->text_length, draft->match, draft->match_length);
	if (shared != NULL) {
		*ret_match = *ret_text + (uint32_t)(shared - draft->text);
		return;
	}
	*ret_match = (uint32_t)texts->length;
	buf_add(texts, draft->match, draft->match_length);
}

static int add_entry(struct policy_builder *builder, const struct draft *draft, struct error *error)
{
	unsigned char record[POLICY_ENTRY_SIZE] = {0};
	uint32_t text;
	uint32_t match;
	if (draft->id <= 0) {
		return error_set(error, SK_E_RANGE, "an id that is not above 0");
	}
	add_texts(builder, draft, &text, &match);
	bytes_put_le64(record + POLICY_ENTRY_ID, (uint64_t)draft->id);
	bytes_put_le64(record + POLICY_ENTRY_EXPIRES, (uint64_t)draft->expires);
	bytes_put_le32(record + POLICY_ENTRY_TEXT, text);
	bytes_put_le32(record + POLICY_ENTRY_MATCH, match);
	bytes_put_le32(record + POLICY_ENTRY_TARGETS, draft->targets);
	bytes_put_le32(record + POLICY_ENTRY_SPECIFICITY, draft->specificity);
	bytes_put_le16(record + POLICY_ENTRY_TEXT_LENGTH, (uint16_t)draft->text_length);
	bytes_put_le16(record + POLICY_ENTRY_HOST_LENGTH, (uint16_t)draft->host_length);
	bytes_put_le16(record + POLICY_ENTRY_PATH_LENGTH, (uint16_t)draft->path_length);
	bytes_put_le16(record + POLICY_ENTRY_WHOLE_LENGTH, (uint16_t)draft->whole_length);
	record[POLICY_ENTRY_LIST] = (unsigned char)draft->list;
	record[POLICY_ENTRY_FORM] = (unsigned char)draft->form;
	record[POLICY_ENTRY_ACTION] = draft->action;
	record[POLICY_ENTRY_CNC_LEVEL] = draft->cnc_level;
	buf_add(&builder->entries, record, sizeof(record));
	builder->entry_count++;
	int status = first_status(builder);
	return status == 0 ? 0 : error_set_code(error, status, "rules and objects");
}

/* Components of a host, and where the last five of them begin. */
static uint32_t host_components(const char *host, uint32_t length, uint32_t *ret_last_five)
{
	uint32_t count = 1;
	*ret_last_five = 0;
	for (uint32_t i = length; i > 0; i--) {
		if (host[i - 1] == '.') {
			if (count == URL_HOSTS_MAX) {
				*ret_last_five = i;
			}
			count++;
		}
	}
	return count;
}

/* Behind the '.' after the last '*', or 0. */
static uint32_t literal_host_start(const char *host, uint32_t length)
{
	const char *star = memrchr(host, '*', length);
	if (star == NULL) {
		return 0;
	}
	const char *dot = memchr(star, '.', (size_t)(host + length - star));
	return dot != NULL ? (uint32_t)(dot + 1 - host) : 0;
}

/* Length of the path up to and with its last '/' of the first POLICY_FOLDERS_MAX; how many there
 * are of these. */
static uint32_t folder_length(const char *path, uint32_t length, uint32_t *ret_count)
{
	uint32_t end = 0;
	*ret_count = 0;
	for (uint32_t i = 0; i < length && *ret_count < POLICY_FOLDERS_MAX; i++) {
		if (path[i] == '/') {
			end = i + 1;
			(*ret_count)++;
		}
	}
	return end;
}

static void add_key(struct policy_builder *builder, struct siphash state, const char *path,
        uint32_t length, bool slash)
{
	siphash_update(&state, path, length);
	if (slash) {
		siphash_update(&state, "/", 1);
	}
	struct key_use use = {.entry = builder->entry_count};
	use.key = lookup_key_cut(
	        lookup_key_from_hash(siphash_finish(&state)), KEY_TABLE_EXPRESSION_SIZE);
	buf_add(&builder->keys, &use, sizeof(use));
}

/* The path forms under which every URL that the entry covers comes by (docs/policy-format.md). */
static void add_path_keys(
        struct policy_builder *builder, const struct draft *draft, const struct siphash *host)
{
	const char *path = draft->match + draft->host_length;
	const char *star = memchr(path, '*', draft->whole_length);
	uint32_t folders;
	uint32_t literal = star != NULL ? (uint32_t)(star - path) : draft->whole_length;
	if (draft->form == POLICY_FORM_GLOB && literal < draft->path_length) {
		add_key(builder, *host, path, folder_length(path, literal, &folders), false);
		return;
	}
	if (draft->form == POLICY_FORM_GLOB && literal < draft->whole_length) {
		add_key(builder, *host, path, draft->path_length, false);
		return;
	}
	uint32_t folder = folder_length(path, draft->path_length, &folders);
	bool ends_in_slash = path[draft->path_length - 1] == '/';
	if (draft->form == POLICY_FORM_PAGE || draft->whole_length != draft->path_length ||
	        (draft->form == POLICY_FORM_GLOB && !ends_in_slash)) {
		add_key(builder, *host, path, draft->whole_length, false);
	} else if (ends_in_slash || folders == POLICY_FOLDERS_MAX) {
		add_key(builder, *host, path, folder, false);
	} else {
		add_key(builder, *host, path, draft->path_length, false);
		add_key(builder, *host, path, draft->path_length, true);
	}
}

/* The keys of a URL entry, and its specificity. */
static void add_url_keys(struct policy_builder *builder, struct draft *draft)
{
	const char *host = draft->match;
	uint32_t length = draft->host_length;
	uint32_t literal = literal_host_start(host, length);
	uint32_t last_five;
	uint32_t components = host_components(host + literal, length - literal, &last_five);
	bool below = draft->form == POLICY_FORM_SITE || literal > 0;
	uint32_t start = literal + (below && !draft->host_is_address ? last_five : 0);
	if (draft->form == POLICY_FORM_SITE && components == 1 && !draft->host_is_address) {
		builder->content |= POLICY_HAS_TOPS;
	}
	struct siphash state;
	siphash_init(&state, &builder->key);
	siphash_update(&state, host + start, length - start);
	struct siphash_value value = siphash_finish(&state);
	buf_add(&builder->hosts, &value, sizeof(value));
	add_path_keys(builder, draft, &state);
	builder->content |= POLICY_HAS_URLS;

	uint32_t path = draft->whole_length;
	for (uint32_t i = 0; draft->form == POLICY_FORM_GLOB && i < draft->whole_length; i++) {
		path -= host[length + i] == '*';
	}
	draft->specificity =
	        policy_specificity(draft->host_is_address ? POLICY_ADDRESS_HOST_RANK : components,
	                path, draft->form == POLICY_FORM_PAGE);
}

/* Host, path and query of a canonical URL whose host may have '*'. */
static void draft_set_url(struct draft *draft, const char *url)
{
	draft->match = url;
	const char *path = strchr(url, '/');
	const char *query = strchr(path, '?');
	draft->match_length = strlen(url);
	draft->host_length = (uint32_t)(path - url);
	draft->whole_length = (uint32_t)(draft->match_length - draft->host_length);
	draft->path_length = query != NULL ? (uint32_t)(query - path) : draft->whole_length;
	struct address address;
	draft->host_is_address = address_parse(url, draft->host_length, &address) == 0;
}

static void target_encode(struct buf *buf, const struct target *target)
{
	buf_add_char(buf, (char)target->kind);
	if (target->kind == TARGET_ADDRESS) {
		buf_add_char(buf, (char)target->first.family);
		buf_add(buf, target->first.bytes, sizeof(target->first.bytes));
		buf_add_char(buf, (char)target->last.family);
		buf_add(buf, target->last.bytes, sizeof(target->last.bytes));
		return;
	}
	size_t length = strlen(target->name);
	buf_add_le16(buf, (uint16_t)length);
	buf_add(buf, target->name, length + 1);
}

/* Writes the set of targets, or finds the same one among those written lately: rules that come in
 * by the thousand mostly share theirs. */
static int add_targets(struct policy_builder *builder, const struct rule *rule,
        uint32_t *ret_offset, struct error *error)
{
	struct buf *targets = &builder->targets;
	if (rule->target_count == 0) {
		*ret_offset = POLICY_NO_TARGETS;
		return 0;
	}
	if (rule->target_count > LIMIT_RULE_TARGETS) {
		return error_set_code(error, SK_E_LIMIT, "targets");
	}
	size_t start = targets->length;
	buf_add_le32(targets, (uint32_t)rule->target_count);
	for (size_t i = 0; i < rule->target_count; i++) {
		target_encode(targets, &rule->targets[i]);
	}
	while (targets->length % 4 != 0 && buf_status(targets) == 0) {
		buf_add_char(targets, '\0');
	}
	if (buf_status(targets) != 0) {
		return error_set_code(error, buf_status(targets), "targets");
	}
	size_t length = targets->length - start;
	struct siphash_value hash = siphash(&builder->key, targets->data + start, length);
	struct target_set *slot = &builder->target_sets[hash.low % POLICY_TARGET_SETS];
	if (slot->length == length &&
	        memcmp(targets->data + slot->offset, targets->data + start, length) == 0) {
		targets->length = start;
	} else {
		*slot = (struct target_set){(uint32_t)start, (uint32_t)length};
	}
	*ret_offset = slot->offset;
	return 0;
}

static int add_keyword(struct policy_builder *builder, struct draft *draft, struct error *error)
{
	if (draft->text_length == 0 || draft->text_length > LIMIT_KEYWORD_BYTES) {
		return error_set(
		        error, SK_E_LIMIT, "a keyword has 1 to %d bytes", LIMIT_KEYWORD_BYTES);
	}
	draft->form = POLICY_FORM_KEYWORD;
	builder->content |= POLICY_HAS_KEYWORDS;
	return add_entry(builder, draft, error);
}

int policy_builder_add_rule(
        struct policy_builder *builder, const struct rule *rule, struct error *error)
{
	char space[URL_TEXT_MAX];
	struct url url;
	if (!rule->enabled) {
		return 0;
	}
	if (rule->list != POLICY_USER_APPROVED && rule->list != POLICY_USER_BLOCKED) {
		return error_set(error, SK_E_RANGE, "a rule in a list of objects");
	}
	struct draft draft = {
	        .list = rule->list,
	        .id = rule->id,
	        .expires = rule->expires,
	        .text = rule->pattern,
	        .text_length = strlen(rule->pattern),
	};
	int status = add_targets(builder, rule, &draft.targets, error);
	if (status != 0) {
		return status;
	}
	if (rule->kind == RULE_KEYWORD) {
		return add_keyword(builder, &draft, error);
	}
	status = rule_pattern_parse(
	        draft.text, draft.text_length, space, sizeof(space), &url, error);
	if (status != 0) {
		return status;
	}
	draft_set_url(&draft, url.text + url.host_start);
	draft.form = rule->kind == RULE_PAGE ? POLICY_FORM_PAGE : POLICY_FORM_SITE;
	add_url_keys(builder, &draft);
	return add_entry(builder, &draft, error);
}

static int add_url_object(
        struct policy_builder *builder, struct draft *draft, const char *url, struct error *error)
{
	draft_set_url(draft, url);
	const char *end = url + draft->host_length + draft->path_length;
	if (memchr(url, '*', draft->match_length) != NULL) {
		draft->form = POLICY_FORM_GLOB;
	} else if (draft->path_length == draft->whole_length && end[-1] == '/') {
		draft->form = POLICY_FORM_FOLDER;
	} else {
		draft->form = POLICY_FORM_PAGE;
	}
	add_url_keys(builder, draft);
	return add_entry(builder, draft, error);
}

static int add_domain_object(
        struct policy_builder *builder, struct draft *draft, char *space, struct error *error)
{
	size_t length = strlen(space);
	memcpy(space + length, "/", 2);
	draft_set_url(draft, space);
	draft->form = POLICY_FORM_SITE;
	add_url_keys(builder, draft);
	return add_entry(builder, draft, error);
}

static int add_address_object(
        struct policy_builder *builder, struct draft *draft, const char *text, struct error *error)
{
	struct prefix_use use = {.entry = builder->entry_count};
	unsigned char match[POLICY_ADDRESS_SIZE];
	int status = address_prefix_parse(text, strlen(text), &use.prefix);
	if (status != 0) {
		return error_set_code(error, status, "address");
	}
	match[0] = use.prefix.address.family;
	match[1] = use.prefix.length;
	memcpy(match + 2, use.prefix.address.bytes, sizeof(use.prefix.address.bytes));
	draft->match = (const char *)match;
	draft->match_length = sizeof(match);
	draft->form = POLICY_FORM_ADDRESS;
	draft->specificity = policy_prefix_specificity(&use.prefix);
	buf_add(&builder->addresses, &use, sizeof(use));
	builder->content |= POLICY_HAS_ADDRESSES;
	return add_entry(builder, draft, error);
}

static int add_digest_object(
        struct policy_builder *builder, struct draft *draft, const char *text, struct error *error)
{
	struct digest digest;
	unsigned char match[POLICY_DIGEST_SIZE];
	int status = digest_parse(text, strlen(text), &digest);
	if (status != 0) {
		return error_set_code(error, status, "digest");
	}
	memset(match, 0, sizeof(match));
	match[0] = digest.kind;
	memcpy(match + 1, digest.bytes, digest_size((enum digest_kind)digest.kind));
	draft->match = (const char *)match;
	draft->match_length = sizeof(match);
	draft->form = POLICY_FORM_DIGEST;
	struct key_use use = {lookup_key_from_digest(&digest), builder->entry_count};
	buf_add(&builder->digests, &use, sizeof(use));
	builder->content |= POLICY_HAS_DIGESTS;
	return add_entry(builder, draft, error);
}

int policy_builder_add_object(
        struct policy_builder *builder, const struct object *object, struct error *error)
{
	static const char scheme[] = "http://";
	char space[URL_TEXT_MAX];
	if (object->list != POLICY_OBJECT_USER && object->list != POLICY_OBJECT_ANALYZER) {
		return error_set(error, SK_E_RANGE, "an object in a list of rules");
	}
	if (object->cnc_level >= CNC_LEVEL_COUNT) {
		return error_set(error, SK_E_RANGE, "C&C level %u", (unsigned)object->cnc_level);
	}
	struct draft draft = {
	        .list = object->list,
	        .id = object->id,
	        .expires = object->expires,
	        .text = object->value,
	        .text_length = strlen(object->value),
	        .targets = POLICY_NO_TARGETS,
	        .action = (uint8_t)object->action,
	        .cnc_level = object->cnc_level,
	};
	int status = object_value_parse(
	        object->kind, draft.text, draft.text_length, space, sizeof(space) - 1, error);
	if (status != 0) {
		return status;
	}
	switch (object->kind) {
	case OBJECT_IP:
		return add_address_object(builder, &draft, space, error);
	case OBJECT_DOMAIN:
		return add_domain_object(builder, &draft, space, error);
	case OBJECT_URL:
		return add_url_object(builder, &draft, space + sizeof(scheme) - 1, error);
	case OBJECT_SHA1:
	case OBJECT_SHA256:
		return add_digest_object(builder, &draft, space, error);
	case OBJECT_KIND_COUNT:
		break;
	}
	return error_set_code(error, SK_E_RANGE, "kind of object");
}

int policy_builder_remove(struct policy_builder *builder, const struct policy *base,
        enum policy_list list, int64_t id)
{
	if (builder->base != NULL && builder->base != base) {
		return SK_E_CONFLICT;
	}
	if (builder->removed == NULL) {
		builder->removed = mem_new((size_t)base->entry_count / 8 + 1, 1);
		if (builder->removed == NULL) {
			return -ENOMEM;
		}
		builder->base = base;
		builder->content |= POLICY_HAS_REMOVALS;
	}
	uint32_t index = policy_index_of(base, list, id);
	if (index != UINT32_MAX) {
		builder->removed[index / 8] |= (unsigned char)(1u << index % 8);
	}
	return 0;
}
