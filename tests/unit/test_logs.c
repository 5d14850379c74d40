#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/store/counters.h"
#include "backend/store/log_file.h"
#include "backend/store/logs.h"
#include "backend/store/rules.h"
#include "lib/base/mem.h"
#include "lib/verdict/verdict.h"

#define NOON INT64_C(1790000000000)

struct bench {
	char folder[64], counters[96];
	struct logs *logs;
};

static void start(struct bench *bench)
{
	struct error error = {0};
	struct logs_options options = {.folder = bench->folder,
	        .counters_path = bench->counters,
	        .batch_ms = 5,
	        .retry_ms = 20};
	if (logs_start(&options, &bench->logs, &error) != 0) {
		fail_msg("%s", error.text);
	}
}

static int set_up(void **state)
{
	struct bench *bench = mem_new(1, sizeof(*bench));
	snprintf(bench->folder, sizeof(bench->folder), "%s", "/tmp/sekisho-logs-XXXXXX");
	if (mkdtemp(bench->folder) == NULL) {
		return -1;
	}
	snprintf(bench->counters, sizeof(bench->counters), "%s/counters.db", bench->folder);
	start(bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	logs_stop(bench->logs);
	DIR *entries = opendir(bench->folder);
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		unlinkat(dirfd(entries), entry->d_name, 0);
	}
	closedir(entries);
	rmdir(bench->folder);
	mem_free(bench);
	return 0;
}

static struct event_text text_of(const char *text)
{
	return (struct event_text){text, (uint16_t)strlen(text)};
}

/* A packet of `count` URL queries, one ms apart, URLs numbered from `first`. */
static void put_queries(
        struct bench *bench, enum event_kind kind, int64_t time, int first, int count)
{
	static char space[LINK_PACKET_MAX];
	struct buf buf;
	buf_init_fixed(&buf, space, sizeof(space));
	struct link_events_header header = {.boot = 1, .sequence = 1, .sent = time};
	link_encode_events_start(&buf, &header);
	for (int i = 0; i < count; i++) {
		char url[64];
		snprintf(url, sizeof(url), "http://host%d.test/", first + i);
		struct link_event event = {.kind = kind,
		        .query = {.time = time + i,
		                .client = {.family = ADDRESS_V4, .bytes = {10, 0, 0, 1}},
		                .score = 49,
		                .source = VERDICT_USER_BLOCKED,
		                .action = VERDICT_BLOCK,
		                .url = text_of(url),
		                .computer = text_of("pc")}};
		link_encode_event(&buf, &event);
	}
	link_encode_events_finish(&buf);
	assert_int_equal(buf_status(&buf), 0);
	logs_put_events(bench->logs, buf.data, buf.length);
}

static void wait_stored(struct bench *bench, enum log_kind kind, uint64_t count)
{
	struct logs_status status;
	for (int i = 0; i < 5000; i++) {
		logs_get_status(bench->logs, &status);
		if (status.stored[kind] >= count) {
			assert_int_equal(status.stored[kind], count);
			return;
		}
		usleep(1000);
	}
	fail_msg("%llu stored, %s", (unsigned long long)status.stored[kind], status.error);
}

struct found {
	int count, limit;
	char first[64], last[64];
	int64_t last_time;
};

static int collect(void *context, const struct log_entry *entry)
{
	struct found *found = context;
	const char *text = entry->url != NULL ? entry->url : entry->description;
	snprintf(found->count == 0 ? found->first : found->last, 64, "%s", text);
	assert_true(found->count == 0 || entry->time <= found->last_time);
	found->last_time = entry->time;
	found->count++;
	return found->count == found->limit ? VISIT_FULL : 0;
}

static int search(struct bench *bench, struct log_search *what, int limit, struct found *ret_found,
        int64_t *ret_next, bool *ret_timed_out)
{
	struct error error = {0};
	*ret_found = (struct found){.limit = limit};
	int status = log_search(bench->folder, what, database_now() + 60000, collect, ret_found,
	        ret_next, ret_timed_out, &error);
	if (status < 0) {
		fail_msg("%s", error.text);
	}
	return status;
}

