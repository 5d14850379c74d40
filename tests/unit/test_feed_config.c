#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/feed_support.h"

static void test_rpz(void **state)
{
	(void)state;
	assert_feed("rpz",
	        "; Title\n$TTL 30\n$ORIGIN rpz.example.\n@ IN SOA localhost. root.localhost. 1 2 3 "
	        "4 5\n"
	        " NS localhost.\na.example CNAME .\n*.a.example CNAME .\n"
	        "b.example.rpz.example. 300 IN CNAME *.\nc.example A 127.0.0.1\n"
	        "d.example CNAME rpz-passthru.\n24.0.2.0.192.rpz-ip CNAME .\n"
	        "48.zz.1.db8.2001.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n"
	        "128.1.zz.rpz-ip CNAME .\n32.1.2.0.192.rpz-client-ip CNAME .\n"
	        "e.example TXT \"x\"\nf.example CNAME . ; because\nx.rpz-ip CNAME .\n",
	        "host a.example\nhost .a.example\nhost b.example\nhost c.example\n"
	        "refuse 10 an exception\nprefix 192.0.2.0/24\nprefix 2001:db8:1::/48\n"
	        "prefix 2001:db8::1/128\nprefix ::1/128\n"
	        "refuse 15 a trigger that is no name or address\n"
	        "refuse 16 a record that blocks nothing\nhost f.example\n"
	        "refuse 18 no address in the name\nlines 18 blank 5\n");
}

static void test_bind(void **state)
{
	(void)state;
	assert_feed("bind",
	        "# x\nzone \"a.example\" { type master; file \"null\"; };\n"
	        "zone \"b.example.\" IN {\n\ttype master;\n};\nzone c.example {}\noptions {};\n",
	        "host a.example\nhost b.example\nrefuse 6 no name in quotes\n"
	        "refuse 7 no zone statement\nlines 7 blank 3\n");
}

static void test_dnsmasq(void **state)
{
	(void)state;
	assert_feed("dnsmasq",
	        "address=/a.example/0.0.0.0\naddress=/b.example/c.example/#\nserver=/d.example/\n"
	        "local=/e.example/\naddress=/#/192.0.2.1\nbogus-nxdomain=192.0.2.1\naddress=x\n",
	        "host a.example\nhost b.example\nhost c.example\nhost d.example\nhost e.example\n"
	        "refuse 5 a rule for everything\nrefuse 6 an option that blocks nothing\n"
	        "refuse 7 no host between slashes\nlines 7 blank 0\n");
}

static void test_unbound(void **state)
{
	(void)state;
	assert_feed("unbound",
	        "server:\n  local-zone: \"a.example\" always_nxdomain\nlocal-zone: b.example. "
	        "refuse\n"
	        "local-data: \"c.example A 0.0.0.0\"\nlocal-zone: \"d.example\" transparent\n"
	        "do-ip6: no\n",
	        "host a.example\nhost b.example\nhost c.example\n"
	        "refuse 5 a zone type that blocks nothing\nrefuse 6 an option that blocks nothing\n"
	        "lines 6 blank 1\n");
}

#define RULE "alert http $HOME_NET any -> $EXTERNAL_NET any (msg:\"x; y\"; "

static void test_suricata(void **state)
{
	(void)state;
	assert_feed("suricata",
	        RULE
	        "http.method; content:\"GET\"; http.host; content:\"a.example\"; sid:1 "
	        "rev:1;)\n" RULE "http.uri; content:\"/x|3f|y\"; endswith; nocase; http.host; "
	        "content:\"b.example\"; sid:2;)\n" RULE
	        "content:\"c.example\"; http_host; content:\"/z\"; http_uri; sid:3;)\n"
	        "alert dns any any -> any any (dns.query; content:\".d.example\"; endswith; "
	        "sid:4;)\n"
	        "drop ip [192.0.2.1,198.51.100.0/24] any -> $HOME_NET any (msg:\"m\"; sid:5;)\n"
	        "alert ip $HOME_NET any -> 203.0.113.7 any (sid:6;)\n" RULE
	        "http.uri; content:\"/only\"; sid:7;)\n" RULE
	        "http.host; content:!\"e.example\"; sid:8;)\n" RULE "content:\"body\"; sid:9;)\n"
	        "pass ip any any -> any any (sid:10;)\nsomething\n" RULE
	        "http.host; content:\"f\\.example\"; pcre:\"/x/\"; sid:12;)\n"
	        "alert ip any any -> any any (sid:13;)\n",
	        "host a.example\nurl b.example/x?y\nurl c.example/z\nhost d.example\n"
	        "prefix 192.0.2.1/32\nprefix 198.51.100.0/24\nprefix 203.0.113.7/32\n"
	        "refuse 7 a URI without a host\nrefuse 8 a content that must not be there\n"
	        "refuse 9 a content of another part\nrefuse 10 an exception\nrefuse 11 no rule\n"
	        "refuse 12 a regular expression\n"
	        "refuse 13 no host, URI or address in the rule\nlines 13 blank 0\n");
}

static void test_snort(void **state)
{
	(void)state;
	assert_feed("snort",
	        RULE "http_header:field host; content:\"a.example\",nocase; sid:1;)\n" RULE
	             "http_header:field host; content:\"b.example\",nocase; http_uri; "
	             "content:\"/x\",nocase; sid:2;)\n" RULE
	             "http_header:field cookie; content:\"c\"; sid:3;)\n",
	        "host a.example\nurl b.example/x\nrefuse 3 a content of another part\n"
	        "lines 3 blank 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rpz),
	        cmocka_unit_test(test_bind),
	        cmocka_unit_test(test_dnsmasq),
	        cmocka_unit_test(test_unbound),
	        cmocka_unit_test(test_suricata),
	        cmocka_unit_test(test_snort),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
