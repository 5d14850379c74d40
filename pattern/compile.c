#include "pattern/compile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/lookup_file.h"
#include "pattern/compile_state.h"

/* A benign name has five levels at most; each round takes the most specific that is left away. */
#define SAFETY_ROUNDS_MAX 6

static void compile_progress(const struct compile *compile, unsigned percent, const char *step)
{
	if (compile->job->progress != NULL) {
		compile->job->progress(compile->job->context, percent, step);
	}
}

/* --- the version that is derived from what is compiled --- */

static void hash_text(EVP_MD_CTX *hash, const char *text)
{
	/* With its NUL: two texts never flow into one another. */
	(void)EVP_DigestUpdate(hash, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
}

static void hash_number(EVP_MD_CTX *hash, uint64_t number)
{
	unsigned char bytes[8];
	bytes_put_le64(bytes, number);
	(void)EVP_DigestUpdate(hash, bytes, sizeof(bytes));
}

/* Settings and content of an input. */
static int hash_input(
        const struct compile *compile, size_t index, unsigned char ret_digest[SHA256_SIZE])
{
	const struct description_input *input = &compile->job->description->inputs[index];
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(hash);
		return SK_E_CRYPTO;
	}
	hash_text(hash, feed_format_name(input->format));
	hash_text(hash, input->source);
	hash_text(hash, input->name);
	hash_number(hash, input->kind);
	hash_number(hash, input->value.score);
	hash_number(hash, input->value.categories);
	hash_number(hash, input->value.cnc_level);
	hash_number(hash, input->value.cnc_source);
	hash_number(hash, (unsigned char)input->columns.separator);
	hash_number(hash, input->columns.minimum_count);
	for (unsigned role = 0; role < FEED_ROLE_COUNT; role++) {
		hash_number(hash, input->columns.roles[role].number);
		hash_text(hash, input->columns.roles[role].header);
	}
	(void)EVP_DigestUpdate(hash, compile->report.inputs[index].digest, SHA256_SIZE);
	int status = EVP_DigestFinal_ex(hash, ret_digest, NULL) == 1 ? 0 : SK_E_CRYPTO;
	EVP_MD_CTX_free(hash);
	return status;
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_SIZE);
}

static int compare_texts(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;
	return strcmp(*left, *right);
}

/* One digest per list, each group sorted: their order has no influence. */
static int hash_lists(const struct compile *compile, unsigned char (*digests)[SHA256_SIZE])
{
	size_t inputs = compile->report.input_count, benign = compile->report.benign_count;
	for (size_t i = 0; i < inputs; i++) {
		int status = hash_input(compile, i, digests[i]);
		if (status != 0) {
			return status;
		}
	}
	for (size_t i = 0; i < benign; i++) {
		memcpy(digests[inputs + i], compile->report.inputs[inputs + i].digest, SHA256_SIZE);
	}
	qsort(digests, inputs, SHA256_SIZE, compare_digests);
	qsort(digests + inputs, benign, SHA256_SIZE, compare_digests);
	return 0;
}

static int derive_version(struct compile *compile)
{
	const struct description *description = compile->job->description;
	size_t lists = compile->report.input_count + compile->report.benign_count;
	unsigned char(*digests)[SHA256_SIZE] = mem_new(lists, SHA256_SIZE);
	const char **allowed = mem_new(description->allow_site_count + 1, sizeof(*allowed));
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	unsigned char digest[SHA256_SIZE];
	int status = digests != NULL && allowed != NULL && hash != NULL ? 0 : -ENOMEM;
	if (status == 0) {
		status = hash_lists(compile, digests);
	}
	if (status == 0) {
		bool good = EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
		hash_text(hash, description->name);
		hash_number(hash, compile->report.input_count);
		(void)EVP_DigestUpdate(hash, digests, lists * SHA256_SIZE);
		for (size_t i = 0; i < description->allow_site_count; i++) {
			allowed[i] = description->allow_site[i];
		}
		qsort(allowed, description->allow_site_count, sizeof(*allowed), compare_texts);
		for (size_t i = 0; i < description->allow_site_count; i++) {
			hash_text(hash, allowed[i]);
		}
		status = good && EVP_DigestFinal_ex(hash, digest, NULL) == 1 ? 0 : SK_E_CRYPTO;
	}
	EVP_MD_CTX_free(hash);
	mem_free(allowed);
	mem_free(digests);
	if (status != 0) {
		return error_set_code(compile->error, status, "cannot derive a version");
	}
	snprintf(compile->report.version, sizeof(compile->report.version), "c%016llx",
	        (unsigned long long)bytes_get_be64(digest));
	return 0;
}

