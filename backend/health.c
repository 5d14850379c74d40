#include "backend/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "backend/addresses.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#define PROBE_MS 3000
#define PROBE_WALL_MS 6000
#define PROBES 2 /* of each service: its health, and a look-up */

struct waiting {
	struct waiting *next;
	void (*done)(void *context);
	void *context;
};

struct service_state {
	struct health *health;
	struct health_status status;
	bool known; /* an entry in the log says what it is */
	bool logged_on, logged_healthy;
	int64_t reported; /* monotonic ms of the last entry */
	unsigned under_way;
	bool failed; /* of the check under way */
	char error[512];
};

struct health {
	struct backend *backend;
	struct event *timer;
	struct service_state services[SERVICE_COUNT];
	struct waiting *waiting;
	bool checking;
	int64_t interval; /* that the timer was set for */
};

static const char *const paths[SERVICE_COUNT][PROBES] = {
        {"/tmcss/v1/health", "/tmcss/v1/file/"
                             "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"},
        {"/v1/health", "/v1/url?url=http://self-check.invalid/"}};
static const char *const expected[SERVICE_COUNT][PROBES] = {
        {"\"ok\"", "\"verdict\""}, {"\"ok\"", "\"score\""}};

/* ---- what is found ---- */

static void write_entry(struct service_state *state, enum service service, const char *text)
{
	struct backend *backend = state->health->backend;
	bool success = state->status.healthy || !state->status.on;
	logs_put_service(backend->logs, backend_now(backend), (int)service, success, text);
	state->known = true;
	state->logged_on = state->status.on;
	state->logged_healthy = state->status.healthy;
	state->reported = clock_monotonic(&backend->clocks.clock);
}

/* An entry when something changed, or it is time for one. */
static void report(struct service_state *state, enum service service)
{
	struct backend *backend = state->health->backend;
	const struct health_status *status = &state->status;
	bool changed = !state->known || state->logged_on != status->on ||
	               state->logged_healthy != status->healthy;
	int64_t since = clock_monotonic(&backend->clocks.clock) - state->reported;
	if (!changed && since < backend->settings.numbers[SETTING_CHECK_REPORT_MS]) {
		return;
	}
	if (changed) {
		log_info("health", "%s: %s", service == SERVICE_WEB ? "web" : "files",
		        !status->on       ? "switched off"
		        : status->healthy ? "answers"
		                          : status->error);
	}
	write_entry(state, service,
	        !status->on       ? "The service is switched off."
	        : status->healthy ? "The service answers."
	                          : status->error);
}

static void finish_service(struct service_state *state, enum service service)
{
	struct backend *backend = state->health->backend;
	state->status.checked = backend_now(backend);
	state->status.healthy = state->status.on && !state->failed;
	memcpy(state->status.error, state->error, sizeof(state->status.error));
	report(state, service);
}

static void finish_check(struct health *health)
{
	for (int service = 0; service < SERVICE_COUNT; service++) {
		if (health->services[service].under_way > 0) {
			return;
		}
	}
	if (!health->checking) {
		return;
	}
	health->checking = false;
	for (int service = 0; service < SERVICE_COUNT; service++) {
		finish_service(&health->services[service], (enum service)service);
	}
	while (health->waiting != NULL) {
		struct waiting *waiting = health->waiting;
		health->waiting = waiting->next;
		waiting->done(waiting->context);
		mem_free(waiting);
	}
}

static void on_probed(void *context, const struct job_result *result)
{
	struct service_state *state = context;
	/* Who may ask is a setting; being told so by the service means that it answers. */
	bool refused = strstr(result->text, "403") != NULL;
	if (result->status != 0 && !refused) {
		state->failed = true;
		snprintf(state->error, sizeof(state->error), "%s",
		        result->text[0] != '\0' ? result->text : result->code);
	}
	state->under_way--;
	finish_check(state->health);
}

/* ---- asking ---- */

static int start_probe(struct service_state *state, const char *host, int port, const char *path,
        const char *expect)
{
	char url[256];
	snprintf(url, sizeof(url), "http://%s:%d%s", host, port, path);
	json_object *request = json_object_new_object();
	if (request == NULL) {
		return -ENOMEM;
	}
	json_object_object_add(request, "url", json_object_new_string(url));
	json_object_object_add(request, "expect", json_object_new_string(expect));
	json_object_object_add(request, "timeout", json_object_new_int(PROBE_MS));
	struct job_start start = {.kind = JOB_PROBE,
	        .request = request,
	        .wall_ms = PROBE_WALL_MS,
	        .end = on_probed,
	        .context = state};
	return jobs_start(state->health->backend->jobs, &start, NULL);
}

