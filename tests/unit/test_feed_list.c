#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "tests/unit/feed_support.h"

#define MD5 "d41d8cd98f00b204e9800998ecf8427e"
#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_urls(void **state)
{
	(void)state;
	assert_feed("urls",
	        "# a comment\r\n"
	        "\r\n"
	        "http://a.example/x?y=1#z\r\n"
	        "b.example/path  # why\n"
	        "\"https://c.example/\"\n"
	        "  d.example\t\n"
	        "; another\n! and another",
	        "url http://a.example/x?y=1#z\n"
	        "url b.example/path\n"
	        "url https://c.example/\n"
	        "url d.example\n"
	        "lines 8 blank 4\n");
}

static void test_byte_order_mark(void **state)
{
	(void)state;
	assert_feed("hosts", "\xef\xbb\xbfwww.example\n", "host www.example\nlines 1 blank 0\n");
	assert_feed("hosts", "", "lines 0 blank 0\n");
}

static void test_defanged(void **state)
{
	(void)state;
	assert_feed("urls",
	        "hxxp://a[.]example/x\n"
	        "hXXps[:]//b(.)example[.]org/a[.]php\n"
	        "hxxps[://]c{.}example\n"
	        "fxp://d[dot]example/\n"
	        "h**p://e.example/\n"
	        "http://f.example/a[.]b\n"
	        "http://[2001:db8::1]/x\n"
	        "g\\.example/x\n"
	        "hxxpress.example/\n"
	        "hxxpshxxps.example/\n",
	        "url http://a.example/x\n"
	        "url https://b.example.org/a.php\n"
	        "url https://c.example\n"
	        "url ftp://d.example/\n"
	        "url http://e.example/\n"
	        /* Not defanged as a whole: brackets may belong to a path. */
	        "url http://f.example/a[.]b\n"
	        "url http://[2001:db8::1]/x\n"
	        "url g.example/x\n"
	        "url hxxpress.example/\n"
	        "url hxxpshxxps.example/\n"
	        "lines 10 blank 0\n");
}

static void test_hosts(void **state)
{
	(void)state;
	assert_feed("hosts",
	        "a.example\n*.b.example\n.c.example\nd.example.\n192.0.2.1\n2001:db8::1\n"
	        "192.0.2.0/24\ne.example f.example\ng[.]example # x\n",
	        "host a.example\nhost .b.example\nhost .c.example\nhost d.example.\n"
	        "prefix 192.0.2.1/32\nprefix 2001:db8::1/128\nprefix 192.0.2.0/24\n"
	        "refuse 8 more than a host\nhost g.example\nlines 9 blank 0\n");
}

static void test_ips(void **state)
{
	(void)state;
	assert_feed("ips",
	        "192.0.2.1\n192.0.2.2\t7\n198.51.100.0/24 ; SBL1\n2001:db8::/32\n"
	        "192.0.2.3:8080\n[2001:db8::1]:443\n192[.]0[.]2[.]4\nnone\n192.0.2.5:x\n192.0.2.6/"
	        "33\n",
	        "prefix 192.0.2.1/32\nprefix 192.0.2.2/32\nprefix 198.51.100.0/24\n"
	        "prefix 2001:db8::/32\nprefix 192.0.2.3/32\nprefix 2001:db8::1/128\n"
	        "prefix 192.0.2.4/32\nrefuse 8 no address\nrefuse 9 no address\n"
	        "refuse 10 no address\nlines 10 blank 0\n");
	struct feed_columns columns = {.minimum_count = 3};
	assert_feed_columns("ips", &columns, "192.0.2.1\t3\n192.0.2.2\t2\n192.0.2.3\n",
	        "prefix 192.0.2.1/32\nrefuse 2 count below the minimum\nrefuse 3 no count\n"
	        "lines 3 blank 0\n");
}

static void test_digests(void **state)
{
	(void)state;
	assert_feed("digests",
	        MD5 "\n" SHA1 "\tTrojan.A\n" SHA256 "; DEEP thing - http://x.example\n" MD5
	            ",Worm.B\n" SHA256 "  file.exe\n" SHA256 " *file.exe\nabc\n"
	            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855,\"Q\"\n",
	        "digest " MD5 " \"\"\ndigest " SHA1 " \"Trojan.A\"\n"
	        "digest " SHA256 " \"DEEP thing - http://x.example\"\n"
	        "digest " MD5 " \"Worm.B\"\ndigest " SHA256 " \"file.exe\"\n"
	        "digest " SHA256 " \"file.exe\"\nrefuse 7 no md5, sha1 or sha256\n"
	        "digest " SHA256 " \"Q\"\nlines 8 blank 0\n");
}

