#include "backend/settings.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"

static const struct setting_info infos[] = {
#define SETTING(id, name, type, minimum, maximum, standard)                                        \
	{name, type, minimum, maximum, standard},
#include "backend/settings.def"
#undef SETTING
};

/* Loopback, private, link-local, unique-local. */
static const char *const standard_allow[] = {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12",
        "192.168.0.0/16", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10"};

const struct setting_info *setting_info(enum setting_id id)
{
	return &infos[id];
}

int setting_find(const char *name, enum setting_id *ret_id)
{
	for (int id = 0; id < SETTING_ID_COUNT; id++) {
		if (strcmp(infos[id].name, name) == 0) {
			*ret_id = (enum setting_id)id;
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}

static int ranges_add(struct setting_ranges *ranges, const char *text, size_t length)
{
	if (ranges->count == LINK_RANGES_MAX || length >= SETTING_RANGE_TEXT) {
		return SK_E_LIMIT;
	}
	struct link_range range;
	int status = address_range_parse(text, length, &range.first, &range.last);
	if (status != 0) {
		return status;
	}
	ranges->ranges[ranges->count] = range;
	memcpy(ranges->texts[ranges->count], text, length);
	ranges->texts[ranges->count][length] = '\0';
	ranges->count++;
	return 0;
}

static void standard_ranges(struct setting_ranges *ranges, enum setting_id id)
{
	memset(ranges, 0, sizeof(*ranges));
	for (size_t i = 0; id == SETTING_ALLOW_FROM && i < SK_COUNT(standard_allow); i++) {
		int status = ranges_add(ranges, standard_allow[i], strlen(standard_allow[i]));
		(void)status; /* constants, tested */
	}
}

static struct setting_ranges *ranges_of(struct settings *settings, enum setting_id id)
{
	return id == SETTING_ALLOW_FROM ? &settings->allow_from : &settings->explain_from;
}

void settings_init(struct settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	for (int id = 0; id < SETTING_ID_COUNT; id++) {
		settings->numbers[id] = infos[id].standard;
	}
	standard_ranges(&settings->allow_from, SETTING_ALLOW_FROM);
}

static int refuse(struct rpc_fault *fault, enum setting_id id, const char *why)
{
	return rpc_fault_set(fault, RPC_BAD_INPUT, infos[id].name, "%s", why);
}

static int set_ranges(
        struct settings *settings, enum setting_id id, json_object *value, struct rpc_fault *fault)
{
	struct setting_ranges ranges = {0};
	if (!json_object_is_type(value, json_type_array)) {
		return refuse(fault, id, "not an array");
	}
	size_t count = json_object_array_length(value);
	for (size_t i = 0; i < count; i++) {
		json_object *element = json_object_array_get_idx(value, i);
		if (!json_object_is_type(element, json_type_string)) {
			return refuse(fault, id, "not an array of texts");
		}
		int status = ranges_add(&ranges, json_object_get_string(element),
		        (size_t)json_object_get_string_len(element));
		if (status == SK_E_LIMIT) {
			return refuse(fault, id, "too many ranges");
		}
		if (status != 0) {
			return refuse(fault, id, "not an address, prefix or range");
		}
	}
	*ranges_of(settings, id) = ranges;
	return 0;
}

int settings_set(
        struct settings *settings, enum setting_id id, json_object *value, struct rpc_fault *fault)
{
	const struct setting_info *info = &infos[id];
	if (info->type == SETTING_RANGES) {
		int status = set_ranges(settings, id, value, fault);
		settings->stored[id] = settings->stored[id] || status == 0;
		return status;
	}
	int64_t number;
	if (info->type == SETTING_BOOL) {
		if (!json_object_is_type(value, json_type_boolean)) {
			return refuse(fault, id, "not true or false");
		}
		number = json_object_get_boolean(value);
	} else {
		if (!json_object_is_type(value, json_type_int)) {
			return refuse(fault, id, "not an integer");
		}
		number = json_object_get_int64(value);
	}
	if (number < info->minimum || number > info->maximum ||
	        (info->type == SETTING_SCORE && number != 51 && number != 66 && number != 81)) {
		return refuse(fault, id, "out of range");
	}
	settings->numbers[id] = number;
	settings->stored[id] = true;
	return 0;
}

json_object *settings_value(const struct settings *settings, enum setting_id id, bool standard)
{
	const struct setting_info *info = &infos[id];
	if (info->type == SETTING_RANGES) {
		struct setting_ranges ranges;
		if (standard) {
			standard_ranges(&ranges, id);
		} else {
			ranges = id == SETTING_ALLOW_FROM ? settings->allow_from
			                                  : settings->explain_from;
		}
		json_object *array = json_object_new_array();
		for (size_t i = 0; array != NULL && i < ranges.count; i++) {
			json_object_array_add(array, json_object_new_string(ranges.texts[i]));
		}
		return array;
	}
	int64_t number = standard ? info->standard : settings->numbers[id];
	return info->type == SETTING_BOOL ? json_object_new_boolean(number != 0)
	                                  : json_object_new_int64(number);
}

void settings_to_link(const struct settings *settings, struct link_settings *ret_link)
{
	const int64_t *numbers = settings->numbers;
	struct link_settings link = {
	        .web_on = numbers[SETTING_SERVICE_WEB] != 0,
	        .files_on = numbers[SETTING_SERVICE_FILES] != 0,
	        .access_log_on = numbers[SETTING_LOG_ACCESS] != 0,
	        .approved_first = numbers[SETTING_APPROVED_FIRST] != 0,
	        .block_below = (uint8_t)numbers[SETTING_BLOCK_BELOW],
	        .log_score_max = (uint8_t)numbers[SETTING_LOG_SCORE_MAX],
	        .ttl_listed = (uint32_t)numbers[SETTING_TTL_LISTED],
	        .ttl_unlisted = (uint32_t)numbers[SETTING_TTL_UNLISTED],
	        .handshake_ms = (uint32_t)numbers[SETTING_HANDSHAKE_MS],
	        .header_ms = (uint32_t)numbers[SETTING_HEADER_MS],
	        .body_ms = (uint32_t)numbers[SETTING_BODY_MS],
	        .idle_ms = (uint32_t)numbers[SETTING_IDLE_MS],
	        .write_ms = (uint32_t)numbers[SETTING_WRITE_MS],
	        .event_interval_ms = (uint32_t)numbers[SETTING_EVENT_INTERVAL_MS],
	        .counter_interval_ms = (uint32_t)numbers[SETTING_COUNTER_INTERVAL_MS],
	        .connections_max = (uint32_t)numbers[SETTING_CONNECTIONS_MAX],
	        .allow_count = (uint16_t)settings->allow_from.count,
	        .explain_count = (uint16_t)settings->explain_from.count,
	};
	memcpy(link.allow, settings->allow_from.ranges, sizeof(link.allow));
	memcpy(link.explain, settings->explain_from.ranges, sizeof(link.explain));
	*ret_link = link;
}
