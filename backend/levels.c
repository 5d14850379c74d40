#include "backend/levels.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "backend/base_build.h"
#include "backend/overlay.h"
#include "backend/policy_rows.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define FOLDER "policy"
#define REBUILD_CHANGES (LIMIT_OVERLAY_CHANGES / 2)
#define REBUILD_KEYWORDS 64
#define OVERLAY_COMPILE_MS 20000
#define BASE_COMPILE_MS 90000
#define RETRY_S 5 /* after a compilation or a base that failed */

struct request {
	struct request *next;
	struct levels_rebuild rebuild;
};

/* A change of the counts since a rebuild began. */
struct delta {
	int64_t revision;
	int rules, keywords;
};

struct levels {
	struct levels_options options;
	const struct siphash_key *wanted_key; /* of the pattern; points to own_key or key_space */
	struct siphash_key key_space;
	struct rule_counts counts;
	uint64_t version;

	struct policy *base;
	struct keyword_set *base_keywords;
	int64_t base_revision, base_number;

	struct overlay overlay;
	struct keyword_set *overlay_keywords; /* fits overlay.policy */
	bool dirty;
	int64_t refreshed, complete; /* revisions */
	int64_t unpublished; /* changes since the last refresh */

	/* what the overlay's keywords were compiled from, and the set */
	struct policy *known;
	struct keyword_set *known_set;
	struct overlay compiling; /* full, with its job under way; fd -1: none */
	int compiled_fd;
	struct job *compile_job;

	/* the rebuild under way and those that wait */
	struct request *requests;
	struct base_build *build;
	struct job *base_job;
	char keywords_path[64], keywords_temporary[PATH_MAX];
	int keywords_fd;
	struct buf deltas;
	struct event *retry;
	bool starting; /* the first overlay waits for its keyword rules */
	levels_done_fn *started;
	void *started_context;
};

static void start_build(struct levels *levels);

/* ---- switching rules off that the compiler refused ---- */

static int switch_off(struct levels *levels, int64_t id, const char *reason, struct error *error)
{
	struct store *store = levels->options.store;
	struct rule_row *row;
	int status = rules_get(store, id, &row, error);
	if (status != 0) {
		return status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (row->enabled && row->kind == RULE_KEYWORD) {
		row->enabled = false;
		row->problem = reason;
		row->changed = levels->options.now(levels->options.context);
		row->revision = store->meta[META_REVISION];
		status = rules_update(store, row, error);
		if (status == 0) {
			log_warning("levels", "keyword rule %lld was switched off: %s",
			        (long long)id, reason);
			levels_changed(levels, 0, -1);
		}
	}
	mem_free(row);
	return status;
}

/* The rules that a compile job named as refused. */
static void take_refused(struct levels *levels, json_object *answer)
{
	json_object *list = NULL;
	struct error error = {0};
	json_object_object_get_ex(answer, "refused", &list);
	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0) {
		return;
	}
	struct store *store = levels->options.store;
	int status = store_begin(store, &error);
	for (size_t i = 0; status == 0 && i < json_object_array_length(list); i++) {
		json_object *id = NULL, *reason = NULL;
		json_object *entry = json_object_array_get_idx(list, i);
		if (json_object_object_get_ex(entry, "id", &id) &&
		        json_object_object_get_ex(entry, "reason", &reason)) {
			status = switch_off(levels, json_object_get_int64(id),
			        json_object_get_string(reason), &error);
		}
	}
	status = store_end(store, status, &error);
	if (status != 0) {
		log_error("levels", "switching keyword rules off: %s", error.text);
		return;
	}
	publish_request(levels->options.publisher);
}

/* ---- the overlay ---- */

/* The start is over: with the first overlay complete, or with what there is of it. */
static void end_start(struct levels *levels, int status, const char *text)
{
	levels->starting = false;
	levels->started(levels->started_context, status, text);
}

static void drop_known(struct levels *levels)
{
	policy_close(levels->known);
	keyword_set_close(levels->known_set);
	levels->known = NULL;
	levels->known_set = NULL;
}

