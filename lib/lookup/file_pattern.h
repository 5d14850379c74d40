#ifndef LIB_LOOKUP_FILE_PATTERN_H
#define LIB_LOOKUP_FILE_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/data/digest.h"
#include "lib/lookup/lookup_file.h"
#include "lib/lookup/web_pattern.h" /* struct pattern_info */

/* The Smart Scan Pattern: digests of files with what is known of them. */

struct file_value {
	const char *name; /* of the threat, in the file, NUL-terminated; "" when not known */
	uint64_t origins; /* set of indexes into the pattern's sources */
	bool malicious; /* else known good */
	uint8_t kind; /* enum threat_kind */
};

struct file_pattern;

/* Takes over `file` on success. */
int file_pattern_open(struct lookup_file *file, struct file_pattern **ret_pattern,
        struct error *error) SK_MUST_USE;
void file_pattern_close(struct file_pattern *pattern); /* NULL allowed */

/* The pattern's own. */
const struct pattern_info *file_pattern_info(const struct file_pattern *pattern);
const struct lookup_file *file_pattern_file(const struct file_pattern *pattern);

/* No allocation, no lock, any thread. */
void file_pattern_prefetch(const struct file_pattern *pattern, const struct digest *digest);
/* The second access of a digest, to be started some time or a few digests after the first. */
void file_pattern_prefetch_slot(const struct file_pattern *pattern, const struct digest *digest);
bool file_pattern_find(const struct file_pattern *pattern, const struct digest *digest,
        struct file_value *ret_value);

/* Every entry in file order; of a digest the first 16 bytes are known, the rest is zero. */
int file_pattern_visit(const struct file_pattern *pattern,
        int (*visit)(void *context, const struct digest *digest, const struct file_value *value),
        void *context);

#endif
