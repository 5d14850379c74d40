#include "tests/bench/requests.h"

#include <errno.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"

#define LIST_MAX ((size_t)1 << 30)
#define TEXT_MAX ((size_t)3 << 30)

static void die(const char *what, int status)
{
	fprintf(stderr, "load: %s: %s\n", what, sk_strerror(status));
	exit(1);
}

static void add_request(struct requests *requests, const struct requests_options *options,
        const char *item, size_t length)
{
	struct buf *text = &requests->text;
	struct request *request = &requests->items[requests->count++];
	bool post = options->bodies_file != NULL;
	const char *tab = memchr(item, '\t', length);
	size_t item_length = tab != NULL ? (size_t)(tab - item) : length;
	*request = (struct request){.start = text->length};
	if (tab != NULL) {
		request->expected = tab + 1;
		request->expected_length = (uint32_t)(length - item_length - 1);
	}
	buf_add_text(text, post ? "POST " : "GET ");
	if (post) {
		buf_add_text(text, options->target);
	} else {
		buf_add(text, item, item_length);
	}
	buf_add_format(text, " HTTP/1.1\r\nHost: %s\r\n", options->host);
	buf_add_text(text, options->headers);
	if (post) {
		buf_add_format(text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		        item_length);
	}
	buf_add_literal(text, "\r\n");
	if (post) {
		buf_add(text, item, item_length);
	}
	if (buf_status(text) != 0) {
		die("requests", buf_status(text));
	}
	request->length = (uint32_t)(text->length - request->start);
}

void requests_make(struct requests *requests, const struct requests_options *options)
{
	const char *path =
	        options->bodies_file != NULL ? options->bodies_file : options->targets_file;
	size_t file_length = 0, lines = 1;
	*requests = (struct requests){0};
	if (path != NULL) {
		int status = file_read(path, LIST_MAX, &requests->file, &file_length);
		if (status != 0) {
			die(path, status);
		}
	}
	for (size_t i = 0; i < file_length; i++) {
		lines += requests->file[i] == '\n';
	}
	requests->items = mem_new(lines, sizeof(*requests->items));
	if (requests->items == NULL) {
		die("requests", -ENOMEM);
	}
	buf_init(&requests->text, TEXT_MAX);
	if (path == NULL) {
		add_request(requests, options, options->target, strlen(options->target));
	}
	for (size_t at = 0; at < file_length;) {
		const char *line = requests->file + at;
		const char *stop = memchr(line, '\n', file_length - at);
		size_t length = stop != NULL ? (size_t)(stop - line) : file_length - at;
		if (length > 0) {
			add_request(requests, options, line, length);
		}
		at += length + 1;
	}
	if (requests->count == 0) {
		die(path, -ENODATA);
	}
}

static bool holds(const char *expected, size_t size, const char *body, size_t length)
{
	if (size == 0 || expected[0] != '#') {
		return memmem(body, length, expected, size) != NULL;
	}
	const char *colon = memchr(expected, ':', size);
	uint64_t wanted;
	if (colon == NULL || number_parse_u64(expected + 1, (size_t)(colon - expected) - 1,
	                             UINT32_MAX, &wanted) != 0) {
		return false;
	}
	const char *text = colon + 1;
	size_t text_size = size - (size_t)(text - expected);
	uint64_t found = 0;
	for (const char *at = body;
	        (at = memmem(at, length - (size_t)(at - body), text, text_size));) {
		found++;
		at += text_size;
	}
	return found == wanted;
}

bool requests_answer_is_right(const struct request *request, const char *body, size_t length)
{
	const char *expected = request->expected;
	size_t left = request->expected_length;
	if (left == 0) {
		return true;
	}
	for (;;) {
		const char *tab = memchr(expected, '\t', left);
		size_t size = tab != NULL ? (size_t)(tab - expected) : left;
		if (holds(expected, size, body, length)) {
			return true;
		}
		if (tab == NULL) {
			return false;
		}
		expected += size + 1;
		left -= size + 1;
	}
}
