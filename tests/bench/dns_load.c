/*
 * A load generator for DNS blocklist servers, for tests/bench/run to compare with: A queries for
 * "<name>.<zone>" over UDP on loopback, a fixed number in flight, the next one sent when an answer
 * came.
 *
 *   dns_load --port N --names FILE [--zone Z] [--window N] [--seconds S] [--warmup S]
 *
 * One JSON object on standard output: answers, of them listed (an A record) and not (NXDOMAIN),
 * lost ones (no answer within a second), rate, latencies.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "tests/bench/histogram.h"

#define NAMES_FILE_MAX ((size_t)1 << 30)
#define WINDOW_MAX 4096
#define PACKET_MAX 512
#define LOST_NS UINT64_C(1000000000)
#define HEADER_SIZE 12
#define RCODE_MASK 15

struct load {
	const char *names_file, *zone;
	uint16_t port;
	size_t window;
	double seconds, warmup;
	int fd;
	char *names;
	size_t names_length, at;
	uint64_t sent_at[WINDOW_MAX]; /* 0: free; the slot is the query's id */
	uint64_t answers, listed, unlisted, failed, lost;
	bool counting;
	struct histogram latencies;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "dns_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The labels of a name, without the root's: bytes written, 0 when it does not fit. */
static size_t put_labels(unsigned char *to, size_t room, const char *name, size_t length)
{
	size_t used = 0;
	while (length > 0) {
		const char *dot = memchr(name, '.', length);
		size_t label = dot != NULL ? (size_t)(dot - name) : length;
		if (label == 0 || label > 63 || used + label + 1 > room) {
			return 0;
		}
		to[used++] = (unsigned char)label;
		memcpy(to + used, name, label);
		used += label;
		name += dot != NULL ? label + 1 : label;
		length -= dot != NULL ? label + 1 : label;
	}
	return used;
}

/* The next line of the file, from the start again at its end. */
static const char *next_name(struct load *load, size_t *ret_length)
{
	for (;;) {
		if (load->at >= load->names_length) {
			load->at = 0;
		}
		const char *name = load->names + load->at;
		const char *stop = memchr(name, '\n', load->names_length - load->at);
		size_t length =
		        stop != NULL ? (size_t)(stop - name) : load->names_length - load->at;
		load->at += length + 1;
		if (length > 0) {
			*ret_length = length;
			return name;
		}
	}
}

static void send_query(struct load *load, size_t slot)
{
	unsigned char packet[PACKET_MAX] = {0};
	size_t length, labels = 0, zone, used;
	do {
		const char *name = next_name(load, &length);
		labels = put_labels(packet + HEADER_SIZE, 190, name, length);
	} while (labels == 0);
	zone = put_labels(packet + HEADER_SIZE + labels, 60, load->zone, strlen(load->zone));
	used = HEADER_SIZE + labels + zone + 1;
	bytes_put_be16(packet, (uint16_t)slot);
	bytes_put_be16(packet + 2, 0x0100); /* recursion desired */
	bytes_put_be16(packet + 4, 1);
	bytes_put_be16(packet + used, 1); /* A, IN */
	bytes_put_be16(packet + used + 2, 1);
	if (send(load->fd, packet, used + 4, 0) < 0 && errno != ECONNREFUSED) {
		die("send");
	}
	load->sent_at[slot] = now_ns();
}

static void take_answer(struct load *load, const unsigned char *packet, size_t length)
{
	size_t slot = length >= HEADER_SIZE ? bytes_get_be16(packet) : WINDOW_MAX;
	if (slot >= load->window || load->sent_at[slot] == 0) {
		return;
	}
	if (load->counting) {
		unsigned rcode = packet[3] & RCODE_MASK;
		bool has_answer = bytes_get_be16(packet + 6) > 0;
		load->answers++;
		load->listed += rcode == 0 && has_answer;
		load->unlisted += rcode == 3;
		load->failed += !(rcode == 0 && has_answer) && rcode != 3;
		histogram_add(&load->latencies, now_ns() - load->sent_at[slot]);
	}
	send_query(load, slot);
}

