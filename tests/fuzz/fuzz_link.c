/* Link packets: every decoder over any bytes; what decodes is encoded again and stays the same. */
#include <assert.h>
#include <stdint.h>

#include "lib/base/mem.h"
#include "lib/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_events(struct cursor *body, struct buf *out)
{
	struct link_events_header header;
	struct link_event event;
	if (link_decode_events(body, &header) != 0) {
		return;
	}
	link_encode_events_start(out, &header);
	int status;
	while ((status = link_decode_event(body, &event)) == 1) {
		link_encode_event(out, &event);
	}
	if (status != 0) {
		buf_clear(out);
		return;
	}
	link_encode_events_finish(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char space[LINK_PACKET_MAX];
	static struct link_publish publish;
	struct link_hello hello;
	struct link_active active;
	enum link_kind kind;
	struct cursor body;
	struct buf out;
	buf_init_fixed(&out, space, sizeof(space));
	if (size > LINK_PACKET_MAX || link_decode(data, size, &kind, &body) != 0) {
		return 0;
	}
	if (kind == LINK_HELLO && link_decode_hello(&body, &hello) == 0) {
		link_encode_hello(&out, &hello);
	} else if (kind == LINK_PUBLISH && link_decode_publish(&body, &publish) == 0) {
		link_encode_publish(&out, &publish);
	} else if (kind == LINK_ACTIVE && link_decode_active(&body, &active) == 0) {
		link_encode_active(&out, &active);
	} else if (kind == LINK_EVENTS) {
		run_events(&body, &out);
	}
	assert(buf_status(&out) == 0);
	assert(out.length == 0 || (out.length == size && memcmp(out.data, data, size) == 0));
	return 0;
}