static int choose_version(struct compile *compile)
{
	const char *version = compile->job->version != NULL ? compile->job->version
	                                                    : compile->job->description->version;
	if (version == NULL) {
		return derive_version(compile);
	}
	snprintf(compile->report.version, sizeof(compile->report.version), "%s", version);
	return 0;
}

/* --- reading all lists --- */

static int allow_sites(struct compile *compile)
{
	const struct description *description = compile->job->description;
	for (size_t i = 0; i < description->allow_site_count; i++) {
		const char *reason = "no memory";
		int status = safety_allow(compile->safety, description->allow_site[i], &reason);
		if (status != 0) {
			return error_set(
			        compile->error, status, "/safety/allow_site/%zu: %s", i, reason);
		}
	}
	return 0;
}

static int read_kind(struct compile *compile, bool exclude, size_t *done)
{
	const struct description *description = compile->job->description;
	for (size_t i = 0; i < description->input_count; i++) {
		if ((description->inputs[i].kind == DESCRIPTION_EXCLUDE) != exclude) {
			continue;
		}
		compile_progress(compile,
		        (unsigned)(*done * 70 /
		                   (description->input_count + description->benign_count)),
		        description->inputs[i].path);
		int status = collect_list(compile, i);
		if (status != 0) {
			return status;
		}
		(*done)++;
	}
	return 0;
}

/* Benign names and exclusions first: they decide about the entries of the others. */
static int read_lists(struct compile *compile)
{
	const struct description *description = compile->job->description;
	size_t done = 0;
	int status = allow_sites(compile);
	for (size_t i = 0; status == 0 && i < description->benign_count; i++) {
		compile_progress(compile, 0, description->benign[i]);
		status = collect_list(compile, description->input_count + i);
		done++;
	}
	if (status == 0) {
		safety_seal(compile->safety);
		status = read_kind(compile, true, &done);
	}
	if (status == 0) {
		status = exclude_seal(compile->exclude, compile->error);
	}
	if (status == 0) {
		status = read_kind(compile, false, &done);
	}
	return status;
}

/* --- writing --- */

/* What a run of the builder reports of conflicts. */
struct conflicts {
	struct report_items *items;
	int status;
};

static void note_conflict(void *context, enum build_conflict_kind kind, const char *text,
        uint64_t bad_origins, uint64_t good_origins)
{
	struct conflicts *conflicts = context;
	(void)kind;
	int status = report_add(
	        conflicts->items, text, strlen(text), NULL, 0, bad_origins, good_origins);
	conflicts->status = conflicts->status != 0 ? conflicts->status : status;
}

/* The written file as readers will see it. */
static int load_file(struct output *output, enum lookup_kind kind, struct report_pattern *pattern,
        struct lookup_file **ret_file, struct error *error)
{
	int status = lookup_file_load(output->fd, kind, ret_file, error);
	if (status != 0) {
		error_prefix(error, "the built %s is not good", output->name);
		return status == -ENOMEM ? status : SK_E_CORRUPT;
	}
	pattern->size = lookup_file_size(*ret_file);
	memcpy(pattern->checksum, lookup_file_checksum(*ret_file), SHA256_SIZE);
	return 0;
}

