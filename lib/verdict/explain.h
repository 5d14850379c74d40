#ifndef LIB_VERDICT_EXPLAIN_H
#define LIB_VERDICT_EXPLAIN_H

#include "lib/verdict/verdict.h"

/* Collecting what applied, in the order of decision; for verdict.c only. */

/* `ranks` sort the matches: smaller decides first. */
struct explaining {
	struct verdict_explanation *explanation;
	struct {
		uint32_t order; /* of the list, the pattern last */
		uint32_t specificity; /* larger first */
	} ranks[VERDICT_MATCHES_MAX];
};

void explain_start(struct explaining *explaining, struct verdict_explanation *explanation);

/* Puts the match in its place; of too many the last are dropped. An entry that came already (by
 * `order` and id, not 0) is not taken twice. */
void explain_add(struct explaining *explaining, uint32_t order, uint32_t specificity,
        const struct verdict_match *match);

/* A copy of `text` that lives as long as the explanation; "" when it is full. */
const char *explain_keep_text(
        struct explaining *explaining, const char *text, size_t length, uint32_t *ret_length);

/* Marks what decided: the match of this source, id and text. */
void explain_mark(struct explaining *explaining, uint8_t source, int64_t id, const char *text);

#endif
