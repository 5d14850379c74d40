#include "pattern/description.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/siphash.h"
#include "lib/data/rating.h"
#include "pattern/json_scan.h"

/* No object of a description has more members; more cannot be right. */
#define MEMBERS_MAX 64

/* A JSON pointer; long enough for every place that exists, member names cut. */
#define PLACE_SIZE 256
struct place {
	char text[PLACE_SIZE];
};

const char *description_kind_name(enum description_kind kind)
{
	static const char *const names[] = {"bad", "good", "exclude"};
	return names[kind];
}

static struct place place_under(const struct place *place, const char *member)
{
	struct place under;
	int length = snprintf(under.text, sizeof(under.text), "%s/", place->text);
	size_t at = (size_t)length < sizeof(under.text) ? (size_t)length : sizeof(under.text) - 1;
	/* "~" and "/" are escaped in pointers; control characters do not belong into messages. */
	for (; *member != '\0' && at + 3 < sizeof(under.text); member++) {
		if (*member == '~' || *member == '/') {
			under.text[at++] = '~';
			under.text[at++] = *member == '~' ? '0' : '1';
		} else {
			under.text[at++] = (unsigned char)*member < ' ' ? '?' : *member;
		}
	}
	under.text[at] = '\0';
	return under;
}

static struct place place_at(const struct place *place, size_t index)
{
	char number[24];
	snprintf(number, sizeof(number), "%zu", index);
	return place_under(place, number);
}

static int place_error(const struct place *place, struct error *error, const char *reason)
{
	return error_set(
	        error, SK_E_SYNTAX, "%s: %s", place->text[0] != '\0' ? place->text : "/", reason);
}

/* --- text that is no JSON, members that stand twice --- */

struct member_check {
	uint64_t keys[JSON_DEPTH_MAX + 1][MEMBERS_MAX];
	unsigned counts[JSON_DEPTH_MAX + 1];
};

static const char *check_member(struct member_check *check, const struct json_scan *scan)
{
	static const struct siphash_key key;
	uint64_t hash = siphash(&key, scan->text.data, scan->text.length).low;
	unsigned depth = scan->depth;
	if (check->counts[depth] == MEMBERS_MAX) {
		return "too many members in one object";
	}
	for (unsigned i = 0; i < check->counts[depth]; i++) {
		if (check->keys[depth][i] == hash) {
			return "a member that stands twice in one object";
		}
	}
	check->keys[depth][check->counts[depth]++] = hash;
	return NULL;
}

static int check_events(struct json_scan *scan, struct member_check *check, const char **ret_reason)
{
	enum json_event event = JSON_NULL;
	while (event != JSON_END) {
		int status = json_scan_next(scan, &event);
		if (status != 0) {
			*ret_reason = scan->reason != NULL ? scan->reason : sk_strerror(status);
			return status;
		}
		if (event == JSON_OBJECT_START) {
			check->counts[scan->depth] = 0;
		}
		if (scan->cut) {
			*ret_reason = "text too long";
			return SK_E_SYNTAX;
		}
		if (event == JSON_KEY) {
			*ret_reason = check_member(check, scan);
			if (*ret_reason != NULL) {
				return SK_E_SYNTAX;
			}
		}
	}
	return 0;
}

/* json-c takes much that is no JSON, and the last of two members; so this comes first. */
static int check_text(const char *text, size_t length, struct error *error)
{
	struct json_scan scan;
	struct input *input;
	const char *reason = NULL;
	struct member_check *check = mem_new(1, sizeof(*check));
	if (check == NULL || input_over(text, length, &input) != 0) {
		mem_free(check);
		return error_set_code(error, -ENOMEM, "cannot read the description");
	}
	json_scan_init(&scan, input, LIMIT_FEED_LINE);
	int status = check_events(&scan, check, &reason);
	if (status != 0) {
		error_set(error, status, "line %llu, column %llu: %s",
		        (unsigned long long)scan.line, (unsigned long long)scan.column, reason);
	}
	json_scan_release(&scan);
	input_close(input);
	mem_free(check);
	return status;
}

/* --- values --- */

static int take_text(const struct json_object *value, const struct place *place, size_t maximum,
        const char **ret_text, struct error *error)
{
	if (!json_object_is_type(value, json_type_string)) {
		return place_error(place, error, "must be a string");
	}
	/* json-c's getters are not const, but do not change a string. */
	struct json_object *string = (struct json_object *)(uintptr_t)value;
	const char *text = json_object_get_string(string);
	size_t length = (size_t)json_object_get_string_len(string);
	if (length == 0) {
		return place_error(place, error, "must not be empty");
	}
	if (length > maximum) {
		return place_error(place, error, "is too long");
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			return place_error(place, error, "must not have control characters");
		}
	}
	*ret_text = text;
	return 0;
}

