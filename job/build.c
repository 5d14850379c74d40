#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "pattern/compile.h"

#define DESCRIPTION_FD JOB_FD_FIRST
#define LISTS_FD (JOB_FD_FIRST + 1)

/* Digest algorithms are fetched while OpenSSL may still read its configuration. The starter owns
 * the folder, as another user: what is made there has to be readable for it. */
int build_prepare(struct job *job)
{
	umask(0);
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1) {
		return error_set(&job->error, SK_E_CRYPTO, "OpenSSL could not be started");
	}
	return 0;
}

static int open_list(void *context, size_t index, int *ret_fd, struct error *error)
{
	const struct description *description = context;
	/* The descriptor itself: the build closes it, and asks for each list once. */
	*ret_fd = LISTS_FD + (int)index;
	if (fcntl(*ret_fd, F_GETFD) >= 0) {
		return 0;
	}
	return error_set_code(error, -errno, "list %zu of %zu", index + 1,
	        description->input_count + description->benign_count);
}

static void on_progress(void *context, unsigned percent, const char *step)
{
	(void)context;
	job_progress(percent, step);
}

/* {"key": 32 hexadecimal digits, else a random one; "version": instead of the description's} */
static int read_request(struct job *job, struct compile_job *compile)
{
	static const char *const members[] = {"key", "version", NULL};
	const char *key = NULL;
	size_t length = 0;
	int status = job_check_members(job, members);
	if (status == 0) {
		status = job_get_text(
		        job, "version", DESCRIPTION_VERSION_MAX, &compile->version, NULL);
		status = status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (status == 0 && compile->version != NULL &&
	        !description_version_is_good(compile->version)) {
		status = error_set(
		        &job->error, SK_E_SYNTAX, "\"version\" has characters that it may not");
	}
	if (status != 0) {
		return status;
	}
	status = job_get_text(job, "key", 2 * COMPILE_KEY_SIZE, &key, &length);
	if (status == SK_E_NOT_FOUND) {
		ssize_t got = getrandom(compile->key, COMPILE_KEY_SIZE, 0);
		return got == COMPILE_KEY_SIZE ? 0 : error_set_code(&job->error, -errno, "key");
	}
	if (status == 0 && number_parse_hex(key, length, compile->key, COMPILE_KEY_SIZE) != 0) {
		status =
		        error_set(&job->error, SK_E_SYNTAX, "\"key\" is not 32 hexadecimal digits");
	}
	return status;
}

static int read_description(struct job *job, struct description *ret_description)
{
	char *text;
	size_t length;
	int status = file_read_fd(DESCRIPTION_FD, DESCRIPTION_SIZE_MAX, &text, &length);
	if (status != 0) {
		return error_set_code(&job->error, status, "description");
	}
	status = description_parse(text, length, ret_description, &job->error);
	mem_free(text);
	if (status != 0) {
		return status;
	}
	size_t lists = ret_description->input_count + ret_description->benign_count;
	/* The description and the folder are the other two. */
	if (lists + 2 != (size_t)job->descriptor_count) {
		description_release(ret_description);
		return error_set(&job->error, SK_E_PROTOCOL,
		        "the description has %zu lists, but %d descriptors are there for them",
		        lists, job->descriptor_count - 2);
	}
	return 0;
}

static uint64_t count_entries(const struct report_pattern *pattern)
{
	return pattern->urls + pattern->v4 + pattern->v6 + pattern->digests[0] +
	       pattern->digests[1] + pattern->digests[2];
}

int build_run(struct job *job)
{
	struct description description;
	struct report report;
	struct compile_job compile = {.description = &description,
	        .folder = JOB_FD_FIRST + job->descriptor_count - 1,
	        .context = &description,
	        .open_list = open_list,
	        .progress = on_progress};
	int status = read_request(job, &compile);
	if (status == 0) {
		status = read_description(job, &description);
	}
	if (status != 0) {
		return status;
	}
	status = compile_run(&compile, &report, &job->error);
	if (status == 0) {
		job_answer_text(job, "name", description.name);
		job_answer_text(job, "version", report.version);
		if (report.web.there) {
			job_answer_number(job, "web", (int64_t)count_entries(&report.web));
		}
		if (report.files.there) {
			job_answer_number(job, "files", (int64_t)count_entries(&report.files));
		}
		report_release(&report);
	}
	description_release(&description);
	return status;
}