static struct log_search whole(enum log_kind kind)
{
	return (struct log_search){.kind = kind,
	        .to = INT64_MAX / 2,
	        .before = INT64_MAX,
	        .service = -1,
	        .result = -1};
}

static void test_entries_over_days_and_pages(void **state)
{
	struct bench *bench = *state;
	for (int day = 0; day < 9; day++) {
		put_queries(bench, EVENT_BLOCKED, NOON + day * LOG_DAY_MS, day * 10, 10);
	}
	wait_stored(bench, LOG_BLOCKED, 90);
	struct log_search what = whole(LOG_BLOCKED);
	struct found found;
	int64_t next = 0;
	bool timed_out;
	assert_int_equal(search(bench, &what, 1000, &found, &next, &timed_out), 0);
	assert_int_equal(found.count, 90);
	assert_string_equal(found.first, "http://host89.test/");
	assert_string_equal(found.last, "http://host0.test/");
	int total = 0;
	while (search(bench, &what, 7, &found, &next, &timed_out) == 1) {
		total += found.count;
		what.before = next;
	}
	assert_int_equal(total + found.count, 90);
	what = whole(LOG_BLOCKED);
	what.from = NOON + LOG_DAY_MS + 3;
	what.to = NOON + LOG_DAY_MS + 5;
	search(bench, &what, 1000, &found, &next, &timed_out);
	assert_int_equal(found.count, 3);
	what = whole(LOG_BLOCKED);
	what.keyword = "host7";
	search(bench, &what, 1000, &found, &next, &timed_out);
	assert_int_equal(found.count, 11);
	what.keyword = "10.0.0.1";
	search(bench, &what, 1000, &found, &next, &timed_out);
	assert_int_equal(found.count, 90);
	what = whole(LOG_BLOCKED);
	what.sources = 1u << VERDICT_PATTERN;
	search(bench, &what, 1000, &found, &next, &timed_out);
	assert_int_equal(found.count, 0);
}

static void test_search_stops_at_its_time(void **state)
{
	struct bench *bench = *state;
	put_queries(bench, EVENT_ACCESS, NOON, 0, 500);
	wait_stored(bench, LOG_ACCESS, 500);
	struct log_search what = whole(LOG_ACCESS);
	what.keyword = "no such thing";
	struct found found = {.limit = 10};
	struct error error = {0};
	int64_t next = 0;
	bool timed_out = false;
	assert_int_equal(log_search(bench->folder, &what, database_now() - 1, collect, &found,
	                         &next, &timed_out, &error),
	        1);
	assert_true(timed_out);
	assert_true(next > 0);
}

static void test_service_entries(void **state)
{
	struct bench *bench = *state;
	logs_put_service(bench->logs, NOON, 1, true, "The service answers.");
	logs_put_service(bench->logs, NOON, 0, false, "No.");
	wait_stored(bench, LOG_SERVICE, 2);
	struct log_search what = whole(LOG_SERVICE);
	struct found found;
	int64_t next;
	bool timed_out;
	search(bench, &what, 10, &found, &next, &timed_out);
	assert_int_equal(found.count, 2);
	what.result = 0;
	search(bench, &what, 10, &found, &next, &timed_out);
	assert_int_equal(found.count, 1);
	assert_string_equal(found.first, "No.");
}

static void test_purge_is_unlink(void **state)
{
	struct bench *bench = *state;
	for (int day = 0; day < 3; day++) {
		put_queries(bench, EVENT_BLOCKED, NOON + day * LOG_DAY_MS, 0, 1);
	}
	wait_stored(bench, LOG_BLOCKED, 3);
	int64_t before[LOG_KIND_COUNT] = {NOON + 2 * LOG_DAY_MS, 0, 0};
	logs_purge(bench->logs, before);
	struct log_search what = whole(LOG_BLOCKED);
	struct found found = {.count = 3};
	int64_t next;
	bool timed_out;
	for (int i = 0; i < 5000 && found.count != 1; i++) {
		usleep(1000);
		search(bench, &what, 10, &found, &next, &timed_out);
	}
	assert_int_equal(found.count, 1);
	/* The file of a purged day can be written again. */
	put_queries(bench, EVENT_BLOCKED, NOON, 0, 1);
	wait_stored(bench, LOG_BLOCKED, 4);
}

