#ifndef PATTERN_COMPILE_H
#define PATTERN_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "pattern/description.h"
#include "pattern/report.h"

/* The build as a whole: a description in, patterns and report out. */

#define COMPILE_KEY_SIZE 16

struct compile_job {
	const struct description *description;
	unsigned char key[COMPILE_KEY_SIZE];
	const char *version; /* NULL: the description's, or derived from the lists */
	int folder; /* where everything goes; O_PATH suffices */
	uint64_t list_maximum; /* expanded bytes of one list; 0: INPUT_EXPANDED_MAX */
	void *context;
	/* A descriptor of a list, which is closed by the build: those of the inputs first, then
	 * the benign lists, each once and in any order. */
	int (*open_list)(void *context, size_t index, int *ret_fd, struct error *error);
	/* May be NULL. What is going on, 0–100. */
	void (*progress)(void *context, unsigned percent, const char *step);
};

/*
 * Builds web.pattern, files.pattern, report.json and refused/ in the folder. The report is the
 * caller's (report_release) when it succeeds; on failure no pattern in the folder has changed.
 * Errors: of opening and reading lists, -ENOMEM, SK_E_LIMIT (too many entries), SK_E_CORRUPT (the
 * built file does not pass its verification), SK_E_CONFLICT (the safety check does not end).
 */
int compile_run(
        const struct compile_job *job, struct report *ret_report, struct error *error) SK_MUST_USE;

#endif
