#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/reading.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

/* rule.export: all rules as CSV (docs/rules-csv.md) into a descriptor of the caller's. */
#define CHUNK_BYTES ((size_t)64 * 1024)
/* What a pipe that says it has room takes for sure. */
#define PIPE_BYTES 4096
#define STALL_MS 2000

struct export
{
	struct reading reading;
	int fd;
	bool regular;
	struct buf text;
	int64_t written;
	struct error *error;
};

/* Writes what has gathered; a reader that takes nothing for STALL_MS ends it. */
static int flush(struct export *export)
{
	size_t done = 0;
	while (done < export->text.length) {
		size_t size = export->text.length - done;
		if (!export->regular) {
			struct pollfd entry = {.fd = export->fd, .events = POLLOUT};
			if (poll(&entry, 1, STALL_MS) <= 0) {
				return error_set(export->error, SK_E_TIMEOUT, "nobody reads");
			}
			size = size < PIPE_BYTES ? size : PIPE_BYTES;
		}
		ssize_t got = write(export->fd, export->text.data + done, size);
		if (got < 0 && errno != EINTR) {
			return error_set_code(export->error, -errno, "export");
		}
		done += got > 0 ? (size_t)got : 0;
	}
	buf_clear(&export->text);
	return 0;
}

static void add_field(struct buf *text, const char *field, char behind)
{
	bool quote = strpbrk(field, ",\"\r\n") != NULL || field[0] == ' ' || field[0] == '#' ||
	             field[0] == '\t';
	if (!quote) {
		buf_add_text(text, field);
	} else {
		buf_add_char(text, '"');
		for (; *field != '\0'; field++) {
			if (*field == '"') {
				buf_add_char(text, '"');
			}
			buf_add_char(text, *field);
		}
		buf_add_char(text, '"');
	}
	buf_add_char(text, behind);
}

static int visit_rule(void *context, const struct rule_row *row)
{
	struct export *export = context;
	char expires[CLOCK_TEXT_SIZE] = "";
	if (row->expires != 0) {
		clock_format(row->expires, expires);
	}
	add_field(&export->text, verb_list_name(row->list), ',');
	add_field(&export->text, rule_kind_name((enum rule_kind)row->kind), ',');
	add_field(&export->text, row->pattern, ',');
	add_field(&export->text, row->targets, ',');
	add_field(&export->text, row->enabled ? "yes" : "no", ',');
	add_field(&export->text, expires, ',');
	add_field(&export->text, row->comment, '\n');
	export->written++;
	int status = buf_status(&export->text);
	if (status != 0) {
		return error_set_code(export->error, status, "export");
	}
	return export->text.length >= CHUNK_BYTES ? flush(export) : 0;
}

static int read_export(struct reading *reading, struct readers *readers, struct error *error)
{
	struct export *export = (struct export *)reading;
	struct store_reader *store;
	struct rule_view view = {0};
	struct stat facts;
	export->error = error;
	export->regular = fstat(export->fd, &facts) == 0 && S_ISREG(facts.st_mode);
	buf_init(&export->text, CHUNK_BYTES + (size_t)256 * 1024);
	buf_add_literal(&export->text, "list,kind,pattern,targets,enabled,expires,comment\n");
	int status = readers_store(readers, &store, error);
	if (status == 0) {
		status = rules_each(store, &view, visit_rule, export, error);
	}
	if (status == 0) {
		status = flush(export);
	}
	buf_release(&export->text);
	file_close_fd(&export->fd);
	if (status == 0) {
		verb_add_number(reading->result, "written", export->written);
	}
	return status;
}

void verb_rule_export(struct backend *backend, struct rpc_call *call)
{
	struct export *export = reading_new(call, sizeof(*export), read_export);
	if (export == NULL) {
		return;
	}
	export->fd = call->descriptors[0];
	call->descriptors[0] = -1; /* taken: the call may be over before the thread is */
	reading_submit(backend->exporter, &export->reading);
}
