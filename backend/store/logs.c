#include "backend/store/logs.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/store/counters.h"
#include "backend/store/log_file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define OPEN_FILES_MAX 6 /* of each kind the present day and the one before */
#define BATCH_BYTES_MAX (4 * 1024 * 1024) /* written at once without waiting for batch_ms */
#define KEY_MASK ((1 << LOG_KEY_BITS) - 1)

/* What was put: a packet of events, or an entry of the service log. */
struct item {
	struct item *next;
	int64_t key; /* of its first entry: time << LOG_KEY_BITS | number; of a packet: number */
	size_t size;
	int service;
	bool success;
	bool is_packet;
	bool without_access; /* no room for them: counted already */
	unsigned char data[]; /* the packet, or the description with its NUL */
};

struct list {
	struct item *first, **last;
};

struct logs {
	char folder[LOG_PATH_MAX], counters_path[LOG_PATH_MAX];
	pthread_t thread;

	/* lock "logs": everything down to `status` */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list waiting;
	size_t waiting_bytes; /* with what the thread has taken but not yet written */
	size_t queued_bytes;
	int64_t first_put; /* of what waits; database_now */
	uint32_t number; /* of the next entry */
	int batch_ms, retry_ms;
	bool stop, purge;
	int64_t purge_before[LOG_KIND_COUNT];
	struct logs_status status;

	/* the thread's own */
	struct log_file files[OPEN_FILES_MAX];
	size_t file_count;
	struct counters counters;
	bool counters_open;
	uint64_t committed[LOG_KIND_COUNT]; /* not yet in the status */
};

