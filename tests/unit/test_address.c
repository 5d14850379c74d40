#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attribute.h"
#include "lib/base/error.h"
#include "lib/data/address.h"

struct address_case {
	const char *input;
	const char *text; /* NULL: SK_E_SYNTAX */
};

static void test_parse_and_format(void **state)
{
	(void)state;
	static const struct address_case cases[] = {
	        {"0.0.0.0", "0.0.0.0"},
	        {"255.255.255.255", "255.255.255.255"},
	        {"192.0.2.10", "192.0.2.10"},
	        {"256.0.0.1", NULL},
	        {"01.2.3.4", NULL},
	        {"1.2.3.00", NULL},
	        {"1.2.3", NULL},
	        {"1.2.3.", NULL},
	        {"1.2.3.4.", NULL},
	        {"1.2.3.4.5", NULL},
	        {".1.2.3.4", NULL},
	        {"1..3.4", NULL},
	        {"1.2.3.4 ", NULL},
	        {" 1.2.3.4", NULL},
	        {"+1.2.3.4", NULL},
	        {"0x1.2.3.4", NULL},
	        {"4294967296.2.3.4", NULL},
	        {"99999999999999999999.2.3.4", NULL},
	        {"", NULL},
	        {"a", NULL},
	        {"::", "::"},
	        {"::1", "::1"},
	        {"1::", "1::"},
	        {"[::1]", "::1"},
	        {"2001:DB8::00a0:0", "2001:db8::a0:0"},
	        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
	        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
	        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
	        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
	        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	        {"1:2:3:4:5:6:77.77.88.88", "1:2:3:4:5:6:4d4d:5858"},
	        {"::1.2.3.4", "::102:304"},
	        {"1::1.2.3.4", "1::102:304"},
	        {"::ffff:1.2.3.4", "1.2.3.4"},
	        {"::ffff:102:304", "1.2.3.4"},
	        {"[0:0:0:0:0:FFFF:1.2.3.4]", "1.2.3.4"},
	        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
	        {":", NULL},
	        {":1", NULL},
	        {"1:", NULL},
	        {":::", NULL},
	        {"1:::2", NULL},
	        {"1::2::3", NULL},
	        {"1:2:3:4:5:6:7", NULL},
	        {"1:2:3:4:5:6:7:8:9", NULL},
	        {"1:2:3:4:5:6:7:8::", NULL},
	        {"::1:2:3:4:5:6:7:8", NULL},
	        {"1:2:3:4::5:6:7:8", NULL},
	        {"1::2:", NULL},
	        {":1::2", NULL},
	        {"12345::", NULL},
	        {"00001::", NULL},
	        {"g::", NULL},
	        {"::1%eth0", NULL},
	        {"::1.2.3", NULL},
	        {"::1.2.3.256", NULL},
	        {"::1.2.3.04", NULL},
	        {"::1.2.3.4:5", NULL},
	        {"1.2.3.4::", NULL},
	        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
	        {"::a.2.3.4", NULL},
	        {"[::1", NULL},
	        {"::1]", NULL},
	        {"[1.2.3.4]", NULL},
	        {"[]", NULL},
	        {"[", NULL},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct address address;
		char text[ADDRESS_TEXT_SIZE];
		int status = address_parse(cases[i].input, strlen(cases[i].input), &address);
		if (cases[i].text == NULL) {
			if (status != SK_E_SYNTAX) {
				fail_msg("%s was accepted", cases[i].input);
			}
			continue;
		}
		if (status != 0) {
			fail_msg("%s was refused", cases[i].input);
		}
		assert_int_equal(address_format(&address, text), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(
		        address.family, strchr(text, ':') != NULL ? ADDRESS_V6 : ADDRESS_V4);
	}
}

static void test_every_run_of_zeros_survives(void **state)
{
	(void)state;
	for (unsigned mask = 0; mask < 256; mask++) {
		struct address address = {.family = ADDRESS_V6}, again;
		char text[ADDRESS_TEXT_SIZE];
		for (unsigned i = 0; i < 8; i++) {
			if ((mask >> i & 1) != 0) {
				address.bytes[2 * i] = (uint8_t)(i << 4);
				address.bytes[2 * i + 1] = 0xfe;
			}
		}
		size_t length = address_format(&address, text);
		assert_true(length < sizeof(text));
		assert_int_equal(address_parse(text, length, &again), 0);
		assert_memory_equal(&address, &again, sizeof(address));
	}
}

static void test_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *input;
		int status;
		const char *text;
	} cases[] = {
	        {"10.0.0.0/8", 0, "10.0.0.0/8"},
	        {"10.1.2.3/8", 0, "10.0.0.0/8"},
	        {"10.1.255.3/20", 0, "10.1.240.0/20"},
	        {"10.1.2.3", 0, "10.1.2.3/32"},
	        {"10.1.2.3/32", 0, "10.1.2.3/32"},
	        {"10.1.2.3/0", 0, "0.0.0.0/0"},
	        {"2001:db8::/32", 0, "2001:db8::/32"},
	        {"2001:db8:ffff::1/33", 0, "2001:db8:8000::/33"},
	        {"::1", 0, "::1/128"},
	        {"ff::/0", 0, "::/0"},
	        {"::ffff:10.1.2.3/104", 0, "10.0.0.0/8"},
	        {"::ffff:10.1.2.3/96", 0, "0.0.0.0/0"},
	        {"::ffff:10.1.2.3", 0, "10.1.2.3/32"},
	        {"::ffff:10.1.2.3/88", 0, "::ff00:0:0/88"},
	        {"[2001:db8::]/32", 0, "2001:db8::/32"},
	        {"10.0.0.0/33", SK_E_RANGE, NULL},
	        {"::/129", SK_E_RANGE, NULL},
	        {"10.0.0.0/", SK_E_SYNTAX, NULL},
	        {"10.0.0.0/8/8", SK_E_SYNTAX, NULL},
	        {"10.0.0.0/-1", SK_E_SYNTAX, NULL},
	        {"10.0.0.0/255.0.0.0", SK_E_SYNTAX, NULL},
	        {"10.0.0/8", SK_E_SYNTAX, NULL},
	        {"/8", SK_E_SYNTAX, NULL},
	        {"", SK_E_SYNTAX, NULL},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct address_prefix prefix;
		char text[ADDRESS_PREFIX_TEXT_SIZE];
		int status = address_prefix_parse(cases[i].input, strlen(cases[i].input), &prefix);
		if (status != cases[i].status) {
			fail_msg("%s: %d", cases[i].input, status);
		}
		if (status == 0) {
			assert_int_equal(
			        address_prefix_format(&prefix, text), strlen(cases[i].text));
			assert_string_equal(text, cases[i].text);
		}
	}
}

