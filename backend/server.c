#include "backend/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <event2/event.h>

#include "backend/events.h"
#include "backend/health.h"
#include "backend/import.h"
#include "backend/pattern_jobs.h"
#include "backend/reading.h"
#include "backend/store/batches.h"
#include "backend/verbs.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

#define POLICY_KEY_PATH "secret/policy.key"
#define HOST_KEY_PATH "secret/host.key"
#define TICK_MS 1000
#define PURGE_MS (10 * 60 * 1000)
#define LOG_RETRY_MS 1000
#define CALL_TIMEOUT_MS 5000
/* queryd's idea of the time may be off by so much before it is told. */
#define OFFSET_TOLERANCE_MS 1000

struct server {
	struct backend backend;
	struct readers readers, exporters;
	struct event *tick, *signals[2];
	int64_t published_offset, purged;
	bool ready, ending;
	int status;
};

static void stop(struct server *server, int status)
{
	if (server->status == 0) {
		server->status = status;
	}
	event_base_loopexit(server->backend.base, NULL);
}

static void fail(struct server *server, const char *what, int status, const char *text)
{
	log_error("server", "%s: %s", what, text[0] != '\0' ? text : sk_strerror(status));
	stop(server, status);
}

/* ---- what the parts ask of the whole ---- */

static int64_t wall_now(void *context)
{
	return backend_now(context);
}

static void on_stop(void *context)
{
	stop(context, 0);
}

static void on_job_ended(void *context, uint32_t process, int wait_status)
{
	struct server *server = context;
	jobs_ended(server->backend.jobs, process, wait_status);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number;
	(void)what;
	stop(context, 0);
}

static int prepare_publish(void *context, uint64_t *ret_generation,
        struct link_settings *ret_settings, int64_t *ret_complete)
{
	struct server *server = context;
	struct backend *backend = &server->backend;
	struct error error = {0};
	int status = levels_refresh(backend->levels, ret_complete, &error);
	if (status != 0) {
		log_error("server", "overlay: %s", error.text);
		return status;
	}
	settings_to_link(&backend->settings, ret_settings);
	server->published_offset = clocks_expiry_offset(&backend->clocks);
	ret_settings->time_offset = server->published_offset;
	*ret_generation = (uint64_t)backend->store.committed[META_GENERATION];
	return 0;
}

static void on_events(void *context, const void *packet, size_t size)
{
	struct server *server = context;
	events_packet(server->backend.events, packet, size);
}

/* ---- time ---- */

static void purge(struct server *server)
{
	struct backend *backend = &server->backend;
	static const enum setting_id keep[LOG_KIND_COUNT] = {
	        SETTING_KEEP_BLOCKED, SETTING_KEEP_ACCESS, SETTING_KEEP_SERVICE};
	int64_t before[LOG_KIND_COUNT];
	if (!backend->clocks.trusted) {
		return;
	}
	for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
		before[kind] = clocks_expiry_time(&backend->clocks) -
		               backend->settings.numbers[keep[kind]] * 24 * 60 * 60 * 1000;
	}
	logs_purge(backend->logs, before);
}

/* A generation number of its own, for what no stored change caused. */
static void publish_anew(struct backend *backend)
{
	struct error error = {0};
	if (store_next_generation(&backend->store, &error) != 0) {
		log_error("server", "generation: %s", error.text);
	}
	publish_request(backend->publisher);
}

/* Looks at the clock; true when queryd was told of a change. */
static bool look_at_clock(struct server *server)
{
	struct backend *backend = &server->backend;
	bool changed = clocks_check(&backend->clocks);
	if (changed) {
		log_warning("clock", "%s",
		        backend->clocks.trusted
		                ? "the wall clock is believed again"
		                : "the wall clock jumped; nothing expires until it is confirmed");
	}
	int64_t drift = clocks_expiry_offset(&backend->clocks) - server->published_offset;
	bool tell = changed || drift > OFFSET_TOLERANCE_MS || drift < -OFFSET_TOLERANCE_MS;
	if (tell && server->ready) {
		publish_anew(backend);
	}
	return tell;
}

