#include <string.h>

#include "lib/base/json_writer.h"
#include "queryd/query.h"

/* The reasons of an answer, for administrators: explain=1. */

static void add_expressions(struct query *query)
{
	const struct url_query *url = &query->space->url_queries[0];
	const struct url_expressions *expressions = &url->expressions;
	struct buf *out = query->out;
	buf_add_literal(out, ",\"expressions\":[");
	for (unsigned host = 0; host < expressions->host_count; host++) {
		for (unsigned path = 0; path < expressions->path_count; path++) {
			const struct url_part *parts[] = {
			        &expressions->hosts[host], &expressions->paths[path]};
			buf_add_text(out, host + path > 0 ? ",\"" : "\"");
			for (unsigned i = 0; i < 2; i++) {
				json_add_escaped(
				        out, url->url.text + parts[i]->start, parts[i]->length);
			}
			buf_add_char(out, '"');
		}
	}
	buf_add_char(out, ']');
}

static void add_origins(struct query *query, uint64_t origins)
{
	const struct web_pattern *web = query->generation->snapshot.web;
	const struct pattern_info *info = web != NULL ? web_pattern_info(web) : NULL;
	struct buf *out = query->out;
	bool comma = false;
	buf_add_literal(out, ",\"origins\":[");
	for (size_t i = 0; info != NULL && i < info->source_count; i++) {
		if (((origins >> i) & 1) == 0) {
			continue;
		}
		buf_add_text(out, comma ? "," : "");
		json_add_string(out, info->sources[i], strlen(info->sources[i]));
		comma = true;
	}
	buf_add_char(out, ']');
}

static void add_match(struct query *query, const struct verdict_match *match)
{
	struct buf *out = query->out;
	buf_add_literal(out, "{\"source\":\"");
	buf_add_text(out, verdict_source_name((enum verdict_source)match->source));
	buf_add_literal(out, "\",\"id\":");
	if (match->id != 0) {
		buf_add_i64(out, match->id);
	} else {
		buf_add_literal(out, "null");
	}
	buf_add_literal(out, ",\"text\":");
	json_add_string(out, match->text, match->text_length);
	buf_add_literal(out, ",\"score\":");
	buf_add_u64(out, match->score);
	add_origins(query, match->origins);
	buf_add_text(out, match->winner ? ",\"winner\":true}" : ",\"winner\":false}");
}

void query_add_explanation(struct query *query)
{
	const struct verdict_explanation *explanation = &query->space->explanation;
	struct buf *out = query->out;
	if (buf_status(out) != 0) {
		return;
	}
	out->length--; /* the brace */
	add_expressions(query);
	buf_add_literal(out, ",\"matches\":[");
	for (size_t i = 0; i < explanation->count; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		add_match(query, &explanation->matches[i]);
	}
	buf_add_text(out, explanation->more ? "],\"more\":true}" : "]}");
}
