#include "backend/store/rules.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/siphash.h"

/* A rule counts when it stands alone or its batch is live, and nothing that replaces hides it. */
#define FLOOR "(SELECT ifnull(max(floor), 0) FROM batches WHERE state = 1)"
#define VISIBLE                                                                                    \
	"(r.batch = 0 OR EXISTS(SELECT 1 FROM batches b WHERE b.id = r.batch AND b.state = 1))"    \
	" AND r.id >= " FLOOR

enum {
	RULES_ADD,
	RULES_UPDATE,
	RULES_DELETE,
	RULES_BURY,
	RULES_FORGET_HITS,
	RULES_GET,
	RULES_SAME,
	RULES_ADD_DIGEST,
	RULES_CHANGED,
	RULES_CHANGED_BATCH,
	RULES_REMOVED,
	RULES_UNDONE,
	RULES_TOUCHED,
	OBJECTS_TOUCHED,
	REMOVED_TRIM,
	RULES_COUNT
};

const char *const store_rules_sql[] = {
        [RULES_ADD] = "INSERT INTO rules(list, kind, pattern, targets, enabled, comment, expires,"
                      " created, changed, problem, batch, revision)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        [RULES_UPDATE] = "UPDATE rules SET list = ?1, kind = ?2, pattern = ?3, targets = ?4,"
                         " enabled = ?5, comment = ?6, expires = ?7, changed = ?9,"
                         " problem = ?10, revision = ?12 WHERE id = ?13",
        [RULES_DELETE] = "DELETE FROM rules AS r WHERE r.id = ?1 AND " VISIBLE,
        [RULES_BURY] = "INSERT OR REPLACE INTO removed VALUES(?1, ?2, ?3)",
        [RULES_FORGET_HITS] = "DELETE FROM hits WHERE list IN (0, 1) AND id = ?1",
        [RULES_GET] = "SELECT " RULE_COLUMNS ", ifnull(h.hits, 0), ifnull(h.last, 0)"
                      " FROM rules r LEFT JOIN hits h ON h.list = r.list AND h.id = r.id"
                      " WHERE r.id = ?1 AND " VISIBLE,
        [RULES_SAME] = "SELECT " RULE_COLUMNS " FROM digests d JOIN rules r ON r.id = d.id"
                       " WHERE d.digest = ?1 AND r.id <> ?2 AND r.id >= ?3 AND " VISIBLE,
        [RULES_ADD_DIGEST] = "INSERT OR IGNORE INTO digests VALUES(?1, ?2)",
        [RULES_CHANGED] = "SELECT " RULE_COLUMNS " FROM rules r INDEXED BY rules_revision"
                          " WHERE r.revision > 0 AND r.revision > ?1 AND " VISIBLE " ORDER BY r.id",
        [RULES_CHANGED_BATCH] =
                "SELECT " RULE_COLUMNS " FROM batches c CROSS JOIN rules r"
                " INDEXED BY rules_batch ON r.batch = c.id AND r.batch > 0 WHERE c.revision > ?1"
                " AND c.state = 1 AND r.revision <= ?1 AND r.id >= " FLOOR " ORDER BY r.id",
        [RULES_REMOVED] = "SELECT id FROM removed WHERE object = ?2 AND revision > ?1",
        [RULES_UNDONE] = "SELECT r.id FROM batches c CROSS JOIN rules r INDEXED BY"
                         " rules_batch ON r.batch = c.id AND"
                         " r.batch > 0 WHERE c.revision > ?1 AND c.state = 2",
        [RULES_TOUCHED] = "SELECT id FROM rules INDEXED BY rules_revision"
                          " WHERE revision > 0 AND revision > ?1",
        [OBJECTS_TOUCHED] = "SELECT id FROM objects WHERE revision > ?1",
        [REMOVED_TRIM] = "DELETE FROM removed WHERE revision <= ?1",
        [RULES_COUNT] = "SELECT count(*), ifnull(sum(r.kind = 2 AND r.enabled), 0) FROM rules r"
                        " WHERE " VISIBLE,
        NULL,
};

