#ifndef BACKEND_PATTERN_LOAD_H
#define BACKEND_PATTERN_LOAD_H

#include "backend/store/patterns.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/web_pattern.h"

/* A pattern file in memory. */
struct pattern_load {
	struct web_pattern *web; /* one of both */
	struct file_pattern *files;
};

/* Loads and verifies the file, then tests it: entries that it says it has are found, and questions
 * that any pattern must answer are answered. Any thread. */
int pattern_load_file(struct pattern_load *load, const char *path, enum pattern_kind kind,
        struct error *error) SK_MUST_USE;
void pattern_load_release(struct pattern_load *load);

#endif