static void end_compiling(struct levels *levels)
{
	overlay_release(&levels->compiling);
	file_close_fd(&levels->compiled_fd);
	levels->compiled_fd = -1;
	levels->compile_job = NULL;
}

static void retry_later(struct levels *levels)
{
	struct timeval later = {RETRY_S, 0};
	event_add(levels->retry, &later);
}

static void on_compiled(void *context, const struct job_result *result)
{
	struct levels *levels = context;
	struct error error = {0};
	struct keyword_set *set = NULL;
	int status = result->status;
	if (status == 0) {
		status = keywords_load(levels->compiled_fd, levels->compiling.policy, &set, &error);
	} else {
		error_set(&error, status, "%s: %s", result->code, result->text);
	}
	if (status != 0) {
		log_error("levels", "keyword rules of the overlay: %s", error.text);
		end_compiling(levels);
		retry_later(levels);
		if (levels->starting) {
			end_start(levels, 0, "");
		}
		return;
	}
	drop_known(levels);
	levels->known = levels->compiling.policy;
	levels->known_set = set;
	levels->compiling.policy = NULL;
	end_compiling(levels);
	take_refused(levels, result->answer);
	levels->dirty = true;
	if (store_next_generation(levels->options.store, &error) != 0) {
		log_error("levels", "generation: %s", error.text);
	}
	publish_request(levels->options.publisher);
	if (levels->starting) {
		end_start(levels, 0, "");
	}
}

static void start_compiling(struct levels *levels)
{
	struct error error = {0};
	struct overlay_request request = {.store = levels->options.store,
	        .base = levels->base,
	        .base_revision = levels->base_revision,
	        .full = true};
	int status = overlay_build(&request, &levels->compiling, &error);
	if (status == 0) {
		status = memory_file("keywords", &levels->compiled_fd);
	}
	if (status == 0) {
		int descriptors[] = {levels->compiling.fd, levels->compiled_fd};
		struct job_start start = {.kind = JOB_COMPILE_RULES,
		        .descriptors = descriptors,
		        .descriptor_count = 2,
		        .wall_ms = OVERLAY_COMPILE_MS,
		        .end = on_compiled,
		        .context = levels};
		status = jobs_start(levels->options.jobs, &start, &levels->compile_job);
	}
	if (status != 0) {
		log_error("levels", "compiling keyword rules: %s",
		        error.text[0] != '\0' ? error.text : sk_strerror(status));
		end_compiling(levels);
		retry_later(levels);
	}
}

/* The known set for the new overlay. */
static int rebase(struct levels *levels, const struct overlay *overlay, int *ret_fd,
        struct keyword_set **ret_set, struct error *error)
{
	int fd;
	int status = memory_file("keywords", &fd);
	if (status != 0) {
		return error_set_code(error, status, "keywords");
	}
	status = keyword_set_rebase(levels->known_set, levels->known, overlay->policy, fd, error);
	if (status == 0) {
		memory_file_seal(fd);
		status = keywords_load(fd, overlay->policy, ret_set, error);
	}
	if (status != 0) {
		close(fd);
		return status;
	}
	*ret_fd = fd;
	return 0;
}

static int set_copy(struct levels *levels, enum section_role role, int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (fd >= 0 && copy < 0) {
		return -errno;
	}
	return publish_set_section(levels->options.publisher, role, copy);
}

static bool same_key(const struct siphash_key *a, const struct siphash_key *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1;
}

static const struct siphash_key *wanted_key(const struct levels *levels)
{
	return levels->wanted_key != NULL ? levels->wanted_key : &levels->options.key;
}

/* Starts what the new overlay calls for. */
static void look_ahead(struct levels *levels)
{
	if (levels->overlay.missing && levels->compile_job == NULL) {
		start_compiling(levels);
	}
	bool large = levels->overlay.changes > REBUILD_CHANGES ||
	             levels->overlay.keywords > REBUILD_KEYWORDS;
	bool other_key = !same_key(policy_key(levels->base), wanted_key(levels));
	if ((large || other_key) && levels->requests == NULL) {
		struct levels_rebuild rebuild = {.commit = NULL};
		int status = levels_rebuild(levels, &rebuild);
		if (status != 0) {
			log_error("levels", "new base: %s", sk_strerror(status));
		}
	}
}

