#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define READ_STEP 65536

int file_read_fd(int fd, size_t maximum, char **ret_data, size_t *ret_length)
{
	struct buf buf;
	buf_init(&buf, maximum < SIZE_MAX - READ_STEP - 1 ? maximum + READ_STEP + 1 : SIZE_MAX);
	for (;;) {
		char *room = buf_reserve(&buf, READ_STEP);
		if (room == NULL) {
			break;
		}
		ssize_t got = read(fd, room, READ_STEP);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			buf.status = -errno;
			break;
		}
		if (got == 0) {
			break;
		}
		buf_commit(&buf, (size_t)got);
		if (buf.length > maximum) {
			buf.status = SK_E_LIMIT;
			break;
		}
	}
	int status = buf_status(&buf);
	if (status != 0) {
		buf_release(&buf);
		return status;
	}
	*ret_data = buf_take(&buf, ret_length);
	return *ret_data != NULL ? 0 : -ENOMEM;
}

int file_read(const char *path, size_t maximum, char **ret_data, size_t *ret_length)
{
	file_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	return file_read_fd(fd, maximum, ret_data, ret_length);
}

int file_write_all(int fd, const void *data, size_t length)
{
	const char *at = data;
	while (length > 0) {
		ssize_t written = write(fd, at, length);
		if (written < 0) {
			if (errno == EINTR) {
				continue;
			}
			return -errno;
		}
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

/* fsync of the folder that holds `path`. */
static int sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	if (length >= sizeof(folder)) {
		return SK_E_LIMIT;
	}
	if (slash == NULL) {
		folder[0] = '.';
		length = 1;
	} else if (length == 0) {
		folder[0] = '/';
		length = 1;
	} else {
		memcpy(folder, path, length);
	}
	folder[length] = '\0';
	file_cleanup_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		return -errno;
	}
	return 0;
}

int file_replace_start(const char *path, mode_t mode, char *ret_temporary, int *ret_fd)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		unsigned salt;
		if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt)) {
			return -errno;
		}
		int length = snprintf(ret_temporary, PATH_MAX, "%s.tmp-%08x", path, salt);
		if (length < 0 || length >= PATH_MAX) {
			return SK_E_LIMIT;
		}
		int fd = open(ret_temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0) {
			if (fchmod(fd, mode) != 0) {
				int status = -errno;
				file_replace_abort(ret_temporary, fd);
				return status;
			}
			*ret_fd = fd;
			return 0;
		}
		if (errno != EEXIST) {
			return -errno;
		}
	}
	return -EEXIST;
}

void file_replace_abort(const char *temporary, int fd)
{
	if (fd >= 0) {
		(void)close(fd);
	}
	(void)unlink(temporary);
}

int file_replace_finish(const char *path, const char *temporary, int fd, struct error *error)
{
	if (fsync(fd) != 0) {
		int status = -errno;
		file_replace_abort(temporary, fd);
		return error_set_code(error, status, "cannot make %s durable", path);
	}
	if (close(fd) != 0) {
		int status = -errno;
		file_replace_abort(temporary, -1);
		return error_set_code(error, status, "cannot close %s", temporary);
	}
	if (rename(temporary, path) != 0) {
		int status = -errno;
		file_replace_abort(temporary, -1);
		return error_set_code(error, status, "cannot put %s in place", path);
	}
	int status = sync_folder_of(path);
	if (status != 0) {
		return error_set_code(error, status, "cannot make the folder of %s durable", path);
	}
	return 0;
}

int file_replace(
        const char *path, const void *data, size_t length, mode_t mode, struct error *error)
{
	char temporary[PATH_MAX];
	int fd;
	int status = file_replace_start(path, mode, temporary, &fd);
	if (status != 0) {
		return error_set_code(error, status, "cannot create a file beside %s", path);
	}
	status = file_write_all(fd, data, length);
	if (status != 0) {
		file_replace_abort(temporary, fd);
		return error_set_code(error, status, "cannot write %s", path);
	}
	return file_replace_finish(path, temporary, fd, error);
}

int file_make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0) {
		/* The mode that was asked for, whatever the umask. */
		return chmod(path, mode) == 0 ? 0 : -errno;
	}
	if (errno != EEXIST) {
		return -errno;
	}
	struct stat info;
	if (stat(path, &info) != 0) {
		return -errno;
	}
	return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int file_join(char *ret_path, size_t size, const char *folder, const char *name)
{
	int length = snprintf(ret_path, size, "%s/%s", folder, name);
	return length < 0 || (size_t)length >= size ? SK_E_LIMIT : 0;
}

void file_close_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		(void)close(*fd);
		errno = saved;
	}
}
