#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include "lib/base/attribute.h"

/*
 * One line per event on standard error, which the keeper directs into the state folder's log:
 *   2026-11-23T01:02:03.456Z level program[module] what failed: reason
 * Libraries do not log above debug: they return errors, and the program that handles one logs it
 * once. Control characters of foreign text are replaced. Never secrets, tokens, or whole URLs.
 * Safe from any thread: a line is one write().
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Names the program for all lines; `program` must live on. Level default: info. */
void log_init(const char *program, enum log_level level);

/* Writes one line; use the macros below. Longer lines are cut. */
void log_line(enum log_level level, const char *module, const char *format, ...) SK_PRINTF(3, 4);

#define log_error(module, ...) log_line(LOG_LEVEL_ERROR, module, __VA_ARGS__)
#define log_warning(module, ...) log_line(LOG_LEVEL_WARNING, module, __VA_ARGS__)
#define log_info(module, ...) log_line(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_debug(module, ...) log_line(LOG_LEVEL_DEBUG, module, __VA_ARGS__)

#endif
