#include "backend/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/rpc/json_text.h"

#define DESCRIPTORS_MAX 248
#define ANSWER_DEPTH 16
/* After its answer a job has this long to end; its successor waits for that. */
#define END_MS 5000

enum job_state {
	JOB_WAITING, /* for its turn */
	JOB_STARTING, /* for the keeper's RESULT */
	JOB_RUNNING, /* for its answer */
	JOB_ENDING /* end() was called; for JOB_ENDED */
};

struct job {
	struct jobs *jobs;
	struct job *next;
	enum job_kind kind;
	enum job_state state;
	bool cancelled;
	bool asked; /* the keeper's RESULT has not come yet */
	int socket; /* our end of its control socket; -1 when closed */
	uint32_t process; /* 0: not started */
	int descriptors[DESCRIPTORS_MAX];
	size_t descriptor_count;
	json_object *request;
	int wall_ms;
	struct event *event, *timer;
	void (*progress)(void *context, int percent, const char *step);
	void (*end)(void *context, const struct job_result *result);
	void *context;
};

struct jobs {
	struct event_base *base;
	struct keeper_link *keeper;
	struct job *first, **last; /* in the order of starting */
	struct event *turn; /* looks who is next */
};

/* How many of a kind may run at once. Checks of single expressions and the small sets of the
 * overlay must not wait for a set of thousands. */
static unsigned at_once(enum job_kind kind)
{
	switch (kind) {
	case JOB_PROBE:
		return 8;
	case JOB_CHECK_KEYWORD:
		return 4;
	case JOB_COMPILE_RULES:
		return 2;
	default:
		return 1;
	}
}

static void close_descriptors(struct job *job)
{
	for (size_t i = 0; i < job->descriptor_count; i++) {
		close(job->descriptors[i]);
	}
	job->descriptor_count = 0;
}

static void close_socket(struct job *job)
{
	if (job->event != NULL) {
		event_free(job->event);
		job->event = NULL;
	}
	if (job->socket >= 0) {
		close(job->socket); /* a job whose starter is gone ends */
		job->socket = -1;
	}
}

static void job_free(struct job *job)
{
	struct jobs *jobs = job->jobs;
	struct job **link = &jobs->first;
	while (*link != job) {
		link = &(*link)->next;
	}
	*link = job->next;
	if (jobs->last == &job->next) {
		jobs->last = link;
	}
	close_socket(job);
	close_descriptors(job);
	if (job->timer != NULL) {
		event_free(job->timer);
	}
	json_object_put(job->request);
	mem_free(job);
}

static void look_for_next(struct jobs *jobs)
{
	struct timeval now = {0, 0};
	event_add(jobs->turn, &now);
}

/* Calls end(), then waits for the process when there is one. */
static void finish(
        struct job *job, int status, json_object *answer, const char *code, const char *text)
{
	struct job_result result = {.status = status, .answer = answer};
	snprintf(result.code, sizeof(result.code), "%s", code);
	snprintf(result.text, sizeof(result.text), "%s", text);
	close_socket(job);
	bool process = job->asked || job->process != 0;
	job->state = JOB_ENDING;
	if (job->end != NULL) {
		job->end(job->context, &result);
		job->end = NULL;
	}
	if (process) {
		struct timeval limit = {END_MS / 1000, 0};
		event_add(job->timer, &limit);
		return;
	}
	look_for_next(job->jobs);
	job_free(job);
}

static void on_message(struct job *job, const char *text, size_t length)
{
	json_object *message = NULL, *value;
	struct error error = {0};
	if (json_text_parse(text, length, ANSWER_DEPTH, &message, &error) != 0 ||
	        !json_object_is_type(message, json_type_object)) {
		json_object_put(message);
		finish(job, SK_E_INTERNAL, NULL, "protocol", error.text);
		return;
	}
	if (json_object_object_get_ex(message, "progress", &value)) {
		if (job->progress != NULL) {
			job->progress(job->context, json_object_get_int(value),
			        json_member_text(message, "step"));
		}
	} else if (json_object_object_get_ex(message, "error", &value) &&
	           json_object_is_type(value, json_type_object)) {
		finish(job, SK_E_REFUSED, NULL, json_member_text(value, "code"),
		        json_member_text(value, "text"));
	} else {
		finish(job, 0, message, "", "");
	}
	json_object_put(message);
}

