/*
 * The real look-up and decision behind a pipe, for tests/reference/differential.py: builds a web
 * pattern, rules and objects in two levels, and answers questions. Lines of fields separated by
 * tabs; the sender writes only what is valid, so any error ends the program with its reason.
 *
 *   W url score categories cnc_level cnc_source origins    an entry of the pattern
 *   P prefix score categories cnc_level cnc_source origins
 *   R level id list kind pattern targets expires enabled   level 0 base, 1 overlay
 *   O level id list kind value action cnc_level expires    list and kind as numbers of the enums
 *   D list id                                              an entry of the base no longer counts
 *   S approved_first block_below log_score_max
 *   B                                                      build it all
 *   C address computer domain now                          who asks from now on ("-" for none)
 *   Q url                                                  answers a line:
 *       source id score action cnc_level cnc_source categories bad same_explained
 *   X                                                      forget everything
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/verdict/verdict.h"

#define LINE_MAX_BYTES (64 * 1024)
#define FIELDS_MAX 10
#define LEVELS 2

struct removal {
	enum policy_list list;
	int64_t id;
};

struct tool {
	struct web_builder *web_builder;
	struct policy_builder *builders[LEVELS];
	struct removal removals[1024];
	size_t removal_count;
	struct web_pattern *web;
	struct policy *policies[LEVELS];
	struct keyword_set *keywords[LEVELS];
	struct snapshot snapshot;
	struct verdict_scratch *scratch;
	struct verdict_client client;
	char computer[256], domain[256];
	int64_t now;
};

static const struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
static char space[URL_TEXT_MAX];
static struct verdict_explanation explanation;

static void die(const char *what, int rc, const struct error *error)
{
	fprintf(stderr, "decision_tool: %s: %s%s%s\n", what, sk_strerror(rc),
	        error != NULL && error->text[0] != '\0' ? ": " : "",
	        error != NULL ? error->text : "");
	exit(1);
}

static void need(int rc, const char *what, const struct error *error)
{
	if (rc < 0) {
		die(what, rc, error);
	}
}

static int64_t number(const char *text)
{
	int64_t value = 0;
	need(number_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX, &value), text, NULL);
	return value;
}

static uint64_t set_number(const char *text)
{
	uint64_t value = 0;
	need(number_parse_u64(text, strlen(text), UINT64_MAX, &value), text, NULL);
	return value;
}

static int memory_file(void)
{
	int fd = memfd_create("decision_tool", MFD_CLOEXEC);
	need(fd < 0 ? -errno : 0, "memfd_create", NULL);
	return fd;
}

static struct web_value read_value(char **fields)
{
	return (struct web_value){.score = (uint8_t)number(fields[0]),
	        .categories = set_number(fields[1]),
	        .cnc_level = (uint8_t)number(fields[2]),
	        .cnc_source = (uint8_t)number(fields[3]),
	        .origins = set_number(fields[4])};
}

static void add_web(struct tool *tool, char **fields)
{
	struct web_value value = read_value(fields + 2);
	const char *reason = "";
	struct url url;
	if (tool->web_builder == NULL) {
		need(web_builder_new(&key, &tool->web_builder), "web_builder_new", NULL);
	}
	if (fields[0][0] == 'W') {
		need(url_canonicalize(
		             fields[1], strlen(fields[1]), space, sizeof(space), &url, &reason),
		        reason, NULL);
		need(web_builder_add(tool->web_builder, &url, &value), "web_builder_add", NULL);
	} else {
		struct address_prefix prefix;
		need(address_prefix_parse(fields[1], strlen(fields[1]), &prefix), fields[1], NULL);
		need(web_builder_add_prefix(tool->web_builder, &prefix, &value),
		        "web_builder_add_prefix", NULL);
	}
}

static struct policy_builder *builder_of(struct tool *tool, const char *level)
{
	size_t index = (size_t)number(level);
	if (tool->builders[index] == NULL) {
		need(policy_builder_new(&key, &tool->builders[index]), "policy_builder_new", NULL);
	}
	return tool->builders[index];
}

static void add_rule(struct tool *tool, char **fields)
{
	struct error error = {0};
	struct target *targets = NULL;
	struct rule rule = {.id = number(fields[2]),
	        .list = (enum policy_list)number(fields[3]),
	        .kind = (enum rule_kind)number(fields[4]),
	        .pattern = fields[5],
	        .expires = number(fields[7]),
	        .enabled = number(fields[8]) != 0,
	        .comment = ""};
	need(targets_parse(fields[6], &targets, &rule.target_count, &error), fields[6], &error);
	rule.targets = targets;
	need(policy_builder_add_rule(builder_of(tool, fields[1]), &rule, &error), fields[5],
	        &error);
	mem_free(targets);
}

static void add_object(struct tool *tool, char **fields)
{
	struct error error = {0};
	struct object object = {.id = number(fields[2]),
	        .list = (enum policy_list)number(fields[3]),
	        .kind = (enum object_kind)number(fields[4]),
	        .value = fields[5],
	        .action = (enum object_action)number(fields[6]),
	        .cnc_level = (uint8_t)number(fields[7]),
	        .expires = number(fields[8]),
	        .comment = ""};
	need(policy_builder_add_object(builder_of(tool, fields[1]), &object, &error), fields[5],
	        &error);
}

static struct lookup_file *load(int fd, enum lookup_kind kind)
{
	struct error error = {0};
	struct lookup_file *file = NULL;
	need(lookup_file_load(fd, kind, &file, &error), "lookup_file_load", &error);
	close(fd);
	return file;
}

static void build_web(struct tool *tool)
{
	static const char *const sources[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
	struct build_counts counts;
	struct error error = {0};
	int fd = memory_file();
	need(web_builder_write(tool->web_builder, fd, "test", "1", sources, SK_COUNT(sources), NULL,
	             NULL, &counts, &error),
	        "web_builder_write", &error);
	struct lookup_file *file = load(fd, LOOKUP_KIND_WEB);
	need(web_pattern_open(file, &tool->web, &error), "web_pattern_open", &error);
}

static void refuse_keyword(void *context, const struct policy_entry *entry, const char *reason)
{
	(void)context;
	fprintf(stderr, "decision_tool: keyword %.*s: %s\n", (int)entry->text_length, entry->text,
	        reason);
	exit(1);
}

static void build_level(struct tool *tool, size_t level)
{
	struct error error = {0};
	int fd = memory_file();
	for (size_t i = 0; i < tool->removal_count && level == 1; i++) {
		need(policy_builder_remove(tool->builders[1], tool->policies[0],
		             tool->removals[i].list, tool->removals[i].id),
		        "policy_builder_remove", NULL);
	}
	need(policy_builder_write(tool->builders[level], fd, &error), "policy_builder_write",
	        &error);
	struct lookup_file *file = load(fd, LOOKUP_KIND_POLICY);
	need(policy_open(file, &tool->policies[level], &error), "policy_open", &error);
	fd = memory_file();
	need(keyword_set_compile(tool->policies[level], fd, refuse_keyword, NULL, &error),
	        "keyword_set_compile", &error);
	file = load(fd, LOOKUP_KIND_KEYWORDS);
	need(keyword_set_open(file, &tool->keywords[level], &error), "keyword_set_open", &error);
}

static void build(struct tool *tool)
{
	if (tool->web_builder != NULL) {
		build_web(tool);
	}
	if (tool->removal_count > 0) {
		builder_of(tool, "1");
	}
	for (size_t level = 0; level < LEVELS; level++) {
		if (tool->builders[level] != NULL) {
			build_level(tool, level);
		}
	}
	tool->snapshot.web = tool->web;
	tool->snapshot.base = tool->policies[0];
	tool->snapshot.overlay = tool->policies[1];
	tool->snapshot.base_keywords = tool->keywords[0];
	tool->snapshot.overlay_keywords = tool->keywords[1];
	need(verdict_scratch_new(&tool->scratch), "verdict_scratch_new", NULL);
	need(verdict_scratch_fit(tool->scratch, &tool->snapshot), "verdict_scratch_fit", NULL);
}

static void forget(struct tool *tool)
{
	web_builder_free(tool->web_builder);
	for (size_t level = 0; level < LEVELS; level++) {
		policy_builder_free(tool->builders[level]);
		policy_close(tool->policies[level]);
		keyword_set_close(tool->keywords[level]);
	}
	web_pattern_close(tool->web);
	verdict_scratch_free(tool->scratch);
	*tool = (struct tool){.snapshot = {.block_below = BLOCK_BELOW_DEFAULT,
	                              .log_score_max = SCORE_LOGGED_MAX,
	                              .ttl_listed = 3600,
	                              .ttl_unlisted = 600}};
}

static void set_client(struct tool *tool, char **fields)
{
	tool->client = (struct verdict_client){0};
	if (strcmp(fields[1], "-") != 0) {
		need(address_parse(fields[1], strlen(fields[1]), &tool->client.address), fields[1],
		        NULL);
	}
	snprintf(tool->computer, sizeof(tool->computer), "%s", fields[2]);
	snprintf(tool->domain, sizeof(tool->domain), "%s", fields[3]);
	tool->client.computer = strcmp(fields[2], "-") != 0 ? tool->computer : NULL;
	tool->client.domain = strcmp(fields[3], "-") != 0 ? tool->domain : NULL;
	tool->now = number(fields[4]);
}

static void answer(struct tool *tool, char **fields)
{
	struct url_query query = {0};
	struct url_verdict verdict, explained;
	const char *reason = "";
	need(url_canonicalize(
	             fields[1], strlen(fields[1]), space, sizeof(space), &query.url, &reason),
	        reason, NULL);
	verdict_prepare_url(&tool->snapshot, &query);
	verdict_decide_url(
	        &tool->snapshot, tool->scratch, &query, &tool->client, tool->now, &verdict);
	verdict_explain_url(&tool->snapshot, tool->scratch, &query, &tool->client, tool->now,
	        &explained, &explanation);
	bool same = verdict.score == explained.score && verdict.source == explained.source &&
	            verdict.entry_id == explained.entry_id && verdict.action == explained.action &&
	            verdict.categories == explained.categories && verdict.bad == explained.bad &&
	            verdict.cnc_level == explained.cnc_level && verdict.ttl == explained.ttl;
	printf("%s\t%" PRId64 "\t%u\t%s\t%u\t%u\t%" PRIu64 "\t%d\t%d\n",
	        verdict_source_name((enum verdict_source)verdict.source), verdict.entry_id,
	        (unsigned)verdict.score, verdict_action_name((enum verdict_action)verdict.action),
	        (unsigned)verdict.cnc_level, (unsigned)verdict.cnc_source, verdict.categories,
	        (int)verdict.bad, (int)same);
}

static void handle(struct tool *tool, char **fields)
{
	switch (fields[0][0]) {
	case 'W':
	case 'P':
		add_web(tool, fields);
		break;
	case 'R':
		add_rule(tool, fields);
		break;
	case 'O':
		add_object(tool, fields);
		break;
	case 'D':
		tool->removals[tool->removal_count++] =
		        (struct removal){(enum policy_list)number(fields[1]), number(fields[2])};
		break;
	case 'S':
		tool->snapshot.approved_first = number(fields[1]) != 0;
		tool->snapshot.block_below = (uint8_t)number(fields[2]);
		tool->snapshot.log_score_max = (uint8_t)number(fields[3]);
		break;
	case 'B':
		build(tool);
		break;
	case 'C':
		set_client(tool, fields);
		break;
	case 'Q':
		answer(tool, fields);
		break;
	default:
		forget(tool);
	}
}

int main(void)
{
	static struct tool tool;
	static char line[LINE_MAX_BYTES];
	forget(&tool);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *fields[FIELDS_MAX];
		size_t count = 0;
		char *at = line;
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < FIELDS_MAX; i++) {
			fields[i] = line + strlen(line); /* a field that is missing is empty */
		}
		while (count < FIELDS_MAX) {
			fields[count++] = at;
			at += strcspn(at, "\t");
			if (*at == '\0') {
				break;
			}
			*at++ = '\0';
		}
		handle(&tool, fields);
	}
	forget(&tool);
	return fflush(stdout) == 0 ? 0 : 1;
}
