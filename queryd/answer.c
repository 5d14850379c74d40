#include "queryd/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/json_writer.h"
#include "lib/data/digest.h"
#include "lib/data/rating.h"

/* Texts that are the same in many answers. Written once by answer_start, then only read. */
struct piece {
	uint16_t length;
	char text[126];
};

static struct piece score_pieces[SCORE_MAX + 1]; /* ,"score":49,"rating":"…","categories":[ */
static struct piece category_pieces[CATEGORY_MAX]; /* "malware" */
/* ],"cnc":{"level":0,"source":null},"action":"…","source":"…","ttl": */
static struct piece decision_pieces[CNC_LEVEL_COUNT][CNC_SOURCE_COUNT][3][VERDICT_SOURCE_COUNT];
/* ","verdict":"…","name":" and ","kind":…,"source":"…","action":"…","ttl": */
static struct piece file_answer_pieces[3];
static struct piece file_decision_pieces[THREAT_KIND_COUNT + 1][VERDICT_SOURCE_COUNT][3];

static const char *const file_answer_names[] = {"unknown", "known_good", "malicious"};

static void set_piece(struct piece *piece, const char *format, ...) SK_PRINTF(2, 3);
static void set_piece(struct piece *piece, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int length = vsnprintf(piece->text, sizeof(piece->text), format, args);
	va_end(args);
	piece->length = (uint16_t)length;
}

static inline void add_piece(struct buf *out, const struct piece *piece)
{
	buf_add(out, piece->text, piece->length);
}

static void make_web_pieces(void)
{
	for (unsigned score = 0; score <= SCORE_MAX; score++) {
		set_piece(&score_pieces[score], ",\"score\":%u,\"rating\":\"%s\",\"categories\":[",
		        score, rating_name(rating_of_score(score)));
	}
	for (unsigned i = 0; i < category_count(); i++) {
		set_piece(&category_pieces[i], "\"%s\"", category_name(i));
	}
	for (unsigned level = 0; level < CNC_LEVEL_COUNT; level++) {
		for (unsigned from = 0; from < CNC_SOURCE_COUNT; from++) {
			for (unsigned i = 0; i < 3 * VERDICT_SOURCE_COUNT; i++) {
				const char *name = cnc_source_name((enum cnc_source)from);
				const char *mark = name != NULL ? "\"" : "";
				unsigned action = i / VERDICT_SOURCE_COUNT;
				unsigned source = i % VERDICT_SOURCE_COUNT;
				set_piece(&decision_pieces[level][from][action][source],
				        "],\"cnc\":{\"level\":%u,\"source\":%s%s%s},"
				        "\"action\":\"%s\",\"source\":\"%s\",\"ttl\":",
				        level, mark, name != NULL ? name : "null", mark,
				        verdict_action_name((enum verdict_action)action),
				        verdict_source_name((enum verdict_source)source));
			}
		}
	}
}

static void make_file_pieces(void)
{
	for (unsigned i = 0; i < SK_COUNT(file_answer_names); i++) {
		set_piece(&file_answer_pieces[i], "\",\"verdict\":\"%s\",\"name\":\"",
		        file_answer_names[i]);
	}
	for (unsigned kind = 0; kind <= THREAT_KIND_COUNT; kind++) {
		for (unsigned i = 0; i < 3 * VERDICT_SOURCE_COUNT; i++) {
			bool known = kind < THREAT_KIND_COUNT;
			const char *mark = known ? "\"" : "";
			unsigned action = i / VERDICT_SOURCE_COUNT;
			unsigned source = i % VERDICT_SOURCE_COUNT;
			set_piece(&file_decision_pieces[kind][source][action],
			        "\",\"kind\":%s%s%s,\"source\":\"%s\",\"action\":\"%s\",\"ttl\":",
			        mark, known ? threat_kind_name((enum threat_kind)kind) : "null",
			        mark, verdict_source_name((enum verdict_source)source),
			        verdict_action_name((enum verdict_action)action));
		}
	}
}

void answer_start(void)
{
	make_web_pieces();
	make_file_pieces();
}

void answer_format_date(int64_t wall_seconds, char ret_text[ANSWER_DATE_SIZE])
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
	        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)wall_seconds;
	struct tm parts;
	gmtime_r(&seconds, &parts);
	snprintf(ret_text, ANSWER_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT",
	        days[(unsigned)parts.tm_wday % 7], (unsigned)parts.tm_mday % 100,
	        months[(unsigned)parts.tm_mon % 12], (unsigned)(parts.tm_year + 1900) % 10000,
	        (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100,
	        (unsigned)parts.tm_sec % 100);
}

/* ---- heads ---- */

#define LENGTH_DIGITS 7 /* up to NET_OUTPUT_SIZE */

static const char *const media_names[] = {
        "application/json", "application/problem+json", "binary/octet-stream"};

