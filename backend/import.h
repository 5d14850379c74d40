#ifndef BACKEND_IMPORT_H
#define BACKEND_IMPORT_H

#include "backend/backend.h"

/*
 * Importing rules, and taking an import back. A job reads the file and writes checked records;
 * these go into the store as a pending batch, a few at a time; then one update makes all of them
 * live: with the overlay when they are few, otherwise together with a new base that has them.
 */
struct importer;

int importer_new(struct backend *backend, struct importer **ret_importer) SK_MUST_USE;
void importer_free(struct importer *importer); /* NULL allowed */

/* `fd` stays the caller's. The id of the work; SK_E_CONFLICT when an import is under way. */
int import_start(struct importer *importer, int fd, bool replace, int64_t *ret_job,
        struct error *error) SK_MUST_USE;
/* SK_E_NOT_FOUND; SK_E_CONFLICT when the batch is not live (any more). */
int import_undo(struct importer *importer, int64_t batch, int64_t *ret_job,
        struct error *error) SK_MUST_USE;

/* Deletes, bit by bit, rows that never count again. */
void import_sweep(struct importer *importer);

#endif
