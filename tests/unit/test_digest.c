#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/data/digest.h"

static const char empty_sha256[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void test_kinds_by_length(void **state)
{
	(void)state;
	static const struct {
		size_t length;
		enum digest_kind kind;
		const char *name;
	} cases[] = {
	        {32, DIGEST_MD5, "md5"}, {40, DIGEST_SHA1, "sha1"}, {64, DIGEST_SHA256, "sha256"}};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct digest digest;
		char text[DIGEST_TEXT_SIZE];
		assert_int_equal(digest_parse(empty_sha256, cases[i].length, &digest), 0);
		assert_int_equal(digest.kind, cases[i].kind);
		assert_int_equal(digest_size(digest.kind), cases[i].length / 2);
		assert_string_equal(digest_kind_name(digest.kind), cases[i].name);
		assert_int_equal(digest.bytes[0], 0xe3);
		assert_int_equal(digest_format(&digest, text), cases[i].length);
		assert_int_equal(strlen(text), cases[i].length);
		assert_memory_equal(text, empty_sha256, cases[i].length);
	}
}

static void test_case_and_rest_of_bytes(void **state)
{
	(void)state;
	struct digest lower, upper;
	memset(&lower, 0xaa, sizeof(lower));
	memset(&upper, 0x55, sizeof(upper));
	assert_int_equal(digest_parse("d41d8cd98f00b204e9800998ecf8427e", 32, &lower), 0);
	assert_int_equal(digest_parse("D41D8CD98F00B204E9800998ECF8427E", 32, &upper), 0);
	assert_memory_equal(&lower, &upper, sizeof(lower));
}

static void test_refused(void **state)
{
	(void)state;
	struct digest digest;
	char text[65];
	memcpy(text, empty_sha256, sizeof(text));
	for (size_t length = 0; length < 64; length++) {
		if (length != 32 && length != 40) {
			assert_int_equal(digest_parse(text, length, &digest), SK_E_SYNTAX);
		}
	}
	text[63] = 'g';
	assert_int_equal(digest_parse(text, 64, &digest), SK_E_SYNTAX);
	text[63] = '\0';
	assert_int_equal(digest_parse(text, 64, &digest), SK_E_SYNTAX);
	text[0] = ' ';
	assert_int_equal(digest_parse(text, 32, &digest), SK_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_kinds_by_length),
	        cmocka_unit_test(test_case_and_rest_of_bytes),
	        cmocka_unit_test(test_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