void answer_begin(struct buf *out, const struct answer_head *head, struct answer_place *ret_place)
{
	ret_place->start = out->length;
	ret_place->body_wanted = head->body_wanted;
	if (SK_LIKELY(head->status == 200)) {
		buf_add_literal(out, "HTTP/1.1 200 OK\r\nDate: ");
	} else {
		buf_add_literal(out, "HTTP/1.1 ");
		buf_add_u64(out, head->status);
		buf_add_char(out, ' ');
		buf_add_text(out, head->title);
		buf_add_literal(out, "\r\nDate: ");
	}
	buf_add(out, head->date, ANSWER_DATE_SIZE - 1);
	buf_add_literal(out, "\r\nContent-Type: ");
	buf_add_text(out, media_names[head->media]);
	buf_add_literal(out, "\r\nCache-Control: ");
	if (head->max_age != NULL) {
		buf_add_literal(out, "private, max-age=");
		buf_add_text(out, head->max_age);
	} else {
		buf_add_literal(out, "no-store");
	}
	if (head->extra != NULL) {
		buf_add_text(out, head->extra);
	}
	if (SK_UNLIKELY(!head->keep_alive)) {
		buf_add_literal(out, "\r\nConnection: close");
	} else if (SK_UNLIKELY(head->minor == 0)) {
		buf_add_literal(out, "\r\nConnection: keep-alive");
	}
	buf_add_literal(out, "\r\nContent-Length: ");
	ret_place->length_at = out->length;
	buf_add_literal(out, "       \r\n\r\n");
	ret_place->body_start = out->length;
}

void answer_end(struct buf *out, const struct answer_place *place)
{
	if (buf_status(out) != 0) {
		return;
	}
	size_t length = out->length - place->body_start;
	size_t at = place->length_at + LENGTH_DIGITS;
	/* Blanks before the number are allowed, so it is put in where it belongs. */
	do {
		out->data[--at] = (char)('0' + length % 10);
		length /= 10;
	} while (length > 0 && at > place->length_at);
	if (!place->body_wanted) {
		out->length = place->body_start;
	}
}

/* ---- bodies ---- */

static inline void add_ttl(struct buf *out, uint32_t ttl, const struct generation *generation)
{
	if (ttl == generation->settings.ttl_unlisted) {
		buf_add_text(out, generation->ttl_unlisted);
	} else if (ttl == generation->settings.ttl_listed) {
		buf_add_text(out, generation->ttl_listed);
	} else {
		buf_add_u64(out, ttl);
	}
}

static inline void add_categories(struct buf *out, uint64_t categories)
{
	bool comma = false;
	while (categories != 0) {
		unsigned i = (unsigned)__builtin_ctzll(categories);
		categories &= categories - 1;
		if (category_pieces[i].length == 0) {
			continue; /* of a newer pattern: a name that we do not have */
		}
		if (comma) {
			buf_add_char(out, ',');
		}
		add_piece(out, &category_pieces[i]);
		comma = true;
	}
}

void answer_add_url(struct buf *out, const char *name, size_t name_length, const char *text,
        size_t text_length, const struct url_verdict *verdict, const struct generation *generation)
{
	unsigned score = verdict->score <= SCORE_MAX ? verdict->score : SCORE_UNRATED;
	buf_add(out, name, name_length);
	json_add_ascii(out, text, text_length);
	add_piece(out, &score_pieces[score]);
	add_categories(out, verdict->categories);
	add_piece(out, &decision_pieces[verdict->cnc_level % CNC_LEVEL_COUNT]
	                               [verdict->cnc_source % CNC_SOURCE_COUNT][verdict->action % 3]
	                               [verdict->source % VERDICT_SOURCE_COUNT]);
	add_ttl(out, verdict->ttl, generation);
	buf_add(out, generation->web_tail.text, generation->web_tail.length);
}

static void add_digest(struct buf *out, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];
	size_t length = digest_format(digest, text);
	buf_add_literal(out, "{\"digest\":\"");
	buf_add(out, text, length);
}

void answer_add_file(struct buf *out, const struct digest *digest,
        const struct file_verdict *verdict, const struct generation *generation)
{
	bool malicious = verdict->answer == FILE_MALICIOUS;
	unsigned kind = malicious ? verdict->kind % THREAT_KIND_COUNT : THREAT_KIND_COUNT;
	add_digest(out, digest);
	add_piece(out, &file_answer_pieces[verdict->answer % 3]);
	if (verdict->name[0] != '\0') {
		json_add_escaped(out, verdict->name, strlen(verdict->name));
	}
	add_piece(out, &file_decision_pieces[kind][verdict->source % VERDICT_SOURCE_COUNT]
	                                    [verdict->action % 3]);
	add_ttl(out, verdict->ttl, generation);
	buf_add(out, generation->file_tail.text, generation->file_tail.length);
}

void answer_add_entry_error(struct buf *out, enum problem problem, const char *detail)
{
	buf_add_literal(out, "{\"error\":{\"code\":\"");
	buf_add_text(out, problem_info(problem)->code);
	buf_add_literal(out, "\",\"detail\":");
	json_add_string(out, detail, strlen(detail));
	buf_add_literal(out, "}}");
}

void answer_add_problem(struct buf *out, enum problem problem, const char *detail)
{
	const struct problem_info *info = problem_info(problem);
	buf_add_literal(out, "{\"type\":\"about:blank\",\"title\":\"");
	buf_add_text(out, info->title);
	buf_add_literal(out, "\",\"status\":");
	buf_add_u64(out, info->status);
	buf_add_literal(out, ",\"code\":\"");
	buf_add_text(out, info->code);
	buf_add_literal(out, "\",\"detail\":");
	json_add_string(out, detail, strlen(detail));
	buf_add_char(out, '}');
}
