#include "backend/store/counters.h"

#include <string.h>

#include "backend/store/schema.h"

enum {
	ADD_CLIENT,
	ADD_TOTAL,
	ADD_URL,
	TRIM_CLIENT,
	TRIM_TOTAL,
	TRIM_URL_OLD,
	TRIM_URL,
	CUT_CLIENT
};
static const char *const writer_sql[] = {
        [ADD_CLIENT] = "INSERT INTO client VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO"
                       " UPDATE SET queries = queries + excluded.queries,"
                       " bytes = bytes + excluded.bytes,"
                       " detections = detections + excluded.detections,"
                       " blocks = blocks + excluded.blocks",
        [ADD_TOTAL] = "INSERT INTO total VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT"
                      " DO UPDATE SET requests = requests + excluded.requests,"
                      " queries = queries + excluded.queries, listed = listed + excluded.listed,"
                      " blocked = blocked + excluded.blocked, errors = errors + excluded.errors,"
                      " bytes_in = bytes_in + excluded.bytes_in,"
                      " bytes_out = bytes_out + excluded.bytes_out",
        [ADD_URL] = "INSERT INTO top_url VALUES(?1, ?2, ?3)"
                    " ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [TRIM_CLIENT] = "DELETE FROM client WHERE slot < ?1",
        [TRIM_TOTAL] = "DELETE FROM total WHERE slot < ?1",
        [TRIM_URL_OLD] = "DELETE FROM top_url WHERE slot < ?1",
        [TRIM_URL] = "DELETE FROM top_url WHERE slot = ?1 AND url NOT IN (SELECT url FROM top_url"
                     " WHERE slot = ?1 ORDER BY count DESC LIMIT ?2)",
        [CUT_CLIENT] = "DELETE FROM client WHERE slot <= ifnull((SELECT slot FROM client"
                       " ORDER BY slot DESC LIMIT 1 OFFSET ?1), -1)",
};

enum { CLIENTS, TOTALS = CLIENTS + 4, DISTINCT, TOP_URLS };
#define CLIENT_SQL(order)                                                                          \
	"SELECT address, sum(queries) AS queries, sum(bytes) AS bytes,"                            \
	" sum(detections) AS detections, sum(blocks) AS blocks FROM client WHERE slot >= ?1"       \
	" AND slot <= ?2 AND service = ?3 GROUP BY address ORDER BY " order                        \
	" DESC, address LIMIT ?4"
static const char *const reader_sql[] = {
        [CLIENTS + COUNTERS_BY_QUERIES] = CLIENT_SQL("2"),
        [CLIENTS + COUNTERS_BY_BYTES] = CLIENT_SQL("3"),
        [CLIENTS + COUNTERS_BY_DETECTIONS] = CLIENT_SQL("4"),
        [CLIENTS + COUNTERS_BY_BLOCKS] = CLIENT_SQL("5"),
        [TOTALS] = "SELECT ifnull(sum(requests), 0), ifnull(sum(queries), 0),"
                   " ifnull(sum(listed), 0), ifnull(sum(blocked), 0), ifnull(sum(errors), 0),"
                   " ifnull(sum(bytes_in), 0), ifnull(sum(bytes_out), 0) FROM total"
                   " WHERE slot >= ?1 AND slot <= ?2 AND service = ?3",
        [DISTINCT] = "SELECT count(DISTINCT address) FROM client WHERE slot >= ?1 AND slot <= ?2"
                     " AND service = ?3",
        [TOP_URLS] = "SELECT url, sum(count) FROM top_url WHERE slot >= ?1 GROUP BY url"
                     " ORDER BY 2 DESC, url LIMIT ?2",
};

int counters_open(const char *path, struct counters *ret_counters, struct error *error)
{
	struct counters counters = {0};
	int status = database_open(path, "counters.db", &schema_counters, DATABASE_WRITE_NORMAL,
	        &counters.database, error);
	if (status == 0) {
		status = database_prepare(&counters.database, writer_sql, SK_COUNT(writer_sql),
		        counters.statements, error);
	}
	if (status != 0) {
		counters_close(&counters);
		return status;
	}
	*ret_counters = counters;
	return 0;
}