int levels_refresh(struct levels *levels, int64_t *ret_complete, struct error *error)
{
	if (!levels->dirty) {
		*ret_complete = levels->complete;
		return 0;
	}
	struct overlay_request request = {.store = levels->options.store,
	        .base = levels->base,
	        .base_revision = levels->base_revision,
	        .known = levels->known};
	struct overlay overlay;
	struct keyword_set *set = NULL;
	int keywords_fd = -1;
	int status = overlay_build(&request, &overlay, error);
	if (status != 0) {
		return status;
	}
	if (overlay.uses_known) {
		status = rebase(levels, &overlay, &keywords_fd, &set, error);
	}
	if (status == 0) {
		status = set_copy(levels, SECTION_OVERLAY, overlay.fd);
	}
	if (status == 0) {
		status = publish_set_section(
		        levels->options.publisher, SECTION_OVERLAY_KEYWORDS, keywords_fd);
		keywords_fd = -1;
	}
	file_close_fd(&keywords_fd);
	if (status != 0) {
		keyword_set_close(set);
		overlay_release(&overlay);
		return status;
	}
	keyword_set_close(levels->overlay_keywords);
	overlay_release(&levels->overlay);
	levels->overlay = overlay;
	levels->overlay_keywords = set;
	if (levels->known != NULL && !overlay.uses_known) {
		drop_known(levels);
	}
	levels->version++;
	levels->dirty = false;
	levels->unpublished = 0;
	levels->refreshed = levels->options.store->committed[META_REVISION];
	if (!overlay.missing) {
		levels->complete = levels->refreshed;
	}
	*ret_complete = levels->complete;
	look_ahead(levels);
	return 0;
}

void levels_changed(struct levels *levels, int rules, int keywords)
{
	levels->dirty = true;
	levels->unpublished++;
	levels->counts.rules += rules;
	levels->counts.keywords += keywords;
	struct delta delta = {levels->options.store->meta[META_REVISION], rules, keywords};
	if (levels->requests != NULL) {
		buf_add(&levels->deltas, &delta, sizeof(delta));
	}
}

bool levels_room(const struct levels *levels, int64_t count)
{
	return (int64_t)levels->overlay.changes + levels->unpublished + count <=
	       LIMIT_OVERLAY_CHANGES;
}

/* ---- the base ---- */

static void base_path(char path[64], int64_t number, const char *end)
{
	snprintf(path, 64, FOLDER "/base-%lld.%s", (long long)number, end);
}

/* Files of other bases than the present one. */
static void remove_old(const struct levels *levels)
{
	char prefix[32];
	int length = snprintf(prefix, sizeof(prefix), "base-%lld.", (long long)levels->base_number);
	DIR *entries = opendir(FOLDER);
	if (entries == NULL) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		if (strncmp(entry->d_name, "base-", 5) == 0 &&
		        (strncmp(entry->d_name, prefix, (size_t)length) != 0 ||
		                strstr(entry->d_name, ".tmp-") != NULL) &&
		        unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
			log_error("levels", "%s: %s", entry->d_name, sk_strerror(-errno));
		}
	}
	closedir(entries);
}

static void take_base(struct levels *levels, struct policy *base, struct keyword_set *keywords,
        int64_t number, int64_t revision)
{
	policy_close(levels->base);
	keyword_set_close(levels->base_keywords);
	overlay_release(&levels->overlay); /* it went with the old base */
	keyword_set_close(levels->overlay_keywords);
	levels->overlay_keywords = NULL;
	levels->base = base;
	levels->base_keywords = keywords;
	levels->base_number = number;
	levels->base_revision = revision;
	levels->dirty = true;
	levels->version++;
}

static void free_build(struct base_build *build)
{
	if (build != NULL) {
		file_close_fd(&build->fd);
		policy_close(build->policy);
		mem_free(build);
	}
}

