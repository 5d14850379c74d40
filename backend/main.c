#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/sandbox.h"
#include "backend/server.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/priority.h"
#include "lib/link/keeper_control.h"

static const char usage[] =
        "sekishod --programs DIR [--default-feed DIR] [--test-clock]\n"
        "The reputation backend; sekisho-keeper starts it (docs/processes.md).\n"
        "  --programs DIR      where the programs are\n"
        "  --default-feed DIR  what the first pattern is built from (DIR/description.json)\n"
        "  --test-clock        lets test.advance move the clocks\n";

struct arguments {
	const char *programs, *default_feed;
	bool test_clock;
};

static int parse_arguments(int count, char **words, struct arguments *ret_arguments)
{
	struct arguments arguments = {0};
	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--programs") == 0 && i + 1 < count) {
			arguments.programs = words[++i];
		} else if (strcmp(words[i], "--default-feed") == 0 && i + 1 < count) {
			arguments.default_feed = words[++i];
		} else if (strcmp(words[i], "--test-clock") == 0) {
			arguments.test_clock = true;
		} else {
			return SK_E_SYNTAX;
		}
	}
	if (arguments.programs == NULL) {
		return SK_E_SYNTAX;
	}
	*ret_arguments = arguments;
	return 0;
}

/* An absolute path of the feed, before the working folder changes; "" when there is none. */
static void find_feed(const struct arguments *arguments, char *space, size_t size)
{
	char candidates[2][PATH_MAX];
	char found[PATH_MAX];
	snprintf(candidates[0], PATH_MAX, "%s/default-feed", arguments->programs);
	snprintf(candidates[1], PATH_MAX, "%s/../share/default-feed", arguments->programs);
	space[0] = '\0';
	if (arguments->default_feed != NULL) {
		snprintf(candidates[0], PATH_MAX, "%s", arguments->default_feed);
	}
	for (size_t i = 0; i < SK_COUNT(candidates) && space[0] == '\0'; i++) {
		if (realpath(candidates[i], found) != NULL && strlen(found) < size) {
			snprintf(space, size, "%s", found);
		}
	}
}

/* What the keeper passes must be there. */
static int check_descriptors(void)
{
	for (int fd = KEEPER_FD_LINK; fd <= KEEPER_FD_AGENT; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
			log_error("main", "descriptor %d: %s", fd, sk_strerror(-errno));
			return -errno;
		}
	}
	return 0;
}

static int make_folders(void)
{
	static const char *const folders[] = {"secret", "data", "data/logs", "patterns",
	        "patterns/web", "patterns/files", "policy"};
	for (size_t i = 0; i < SK_COUNT(folders); i++) {
		int status = file_make_folder(folders[i], 0700);
		if (status != 0) {
			log_error("main", "%s: %s", folders[i], sk_strerror(status));
			return status;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct server_options options = {0};
	struct error error = {0};
	log_init("sekishod", LOG_LEVEL_INFO);
	if (parse_arguments(argc, argv, &arguments) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	umask(077);
	priority_give_way();
	signal(SIGPIPE, SIG_IGN);
	options.test_clock = arguments.test_clock;
	find_feed(&arguments, options.default_feed, sizeof(options.default_feed));
	if (check_descriptors() != 0) {
		return 1;
	}
	if (fchdir(KEEPER_FD_STATE) != 0) {
		log_error("main", "state folder: %s", sk_strerror(-errno));
		return 1;
	}
	if (make_folders() != 0) {
		return 1;
	}
	if (sandbox_enter(options.default_feed, &error) != 0) {
		log_error("main", "sandbox: %s", error.text);
		return 1;
	}
	return server_run(&options) == 0 ? 0 : 1;
}
