#include "pattern/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"

int output_start(
        int folder, const char *name, mode_t mode, struct output *ret_output, struct error *error)
{
	struct output output = {.folder = folder, .fd = -1};
	int length = snprintf(output.name, sizeof(output.name), "%s", name);
	if (length < 0 || (size_t)length >= sizeof(output.name)) {
		return error_set_code(error, SK_E_LIMIT, "cannot create a file");
	}
	for (int attempt = 0; attempt < 16 && output.fd < 0; attempt++) {
		unsigned salt;
		if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt)) {
			return error_set_code(error, -errno, "cannot create %s", name);
		}
		snprintf(output.temporary, sizeof(output.temporary), "%s.tmp-%08x", name, salt);
		output.fd = openat(
		        folder, output.temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (output.fd < 0 && errno != EEXIST) {
			return error_set_code(error, -errno, "cannot create %s", name);
		}
	}
	if (output.fd < 0) {
		return error_set_code(error, -EEXIST, "cannot create %s", name);
	}
	if (fchmod(output.fd, mode) != 0) {
		int status = error_set_code(error, -errno, "cannot set the mode of %s", name);
		output_abort(&output);
		return status;
	}
	*ret_output = output;
	return 0;
}

void output_abort(struct output *output)
{
	if (output->fd >= 0) {
		(void)close(output->fd);
		(void)unlinkat(output->folder, output->temporary, 0);
		output->fd = -1;
	}
}

int output_finish(struct output *output, struct error *error)
{
	if (fsync(output->fd) != 0) {
		int status = error_set_code(error, -errno, "cannot make %s durable", output->name);
		output_abort(output);
		return status;
	}
	if (renameat(output->folder, output->temporary, output->folder, output->name) != 0) {
		int status = error_set_code(error, -errno, "cannot put %s in place", output->name);
		output_abort(output);
		return status;
	}
	file_close_fd(&output->fd);
	output->fd = -1;
	/* A folder opened with O_PATH cannot be synchronised itself. */
	file_cleanup_fd int folder =
	        openat(output->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || fsync(folder) != 0) {
		return error_set_code(
		        error, -errno, "cannot make the folder of %s durable", output->name);
	}
	return 0;
}

int output_write(int folder, const char *name, mode_t mode, const void *data, size_t length,
        struct error *error)
{
	struct output output;
	int status = output_start(folder, name, mode, &output, error);
	if (status != 0) {
		return status;
	}
	status = file_write_all(output.fd, data, length);
	if (status != 0) {
		error_set_code(error, status, "cannot write %s", name);
		output_abort(&output);
		return status;
	}
	return output_finish(&output, error);
}
