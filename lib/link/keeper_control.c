#include "lib/link/keeper_control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

/* Room for the descriptors of one message, aligned as the control header wants it. */
union descriptor_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
};

const char *keeper_role_name(unsigned role)
{
	static const char *const names[KEEPER_ROLE_COUNT] = {
	        [KEEPER_ROLE_FRS_HTTP] = "frs_http",
	        [KEEPER_ROLE_FRS_HTTPS] = "frs_https",
	        [KEEPER_ROLE_WRS_HTTP] = "wrs_http",
	        [KEEPER_ROLE_WRS_HTTPS] = "wrs_https",
	};
	return role < KEEPER_ROLE_COUNT ? names[role] : NULL;
}

int keeper_message_send(
        int socket, const struct keeper_message *message, const int *descriptors, size_t count)
{
	unsigned char bytes[KEEPER_MESSAGE_SIZE];
	union descriptor_space space;
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > KEEPER_FDS_MAX) {
		return SK_E_LIMIT;
	}
	bytes_put_le32(bytes, KEEPER_MAGIC);
	bytes_put_le32(bytes + 4, message->kind);
	for (size_t i = 0; i < KEEPER_ARGUMENTS; i++) {
		bytes_put_le32(bytes + 8 + 4 * i, message->arguments[i]);
	}
	if (count > 0) {
		memset(&space, 0, sizeof(space));
		packet.msg_control = space.bytes;
		packet.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
	}
	ssize_t sent;
	do {
		sent = sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Copies the descriptors of a packet to `ret_descriptors`, as many as fit; closes the rest. */
static int take_descriptors(
        struct msghdr *packet, int *ret_descriptors, size_t maximum, size_t *ret_count)
{
	size_t count = 0;
	bool too_many = (packet->msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header != NULL;
	        header = CMSG_NXTHDR(packet, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int descriptor;
			memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
			if (count < maximum) {
				ret_descriptors[count++] = descriptor;
			} else {
				close(descriptor);
				too_many = true;
			}
		}
	}
	*ret_count = count;
	return too_many ? SK_E_PROTOCOL : 0;
}

static int decode(const unsigned char *bytes, size_t size, struct keeper_message *ret_message)
{
	if (size != KEEPER_MESSAGE_SIZE || bytes_get_le32(bytes) != KEEPER_MAGIC) {
		return SK_E_PROTOCOL;
	}
	uint32_t kind = bytes_get_le32(bytes + 4);
	if (kind == 0 || kind >= KEEPER_MESSAGE_KIND_COUNT) {
		return SK_E_PROTOCOL;
	}
	ret_message->kind = kind;
	for (size_t i = 0; i < KEEPER_ARGUMENTS; i++) {
		ret_message->arguments[i] = bytes_get_le32(bytes + 8 + 4 * i);
	}
	return 0;
}

int keeper_message_receive(int socket, struct keeper_message *ret_message, int *ret_descriptors,
        size_t maximum, size_t *ret_count)
{
	unsigned char bytes[KEEPER_MESSAGE_SIZE + 1]; /* one more, so that a longer one shows */
	union descriptor_space space;
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr packet = {.msg_iov = &part,
	        .msg_iovlen = 1,
	        .msg_control = space.bytes,
	        .msg_controllen = sizeof(space.bytes)};
	ssize_t got;
	do {
		got = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return -errno;
	}
	size_t count = 0;
	int status = take_descriptors(&packet, ret_descriptors, maximum, &count);
	if (status == 0 && got == 0) {
		status = -EPIPE;
	}
	if (status == 0) {
		status = decode(bytes, (size_t)got, ret_message);
	}
	if (status != 0) {
		for (size_t i = 0; i < count; i++) {
			close(ret_descriptors[i]);
		}
		return status;
	}
	*ret_count = count;
	return 0;
}
