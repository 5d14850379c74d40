#ifndef LIB_NET_HTTP_PARSER_H
#define LIB_NET_HTTP_PARSER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/limits.h"

/*
 * One HTTP/1.x request at a time out of a buffer that holds it from its first byte. llhttp (strict)
 * reads the grammar; what it is lenient about, and what our limits forbid, is refused here:
 * docs/query-api.md, "Refused and closed". Feeding a request in pieces gives the same result as
 * feeding it whole. No allocation; a parser belongs to one thread at a time.
 */

/* Header fields that something asks for; all others are only checked and counted. */
enum http_field {
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_CLIENT_GUID,
	HTTP_FIELD_SERVER_GUID,
	HTTP_FIELD_CLIENT_NAME,
	HTTP_FIELD_CLIENT_DOMAIN,
	HTTP_FIELD_PRODUCT_ENTITY,
	HTTP_FIELD_COUNT
};

/* Methods that RFC 9110 and RFC 5789 define; any other is HTTP_PROBLEM_NOT_IMPLEMENTED. */
enum http_request_method {
	HTTP_REQUEST_GET,
	HTTP_REQUEST_HEAD,
	HTTP_REQUEST_POST,
	HTTP_REQUEST_OTHER /* known, answered by none of our paths */
};

/* Why a request is refused; the connection is closed after the answer. */
enum http_problem {
	HTTP_PROBLEM_NONE,
	HTTP_PROBLEM_BAD_REQUEST, /* 400 */
	HTTP_PROBLEM_TIMEOUT, /* 408 */
	HTTP_PROBLEM_LENGTH_REQUIRED, /* 411 */
	HTTP_PROBLEM_BODY_TOO_LARGE, /* 413 */
	HTTP_PROBLEM_TARGET_TOO_LONG, /* 414 */
	HTTP_PROBLEM_EXPECTATION_FAILED, /* 417 */
	HTTP_PROBLEM_HEADERS_TOO_LARGE, /* 431 */
	HTTP_PROBLEM_NOT_IMPLEMENTED, /* 501 */
	HTTP_PROBLEM_BUSY, /* 503 */
	HTTP_PROBLEM_VERSION_NOT_SUPPORTED, /* 505 */
	HTTP_PROBLEM_COUNT
};

#define HTTP_TARGET_MAX (3 * LIMIT_URL + 64)
#define HTTP_METHOD_MAX 32
/* The most that a head can have: request line and header fields. */
#define HTTP_HEAD_MAX (HTTP_METHOD_MAX + HTTP_TARGET_MAX + LIMIT_HTTP_HEADER_BYTES)

struct http_text {
	const char *data;
	uint32_t length;
};

/* A complete request; everything points into the buffer that was parsed. */
struct http_request {
	uint8_t method; /* enum http_request_method */
	uint8_t minor; /* HTTP/1.minor */
	bool keep_alive; /* as the client wants it */
	uint32_t length; /* of the whole: head and body */
	struct http_text target; /* origin form; "*" of OPTIONS */
	struct http_text fields[HTTP_FIELD_COUNT]; /* data NULL when absent */
	char *body; /* may be changed in place */
	uint32_t body_length;
};

struct http_span {
	uint32_t start, length;
};

struct http_parser {
	llhttp_t llhttp;
	const char *base; /* only during http_parser_run */
	uint32_t parsed; /* bytes that llhttp has seen */
	uint32_t head_length; /* 0 until the head is complete */
	uint32_t content_length;
	struct http_span target, name, value; /* of the header field being read */
	struct http_span fields[HTTP_FIELD_COUNT];
	uint32_t seen; /* bit per enum http_field */
	uint16_t field_count;
	uint8_t state; /* private */
	uint8_t problem; /* enum http_problem */
	uint8_t lead; /* bytes of an empty line before the request: 0 or 2 */
	bool wants_continue; /* Expect: 100-continue, body not there yet */
	const char *detail; /* what is wrong, static text */
};

enum http_progress {
	HTTP_MORE, /* incomplete so far */
	HTTP_COMPLETE, /* http_parser_request tells it all */
	HTTP_REFUSED /* parser->problem and detail */
};

/* Ready for the first byte of a request. */
void http_parser_reset(struct http_parser *parser);

/* `data`: the request from its first byte, of which `length` bytes have come (> 0). May lie
 * elsewhere at the next call, then with the same bytes and more. */
enum http_progress http_parser_run(struct http_parser *parser, const char *data, size_t length);

/* Is the head complete (so that what is missing is body)? */
static inline bool http_parser_in_body(const struct http_parser *parser)
{
	return parser->head_length > 0;
}

/* After HTTP_COMPLETE, with the same data. */
void http_parser_request(
        const struct http_parser *parser, char *data, struct http_request *ret_request);

#endif
