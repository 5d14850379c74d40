#include "lib/verdict/explain.h"

#include <string.h>

void explain_start(struct explaining *explaining, struct verdict_explanation *explanation)
{
	explaining->explanation = explanation;
	explanation->count = 0;
	explanation->more = false;
	explanation->text_used = 0;
}

/* Does a match of this rank and id decide before match number `i`? */
static bool comes_before(const struct explaining *explaining, size_t i, uint32_t order,
        uint32_t specificity, int64_t id)
{
	if (explaining->ranks[i].order != order) {
		return order < explaining->ranks[i].order;
	}
	if (explaining->ranks[i].specificity != specificity) {
		return specificity > explaining->ranks[i].specificity;
	}
	return id < explaining->explanation->matches[i].id;
}

void explain_add(struct explaining *explaining, uint32_t order, uint32_t specificity,
        const struct verdict_match *match)
{
	struct verdict_explanation *explanation = explaining->explanation;
	size_t place = 0;
	for (size_t i = 0; i < explanation->count; i++) {
		if (match->id != 0 && explanation->matches[i].id == match->id &&
		        explaining->ranks[i].order == order) {
			return;
		}
		place += !comes_before(explaining, i, order, specificity, match->id);
	}
	explanation->more |= explanation->count == VERDICT_MATCHES_MAX;
	if (place == VERDICT_MATCHES_MAX) {
		return;
	}
	size_t behind = explanation->count - place;
	if (explanation->count == VERDICT_MATCHES_MAX) {
		behind--;
	} else {
		explanation->count++;
	}
	memmove(&explanation->matches[place + 1], &explanation->matches[place],
	        behind * sizeof(explanation->matches[0]));
	memmove(&explaining->ranks[place + 1], &explaining->ranks[place],
	        behind * sizeof(explaining->ranks[0]));
	explanation->matches[place] = *match;
	explaining->ranks[place].order = order;
	explaining->ranks[place].specificity = specificity;
}

const char *explain_keep_text(
        struct explaining *explaining, const char *text, size_t length, uint32_t *ret_length)
{
	struct verdict_explanation *explanation = explaining->explanation;
	*ret_length = 0;
	if (length > sizeof(explanation->text_space) - explanation->text_used) {
		return "";
	}
	char *copy = explanation->text_space + explanation->text_used;
	memcpy(copy, text, length);
	explanation->text_used += length;
	*ret_length = (uint32_t)length;
	return copy;
}

void explain_mark(struct explaining *explaining, uint8_t source, int64_t id, const char *text)
{
	struct verdict_explanation *explanation = explaining->explanation;
	for (size_t i = 0; i < explanation->count; i++) {
		struct verdict_match *match = &explanation->matches[i];
		if (match->source == source && match->id == id &&
		        (text == NULL || match->text == text)) {
			match->winner = true;
			return;
		}
	}
}
