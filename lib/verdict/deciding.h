#ifndef LIB_VERDICT_DECIDING_H
#define LIB_VERDICT_DECIDING_H

#include "lib/verdict/explain.h"
#include "lib/verdict/verdict.h"

/* What verdict.c and lists.c share: a decision on its way. */

struct verdict_scratch {
	struct keyword_scratch *keywords;
	uint32_t *indexes; /* what one set matched */
	size_t maximum;
};

/* The best entry of a list so far. */
struct winner {
	int64_t id;
	int64_t expires;
	uint32_t specificity;
	bool found;
	uint8_t action; /* enum object_action */
	uint8_t cnc_level;
};

struct deciding {
	const struct snapshot *snapshot;
	const struct url_query *query; /* NULL for a file */
	const struct digest *digest; /* NULL for a URL */
	const struct verdict_client *client;
	int64_t now;
	struct explaining *explaining; /* NULL when nobody asks why */
	struct winner best[POLICY_LIST_COUNT];
};

/* The list that is asked at `order`, from 0 on. */
enum policy_list lists_at(const struct snapshot *snapshot, unsigned order);
#define LISTS_ORDER_OF_PATTERN POLICY_LIST_COUNT

enum verdict_source lists_source(enum policy_list list);

/* Lets every entry of rules and objects that may decide the URL, or the file, compete for its list
 * in deciding->best. The URL is prepared (lists_prepare, behind the hashes for the pattern). */
void lists_look_up_url(struct deciding *deciding, struct verdict_scratch *scratch);
void lists_look_up_file(struct deciding *deciding);

/* Hashes for the levels what the pattern has not hashed, and starts fetching. */
void lists_prepare(const struct snapshot *snapshot, struct url_query *query);

/* The hashes of all hosts of a query under a key. */
void lists_hash_hosts(const struct siphash_key *key, const struct url_query *query,
        struct siphash *ret_states, struct siphash_value *ret_values);

#endif