static int take_integer(const struct json_object *value, const struct place *place, int64_t minimum,
        int64_t maximum, int64_t *ret_integer, struct error *error)
{
	char reason[96];
	int64_t integer = json_object_is_type(value, json_type_int) ? json_object_get_int64(value)
	                                                            : minimum - 1;
	if (integer < minimum || integer > maximum) {
		snprintf(reason, sizeof(reason), "must be an integer from %lld to %lld",
		        (long long)minimum, (long long)maximum);
		return place_error(place, error, reason);
	}
	*ret_integer = integer;
	return 0;
}

/* An object with no other members than `names` (NULL at the end). */
static int take_object(struct json_object *value, const struct place *place,
        const char *const *names, struct error *error)
{
	if (!json_object_is_type(value, json_type_object)) {
		return place_error(place, error, "must be an object");
	}
	struct json_object_iterator at = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *member = json_object_iter_peek_name(&at);
		size_t i = 0;
		while (names[i] != NULL && strcmp(names[i], member) != 0) {
			i++;
		}
		if (names[i] == NULL) {
			struct place under = place_under(place, member);
			return place_error(&under, error, "is not known");
		}
	}
	return 0;
}

static int take_array(struct json_object *value, const struct place *place, size_t minimum,
        size_t maximum, size_t *ret_count, struct error *error)
{
	if (!json_object_is_type(value, json_type_array)) {
		return place_error(place, error, "must be an array");
	}
	size_t count = json_object_array_length(value);
	if (count < minimum) {
		return place_error(place, error, "must not be empty");
	}
	if (count > maximum) {
		return place_error(place, error, "has too many elements");
	}
	*ret_count = count;
	return 0;
}

/* Whether a member is there, its value (NULL for null) and its place. */
static bool member_of(struct json_object *object, const struct place *place, const char *name,
        struct place *ret_place, struct json_object **ret_value)
{
	*ret_place = place_under(place, name);
	*ret_value = NULL;
	return json_object_object_get_ex(object, name, ret_value);
}

/* A member that must be there as a text. */
static int needed_text(struct json_object *object, const struct place *place, const char *name,
        size_t maximum, const char **ret_text, struct error *error)
{
	struct place under;
	struct json_object *value;
	bool value_there = member_of(object, place, name, &under, &value);
	if (!value_there) {
		return place_error(&under, error, "is missing");
	}
	return take_text(value, &under, maximum, ret_text, error);
}

/* --- inputs --- */

static int input_kind(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	const char *text;
	int status = needed_text(object, place, "kind", 16, &text, error);
	if (status != 0) {
		return status;
	}
	for (unsigned kind = DESCRIPTION_BAD; kind <= DESCRIPTION_EXCLUDE; kind++) {
		if (strcmp(description_kind_name((enum description_kind)kind), text) == 0) {
			input->kind = (enum description_kind)kind;
			return 0;
		}
	}
	struct place under = place_under(place, "kind");
	return place_error(&under, error, "must be bad, good or exclude");
}

static int input_format(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	const char *text;
	struct place under = place_under(place, "format");
	int status = needed_text(object, place, "format", 64, &text, error);
	if (status != 0) {
		return status;
	}
	input->format = feed_format_find(text);
	if (input->format == NULL) {
		return place_error(&under, error, "is no format that is known");
	}
	if (feed_format_only_excludes(input->format) && input->kind != DESCRIPTION_EXCLUDE) {
		return place_error(&under, error, "only goes with kind exclude");
	}
	return 0;
}

static int input_score(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	struct place under;
	struct json_object *value;
	bool value_there = member_of(object, place, "score", &under, &value);
	bool good = input->kind == DESCRIPTION_GOOD;
	int64_t score = good ? SCORE_LISTED_GOOD : SCORE_LISTED_BAD;
	if (value_there && input->kind == DESCRIPTION_EXCLUDE) {
		return place_error(&under, error, "does not go with kind exclude");
	}
	if (value_there) {
		int status = take_integer(value, &under, good ? SCORE_LISTED_GOOD : 0,
		        good ? SCORE_MAX : SCORE_LISTED_GOOD - 1, &score, error);
		if (status != 0) {
			return status;
		}
	}
	input->value.score = (uint8_t)score;
	return 0;
}

