#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/feed_support.h"

#define MD5 "d41d8cd98f00b204e9800998ecf8427e"
#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_csv(void **state)
{
	(void)state;
	struct feed_columns numbered = {.roles = {[FEED_URL] = {2, NULL}, [FEED_NAME] = {3, NULL}}};
	assert_feed_columns("csv", &numbered,
	        "# c\n1,\"http://a.example/x,y\",n\n2,http://b.example/,m\n3\n4,\"open\n"
	        "5,\"a\"\"b\",\n6,\"x\"y,z\n",
	        "url http://a.example/x,y\nurl http://b.example/\nrefuse 4 no value in its "
	        "columns\n"
	        "refuse 5 a quote that is not closed\nurl a\"b\n"
	        "refuse 7 something behind the closing quote\nlines 7 blank 1\n");
	struct feed_columns named = {
	        .roles = {[FEED_HOST] = {0, "host"}, [FEED_PATH] = {0, "Path"}}};
	assert_feed_columns("csv", &named,
	        "# Title\n\"host\",\"path\",\"message\"\n\"a.example\",\"\",\"m\"\n"
	        "\"b.example\",\"/x?y=1\",\"m\"\nc.example,z,m\n192.0.2.1,,m\n",
	        "host a.example\nurl b.example/x?y=1\nurl c.example/z\nprefix 192.0.2.1/32\n"
	        "lines 6 blank 2\n");
	assert_feed_columns("csv", &named, "url,other\nx,y\n",
	        "refuse 1 a header without a column that the description names\n"
	        "refuse 2 no value in its columns\nlines 2 blank 0\n");
}

static void test_header_in_comment(void **state)
{
	(void)state;
	struct feed_columns columns = {
	        .roles = {[FEED_SHA256] = {0, "sha256_hash"}, [FEED_NAME] = {0, "signature"}}};
	assert_feed_columns("csv", &columns,
	        "# some words, and more\n# \"first_seen\",\"sha256_hash\",\"signature\"\n"
	        "\"2026\",\"x\" ,\"y\"\n\"2026\",\"" SHA256 "\",\"Worm.A\"\n",
	        "refuse 3 digest of another length\ndigest " SHA256
	        " \"Worm.A\"\nlines 4 blank 2\n");
}

static void test_separator(void **state)
{
	(void)state;
	struct feed_columns columns = {.roles = {[FEED_IP] = {1, NULL}}, .separator = ';'};
	assert_feed_columns(
	        "csv", &columns, "192.0.2.1;a,b\n", "prefix 192.0.2.1/32\nlines 1 blank 0\n");
}

static void test_tsv(void **state)
{
	(void)state;
	struct feed_columns columns = {
	        .roles = {[FEED_DIGEST] = {1, NULL}, [FEED_URL] = {2, NULL}}};
	assert_feed_columns("tsv", &columns,
	        MD5 "\thttp://a.example/\"x\n\thttp://b.example/\n" SHA1 "\n",
	        "url http://a.example/\"x\ndigest " MD5 " \"\"\nurl http://b.example/\ndigest " SHA1
	        " \"\"\nlines 3 blank 0\n");
	struct feed_columns any = {.roles = {[FEED_VALUE] = {1, NULL}, [FEED_NAME] = {2, NULL}}};
	assert_feed_columns("tsv", &any, MD5 "\tW32.Worm\nhxxp://a[.]example/x\nb.example\tx\n-\n",
	        "digest " MD5 " \"W32.Worm\"\nurl http://a.example/x\nhost b.example\n"
	        "refuse 4 no value in its columns\nlines 4 blank 0\n");
}

static void test_layouts(void **state)
{
	(void)state;
	assert_feed("urlhaus-csv",
	        "# id,dateadded,url\r\n\"1\",\"2026-01-01\",\"http://a.example/x\",\"online\"\r\n",
	        "url http://a.example/x\nlines 2 blank 1\n");
	assert_feed("phishtank-csv",
	        "phish_id,url,phish_detail_url,target\n7,http://a.example/x,http://d.example/"
	        ",Other\n",
	        "url http://a.example/x\nlines 2 blank 1\n");
	assert_feed("tweetfeed-csv",
	        "2026-01-01 "
	        "00:00:00,somebody,url,https://a.example/x,#phishing,https://x.example/1\n"
	        "2026-01-01 00:00:00,somebody,sha256," SHA256 ",,\n"
	        "2026-01-01 00:00:00,somebody,ip,192.0.2.1,,\n",
	        "url https://a.example/x\ndigest " SHA256 " \"\"\nprefix 192.0.2.1/32\n"
	        "lines 3 blank 0\n");
}

static void test_zeek(void **state)
{
	(void)state;
	assert_feed("zeek",
	        "a.example\tIntel::DOMAIN\n"
	        "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n"
	        "b.example\tIntel::DOMAIN\tS\td\nc.example/x\tIntel::URL\tS\td\n"
	        "192.0.2.1\tIntel::ADDR\tS\td\n198.51.100.0/24\tIntel::SUBNET\tS\t-\n" MD5
	        "\tIntel::FILE_HASH\tS\tMALWARE\n" SHA1 "\tIntel::FILE_HASH\tS\t-\n"
	        "x@y.example\tIntel::EMAIL\tS\td\n",
	        "refuse 1 no #fields line with indicator and indicator_type before\n"
	        "host b.example\nurl c.example/x\nprefix 192.0.2.1/32\nprefix 198.51.100.0/24\n"
	        "digest " MD5 " \"MALWARE\"\ndigest " SHA1 " \"\"\n"
	        "refuse 9 a type that no pattern holds\nlines 9 blank 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_csv),
	        cmocka_unit_test(test_header_in_comment),
	        cmocka_unit_test(test_separator),
	        cmocka_unit_test(test_tsv),
	        cmocka_unit_test(test_layouts),
	        cmocka_unit_test(test_zeek),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
