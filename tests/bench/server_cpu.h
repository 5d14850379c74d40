#ifndef TESTS_BENCH_SERVER_CPU_H
#define TESTS_BENCH_SERVER_CPU_H

/* CPU time (utime + stime of /proc/<pid>/stat) that the processes of a list "12,34" have used, in
 * seconds; "" is none. Ends the program when one is gone. */
double server_cpu_seconds(const char *pids);

#endif