static int input_categories(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	struct place under;
	size_t count;
	struct json_object *value;
	bool value_there = member_of(object, place, "categories", &under, &value);
	if (!value_there) {
		return 0;
	}
	if (input->kind == DESCRIPTION_EXCLUDE) {
		return place_error(&under, error, "does not go with kind exclude");
	}
	int status = take_array(value, &under, 0, CATEGORY_MAX, &count, error);
	for (size_t i = 0; status == 0 && i < count; i++) {
		const char *name;
		unsigned category;
		struct place at = place_at(&under, i);
		status = take_text(json_object_array_get_idx(value, i), &at, 64, &name, error);
		if (status == 0 && category_parse(name, strlen(name), &category) != 0) {
			return place_error(&at, error, "is no category that is known");
		}
		if (status == 0) {
			input->value.categories |= UINT64_C(1) << category;
		}
	}
	return status;
}

static int input_cnc(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	static const char *const names[] = {"level", "source", NULL};
	struct place under, at;
	struct json_object *value;
	bool value_there = member_of(object, place, "cnc", &under, &value);
	if (!value_there) {
		return 0;
	}
	if (input->kind != DESCRIPTION_BAD) {
		return place_error(&under, error, "only goes with kind bad");
	}
	int status = take_object(value, &under, names, error);
	if (status != 0) {
		return status;
	}
	int64_t level;
	struct json_object *member;
	bool member_there = member_of(value, &under, "level", &at, &member);
	if (!member_there) {
		return place_error(&at, error, "is missing");
	}
	status = take_integer(member, &at, CNC_NONE, CNC_LEVEL_COUNT - 1, &level, error);
	if (status != 0) {
		return status;
	}
	input->value.cnc_level = (uint8_t)level;
	member_there = member_of(value, &under, "source", &at, &member);
	if (!member_there) {
		return level == 0 ? 0 : place_error(&at, error, "is missing");
	}
	const char *name;
	enum cnc_source source;
	status = take_text(member, &at, 64, &name, error);
	if (status == 0 && cnc_source_parse(name, &source) != 0) {
		return place_error(&at, error, "is no C&C source that is known");
	}
	if (status == 0 && level > 0) {
		input->value.cnc_source = (uint8_t)source;
	}
	return status;
}

static int input_column(struct description_input *input, unsigned role, struct json_object *value,
        const struct place *place, struct error *error)
{
	if (json_object_is_type(value, json_type_string)) {
		return take_text(value, place, 128, &input->columns.roles[role].header, error);
	}
	int64_t number;
	int status = take_integer(value, place, 1, FEED_COLUMNS_MAX, &number, error);
	if (status == 0) {
		input->columns.roles[role].number = (uint16_t)number;
	}
	return status;
}

static int input_separator(struct description_input *input, struct json_object *value,
        const struct place *place, struct error *error)
{
	/* A tab is a control character, so it is not read as an ordinary text. */
	const char *text =
	        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	if (text[0] == '\0' || strchr(",;|\t", text[0]) == NULL ||
	        json_object_get_string_len(value) != 1) {
		return place_error(place, error, "must be one of , ; | and tab");
	}
	input->columns.separator = text[0];
	return 0;
}

static bool has_role(const struct description_input *input, unsigned role)
{
	return input->columns.roles[role].number > 0 || input->columns.roles[role].header != NULL;
}

/* Columns that make sense: at least one value, a path only with a host. */
static int check_columns(
        const struct description_input *input, const struct place *place, struct error *error)
{
	bool value = false;
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		value |= role != FEED_PATH && role != FEED_NAME && has_role(input, role);
	}
	if (feed_format_needs_columns(input->format) && !value) {
		return place_error(place, error, "names no column with a value");
	}
	if (has_role(input, FEED_PATH) && !has_role(input, FEED_HOST)) {
		return place_error(place, error, "has a path without a host");
	}
	return 0;
}

