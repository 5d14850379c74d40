#ifndef BACKEND_OVERLAY_H
#define BACKEND_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/store.h"
#include "lib/lookup/policy.h"

/*
 * The overlay: what changed since the base, as a policy file in memory, built in milliseconds.
 *
 * Keyword rules in it need a compiled set, which is made in a job. So that nothing else waits for
 * that, an overlay can be built that has exactly the keyword entries of an earlier one, `known`,
 * whose set is compiled already: new and changed keyword rules are not in it yet (what they replace
 * in the base stays in effect), and those that are gone are in it as expired.
 */
struct overlay_request {
	struct store *store;
	const struct policy *base;
	int64_t base_revision;
	bool full; /* with all keyword rules, whether known or not */
	const struct policy *known; /* NULL: none */
};

struct overlay {
	int fd; /* sealed, in memory; -1: none */
	struct policy *policy;
	bool missing; /* keyword rules that are not in it yet */
	bool uses_known; /* its keyword entries are those of `known` */
	size_t changes; /* entries and removals */
	size_t keywords;
};

int overlay_build(const struct overlay_request *request, struct overlay *ret_overlay,
        struct error *error) SK_MUST_USE;
void overlay_release(struct overlay *overlay); /* a zeroed one with fd -1 is allowed */

#endif
