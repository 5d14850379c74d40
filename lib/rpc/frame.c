#include "lib/rpc/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"

#define KEEP_BYTES (64 * 1024)
#define STEP_BYTES (64 * 1024)

void frame_reader_init(struct frame_reader *reader)
{
	memset(reader, 0, sizeof(*reader));
	buf_init(&reader->body, LIMIT_RPC_MESSAGE + 1);
}

void frame_reader_clear(struct frame_reader *reader)
{
	for (size_t i = 0; i < reader->descriptor_count; i++) {
		close(reader->descriptors[i]);
	}
	reader->descriptor_count = 0;
	reader->header_have = 0;
	reader->length = 0;
	if (reader->body.capacity > KEEP_BYTES) {
		buf_release(&reader->body);
	}
	buf_clear(&reader->body);
}

void frame_reader_release(struct frame_reader *reader)
{
	frame_reader_clear(reader);
	buf_release(&reader->body);
}

int frame_reader_room(struct frame_reader *reader, char **ret_at, size_t *ret_size)
{
	if (reader->header_have < FRAME_HEADER_SIZE) {
		*ret_at = (char *)reader->header + reader->header_have;
		*ret_size = FRAME_HEADER_SIZE - reader->header_have;
		return 0;
	}
	size_t left = reader->length - reader->body.length;
	size_t size = left < STEP_BYTES ? left : STEP_BYTES;
	char *at = buf_reserve(&reader->body, size);
	if (at == NULL) {
		return buf_status(&reader->body);
	}
	*ret_at = at;
	*ret_size = size;
	return 0;
}

int frame_reader_take(struct frame_reader *reader, size_t size)
{
	if (reader->header_have < FRAME_HEADER_SIZE) {
		reader->header_have += size;
		if (reader->header_have < FRAME_HEADER_SIZE) {
			return 0;
		}
		reader->length = bytes_get_be32(reader->header);
		return reader->length >= 1 && reader->length <= LIMIT_RPC_MESSAGE ? 0
		                                                                  : SK_E_PROTOCOL;
	}
	buf_commit(&reader->body, size);
	return reader->body.length == reader->length ? 1 : 0;
}

static int take_descriptors(struct frame_reader *reader, struct msghdr *message)
{
	int status = (message->msg_flags & MSG_CTRUNC) != 0 ? SK_E_PROTOCOL : 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
	        part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			if (reader->descriptor_count < FRAME_DESCRIPTORS_MAX) {
				reader->descriptors[reader->descriptor_count++] = fd;
			} else {
				close(fd);
				status = SK_E_PROTOCOL;
			}
		}
	}
	return status;
}

static ssize_t receive_some(struct frame_reader *reader, int socket, char *at, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 253)];
	} control;
	struct iovec piece = {.iov_base = at, .iov_len = size};
	struct msghdr message = {.msg_iov = &piece,
	        .msg_iovlen = 1,
	        .msg_control = control.space,
	        .msg_controllen = sizeof(control.space)};
	ssize_t got;
	do {
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	int status = take_descriptors(reader, &message);
	return status != 0 ? status : got;
}

int frame_reader_read(struct frame_reader *reader, int socket)
{
	for (;;) {
		char *at = NULL;
		size_t size = 0;
		int status = frame_reader_room(reader, &at, &size);
		if (status != 0) {
			return status;
		}
		ssize_t got = receive_some(reader, socket, at, size);
		if (got < 0) {
			return (int)got;
		}
		if (got == 0) {
			return frame_reader_begun(reader) ? SK_E_PROTOCOL : -EPIPE;
		}
		status = frame_reader_take(reader, (size_t)got);
		if (status != 0) {
			return status;
		}
	}
}

void frame_encode(struct buf *out, const void *bytes, size_t length)
{
	unsigned char header[FRAME_HEADER_SIZE];
	bytes_put_be32(header, (uint32_t)length);
	buf_add(out, header, sizeof(header));
	buf_add(out, bytes, length);
}

int64_t frame_now(void)
{
	return clock_monotonic(&clock_system);
}

/* Waits for `events`; 0, SK_E_TIMEOUT, -errno. */
static int wait_for(int socket, short events, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - frame_now();
		if (left <= 0) {
			return SK_E_TIMEOUT;
		}
		struct pollfd entry = {.fd = socket, .events = events};
		int ready = poll(&entry, 1, left > 60000 ? 60000 : (int)left);
		if (ready > 0) {
			return 0;
		}
		if (ready < 0 && errno != EINTR) {
			return -errno;
		}
	}
}

static ssize_t send_some(
        int socket, struct iovec *pieces, size_t piece_count, const int *descriptors, size_t count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FRAME_DESCRIPTORS_MAX)];
	} control;
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = piece_count};
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(part), descriptors, sizeof(int) * count);
	}
	ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sent < 0 ? -errno : sent;
}

int frame_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count,
        int64_t deadline)
{
	if (length < 1 || length > LIMIT_RPC_MESSAGE || count > FRAME_DESCRIPTORS_MAX) {
		return SK_E_LIMIT;
	}
	unsigned char header[FRAME_HEADER_SIZE];
	bytes_put_be32(header, (uint32_t)length);
	size_t done = 0;
	while (done < FRAME_HEADER_SIZE + length) {
		struct iovec pieces[2];
		size_t used = 0;
		if (done < FRAME_HEADER_SIZE) {
			pieces[used++] = (struct iovec){header + done, FRAME_HEADER_SIZE - done};
		}
		size_t skip = done < FRAME_HEADER_SIZE ? 0 : done - FRAME_HEADER_SIZE;
		pieces[used++] =
		        (struct iovec){(void *)((uintptr_t)bytes + skip), /* iovec has no const */
		                length - skip};
		ssize_t sent = send_some(socket, pieces, used, descriptors, done == 0 ? count : 0);
		if (sent >= 0) {
			done += (size_t)sent;
		} else if (sent == -EAGAIN) {
			int status = wait_for(socket, POLLOUT, deadline);
			if (status != 0) {
				return status;
			}
		} else if (sent != -EINTR) {
			return (int)sent;
		}
	}
	return 0;
}

int frame_receive(struct frame_reader *reader, int socket, int64_t deadline)
{
	for (;;) {
		int status = frame_reader_read(reader, socket);
		if (status != -EAGAIN) {
			return status;
		}
		status = wait_for(socket, POLLIN, deadline);
		if (status != 0) {
			return status;
		}
	}
}
