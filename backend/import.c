#include "backend/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "backend/policy_rows.h"
#include "backend/store/batches.h"
#include "backend/store/rules.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

#define PARSE_MS 180000
#define ROWS_PER_STEP 1000 /* a transaction of some 10 ms */
#define LINE_MAX_BYTES (1024 * 1024)
#define READ_BYTES ((size_t)64 * 1024)
#define FIRST_ERRORS 20
#define OVERLAY_ROWS 2000 /* at most so many go the short way */
#define OVERLAY_KEYWORDS 32
#define ACTIVE_MS 20000
#define DIGESTS_PER_STEP 5000
#define SWEEP_ROWS 1000
#define SWEEP_DIGESTS 20000
#define SWEEP_PAUSE_MS 20

struct importer {
	struct backend *backend;
	struct import *import; /* the one under way; also an undo */
	struct event *step, *sweep;
	int64_t swept; /* digests up to here */
};

/* What finds a rule that says the same. */
struct mark {
	int64_t digest, id;
};

struct import {
	struct importer *importer;
	struct work *work;
	struct batch batch;
	bool undo;
	int records; /* file of the parser's output */
	struct buf text; /* read, not yet taken */
	size_t at; /* in text */
	bool end; /* of the file */
	bool stored; /* all rows are; their digests come next */
	int64_t added, refused, duplicate, keywords;
	json_object *first_errors;
	struct buf marks; /* struct mark, of the rows added */
	size_t marked; /* of these, in the store */
	uint32_t *seen; /* hash table over marks: index + 1; 0: free */
	size_t seen_size; /* a power of two, at most half full */
};

/* ---- the end ---- */

static void import_free(struct import *import)
{
	file_close_fd(&import->records);
	buf_release(&import->text);
	buf_release(&import->marks);
	mem_free(import->seen);
	json_object_put(import->first_errors);
	mem_free(import);
}

static void fail(struct importer *importer, const char *code, const char *text)
{
	struct import *import = importer->import;
	struct backend *backend = importer->backend;
	struct error error = {0};
	if (import->batch.id > 0 && !import->undo) {
		/* When even this cannot be written, the next start does it. */
		int status = store_begin_quiet(&backend->store, &error);
		if (status == 0) {
			status = batches_set(
			        &backend->store, import->batch.id, BATCH_UNDONE, 0, &error);
		}
		status = store_end(&backend->store, status, &error);
		if (status != 0) {
			log_error("import", "%s", error.text);
		}
		import_sweep(importer);
	}
	importer->import = NULL;
	work_fail(import->work, code, text);
	import_free(import);
}

static void fail_with(struct importer *importer, int status, const struct error *error)
{
	fail(importer, rpc_fault_code_of(status),
	        error->text[0] != '\0' ? error->text : sk_strerror(status));
}

static void on_active(void *context, const struct publish_end *end)
{
	struct importer *importer = context;
	struct import *import = importer->import;
	json_object *result = json_object_new_object();
	if (import->undo) {
		json_object_object_add(result, "removed", json_object_new_int64(import->added));
	} else {
		json_object_object_add(result, "added", json_object_new_int64(import->added));
		json_object_object_add(result, "refused", json_object_new_int64(import->refused));
		json_object_object_add(
		        result, "duplicate", json_object_new_int64(import->duplicate));
		json_object_object_add(
		        result, "first_errors", json_object_get(import->first_errors));
		json_object_object_add(result, "undo", json_object_new_int64(import->batch.id));
	}
	json_object_object_add(result, "active", json_object_new_boolean(end->active));
	json_object_object_add(
	        result, "generation", json_object_new_int64((int64_t)end->generation));
	importer->import = NULL;
	work_finish(import->work, result);
	bool sweep = import->undo || import->batch.floor > 0;
	import_free(import);
	if (sweep) {
		import_sweep(importer);
	}
}

/* It is durable; the rest is to wait until it is in effect. */
static void wait_active(struct importer *importer)
{
	struct backend *backend = importer->backend;
	int64_t *meta = backend->store.committed;
	bool keywords = importer->import->keywords > 0;
	int status = publish_wait(backend->publisher, (uint64_t)meta[META_GENERATION],
	        keywords && !importer->import->undo ? meta[META_REVISION] : 0, ACTIVE_MS, on_active,
	        importer);
	publish_request(backend->publisher);
	if (status != 0) {
		struct publish_end end = {.generation = 0};
		on_active(importer, &end);
	}
}

