#include "lib/link/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#define HEADER_SIZE 8

/* ---- pieces ---- */

static void add_u8(struct buf *buf, uint8_t value)
{
	buf_add(buf, &value, 1);
}

static void start_packet(struct buf *buf, enum link_kind kind)
{
	buf_add_le16(buf, LINK_VERSION);
	buf_add_le16(buf, (uint16_t)kind);
	buf_add_le32(buf, 0);
}

static void finish_packet(struct buf *buf)
{
	if (buf_status(buf) == 0) {
		bytes_put_le32(buf->data + 4, (uint32_t)(buf->length - HEADER_SIZE));
	}
}

static void add_address(struct buf *buf, const struct address *address)
{
	add_u8(buf, address->family);
	buf_add(buf, address->bytes, sizeof(address->bytes));
}

/* Sets cursor->failed on a family that does not exist. */
static void get_address(struct cursor *cursor, struct address *ret_address)
{
	struct address address = {.family = cursor_u8(cursor)};
	const unsigned char *bytes = cursor_bytes(cursor, sizeof(address.bytes));
	if (bytes != NULL) {
		memcpy(address.bytes, bytes, sizeof(address.bytes));
	}
	if (address.family != ADDRESS_NONE && address.family != ADDRESS_V4 &&
	        address.family != ADDRESS_V6) {
		cursor->failed = 1;
	}
	*ret_address = address;
}

static bool get_bool(struct cursor *cursor)
{
	uint8_t value = cursor_u8(cursor);
	if (value > 1) {
		cursor->failed = 1;
	}
	return value == 1;
}

static void add_text(struct buf *buf, const struct event_text *text, size_t maximum)
{
	size_t length = text->length < maximum ? text->length : maximum;
	buf_add_le16(buf, (uint16_t)length);
	buf_add(buf, text->data, length);
}

static void get_text(struct cursor *cursor, size_t maximum, struct event_text *ret_text)
{
	struct event_text text = {.data = "", .length = cursor_le16(cursor)};
	if (text.length > maximum) {
		cursor->failed = 1;
	}
	const unsigned char *bytes = cursor_bytes(cursor, text.length);
	if (bytes != NULL) {
		text.data = (const char *)bytes;
	} else {
		text.length = 0;
	}
	*ret_text = text;
}

/* ---- hello, active ---- */

void link_encode_hello(struct buf *buf, const struct link_hello *hello)
{
	start_packet(buf, LINK_HELLO);
	buf_add_le64(buf, hello->boot);
	finish_packet(buf);
}

int link_decode_hello(struct cursor *body, struct link_hello *ret_hello)
{
	struct link_hello hello = {.boot = cursor_le64(body)};
	int status = cursor_finish(body);
	if (status == 0) {
		*ret_hello = hello;
	}
	return status;
}

void link_encode_active(struct buf *buf, const struct link_active *active)
{
	size_t length = strnlen(active->text, sizeof(active->text) - 1);
	start_packet(buf, LINK_ACTIVE);
	buf_add_le64(buf, active->generation);
	buf_add_le32(buf, (uint32_t)active->code);
	buf_add_le16(buf, active->workers);
	buf_add_le16(buf, (uint16_t)length);
	buf_add(buf, active->text, length);
	finish_packet(buf);
}

int link_decode_active(struct cursor *body, struct link_active *ret_active)
{
	struct link_active active = {0};
	active.generation = cursor_le64(body);
	active.code = (int32_t)cursor_le32(body);
	active.workers = cursor_le16(body);
	uint16_t length = cursor_le16(body);
	const unsigned char *text = cursor_bytes(body, length);
	int status = cursor_finish(body);
	if (status != 0 || length >= sizeof(active.text) ||
	        (length > 0 && memchr(text, '\0', length) != NULL)) {
		return SK_E_CORRUPT;
	}
	if (length > 0) {
		memcpy(active.text, text, length);
	}
	*ret_active = active;
	return 0;
}

/* ---- publish ---- */

static void add_ranges(struct buf *buf, const struct link_range *ranges, uint16_t count)
{
	buf_add_le16(buf, count);
	for (uint16_t i = 0; i < count; i++) {
		add_address(buf, &ranges[i].first);
		add_address(buf, &ranges[i].last);
	}
}

