/*
 * Writes a feed of any size for benchmarks: "make_feed urls|hosts|digests COUNT [SEED]". The same
 * arguments give the same lines. URLs are shaped like those of real lists: a third are sites, the
 * others have one to four folders and sometimes a query; a host has eight URLs on average.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/number.h"

static uint64_t next_random(uint64_t *state)
{
	uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static void put_word(uint64_t *state, unsigned shortest, unsigned more)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint64_t random = next_random(state);
	unsigned length = shortest + (unsigned)(random >> 56) % more;
	for (unsigned i = 0; i < length; i++) {
		putchar(letters[random % 36]);
		random /= 36;
	}
}

/* The same number gives the same host. */
static void put_host(uint64_t number)
{
	static const char *const tops[] = {"com", "net", "org", "info", "xyz", "top", "co.uk",
	        "com.br", "duckdns.org", "pages.dev"};
	uint64_t state = number * 2 + 1;
	uint64_t random = next_random(&state);
	if (random % 3 == 0) {
		put_word(&state, 3, 6);
		putchar('.');
	}
	put_word(&state, 6, 7);
	printf("%" PRIx64 ".%s", number % 4096, tops[random / 3 % 10]);
}

static void put_url(uint64_t *state, uint64_t hosts)
{
	uint64_t random = next_random(state);
	fputs(random & 1 ? "http://" : "https://", stdout);
	put_host(next_random(state) % hosts);
	if (random >> 8 & 1 || (random >> 9 & 3) != 0) {
		unsigned folders = (unsigned)(random >> 16) % 4;
		for (unsigned i = 0; i < folders; i++) {
			putchar('/');
			put_word(state, 2, 9);
		}
		putchar('/');
		put_word(state, 4, 8);
		fputs(random >> 20 & 1 ? ".php" : ".exe", stdout);
		if ((random >> 24 & 7) == 0) {
			fputs("?id=", stdout);
			put_word(state, 3, 9);
		}
	} else {
		putchar('/');
	}
	putchar('\n');
}

static void put_digest(uint64_t *state)
{
	/* Three of four are SHA-256, as in real lists. */
	unsigned kind = (unsigned)(next_random(state) % 8);
	int words = kind == 0 ? 5 : kind == 1 ? 4 : 8;
	for (int i = 0; i < words; i++) {
		printf("%08" PRIx32, (uint32_t)next_random(state));
	}
	if ((next_random(state) & 3) == 0) {
		printf("\tTrojan.Family%u", (unsigned)(next_random(state) % 5000));
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	uint64_t count, seed = 1;
	if (argc < 3 || number_parse_u64(argv[2], strlen(argv[2]), 1000000000, &count) != 0 ||
	        (argc > 3 && number_parse_u64(argv[3], strlen(argv[3]), UINT32_MAX, &seed) != 0)) {
		fputs("Usage: make_feed urls|hosts|digests COUNT [SEED]\n", stderr);
		return 2;
	}
	uint64_t state = seed * UINT64_C(0x2545f4914f6cdd1d);
	uint64_t hosts = count / 8 + 1;
	for (uint64_t i = 0; i < count; i++) {
		if (strcmp(argv[1], "urls") == 0) {
			put_url(&state, hosts);
		} else if (strcmp(argv[1], "hosts") == 0) {
			put_host(next_random(&state));
			putchar('\n');
		} else {
			put_digest(&state);
		}
	}
	return fflush(stdout) != 0;
}
