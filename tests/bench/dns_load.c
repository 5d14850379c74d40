/*
 * Asks a DNS block list over UDP: dns_load PORT ZONE FILE WINDOW SECONDS [PID]. FILE has lines of
 * "1" (listed) or "0", TAB, host name; the question is "<name>.<ZONE> IN A". WINDOW questions are
 * under way at a time. Prints one JSON object: answers, wrong ones, lost ones, seconds, CPU time of
 * process PID.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "tests/bench/server_cpu.h"

#define FILE_MAX ((size_t)1 << 30)
#define PACKET_MAX 512
#define HEADER_SIZE 12
#define NAME_MAX_TEXT 253
#define WINDOW_MAX 4096
#define RCODE_NXDOMAIN 3

struct question {
	unsigned char packet[PACKET_MAX];
	uint16_t size;
	bool listed;
};

struct dns_load {
	int socket;
	unsigned char *packets; /* all questions one behind the other: u16 size, u8 listed, bytes */
	size_t *starts;
	size_t count, next;
	uint16_t id;
	bool listed[65536]; /* expected, by id */
	uint64_t answers, wrong, lost, outstanding;
};

static void die(const char *what)
{
	fprintf(stderr, "dns_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Adds the labels of a name of `length` bytes at `at`; the new end, or NULL when it is too long. */
static unsigned char *add_labels(unsigned char *at, const char *name, size_t length)
{
	if (length > NAME_MAX_TEXT) {
		return NULL;
	}
	while (length > 0) {
		const char *dot = memchr(name, '.', length);
		size_t label = dot != NULL ? (size_t)(dot - name) : length;
		if (label == 0 || label > 63) {
			return NULL;
		}
		*at++ = (unsigned char)label;
		memcpy(at, name, label);
		at += label;
		size_t used = label + (dot != NULL);
		name += used;
		length -= used;
	}
	return at;
}

/* Makes the question of one line; 0 size when the name does not go into one. */
static void make_question(
        struct question *question, const char *line, size_t length, const char *zone)
{
	static const unsigned char head[HEADER_SIZE] = {0, 0, 1, 0, 0, 1};
	static const unsigned char tail[5] = {0, 0, 1, 0, 1}; /* root, type A, class IN */
	question->size = 0;
	if (length < 3 || line[1] != '\t') {
		return;
	}
	question->listed = line[0] == '1';
	memcpy(question->packet, head, sizeof(head));
	unsigned char *at = add_labels(question->packet + sizeof(head), line + 2, length - 2);
	if (at == NULL || at - question->packet > 300) {
		return;
	}
	at = add_labels(at, zone, strlen(zone));
	if (at == NULL || at - question->packet > PACKET_MAX - (int)sizeof(tail)) {
		return;
	}
	memcpy(at, tail, sizeof(tail));
	question->size = (uint16_t)(at + sizeof(tail) - question->packet);
}

static void read_questions(struct dns_load *load, const char *path, const char *zone)
{
	char *data;
	size_t length, lines = 1, used = 0;
	int status = file_read(path, FILE_MAX, &data, &length);
	if (status != 0) {
		fprintf(stderr, "dns_load: %s: %s\n", path, sk_strerror(status));
		exit(1);
	}
	for (size_t i = 0; i < length; i++) {
		lines += data[i] == '\n';
	}
	/* A question is 12 + 2 + 5 bytes and the zone longer than its name at most. */
	load->packets = mem_new(length + lines * (HEADER_SIZE + 16 + strlen(zone)), 1);
	load->starts = mem_new(lines, sizeof(*load->starts));
	if (load->packets == NULL || load->starts == NULL) {
		die("questions");
	}
	for (size_t at = 0; at < length;) {
		const char *stop = memchr(data + at, '\n', length - at);
		size_t size = stop != NULL ? (size_t)(stop - (data + at)) : length - at;
		struct question question;
		make_question(&question, data + at, size, zone);
		if (question.size > 0) {
			load->starts[load->count++] = used;
			bytes_put_le16(load->packets + used, question.size);
			load->packets[used + 2] = question.listed;
			memcpy(load->packets + used + 3, question.packet, question.size);
			used += 3u + question.size;
		}
		at += size + 1;
	}
	mem_free(data);
	if (load->count == 0) {
		errno = ENODATA;
		die(path);
	}
}

static void ask(struct dns_load *load)
{
	unsigned char *item = load->packets + load->starts[load->next];
	load->next = load->next + 1 < load->count ? load->next + 1 : 0;
	uint16_t id = load->id++;
	load->listed[id] = item[2];
	bytes_put_be16(item + 3, id);
	if (send(load->socket, item + 3, bytes_get_le16(item), 0) < 0) {
		die("send");
	}
	load->outstanding++;
}

/* Takes one answer; false when none came within the socket's time. */
static bool take(struct dns_load *load)
{
	unsigned char packet[PACKET_MAX];
	ssize_t got = recv(load->socket, packet, sizeof(packet), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (got < HEADER_SIZE) {
		die("recv");
	}
	bool listed = (packet[3] & 15) == 0 && bytes_get_be16(packet + 6) > 0;
	bool unlisted = (packet[3] & 15) == RCODE_NXDOMAIN;
	load->wrong += load->listed[bytes_get_be16(packet)] ? !listed : !unlisted;
	load->answers++;
	load->outstanding -= load->outstanding > 0;
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void run(struct dns_load *load, uint64_t window, uint64_t seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000u;
	while (now_ns() < end) {
		while (load->outstanding < window) {
			ask(load);
		}
		if (!take(load)) {
			load->lost += load->outstanding;
			load->outstanding = 0;
		}
	}
}

static uint64_t number_argument(const char *text, uint64_t maximum)
{
	uint64_t value;
	if (number_parse_u64(text, strlen(text), maximum, &value) != 0 || value == 0) {
		fprintf(stderr, "dns_load: bad number: %s\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static struct dns_load load;
	if (argc != 6 && argc != 7) {
		fprintf(stderr, "usage: dns_load PORT ZONE FILE WINDOW SECONDS [PID]\n");
		return 2;
	}
	struct sockaddr_in address = {.sin_family = AF_INET,
	        .sin_port = htons((uint16_t)number_argument(argv[1], 65535)),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint64_t window = number_argument(argv[4], WINDOW_MAX);
	uint64_t seconds = number_argument(argv[5], 3600);
	read_questions(&load, argv[3], argv[2]);
	struct timeval patience = {.tv_usec = 500000};
	load.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (load.socket < 0 ||
	        setsockopt(load.socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) !=
	                0 ||
	        connect(load.socket, (struct sockaddr *)&address, sizeof(address)) != 0) {
		die("socket");
	}
	const char *pid = argc == 7 ? argv[6] : "";
	uint64_t start = now_ns();
	double cpu = server_cpu_seconds(pid);
	run(&load, window, seconds);
	double took = (double)(now_ns() - start) / 1e9;
	printf("{\"answers\":%llu,\"wrong\":%llu,\"lost\":%llu,\"seconds\":%.6f,"
	       "\"per_second\":%.1f,\"server_cpu_seconds\":%.3f}\n",
	        (unsigned long long)load.answers, (unsigned long long)load.wrong,
	        (unsigned long long)load.lost, took, (double)load.answers / took,
	        server_cpu_seconds(pid) - cpu);
	return 0;
}