static void resend_lost(struct load *load, uint64_t now)
{
	for (size_t slot = 0; slot < load->window; slot++) {
		if (now - load->sent_at[slot] > LOST_NS) {
			load->lost += load->counting;
			send_query(load, slot);
		}
	}
}

static double run(struct load *load)
{
	unsigned char packet[PACKET_MAX];
	uint64_t start = now_ns();
	uint64_t count_at = start + (uint64_t)(load->warmup * 1e9);
	uint64_t end = count_at + (uint64_t)(load->seconds * 1e9);
	uint64_t check_at = start + LOST_NS;
	for (size_t slot = 0; slot < load->window; slot++) {
		send_query(load, slot);
	}
	for (uint64_t now = start; now < end; now = now_ns()) {
		struct pollfd poll_fd = {.fd = load->fd, .events = POLLIN};
		ssize_t got;
		load->counting = now >= count_at;
		if (poll(&poll_fd, 1, 100) > 0) {
			while ((got = recv(load->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
				take_answer(load, packet, (size_t)got);
			}
		}
		if (now > check_at) {
			resend_lost(load, now);
			check_at = now + LOST_NS / 4;
		}
	}
	return (double)(now_ns() - count_at) / 1e9;
}

static void report(const struct load *load, double seconds)
{
	const struct histogram *h = &load->latencies;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"answers\":%llu,\"listed\":%llu,\"unlisted\":%llu,\"errors\":%llu,\"lost\":%llu,"
	       "\"seconds\":%.6f,\"per_second\":%.1f,\"cpu_seconds\":%.3f,"
	       "\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f}}\n",
	        (unsigned long long)load->answers, (unsigned long long)load->listed,
	        (unsigned long long)load->unlisted, (unsigned long long)load->failed,
	        (unsigned long long)load->lost, seconds, (double)load->answers / seconds,
	        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
	        (double)histogram_percentile(h, 0.5) / 1e3,
	        (double)histogram_percentile(h, 0.99) / 1e3);
}

static uint64_t number_argument(const char *text, uint64_t maximum)
{
	uint64_t value;
	if (number_parse_u64(text, strlen(text), maximum, &value) != 0) {
		fprintf(stderr, "dns_load: bad number: %s\n", text);
		exit(2);
	}
	return value;
}

static void parse_options(struct load *load, int argc, char **argv)
{
	static const struct option names[] = {{"port", 1, NULL, 'p'}, {"names", 1, NULL, 'n'},
	        {"zone", 1, NULL, 'z'}, {"window", 1, NULL, 'i'}, {"seconds", 1, NULL, 's'},
	        {"warmup", 1, NULL, 'w'}, {NULL, 0, NULL, 0}};
	load->zone = "bench.example";
	load->window = 64;
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'p':
			load->port = (uint16_t)number_argument(optarg, 65535);
			break;
		case 'n':
			load->names_file = optarg;
			break;
		case 'z':
			load->zone = optarg;
			break;
		case 'i':
			load->window = number_argument(optarg, WINDOW_MAX);
			break;
		case 's':
			load->seconds = strtod(optarg, NULL);
			break;
		case 'w':
			load->warmup = strtod(optarg, NULL);
			break;
		default:
			exit(2);
		}
	}
	if (load->port == 0 || load->names_file == NULL || load->window == 0 ||
	        load->seconds <= 0) {
		fprintf(stderr, "dns_load: --port, --names and --seconds are needed\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct load load;
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	parse_options(&load, argc, argv);
	int rc = file_read(load.names_file, NAMES_FILE_MAX, &load.names, &load.names_length);
	if (rc != 0 || load.names_length == 0) {
		fprintf(stderr, "dns_load: %s: %s\n", load.names_file, sk_strerror(rc));
		return 1;
	}
	address.sin_port = htons(load.port);
	load.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (load.fd < 0 || connect(load.fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		die("connect");
	}
	report(&load, run(&load));
	mem_free(load.names);
	return 0;
}
