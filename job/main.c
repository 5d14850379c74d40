#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/base/priority.h"

#define JSON_DEPTH_MAX 8

static const char usage[] =
        "sekisho-job KIND: does one piece of work that sekishod asks for on descriptor 0\n"
        "(docs/processes.md, \"Jobs\"); sekisho-keeper starts it.\n";

static int job_send(const char *text, size_t length, int flags)
{
	ssize_t sent;
	do {
		sent = send(JOB_FD_CONTROL, text, length, MSG_NOSIGNAL | flags);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

void job_progress(unsigned percent, const char *step)
{
	struct json_object *report = json_object_new_object();
	if (report == NULL) {
		return;
	}
	json_object_object_add(report, "progress", json_object_new_int((int)percent));
	json_object_object_add(report, "step", json_object_new_string(step));
	const char *text = json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN);
	if (text != NULL && strlen(text) <= JOB_MESSAGE_MAX) {
		(void)!job_send(text, strlen(text), MSG_DONTWAIT); /* only a progress report */
	}
	json_object_put(report);
}

/* ---- request and answer ---- */

int job_get_text(struct job *job, const char *name, size_t maximum, const char **ret_text,
        size_t *ret_length)
{
	struct json_object *value;
	if (!json_object_object_get_ex(job->request, name, &value)) {
		return error_set(&job->error, SK_E_NOT_FOUND, "the request has no \"%s\"", name);
	}
	if (!json_object_is_type(value, json_type_string)) {
		return error_set(&job->error, SK_E_SYNTAX, "\"%s\" is not a text", name);
	}
	size_t length = (size_t)json_object_get_string_len(value);
	if (length > maximum) {
		return error_set(&job->error, SK_E_RANGE, "\"%s\" is too long", name);
	}
	const char *text = json_object_get_string(value);
	if (ret_length == NULL && memchr(text, '\0', length) != NULL) {
		return error_set(&job->error, SK_E_SYNTAX, "\"%s\" has a NUL in it", name);
	}
	*ret_text = text;
	if (ret_length != NULL) {
		*ret_length = length;
	}
	return 0;
}

int job_get_number(
        struct job *job, const char *name, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
	struct json_object *value;
	if (!json_object_object_get_ex(job->request, name, &value)) {
		return error_set(&job->error, SK_E_NOT_FOUND, "the request has no \"%s\"", name);
	}
	if (!json_object_is_type(value, json_type_int)) {
		return error_set(&job->error, SK_E_SYNTAX, "\"%s\" is not a number", name);
	}
	int64_t number = json_object_get_int64(value);
	if (number < minimum || number > maximum) {
		return error_set(&job->error, SK_E_RANGE, "\"%s\" is not from %lld to %lld", name,
		        (long long)minimum, (long long)maximum);
	}
	*ret_value = number;
	return 0;
}

int job_get_list(struct job *job, const char *name, size_t maximum, struct json_object **ret_list)
{
	struct json_object *value;
	if (!json_object_object_get_ex(job->request, name, &value)) {
		return error_set(&job->error, SK_E_NOT_FOUND, "the request has no \"%s\"", name);
	}
	if (!json_object_is_type(value, json_type_array)) {
		return error_set(&job->error, SK_E_SYNTAX, "\"%s\" is not a list", name);
	}
	if (json_object_array_length(value) > maximum) {
		return error_set(&job->error, SK_E_RANGE, "\"%s\" has too many entries", name);
	}
	*ret_list = value;
	return 0;
}

int job_check_members(struct job *job, const char *const *names)
{
	json_object_object_foreach(job->request, key, value)
	{
		size_t i = 0;
		(void)value;
		while (names[i] != NULL && strcmp(names[i], key) != 0) {
			i++;
		}
		if (names[i] == NULL) {
			return error_set(&job->error, SK_E_SYNTAX, "unknown member \"%s\"", key);
		}
	}
	return 0;
}

void job_answer_text(struct job *job, const char *name, const char *text)
{
	json_object_object_add(job->answer, name, json_object_new_string(text));
}

void job_answer_number(struct job *job, const char *name, int64_t value)
{
	json_object_object_add(job->answer, name, json_object_new_int64(value));
}

static int receive_request(struct job *job)
{
	char *text = mem_new(JOB_MESSAGE_MAX + 1, 1);
	if (text == NULL) {
		return error_set_code(&job->error, -ENOMEM, "request");
	}
	ssize_t got;
	do {
		got = recv(JOB_FD_CONTROL, text, JOB_MESSAGE_MAX + 1, 0);
	} while (got < 0 && errno == EINTR);
	if (got <= 0 || got > JOB_MESSAGE_MAX) {
		mem_free(text);
		return error_set(&job->error, SK_E_PROTOCOL,
		        "there is no request of at most %d bytes", JOB_MESSAGE_MAX);
	}
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	int status = tokener == NULL ? -ENOMEM : 0;
	if (status == 0) {
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		job->request = json_tokener_parse_ex(tokener, text, (int)got);
		if (json_tokener_get_error(tokener) != json_tokener_success ||
		        json_tokener_get_parse_end(tokener) != (size_t)got ||
		        !json_object_is_type(job->request, json_type_object)) {
			status = error_set(
			        &job->error, SK_E_SYNTAX, "the request is not a JSON object");
		}
		json_tokener_free(tokener);
	}
	mem_free(text);
	return status;
}

/* {"ok": true, …} or {"error": {"code", "text"}}. */
static int send_answer(struct job *job, int status)
{
	struct json_object *answer = job->answer;
	if (status != 0) {
		struct json_object *error = json_object_new_object();
		json_object_object_add(
		        error, "code", json_object_new_string(sk_error_name(status)));
		json_object_object_add(error, "text",
		        json_object_new_string(
		                job->error.code == status ? job->error.text : sk_strerror(status)));
		answer = json_object_new_object();
		json_object_object_add(answer, "error", error);
	} else {
		json_object_object_add(answer, "ok", json_object_new_boolean(true));
	}
	const char *text = json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN);
	if (text == NULL || strlen(text) > JOB_MESSAGE_MAX) {
		return SK_E_LIMIT;
	}
	return job_send(text, strlen(text), 0);
}

