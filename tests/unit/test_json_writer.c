#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/json_writer.h"
#include "lib/base/mem.h"

static struct buf buf;

static int set_up(void **state)
{
	(void)state;
	buf_init(&buf, 65536);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_release(&buf);
	return 0;
}

static void expect(const char *text)
{
	assert_string_equal(buf_text(&buf), text);
}

static void test_strings_are_escaped(void **state)
{
	(void)state;
	static const char text[] = "plain text 12345 \"\\\b\f\n\r\t\x01\x1f\x7f/\0end";
	json_add_string(&buf, text, sizeof(text) - 1);
	expect("\"plain text 12345 \\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f/\\u0000end\"");
}

static void test_bad_utf8_is_replaced(void **state)
{
	(void)state;
	json_add_string(&buf, "\xc3\xa9\xff\xed\xa0\x80z\xe2\x82", 9);
	expect("\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd"
	       "\"");
}

static void test_ascii_as_string_at_every_length(void **state)
{
	(void)state;
	static const char text[] = "http://a.example/0123456789?x=\"y\\z&aaaaaaaaaaaaaaaaa";
	for (size_t from = 0; from < sizeof(text) - 1; from++) {
		for (size_t length = 0; from + length < sizeof(text); length++) {
			struct buf other;
			buf_init(&other, 1024);
			buf_clear(&buf);
			json_add_ascii(&buf, text + from, length);
			json_add_string(&other, text + from, length);
			assert_int_equal(buf.length, other.length);
			assert_memory_equal(buf.data, other.data, other.length);
			buf_release(&other);
		}
	}
}

static void test_fixed_buffer_holds_exactly(void **state)
{
	(void)state;
	char space[10];
	struct buf fixed;
	size_t before = mem_allocation_count();
	buf_init_fixed(&fixed, space, sizeof(space));
	json_add_string(&fixed, "12345678", 8);
	assert_int_equal(buf_status(&fixed), 0);
	buf_clear(&fixed);
	json_add_string(&fixed, "1234567\n", 8);
	assert_int_equal(buf_status(&fixed), SK_E_LIMIT);
	assert_int_equal(mem_allocation_count(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_strings_are_escaped, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_bad_utf8_is_replaced, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_ascii_as_string_at_every_length, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_fixed_buffer_holds_exactly, set_up, tear_down),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