static void test_writing_is_tried_again(void **state)
{
	struct bench *bench = *state;
	char path[LOG_PATH_MAX];
	assert_int_equal(log_file_path(bench->folder, LOG_BLOCKED, NOON / LOG_DAY_MS, path), 0);
	/* A folder where the file should be: it cannot be opened. */
	assert_int_equal(mkdir(path, 0700), 0);
	put_queries(bench, EVENT_BLOCKED, NOON, 0, 5);
	struct logs_status status = {.error = ""};
	for (int i = 0; i < 5000 && status.error[0] == '\0'; i++) {
		usleep(1000);
		logs_get_status(bench->logs, &status);
	}
	assert_string_not_equal(status.error, "");
	assert_int_equal(rmdir(path), 0);
	wait_stored(bench, LOG_BLOCKED, 5);
	logs_get_status(bench->logs, &status);
	assert_int_equal(status.dropped[EVENT_BLOCKED], 0);
}

static void test_a_damaged_file_is_set_aside(void **state)
{
	struct bench *bench = *state;
	char path[LOG_PATH_MAX];
	assert_int_equal(log_file_path(bench->folder, LOG_BLOCKED, NOON / LOG_DAY_MS, path), 0);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 2000; i++) {
		fputs("no database", file);
	}
	fclose(file);
	put_queries(bench, EVENT_BLOCKED, NOON, 0, 5);
	wait_stored(bench, LOG_BLOCKED, 5);
	char aside[LOG_PATH_MAX + 16];
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	assert_int_equal(access(aside, F_OK), 0);
}

