#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/lookup/radix_sort.h"
#include "pattern/compile_state.h"
#include "pattern/threat.h"

/* Reading one list: what becomes of its values, what is counted and refused. */

#define REFUSED_LINES_MAX 1000000
#define REFUSED_TEXT_MAX 1000
#define REFUSED_BUFFER (256 * 1024)

struct collect {
	struct compile *compile;
	const struct description_input *input; /* NULL: a benign list */
	struct report_input *counts;
	size_t index;
	uint64_t *hashes; /* of the accepted entries, to count duplicates */
	size_t hash_count, hash_capacity;
	struct output refused; /* fd -1: nothing refused yet */
	int refused_folder;
	struct buf refused_text;
	char name[LIMIT_THREAT_NAME + 1];
	char space[URL_TEXT_MAX];
};

static struct collect *collect_of(struct feed_sink *sink)
{
	return sink->context;
}

/* --- refused lines --- */

/* refused/<n>-<file name>.txt, of harmless characters. */
static void refused_name(const struct collect *collect, char ret_name[OUTPUT_NAME_MAX])
{
	const char *path = collect->counts->path;
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	int length =
	        snprintf(ret_name, OUTPUT_NAME_MAX, "%zu-%.120s.txt", collect->index + 1, base);
	for (int i = 0; i < length && i < OUTPUT_NAME_MAX; i++) {
		char c = ret_name[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		            (c >= '0' && c <= '9') || strchr("._-", c) != NULL;
		ret_name[i] = good ? c : '_';
	}
}

static int refused_flush(struct collect *collect)
{
	int status = file_write_all(
	        collect->refused.fd, collect->refused_text.data, collect->refused_text.length);
	buf_clear(&collect->refused_text);
	return status == 0 ? 0
	                   : error_set_code(
	                             collect->compile->error, status, "cannot write refused lines");
}

static int refused_open(struct collect *collect)
{
	char name[OUTPUT_NAME_MAX];
	int folder = collect->compile->job->folder;
	struct error *error = collect->compile->error;
	if (mkdirat(folder, COMPILE_REFUSED_FOLDER, 0755) != 0 && errno != EEXIST) {
		return error_set_code(
		        error, -errno, "cannot make the folder " COMPILE_REFUSED_FOLDER);
	}
	collect->refused_folder = openat(
	        folder, COMPILE_REFUSED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (collect->refused_folder < 0) {
		return error_set_code(
		        error, -errno, "cannot open the folder " COMPILE_REFUSED_FOLDER);
	}
	refused_name(collect, name);
	int status = output_start(collect->refused_folder, name, 0644, &collect->refused, error);
	if (status == 0) {
		snprintf(collect->counts->refused_file, sizeof(collect->counts->refused_file),
		        COMPILE_REFUSED_FOLDER "/%.180s", name);
	}
	return status;
}

/* Line number, reason, line; control characters visible, so that a line stays a line. */
static int refused_write(
        struct collect *collect, const struct feed_place *place, const char *reason)
{
	struct buf *text = &collect->refused_text;
	if (collect->counts->refused > REFUSED_LINES_MAX) {
		return 0;
	}
	if (collect->refused.fd < 0) {
		int status = refused_open(collect);
		if (status != 0) {
			return status;
		}
	}
	buf_add_u64(text, place->line);
	buf_add_char(text, '\t');
	buf_add_text(text, reason);
	buf_add_char(text, '\t');
	for (size_t i = 0; i < place->length && i < REFUSED_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)place->text[i];
		if (c < ' ' || c == 0x7f) {
			buf_add_format(text, "\\x%02x", c);
		} else {
			buf_add_char(text, (char)c);
		}
	}
	buf_add_char(text, '\n');
	if (buf_status(text) != 0) {
		return buf_status(text);
	}
	return text->length >= REFUSED_BUFFER ? refused_flush(collect) : 0;
}

static int sink_refuse(struct feed_sink *sink, const char *reason)
{
	struct collect *collect = collect_of(sink);
	struct report_input *counts = collect->counts;
	counts->refused++;
	size_t i = 0;
	while (i < counts->reason_count && strcmp(counts->reasons[i].reason, reason) != 0) {
		i++;
	}
	if (i == counts->reason_count && i < REPORT_REASONS_MAX) {
		counts->reasons[counts->reason_count++].reason = reason;
	}
	if (i < counts->reason_count) {
		counts->reasons[i].count++;
	}
	return refused_write(collect, &sink->place, reason);
}

/* --- entries --- */

/* Counts an accepted entry by its hash. */
static int collect_accept(struct collect *collect, uint64_t hash)
{
	if (collect->hash_count == collect->hash_capacity) {
		size_t capacity = collect->hash_capacity + collect->hash_capacity / 2 + 65536;
		uint64_t *larger = mem_resize(collect->hashes, capacity, sizeof(*larger));
		if (larger == NULL) {
			return -ENOMEM;
		}
		collect->hashes = larger;
		collect->hash_capacity = capacity;
	}
	collect->hashes[collect->hash_count++] = hash;
	collect->counts->accepted++;
	return 0;
}

static uint64_t collect_hash(const struct collect *collect, const void *bytes, size_t size)
{
	return siphash(&collect->compile->key, bytes, size).low;
}

/* Notes a bad entry that an input of kind exclude takes out. */
static int collect_excluded(struct collect *collect, struct report_items *items, const char *text,
        size_t length, unsigned by)
{
	collect->counts->excluded++;
	return report_add(
	        items, text, length, NULL, 0, collect->input->value.origins, UINT64_C(1) << by);
}

static bool collect_is_bad(const struct collect *collect)
{
	return collect->input->kind == DESCRIPTION_BAD;
}

static int collect_prefix(struct collect *collect, const struct address_prefix *prefix)
{
	struct compile *compile = collect->compile;
	unsigned by;
	if (collect_is_bad(collect) && compile->excludes &&
	        exclude_has_prefix(compile->exclude, prefix, &by)) {
		char text[ADDRESS_PREFIX_TEXT_SIZE];
		size_t length = address_prefix_format(prefix, text);
		return collect_excluded(collect, &compile->report.web.excluded, text, length, by);
	}
	if (collect_is_bad(collect) && collect->input->value.score != SCORE_UNRATED &&
	        safety_forbids_prefix(compile->safety, prefix)) {
		char text[ADDRESS_PREFIX_TEXT_SIZE];
		size_t length = address_prefix_format(prefix, text);
		collect->counts->unsafe++;
		return report_add(&compile->report.left_out, text, length, text, length,
		        collect->input->value.origins, 0);
	}
	unsigned char bytes[18] = {prefix->address.family, prefix->length};
	memcpy(bytes + 2, prefix->address.bytes, sizeof(prefix->address.bytes));
	compile->web_entries++;
	int status = web_builder_add_prefix(compile->web, prefix, &collect->input->value);
	return status != 0 ? status
	                   : collect_accept(collect, collect_hash(collect, bytes, sizeof(bytes)));
}

static int collect_url(struct collect *collect, const struct url *url)
{
	struct compile *compile = collect->compile;
	const char *text = url->text + url->host_start;
	size_t length = url->length - url->host_start;
	unsigned by;
	if (collect_is_bad(collect) && compile->excludes &&
	        exclude_has_url(compile->exclude, url, &by)) {
		return collect_excluded(collect, &compile->report.web.excluded, text, length, by);
	}
	compile->web_entries++;
	int status = web_builder_add(compile->web, url, &collect->input->value);
	return status != 0 ? status : collect_accept(collect, collect_hash(collect, text, length));
}

/* Of an input of kind exclude or a benign list: nothing is built from it. */
static int collect_aside(struct collect *collect, const struct url *url)
{
	struct compile *compile = collect->compile;
	int status = collect->input == NULL
	                     ? safety_add_site(compile->safety, url)
	                     : exclude_add_url(compile->exclude, url, collect->input->source_index);
	const char *text = url->text + url->host_start;
	size_t length = collect->input == NULL ? url->host_length : url->length - url->host_start;
	compile->excludes |= collect->input != NULL;
	return status != 0 ? status : collect_accept(collect, collect_hash(collect, text, length));
}

static int collect_aside_prefix(struct collect *collect, const struct address_prefix *prefix)
{
	struct compile *compile = collect->compile;
	int status = collect->input == NULL ? safety_add_prefix(compile->safety, prefix)
	                                    : exclude_add_prefix(compile->exclude, prefix,
	                                              collect->input->source_index);
	unsigned char bytes[18] = {prefix->address.family, prefix->length};
	memcpy(bytes + 2, prefix->address.bytes, sizeof(prefix->address.bytes));
	compile->excludes |= collect->input != NULL;
	return status != 0 ? status
	                   : collect_accept(collect, collect_hash(collect, bytes, sizeof(bytes)));
}

static bool collect_is_aside(const struct collect *collect)
{
	return collect->input == NULL || collect->input->kind == DESCRIPTION_EXCLUDE;
}

static int sink_prefix(struct feed_sink *sink, const struct address_prefix *prefix)
{
	struct collect *collect = collect_of(sink);
	if (prefix->length == 0) {
		return sink_refuse(sink, "a prefix of all addresses");
	}
	return collect_is_aside(collect) ? collect_aside_prefix(collect, prefix)
	                                 : collect_prefix(collect, prefix);
}

/* A canonical URL of any kind of list. A site that is an address is an address. */
static int sink_canonical(struct feed_sink *sink, const struct url *url)
{
	struct collect *collect = collect_of(sink);
	if (url->address.family != ADDRESS_NONE && url->path_length == 1 &&
	        url->query_length == 0) {
		struct address_prefix prefix = {
		        url->address, url->address.family == ADDRESS_V4 ? 32 : 128};
		return sink_prefix(sink, &prefix);
	}
	return collect_is_aside(collect) ? collect_aside(collect, url) : collect_url(collect, url);
}

static int sink_url(struct feed_sink *sink, const char *text, size_t length)
{
	struct collect *collect = collect_of(sink);
	struct url url;
	const char *reason;
	int status = url_canonicalize(
	        text, length, collect->space, sizeof(collect->space), &url, &reason);
	return status != 0 ? sink_refuse(sink, reason) : sink_canonical(sink, &url);
}

static int sink_host(struct feed_sink *sink, const char *text, size_t length)
{
	struct collect *collect = collect_of(sink);
	struct url url;
	const char *reason;
	int status =
	        url_from_host(text, length, collect->space, sizeof(collect->space), &url, &reason);
	return status != 0 ? sink_refuse(sink, reason) : sink_canonical(sink, &url);
}

/* The name and kind of a malicious digest: its own, else the input's. */
static int collect_digest(
        struct collect *collect, const struct digest *digest, const char *name, size_t name_length)
{
	struct compile *compile = collect->compile;
	unsigned by;
	size_t size = digest_size((enum digest_kind)digest->kind);
	bool bad = collect_is_bad(collect);
	if (bad && compile->excludes && exclude_has_digest(compile->exclude, digest, &by)) {
		char text[DIGEST_TEXT_SIZE];
		size_t length = digest_format(digest, text);
		return collect_excluded(collect, &compile->report.files.excluded, text, length, by);
	}
	collect->name[0] = '\0';
	if (bad) {
		threat_clean_name(name, name_length, collect->name);
		if (collect->name[0] == '\0') {
			threat_clean_name(
			        collect->input->name, strlen(collect->input->name), collect->name);
		}
	}
	enum threat_kind kind = threat_kind_of_name(collect->name, strlen(collect->name));
	compile->file_entries++;
	int status = file_builder_add(compile->files, digest, bad, (uint8_t)kind, collect->name,
	        collect->input->value.origins);
	return status != 0 ? status
	                   : collect_accept(collect, collect_hash(collect, digest->bytes, size));
}

static int sink_digest(
        struct feed_sink *sink, const struct digest *digest, const char *name, size_t name_length)
{
	struct collect *collect = collect_of(sink);
	struct compile *compile = collect->compile;
	if (collect->input == NULL) {
		return sink_refuse(sink, "a digest, no name");
	}
	if (collect->input->kind != DESCRIPTION_EXCLUDE) {
		return collect_digest(collect, digest, name, name_length);
	}
	int status = exclude_add_digest(compile->exclude, digest, collect->input->source_index);
	size_t size = digest_size((enum digest_kind)digest->kind);
	compile->excludes = true;
	return status != 0 ? status
	                   : collect_accept(collect, collect_hash(collect, digest->bytes, size));
}

/* --- warninglists --- */

static int match_hostname(struct feed_sink *sink, const char *text, size_t length)
{
	struct collect *collect = collect_of(sink);
	struct url url;
	const char *reason;
	int status =
	        url_from_host(text, length, collect->space, sizeof(collect->space), &url, &reason);
	if (status != 0) {
		return sink_refuse(sink, reason);
	}
	if (collect->input == NULL) {
		return collect_aside(collect, &url);
	}
	status = exclude_cover_host(collect->compile->exclude, &url, collect->input->source_index);
	return status != 0 ? status : collect_accept(collect, collect_hash(collect, text, length));
}

static int match_cidr(struct feed_sink *sink, const char *text, size_t length)
{
	struct collect *collect = collect_of(sink);
	struct address_prefix prefix;
	if (address_prefix_parse(text, length, &prefix) != 0) {
		return sink_refuse(sink, "no address");
	}
	if (collect->input == NULL) {
		return sink_prefix(sink, &prefix);
	}
	int status = exclude_cover_prefix(
	        collect->compile->exclude, &prefix, collect->input->source_index);
	return status != 0 ? status : collect_accept(collect, collect_hash(collect, text, length));
}

static int sink_match(struct feed_sink *sink, enum feed_match match, const char *text,
        size_t length, bool caseless)
{
	struct collect *collect = collect_of(sink);
	struct compile *compile = collect->compile;
	const char *reason = NULL;
	int status;
	compile->excludes |= collect->input != NULL;
	if (match == FEED_MATCH_HOSTNAME) {
		return match_hostname(sink, text, length);
	}
	if (match == FEED_MATCH_CIDR) {
		return match_cidr(sink, text, length);
	}
	if (collect->input == NULL) {
		return sink_refuse(sink, "no name");
	}
	if (match == FEED_MATCH_SUBSTRING) {
		status = exclude_add_substring(
		        compile->exclude, text, length, collect->input->source_index, &reason);
	} else {
		status = exclude_add_regex(compile->exclude, text, length, caseless,
		        collect->input->source_index, &reason);
	}
	if (status != 0) {
		return reason != NULL ? sink_refuse(sink, reason) : status;
	}
	return collect_accept(collect, collect_hash(collect, text, length));
}

/* --- the whole list --- */

static void count_duplicates(struct collect *collect)
{
	radix_sort(collect->hashes, collect->hash_count, 1);
	for (size_t i = 1; i < collect->hash_count; i++) {
		collect->counts->duplicate += collect->hashes[i] == collect->hashes[i - 1];
	}
}

/* A benign list is read by its look: a warninglist begins with a brace. */
static int collect_format(
        struct collect *collect, struct input *input, const struct feed_format **ret_format)
{
	const char *bytes;
	size_t size;
	if (collect->input != NULL) {
		*ret_format = collect->input->format;
		return 0;
	}
	int status = input_peek(input, &bytes, &size);
	if (status != 0) {
		return error_set(collect->compile->error, status, "%s", input_reason(input));
	}
	size_t at = 0;
	while (at < size && strchr(" \t\r\n\xef\xbb\xbf", bytes[at]) != NULL && bytes[at] != '\0') {
		at++;
	}
	bool json = at < size && bytes[at] == '{';
	*ret_format = feed_format_find(json ? "misp-warninglist" : "auto");
	return 0;
}

static int collect_finish(struct collect *collect, struct input *input, int status)
{
	struct error *error = collect->compile->error;
	if (status == 0) {
		collect->counts->bytes = input_bytes(input);
		count_duplicates(collect);
		status = input_digest(input, collect->counts->digest);
		if (status != 0) {
			error_set(error, status, "%s", input_reason(input));
		}
	}
	if (status == 0 && collect->refused.fd >= 0) {
		status = refused_flush(collect);
	}
	if (status == 0 && collect->refused.fd >= 0) {
		status = output_finish(&collect->refused, error);
	}
	if (status != 0 && error->code != status) {
		error_set_code(error, status, "cannot take up all entries");
	}
	return status;
}

static int collect_read(struct collect *collect, int fd)
{
	struct compile *compile = collect->compile;
	uint64_t maximum = compile->job->list_maximum;
	struct input *input;
	struct feed_sink sink = {.context = collect,
	        .url = sink_url,
	        .host = sink_host,
	        .prefix = sink_prefix,
	        .digest = sink_digest,
	        .match = sink_match,
	        .refuse = sink_refuse};
	int status =
	        input_open(fd, maximum != 0 ? maximum : INPUT_EXPANDED_MAX, &input, compile->error);
	if (status != 0) {
		return status;
	}
	const struct feed_format *format = NULL;
	status = collect_format(collect, input, &format);
	if (status == 0) {
		const struct feed_columns *columns =
		        collect->input != NULL ? &collect->input->columns : NULL;
		status = feed_read(format, columns, input, &sink, compile->error);
	}
	collect->counts->lines = sink.lines;
	collect->counts->blank = sink.blank;
	status = collect_finish(collect, input, status);
	input_close(input);
	return status;
}

int collect_list(struct compile *compile, size_t index)
{
	const struct description *description = compile->job->description;
	int fd;
	int status = compile->job->open_list(compile->job->context, index, &fd, compile->error);
	if (status != 0) {
		return status;
	}
	struct collect *collect = mem_new(1, sizeof(*collect));
	if (collect == NULL) {
		file_close_fd(&fd);
		return error_set_code(compile->error, -ENOMEM, "cannot read a list");
	}
	collect->compile = compile;
	collect->index = index;
	collect->input = index < description->input_count ? &description->inputs[index] : NULL;
	collect->counts = &compile->report.inputs[index];
	collect->refused.fd = -1;
	collect->refused_folder = -1;
	buf_init(&collect->refused_text, 2 * REFUSED_BUFFER);
	status = collect_read(collect, fd);
	if (status != 0) {
		error_prefix(compile->error, "%s", collect->counts->path);
	}
	output_abort(&collect->refused);
	file_close_fd(&collect->refused_folder);
	file_close_fd(&fd);
	buf_release(&collect->refused_text);
	mem_free(collect->hashes);
	mem_free(collect);
	return status;
}
