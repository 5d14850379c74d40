#ifndef QUERYD_PROBLEM_H
#define QUERYD_PROBLEM_H

#include <stdint.h>

/* Why a request, or one entry of a bulk request, was not answered: docs/query-api.md, "Errors".
 * X(name, status, title, code, closes the connection) */
#define PROBLEMS(X)                                                                                \
	X(BAD_REQUEST, 400, "Bad Request", "bad_request", 1)                                       \
	X(MISSING_PARAMETER, 400, "Bad Request", "missing_parameter", 0)                           \
	X(UNKNOWN_PARAMETER, 400, "Bad Request", "unknown_parameter", 0)                           \
	X(DUPLICATE_PARAMETER, 400, "Bad Request", "duplicate_parameter", 0)                       \
	X(BAD_PARAMETER, 400, "Bad Request", "bad_parameter", 0)                                   \
	X(BAD_ENCODING, 400, "Bad Request", "bad_encoding", 0)                                     \
	X(BAD_URL, 400, "Bad Request", "bad_url", 0)                                               \
	X(BAD_HOST, 400, "Bad Request", "bad_host", 0)                                             \
	X(BAD_ADDRESS, 400, "Bad Request", "bad_address", 0)                                       \
	X(BAD_DIGEST, 400, "Bad Request", "bad_digest", 0)                                         \
	X(BAD_JSON, 400, "Bad Request", "bad_json", 0)                                             \
	X(BAD_ENTRY_COUNT, 400, "Bad Request", "bad_entry_count", 0)                               \
	X(CLIENT_NOT_ALLOWED, 403, "Forbidden", "client_not_allowed", 1)                           \
	X(EXPLAIN_NOT_ALLOWED, 403, "Forbidden", "explain_not_allowed", 0)                         \
	X(NOT_FOUND, 404, "Not Found", "not_found", 0)                                             \
	X(METHOD_NOT_ALLOWED, 405, "Method Not Allowed", "method_not_allowed", 0)                  \
	X(TIMEOUT, 408, "Request Timeout", "timeout", 1)                                           \
	X(LENGTH_REQUIRED, 411, "Length Required", "length_required", 1)                           \
	X(BODY_TOO_LARGE, 413, "Content Too Large", "body_too_large", 1)                           \
	X(TARGET_TOO_LONG, 414, "URI Too Long", "target_too_long", 1)                              \
	X(UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type", "unsupported_media_type", 0)      \
	X(EXPECTATION_FAILED, 417, "Expectation Failed", "expectation_failed", 1)                  \
	X(WRONG_SERVICE, 421, "Misdirected Request", "wrong_service", 0)                           \
	X(HEADERS_TOO_LARGE, 431, "Request Header Fields Too Large", "headers_too_large", 1)       \
	X(NOT_IMPLEMENTED, 501, "Not Implemented", "not_implemented", 1)                           \
	X(SERVICE_OFF, 503, "Service Unavailable", "service_off", 0)                               \
	X(BUSY, 503, "Service Unavailable", "busy", 1)                                             \
	X(VERSION_NOT_SUPPORTED, 505, "HTTP Version Not Supported", "version_not_supported", 1)

#define PROBLEM_NAME(name, status, title, code, closes) PROBLEM_##name,
enum problem { PROBLEMS(PROBLEM_NAME) PROBLEM_COUNT };
#undef PROBLEM_NAME

struct problem_info {
	uint16_t status;
	uint16_t closes;
	const char *title, *code;
};
const struct problem_info *problem_info(enum problem problem);

#endif
