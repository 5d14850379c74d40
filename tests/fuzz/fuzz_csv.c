#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "job/csv.h"
#include "lib/base/error.h"

/* Any bytes: every record comes with fields that end where they say, lines never go back, and it
 * comes to an end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct csv_field fields[CSV_FIELDS_MAX];
	struct csv *csv;
	uint64_t before = 1;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0 ||
	        csv_new(fd, size % 2 == 0, &csv) != 0) {
		abort();
	}
	for (size_t records = 0;; records++) {
		const char *reason = NULL;
		uint64_t line = 0;
		size_t count = 0;
		int got = csv_next(csv, fields, &count, &line, &reason);
		if (line < before || records > size) {
			abort();
		}
		before = line;
		if (got == 0) {
			break;
		}
		if (got == SK_E_SYNTAX || got == SK_E_LIMIT) {
			if (reason == NULL) {
				abort();
			}
			continue;
		}
		if (got != 1 || count < 1 || count > CSV_FIELDS_MAX) {
			abort();
		}
		for (size_t i = 0; i < count; i++) {
			if (fields[i].text[fields[i].length] != '\0') {
				abort();
			}
		}
	}
	csv_free(csv);
	close(fd);
	return 0;
}