const char *const store_reader_sql[] = {
        [READER_META] = "SELECT value FROM meta WHERE name = ?1",
        [READER_SCAN] = "SELECT " RULE_COLUMNS ", ifnull(h.hits, 0), ifnull(h.last, 0)"
                        " FROM rules r LEFT JOIN hits h ON h.list = r.list AND h.id = r.id"
                        " WHERE r.id < ?1 AND " VISIBLE " ORDER BY r.id DESC",
        [READER_EACH] = "SELECT " RULE_COLUMNS " FROM rules r WHERE (r.batch = 0 OR r.batch = ?1"
                        " OR EXISTS(SELECT 1 FROM batches b WHERE b.id = r.batch"
                        " AND b.state = 1)) AND (r.batch <> ?2 OR r.batch = 0)"
                        " AND r.id >= (SELECT ifnull(max(floor), 0) FROM batches"
                        " WHERE (state = 1 OR id = ?1) AND id <> ?2) ORDER BY r.id",
        [READER_OBJECTS_SCAN] = "SELECT " OBJECT_COLUMNS " FROM objects WHERE id < ?1"
                                " ORDER BY id DESC",
        [READER_OBJECTS_EACH] = "SELECT " OBJECT_COLUMNS " FROM objects ORDER BY id",
        NULL,
};

void rule_row_read(sqlite3_stmt *statement, struct rule_row *ret_row)
{
	*ret_row = (struct rule_row){
	        .id = sqlite3_column_int64(statement, 0),
	        .list = sqlite3_column_int(statement, 1),
	        .kind = sqlite3_column_int(statement, 2),
	        .pattern = database_text(statement, 3, NULL),
	        .targets = database_text(statement, 4, NULL),
	        .enabled = sqlite3_column_int(statement, 5) != 0,
	        .comment = database_text(statement, 6, NULL),
	        .expires = sqlite3_column_int64(statement, 7),
	        .created = sqlite3_column_int64(statement, 8),
	        .changed = sqlite3_column_int64(statement, 9),
	        .problem = database_text(statement, 10, NULL),
	        .batch = sqlite3_column_int64(statement, 11),
	        .revision = sqlite3_column_int64(statement, 12),
	};
}

/* Not secret: only administrators state rules. */
int64_t rules_digest(const struct rule_row *row)
{
	static const struct siphash_key key = {0x73656b6973686f31, 0x72756c6573000001};
	struct siphash state;
	unsigned char head[2] = {(unsigned char)row->list, (unsigned char)row->kind};
	siphash_init(&state, &key);
	siphash_update(&state, head, sizeof(head));
	siphash_update(&state, row->pattern, strlen(row->pattern) + 1);
	siphash_update(&state, row->targets, strlen(row->targets));
	return (int64_t)siphash_finish(&state).low;
}

int rules_check_same(struct store *store, const struct rule_row *row, int64_t digest, int64_t floor,
        struct error *error)
{
	sqlite3_stmt *same = store->statements[STORE_RULES][RULES_SAME];
	sqlite3_bind_int64(same, 1, digest);
	sqlite3_bind_int64(same, 2, row->id);
	sqlite3_bind_int64(same, 3, floor);
	int status;
	while ((status = database_row(&store->database, same, error)) == 1) {
		struct rule_row other;
		rule_row_read(same, &other);
		if (other.list == row->list && other.kind == row->kind &&
		        strcmp(other.pattern, row->pattern) == 0 &&
		        strcmp(other.targets, row->targets) == 0) {
			int64_t id = other.id;
			sqlite3_reset(same);
			return error_set(
			        error, SK_E_EXISTS, "rule %lld says the same", (long long)id);
		}
	}
	return status;
}

static void bind_row(sqlite3_stmt *statement, const struct rule_row *row)
{
	sqlite3_bind_int(statement, 1, row->list);
	sqlite3_bind_int(statement, 2, row->kind);
	database_bind_text(statement, 3, row->pattern);
	database_bind_text(statement, 4, row->targets);
	sqlite3_bind_int(statement, 5, row->enabled);
	database_bind_text(statement, 6, row->comment);
	sqlite3_bind_int64(statement, 7, row->expires);
	sqlite3_bind_int64(statement, 8, row->created);
	sqlite3_bind_int64(statement, 9, row->changed);
	database_bind_text(statement, 10, row->problem);
	sqlite3_bind_int64(statement, 11, row->batch);
	sqlite3_bind_int64(statement, 12, row->revision);
}

int rules_add_digest(struct store *store, int64_t digest, int64_t id, struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_RULES][RULES_ADD_DIGEST];
	sqlite3_bind_int64(add, 1, digest);
	sqlite3_bind_int64(add, 2, id);
	return database_run(&store->database, add, error);
}

int rules_add_row(
        struct store *store, const struct rule_row *row, int64_t *ret_id, struct error *error)
{
	sqlite3_stmt *add = store->statements[STORE_RULES][RULES_ADD];
	bind_row(add, row);
	int status = database_run(&store->database, add, error);
	if (status == 0) {
		*ret_id = sqlite3_last_insert_rowid(store->database.handle);
	}
	return status;
}