void counters_close(struct counters *counters)
{
	database_finalize(counters->statements, SK_COUNT(counters->statements));
	database_close(&counters->database);
}

/* An address as 4 or 16 bytes. */
static void bind_address(sqlite3_stmt *statement, int index, const struct address *address)
{
	sqlite3_bind_blob(statement, index, address->bytes, address->family == ADDRESS_V6 ? 16 : 4,
	        SQLITE_STATIC);
}

static int add_client(struct counters *counters, const struct event_client *client, int64_t when,
        struct error *error)
{
	sqlite3_stmt *add = counters->statements[ADD_CLIENT];
	sqlite3_bind_int64(add, 1, when / COUNTERS_SLOT_MS);
	sqlite3_bind_int(add, 2, client->service);
	bind_address(add, 3, &client->client);
	sqlite3_bind_int64(add, 4, (int64_t)client->queries);
	sqlite3_bind_int64(add, 5, (int64_t)client->bytes_in);
	sqlite3_bind_int64(add, 6, (int64_t)client->detections);
	sqlite3_bind_int64(add, 7, (int64_t)client->blocks);
	return database_run(&counters->database, add, error);
}

static int add_totals(struct counters *counters, const struct event_totals *totals, int64_t when,
        struct error *error)
{
	sqlite3_stmt *add = counters->statements[ADD_TOTAL];
	const uint64_t values[] = {totals->requests, totals->queries, totals->listed,
	        totals->blocked, totals->errors, totals->bytes_in, totals->bytes_out};
	sqlite3_bind_int64(add, 1, when / COUNTERS_SLOT_MS);
	sqlite3_bind_int(add, 2, totals->service);
	for (size_t i = 0; i < SK_COUNT(values); i++) {
		sqlite3_bind_int64(add, (int)i + 3, (int64_t)values[i]);
	}
	return database_run(&counters->database, add, error);
}

int counters_add(struct counters *counters, const struct link_event *event, int64_t when,
        struct error *error)
{
	if (event->kind == EVENT_CLIENT) {
		return add_client(counters, &event->client, when, error);
	}
	if (event->kind == EVENT_TOTALS) {
		return add_totals(counters, &event->totals, when, error);
	}
	if (event->kind != EVENT_TOP_URL) {
		return 0;
	}
	sqlite3_stmt *add = counters->statements[ADD_URL];
	sqlite3_bind_int64(add, 1, when / COUNTERS_TOP_SLOT_MS);
	sqlite3_bind_text(
	        add, 2, event->top_url.url.data, event->top_url.url.length, SQLITE_STATIC);
	sqlite3_bind_int64(add, 3, event->top_url.count);
	return database_run(&counters->database, add, error);
}

static int trim_step(struct counters *counters, int statement, int64_t first, int64_t second,
        struct error *error)
{
	sqlite3_stmt *trim = counters->statements[statement];
	sqlite3_bind_int64(trim, 1, first);
	if (sqlite3_bind_parameter_count(trim) > 1) {
		sqlite3_bind_int64(trim, 2, second);
	}
	return database_run(&counters->database, trim, error);
}

int counters_trim(struct counters *counters, int64_t now, struct error *error)
{
	int64_t slot = now / COUNTERS_SLOT_MS;
	if (slot == counters->trimmed_slot) {
		return 0;
	}
	int status = database_begin(&counters->database, error);
	if (status != 0) {
		return status;
	}
	int64_t oldest = (now - COUNTERS_KEEP_MS) / COUNTERS_SLOT_MS;
	int64_t hour = now / COUNTERS_TOP_SLOT_MS;
	const struct {
		int statement;
		int64_t first, second;
	} steps[] = {{TRIM_CLIENT, oldest, 0}, {TRIM_TOTAL, oldest, 0},
	        {TRIM_URL_OLD, (now - COUNTERS_KEEP_MS) / COUNTERS_TOP_SLOT_MS, 0},
	        {TRIM_URL, hour - 1, COUNTERS_TOP_URLS}, {CUT_CLIENT, COUNTERS_CLIENT_ROWS_MAX, 0}};
	for (size_t i = 0; status == 0 && i < SK_COUNT(steps); i++) {
		status = trim_step(
		        counters, steps[i].statement, steps[i].first, steps[i].second, error);
	}
	if (status == 0) {
		status = database_commit(&counters->database, error);
	}
	if (status != 0) {
		database_rollback(&counters->database);
		return status;
	}
	counters->trimmed_slot = slot;
	return 0;
}

