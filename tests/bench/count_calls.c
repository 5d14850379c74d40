/*
 * Preloaded into a server (LD_PRELOAD): counts its calls of the heap and of locks by all threads,
 * in a file that the bench maps too ($SEKISHO_COUNTS); eight bytes each: allocations, frees, locks.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/attribute.h"

struct counts {
	_Atomic uint64_t allocations, frees, locks;
};

#define EXPORTED __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static struct counts before_start;
static struct counts *counts = &before_start;

static void add(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

EXPORTED void *malloc(size_t size)
{
	add(&counts->allocations);
	return __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
	add(&counts->allocations);
	return __libc_calloc(count, size);
}

EXPORTED void *realloc(void *old, size_t size)
{
	add(&counts->allocations);
	return __libc_realloc(old, size);
}

EXPORTED void free(void *memory)
{
	if (memory != NULL) {
		add(&counts->frees);
	}
	__libc_free(memory);
}

/* Counts a lock and calls the real function, which is looked up once. */
#define COUNTED_LOCK(function, type)                                                               \
	EXPORTED int function(type *lock)                                                          \
	{                                                                                          \
		static int (*known)(type *);                                                       \
		int (*real)(type *) = __atomic_load_n(&known, __ATOMIC_RELAXED);                   \
		if (real == NULL) {                                                                \
			*(void **)&real = dlsym(RTLD_NEXT, #function);                             \
			__atomic_store_n(&known, real, __ATOMIC_RELAXED);                          \
		}                                                                                  \
		add(&counts->locks);                                                               \
		return real(lock);                                                                 \
	}

COUNTED_LOCK(pthread_mutex_lock, pthread_mutex_t)
COUNTED_LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED_LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
COUNTED_LOCK(pthread_spin_lock, pthread_spinlock_t)

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("SEKISHO_COUNTS");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0) {
		return;
	}
	void *shared = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED) {
		counts = shared;
	}
}
