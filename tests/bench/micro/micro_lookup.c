/*
 * Patterns of N entries: how long building, opening and looking up take, how large they are.
 *   micro_lookup N [web|files]
 * Times are of the processor unless it says "wall". "chained" means that each look-up waits for the
 * result of the one before (full latency); "batch" that 16 are under way
 * at once by means of the prefetches, as in a bulk request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/data/rating.h"
#include "lib/lookup/file_pattern.h"
#include "lib/lookup/pattern_builder.h"
#include "lib/lookup/web_pattern.h"

#define PROBES ((size_t)1 << 20)
#define BATCH 16
#define ROUNDS 3

static const char *const sources[] = {"one", "two", "three", "four"};

static void must(int status, const char *what)
{
	if (status != 0) {
		fprintf(stderr, "%s: %s\n", what, sk_strerror(status));
		exit(1);
	}
}

static uint64_t random_of(uint64_t number)
{
	uint64_t value = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct stopwatch {
	double cpu, wall;
};

static struct stopwatch start(void)
{
	return (struct stopwatch){seconds(CLOCK_PROCESS_CPUTIME_ID), seconds(CLOCK_MONOTONIC)};
}

static double cpu_since(const struct stopwatch *watch)
{
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - watch->cpu;
}

static void report(const char *what, const struct stopwatch *watch)
{
	printf("  %-34s %8.3f s cpu %8.3f s wall\n", what, cpu_since(watch),
	        seconds(CLOCK_MONOTONIC) - watch->wall);
}

static long resident_kib(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Every entry has a host of its own: the worst case for the filter. */
static void make_url(uint64_t number, char text[96], struct url *ret_url)
{
	uint64_t random = random_of(number);
	int host = snprintf(text, 96, "w%u.site%07llx.example", (unsigned)random & 7,
	        (unsigned long long)number);
	int rest = random % 3 == 0
	                   ? snprintf(text + host, 96 - (size_t)host, "/")
	                   : snprintf(text + host, 96 - (size_t)host, "/wp-content/%x/%08x.php",
	                             (unsigned)(random >> 20) & 0xfff, (unsigned)(random >> 32));
	*ret_url = (struct url){.text = text,
	        .length = (uint32_t)(host + rest),
	        .host_length = (uint32_t)host,
	        .path_start = (uint32_t)host,
	        .path_length = (uint32_t)rest};
}

static struct web_value make_value(uint64_t number)
{
	static const uint8_t scores[] = {49, 20, 35, 60};
	uint64_t random = random_of(number ^ 0x5555);
	return (struct web_value){.score = scores[random % 4],
	        .origins = 1 + (random >> 8) % 15,
	        .categories = UINT64_C(1) << ((random >> 16) % 8)};
}

static int build_web(uint64_t count, uint64_t *ret_written)
{
	static const struct siphash_key key = {UINT64_C(0x1122334455667788), 42};
	struct web_builder *builder;
	struct build_counts counts;
	struct error error = {0};
	long before = resident_kib();
	must(web_builder_new(&key, &builder), "builder");
	struct stopwatch watch = start();
	for (uint64_t i = 0; i < count; i++) {
		char text[96];
		struct url url;
		struct web_value value = make_value(i);
		make_url(i, text, &url);
		must(web_builder_add(builder, &url, &value), "add");
	}
	report("add (with making the texts)", &watch);
	int fd = memfd_create("web", MFD_CLOEXEC);
	watch = start();
	if (web_builder_write(builder, fd, "bench", "1", sources, 4, NULL, NULL, &counts, &error) !=
	        0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	report("sort, merge, write", &watch);
	printf("  %-34s %8.1f B per entry (dropped %llu)\n", "peak memory",
	        (double)(resident_kib() - before) * 1024 / (double)count,
	        (unsigned long long)counts.dropped);
	web_builder_free(builder);
	*ret_written = counts.written;
	return fd;
}

struct probe {
	struct siphash_value host;
	struct lookup_key key;
};

static struct probe *make_probes(uint64_t count, bool there, const struct siphash_key *key)
{
	struct probe *probes = mem_new(PROBES, sizeof(*probes));
	must(probes == NULL ? -1 : 0, "memory");
	for (size_t i = 0; i < PROBES; i++) {
		char text[96];
		struct url url;
		make_url(random_of(i) % count + (there ? 0 : count), text, &url);
		probes[i].host = siphash(key, text, url.host_length);
		probes[i].key = lookup_key_from_hash(siphash(key, text, url.length));
	}
	return probes;
}

static void print_times(const char *what, const double *times, uint64_t found)
{
	double best = times[0];
	for (int i = 1; i < ROUNDS; i++) {
		best = times[i] < best ? times[i] : best;
	}
	printf("  %-34s %8.1f ns (%.1f %% found)\n", what, best / PROBES * 1e9,
	        100.0 * (double)found / PROBES / ROUNDS);
}

static void time_filter(
        const char *what, const struct web_pattern *pattern, const struct probe *probes)
{
	double times[ROUNDS];
	uint64_t found = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct stopwatch watch = start();
		for (size_t i = 0; i < PROBES; i++) {
			found += web_pattern_may_have_host(pattern, probes[i].host);
		}
		times[round] = cpu_since(&watch);
	}
	print_times(what, times, found);
}

