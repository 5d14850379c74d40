#include "backend/store/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/store/rules.h"
#include "backend/store/schema.h"
#include "lib/base/mem.h"

static const char *const names[LOG_KIND_COUNT] = {"blocked", "access", "service"};

static const char *const insert_sql[] = {
        "INSERT OR IGNORE INTO log VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
        " ?14, ?15)",
        "INSERT OR IGNORE INTO log VALUES(?1, ?2, ?3, ?4)",
};

const char *log_kind_name(enum log_kind kind)
{
	return names[kind];
}

int log_file_path(const char *folder, enum log_kind kind, int64_t day, char ret_path[LOG_PATH_MAX])
{
	char date[CLOCK_TEXT_SIZE];
	clock_format(day * LOG_DAY_MS, date);
	int length = snprintf(ret_path, LOG_PATH_MAX, "%s/%s-%.10s.db", folder, names[kind], date);
	return length < LOG_PATH_MAX ? 0 : SK_E_LIMIT;
}

int log_file_parse(const char *name, enum log_kind *ret_kind, int64_t *ret_day)
{
	for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
		size_t size = strlen(names[kind]);
		if (strncmp(name, names[kind], size) != 0 || name[size] != '-' ||
		        strlen(name) != size + 1 + 10 + 3 || strcmp(name + size + 11, ".db") != 0) {
			continue;
		}
		char date[11] = "";
		memcpy(date, name + size + 1, 10);
		int64_t wall;
		if (clock_parse(date, &wall) != 0) {
			return SK_E_SYNTAX;
		}
		*ret_kind = (enum log_kind)kind;
		*ret_day = wall / LOG_DAY_MS;
		return 0;
	}
	return SK_E_SYNTAX;
}

int log_file_open(const char *folder, enum log_kind kind, int64_t day, struct log_file *ret_file,
        struct error *error)
{
	char path[LOG_PATH_MAX];
	int status = log_file_path(folder, kind, day, path);
	if (status != 0) {
		return error_set_code(error, status, "log");
	}
	struct log_file file = {.kind = kind, .day = day};
	bool service = kind == LOG_SERVICE;
	status = database_open(path, names[kind], service ? &schema_service_log : &schema_query_log,
	        DATABASE_WRITE_NORMAL, &file.database, error);
	if (status == 0) {
		status = database_prepare(
		        &file.database, &insert_sql[service], 1, &file.insert, error);
	}
	if (status != 0) {
		log_file_close(&file);
		return status;
	}
	*ret_file = file;
	return 0;
}

void log_file_close(struct log_file *file)
{
	log_file_rollback(file);
	sqlite3_finalize(file->insert);
	file->insert = NULL;
	database_close(&file->database);
}

static int insert(struct log_file *file, struct error *error)
{
	int status = database_run(&file->database, file->insert, error);
	file->rows += status == 0 ? (uint64_t)sqlite3_changes(file->database.handle) : 0;
	return status;
}

static int begin(struct log_file *file, struct error *error)
{
	if (file->in_transaction) {
		return 0;
	}
	int status = database_begin(&file->database, error);
	file->in_transaction = status == 0;
	file->rows = 0;
	return status;
}

static void bind_word(sqlite3_stmt *statement, int index, const struct event_text *text)
{
	if (text->length == 0) {
		sqlite3_bind_null(statement, index);
	} else {
		sqlite3_bind_text(statement, index, text->data, text->length, SQLITE_STATIC);
	}
}

int log_file_add_query(
        struct log_file *file, int64_t key, const struct event_query *query, struct error *error)
{
	int status = begin(file, error);
	if (status != 0) {
		return status;
	}
	sqlite3_stmt *add = file->insert;
	sqlite3_bind_int64(add, 1, key);
	sqlite3_bind_text(add, 2, query->url.data, query->url.length, SQLITE_STATIC);
	sqlite3_bind_blob(add, 3, query->client.bytes, query->client.family == ADDRESS_V6 ? 16 : 4,
	        SQLITE_STATIC);
	sqlite3_bind_int(add, 4, query->score);
	sqlite3_bind_int(add, 5, query->source);
	sqlite3_bind_int(add, 6, query->action);
	sqlite3_bind_int(add, 7, query->cnc_level);
	sqlite3_bind_int(add, 8, query->cnc_source);
	sqlite3_bind_int64(add, 9, (int64_t)query->categories);
	sqlite3_bind_int64(add, 10, query->entry_id);
	bind_word(add, 11, &query->client_guid);
	bind_word(add, 12, &query->server_guid);
	bind_word(add, 13, &query->computer);
	bind_word(add, 14, &query->domain);
	bind_word(add, 15, &query->product);
	return insert(file, error);
}

