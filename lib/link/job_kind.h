#ifndef LIB_LINK_JOB_KIND_H
#define LIB_LINK_JOB_KIND_H

#include "lib/base/attribute.h"

/* The kinds of work that sekisho-job does (docs/processes.md, "Jobs"). The numbers travel in the
 * keeper's JOB message, the names are what sekisho-job takes as its argument. */
enum job_kind {
	JOB_NONE = 0,
	JOB_CERTIFICATE = 1,
	JOB_BUILD = 2,
	JOB_COMPILE_RULES = 3,
	JOB_CHECK_KEYWORD = 4,
	JOB_IMPORT_PARSE = 5,
	JOB_PROBE = 6,
	JOB_UNPACK = 7,
	JOB_KIND_COUNT
};

/* One request, progress report or answer: one SEQPACKET message. */
#define JOB_MESSAGE_MAX (64 * 1024)

/* The name of a kind, or NULL when there is none of that number. */
const char *job_kind_name(unsigned kind);

/* 0 or SK_E_NOT_FOUND. */
int job_kind_parse(const char *name, enum job_kind *ret_kind) SK_MUST_USE;

#endif
