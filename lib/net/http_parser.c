#include "lib/net/http_parser.h"

#include <string.h>
#include <strings.h>

#include "lib/base/limits.h"
#include "lib/base/number.h"

enum parser_state { STATE_START, STATE_TARGET, STATE_NAME, STATE_VALUE, STATE_DONE };

/* llhttp ends a callback with this to report that the request is refused. */
#define STOP (-1)

static int refuse(struct http_parser *parser, enum http_problem problem, const char *detail)
{
	if (parser->problem == HTTP_PROBLEM_NONE) {
		parser->problem = (uint8_t)problem;
		parser->detail = detail;
	}
	return STOP;
}

static int malformed(struct http_parser *parser, const char *detail)
{
	return refuse(parser, HTTP_PROBLEM_BAD_REQUEST, detail);
}

/* ---- the gaps between what llhttp reports: here it is lenient ---- */

/* Blanks only from `from` up to a CRLF that ends at `to`? Anything else there is a folded line, a
 * bare CR or a bare LF. */
static bool is_line_end(const char *base, uint32_t from, uint32_t to)
{
	if (to < from + 2 || base[to - 2] != '\r' || base[to - 1] != '\n') {
		return false;
	}
	for (uint32_t i = from; i < to - 2; i++) {
		if (base[i] != ' ' && base[i] != '\t') {
			return false;
		}
	}
	return true;
}

/* "target HTTP/1.1CRLF": the version is eight characters between one blank and the line's end. */
static bool is_version_gap(const struct http_parser *parser, uint32_t to)
{
	uint32_t stop = parser->target.start + parser->target.length;
	const char *base = parser->base;
	return to == stop + 11 && base[stop] == ' ' && memcmp(base + stop + 1, "HTTP/", 5) == 0 &&
	       base[to - 2] == '\r' && base[to - 1] == '\n';
}

/* ---- header fields ---- */

static const struct {
	const char *name;
	uint8_t length;
	uint8_t field; /* enum http_field */
} field_names[] = {
        /* by length, see names_by_length */
        {"host", 4, HTTP_FIELD_HOST},
        {"expect", 6, HTTP_FIELD_EXPECT},
        {"content-type", 12, HTTP_FIELD_CONTENT_TYPE},
        {"x-client-guid", 13, HTTP_FIELD_CLIENT_GUID},
        {"x-client-name", 13, HTTP_FIELD_CLIENT_NAME},
        {"x-server-guid", 13, HTTP_FIELD_SERVER_GUID},
        {"content-length", 14, HTTP_FIELD_CONTENT_LENGTH},
        {"x-client-domain", 15, HTTP_FIELD_CLIENT_DOMAIN},
        {"x-product-entity", 16, HTTP_FIELD_PRODUCT_ENTITY},
        {"transfer-encoding", 17, HTTP_FIELD_TRANSFER_ENCODING},
};

/* First entry of field_names for each length of a name, plus 1; 0 for none. */
static const uint8_t names_by_length[18] = {
        [4] = 1, [6] = 2, [12] = 3, [13] = 4, [14] = 7, [15] = 8, [16] = 9, [17] = 10};

/* enum http_field, or -1. */
static int find_field(const char *name, uint32_t length)
{
	if (length >= SK_COUNT(names_by_length) || names_by_length[length] == 0) {
		return -1;
	}
	for (size_t i = names_by_length[length] - 1u;
	        i < SK_COUNT(field_names) && field_names[i].length == length; i++) {
		if (strncasecmp(field_names[i].name, name, length) == 0) {
			return field_names[i].field;
		}
	}
	return -1;
}

static struct http_span trimmed(const char *base, struct http_span span)
{
	while (span.length > 0 && (base[span.start + span.length - 1] == ' ' ||
	                                  base[span.start + span.length - 1] == '\t')) {
		span.length--;
	}
	return span;
}

/* The field being read ends where the next one, or the empty line, starts. */
static int finish_field(struct http_parser *parser, uint32_t next)
{
	const char *base = parser->base;
	uint32_t colon = parser->name.start + parser->name.length;
	if (parser->state == STATE_NAME) {
		parser->value = (struct http_span){colon + 1, 0};
	}
	if (parser->name.length == 0 || base[colon] != ':' ||
	        !is_line_end(base, parser->value.start + parser->value.length, next)) {
		return malformed(parser, "a header line is folded, or does not end in CR LF");
	}
	for (uint32_t i = colon + 1; i < parser->value.start; i++) {
		if (base[i] != ' ' && base[i] != '\t') {
			return malformed(parser, "a header line is folded");
		}
	}
	int field = find_field(base + parser->name.start, parser->name.length);
	if (field >= 0) {
		if ((parser->seen & (1u << field)) != 0) {
			return field == HTTP_FIELD_TRANSFER_ENCODING
			               ? refuse(parser, HTTP_PROBLEM_LENGTH_REQUIRED,
			                         "Transfer-Encoding is not supported")
			               : malformed(parser, "a header field is given twice");
		}
		parser->seen |= 1u << field;
		parser->fields[field] = trimmed(base, parser->value);
	}
	if (++parser->field_count > LIMIT_HTTP_HEADERS) {
		return refuse(parser, HTTP_PROBLEM_HEADERS_TOO_LARGE, "too many header fields");
	}
	return 0;
}

