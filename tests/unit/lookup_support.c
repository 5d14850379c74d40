#include "tests/unit/lookup_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"

uint64_t test_random(uint64_t *state)
{
	uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

int test_file_new(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

unsigned char *test_file_bytes(int fd, size_t *ret_size)
{
	struct stat info;
	assert_int_equal(fstat(fd, &info), 0);
	size_t size = (size_t)info.st_size;
	unsigned char *data = mem_new(size, 1);
	assert_non_null(data);
	for (size_t have = 0; have < size;) {
		ssize_t got = pread(fd, data + have, size - have, (off_t)have);
		assert_true(got > 0);
		have += (size_t)got;
	}
	*ret_size = size;
	return data;
}

void test_fix_checksum(unsigned char *data, size_t size)
{
	if (size >= SHA256_SIZE) {
		assert_int_equal(sha256(data, size - SHA256_SIZE, data + size - SHA256_SIZE), 0);
	}
}

const char *const test_sources[TEST_SOURCE_COUNT] = {"alpha", "beta", "gamma", "delta"};

void test_keep_conflict(void *context, enum build_conflict_kind kind, const char *text,
        uint64_t bad_origins, uint64_t good_origins)
{
	struct test_conflicts *conflicts = context;
	conflicts->count++;
	conflicts->kind = kind;
	snprintf(conflicts->text, sizeof(conflicts->text), "%s", text);
	conflicts->bad = bad_origins;
	conflicts->good = good_origins;
}