static void test_what_waits_is_bounded(void **state)
{
	struct bench *bench = *state;
	char path[LOG_PATH_MAX];
	assert_int_equal(log_file_path(bench->folder, LOG_ACCESS, NOON / LOG_DAY_MS, path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(log_file_path(bench->folder, LOG_BLOCKED, NOON / LOG_DAY_MS, path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	for (int i = 0; i < 2500; i++) {
		put_queries(bench, EVENT_ACCESS, NOON, 0, 200);
	}
	struct logs_status status;
	logs_get_status(bench->logs, &status);
	assert_true(status.dropped[EVENT_ACCESS] > 0);
	uint64_t before = status.dropped[EVENT_BLOCKED];
	assert_int_equal(before, 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(log_file_path(bench->folder, LOG_ACCESS, NOON / LOG_DAY_MS, path), 0);
	assert_int_equal(rmdir(path), 0);
}

static void put_counters(struct bench *bench, int64_t time)
{
	static char space[LINK_PACKET_MAX];
	struct buf buf;
	buf_init_fixed(&buf, space, sizeof(space));
	struct link_events_header header = {.boot = 1, .sequence = 1, .sent = time};
	link_encode_events_start(&buf, &header);
	struct link_event events[] = {
	        {.kind = EVENT_CLIENT,
	                .client = {.service = 1,
	                        .client = {.family = ADDRESS_V4, .bytes = {10, 0, 0, 1}},
	                        .queries = 3,
	                        .bytes_in = 100,
	                        .detections = 2,
	                        .blocks = 1}},
	        {.kind = EVENT_CLIENT,
	                .client = {.service = 1,
	                        .client = {.family = ADDRESS_V6, .bytes = {0x20, 1}},
	                        .queries = 1,
	                        .bytes_in = 500}},
	        {.kind = EVENT_TOTALS, .totals = {.service = 1, .requests = 4, .queries = 4}},
	        {.kind = EVENT_TOP_URL, .top_url = {.count = 3, .url = text_of("http://a.test/")}},
	        {.kind = EVENT_BLOCKED,
	                .query = {.time = time,
	                        .client = {.family = ADDRESS_V4},
	                        .url = text_of("http://x/")}}};
	for (size_t i = 0; i < SK_COUNT(events); i++) {
		link_encode_event(&buf, &events[i]);
	}
	link_encode_events_finish(&buf);
	assert_int_equal(buf_status(&buf), 0);
	logs_put_events(bench->logs, buf.data, buf.length);
}

static int collect_client(void *context, const struct counters_client *client)
{
	struct counters_client *clients = context;
	clients[clients[0].queries == 0 ? 0 : 1] = *client;
	return 0;
}

static int collect_url(void *context, const char *url, int64_t count)
{
	assert_string_equal(url, "http://a.test/");
	*(int64_t *)context += count;
	return 0;
}

static void test_counters_add_up(void **state)
{
	struct bench *bench = *state;
	struct counters_reader reader;
	struct counters_totals totals;
	struct error error = {0};
	int64_t now = clock_wall(&clock_system);
	put_counters(bench, now);
	put_counters(bench, now);
	logs_stop(bench->logs);
	bench->logs = NULL;
	assert_int_equal(counters_reader_open(bench->counters, &reader, &error), 0);
	assert_int_equal(counters_totals(&reader, 1, now, now, &totals, &error), 0);
	assert_int_equal(totals.queries, 8);
	assert_int_equal(totals.clients, 2);
	assert_int_equal(counters_totals(&reader, 0, now, now, &totals, &error), 0);
	assert_int_equal(totals.queries, 0);
	struct counters_client clients[2] = {{.queries = 0}};
	assert_int_equal(counters_clients(&reader, 1, now, now, COUNTERS_BY_QUERIES, 10,
	                         collect_client, clients, &error),
	        0);
	assert_int_equal(clients[0].queries, 6);
	assert_int_equal(clients[0].address.family, ADDRESS_V4);
	assert_int_equal(clients[1].address.family, ADDRESS_V6);
	memset(clients, 0, sizeof(clients));
	assert_int_equal(counters_clients(&reader, 1, now, now, COUNTERS_BY_BYTES, 10,
	                         collect_client, clients, &error),
	        0);
	assert_int_equal(clients[0].address.family, ADDRESS_V6);
	int64_t count = 0;
	assert_int_equal(counters_top_urls(&reader, now, 10, collect_url, &count, &error), 0);
	assert_int_equal(count, 6);
	counters_reader_close(&reader);
}

static void test_names_of_files(void **state)
{
	(void)state;
	char path[LOG_PATH_MAX];
	enum log_kind kind;
	int64_t day;
	assert_int_equal(log_file_path("f", LOG_ACCESS, NOON / LOG_DAY_MS, path), 0);
	assert_string_equal(path, "f/access-2026-09-21.db");
	assert_int_equal(log_file_parse(path + 2, &kind, &day), 0);
	assert_int_equal(kind, LOG_ACCESS);
	assert_int_equal(day, NOON / LOG_DAY_MS);
	static const char *const wrong[] = {"", "access", "access-2026-09-21.db-wal",
	        "access-2026-13-21.db", "other-2026-09-21.db", "access-2026-09-21.db.damaged"};
	for (size_t i = 0; i < SK_COUNT(wrong); i++) {
		assert_int_equal(log_file_parse(wrong[i], &kind, &day), SK_E_SYNTAX);
	}
}

#define WITH_LOGS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
	        WITH_LOGS(test_entries_over_days_and_pages),
	        WITH_LOGS(test_search_stops_at_its_time),
	        WITH_LOGS(test_service_entries),
	        WITH_LOGS(test_purge_is_unlink),
	        WITH_LOGS(test_writing_is_tried_again),
	        WITH_LOGS(test_a_damaged_file_is_set_aside),
	        WITH_LOGS(test_what_waits_is_bounded),
	        WITH_LOGS(test_counters_add_up),
	        cmocka_unit_test(test_names_of_files),
	};
	return cmocka_run_group_tests_name("logs", tests, NULL, NULL);
}
