#include <errno.h>
#include <hs.h>
#include <string.h>
#include <time.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/verdict/keyword_flags.h"
#include "lib/verdict/keyword_set.h"

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

int keyword_check_text(const char *expression, size_t length, struct error *error)
{
	int status = check_bytes(expression, length, error);
	struct scan scan = {.at = expression, .end = expression + length};
	while (status == 0 && scan.at < scan.end) {
		if (!scan.quoted) {
			status = scan_step(&scan, error);
		} else if (scan_starts(&scan, "\\E")) {
			scan.quoted = false;
			scan.at += 2;
		} else {
			scan.at++;
		}
	}
	return status;
}

static int refuse_compile(hs_compile_error_t *failure, struct error *error)
{
	int status = error_set(error, SK_E_UNSUPPORTED, "the expression cannot be used: %s",
	        failure != NULL ? failure->message : "out of memory");
	hs_free_compile_error(failure);
	return status;
}

/* What matches the empty text matches every URL. */
static int check_width(const char *text, struct error *error)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *failure = NULL;
	if (hs_expression_info(text, KEYWORD_FLAGS, &info, &failure) != HS_SUCCESS) {
		return refuse_compile(failure, error);
	}
	bool empty = info->min_width == 0;
	free(info); /* hs allocates with malloc as long as nobody sets another allocator */
	if (empty) {
		return error_set(error, SK_E_UNSUPPORTED,
		        "the expression also matches the empty text, so it would match every URL");
	}
	return 0;
}

static int64_t thread_ms(void)
{
	struct timespec time = {0};
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int check_cost(const char *text, struct error *error)
{
	hs_database_t *database = NULL;
	hs_compile_error_t *failure = NULL;
	size_t size = 0;
	int64_t start = thread_ms();
	if (hs_compile(text, KEYWORD_FLAGS, HS_MODE_BLOCK, NULL, &database, &failure) !=
	        HS_SUCCESS) {
		return refuse_compile(failure, error);
	}
	int64_t took = thread_ms() - start;
	(void)hs_database_size(database, &size);
	(void)hs_free_database(database);
	if (took > KEYWORD_COMPILE_MS) {
		return error_set(error, SK_E_LIMIT,
		        "the expression is too costly: it takes %lld ms to compile, %d are "
		        "possible; fewer or smaller repeats help",
		        (long long)took, KEYWORD_COMPILE_MS);
	}
	if (size > KEYWORD_DATABASE_MAX) {
		return error_set(error, SK_E_LIMIT,
		        "the expression is too costly: it takes %zu bytes when compiled, %d are "
		        "possible; fewer or smaller repeats help",
		        size, KEYWORD_DATABASE_MAX);
	}
	return 0;
}

int keyword_check(const char *expression, size_t length, struct error *error)
{
	int status = keyword_check_text(expression, length, error);
	if (status != 0) {
		return status;
	}
	if (hs_valid_platform() != HS_SUCCESS) {
		return error_set(error, SK_E_UNSUPPORTED,
		        "keyword rules need a processor with SSSE3, which this one is not");
	}
	char text[LIMIT_KEYWORD_BYTES + 1];
	memcpy(text, expression, length);
	text[length] = '\0';
	status = check_width(text, error);
	return status != 0 ? status : check_cost(text, error);
}