/* Asks the written web pattern; *ret_found: entries that have to go. */
static int ask_web(struct compile *compile, struct output *output, uint64_t *ret_found)
{
	struct report *report = &compile->report;
	struct lookup_file *file;
	struct web_pattern *pattern;
	int status = load_file(output, LOOKUP_KIND_WEB, &report->web, &file, compile->error);
	if (status != 0) {
		return status;
	}
	status = web_pattern_open(file, &pattern, compile->error);
	if (status != 0) {
		lookup_file_close(file);
		error_prefix(compile->error, "the built %s is not good", output->name);
		return SK_E_CORRUPT;
	}
	const struct pattern_info *info = web_pattern_info(pattern);
	report->web.urls = info->url_count;
	report->web.v4 = info->v4_count;
	report->web.v6 = info->v6_count;
	report->safety_rounds++;
	status = safety_ask(compile->safety, pattern, compile->web, &report->left_out,
	        &report->allowed, &report->safety_asked, ret_found);
	web_pattern_close(pattern);
	return status == 0 ? 0 : error_set_code(compile->error, status, "cannot ask the pattern");
}

static int write_round(struct compile *compile, struct output *output, uint64_t *ret_found)
{
	const struct description *description = compile->job->description;
	struct report *report = &compile->report;
	struct conflicts conflicts = {&report->web.conflicts, 0};
	report_clear(&report->web.conflicts);
	if (ftruncate(output->fd, 0) != 0 || lseek(output->fd, 0, SEEK_SET) != 0) {
		return error_set_code(compile->error, -errno, "cannot write %s", output->name);
	}
	int status = web_builder_write(compile->web, output->fd, description->name, report->version,
	        description->sources, description->source_count, note_conflict, &conflicts,
	        &report->web.counts, compile->error);
	if (status == 0 && conflicts.status != 0) {
		status =
		        error_set_code(compile->error, conflicts.status, "cannot report conflicts");
	}
	return status != 0 ? status : ask_web(compile, output, ret_found);
}

static int write_web(struct compile *compile, struct output *ret_output)
{
	struct output output = {.fd = -1};
	uint64_t found = 1;
	if (compile->web_entries == 0) {
		return 0;
	}
	compile->report.web.there = true;
	int status =
	        output_start(compile->job->folder, "web.pattern", 0644, &output, compile->error);
	for (unsigned round = 0; status == 0 && found > 0; round++) {
		if (round == SAFETY_ROUNDS_MAX) {
			status = error_set(compile->error, SK_E_CONFLICT,
			        "the safety check found more after %u rounds", round);
			break;
		}
		compile_progress(compile, 70 + 2 * round, "web.pattern");
		status = write_round(compile, &output, &found);
	}
	if (status != 0) {
		output_abort(&output);
		return status;
	}
	*ret_output = output;
	return 0;
}

static int write_files(struct compile *compile, struct output *ret_output)
{
	const struct description *description = compile->job->description;
	struct report *report = &compile->report;
	struct output output = {.fd = -1};
	struct lookup_file *file;
	struct file_pattern *pattern;
	struct conflicts conflicts = {&report->files.conflicts, 0};
	if (compile->file_entries == 0) {
		return 0;
	}
	compile_progress(compile, 85, "files.pattern");
	report->files.there = true;
	int status =
	        output_start(compile->job->folder, "files.pattern", 0644, &output, compile->error);
	if (status == 0) {
		status = file_builder_write(compile->files, output.fd, description->name,
		        report->version, description->sources, description->source_count,
		        note_conflict, &conflicts, &report->files.counts, compile->error);
	}
	file_builder_free(compile->files);
	compile->files = NULL;
	if (status == 0 && conflicts.status != 0) {
		status =
		        error_set_code(compile->error, conflicts.status, "cannot report conflicts");
	}
	if (status == 0) {
		status = load_file(
		        &output, LOOKUP_KIND_FILES, &report->files, &file, compile->error);
	}
	if (status == 0) {
		status = file_pattern_open(file, &pattern, compile->error);
		if (status != 0) {
			lookup_file_close(file);
			status = SK_E_CORRUPT;
		}
	}
	if (status != 0) {
		output_abort(&output);
		return status;
	}
	memcpy(report->files.digests, file_pattern_info(pattern)->digest_counts,
	        sizeof(report->files.digests));
	file_pattern_close(pattern);
	*ret_output = output;
	return 0;
}

