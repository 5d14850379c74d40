#include "backend/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/base/mem.h"

struct queue {
	struct task *first, **last;
};

struct worker {
	pthread_t thread;
	void *context;
	struct event *event;
	int signal; /* eventfd: something is done */
	atomic_bool stop;

	/* lock "worker": both queues */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue waiting, finished;
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_put(struct queue *queue, struct task *task)
{
	task->next = NULL;
	*queue->last = task;
	queue->last = &task->next;
}

static struct task *queue_take(struct queue *queue)
{
	struct task *task = queue->first;
	if (task != NULL) {
		queue->first = task->next;
		if (queue->first == NULL) {
			queue->last = &queue->first;
		}
	}
	return task;
}

static void *run(void *context)
{
	struct worker *worker = context;
	pthread_mutex_lock(&worker->lock);
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		struct task *task = queue_take(&worker->waiting);
		if (task == NULL) {
			pthread_cond_wait(&worker->wake, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		task->run(task, worker->context);
		pthread_mutex_lock(&worker->lock);
		queue_put(&worker->finished, task);
		uint64_t one = 1;
		ssize_t written = write(worker->signal, &one, sizeof(one));
		(void)written; /* it only fails when the counter is full, which wakes too */
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

static void finish_tasks(struct worker *worker)
{
	for (;;) {
		pthread_mutex_lock(&worker->lock);
		struct task *task = queue_take(&worker->finished);
		pthread_mutex_unlock(&worker->lock);
		if (task == NULL) {
			return;
		}
		task->done(task);
	}
}

static void on_signal(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));
	(void)got; /* the queue says what there is */
	finish_tasks(context);
}

int worker_start(struct event_base *base, void *context, struct worker **ret_worker)
{
	struct worker *worker = mem_new(1, sizeof(*worker));
	if (worker == NULL) {
		return -ENOMEM;
	}
	worker->context = context;
	queue_init(&worker->waiting);
	queue_init(&worker->finished);
	worker->signal = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->signal < 0) {
		mem_free(worker);
		return -errno;
	}
	worker->event = event_new(base, worker->signal, EV_READ | EV_PERSIST, on_signal, worker);
	pthread_mutex_init(&worker->lock, NULL); /* neither of both can fail on Linux */
	pthread_cond_init(&worker->wake, NULL);
	int failed = worker->event == NULL || event_add(worker->event, NULL) != 0
	                     ? ENOMEM
	                     : pthread_create(&worker->thread, NULL, run, worker);
	if (failed != 0) {
		if (worker->event != NULL) {
			event_free(worker->event);
		}
		close(worker->signal);
		mem_free(worker);
		return -failed;
	}
	*ret_worker = worker;
	return 0;
}

void worker_stop(struct worker *worker)
{
	if (worker == NULL) {
		return;
	}
	atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
	pthread_mutex_lock(&worker->lock);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	finish_tasks(worker);
	for (struct task *task; (task = queue_take(&worker->waiting)) != NULL;) {
		task->done(task);
	}
	event_free(worker->event);
	close(worker->signal);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	mem_free(worker);
}

void worker_submit(struct worker *worker, struct task *task)
{
	pthread_mutex_lock(&worker->lock);
	queue_put(&worker->waiting, task);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

int worker_stopping(const struct worker *worker)
{
	return atomic_load_explicit(&worker->stop, memory_order_relaxed);
}