static void list_clear(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_free(struct list *list)
{
	while (list->first != NULL) {
		struct item *item = list->first;
		list->first = item->next;
		mem_free(item);
	}
	list_clear(list);
}

/* ---- what any thread calls ---- */

/* Counts the events of a packet as dropped; with `access_only` just those. */
static void count_dropped(struct logs *logs, const void *packet, size_t size, bool access_only)
{
	enum link_kind kind;
	struct cursor body;
	struct link_events_header header;
	struct link_event event;
	if (link_decode(packet, size, &kind, &body) != 0 ||
	        link_decode_events(&body, &header) != 0) {
		return;
	}
	while (link_decode_event(&body, &event) == 1) {
		if (!access_only || event.kind == EVENT_ACCESS) {
			logs->status.dropped[event.kind]++;
		}
	}
}

static void put(struct logs *logs, struct item *item, uint32_t entries)
{
	item->key |= logs->number & KEY_MASK;
	logs->number += entries;
	item->next = NULL;
	*logs->waiting.last = item;
	logs->waiting.last = &item->next;
	size_t bytes = sizeof(*item) + item->size;
	logs->waiting_bytes += bytes;
	if (logs->queued_bytes == 0) {
		logs->first_put = database_now();
		pthread_cond_signal(&logs->wake);
	}
	logs->queued_bytes += bytes;
	if (logs->queued_bytes >= BATCH_BYTES_MAX) {
		pthread_cond_signal(&logs->wake);
	}
}

void logs_put_events(struct logs *logs, const void *packet, size_t size)
{
	struct item *item = mem_new(1, sizeof(*item) + size);
	pthread_mutex_lock(&logs->lock);
	if (item == NULL || logs->waiting_bytes + size > LOGS_WAITING_MAX) {
		count_dropped(logs, packet, size, false);
		pthread_mutex_unlock(&logs->lock);
		mem_free(item);
		return;
	}
	item->is_packet = true;
	item->size = size;
	memcpy(item->data, packet, size);
	item->without_access = logs->waiting_bytes > LOGS_WAITING_MAX / 2;
	if (item->without_access) {
		count_dropped(logs, packet, size, true);
	}
	put(logs, item, (uint32_t)(size / 16)); /* more than it has records */
	pthread_mutex_unlock(&logs->lock);
}

void logs_put_service(
        struct logs *logs, int64_t time, int service, bool success, const char *description)
{
	size_t size = strlen(description) + 1;
	struct item *item = mem_new(1, sizeof(*item) + size);
	if (item == NULL) {
		log_error("logs", "out of memory");
		return;
	}
	item->key = time << LOG_KEY_BITS;
	item->size = size;
	item->service = service;
	item->success = success;
	memcpy(item->data, description, size);
	pthread_mutex_lock(&logs->lock);
	put(logs, item, 1);
	pthread_mutex_unlock(&logs->lock);
}

void logs_set_batch_ms(struct logs *logs, int batch_ms)
{
	pthread_mutex_lock(&logs->lock);
	logs->batch_ms = batch_ms;
	pthread_mutex_unlock(&logs->lock);
}

void logs_purge(struct logs *logs, const int64_t before[LOG_KIND_COUNT])
{
	pthread_mutex_lock(&logs->lock);
	memcpy(logs->purge_before, before, sizeof(logs->purge_before));
	logs->purge = true;
	pthread_cond_signal(&logs->wake);
	pthread_mutex_unlock(&logs->lock);
}

void logs_get_status(struct logs *logs, struct logs_status *ret_status)
{
	pthread_mutex_lock(&logs->lock);
	*ret_status = logs->status;
	pthread_mutex_unlock(&logs->lock);
}

/* ---- the thread ---- */

static void close_file(struct logs *logs, size_t index)
{
	log_file_close(&logs->files[index]);
	logs->files[index] = logs->files[--logs->file_count];
}

static int commit_file(struct logs *logs, struct log_file *file, struct error *error)
{
	uint64_t rows = file->in_transaction ? file->rows : 0;
	int status = log_file_commit(file, error);
	logs->committed[file->kind] += status == 0 ? rows : 0;
	return status;
}

/* A damaged file must not stop the log: it gets another name, and the next attempt a new file. */
static void set_aside(struct logs *logs, enum log_kind kind, int64_t day)
{
	for (size_t i = logs->file_count; i > 0; i--) {
		if (logs->files[i - 1].kind == kind && logs->files[i - 1].day == day) {
			close_file(logs, i - 1);
		}
	}
	char path[LOG_PATH_MAX], aside[LOG_PATH_MAX + 16];
	if (log_file_path(logs->folder, kind, day, path) != 0) {
		return;
	}
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	log_error("logs", "%s is damaged and set aside: %s", path,
	        rename(path, aside) == 0 ? aside : sk_strerror(-errno));
	static const char *const ends[] = {"-wal", "-shm"};
	for (size_t i = 0; i < SK_COUNT(ends); i++) {
		char beside[LOG_PATH_MAX + 8];
		snprintf(beside, sizeof(beside), "%s%s", path, ends[i]);
		if (unlink(beside) != 0 && errno != ENOENT) {
			log_error("logs", "%s: %s", beside, sk_strerror(-errno));
		}
	}
}

/* The open file of a kind and day. The oldest one without a transaction makes room. */
static int file_of(struct logs *logs, enum log_kind kind, int64_t day, struct log_file **ret_file,
        struct error *error)
{
	size_t oldest = OPEN_FILES_MAX;
	for (size_t i = 0; i < logs->file_count; i++) {
		struct log_file *file = &logs->files[i];
		if (file->kind == kind && file->day == day) {
			*ret_file = file;
			return 0;
		}
		if (!file->in_transaction &&
		        (oldest == OPEN_FILES_MAX || file->day < logs->files[oldest].day)) {
			oldest = i;
		}
	}
	int status = 0;
	if (logs->file_count == OPEN_FILES_MAX) {
		/* What is committed early and written again stays what it is. */
		oldest = oldest < OPEN_FILES_MAX ? oldest : 0;
		status = commit_file(logs, &logs->files[oldest], error);
		close_file(logs, oldest);
	}
	if (status == 0) {
		status = log_file_open(
		        logs->folder, kind, day, &logs->files[logs->file_count], error);
	}
	if (status == SK_E_CORRUPT || status == SK_E_VERSION) {
		set_aside(logs, kind, day);
	}
	if (status == 0) {
		*ret_file = &logs->files[logs->file_count++];
	}
	return status;
}

static int written(struct logs *logs, const struct log_file *file, int status)
{
	if (status == SK_E_CORRUPT) {
		set_aside(logs, file->kind, file->day);
	}
	return status;
}

static int write_query(
        struct logs *logs, const struct link_event *event, int64_t number, struct error *error)
{
	enum log_kind kind = event->kind == EVENT_BLOCKED ? LOG_BLOCKED : LOG_ACCESS;
	struct log_file *file;
	int64_t time = event->query.time;
	int status = file_of(logs, kind, time / LOG_DAY_MS, &file, error);
	if (status != 0) {
		return status;
	}
	int64_t key = time << LOG_KEY_BITS | (number & KEY_MASK);
	return written(logs, file, log_file_add_query(file, key, &event->query, error));
}

/* Visits the events of a packet that go to a log (`counters` false) or to the counters. */
static int write_packet(
        struct logs *logs, const struct item *item, bool counters, struct error *error)
{
	enum link_kind kind;
	struct cursor body;
	struct link_events_header header;
	struct link_event event;
	if (link_decode(item->data, item->size, &kind, &body) != 0 ||
	        link_decode_events(&body, &header) != 0) {
		return 0;
	}
	int status = 0;
	for (int64_t number = item->key; status == 0; number++) {
		if (link_decode_event(&body, &event) != 1) {
			break;
		}
		bool query = event.kind == EVENT_BLOCKED ||
		             (event.kind == EVENT_ACCESS && !item->without_access);
		if (counters) {
			status = counters_add(&logs->counters, &event, header.sent, error);
		} else if (query) {
			status = write_query(logs, &event, number, error);
		}
	}
	return status;
}

static int write_service(struct logs *logs, const struct item *item, struct error *error)
{
	struct log_file *file;
	int status =
	        file_of(logs, LOG_SERVICE, (item->key >> LOG_KEY_BITS) / LOG_DAY_MS, &file, error);
	if (status != 0) {
		return status;
	}
	return written(logs, file,
	        log_file_add_service(file, item->key, item->service, item->success,
	                (const char *)item->data, error));
}

static int write_logs(struct logs *logs, const struct list *batch, struct error *error)
{
	int status = 0;
	for (const struct item *item = batch->first; status == 0 && item != NULL;
	        item = item->next) {
		status = item->is_packet ? write_packet(logs, item, false, error)
		                         : write_service(logs, item, error);
	}
	for (size_t i = 0; i < logs->file_count; i++) {
		if (status == 0) {
			status = commit_file(logs, &logs->files[i], error);
		}
		if (status != 0) {
			log_file_rollback(&logs->files[i]);
		}
	}
	pthread_mutex_lock(&logs->lock);
	for (int i = 0; i < LOG_KIND_COUNT; i++) {
		logs->status.stored[i] += logs->committed[i];
		logs->committed[i] = 0;
	}
	pthread_mutex_unlock(&logs->lock);
	return status;
}

static int write_counters(struct logs *logs, const struct list *batch, struct error *error)
{
	if (!logs->counters_open) {
		int status = counters_open(logs->counters_path, &logs->counters, error);
		if (status != 0) {
			return status;
		}
		logs->counters_open = true;
	}
	int status = database_begin(&logs->counters.database, error);
	for (const struct item *item = batch->first; status == 0 && item != NULL;
	        item = item->next) {
		status = item->is_packet ? write_packet(logs, item, true, error) : 0;
	}
	if (status == 0) {
		status = database_commit(&logs->counters.database, error);
	}
	if (status != 0) {
		database_rollback(&logs->counters.database);
		return status;
	}
	return counters_trim(&logs->counters, clock_wall(&clock_system), error);
}

static bool has_counters(const struct list *batch)
{
	for (const struct item *item = batch->first; item != NULL; item = item->next) {
		enum link_kind kind;
		struct cursor body;
		struct link_events_header header;
		struct link_event event;
		if (!item->is_packet || link_decode(item->data, item->size, &kind, &body) != 0 ||
		        link_decode_events(&body, &header) != 0) {
			continue;
		}
		while (link_decode_event(&body, &event) == 1) {
			if (event.kind >= EVENT_CLIENT) {
				return true;
			}
		}
	}
	return false;
}

/* A kind's files of days before `before` go, with what SQLite keeps beside them. */
static void purge_files(struct logs *logs, const int64_t before[LOG_KIND_COUNT])
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	DIR *entries = opendir(logs->folder);
	if (entries == NULL) {
		log_error("logs", "purge: %s", sk_strerror(-errno));
		return;
	}
	for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
		enum log_kind kind;
		int64_t day;
		if (log_file_parse(entry->d_name, &kind, &day) != 0 ||
		        day >= before[kind] / LOG_DAY_MS) {
			continue;
		}
		for (size_t i = logs->file_count; i > 0; i--) {
			if (logs->files[i - 1].kind == kind && logs->files[i - 1].day == day) {
				close_file(logs, i - 1);
			}
		}
		for (size_t i = 0; i < SK_COUNT(ends); i++) {
			char path[LOG_PATH_MAX + 80];
			snprintf(path, sizeof(path), "%s/%.64s%s", logs->folder, entry->d_name,
			        ends[i]);
			if (unlink(path) != 0 && errno != ENOENT) {
				log_error("logs", "purge: %s", sk_strerror(-errno));
			}
		}
		log_info("logs", "purged %.64s", entry->d_name);
	}
	closedir(entries);
}

