#include "backend/activation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "backend/pattern_load.h"
#include "backend/worker.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"

#define FOLDER "patterns"
/* Large patterns are verified at low priority, beside queries. */
#define PUBLISH_MS 60000

static const enum section_role roles[PATTERN_KIND_COUNT] = {SECTION_WEB, SECTION_FILES};

struct in_use {
	bool there;
	struct pattern_row row;
	struct pattern_load load;
};

/* The change under way. */
struct change {
	struct task task; /* first: a task is its change */
	struct activation *activation;
	struct pattern_row row;
	struct pattern_load load;
	struct error error;
	int status;
	bool loading, publishing;
	bool published;
	uint64_t publish_generation;
	activation_done_fn *done;
	void *context;
};

struct activation {
	struct activation_options options;
	struct in_use in_use[PATTERN_KIND_COUNT];
	struct change *change;
};

static void pattern_path(char path[64], enum pattern_kind kind, int64_t generation)
{
	snprintf(path, 64, FOLDER "/%s/%lld.pattern", kind == PATTERN_WEB ? "web" : "files",
	        (long long)generation);
}

int activation_new(const struct activation_options *options, struct activation **ret_activation)
{
	struct activation *activation = mem_new(1, sizeof(*activation));
	if (activation == NULL) {
		return -ENOMEM;
	}
	activation->options = *options;
	*ret_activation = activation;
	return 0;
}

static void end_change(struct activation *activation, int status, const char *text)
{
	struct change *change = activation->change;
	activation->change = NULL;
	pattern_load_release(&change->load);
	change->done(change->context, status, text, change->publish_generation);
	mem_free(change);
}

void activation_free(struct activation *activation)
{
	if (activation == NULL) {
		return;
	}
	for (int kind = 0; kind < PATTERN_KIND_COUNT; kind++) {
		pattern_load_release(&activation->in_use[kind].load);
	}
	if (activation->change != NULL) {
		end_change(activation, SK_E_CONFLICT, "the server ends");
	}
	mem_free(activation);
}

/* Puts the file of a generation into its section. */
static int set_section(struct activation *activation, enum pattern_kind kind, int64_t generation)
{
	char path[64];
	pattern_path(path, kind, generation);
	int fd = generation > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 && generation > 0) {
		return -errno;
	}
	return publish_set_section(activation->options.publisher, roles[kind], fd);
}

static void tell_key(struct activation *activation)
{
	const struct in_use *web = &activation->in_use[PATTERN_WEB];
	levels_set_key(
	        activation->options.levels, web->there ? web_pattern_key(web->load.web) : NULL);
}

static void use(struct activation *activation, const struct pattern_row *row,
        const struct pattern_load *load)
{
	struct in_use *in_use = &activation->in_use[row->kind];
	pattern_load_release(&in_use->load);
	*in_use = (struct in_use){.there = true, .row = *row, .load = *load};
	tell_key(activation);
}

/* ---- start-up ---- */

static int mark_active(
        struct activation *activation, const struct pattern_row *row, struct error *error)
{
	struct store *store = activation->options.store;
	int status = store_begin(store, error);
	if (status == 0) {
		status = patterns_set_active(store, row->kind, row->generation,
		        activation->options.now(activation->options.context), error);
	}
	return store_end(store, status, error);
}

static int mark_error(struct activation *activation, int64_t generation, const char *text)
{
	struct error error = {0};
	int status = patterns_set_error(activation->options.store, generation, text, &error);
	if (status != 0) {
		log_error("activation", "generation %lld: %s", (long long)generation, error.text);
	}
	return status;
}

struct candidates {
	struct pattern_row rows[PATTERNS_KEPT];
	size_t count;
	enum pattern_kind kind;
};

static int find_candidate(void *context, const struct pattern_row *row)
{
	struct candidates *candidates = context;
	if (row->kind != candidates->kind || row->activated == 0) {
		return 0;
	}
	/* By the time of their activation, the last one first. */
	size_t at = candidates->count;
	while (at > 0 && candidates->rows[at - 1].activated < row->activated) {
		at--;
	}
	if (at == PATTERNS_KEPT) {
		return 0;
	}
	size_t behind =
	        candidates->count < PATTERNS_KEPT ? candidates->count - at : PATTERNS_KEPT - 1 - at;
	memmove(&candidates->rows[at + 1], &candidates->rows[at], behind * sizeof(*row));
	candidates->rows[at] = *row;
	candidates->count += candidates->count < PATTERNS_KEPT;
	return 0;
}