/* ---- what llhttp calls ---- */

/* Extends `span` by a piece that llhttp reports; false when it does not follow directly. */
static bool extend(struct http_span *span, uint32_t start, size_t length)
{
	if (start != span->start + span->length) {
		return false;
	}
	span->length += (uint32_t)length;
	return true;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t length)
{
	struct http_parser *parser = llhttp->data;
	uint32_t start = (uint32_t)(at - parser->base);
	if (parser->state == STATE_TARGET) {
		return extend(&parser->target, start, length) ? 0 : malformed(parser, "target");
	}
	if (start < 2 || at[-1] != ' ' || at[-2] == ' ') {
		return malformed(parser, "the request line is malformed");
	}
	parser->state = STATE_TARGET;
	parser->target = (struct http_span){start, (uint32_t)length};
	return 0;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t length)
{
	struct http_parser *parser = llhttp->data;
	uint32_t start = (uint32_t)(at - parser->base);
	if (parser->state == STATE_NAME && extend(&parser->name, start, length)) {
		return 0;
	}
	if (parser->state == STATE_TARGET) {
		if (!is_version_gap(parser, start)) {
			return malformed(parser, "the request line is malformed");
		}
	} else if (finish_field(parser, start) != 0) {
		return STOP;
	}
	parser->state = STATE_NAME;
	parser->name = (struct http_span){start, (uint32_t)length};
	return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t length)
{
	struct http_parser *parser = llhttp->data;
	uint32_t start = (uint32_t)(at - parser->base);
	if (length == 0) {
		return 0; /* an empty value is reported behind its line */
	}
	if (parser->state == STATE_VALUE) {
		return extend(&parser->value, start, length)
		               ? 0
		               : malformed(parser, "a header line is folded");
	}
	parser->state = STATE_VALUE;
	parser->value = (struct http_span){start, (uint32_t)length};
	return 0;
}

static int on_head(llhttp_t *llhttp)
{
	(void)llhttp;
	return HPE_PAUSED; /* the body is ours */
}

static const llhttp_settings_t settings = {.on_url = on_url,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_head};

/* ---- the head as a whole ---- */

static bool has(const struct http_parser *parser, enum http_field field)
{
	return (parser->seen & (1u << field)) != 0;
}

/* Letters, digits and what else is in names, addresses, bracketed literals and ports. */
static const bool host_bytes[256] = {['-'] = true,
        ['.'] = true,
        ['_'] = true,
        ['~'] = true,
        ['%'] = true,
        [':'] = true,
        ['['] = true,
        [']'] = true,
        ['!'] = true,
        ['$'] = true,
        ['&'] = true,
        ['\''] = true,
        ['('] = true,
        [')'] = true,
        ['*'] = true,
        ['+'] = true,
        [';'] = true,
        ['='] = true,
        ['0' ... '9'] = true,
        ['A' ... 'Z'] = true,
        ['a' ... 'z'] = true};

static bool is_host(const char *text, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (!host_bytes[(unsigned char)text[i]]) {
			return false;
		}
	}
	return length > 0;
}

/* In absolute form the authority must be the Host header's; what follows is the target then. */
static int check_absolute(struct http_parser *parser)
{
	const char *target = parser->base + parser->target.start;
	uint32_t length = parser->target.length;
	uint32_t scheme = 0;
	if (length > 7 && strncasecmp(target, "http://", 7) == 0) {
		scheme = 7;
	} else if (length > 8 && strncasecmp(target, "https://", 8) == 0) {
		scheme = 8;
	} else {
		return malformed(parser, "the target is neither a path nor a URL");
	}
	uint32_t stop = scheme;
	while (stop < length && target[stop] != '/' && target[stop] != '?') {
		stop++;
	}
	struct http_span host = parser->fields[HTTP_FIELD_HOST];
	if (has(parser, HTTP_FIELD_HOST) &&
	        (host.length != stop - scheme || strncasecmp(parser->base + host.start,
	                                                 target + scheme, host.length) != 0)) {
		return malformed(parser, "the target's host is not the Host header's");
	}
	if (stop == length || target[stop] != '/') {
		return malformed(parser, "the target has no path");
	}
	parser->target.start += stop;
	parser->target.length -= stop;
	return 0;
}

