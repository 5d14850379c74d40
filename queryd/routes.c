#include <string.h>

#include "queryd/query.h"

/* Every path and what happens there. The order of steps is the order of things in a query. */

static query_step *const url_steps[] = {query_step_url_parameters, query_step_canonicalize_url,
        query_step_look_up_url, query_step_follow_url, query_step_decide_url,
        query_step_respond_url, query_step_count_url, query_step_log_url, NULL};
static query_step *const name_steps[] = {query_step_name_parameters, query_step_canonicalize_host,
        query_step_look_up_url, query_step_follow_url, query_step_decide_url,
        query_step_respond_name, query_step_count_url, query_step_log_url, NULL};
static query_step *const address_steps[] = {query_step_address_parameters,
        query_step_canonicalize_address, query_step_look_up_url, query_step_follow_url,
        query_step_decide_url, query_step_respond_address, query_step_count_url, query_step_log_url,
        NULL};
static query_step *const bulk_url_steps[] = {
        query_step_no_parameters, query_step_json_body, query_step_bulk_urls, NULL};
static query_step *const health_steps[] = {
        query_step_no_parameters, query_step_respond_health, NULL};
static query_step *const file_steps[] = {query_step_no_parameters, query_step_digest_in_path,
        query_step_decide_file, query_step_respond_file, query_step_count_file, NULL};
static query_step *const bulk_digest_steps[] = {
        query_step_no_parameters, query_step_json_body, query_step_bulk_digests, NULL};
static query_step *const lcrc_steps[] = {query_step_lcrc_parameters, query_step_respond_lcrc, NULL};

#define PATH(text) text, sizeof(text) - 1
#define ALLOW_GET "\r\nAllow: GET, HEAD"
#define ALLOW_POST "\r\nAllow: POST"
#define ALLOW_BOTH "\r\nAllow: GET, HEAD, POST"

static const struct route routes[] = {
        {PATH("/v1/url"), false, SERVICE_WEB, ALLOW_BOTH, url_steps, bulk_url_steps},
        {PATH("/v1/domain"), false, SERVICE_WEB, ALLOW_GET, name_steps, NULL},
        {PATH("/v1/ip"), false, SERVICE_WEB, ALLOW_GET, address_steps, NULL},
        {PATH("/v1/health"), false, SERVICE_WEB, ALLOW_GET, health_steps, NULL},
        {PATH("/tmcss/v1/file/"), true, SERVICE_FILE, ALLOW_GET, file_steps, NULL},
        {PATH("/tmcss/v1/file"), false, SERVICE_FILE, ALLOW_POST, NULL, bulk_digest_steps},
        {PATH("/tmcss/v1/health"), false, SERVICE_FILE, ALLOW_GET, health_steps, NULL},
        {PATH("/tmcss/"), false, SERVICE_FILE, ALLOW_GET, lcrc_steps, NULL},
};

static bool route_matches(const struct route *route, const struct http_text *path)
{
	if (route->prefix ? path->length <= route->path_length
	                  : path->length != route->path_length) {
		return false;
	}
	return memcmp(path->data, route->path, route->path_length) == 0;
}

const struct route *route_find(
        const struct http_text *path, enum service service, bool *ret_other_service)
{
	for (size_t i = 0; i < SK_COUNT(routes); i++) {
		if (route_matches(&routes[i], path)) {
			if (routes[i].service == service) {
				return &routes[i];
			}
			*ret_other_service = true;
		}
	}
	return NULL;
}