static void time_find(const char *what, const struct web_pattern *pattern,
        const struct probe *probes, bool chained)
{
	double times[ROUNDS];
	uint64_t found = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct stopwatch watch = start();
		uint64_t twist = 0;
		for (size_t i = 0; i < PROBES; i++) {
			struct lookup_key key = probes[i].key;
			key.high ^= twist;
			const struct web_value *value = web_pattern_find(pattern, key);
			found += value != NULL;
			if (chained) {
				/* Always zero, but the processor has to wait to see it. */
				twist = (uint64_t)(uintptr_t)value >> 63;
			}
		}
		times[round] = cpu_since(&watch);
	}
	print_times(what, times, found);
}

/* What a bulk request does: filter first, then fan-out, slots, and the comparison. */
static void time_batch(
        const char *what, const struct web_pattern *pattern, const struct probe *probes)
{
	double times[ROUNDS];
	uint64_t found = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct stopwatch watch = start();
		for (size_t i = 0; i < PROBES; i += BATCH) {
			const struct probe *batch = probes + i;
			const struct probe *passed[BATCH];
			size_t count = 0;
			for (size_t j = 0; j < BATCH; j++) {
				web_pattern_prefetch_host(pattern, batch[j].host);
			}
			for (size_t j = 0; j < BATCH; j++) {
				if (web_pattern_may_have_host(pattern, batch[j].host)) {
					passed[count++] = &batch[j];
					web_pattern_prefetch(pattern, batch[j].key);
				}
			}
			for (size_t j = 0; j < count; j++) {
				web_pattern_prefetch_slot(pattern, passed[j]->key);
			}
			for (size_t j = 0; j < count; j++) {
				found += web_pattern_find(pattern, passed[j]->key) != NULL;
			}
		}
		times[round] = cpu_since(&watch);
	}
	print_times(what, times, found);
}

static void run_web(uint64_t count)
{
	struct lookup_file *file;
	struct web_pattern *pattern;
	struct error error = {0};
	uint64_t written;
	printf("web pattern of %llu entries\n", (unsigned long long)count);
	int fd = build_web(count, &written);
	struct stopwatch watch = start();
	must(lookup_file_load(fd, LOOKUP_KIND_WEB, &file, &error), "load");
	report("load with checksum", &watch);
	must(web_pattern_open(file, &pattern, &error), "open");
	report("load and open", &watch);
	close(fd);
	printf("  %-34s %8.2f B per entry\n", "file",
	        (double)lookup_file_size(file) / (double)written);
	const struct siphash_key *key = web_pattern_key(pattern);
	struct probe *hits = make_probes(count, true, key);
	struct probe *misses = make_probes(count, false, key);
	time_filter("filter, clean host", pattern, misses);
	time_find("find, hit, chained", pattern, hits, true);
	time_find("find, hit", pattern, hits, false);
	time_find("find, miss behind filter", pattern, misses, false);
	time_batch("filter and find in batch, hits", pattern, hits);
	time_batch("filter and find in batch, clean", pattern, misses);
	mem_free(hits);
	mem_free(misses);
	web_pattern_close(pattern);
}