static int check_target(struct http_parser *parser)
{
	const char *target = parser->base + parser->target.start;
	uint32_t length = parser->target.length;
	if (length > HTTP_TARGET_MAX) {
		return refuse(parser, HTTP_PROBLEM_TARGET_TOO_LONG, "the target is too long");
	}
	for (uint32_t i = 0; i < length; i++) {
		if ((unsigned char)target[i] < 0x21 || (unsigned char)target[i] > 0x7e) {
			return malformed(parser, "the target has a byte that must be escaped");
		}
	}
	if (length > 0 && target[0] == '/') {
		return 0;
	}
	if (parser->llhttp.method == HTTP_CONNECT ||
	        (parser->llhttp.method == HTTP_OPTIONS && length == 1 && target[0] == '*')) {
		return 0;
	}
	return check_absolute(parser);
}

static int check_body_length(struct http_parser *parser)
{
	if (has(parser, HTTP_FIELD_TRANSFER_ENCODING)) {
		return refuse(parser, HTTP_PROBLEM_LENGTH_REQUIRED,
		        "Transfer-Encoding is not supported: send Content-Length");
	}
	if (!has(parser, HTTP_FIELD_CONTENT_LENGTH)) {
		return parser->llhttp.method == HTTP_POST
		               ? refuse(parser, HTTP_PROBLEM_LENGTH_REQUIRED,
		                         "POST needs Content-Length")
		               : 0;
	}
	struct http_span span = parser->fields[HTTP_FIELD_CONTENT_LENGTH];
	uint64_t length;
	for (uint32_t i = 0; i < span.length; i++) {
		if (parser->base[span.start + i] < '0' || parser->base[span.start + i] > '9') {
			span.length = 0;
		}
	}
	if (span.length == 0) {
		return malformed(parser, "Content-Length is not a number");
	}
	if (number_parse_u64(parser->base + span.start, span.length, LIMIT_HTTP_BODY, &length) !=
	        0) {
		return refuse(parser, HTTP_PROBLEM_BODY_TOO_LARGE, "the body is above 1 MiB");
	}
	parser->content_length = (uint32_t)length;
	return 0;
}

static int check_expect(struct http_parser *parser)
{
	if (!has(parser, HTTP_FIELD_EXPECT)) {
		return 0;
	}
	struct http_span span = parser->fields[HTTP_FIELD_EXPECT];
	if (span.length != 12 || strncasecmp(parser->base + span.start, "100-continue", 12) != 0) {
		return refuse(parser, HTTP_PROBLEM_EXPECTATION_FAILED,
		        "only 100-continue can be expected");
	}
	parser->wants_continue = parser->llhttp.http_minor > 0;
	return 0;
}

static int check_host(struct http_parser *parser)
{
	struct http_span host = parser->fields[HTTP_FIELD_HOST];
	if (!has(parser, HTTP_FIELD_HOST)) {
		return parser->llhttp.http_minor > 0 ? malformed(parser, "no Host header") : 0;
	}
	return is_host(parser->base + host.start, host.length)
	               ? 0
	               : malformed(parser, "the Host header is not a host");
}

static bool is_known_method(uint8_t method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
	case HTTP_POST:
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_CONNECT:
	case HTTP_OPTIONS:
	case HTTP_TRACE:
	case HTTP_PATCH:
		return true;
	default:
		return false;
	}
}

static int check_head(struct http_parser *parser, uint32_t length)
{
	/* The empty line is the last two bytes. */
	if (length < 4 || !is_line_end(parser->base, length - 2, length)) {
		return malformed(parser, "the head does not end in an empty line");
	}
	if (parser->state == STATE_TARGET ? !is_version_gap(parser, length - 2)
	                                  : finish_field(parser, length - 2) != 0) {
		return malformed(parser, "the request line is malformed");
	}
	if (parser->llhttp.http_major != 1 || parser->llhttp.http_minor > 1) {
		return refuse(parser, HTTP_PROBLEM_VERSION_NOT_SUPPORTED,
		        "only HTTP/1.0 and HTTP/1.1 are spoken here");
	}
	if (!is_known_method(parser->llhttp.method)) {
		return refuse(parser, HTTP_PROBLEM_NOT_IMPLEMENTED, "unknown method");
	}
	if (length - parser->target.start - parser->target.length > LIMIT_HTTP_HEADER_BYTES) {
		return refuse(parser, HTTP_PROBLEM_HEADERS_TOO_LARGE, "the header is too large");
	}
	if (check_host(parser) != 0 || check_body_length(parser) != 0 ||
	        check_target(parser) != 0 || check_expect(parser) != 0) {
		return STOP;
	}
	parser->state = STATE_DONE;
	parser->head_length = length;
	return 0;
}

