#ifndef LIB_LINK_LINK_H
#define LIB_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/cursor.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/sha256.h"
#include "lib/data/address.h"

/*
 * The messages between sekishod and sekisho-queryd, over one SOCK_SEQPACKET pair. Each message is
 * one packet: header {u16 protocol version, u16 kind, u32 length of what follows}, then the body as
 * its encoder writes it, little-endian. Descriptors travel as SCM_RIGHTS of the same packet. The
 * peers are built together, so a version that differs is an error, not a negotiation.
 */
#define LINK_VERSION 1
#define LINK_PACKET_MAX (64 * 1024)
#define LINK_DESCRIPTORS_MAX 8

enum link_kind {
	LINK_HELLO = 1, /* both ways, first of each life of a process */
	LINK_PUBLISH = 2, /* sekishod → queryd: a generation */
	LINK_ACTIVE = 3, /* queryd → sekishod: it is in effect on every worker, or why not */
	LINK_EVENTS = 4, /* queryd → sekishod: records of one worker */
	LINK_KIND_COUNT
};

struct link_hello {
	uint64_t boot; /* random, new at each start of the process */
};

/* The parts of a generation. A section that is the same file as before (by checksum) comes again
 * with its descriptor, and queryd keeps the memory that it has. */
enum section_role {
	SECTION_WEB,
	SECTION_FILES,
	SECTION_BASE,
	SECTION_OVERLAY,
	SECTION_BASE_KEYWORDS,
	SECTION_OVERLAY_KEYWORDS,
	SECTION_COUNT
};

struct link_section {
	bool present;
	uint64_t length;
	unsigned char checksum[SHA256_SIZE]; /* the file's own, its last 32 bytes */
};

#define LINK_RANGES_MAX 128
struct link_range {
	struct address first, last;
};

/* What queryd needs to know of the settings. Times in milliseconds. */
struct link_settings {
	bool web_on, files_on, access_log_on, approved_first;
	uint8_t block_below, log_score_max;
	uint32_t ttl_listed, ttl_unlisted; /* seconds */
	uint32_t handshake_ms, header_ms, body_ms, idle_ms, write_ms;
	uint32_t event_interval_ms; /* how often a worker sends what it has; default 100 */
	uint32_t counter_interval_ms; /* how often it sends its counters; default 10,000 */
	uint32_t connections_max; /* over all workers */
	uint16_t allow_count, explain_count;
	struct link_range allow[LINK_RANGES_MAX];
	struct link_range explain[LINK_RANGES_MAX];
	int64_t time_offset; /* wall ms that rules may expire by, minus the boot clock (clock_guard)
	                      */
};

struct link_publish {
	uint64_t generation;
	struct link_settings settings;
	struct link_section
	        sections[SECTION_COUNT]; /* descriptors of the present ones, in this order */
};

struct link_active {
	uint64_t generation;
	int32_t code; /* 0 or an error: then the generation before stays in effect */
	uint16_t workers; /* how many answer by it */
	char text[256];
};

/*
 * Events: {boot, worker, sequence, dropped so far per kind, send time}, then records one after the
 * other. A gap in the sequence, or a new boot, tells sekishod that something was lost.
 */
enum event_kind {
	EVENT_BLOCKED = 1, /* a URL query that ended bad */
	EVENT_ACCESS = 2, /* any URL query, while the access log is on (bad ones are both) */
	EVENT_RULE_HITS = 3, /* rule or object id, how often since the last, when last */
	EVENT_CLIENT = 4, /* counters of one client of one service */
	EVENT_TOP_URL = 5, /* one of the most asked URLs with its count since the last */
	EVENT_TOTALS = 6, /* counters of a service */
	EVENT_KIND_COUNT
};

struct link_events_header {
	uint64_t boot, sequence;
	uint64_t dropped[EVENT_KIND_COUNT];
	int64_t sent; /* wall ms */
	uint16_t worker;
};

/* A URL query as logged (EVENT_BLOCKED, EVENT_ACCESS). Words are at most LIMIT_CLIENT_WORD bytes;
 * the URL is cut at EVENT_URL_MAX. Pointers of a decoded event point into the packet. */
#define EVENT_URL_MAX 2048
struct event_text {
	const char *data;
	uint16_t length;
};
struct event_query {
	int64_t time; /* wall ms */
	struct address client;
	uint8_t score, source, action, cnc_level, cnc_source; /* as in lib/verdict/verdict.h */
	uint64_t categories;
	int64_t entry_id;
	struct event_text url, client_guid, server_guid, computer, domain, product;
};

struct event_rule_hits {
	uint8_t list; /* enum policy_list */
	int64_t id;
	uint32_t hits;
	int64_t last; /* wall ms */
};

struct event_client {
	uint8_t service; /* 0 file, 1 web */
	struct address client;
	uint64_t queries, bytes_in, detections, blocks; /* since the last */
};

struct event_top_url {
	uint32_t count;
	struct event_text url;
};

struct event_totals {
	uint8_t service;
	uint64_t requests, queries, listed, blocked, errors, bytes_in, bytes_out;
};

struct link_event {
	enum event_kind kind;
	union {
		struct event_query query;
		struct event_rule_hits rule_hits;
		struct event_client client;
		struct event_top_url top_url;
		struct event_totals totals;
	};
};

/* Encoders write a whole packet (header and body) to `buf`, which the caller gives at least
 * LINK_PACKET_MAX of room; status in buf_status. */
void link_encode_hello(struct buf *buf, const struct link_hello *hello);
void link_encode_publish(struct buf *buf, const struct link_publish *publish);
void link_encode_active(struct buf *buf, const struct link_active *active);
/* Events are written piece by piece: header, records, then the length is put right. */
void link_encode_events_start(struct buf *buf, const struct link_events_header *header);
void link_encode_event(struct buf *buf, const struct link_event *event);
void link_encode_events_finish(struct buf *buf);

/* Decoding: kind and body of a packet, then the body by its decoder. SK_E_VERSION, SK_E_CORRUPT. */
int link_decode(const void *packet, size_t size, enum link_kind *ret_kind,
        struct cursor *ret_body) SK_MUST_USE;
int link_decode_hello(struct cursor *body, struct link_hello *ret_hello) SK_MUST_USE;
int link_decode_publish(struct cursor *body, struct link_publish *ret_publish) SK_MUST_USE;
int link_decode_active(struct cursor *body, struct link_active *ret_active) SK_MUST_USE;
int link_decode_events(struct cursor *body, struct link_events_header *ret_header) SK_MUST_USE;
/* The next record: 1, 0 at the end, SK_E_CORRUPT. */
int link_decode_event(struct cursor *body, struct link_event *ret_event) SK_MUST_USE;

/* Sends one packet with descriptors (which stay the caller's); 0, -EAGAIN, -errno. Never blocks. */
int link_send(int socket, const void *packet, size_t size, const int *descriptors,
        size_t descriptor_count) SK_MUST_USE;

/* Receives one packet into `space` (LINK_PACKET_MAX bytes); descriptors become the caller's, close
 * on exec. Packet size > 0; 0 when the peer is gone; -EAGAIN, -errno, SK_E_CORRUPT (truncated). */
ssize_t link_receive(int socket, void *space, size_t size,
        int ret_descriptors[LINK_DESCRIPTORS_MAX], size_t *ret_descriptor_count) SK_MUST_USE;

#endif