static void ask_service(
        struct service_state *state, enum service service, const struct addresses *addresses)
{
	int port = addresses->ports[service == SERVICE_WEB ? 2 : 0];
	for (int probe = 0; probe < PROBES; probe++) {
		int status = start_probe(state, addresses->host, port, paths[service][probe],
		        expected[service][probe]);
		if (status == 0) {
			state->under_way++;
		} else {
			state->failed = true;
			snprintf(state->error, sizeof(state->error),
			        "The check could not be made: %s", sk_strerror(status));
		}
	}
}

static void start_check(struct health *health)
{
	const int64_t *numbers = health->backend->settings.numbers;
	struct addresses addresses = {0};
	int status = addresses_read(&addresses);
	health->checking = true;
	for (int service = 0; service < SERVICE_COUNT; service++) {
		struct service_state *state = &health->services[service];
		state->failed = false;
		state->error[0] = '\0';
		state->status.on = numbers[service == SERVICE_WEB ? SETTING_SERVICE_WEB
		                                                  : SETTING_SERVICE_FILES] != 0;
		if (state->status.on && status == 0) {
			ask_service(state, (enum service)service, &addresses);
		} else if (state->status.on) {
			state->failed = true;
			snprintf(state->error, sizeof(state->error), "%s: %s", BACKEND_ADDRESSES,
			        sk_strerror(status));
		}
	}
	addresses_release(&addresses);
	finish_check(health);
}

static void schedule(struct health *health)
{
	int64_t ms = health->backend->settings.numbers[SETTING_CHECK_INTERVAL_MS];
	health->interval = ms;
	struct timeval next = {ms / 1000, ms % 1000 * 1000};
	event_add(health->timer, &next);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct health *health = context;
	if (!health->checking) {
		start_check(health);
	}
	schedule(health);
}

int health_check(struct health *health, void (*done)(void *context), void *context)
{
	struct waiting *waiting = mem_new(1, sizeof(*waiting));
	if (waiting == NULL) {
		return -ENOMEM;
	}
	*waiting = (struct waiting){health->waiting, done, context};
	health->waiting = waiting;
	if (!health->checking) {
		start_check(health);
	}
	return 0;
}

/* ---- life ---- */

int health_new(struct backend *backend, struct health **ret_health)
{
	struct health *health = mem_new(1, sizeof(*health));
	if (health == NULL) {
		return -ENOMEM;
	}
	health->backend = backend;
	for (int service = 0; service < SERVICE_COUNT; service++) {
		health->services[service].health = health;
		health->services[service].status.on = true;
	}
	health->timer = evtimer_new(backend->base, on_timer, health);
	if (health->timer == NULL) {
		mem_free(health);
		return -ENOMEM;
	}
	*ret_health = health;
	return 0;
}

void health_free(struct health *health)
{
	if (health == NULL) {
		return;
	}
	while (health->waiting != NULL) {
		struct waiting *waiting = health->waiting;
		health->waiting = waiting->next;
		mem_free(waiting);
	}
	event_free(health->timer);
	mem_free(health);
}

void health_start(struct health *health)
{
	/* The first one when queryd has had time to come up, too. */
	int64_t ms = health->backend->settings.numbers[SETTING_CHECK_INTERVAL_MS];
	health->interval = ms;
	ms = ms < 1000 ? ms : 1000;
	struct timeval first = {ms / 1000, ms % 1000 * 1000};
	event_add(health->timer, &first);
}

void health_settings(struct health *health)
{
	bool started = false;
	const int64_t *numbers = health->backend->settings.numbers;
	for (int service = 0; service < SERVICE_COUNT; service++) {
		struct service_state *state = &health->services[service];
		bool on = numbers[service == SERVICE_WEB ? SETTING_SERVICE_WEB
		                                         : SETTING_SERVICE_FILES] != 0;
		if (on != state->status.on) {
			state->status.on = on;
			state->status.healthy = false;
			state->status.error[0] = '\0';
			started = started || on;
			if (!on) {
				report(state, (enum service)service);
			}
		}
	}
	if (started) {
		struct timeval soon = {0, 200 * 1000};
		event_add(health->timer, &soon);
	} else if (numbers[SETTING_CHECK_INTERVAL_MS] != health->interval) {
		schedule(health);
	}
}

void health_get_status(
        const struct health *health, enum service service, struct health_status *ret_status)
{
	*ret_status = health->services[service].status;
}
