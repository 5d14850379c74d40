/*
 * micro_questions PATTERN QUESTIONS [ROUNDS]: CPU time of whole look-ups (canonical form, hashes,
 * pattern, decision) in a web pattern file, in ns per URL. QUESTIONS is as make_data writes it:
 * "1" (listed) or "0", TAB, URL; a wrong answer ends the program. "single" asks one after the
 * other, as requests with one URL do; "batch" prepares 16 and then decides them, as bulk requests
 * do. All are asked twice, so that the figures are those of a server that has run for a while.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/verdict/verdict.h"

#define MICRO_FILE_MAX ((size_t)1 << 30)
#define MICRO_BATCH 16

struct question {
	const char *text;
	uint32_t length;
	bool listed;
};

struct micro {
	struct question *questions;
	size_t count;
	struct snapshot snapshot;
	struct verdict_scratch *scratch;
	struct verdict_client client;
	size_t listed;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "micro_questions: %s\n", what);
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void read_questions(struct micro *micro, const char *path)
{
	char *data;
	size_t length, lines = 1;
	if (file_read(path, MICRO_FILE_MAX, &data, &length) != 0) {
		fail("the questions cannot be read");
	}
	for (size_t i = 0; i < length; i++) {
		lines += data[i] == '\n';
	}
	micro->questions = mem_new(lines, sizeof(*micro->questions));
	if (micro->questions == NULL) {
		fail("no memory");
	}
	for (size_t at = 0; at + 2 < length;) {
		const char *line = data + at;
		const char *stop = memchr(line, '\n', length - at);
		size_t size = stop != NULL ? (size_t)(stop - line) : length - at;
		if (size > 2) {
			micro->questions[micro->count++] =
			        (struct question){line + 2, (uint32_t)size - 2, line[0] == '1'};
		}
		at += size + 1;
	}
}

static void open_pattern(struct micro *micro, const char *path)
{
	static struct web_pattern *pattern;
	struct lookup_file *file;
	struct error error = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || lookup_file_load(fd, LOOKUP_KIND_WEB, &file, &error) != 0 ||
	        web_pattern_open(file, &pattern, &error) != 0) {
		fail(error.text[0] != '\0' ? error.text : "the pattern cannot be opened");
	}
	close(fd);
	micro->snapshot = (struct snapshot){.web = pattern,
	        .block_below = 66,
	        .log_score_max = 65,
	        .ttl_listed = 3600,
	        .ttl_unlisted = 600};
	if (verdict_scratch_new(&micro->scratch) != 0 ||
	        verdict_scratch_fit(micro->scratch, &micro->snapshot) != 0) {
		fail("no memory");
	}
}

static void read_url(const struct question *question, char *space, struct url_query *query)
{
	const char *reason;
	if (url_canonicalize(question->text, question->length, space, URL_TEXT_MAX, &query->url,
	            &reason) != 0) {
		fail(reason);
	}
}

static void decide(struct micro *micro, const struct question *question, struct url_query *query)
{
	struct url_verdict verdict;
	verdict_decide_url(&micro->snapshot, micro->scratch, query, &micro->client, 1, &verdict);
	if ((verdict.source == VERDICT_PATTERN) != question->listed) {
		fprintf(stderr, "%.*s\n", (int)question->length, question->text);
		fail("the answer to this is wrong");
	}
	micro->listed += question->listed;
}

static void ask_singly(struct micro *micro)
{
	static char space[URL_TEXT_MAX];
	static struct url_query query;
	for (size_t i = 0; i < micro->count; i++) {
		read_url(&micro->questions[i], space, &query);
		verdict_prepare_url(&micro->snapshot, &query);
		decide(micro, &micro->questions[i], &query);
	}
}

static void ask_in_batches(struct micro *micro)
{
	static char spaces[MICRO_BATCH][URL_TEXT_MAX];
	static struct url_query queries[MICRO_BATCH];
	for (size_t i = 0; i + MICRO_BATCH <= micro->count; i += MICRO_BATCH) {
		for (size_t j = 0; j < MICRO_BATCH; j++) {
			read_url(&micro->questions[i + j], spaces[j], &queries[j]);
			verdict_prepare_url(&micro->snapshot, &queries[j]);
		}
		for (size_t j = 0; j < MICRO_BATCH; j++) {
			decide(micro, &micro->questions[i + j], &queries[j]);
		}
	}
}

static void canonicalize_only(struct micro *micro)
{
	static char space[URL_TEXT_MAX];
	static struct url_query query;
	for (size_t i = 0; i < micro->count; i++) {
		read_url(&micro->questions[i], space, &query);
	}
}

static void time_it(
        struct micro *micro, const char *what, void (*ask)(struct micro *), uint64_t rounds)
{
	double best = 0;
	for (uint64_t round = 0; round < rounds; round++) {
		double start = cpu_ns();
		ask(micro);
		double took = cpu_ns() - start;
		best = round == 0 || took < best ? took : best;
	}
	printf("  %-34s %8.1f ns\n", what, best / (double)micro->count);
}

int main(int argc, char **argv)
{
	static struct micro micro = {.client = {.computer = NULL}};
	uint64_t rounds = 3;
	if (argc < 3 || argc > 4 ||
	        (argc == 4 && (number_parse_u64(argv[3], strlen(argv[3]), 1000, &rounds) != 0 ||
	                              rounds == 0))) {
		fprintf(stderr, "usage: micro_questions PATTERN QUESTIONS [ROUNDS]\n");
		return 2;
	}
	open_pattern(&micro, argv[1]);
	read_questions(&micro, argv[2]);
	ask_singly(&micro);
	printf("%zu questions, %zu listed, %llu URLs in the pattern\n", micro.count, micro.listed,
	        (unsigned long long)web_pattern_info(micro.snapshot.web)->url_count);
	time_it(&micro, "canonical form", canonicalize_only, rounds);
	time_it(&micro, "whole look-up, single", ask_singly, rounds);
	time_it(&micro, "whole look-up, batch", ask_in_batches, rounds);
	return 0;
}
