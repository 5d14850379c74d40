#include "job/kinds.h"

#include <stddef.h>

#include "lib/link/keeper_control.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Memory is beyond what the program has at its start; time is the processor's, the starter watches
 * the clock. */
static const struct job_description kinds[JOB_KIND_COUNT] = {
        [JOB_CERTIFICATE] = {.kind = JOB_CERTIFICATE,
                .prepare = certificate_prepare,
                .run = certificate_run,
                .descriptors_min = 1,
                .descriptors_max = 1,
                .sandbox = {.memory = 16 * MIB, .output = 64 * KIB, .cpu_ms = 10000, .files = 16}},
        [JOB_BUILD] = {.kind = JOB_BUILD,
                .prepare = build_prepare,
                .run = build_run,
                .descriptors_min = 2,
                .descriptors_max = KEEPER_FDS_MAX - 1,
                .last_is_folder = true,
                .sandbox = {.memory = 16 * GIB,
                        .output = 4 * GIB,
                        .cpu_ms = 3600000,
                        .files = KEEPER_FDS_MAX + 32}},
        [JOB_COMPILE_RULES] = {.kind = JOB_COMPILE_RULES,
                .run = compile_rules_run,
                .descriptors_min = 2,
                .descriptors_max = 2,
                .sandbox = {.memory = 4 * GIB, .output = 2 * GIB, .cpu_ms = 60000, .files = 16}},
        /* The time of compiling, 100 ms, is keyword_check's own; this is for what never ends. */
        [JOB_CHECK_KEYWORD] = {.kind = JOB_CHECK_KEYWORD,
                .run = check_keyword_run,
                .sandbox = {.memory = 64 * MIB, .output = 0, .cpu_ms = 500, .files = 16}},
        [JOB_IMPORT_PARSE] = {.kind = JOB_IMPORT_PARSE,
                .run = import_run,
                .descriptors_min = 2,
                .descriptors_max = 2,
                .sandbox = {.memory = 64 * MIB, .output = 4 * GIB, .cpu_ms = 120000, .files = 16}},
        [JOB_PROBE] = {.kind = JOB_PROBE,
                .prepare = probe_prepare,
                .run = probe_run,
                .sandbox = {.memory = 64 * MIB,
                        .output = 0,
                        .cpu_ms = 10000,
                        .files = 32,
                        .sockets = true}},
        [JOB_UNPACK] = {.kind = JOB_UNPACK,
                .run = unpack_run,
                .descriptors_min = 2,
                .descriptors_max = 2,
                .sandbox = {.memory = 5 * GIB, .output = 4 * GIB, .cpu_ms = 600000, .files = 16}},
};

const struct job_description *job_describe(enum job_kind kind)
{
	if (kind <= JOB_NONE || kind >= JOB_KIND_COUNT || kinds[kind].run == NULL) {
		return NULL;
	}
	return &kinds[kind];
}
