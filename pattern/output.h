#ifndef PATTERN_OUTPUT_H
#define PATTERN_OUTPUT_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"

/*
 * Files in a folder that is known by its descriptor only (a job has nothing else), put in place in
 * one step: a temporary name, fsync, rename, fsync of the folder.
 */
#define OUTPUT_NAME_MAX 200

struct output {
	int folder; /* the caller's */
	int fd; /* to write and read; -1: none */
	char name[OUTPUT_NAME_MAX];
	char temporary[OUTPUT_NAME_MAX + 16];
};

/* Starts a file that will have the name `name` in `folder`. 0, -errno or SK_E_LIMIT. */
int output_start(int folder, const char *name, mode_t mode, struct output *ret_output,
        struct error *error) SK_MUST_USE;

/* Puts it in place, closes it. Aborts on failure. */
int output_finish(struct output *output, struct error *error) SK_MUST_USE;

/* Removes and closes it; nothing when it is not started. */
void output_abort(struct output *output);

/* A whole file. */
int output_write(int folder, const char *name, mode_t mode, const void *data, size_t length,
        struct error *error) SK_MUST_USE;

#endif