/* ---- running ---- */

/* These look at nothing behind the byte that llhttp stopped at, so that it does not matter
 * how much has come by then. */

/* Is what was read a method, though none that llhttp knows? */
static bool is_unknown_method(const struct http_parser *parser, uint32_t stop)
{
	for (uint32_t i = parser->lead; i < stop; i++) {
		if (parser->base[i] < 'A' || parser->base[i] > 'Z') {
			return false;
		}
	}
	char c = parser->base[stop];
	return (c >= 'A' && c <= 'Z') || (c == ' ' && stop > parser->lead);
}

/* Is it "HTTP/" with a version that is merely not ours? */
static bool is_other_version(const struct http_parser *parser, uint32_t stop)
{
	uint32_t at = parser->target.start + parser->target.length;
	const char *base = parser->base;
	if (stop < at + 6 || memcmp(base + at, " HTTP/", 6) != 0 || base[at + 6] < '0' ||
	        base[at + 6] > '9') {
		return false;
	}
	bool ours = base[at + 6] == '1' && stop >= at + 8 && base[at + 7] == '.' &&
	            (base[at + 8] == '0' || base[at + 8] == '1');
	return !ours;
}

/* Did llhttp stop in the digits of a length because they are beyond 64 bits? */
static bool is_huge_length(const struct http_parser *parser)
{
	return parser->state == STATE_VALUE && parser->value.length >= 20;
}

/* llhttp found a fault of its own at offset `stop`. */
static void explain_fault(struct http_parser *parser, uint32_t stop)
{
	static const char *const no_encoding =
	        "Transfer-Encoding is not supported: send Content-Length";
	switch (llhttp_get_errno(&parser->llhttp)) {
	case HPE_INVALID_METHOD:
		if (is_unknown_method(parser, stop)) {
			refuse(parser, HTTP_PROBLEM_NOT_IMPLEMENTED, "unknown method");
		}
		break;
	case HPE_INVALID_VERSION:
		if (parser->state == STATE_TARGET && is_other_version(parser, stop)) {
			refuse(parser, HTTP_PROBLEM_VERSION_NOT_SUPPORTED,
			        "only HTTP/1.0 and HTTP/1.1 are spoken here");
		}
		break;
	case HPE_INVALID_CONTENT_LENGTH:
		if (is_huge_length(parser)) {
			refuse(parser, HTTP_PROBLEM_BODY_TOO_LARGE, "the body is above 1 MiB");
		}
		break;
	case HPE_INVALID_TRANSFER_ENCODING:
		refuse(parser, HTTP_PROBLEM_LENGTH_REQUIRED, no_encoding);
		break;
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		if (has(parser, HTTP_FIELD_TRANSFER_ENCODING)) {
			refuse(parser, HTTP_PROBLEM_LENGTH_REQUIRED, no_encoding);
		}
		break;
	default:
		break;
	}
	malformed(parser, "the request is not HTTP/1.1");
}

/* A field whose line is complete counts, also when llhttp stops in the next one before it reports
 * that: which fault is found must not depend on how much has come. */
static void finish_pending(struct http_parser *parser, uint32_t stop)
{
	if (parser->state != STATE_NAME && parser->state != STATE_VALUE) {
		return;
	}
	struct http_span last = parser->state == STATE_NAME ? parser->name : parser->value;
	uint32_t from = last.start + last.length;
	const char *line = from < stop ? memmem(parser->base + from, stop - from, "\r\n", 2) : NULL;
	if (line != NULL) {
		finish_field(parser, (uint32_t)(line - parser->base) + 2);
	}
}

/* What is incomplete must not grow beyond its limits. */
static int check_growth(struct http_parser *parser, size_t length)
{
	if (parser->state == STATE_START) {
		return length > HTTP_METHOD_MAX ? malformed(parser, "no method") : 0;
	}
	size_t stop = parser->target.start + parser->target.length;
	if (parser->state == STATE_TARGET && stop < length && parser->base[stop] != ' ') {
		return malformed(parser, "no HTTP version"); /* HTTP/0.9 ends here */
	}
	if (parser->target.length > HTTP_TARGET_MAX) {
		return refuse(parser, HTTP_PROBLEM_TARGET_TOO_LONG, "the target is too long");
	}
	if (length - stop > LIMIT_HTTP_HEADER_BYTES) {
		return refuse(parser, HTTP_PROBLEM_HEADERS_TOO_LARGE, "the header is too large");
	}
	return 0;
}

