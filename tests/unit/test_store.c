#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/store/batches.h"
#include "backend/store/objects.h"
#include "backend/store/patterns.h"
#include "backend/store/rules.h"
#include "backend/store/schema.h"
#include "lib/base/mem.h"
#include "lib/data/rule.h"

struct bench {
	char folder[64], path[96];
	struct store store;
};

static int set_up(void **state)
{
	struct bench *bench = mem_new(1, sizeof(*bench));
	struct error error = {0};
	snprintf(bench->folder, sizeof(bench->folder), "%s", "/tmp/sekisho-store-XXXXXX");
	if (mkdtemp(bench->folder) == NULL) {
		return -1;
	}
	snprintf(bench->path, sizeof(bench->path), "%s/config.db", bench->folder);
	*state = bench;
	return store_open(bench->path, &bench->store, &error);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	store_close(&bench->store);
	static const char *const ends[] = {"", "-wal", "-shm"};
	for (size_t i = 0; i < 3; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s%s", bench->path, ends[i]);
		unlink(path);
	}
	rmdir(bench->folder);
	mem_free(bench);
	return 0;
}

static struct rule_row row_of(const char *pattern)
{
	return (struct rule_row){.list = POLICY_USER_BLOCKED,
	        .kind = RULE_SITE,
	        .pattern = pattern,
	        .targets = "",
	        .comment = "",
	        .problem = "",
	        .enabled = true,
	        .created = 1,
	        .changed = 1};
}