int log_file_add_service(struct log_file *file, int64_t key, int service, bool success,
        const char *description, struct error *error)
{
	int status = begin(file, error);
	if (status != 0) {
		return status;
	}
	sqlite3_stmt *add = file->insert;
	sqlite3_bind_int64(add, 1, key);
	sqlite3_bind_int(add, 2, service);
	sqlite3_bind_int(add, 3, success);
	database_bind_text(add, 4, description);
	return insert(file, error);
}

int log_file_commit(struct log_file *file, struct error *error)
{
	if (!file->in_transaction) {
		return 0;
	}
	file->in_transaction = false;
	return database_commit(&file->database, error);
}

void log_file_rollback(struct log_file *file)
{
	file->in_transaction = false;
	database_rollback(&file->database);
}

/* ---- searching ---- */

static const char *const query_search_sql[] = {
        "SELECT id, url, client, score, source, action, cnc_level, cnc_source, categories, entry,"
        " client_guid, server_guid, computer, domain, product FROM log"
        " WHERE id >= ?1 AND id < ?2 ORDER BY id DESC"};
static const char *const service_search_sql[] = {"SELECT id, service, result, description FROM log"
                                                 " WHERE id >= ?1 AND id < ?2 ORDER BY id DESC"};

static void read_query(sqlite3_stmt *row, struct log_entry *ret_entry)
{
	*ret_entry = (struct log_entry){.key = sqlite3_column_int64(row, 0),
	        .url = database_text(row, 1, NULL),
	        .score = sqlite3_column_int(row, 3),
	        .source = sqlite3_column_int(row, 4),
	        .action = sqlite3_column_int(row, 5),
	        .cnc_level = sqlite3_column_int(row, 6),
	        .cnc_source = sqlite3_column_int(row, 7),
	        .categories = (uint64_t)sqlite3_column_int64(row, 8),
	        .entry = sqlite3_column_int64(row, 9),
	        .client_guid = database_text(row, 10, NULL),
	        .server_guid = database_text(row, 11, NULL),
	        .computer = database_text(row, 12, NULL),
	        .domain = database_text(row, 13, NULL),
	        .product = database_text(row, 14, NULL)};
	const void *bytes = sqlite3_column_blob(row, 2);
	int size = sqlite3_column_bytes(row, 2);
	if (bytes != NULL && (size == 4 || size == 16)) {
		ret_entry->client.family = size == 4 ? ADDRESS_V4 : ADDRESS_V6;
		memcpy(ret_entry->client.bytes, bytes, (size_t)size);
	}
}

static bool query_fits(const struct log_search *search, const struct log_entry *entry)
{
	if (search->sources != 0 || search->cnc_sources != 0) {
		bool source = (search->sources >> entry->source & 1) != 0;
		bool cnc =
		        entry->cnc_level > 0 && (search->cnc_sources >> entry->cnc_source & 1) != 0;
		if (!source && !cnc) {
			return false;
		}
	}
	if (search->keyword == NULL) {
		return true;
	}
	char address[ADDRESS_TEXT_SIZE];
	size_t length = address_format(&entry->client, address);
	const char *texts[] = {entry->url, entry->client_guid, entry->server_guid, entry->computer,
	        entry->domain, entry->product};
	for (size_t i = 0; i < SK_COUNT(texts); i++) {
		if (text_contains(texts[i], strlen(texts[i]), search->keyword)) {
			return true;
		}
	}
	return text_contains(address, length, search->keyword);
}

static bool entry_of(
        const struct log_search *search, sqlite3_stmt *row, struct log_entry *ret_entry)
{
	bool fit;
	if (search->kind == LOG_SERVICE) {
		*ret_entry = (struct log_entry){.key = sqlite3_column_int64(row, 0),
		        .service = sqlite3_column_int(row, 1),
		        .success = sqlite3_column_int(row, 2) != 0,
		        .description = database_text(row, 3, NULL)};
		fit = (search->service < 0 || search->service == ret_entry->service) &&
		      (search->result < 0 || search->result == ret_entry->success);
	} else {
		read_query(row, ret_entry);
		fit = query_fits(search, ret_entry);
	}
	ret_entry->time = ret_entry->key >> LOG_KEY_BITS;
	return fit;
}

/* A key has room for times up to the year 2248. */
static int64_t clamp_time(int64_t time)
{
	const int64_t maximum = (INT64_MAX >> LOG_KEY_BITS) - 1;
	return time < 0 ? 0 : time > maximum ? maximum : time;
}

