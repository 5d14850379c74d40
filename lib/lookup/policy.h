#ifndef LIB_LOOKUP_POLICY_H
#define LIB_LOOKUP_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
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
 */
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

/* Takes over the caller's reference to `file` on success. */
int policy_open(
        struct lookup_file *file, struct policy **ret_policy, struct error *error) SK_MUST_USE;
void policy_close(struct policy *policy); /* NULL allowed */

const struct siphash_key *policy_key(const struct policy *policy);
uint32_t policy_entry_count(const struct policy *policy);
void policy_entry(const struct policy *policy, uint32_t index, struct policy_entry *ret_entry);

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

/* Does the entry (a URL, page, domain or wildcard) cover the canonical URL, by its text? */
bool policy_entry_covers(const struct policy *policy, uint32_t index, const struct url *url);

struct policy_builder;

int policy_builder_new(
        const struct siphash_key *key, struct policy_builder **ret_builder) SK_MUST_USE;
void policy_builder_free(struct policy_builder *builder);

/* Copies what it needs. A rule that is not enabled is skipped. Errors as of the parsers of rule.h.
 */
int policy_builder_add_rule(
        struct policy_builder *builder, const struct rule *rule, struct error *error) SK_MUST_USE;
int policy_builder_add_object(struct policy_builder *builder, const struct object *object,
        struct error *error) SK_MUST_USE;

/* For an overlay: `base` is the one it goes with; entries (list, id) of it that no longer count. */
int policy_builder_remove(struct policy_builder *builder, const struct policy *base,
        enum policy_list list, int64_t id) SK_MUST_USE;

/* Writes the file. Keyword rules are in it as entries; their index is the id that the keyword set
 * reports. */
int policy_builder_write(struct policy_builder *builder, int fd, struct error *error) SK_MUST_USE;

#endif