/* The rebuild under way is over. */
static void end_rebuild(struct levels *levels, int status, const char *text)
{
	struct request *request = levels->requests;
	levels->requests = request->next;
	free_build(levels->build);
	levels->build = NULL;
	levels->base_job = NULL;
	buf_clear(&levels->deltas);
	if (status != 0) {
		log_error("levels", "new base: %s", text);
	}
	if (request->rebuild.done != NULL) {
		request->rebuild.done(request->rebuild.context, status, text);
	} else if (status != 0) {
		retry_later(levels);
	}
	mem_free(request);
	if (levels->requests != NULL) {
		start_build(levels);
	}
}

static void fail_rebuild(struct levels *levels, int status, const struct error *error)
{
	char text[ERROR_TEXT_MAX];
	snprintf(text, sizeof(text), "%s",
	        error->text[0] != '\0' ? error->text : sk_strerror(status));
	if (unlink(levels->build->path) != 0 && errno != ENOENT) {
		log_error("levels", "%s: %s", levels->build->path, sk_strerror(-errno));
	}
	if (unlink(levels->keywords_path) != 0 && errno != ENOENT) {
		log_error("levels", "%s: %s", levels->keywords_path, sk_strerror(-errno));
	}
	end_rebuild(levels, status, text);
}

/* The change that makes the built base the present one. */
static int commit_base(struct levels *levels, int64_t number, struct error *error)
{
	struct store *store = levels->options.store;
	const struct levels_rebuild *rebuild = &levels->requests->rebuild;
	int64_t revision = levels->build->revision;
	int status = store_begin(store, error);
	if (status != 0) {
		return status;
	}
	status = store_set_meta(store, META_BASE_NUMBER, number, error);
	if (status == 0) {
		status = store_set_meta(store, META_BASE_REVISION, revision, error);
	}
	if (status == 0) {
		status = removed_trim(store, revision, error);
	}
	if (status == 0 && rebuild->commit != NULL) {
		status = rebuild->commit(rebuild->context, revision, error);
	}
	return store_end(store, status, error);
}

static void add_deltas(struct levels *levels)
{
	levels->counts.rules = levels->build->rules;
	levels->counts.keywords = levels->build->keywords;
	for (size_t i = 0; i + sizeof(struct delta) <= levels->deltas.length;
	        i += sizeof(struct delta)) {
		struct delta delta;
		memcpy(&delta, levels->deltas.data + i, sizeof(delta));
		if (delta.revision > levels->build->revision) {
			levels->counts.rules += delta.rules;
			levels->counts.keywords += delta.keywords;
		}
	}
}

static void finish_base(struct levels *levels, struct keyword_set *set, int keywords_fd)
{
	struct base_build *build = levels->build;
	struct error error = {0};
	int64_t number = levels->options.store->meta[META_BASE_NUMBER] + 1;
	int status = commit_base(levels, number, &error);
	if (status != 0) {
		keyword_set_close(set);
		fail_rebuild(levels, status, &error);
		return;
	}
	add_deltas(levels);
	take_base(levels, build->policy, set, number, build->revision);
	build->policy = NULL;
	status = set_copy(levels, SECTION_BASE, build->fd);
	if (status == 0) {
		status = set_copy(levels, SECTION_BASE_KEYWORDS, keywords_fd);
	}
	if (status != 0) {
		/* Nothing is lost: the next start opens it. */
		log_error("levels", "sections: %s", sk_strerror(status));
	}
	remove_old(levels);
	log_info("levels", "base %lld: %lld rules as of revision %lld", (long long)number,
	        (long long)build->rules, (long long)build->revision);
	publish_request(levels->options.publisher);
	end_rebuild(levels, 0, "");
}

static void on_base_compiled(void *context, const struct job_result *result)
{
	struct levels *levels = context;
	struct error error = {0};
	struct keyword_set *set = NULL;
	levels->base_job = NULL;
	int status = result->status;
	if (status != 0) {
		error_set(&error, status, "keyword rules: %s: %s", result->code, result->text);
		file_replace_abort(levels->keywords_temporary, levels->keywords_fd);
		levels->keywords_fd = -1;
		fail_rebuild(levels, status, &error);
		return;
	}
	status = file_replace_finish(
	        levels->keywords_path, levels->keywords_temporary, levels->keywords_fd, &error);
	levels->keywords_fd = -1;
	file_cleanup_fd int keywords =
	        status == 0 ? open(levels->keywords_path, O_RDONLY | O_CLOEXEC) : -1;
	if (status == 0) {
		status = keywords < 0
		                 ? -errno
		                 : keywords_load(keywords, levels->build->policy, &set, &error);
	}
	if (status != 0) {
		fail_rebuild(levels, status, &error);
		return;
	}
	json_object *answer = json_object_get(result->answer);
	finish_base(levels, set, keywords);
	take_refused(levels, answer);
	json_object_put(answer);
}

