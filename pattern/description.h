#ifndef PATTERN_DESCRIPTION_H
#define PATTERN_DESCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/lookup/web_pattern.h"
#include "pattern/feed.h"

/* What is to be compiled: docs/pattern-description.md, read and checked. */

#define DESCRIPTION_SIZE_MAX (1024 * 1024)
#define DESCRIPTION_INPUTS_MAX 1024
#define DESCRIPTION_BENIGN_MAX 256
#define DESCRIPTION_ALLOW_MAX 10000
#define DESCRIPTION_NAME_MAX 64
#define DESCRIPTION_VERSION_MAX 64
#define DESCRIPTION_PATH_MAX 4095

enum description_kind { DESCRIPTION_BAD, DESCRIPTION_GOOD, DESCRIPTION_EXCLUDE };
const char *description_kind_name(enum description_kind kind);

struct description_input {
	const char *path; /* as it stands there */
	const struct feed_format *format;
	const char *source;
	enum description_kind kind;
	struct web_value value; /* of web entries; origins is the bit of the source */
	unsigned source_index; /* into the description's sources */
	struct feed_columns columns;
	const char *name; /* of threats; "" when there is none */
};

struct description {
	const char *name;
	const char *version; /* NULL when not given */
	struct description_input *inputs;
	size_t input_count;
	const char *sources[PATTERN_SOURCES_MAX]; /* distinct, sorted by their bytes */
	size_t source_count;
	const char **benign;
	size_t benign_count;
	const char **allow_site;
	size_t allow_site_count;
	void *document; /* owns the texts */
};

/*
 * Reads and checks `length` bytes. SK_E_SYNTAX (also for values out of range) with the place and
 * the reason in `error`: "line 3, column 9: …" or "/inputs/0/score: …"; SK_E_LIMIT when larger than
 * DESCRIPTION_SIZE_MAX; -ENOMEM. The result lives until description_release.
 */
int description_parse(const char *text, size_t length, struct description *ret_description,
        struct error *error) SK_MUST_USE;

void description_release(struct description *description);

/* Whether a version is of allowed form: 1–64 of letters, digits, "._+-". */
bool description_version_is_good(const char *version);

#endif
