#include "queryd/generation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/json_writer.h"
#include "lib/base/mem.h"
#include "lib/lookup/lookup_file.h"

struct section {
	unsigned references;
	enum section_role role;
	uint64_t length;
	unsigned char checksum[SHA256_SIZE];
	struct web_pattern *web;
	struct file_pattern *files;
	struct policy *policy;
	struct keyword_set *keywords;
};

static const struct {
	const char *name;
	enum lookup_kind kind;
} roles[SECTION_COUNT] = {
        [SECTION_WEB] = {"Web Blocking Pattern", LOOKUP_KIND_WEB},
        [SECTION_FILES] = {"Smart Scan Pattern", LOOKUP_KIND_FILES},
        [SECTION_BASE] = {"base policy", LOOKUP_KIND_POLICY},
        [SECTION_OVERLAY] = {"overlay policy", LOOKUP_KIND_POLICY},
        [SECTION_BASE_KEYWORDS] = {"base keywords", LOOKUP_KIND_KEYWORDS},
        [SECTION_OVERLAY_KEYWORDS] = {"overlay keywords", LOOKUP_KIND_KEYWORDS},
};

/* ---- sections ---- */

static void section_unref(struct section *section)
{
	if (section == NULL || --section->references > 0) {
		return;
	}
	web_pattern_close(section->web);
	file_pattern_close(section->files);
	policy_close(section->policy);
	keyword_set_close(section->keywords);
	mem_free(section);
}

/* The file as the thing that its role needs; takes over `file` on success. */
static int section_open(struct section *section, struct lookup_file *file, struct error *error)
{
	switch (section->role) {
	case SECTION_WEB:
		return web_pattern_open(file, &section->web, error);
	case SECTION_FILES:
		return file_pattern_open(file, &section->files, error);
	case SECTION_BASE:
	case SECTION_OVERLAY:
		return policy_open(file, &section->policy, error);
	case SECTION_BASE_KEYWORDS:
	case SECTION_OVERLAY_KEYWORDS:
		return keyword_set_open(file, &section->keywords, error);
	case SECTION_COUNT:
		break;
	}
	return error_set(error, SK_E_INTERNAL, "no such section");
}

/* Before anything is read: is the file as long as announced? */
static int check_length(int fd, uint64_t length, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status) != 0) {
		return error_set_code(error, -errno, "fstat");
	}
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != length) {
		return error_set(error, SK_E_CORRUPT, "%lld bytes instead of %llu",
		        (long long)status.st_size, (unsigned long long)length);
	}
	return 0;
}

static int section_load(enum section_role role, const struct link_section *announced, int fd,
        struct section **ret_section, struct error *error)
{
	struct lookup_file *file;
	int status = check_length(fd, announced->length, error);
	if (status == 0) {
		status = lookup_file_load(fd, roles[role].kind, &file, error);
	}
	if (status != 0) {
		return status;
	}
	if (memcmp(lookup_file_checksum(file), announced->checksum, SHA256_SIZE) != 0) {
		lookup_file_close(file);
		return error_set(error, SK_E_CORRUPT, "not the file that was announced");
	}
	struct section *section = mem_new(1, sizeof(*section));
	if (section == NULL) {
		lookup_file_close(file);
		return error_set_code(error, -ENOMEM, "section");
	}
	section->references = 1;
	section->role = role;
	section->length = announced->length;
	memcpy(section->checksum, announced->checksum, SHA256_SIZE);
	status = section_open(section, file, error);
	if (status != 0) {
		lookup_file_close(file);
		mem_free(section);
		return status;
	}
	*ret_section = section;
	return 0;
}

static struct section *find_same(const struct generation *before, enum section_role role,
        const struct link_section *announced)
{
	struct section *section = before != NULL ? before->sections[role] : NULL;
	if (section == NULL || section->length != announced->length ||
	        memcmp(section->checksum, announced->checksum, SHA256_SIZE) != 0) {
		return NULL;
	}
	section->references++;
	return section;
}

static int open_sections(struct generation *generation, const struct link_publish *publish,
        const int *descriptors, size_t count, const struct generation *before, struct error *error)
{
	size_t next = 0;
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		const struct link_section *announced = &publish->sections[i];
		if (!announced->present) {
			continue;
		}
		if (next == count) {
			return error_set(error, SK_E_PROTOCOL, "fewer descriptors than sections");
		}
		int fd = descriptors[next++];
		enum section_role role = (enum section_role)i;
		generation->sections[i] = find_same(before, role, announced);
		if (generation->sections[i] != NULL) {
			continue;
		}
		int status = section_load(role, announced, fd, &generation->sections[i], error);
		if (status != 0) {
			return error_prefix(error, "%s", roles[i].name);
		}
	}
	return next == count ? 0
	                     : error_set(error, SK_E_PROTOCOL, "more descriptors than sections");
}