/* One empty line before a request is allowed (RFC 9112, 2.2); llhttp would skip any number. */
static int skip_empty_line(struct http_parser *parser, size_t length)
{
	const char *base = parser->base;
	if (parser->parsed > 0 || (base[0] != '\r' && base[0] != '\n')) {
		return 0;
	}
	if (base[0] == '\n' || (length > 1 && base[1] != '\n') ||
	        (length > 2 && (base[2] == '\r' || base[2] == '\n'))) {
		return malformed(parser, "an empty line before the request");
	}
	if (length > 2) {
		parser->lead = 2;
		parser->parsed = 2;
		return 0;
	}
	return 1;
}

static enum http_progress run_head(struct http_parser *parser, size_t length)
{
	int lead = skip_empty_line(parser, length);
	if (lead != 0) {
		return lead > 0 ? HTTP_MORE : HTTP_REFUSED;
	}
	const char *from = parser->base + parser->parsed;
	llhttp_errno_t result = llhttp_execute(&parser->llhttp, from, length - parser->parsed);
	if (parser->problem != HTTP_PROBLEM_NONE) {
		return HTTP_REFUSED;
	}
	if (result == HPE_OK) {
		parser->parsed = (uint32_t)length;
		return check_growth(parser, length) == 0 ? HTTP_MORE : HTTP_REFUSED;
	}
	uint32_t stop = (uint32_t)(llhttp_get_error_pos(&parser->llhttp) - parser->base);
	if (result != HPE_PAUSED) {
		stop = stop < length ? stop : (uint32_t)length - 1;
		finish_pending(parser, stop);
		explain_fault(parser, stop);
		return HTTP_REFUSED;
	}
	return check_head(parser, stop) == 0 ? HTTP_COMPLETE : HTTP_REFUSED;
}

void http_parser_reset(struct http_parser *parser)
{
	/* What `seen` and `state` call unset is not read, so it need not be cleared: this runs once
	 * per request. */
	parser->parsed = 0;
	parser->head_length = 0;
	parser->content_length = 0;
	parser->target = (struct http_span){0};
	parser->seen = 0;
	parser->field_count = 0;
	parser->state = STATE_START;
	parser->problem = HTTP_PROBLEM_NONE;
	parser->lead = 0;
	parser->wants_continue = false;
	parser->detail = NULL;
	llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
	parser->llhttp.data = parser;
}

enum http_progress http_parser_run(struct http_parser *parser, const char *data, size_t length)
{
	if (parser->problem != HTTP_PROBLEM_NONE) {
		return HTTP_REFUSED;
	}
	if (parser->head_length == 0) {
		parser->base = data;
		enum http_progress progress = run_head(parser, length);
		parser->base = NULL;
		if (progress != HTTP_COMPLETE) {
			return progress;
		}
	}
	return length - parser->head_length >= parser->content_length ? HTTP_COMPLETE : HTTP_MORE;
}

static uint8_t method_of(uint8_t method)
{
	return method == HTTP_GET    ? HTTP_REQUEST_GET
	       : method == HTTP_POST ? HTTP_REQUEST_POST
	       : method == HTTP_HEAD ? HTTP_REQUEST_HEAD
	                             : HTTP_REQUEST_OTHER;
}

void http_parser_request(
        const struct http_parser *parser, char *data, struct http_request *ret_request)
{
	struct http_request *request = ret_request;
	uint16_t flags = parser->llhttp.flags;
	request->method = method_of(parser->llhttp.method);
	request->minor = parser->llhttp.http_minor;
	/* CONNECT would turn the connection into something else, had we agreed to it. */
	request->keep_alive = (flags & F_CONNECTION_CLOSE) == 0 &&
	                      (request->minor > 0 || (flags & F_CONNECTION_KEEP_ALIVE) != 0) &&
	                      parser->llhttp.method != HTTP_CONNECT;
	request->length = parser->head_length + parser->content_length;
	request->target = (struct http_text){data + parser->target.start, parser->target.length};
	for (unsigned i = 0; i < HTTP_FIELD_COUNT; i++) {
		bool there = (parser->seen & (1u << i)) != 0;
		request->fields[i].data = there ? data + parser->fields[i].start : NULL;
		request->fields[i].length = there ? parser->fields[i].length : 0;
	}
	request->body = data + parser->head_length;
	request->body_length = parser->content_length;
}
