#ifndef TESTS_BENCH_REQUESTS_H
#define TESTS_BENCH_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/*
 * The requests that the load generator sends, made beforehand, with what the answers must hold.
 *
 * A line of a list is a target (or, in a list of bodies, a JSON body), then, each behind a TAB,
 * texts of which the answer's body must hold at least one. "#50:text" means exactly 50 times.
 */
struct request {
	size_t start; /* in the text of the list */
	uint32_t length;
	uint32_t expected_length; /* 0: anything will do */
	const char *expected;
};

struct requests {
	struct request *items;
	size_t count;
	struct buf text; /* all requests one behind the other */
	char *file; /* the list, which the expected texts are in */
};

struct requests_options {
	const char *host; /* value of the Host header */
	const char *target; /* without a list, or of every body */
	const char *targets_file; /* list of targets, or NULL */
	const char *bodies_file; /* list of bodies, or NULL */
	const char *headers; /* further lines, each with its CRLF; "" for none */
};

/* Ends the program with a message when a list cannot be read. */
void requests_make(struct requests *requests, const struct requests_options *options);

bool requests_answer_is_right(const struct request *request, const char *body, size_t length);

#endif
