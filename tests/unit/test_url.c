#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/number.h"
#include "lib/data/url.h"
#include "tests/unit/url_properties.h"

/*
 * The cases stand in docs/url-form.md, part 9, where readers find them: lines of "input -> result"
 * in blocks of three kinds.
 */
static char *document;

static int read_document(void **state)
{
	(void)state;
	size_t length;
	return file_read(URL_FORM_DOCUMENT, 1024 * 1024, &document, &length);
}

static int free_document(void **state)
{
	(void)state;
	mem_free(document);
	return 0;
}

static char unescaped_byte(const char **at)
{
	const char *text = *at;
	*at += 2;
	switch (text[1]) {
	case 't':
		return '\t';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 'x':
		*at += 2;
		return (char)(number_hex_digit(text[2]) << 4 | number_hex_digit(text[3]));
	default:
		assert_int_equal(text[1], '\\');
		return '\\';
	}
}

/* Calls `check` for every case of the blocks that begin with "```<kind>"; returns their number. */
static unsigned each_case(
        const char *kind, void (*check)(const char *input, size_t length, const char *expected))
{
	unsigned count = 0;
	bool inside = false;
	const char *next;
	for (const char *line = document; *line != '\0'; line = next) {
		char input[1024], expected[1024];
		size_t length = 0;
		next = strchrnul(line, '\n');
		next += *next == '\n';
		if (strncmp(line, "```", 3) == 0) {
			inside = !inside && strncmp(line + 3, kind, strlen(kind)) == 0 &&
			         line[3 + strlen(kind)] == '\n';
			continue;
		}
		if (!inside) {
			continue;
		}
		const char *arrow = strstr(line, " -> ");
		assert_non_null(arrow);
		while (line < arrow) {
			assert_true(length < sizeof(input));
			input[length++] = *line == '\\' ? unescaped_byte(&line) : *line++;
		}
		arrow += 4;
		assert_true((size_t)(next - arrow) <= sizeof(expected));
		memcpy(expected, arrow, (size_t)(next - arrow));
		expected[next - arrow - 1] = '\0';
		check(input, length, expected);
		count++;
	}
	return count;
}

static void check_result(
        const char *input, size_t length, int status, const struct url *url, const char *expected)
{
	const char *result = status == 0 ? url->text : sk_error_name(status);
	if (strcmp(result, expected) != 0) {
		fail_msg("%.*s: %s, expected %s", (int)length, input, result, expected);
	}
}

static void check_url(const char *input, size_t length, const char *expected)
{
	static char space[URL_TEXT_MAX];
	struct url url;
	const char *reason;
	int status = url_canonicalize(input, length, space, sizeof(space), &url, &reason);
	check_result(input, length, status, &url, expected);
	url_properties_check(input, length);
}

static void test_urls_of_the_document(void **state)
{
	(void)state;
	assert_true(each_case("url", check_url) > 200);
}

static void check_host(const char *input, size_t length, const char *expected)
{
	static char space[URL_TEXT_MAX];
	struct url url;
	const char *reason;
	int status = url_from_host(input, length, space, sizeof(space), &url, &reason);
	check_result(input, length, status, &url, expected);
	url_properties_check_host(input, length);
}

static void test_hosts_of_the_document(void **state)
{
	(void)state;
	assert_true(each_case("host", check_host) > 20);
}

static void check_expressions(const char *input, size_t length, const char *expected)
{
	static char space[URL_TEXT_MAX];
	char result[1024];
	size_t at = 0;
	struct url url;
	struct url_expressions expressions;
	const char *reason;
	assert_int_equal(url_canonicalize(input, length, space, sizeof(space), &url, &reason), 0);
	url_expressions(&url, &expressions);
	for (unsigned i = 0; i < expressions.host_count; i++) {
		struct url_part part = expressions.hosts[i];
		memcpy(result + at, space + part.start, part.length);
		at += part.length;
		result[at++] = ' ';
	}
	result[at++] = '|';
	for (unsigned i = 0; i < expressions.path_count; i++) {
		struct url_part part = expressions.paths[i];
		result[at++] = ' ';
		memcpy(result + at, space + part.start, part.length);
		at += part.length;
	}
	result[at] = '\0';
	assert_string_equal(result, expected);
}

static void test_expressions_of_the_document(void **state)
{
	(void)state;
	assert_true(each_case("expressions", check_expressions) > 15);
}

static int canonicalize(const char *input, size_t length, struct url *ret_url)
{
	static char space[URL_TEXT_MAX];
	const char *reason = NULL;
	int status = url_canonicalize(input, length, space, sizeof(space), ret_url, &reason);
	assert_true(status == 0 || reason != NULL);
	return status;
}

static void test_nul_is_refused_everywhere(void **state)
{
	(void)state;
	static const char text[] = " http://user@host.example:80/a/b?c=d#e ";
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char input[sizeof(text)];
		struct url url;
		memcpy(input, text, sizeof(text));
		input[i] = '\0';
		assert_int_equal(canonicalize(input, sizeof(text) - 1, &url), SK_E_SYNTAX);
		assert_int_equal(canonicalize(text, sizeof(text), &url), SK_E_SYNTAX);
	}
}

