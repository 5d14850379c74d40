#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "backend/clocks.h"
#include "backend/overlay.h"
#include "backend/policy_rows.h"
#include "backend/publish.h"
#include "backend/settings.h"
#include "backend/worker.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"
#include "lib/verdict/keyword_set.h"

/* ---- settings ---- */

static int set_text(
        struct settings *settings, const char *name, const char *text, struct rpc_fault *fault)
{
	enum setting_id id;
	json_object *value = NULL;
	assert_int_equal(setting_find(name, &id), 0);
	assert_int_equal(json_text_parse(text, strlen(text), 4, &value, NULL), 0);
	int status = settings_set(settings, id, value, fault);
	json_object_put(value);
	return status;
}

static void test_settings_are_checked(void **state)
{
	(void)state;
	struct settings settings;
	struct rpc_fault fault;
	settings_init(&settings);
	assert_int_equal(settings.allow_from.count, 8);
	assert_int_equal(settings.explain_from.count, 0);
	static const struct {
		const char *name, *text;
		int status;
	} cases[] = {{"service.web", "false", 0}, {"service.web", "0", SK_E_REFUSED},
	        {"query.block_below", "81", 0}, {"query.block_below", "80", SK_E_REFUSED},
	        {"query.ttl_listed", "604800", 0}, {"query.ttl_listed", "604801", SK_E_REFUSED},
	        {"query.ttl_listed", "1.5", SK_E_REFUSED},
	        {"query.ttl_listed", "null", SK_E_REFUSED},
	        {"query.allow_from", "[\"10.0.0.0/8\",\"::1\",\"1.1.1.1-1.1.1.9\"]", 0},
	        {"query.allow_from", "[\"x\"]", SK_E_REFUSED},
	        {"query.allow_from", "[1]", SK_E_REFUSED}, {"query.allow_from", "[]", 0},
	        {"query.explain_from", "{}", SK_E_REFUSED}};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		assert_int_equal(
		        set_text(&settings, cases[i].name, cases[i].text, &fault), cases[i].status);
		if (cases[i].status != 0) {
			assert_string_equal(fault.field, cases[i].name);
		}
	}
	struct link_settings link;
	settings_to_link(&settings, &link);
	assert_false(link.web_on);
	assert_true(link.files_on);
	assert_int_equal(link.block_below, 81);
	assert_int_equal(link.allow_count, 0);
	json_object *value = settings_value(&settings, SETTING_ALLOW_FROM, true);
	assert_int_equal(json_object_array_length(value), 8);
	json_object_put(value);
}

static void test_clock_jumps(void **state)
{
	(void)state;
	struct clocks clocks;
	clocks_init(&clocks, 600000);
	assert_false(clocks_check(&clocks));
	int64_t before = clocks_expiry_time(&clocks);
	clocks.wall_shift = 24 * 3600000;
	assert_true(clocks_check(&clocks));
	assert_false(clocks.trusted);
	assert_true(clocks_expiry_time(&clocks) - before < 60000);
	clocks_confirm(&clocks);
	assert_true(clocks.trusted);
	assert_true(clocks_expiry_time(&clocks) - before >= 24 * 3600000);
	/* Both go on together: nothing is wrong. */
	int64_t offset = clocks_expiry_offset(&clocks);
	clocks.wall_shift += 3600000;
	clocks.monotonic_shift += 3600000;
	assert_false(clocks_check(&clocks));
	int64_t moved = clocks_expiry_offset(&clocks) - offset;
	assert_true(moved > 3500000 && moved < 3700000);
}

/* ---- workers ---- */

struct sum {
	struct task task;
	struct event_base *base;
	int *total, *left;
	int value;
};

static void run_sum(struct task *task, void *context)
{
	struct sum *sum = (struct sum *)task;
	*(int *)context += sum->value;
}

static void done_sum(struct task *task)
{
	struct sum *sum = (struct sum *)task;
	*sum->total += sum->value;
	if (--*sum->left == 0) {
		event_base_loopexit(sum->base, NULL);
	}
}

