#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/feed_support.h"

#define MD5 "d41d8cd98f00b204e9800998ecf8427e"
#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_misp(void **state)
{
	(void)state;
	assert_feed("misp",
	        "\xef\xbb\xbf{\"Event\": {\"info\": \"Trojan of old\", \"type\": \"none\", "
	        "\"Attribute\": [\n"
	        "{\"type\": \"url\", \"value\": \"hxxp://a[.]example/x\"},\n"
	        "{\"value\": \"b.example\", \"to_ids\": false, \"type\": \"domain\"},\n"
	        "{\"type\": \"domain|ip\", \"value\": \"c.example|192.0.2.1\"},\n"
	        "{\"type\": \"ip-dst|port\", \"value\": \"192.0.2.2|443\"},\n"
	        "{\"type\": \"filename|md5\", \"value\": \"x.exe|" MD5 "\"},\n"
	        "{\"type\": \"link\", \"value\": \"http://news.example/\"}],\n"
	        "\"Object\": [{\"name\": \"file\", \"Attribute\": [\n"
	        "{\"type\": \"sha256\", \"value\": \"" SHA256
	        "\", \"Tag\": [{\"name\": \"x\"}]}]}],\n"
	        "\"Galaxy\": [{\"type\": \"url\", \"value\": \"http://not.example/\"}]}}\n",
	        "url http://a.example/x\nhost b.example\nhost c.example\nprefix 192.0.2.1/32\n"
	        "prefix 192.0.2.2/32\ndigest " MD5 " \"Trojan of old\"\n"
	        "refuse 7 a type that no pattern holds\ndigest " SHA256
	        " \"Trojan of old\"\nlines 7 blank 0\n");
}

static void test_broken_json(void **state)
{
	(void)state;
	assert_feed("misp",
	        "{\"Event\": {\"Attribute\": [{\"type\": \"url\", \"value\": "
	        "\"http://a.example/\"},\n]}}",
	        "url http://a.example/\nrefuse 2 a value that JSON does not have\nlines 2 blank "
	        "0\n");
	assert_feed("stix", "", "refuse 1 the text ends too early\nlines 1 blank 0\n");
	assert_feed("stix", "{} {}", "refuse 1 something follows the end\nlines 1 blank 0\n");
	assert_feed("stix", "{\"a\": \"\xff\"}", "refuse 1 no UTF-8\nlines 1 blank 0\n");
	assert_feed("stix", "{\"a\": \"\\ud800\"}",
	        "refuse 1 half of a surrogate pair\nlines 1 blank 0\n");
	assert_feed("stix", "{'a': 1}",
	        "refuse 1 a key in double quotes is expected\nlines 1 blank 0\n");
	assert_feed(
	        "stix", "[1,NaN]", "refuse 1 a value that JSON does not have\nlines 1 blank 0\n");
	assert_feed("stix", "[01]", "refuse 1 a value that JSON does not have\nlines 1 blank 0\n");
}

static void test_deep_json(void **state)
{
	char text[301];
	(void)state;
	memset(text, '[', 300);
	text[300] = '\0';
	assert_feed("stix", text, "refuse 1 nested too deep\nlines 1 blank 0\n");
}

#define INDICATOR(pattern, more) "{\"type\": \"indicator\", \"pattern\": \"" pattern "\"" more "}"

static void test_stix_patterns(void **state)
{
	(void)state;
	assert_feed("stix",
	        "{\"type\": \"bundle\", \"objects\": [\n" INDICATOR(
	                "[url:value = 'http://a.example/']",
	                "") ",\n" INDICATOR("[domain-name:value='b.example' OR ipv4-addr:value = "
	                                    "'192.0.2.0/24']",
	                "") ",\n" INDICATOR("[file:hashes.'SHA-256' = '" SHA256
	                                    "' AND file:hashes.MD5 = '" MD5 "']",
	                ", \"name\": \"Worm.X\"") ",\n" INDICATOR("[ipv6-addr:value IN "
	                                                          "('2001:db8::1', '2001:db8::2')]",
	                "") ",\n" INDICATOR("[url:value = 'http://c.example/'] OR [url:value = "
	                                    "'http://d.example/it\\\\'s']",
	                "") ",\n" INDICATOR("[url:value = 'http://e.example/' AND file:name = 'x']",
	                "") ",\n" INDICATOR("[url:value = 'http://e.example/' AND "
	                                    "domain-name:value = 'x.example']",
	                "") ",\n" INDICATOR("[url:value LIKE 'http://f%']",
	                "") ",\n" INDICATOR("[url:value = 'http://g.example/'] FOLLOWEDBY "
	                                    "[url:value = 'x']",
	                "") ",\n" INDICATOR("[url:value = 'http://h.example/",
	                "") ",\n" INDICATOR("alert ip any any",
	                ", \"pattern_type\": \"suricata\"") ",\n" INDICATOR("[url:value = "
	                                                                    "'http://i.example/']",
	                ", \"revoked\": true") ",\n" INDICATOR("[file:hashes.MD5 = '" MD5 "']",
	                ", \"name\": \"" MD5 "\"") "]}",
	        "url http://a.example/\nhost b.example\nprefix 192.0.2.0/24\n"
	        "digest " SHA256 " \"Worm.X\"\ndigest " MD5 " \"Worm.X\"\n"
	        "prefix 2001:db8::1/128\nprefix 2001:db8::2/128\nurl http://c.example/\n"
	        "url http://d.example/it's\nrefuse 7 a pattern over what no pattern file holds\n"
	        "refuse 8 a combination that is no single entry\n"
	        "refuse 9 a comparison that is not '=' or IN\n"
	        "refuse 10 a combination that is no single entry\n"
	        "refuse 11 a pattern that cannot be read\nrefuse 12 a pattern in another language\n"
	        "refuse 13 revoked\ndigest " MD5 " \"\"\nlines 13 blank 0\n");
}

