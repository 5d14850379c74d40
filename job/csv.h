#ifndef JOB_CSV_H
#define JOB_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/attribute.h"

/*
 * Reads CSV as in RFC 4180 from a descriptor, record by record: fields separated by commas, quoted
 * ones in '"' with '""' inside, lines ended by LF or CRLF (the last one need not be); a byte order
 * mark is skipped. Blank lines and (where `comments`) lines starting with '#' are passed over.
 */
#define CSV_FIELDS_MAX 32
#define CSV_RECORD_MAX (64 * 1024)

struct csv_field {
	const char *text; /* NUL-terminated, valid until the next record */
	size_t length; /* the text may have NUL bytes in it */
};

struct csv;

int csv_new(int fd, bool comments, struct csv **ret_csv) SK_MUST_USE;
void csv_free(struct csv *csv); /* NULL allowed */

/*
 * The next record: 1, 0 at the end, or -errno (nothing more can be read). A record that is not well
 * formed is SK_E_SYNTAX, one that is too large SK_E_LIMIT: its line is passed over, and the next
 * call goes on with the one behind it. `ret_line` is the number of its first line in every case.
 */
int csv_next(struct csv *csv, struct csv_field ret_fields[CSV_FIELDS_MAX], size_t *ret_count,
        uint64_t *ret_line, const char **ret_reason) SK_MUST_USE;

#endif