static void make_digest(uint64_t number, struct digest *ret_digest)
{
	*ret_digest = (struct digest){.kind = DIGEST_SHA256};
	for (unsigned i = 0; i < 4; i++) {
		uint64_t word = random_of(number * 4 + i);
		memcpy(ret_digest->bytes + 8 * i, &word, 8);
	}
}

static int build_files(uint64_t count)
{
	struct file_builder *builder;
	struct build_counts counts;
	struct error error = {0};
	long before = resident_kib();
	must(file_builder_new(&builder), "builder");
	struct stopwatch watch = start();
	for (uint64_t i = 0; i < count; i++) {
		struct digest digest;
		char name[32] = "";
		uint64_t random = random_of(i ^ 0x7777);
		make_digest(i, &digest);
		/* What a family is does not change from file to file. */
		unsigned number = random % 4 != 0 ? (unsigned)(random >> 8) % 5000 : 0;
		uint64_t family = random_of(number);
		if (number != 0) {
			snprintf(name, sizeof(name), "Family.%u", number);
		}
		must(file_builder_add(builder, &digest, family % 5 != 0,
		             (uint8_t)((family >> 8) % THREAT_KIND_COUNT), name,
		             1 + (random >> 48) % 15),
		        "add");
	}
	report("add (with making the digests)", &watch);
	int fd = memfd_create("files", MFD_CLOEXEC);
	watch = start();
	if (file_builder_write(
	            builder, fd, "bench", "1", sources, 4, NULL, NULL, &counts, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	report("sort, merge, write", &watch);
	printf("  %-34s %8.1f B per entry (of all so far)\n", "peak memory",
	        (double)(resident_kib() - before) * 1024 / (double)count);
	file_builder_free(builder);
	return fd;
}

static void time_digests(
        const char *what, const struct file_pattern *pattern, uint64_t from, bool batch)
{
	struct digest *probes = mem_new(PROBES, sizeof(*probes));
	must(probes == NULL ? -1 : 0, "memory");
	for (size_t i = 0; i < PROBES; i++) {
		uint64_t count = file_pattern_info(pattern)->digest_counts[DIGEST_SHA256];
		make_digest(random_of(i) % count + from, &probes[i]);
	}
	double times[ROUNDS];
	uint64_t found = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct stopwatch watch = start();
		struct file_value value = {0};
		for (size_t i = 0; i < PROBES; i += BATCH) {
			for (size_t j = 0; batch && j < BATCH; j++) {
				file_pattern_prefetch(pattern, &probes[i + j]);
			}
			for (size_t j = 0; batch && j < BATCH; j++) {
				file_pattern_prefetch_slot(pattern, &probes[i + j]);
			}
			for (size_t j = 0; j < BATCH; j++) {
				found += file_pattern_find(pattern, &probes[i + j], &value);
			}
		}
		times[round] = cpu_since(&watch);
	}
	print_times(what, times, found);
	mem_free(probes);
}

static void run_files(uint64_t count)
{
	struct lookup_file *file;
	struct file_pattern *pattern;
	struct error error = {0};
	printf("file pattern of %llu digests\n", (unsigned long long)count);
	int fd = build_files(count);
	struct stopwatch watch = start();
	must(lookup_file_load(fd, LOOKUP_KIND_FILES, &file, &error), "load");
	report("load with checksum", &watch);
	must(file_pattern_open(file, &pattern, &error), "open");
	report("load and open", &watch);
	close(fd);
	printf("  %-34s %8.2f B per entry\n", "file",
	        (double)lookup_file_size(file) / (double)count);
	time_digests("find, hit", pattern, 0, false);
	time_digests("find, miss", pattern, count, false);
	time_digests("find in batch, hits", pattern, 0, true);
	time_digests("find in batch, misses", pattern, count, true);
	file_pattern_close(pattern);
}

int main(int argc, char **argv)
{
	uint64_t count = 1000000;
	if (argc > 1 && number_parse_u64(argv[1], strlen(argv[1]), 100000000, &count) != 0) {
		fprintf(stderr, "usage: micro_lookup N [web|files]\n");
		return 2;
	}
	if (argc < 3 || strcmp(argv[2], "web") == 0) {
		run_web(count);
	}
	if (argc < 3 || strcmp(argv[2], "files") == 0) {
		run_files(count);
	}
	return 0;
}