static void wait_until(struct logs *logs, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&logs->wake, &logs->lock, &until);
}

/* Waits (with the lock) until there is a batch, a purge or the end. */
static void wait_for_work(struct logs *logs)
{
	while (!logs->stop && !logs->purge) {
		if (logs->queued_bytes == 0) {
			pthread_cond_wait(&logs->wake, &logs->lock);
			continue;
		}
		int64_t left = logs->first_put + logs->batch_ms - database_now();
		if (left <= 0 || logs->queued_bytes >= BATCH_BYTES_MAX) {
			return;
		}
		wait_until(logs, left);
	}
}

static void set_error(struct logs *logs, const struct error *error)
{
	pthread_mutex_lock(&logs->lock);
	bool changed = strcmp(logs->status.error, error->text) != 0;
	memcpy(logs->status.error, error->text, sizeof(logs->status.error));
	pthread_mutex_unlock(&logs->lock);
	if (changed && error->text[0] != '\0') {
		log_error("logs", "cannot write: %s", error->text);
	} else if (changed) {
		log_info("logs", "writing again");
	}
}

/* Writes the batch, again and again until it is written; once when the end has come. */
static void write_batch(struct logs *logs, struct list *batch, bool counters)
{
	bool logs_written = false;
	for (;;) {
		struct error error = {0};
		int status = logs_written ? 0 : write_logs(logs, batch, &error);
		if (status == 0) {
			logs_written = true;
			status = counters ? write_counters(logs, batch, &error) : 0;
		}
		set_error(logs, &error);
		if (status == 0) {
			return;
		}
		pthread_mutex_lock(&logs->lock);
		bool stop = logs->stop;
		if (!stop) {
			wait_until(logs, logs->retry_ms);
		}
		pthread_mutex_unlock(&logs->lock);
		if (stop) {
			return;
		}
	}
}