static void test_longest_url(void **state)
{
	(void)state;
	static char input[LIMIT_URL + 1];
	static const char fills[] = {'a', '/', '.', '%', '\x01', '\xff', '?', '#', ' ', '5'};
	struct url url;
	for (size_t i = 0; i < sizeof(fills); i++) {
		memset(input, fills[i], sizeof(input));
		memcpy(input, "http://h/x", 10);
		input[sizeof(input) - 1] = 'z';
		input[sizeof(input) - 2] = 'z';
		assert_int_equal(canonicalize(input, LIMIT_URL, &url), 0);
		url_properties_check(input, LIMIT_URL);
		assert_int_equal(canonicalize(input, LIMIT_URL + 1, &url), SK_E_LIMIT);
	}
	/* The most that can come out: every byte escaped, behind a host that grew. */
	memset(input, '\xff', sizeof(input));
	memcpy(input, "\xe3\x8c\x80/", 4);
	assert_int_equal(canonicalize(input, LIMIT_URL, &url), 0);
	assert_true(url.length > 3 * LIMIT_URL);
	url_properties_check(input, LIMIT_URL);
}

/* Every length around the blocks in which the fast path works, with each byte at each place. */
static void test_every_byte_at_every_place(void **state)
{
	(void)state;
	static const char base[] = "https://www.example.com/folder/and-another/one_more/"
	                           "page.html?name=value&second=12345678901234567890/"
	                           "123456789012345678901234567890123456789012345678";
	char input[sizeof(base)];
	memcpy(input, base, sizeof(base));
	for (size_t length = 0; length < sizeof(base); length++) {
		url_properties_check(base, length);
	}
	for (size_t i = 0; i < sizeof(base) - 1; i++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			input[i] = (char)byte;
			url_properties_check(input, sizeof(base) - 1);
		}
		input[i] = base[i];
	}
}

static void test_pairs_across_blocks(void **state)
{
	(void)state;
	static const char *const pairs[] = {"//", "/.", "/./", "/..", "/../", "?/", "??", "%4",
	        "%41", "%2541", "/?", "./", "/\\"};
	for (size_t pair = 0; pair < sizeof(pairs) / sizeof(pairs[0]); pair++) {
		size_t size = strlen(pairs[pair]);
		for (size_t length = 10 + size; length < 220; length++) {
			char input[220];
			memset(input, 'a', sizeof(input));
			memcpy(input, "http://a.b/", 11);
			memcpy(input + length - size, pairs[pair], size);
			url_properties_check(input, length);
			url_properties_check(input, sizeof(input));
		}
	}
}

static int64_t cpu_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Inputs that make a quadratic algorithm show: far above what is needed, far below quadratic. */
static void test_work_is_bounded(void **state)
{
	(void)state;
	static const char *const patterns[] = {"%25", "%2525", "%", "25", "%25%32%35", "/../",
	        "/..", "/a", "//", "/.", "a/", "@", ":", ".", "[", "\\", "%5C", "\xc3\xbc", "a.",
	        "?%25"};
	static const char *const starts[] = {
	        "http://h/", "http://h/%", "http://h/?", "http://", ""};
	for (size_t pattern = 0; pattern < sizeof(patterns) / sizeof(patterns[0]); pattern++) {
		for (size_t start = 0; start < sizeof(starts) / sizeof(starts[0]); start++) {
			static char input[LIMIT_URL];
			size_t length = strlen(starts[start]);
			memcpy(input, starts[start], length);
			while (length + strlen(patterns[pattern]) <= sizeof(input)) {
				memcpy(input + length, patterns[pattern],
				        strlen(patterns[pattern]));
				length += strlen(patterns[pattern]);
			}
			struct url url;
			int64_t before = cpu_time();
			for (int i = 0; i < 10; i++) {
				(void)!canonicalize(input, length, &url);
			}
			/* 2 ms each, also under a sanitizer; usual are 20 to 60 µs. */
			assert_true(cpu_time() - before < 20000000);
			url_properties_check(input, length);
		}
	}
}

/* Random mixtures of what matters, from a fixed seed. */
static void test_random_mixtures(void **state)
{
	(void)state;
	static const char *const pieces[] = {"http", "https", "ftp", "x", ":", "//", "/", "\\", "?",
	        "#", "@", ".", "..", "%", "%2", "%25", "2e", "%2e", "%2F", "%3f", "%5c", "%00",
	        "%41", "a", "b.c", "Www.", "1", "0x7f", "010", "256", "1.2.3.4", "[", "]", "::1",
	        "::", "ffff", "\xc3\xbc", "\xe3\x80\x82", "\xff", " ", "\t", "\n", "*", "_", "-",
	        "80", "65536", "xn--", "example.com", "&=", "+", "\x7f",
	        "mailto:", "aaaaaaaaaaaaaaaa"};
	uint64_t random = 20261123;
	for (int round = 0; round < 60000; round++) {
		char input[512];
		size_t length = 0;
		random = random * 6364136223846793005u + 1442695040888963407u;
		for (unsigned left = 1 + (unsigned)(random >> 60); left > 0; left--) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			const char *piece =
			        pieces[(random >> 33) % (sizeof(pieces) / sizeof(pieces[0]))];
			memcpy(input + length, piece, strlen(piece));
			length += strlen(piece);
		}
		url_properties_check(input, length);
		url_properties_check_host(input, length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_urls_of_the_document),
	        cmocka_unit_test(test_hosts_of_the_document),
	        cmocka_unit_test(test_expressions_of_the_document),
	        cmocka_unit_test(test_nul_is_refused_everywhere),
	        cmocka_unit_test(test_longest_url),
	        cmocka_unit_test(test_every_byte_at_every_place),
	        cmocka_unit_test(test_pairs_across_blocks),
	        cmocka_unit_test(test_work_is_bounded),
	        cmocka_unit_test(test_random_mixtures),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, read_document, free_document);
}
