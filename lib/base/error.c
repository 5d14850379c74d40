#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/attribute.h"

static const struct {
	int code;
	const char *name;
	const char *text;
} own_codes[] = {
        {SK_E_SYNTAX, "syntax", "malformed input"},
        {SK_E_LIMIT, "limit", "too large"},
        {SK_E_RANGE, "range", "value out of range"},
        {SK_E_CORRUPT, "corrupt", "data is damaged"},
        {SK_E_VERSION, "version", "version is not supported"},
        {SK_E_UNSUPPORTED, "unsupported", "not supported"},
        {SK_E_NOT_FOUND, "not_found", "not found"},
        {SK_E_EXISTS, "exists", "exists already"},
        {SK_E_CONFLICT, "conflict", "not possible in the present state"},
        {SK_E_REFUSED, "refused", "not permitted"},
        {SK_E_TIMEOUT, "timeout", "took too long"},
        {SK_E_CRYPTO, "crypto", "cryptographic operation failed"},
        {SK_E_DATABASE, "database", "database error"},
        {SK_E_PROTOCOL, "protocol", "protocol violation"},
        {SK_E_INTERNAL, "internal", "internal error"},
};

const char *sk_strerror(int code)
{
	for (size_t i = 0; i < SK_COUNT(own_codes); i++) {
		if (own_codes[i].code == code) {
			return own_codes[i].text;
		}
	}
	if (code == 0) {
		return "no error";
	}
	if (code < 0 && code > -1000) {
		const char *text = strerrordesc_np(-code);
		if (text != NULL) {
			return text;
		}
	}
	return "unknown error";
}

const char *sk_error_name(int code)
{
	for (size_t i = 0; i < SK_COUNT(own_codes); i++) {
		if (own_codes[i].code == code) {
			return own_codes[i].name;
		}
	}
	if (code == 0) {
		return "ok";
	}
	if (code < 0 && code > -1000) {
		const char *name = strerrorname_np(-code);
		if (name != NULL) {
			return name;
		}
	}
	return "unknown";
}

int error_set(struct error *error, int code, const char *format, ...)
{
	if (error == NULL) {
		return code;
	}
	va_list args;
	va_start(args, format);
	error->code = code;
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

int error_set_code(struct error *error, int code, const char *format, ...)
{
	if (error == NULL) {
		return code;
	}
	va_list args;
	va_start(args, format);
	error->code = code;
	int length = vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof(error->text)) {
		snprintf(error->text + length, sizeof(error->text) - (size_t)length, ": %s",
		        sk_strerror(code));
	}
	return code;
}

int error_prefix(struct error *error, const char *format, ...)
{
	if (error == NULL) {
		return SK_E_INTERNAL;
	}
	char old[ERROR_TEXT_MAX];
	memcpy(old, error->text, sizeof(old));
	va_list args;
	va_start(args, format);
	int length = vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof(error->text)) {
		snprintf(error->text + length, sizeof(error->text) - (size_t)length, ": %s", old);
	}
	return error->code;
}
