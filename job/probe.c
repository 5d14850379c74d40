#include <curl/curl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "job/job.h"
#include "job/kinds.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/data/address.h"

#define OWN_ADDRESSES_MAX 256
#define BODY_MAX (1024 * 1024)
#define EXPECT_MAX 1024
#define TIMEOUT_MS_MAX 60000

/* What this machine has; only these and loopback are asked. */
static struct address own_addresses[OWN_ADDRESSES_MAX];
static size_t own_address_count;

static void add_own_address(const struct sockaddr *socket_address)
{
	struct address address = {.family = ADDRESS_NONE};
	if (socket_address == NULL || own_address_count == OWN_ADDRESSES_MAX) {
		return;
	}
	if (socket_address->sa_family == AF_INET) {
		address.family = ADDRESS_V4;
		memcpy(address.bytes,
		        &((const struct sockaddr_in *)(const void *)socket_address)->sin_addr, 4);
	} else if (socket_address->sa_family == AF_INET6) {
		address.family = ADDRESS_V6;
		memcpy(address.bytes,
		        &((const struct sockaddr_in6 *)(const void *)socket_address)->sin6_addr,
		        16);
	}
	if (address.family != ADDRESS_NONE) {
		own_addresses[own_address_count++] = address;
	}
}

/* The list of addresses comes over netlink, which the sandbox does not allow. */
int probe_prepare(struct job *job)
{
	struct ifaddrs *list;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return error_set(&job->error, SK_E_INTERNAL, "libcurl could not be started");
	}
	if (getifaddrs(&list) == 0) {
		for (struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
			add_own_address(at->ifa_addr);
		}
		freeifaddrs(list);
	}
	return 0;
}

static bool is_own(const struct address *address)
{
	static const struct address_prefix loopback = {
	        .address = {.family = ADDRESS_V4, .bytes = {127}}, .length = 8};
	static const struct address loopback_v6 = {.family = ADDRESS_V6, .bytes = {[15] = 1}};
	if (address_in_prefix(address, &loopback) || address_compare(address, &loopback_v6) == 0) {
		return true;
	}
	for (size_t i = 0; i < own_address_count; i++) {
		if (address_compare(address, &own_addresses[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* http or https to an address of this machine: names are not looked up. */
static int check_url(struct job *job, const char *text)
{
	CURLU *url = curl_url();
	char *host = NULL, *scheme = NULL;
	struct address address;
	int status = SK_E_REFUSED;
	if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
	        address_parse(host, strlen(host), &address) == 0 && is_own(&address)) {
		status = 0;
	}
	curl_free(host);
	curl_free(scheme);
	curl_url_cleanup(url);
	return status == 0 ? 0
	                   : error_set(&job->error, status,
	                             "only http and https to this machine's own addresses");
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct buf *body = context;
	buf_add(body, data, size * count);
	return buf_status(body) == 0 ? size * count : 0;
}

/* What the service answers is the point, not who signed its certificate: it may be its own. */
static bool set_options(
        CURL *curl, const char *url, int64_t timeout, struct buf *body, char *reason)
{
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
	               CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason) == CURLE_OK;
}

static int ask(
        struct job *job, const char *url, int64_t timeout, struct buf *body, long *ret_status)
{
	char reason[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	if (curl == NULL || !set_options(curl, url, timeout, body, reason)) {
		curl_easy_cleanup(curl);
		return error_set(&job->error, SK_E_INTERNAL, "libcurl refuses the request");
	}
	CURLcode code = curl_easy_perform(curl);
	int status = 0;
	if (code != CURLE_OK) {
		status = error_set(&job->error,
		        code == CURLE_OPERATION_TIMEDOUT ? SK_E_TIMEOUT : SK_E_PROTOCOL, "%s",
		        reason[0] != '\0' ? reason : curl_easy_strerror(code));
	} else {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
	}
	curl_easy_cleanup(curl);
	return status;
}

int probe_run(struct job *job)
{
	static const char *const members[] = {"url", "expect", "timeout", NULL};
	const char *url = NULL, *expected = "";
	int64_t timeout = 0;
	struct buf body;
	long http_status = 0;
	int status = job_check_members(job, members);
	if (status == 0) {
		status = job_get_text(job, "url", LIMIT_URL, &url, NULL);
	}
	if (status == 0) {
		status = job_get_number(job, "timeout", 1, TIMEOUT_MS_MAX, &timeout);
	}
	if (status == 0) {
		status = job_get_text(job, "expect", EXPECT_MAX, &expected, NULL);
		status = status == SK_E_NOT_FOUND ? 0 : status;
	}
	if (status == 0) {
		status = check_url(job, url);
	}
	if (status != 0) {
		return status;
	}
	buf_init(&body, BODY_MAX);
	int64_t start = clock_monotonic(&clock_system);
	status = ask(job, url, timeout, &body, &http_status);
	if (status == 0 && http_status != 200) {
		status = error_set(
		        &job->error, SK_E_PROTOCOL, "the answer's status is %ld", http_status);
	}
	const char *text = status == 0 ? buf_text(&body) : NULL;
	if (status == 0 && (text == NULL || strstr(text, expected) == NULL)) {
		status = error_set(
		        &job->error, SK_E_PROTOCOL, "the answer does not hold \"%s\"", expected);
	}
	job_answer_number(job, "status", http_status);
	job_answer_number(job, "milliseconds", clock_monotonic(&clock_system) - start);
	buf_release(&body);
	return status;
}
