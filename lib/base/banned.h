#ifndef LIB_BASE_BANNED_H
#define LIB_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Included from config.h by every file of ours: these functions have no maximum, no error, hidden
 * state or a shell behind them. What to use instead: buf.h, number.h, clock.h, file.h.
 * The headers that declare them come first, because poison works on them too.
 */
#undef sprintf /* macros of glibc's fortified headers under clang */
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets
#pragma GCC poison atoi atol atoll atof gmtime localtime ctime asctime
#pragma GCC poison popen tmpnam tempnam mktemp

#endif