static void test_ranges(void **state)
{
	(void)state;
	static const struct {
		const char *input;
		int status;
		const char *first, *last;
	} cases[] = {
	        {"10.0.0.1-10.0.0.9", 0, "10.0.0.1", "10.0.0.9"},
	        {"10.0.0.1 - 10.0.0.9", 0, "10.0.0.1", "10.0.0.9"},
	        {"10.0.0.1-10.0.0.1", 0, "10.0.0.1", "10.0.0.1"},
	        {"10.0.0.77/29", 0, "10.0.0.72", "10.0.0.79"},
	        {"0.0.0.0/0", 0, "0.0.0.0", "255.255.255.255"},
	        {"::/0", 0, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	        {"2001:db8::/33", 0, "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
	        {"10.0.0.1", 0, "10.0.0.1", "10.0.0.1"},
	        {"::1-::ff", 0, "::1", "::ff"},
	        {"::ffff:1.2.3.4-1.2.3.9", 0, "1.2.3.4", "1.2.3.9"},
	        {"10.0.0.9-10.0.0.1", SK_E_RANGE, NULL, NULL},
	        {"10.0.0.9-::1", SK_E_SYNTAX, NULL, NULL},
	        {"10.0.0.1-", SK_E_SYNTAX, NULL, NULL},
	        {"-10.0.0.1", SK_E_SYNTAX, NULL, NULL},
	        {"10.0.0.1-9", SK_E_SYNTAX, NULL, NULL},
	        {"10.0.0.0/8-10.0.0.1", SK_E_SYNTAX, NULL, NULL},
	        {"10.0.0.0/40", SK_E_RANGE, NULL, NULL},
	        {"-", SK_E_SYNTAX, NULL, NULL},
	};
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		struct address first, last;
		char text[ADDRESS_TEXT_SIZE];
		int status =
		        address_range_parse(cases[i].input, strlen(cases[i].input), &first, &last);
		if (status != cases[i].status) {
			fail_msg("%s: %d", cases[i].input, status);
		}
		if (status == 0) {
			address_format(&first, text);
			assert_string_equal(text, cases[i].first);
			address_format(&last, text);
			assert_string_equal(text, cases[i].last);
		}
	}
}

static void parse(const char *text, struct address *ret_address)
{
	assert_int_equal(address_parse(text, strlen(text), ret_address), 0);
}

static void test_order(void **state)
{
	(void)state;
	static const char *const sorted[] = {
	        "0.0.0.0", "1.2.3.4", "1.2.3.5", "200.0.0.0", "::", "::1", "1::", "ff00::"};
	for (size_t i = 0; i < SK_COUNT(sorted); i++) {
		for (size_t j = 0; j < SK_COUNT(sorted); j++) {
			struct address a, b;
			parse(sorted[i], &a);
			parse(sorted[j], &b);
			int order = address_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void test_membership_agrees_with_bounds(void **state)
{
	(void)state;
	static const char *const addresses[] = {"0.0.0.0", "10.1.2.3", "10.1.2.4", "10.129.0.0",
	        "255.255.255.255", "::", "2001:db8::1", "2001:db8:8000::", "ffff::"};
	for (size_t i = 0; i < SK_COUNT(addresses); i++) {
		struct address base;
		parse(addresses[i], &base);
		unsigned bits = base.family == ADDRESS_V4 ? 32 : 128;
		for (unsigned length = 0; length <= bits; length++) {
			char text[ADDRESS_PREFIX_TEXT_SIZE];
			struct address_prefix prefix = {.address = base, .length = (uint8_t)length};
			struct address first, last;
			size_t size = address_prefix_format(&prefix, text);
			assert_int_equal(address_prefix_parse(text, size, &prefix), 0);
			address_prefix_bounds(&prefix, &first, &last);
			assert_true(address_in_prefix(&base, &prefix));
			for (size_t j = 0; j < SK_COUNT(addresses); j++) {
				struct address other;
				parse(addresses[j], &other);
				bool between = other.family == base.family &&
				               address_compare(&first, &other) <= 0 &&
				               address_compare(&other, &last) <= 0;
				assert_int_equal(address_in_prefix(&other, &prefix), between);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_parse_and_format),
	        cmocka_unit_test(test_every_run_of_zeros_survives),
	        cmocka_unit_test(test_prefixes),
	        cmocka_unit_test(test_ranges),
	        cmocka_unit_test(test_order),
	        cmocka_unit_test(test_membership_agrees_with_bounds),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
