#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "pattern/command.h"
#include "pattern/compile.h"

/* Where lists are looked for: the folder of the description. */
struct build {
	const struct description *description;
	char folder[PATH_MAX];
};

static int build_open_list(void *context, size_t index, int *ret_fd, struct error *error)
{
	const struct build *build = context;
	const struct description *description = build->description;
	char path[PATH_MAX];
	char place[64];
	const char *name;
	if (index < description->input_count) {
		name = description->inputs[index].path;
		snprintf(place, sizeof(place), "/inputs/%zu/path", index);
	} else {
		name = description->benign[index - description->input_count];
		snprintf(place, sizeof(place), "/safety/benign/%zu",
		        index - description->input_count);
	}
	int status = name[0] == '/' ? snprintf(path, sizeof(path), "%s", name)
	                            : file_join(path, sizeof(path), build->folder, name);
	if (status < 0 || (size_t)status >= sizeof(path)) {
		return error_set(error, SK_E_LIMIT, "%s: path too long", place);
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return error_set_code(error, -errno, "%s: %s", place, path);
	}
	*ret_fd = fd;
	return 0;
}

/* 32 hexadecimal digits, what follows them but a line's end is wrong. */
static int key_read(const char *path, unsigned char ret_key[COMPILE_KEY_SIZE], struct error *error)
{
	char *text;
	size_t length;
	int status = file_read(path, 4096, &text, &length);
	if (status != 0) {
		return error_set_code(error, status, "cannot read the key %s", path);
	}
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) {
		length--;
	}
	status = number_parse_hex(text, length, ret_key, COMPILE_KEY_SIZE);
	explicit_bzero(text, length);
	mem_free(text);
	return status == 0
	               ? 0
	               : error_set(error, status, "the key %s is not 32 hexadecimal digits", path);
}

static int key_make(const char *path, unsigned char ret_key[COMPILE_KEY_SIZE], struct error *error)
{
	char space[2 * COMPILE_KEY_SIZE + 2];
	struct buf text;
	if (getrandom(ret_key, COMPILE_KEY_SIZE, 0) != COMPILE_KEY_SIZE) {
		return error_set_code(error, -errno, "cannot make a key");
	}
	buf_init_fixed(&text, space, sizeof(space));
	buf_add_hex(&text, ret_key, COMPILE_KEY_SIZE);
	buf_add_char(&text, '\n');
	int status = file_replace(path, text.data, text.length, 0600, error);
	explicit_bzero(space, sizeof(space));
	return status;
}

static int build_key(const struct command_options *options, unsigned char ret_key[COMPILE_KEY_SIZE],
        struct error *error)
{
	char path[PATH_MAX];
	if (options->key != NULL) {
		return key_read(options->key, ret_key, error);
	}
	int status = file_join(path, sizeof(path), options->out, "key");
	if (status != 0) {
		return error_set_code(error, status, "cannot make a key in %s", options->out);
	}
	return access(path, F_OK) == 0 ? key_read(path, ret_key, error)
	                               : key_make(path, ret_key, error);
}

static void print_list(const struct report *report, size_t index)
{
	const struct report_input *list = &report->inputs[index];
	printf("%s %zu %s: %llu lines, %llu accepted, %llu duplicate, %llu refused",
	        index < report->input_count ? "input" : "benign", index + 1, list->path,
	        (unsigned long long)list->lines, (unsigned long long)list->accepted,
	        (unsigned long long)list->duplicate, (unsigned long long)list->refused);
	if (list->excluded > 0) {
		printf(", %llu excluded", (unsigned long long)list->excluded);
	}
	if (list->unsafe > 0) {
		printf(", %llu unsafe", (unsigned long long)list->unsafe);
	}
	putchar('\n');
	for (size_t i = 0; i < list->reason_count; i++) {
		printf("  refused %llu: %s\n", (unsigned long long)list->reasons[i].count,
		        list->reasons[i].reason);
	}
}

static void print_pattern(const char *file, const struct report_pattern *pattern)
{
	printf("%s: %llu bytes, %llu entries; %llu given, %llu equal, %llu dropped, "
	       "%llu excluded, %llu conflicts\n",
	        file, (unsigned long long)pattern->size,
	        (unsigned long long)pattern->counts.written,
	        (unsigned long long)pattern->counts.added,
	        (unsigned long long)pattern->counts.merged,
	        (unsigned long long)pattern->counts.dropped,
	        (unsigned long long)pattern->excluded.total,
	        (unsigned long long)pattern->conflicts.total);
}

