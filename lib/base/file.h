#ifndef LIB_BASE_FILE_H
#define LIB_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"

/* Files as a whole, and replacing them so that readers and power cuts see the old or the new. */

/* Reads all of `fd` or of the file at `path`, at most `maximum` bytes (else SK_E_LIMIT), with a NUL
 * behind. The caller frees with mem_free. 0 or -errno. */
int file_read_fd(int fd, size_t maximum, char **ret_data, size_t *ret_length) SK_MUST_USE;
int file_read(const char *path, size_t maximum, char **ret_data, size_t *ret_length) SK_MUST_USE;

/* Writes all bytes, also over short writes and EINTR; 0 or -errno. */
int file_write_all(int fd, const void *data, size_t length) SK_MUST_USE;

/* Puts a file at `path`: temporary name beside it, mode, write, fsync, rename, fsync of the folder.
 * On failure nothing of `path` has changed and no temporary is left. */
int file_replace(const char *path, const void *data, size_t length, mode_t mode,
        struct error *error) SK_MUST_USE;

/* The same in steps, for what is written piece by piece. `ret_temporary` (PATH_MAX bytes) gets the
 * temporary's name, for file_replace_finish (fsync, rename, fsync of the folder; closes fd in every
 * case) or file_replace_abort (closes, unlinks). */
int file_replace_start(const char *path, mode_t mode, char *ret_temporary, int *ret_fd) SK_MUST_USE;
int file_replace_finish(
        const char *path, const char *temporary, int fd, struct error *error) SK_MUST_USE;
void file_replace_abort(const char *temporary, int fd);

/* mkdir -p for the last component only; an existing folder is success, its mode untouched. */
int file_make_folder(const char *path, mode_t mode) SK_MUST_USE;

/* Joins "folder/name" into `ret_path` (`size` bytes): 0 or SK_E_LIMIT. */
int file_join(char *ret_path, size_t size, const char *folder, const char *name) SK_MUST_USE;

/* close() and fclose() for __attribute__((cleanup)); negative and NULL are ignored. */
void file_close_fd(int *fd);
#define file_cleanup_fd __attribute__((cleanup(file_close_fd)))

#endif
