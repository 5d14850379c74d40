#include "backend/policy_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "lib/base/mem.h"
#include "lib/verdict/keyword_set.h"

int policy_add_rule_row(
        struct policy_builder *builder, const struct rule_row *row, struct error *error)
{
	struct rule rule = {.id = row->id,
	        .list = (enum policy_list)row->list,
	        .kind = (enum rule_kind)row->kind,
	        .pattern = row->pattern,
	        .expires = row->expires,
	        .enabled = row->enabled,
	        .comment = ""};
	struct target *targets = NULL;
	if (!row->enabled) {
		return 0;
	}
	if (row->targets[0] != '\0') {
		int status = targets_parse(row->targets, &targets, &rule.target_count, error);
		if (status != 0) {
			return status;
		}
		rule.targets = targets;
	}
	int status = policy_builder_add_rule(builder, &rule, error);
	mem_free(targets);
	return status;
}

int policy_add_object_row(
        struct policy_builder *builder, const struct object_row *row, struct error *error)
{
	struct object object = {.id = row->id,
	        .list = (enum policy_list)row->list,
	        .kind = (enum object_kind)row->kind,
	        .value = row->value,
	        .action = (enum object_action)row->action,
	        .cnc_level = (uint8_t)row->cnc_level,
	        .expires = row->expires,
	        .comment = ""};
	return policy_builder_add_object(builder, &object, error);
}

int policy_load(int fd, struct policy **ret_policy, struct error *error)
{
	struct lookup_file *file;
	int status = lookup_file_load(fd, LOOKUP_KIND_POLICY, &file, error);
	if (status != 0) {
		return status;
	}
	status = policy_open(file, ret_policy, error);
	if (status != 0) {
		lookup_file_close(file);
	}
	return status;
}

int keywords_load(
        int fd, const struct policy *policy, struct keyword_set **ret_set, struct error *error)
{
	struct lookup_file *file;
	struct keyword_set *set;
	int status = lookup_file_load(fd, LOOKUP_KIND_KEYWORDS, &file, error);
	if (status != 0) {
		return status;
	}
	status = keyword_set_open(file, &set, error);
	if (status != 0) {
		lookup_file_close(file);
		return status;
	}
	if (!keyword_set_fits(set, policy)) {
		keyword_set_close(set);
		return error_set(error, SK_E_CORRUPT, "keywords: of another policy");
	}
	*ret_set = set;
	return 0;
}

int memory_file(const char *name, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	*ret_fd = fd;
	return 0;
}

void memory_file_seal(int fd)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int status = fcntl(fd, F_ADD_SEALS, seals);
	(void)status; /* a reader copies and verifies anyway */
}
