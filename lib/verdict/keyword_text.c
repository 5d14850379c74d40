#include <string.h>

#include "lib/base/limits.h"
#include "lib/verdict/keyword_set.h"
#include "lib/verdict/keyword_text.h"

/* What is done to an expression without compiling it. The syntax is that of PCRE, of which only as
 * much is followed here as it takes to know what is a literal, a class, a group or a repeat. */

/* Where in an expression we are; the syntax is that of PCRE. */
struct scan {
	const char *at;
	const char *end;
	bool quoted; /* between \Q and \E */
	bool class; /* between [ and ] */
};

static bool scan_starts(const struct scan *scan, const char *prefix)
{
	size_t length = strlen(prefix);
	return (size_t)(scan->end - scan->at) >= length && memcmp(scan->at, prefix, length) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What a '(' opens, if that is something which cannot be matched in linear time. */
static int check_group(const struct scan *scan, struct error *error)
{
	static const struct {
		const char *prefix;
		const char *what;
	} refused[] = {
	        {"(?=", "look-ahead (?=…)"},
	        {"(?!", "negative look-ahead (?!…)"},
	        {"(?<=", "look-behind (?<=…)"},
	        {"(?<!", "negative look-behind (?<!…)"},
	        {"(?>", "an atomic group (?>…)"},
	        {"(?P=", "a back-reference (?P=…)"},
	        {"(?P>", "recursion (?P>…)"},
	        {"(?R", "recursion (?R)"},
	        {"(?&", "recursion (?&…)"},
	        {"(?(", "a condition (?(…)…)"},
	        {"(?C", "a callout (?C…)"},
	        {"(*", "a verb (*…)"},
	};
	for (size_t i = 0; i < SK_COUNT(refused); i++) {
		if (scan_starts(scan, refused[i].prefix)) {
			return error_set(error, SK_E_UNSUPPORTED,
			        "%s is not supported: keywords are matched in one pass",
			        refused[i].what);
		}
	}
	return 0;
}

/* At a backslash; moves behind what it escapes. */
static int check_escape(struct scan *scan, struct error *error)
{
	char next = scan->at + 1 < scan->end ? scan->at[1] : '\0';
	scan->at += scan->at + 1 < scan->end ? 2 : 1;
	if (next == 'Q') {
		scan->quoted = true;
	} else if (!scan->class && (is_digit(next) || next == 'k' || next == 'g') && next != '0') {
		return error_set(error, SK_E_UNSUPPORTED,
		        "a back-reference (\\%c) is not supported: keywords are matched in one "
		        "pass",
		        next);
	}
	return 0;
}

/* The number at `at`, saturated; moves behind it. */
static unsigned take_number(const char **at, const char *end)
{
	unsigned value = 0;
	for (; *at < end && is_digit(**at); (*at)++) {
		value = value * 10 + (unsigned)(**at - '0');
		if (value > 100000) {
			value = 100000;
		}
	}
	return value;
}

/* At a '{': a repeat when {n}, {n,} or {n,m}, otherwise an ordinary character. */
static int check_repeat(const struct scan *scan, struct error *error)
{
	const char *at = scan->at + 1;
	if (at == scan->end || !is_digit(*at)) {
		return 0;
	}
	unsigned least = take_number(&at, scan->end);
	unsigned most = least;
	if (at < scan->end && *at == ',') {
		at++;
		if (at < scan->end && is_digit(*at)) {
			most = take_number(&at, scan->end);
		}
	}
	if (at == scan->end || *at != '}') {
		return 0;
	}
	if (least > LIMIT_KEYWORD_REPEAT || most > LIMIT_KEYWORD_REPEAT) {
		return error_set(error, SK_E_LIMIT,
		        "a repeat of %u; at most %d are possible ('*' and '+' have no limit)",
		        least > most ? least : most, LIMIT_KEYWORD_REPEAT);
	}
	return 0;
}

/* One character of the expression outside of \Q…\E; moves on by at least one byte. */
static int scan_step(struct scan *scan, struct error *error)
{
	int status = 0;
	char c = *scan->at;
	if (c == '\\') {
		return check_escape(scan, error);
	}
	if (scan->class) {
		scan->class = c != ']';
	} else if (c == '[') {
		scan->class = true;
		/* A ']' that comes first stands for itself. */
		if (scan_starts(scan, "[^]")) {
			scan->at += 2;
		} else if (scan_starts(scan, "[]")) {
			scan->at += 1;
		}
	} else if (c == '(') {
		status = check_group(scan, error);
	} else if (c == '{') {
		status = check_repeat(scan, error);
	}
	scan->at++;
	return status;
}

static int check_bytes(const char *expression, size_t length, struct error *error)
{
	if (length == 0) {
		return error_set(error, SK_E_SYNTAX, "the keyword is empty");
	}
	if (length > LIMIT_KEYWORD_BYTES) {
		return error_set(error, SK_E_LIMIT,
		        "the keyword has %zu bytes; at most %d are possible", length,
		        LIMIT_KEYWORD_BYTES);
	}
	for (size_t i = 0; i < length; i++) {
		if (expression[i] == '\0') {
			return error_set(error, SK_E_SYNTAX, "a NUL byte in the keyword");
		}
		if ((unsigned char)expression[i] >= 0x80) {
			return error_set(error, SK_E_UNSUPPORTED,
			        "byte %zu is not ASCII: keywords see the canonical URL, where such "
			        "characters stand as %%XX in paths and as xn--… in hosts; write "
			        "them like that",
			        i + 1);
		}
	}
	return 0;
}

/* The next piece of the expression; moves on by at least one byte. */
static int scan_next(struct scan *scan, struct error *error)
{
	if (!scan->quoted) {
		return scan_step(scan, error);
	}
	if (scan_starts(scan, "\\E")) {
		scan->quoted = false;
		scan->at += 2;
	} else {
		scan->at++;
	}
	return 0;
}

int keyword_check_text(const char *expression, size_t length, struct error *error)
{
	int status = check_bytes(expression, length, error);
	struct scan scan = {.at = expression, .end = expression + length};
	while (status == 0 && scan.at < scan.end) {
		status = scan_next(&scan, error);
	}
	return status;
}

/* "://" or ":\/\/" at the ':'; the length of its slashes as they are written, or 0. */
static size_t scheme_slashes(const struct scan *scan)
{
	if (scan_starts(scan, "://")) {
		return 2;
	}
	return scan_starts(scan, ":\\/\\/") ? 4 : 0;
}

size_t keyword_rewrite(const char *expression, size_t length, char *ret_text)
{
	static const char slashes[] = "[/\\x00][/\\x00]";
	struct scan scan = {.at = expression, .end = expression + length};
	size_t used = 0;
	while (scan.at < scan.end) {
		const char *from = scan.at;
		bool literal = !scan.quoted && !scan.class;
		size_t skip = literal ? scheme_slashes(&scan) : 0;
		(void)scan_next(&scan, NULL);
		memcpy(ret_text + used, from, (size_t)(scan.at - from));
		used += (size_t)(scan.at - from);
		if (skip > 0) {
			memcpy(ret_text + used, slashes, sizeof(slashes) - 1);
			used += sizeof(slashes) - 1;
			scan.at += skip;
		}
	}
	ret_text[used] = '\0';
	return used;
}