int rules_add(struct store *store, const struct rule_row *row, int64_t *ret_id, struct error *error)
{
	int64_t digest = rules_digest(row), id = 0;
	int status = rules_check_same(store, row, digest, 0, error);
	if (status == 0) {
		status = rules_add_row(store, row, &id, error);
	}
	if (status == 0) {
		status = rules_add_digest(store, digest, id, error);
	}
	if (status == 0) {
		*ret_id = id;
	}
	return status;
}

int rules_update(struct store *store, const struct rule_row *row, struct error *error)
{
	int64_t digest = rules_digest(row);
	int status = rules_check_same(store, row, digest, 0, error);
	if (status != 0) {
		return status;
	}
	sqlite3_stmt *update = store->statements[STORE_RULES][RULES_UPDATE];
	bind_row(update, row);
	sqlite3_bind_int64(update, 13, row->id);
	status = database_run(&store->database, update, error);
	if (status == 0 && sqlite3_changes(store->database.handle) == 0) {
		return error_set(error, SK_E_NOT_FOUND, "rule %lld", (long long)row->id);
	}
	return status == 0 ? rules_add_digest(store, digest, row->id, error) : status;
}

int rules_remove(struct store *store, int64_t id, struct error *error)
{
	sqlite3_stmt *delete = store->statements[STORE_RULES][RULES_DELETE];
	sqlite3_bind_int64(delete, 1, id);
	int status = database_run(&store->database, delete, error);
	if (status != 0) {
		return status;
	}
	if (sqlite3_changes(store->database.handle) == 0) {
		return error_set(error, SK_E_NOT_FOUND, "rule %lld", (long long)id);
	}
	sqlite3_stmt *bury = store->statements[STORE_RULES][RULES_BURY];
	sqlite3_bind_int(bury, 1, 0);
	sqlite3_bind_int64(bury, 2, id);
	sqlite3_bind_int64(bury, 3, store->meta[META_REVISION]);
	status = database_run(&store->database, bury, error);
	if (status == 0) {
		sqlite3_stmt *forget = store->statements[STORE_RULES][RULES_FORGET_HITS];
		sqlite3_bind_int64(forget, 1, id);
		status = database_run(&store->database, forget, error);
	}
	return status;
}

/* The row and its texts in one allocation. */
static struct rule_row *copy_row(const struct rule_row *row)
{
	const char *texts[] = {row->pattern, row->targets, row->comment, row->problem};
	size_t sizes[SK_COUNT(texts)], total = sizeof(*row);
	for (size_t i = 0; i < SK_COUNT(texts); i++) {
		sizes[i] = strlen(texts[i]) + 1;
		total += sizes[i];
	}
	struct rule_row *copy = mem_new(1, total);
	if (copy == NULL) {
		return NULL;
	}
	*copy = *row;
	char *at = (char *)(copy + 1);
	const char **targets[] = {&copy->pattern, &copy->targets, &copy->comment, &copy->problem};
	for (size_t i = 0; i < SK_COUNT(texts); i++) {
		memcpy(at, texts[i], sizes[i]);
		*targets[i] = at;
		at += sizes[i];
	}
	return copy;
}

int rules_get(struct store *store, int64_t id, struct rule_row **ret_row, struct error *error)
{
	sqlite3_stmt *get = store->statements[STORE_RULES][RULES_GET];
	sqlite3_bind_int64(get, 1, id);
	int status = database_row(&store->database, get, error);
	if (status != 1) {
		return status != 0 ? status : error_set(error, SK_E_NOT_FOUND, "rule");
	}
	struct rule_row row;
	rule_row_read(get, &row);
	row.hits = sqlite3_column_int64(get, 13);
	row.last_hit = sqlite3_column_int64(get, 14);
	struct rule_row *copy = copy_row(&row);
	sqlite3_reset(get);
	if (copy == NULL) {
		return error_set_code(error, -ENOMEM, "rule");
	}
	*ret_row = copy;
	return 0;
}

