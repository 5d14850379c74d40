#include "backend/pattern_load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/verdict/verdict.h"

#define ENTRIES_TESTED 1000

/* ---- entries that are visited must be found ---- */

struct probe {
	const struct web_pattern *web;
	const struct file_pattern *files;
	size_t tested;
	struct error *error;
};

static int test_web_entry(void *context, const struct lookup_key *key,
        const struct address_prefix *prefix, const struct web_value *value)
{
	struct probe *probe = context;
	bool found;
	if (prefix != NULL) {
		found = web_pattern_find_address(probe->web, &prefix->address, NULL, NULL) != NULL;
	} else {
		const struct web_value *there = web_pattern_find(probe->web, *key);
		found = there != NULL && there->score == value->score;
	}
	if (!found) {
		return error_set(probe->error, SK_E_CORRUPT,
		        "self-test: entry %zu of the pattern is not found", probe->tested);
	}
	return ++probe->tested >= ENTRIES_TESTED;
}

static int test_file_entry(
        void *context, const struct digest *digest, const struct file_value *value)
{
	struct probe *probe = context;
	struct file_value there;
	if (!file_pattern_find(probe->files, digest, &there) ||
	        there.malicious != value->malicious) {
		return error_set(probe->error, SK_E_CORRUPT,
		        "self-test: entry %zu of the pattern is not found", probe->tested);
	}
	return ++probe->tested >= ENTRIES_TESTED;
}

/* ---- questions to the decision ---- */

static int ask_url(const struct snapshot *snapshot, struct verdict_scratch *scratch,
        const char *text, struct error *error)
{
	static _Thread_local char space[URL_TEXT_MAX];
	struct url_query query;
	struct url_verdict verdict;
	struct verdict_client client = {.address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}}};
	const char *reason = NULL;
	int status =
	        url_canonicalize(text, strlen(text), space, sizeof(space), &query.url, &reason);
	if (status != 0) {
		return error_set(error, status, "self-test: %s: %s", text, reason);
	}
	verdict_prepare_url(snapshot, &query);
	verdict_decide_url(snapshot, scratch, &query, &client, 0, &verdict);
	bool sane = verdict.score <= SCORE_MAX && verdict.ttl > 0 &&
	            (verdict.source == VERDICT_PATTERN || verdict.source == VERDICT_NONE);
	return sane ? 0 : error_set(error, SK_E_CORRUPT, "self-test: a wrong answer for %s", text);
}

static int ask_questions(const struct snapshot *snapshot, struct error *error)
{
	static const char *const urls[] = {"http://self-test.invalid/", "http://192.0.2.255/a/b?c",
	        "http://[2001:db8::ffff]/", "http://a.b.c.d.e.f.g.invalid/1/2/3/4/5/6?q=1"};
	struct verdict_scratch *scratch;
	int status = verdict_scratch_new(&scratch);
	if (status != 0) {
		return error_set_code(error, status, "self-test");
	}
	status = verdict_scratch_fit(scratch, snapshot);
	for (size_t i = 0; status == 0 && i < SK_COUNT(urls); i++) {
		status = ask_url(snapshot, scratch, urls[i], error);
	}
	for (int kind = 0; status == 0 && kind < DIGEST_KIND_COUNT; kind++) {
		struct digest digest = {.kind = (uint8_t)kind};
		struct file_verdict verdict;
		verdict_prepare_file(snapshot, &digest);
		verdict_decide_file(snapshot, &digest, 0, &verdict);
		if (verdict.ttl == 0) {
			status = error_set(error, SK_E_CORRUPT, "self-test: a wrong answer");
		}
	}
	verdict_scratch_free(scratch);
	return status;
}

static int self_test(const struct pattern_load *load, struct error *error)
{
	struct probe probe = {.web = load->web, .files = load->files, .error = error};
	int status = load->web != NULL ? web_pattern_visit(load->web, test_web_entry, &probe)
	                               : file_pattern_visit(load->files, test_file_entry, &probe);
	if (status < 0) {
		return status;
	}
	struct snapshot snapshot = {.web = load->web,
	        .files = load->files,
	        .block_below = BLOCK_BELOW_DEFAULT,
	        .log_score_max = SCORE_LOGGED_MAX,
	        .ttl_listed = 1,
	        .ttl_unlisted = 1};
	return ask_questions(&snapshot, error);
}

int pattern_load_file(
        struct pattern_load *load, const char *path, enum pattern_kind kind, struct error *error)
{
	struct pattern_load result = {0};
	struct lookup_file *file;
	file_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return error_set_code(error, -errno, "%s", path);
	}
	int status = lookup_file_load(
	        fd, kind == PATTERN_WEB ? LOOKUP_KIND_WEB : LOOKUP_KIND_FILES, &file, error);
	if (status != 0) {
		return status;
	}
	status = kind == PATTERN_WEB ? web_pattern_open(file, &result.web, error)
	                             : file_pattern_open(file, &result.files, error);
	if (status != 0) {
		lookup_file_close(file);
		return status;
	}
	status = self_test(&result, error);
	if (status != 0) {
		pattern_load_release(&result);
		return status;
	}
	*load = result;
	return 0;
}

void pattern_load_release(struct pattern_load *load)
{
	web_pattern_close(load->web);
	file_pattern_close(load->files);
	*load = (struct pattern_load){0};
}
