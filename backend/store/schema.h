#ifndef BACKEND_STORE_SCHEMA_H
#define BACKEND_STORE_SCHEMA_H

#include "backend/store/database.h"

/* What the files look like. A migration that was released is never changed. */
extern const struct database_schema schema_config; /* config.db */
extern const struct database_schema schema_query_log; /* logs/blocked-…, logs/access-… */
extern const struct database_schema schema_service_log; /* logs/service-… */
extern const struct database_schema schema_counters; /* counters.db */

#endif