static int input_columns(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	static const char *const table_names[] = {"url", "host", "path", "ip", "digest", "md5",
	        "sha1", "sha256", "value", "name", "separator", NULL};
	static const char *const count_names[] = {"minimum_count", NULL};
	struct place under, at;
	struct json_object *value;
	bool value_there = member_of(object, place, "columns", &under, &value);
	bool table = feed_format_needs_columns(input->format);
	if (!value_there) {
		return table ? place_error(&under, error, "is missing") : 0;
	}
	if (!feed_format_takes_columns(input->format)) {
		return place_error(&under, error, "does not go with this format");
	}
	int status = take_object(value, &under, table ? table_names : count_names, error);
	for (unsigned role = 0; status == 0 && role < FEED_ROLE_COUNT; role++) {
		struct json_object *member;
		bool member_there = member_of(
		        value, &under, feed_role_name((enum feed_role)role), &at, &member);
		if (member_there) {
			status = input_column(input, role, member, &at, error);
		}
	}
	if (status != 0) {
		return status;
	}
	struct json_object *member;
	bool member_there = member_of(value, &under, "separator", &at, &member);
	if (member_there) {
		status = input_separator(input, member, &at, error);
	}
	member_there = member_of(value, &under, "minimum_count", &at, &member);
	if (status == 0 && member_there) {
		int64_t count;
		status = take_integer(member, &at, 0, 1000000000, &count, error);
		input->columns.minimum_count = status == 0 ? (uint64_t)count : 0;
	}
	return status != 0 ? status : check_columns(input, &under, error);
}

static int input_name(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	struct place under;
	struct json_object *value;
	bool value_there = member_of(object, place, "name", &under, &value);
	input->name = "";
	if (!value_there) {
		return 0;
	}
	if (input->kind != DESCRIPTION_BAD) {
		return place_error(&under, error, "only goes with kind bad");
	}
	return take_text(value, &under, LIMIT_THREAT_NAME, &input->name, error);
}

static int parse_input(struct description_input *input, struct json_object *object,
        const struct place *place, struct error *error)
{
	static const char *const names[] = {"path", "format", "source", "kind", "score",
	        "categories", "cnc", "columns", "name", NULL};
	static int (*const parts[])(struct description_input *, struct json_object *,
	        const struct place *, struct error *) = {input_kind, input_format, input_score,
	        input_categories, input_cnc, input_columns, input_name};
	int status = take_object(object, place, names, error);
	if (status == 0) {
		status = needed_text(
		        object, place, "path", DESCRIPTION_PATH_MAX, &input->path, error);
	}
	if (status == 0) {
		status = needed_text(
		        object, place, "source", LIMIT_SOURCE_NAME, &input->source, error);
	}
	for (size_t i = 0; status == 0 && i < SK_COUNT(parts); i++) {
		status = parts[i](input, object, place, error);
	}
	return status;
}

/* Finds the source or puts it where it belongs; false when there are too many. */
static bool add_source(struct description *description, const char *source)
{
	size_t at = 0;
	while (at < description->source_count && strcmp(description->sources[at], source) < 0) {
		at++;
	}
	if (at < description->source_count && strcmp(description->sources[at], source) == 0) {
		return true;
	}
	if (description->source_count == PATTERN_SOURCES_MAX) {
		return false;
	}
	memmove(&description->sources[at + 1], &description->sources[at],
	        (description->source_count - at) * sizeof(description->sources[0]));
	description->sources[at] = source;
	description->source_count++;
	return true;
}

/* Bits are given by the sorted order, so that the order of inputs has no influence. */
static int number_sources(
        struct description *description, const struct place *place, struct error *error)
{
	for (size_t i = 0; i < description->input_count; i++) {
		if (!add_source(description, description->inputs[i].source)) {
			return place_error(place, error, "has more than 64 different sources");
		}
	}
	for (size_t i = 0; i < description->input_count; i++) {
		struct description_input *input = &description->inputs[i];
		unsigned index = 0;
		while (strcmp(description->sources[index], input->source) != 0) {
			index++;
		}
		input->source_index = index;
		input->value.origins = UINT64_C(1) << index;
	}
	return 0;
}

static int parse_inputs(struct description *description, struct json_object *root,
        const struct place *top, struct error *error)
{
	struct place place;
	size_t count;
	struct json_object *inputs;
	bool inputs_there = member_of(root, top, "inputs", &place, &inputs);
	if (!inputs_there) {
		return place_error(&place, error, "is missing");
	}
	int status = take_array(inputs, &place, 1, DESCRIPTION_INPUTS_MAX, &count, error);
	if (status != 0) {
		return status;
	}
	description->inputs = mem_new(count, sizeof(*description->inputs));
	if (description->inputs == NULL) {
		return error_set_code(error, -ENOMEM, "cannot read the description");
	}
	description->input_count = count;
	for (size_t i = 0; i < count; i++) {
		struct place at = place_at(&place, i);
		status = parse_input(
		        &description->inputs[i], json_object_array_get_idx(inputs, i), &at, error);
		if (status != 0) {
			return status;
		}
	}
	return number_sources(description, &place, error);
}