int counters_reader_open(const char *path, struct counters_reader *ret_reader, struct error *error)
{
	struct counters_reader reader = {0};
	int status = database_open(
	        path, "counters.db", &schema_counters, DATABASE_READ, &reader.database, error);
	if (status == 0) {
		status = database_prepare(&reader.database, reader_sql, SK_COUNT(reader_sql),
		        reader.statements, error);
	}
	if (status != 0) {
		counters_reader_close(&reader);
		return status;
	}
	*ret_reader = reader;
	return 0;
}

void counters_reader_close(struct counters_reader *reader)
{
	database_finalize(reader->statements, SK_COUNT(reader->statements));
	database_close(&reader->database);
}

static void bind_range(sqlite3_stmt *statement, int service, int64_t from, int64_t to)
{
	sqlite3_bind_int64(statement, 1, from / COUNTERS_SLOT_MS);
	sqlite3_bind_int64(statement, 2, to / COUNTERS_SLOT_MS);
	sqlite3_bind_int(statement, 3, service);
}

static struct address read_address(sqlite3_stmt *statement, int column)
{
	struct address address = {.family = ADDRESS_NONE};
	const void *bytes = sqlite3_column_blob(statement, column);
	int size = sqlite3_column_bytes(statement, column);
	if (bytes != NULL && (size == 4 || size == 16)) {
		address.family = size == 4 ? ADDRESS_V4 : ADDRESS_V6;
		memcpy(address.bytes, bytes, (size_t)size);
	}
	return address;
}

int counters_clients(struct counters_reader *reader, int service, int64_t from, int64_t to,
        enum counters_order order, int limit, counters_client_fn *visit, void *context,
        struct error *error)
{
	sqlite3_stmt *statement = reader->statements[CLIENTS + (int)order];
	bind_range(statement, service, from, to);
	sqlite3_bind_int(statement, 4, limit);
	int status;
	while ((status = database_row(&reader->database, statement, error)) == 1) {
		struct counters_client client = {.address = read_address(statement, 0),
		        .queries = sqlite3_column_int64(statement, 1),
		        .bytes = sqlite3_column_int64(statement, 2),
		        .detections = sqlite3_column_int64(statement, 3),
		        .blocks = sqlite3_column_int64(statement, 4)};
		int stop = visit(context, &client);
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}

int counters_totals(struct counters_reader *reader, int service, int64_t from, int64_t to,
        struct counters_totals *ret_totals, struct error *error)
{
	struct counters_totals totals = {0};
	sqlite3_stmt *statement = reader->statements[TOTALS];
	bind_range(statement, service, from, to);
	int status = database_row(&reader->database, statement, error);
	if (status == 1) {
		int64_t *values[] = {&totals.requests, &totals.queries, &totals.listed,
		        &totals.blocked, &totals.errors, &totals.bytes_in, &totals.bytes_out};
		for (size_t i = 0; i < SK_COUNT(values); i++) {
			*values[i] = sqlite3_column_int64(statement, (int)i);
		}
		sqlite3_reset(statement);
		statement = reader->statements[DISTINCT];
		bind_range(statement, service, from, to);
		status = database_row(&reader->database, statement, error);
	}
	if (status != 1) {
		return status != 0 ? status : error_set(error, SK_E_INTERNAL, "no sum");
	}
	totals.clients = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	*ret_totals = totals;
	return 0;
}

int counters_top_urls(struct counters_reader *reader, int64_t from, int limit,
        counters_url_fn *visit, void *context, struct error *error)
{
	sqlite3_stmt *statement = reader->statements[TOP_URLS];
	sqlite3_bind_int64(statement, 1, from / COUNTERS_TOP_SLOT_MS);
	sqlite3_bind_int(statement, 2, limit);
	int status;
	while ((status = database_row(&reader->database, statement, error)) == 1) {
		int stop = visit(context, database_text(statement, 0, NULL),
		        sqlite3_column_int64(statement, 1));
		if (stop != 0) {
			sqlite3_reset(statement);
			return stop;
		}
	}
	return status;
}
