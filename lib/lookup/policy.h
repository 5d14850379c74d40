#ifndef LIB_LOOKUP_POLICY_H
#define LIB_LOOKUP_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/siphash.h"
#include "lib/data/rule.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/lookup_key.h"

/*
 * The policy file: rules and suspicious objects compiled for look-up, in two levels. The base holds
 * everything as of some moment; the overlay, rebuilt in milliseconds at each change, holds what was
 * added or changed since, and which base entries no longer count.
 *
 * An entry of a URL is found by the key of an expression (the last ≤ 5 components of its host with
 * the deepest path form that every URL it covers also has), and then decided by its text, so that
 * hosts and folders of any depth, pages and wildcards are exact, and no key collision can matter.
 *
 * The hosts of a URL that may have entries are those of url_expressions() and, with
 * POLICY_HAS_TOPS, its last component alone. Its path forms are: the path with query, the path, and
 * the folders from the root to its POLICY_FOLDERS_MAX-th '/'.
 */
#define POLICY_FOLDERS_MAX 16

struct policy_entry {
	enum policy_list list;
	int64_t id;
	bool keyword; /* a regular expression; matched by the keyword set */
	const char *text; /* as the administrator gave it, for explanations */
	uint32_t text_length;
	int64_t expires; /* wall ms; 0: never */
	uint8_t action; /* enum object_action, of objects */
	uint8_t cnc_level; /* of objects */
	uint32_t specificity; /* larger wins within a list: labels of the host, then path */
};

struct policy;

/* Takes over `file` on success. */
int policy_open(
        struct lookup_file *file, struct policy **ret_policy, struct error *error) SK_MUST_USE;
void policy_close(struct policy *policy); /* NULL allowed */

/* The policy's own. */
const struct siphash_key *policy_key(const struct policy *policy);
const struct lookup_file *policy_file(const struct policy *policy);
uint32_t policy_entry_count(const struct policy *policy);

/* What kinds of entries there are, so that a look-up skips the rest: a set of bits. */
enum policy_content {
	POLICY_HAS_URLS = 1u << 0, /* found by keys of expressions */
	POLICY_HAS_TOPS = 1u << 1, /* of these, some whose host has one component and sub-domains */
	POLICY_HAS_ADDRESSES = 1u << 2,
	POLICY_HAS_DIGESTS = 1u << 3,
	POLICY_HAS_KEYWORDS = 1u << 4,
	POLICY_HAS_REMOVALS = 1u << 5, /* an overlay that switches entries of its base off */
};
unsigned policy_content(const struct policy *policy);

void policy_entry(const struct policy *policy, uint32_t index, struct policy_entry *ret_entry);

/* May `overlay` be used with `base` (NULL: none)? An overlay with removals goes with one base only.
 */
bool policy_fits(const struct policy *overlay, const struct policy *base);

/* Of an overlay: is this entry of the base (by index) switched off? */
bool policy_removes(const struct policy *overlay, uint32_t base_index);

/* May this client be meant by the entry? (targets) */
bool policy_entry_applies(const struct policy *policy, uint32_t index,
        const struct address *address, const char *computer, const char *domain);

/* Looking up: candidates by key (a run of entry indexes), each then checked by
 * policy_entry_covers. No allocation, no lock. */
void policy_prefetch_host(const struct policy *policy, struct siphash_value host);
bool policy_may_have_host(const struct policy *policy, struct siphash_value host);
const uint32_t *policy_find(
        const struct policy *policy, struct lookup_key key, uint32_t *ret_count);
const uint32_t *policy_find_digest(
        const struct policy *policy, const struct digest *digest, uint32_t *ret_count);
/* All entries whose prefix holds the address, longest first; a call per level as in
 * web_pattern_find_address. */
const uint32_t *policy_find_address(const struct policy *policy, const struct address *address,
        const struct address_prefix *outer, struct address_prefix *ret_prefix, uint32_t *ret_count);

/* Does the entry (a URL, page, domain, wildcard or address) cover the canonical URL, by its text?
 * False for keywords and digests. */
bool policy_entry_covers(const struct policy *policy, uint32_t index, const struct url *url);

/* Is this the digest of the entry, in full? */
bool policy_entry_covers_digest(
        const struct policy *policy, uint32_t index, const struct digest *digest);

struct policy_builder;

/* `key` is copied: the one that expressions are hashed with. -ENOMEM. */
int policy_builder_new(
        const struct siphash_key *key, struct policy_builder **ret_builder) SK_MUST_USE;
void policy_builder_free(struct policy_builder *builder);

/* Copies what it needs. A rule that is not enabled is skipped. Errors as of the parsers of rule.h.
 */
int policy_builder_add_rule(
        struct policy_builder *builder, const struct rule *rule, struct error *error) SK_MUST_USE;
int policy_builder_add_object(struct policy_builder *builder, const struct object *object,
        struct error *error) SK_MUST_USE;

/* For an overlay: `base` is the one it goes with, open until the file is written; (list, id) is an
 * entry of it that no longer counts (one that it does not have is success: there is nothing to
 * remove). SK_E_CONFLICT for a second base. */
int policy_builder_remove(struct policy_builder *builder, const struct policy *base,
        enum policy_list list, int64_t id) SK_MUST_USE;

/* Writes the file; at most once. SK_E_EXISTS when an entry (list, id) was added twice. Keyword
 * rules are in it as entries; their index is the id that the keyword set reports. */
int policy_builder_write(struct policy_builder *builder, int fd, struct error *error) SK_MUST_USE;

#endif
