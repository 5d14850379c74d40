#include "backend/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/policy_rows.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* Far above LIMIT_OVERLAY_CHANGES. */
#define IDS_MAX ((size_t)1 << 20)

struct building {
	const struct overlay_request *request;
	struct policy_builder *builder;
	struct buf held; /* int64_t: rules whose change has to wait, as their base has to stay */
	struct buf current; /* a byte for each entry of `known`: it counts as it is */
	struct overlay *overlay;
	struct error *error;
	bool objects; /* which removals are being visited */
};

/* The entry (list, id) of a policy, whose entries are in that order; its index, or UINT32_MAX. */
static uint32_t find_entry(
        const struct policy *policy, int list, int64_t id, struct policy_entry *ret_entry)
{
	uint32_t low = 0, high = policy != NULL ? policy_entry_count(policy) : 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		policy_entry(policy, middle, ret_entry);
		int entry_list = (int)ret_entry->list;
		if (entry_list == list && ret_entry->id == id) {
			return middle;
		}
		if (entry_list < list || (entry_list == list && ret_entry->id < id)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return UINT32_MAX;
}

/* Is the row a keyword rule whose compiled expression is there? */
static uint32_t find_known(const struct building *building, const struct rule_row *row)
{
	struct policy_entry entry;
	uint32_t index = find_entry(building->request->known, row->list, row->id, &entry);
	bool same = index != UINT32_MAX && entry.keyword && row->kind == RULE_KEYWORD &&
	            strlen(row->pattern) == entry.text_length &&
	            memcmp(entry.text, row->pattern, entry.text_length) == 0;
	return same ? index : UINT32_MAX;
}

/* Must this change wait for a compilation? */
static bool must_wait(const struct building *building, const struct rule_row *row)
{
	if (building->request->full || !row->enabled) {
		return false;
	}
	if (row->kind == RULE_KEYWORD) {
		return find_known(building, row) == UINT32_MAX;
	}
	/* Its place (list, id) is taken by the keyword that it was before. */
	struct policy_entry entry;
	return find_entry(building->request->known, row->list, row->id, &entry) != UINT32_MAX &&
	       entry.keyword;
}

static int find_waiting(void *context, const struct rule_row *row)
{
	struct building *building = context;
	if (must_wait(building, row)) {
		building->overlay->missing = true;
		buf_add(&building->held, &row->id, sizeof(row->id));
	} else if (!building->request->full && row->enabled && row->kind == RULE_KEYWORD) {
		building->current.data[find_known(building, row)] = 1;
		building->overlay->uses_known = true;
	}
	return buf_status(&building->held);
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static bool is_held(const struct building *building, int64_t id)
{
	return building->held.length > 0 &&
	       bsearch(&id, building->held.data, building->held.length / sizeof(id), sizeof(id),
	               compare_ids) != NULL;
}

static int add_removal(void *context, int64_t id)
{
	struct building *building = context;
	static const enum policy_list lists[2][2] = {{POLICY_USER_APPROVED, POLICY_USER_BLOCKED},
	        {POLICY_OBJECT_USER, POLICY_OBJECT_ANALYZER}};
	if (!building->objects && is_held(building, id)) {
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		int status = policy_builder_remove(building->builder, building->request->base,
		        lists[building->objects][i], id);
		if (status != 0) {
			return error_set_code(building->error, status, "overlay");
		}
	}
	building->overlay->changes++;
	return 0;
}

static int add_rule(void *context, const struct rule_row *row)
{
	struct building *building = context;
	if (!row->enabled || must_wait(building, row)) {
		return 0;
	}
	struct error error = {0};
	int status = policy_add_rule_row(building->builder, row, &error);
	if (status == -ENOMEM) {
		return error_set_code(building->error, status, "overlay");
	}
	if (status != 0) {
		log_error("overlay", "rule %lld is left out: %s", (long long)row->id, error.text);
		return 0;
	}
	building->overlay->changes++;
	building->overlay->keywords += row->kind == RULE_KEYWORD;
	return 0;
}

static int add_object(void *context, const struct object_row *row)
{
	struct building *building = context;
	struct error error = {0};
	int status = policy_add_object_row(building->builder, row, &error);
	if (status == -ENOMEM) {
		return error_set_code(building->error, status, "overlay");
	}
	if (status != 0) {
		log_error("overlay", "object %lld is left out: %s", (long long)row->id, error.text);
	}
	building->overlay->changes++;
	return 0;
}

/* Known keywords that no longer count keep their place, expired. */
static int add_expired(struct building *building)
{
	const struct policy *known = building->request->known;
	if (!building->overlay->uses_known) {
		return 0;
	}
	for (uint32_t i = 0; i < policy_entry_count(known); i++) {
		struct policy_entry entry;
		policy_entry(known, i, &entry);
		if (!entry.keyword || building->current.data[i] != 0) {
			continue;
		}
		struct rule rule = {.id = entry.id,
		        .list = entry.list,
		        .kind = RULE_KEYWORD,
		        .pattern = entry.text,
		        .expires = 1,
		        .enabled = true,
		        .comment = ""};
		int status = policy_builder_add_rule(building->builder, &rule, building->error);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

static int gather(struct building *building)
{
	const struct overlay_request *request = building->request;
	int64_t since = request->base_revision;
	struct error *error = building->error;
	int status = rules_each_changed(request->store, since, find_waiting, building, error);
	if (status != 0) {
		return status;
	}
	if (building->held.length > 0) {
		qsort(building->held.data, building->held.length / sizeof(int64_t), sizeof(int64_t),
		        compare_ids);
	}
	for (int objects = 0; status == 0 && objects < 2; objects++) {
		building->objects = objects != 0;
		status = removed_each(
		        request->store, building->objects, since, add_removal, building, error);
	}
	if (status == 0) {
		status = rules_each_changed(request->store, since, add_rule, building, error);
	}
	if (status == 0) {
		status = objects_each_changed(request->store, since, add_object, building, error);
	}
	return status == 0 ? add_expired(building) : status;
}

static int write_overlay(struct building *building)
{
	struct overlay *overlay = building->overlay;
	int status = memory_file("overlay", &overlay->fd);
	if (status != 0) {
		return error_set_code(building->error, status, "overlay");
	}
	status = policy_builder_write(building->builder, overlay->fd, building->error);
	if (status == 0) {
		memory_file_seal(overlay->fd);
		status = policy_load(overlay->fd, &overlay->policy, building->error);
	}
	return status;
}

int overlay_build(
        const struct overlay_request *request, struct overlay *ret_overlay, struct error *error)
{
	struct overlay overlay = {.fd = -1};
	struct building building = {.request = request, .overlay = &overlay, .error = error};
	buf_init(&building.held, IDS_MAX * sizeof(int64_t));
	buf_init(&building.current, IDS_MAX);
	if (request->known != NULL) {
		uint32_t count = policy_entry_count(request->known);
		char *flags = buf_reserve(&building.current, count);
		if (flags != NULL) {
			memset(flags, 0, count);
			buf_commit(&building.current, count);
		}
	}
	int status = buf_status(&building.current);
	if (status == 0) {
		status = policy_builder_new(policy_key(request->base), &building.builder);
	}
	if (status != 0) {
		error_set_code(error, status, "overlay");
	} else {
		status = gather(&building);
	}
	if (status == 0) {
		status = write_overlay(&building);
	}
	policy_builder_free(building.builder);
	buf_release(&building.held);
	buf_release(&building.current);
	if (status != 0) {
		overlay_release(&overlay);
		return status;
	}
	*ret_overlay = overlay;
	return 0;
}

void overlay_release(struct overlay *overlay)
{
	policy_close(overlay->policy);
	if (overlay->fd >= 0) {
		close(overlay->fd);
	}
	*overlay = (struct overlay){.fd = -1};
}