static void get_ranges(struct cursor *body, struct link_range *ranges, uint16_t *ret_count)
{
	uint16_t count = cursor_le16(body);
	if (count > LINK_RANGES_MAX) {
		body->failed = 1;
		count = 0;
	}
	for (uint16_t i = 0; i < count && !body->failed; i++) {
		get_address(body, &ranges[i].first);
		get_address(body, &ranges[i].last);
		if (ranges[i].first.family == ADDRESS_NONE ||
		        ranges[i].first.family != ranges[i].last.family) {
			body->failed = 1;
		}
	}
	*ret_count = count;
}

static void add_settings(struct buf *buf, const struct link_settings *settings)
{
	add_u8(buf, settings->web_on);
	add_u8(buf, settings->files_on);
	add_u8(buf, settings->access_log_on);
	add_u8(buf, settings->approved_first);
	add_u8(buf, settings->block_below);
	add_u8(buf, settings->log_score_max);
	buf_add_le32(buf, settings->ttl_listed);
	buf_add_le32(buf, settings->ttl_unlisted);
	buf_add_le32(buf, settings->handshake_ms);
	buf_add_le32(buf, settings->header_ms);
	buf_add_le32(buf, settings->body_ms);
	buf_add_le32(buf, settings->idle_ms);
	buf_add_le32(buf, settings->write_ms);
	buf_add_le32(buf, settings->event_interval_ms);
	buf_add_le32(buf, settings->counter_interval_ms);
	buf_add_le32(buf, settings->connections_max);
	buf_add_le64(buf, (uint64_t)settings->time_offset);
	add_ranges(buf, settings->allow, settings->allow_count);
	add_ranges(buf, settings->explain, settings->explain_count);
}

static void get_settings(struct cursor *body, struct link_settings *settings)
{
	settings->web_on = get_bool(body);
	settings->files_on = get_bool(body);
	settings->access_log_on = get_bool(body);
	settings->approved_first = get_bool(body);
	settings->block_below = cursor_u8(body);
	settings->log_score_max = cursor_u8(body);
	settings->ttl_listed = cursor_le32(body);
	settings->ttl_unlisted = cursor_le32(body);
	settings->handshake_ms = cursor_le32(body);
	settings->header_ms = cursor_le32(body);
	settings->body_ms = cursor_le32(body);
	settings->idle_ms = cursor_le32(body);
	settings->write_ms = cursor_le32(body);
	settings->event_interval_ms = cursor_le32(body);
	settings->counter_interval_ms = cursor_le32(body);
	settings->connections_max = cursor_le32(body);
	settings->time_offset = (int64_t)cursor_le64(body);
	get_ranges(body, settings->allow, &settings->allow_count);
	get_ranges(body, settings->explain, &settings->explain_count);
}

void link_encode_publish(struct buf *buf, const struct link_publish *publish)
{
	start_packet(buf, LINK_PUBLISH);
	buf_add_le64(buf, publish->generation);
	add_settings(buf, &publish->settings);
	add_u8(buf, SECTION_COUNT);
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		const struct link_section *section = &publish->sections[i];
		add_u8(buf, section->present);
		buf_add_le64(buf, section->length);
		buf_add(buf, section->checksum, sizeof(section->checksum));
	}
	finish_packet(buf);
}

int link_decode_publish(struct cursor *body, struct link_publish *ret_publish)
{
	memset(ret_publish, 0, sizeof(*ret_publish));
	ret_publish->generation = cursor_le64(body);
	get_settings(body, &ret_publish->settings);
	if (cursor_u8(body) != SECTION_COUNT) {
		body->failed = 1;
	}
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		struct link_section *section = &ret_publish->sections[i];
		section->present = get_bool(body);
		section->length = cursor_le64(body);
		const unsigned char *checksum = cursor_bytes(body, sizeof(section->checksum));
		if (checksum != NULL) {
			memcpy(section->checksum, checksum, sizeof(section->checksum));
		}
	}
	return cursor_finish(body);
}

/* ---- events ---- */

void link_encode_events_start(struct buf *buf, const struct link_events_header *header)
{
	start_packet(buf, LINK_EVENTS);
	buf_add_le64(buf, header->boot);
	buf_add_le64(buf, header->sequence);
	buf_add_le64(buf, (uint64_t)header->sent);
	buf_add_le16(buf, header->worker);
	for (unsigned i = 0; i < EVENT_KIND_COUNT; i++) {
		buf_add_le64(buf, header->dropped[i]);
	}
}

