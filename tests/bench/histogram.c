#include "tests/bench/histogram.h"

#include <stddef.h>

#include "lib/base/attribute.h"

static size_t bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_STEPS) {
		return (size_t)value;
	}
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 6;
	size_t bucket = (size_t)(shift + 1) * HISTOGRAM_STEPS +
	                (size_t)((value >> shift) & (HISTOGRAM_STEPS - 1));
	size_t last = (size_t)HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1;
	return bucket < last ? bucket : last;
}

/* The largest value of a bucket. */
static uint64_t bucket_top(size_t bucket)
{
	if (bucket < HISTOGRAM_STEPS) {
		return bucket;
	}
	unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
	uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
	return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
	histogram->sum += value;
	if (value > histogram->maximum) {
		histogram->maximum = value;
	}
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
	uint64_t rank = (uint64_t)(share * (double)histogram->count + 0.5);
	uint64_t seen = 0;
	for (size_t i = 0; i < SK_COUNT(histogram->buckets); i++) {
		seen += histogram->buckets[i];
		if (seen >= rank && seen > 0) {
			uint64_t top = bucket_top(i);
			return top < histogram->maximum ? top : histogram->maximum;
		}
	}
	return histogram->maximum;
}
