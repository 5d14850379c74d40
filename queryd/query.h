#ifndef QUERYD_QUERY_H
#define QUERYD_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json_reader.h"
#include "lib/data/digest.h"
#include "lib/net/http_target.h"
#include "lib/verdict/verdict.h"
#include "queryd/answer.h"
#include "queryd/counters.h"
#include "queryd/event_ring.h"
#include "queryd/generation.h"

/*
 * One request on its way: route → decode → canonicalize → look up → decide → respond → count → log.
 * Each step is a function of the query; the steps of a path stand in a table (routes.c). From the
 * decoded request to the finished answer nothing is allocated, locked or asked of the system.
 *
 * A query belongs to a worker and is used for one request after the other; what a step leaves
 * behind is what the next one needs.
 */
#define QUERY_GROUP 16 /* entries of a bulk request whose memory accesses overlap */

/* Who asks. `allowed` and `explains` come from the settings and the address. */
struct query_client {
	struct address address;
	enum service service; /* of the port */
	bool allowed, explains;
};

/* What a worker lends to its queries. */
struct query_space {
	char decoded[LIMIT_URL + 1];
	char urls[(QUERY_GROUP + 1) * 1024 + URL_TEXT_MAX]; /* canonical, one behind the other */
	struct json_text entries[LIMIT_BULK_DIGESTS];
	struct url_query url_queries[QUERY_GROUP];
	struct digest digests[QUERY_GROUP];
	const char *errors[QUERY_GROUP]; /* NULL: the entry can be read */
	struct verdict_explanation explanation;
	char words[5][LIMIT_CLIENT_WORD + 1];
};

/* Numbers for /v1/health, one per worker. */
struct query_health {
	const _Atomic uint64_t *const *generations;
	unsigned count;
	uint64_t boot;
};

struct query {
	/* set for the worker's life */
	struct query_space *space;
	struct counters *counters;
	struct event_ring *events;
	const struct query_health *health;

	/* set for a while: generation, clocks */
	const struct generation *generation;
	struct verdict_scratch *scratch;
	const char *date;
	int64_t wall; /* ms */
	int64_t expiry_time; /* ms: what rules and objects expire by */

	/* set for a request */
	const struct http_request *request;
	const struct query_client *client;
	struct buf *out;
	struct http_target target;
	const struct route *route;
	struct http_text asked; /* the parameter, decoded */
	bool explain;
	bool keep_alive;
	enum problem problem;
	const char *detail;
	const char *extra; /* header lines of a problem */
	struct verdict_client who;
	bool words_known; /* space->words were read from the header */
	size_t entry_count; /* bulk */
	struct digest digest;
	struct file_verdict file_verdict;
	struct url_verdict url_verdict;
	struct client_count count;
	uint32_t listed;
};

/* A step: 0, or negative: `problem` and `detail` say why the request is not answered. */
typedef int query_step(struct query *query);

/* What happens at a path. */
struct route {
	const char *path;
	uint8_t path_length;
	bool prefix; /* the path goes on */
	enum service service;
	const char *allow; /* header line with the methods */
	query_step *const *get_steps; /* GET and HEAD; NULL: not allowed */
	query_step *const *post_steps;
};

/* Finds the route of a path; `ret_other_service`: it exists on the ports of the other service.
 * NULL when there is none. */
const struct route *route_find(
        const struct http_text *path, enum service service, bool *ret_other_service);

/* Answers `request` of `client` into `out`; returns whether the connection may stay open. */
bool query_answer(struct query *query, const struct query_client *client,
        const struct http_request *request, struct buf *out);

/* Answers a request that could not be taken; the connection is closed then. */
void query_refuse(struct query *query, const struct query_client *client, enum problem problem,
        const char *detail, struct buf *out);

/* For steps: sets problem and detail, returns a negative number. */
int query_fail(struct query *query, enum problem problem, const char *detail);

/* ---- steps, by file ---- */

/* query_single.c */
query_step query_step_url_parameters, query_step_name_parameters, query_step_address_parameters,
        query_step_lcrc_parameters, query_step_no_parameters, query_step_canonicalize_url,
        query_step_canonicalize_host, query_step_canonicalize_address, query_step_digest_in_path,
        query_step_look_up_url, query_step_follow_url, query_step_decide_url,
        query_step_decide_file, query_step_respond_url, query_step_respond_name,
        query_step_respond_address, query_step_respond_file, query_step_respond_lcrc,
        query_step_respond_health, query_step_count_url, query_step_count_file, query_step_log_url;

/* query_bulk.c */
query_step query_step_json_body, query_step_bulk_urls, query_step_bulk_digests;

/* query_explain.c: adds the members `expressions`, `matches` and `more` in place of the final
 * brace. */
void query_add_explanation(struct query *query);

/* ---- for steps ---- */

/* Starts a 200 answer: JSON, cacheable for `max_age` seconds as text, NULL: not. */
void query_begin_answer(struct query *query, enum answer_media media, const char *max_age,
        struct answer_place *ret_place);

/* Counts and logs one URL that was decided. */
void query_count_verdict(struct query *query, const struct url_verdict *verdict);
void query_log_verdict(
        struct query *query, const struct url *url, const struct url_verdict *verdict);
void query_count_file_verdict(struct query *query, const struct file_verdict *verdict);

/* Seconds as text for Cache-Control. */
const char *query_max_age(const struct query *query, uint32_t ttl, char space[12]);

#endif
