#ifndef QUERYD_ANSWER_H
#define QUERYD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/verdict/verdict.h"
#include "queryd/generation.h"
#include "queryd/problem.h"

/*
 * Answers as text: heads, and the JSON bodies of docs/query-api.md, put together from pieces that
 * were made once. Everything is added to a fixed buffer; nothing is allocated. Errors stick there.
 */

/* Makes the tables; once, before the first thread starts. */
void answer_start(void);

#define ANSWER_DATE_SIZE 30
/* "Mon, 23 Nov 2026 01:02:03 GMT" with a NUL. */
void answer_format_date(int64_t wall_seconds, char ret_text[ANSWER_DATE_SIZE]);

enum answer_media { ANSWER_JSON, ANSWER_PROBLEM, ANSWER_BINARY };

struct answer_head {
	uint16_t status;
	uint8_t media; /* enum answer_media */
	uint8_t minor; /* of the client's HTTP/1.x */
	bool keep_alive;
	bool body_wanted; /* false for HEAD: the body is measured and left out */
	const char *title;
	const char *date;
	const char *max_age; /* seconds as text; NULL: no-store */
	const char *extra; /* whole header lines, or NULL */
};

/* Where an answer stands in the buffer, between begin and end. */
struct answer_place {
	size_t start, length_at, body_start;
	bool body_wanted;
};

/* Adds the head with room for the length; the caller adds the body; then the length is put in. */
void answer_begin(struct buf *out, const struct answer_head *head, struct answer_place *ret_place);
void answer_end(struct buf *out, const struct answer_place *place);

/* `name` is "url", "name" or "address" with quotation marks and colon: ANSWER_NAME. */
#define ANSWER_NAME(name) "{\"" name "\":"

/* The members of a web answer up to and without "ttl", for text without bytes below 0x20 or above
 * 0x7e. */
void answer_add_url(struct buf *out, const char *name, size_t name_length, const char *text,
        size_t text_length, const struct url_verdict *verdict, const struct generation *generation);

/* The same for a file. */
void answer_add_file(struct buf *out, const struct digest *digest,
        const struct file_verdict *verdict, const struct generation *generation);

/* {"error":{"code":…,"detail":…}} of a bulk entry. */
void answer_add_entry_error(struct buf *out, enum problem problem, const char *detail);

/* The body of a problem document. */
void answer_add_problem(struct buf *out, enum problem problem, const char *detail);

#endif
