/*
 * micro_url FILE [ROUNDS]: CPU time for the canonical form and the expressions of the URLs in FILE
 * (one per line), in ns per URL.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/data/url.h"

#define MICRO_FILE_MAX (64 * 1024 * 1024)

struct micro_url {
	const char *text;
	size_t length;
};

struct micro_totals {
	size_t refused;
	size_t input_bytes;
	size_t output_bytes;
	size_t expressions;
};

static int64_t cpu_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t split_lines(char *data, size_t length, struct micro_url *urls)
{
	size_t count = 0;
	char *end = data + length;
	for (char *line = data; line < end;) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *stop = newline != NULL ? newline : end;
		if (urls != NULL) {
			urls[count] = (struct micro_url){line, (size_t)(stop - line)};
		}
		count++;
		line = stop + 1;
	}
	return count;
}

static void run(const struct micro_url *urls, size_t count, struct micro_totals *totals)
{
	static char space[URL_TEXT_MAX];
	for (size_t i = 0; i < count; i++) {
		struct url url;
		struct url_expressions expressions;
		const char *reason;
		totals->input_bytes += urls[i].length;
		if (url_canonicalize(urls[i].text, urls[i].length, space, sizeof(space), &url,
		            &reason) != 0) {
			totals->refused++;
			continue;
		}
		url_expressions(&url, &expressions);
		totals->output_bytes += url.length;
		totals->expressions += (size_t)expressions.host_count * expressions.path_count;
	}
}

int main(int argc, char **argv)
{
	char *data;
	size_t length;
	uint64_t rounds = 5;
	if (argc < 2 || argc > 3 ||
	        (argc == 3 && number_parse_u64(argv[2], strlen(argv[2]), 1000, &rounds) != 0)) {
		fprintf(stderr, "usage: %s FILE [ROUNDS]\n", argv[0]);
		return 2;
	}
	if (file_read(argv[1], MICRO_FILE_MAX, &data, &length) != 0) {
		fprintf(stderr, "%s cannot be read\n", argv[1]);
		return 1;
	}
	size_t count = split_lines(data, length, NULL);
	struct micro_url *urls = mem_new(count + 1, sizeof(*urls));
	if (urls == NULL || count == 0 || rounds == 0) {
		fprintf(stderr, "nothing to do\n");
		return 1;
	}
	split_lines(data, length, urls);
	struct micro_totals totals = {0};
	int64_t start = cpu_time();
	for (uint64_t round = 0; round < rounds; round++) {
		run(urls, count, &totals);
	}
	double all = (double)count * (double)rounds;
	printf("%zu URLs, %.1f bytes in, %.1f out, %.1f expressions, %zu refused: %.1f ns per "
	       "URL\n",
	        count, (double)totals.input_bytes / all, (double)totals.output_bytes / all,
	        (double)totals.expressions / all, totals.refused / (size_t)rounds,
	        (double)(cpu_time() - start) / all);
	mem_free(urls);
	mem_free(data);
	return 0;
}