static bool keywords_fit(const struct keyword_set *keywords, const struct policy *policy)
{
	return keywords == NULL || (policy != NULL && keyword_set_fits(keywords, policy));
}

/* Keywords name entries of their policy by index, an overlay names those of its base. */
static int check_together(const struct snapshot *snapshot, struct error *error)
{
	if (snapshot->overlay != NULL && !policy_fits(snapshot->overlay, snapshot->base)) {
		return error_set(error, SK_E_CORRUPT, "the overlay is of another base");
	}
	if (!keywords_fit(snapshot->base_keywords, snapshot->base) ||
	        !keywords_fit(snapshot->overlay_keywords, snapshot->overlay)) {
		return error_set(error, SK_E_CORRUPT, "the keywords are of other rules");
	}
	return 0;
}

/* ---- the generation ---- */

static void make_tail(struct answer_tail *tail, const struct pattern_info *info)
{
	struct buf buf;
	buf_init_fixed(&buf, tail->text, sizeof(tail->text));
	buf_add_literal(&buf, ",\"pattern\":");
	if (info != NULL) {
		json_add_string(&buf, info->version, strlen(info->version));
	} else {
		buf_add_literal(&buf, "null");
	}
	buf_add_char(&buf, '}');
	if (buf_status(&buf) != 0) {
		/* A version of absurd length is not worth refusing a pattern for. */
		buf_clear(&buf);
		buf_add_literal(&buf, ",\"pattern\":\"\"}");
	}
	tail->length = (uint32_t)buf.length;
}

static void make_snapshot(struct generation *generation)
{
	struct section *const *sections = generation->sections;
	const struct link_settings *settings = &generation->settings;
	struct snapshot *snapshot = &generation->snapshot;
	const struct section *none = &(struct section){0};
	const struct section *of[SECTION_COUNT];
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		of[i] = sections[i] != NULL ? sections[i] : none;
	}
	*snapshot = (struct snapshot){.web = of[SECTION_WEB]->web,
	        .files = of[SECTION_FILES]->files,
	        .base = of[SECTION_BASE]->policy,
	        .overlay = of[SECTION_OVERLAY]->policy,
	        .base_keywords = of[SECTION_BASE_KEYWORDS]->keywords,
	        .overlay_keywords = of[SECTION_OVERLAY_KEYWORDS]->keywords,
	        .approved_first = settings->approved_first,
	        .block_below = settings->block_below,
	        .log_score_max = settings->log_score_max,
	        .ttl_listed = settings->ttl_listed,
	        .ttl_unlisted = settings->ttl_unlisted};
	make_tail(&generation->web_tail,
	        snapshot->web != NULL ? web_pattern_info(snapshot->web) : NULL);
	make_tail(&generation->file_tail,
	        snapshot->files != NULL ? file_pattern_info(snapshot->files) : NULL);
	snprintf(
	        generation->ttl_listed, sizeof(generation->ttl_listed), "%u", settings->ttl_listed);
	snprintf(generation->ttl_unlisted, sizeof(generation->ttl_unlisted), "%u",
	        settings->ttl_unlisted);
}

/* Here and not in the workers, which must not allocate. */
static int make_scratches(struct generation *generation)
{
	for (unsigned i = 0; i < generation->worker_count; i++) {
		int status = verdict_scratch_new(&generation->scratch[i]);
		if (status == 0) {
			status = verdict_scratch_fit(generation->scratch[i], &generation->snapshot);
		}
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

int generation_new(const struct link_publish *publish, const int *descriptors, size_t count,
        const struct generation *before, unsigned worker_count, struct generation **ret_generation,
        struct error *error)
{
	struct generation *generation = mem_new(1, sizeof(*generation));
	if (generation == NULL) {
		return error_set_code(error, -ENOMEM, "generation");
	}
	generation->number = publish->generation;
	generation->settings = publish->settings;
	generation->worker_count = worker_count;
	int status = open_sections(generation, publish, descriptors, count, before, error);
	if (status == 0) {
		make_snapshot(generation);
		status = check_together(&generation->snapshot, error);
	}
	if (status == 0) {
		status = make_scratches(generation);
		if (status != 0) {
			error_set_code(error, status, "scratch memory");
		}
	}
	if (status != 0) {
		generation_free(generation);
		return status;
	}
	*ret_generation = generation;
	return 0;
}

void generation_free(struct generation *generation)
{
	if (generation == NULL) {
		return;
	}
	for (unsigned i = 0; i < generation->worker_count; i++) {
		verdict_scratch_free(generation->scratch[i]);
	}
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		section_unref(generation->sections[i]);
	}
	mem_free(generation);
}