static void test_worker_does_all_in_order(void **state)
{
	(void)state;
	struct event_base *base = event_base_new();
	struct worker *worker = NULL;
	int context = 0, total = 0, left = 100;
	struct sum sums[100];
	assert_int_equal(worker_start(base, &context, &worker), 0);
	for (int i = 0; i < 100; i++) {
		sums[i] = (struct sum){.task = {.run = run_sum, .done = done_sum},
		        .base = base,
		        .total = &total,
		        .left = &left,
		        .value = i};
		worker_submit(worker, &sums[i].task);
	}
	event_base_dispatch(base);
	assert_int_equal(total, 4950);
	worker_stop(worker);
	assert_int_equal(context, 4950);
	event_base_free(base);
}

/* ---- overlays ---- */

struct bench {
	char folder[64], path[96];
	struct store store;
	struct policy *base;
};

static int set_up(void **state)
{
	struct bench *bench = mem_new(1, sizeof(*bench));
	struct error error = {0};
	snprintf(bench->folder, sizeof(bench->folder), "%s", "/tmp/sekisho-backend-XXXXXX");
	if (mkdtemp(bench->folder) == NULL) {
		return -1;
	}
	snprintf(bench->path, sizeof(bench->path), "%s/config.db", bench->folder);
	*state = bench;
	struct siphash_key key = {1, 2};
	struct policy_builder *builder;
	int fd;
	if (store_open(bench->path, &bench->store, &error) != 0 ||
	        policy_builder_new(&key, &builder) != 0 || memory_file("base", &fd) != 0 ||
	        policy_builder_write(builder, fd, &error) != 0 ||
	        policy_load(fd, &bench->base, &error) != 0) {
		return -1;
	}
	policy_builder_free(builder);
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	store_close(&bench->store);
	policy_close(bench->base);
	unlink(bench->path);
	rmdir(bench->folder);
	mem_free(bench);
	return 0;
}

static int64_t add_rule(struct bench *bench, enum rule_kind kind, const char *pattern)
{
	struct error error = {0};
	struct rule_row row = {.list = POLICY_USER_BLOCKED,
	        .kind = (int)kind,
	        .pattern = pattern,
	        .targets = "",
	        .comment = "",
	        .problem = "",
	        .enabled = true};
	int64_t id = 0;
	assert_int_equal(store_begin(&bench->store, &error), 0);
	row.revision = bench->store.meta[META_REVISION];
	assert_int_equal(rules_add(&bench->store, &row, &id, &error), 0);
	assert_int_equal(store_end(&bench->store, 0, &error), 0);
	return id;
}

static void build(
        struct bench *bench, const struct policy *known, bool full, struct overlay *ret_overlay)
{
	struct error error = {0};
	struct overlay_request request = {
	        .store = &bench->store, .base = bench->base, .full = full, .known = known};
	if (overlay_build(&request, ret_overlay, &error) != 0) {
		fail_msg("%s", error.text);
	}
}

static struct keyword_set *compile(const struct policy *policy)
{
	struct error error = {0};
	struct keyword_set *set = NULL;
	int fd;
	assert_int_equal(memory_file("keywords", &fd), 0);
	assert_int_equal(keyword_set_compile(policy, fd, NULL, NULL, &error), 0);
	assert_int_equal(keywords_load(fd, policy, &set, &error), 0);
	close(fd);
	return set;
}

/* Ids of the rules whose keyword matches, as far as they have not expired. */
static size_t match(const struct keyword_set *set, const struct policy *policy, const char *text,
        int64_t ids[8])
{
	struct keyword_scratch *scratch = NULL;
	uint32_t indexes[8];
	size_t count = 0;
	assert_int_equal(keyword_scratch_fit(&scratch, set), 0);
	size_t found = keyword_set_match(set, scratch, text, strlen(text), indexes, 8);
	for (size_t i = 0; i < found; i++) {
		struct policy_entry entry;
		policy_entry(policy, indexes[i], &entry);
		if (entry.expires == 0) {
			ids[count++] = entry.id;
		}
	}
	keyword_scratch_free(scratch);
	return count;
}

