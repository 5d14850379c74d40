#include "pattern/json_walk.h"

#include <string.h>

#include "lib/base/error.h"

/* All wanted texts of the open objects. */
#define JSON_WALK_TEXTS (16 * LIMIT_FEED_LINE)

struct feed_text json_walk_value(const struct json_walk *walk, unsigned above, unsigned member)
{
	if (above >= walk->depth) {
		return feed_text_of("", 0);
	}
	const struct json_walk_frame *frame = &walk->frames[walk->depth - above];
	if (frame->values[member].length == 0) {
		return feed_text_of("", 0);
	}
	return feed_text_of(
	        walk->texts.data + frame->values[member].at, frame->values[member].length);
}

struct feed_text json_walk_key(const struct json_walk *walk, unsigned above)
{
	if (above >= walk->depth || walk->frames[walk->depth - above].key_length == 0) {
		return feed_text_of("", 0);
	}
	const struct json_walk_frame *frame = &walk->frames[walk->depth - above];
	return feed_text_of(walk->texts.data + frame->key, frame->key_length);
}

/* Where the values of the last frame go: to itself, or to its parent when it is flat. */
static struct json_walk_frame *walk_target(struct json_walk *walk)
{
	unsigned depth = walk->depth;
	if (walk->flat != NULL && depth >= 2 && walk->frames[depth].object &&
	        feed_equal(json_walk_key(walk, 0), walk->flat)) {
		depth--;
	}
	return &walk->frames[depth];
}

static bool walk_is_flat(struct json_walk *walk)
{
	return walk_target(walk) != &walk->frames[walk->depth];
}

/* The texts of a flat object outlive it: they are its parent's. */
static void walk_leave(struct json_walk *walk)
{
	if (!walk_is_flat(walk)) {
		walk->texts.length = walk->frames[walk->depth].start;
	}
	walk->depth--;
}

static int walk_enter(struct json_walk *walk, bool object, struct feed_text key)
{
	struct json_walk_frame *frame = &walk->frames[walk->depth + 1];
	*frame = (struct json_walk_frame){.object = object, .start = walk->texts.length};
	frame->key = walk->texts.length;
	frame->key_length = key.length;
	if (key.length > 0) {
		buf_add(&walk->texts, key.at, key.length);
	}
	walk->depth++;
	return buf_status(&walk->texts);
}

/* Keeps the value of a wanted member. */
static int walk_keep(struct json_walk *walk, int member, struct feed_text value)
{
	struct json_walk_frame *frame = walk_target(walk);
	if (member < 0 || value.length == 0) {
		return 0;
	}
	frame->values[member].at = walk->texts.length;
	frame->values[member].length = value.length;
	buf_add(&walk->texts, value.at, value.length);
	return buf_status(&walk->texts);
}

static int walk_member(const struct json_walk *walk, struct feed_text key)
{
	for (size_t i = 0; i < walk->member_count; i++) {
		if (strlen(walk->members[i]) == key.length &&
		        memcmp(walk->members[i], key.at, key.length) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* A string, number, true or false. */
static int walk_scalar(struct json_walk *walk, enum json_event event, int member)
{
	struct feed_text value = {walk->scan.text.data, walk->scan.text.length};
	if (event == JSON_TRUE || event == JSON_FALSE) {
		value = event == JSON_TRUE ? feed_text_of("true", 4) : feed_text_of("false", 5);
	}
	if (walk->scan.cut && (event == JSON_STRING || event == JSON_NUMBER)) {
		value.length = 0;
	}
	if (walk->depth > 0 && walk->frames[walk->depth].object) {
		return walk_keep(walk, member, value);
	}
	if (event == JSON_STRING && walk->element != NULL && walk->depth > 0) {
		return walk->element(walk, value);
	}
	return 0;
}

static int walk_event(struct json_walk *walk, enum json_event event, struct buf *key, int *member)
{
	int status = 0;
	switch (event) {
	case JSON_KEY:
		*member = walk_member(
		        walk, feed_text_of(walk->scan.text.data, walk->scan.text.length));
		buf_clear(key);
		/* Names of objects that anybody asks for are short. */
		if (walk->scan.text.length > 0 && walk->scan.text.length <= key->maximum) {
			buf_add(key, walk->scan.text.data, walk->scan.text.length);
		}
		return buf_status(key);
	case JSON_OBJECT_START:
	case JSON_ARRAY_START:
		status = walk_enter(
		        walk, event == JSON_OBJECT_START, feed_text_of(key->data, key->length));
		buf_clear(key);
		break;
	case JSON_OBJECT_END:
		status = walk_is_flat(walk) ? 0 : walk->object(walk);
		walk_leave(walk);
		break;
	case JSON_ARRAY_END:
		walk_leave(walk);
		break;
	case JSON_STRING:
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE:
		status = walk_scalar(walk, event, *member);
		buf_clear(key);
		break;
	case JSON_NULL:
	case JSON_END:
		buf_clear(key);
		break;
	}
	*member = -1;
	return status;
}

int json_walk_run(struct json_walk *walk, struct input *input, bool many)
{
	char key_space[64];
	struct buf key;
	enum json_event event = JSON_NULL;
	int member = -1;
	walk->depth = 0;
	buf_init(&walk->texts, JSON_WALK_TEXTS);
	buf_init_fixed(&key, key_space, sizeof(key_space));
	json_scan_init(&walk->scan, input, LIMIT_FEED_LINE);
	walk->scan.many = many;
	int status = 0;
	while (status == 0 && event != JSON_END) {
		status = json_scan_next(&walk->scan, &event);
		if (status == 0) {
			status = walk_event(walk, event, &key, &member);
		}
	}
	if (status == SK_E_LIMIT && buf_status(&walk->texts) == SK_E_LIMIT) {
		walk->scan.reason = "too much text in one object";
		status = SK_E_SYNTAX;
	}
	json_scan_release(&walk->scan);
	buf_release(&walk->texts);
	return status;
}