/* Takes one message; false when there is none. */
static bool read_message(struct job *job)
{
	static char space[JOB_MESSAGE_MAX + 1]; /* of the main thread */
	ssize_t got = recv(job->socket, space, sizeof(space), MSG_DONTWAIT);
	if (got > 0 && got <= JOB_MESSAGE_MAX) {
		on_message(job, space, (size_t)got);
		return true;
	}
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		event_del(job->event); /* why it went is in JOB_ENDED */
	}
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	read_message(context);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct job *job = context;
	if (job->state == JOB_ENDING) {
		log_error("jobs", "%s does not end", job_kind_name(job->kind));
		if (job->asked) {
			struct timeval limit = {END_MS / 1000, 0};
			event_add(job->timer, &limit);
			return;
		}
		look_for_next(job->jobs);
		job_free(job);
		return;
	}
	if (job->cancelled) {
		finish(job, SK_E_CONFLICT, NULL, "cancelled", "it was cancelled");
	} else {
		finish(job, SK_E_TIMEOUT, NULL, "timeout", "it took too long");
	}
}

static void on_started(void *context, int code, const uint32_t *arguments)
{
	struct job *job = context;
	job->asked = false;
	close_descriptors(job);
	if (code != 0 && job->state == JOB_ENDING) {
		look_for_next(job->jobs);
		job_free(job);
		return;
	}
	if (code != 0) {
		finish(job, SK_E_INTERNAL, NULL, "internal", sk_strerror(code));
		return;
	}
	job->process = arguments[2];
	if (job->state == JOB_STARTING) {
		job->state = JOB_RUNNING;
	}
}

static int send_request(int socket, json_object *request)
{
	size_t length;
	const char *text = request == NULL ? "{}"
	                                   : json_object_to_json_string_length(
	                                             request, JSON_C_TO_STRING_PLAIN, &length);
	if (text == NULL) {
		return -ENOMEM;
	}
	length = strlen(text);
	if (length > JOB_MESSAGE_MAX) {
		return SK_E_LIMIT;
	}
	return send(socket, text, length, MSG_NOSIGNAL) == (ssize_t)length ? 0 : -errno;
}

static int start_process(struct job *job)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		return -errno;
	}
	int descriptors[DESCRIPTORS_MAX + 1];
	descriptors[0] = pair[1];
	memcpy(descriptors + 1, job->descriptors, job->descriptor_count * sizeof(int));
	uint32_t arguments[4] = {job->kind};
	int status = send_request(pair[0], job->request);
	if (status == 0) {
		status = keeper_link_request(job->jobs->keeper, KEEPER_JOB, arguments, descriptors,
		        job->descriptor_count + 1, on_started, job);
	}
	close(pair[1]);
	if (status != 0) {
		close(pair[0]);
		return status;
	}
	job->state = JOB_STARTING;
	job->asked = true;
	job->socket = pair[0];
	job->event = event_new(job->jobs->base, pair[0], EV_READ | EV_PERSIST, on_readable, job);
	struct timeval limit = {job->wall_ms / 1000, job->wall_ms % 1000 * 1000};
	event_add(job->timer, &limit);
	return job->event != NULL && event_add(job->event, NULL) == 0 ? 0 : -ENOMEM;
}

static struct job *find_next(struct jobs *jobs)
{
	unsigned running[JOB_KIND_COUNT] = {0};
	for (struct job *job = jobs->first; job != NULL; job = job->next) {
		running[job->kind] += job->state != JOB_WAITING;
	}
	for (struct job *job = jobs->first; job != NULL; job = job->next) {
		if (job->state == JOB_WAITING &&
		        (job->cancelled || running[job->kind] < at_once(job->kind))) {
			return job;
		}
	}
	return NULL;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	struct jobs *jobs = context;
	struct job *job = find_next(jobs);
	if (job == NULL) {
		return;
	}
	int status = job->cancelled ? SK_E_CONFLICT : start_process(job);
	if (status != 0) {
		finish(job, status == SK_E_CONFLICT ? status : SK_E_INTERNAL, NULL,
		        status == SK_E_CONFLICT ? "cancelled" : "internal", sk_strerror(status));
	}
	look_for_next(jobs);
}

