#include "backend/base_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "backend/policy_rows.h"
#include "lib/base/file.h"
#include "lib/base/log.h"

struct building {
	struct base_build *build;
	struct policy_builder *builder;
};

static int left_out(struct building *building, const char *what, int64_t id, int status,
        const struct error *error)
{
	if (status == -ENOMEM) {
		return error_set_code(&building->build->error, status, "base");
	}
	if (building->build->left_out++ < 10) {
		log_error("base", "%s %lld is left out: %s", what, (long long)id, error->text);
	}
	return 0;
}

static int add_rule(void *context, const struct rule_row *row)
{
	struct building *building = context;
	struct error error = {0};
	building->build->rules++;
	building->build->keywords += row->enabled && row->kind == RULE_KEYWORD;
	int status = policy_add_rule_row(building->builder, row, &error);
	return status != 0 ? left_out(building, "rule", row->id, status, &error) : 0;
}

static int add_object(void *context, const struct object_row *row)
{
	struct building *building = context;
	struct error error = {0};
	int status = policy_add_object_row(building->builder, row, &error);
	return status != 0 ? left_out(building, "object", row->id, status, &error) : 0;
}

/* Everything in one read transaction: it is all as of that revision. */
static int gather(struct building *building)
{
	struct base_build *build = building->build;
	struct store_reader reader;
	int status = store_reader_open(build->database, &reader, &build->error);
	if (status != 0) {
		return status;
	}
	status = database_begin(&reader.database, &build->error);
	if (status == 0) {
		status = reader_meta(&reader, META_REVISION, &build->revision, &build->error);
	}
	if (status == 0) {
		status = rules_each(&reader, &build->view, add_rule, building, &build->error);
	}
	if (status == 0) {
		status = objects_each(&reader, add_object, building, &build->error);
	}
	database_rollback(&reader.database);
	store_reader_close(&reader);
	return status;
}

static int write_base(struct building *building)
{
	struct base_build *build = building->build;
	char temporary[PATH_MAX];
	int fd;
	int status = file_replace_start(build->path, 0600, temporary, &fd);
	if (status != 0) {
		return error_set_code(&build->error, status, "%s", build->path);
	}
	status = policy_builder_write(building->builder, fd, &build->error);
	if (status != 0) {
		file_replace_abort(temporary, fd);
		return status;
	}
	status = file_replace_finish(build->path, temporary, fd, &build->error);
	if (status != 0) {
		return status;
	}
	build->fd = open(build->path, O_RDONLY | O_CLOEXEC);
	if (build->fd < 0) {
		return error_set_code(&build->error, -errno, "%s", build->path);
	}
	return policy_load(build->fd, &build->policy, &build->error);
}

void base_build_run(struct task *task, void *context)
{
	struct base_build *build = (struct base_build *)task;
	struct building building = {.build = build};
	(void)context;
	build->fd = -1;
	build->status = policy_builder_new(&build->key, &building.builder);
	if (build->status != 0) {
		error_set_code(&build->error, build->status, "base");
		return;
	}
	build->status = gather(&building);
	if (build->status == 0) {
		build->status = write_base(&building);
	}
	if (build->status != 0) {
		file_close_fd(&build->fd);
		build->fd = -1;
	}
	policy_builder_free(building.builder);
}