/* Puts a pattern in place, or takes one of an earlier build away. */
static int place_pattern(struct compile *compile, struct output *output, const char *name)
{
	if (output->fd >= 0) {
		return output_finish(output, compile->error);
	}
	if (unlinkat(compile->job->folder, name, 0) != 0 && errno != ENOENT) {
		return error_set_code(compile->error, -errno, "cannot remove the old %s", name);
	}
	return 0;
}

static int place_report(struct compile *compile, int64_t started)
{
	char *text;
	size_t length;
	compile->report.seconds = (double)(clock_monotonic(&clock_system) - started) / 1000;
	int status = report_json(&compile->report, compile->job->description, &text, &length);
	if (status != 0) {
		return error_set_code(compile->error, status, "cannot write the report");
	}
	status = output_write(
	        compile->job->folder, "report.json", 0644, text, length, compile->error);
	mem_free(text);
	return status;
}

static int write_all(struct compile *compile, int64_t started)
{
	struct output web = {.fd = -1}, files = {.fd = -1};
	int status = write_web(compile, &web);
	web_builder_free(compile->web);
	compile->web = NULL;
	if (status == 0) {
		status = write_files(compile, &files);
	}
	if (status == 0) {
		status = place_pattern(compile, &web, "web.pattern");
	}
	if (status == 0) {
		status = place_pattern(compile, &files, "files.pattern");
	}
	if (status == 0) {
		status = place_report(compile, started);
	}
	output_abort(&web);
	output_abort(&files);
	return status;
}

/* --- the whole --- */

/* Refused lines of an earlier build, "<n>-….txt". */
static int remove_old_refused(struct compile *compile)
{
	int fd = openat(compile->job->folder, COMPILE_REFUSED_FOLDER,
	        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == ENOENT ? 0
		                       : error_set_code(compile->error, -errno,
		                                 "cannot open the folder of refused lines");
	}
	DIR *folder = fdopendir(fd);
	if (folder == NULL) {
		file_close_fd(&fd);
		return error_set_code(compile->error, -ENOMEM, "cannot start the build");
	}
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		size_t length = strlen(entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && length > 4 &&
		        strcmp(entry->d_name + length - 4, ".txt") == 0) {
			(void)unlinkat(fd, entry->d_name, 0);
		}
	}
	closedir(folder);
	return 0;
}

static int compile_start(struct compile *compile)
{
	int status = report_init(&compile->report, compile->job->description);
	if (status == 0) {
		status = web_builder_new(&compile->key, &compile->web);
	}
	if (status == 0) {
		status = file_builder_new(&compile->files);
	}
	if (status == 0) {
		status = exclude_new(&compile->key, &compile->exclude);
	}
	if (status == 0) {
		status = safety_new(&compile->key, &compile->safety);
	}
	return status == 0 ? 0 : error_set_code(compile->error, status, "cannot start the build");
}

int compile_run(const struct compile_job *job, struct report *ret_report, struct error *error)
{
	int64_t started = clock_monotonic(&clock_system);
	struct error own_error = {0};
	struct compile compile = {.job = job,
	        .error = error != NULL ? error : &own_error,
	        .key = siphash_key_from(job->key)};
	int status = compile_start(&compile);
	if (status == 0) {
		status = remove_old_refused(&compile);
	}
	if (status == 0) {
		status = read_lists(&compile);
	}
	if (status == 0) {
		status = choose_version(&compile);
	}
	exclude_free(compile.exclude);
	if (status == 0) {
		status = write_all(&compile, started);
	}
	web_builder_free(compile.web);
	file_builder_free(compile.files);
	safety_free(compile.safety);
	if (status != 0) {
		report_release(&compile.report);
		return status;
	}
	compile_progress(&compile, 100, "done");
	*ret_report = compile.report;
	return 0;
}
