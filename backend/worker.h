#ifndef BACKEND_WORKER_H
#define BACKEND_WORKER_H

#include "lib/base/attribute.h"
#include "lib/base/error.h"

struct event_base;

/*
 * A thread that does one piece of work after the other, for what would hold up the main loop:
 * searches, exports, the base level. A task's run() is called in the thread, then its done() in
 * the main loop; until then it belongs to the worker. run() touches nothing but the task and what
 * the worker's context holds.
 */
struct task {
	void (*run)(struct task *task, void *context);
	void (*done)(struct task *task);
	struct task *next;
};

struct worker;

/* `context` is handed to every run(); it is the thread's own. */
int worker_start(struct event_base *base, void *context, struct worker **ret_worker) SK_MUST_USE;
/* Waits for the task that runs; done() of it and of those that wait is called (they tell by
 * worker_stopping that nobody wants an answer any more). NULL allowed. */
void worker_stop(struct worker *worker);

void worker_submit(struct worker *worker, struct task *task);

/* For long tasks: should it give up? Any thread. */
int worker_stopping(const struct worker *worker);

#endif