int jobs_new(struct event_base *base, struct keeper_link *keeper, struct jobs **ret_jobs)
{
	struct jobs *jobs = mem_new(1, sizeof(*jobs));
	if (jobs == NULL) {
		return -ENOMEM;
	}
	jobs->base = base;
	jobs->keeper = keeper;
	jobs->last = &jobs->first;
	jobs->turn = evtimer_new(base, on_turn, jobs);
	if (jobs->turn == NULL) {
		mem_free(jobs);
		return -ENOMEM;
	}
	*ret_jobs = jobs;
	return 0;
}

void jobs_free(struct jobs *jobs)
{
	if (jobs == NULL) {
		return;
	}
	struct job_result result = {
	        .status = SK_E_CONFLICT, .code = "unavailable", .text = "the server ends"};
	while (jobs->first != NULL) {
		struct job *job = jobs->first;
		if (job->end != NULL) {
			job->end(job->context, &result);
		}
		job_free(job);
	}
	event_free(jobs->turn);
	mem_free(jobs);
}

static int copy_descriptors(struct job *job, const struct job_start *start)
{
	if (start->descriptor_count > DESCRIPTORS_MAX) {
		return SK_E_LIMIT;
	}
	for (size_t i = 0; i < start->descriptor_count; i++) {
		int copy = fcntl(start->descriptors[i], F_DUPFD_CLOEXEC, 10);
		if (copy < 0) {
			return -errno;
		}
		job->descriptors[job->descriptor_count++] = copy;
	}
	return 0;
}

int jobs_start(struct jobs *jobs, const struct job_start *start, struct job **ret_job)
{
	struct job *job = mem_new(1, sizeof(*job));
	if (job == NULL) {
		json_object_put(start->request);
		return -ENOMEM;
	}
	*job = (struct job){.jobs = jobs,
	        .kind = start->kind,
	        .state = JOB_WAITING,
	        .socket = -1,
	        .request = start->request,
	        .wall_ms = start->wall_ms,
	        .progress = start->progress,
	        .end = start->end,
	        .context = start->context};
	*jobs->last = job;
	jobs->last = &job->next;
	job->timer = evtimer_new(jobs->base, on_timer, job);
	int status = job->timer == NULL ? -ENOMEM : copy_descriptors(job, start);
	if (status != 0) {
		job_free(job);
		return status;
	}
	look_for_next(jobs);
	if (ret_job != NULL) {
		*ret_job = job;
	}
	return 0;
}

void jobs_cancel(struct job *job)
{
	job->cancelled = true;
	if (job->state == JOB_STARTING || job->state == JOB_RUNNING) {
		/* end() must not come from within the caller. */
		struct timeval now = {0, 0};
		event_add(job->timer, &now);
		close_socket(job);
	} else {
		look_for_next(job->jobs);
	}
}

void jobs_ended(struct jobs *jobs, uint32_t process, int wait_status)
{
	struct job *job = jobs->first;
	while (job != NULL && job->process != process) {
		job = job->next;
	}
	if (job == NULL) {
		return;
	}
	/* Its answer may still be in the socket. */
	while (job->state == JOB_RUNNING && read_message(job)) {
	}
	job->process = 0;
	if (job->state != JOB_ENDING) {
		char text[96];
		snprintf(text, sizeof(text), "the job ended with %s %d",
		        WIFSIGNALED(wait_status) ? "signal" : "status",
		        WIFSIGNALED(wait_status) ? WTERMSIG(wait_status)
		                                 : WEXITSTATUS(wait_status));
		log_error("jobs", "%s: %s", job_kind_name(job->kind), text);
		finish(job, SK_E_INTERNAL, NULL, "internal", text);
		return;
	}
	look_for_next(jobs);
	job_free(job);
}