/* --- safety --- */

static int parse_texts(struct json_object *object, const struct place *place, const char *name,
        size_t maximum, size_t length, const char ***ret_texts, size_t *ret_count,
        struct error *error)
{
	struct place under;
	size_t count;
	struct json_object *value;
	bool value_there = member_of(object, place, name, &under, &value);
	if (!value_there) {
		return 0;
	}
	int status = take_array(value, &under, 0, maximum, &count, error);
	if (status != 0) {
		return status;
	}
	const char **texts = mem_new(count > 0 ? count : 1, sizeof(*texts));
	if (texts == NULL) {
		return error_set_code(error, -ENOMEM, "cannot read the description");
	}
	*ret_texts = texts;
	for (size_t i = 0; i < count; i++) {
		struct place at = place_at(&under, i);
		status = take_text(
		        json_object_array_get_idx(value, i), &at, length, &texts[i], error);
		if (status != 0) {
			return status;
		}
	}
	*ret_count = count;
	return 0;
}

static int parse_safety(struct description *description, struct json_object *root,
        const struct place *top, struct error *error)
{
	static const char *const names[] = {"benign", "allow_site", NULL};
	struct place place;
	struct json_object *safety;
	bool safety_there = member_of(root, top, "safety", &place, &safety);
	if (!safety_there) {
		return 0;
	}
	int status = take_object(safety, &place, names, error);
	if (status == 0) {
		status = parse_texts(safety, &place, "benign", DESCRIPTION_BENIGN_MAX,
		        DESCRIPTION_PATH_MAX, &description->benign, &description->benign_count,
		        error);
	}
	if (status == 0) {
		status = parse_texts(safety, &place, "allow_site", DESCRIPTION_ALLOW_MAX, LIMIT_URL,
		        &description->allow_site, &description->allow_site_count, error);
	}
	return status;
}

/* --- the whole --- */

bool description_version_is_good(const char *version)
{
	size_t length = strlen(version);
	return length > 0 && length <= DESCRIPTION_VERSION_MAX &&
	       strspn(version, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                       "0123456789._+-") == length;
}

static int parse_root(struct description *description, struct error *error)
{
	static const char *const names[] = {"name", "version", "inputs", "safety", NULL};
	struct json_object *root = description->document;
	struct place top = {""}, place;
	int status = take_object(root, &top, names, error);
	if (status == 0) {
		status = needed_text(
		        root, &top, "name", DESCRIPTION_NAME_MAX, &description->name, error);
	}
	if (status != 0) {
		return status;
	}
	struct json_object *version;
	bool version_there = member_of(root, &top, "version", &place, &version);
	if (version_there) {
		status = take_text(
		        version, &place, DESCRIPTION_VERSION_MAX, &description->version, error);
		if (status == 0 && !description_version_is_good(description->version)) {
			return place_error(&place, error, "may only have letters, digits and ._+-");
		}
	}
	if (status == 0) {
		status = parse_inputs(description, root, &top, error);
	}
	if (status == 0) {
		status = parse_safety(description, root, &top, error);
	}
	return status;
}

int description_parse(
        const char *text, size_t length, struct description *ret_description, struct error *error)
{
	if (length > DESCRIPTION_SIZE_MAX) {
		return error_set(error, SK_E_LIMIT, "the description is larger than 1 MiB");
	}
	int status = check_text(text, length, error);
	if (status != 0) {
		return status;
	}
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (tokener == NULL) {
		return error_set_code(error, -ENOMEM, "cannot read the description");
	}
	struct description description = {0};
	description.document = json_tokener_parse_ex(tokener, text, (int)length);
	/* A number or word at the very end is only finished by what follows. */
	if (json_tokener_get_error(tokener) == json_tokener_continue) {
		description.document = json_tokener_parse_ex(tokener, " ", 1);
	}
	json_tokener_free(tokener);
	status = parse_root(&description, error);
	if (status != 0) {
		description_release(&description);
		return status;
	}
	*ret_description = description;
	return 0;
}

void description_release(struct description *description)
{
	mem_free(description->inputs);
	mem_free(description->benign);
	mem_free(description->allow_site);
	(void)json_object_put(description->document);
	*description = (struct description){0};
}