void backend_tick(struct backend *backend)
{
	struct server *server = (struct server *)backend; /* its first member */
	look_at_clock(server);
	purge(server);
	server->purged = clock_monotonic(&clock_system);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct server *server = context;
	if (look_at_clock(server) || clock_monotonic(&clock_system) - server->purged >= PURGE_MS) {
		purge(server);
		server->purged = clock_monotonic(&clock_system);
	}
	struct timeval next = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
	event_add(server->tick, &next);
}

/* ---- keys ---- */

/* A secret that is made at the first start. */
static int load_key(const char *path, unsigned char *key, size_t size, struct error *error)
{
	char *data = NULL;
	size_t length = 0;
	int status = file_read(path, size, &data, &length);
	if (status == 0 && length == size) {
		memcpy(key, data, size);
		mem_free(data);
		return 0;
	}
	mem_free(data);
	if (status != 0 && status != -ENOENT) {
		return error_set_code(error, status, "%s", path);
	}
	if (status == 0) {
		return error_set(error, SK_E_CORRUPT, "%s: not of %zu bytes", path, size);
	}
	if (getrandom(key, size, 0) != (ssize_t)size) {
		return error_set_code(error, -errno, "random bytes");
	}
	return file_replace(path, key, size, 0600, error);
}

static void set_text(char *space, size_t size, const unsigned char *bytes, size_t count)
{
	struct buf buf;
	buf_init_fixed(&buf, space, size);
	buf_add_hex(&buf, bytes, count);
	buf_add_char(&buf, '\0');
}

static int load_keys(struct backend *backend, struct error *error)
{
	unsigned char key[16], host[32], boot[16];
	int status = load_key(POLICY_KEY_PATH, key, sizeof(key), error);
	if (status == 0) {
		status = load_key(HOST_KEY_PATH, host, sizeof(host), error);
	}
	if (status == 0 && getrandom(boot, sizeof(boot), 0) != (ssize_t)sizeof(boot)) {
		status = error_set_code(error, -errno, "random bytes");
	}
	if (status != 0) {
		return status;
	}
	backend->policy_key = siphash_key_from(key);
	set_text(backend->policy_key_text, sizeof(backend->policy_key_text), key, sizeof(key));
	set_text(backend->boot, sizeof(backend->boot), boot, sizeof(boot));
	explicit_bzero(host, sizeof(host));
	return 0;
}

/* ---- the store ---- */

static void load_setting(void *context, const char *name, const char *text)
{
	struct settings *settings = context;
	enum setting_id id;
	struct rpc_fault fault;
	json_object *value = NULL;
	if (setting_find(name, &id) != 0 ||
	        json_text_parse(text, strlen(text), 4, &value, NULL) != 0) {
		log_warning("server", "setting %.64s is not known here", name);
		return;
	}
	if (settings_set(settings, id, value, &fault) != 0) {
		log_warning("server", "setting %s: %s", name, fault.text);
	}
	json_object_put(value);
}

static int open_store(struct backend *backend, struct error *error)
{
	int status = store_open(BACKEND_DATABASE, &backend->store, error);
	if (status != 0) {
		return status;
	}
	settings_init(&backend->settings);
	status = store_settings_each(&backend->store, load_setting, &backend->settings, error);
	if (status != 0) {
		return status;
	}
	int64_t now = clock_wall(&clock_system);
	status = store_begin_quiet(&backend->store, error);
	if (status == 0) {
		status = batches_recover(&backend->store, error);
	}
	if (status == 0) {
		status = store_jobs_recover(&backend->store, now, error);
	}
	status = store_end(&backend->store, status, error);
	if (status != 0) {
		/* A full disk must not keep the queries from being answered. */
		log_error("server", "store: %s", error->text);
	}
	return 0;
}

/* ---- parts ---- */

static int start_threads(struct server *server, struct error *error)
{
	struct backend *backend = &server->backend;
	struct logs_options options = {.folder = BACKEND_LOGS,
	        .counters_path = BACKEND_COUNTERS,
	        .batch_ms = (int)backend->settings.numbers[SETTING_BATCH_MS],
	        .retry_ms = LOG_RETRY_MS};
	int status = logs_start(&options, &backend->logs, error);
	if (status != 0) {
		return status;
	}
	status = worker_start(backend->base, &server->readers, &backend->reader);
	if (status == 0) {
		status = worker_start(backend->base, &server->exporters, &backend->exporter);
	}
	if (status == 0) {
		status = worker_start(backend->base, NULL, &backend->builder);
	}
	return status == 0 ? 0 : error_set_code(error, status, "threads");
}

