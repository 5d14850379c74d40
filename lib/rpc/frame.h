#ifndef LIB_RPC_FRAME_H
#define LIB_RPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/limits.h"

/*
 * Messages on a stream socket: u32 big-endian length (1 … LIMIT_RPC_MESSAGE), then that many bytes.
 * Descriptors come with the first byte of a message. A reader never reads beyond the message that
 * it is in, so descriptors that arrive belong to that message and to no other.
 */
#define FRAME_HEADER_SIZE 4
#define FRAME_DESCRIPTORS_MAX 250 /* the kernel passes at most 253 at once */

struct frame_reader {
	unsigned char header[FRAME_HEADER_SIZE];
	size_t header_have;
	size_t length; /* of the message; known when the header is complete */
	struct buf body;
	int descriptors[FRAME_DESCRIPTORS_MAX];
	size_t descriptor_count;
};

void frame_reader_init(struct frame_reader *reader);
/* Closes descriptors that nobody took, frees the memory. */
void frame_reader_release(struct frame_reader *reader);
/* The same, but ready for the next message; memory above 64 KiB is given back. */
void frame_reader_clear(struct frame_reader *reader);

/* Is a message half-way? */
static inline int frame_reader_begun(const struct frame_reader *reader)
{
	return reader->header_have > 0;
}

/*
 * The pure decoder. frame_reader_room says where the next bytes go and how many belong to this
 * message (memory grows with what arrives, not with what a header promises);
 * frame_reader_take says that `size` of them are there now: 1 when the message is complete (it
 * stands in `body` until frame_reader_clear), 0 when more is needed, SK_E_PROTOCOL (length),
 * -ENOMEM.
 */
int frame_reader_room(struct frame_reader *reader, char **ret_at, size_t *ret_size) SK_MUST_USE;
int frame_reader_take(struct frame_reader *reader, size_t size) SK_MUST_USE;

/*
 * Reads from `socket` what there is of the present message. 1 complete; -EAGAIN when the socket has
 * no more at the moment; -EPIPE at the end of the stream between two messages; SK_E_PROTOCOL on a
 * bad length, an end inside a message, or too many or cut descriptors; -errno.
 */
int frame_reader_read(struct frame_reader *reader, int socket) SK_MUST_USE;

/* Puts a header and `length` bytes behind what is in `out`; status in buf_status. */
void frame_encode(struct buf *out, const void *bytes, size_t length);

/*
 * Sends a whole message with descriptors (which stay the caller's) on a socket of either mode,
 * waiting for room until `deadline` (ms of the monotonic clock of `frame_now`). 0, SK_E_TIMEOUT,
 * SK_E_LIMIT, -errno (-EPIPE: the peer is gone).
 */
int frame_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count,
        int64_t deadline) SK_MUST_USE;

/* Waits until the socket has the rest of a message, and reads it. As frame_reader_read, but
 * SK_E_TIMEOUT instead of -EAGAIN. The socket must not block. */
int frame_receive(struct frame_reader *reader, int socket, int64_t deadline) SK_MUST_USE;

/* The clock of the deadlines: ms, monotonic. */
int64_t frame_now(void);

#endif
