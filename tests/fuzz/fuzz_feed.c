/*
 * Every reader of feeds: the first byte chooses the format, the second one whether columns are
 * given by number, by name or not at all, the rest is the list. The sink takes the values as the
 * build does: URLs and hosts through canonicalization.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/data/url.h"
#include "pattern/feed.h"
#include "pattern/threat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char fuzz_space[URL_TEXT_MAX];
static volatile unsigned char fuzz_sum; /* so that every byte given is read */

static void fuzz_read(const char *text, size_t length)
{
	unsigned char sum = 0;
	for (size_t i = 0; i < length; i++) {
		sum = (unsigned char)(sum + (unsigned char)text[i]);
	}
	fuzz_sum = sum;
}

static int fuzz_refuse(struct feed_sink *sink, const char *reason)
{
	if (reason == NULL || reason[0] == '\0') {
		abort();
	}
	fuzz_read(sink->place.text, sink->place.length);
	return 0;
}

static int fuzz_url(struct feed_sink *sink, const char *text, size_t length)
{
	struct url url;
	const char *reason = NULL;
	fuzz_read(text, length);
	if (url_canonicalize(text, length, fuzz_space, sizeof(fuzz_space), &url, &reason) != 0) {
		return fuzz_refuse(sink, reason);
	}
	return 0;
}

static int fuzz_host(struct feed_sink *sink, const char *text, size_t length)
{
	struct url url;
	const char *reason = NULL;
	fuzz_read(text, length);
	if (url_from_host(text, length, fuzz_space, sizeof(fuzz_space), &url, &reason) != 0) {
		return fuzz_refuse(sink, reason);
	}
	return 0;
}

static int fuzz_prefix(struct feed_sink *sink, const struct address_prefix *prefix)
{
	(void)sink;
	if (prefix->length > (prefix->address.family == ADDRESS_V4 ? 32 : 128)) {
		abort();
	}
	return 0;
}

static int fuzz_digest(
        struct feed_sink *sink, const struct digest *digest, const char *name, size_t name_length)
{
	char clean[LIMIT_THREAT_NAME + 1];
	(void)sink;
	if (digest->kind >= DIGEST_KIND_COUNT) {
		abort();
	}
	threat_clean_name(name, name_length, clean);
	(void)threat_kind_of_name(clean, strlen(clean));
	return 0;
}

static int fuzz_match(struct feed_sink *sink, enum feed_match match, const char *text,
        size_t length, bool caseless)
{
	(void)sink;
	(void)match;
	(void)caseless;
	fuzz_read(text, length);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct feed_columns numbered = {.roles = {[FEED_URL] = {1, NULL},
	                                                     [FEED_HOST] = {2, NULL},
	                                                     [FEED_PATH] = {3, NULL},
	                                                     [FEED_VALUE] = {4, NULL},
	                                                     [FEED_DIGEST] = {5, NULL},
	                                                     [FEED_NAME] = {6, NULL}},
	        .minimum_count = 2};
	static const struct feed_columns named = {
	        .roles = {[FEED_VALUE] = {0, "value"}, [FEED_NAME] = {0, "name"}}};
	const struct feed_columns *columns[] = {NULL, &numbered, &named};
	size_t formats = 0;
	while (feed_format_at(formats) != NULL) {
		formats++;
	}
	if (size < 2) {
		return 0;
	}
	struct error error = {0};
	struct input *input;
	struct feed_sink sink = {.url = fuzz_url,
	        .host = fuzz_host,
	        .prefix = fuzz_prefix,
	        .digest = fuzz_digest,
	        .match = fuzz_match,
	        .refuse = fuzz_refuse};
	if (input_over(data + 2, size - 2, &input) != 0) {
		return 0;
	}
	/* There is nothing to fail on but memory and warninglists of more than their maximum. */
	int status = feed_read(
	        feed_format_at(data[0] % formats), columns[data[1] % 3], input, &sink, &error);
	if (status > 0) {
		abort();
	}
	input_close(input);
	return 0;
}
