/*
 * Makes the lookup files of a generation for tests of sekisho-queryd alone:
 *
 *   make_sections FOLDER VERSION < lines
 *
 * writes FOLDER/web, files, base and base_keywords. A line is one of these, fields parted by tabs:
 *   url     SCORE CATEGORIES CNC_LEVEL CNC_SOURCE SOURCE URL       (categories by commas, or -)
 *   prefix  SCORE CATEGORIES CNC_LEVEL CNC_SOURCE SOURCE PREFIX
 *   digest  malicious|known_good KIND NAME SOURCE DIGEST
 *   rule    ID approved|blocked site|page|keyword TARGETS PATTERN  (targets - for all)
 *   object  ID user|analyzer ip|domain|url|sha1|sha256 log|block VALUE
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/data/rating.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/policy.h"
#include "lib/verdict/keyword_set.h"

#define FIELDS_MAX 7
#define LINE_SIZE 16384

struct maker {
	const char *folder, *version;
	struct web_builder *web;
	struct file_builder *files;
	struct policy_builder *policy;
	char *sources[PATTERN_SOURCES_MAX];
	size_t source_count;
	char *fields[FIELDS_MAX];
	unsigned line;
};

_Noreturn static void die(const struct maker *maker, const char *what, const struct error *error)
{
	fprintf(stderr, "make_sections: line %u: %s: %s\n", maker->line, what,
	        error != NULL ? error->text : "");
	exit(1);
}

static void check(const struct maker *maker, int status, const char *what)
{
	if (status != 0) {
		struct error error = {0};
		error_set_code(&error, status, "failed");
		die(maker, what, &error);
	}
}

static uint64_t number(const struct maker *maker, unsigned field, uint64_t maximum)
{
	uint64_t value = 0;
	const char *text = maker->fields[field];
	check(maker, number_parse_u64(text, strlen(text), maximum, &value), "number");
	return value;
}

static uint64_t source_bit(struct maker *maker, const char *name)
{
	size_t i = 0;
	while (i < maker->source_count && strcmp(maker->sources[i], name) != 0) {
		i++;
	}
	if (i == maker->source_count) {
		maker->sources[i] = mem_copy_text(name, strlen(name));
		maker->source_count++;
	}
	return UINT64_C(1) << i;
}

static uint64_t categories(const struct maker *maker, const char *text)
{
	uint64_t set = 0;
	while (strcmp(text, "-") != 0 && *text != '\0') {
		size_t length = strcspn(text, ",");
		unsigned category = 0;
		check(maker, category_parse(text, length, &category), "category");
		set |= UINT64_C(1) << category;
		text += length + (text[length] == ',');
	}
	return set;
}

static struct web_value web_value(struct maker *maker)
{
	enum cnc_source source = CNC_SOURCE_NONE;
	if (strcmp(maker->fields[4], "-") != 0) {
		check(maker, cnc_source_parse(maker->fields[4], &source), "C&C source");
	}
	return (struct web_value){.score = (uint8_t)number(maker, 1, 100),
	        .categories = categories(maker, maker->fields[2]),
	        .cnc_level = (uint8_t)number(maker, 3, 3),
	        .cnc_source = (uint8_t)source,
	        .origins = source_bit(maker, maker->fields[5])};
}

static void add_url(struct maker *maker)
{
	static char space[URL_TEXT_MAX];
	struct url url;
	const char *reason, *text = maker->fields[6];
	struct web_value value = web_value(maker);
	check(maker, url_canonicalize(text, strlen(text), space, sizeof(space), &url, &reason),
	        "URL");
	check(maker, web_builder_add(maker->web, &url, &value), "URL");
}

static void add_prefix(struct maker *maker)
{
	struct address_prefix prefix;
	struct web_value value = web_value(maker);
	const char *text = maker->fields[6];
	check(maker, address_prefix_parse(text, strlen(text), &prefix), "prefix");
	check(maker, web_builder_add_prefix(maker->web, &prefix, &value), "prefix");
}

static void add_digest(struct maker *maker)
{
	struct digest digest;
	enum threat_kind kind;
	const char *text = maker->fields[5];
	check(maker, threat_kind_parse(maker->fields[2], &kind), "kind");
	check(maker, digest_parse(text, strlen(text), &digest), "digest");
	check(maker,
	        file_builder_add(maker->files, &digest, strcmp(maker->fields[1], "malicious") == 0,
	                (uint8_t)kind, maker->fields[3], source_bit(maker, maker->fields[4])),
	        "digest");
}

static void add_rule(struct maker *maker)
{
	struct error error = {0};
	struct target *targets = NULL;
	size_t count = 0;
	struct rule rule = {.id = (int64_t)number(maker, 1, INT64_MAX),
	        .list = strcmp(maker->fields[2], "approved") == 0 ? POLICY_USER_APPROVED
	                                                          : POLICY_USER_BLOCKED,
	        .pattern = maker->fields[5],
	        .enabled = true,
	        .comment = ""};
	check(maker, rule_kind_parse(maker->fields[3], &rule.kind), "kind");
	if (strcmp(maker->fields[4], "-") != 0 &&
	        targets_parse(maker->fields[4], &targets, &count, &error) != 0) {
		die(maker, "targets", &error);
	}
	rule.targets = targets;
	rule.target_count = count;
	if (policy_builder_add_rule(maker->policy, &rule, &error) != 0) {
		die(maker, "rule", &error);
	}
	mem_free(targets);
}

static void add_object(struct maker *maker)
{
	struct error error = {0};
	struct object object = {.id = (int64_t)number(maker, 1, INT64_MAX),
	        .list = strcmp(maker->fields[2], "user") == 0 ? POLICY_OBJECT_USER
	                                                      : POLICY_OBJECT_ANALYZER,
	        .value = maker->fields[5],
	        .action = strcmp(maker->fields[4], "log") == 0 ? OBJECT_LOG : OBJECT_BLOCK,
	        .comment = ""};
	check(maker, object_kind_parse(maker->fields[3], &object.kind), "kind");
	if (policy_builder_add_object(maker->policy, &object, &error) != 0) {
		die(maker, "object", &error);
	}
}

static void read_lines(struct maker *maker)
{
	static const struct {
		const char *name;
		unsigned fields;
		void (*add)(struct maker *maker);
	} kinds[] = {{"url", 7, add_url}, {"prefix", 7, add_prefix}, {"digest", 6, add_digest},
	        {"rule", 6, add_rule}, {"object", 6, add_object}};
	static char line[LINE_SIZE];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		maker->line++;
		unsigned count = 0;
		for (char *at = line; at != NULL && count < FIELDS_MAX;) {
			maker->fields[count++] = strsep(&at, "\t");
		}
		unsigned i = 0;
		while (i < SK_COUNT(kinds) && strcmp(kinds[i].name, maker->fields[0]) != 0) {
			i++;
		}
		if (i == SK_COUNT(kinds) || kinds[i].fields != count) {
			die(maker, "unknown line", NULL);
		}
		kinds[i].add(maker);
	}
}

static int open_output(const struct maker *maker, const char *name)
{
	char path[PATH_MAX];
	check(maker, file_join(path, sizeof(path), maker->folder, name), "path");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	check(maker, fd < 0 ? -errno : 0, path);
	return fd;
}

static void write_patterns(struct maker *maker)
{
	struct error error = {0};
	struct build_counts counts;
	const char *const *sources = (const char *const *)maker->sources;
	int fd = open_output(maker, "web");
	if (web_builder_write(maker->web, fd, "test", maker->version, sources, maker->source_count,
	            NULL, NULL, &counts, &error) != 0) {
		die(maker, "web pattern", &error);
	}
	close(fd);
	fd = open_output(maker, "files");
	if (file_builder_write(maker->files, fd, "test", maker->version, sources,
	            maker->source_count, NULL, NULL, &counts, &error) != 0) {
		die(maker, "file pattern", &error);
	}
	close(fd);
}

static void write_policy(struct maker *maker)
{
	struct error error = {0};
	struct lookup_file *file;
	struct policy *policy = NULL;
	int fd = open_output(maker, "base");
	if (policy_builder_write(maker->policy, fd, &error) != 0 ||
	        lookup_file_load(fd, LOOKUP_KIND_POLICY, &file, &error) != 0 ||
	        policy_open(file, &policy, &error) != 0) {
		die(maker, "policy", &error);
	}
	close(fd);
	fd = open_output(maker, "base_keywords");
	if (keyword_set_compile(policy, fd, NULL, NULL, &error) != 0) {
		die(maker, "keywords", &error);
	}
	close(fd);
	policy_close(policy);
}

int main(int argc, char **argv)
{
	static const unsigned char key_bytes[16] = "a key for tests";
	struct siphash_key key = siphash_key_from(key_bytes);
	struct maker maker = {0};
	if (argc != 3) {
		fprintf(stderr, "usage: make_sections FOLDER VERSION < lines\n");
		return 2;
	}
	maker.folder = argv[1];
	maker.version = argv[2];
	check(&maker, web_builder_new(&key, &maker.web), "builder");
	check(&maker, file_builder_new(&maker.files), "builder");
	check(&maker, policy_builder_new(&key, &maker.policy), "builder");
	read_lines(&maker);
	write_patterns(&maker);
	write_policy(&maker);
	web_builder_free(maker.web);
	file_builder_free(maker.files);
	policy_builder_free(maker.policy);
	for (size_t i = 0; i < maker.source_count; i++) {
		mem_free(maker.sources[i]);
	}
	return 0;
}
