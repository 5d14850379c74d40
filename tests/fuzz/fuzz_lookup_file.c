#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/web_pattern.h"

/*
 * A lookup file that somebody crafted: the input is given a right size and checksum, then opened as
 * each kind of pattern, and everything that opens is asked for.
 */
#define INPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touch_entry(void *context, const struct lookup_key *key,
        const struct address_prefix *prefix, const struct web_value *value)
{
	const struct web_pattern *pattern = context;
	if (value->score > 100) {
		abort();
	}
	if (key != NULL) {
		struct siphash_value host = {key->low, key->high};
		web_pattern_prefetch_host(pattern, host);
		web_pattern_prefetch(pattern, *key);
		web_pattern_prefetch_slot(pattern, *key);
		(void)web_pattern_may_have_host(pattern, host);
		/* Whatever is in it must be found again. */
		if (web_pattern_find(pattern, *key) != value) {
			abort();
		}
		return 0;
	}
	struct address_prefix inner;
	const struct web_value *found =
	        web_pattern_find_address(pattern, &prefix->address, NULL, &inner);
	while (found != NULL && inner.length != prefix->length) {
		found = web_pattern_find_address(pattern, &prefix->address, &inner, &inner);
	}
	if (found != value) {
		abort();
	}
	return 0;
}

static int touch_digest(void *context, const struct digest *digest, const struct file_value *value)
{
	struct file_value found;
	file_pattern_prefetch(context, digest);
	file_pattern_prefetch_slot(context, digest);
	if (!file_pattern_find(context, digest, &found) || found.name != value->name ||
	        strlen(value->name) > INPUT_MAX) {
		abort();
	}
	return 0;
}

/* Names and version end inside the file. */
static void touch_info(const struct pattern_info *info)
{
	size_t total = strlen(info->name) + strlen(info->version);
	for (size_t i = 0; i < info->source_count; i++) {
		total += strlen(info->sources[i]);
	}
	if (total > INPUT_MAX) {
		abort();
	}
}

static void open_web(const uint8_t *data, size_t size)
{
	struct lookup_file *file;
	struct web_pattern *pattern;
	struct error error = {0};
	if (lookup_file_over(data, size, LOOKUP_KIND_WEB, &file, &error) != 0) {
		return;
	}
	if (web_pattern_open(file, &pattern, &error) != 0) {
		lookup_file_close(file);
		return;
	}
	touch_info(web_pattern_info(pattern));
	(void)web_pattern_visit(pattern, touch_entry, pattern);
	web_pattern_close(pattern);
}

static void open_files(const uint8_t *data, size_t size)
{
	struct lookup_file *file;
	struct file_pattern *pattern;
	struct error error = {0};
	if (lookup_file_over(data, size, LOOKUP_KIND_FILES, &file, &error) != 0) {
		return;
	}
	if (file_pattern_open(file, &pattern, &error) != 0) {
		lookup_file_close(file);
		return;
	}
	touch_info(file_pattern_info(pattern));
	(void)file_pattern_visit(pattern, touch_digest, pattern);
	file_pattern_close(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 8 + SHA256_SIZE || size > INPUT_MAX) {
		return 0;
	}
	uint8_t *copy = mem_new(size, 1);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, data, size);
	bytes_put_le64(copy + size - SHA256_SIZE - 8, size);
	if (sha256(copy, size - SHA256_SIZE, copy + size - SHA256_SIZE) == 0) {
		open_web(copy, size);
		open_files(copy, size);
	}
	mem_free(copy);
	return 0;
}
