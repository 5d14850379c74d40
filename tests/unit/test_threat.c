#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attribute.h"
#include "pattern/threat.h"

static void test_kinds(void **state)
{
	static const struct {
		const char *name;
		enum threat_kind kind;
	} cases[] = {
	        {"", THREAT_OTHER},
	        {"Win32/Agent", THREAT_OTHER},
	        {"Trojan.Win32.Agent", THREAT_TROJAN},
	        {"TROJ_GEN.123", THREAT_TROJAN},
	        {"Remcos RAT", THREAT_TROJAN},
	        {"Ratatouille", THREAT_OTHER},
	        {"W32/Worm!abc", THREAT_WORM},
	        {"Ringworms", THREAT_OTHER},
	        {"Net-Worm.Trojan", THREAT_WORM},
	        {"Trojan.Rootkit", THREAT_ROOTKIT},
	        {"bootkit", THREAT_ROOTKIT},
	        {"Adware:Win32/X", THREAT_SPYWARE},
	        {"RedLine Stealer", THREAT_SPYWARE},
	        {"not-a-virus", THREAT_VIRUS},
	        {"Backdoor", THREAT_TROJAN},
	        {"bot1", THREAT_TROJAN},
	};
	(void)state;
	for (size_t i = 0; i < SK_COUNT(cases); i++) {
		assert_int_equal(
		        threat_kind_of_name(cases[i].name, strlen(cases[i].name)), cases[i].kind);
	}
}

static void assert_clean(const char *name, size_t length, const char *expected)
{
	char clean[LIMIT_THREAT_NAME + 1];
	threat_clean_name(name, length, clean);
	assert_string_equal(clean, expected);
}

static void test_names(void **state)
{
	char text[300], expected[LIMIT_THREAT_NAME + 1];
	(void)state;
	assert_clean("", 0, "");
	assert_clean("  A b\t\r", 7, "A b");
	assert_clean("a\x01"
	             "b\x7f",
	        4, "a?b?");
	assert_clean("a\0b", 3, "a?b");
	assert_clean("h\xc3\xa9", 3, "h\xc3\xa9");
	assert_clean("\xc3", 1, "?");
	assert_clean("\xed\xa0\x80", 3, "???");
	assert_clean("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80");
	/* Cut between two characters. */
	memset(text, 'x', sizeof(text));
	memcpy(text + 253, "\xe2\x82\xac", 3);
	memset(expected, 'x', 253);
	expected[253] = '\0';
	assert_clean(text, sizeof(text), expected);
	memset(text, 'x', sizeof(text));
	memset(expected, 'x', LIMIT_THREAT_NAME);
	expected[LIMIT_THREAT_NAME] = '\0';
	assert_clean(text, sizeof(text), expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_kinds),
	        cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
