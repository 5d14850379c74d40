#ifndef LIB_BASE_ERROR_H
#define LIB_BASE_ERROR_H

#include "lib/base/attribute.h"

/*
 * The one error vocabulary. Every function that can fail returns 0 or a negative code: -errno for
 * failures of the system, and these for our own. Where an administrator needs more than a code,
 * the function also fills a struct error: what failed and why, in words that can be acted on.
 */
enum sk_error {
	SK_E_SYNTAX = -1000, /* input is not of the form that was asked for */
	SK_E_LIMIT = -1001, /* input or result is larger than its maximum */
	SK_E_RANGE = -1002, /* a value is outside of what is allowed */
	SK_E_CORRUPT = -1003, /* stored or sent data fails its own checks */
	SK_E_VERSION = -1004, /* data or peer of a version that is not understood */
	SK_E_UNSUPPORTED = -1005, /* well formed, but not offered here */
	SK_E_NOT_FOUND = -1006, /* the named thing does not exist */
	SK_E_EXISTS = -1007, /* the named thing is there already */
	SK_E_CONFLICT = -1008, /* the state of things forbids it now */
	SK_E_REFUSED = -1009, /* the caller may not do this */
	SK_E_TIMEOUT = -1010, /* it took longer than it may */
	SK_E_CRYPTO = -1011, /* a cryptographic operation failed */
	SK_E_DATABASE = -1012, /* SQLite reported an error */
	SK_E_PROTOCOL = -1013, /* a peer broke the protocol */
	SK_E_INTERNAL = -1014, /* a fault of our own */
};

/* Text of a code (own or -errno), static or per thread; never NULL. */
const char *sk_strerror(int code);

/* Stable short name of a code for machines ("syntax", "limit", "errno:ENOSPC" ...); never NULL. */
const char *sk_error_name(int code);

#define ERROR_TEXT_MAX 512

/* A cause that travels as a value. Start with `struct error error = {0};`. */
struct error {
	int code;
	char text[ERROR_TEXT_MAX];
};

/* Sets code and text (cut at ERROR_TEXT_MAX - 1 bytes) and returns `code`. `error` may be NULL. */
int error_set(struct error *error, int code, const char *format, ...) SK_PRINTF(3, 4);

/* The same with ": " and the text of `code` behind it. */
int error_set_code(struct error *error, int code, const char *format, ...) SK_PRINTF(3, 4);

/* Puts "<format>: " before the text that is there, keeps and returns the code. */
int error_prefix(struct error *error, const char *format, ...) SK_PRINTF(2, 3);

#endif