static void test_stix_observables(void **state)
{
	(void)state;
	assert_feed("stix",
	        "[{\"type\": \"url\", \"value\": \"http://a.example/\"},\n"
	        "{\"type\": \"domain-name\", \"value\": \"b.example\"},\n"
	        "{\"type\": \"ipv6-addr\", \"value\": \"2001:db8::/32\"},\n"
	        "{\"type\": \"file\", \"hashes\": {\"MD5\": \"" MD5 "\", \"SHA-256\": \"" SHA256
	        "\"}},\n"
	        "{\"type\": \"file\", \"name\": \"x\"},\n"
	        "{\"type\": \"report\", \"external_references\": [{\"url\": "
	        "\"http://n.example/\"}]}]",
	        "url http://a.example/\nhost b.example\nprefix 2001:db8::/32\ndigest " MD5
	        " \"\"\ndigest " SHA256 " \"\"\nrefuse 5 a file without md5, sha1 or sha256\n"
	        "lines 6 blank 0\n");
}

static void test_drop(void **state)
{
	(void)state;
	assert_feed("spamhaus-drop",
	        "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"arin\"}\n"
	        "{\"cidr\":\"2001:db8::/32\"}\n{\"cidr\":\"x\"}\n{\"x\":1}\n{\"cidr\":\n"
	        "{\"type\":\"metadata\",\"records\":2}\n",
	        "prefix 192.0.2.0/24\nprefix 2001:db8::/32\nrefuse 3 no address\n"
	        "refuse 4 no cidr in the object\nrefuse 5 the text ends too early\n"
	        "lines 6 blank 1\n");
}

static void test_warninglists(void **state)
{
	(void)state;
	assert_feed("misp-warninglist",
	        "{\"list\": [\".a.example\", \"b.example\"], \"type\": \"hostname\"}",
	        "hostname a.example\nhostname b.example\nlines 2 blank 0\n");
	assert_feed("misp-warninglist",
	        "{\"type\": \"string\", \"matching_attributes\": [\"url\"], \"list\": "
	        "[\"a.example\",\n"
	        "\"192.0.2.0/24\", \"" MD5 "\", \"http://b.example/x\"]}",
	        "host a.example\nprefix 192.0.2.0/24\ndigest " MD5
	        " \"\"\nurl http://b.example/x\nlines 4 blank 0\n");
	assert_feed("misp-warninglist", "{\"type\": \"cidr\", \"list\": [\"192.0.2.0/24\"]}",
	        "cidr 192.0.2.0/24\nlines 1 blank 0\n");
	assert_feed("misp-warninglist", "{\"type\": \"substring\", \"list\": [\"sandbox\", \"\"]}",
	        "substring sandbox\nrefuse 1 empty\nlines 2 blank 0\n");
	assert_feed("misp-warninglist",
	        "{\"type\": \"regex\", \"list\": [\"/^a.*b$/i\", \"/x/\", \"y+\", \"/z/q\"]}",
	        "caseless ^a.*b$\nregex x\nregex y+\nrefuse 1 a flag that is not known\n"
	        "lines 4 blank 0\n");
	assert_feed("misp-warninglist", "{\"type\": \"other\", \"list\": [\"a\"]}",
	        "refuse 1 a type of warninglist that is not known\nlines 1 blank 0\n");
}

#define ITEM(search, content)                                                                      \
	"<IndicatorItem condition=\"is\">\n<Context document=\"D\" search=\"" search               \
	"\" type=\"mir\" />\n<Content type=\"string\">" content "</Content>\n</IndicatorItem>\n"

static void test_openioc(void **state)
{
	(void)state;
	assert_feed("openioc",
	        "<?xml version=\"1.0\"?>\n<!-- a > b --><ioc><definition><Indicator "
	        "operator=\"OR\">\n" ITEM("FileItem/Md5sum", MD5) ITEM("Network/DNS",
	                "a.example") ITEM("Network/URI", "http://b.example/?x=1&amp;y=2")
	                ITEM("Network/URI", "<![CDATA[http://c.example/?a>b&c]]>") ITEM(
	                        "PortItem/remoteIP", "192.0.2.1") ITEM("FileItem/FileName",
	                        "x.exe") "<Indicator operator=\"AND\">\n" ITEM("Network/DNS",
	                        "d.example") ITEM("FileItem/Sha1sum",
	                        SHA1) "</Indicator>\n" ITEM("Network/DNS",
	                        "e.example") "<IndicatorItem condition=\"is\" "
	                                     "negate=\"true\"><Context search='Network/DNS'/>"
	                                     "<Content>f.example</Content></IndicatorItem></"
	                                     "Indicator></definition></ioc>",
	        "digest " MD5 " \"\"\nhost a.example\nurl http://b.example/?x=1&y=2\n"
	        "url http://c.example/?a>b&c\nprefix 192.0.2.1/32\n"
	        "refuse 26 a kind of item that no pattern holds\n"
	        "refuse 31 bad only together with other items\ndigest " SHA1 " \"\"\n"
	        "host e.example\nrefuse 41 a content that must not be there\nlines 10 blank 0\n");
	assert_feed("openioc", "<a <b", "lines 0 blank 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_misp),
	        cmocka_unit_test(test_broken_json),
	        cmocka_unit_test(test_deep_json),
	        cmocka_unit_test(test_stix_patterns),
	        cmocka_unit_test(test_stix_observables),
	        cmocka_unit_test(test_drop),
	        cmocka_unit_test(test_warninglists),
	        cmocka_unit_test(test_openioc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
