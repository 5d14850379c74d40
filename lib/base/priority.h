#ifndef LIB_BASE_PRIORITY_H
#define LIB_BASE_PRIORITY_H

/*
 * What is not the answering of a query gives way to it: this thread, and the threads and processes
 * that it starts from now on, get less of a busy processor (nice 10) and leave it within 0.1 ms
 * when a query waits (a short slice: Linux 6.12 and later; before that the scheduler lets the woken
 * thread in at once). Advice only: nothing depends on it. Needs no rights; call it before seccomp.
 */
void priority_give_way(void);

/*
 * The same for the session that this process leads: where the kernel shares the processor between
 * sessions first (autogroups), nice counts only within one. Not for a session of which a part
 * answers queries. May sleep for some 0.2 s when it is not root.
 */
void priority_session_give_way(void);

#endif
