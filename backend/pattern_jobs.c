#include "backend/pattern_jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

#define BUILD_MS (30 * 60 * 1000)
#define UNPACK_MS (10 * 60 * 1000)
#define REPORT_MAX (512 * 1024)
#define DESCRIPTION_MAX (1024 * 1024)
#define FILES_MAX 240

/* One build or import, from its start to the activation. */
struct getting {
	struct backend *backend;
	struct work *work; /* NULL: the default pattern */
	bool activate, build;
	char folder[64]; /* of a build */
	json_object *report;
	char temporary[PATH_MAX]; /* of the file that is unpacked */
	int fd;
	enum pattern_kind next; /* which of a build's files comes next */
	int64_t generations[PATTERN_KIND_COUNT];
	struct pattern_row row; /* of an import */
	void (*done)(void *context, int status, const char *text);
	void *context;
};

static void take_next(struct getting *getting);

static const char *kind_name(enum pattern_kind kind)
{
	return kind == PATTERN_WEB ? "web" : "files";
}

/* ---- the folder of a build ---- */

static void remove_folder(const char *path)
{
	DIR *entries = opendir(path);
	if (entries == NULL) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		/* One level of folders is all that a build makes. */
		char inner[PATH_MAX];
		if (unlinkat(dirfd(entries), entry->d_name, 0) == 0 ||
		        file_join(inner, sizeof(inner), path, entry->d_name) != 0) {
			continue;
		}
		DIR *files = opendir(inner);
		for (struct dirent *file; files != NULL && (file = readdir(files)) != NULL;) {
			if (file->d_name[0] != '.' &&
			        unlinkat(dirfd(files), file->d_name, 0) != 0) {
				log_error("patterns", "%s/%s: %s", inner, file->d_name,
				        sk_strerror(-errno));
			}
		}
		if (files != NULL) {
			closedir(files);
		}
		if (unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR) != 0) {
			log_error("patterns", "%s: %s", inner, sk_strerror(-errno));
		}
	}
	closedir(entries);
	if (rmdir(path) != 0) {
		log_error("patterns", "%s: %s", path, sk_strerror(-errno));
	}
}

/* The job runs as another user: it may write here because it was given the folder; nobody else can
 * come here, because the folder above is closed. */
static int make_folder(const char *path)
{
	char refused[96];
	snprintf(refused, sizeof(refused), "%s/refused", path);
	if (mkdir(path, 0777) != 0 || chmod(path, 0777) != 0 || mkdir(refused, 0777) != 0 ||
	        chmod(refused, 0777) != 0) {
		return -errno;
	}
	return 0;
}

void pattern_jobs_clean(void)
{
	DIR *entries = opendir(BACKEND_PATTERNS);
	if (entries == NULL) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		char path[PATH_MAX];
		if (file_join(path, sizeof(path), BACKEND_PATTERNS, entry->d_name) != 0) {
			continue;
		}
		if (strncmp(entry->d_name, "build-", 6) == 0) {
			remove_folder(path);
		} else if (strstr(entry->d_name, ".tmp-") != NULL && unlink(path) != 0) {
			log_error("patterns", "%s: %s", path, sk_strerror(-errno));
		}
	}
	closedir(entries);
}

/* ---- the end ---- */

static void getting_free(struct getting *getting)
{
	if (getting->folder[0] != '\0') {
		remove_folder(getting->folder);
	}
	json_object_put(getting->report);
	mem_free(getting);
}

static void fail(struct getting *getting, const char *code, const char *text)
{
	if (getting->work != NULL) {
		work_fail(getting->work, code, text);
	}
	if (getting->done != NULL) {
		getting->done(getting->context, SK_E_REFUSED, text);
	}
	getting_free(getting);
}

static json_object *result_of(struct getting *getting)
{
	json_object *result = json_object_new_object();
	if (!getting->build) {
		json_object_object_add(
		        result, "kind", json_object_new_string(kind_name(getting->row.kind)));
		json_object_object_add(result, "generation",
		        json_object_new_int64(getting->generations[getting->row.kind]));
		json_object_object_add(
		        result, "version", json_object_new_string(getting->row.version));
		return result;
	}
	json_object *generations = json_object_new_object();
	for (int kind = 0; kind < PATTERN_KIND_COUNT; kind++) {
		int64_t generation = getting->generations[kind];
		json_object_object_add(generations, kind_name((enum pattern_kind)kind),
		        generation > 0 ? json_object_new_int64(generation) : NULL);
	}
	json_object_object_add(result, "generations", generations);
	json_object_object_add(result, "report", json_object_get(getting->report));
	return result;
}