static int make_links(struct server *server)
{
	struct backend *backend = &server->backend;
	struct keeper_link_events keeper = {
	        .stop = on_stop, .job_ended = on_job_ended, .context = server};
	struct publisher_options publisher = {.socket = KEEPER_FD_LINK,
	        .prepare = prepare_publish,
	        .events = on_events,
	        .context = server};
	int status = keeper_link_open(backend->base, KEEPER_FD_CONTROL, &keeper, &backend->keeper);
	if (status == 0) {
		status = jobs_new(backend->base, backend->keeper, &backend->jobs);
	}
	return status == 0 ? publisher_new(backend->base, &publisher, &backend->publisher) : status;
}

static int make_parts(struct server *server)
{
	struct backend *backend = &server->backend;
	struct works_options works = {
	        .store = &backend->store, .now = wall_now, .context = backend};
	struct levels_options levels = {.base = backend->base,
	        .store = &backend->store,
	        .database = BACKEND_DATABASE,
	        .publisher = backend->publisher,
	        .jobs = backend->jobs,
	        .builder = backend->builder,
	        .key = backend->policy_key,
	        .now = wall_now,
	        .context = backend};
	int status = works_new(&works, &backend->works);
	if (status == 0) {
		status = levels_new(&levels, &backend->levels);
	}
	if (status == 0) {
		struct activation_options activation = {.base = backend->base,
		        .store = &backend->store,
		        .publisher = backend->publisher,
		        .levels = backend->levels,
		        .builder = backend->builder,
		        .now = wall_now,
		        .context = backend};
		status = activation_new(&activation, &backend->activation);
	}
	if (status == 0) {
		status = events_new(backend, &backend->events);
	}
	if (status == 0) {
		status = health_new(backend, &backend->health);
	}
	return status == 0 ? importer_new(backend, &backend->importer) : status;
}

static int make_events(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGINT};
	struct event_base *base = server->backend.base;
	server->tick = evtimer_new(base, on_tick, server);
	if (server->tick == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < SK_COUNT(numbers); i++) {
		server->signals[i] = evsignal_new(base, numbers[i], on_signal, server);
		if (server->signals[i] == NULL || event_add(server->signals[i], NULL) != 0) {
			return -ENOMEM;
		}
	}
	struct timeval first = {TICK_MS / 1000, TICK_MS % 1000 * 1000};
	return event_add(server->tick, &first) == 0 ? 0 : -ENOMEM;
}

/* ---- start ---- */

static void on_ports(void *context, int code, const uint32_t *arguments)
{
	(void)context;
	(void)arguments;
	if (code != 0) {
		log_error("server", "the ports of the settings cannot be used: %s",
		        sk_strerror(code));
	}
}

/* Ports that somebody set are asked for again after a start with others. */
static void restore_ports(struct backend *backend)
{
	uint32_t ports[4] = {0};
	bool set = false;
	for (int i = 0; i < 4; i++) {
		ports[i] = (uint32_t)backend->settings.numbers[SETTING_PORTS_FRS_HTTP + i];
		set = set || ports[i] != 0;
	}
	if (set && keeper_link_request(backend->keeper, KEEPER_LISTEN, ports, NULL, 0, on_ports,
	                   backend) != 0) {
		log_error("server", "the keeper was not asked for the ports of the settings");
	}
}

static int open_rpc(struct backend *backend)
{
	static const int sockets[RPC_SOCKET_COUNT] = {
	        KEEPER_FD_ADMIN, KEEPER_FD_CONSOLE, KEEPER_FD_AGENT};
	struct rpc_server_options options = {.handle = verbs_handle,
	        .context = backend,
	        .version = BACKEND_VERSION,
	        .boot = backend->boot,
	        .call_timeout_ms = CALL_TIMEOUT_MS};
	int status = rpc_server_new(backend->base, &options, &backend->rpc);
	for (int kind = 0; status == 0 && kind < RPC_SOCKET_COUNT; kind++) {
		status = rpc_server_listen(backend->rpc, sockets[kind], (enum rpc_socket)kind);
	}
	return status;
}