static int open_kind(struct activation *activation, enum pattern_kind kind, struct error *error)
{
	struct candidates candidates = {.kind = kind};
	int status = patterns_each(
	        activation->options.store, INT64_MAX, find_candidate, &candidates, error);
	for (size_t i = 0; status == 0 && i < candidates.count; i++) {
		const struct pattern_row *row = &candidates.rows[i];
		struct pattern_load load = {0};
		struct error reason = {0};
		char path[64];
		pattern_path(path, kind, row->generation);
		int loaded = pattern_load_file(&load, path, kind, &reason);
		if (loaded == 0) {
			loaded = set_section(activation, kind, row->generation);
		}
		if (loaded == 0) {
			use(activation, row, &load);
			return row->active ? 0 : mark_active(activation, row, error);
		}
		pattern_load_release(&load);
		log_error("activation", "generation %lld: %s", (long long)row->generation,
		        reason.text);
		mark_error(activation, row->generation, reason.text);
	}
	return status;
}

static void remove_strays(struct activation *activation, enum pattern_kind kind)
{
	const char *folder = kind == PATTERN_WEB ? FOLDER "/web" : FOLDER "/files";
	DIR *entries = opendir(folder);
	if (entries == NULL) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		const char *dot = strchr(entry->d_name, '.');
		uint64_t generation = 0;
		struct pattern_row row;
		struct error error = {0};
		if (entry->d_name[0] == '.') {
			continue;
		}
		bool known = dot != NULL && strcmp(dot, ".pattern") == 0 &&
		             number_parse_u64(entry->d_name, (size_t)(dot - entry->d_name),
		                     INT64_MAX, &generation) == 0 &&
		             patterns_get(activation->options.store, (int64_t)generation, &row,
		                     &error) != SK_E_NOT_FOUND;
		if (!known && unlinkat(dirfd(entries), entry->d_name, 0) == 0) {
			log_info("activation", "removed %.80s, which belongs to nothing",
			        entry->d_name);
		}
	}
	closedir(entries);
}

int activation_open(struct activation *activation, struct error *error)
{
	int status = 0;
	for (int kind = 0; status == 0 && kind < PATTERN_KIND_COUNT; kind++) {
		remove_strays(activation, (enum pattern_kind)kind);
		status = open_kind(activation, (enum pattern_kind)kind, error);
	}
	return status;
}

/* ---- new generations ---- */

static int remove_one(void *context, const struct pattern_row *row)
{
	int64_t *ret_generation = context;
	*ret_generation = row->generation;
	return 1;
}

/* Forgets generations that need not be kept. */
static void remove_old(struct activation *activation, enum pattern_kind kind)
{
	struct store *store = activation->options.store;
	struct error error = {0};
	int64_t generation = 0;
	while (patterns_each_old(store, kind, PATTERNS_KEPT, remove_one, &generation, &error) ==
	        1) {
		if (activation->change != NULL &&
		        activation->change->row.generation == generation) {
			return;
		}
		char path[64];
		pattern_path(path, kind, generation);
		int status = patterns_remove(store, generation, &error);
		if (status != 0) {
			log_error("activation", "generation %lld: %s", (long long)generation,
			        error.text);
			return;
		}
		if (unlink(path) != 0) {
			log_error("activation", "%s: %s", path, sk_strerror(-errno));
		}
		log_info("activation", "removed generation %lld", (long long)generation);
	}
}

int activation_add(struct activation *activation, const struct pattern_row *row,
        const char *temporary, int fd, int64_t *ret_generation, struct error *error)
{
	struct store *store = activation->options.store;
	int64_t generation = 0;
	char path[64];
	int status = store_begin_quiet(store, error);
	if (status == 0) {
		status = patterns_add(store, row, &generation, error);
	}
	if (status != 0) {
		file_replace_abort(temporary, fd);
		return store_end(store, status, error);
	}
	pattern_path(path, row->kind, generation);
	status = store_end(store, file_replace_finish(path, temporary, fd, error), error);
	if (status != 0) {
		return status; /* a file in place without a row is removed at the next start */
	}
	remove_old(activation, row->kind);
	*ret_generation = generation;
	return 0;
}

/* ---- activation ---- */

/* The old file is in its section again. */
static void put_back(struct activation *activation, enum pattern_kind kind)
{
	const struct in_use *in_use = &activation->in_use[kind];
	int status = set_section(activation, kind, in_use->there ? in_use->row.generation : 0);
	if (status != 0) {
		log_error("activation", "the old pattern: %s", sk_strerror(status));
	}
}

static void refuse_change(struct activation *activation, int status, const char *text)
{
	struct change *change = activation->change;
	struct error error = {0};
	log_error("activation", "generation %lld was refused: %s",
	        (long long)change->row.generation, text);
	mark_error(activation, change->row.generation, text);
	if (change->published) {
		put_back(activation, change->row.kind);
		if (store_next_generation(activation->options.store, &error) != 0) {
			log_error("activation", "%s", error.text);
		}
		publish_request(activation->options.publisher);
	}
	end_change(activation, status, text);
}

