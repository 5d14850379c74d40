#include "pattern/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/utf8.h"
#include "lib/data/rating.h"
#include "lib/lookup/lookup_file.h"

int command_fail(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("sekisho-pattern: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return status;
}

int command_finish(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		return command_fail(COMMAND_FAILED, "cannot write the output");
	}
	return status;
}

/* Which kind it is shows when it is opened as one. */
static int open_kind(
        int fd, enum lookup_kind kind, struct command_pattern *pattern, struct error *error)
{
	struct lookup_file *file;
	int status = lookup_file_load(fd, kind, &file, error);
	if (status != 0) {
		return status;
	}
	if (kind == LOOKUP_KIND_WEB) {
		status = web_pattern_open(file, &pattern->web, error);
	} else {
		status = file_pattern_open(file, &pattern->files, error);
	}
	if (status != 0) {
		lookup_file_close(file);
		return status;
	}
	pattern->info = kind == LOOKUP_KIND_WEB ? web_pattern_info(pattern->web)
	                                        : file_pattern_info(pattern->files);
	pattern->file = kind == LOOKUP_KIND_WEB ? web_pattern_file(pattern->web)
	                                        : file_pattern_file(pattern->files);
	return 0;
}

int command_open(const char *path, struct command_pattern *ret_pattern)
{
	struct command_pattern pattern = {.path = path};
	struct error web_error = {0}, files_error = {0};
	file_cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return command_fail(COMMAND_FAILED, "%s: %s", path, sk_strerror(-errno));
	}
	int status = open_kind(fd, LOOKUP_KIND_WEB, &pattern, &web_error);
	if (status != 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	        open_kind(fd, LOOKUP_KIND_FILES, &pattern, &files_error) == 0) {
		status = 0;
	}
	if (status == 0) {
		*ret_pattern = pattern;
		return COMMAND_DONE;
	}
	/* The reason of the kind that it is: the other one only says that it is not of its kind. */
	bool other = files_error.code != 0 && files_error.code != web_error.code;
	const struct error *error =
	        other && web_error.code == SK_E_UNSUPPORTED ? &files_error : &web_error;
	bool system = status == -ENOMEM || status == -EIO || status == -EISDIR;
	return command_fail(system ? COMMAND_FAILED : COMMAND_DAMAGED, "%s: %s", path, error->text);
}

void command_close(struct command_pattern *pattern)
{
	web_pattern_close(pattern->web);
	file_pattern_close(pattern->files);
}

void command_print_string(FILE *out, const char *text, size_t length)
{
	fputc('"', out);
	for (size_t i = 0; i < length;) {
		unsigned char c = (unsigned char)text[i];
		size_t size = utf8_check(text + i, length - i);
		if (c == '"' || c == '\\') {
			fputc('\\', out);
			fputc(c, out);
		} else if (c < ' ' || c == 0x7f) {
			fprintf(out, "\\u%04x", c);
		} else if (size == 0) {
			fputs("\\ufffd", out);
		} else {
			fwrite(text + i, 1, size, out);
		}
		i += size > 0 ? size : 1;
	}
	fputc('"', out);
}

void command_print_text(FILE *out, const char *text)
{
	command_print_string(out, text, strlen(text));
}

void command_print_sources(FILE *out, const struct pattern_info *info, uint64_t set)
{
	const char *between = "";
	fputc('[', out);
	for (size_t i = 0; i < info->source_count; i++) {
		if (set >> i & 1) {
			fputs(between, out);
			command_print_text(out, info->sources[i]);
			between = ",";
		}
	}
	fputc(']', out);
}

void command_print_source_names(FILE *out, const struct pattern_info *info, uint64_t set)
{
	const char *between = "";
	for (size_t i = 0; i < info->source_count; i++) {
		if (set >> i & 1) {
			fprintf(out, "%s%s", between, info->sources[i]);
			between = ",";
		}
	}
}

void command_print_web_value(FILE *out, const struct web_value *value)
{
	const char *between = "";
	const char *source = cnc_source_name((enum cnc_source)value->cnc_source);
	fprintf(out, "\"score\":%u,\"rating\":\"%s\",\"categories\":[", value->score,
	        rating_name(rating_of_score(value->score)));
	for (unsigned i = 0; i < category_count(); i++) {
		if (value->categories >> i & 1) {
			fprintf(out, "%s\"%s\"", between, category_name(i));
			between = ",";
		}
	}
	fprintf(out, "],\"cnc\":{\"level\":%u,\"source\":", value->cnc_level);
	if (source != NULL) {
		fprintf(out, "\"%s\"}", source);
	} else {
		fputs("null}", out);
	}
}
