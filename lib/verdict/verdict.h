#ifndef LIB_VERDICT_VERDICT_H
#define LIB_VERDICT_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/data/digest.h"
#include "lib/data/rating.h"
#include "lib/data/url.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/policy.h"
#include "lib/lookup/web_pattern.h"
#include "lib/verdict/keyword_set.h"

/*
 * The decision, pure: snapshot + query → verdict. The query server, "Test URL", the safety gate and
 * the pattern tool all use this one. No allocation, no lock, no system call; any thread, each with
 * its own verdict_scratch.
 */

/* What is decided from: immutable while in use. Any part may be NULL. */
struct snapshot {
	const struct web_pattern *web;
	const struct file_pattern *files;
	const struct policy *base, *overlay;
	const struct keyword_set *base_keywords, *overlay_keywords;
	bool approved_first; /* filter priority: approved before blocked (default: blocked first) */
	uint8_t block_below; /* 51, 66 or 81 */
	uint8_t log_score_max; /* at most this is logged as bad (default 65) */
	uint32_t ttl_listed; /* seconds that an answer may be cached, listed and not listed */
	uint32_t ttl_unlisted;
};

enum verdict_source {
	VERDICT_NONE,
	VERDICT_USER_APPROVED,
	VERDICT_USER_BLOCKED,
	VERDICT_OBJECT_USER,
	VERDICT_OBJECT_ANALYZER,
	VERDICT_PATTERN,
	VERDICT_SOURCE_COUNT
};
const char *verdict_source_name(
        enum verdict_source source); /* "none", "user_approved" … as in the API */

enum verdict_action { VERDICT_ALLOW, VERDICT_LOG, VERDICT_BLOCK };
const char *verdict_action_name(enum verdict_action action); /* "allow", "log", "block" */

/* Who asks, for the targets of rules. Names are the client's own words; NULL when not given. */
struct verdict_client {
	struct address address;
	const char *computer;
	const char *domain;
};

struct url_verdict {
	uint64_t categories;
	int64_t entry_id; /* of the rule or object that decided; 0 otherwise */
	uint32_t ttl;
	uint8_t score;
	uint8_t cnc_level;
	uint8_t cnc_source;
	uint8_t action; /* enum verdict_action */
	uint8_t source; /* enum verdict_source */
	bool bad; /* what the blocked-URL log records (Q7) */
};

enum file_answer { FILE_UNKNOWN, FILE_KNOWN_GOOD, FILE_MALICIOUS };

struct file_verdict {
	const char *name; /* of the threat, "" when none; lives as long as the snapshot */
	int64_t entry_id;
	uint32_t ttl;
	uint8_t answer; /* enum file_answer */
	uint8_t kind; /* enum threat_kind */
	uint8_t action;
	uint8_t source;
};

/* Per thread: keyword scratch and match space. */
struct verdict_scratch;
int verdict_scratch_new(struct verdict_scratch **ret_scratch) SK_MUST_USE;
void verdict_scratch_free(struct verdict_scratch *scratch);
/* Makes it fit the snapshot (allocates); once per thread and snapshot, before its first query. */
int verdict_scratch_fit(
        struct verdict_scratch *scratch, const struct snapshot *snapshot) SK_MUST_USE;

/*
 * Two steps, so that the memory accesses of many queries overlap: prepare hashes the expressions
 * and starts fetching; decide finishes. A bulk request prepares some 16 and then decides them.
 */
struct url_query {
	struct url url; /* set by the caller */
	struct url_expressions expressions;
	struct siphash host_states[URL_HOSTS_MAX];
	struct siphash_value host_values[URL_HOSTS_MAX];
	struct siphash policy_states[URL_HOSTS_MAX];
	struct siphash_value policy_values[URL_HOSTS_MAX];
};
void verdict_prepare_url(const struct snapshot *snapshot, struct url_query *query);
void verdict_decide_url(const struct snapshot *snapshot, struct verdict_scratch *scratch,
        const struct url_query *query, const struct verdict_client *client, int64_t now,
        struct url_verdict *ret_verdict);

void verdict_prepare_file(const struct snapshot *snapshot, const struct digest *digest);
/* For groups, between the two, when all of the group are prepared: starts the second memory access,
 * for which the first must have come. */
void verdict_fetch_file(const struct snapshot *snapshot, const struct digest *digest);
void verdict_decide_file(const struct snapshot *snapshot, const struct digest *digest, int64_t now,
        struct file_verdict *ret_verdict);

/*
 * The same with reasons: every rule, object and pattern entry that applied, in order of decision,
 * the winner marked. At most VERDICT_MATCHES_MAX; `more` says that there were others.
 */
#define VERDICT_MATCHES_MAX 64
struct verdict_match {
	uint8_t source; /* enum verdict_source */
	bool winner;
	int64_t id; /* rule or object; 0 for the pattern */
	const char *text; /* rule or object text, or the expression "host/path" or prefix */
	uint32_t text_length;
	uint8_t score;
	uint64_t origins; /* pattern: set of the pattern's sources */
};
struct verdict_explanation {
	size_t count;
	bool more;
	struct verdict_match matches[VERDICT_MATCHES_MAX];
	char text_space[16384]; /* expressions that are not in one piece anywhere */
	size_t text_used;
};
void verdict_explain_url(const struct snapshot *snapshot, struct verdict_scratch *scratch,
        const struct url_query *query, const struct verdict_client *client, int64_t now,
        struct url_verdict *ret_verdict, struct verdict_explanation *ret_explanation);
void verdict_explain_file(const struct snapshot *snapshot, const struct digest *digest, int64_t now,
        struct file_verdict *ret_verdict, struct verdict_explanation *ret_explanation);

#endif
