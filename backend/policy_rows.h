#ifndef BACKEND_POLICY_ROWS_H
#define BACKEND_POLICY_ROWS_H

#include "backend/store/objects.h"
#include "backend/store/rules.h"
#include "lib/lookup/policy.h"

/* From rows of the store to entries of a policy file. Any thread. */
int policy_add_rule_row(struct policy_builder *builder, const struct rule_row *row,
        struct error *error) SK_MUST_USE;
int policy_add_object_row(struct policy_builder *builder, const struct object_row *row,
        struct error *error) SK_MUST_USE;

/* Loads and opens the policy or keyword file in `fd`, which stays the caller's. */
int policy_load(int fd, struct policy **ret_policy, struct error *error) SK_MUST_USE;
struct keyword_set;
int keywords_load(int fd, const struct policy *policy, struct keyword_set **ret_set,
        struct error *error) SK_MUST_USE;

/* An empty file in memory for one that is about to be written. */
int memory_file(const char *name, int *ret_fd) SK_MUST_USE;
/* From now on nobody can change it. */
void memory_file_seal(int fd);

#endif
