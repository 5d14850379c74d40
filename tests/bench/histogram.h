#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

/*
 * Latencies in nanoseconds, counted in buckets that are narrow where values are small: 64 per power
 * of two, so a percentile is off by at most 1.6 %. No allocation; one thread.
 */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_POWERS 40 /* up to 2^45 ns, some ten hours */

struct histogram {
	uint64_t count;
	uint64_t maximum;
	uint64_t sum;
	uint64_t buckets[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The smallest value that at least `share` (0–1) of all values do not exceed; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