static int64_t add_rule(struct store *store, const char *pattern)
{
	struct error error = {0};
	struct rule_row row = row_of(pattern);
	int64_t id = 0;
	assert_int_equal(store_begin(store, &error), 0);
	row.revision = store->meta[META_REVISION];
	assert_int_equal(rules_add(store, &row, &id, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
	return id;
}

static void add_pending(struct store *store, const struct batch *batch, const char *pattern)
{
	struct error error = {0};
	struct rule_row row = row_of(pattern);
	int64_t id = 0;
	row.batch = batch->id;
	assert_int_equal(store_begin_lazy(store, &error), 0);
	assert_int_equal(
	        rules_check_same(store, &row, rules_digest(&row), batch->floor, &error), 0);
	assert_int_equal(rules_add_row(store, &row, &id, &error), 0);
	assert_int_equal(rules_add_digest(store, rules_digest(&row), id, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
}

static int64_t new_batch(struct store *store, bool replace, struct batch *ret_batch)
{
	struct error error = {0};
	assert_int_equal(store_begin_quiet(store, &error), 0);
	assert_int_equal(batches_add(store, replace, 1, ret_batch, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
	return ret_batch->id;
}

static void set_batch(struct store *store, int64_t id, enum batch_state state)
{
	struct error error = {0};
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(batches_set(store, id, state, store->meta[META_REVISION], &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
}

struct collected {
	char text[1024];
	int count;
};

static int collect(void *context, const struct rule_row *row)
{
	struct collected *collected = context;
	size_t length = strlen(collected->text);
	snprintf(collected->text + length, sizeof(collected->text) - length, "%s ", row->pattern);
	collected->count++;
	return 0;
}

/* What a reader sees, in order of id. */
static void expect_view(struct bench *bench, struct rule_view view, const char *expected)
{
	struct store_reader reader;
	struct error error = {0};
	struct collected collected = {.text = ""};
	assert_int_equal(store_reader_open(bench->path, &reader, &error), 0);
	assert_int_equal(rules_each(&reader, &view, collect, &collected, &error), 0);
	assert_string_equal(collected.text, expected);
	store_reader_close(&reader);
}

static void expect_changed(struct store *store, int64_t since, const char *expected)
{
	struct error error = {0};
	struct collected collected = {.text = ""};
	assert_int_equal(rules_each_changed(store, since, collect, &collected, &error), 0);
	assert_string_equal(collected.text, expected);
}

static int count_one(void *context, int64_t id)
{
	int *count = context;
	*count += id > 0;
	return 0;
}

static void test_meta_survives_and_rolls_back(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	assert_int_equal(store->meta[META_REVISION], 0);
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(store->meta[META_REVISION], 1);
	assert_int_equal(store_end(store, SK_E_CONFLICT, &error), SK_E_CONFLICT);
	assert_int_equal(store->meta[META_REVISION], 0);
	assert_int_equal(store_next_generation(store, &error), 0);
	assert_int_equal(store->committed[META_GENERATION], 1);
	store_close(store);
	assert_int_equal(store_open(bench->path, store, &error), 0);
	assert_int_equal(store->meta[META_GENERATION], 1);
	/* Nobody else may read it. */
	struct stat facts;
	assert_int_equal(stat(bench->path, &facts), 0);
}

static void test_rules_and_what_changed(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	int64_t a = add_rule(store, "a"), b = add_rule(store, "b");
	int64_t since = store->committed[META_REVISION];
	expect_changed(store, since, "");
	struct rule_row *row = NULL;
	assert_int_equal(rules_get(store, a, &row, &error), 0);
	assert_string_equal(row->pattern, "a");
	row->comment = "changed";
	assert_int_equal(store_begin(store, &error), 0);
	row->revision = store->meta[META_REVISION];
	assert_int_equal(rules_update(store, row, &error), 0);
	assert_int_equal(rules_remove(store, b, &error), 0);
	assert_int_equal(rules_remove(store, b, &error), SK_E_NOT_FOUND);
	assert_int_equal(store_end(store, 0, &error), 0);
	mem_free(row);
	expect_changed(store, since, "a ");
	int count = 0;
	assert_int_equal(removed_each(store, false, since, count_one, &count, &error), 0);
	assert_int_equal(count, 2); /* b is gone, a was touched */
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(removed_trim(store, store->committed[META_REVISION], &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
	count = 0;
	assert_int_equal(removed_each(store, false, since, count_one, &count, &error), 0);
	assert_int_equal(count, 1);
}

static void test_the_same_rule_twice(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	int64_t a = add_rule(store, "a"), id = 0;
	struct rule_row row = row_of("a");
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(rules_add(store, &row, &id, &error), SK_E_EXISTS);
	row.targets = "10.0.0.0/8";
	assert_int_equal(rules_add(store, &row, &id, &error), 0);
	row.id = id;
	row.targets = "";
	assert_int_equal(rules_update(store, &row, &error), SK_E_EXISTS);
	assert_int_equal(rules_remove(store, a, &error), 0);
	assert_int_equal(rules_update(store, &row, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
}

static void test_batches_go_live_and_back(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	struct batch batch;
	add_rule(store, "old");
	int64_t id = new_batch(store, false, &batch);
	add_pending(store, &batch, "x");
	add_pending(store, &batch, "y");
	int64_t manual = add_rule(store, "between");
	expect_view(bench, (struct rule_view){0}, "old between ");
	expect_view(bench, (struct rule_view){.include = id}, "old x y between ");
	int64_t since = store->committed[META_REVISION];
	set_batch(store, id, BATCH_LIVE);
	expect_view(bench, (struct rule_view){0}, "old x y between ");
	expect_view(bench, (struct rule_view){.exclude = id}, "old between ");
	expect_changed(store, since, "x y ");
	int64_t rows, keywords;
	assert_int_equal(batches_count(store, id, &rows, &keywords, &error), 0);
	assert_int_equal(rows, 2);
	since = store->committed[META_REVISION];
	set_batch(store, id, BATCH_UNDONE);
	expect_view(bench, (struct rule_view){0}, "old between ");
	expect_changed(store, since, "");
	int count = 0;
	assert_int_equal(removed_each(store, false, since, count_one, &count, &error), 0);
	assert_int_equal(count, 2);
	/* They are needed as long as a base has them. */
	int deleted = -1;
	assert_int_equal(batches_sweep(store, since, 100, &deleted, &error), 0);
	assert_int_equal(deleted, 0);
	assert_int_equal(
	        batches_sweep(store, store->committed[META_REVISION], 100, &deleted, &error), 0);
	assert_int_equal(deleted, 2);
	struct rule_row *row = NULL;
	assert_int_equal(rules_get(store, manual, &row, &error), 0);
	mem_free(row);
}

static void test_a_batch_that_replaces(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	struct batch batch;
	int64_t old = add_rule(store, "old");
	int64_t id = new_batch(store, true, &batch);
	assert_true(batch.floor > old);
	add_pending(store, &batch, "old"); /* says the same as what it replaces */
	add_pending(store, &batch, "new");
	add_rule(store, "since");
	expect_view(bench, (struct rule_view){.include = id}, "old new since ");
	set_batch(store, id, BATCH_LIVE);
	expect_view(bench, (struct rule_view){0}, "old new since ");
	struct rule_row *row = NULL;
	assert_int_equal(rules_get(store, old, &row, &error), SK_E_NOT_FOUND);
	int64_t rules, keywords;
	assert_int_equal(rules_count(store, &rules, &keywords, &error), 0);
	assert_int_equal(rules, 3);
	set_batch(store, id, BATCH_UNDONE);
	expect_view(bench, (struct rule_view){0}, "old since ");
	/* Replaced twice: what the first one hid will never come back. */
	set_batch(store, id, BATCH_LIVE);
	struct batch second;
	int64_t second_id = new_batch(store, true, &second);
	add_pending(store, &second, "last");
	set_batch(store, second_id, BATCH_LIVE);
	int deleted = 0;
	assert_int_equal(
	        batches_sweep(store, store->committed[META_REVISION], 100, &deleted, &error), 0);
	assert_int_equal(deleted, 1);
	set_batch(store, second_id, BATCH_UNDONE);
	expect_view(bench, (struct rule_view){0}, "old new since ");
}

static void test_pending_batches_of_a_crash_are_undone(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	struct batch batch;
	new_batch(store, false, &batch);
	add_pending(store, &batch, "x");
	assert_int_equal(store_begin_quiet(store, &error), 0);
	assert_int_equal(batches_recover(store, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
	int deleted = 0;
	assert_int_equal(batches_sweep(store, 0, 100, &deleted, &error), 0);
	assert_int_equal(deleted, 1);
	/* The digests follow. */
	int64_t at = INT64_MIN;
	assert_int_equal(batches_sweep_digests(store, 100, &at, &error), 0);
	struct rule_row row = row_of("x");
	assert_int_equal(rules_check_same(store, &row, rules_digest(&row), 0, &error), 0);
}

static void test_scans_page(void **state)
{
	struct bench *bench = *state;
	struct store_reader reader;
	struct error error = {0};
	char name[32];
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "Host%d", i);
		add_rule(&bench->store, name);
	}
	assert_int_equal(store_reader_open(bench->path, &reader, &error), 0);
	struct rule_filter filter = {.list = -1, .enabled = -1, .search = "host"};
	struct collected collected = {.text = ""};
	int64_t next = 0;
	assert_int_equal(rules_scan(&reader, INT64_MAX, &filter, database_now() + 10000, collect,
	                         &collected, &next, &error),
	        0);
	assert_int_equal(collected.count, 10);
	assert_int_equal(strncmp(collected.text, "Host9 Host8", 11), 0);
	filter.search = "host3";
	collected = (struct collected){.text = ""};
	assert_int_equal(rules_scan(&reader, INT64_MAX, &filter, database_now() + 10000, collect,
	                         &collected, &next, &error),
	        0);
	assert_string_equal(collected.text, "Host3 ");
	filter.list = POLICY_USER_APPROVED;
	collected = (struct collected){.text = ""};
	assert_int_equal(rules_scan(&reader, INT64_MAX, &filter, database_now() + 10000, collect,
	                         &collected, &next, &error),
	        0);
	assert_int_equal(collected.count, 0);
	store_reader_close(&reader);
}

static int count_object(void *context, const struct object_row *row)
{
	int *count = context;
	*count += row->id > 0;
	return 0;
}

static void test_objects(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	struct object_row row = {.list = POLICY_OBJECT_USER,
	        .kind = OBJECT_DOMAIN,
	        .value = "bad.test",
	        .action = OBJECT_BLOCK,
	        .comment = ""};
	int64_t id = 0, count = 0;
	assert_int_equal(store_begin(store, &error), 0);
	row.revision = store->meta[META_REVISION];
	assert_int_equal(objects_add(store, &row, &id, &error), 0);
	assert_int_equal(objects_add(store, &row, &id, &error), SK_E_EXISTS);
	row.list = POLICY_OBJECT_ANALYZER;
	int64_t other = 0;
	assert_int_equal(objects_add(store, &row, &other, &error), 0);
	assert_int_equal(store_end(store, 0, &error), 0);
	int changed = 0;
	assert_int_equal(objects_each_changed(store, 0, count_object, &changed, &error), 0);
	assert_int_equal(changed, 2);
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(objects_remove(store, id, &error), 0);
	assert_int_equal(objects_remove(store, id, &error), SK_E_NOT_FOUND);
	assert_int_equal(store_end(store, 0, &error), 0);
	assert_int_equal(objects_count(store, &count, &error), 0);
	assert_int_equal(count, 1);
	int removed = 0;
	assert_int_equal(removed_each(store, true, 0, count_one, &removed, &error), 0);
	assert_int_equal(removed, 2);
}

static int64_t add_pattern(struct store *store, enum pattern_kind kind)
{
	struct error error = {0};
	struct pattern_row row = {.kind = kind, .version = "v", .name = "n", .source = "build"};
	int64_t generation = 0;
	assert_int_equal(patterns_add(store, &row, &generation, &error), 0);
	return generation;
}

static int collect_old(void *context, const struct pattern_row *row)
{
	int64_t *sum = context;
	*sum = *sum * 10 + row->generation;
	return 0;
}

static void test_patterns(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	struct pattern_row row;
	int64_t generations[5];
	for (int i = 0; i < 5; i++) {
		generations[i] = add_pattern(store, PATTERN_WEB);
		/* A clock that goes back does not change the order. */
		assert_int_equal(
		        patterns_set_active(store, PATTERN_WEB, generations[i], 100 - i, &error),
		        0);
	}
	assert_int_equal(patterns_previous(store, PATTERN_FILES, &row, &error), SK_E_NOT_FOUND);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(patterns_get(store, generations[i], &row, &error), 0);
		assert_int_equal(row.active, i == 4);
	}
	assert_int_equal(patterns_previous(store, PATTERN_WEB, &row, &error), 0);
	assert_int_equal(row.generation, generations[3]);
	int64_t old = 0;
	assert_int_equal(patterns_each_old(store, PATTERN_WEB, 3, collect_old, &old, &error), 0);
	assert_int_equal(old, generations[0] * 10 + generations[1]);
	assert_int_equal(patterns_set_error(store, generations[2], "broken", &error), 0);
	assert_int_equal(patterns_get(store, generations[2], &row, &error), 0);
	assert_string_equal(row.error, "broken");
	assert_int_equal(patterns_get(store, 99, &row, &error), SK_E_NOT_FOUND);
}

static void test_jobs(void **state)
{
	struct bench *bench = *state;
	struct store *store = &bench->store;
	struct error error = {0};
	int64_t id = 0;
	assert_int_equal(store_jobs_add(store, "rule.import", 5, &id, &error), 0);
	struct store_job job;
	assert_int_equal(store_jobs_get(store, id, &job, &error), 0);
	assert_string_equal(job.state, "running");
	assert_null(job.result);
	assert_int_equal(store_jobs_recover(store, 6, &error), 0);
	assert_int_equal(store_jobs_get(store, id, &job, &error), 0);
	assert_string_equal(job.state, "failed");
	assert_int_equal(store_jobs_get(store, id + 1, &job, &error), SK_E_NOT_FOUND);
}

static void test_foreign_files_are_refused(void **state)
{
	struct bench *bench = *state;
	struct database database;
	struct error error = {0};
	assert_int_equal(database_open(bench->path, "x", &schema_counters, DATABASE_WRITE_FULL,
	                         &database, &error),
	        SK_E_VERSION);
	char path[128];
	snprintf(path, sizeof(path), "%s/other", bench->folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 5000; i++) {
		fputs("no database", file);
	}
	fclose(file);
	assert_int_equal(
	        database_open(path, "x", &schema_counters, DATABASE_WRITE_FULL, &database, &error),
	        SK_E_CORRUPT);
	unlink(path);
}

/* No statement that runs at a change may read all rules. */
static void test_no_change_reads_everything(void **state)
{
	struct bench *bench = *state;
	static const char *const *const groups[] = {
	        store_rules_sql, store_batches_sql, store_objects_sql, store_patterns_sql};
	static const char *const allowed[] = {"count(*), ifnull(sum(r.kind", /* at the start */
	        "SELECT count(*) FROM objects", /* by an index */
	        "WHERE digest > ?1 AND digest <= ?2" /* a piece at a time */};
	for (size_t group = 0; group < SK_COUNT(groups); group++) {
		for (size_t i = 0; groups[group][i] != NULL; i++) {
			const char *sql = groups[group][i];
			bool skip = false;
			for (size_t j = 0; j < SK_COUNT(allowed); j++) {
				skip = skip || strstr(sql, allowed[j]) != NULL;
			}
			char text[2048];
			snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
			sqlite3_stmt *statement = NULL;
			assert_int_equal(sqlite3_prepare_v2(bench->store.database.handle, text, -1,
			                         &statement, NULL),
			        SQLITE_OK);
			while (sqlite3_step(statement) == SQLITE_ROW) {
				const char *detail = database_text(statement, 3, NULL);
				bool scan = strcmp(detail, "SCAN rules") == 0 ||
				            strcmp(detail, "SCAN r") == 0 ||
				            strcmp(detail, "SCAN objects") == 0;
				if (scan && !skip) {
					fail_msg("%s: %s", detail, sql);
				}
			}
			sqlite3_finalize(statement);
		}
	}
}

static void test_text_contains(void **state)
{
	(void)state;
	assert_true(text_contains("HTTP://A.example/", 17, "a.ex"));
	assert_true(text_contains("abc", 3, ""));
	assert_false(text_contains("abc", 3, "abcd"));
	assert_true(text_contains("aab", 3, "ab"));
	assert_false(text_contains("", 0, "a"));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
	        WITH_STORE(test_meta_survives_and_rolls_back),
	        WITH_STORE(test_rules_and_what_changed),
	        WITH_STORE(test_the_same_rule_twice),
	        WITH_STORE(test_batches_go_live_and_back),
	        WITH_STORE(test_a_batch_that_replaces),
	        WITH_STORE(test_pending_batches_of_a_crash_are_undone),
	        WITH_STORE(test_scans_page),
	        WITH_STORE(test_objects),
	        WITH_STORE(test_patterns),
	        WITH_STORE(test_jobs),
	        WITH_STORE(test_foreign_files_are_refused),
	        WITH_STORE(test_no_change_reads_everything),
	        cmocka_unit_test(test_text_contains),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
