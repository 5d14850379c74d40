#ifndef PATTERN_JSON_WALK_H
#define PATTERN_JSON_WALK_H

#include "pattern/feed_reader.h"
#include "pattern/json_scan.h"

/*
 * Goes through JSON of any size and hands out each object when it ends, with the values of those
 * members (strings, numbers, true, false) that the caller is interested in. What it keeps at a time
 * are the wanted members of the objects that are open.
 */
#define JSON_WALK_MEMBERS 12

struct json_walk_frame {
	size_t start; /* of its texts */
	size_t key, key_length; /* the member of its parent that it is; length 0: none */
	struct {
		size_t at, length; /* length 0: not there, or empty */
	} values[JSON_WALK_MEMBERS];
	bool object;
};

struct json_walk {
	struct json_scan scan;
	struct buf texts;
	struct json_walk_frame frames[JSON_DEPTH_MAX + 1];
	unsigned depth; /* frames in use; frames[0] is above the top value */
	const char *const *members; /* up to JSON_WALK_MEMBERS names */
	size_t member_count;
	/* An object that is the member of this name has no frame of its own for its values: they
	 * count as those of the object that holds it. NULL: none. */
	const char *flat;
	void *context;
	/* An object ended; its frame is the last. */
	int (*object)(struct json_walk *walk);
	/* A string in an array; the array's frame is the last. May be NULL. */
	int (*element)(struct json_walk *walk, struct feed_text text);
};

/* The value of a member of the open object `above` levels above the last frame (arrays count as
 * levels), or an empty text. */
struct feed_text json_walk_value(const struct json_walk *walk, unsigned above, unsigned member);
/* The name under which the frame stands in its parent, empty in arrays and at the top. */
struct feed_text json_walk_key(const struct json_walk *walk, unsigned above);

/* Reads all of `input`. 0; SK_E_SYNTAX with scan.reason and scan.line; what a callback returned; as
 * input_peek. Sets all but members, flat, context and the callbacks. `many`: values may follow each
 * other. */
int json_walk_run(struct json_walk *walk, struct input *input, bool many) SK_MUST_USE;

#endif