static int compile_base(struct levels *levels)
{
	int status = file_replace_start(
	        levels->keywords_path, 0600, levels->keywords_temporary, &levels->keywords_fd);
	if (status != 0) {
		levels->keywords_fd = -1;
		return status;
	}
	int descriptors[] = {levels->build->fd, levels->keywords_fd};
	struct job_start start = {.kind = JOB_COMPILE_RULES,
	        .descriptors = descriptors,
	        .descriptor_count = 2,
	        .wall_ms = BASE_COMPILE_MS,
	        .end = on_base_compiled,
	        .context = levels};
	status = jobs_start(levels->options.jobs, &start, &levels->base_job);
	if (status != 0) {
		file_replace_abort(levels->keywords_temporary, levels->keywords_fd);
		levels->keywords_fd = -1;
	}
	return status;
}

static void on_built(struct task *task)
{
	struct base_build *build = (struct base_build *)task;
	struct levels *levels = NULL;
	memcpy(&levels, build + 1, sizeof(levels));
	if (worker_stopping(levels->options.builder)) {
		return; /* freed with levels */
	}
	struct error error = build->error;
	int status = build->status;
	if (status == 0 && (policy_content(build->policy) & POLICY_HAS_KEYWORDS) == 0) {
		finish_base(levels, NULL, -1);
		return;
	}
	if (status == 0) {
		status = compile_base(levels);
	}
	if (status != 0) {
		fail_rebuild(levels, status, &error);
	}
}

/* Starts the first of the requests. */
static void start_build(struct levels *levels)
{
	/* The task carries its owner behind it. */
	struct base_build *build = mem_new(1, sizeof(*build) + sizeof(levels));
	if (build == NULL) {
		end_rebuild(levels, -ENOMEM, "out of memory");
		return;
	}
	memcpy(build + 1, &levels, sizeof(levels));
	int64_t number = levels->options.store->meta[META_BASE_NUMBER] + 1;
	build->task.run = base_build_run;
	build->task.done = on_built;
	build->database = levels->options.database;
	build->fd = -1;
	build->key = *wanted_key(levels);
	build->view = levels->requests->rebuild.view;
	base_path(build->path, number, "policy");
	base_path(levels->keywords_path, number, "keywords");
	buf_clear(&levels->deltas);
	levels->build = build;
	worker_submit(levels->options.builder, &build->task);
}

int levels_rebuild(struct levels *levels, const struct levels_rebuild *rebuild)
{
	struct request *request = mem_new(1, sizeof(*request));
	if (request == NULL) {
		return -ENOMEM;
	}
	request->rebuild = *rebuild;
	struct request **end = &levels->requests;
	while (*end != NULL) {
		end = &(*end)->next;
	}
	*end = request;
	if (levels->requests == request) {
		start_build(levels);
	}
	return 0;
}

/* ---- life ---- */

static void on_retry(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct levels *levels = context;
	if (levels->base != NULL) {
		levels->dirty = true;
		publish_request(levels->options.publisher);
	}
}

int levels_new(const struct levels_options *options, struct levels **ret_levels)
{
	struct levels *levels = mem_new(1, sizeof(*levels));
	if (levels == NULL) {
		return -ENOMEM;
	}
	levels->options = *options;
	levels->overlay.fd = -1;
	levels->compiling.fd = -1;
	levels->compiled_fd = -1;
	levels->keywords_fd = -1;
	buf_init(&levels->deltas, (size_t)LIMIT_RULES * sizeof(struct delta));
	levels->retry = evtimer_new(options->base, on_retry, levels);
	if (levels->retry == NULL) {
		mem_free(levels);
		return -ENOMEM;
	}
	*ret_levels = levels;
	return 0;
}