static void succeed(struct getting *getting)
{
	if (getting->work != NULL) {
		work_finish(getting->work, result_of(getting));
	}
	if (getting->done != NULL) {
		getting->done(getting->context, 0, "");
	}
	getting_free(getting);
}

/* ---- activation, one after the other ---- */

static void activate_next(struct getting *getting, int kind);

static void on_web_active(void *context, int status, const char *text, uint64_t publish_generation)
{
	struct getting *getting = context;
	(void)publish_generation;
	if (status != 0) {
		fail(getting, "conflict", text);
	} else {
		activate_next(getting, PATTERN_FILES);
	}
}

static void on_files_active(
        void *context, int status, const char *text, uint64_t publish_generation)
{
	struct getting *getting = context;
	(void)publish_generation;
	if (status != 0) {
		fail(getting, "conflict", text);
	} else {
		succeed(getting);
	}
}

static void activate_next(struct getting *getting, int kind)
{
	static activation_done_fn *const done[PATTERN_KIND_COUNT] = {
	        on_web_active, on_files_active};
	struct error error = {0};
	while (kind < PATTERN_KIND_COUNT && getting->generations[kind] == 0) {
		kind++;
	}
	if (kind == PATTERN_KIND_COUNT) {
		succeed(getting);
		return;
	}
	if (getting->work != NULL) {
		work_progress(getting->work, 90, "activate");
	}
	int status = activation_start(getting->backend->activation, getting->generations[kind],
	        done[kind], getting, &error);
	if (status != 0) {
		fail(getting, rpc_fault_code_of(status), error.text);
	}
}

/* ---- files that the job has verified ---- */

static void on_unpacked(void *context, const struct job_result *result)
{
	struct getting *getting = context;
	struct error error = {0};
	if (getting->work != NULL) {
		getting->work->job = NULL;
	}
	if (result->status != 0) {
		file_replace_abort(getting->temporary, getting->fd);
		fail(getting, result->status == SK_E_REFUSED ? "bad_input" : result->code,
		        result->text);
		return;
	}
	struct pattern_row row = {
	        .kind = strcmp(json_member_text(result->answer, "kind"), "files") == 0
	                        ? PATTERN_FILES
	                        : PATTERN_WEB,
	        .entries = json_member_number(result->answer, "entries"),
	        .size = json_member_number(result->answer, "bytes"),
	        .created = backend_now(getting->backend)};
	snprintf(row.version, sizeof(row.version), "%s",
	        json_member_text(result->answer, "version"));
	snprintf(row.name, sizeof(row.name), "%s", json_member_text(result->answer, "name"));
	snprintf(row.source, sizeof(row.source), "%s",
	        !getting->build         ? "import"
	        : getting->work == NULL ? "default"
	                                : "build");
	int64_t generation;
	int status = activation_add(getting->backend->activation, &row, getting->temporary,
	        getting->fd, &generation, &error);
	if (status != 0) {
		fail(getting, rpc_fault_code_of(status), error.text);
		return;
	}
	getting->generations[row.kind] = generation;
	getting->row = row;
	if (getting->build && getting->next < PATTERN_KIND_COUNT) {
		take_next(getting);
	} else if (getting->activate) {
		activate_next(getting, 0);
	} else {
		succeed(getting);
	}
}

