#include "pattern/report.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

int report_init(struct report *report, const struct description *description)
{
	*report = (struct report){0};
	report->input_count = description->input_count;
	report->benign_count = description->benign_count;
	report->inputs =
	        mem_new(report->input_count + report->benign_count, sizeof(*report->inputs));
	if (report->inputs == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < report->input_count; i++) {
		report->inputs[i].path = description->inputs[i].path;
	}
	for (size_t i = 0; i < report->benign_count; i++) {
		report->inputs[report->input_count + i].path = description->benign[i];
	}
	struct report_items *lists[] = {&report->web.excluded, &report->web.conflicts,
	        &report->files.excluded, &report->files.conflicts};
	for (size_t i = 0; i < SK_COUNT(lists); i++) {
		lists[i]->maximum = REPORT_NAMED_MAX;
	}
	report->left_out.maximum = REPORT_SAFETY_MAX;
	report->allowed.maximum = REPORT_SAFETY_MAX;
	return 0;
}

void report_clear(struct report_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		mem_free(items->items[i].text);
		mem_free(items->items[i].asked);
	}
	items->count = 0;
	items->total = 0;
}

static void items_release(struct report_items *items)
{
	report_clear(items);
	mem_free(items->items);
	items->items = NULL;
}

void report_release(struct report *report)
{
	items_release(&report->web.excluded);
	items_release(&report->web.conflicts);
	items_release(&report->files.excluded);
	items_release(&report->files.conflicts);
	items_release(&report->left_out);
	items_release(&report->allowed);
	mem_free(report->inputs);
	*report = (struct report){0};
}

int report_add(struct report_items *items, const char *text, size_t length, const char *asked,
        size_t asked_length, uint64_t bad, uint64_t good)
{
	items->total++;
	if (items->count == items->maximum) {
		return 0;
	}
	if (items->count == items->capacity) {
		size_t capacity = items->capacity * 2 + 16;
		struct report_item *larger =
		        mem_resize(items->items, capacity, sizeof(*items->items));
		if (larger == NULL) {
			return -ENOMEM;
		}
		items->items = larger;
		items->capacity = capacity;
	}
	struct report_item item = {.bad = bad, .good = good};
	item.text = mem_copy_text(text, length);
	item.asked = asked != NULL ? mem_copy_text(asked, asked_length) : NULL;
	if (item.text == NULL || (asked != NULL && item.asked == NULL)) {
		mem_free(item.text);
		mem_free(item.asked);
		return -ENOMEM;
	}
	items->items[items->count++] = item;
	return 0;
}

/* --- as JSON --- */

static void put_text(struct json_object *object, const char *name, const char *text)
{
	(void)json_object_object_add(object, name, json_object_new_string(text));
}

static void put_number(struct json_object *object, const char *name, uint64_t number)
{
	(void)json_object_object_add(object, name, json_object_new_uint64(number));
}

static void put_digest(
        struct json_object *object, const char *name, const unsigned char digest[SHA256_SIZE])
{
	char space[2 * SHA256_SIZE + 1];
	struct buf text;
	buf_init_fixed(&text, space, sizeof(space));
	buf_add_hex(&text, digest, SHA256_SIZE);
	put_text(object, name, buf_text(&text));
}

static struct json_object *put_array(struct json_object *object, const char *name)
{
	struct json_object *array = json_object_new_array();
	(void)json_object_object_add(object, name, array);
	return array;
}

static struct json_object *put_object(struct json_object *object, const char *name)
{
	struct json_object *member = json_object_new_object();
	(void)json_object_object_add(object, name, member);
	return member;
}

static void put_sources(struct json_object *object, const char *name,
        const struct description *description, uint64_t set)
{
	struct json_object *array = put_array(object, name);
	for (size_t i = 0; i < description->source_count; i++) {
		if (set >> i & 1) {
			(void)json_object_array_add(
			        array, json_object_new_string(description->sources[i]));
		}
	}
}

static void put_list(struct json_object *array, const struct report *report, size_t index,
        const struct description *description)
{
	const struct report_input *list = &report->inputs[index];
	struct json_object *object = json_object_new_object();
	(void)json_object_array_add(array, object);
	put_number(object, "number", index + 1);
	put_text(object, "path", list->path);
	if (index < report->input_count) {
		const struct description_input *input = &description->inputs[index];
		put_text(object, "format", feed_format_name(input->format));
		put_text(object, "source", input->source);
		put_text(object, "kind", description_kind_name(input->kind));
	}
	put_number(object, "bytes", list->bytes);
	put_number(object, "lines", list->lines);
	put_number(object, "blank", list->blank);
	put_number(object, "accepted", list->accepted);
	put_number(object, "duplicate", list->duplicate);
	put_number(object, "excluded", list->excluded);
	put_number(object, "unsafe", list->unsafe);
	put_number(object, "refused", list->refused);
	struct json_object *reasons = put_array(object, "reasons");
	for (size_t i = 0; i < list->reason_count; i++) {
		struct json_object *reason = json_object_new_object();
		(void)json_object_array_add(reasons, reason);
		put_text(reason, "reason", list->reasons[i].reason);
		put_number(reason, "count", list->reasons[i].count);
	}
	if (list->refused_file[0] != '\0') {
		put_text(object, "refused_file", list->refused_file);
	}
}

