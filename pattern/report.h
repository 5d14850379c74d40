#ifndef PATTERN_REPORT_H
#define PATTERN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/web_pattern.h"
#include "pattern/description.h"
#include "pattern/output.h"

/* What a build did: docs/pattern-description.md, "report.json". */

/* Things that are named one by one; all are counted. */
#define REPORT_NAMED_MAX 1000
#define REPORT_SAFETY_MAX 10000
#define REPORT_REASONS_MAX 64

struct report_reason {
	const char *reason; /* static text */
	uint64_t count;
};

/* A list that was read: an input or a benign list. */
struct report_input {
	const char *path; /* the description's */
	uint64_t bytes, lines, blank;
	uint64_t accepted, duplicate, excluded, unsafe, refused;
	struct report_reason reasons[REPORT_REASONS_MAX];
	size_t reason_count;
	char refused_file[OUTPUT_NAME_MAX]; /* "" when none */
	unsigned char digest[SHA256_SIZE]; /* of the expanded bytes */
};

/* Entries that are named: which text, why (a benign name, NULL when none), sources. */
struct report_item {
	char *text;
	char *asked;
	uint64_t bad, good; /* sets of sources */
};

struct report_items {
	struct report_item *items;
	size_t count, capacity, maximum;
	uint64_t total;
};

/* A pattern file. */
struct report_pattern {
	bool there;
	uint64_t size;
	unsigned char checksum[SHA256_SIZE];
	uint64_t urls, v4, v6, digests[3];
	struct build_counts counts;
	struct report_items excluded; /* bad: the source; good: who excludes it */
	struct report_items conflicts;
};

struct report {
	char version[DESCRIPTION_VERSION_MAX + 1];
	double seconds;
	struct report_input *inputs; /* those of the description, then the benign lists */
	size_t input_count, benign_count;
	struct report_pattern web, files;
	uint64_t safety_asked;
	unsigned safety_rounds;
	struct report_items left_out, allowed;
};

/* An empty report over a description. 0 or -ENOMEM. */
int report_init(struct report *report, const struct description *description) SK_MUST_USE;
void report_release(struct report *report);

/* Counts an item, and names it when there is room. `asked` may be NULL. 0 or -ENOMEM. */
int report_add(struct report_items *items, const char *text, size_t length, const char *asked,
        size_t asked_length, uint64_t bad, uint64_t good) SK_MUST_USE;

/* Forgets all items. */
void report_clear(struct report_items *items);

/* The report as JSON with a newline at its end; the caller frees it with mem_free. */
int report_json(const struct report *report, const struct description *description, char **ret_text,
        size_t *ret_length) SK_MUST_USE;

#endif
