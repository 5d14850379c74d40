#ifndef LIB_RPC_JSON_TEXT_H
#define LIB_RPC_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "lib/base/error.h"
#include "lib/base/json_reader.h"

/*
 * JSON from outside into json-c's objects, but only what RFC 8259 calls JSON: json-c's own parser
 * also takes single quotes, NaN, raw control characters, members given twice and integers that it
 * silently clamps. A text passes here only when all of it is strict JSON in UTF-8, at most
 * `depth_max` levels deep, every integer fits in 64 bits with sign, no string has a NUL and no
 * object names a member twice. SK_E_SYNTAX, SK_E_LIMIT for 2 GiB, -ENOMEM; the error names the
 * byte. The caller owns the value (json_object_put). Pure; any thread.
 */
#define JSON_TEXT_DEPTH_MAX JSON_DEPTH_MAX
int json_text_parse(const char *text, size_t length, unsigned depth_max, json_object **ret_value,
        struct error *error) SK_MUST_USE;

/* A member of an object that is a text (the object's), or "". */
const char *json_member_text(json_object *object, const char *name);

/* A member of an object as a number; 0 when there is none. */
int64_t json_member_number(json_object *object, const char *name);

#endif
