#ifndef LIB_DATA_RULE_H
#define LIB_DATA_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/data/address.h"
#include "lib/data/digest.h"
#include "lib/data/url.h"

/*
 * User-defined rules and suspicious objects, as administrators state them and as they are stored.
 * The parsers check everything that can be checked without compiling a regular expression.
 */

/* The lists of local knowledge. The order between the two user lists is a setting. */
enum policy_list {
	POLICY_USER_APPROVED,
	POLICY_USER_BLOCKED,
	POLICY_OBJECT_USER, /* suspicious, user-defined */
	POLICY_OBJECT_ANALYZER, /* suspicious, virtual analyzer */
	POLICY_LIST_COUNT
};

enum rule_kind {
	RULE_SITE, /* the URL and everything under it: host and sub-domains, folder and below */
	RULE_PAGE, /* this page only: the canonical URL, equal but for the scheme */
	RULE_KEYWORD, /* regular expression over the canonical URL with scheme */
	RULE_KIND_COUNT
};
const char *rule_kind_name(enum rule_kind kind); /* "site", "page", "keyword" */
int rule_kind_parse(const char *name, enum rule_kind *ret_kind) SK_MUST_USE;

/* Whom a rule applies to: all clients when it has no target. */
enum target_kind { TARGET_ADDRESS, TARGET_DOMAIN, TARGET_COMPUTER, TARGET_KIND_COUNT };
const char *target_kind_name(enum target_kind kind); /* "address", "domain", "computer" */

struct target {
	enum target_kind kind;
	struct address first, last; /* TARGET_ADDRESS: a range within one family */
	const char *name; /* otherwise: lower case; a domain also covers its sub-domains */
};

struct rule {
	int64_t id; /* > 0, given by the store */
	enum policy_list list; /* POLICY_USER_APPROVED or POLICY_USER_BLOCKED */
	enum rule_kind kind;
	const char *pattern; /* URL or host for site and page (as typed), expression for keyword */
	const struct target *targets;
	size_t target_count;
	int64_t expires; /* wall ms; 0: never */
	bool enabled;
	const char *comment;
};

/* Targets as one text: "10.0.0.0/8, 192.0.2.1-192.0.2.9, domain:example.com, computer:pc-1",
 * separated by commas; "" means all. Names are lower-cased; letters, digits, '-', '_', '.' only.
 * `ret_targets` (one allocation, mem_free) holds names too. SK_E_SYNTAX, SK_E_LIMIT
 * (LIMIT_RULE_TARGETS) with `error` naming the entry. */
int targets_parse(const char *text, struct target **ret_targets, size_t *ret_count,
        struct error *error) SK_MUST_USE;

/* Is (address, computer name, domain name) a client that one of `targets` means? Names may be NULL;
 * compared without regard to case. */
bool targets_match(const struct target *targets, size_t count, const struct address *address,
        const char *computer, const char *domain);

/* Is `word`, a client's own word (NULL: none), the name of a target of `kind` (not TARGET_ADDRESS)?
 */
bool target_name_matches(enum target_kind kind, const char *name, const char *word);

/* Checks and canonicalizes a site or page pattern: "http://host/path…" or without scheme. */
int rule_pattern_parse(const char *pattern, size_t length, char *space, size_t size,
        struct url *ret_url, struct error *error) SK_MUST_USE;

/*
 * Suspicious objects: IP address or prefix, domain (with sub-domains), URL with '*' (any run of
 * characters, in the host only as its first label or part of it), SHA-1, SHA-256.
 */
enum object_kind {
	OBJECT_IP,
	OBJECT_DOMAIN,
	OBJECT_URL,
	OBJECT_SHA1,
	OBJECT_SHA256,
	OBJECT_KIND_COUNT
};
const char *object_kind_name(enum object_kind kind); /* "ip", "domain", "url", "sha1", "sha256" */
int object_kind_parse(const char *name, enum object_kind *ret_kind) SK_MUST_USE;

enum object_action { OBJECT_LOG, OBJECT_BLOCK };

struct object {
	int64_t id;
	enum policy_list list; /* POLICY_OBJECT_USER or POLICY_OBJECT_ANALYZER */
	enum object_kind kind;
	const char *value;
	enum object_action action;
	uint8_t cnc_level; /* enum cnc_level; 0 for what is no command and control */
	int64_t expires; /* wall ms; 0: never */
	const char *comment;
};

/* Checks the value of an object and writes its canonical form (equal objects have equal ones) into
 * `space` (URL_TEXT_MAX always suffices), NUL-terminated. */
int object_value_parse(enum object_kind kind, const char *value, size_t length, char *space,
        size_t size, struct error *error) SK_MUST_USE;

#endif
