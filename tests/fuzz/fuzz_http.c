/*
 * Bytes of a client, from the parser to the answer, without a socket: all that is fed at once must
 * give the same as what is fed in pieces. Answers come from a generation without patterns.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "queryd/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_SIZE ((size_t)8 << 20)

static struct query query;
static struct counters counters;
static struct event_ring events;
static struct generation generation;
static _Atomic uint64_t active = 1;
static const _Atomic uint64_t *const actives[] = {&active};
static const struct query_health health = {.generations = actives, .count = 1};

static void start(void)
{
	const uint64_t secrets[2] = {1, 2};
	answer_start();
	struct query_space *space = mem_new(1, sizeof(*space));
	if (space == NULL || counters_init(&counters, secrets) != 0 ||
	        event_ring_init(&events, 1, 0) != 0 ||
	        verdict_scratch_new(&generation.scratch[0]) != 0) {
		abort();
	}
	generation.settings.web_on = true;
	generation.settings.files_on = true;
	generation.settings.access_log_on = true;
	generation.web_tail = (struct answer_tail){16, ",\"pattern\":null}"};
	generation.file_tail = generation.web_tail;
	query = (struct query){.space = space,
	        .counters = &counters,
	        .events = &events,
	        .health = &health,
	        .generation = &generation,
	        .scratch = generation.scratch[0],
	        .date = "Mon, 23 Nov 2026 01:02:03 GMT"};
}

/* Answers the requests in `data` as a connection would, each fed in steps of `step` bytes from a
 * block of its own size. Returns the bytes that were used. */
static size_t converse(
        const uint8_t *data, size_t size, size_t step, enum service service, struct buf *out)
{
	struct http_parser parser;
	const struct query_client client = {.address = {ADDRESS_V4, {127, 0, 0, 1}},
	        .service = service,
	        .allowed = true,
	        .explains = true};
	size_t used = 0, fed = 0;
	bool open = true;
	http_parser_reset(&parser);
	while (open && used + fed < size) {
		fed = size - used - fed < step ? size - used : fed + step;
		char *block = malloc(fed);
		if (block == NULL) {
			abort();
		}
		memcpy(block, data + used, fed);
		enum http_progress progress = http_parser_run(&parser, block, fed);
		if (progress == HTTP_REFUSED) {
			assert(parser.problem != HTTP_PROBLEM_NONE && parser.detail != NULL);
			/* Of two faults, too long and malformed, pieces may show the other first.
			 */
			bool may_be_long = size > LIMIT_HTTP_HEADER_BYTES;
			buf_add_format(out, "<refused %u>", may_be_long ? 0 : parser.problem);
			open = false;
		} else if (progress == HTTP_COMPLETE) {
			struct http_request request;
			http_parser_request(&parser, block, &request);
			assert(request.length <= fed);
			open = query_answer(&query, &client, &request, out);
			used += request.length;
			fed = 0;
			http_parser_reset(&parser);
		}
		free(block);
	}
	assert(buf_status(out) == 0);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *spaces[2];
	struct buf whole, pieces;
	if (spaces[0] == NULL) {
		start();
		spaces[0] = mem_map_large(OUT_SIZE);
		spaces[1] = mem_map_large(OUT_SIZE);
		if (spaces[0] == NULL || spaces[1] == NULL) {
			abort();
		}
	}
	if (size < 2 || size > 65536) {
		return 0;
	}
	/* The first byte chooses the service and the size of the pieces. */
	enum service service = (data[0] & 1) != 0 ? SERVICE_FILE : SERVICE_WEB;
	size_t step = (size_t)(data[0] >> 1) + 1;
	buf_init_fixed(&whole, spaces[0], OUT_SIZE);
	buf_init_fixed(&pieces, spaces[1], OUT_SIZE);
	size_t used = converse(data + 1, size - 1, size, service, &whole);
	size_t used_pieces = converse(data + 1, size - 1, step, service, &pieces);
	assert(used == used_pieces);
	assert(whole.length == pieces.length);
	assert(memcmp(whole.data, pieces.data, whole.length) == 0);
	return 0;
}
