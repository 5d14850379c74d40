#include "lib/link/job_kind.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/error.h"

static const char *const names[JOB_KIND_COUNT] = {
        [JOB_CERTIFICATE] = "certificate",
        [JOB_BUILD] = "build",
        [JOB_COMPILE_RULES] = "compile-rules",
        [JOB_CHECK_KEYWORD] = "check-keyword",
        [JOB_IMPORT_PARSE] = "import-parse",
        [JOB_PROBE] = "probe",
        [JOB_UNPACK] = "unpack",
};

const char *job_kind_name(unsigned kind)
{
	return kind < JOB_KIND_COUNT ? names[kind] : NULL;
}

int job_kind_parse(const char *name, enum job_kind *ret_kind)
{
	for (unsigned kind = JOB_NONE + 1; kind < JOB_KIND_COUNT; kind++) {
		if (strcmp(names[kind], name) == 0) {
			*ret_kind = (enum job_kind)kind;
			return 0;
		}
	}
	return SK_E_NOT_FOUND;
}