static void test_overlay_goes_without_new_keywords(void **state)
{
	struct bench *bench = *state;
	struct error error = {0};
	struct overlay full, next;
	int64_t first = add_rule(bench, RULE_KEYWORD, "one[0-9]");
	int64_t second = add_rule(bench, RULE_KEYWORD, "two[0-9]");
	build(bench, NULL, true, &full);
	assert_int_equal(full.keywords, 2);
	assert_false(full.missing);
	struct keyword_set *set = compile(full.policy);

	/* A site, a new keyword; one of the old ones goes. */
	add_rule(bench, RULE_SITE, "site.test");
	add_rule(bench, RULE_KEYWORD, "three[0-9]");
	assert_int_equal(store_begin(&bench->store, &error), 0);
	assert_int_equal(rules_remove(&bench->store, first, &error), 0);
	assert_int_equal(store_end(&bench->store, 0, &error), 0);
	build(bench, full.policy, false, &next);
	assert_true(next.missing);
	assert_true(next.uses_known);
	assert_int_equal(next.keywords, 1);
	assert_int_equal(policy_entry_count(next.policy), 3);

	int fd;
	struct keyword_set *rebased = NULL;
	assert_int_equal(memory_file("keywords", &fd), 0);
	assert_int_equal(keyword_set_rebase(set, full.policy, next.policy, fd, &error), 0);
	assert_int_equal(keywords_load(fd, next.policy, &rebased, &error), 0);
	close(fd);
	int64_t ids[8];
	assert_int_equal(match(rebased, next.policy, "http://a/two5", ids), 1);
	assert_int_equal(ids[0], second);
	assert_int_equal(match(rebased, next.policy, "http://a/one5", ids), 0);
	assert_int_equal(match(rebased, next.policy, "http://a/three5", ids), 0);

	/* Not for a policy with other keywords. */
	struct overlay other;
	build(bench, NULL, true, &other);
	assert_int_equal(memory_file("keywords", &fd), 0);
	assert_int_equal(
	        keyword_set_rebase(set, full.policy, other.policy, fd, &error), SK_E_CONFLICT);
	close(fd);
	keyword_set_close(rebased);
	keyword_set_close(set);
	overlay_release(&full);
	overlay_release(&next);
	overlay_release(&other);
}

static void test_overlay_of_nothing(void **state)
{
	struct bench *bench = *state;
	struct overlay overlay;
	build(bench, NULL, false, &overlay);
	assert_int_equal(overlay.changes, 0);
	assert_false(overlay.missing);
	assert_int_equal(policy_entry_count(overlay.policy), 0);
	overlay_release(&overlay);
}

/* ---- publishing ---- */

struct publishing {
	struct event_base *base;
	struct publisher *publisher;
	int peer;
	uint64_t generation;
	int64_t complete;
	int ended, active;
	struct event *poll;
	uint64_t received;
	int answer; /* code of the answers; -1: none */
};

static int prepare(void *context, uint64_t *ret_generation, struct link_settings *ret_settings,
        int64_t *ret_complete)
{
	struct publishing *publishing = context;
	struct settings settings;
	settings_init(&settings);
	settings_to_link(&settings, ret_settings);
	*ret_generation = publishing->generation;
	*ret_complete = publishing->complete;
	return 0;
}

static void no_events(void *context, const void *packet, size_t size)
{
	(void)context;
	(void)packet;
	(void)size;
}

static void on_peer(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	struct publishing *publishing = context;
	static char space[LINK_PACKET_MAX];
	int descriptors[LINK_DESCRIPTORS_MAX];
	size_t count;
	ssize_t got = link_receive(fd, space, sizeof(space), descriptors, &count);
	enum link_kind kind;
	struct cursor body;
	static struct link_publish publish;
	assert_true(got > 0);
	assert_int_equal(link_decode(space, (size_t)got, &kind, &body), 0);
	if (kind != LINK_PUBLISH) {
		return;
	}
	assert_int_equal(link_decode_publish(&body, &publish), 0);
	publishing->received = publish.generation;
	if (publishing->answer < 0) {
		return;
	}
	struct link_active active = {.generation = publish.generation, .code = publishing->answer};
	struct buf buf;
	buf_init_fixed(&buf, space, sizeof(space));
	link_encode_active(&buf, &active);
	assert_int_equal(link_send(fd, buf.data, buf.length, NULL, 0), 0);
}

