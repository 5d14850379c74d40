#include <errno.h>
#include <string.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/limits.h"
#include "lib/lookup/policy.h"
#include "lib/verdict/keyword_set.h"

#define POLICY_FD JOB_FD_FIRST
#define KEYWORDS_FD (JOB_FD_FIRST + 1)
/* More refused ones are counted, not named: the answer has to fit into one message. */
#define REFUSED_NAMED_MAX 100
#define REFUSED_REASON_MAX 200

/* {"expression": "…"} */
int check_keyword_run(struct job *job)
{
	static const char *const members[] = {"expression", NULL};
	const char *expression = NULL;
	size_t length = 0;
	int status = job_check_members(job, members);
	if (status == 0) {
		status = job_get_text(job, "expression", LIMIT_RULE_PATTERN, &expression, &length);
	}
	return status == 0 ? keyword_check(expression, length, &job->error) : status;
}

struct refusals {
	struct json_object *list;
	int64_t count;
};

static void on_refused(void *context, const struct policy_entry *entry, const char *reason)
{
	struct refusals *refusals = context;
	size_t length = strlen(reason);
	if (refusals->count++ >= REFUSED_NAMED_MAX) {
		return;
	}
	struct json_object *row = json_object_new_object();
	json_object_object_add(row, "id", json_object_new_int64(entry->id));
	json_object_object_add(row, "reason",
	        json_object_new_string_len(
	                reason, (int)(length < REFUSED_REASON_MAX ? length : REFUSED_REASON_MAX)));
	json_object_array_add(refusals->list, row);
}

int compile_rules_run(struct job *job)
{
	static const char *const members[] = {NULL};
	struct lookup_file *file = NULL;
	struct policy *policy = NULL;
	struct refusals refusals = {.list = json_object_new_array()};
	int status = refusals.list == NULL ? -ENOMEM : job_check_members(job, members);
	if (status == 0) {
		status = lookup_file_load(POLICY_FD, LOOKUP_KIND_POLICY, &file, &job->error);
	}
	if (status == 0) {
		status = policy_open(file, &policy, &job->error);
		if (status != 0) {
			lookup_file_close(file);
		}
	}
	if (status == 0) {
		status = keyword_set_compile(
		        policy, KEYWORDS_FD, on_refused, &refusals, &job->error);
	}
	policy_close(policy);
	if (status != 0) {
		json_object_put(refusals.list);
		return status;
	}
	json_object_object_add(job->answer, "refused", refusals.list);
	job_answer_number(job, "refused_count", refusals.count);
	return 0;
}
