#include "tests/unit/queryd_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/policy.h"

static const unsigned char key_bytes[16] = "a key for tests";

static void add_url(struct web_builder *builder, const char *text, uint8_t score)
{
	static char space[URL_TEXT_MAX];
	struct url url;
	const char *reason;
	struct web_value value = {.score = score, .categories = 1, .origins = 1};
	assert_int_equal(
	        url_canonicalize(text, strlen(text), space, sizeof(space), &url, &reason), 0);
	assert_int_equal(web_builder_add(builder, &url, &value), 0);
}

static int make_web(void)
{
	static const char *const sources[] = {"feed"};
	struct siphash_key key = siphash_key_from(key_bytes);
	struct web_builder *builder;
	struct build_counts counts;
	struct address_prefix prefix;
	struct web_value value = {.score = 49, .origins = 1};
	struct error error = {0};
	int fd = memfd_create("web", MFD_CLOEXEC);
	assert_int_equal(web_builder_new(&key, &builder), 0);
	add_url(builder, "http://bad.example/", 49);
	add_url(builder, "http://good.example/", 90);
	assert_int_equal(address_prefix_parse("192.0.2.0/24", 12, &prefix), 0);
	assert_int_equal(web_builder_add_prefix(builder, &prefix, &value), 0);
	assert_int_equal(web_builder_write(builder, fd, "test", "v1", sources, 1, NULL, NULL,
	                         &counts, &error),
	        0);
	web_builder_free(builder);
	return fd;
}

static int make_files(void)
{
	static const char *const sources[] = {"feed"};
	struct file_builder *builder;
	struct build_counts counts;
	struct digest digest;
	struct error error = {0};
	int fd = memfd_create("files", MFD_CLOEXEC);
	assert_int_equal(file_builder_new(&builder), 0);
	assert_int_equal(digest_parse(SUPPORT_EICAR, 32, &digest), 0);
	assert_int_equal(
	        file_builder_add(builder, &digest, 1, THREAT_VIRUS, "EICAR-Test-File", 1), 0);
	assert_int_equal(file_builder_write(builder, fd, "test", "v1", sources, 1, NULL, NULL,
	                         &counts, &error),
	        0);
	file_builder_free(builder);
	return fd;
}

static int make_policy(void)
{
	struct siphash_key key = siphash_key_from(key_bytes);
	struct policy_builder *builder;
	struct error error = {0};
	const struct rule rule = {.id = 12,
	        .list = POLICY_USER_BLOCKED,
	        .kind = RULE_SITE,
	        .pattern = "http://blocked.example/",
	        .enabled = true,
	        .comment = ""};
	int fd = memfd_create("policy", MFD_CLOEXEC);
	assert_int_equal(policy_builder_new(&key, &builder), 0);
	assert_int_equal(policy_builder_add_rule(builder, &rule, &error), 0);
	assert_int_equal(policy_builder_write(builder, fd, &error), 0);
	policy_builder_free(builder);
	return fd;
}

static void announce(struct link_section *section, int fd)
{
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	section->present = true;
	section->length = (uint64_t)status.st_size;
	assert_int_equal(pread(fd, section->checksum, SHA256_SIZE, status.st_size - SHA256_SIZE),
	        SHA256_SIZE);
}

struct link_settings support_settings(void)
{
	struct link_settings settings = {.web_on = true,
	        .files_on = true,
	        .block_below = 66,
	        .log_score_max = 65,
	        .ttl_listed = 3600,
	        .ttl_unlisted = 600,
	        .handshake_ms = 60000,
	        .header_ms = 60000,
	        .body_ms = 60000,
	        .idle_ms = 60000,
	        .write_ms = 60000,
	        .event_interval_ms = 100,
	        .counter_interval_ms = 10000,
	        .connections_max = 1000,
	        .allow_count = 2};
	assert_int_equal(address_range_parse("127.0.0.0/8", 11, &settings.allow[0].first,
	                         &settings.allow[0].last),
	        0);
	assert_int_equal(
	        address_range_parse("::1", 3, &settings.allow[1].first, &settings.allow[1].last),
	        0);
	return settings;
}

struct generation *support_generation_with(unsigned workers, const struct link_settings *settings)
{
	static struct link_publish publish;
	struct error error = {0};
	struct generation *generation;
	int descriptors[] = {make_web(), make_files(), make_policy()};
	publish = (struct link_publish){.generation = 7, .settings = *settings};
	announce(&publish.sections[SECTION_WEB], descriptors[0]);
	announce(&publish.sections[SECTION_FILES], descriptors[1]);
	announce(&publish.sections[SECTION_BASE], descriptors[2]);
	int status = generation_new(&publish, descriptors, 3, NULL, workers, &generation, &error);
	if (status != 0) {
		fail_msg("generation: %s", error.text);
	}
	for (unsigned i = 0; i < 3; i++) {
		close(descriptors[i]);
	}
	return generation;
}

struct generation *support_generation(unsigned workers)
{
	struct link_settings settings = support_settings();
	return support_generation_with(workers, &settings);
}

static int make_overlay(int base_fd)
{
	struct siphash_key key = siphash_key_from(key_bytes);
	struct policy_builder *builder;
	struct lookup_file *file;
	struct policy *base;
	struct error error = {0};
	int fd = memfd_create("overlay", MFD_CLOEXEC);
	assert_int_equal(lookup_file_load(base_fd, LOOKUP_KIND_POLICY, &file, &error), 0);
	assert_int_equal(policy_open(file, &base, &error), 0);
	assert_int_equal(policy_builder_new(&key, &builder), 0);
	assert_int_equal(policy_builder_remove(builder, base, POLICY_USER_BLOCKED, 12), 0);
	assert_int_equal(policy_builder_write(builder, fd, &error), 0);
	policy_builder_free(builder);
	policy_close(base);
	return fd;
}

int support_open_overlay(bool with_base)
{
	static struct link_publish publish;
	struct error error = {0};
	struct generation *generation = NULL;
	int base = make_policy();
	int overlay = make_overlay(base);
	int descriptors[] = {base, overlay};
	publish = (struct link_publish){.generation = 8, .settings = support_settings()};
	announce(&publish.sections[SECTION_OVERLAY], overlay);
	if (with_base) {
		announce(&publish.sections[SECTION_BASE], base);
	}
	int status = generation_new(&publish, with_base ? descriptors : descriptors + 1,
	        with_base ? 2 : 1, NULL, 1, &generation, &error);
	generation_free(generation);
	close(base);
	close(overlay);
	return status;
}