static void on_end(void *context, const struct publish_end *end)
{
	struct publishing *publishing = context;
	publishing->ended++;
	publishing->active += end->active;
	event_base_loopbreak(publishing->base);
}

static void start_publishing(struct publishing *publishing)
{
	int pair[2];
	assert_int_equal(
	        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	memset(publishing, 0, sizeof(*publishing));
	publishing->base = event_base_new();
	publishing->peer = pair[1];
	publishing->generation = 1;
	struct publisher_options options = {
	        .socket = pair[0], .prepare = prepare, .events = no_events, .context = publishing};
	assert_int_equal(publisher_new(publishing->base, &options, &publishing->publisher), 0);
	publishing->poll =
	        event_new(publishing->base, pair[1], EV_READ | EV_PERSIST, on_peer, publishing);
	event_add(publishing->poll, NULL);
	publisher_start(publishing->publisher);
}

static void stop_publishing(struct publishing *publishing)
{
	publisher_free(publishing->publisher);
	event_free(publishing->poll);
	event_base_free(publishing->base);
	close(publishing->peer);
}

static void test_waiters_are_told(void **state)
{
	(void)state;
	struct publishing publishing;
	start_publishing(&publishing);
	/* Three changes that come together are one generation. */
	publishing.generation = 5;
	for (uint64_t generation = 3; generation <= 5; generation++) {
		assert_int_equal(publish_wait(publishing.publisher, generation, 0, 5000, on_end,
		                         &publishing),
		        0);
		publish_request(publishing.publisher);
	}
	while (publishing.ended < 3) {
		event_base_dispatch(publishing.base);
	}
	assert_int_equal(publishing.active, 3);
	assert_int_equal(publishing.received, 5);
	struct publisher_status status;
	publisher_get_status(publishing.publisher, &status);
	assert_true(status.connected);
	assert_int_equal(status.active, 5);
	/* One that waits for keyword rules is not told before they are in it. */
	publishing.generation = 6;
	assert_int_equal(publish_wait(publishing.publisher, 6, 9, 50, on_end, &publishing), 0);
	publish_request(publishing.publisher);
	while (publishing.ended < 4) {
		event_base_dispatch(publishing.base);
	}
	assert_int_equal(publishing.active, 3);
	publishing.generation = 7;
	publishing.complete = 9;
	assert_int_equal(publish_wait(publishing.publisher, 6, 9, 5000, on_end, &publishing), 0);
	publish_request(publishing.publisher);
	while (publishing.ended < 5) {
		event_base_dispatch(publishing.base);
	}
	assert_int_equal(publishing.active, 4);
	/* Refused: told at once. */
	publishing.generation = 8;
	publishing.answer = 5;
	assert_int_equal(publish_wait(publishing.publisher, 8, 0, 5000, on_end, &publishing), 0);
	publish_request(publishing.publisher);
	while (publishing.ended < 6) {
		event_base_dispatch(publishing.base);
	}
	assert_int_equal(publishing.active, 4);
	/* Those that are left when it ends are told so. */
	publishing.answer = -1;
	assert_int_equal(publish_wait(publishing.publisher, 9, 0, 5000, on_end, &publishing), 0);
	stop_publishing(&publishing);
	assert_int_equal(publishing.ended, 7);
}

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_settings_are_checked),
	        cmocka_unit_test(test_clock_jumps),
	        cmocka_unit_test(test_worker_does_all_in_order),
	        cmocka_unit_test_setup_teardown(
	                test_overlay_goes_without_new_keywords, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_overlay_of_nothing, set_up, tear_down),
	        cmocka_unit_test(test_waiters_are_told),
	};
	return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
