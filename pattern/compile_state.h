#ifndef PATTERN_COMPILE_STATE_H
#define PATTERN_COMPILE_STATE_H

#include "lib/lookup/pattern_builder.h"
#include "pattern/compile.h"
#include "pattern/exclude.h"
#include "pattern/safety.h"

/* What the parts of a build share. Private to pattern/compile.c and pattern/collect.c. */
struct compile {
	const struct compile_job *job;
	struct error *error;
	struct report report;
	struct siphash_key key;
	struct web_builder *web;
	struct file_builder *files;
	struct exclude *exclude;
	struct safety *safety;
	bool excludes; /* there is something to be excluded */
	uint64_t web_entries, file_entries; /* given to the builders */
};

/* Where refused lines go, within the output folder. */
#define COMPILE_REFUSED_FOLDER "refused"

/* Reads one list (an input, or behind those a benign list) into builders, exclusions or safety. */
int collect_list(struct compile *compile, size_t index) SK_MUST_USE;

#endif
