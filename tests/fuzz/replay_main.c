/*
 * The main() of a fuzz target that is built without libFuzzer: runs the target once over every file
 * named as an argument, and over every file of every folder named.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"

#define REPLAY_FILE_MAX (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	char *data;
	size_t length;
	int status = file_read(path, REPLAY_FILE_MAX, &data, &length);
	if (status != 0) {
		fprintf(stderr, "%s: %s\n", path, sk_strerror(status));
		return 1;
	}
	/* An exact heap block, so that AddressSanitizer sees a read past the end. */
	char *exact = mem_new(length, 1);
	if (exact == NULL) {
		mem_free(data);
		return 1;
	}
	for (size_t i = 0; i < length; i++) {
		exact[i] = data[i];
	}
	mem_free(data);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, length);
	mem_free(exact);
	return 0;
}

static int replay_folder(DIR *folder, const char *path, unsigned *count)
{
	int failed = 0;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char name[PATH_MAX];
		if (entry->d_name[0] == '.') {
			continue;
		}
		if (file_join(name, sizeof(name), path, entry->d_name) == 0) {
			failed |= replay_file(name);
			(*count)++;
		}
	}
	return failed;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int failed = 0;
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		if (folder != NULL) {
			failed |= replay_folder(folder, argv[i], &count);
			closedir(folder);
		} else {
			failed |= replay_file(argv[i]);
			count++;
		}
	}
	printf("%u inputs replayed\n", count);
	return failed;
}