/* ---- live, or undone ---- */

static int commit_batch(void *context, int64_t revision, struct error *error)
{
	struct importer *importer = context;
	const struct import *import = importer->import;
	return batches_set(&importer->backend->store, import->batch.id,
	        import->undo ? BATCH_UNDONE : BATCH_LIVE, revision, error);
}

static void on_rebuilt(void *context, int status, const char *text)
{
	struct importer *importer = context;
	if (status != 0) {
		fail(importer, rpc_fault_code_of(status), text);
		return;
	}
	/* The base has them: there is nothing more to be compiled. */
	importer->import->keywords = 0;
	wait_active(importer);
}

static void switch_batch(struct importer *importer)
{
	struct import *import = importer->import;
	struct backend *backend = importer->backend;
	struct store *store = &backend->store;
	struct error error = {0};
	work_progress(import->work, 80, "activate");
	bool few = import->added <= OVERLAY_ROWS && import->keywords <= OVERLAY_KEYWORDS &&
	           import->batch.floor == 0 && levels_room(backend->levels, import->added);
	int status;
	if (!few) {
		struct levels_rebuild rebuild = {
		        .commit = commit_batch, .done = on_rebuilt, .context = importer};
		*(import->undo ? &rebuild.view.exclude : &rebuild.view.include) = import->batch.id;
		status = levels_rebuild(backend->levels, &rebuild);
		if (status != 0) {
			fail_with(importer, status, &error);
		}
		return;
	}
	status = store_begin(store, &error);
	if (status == 0) {
		status = commit_batch(importer, store->meta[META_REVISION], &error);
	}
	status = store_end(store, status, &error);
	if (status != 0) {
		fail_with(importer, status, &error);
		return;
	}
	int sign = import->undo ? -1 : 1;
	levels_changed(backend->levels, sign * (int)import->added, sign * (int)import->keywords);
	wait_active(importer);
}

static void go_live(struct importer *importer)
{
	struct import *import = importer->import;
	struct rule_counts counts = levels_counts(importer->backend->levels);
	bool replace = import->batch.floor > 0;
	int64_t rules = import->added + (replace ? 0 : counts.rules);
	int64_t keywords = import->keywords + (replace ? 0 : counts.keywords);
	if (rules > LIMIT_RULES || keywords > LIMIT_KEYWORD_RULES) {
		fail(importer, "limit",
		        rules > LIMIT_RULES ? "too many rules" : "too many keyword rules");
	} else if (import->added == 0 && replace) {
		fail(importer, "conflict",
		        "the file has no rule that could replace the present ones");
	} else {
		switch_batch(importer);
	}
}

/* ---- records ---- */

static void count_refused(struct import *import, json_object *record)
{
	import->refused++;
	if (json_object_array_length(import->first_errors) < FIRST_ERRORS) {
		json_object_array_add(import->first_errors, json_object_get(record));
	}
}

static void count_duplicate(struct import *import, json_object *record, const char *text)
{
	import->duplicate++;
	if (json_object_array_length(import->first_errors) < FIRST_ERRORS) {
		json_object *entry = json_object_new_object(), *reason = json_object_new_object();
		json_object_object_add(reason, "code", json_object_new_string("exists"));
		json_object_object_add(reason, "text", json_object_new_string(text));
		json_object_object_add(
		        entry, "line", json_object_new_int64(json_member_number(record, "line")));
		json_object_object_add(entry, "error", reason);
		json_object_array_add(import->first_errors, entry);
	}
}

static const struct mark *marks_of(const struct import *import)
{
	return (const struct mark *)(const void *)import->marks.data;
}

static size_t mark_count(const struct import *import)
{
	return import->marks.length / sizeof(struct mark);
}

/* The place of a digest in the hash table: of the mark that has it, or a free one. */
static uint32_t *find_seen(const struct import *import, int64_t digest)
{
	size_t at = (size_t)digest & (import->seen_size - 1);
	while (import->seen[at] != 0 && marks_of(import)[import->seen[at] - 1].digest != digest) {
		at = (at + 1) & (import->seen_size - 1);
	}
	return &import->seen[at];
}

