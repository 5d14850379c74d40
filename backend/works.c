#include "backend/works.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

struct works {
	struct works_options options;
	struct work *first;
};

int works_new(const struct works_options *options, struct works **ret_works)
{
	struct works *works = mem_new(1, sizeof(*works));
	if (works == NULL) {
		return -ENOMEM;
	}
	works->options = *options;
	*ret_works = works;
	return 0;
}

void works_free(struct works *works)
{
	while (works != NULL && works->first != NULL) {
		struct work *work = works->first;
		works->first = work->next;
		mem_free(work);
	}
	mem_free(works);
}

int work_start(struct works *works, const char *verb, struct work **ret_work, struct error *error)
{
	for (struct work *other = works->first; other != NULL; other = other->next) {
		if (strcmp(other->verb, verb) == 0) {
			return error_set(error, SK_E_CONFLICT, "job %lld is under way",
			        (long long)other->id);
		}
	}
	struct work *work = mem_new(1, sizeof(*work));
	if (work == NULL) {
		return error_set_code(error, -ENOMEM, "job");
	}
	work->works = works;
	snprintf(work->verb, sizeof(work->verb), "%s", verb);
	int status = store_jobs_add(works->options.store, verb,
	        works->options.now(works->options.context), &work->id, error);
	if (status != 0) {
		mem_free(work);
		return status;
	}
	work->next = works->first;
	works->first = work;
	*ret_work = work;
	return 0;
}

void work_progress(struct work *work, int progress, const char *step)
{
	work->progress = progress;
	snprintf(work->step, sizeof(work->step), "%s", step);
}

static void end_work(struct work *work, struct store_job *job)
{
	struct works *works = work->works;
	struct error error = {0};
	job->id = work->id;
	job->ended = works->options.now(works->options.context);
	if (store_jobs_finish(works->options.store, job, &error) != 0) {
		/* What it did is stored; only its report is lost. */
		log_error("works", "job %lld: %s", (long long)work->id, error.text);
	}
	struct work **link = &works->first;
	while (*link != work) {
		link = &(*link)->next;
	}
	*link = work->next;
	mem_free(work);
}

void work_finish(struct work *work, json_object *result)
{
	struct store_job job = {.state = "done"};
	const char *text = result == NULL
	                           ? "{}"
	                           : json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN);
	job.result = mem_copy_text(text != NULL ? text : "{}", text != NULL ? strlen(text) : 2);
	log_info("works", "job %lld (%s) is done", (long long)work->id, work->verb);
	end_work(work, &job);
	mem_free(job.result);
	json_object_put(result);
}

void work_fail(struct work *work, const char *code, const char *text)
{
	struct store_job job = {.state = "failed"};
	if (work->cancelled) {
		snprintf(job.state, sizeof(job.state), "cancelled");
	}
	snprintf(job.error_code, sizeof(job.error_code), "%s", code);
	snprintf(job.error_text, sizeof(job.error_text), "%s", text);
	log_warning("works", "job %lld (%s) %s: %s: %s", (long long)work->id, work->verb, job.state,
	        code, text);
	end_work(work, &job);
}

static void add_text(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static json_object *describe(const struct store_job *job)
{
	json_object *object = json_object_new_object();
	if (object == NULL) {
		return NULL;
	}
	bool done = strcmp(job->state, "done") == 0;
	add_text(object, "state", job->state);
	add_text(object, "verb", job->verb);
	json_object_object_add(object, "progress", json_object_new_int(done ? 100 : 0));
	add_text(object, "step", "");
	json_object_object_add(object, "started", json_object_new_int64(job->started));
	if (job->ended > 0) {
		json_object_object_add(object, "ended", json_object_new_int64(job->ended));
	}
	json_object *result = NULL;
	if (done && job->result != NULL &&
	        json_text_parse(job->result, strlen(job->result), JSON_TEXT_DEPTH_MAX, &result,
	                NULL) == 0) {
		json_object_object_add(object, "result", result);
	}
	if (job->error_code[0] != '\0') {
		json_object *error = json_object_new_object();
		add_text(error, "code", job->error_code);
		add_text(error, "text", job->error_text);
		json_object_object_add(object, "error", error);
	}
	return object;
}

int works_get(struct works *works, int64_t id, json_object **ret_object, struct error *error)
{
	struct store_job job;
	int status = store_jobs_get(works->options.store, id, &job, error);
	if (status != 0) {
		return status;
	}
	json_object *object = describe(&job);
	mem_free(job.result);
	if (object == NULL) {
		return error_set_code(error, -ENOMEM, "job");
	}
	for (struct work *work = works->first; work != NULL; work = work->next) {
		if (work->id == id) {
			json_object_object_add(
			        object, "progress", json_object_new_int(work->progress));
			add_text(object, "step", work->step);
		}
	}
	*ret_object = object;
	return 0;
}

int works_cancel(struct works *works, int64_t id)
{
	for (struct work *work = works->first; work != NULL; work = work->next) {
		if (work->id == id) {
			work->cancelled = true;
			if (work->job != NULL) {
				jobs_cancel(work->job);
			}
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}