void levels_free(struct levels *levels)
{
	if (levels == NULL) {
		return;
	}
	drop_known(levels);
	overlay_release(&levels->overlay);
	overlay_release(&levels->compiling);
	file_close_fd(&levels->compiled_fd);
	keyword_set_close(levels->overlay_keywords);
	keyword_set_close(levels->base_keywords);
	policy_close(levels->base);
	if (levels->keywords_fd >= 0) {
		file_replace_abort(levels->keywords_temporary, levels->keywords_fd);
	}
	free_build(levels->build);
	while (levels->requests != NULL) {
		struct request *request = levels->requests;
		levels->requests = request->next;
		mem_free(request);
	}
	buf_release(&levels->deltas);
	event_free(levels->retry);
	mem_free(levels);
}

static int open_base(struct levels *levels, struct error *error)
{
	int64_t number = levels->options.store->meta[META_BASE_NUMBER];
	char path[64];
	struct policy *base = NULL;
	struct keyword_set *set = NULL;
	base_path(path, number, "policy");
	file_cleanup_fd int fd = number > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		return error_set(error, SK_E_NOT_FOUND, "there is no base");
	}
	int status = policy_load(fd, &base, error);
	if (status != 0) {
		return status;
	}
	base_path(path, number, "keywords");
	file_cleanup_fd int keywords = open(path, O_RDONLY | O_CLOEXEC);
	if ((policy_content(base) & POLICY_HAS_KEYWORDS) != 0) {
		status = keywords < 0 ? error_set(error, SK_E_NOT_FOUND, "no keyword file")
		                      : keywords_load(keywords, base, &set, error);
	}
	if (status == 0) {
		status = set_copy(levels, SECTION_BASE, fd);
	}
	if (status == 0) {
		status = set_copy(levels, SECTION_BASE_KEYWORDS, set != NULL ? keywords : -1);
	}
	if (status != 0) {
		policy_close(base);
		keyword_set_close(set);
		return status;
	}
	take_base(levels, base, set, number, levels->options.store->meta[META_BASE_REVISION]);
	return 0;
}

/* The base is there. A query server that lives still has the keyword rules of the overlay: the
 * first generation that it gets from us must not be without them. */
static void on_first_base(void *context, int status, const char *text)
{
	struct levels *levels = context;
	struct error error = {0};
	int64_t complete;
	if (status == 0) {
		status = levels_refresh(levels, &complete, &error);
		text = error.text;
	}
	levels->starting = status == 0 && levels->compile_job != NULL;
	if (!levels->starting) {
		end_start(levels, status, text);
	}
}

void levels_start(struct levels *levels, levels_done_fn *done, void *context)
{
	struct error error = {0};
	levels->started = done;
	levels->started_context = context;
	int status = open_base(levels, &error);
	if (status == 0) {
		remove_old(levels);
		status = rules_count(levels->options.store, &levels->counts.rules,
		        &levels->counts.keywords, &error);
		on_first_base(levels, status, error.text);
		return;
	}
	log_info("levels", "building the base: %s", error.text);
	struct levels_rebuild rebuild = {.done = on_first_base, .context = levels};
	status = levels_rebuild(levels, &rebuild);
	if (status != 0) {
		done(context, status, sk_strerror(status));
	}
}

void levels_set_key(struct levels *levels, const struct siphash_key *key)
{
	levels->wanted_key = NULL;
	if (key != NULL) {
		levels->key_space = *key;
		levels->wanted_key = &levels->key_space;
	}
	levels->dirty = levels->base != NULL; /* look_ahead sees whether the base has it */
}

struct rule_counts levels_counts(const struct levels *levels)
{
	return levels->counts;
}

int64_t levels_base_revision(const struct levels *levels)
{
	return levels->base_revision;
}

void levels_snapshot(
        const struct levels *levels, struct snapshot *ret_snapshot, uint64_t *ret_version)
{
	ret_snapshot->base = levels->base;
	ret_snapshot->base_keywords = levels->base_keywords;
	ret_snapshot->overlay = levels->overlay.policy;
	ret_snapshot->overlay_keywords = levels->overlay_keywords;
	*ret_version = levels->version;
}