static int grow_seen(struct import *import)
{
	size_t count = mark_count(import);
	if (2 * (count + 1) <= import->seen_size) {
		return 0;
	}
	size_t size = import->seen_size == 0 ? 1024 : 2 * import->seen_size;
	uint32_t *seen = mem_new(size, sizeof(*seen));
	if (seen == NULL) {
		return -ENOMEM;
	}
	mem_free(import->seen);
	import->seen = seen;
	import->seen_size = size;
	for (size_t i = 0; i < count; i++) {
		*find_seen(import, marks_of(import)[i].digest) = (uint32_t)i + 1;
	}
	return 0;
}

/* Stores the row unless it is there already: in the import (by its digest) or in the store. */
static int add_row(struct importer *importer, const struct rule_row *row, struct error *error)
{
	struct import *import = importer->import;
	struct store *store = &importer->backend->store;
	struct mark mark = {.digest = rules_digest(row)};
	int status = grow_seen(import);
	if (status != 0) {
		return error_set_code(error, status, "import");
	}
	uint32_t *seen = find_seen(import, mark.digest);
	if (*seen != 0) {
		return error_set(error, SK_E_EXISTS, "a line before says the same");
	}
	status = rules_check_same(store, row, mark.digest, import->batch.floor, error);
	if (status == 0) {
		status = rules_add_row(store, row, &mark.id, error);
	}
	if (status == 0) {
		buf_add(&import->marks, &mark, sizeof(mark));
		status = buf_status(&import->marks);
		*seen = (uint32_t)mark_count(import);
	}
	return status;
}

static int add_record(struct importer *importer, json_object *record, struct error *error)
{
	struct import *import = importer->import;
	enum rule_kind kind;
	json_object *value = NULL;
	if (!json_object_object_get_ex(record, "ok", &value)) {
		count_refused(import, record);
		return 0;
	}
	if (rule_kind_parse(json_member_text(record, "kind"), &kind) != 0) {
		return error_set(error, SK_E_PROTOCOL, "a record without a kind");
	}
	json_object_object_get_ex(record, "enabled", &value);
	int64_t now = backend_now(importer->backend);
	struct rule_row row = {.list = strcmp(json_member_text(record, "list"), "approved") == 0
	                                       ? POLICY_USER_APPROVED
	                                       : POLICY_USER_BLOCKED,
	        .kind = (int)kind,
	        .pattern = json_member_text(record, "pattern"),
	        .targets = json_member_text(record, "targets"),
	        .comment = json_member_text(record, "comment"),
	        .problem = "",
	        .enabled = json_object_get_boolean(value),
	        .expires = json_member_number(record, "expires"),
	        .created = now,
	        .changed = now,
	        .batch = import->batch.id};
	int status = add_row(importer, &row, error);
	if (status == SK_E_EXISTS) {
		count_duplicate(import, record, error->text);
		return 0;
	}
	import->added += status == 0;
	import->keywords += status == 0 && kind == RULE_KEYWORD && row.enabled;
	return status;
}

static int add_line(struct importer *importer, const char *line, size_t length, struct error *error)
{
	json_object *record = NULL;
	int status = json_text_parse(line, length, 8, &record, error);
	if (status != 0 || !json_object_is_type(record, json_type_object)) {
		json_object_put(record);
		return error_set(error, SK_E_PROTOCOL, "the parser wrote no record");
	}
	status = add_record(importer, record, error);
	json_object_put(record);
	return status;
}

/* The next line of the records: 1, 0 at the end, or an error. */
static int next_line(struct import *import, const char **ret_line, size_t *ret_length)
{
	size_t searched = 0;
	for (;;) {
		size_t have = import->text.length - import->at;
		/* Nothing is there before the first read. */
		const char *start = have > 0 ? import->text.data + import->at : NULL;
		const char *newline =
		        have > searched ? memchr(start + searched, '\n', have - searched) : NULL;
		if (newline != NULL) {
			*ret_line = start;
			*ret_length = (size_t)(newline - start);
			import->at += *ret_length + 1;
			return 1;
		}
		if (import->end) {
			return have == 0 ? 0 : SK_E_PROTOCOL;
		}
		searched = have;
		buf_consume(&import->text, import->at);
		import->at = 0;
		char *room = buf_reserve(&import->text, READ_BYTES);
		if (room == NULL) {
			return buf_status(&import->text);
		}
		ssize_t got = read(import->records, room, READ_BYTES);
		if (got < 0 && errno != EINTR) {
			return -errno;
		}
		import->end = got == 0;
		buf_commit(&import->text, got > 0 ? (size_t)got : 0);
	}
}