static void on_levels(void *context, int status, const char *text)
{
	struct server *server = context;
	struct backend *backend = &server->backend;
	if (server->ending) {
		return;
	}
	if (status != 0) {
		fail(server, "rules", status, text);
		return;
	}
	status = open_rpc(backend);
	if (status != 0) {
		fail(server, "RPC", status, "");
		return;
	}
	publisher_start(backend->publisher);
	health_start(backend->health);
	import_sweep(backend->importer);
	restore_ports(backend);
	server->ready = true;
	status = keeper_link_ready(backend->keeper);
	if (status != 0) {
		fail(server, "keeper", status, "");
		return;
	}
	log_info("server", "ready");
}

static void on_default(void *context, int status, const char *text)
{
	struct server *server = context;
	if (server->ending) {
		return;
	}
	if (status != 0) {
		/* Rules and objects work without a pattern. */
		log_error("server", "no pattern: %s", text);
	}
	levels_start(server->backend.levels, on_levels, server);
}

static int find_any(void *context, const struct pattern_row *row)
{
	(void)context;
	(void)row;
	return 1;
}

static void start(struct server *server)
{
	struct backend *backend = &server->backend;
	struct error error = {0};
	int status = activation_open(backend->activation, &error);
	if (status != 0) {
		fail(server, "patterns", status, error.text);
		return;
	}
	pattern_jobs_clean();
	bool none = activation_active(backend->activation, PATTERN_WEB) == NULL &&
	            activation_active(backend->activation, PATTERN_FILES) == NULL &&
	            patterns_each(&backend->store, INT64_MAX, find_any, NULL, &error) == 0;
	if (none && backend->default_feed[0] != '\0') {
		pattern_build_default(backend, on_default, server);
	} else {
		levels_start(backend->levels, on_levels, server);
	}
}

/* In the order that nobody is called who is gone already. */
static void end(struct server *server)
{
	struct backend *backend = &server->backend;
	server->ending = true;
	publisher_stop(backend->publisher);
	jobs_free(backend->jobs);
	worker_stop(backend->reader);
	worker_stop(backend->exporter);
	worker_stop(backend->builder);
	activation_free(backend->activation);
	importer_free(backend->importer);
	levels_free(backend->levels);
	publisher_free(backend->publisher);
	rpc_server_free(backend->rpc);
	works_free(backend->works);
	health_free(backend->health);
	events_free(backend->events);
	logs_stop(backend->logs);
	keeper_link_close(backend->keeper);
	verb_lookup_release();
	readers_close(&server->readers);
	readers_close(&server->exporters);
	store_close(&backend->store);
	if (server->tick != NULL) {
		event_free(server->tick);
	}
	for (size_t i = 0; i < SK_COUNT(server->signals); i++) {
		if (server->signals[i] != NULL) {
			event_free(server->signals[i]);
		}
	}
	event_base_free(backend->base);
}

int server_run(const struct server_options *options)
{
	struct error error = {0};
	struct server *server = mem_new(1, sizeof(*server));
	struct event_base *base = event_base_new();
	if (server == NULL || base == NULL) {
		log_error("server", "out of memory");
		return -ENOMEM;
	}
	struct backend *backend = &server->backend;
	backend->base = base;
	backend->test_clock = options->test_clock;
	snprintf(backend->default_feed, sizeof(backend->default_feed), "%s", options->default_feed);
	backend->started = clock_wall(&clock_system);
	int status = load_keys(backend, &error);
	if (status == 0) {
		status = open_store(backend, &error);
	}
	if (status == 0) {
		clocks_init(
		        &backend->clocks, backend->settings.numbers[SETTING_CLOCK_TOLERANCE_MS]);
		status = start_threads(server, &error);
	}
	if (status == 0) {
		status = make_links(server);
	}
	if (status == 0) {
		status = make_parts(server);
	}
	if (status == 0) {
		status = make_events(server);
	}
	if (status != 0) {
		fail(server, "start", status, error.text);
	} else {
		start(server);
		event_base_dispatch(base);
		log_info("server", "ends");
	}
	status = server->status;
	end(server);
	mem_free(server);
	return status;
}
