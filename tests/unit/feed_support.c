#include "tests/unit/feed_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

static int put_text(struct feed_sink *sink, const char *word, const char *text, size_t length)
{
	struct buf *out = sink->context;
	buf_add_text(out, word);
	buf_add_char(out, ' ');
	buf_add(out, text, length);
	buf_add_char(out, '\n');
	return buf_status(out);
}

static int put_url(struct feed_sink *sink, const char *text, size_t length)
{
	return put_text(sink, "url", text, length);
}

static int put_host(struct feed_sink *sink, const char *text, size_t length)
{
	return put_text(sink, "host", text, length);
}

static int put_prefix(struct feed_sink *sink, const struct address_prefix *prefix)
{
	char text[ADDRESS_PREFIX_TEXT_SIZE];
	size_t length = address_prefix_format(prefix, text);
	return put_text(sink, "prefix", text, length);
}

static int put_digest(
        struct feed_sink *sink, const struct digest *digest, const char *name, size_t name_length)
{
	char text[DIGEST_TEXT_SIZE];
	digest_format(digest, text);
	buf_add_format(sink->context, "digest %s \"%.*s\"\n", text, (int)name_length, name);
	return buf_status(sink->context);
}

static int put_match(struct feed_sink *sink, enum feed_match match, const char *text, size_t length,
        bool caseless)
{
	static const char *const words[] = {"hostname", "cidr", "substring", "regex"};
	return put_text(sink, caseless ? "caseless" : words[match], text, length);
}

static int put_refusal(struct feed_sink *sink, const char *reason)
{
	buf_add_format(
	        sink->context, "refuse %llu %s\n", (unsigned long long)sink->place.line, reason);
	return buf_status(sink->context);
}

char *feed_values_of(
        const char *format, const char *text, size_t length, const struct feed_columns *columns)
{
	struct error error = {0};
	struct input *input;
	struct buf out;
	buf_init(&out, 64 * 1024 * 1024);
	struct feed_sink sink = {.context = &out,
	        .url = put_url,
	        .host = put_host,
	        .prefix = put_prefix,
	        .digest = put_digest,
	        .match = put_match,
	        .refuse = put_refusal};
	assert_non_null(feed_format_find(format));
	assert_int_equal(input_over(text, length, &input), 0);
	assert_int_equal(feed_read(feed_format_find(format), columns, input, &sink, &error), 0);
	input_close(input);
	buf_add_format(&out, "lines %llu blank %llu\n", (unsigned long long)sink.lines,
	        (unsigned long long)sink.blank);
	char *result = buf_take(&out, &length);
	assert_non_null(result);
	return result;
}

char *feed_values(const char *format, const char *text, const struct feed_columns *columns)
{
	return feed_values_of(format, text, strlen(text), columns);
}

void assert_feed_columns(const char *format, const struct feed_columns *columns, const char *text,
        const char *expected)
{
	char *values = feed_values(format, text, columns);
	assert_string_equal(values, expected);
	mem_free(values);
}

void assert_feed(const char *format, const char *text, const char *expected)
{
	assert_feed_columns(format, NULL, text, expected);
}