/* One transaction of rows; 1 when there is more. */
static int add_rows(struct importer *importer, struct error *error)
{
	struct store *store = &importer->backend->store;
	int status = store_begin_lazy(store, error);
	if (status != 0) {
		return status;
	}
	int more = 1;
	for (int i = 0; status == 0 && more == 1 && i < ROWS_PER_STEP; i++) {
		const char *line = NULL;
		size_t length = 0;
		more = next_line(importer->import, &line, &length);
		if (more == 1) {
			status = add_line(importer, line, length, error);
		} else if (more < 0) {
			status = error_set_code(error, more, "records");
		}
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	return more;
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *left = a, *right = b;
	return (left->digest > right->digest) - (left->digest < right->digest);
}

/* One transaction of digests, in their order; 1 when there is more. */
static int add_marks(struct importer *importer, struct error *error)
{
	struct import *import = importer->import;
	struct store *store = &importer->backend->store;
	size_t count = mark_count(import);
	if (import->marked == 0 && count > 0) {
		qsort(import->marks.data, count, sizeof(struct mark), compare_marks);
	}
	int status = store_begin_lazy(store, error);
	if (status != 0) {
		return status;
	}
	size_t end = import->marked + DIGESTS_PER_STEP;
	end = end < count ? end : count;
	size_t at = import->marked;
	for (; status == 0 && at < end; at++) {
		const struct mark *mark = &marks_of(import)[at];
		status = rules_add_digest(store, mark->digest, mark->id, error);
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	import->marked = at;
	return at < count;
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct importer *importer = context;
	struct import *import = importer->import;
	struct error error = {0};
	if (import->work->cancelled) {
		fail(importer, "cancelled", "it was cancelled");
		return;
	}
	int status = import->stored ? add_marks(importer, &error) : add_rows(importer, &error);
	if (status == 0 && !import->stored) {
		import->stored = true;
		status = 1;
	}
	if (status < 0) {
		fail_with(importer, status, &error);
	} else if (status == 1) {
		struct timeval now = {0, 0};
		event_add(importer->step, &now);
		work_progress(import->work, import->stored ? 70 : 40, "store");
	} else {
		go_live(importer);
	}
}

/* ---- the start ---- */

static void on_parse_progress(void *context, int percent, const char *step)
{
	struct importer *importer = context;
	work_progress(importer->import->work, percent * 2 / 5, step);
}

static void on_parsed(void *context, const struct job_result *result)
{
	struct importer *importer = context;
	struct import *import = importer->import;
	struct store *store = &importer->backend->store;
	struct error error = {0};
	import->work->job = NULL;
	if (result->status != 0) {
		fail(importer, result->status == SK_E_REFUSED ? "bad_input" : result->code,
		        result->text);
		return;
	}
	bool replace = import->batch.floor != 0;
	int status = store_begin_quiet(store, &error);
	if (status == 0) {
		status = batches_add(
		        store, replace, backend_now(importer->backend), &import->batch, &error);
	}
	status = store_end(store, status, &error);
	if (status != 0) {
		import->batch.id = 0;
		fail_with(importer, status, &error);
		return;
	}
	if (lseek(import->records, 0, SEEK_SET) != 0) {
		fail(importer, "internal", "records");
		return;
	}
	struct timeval now = {0, 0};
	event_add(importer->step, &now);
}

/* A file without a name, that only those see who have its descriptor. */
static int open_records(int *ret_fd)
{
	int fd = open("data", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	return errno == EOPNOTSUPP ? memory_file("records", ret_fd) : -errno;
}

static int import_new(struct importer *importer, const char *verb, struct error *error)
{
	if (importer->import != NULL) {
		return error_set(error, SK_E_CONFLICT, "an import is under way");
	}
	struct import *import = mem_new(1, sizeof(*import));
	if (import == NULL) {
		return error_set_code(error, -ENOMEM, "import");
	}
	import->importer = importer;
	import->records = -1;
	buf_init(&import->text, LINE_MAX_BYTES + 2 * READ_BYTES);
	buf_init(&import->marks, (size_t)LIMIT_RULES * sizeof(struct mark));
	import->first_errors = json_object_new_array();
	int status = import->first_errors == NULL
	                     ? error_set_code(error, -ENOMEM, "import")
	                     : work_start(importer->backend->works, verb, &import->work, error);
	if (status != 0) {
		import_free(import);
		return status;
	}
	importer->import = import;
	return 0;
}

int import_start(
        struct importer *importer, int fd, bool replace, int64_t *ret_job, struct error *error)
{
	int status = import_new(importer, "rule.import", error);
	if (status != 0) {
		return status;
	}
	struct import *import = importer->import;
	*ret_job = import->work->id;
	import->batch.floor = replace ? 1 : 0; /* wished; the real one comes with the batch */
	status = open_records(&import->records);
	if (status != 0) {
		import->records = -1;
	} else {
		json_object *request = json_object_new_object();
		json_object_object_add(request, "format", json_object_new_string("csv"));
		int descriptors[] = {fd, import->records};
		struct job_start start = {.kind = JOB_IMPORT_PARSE,
		        .request = request,
		        .descriptors = descriptors,
		        .descriptor_count = 2,
		        .wall_ms = PARSE_MS,
		        .progress = on_parse_progress,
		        .end = on_parsed,
		        .context = importer};
		status = jobs_start(importer->backend->jobs, &start, &import->work->job);
	}
	if (status != 0) {
		error_set_code(error, status, "import");
		fail_with(importer, status, error);
	}
	return status;
}

int import_undo(struct importer *importer, int64_t batch, int64_t *ret_job, struct error *error)
{
	struct store *store = &importer->backend->store;
	struct batch found;
	int status = batches_get(store, batch, &found, error);
	if (status != 0) {
		return status;
	}
	if (found.state != BATCH_LIVE) {
		return error_set(error, SK_E_CONFLICT, "the import is undone already");
	}
	status = import_new(importer, "rule.import_undo", error);
	if (status != 0) {
		return status;
	}
	struct import *import = importer->import;
	*ret_job = import->work->id;
	import->undo = true;
	import->batch = found;
	status = batches_count(store, batch, &import->added, &import->keywords, error);
	if (status != 0) {
		fail_with(importer, status, error);
		return status;
	}
	switch_batch(importer);
	return 0;
}

/* ---- sweeping ---- */

/* Rows first, then the digests of rows that are gone. 1 when there is more. */
static int sweep(struct importer *importer, struct error *error)
{
	struct backend *backend = importer->backend;
	struct store *store = &backend->store;
	int deleted = 0;
	int64_t swept = importer->swept;
	int status = store_begin_lazy(store, error);
	if (status == 0) {
		status = batches_sweep(
		        store, levels_base_revision(backend->levels), SWEEP_ROWS, &deleted, error);
	}
	int more = deleted > 0;
	if (status == 0 && deleted == 0) {
		more = batches_sweep_digests(store, SWEEP_DIGESTS, &swept, error);
		status = more < 0 ? more : 0;
	}
	status = store_end(store, status, error);
	if (status != 0) {
		return status;
	}
	importer->swept = swept;
	return more;
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct importer *importer = context;
	struct error error = {0};
	int more = sweep(importer, &error);
	if (more < 0) {
		log_error("import", "sweep: %s", error.text);
	} else if (more > 0) {
		struct timeval pause = {0, SWEEP_PAUSE_MS * 1000};
		event_add(importer->sweep, &pause);
	}
}

void import_sweep(struct importer *importer)
{
	struct timeval soon = {1, 0};
	importer->swept = INT64_MIN;
	event_add(importer->sweep, &soon);
}

int importer_new(struct backend *backend, struct importer **ret_importer)
{
	struct importer *importer = mem_new(1, sizeof(*importer));
	if (importer == NULL) {
		return -ENOMEM;
	}
	importer->backend = backend;
	importer->step = evtimer_new(backend->base, on_step, importer);
	importer->sweep = evtimer_new(backend->base, on_sweep, importer);
	if (importer->step == NULL || importer->sweep == NULL) {
		importer_free(importer);
		return -ENOMEM;
	}
	*ret_importer = importer;
	return 0;
}

void importer_free(struct importer *importer)
{
	if (importer == NULL) {
		return;
	}
	if (importer->import != NULL) {
		import_free(importer->import);
	}
	struct event *events[] = {importer->step, importer->sweep};
	for (size_t i = 0; i < SK_COUNT(events); i++) {
		if (events[i] != NULL) {
			event_free(events[i]);
		}
	}
	mem_free(importer);
}