/* ---- signals ---- */

/* The kernel tells of every event on descriptor 0; only its end matters: nobody waits any more. */
static void on_control(int number)
{
	struct pollfd control = {.fd = JOB_FD_CONTROL, .events = 0};
	(void)number;
	if (poll(&control, 1, 0) > 0 && (control.revents & (POLLHUP | POLLERR)) != 0) {
		_exit(1);
	}
}

/* The processor time is used up. */
static void on_time(int number)
{
	static const char answer[] = "{\"error\":{\"code\":\"timeout\",\"text\":"
	                             "\"it takes more processor time than it may\"}}";
	(void)number;
	int status = job_send(answer, sizeof(answer) - 1, MSG_DONTWAIT);
	_exit(status == 0 ? 0 : 1);
}

static int watch_signals(void)
{
	struct sigaction control = {.sa_handler = on_control, .sa_flags = SA_RESTART};
	struct sigaction time = {.sa_handler = on_time};
	if (sigaction(SIGIO, &control, NULL) != 0 || sigaction(SIGPROF, &time, NULL) != 0 ||
	        fcntl(JOB_FD_CONTROL, F_SETOWN, getpid()) != 0) {
		return -errno;
	}
	int flags = fcntl(JOB_FD_CONTROL, F_GETFL);
	if (flags < 0 || fcntl(JOB_FD_CONTROL, F_SETFL, (flags | O_ASYNC) & ~O_NONBLOCK) != 0) {
		return -errno;
	}
	on_control(SIGIO); /* it may have ended before anybody watched */
	return 0;
}

/* ---- the frame ---- */

static int count_descriptors(void)
{
	int count = 0;
	while (fcntl(JOB_FD_FIRST + count, F_GETFD) >= 0) {
		count++;
	}
	return count;
}

static int enter_sandbox(struct job *job, const struct job_description *kind)
{
	struct sandbox sandbox = kind->sandbox;
	sandbox.folder_fd = kind->last_is_folder ? JOB_FD_FIRST + job->descriptor_count - 1 : -1;
	return sandbox_enter(&sandbox, &job->error);
}

static int run(struct job *job, const struct job_description *kind)
{
	job->answer = json_object_new_object();
	if (job->answer == NULL) {
		return error_set_code(&job->error, -ENOMEM, "start");
	}
	int status = 0;
	if (job->descriptor_count < kind->descriptors_min ||
	        job->descriptor_count > kind->descriptors_max) {
		status = error_set(&job->error, SK_E_PROTOCOL, "%d descriptors instead of %d to %d",
		        job->descriptor_count, kind->descriptors_min, kind->descriptors_max);
	} else if (kind->prepare != NULL) {
		status = kind->prepare(job);
	}
	if (status == 0) {
		status = enter_sandbox(job, kind);
	}
	if (status == 0) {
		status = receive_request(job);
	} else {
		/* What stays unread at the end would reach the starter as an error before our
		 * answer. */
		char byte;
		(void)!recv(JOB_FD_CONTROL, &byte, sizeof(byte), 0);
	}
	return status == 0 ? kind->run(job) : status;
}

int main(int argc, char **argv)
{
	struct job job = {.request = NULL};
	enum job_kind kind;
	log_init("sekisho-job", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	priority_give_way();
	if (argc != 2 || job_kind_parse(argv[1], &kind) != 0 || job_describe(kind) == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	job.descriptor_count = count_descriptors();
	int status = watch_signals();
	if (status != 0) {
		log_error("main", "%s: control socket: %s", argv[1], sk_strerror(status));
		return 1;
	}
	status = run(&job, job_describe(kind));
	int sent = send_answer(&job, status);
	if (sent != 0) {
		log_error(
		        "main", "%s: the answer could not be sent: %s", argv[1], sk_strerror(sent));
	}
	json_object_put(job.request);
	json_object_put(job.answer);
	return sent == 0 ? 0 : 1;
}