static void print_report(const struct report *report, const struct description *description)
{
	for (size_t i = 0; i < report->input_count + report->benign_count; i++) {
		print_list(report, i);
	}
	if (report->web.there) {
		print_pattern("web.pattern", &report->web);
		printf("safety: %llu names asked in %u rounds, %llu entries left out, "
		       "%llu allowed\n",
		        (unsigned long long)report->safety_asked, report->safety_rounds,
		        (unsigned long long)report->left_out.total,
		        (unsigned long long)report->allowed.total);
	}
	if (report->files.there) {
		print_pattern("files.pattern", &report->files);
	}
	printf("%s %s, %.2f s; details in report.json\n", description->name, report->version,
	        report->seconds);
}

static int print_json(const struct report *report, const struct description *description)
{
	char *text;
	size_t length;
	if (report_json(report, description, &text, &length) != 0) {
		return command_fail(COMMAND_FAILED, "no memory");
	}
	fwrite(text, 1, length, stdout);
	mem_free(text);
	return COMMAND_DONE;
}

static int build_run(const struct command_options *options, struct build *build)
{
	struct error error = {0};
	struct report report;
	struct compile_job job = {.description = build->description,
	        .version = options->version,
	        .context = build,
	        .open_list = build_open_list};
	int status = build_key(options, job.key, &error);
	if (status != 0) {
		return command_fail(COMMAND_FAILED, "%s", error.text);
	}
	file_cleanup_fd int folder = open(options->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		return command_fail(COMMAND_FAILED, "%s: %s", options->out, sk_strerror(-errno));
	}
	job.folder = folder;
	status = compile_run(&job, &report, &error);
	explicit_bzero(job.key, sizeof(job.key));
	if (status != 0) {
		bool unsafe = status == SK_E_CONFLICT ||
		              (status == SK_E_CORRUPT && strstr(error.text, "the built") != NULL);
		/* Only a name in allow_site is a syntax error that shows here. */
		return command_fail(unsafe                  ? COMMAND_UNSAFE
		                    : status == SK_E_SYNTAX ? COMMAND_DESCRIPTION
		                                            : COMMAND_FAILED,
		        "%s", error.text);
	}
	int result = COMMAND_DONE;
	if (options->json) {
		result = print_json(&report, build->description);
	} else {
		print_report(&report, build->description);
	}
	report_release(&report);
	return command_finish(result);
}

int command_build(const struct command_options *options, int count, char **arguments)
{
	struct error error = {0};
	struct description description;
	struct build build = {.description = &description};
	char *text;
	size_t length;
	if (count != 1 || options->out == NULL) {
		return command_fail(COMMAND_USAGE, "build needs a description and --out DIR");
	}
	if (options->version != NULL && !description_version_is_good(options->version)) {
		return command_fail(
		        COMMAND_USAGE, "a version has 1 to 64 letters, digits and ._+-");
	}
	int status = file_read(arguments[0], DESCRIPTION_SIZE_MAX, &text, &length);
	if (status != 0) {
		return command_fail(status == SK_E_LIMIT ? COMMAND_DESCRIPTION : COMMAND_FAILED,
		        "%s: %s", arguments[0], sk_strerror(status));
	}
	status = description_parse(text, length, &description, &error);
	mem_free(text);
	if (status != 0) {
		return command_fail(status == -ENOMEM ? COMMAND_FAILED : COMMAND_DESCRIPTION,
		        "%s: %s", arguments[0], error.text);
	}
	/* "/x" is in "/", "x" in ".". */
	const char *slash = strrchr(arguments[0], '/');
	size_t folder_length = slash == NULL           ? 1
	                       : slash == arguments[0] ? 1
	                                               : (size_t)(slash - arguments[0]);
	snprintf(build.folder, sizeof(build.folder), "%.*s", (int)folder_length,
	        slash == NULL ? "." : arguments[0]);
	status = file_make_folder(options->out, 0755);
	int result = status != 0 ? command_fail(COMMAND_FAILED, "%s: %s", options->out,
	                                   sk_strerror(status))
	                         : build_run(options, &build);
	description_release(&description);
	return result;
}
