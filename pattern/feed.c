#include "pattern/feed.h"

#include <errno.h>
#include <string.h>

#include "lib/base/mem.h"
#include "pattern/feed_reader.h"

static const char *const feed_role_names[FEED_ROLE_COUNT] = {
        "url", "host", "path", "ip", "digest", "md5", "sha1", "sha256", "value", "name"};

const char *feed_role_name(enum feed_role role)
{
	return role < FEED_ROLE_COUNT ? feed_role_names[role] : NULL;
}

/* Every format; the documentation, the schema and the fuzz target go by this table. */
static const struct feed_format feed_formats[] = {
        {.name = "urls",
                .title = "one URL or host/path per line",
                .comments = "#;!",
                .line = feed_line_urls},
        {.name = "hosts",
                .title = "one host name per line",
                .comments = "#;!",
                .line = feed_line_hosts},
        {.name = "ips",
                .title = "one address or CIDR per line, with or without a count",
                .comments = "#;!",
                .line = feed_line_ips,
                .takes_columns = true},
        {.name = "digests",
                .title = "one md5, sha1 or sha256 per line, with or without a name",
                .comments = "#!",
                .line = feed_line_digests},
        {.name = "auto",
                .title = "a URL, host, address or digest per line",
                .comments = "#;!",
                .line = feed_line_auto},
        {.name = "hosts-file",
                .title = "address and names, as in /etc/hosts",
                .comments = "#;!",
                .line = feed_line_hosts_file},
        {.name = "csv",
                .title = "comma-separated columns",
                .comments = "",
                .document = feed_table,
                .table = true,
                .needs_columns = true,
                .takes_columns = true,
                .separator = ','},
        {.name = "tsv",
                .title = "columns separated by tabs",
                .comments = "",
                .document = feed_table,
                .table = true,
                .needs_columns = true,
                .takes_columns = true,
                .separator = '\t'},
        {.name = "urlhaus-csv",
                .title = "URLhaus CSV dump",
                .comments = "",
                .document = feed_table,
                .table = true,
                .separator = ','},
        {.name = "phishtank-csv",
                .title = "PhishTank CSV dump",
                .comments = "",
                .document = feed_table,
                .table = true,
                .separator = ','},
        {.name = "tweetfeed-csv",
                .title = "TweetFeed CSV",
                .comments = "",
                .document = feed_table,
                .table = true,
                .separator = ','},
        {.name = "adblock",
                .title = "adblock filter list",
                .comments = "!",
                .line = feed_line_adblock},
        {.name = "rpz", .title = "response policy zone", .comments = ";#", .line = feed_line_rpz},
        {.name = "bind", .title = "BIND zone statements", .comments = "#", .line = feed_line_bind},
        {.name = "dnsmasq",
                .title = "dnsmasq configuration",
                .comments = "#",
                .line = feed_line_dnsmasq},
        {.name = "unbound",
                .title = "unbound configuration",
                .comments = "#",
                .line = feed_line_unbound},
        {.name = "suricata",
                .title = "Suricata rules",
                .comments = "#",
                .line = feed_line_suricata},
        {.name = "snort", .title = "Snort 3 rules", .comments = "#", .line = feed_line_snort},
        {.name = "zeek",
                .title = "Zeek intelligence file",
                .comments = "",
                .document = feed_zeek,
                .table = true,
                .separator = '\t'},
        {.name = "spamhaus-drop",
                .title = "Spamhaus DROP as JSON lines",
                .comments = "",
                .line = feed_line_drop},
        {.name = "misp", .title = "MISP event as JSON", .comments = "", .document = feed_misp},
        {.name = "misp-warninglist",
                .title = "MISP warninglist as JSON",
                .comments = "",
                .document = feed_warninglist,
                .only_excludes = true},
        {.name = "stix", .title = "STIX 2.x bundle as JSON", .comments = "", .document = feed_stix},
        {.name = "openioc", .title = "OpenIOC as XML", .comments = "", .document = feed_openioc},
        {.name = "tpl",
                .title = "tracking protection list (msFilterList)",
                .comments = "#:",
                .line = feed_line_tpl},
};

const struct feed_format *feed_format_find(const char *name)
{
	for (size_t i = 0; i < SK_COUNT(feed_formats); i++) {
		if (strcmp(feed_formats[i].name, name) == 0) {
			return &feed_formats[i];
		}
	}
	return NULL;
}

const struct feed_format *feed_format_at(size_t index)
{
	return index < SK_COUNT(feed_formats) ? &feed_formats[index] : NULL;
}

const char *feed_format_name(const struct feed_format *format)
{
	return format->name;
}

const char *feed_format_title(const struct feed_format *format)
{
	return format->title;
}

bool feed_format_needs_columns(const struct feed_format *format)
{
	return format->needs_columns;
}

bool feed_format_takes_columns(const struct feed_format *format)
{
	return format->takes_columns;
}

bool feed_format_only_excludes(const struct feed_format *format)
{
	return format->only_excludes;
}

int feed_each_line(struct feed *feed, feed_line_fn *line)
{
	struct feed_sink *sink = feed->sink;
	for (;;) {
		struct feed_text text;
		int status = input_line(feed->input, &text.at, &text.length);
		if (status <= 0) {
			if (status < 0) {
				error_set(feed->error, status, "%s", input_reason(feed->input));
			}
			return status;
		}
		sink->lines++;
		sink->place.line = input_line_number(feed->input);
		sink->place.text = text.at;
		sink->place.length = text.length;
		if (text.at == NULL) {
			sink->place.text = "";
			status = feed_refuse(feed, "line too long");
		} else {
			text = feed_trim(text);
			if (text.length == 0 ||
			        (text.at[0] != '\0' &&
			                strchr(feed->format->comments, text.at[0]) != NULL)) {
				sink->blank++;
				continue;
			}
			status = line(feed, text);
			feed->started = true;
		}
		if (status != 0) {
			return status;
		}
	}
}

int feed_read(const struct feed_format *format, const struct feed_columns *columns,
        struct input *input, struct feed_sink *sink, struct error *error)
{
	static const struct feed_columns none;
	struct feed feed = {.format = format,
	        .columns = columns != NULL ? columns : &none,
	        .input = input,
	        .sink = sink,
	        .error = error};
	int status = 0;
	/* Putting dots right only makes shorter; a joined host and path are one line at most. */
	buf_init(&feed.defanged, LIMIT_FEED_LINE + 16);
	buf_init(&feed.row, 2 * LIMIT_FEED_LINE);
	if (format->table) {
		feed.fields = mem_new(FEED_ROW_FIELDS, sizeof(*feed.fields));
		if (feed.fields == NULL) {
			status = error_set_code(error, -ENOMEM, "cannot read a table");
		}
	}
	if (status == 0) {
		status = format->document != NULL ? format->document(&feed)
		                                  : feed_each_line(&feed, format->line);
	}
	mem_free(feed.fields);
	buf_release(&feed.row);
	buf_release(&feed.defanged);
	return status;
}