static void *run(void *context)
{
	struct logs *logs = context;
	for (;;) {
		pthread_mutex_lock(&logs->lock);
		wait_for_work(logs);
		bool stop = logs->stop, purge = logs->purge;
		int64_t before[LOG_KIND_COUNT];
		memcpy(before, logs->purge_before, sizeof(before));
		logs->purge = false;
		struct list batch = logs->waiting;
		if (batch.first == NULL) {
			list_clear(&batch);
		}
		size_t bytes = logs->queued_bytes;
		list_clear(&logs->waiting);
		logs->queued_bytes = 0;
		pthread_mutex_unlock(&logs->lock);

		if (batch.first != NULL) {
			write_batch(logs, &batch, has_counters(&batch));
		}
		list_free(&batch);
		if (purge) {
			purge_files(logs, before);
		}
		pthread_mutex_lock(&logs->lock);
		logs->waiting_bytes -= bytes;
		pthread_mutex_unlock(&logs->lock);
		if (stop) {
			return NULL;
		}
	}
}

static int init_locks(struct logs *logs)
{
	pthread_condattr_t attributes;
	if (pthread_condattr_init(&attributes) != 0) {
		return -ENOMEM;
	}
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	int failed = pthread_cond_init(&logs->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (failed == 0 && pthread_mutex_init(&logs->lock, NULL) != 0) {
		pthread_cond_destroy(&logs->wake);
		failed = 1;
	}
	return failed != 0 ? -ENOMEM : 0;
}

int logs_start(const struct logs_options *options, struct logs **ret_logs, struct error *error)
{
	struct logs *logs = mem_new(1, sizeof(*logs));
	if (logs == NULL) {
		return error_set_code(error, -ENOMEM, "logs");
	}
	snprintf(logs->folder, sizeof(logs->folder), "%s", options->folder);
	snprintf(logs->counters_path, sizeof(logs->counters_path), "%s", options->counters_path);
	logs->batch_ms = options->batch_ms;
	logs->retry_ms = options->retry_ms;
	/* A number of its own for this life, so that keys of the same millisecond differ. */
	logs->number = (uint32_t)(clock_wall(&clock_system) ^ (int64_t)getpid() << 8);
	list_clear(&logs->waiting);
	if (init_locks(logs) != 0) {
		mem_free(logs);
		return error_set_code(error, -ENOMEM, "logs");
	}
	/* Readers must find the file; when it cannot be made now, the thread tries again. */
	struct error reason = {0};
	logs->counters_open = counters_open(logs->counters_path, &logs->counters, &reason) == 0;
	int failed = pthread_create(&logs->thread, NULL, run, logs);
	if (failed != 0) {
		if (logs->counters_open) {
			counters_close(&logs->counters);
		}
		pthread_mutex_destroy(&logs->lock);
		pthread_cond_destroy(&logs->wake);
		mem_free(logs);
		return error_set_code(error, -failed, "log thread");
	}
	*ret_logs = logs;
	return 0;
}

void logs_stop(struct logs *logs)
{
	if (logs == NULL) {
		return;
	}
	pthread_mutex_lock(&logs->lock);
	logs->stop = true;
	pthread_cond_signal(&logs->wake);
	pthread_mutex_unlock(&logs->lock);
	pthread_join(logs->thread, NULL);
	while (logs->file_count > 0) {
		close_file(logs, 0);
	}
	if (logs->counters_open) {
		counters_close(&logs->counters);
	}
	list_free(&logs->waiting);
	pthread_cond_destroy(&logs->wake);
	pthread_mutex_destroy(&logs->lock);
	mem_free(logs);
}