/* Has a file checked and copied to where it belongs to us. */
static int unpack(struct getting *getting, int fd)
{
	int status = file_replace_start(
	        BACKEND_PATTERNS "/incoming.pattern", 0600, getting->temporary, &getting->fd);
	if (status != 0) {
		return status;
	}
	/* The job reads again what it wrote. */
	file_cleanup_fd int output = open(getting->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (output < 0) {
		status = -errno;
		file_replace_abort(getting->temporary, getting->fd);
		return status;
	}
	int descriptors[] = {fd, output};
	struct job_start start = {.kind = JOB_UNPACK,
	        .descriptors = descriptors,
	        .descriptor_count = 2,
	        .wall_ms = UNPACK_MS,
	        .end = on_unpacked,
	        .context = getting};
	status = jobs_start(
	        getting->backend->jobs, &start, getting->work != NULL ? &getting->work->job : NULL);
	if (status != 0) {
		file_replace_abort(getting->temporary, getting->fd);
	}
	return status;
}

/* The next file of a build that is there. */
static void take_next(struct getting *getting)
{
	while (getting->next < PATTERN_KIND_COUNT) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s.pattern", getting->folder,
		        kind_name(getting->next));
		getting->next++;
		file_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0) {
			continue;
		}
		int status = unpack(getting, fd);
		if (status != 0) {
			fail(getting, rpc_fault_code_of(status), sk_strerror(status));
		}
		return;
	}
	if (getting->generations[PATTERN_WEB] == 0 && getting->generations[PATTERN_FILES] == 0) {
		fail(getting, "bad_input", "the description gives no entry");
	} else if (getting->activate) {
		activate_next(getting, 0);
	} else {
		succeed(getting);
	}
}

/* ---- building ---- */

static void read_report(struct getting *getting)
{
	char path[128], *text = NULL;
	size_t length;
	snprintf(path, sizeof(path), "%s/report.json", getting->folder);
	int status = file_read(path, REPORT_MAX, &text, &length);
	if (status == 0) {
		status = json_text_parse(text, length, JSON_TEXT_DEPTH_MAX, &getting->report, NULL);
	}
	mem_free(text);
	if (status != 0) {
		log_warning(
		        "patterns", "the report of the build is left out: %s", sk_strerror(status));
	}
}

static void on_build_progress(void *context, int percent, const char *step)
{
	struct getting *getting = context;
	if (getting->work != NULL) {
		work_progress(getting->work, percent * 4 / 5, step);
	}
}

static void on_built(void *context, const struct job_result *result)
{
	struct getting *getting = context;
	if (getting->work != NULL) {
		getting->work->job = NULL;
	}
	if (result->status != 0) {
		fail(getting, result->status == SK_E_REFUSED ? "bad_input" : result->code,
		        result->text);
		return;
	}
	read_report(getting);
	take_next(getting);
}

