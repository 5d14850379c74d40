#ifndef BACKEND_SETTINGS_H
#define BACKEND_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_object.h>

#include "lib/link/link.h"
#include "lib/rpc/fault.h"

/* The settings: one table (settings.def), typed values, JSON for RPC and store. Main thread. */
enum setting_id {
#define SETTING(id, name, type, minimum, maximum, standard) SETTING_##id,
#include "backend/settings.def"
#undef SETTING
	SETTING_ID_COUNT
};

enum setting_type { SETTING_BOOL, SETTING_NUMBER, SETTING_SCORE, SETTING_RANGES };

struct setting_info {
	const char *name;
	enum setting_type type;
	int64_t minimum, maximum, standard;
};

#define SETTING_RANGE_TEXT 96
struct setting_ranges {
	size_t count;
	struct link_range ranges[LINK_RANGES_MAX];
	char texts[LINK_RANGES_MAX][SETTING_RANGE_TEXT]; /* as stated */
};

struct settings {
	int64_t numbers[SETTING_ID_COUNT];
	bool stored[SETTING_ID_COUNT]; /* stated by somebody */
	struct setting_ranges allow_from, explain_from;
};

const struct setting_info *setting_info(enum setting_id id);
int setting_find(const char *name, enum setting_id *ret_id) SK_MUST_USE; /* SK_E_NOT_FOUND */

void settings_init(struct settings *settings); /* all standard */

/* Checks `value` and puts it in. SK_E_REFUSED with RPC_BAD_INPUT and the setting's name as field;
 * nothing has changed then. */
int settings_set(struct settings *settings, enum setting_id id, json_object *value,
        struct rpc_fault *fault) SK_MUST_USE;

/* The value, or with `standard` its default; the caller's. NULL when memory is short. */
json_object *settings_value(const struct settings *settings, enum setting_id id, bool standard);

/* What queryd needs of them; time_offset stays 0. */
void settings_to_link(const struct settings *settings, struct link_settings *ret_link);

#endif