static int visit_rows(struct database *database, sqlite3_stmt *statement, rule_visit_fn *visit,
        void *context, struct error *error)
{
	int status;
	while ((status = database_row(database, statement, error)) == 1) {
		struct rule_row row;
		rule_row_read(statement, &row);
		int stop = visit(context, &row);
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}

int rules_each_changed(struct store *store, int64_t revision, rule_visit_fn *visit, void *context,
        struct error *error)
{
	static const int statements[] = {RULES_CHANGED, RULES_CHANGED_BATCH};
	for (size_t i = 0; i < SK_COUNT(statements); i++) {
		sqlite3_stmt *statement = store->statements[STORE_RULES][statements[i]];
		sqlite3_bind_int64(statement, 1, revision);
		int status = visit_rows(&store->database, statement, visit, context, error);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

static int visit_ids(struct store *store, sqlite3_stmt *statement, removed_visit_fn *visit,
        void *context, struct error *error)
{
	int status;
	while ((status = database_row(&store->database, statement, error)) == 1) {
		int stop = visit(context, sqlite3_column_int64(statement, 0));
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}

int removed_each(struct store *store, bool object, int64_t revision, removed_visit_fn *visit,
        void *context, struct error *error)
{
	int touched = object ? OBJECTS_TOUCHED : RULES_TOUCHED;
	int statements[] = {RULES_REMOVED, touched, RULES_UNDONE};
	size_t count = object ? 2 : 3;
	for (size_t i = 0; i < count; i++) {
		sqlite3_stmt *statement = store->statements[STORE_RULES][statements[i]];
		sqlite3_bind_int64(statement, 1, revision);
		if (statements[i] == RULES_REMOVED) {
			sqlite3_bind_int(statement, 2, object);
		}
		int status = visit_ids(store, statement, visit, context, error);
		if (status != 0) {
			return status;
		}
	}
	return 0;
}

int rules_count(struct store *store, int64_t *ret_rules, int64_t *ret_keywords, struct error *error)
{
	sqlite3_stmt *count = store->statements[STORE_RULES][RULES_COUNT];
	int status = database_row(&store->database, count, error);
	if (status == 1) {
		*ret_rules = sqlite3_column_int64(count, 0);
		*ret_keywords = sqlite3_column_int64(count, 1);
		sqlite3_reset(count);
		return 0;
	}
	return status != 0 ? status : error_set(error, SK_E_INTERNAL, "no count");
}

int removed_trim(struct store *store, int64_t revision, struct error *error)
{
	sqlite3_stmt *trim = store->statements[STORE_RULES][REMOVED_TRIM];
	sqlite3_bind_int64(trim, 1, revision);
	return database_run(&store->database, trim, error);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool text_contains(const char *text, size_t length, const char *needle)
{
	size_t size = strlen(needle);
	if (size == 0) {
		return true;
	}
	for (size_t i = 0; i + size <= length; i++) {
		size_t j = 0;
		while (j < size && lower(text[i + j]) == needle[j]) {
			j++;
		}
		if (j == size) {
			return true;
		}
	}
	return false;
}

static bool fits(const struct rule_row *row, const struct rule_filter *filter)
{
	if ((filter->list >= 0 && row->list != filter->list) ||
	        (filter->enabled >= 0 && row->enabled != (filter->enabled == 1))) {
		return false;
	}
	return filter->search == NULL ||
	       text_contains(row->pattern, strlen(row->pattern), filter->search) ||
	       text_contains(row->comment, strlen(row->comment), filter->search);
}

int rules_scan(struct store_reader *reader, int64_t before, const struct rule_filter *filter,
        int64_t deadline, rule_visit_fn *visit, void *context, int64_t *ret_next,
        struct error *error)
{
	sqlite3_stmt *scan = reader->statements[READER_SCAN];
	sqlite3_bind_int64(scan, 1, before);
	int status;
	unsigned rows = 0;
	while ((status = database_row(&reader->database, scan, error)) == 1) {
		struct rule_row row;
		rule_row_read(scan, &row);
		row.hits = sqlite3_column_int64(scan, 13);
		row.last_hit = sqlite3_column_int64(scan, 14);
		int stop = fits(&row, filter) ? visit(context, &row) : 0;
		if (stop != 0 || (++rows % 128 == 0 && database_now() >= deadline)) {
			*ret_next = stop == VISIT_AGAIN ? row.id + 1 : row.id;
			sqlite3_reset(scan);
			return 1;
		}
	}
	return status;
}

int rules_each(struct store_reader *reader, const struct rule_view *view, rule_visit_fn *visit,
        void *context, struct error *error)
{
	sqlite3_stmt *each = reader->statements[READER_EACH];
	sqlite3_bind_int64(each, 1, view->include);
	sqlite3_bind_int64(each, 2, view->exclude);
	return visit_rows(&reader->database, each, visit, context, error);
}

int reader_meta(
        struct store_reader *reader, enum store_meta meta, int64_t *ret_value, struct error *error)
{
	sqlite3_stmt *get = reader->statements[READER_META];
	sqlite3_bind_int64(get, 1, meta);
	int status = database_row(&reader->database, get, error);
	if (status == 1) {
		*ret_value = sqlite3_column_int64(get, 0);
		sqlite3_reset(get);
		return 0;
	}
	return status != 0 ? status : error_set(error, SK_E_CORRUPT, "config.db: no meta");
}
