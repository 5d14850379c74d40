/*
 * The real canonicalization behind a pipe, for tests/reference/differential.py.
 *
 * Standard input: records of one kind byte ('u' a URL, 'h' a host alone), a big-endian u32 length
 * and the bytes. Standard output: for each a big-endian u32 length and a text: the name of the
 * error, or lines: canonical text, host, path, query, address, hosts of the expressions, their
 * paths (joined by blanks, which no canonical text has).
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/mem.h"
#include "lib/data/url.h"

#define RECORD_MAX (1024 * 1024)

static char space[URL_TEXT_MAX];
static char again_space[URL_TEXT_MAX];

static int canonicalize(
        char kind, const char *input, size_t length, char *to, size_t size, struct url *ret_url)
{
	const char *reason = NULL;
	int rc = kind == 'h' ? url_from_host(input, length, to, size, ret_url, &reason)
	                     : url_canonicalize(input, length, to, size, ret_url, &reason);
	if (rc != 0 && reason == NULL) {
		return SK_E_INTERNAL; /* the contract promises a reason */
	}
	return rc;
}

/* Canonical text must be a fixed point, part by part. */
static bool is_stable(const struct url *url)
{
	struct url again;
	if (url->length > LIMIT_URL) {
		return true;
	}
	if (canonicalize('u', url->text, url->length, again_space, sizeof(again_space), &again) !=
	        0) {
		return false;
	}
	return again.length == url->length && memcmp(again.text, url->text, url->length) == 0 &&
	       again.host_start == url->host_start && again.host_length == url->host_length &&
	       again.path_start == url->path_start && again.path_length == url->path_length &&
	       again.query_length == url->query_length &&
	       address_compare(&again.address, &url->address) == 0;
}

static void add_parts(
        struct buf *out, const struct url *url, const struct url_part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			buf_add_char(out, ' ');
		}
		buf_add(out, url->text + parts[i].start, parts[i].length);
	}
}

static void add_url(struct buf *out, const struct url *url)
{
	struct url_expressions expressions;
	char address[ADDRESS_TEXT_SIZE] = "";
	size_t address_length = 0;
	url_expressions(url, &expressions);
	if (url->address.family != ADDRESS_NONE) {
		address_length = address_format(&url->address, address);
	}
	buf_add(out, url->text, url->length);
	buf_add_char(out, '\n');
	buf_add(out, url->text + url->host_start, url->host_length);
	buf_add_char(out, '\n');
	buf_add(out, url->text + url->path_start, url->path_length);
	buf_add_char(out, '\n');
	buf_add(out, url->text + url->path_start + url->path_length, url->query_length);
	buf_add_char(out, '\n');
	buf_add(out, address, address_length);
	buf_add_char(out, '\n');
	add_parts(out, url, expressions.hosts, expressions.host_count);
	buf_add_char(out, '\n');
	add_parts(out, url, expressions.paths, expressions.path_count);
	if (!is_stable(url)) {
		buf_add_literal(out, "\nNOT STABLE");
	}
}

static bool answer(char kind, const char *input, size_t length, struct buf *out)
{
	struct url url;
	char size[4];
	buf_clear(out);
	int rc = canonicalize(kind, input, length, space, sizeof(space), &url);
	if (rc == 0) {
		add_url(out, &url);
	} else {
		buf_add_text(out, sk_error_name(rc));
	}
	bytes_put_be32(size, (uint32_t)out->length);
	return buf_status(out) == 0 && fwrite(size, sizeof(size), 1, stdout) == 1 &&
	       fwrite(out->data, 1, out->length, stdout) == out->length;
}

/* Reads one record and answers it: 1, 0 at the end, -1 on failure. The input lies in memory of
 * exactly its size, so that a sanitizer sees every byte read behind it. */
static int answer_next(struct buf *out)
{
	unsigned char head[5];
	size_t got = fread(head, 1, sizeof(head), stdin);
	if (got == 0) {
		return 0;
	}
	size_t length = bytes_get_be32(head + 1);
	if (got != sizeof(head) || length > RECORD_MAX) {
		return -1;
	}
	char *input = mem_new(length > 0 ? length : 1, 1);
	if (input == NULL) {
		return -1;
	}
	bool good = fread(input, 1, length, stdin) == length &&
	            answer((char)head[0], input, length, out);
	mem_free(input);
	return good ? 1 : -1;
}

int main(void)
{
	struct buf out;
	int rc;
	buf_init(&out, 8 * URL_TEXT_MAX * URL_HOSTS_MAX);
	do {
		rc = answer_next(&out);
	} while (rc == 1);
	buf_release(&out);
	if (rc != 0 || fflush(stdout) != 0) {
		fprintf(stderr, "canonical_tool: reading or writing failed\n");
		return 1;
	}
	return 0;
}
