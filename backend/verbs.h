#ifndef BACKEND_VERBS_H
#define BACKEND_VERBS_H

#include "backend/backend.h"
#include "lib/rpc/server.h"

/* What the RPC verbs do (docs/rpc.md), a file per group. Each answers its call, at once or later.
 */
void verbs_handle(void *backend, struct rpc_call *call); /* rpc_handler_fn */

typedef void verb_fn(struct backend *backend, struct rpc_call *call);

/* verb_status.c */
verb_fn verb_status_brief, verb_status_get, verb_job_get, verb_job_cancel, verb_clock_confirm,
        verb_service_check, verb_test_advance;
/* verb_settings.c */
verb_fn verb_settings_get, verb_settings_set;
/* verb_lookup.c */
void verb_lookup_release(void); /* at the end */
verb_fn verb_lookup_url, verb_lookup_domain, verb_lookup_ip, verb_lookup_file;
/* verb_rules.c */
verb_fn verb_rule_get, verb_rule_add, verb_rule_edit, verb_rule_remove, verb_rule_import,
        verb_rule_import_undo;
/* verb_objects.c */
verb_fn verb_object_add, verb_object_remove;
/* verb_lists.c: what the reader thread does */
verb_fn verb_rule_list, verb_rule_export, verb_object_list, verb_log_blocked, verb_log_access,
        verb_log_service, verb_counters_clients, verb_counters_totals, verb_counters_top_urls;
/* verb_patterns.c */
verb_fn verb_pattern_build, verb_pattern_import, verb_pattern_list, verb_pattern_activate,
        verb_pattern_rollback;

/* ---- for the verbs ---- */

/* Answers by the code of lib/base/error.h; `field` may be NULL. */
void verb_fail(struct rpc_call *call, int status, const char *field, const struct error *error);

/*
 * After store_end of a change: asks for a publish and answers the call when it is in effect,
 * with "active" and "generation" added to `result` (taken). `keywords`: also its keyword rules.
 */
void verb_answer_active(
        struct backend *backend, struct rpc_call *call, json_object *result, bool keywords);

/* Members of answers. Zero becomes null. */
void verb_add_time(json_object *object, const char *name, int64_t time);
void verb_add_text(json_object *object, const char *name, const char *text);
void verb_add_number(json_object *object, const char *name, int64_t number);
void verb_add_bool(json_object *object, const char *name, bool value);
void verb_add_categories(json_object *object, const char *name, uint64_t categories);

/* Control characters have no place in what administrators state. */
bool verb_text_is_plain(const char *text, size_t length);

/* The names of lists: "approved", "blocked", "user", "analyzer". */
const char *verb_list_name(int list);

/* A rule as rule.get and rule.list show it. */
struct rule_row;
json_object *verb_describe_rule(const struct rule_row *row);

/* ---- the reader thread ---- */

/* What its tasks find as their context. Opened when first needed. */
struct readers {
	struct store_reader store;
	bool store_open;
	struct counters_reader *counters; /* NULL: not open */
};
void readers_close(struct readers *readers);

/* Things that come again and again on the loop's timer: the clock, purging. */
void backend_tick(struct backend *backend);

#endif
