#ifndef PATTERN_JSON_SCAN_H
#define PATTERN_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"
#include "lib/base/buf.h"
#include "pattern/input.h"

/*
 * A strict reader of JSON (RFC 8259) that gives one event after the other, in memory of fixed size.
 * It refuses what loose readers let through: text that is no UTF-8, raw control characters, lone
 * surrogates, single quotes, NaN, leading zeros, trailing commas, depth above its maximum.
 */
enum json_event {
	JSON_END, /* nothing follows */
	JSON_OBJECT_START,
	JSON_OBJECT_END,
	JSON_ARRAY_START,
	JSON_ARRAY_END,
	JSON_KEY, /* text */
	JSON_STRING, /* text */
	JSON_NUMBER, /* text, as it stands */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL
};

#define JSON_DEPTH_MAX 64

struct json_scan {
	struct input *input;
	const char *at, *end; /* of the input's present block */
	size_t taken; /* bytes of the block before `at` */
	uint64_t line, column; /* of the byte to come, from 1; columns count bytes */
	uint64_t open; /* a bit per level: 1 for an object */
	unsigned depth;
	int expect; /* what may come, see json_scan.c */
	bool many; /* values may follow each other (NDJSON, sequences) */
	bool cut; /* the last text was longer than its maximum and is not complete */
	struct buf text; /* of keys, strings and numbers, decoded */
	const char *reason; /* why it failed */
};

/* Texts longer than `text_max` bytes are cut (see `cut`). */
void json_scan_init(struct json_scan *scan, struct input *input, size_t text_max);
void json_scan_release(struct json_scan *scan);

/* 0 and the event; SK_E_SYNTAX (`reason`, `line`, `column`), -ENOMEM, or as input_peek. */
int json_scan_next(struct json_scan *scan, enum json_event *ret_event) SK_MUST_USE;

#endif