static int start_build(
        struct getting *getting, const int *descriptors, size_t count, const char *version)
{
	int all[FILES_MAX + 1];
	if (count > FILES_MAX) {
		return SK_E_LIMIT;
	}
	int status = make_folder(getting->folder);
	if (status != 0) {
		return status;
	}
	file_cleanup_fd int folder = open(getting->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	json_object *request = json_object_new_object();
	if (folder < 0 || request == NULL) {
		json_object_put(request);
		return folder < 0 ? -errno : -ENOMEM;
	}
	/* One key for all that is built here: then the policy need not be hashed anew. */
	json_object_object_add(
	        request, "key", json_object_new_string(getting->backend->policy_key_text));
	if (version != NULL) {
		json_object_object_add(request, "version", json_object_new_string(version));
	}
	memcpy(all, descriptors, count * sizeof(int));
	all[count] = folder;
	struct job_start start = {.kind = JOB_BUILD,
	        .request = request,
	        .descriptors = all,
	        .descriptor_count = count + 1,
	        .wall_ms = BUILD_MS,
	        .progress = on_build_progress,
	        .end = on_built,
	        .context = getting};
	return jobs_start(
	        getting->backend->jobs, &start, getting->work != NULL ? &getting->work->job : NULL);
}

static int getting_new(struct backend *backend, const char *verb, bool activate,
        struct getting **ret_getting, struct error *error)
{
	struct getting *getting = mem_new(1, sizeof(*getting));
	if (getting == NULL) {
		return error_set_code(error, -ENOMEM, "pattern");
	}
	getting->backend = backend;
	getting->activate = activate;
	if (verb != NULL) {
		int status = work_start(backend->works, verb, &getting->work, error);
		if (status != 0) {
			mem_free(getting);
			return status;
		}
	}
	*ret_getting = getting;
	return 0;
}

int pattern_build_start(struct backend *backend, const int *descriptors, size_t count,
        bool activate, const char *version, int64_t *ret_job, struct error *error)
{
	struct getting *getting = NULL;
	int status = getting_new(backend, "pattern.build", activate, &getting, error);
	if (status != 0) {
		return status;
	}
	int64_t id = getting->work->id;
	getting->build = true;
	snprintf(getting->folder, sizeof(getting->folder), BACKEND_PATTERNS "/build-%lld",
	        (long long)id);
	status = start_build(getting, descriptors, count, version);
	if (status != 0) {
		error_set_code(error, status, "build");
		fail(getting, rpc_fault_code_of(status), error->text);
		return status;
	}
	*ret_job = id;
	return 0;
}

int pattern_import_start(
        struct backend *backend, int fd, bool activate, int64_t *ret_job, struct error *error)
{
	struct getting *getting = NULL;
	int status = getting_new(backend, "pattern.import", activate, &getting, error);
	if (status != 0) {
		return status;
	}
	int64_t id = getting->work->id;
	status = unpack(getting, fd);
	if (status != 0) {
		error_set_code(error, status, "import");
		fail(getting, rpc_fault_code_of(status), error->text);
		return status;
	}
	*ret_job = id;
	return 0;
}

/* ---- the default pattern ---- */

struct lists {
	int fds[FILES_MAX];
	size_t count;
};

static int open_list(struct lists *lists, const char *folder, const char *name)
{
	char path[PATH_MAX];
	int status = file_join(path, sizeof(path), folder, name);
	if (status != 0 || lists->count == FILES_MAX) {
		return SK_E_LIMIT;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	lists->fds[lists->count++] = fd;
	return 0;
}

/* The files that the description names, in its order. */
static int open_lists(struct lists *lists, const char *folder, json_object *description)
{
	json_object *inputs = NULL, *safety = NULL, *benign = NULL, *path = NULL;
	json_object_object_get_ex(description, "inputs", &inputs);
	json_object_object_get_ex(description, "safety", &safety);
	json_object_object_get_ex(safety, "benign", &benign);
	int status = json_object_is_type(inputs, json_type_array) ? 0 : SK_E_SYNTAX;
	for (size_t i = 0; status == 0 && i < json_object_array_length(inputs); i++) {
		json_object *input = json_object_array_get_idx(inputs, i);
		status = json_object_object_get_ex(input, "path", &path)
		                 ? open_list(lists, folder, json_object_get_string(path))
		                 : SK_E_SYNTAX;
	}
	bool listed = json_object_is_type(benign, json_type_array);
	for (size_t i = 0; status == 0 && listed && i < json_object_array_length(benign); i++) {
		path = json_object_array_get_idx(benign, i);
		status = open_list(lists, folder, json_object_get_string(path));
	}
	return status;
}

static int open_feed(struct lists *lists, const char *folder)
{
	char path[PATH_MAX], *text = NULL;
	size_t length;
	json_object *description = NULL;
	int status = open_list(lists, folder, "description.json");
	if (status == 0) {
		status = file_join(path, sizeof(path), folder, "description.json");
	}
	if (status == 0) {
		status = file_read(path, DESCRIPTION_MAX, &text, &length);
	}
	if (status == 0) {
		status = json_text_parse(text, length, JSON_TEXT_DEPTH_MAX, &description, NULL);
	}
	if (status == 0) {
		status = open_lists(lists, folder, description);
	}
	json_object_put(description);
	mem_free(text);
	return status;
}

void pattern_build_default(struct backend *backend,
        void (*done)(void *context, int status, const char *text), void *context)
{
	struct lists lists = {.count = 0};
	struct getting *getting = NULL;
	struct error error = {0};
	int status = open_feed(&lists, backend->default_feed);
	if (status == 0) {
		status = getting_new(backend, NULL, true, &getting, &error);
	}
	if (status == 0) {
		getting->build = true;
		getting->done = done;
		getting->context = context;
		snprintf(getting->folder, sizeof(getting->folder),
		        BACKEND_PATTERNS "/build-default");
		status = start_build(getting, lists.fds, lists.count, NULL);
	}
	for (size_t i = 0; i < lists.count; i++) {
		close(lists.fds[i]);
	}
	if (status != 0) {
		if (getting != NULL) {
			getting_free(getting);
		}
		char text[ERROR_TEXT_MAX + 300];
		snprintf(text, sizeof(text), "default feed in %s: %s", backend->default_feed,
		        sk_strerror(status));
		done(context, status, text);
	}
}