int link_decode_events(struct cursor *body, struct link_events_header *ret_header)
{
	struct link_events_header header = {0};
	header.boot = cursor_le64(body);
	header.sequence = cursor_le64(body);
	header.sent = (int64_t)cursor_le64(body);
	header.worker = cursor_le16(body);
	for (unsigned i = 0; i < EVENT_KIND_COUNT; i++) {
		header.dropped[i] = cursor_le64(body);
	}
	if (body->failed) {
		return SK_E_CORRUPT;
	}
	*ret_header = header;
	return 0;
}

static void add_query(struct buf *buf, const struct event_query *query)
{
	buf_add_le64(buf, (uint64_t)query->time);
	add_address(buf, &query->client);
	add_u8(buf, query->score);
	add_u8(buf, query->source);
	add_u8(buf, query->action);
	add_u8(buf, query->cnc_level);
	add_u8(buf, query->cnc_source);
	buf_add_le64(buf, query->categories);
	buf_add_le64(buf, (uint64_t)query->entry_id);
	add_text(buf, &query->url, EVENT_URL_MAX);
	add_text(buf, &query->client_guid, LIMIT_CLIENT_WORD);
	add_text(buf, &query->server_guid, LIMIT_CLIENT_WORD);
	add_text(buf, &query->computer, LIMIT_CLIENT_WORD);
	add_text(buf, &query->domain, LIMIT_CLIENT_WORD);
	add_text(buf, &query->product, LIMIT_CLIENT_WORD);
}

static void get_query(struct cursor *body, struct event_query *query)
{
	query->time = (int64_t)cursor_le64(body);
	get_address(body, &query->client);
	query->score = cursor_u8(body);
	query->source = cursor_u8(body);
	query->action = cursor_u8(body);
	query->cnc_level = cursor_u8(body);
	query->cnc_source = cursor_u8(body);
	query->categories = cursor_le64(body);
	query->entry_id = (int64_t)cursor_le64(body);
	get_text(body, EVENT_URL_MAX, &query->url);
	get_text(body, LIMIT_CLIENT_WORD, &query->client_guid);
	get_text(body, LIMIT_CLIENT_WORD, &query->server_guid);
	get_text(body, LIMIT_CLIENT_WORD, &query->computer);
	get_text(body, LIMIT_CLIENT_WORD, &query->domain);
	get_text(body, LIMIT_CLIENT_WORD, &query->product);
}

static void add_totals(struct buf *buf, const struct event_totals *totals)
{
	add_u8(buf, totals->service);
	buf_add_le64(buf, totals->requests);
	buf_add_le64(buf, totals->queries);
	buf_add_le64(buf, totals->listed);
	buf_add_le64(buf, totals->blocked);
	buf_add_le64(buf, totals->errors);
	buf_add_le64(buf, totals->bytes_in);
	buf_add_le64(buf, totals->bytes_out);
}

static void get_totals(struct cursor *body, struct event_totals *totals)
{
	totals->service = cursor_u8(body);
	totals->requests = cursor_le64(body);
	totals->queries = cursor_le64(body);
	totals->listed = cursor_le64(body);
	totals->blocked = cursor_le64(body);
	totals->errors = cursor_le64(body);
	totals->bytes_in = cursor_le64(body);
	totals->bytes_out = cursor_le64(body);
}

void link_encode_event(struct buf *buf, const struct link_event *event)
{
	add_u8(buf, (uint8_t)event->kind);
	switch (event->kind) {
	case EVENT_BLOCKED:
	case EVENT_ACCESS:
		add_query(buf, &event->query);
		break;
	case EVENT_RULE_HITS:
		add_u8(buf, event->rule_hits.list);
		buf_add_le64(buf, (uint64_t)event->rule_hits.id);
		buf_add_le32(buf, event->rule_hits.hits);
		buf_add_le64(buf, (uint64_t)event->rule_hits.last);
		break;
	case EVENT_CLIENT:
		add_u8(buf, event->client.service);
		add_address(buf, &event->client.client);
		buf_add_le64(buf, event->client.queries);
		buf_add_le64(buf, event->client.bytes_in);
		buf_add_le64(buf, event->client.detections);
		buf_add_le64(buf, event->client.blocks);
		break;
	case EVENT_TOP_URL:
		buf_add_le32(buf, event->top_url.count);
		add_text(buf, &event->top_url.url, EVENT_URL_MAX);
		break;
	case EVENT_TOTALS:
		add_totals(buf, &event->totals);
		break;
	case EVENT_KIND_COUNT:
		buf->status = SK_E_INTERNAL;
		break;
	}
}

