#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/web_pattern.h"

#define INPUT_FD JOB_FD_FIRST
#define OUTPUT_FD (JOB_FD_FIRST + 1)
#define READ_SIZE ((size_t)256 * 1024)
/* The same as the largest lookup file; a small archive can hold any number of zeros. */
#define UNPACKED_MAX (UINT64_C(4) * 1024 * 1024 * 1024)
#define KIND_OFFSET 12 /* docs/pattern-format.md: magic, version, kind */

static int archive_fault(struct job *job, struct archive *archive)
{
	const char *text = archive_error_string(archive);
	return error_set(&job->error, SK_E_CORRUPT, "it cannot be unpacked: %s",
	        text != NULL ? text : "no reason is known");
}

static int copy_data(struct job *job, struct archive *archive)
{
	static char block[READ_SIZE];
	uint64_t total = 0;
	for (;;) {
		la_ssize_t got = archive_read_data(archive, block, sizeof(block));
		if (got < 0) {
			return archive_fault(job, archive);
		}
		if (got == 0) {
			break;
		}
		total += (uint64_t)got;
		if (total > UNPACKED_MAX) {
			return error_set(&job->error, SK_E_LIMIT,
			        "it is larger than a pattern can be when unpacked");
		}
		int status = file_write_all(OUTPUT_FD, block, (size_t)got);
		if (status != 0) {
			return error_set_code(&job->error, status, "writing the unpacked pattern");
		}
	}
	return total > 0 ? 0 : error_set(&job->error, SK_E_CORRUPT, "it is empty");
}

/* Plain data, or data in one of the three compressions that libarchive does by itself. */
static int unpack(struct job *job)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int status;
	if (archive == NULL) {
		return error_set_code(&job->error, -ENOMEM, "unpacking");
	}
	if (archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
	        archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
	        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
	        archive_read_support_format_raw(archive) != ARCHIVE_OK ||
	        archive_read_open_fd(archive, INPUT_FD, READ_SIZE) != ARCHIVE_OK ||
	        archive_read_next_header(archive, &entry) != ARCHIVE_OK) {
		status = archive_fault(job, archive);
	} else {
		status = copy_data(job, archive);
	}
	archive_read_free(archive);
	return status;
}

static void answer_info(struct job *job, const char *kind, const struct pattern_info *info)
{
	uint64_t entries = info->url_count + info->v4_count + info->v6_count;
	for (size_t i = 0; i < SK_COUNT(info->digest_counts); i++) {
		entries += info->digest_counts[i];
	}
	job_answer_text(job, "kind", kind);
	job_answer_text(job, "name", info->name);
	job_answer_text(job, "version", info->version);
	job_answer_number(job, "entries", (int64_t)entries);
}

static int verify(struct job *job)
{
	unsigned char header[KIND_OFFSET + 4] = {0};
	struct lookup_file *file = NULL;
	struct web_pattern *web = NULL;
	struct file_pattern *files = NULL;
	if (pread(OUTPUT_FD, header, sizeof(header), 0) < 0) {
		return error_set_code(&job->error, -errno, "reading the unpacked pattern");
	}
	/* Anything but these two is refused by the loader, in its own words. */
	enum lookup_kind kind = bytes_get_le32(header + KIND_OFFSET) == LOOKUP_KIND_FILES
	                                ? LOOKUP_KIND_FILES
	                                : LOOKUP_KIND_WEB;
	int status = lookup_file_load(OUTPUT_FD, kind, &file, &job->error);
	if (status != 0) {
		return error_prefix(&job->error, "the pattern is refused");
	}
	job_answer_number(job, "bytes", (int64_t)lookup_file_size(file));
	if (kind == LOOKUP_KIND_WEB) {
		status = web_pattern_open(file, &web, &job->error);
	} else {
		status = file_pattern_open(file, &files, &job->error);
	}
	if (status != 0) {
		lookup_file_close(file);
		return error_prefix(&job->error, "the pattern is refused");
	}
	if (web != NULL) {
		answer_info(job, "web", web_pattern_info(web));
	} else {
		answer_info(job, "files", file_pattern_info(files));
	}
	web_pattern_close(web);
	file_pattern_close(files);
	return 0;
}

int unpack_run(struct job *job)
{
	static const char *const members[] = {NULL};
	int status = job_check_members(job, members);
	if (status != 0) {
		return status;
	}
	job_progress(0, "unpack");
	status = unpack(job);
	if (status == 0) {
		job_progress(50, "verify");
		status = verify(job);
	}
	return status;
}