static void finish_change(struct activation *activation)
{
	struct change *change = activation->change;
	struct error error = {0};
	if (change->loading || change->publishing) {
		return; /* both have to be over */
	}
	if (change->status != 0) {
		struct error copy = change->error;
		refuse_change(activation, change->status, copy.text);
		return;
	}
	int status = mark_active(activation, &change->row, &error);
	if (status == 0) {
		status = patterns_get(
		        activation->options.store, change->row.generation, &change->row, &error);
	}
	if (status != 0) {
		refuse_change(activation, status, error.text);
		return;
	}
	use(activation, &change->row, &change->load);
	change->load = (struct pattern_load){0};
	log_info("activation", "generation %lld (%s) is active", (long long)change->row.generation,
	        change->row.version);
	enum pattern_kind kind = change->row.kind;
	end_change(activation, 0, "");
	remove_old(activation, kind);
	publish_request(activation->options.publisher); /* the policy may have to follow its key */
}

static void on_published(void *context, const struct publish_end *end)
{
	struct activation *activation = context;
	struct change *change = activation->change;
	change->publishing = false;
	if (!end->active && change->status == 0) {
		change->status = end->code != 0 ? end->code : SK_E_TIMEOUT;
		error_set(&change->error, change->status, "query server: %s",
		        end->text[0] != '\0' ? end->text : "no answer");
	}
	finish_change(activation);
}

static int publish_change(struct activation *activation)
{
	struct change *change = activation->change;
	int status = set_section(activation, change->row.kind, change->row.generation);
	if (status != 0) {
		return error_set_code(&change->error, status, "pattern file");
	}
	change->published = true;
	status = store_next_generation(activation->options.store, &change->error);
	if (status != 0) {
		return status;
	}
	change->publish_generation =
	        (uint64_t)activation->options.store->committed[META_GENERATION];
	struct publisher_status publisher;
	publisher_get_status(activation->options.publisher, &publisher);
	publish_request(activation->options.publisher);
	if (!publisher.connected) {
		return 0; /* there is no queryd to ask; it gets the new pattern when it comes */
	}
	status = publish_wait(activation->options.publisher, change->publish_generation, 0,
	        PUBLISH_MS, on_published, activation);
	if (status != 0) {
		return error_set_code(&change->error, status, "publish");
	}
	change->publishing = true;
	return 0;
}

static void run_load(struct task *task, void *context)
{
	struct change *change = (struct change *)task;
	char path[64];
	(void)context;
	pattern_path(path, change->row.kind, change->row.generation);
	change->status = pattern_load_file(&change->load, path, change->row.kind, &change->error);
}

static void on_loaded(struct task *task)
{
	struct change *change = (struct change *)task;
	struct activation *activation = change->activation;
	change->loading = false;
	if (worker_stopping(activation->options.builder)) {
		return;
	}
	if (change->status == 0 && !change->published) {
		change->status = publish_change(activation);
	}
	finish_change(activation);
}

int activation_start(struct activation *activation, int64_t generation, activation_done_fn *done,
        void *context, struct error *error)
{
	struct pattern_row row;
	if (activation->change != NULL) {
		return error_set(error, SK_E_CONFLICT, "another activation is under way");
	}
	int status = patterns_get(activation->options.store, generation, &row, error);
	if (status != 0) {
		return status;
	}
	struct change *change = mem_new(1, sizeof(*change));
	if (change == NULL) {
		return error_set_code(error, -ENOMEM, "activation");
	}
	*change = (struct change){.task = {.run = run_load, .done = on_loaded},
	        .activation = activation,
	        .row = row,
	        .loading = true,
	        .done = done,
	        .context = context};
	activation->change = change;
	if (row.activated > 0 && row.error[0] == '\0') {
		status = publish_change(activation);
		if (status != 0) {
			*error = change->error;
			put_back(activation, row.kind);
			activation->change = NULL;
			mem_free(change);
			return status;
		}
	}
	worker_submit(activation->options.builder, &change->task);
	return 0;
}

const struct pattern_row *activation_active(
        const struct activation *activation, enum pattern_kind kind)
{
	const struct in_use *in_use = &activation->in_use[kind];
	return in_use->there ? &in_use->row : NULL;
}

const struct pattern_info *activation_info(
        const struct activation *activation, enum pattern_kind kind)
{
	const struct in_use *in_use = &activation->in_use[kind];
	if (!in_use->there) {
		return NULL;
	}
	return kind == PATTERN_WEB ? web_pattern_info(in_use->load.web)
	                           : file_pattern_info(in_use->load.files);
}

void activation_snapshot(const struct activation *activation, struct snapshot *ret_snapshot)
{
	ret_snapshot->web = activation->in_use[PATTERN_WEB].load.web;
	ret_snapshot->files = activation->in_use[PATTERN_FILES].load.files;
}