void link_encode_events_finish(struct buf *buf)
{
	finish_packet(buf);
}

static void get_rule_hits(struct cursor *body, struct event_rule_hits *hits)
{
	hits->list = cursor_u8(body);
	hits->id = (int64_t)cursor_le64(body);
	hits->hits = cursor_le32(body);
	hits->last = (int64_t)cursor_le64(body);
}

static void get_client(struct cursor *body, struct event_client *client)
{
	client->service = cursor_u8(body);
	get_address(body, &client->client);
	client->queries = cursor_le64(body);
	client->bytes_in = cursor_le64(body);
	client->detections = cursor_le64(body);
	client->blocks = cursor_le64(body);
}

int link_decode_event(struct cursor *body, struct link_event *ret_event)
{
	if (body->failed) {
		return SK_E_CORRUPT;
	}
	if (cursor_left(body) == 0) {
		return 0;
	}
	struct link_event event = {0};
	uint8_t kind = cursor_u8(body);
	event.kind = (enum event_kind)kind;
	switch (kind) {
	case EVENT_BLOCKED:
	case EVENT_ACCESS:
		get_query(body, &event.query);
		break;
	case EVENT_RULE_HITS:
		get_rule_hits(body, &event.rule_hits);
		break;
	case EVENT_CLIENT:
		get_client(body, &event.client);
		break;
	case EVENT_TOP_URL:
		event.top_url.count = cursor_le32(body);
		get_text(body, EVENT_URL_MAX, &event.top_url.url);
		break;
	case EVENT_TOTALS:
		get_totals(body, &event.totals);
		break;
	default:
		body->failed = 1;
		break;
	}
	if (body->failed) {
		return SK_E_CORRUPT;
	}
	*ret_event = event;
	return 1;
}

/* ---- packets ---- */

int link_decode(const void *packet, size_t size, enum link_kind *ret_kind, struct cursor *ret_body)
{
	struct cursor cursor = cursor_over(packet, size);
	uint16_t version = cursor_le16(&cursor);
	uint16_t kind = cursor_le16(&cursor);
	uint32_t length = cursor_le32(&cursor);
	if (cursor.failed) {
		return SK_E_CORRUPT;
	}
	if (version != LINK_VERSION) {
		return SK_E_VERSION;
	}
	if (kind == 0 || kind >= LINK_KIND_COUNT || length != cursor_left(&cursor)) {
		return SK_E_CORRUPT;
	}
	*ret_kind = (enum link_kind)kind;
	*ret_body = cursor;
	return 0;
}

union control_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(LINK_DESCRIPTORS_MAX * sizeof(int))];
};

int link_send(int socket, const void *packet, size_t size, const int *descriptors,
        size_t descriptor_count)
{
	union control_space control;
	struct iovec part = {.iov_base = (void *)packet, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (size > LINK_PACKET_MAX || descriptor_count > LINK_DESCRIPTORS_MAX) {
		return SK_E_LIMIT;
	}
	if (descriptor_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(descriptor_count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(descriptor_count * sizeof(int));
		memcpy(CMSG_DATA(header), descriptors, descriptor_count * sizeof(int));
	}
	ssize_t sent;
	do {
		sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	return 0;
}

/* Collects the descriptors of a message; those that do not fit are closed by the kernel. */
static size_t take_descriptors(struct msghdr *message, int descriptors[LINK_DESCRIPTORS_MAX])
{
	size_t count = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	        header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && count < LINK_DESCRIPTORS_MAX; i++) {
			memcpy(&descriptors[count++], CMSG_DATA(header) + i * sizeof(int),
			        sizeof(int));
		}
	}
	return count;
}

ssize_t link_receive(int socket, void *space, size_t size,
        int ret_descriptors[LINK_DESCRIPTORS_MAX], size_t *ret_descriptor_count)
{
	union control_space control;
	struct iovec part = {.iov_base = space, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
	        .msg_iovlen = 1,
	        .msg_control = control.bytes,
	        .msg_controllen = sizeof(control.bytes)};
	int descriptors[LINK_DESCRIPTORS_MAX];
	ssize_t got;
	do {
		got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	size_t count = take_descriptors(&message, descriptors);
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		for (size_t i = 0; i < count; i++) {
			close(descriptors[i]);
		}
		return SK_E_CORRUPT;
	}
	memcpy(ret_descriptors, descriptors, count * sizeof(int));
	*ret_descriptor_count = count;
	return got;
}
