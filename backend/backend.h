#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/activation.h"
#include "backend/clocks.h"
#include "backend/jobs.h"
#include "backend/keeper_link.h"
#include "backend/levels.h"
#include "backend/publish.h"
#include "backend/settings.h"
#include "backend/store/logs.h"
#include "backend/store/store.h"
#include "backend/worker.h"
#include "backend/works.h"

/* sekishod: what its parts share. All of it belongs to the main thread; the worker threads get what
 * they need in their tasks. Paths are relative to the state folder, which is the working folder. */
#define BACKEND_DATABASE "data/config.db"
#define BACKEND_COUNTERS "data/counters.db"
#define BACKEND_LOGS "data/logs"
#define BACKEND_PATTERNS "patterns"
#define BACKEND_ADDRESSES "run/addresses.json"

#define BACKEND_VERSION PACKAGE_VERSION

struct event_base;
struct rpc_server;

struct backend {
	struct event_base *base;
	char default_feed[256]; /* folder; "" when there is none */
	bool test_clock;
	char boot[33];
	int64_t started; /* wall ms */
	struct clocks clocks;
	struct siphash_key policy_key;
	char policy_key_text[33]; /* the same, hexadecimal */
	struct store store;
	struct settings settings;
	struct logs *logs;
	struct worker *reader, *exporter, *builder;
	struct keeper_link *keeper;
	struct jobs *jobs;
	struct works *works;
	struct publisher *publisher;
	struct levels *levels;
	struct activation *activation;
	struct events *events;
	struct health *health;
	struct importer *importer;
	struct rpc_server *rpc;
};

static inline int64_t backend_now(struct backend *backend)
{
	return clocks_wall(&backend->clocks);
}

#endif