static void test_auto(void **state)
{
	(void)state;
	assert_feed("auto",
	        MD5 " Name\nhttp://a.example/x,y\nb.example/x\nc.example\n192.0.2.1\n192.0.2.0/24\n"
	            "192.0.2.1:8080\n2001:db8::1\nd.example,list\n7,e.example\nf.example\tlist\n"
	            "*.g.example\nhxxp://h[.]example # x\n1,i.example,9\n",
	        "digest " MD5 " \"Name\"\nurl http://a.example/x,y\nurl b.example/x\n"
	        "host c.example\nprefix 192.0.2.1/32\nprefix 192.0.2.0/24\nurl 192.0.2.1:8080\n"
	        "prefix 2001:db8::1/128\nhost d.example\nhost e.example\nhost f.example\n"
	        "host .g.example\nurl http://h.example\nhost i.example\nlines 14 blank 0\n");
}

static void test_hosts_file(void **state)
{
	(void)state;
	assert_feed("hosts-file",
	        "127.0.0.1 localhost\n0.0.0.0 a.example\n::1\tb.example c.example # x\n"
	        "d.example\n0.0.0.0\n",
	        "refuse 1 a name of the machine itself\nhost a.example\nhost b.example\n"
	        "host c.example\nrefuse 4 no address at the beginning\n"
	        "refuse 5 no name behind the address\nlines 5 blank 0\n");
}

static void test_tpl(void **state)
{
	(void)state;
	assert_feed("tpl",
	        "msFilterList\n# Title\n: Expires=1\n-d a.example\n+d b.example\n-d c.example "
	        "ad.js\n- x\n",
	        "host a.example\nrefuse 5 an exception\nrefuse 6 a rule for a part of the path\n"
	        "refuse 7 no rule for a host\nlines 7 blank 3\n");
}

static void test_adblock(void **state)
{
	(void)state;
	assert_feed("adblock",
	        "[Adblock Plus 2.0]\n! Title\n# Title\n||a.example^\n||b.example^$all\n"
	        "||c.example/x?u=1^$all\nd.example\n||e.example/x\n@@||f.example^\n"
	        "g.example##.ad\n||h.example^$third-party\n/banner/*\n||i*.example^\n"
	        "||192.0.2.1^$all\n|http://j.example/|\n||^\n||k.example/$x^$doc,popup\n",
	        "host a.example\nhost b.example\nurl c.example/x?u=1\nhost d.example\n"
	        "url e.example/x\nrefuse 9 an exception\nrefuse 10 a rule for parts of pages\n"
	        "refuse 11 options that narrow the rule\nrefuse 12 a rule for a part of the URL\n"
	        "refuse 13 a pattern, not a host or URL\nprefix 192.0.2.1/32\n"
	        "url http://j.example/\nrefuse 16 a rule for everything\n"
	        "url k.example/$x\nlines 17 blank 3\n");
}

/* A line of any length costs no more memory than others, and only itself. */
static void test_long_lines(void **state)
{
	(void)state;
	size_t length = 3 * 1024 * 1024;
	char *text = mem_new(length + 64, 1);
	assert_non_null(text);
	memset(text, 'a', length);
	memcpy(text + length, "\nb.example\n", 11);
	char *values = feed_values_of("hosts", text, length + 11, NULL);
	assert_string_equal(values, "refuse 1 line too long\nhost b.example\nlines 2 blank 0\n");
	mem_free(values);
	memset(text, 'a', LIMIT_FEED_LINE);
	text[LIMIT_FEED_LINE] = '\n';
	values = feed_values_of("ips", text, LIMIT_FEED_LINE + 1, NULL);
	assert_string_equal(values, "refuse 1 no address\nlines 1 blank 0\n");
	mem_free(values);
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_urls),
	        cmocka_unit_test(test_byte_order_mark),
	        cmocka_unit_test(test_defanged),
	        cmocka_unit_test(test_hosts),
	        cmocka_unit_test(test_ips),
	        cmocka_unit_test(test_digests),
	        cmocka_unit_test(test_auto),
	        cmocka_unit_test(test_hosts_file),
	        cmocka_unit_test(test_tpl),
	        cmocka_unit_test(test_adblock),
	        cmocka_unit_test(test_long_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
