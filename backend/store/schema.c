#include "backend/store/schema.h"

static const char *const config_migrations[] = {
        "CREATE TABLE meta(name INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
        "INSERT INTO meta VALUES(0,0),(1,0),(2,0),(3,0);"
        "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE rules(id INTEGER PRIMARY KEY AUTOINCREMENT, list INTEGER NOT NULL,"
        " kind INTEGER NOT NULL, pattern TEXT NOT NULL, targets TEXT NOT NULL,"
        " enabled INTEGER NOT NULL, comment TEXT NOT NULL, expires INTEGER NOT NULL,"
        " created INTEGER NOT NULL, changed INTEGER NOT NULL, problem TEXT NOT NULL,"
        " batch INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;"
        "CREATE TABLE digests(digest INTEGER NOT NULL, id INTEGER NOT NULL,"
        " PRIMARY KEY(digest, id)) STRICT, WITHOUT ROWID;"
        "CREATE INDEX rules_revision ON rules(revision) WHERE revision > 0;"
        "CREATE INDEX rules_batch ON rules(batch) WHERE batch > 0;"
        "CREATE TABLE batches(id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
        " floor INTEGER NOT NULL, created INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;"
        "CREATE TABLE objects(id INTEGER PRIMARY KEY AUTOINCREMENT, list INTEGER NOT NULL,"
        " kind INTEGER NOT NULL, value TEXT NOT NULL, action INTEGER NOT NULL,"
        " cnc_level INTEGER NOT NULL, comment TEXT NOT NULL, expires INTEGER NOT NULL,"
        " created INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;"
        "CREATE UNIQUE INDEX objects_value ON objects(value, kind, list);"
        "CREATE INDEX objects_revision ON objects(revision);"
        "CREATE TABLE removed(object INTEGER NOT NULL, id INTEGER NOT NULL,"
        " revision INTEGER NOT NULL, PRIMARY KEY(object, id)) STRICT, WITHOUT ROWID;"
        "CREATE INDEX removed_revision ON removed(revision);"
        "CREATE TABLE hits(list INTEGER NOT NULL, id INTEGER NOT NULL, hits INTEGER NOT NULL,"
        " last INTEGER NOT NULL, PRIMARY KEY(list, id)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE patterns(generation INTEGER PRIMARY KEY AUTOINCREMENT,"
        " kind INTEGER NOT NULL, version TEXT NOT NULL, name TEXT NOT NULL,"
        " entries INTEGER NOT NULL, size INTEGER NOT NULL, created INTEGER NOT NULL,"
        " activated INTEGER NOT NULL, active INTEGER NOT NULL, source TEXT NOT NULL,"
        " error TEXT NOT NULL) STRICT;"
        "CREATE TABLE jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL,"
        " state TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL, result TEXT,"
        " error_code TEXT NOT NULL, error_text TEXT NOT NULL) STRICT;",
};

/* The key of a log entry is its time in ms, 20 bits to the left, and a number: in order of time. */
static const char *const query_log_migrations[] = {
        "CREATE TABLE log(id INTEGER PRIMARY KEY, url TEXT NOT NULL, client BLOB NOT NULL,"
        " score INTEGER NOT NULL, source INTEGER NOT NULL, action INTEGER NOT NULL,"
        " cnc_level INTEGER NOT NULL, cnc_source INTEGER NOT NULL, categories INTEGER NOT NULL,"
        " entry INTEGER NOT NULL, client_guid TEXT, server_guid TEXT, computer TEXT,"
        " domain TEXT, product TEXT) STRICT;",
};

static const char *const service_log_migrations[] = {
        "CREATE TABLE log(id INTEGER PRIMARY KEY, service INTEGER NOT NULL,"
        " result INTEGER NOT NULL, description TEXT NOT NULL) STRICT;",
};

/* `slot` counts periods of COUNTERS_SLOT_MS since 1970. */
static const char *const counters_migrations[] = {
        "CREATE TABLE client(slot INTEGER NOT NULL, service INTEGER NOT NULL,"
        " address BLOB NOT NULL, queries INTEGER NOT NULL, bytes INTEGER NOT NULL,"
        " detections INTEGER NOT NULL, blocks INTEGER NOT NULL,"
        " PRIMARY KEY(slot, service, address)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE total(slot INTEGER NOT NULL, service INTEGER NOT NULL,"
        " requests INTEGER NOT NULL, queries INTEGER NOT NULL, listed INTEGER NOT NULL,"
        " blocked INTEGER NOT NULL, errors INTEGER NOT NULL, bytes_in INTEGER NOT NULL,"
        " bytes_out INTEGER NOT NULL, PRIMARY KEY(slot, service)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE top_url(slot INTEGER NOT NULL, url TEXT NOT NULL, count INTEGER NOT NULL,"
        " PRIMARY KEY(slot, url)) STRICT, WITHOUT ROWID;",
};

const struct database_schema schema_config = {
        0x534b4346, config_migrations, SK_COUNT(config_migrations)};
const struct database_schema schema_query_log = {
        0x534b514c, query_log_migrations, SK_COUNT(query_log_migrations)};
const struct database_schema schema_service_log = {
        0x534b534c, service_log_migrations, SK_COUNT(service_log_migrations)};
const struct database_schema schema_counters = {
        0x534b4354, counters_migrations, SK_COUNT(counters_migrations)};