/* One day. 1 stopped (where: ret_next), 0 at the end of the day. */
static int search_file(struct database *database, sqlite3_stmt *statement,
        const struct log_search *search, int64_t deadline, log_visit_fn *visit, void *context,
        int64_t *ret_next, bool *ret_timed_out, struct error *error)
{
	int64_t low = clamp_time(search->from) << LOG_KEY_BITS;
	int64_t high = (clamp_time(search->to) + 1) << LOG_KEY_BITS;
	sqlite3_bind_int64(statement, 1, low);
	sqlite3_bind_int64(statement, 2, high < search->before ? high : search->before);
	unsigned rows = 0;
	int status;
	while ((status = database_row(database, statement, error)) == 1) {
		struct log_entry entry;
		int stop = entry_of(search, statement, &entry) ? visit(context, &entry) : 0;
		*ret_timed_out = stop == 0 && ++rows % 64 == 0 && database_now() >= deadline;
		if (stop != 0 || *ret_timed_out) {
			*ret_next = stop == VISIT_AGAIN ? entry.key + 1 : entry.key;
			sqlite3_reset(statement);
			return 1;
		}
	}
	return status;
}

static int search_day(const char *folder, const struct log_search *search, int64_t day,
        int64_t deadline, log_visit_fn *visit, void *context, int64_t *ret_next,
        bool *ret_timed_out, struct error *error)
{
	char path[LOG_PATH_MAX];
	int status = log_file_path(folder, search->kind, day, path);
	if (status != 0) {
		return error_set_code(error, status, "log");
	}
	bool service = search->kind == LOG_SERVICE;
	struct database database;
	sqlite3_stmt *statement = NULL;
	status = database_open(path, names[search->kind],
	        service ? &schema_service_log : &schema_query_log, DATABASE_READ, &database, error);
	if (status != 0) {
		/* Purged meanwhile, or not yet written to: nothing there. */
		bool absent = access(path, F_OK) != 0 || status == SK_E_VERSION;
		return absent ? 0 : status;
	}
	status = database_prepare(
	        &database, service ? service_search_sql : query_search_sql, 1, &statement, error);
	if (status == 0) {
		status = search_file(&database, statement, search, deadline, visit, context,
		        ret_next, ret_timed_out, error);
	}
	sqlite3_finalize(statement);
	database_close(&database);
	return status;
}

static int compare_days(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x < y) - (x > y);
}

/* The days that there are of a kind, newest first, in one allocation. */
static int list_days(const char *folder, enum log_kind kind, int64_t **ret_days, size_t *ret_count)
{
	DIR *entries = opendir(folder);
	if (entries == NULL) {
		return -errno;
	}
	int64_t *days = NULL;
	size_t count = 0;
	int status = 0;
	for (struct dirent *entry; status == 0 && (entry = readdir(entries)) != NULL;) {
		enum log_kind found;
		int64_t day;
		if (log_file_parse(entry->d_name, &found, &day) != 0 || found != kind) {
			continue;
		}
		int64_t *more =
		        count % 64 != 0 ? days : mem_resize(days, count + 64, sizeof(*days));
		if (more == NULL) {
			status = -ENOMEM;
			break;
		}
		days = more;
		days[count++] = day;
	}
	closedir(entries);
	if (status != 0) {
		mem_free(days);
		return status;
	}
	if (count > 0) {
		qsort(days, count, sizeof(*days), compare_days);
	}
	*ret_days = days;
	*ret_count = count;
	return 0;
}

int log_search(const char *folder, const struct log_search *search, int64_t deadline,
        log_visit_fn *visit, void *context, int64_t *ret_next, bool *ret_timed_out,
        struct error *error)
{
	int64_t *days = NULL;
	size_t count = 0;
	int status = list_days(folder, search->kind, &days, &count);
	if (status != 0) {
		return error_set_code(error, status, "%s", folder);
	}
	int64_t newest = search->to;
	if (search->before >> LOG_KEY_BITS < newest) {
		newest = search->before >> LOG_KEY_BITS;
	}
	*ret_timed_out = false;
	for (size_t i = 0; status == 0 && i < count; i++) {
		if (days[i] > newest / LOG_DAY_MS || days[i] < search->from / LOG_DAY_MS) {
			continue;
		}
		status = search_day(folder, search, days[i], deadline, visit, context, ret_next,
		        ret_timed_out, error);
		if (status == 0 && database_now() >= deadline) {
			*ret_next = (days[i] * LOG_DAY_MS) << LOG_KEY_BITS;
			*ret_timed_out = true;
			status = 1;
		}
	}
	mem_free(days);
	return status;
}