/* The first source of a set: exclusions have one on each side. */
static const char *first_source(const struct description *description, uint64_t set)
{
	return set != 0 ? description->sources[__builtin_ctzll(set)] : "";
}

static void put_excluded(struct json_object *object, const struct report_items *items,
        const struct description *description)
{
	struct json_object *excluded = put_object(object, "excluded");
	put_number(excluded, "count", items->total);
	struct json_object *array = put_array(excluded, "first");
	for (size_t i = 0; i < items->count; i++) {
		struct json_object *item = json_object_new_object();
		(void)json_object_array_add(array, item);
		put_text(item, "text", items->items[i].text);
		put_text(item, "source", first_source(description, items->items[i].bad));
		put_text(item, "by", first_source(description, items->items[i].good));
	}
}

static void put_conflicts(struct json_object *object, const struct report_items *items,
        const struct description *description)
{
	struct json_object *conflicts = put_object(object, "conflicts");
	put_number(conflicts, "count", items->total);
	struct json_object *array = put_array(conflicts, "first");
	for (size_t i = 0; i < items->count; i++) {
		struct json_object *item = json_object_new_object();
		(void)json_object_array_add(array, item);
		put_text(item, "text", items->items[i].text);
		put_sources(item, "bad", description, items->items[i].bad);
		put_sources(item, "good", description, items->items[i].good);
	}
}

static struct json_object *put_pattern(struct json_object *root, const char *name, const char *file,
        const struct report_pattern *pattern)
{
	struct json_object *object = put_object(root, name);
	put_text(object, "file", file);
	put_number(object, "bytes", pattern->size);
	put_digest(object, "sha256", pattern->checksum);
	put_number(object, "added", pattern->counts.added);
	put_number(object, "merged", pattern->counts.merged);
	put_number(object, "dropped", pattern->counts.dropped);
	put_number(object, "written", pattern->counts.written);
	return object;
}

static void put_left_out(struct json_object *safety, const struct report *report,
        const struct description *description)
{
	struct json_object *array = put_array(safety, "left_out");
	for (size_t i = 0; i < report->left_out.count; i++) {
		const struct report_item *left = &report->left_out.items[i];
		struct json_object *item = json_object_new_object();
		(void)json_object_array_add(array, item);
		put_text(item, "text", left->text);
		put_text(item, "asked", left->asked);
		put_sources(item, "sources", description, left->bad);
	}
	put_number(safety, "left_out_count", report->left_out.total);
	array = put_array(safety, "allowed");
	for (size_t i = 0; i < report->allowed.count; i++) {
		struct json_object *item = json_object_new_object();
		(void)json_object_array_add(array, item);
		put_text(item, "text", report->allowed.items[i].text);
		put_text(item, "asked", report->allowed.items[i].asked);
	}
	put_number(safety, "allowed_count", report->allowed.total);
}

static void put_web(struct json_object *root, const struct report *report,
        const struct description *description)
{
	struct json_object *object = put_pattern(root, "web", "web.pattern", &report->web);
	put_number(object, "urls", report->web.urls);
	put_number(object, "v4", report->web.v4);
	put_number(object, "v6", report->web.v6);
	put_excluded(object, &report->web.excluded, description);
	put_conflicts(object, &report->web.conflicts, description);
	struct json_object *safety = put_object(object, "safety");
	put_number(safety, "asked", report->safety_asked);
	put_number(safety, "rounds", report->safety_rounds);
	put_left_out(safety, report, description);
}

static void put_files(struct json_object *root, const struct report *report,
        const struct description *description)
{
	struct json_object *object = put_pattern(root, "files", "files.pattern", &report->files);
	put_number(object, "md5", report->files.digests[DIGEST_MD5]);
	put_number(object, "sha1", report->files.digests[DIGEST_SHA1]);
	put_number(object, "sha256_digests", report->files.digests[DIGEST_SHA256]);
	put_excluded(object, &report->files.excluded, description);
	put_conflicts(object, &report->files.conflicts, description);
}

int report_json(const struct report *report, const struct description *description, char **ret_text,
        size_t *ret_length)
{
	struct json_object *root = json_object_new_object();
	if (root == NULL) {
		return -ENOMEM;
	}
	put_text(root, "name", description->name);
	put_text(root, "version", report->version);
	char seconds[32];
	snprintf(seconds, sizeof(seconds), "%.2f", report->seconds);
	(void)json_object_object_add(
	        root, "seconds", json_object_new_double_s(report->seconds, seconds));
	struct json_object *inputs = put_array(root, "inputs");
	for (size_t i = 0; i < report->input_count; i++) {
		put_list(inputs, report, i, description);
	}
	struct json_object *benign = put_array(root, "benign");
	for (size_t i = 0; i < report->benign_count; i++) {
		put_list(benign, report, report->input_count + i, description);
	}
	if (report->web.there) {
		put_web(root, report, description);
	}
	if (report->files.there) {
		put_files(root, report, description);
	}
	struct buf text;
	buf_init(&text, 64 * 1024 * 1024);
	const char *json = json_object_to_json_string_ext(
	        root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (json != NULL) {
		buf_add_text(&text, json);
		buf_add_char(&text, '\n');
	}
	(void)json_object_put(root);
	*ret_text = buf_take(&text, ret_length);
	return json != NULL && *ret_text != NULL ? 0 : -ENOMEM;
}
