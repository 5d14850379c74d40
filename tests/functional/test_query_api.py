"""The query API as docs/query-api.md has it, on sekisho-queryd alone; every answer is held against
docs/openapi.yaml."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest
import urllib.parse

from openapi_check import OpenApi
from queryd_alone import BUILD, Answer, Queryd, certificate, read_to_end

SUITES = ("asan", "tsan")

EICAR = "44d88612fea8a8f36de82e1278abb02f"
GOOD = "d41d8cd98f00b204e9800998ecf8427e"
LINES = [
    ("url", 49, "malware,phishing", 0, "-", "feed-a", "http://bad.example/x"),
    ("url", 20, "command_and_control", 3, "global_intelligence", "feed-b", "http://cnc.example/"),
    ("url", 60, "spam", 0, "-", "feed-b", "http://spam.example/"),
    ("url", 70, "-", 0, "-", "feed-b", "http://mild.example/"),
    ("url", 90, "search", 0, "-", "good", "http://good.example/"),
    ("url", 49, "malware", 0, "-", "feed-a", "http://xn--bcher-kva.example/"),
    ("prefix", 49, "botnet", 1, "global_intelligence", "feed-a", "192.0.2.0/24"),
    ("prefix", 49, "scanner", 0, "-", "feed-a", "2001:db8:bad::/48"),
    ("digest", "malicious", "virus", "EICAR-Test-File", "feed-a", EICAR),
    ("digest", "known_good", "other", "", "good", GOOD),
    ("digest", "malicious", "trojan", "Tröjan \"x\"", "feed-a", "a" * 40),
    ("digest", "malicious", "other", "", "feed-a", "b" * 64),
    ("rule", 12, "blocked", "site", "-", "http://blocked.example/"),
    ("rule", 13, "approved", "site", "-", "http://good.blocked.example/"),
    ("rule", 14, "blocked", "page", "-", "http://page.example/one?q=1"),
    ("rule", 15, "blocked", "keyword", "-", "casino[0-9]+"),
    ("rule", 16, "blocked", "site", "computer:pc-7", "http://only-pc-7.example/"),
    ("rule", 17, "blocked", "site", "domain:corp.example", "http://only-corp.example/"),
    ("rule", 18, "blocked", "site", "127.0.0.9", "http://only-one-address.example/"),
    ("object", 31, "user", "domain", "block", "suspicious.example"),
    ("object", 32, "analyzer", "url", "log", "http://*.wild.example/a*"),
    ("object", 33, "user", "sha1", "block", "c" * 40),
    ("object", 34, "user", "ip", "block", "198.51.100.7"),
]


def url_target(url, **more):
    return "/v1/url?" + urllib.parse.urlencode({"url": url, **more})


def parse_answer(data):
    """The first answer in `data` and what follows it."""
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = rest[:length]
    value = json.loads(body) if "json" in headers.get("content-type", "") and body else None
    return Answer(int(lines[0].split()[1]), headers, body, value), rest[length:]


class QuerydCase(unittest.TestCase):
    queryd_options = {}
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.api = OpenApi()
        cls.queryd = Queryd(**cls.queryd_options)
        cls.addClassCleanup(cls.queryd.close)
        cls.queryd.start(publish=False)
        cls.sections = cls.queryd.make_sections(LINES)
        code, text = cls.queryd.publish(cls.sections, **cls.settings)
        assert code == 0, text
        cls.queryd.wait_ready()

    @classmethod
    def tearDownClass(cls):
        code = cls.queryd.stop()
        assert code == 0, f"exit code {code}: {cls.queryd.log_text()[-4000:]}"

    def ask(self, method, target, status=200, code=None, body=None, headers=None, **options):
        answer = self.queryd.request(method, target, body, headers, **options)
        self.assertEqual(answer.status, status, answer)
        self.api.check(method, target, answer.status, answer.headers, answer.body)
        if code is not None:
            self.assertEqual(answer.json["code"], code)
        return answer

    def ask_json(self, target, value, status=200, code=None, **headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", target, status, code, body,
                        {"Content-Type": "application/json", **headers})

    def url(self, url, **options):
        return self.ask("GET", url_target(url), **options).json

    def closed_with(self, data, status, code, role="wrs_http", target="/", method="GET"):
        """`data` is answered by this problem, and the connection closed."""
        out = self.queryd.raw(data, role)
        self.assertTrue(out.startswith(b"HTTP/1.1 "), (data[:80], out))
        answer, rest = parse_answer(out)
        self.assertEqual((answer.status, answer.json["code"]), (status, code), data[:200])
        self.assertEqual(rest, b"", data[:80])
        self.assertEqual(answer.headers.get("connection"), "close", data[:80])
        self.api.check("GET", "/nowhere", answer.status, answer.headers, answer.body)
        return answer


class Document(unittest.TestCase):
    def test_examples_fit(self):
        self.assertGreater(OpenApi().check_document(), 10)


class WebAnswers(QuerydCase):
    def test_pattern(self):
        answer = self.url("http://Bad.Example:80/a/../x#frag")
        self.assertEqual(answer, {
            "url": "http://bad.example/x", "score": 49, "rating": "dangerous",
            "categories": ["malware", "phishing"], "cnc": {"level": 0, "source": None},
            "action": "block", "source": "pattern", "ttl": 3600, "pattern": "2026.11.23-1"})
        answer = self.url("http://deep.cnc.example/any/where?x")
        self.assertEqual(answer["cnc"], {"level": 3, "source": "global_intelligence"})
        self.assertEqual(self.url("http://spam.example/")["rating"], "highly_suspicious")
        mild = self.url("http://mild.example/")
        self.assertEqual((mild["rating"], mild["action"]), ("suspicious", "allow"))
        self.assertEqual(self.url("http://good.example/x")["rating"], "safe")
        self.assertEqual(self.url("http://bücher.example/")["source"], "pattern")

    def test_unknown(self):
        answer = self.url("nothing.example")
        self.assertEqual((answer["score"], answer["rating"], answer["action"], answer["source"],
                          answer["ttl"]), (71, "unrated", "allow", "none", 600))

    def test_rules_and_objects(self):
        self.assertEqual(self.url("http://a.blocked.example/")["source"], "user_blocked")
        self.assertEqual(self.url("http://page.example/one?q=1")["source"], "user_blocked")
        self.assertEqual(self.url("http://page.example/one?q=2")["source"], "none")
        self.assertEqual(self.url("http://any.example/casino77")["source"], "user_blocked")
        suspicious = self.url("http://suspicious.example/")
        self.assertEqual((suspicious["source"], suspicious["action"]),
                         ("suspicious_user_defined", "block"))
        wild = self.url("http://a.wild.example/abc")
        self.assertEqual((wild["source"], wild["action"]), ("suspicious_virtual_analyzer", "log"))
        self.assertEqual(self.url("http://198.51.100.7/")["source"], "suspicious_user_defined")

    def test_targets(self):
        only = "http://only-pc-7.example/"
        self.assertEqual(self.url(only)["source"], "none")
        self.assertEqual(self.url(only, headers={"X-Client-Name": "PC-7"})["source"], "user_blocked")
        corp = "http://only-corp.example/"
        self.assertEqual(self.url(corp, headers={"X-Client-Domain": "x.corp.example"})["source"],
                         "user_blocked")
        one = "http://only-one-address.example/"
        self.assertEqual(self.url(one)["source"], "none")
        self.assertEqual(self.url(one, source="127.0.0.9")["source"], "user_blocked")

    def test_domain(self):
        answer = self.ask("GET", "/v1/domain?name=B%C3%BCcher.example").json
        self.assertEqual((answer["name"], answer["source"]), ("xn--bcher-kva.example", "pattern"))
        self.ask("GET", "/v1/domain?name=http%3A%2F%2Fa.example", 400, "bad_host")
        self.ask("GET", "/v1/domain?name=", 400, "bad_host")
        self.ask("GET", "/v1/domain?url=a", 400, "unknown_parameter")

    def test_address(self):
        answer = self.ask("GET", "/v1/ip?address=192.0.2.77").json
        self.assertEqual((answer["address"], answer["source"]), ("192.0.2.77", "pattern"))
        self.assertEqual(answer["cnc"], {"level": 1, "source": "global_intelligence"})
        answer = self.ask("GET", "/v1/ip?address=2001%3ADB8%3Abad%3A0%3A%3A1").json
        self.assertEqual((answer["address"], answer["source"]), ("2001:db8:bad::1", "pattern"))
        self.ask("GET", "/v1/ip?address=1.2.3", 400, "bad_address")
        self.ask("GET", "/v1/ip?address=a.example", 400, "bad_address")

    def test_explain(self):
        answer = self.ask("GET", url_target("http://good.blocked.example/p/q?r", explain=1)).json
        self.assertEqual(answer["expressions"][0], "good.blocked.example/p/q?r")
        self.assertEqual(answer["expressions"][-1], "blocked.example/")
        winners = [match for match in answer["matches"] if match["winner"]]
        self.assertEqual(len(winners), 1)
        self.assertEqual((winners[0]["id"], winners[0]["source"]), (12, "user_blocked"))
        self.assertIn((13, "user_approved"),
                      [(match["id"], match["source"]) for match in answer["matches"]])
        answer = self.ask("GET", url_target("http://bad.example/x", explain=1)).json
        self.assertEqual(answer["matches"][0]["origins"], ["feed-a"])
        self.assertIsNone(answer["matches"][0]["id"])
        self.assertNotIn("matches", self.ask("GET", url_target("http://bad.example/x",
                                                               explain=0)).json)
        self.ask("GET", "/v1/domain?name=blocked.example&explain=1")
        self.ask("GET", "/v1/ip?address=198.51.100.7&explain=1")

    def test_bulk(self):
        urls = ["http://bad.example/x", "", "http://bl\"\\ocked.example/", "http://a.example/\u00e9",
                "mailto:x", "http://a.example/\n\"q\\", "http://blocked.example/"]
        results = self.ask_json("/v1/url", {"urls": urls}).json["results"]
        self.assertEqual(len(results), len(urls))
        self.assertEqual(results[0]["source"], "pattern")
        self.assertEqual(results[1]["error"]["code"], "bad_url")
        self.assertEqual(results[3]["url"], "http://a.example/%C3%A9")
        self.assertEqual(results[4]["error"]["code"], "bad_url")
        self.assertEqual(results[6]["source"], "user_blocked")
        many = [f"http://h{i}.example/{'p' * (i % 50)}" for i in range(499)] + ["http://bad.example/x"]
        results = self.ask_json("/v1/url", {"urls": many}).json["results"]
        self.assertEqual([r["url"] for r in results], many)
        self.assertEqual(results[-1]["rating"], "dangerous")
        for entry in (results[0], results[-1]):
            self.assertEqual(entry, self.url(entry["url"]))

    def test_bulk_of_the_longest(self):
        urls = ["http://a.example/" + "\x01" * 8000 + "z"] * 20
        results = self.ask_json("/v1/url", {"urls": urls}).json["results"]
        self.assertEqual(results[19]["url"], "http://a.example/" + "%01" * 8000 + "z")
        too_long = self.ask_json("/v1/url", {"urls": ["http://a.example/" + "a" * 8192]}).json
        self.assertEqual(too_long["results"][0]["error"]["code"], "bad_url")

    def test_bulk_faults(self):
        for body in (b"", b"{", b"[]", b"{}", b'{"urls":1}', b'{"urls":[1]}', b'{"urls":[[]]}',
                     b'{"urls":["a"],"urls":["b"]}', b'{"urls":["a"],"x":1}', b'{"urls":["a"]}x',
                     b'{"urls":["\xff"]}', b'{"urls":["\\ud800"]}', b'{"digests":["a"]}',
                     b'{"urls":["a",]}', b"\xef\xbb\xbf{}", b'{"urls":["a\x00"]}'):
            self.ask_json("/v1/url", body, 400, "bad_json")
        self.ask_json("/v1/url", {"urls": []}, 400, "bad_entry_count")
        self.ask_json("/v1/url", {"urls": ["a.example"] * 501}, 400, "bad_entry_count")
        self.ask("POST", "/v1/url", 415, "unsupported_media_type", b"{}",
                 {"Content-Type": "text/plain"})
        self.ask("POST", "/v1/url", 415, "unsupported_media_type", b"{}")
        self.ask_json("/v1/url?explain=1", {"urls": ["a"]}, 400, "unknown_parameter")

    def test_health(self):
        answer = self.ask("GET", "/v1/health").json
        self.assertEqual((answer["status"], answer["service"], answer["pattern"]),
                         ("ok", "web", "2026.11.23-1"))
        self.assertEqual(len(answer["generation"]), 2)
        self.assertEqual(answer["boot"], f"{self.queryd.hellos[0]:016x}")

    def test_parameters(self):
        for target, code in ((("/v1/url"), "missing_parameter"), ("/v1/url?", "missing_parameter"),
                             ("/v1/url?url", "missing_parameter"),
                             ("/v1/url?url=a.example&x=1", "unknown_parameter"),
                             ("/v1/url?url=http://a/?b=1&c=2", "unknown_parameter"),
                             ("/v1/url?URL=a.example", "unknown_parameter"),
                             ("/v1/url?url=a.example&url=b.example", "duplicate_parameter"),
                             ("/v1/url?url=a&explain=1&explain=1", "duplicate_parameter"),
                             ("/v1/url?url=a&explain=2", "bad_parameter"),
                             ("/v1/url?url=a&explain=", "bad_parameter"),
                             ("/v1/url?url=%", "bad_encoding"), ("/v1/url?url=%4", "bad_encoding"),
                             ("/v1/url?url=%zz", "bad_encoding"),
                             ("/v1/url?url=", "bad_url"), ("/v1/url?url=%00", "bad_url"),
                             ("/v1/url?url=mailto:x@y", "bad_url"),
                             ("/v1/url?url=http://a/" + "a" * 8192, "bad_url"),
                             ("/v1/url?url=http://a/" + "%61" * 8187, "bad_url"),
                             ("/v1/health?x=1", "unknown_parameter")):
            self.ask("GET", target, 400, code)

    def test_escaped_bytes(self):
        answer = self.ask("GET", "/v1/url?url=http%3a%2f%2fa.example%2f%22%5c%C3%A9+b").json
        self.assertEqual(answer["url"], "http://a.example/\"/%C3%A9+b")

    def test_paths_and_methods(self):
        for target in ("/", "/v1", "/v1/urls", "/v1/url/", "/V1/url", "/tmcss", "//v1/url"):
            self.ask("GET", target, 404, "not_found")
        for target, allow in (("/v1/url", "GET, HEAD, POST"), ("/v1/health", "GET, HEAD")):
            answer = self.ask("DELETE", target, 405, "method_not_allowed")
            self.assertEqual(answer.headers["allow"], allow)
        self.ask("POST", "/v1/domain?name=a", 405, "method_not_allowed", b"",
                 {"Content-Length": "0"})
        self.ask("OPTIONS", "*", 404, "not_found")
        self.ask("GET", f"/tmcss/v1/file/{EICAR}", 421, "wrong_service", role="wrs_http")
        self.ask("GET", "/v1/health", 421, "wrong_service", role="frs_http")

    def test_head(self):
        get = self.ask("GET", url_target("http://bad.example/x"))
        head = self.ask("HEAD", url_target("http://bad.example/x"))
        self.assertEqual(head.headers["content-length"], get.headers["content-length"])
        self.ask("HEAD", "/nowhere", 404)


class FileAnswers(QuerydCase):
    def test_answers(self):
        self.assertEqual(self.ask("GET", f"/tmcss/v1/file/{EICAR.upper()}").json, {
            "digest": EICAR, "verdict": "malicious", "name": "EICAR-Test-File", "kind": "virus",
            "source": "pattern", "action": "block", "ttl": 3600, "pattern": "2026.11.23-1"})
        good = self.ask("GET", f"/tmcss/v1/file/{GOOD}").json
        self.assertEqual((good["verdict"], good["kind"], good["action"]), ("known_good", None, "allow"))
        named = self.ask("GET", f"/tmcss/v1/file/{'a' * 40}").json
        self.assertEqual((named["name"], named["kind"]), ("Tröjan \"x\"", "trojan"))
        unknown = self.ask("GET", f"/tmcss/v1/file/{'e' * 64}").json
        self.assertEqual((unknown["verdict"], unknown["source"], unknown["name"]),
                         ("unknown", "none", ""))
        listed = self.ask("GET", f"/tmcss/v1/file/{'c' * 40}").json
        self.assertEqual((listed["verdict"], listed["source"]),
                         ("malicious", "suspicious_user_defined"))

    def test_faults(self):
        for digest in ("x", "a" * 31, "a" * 33, "g" * 32, EICAR + "/", "a" * 128):
            self.ask("GET", f"/tmcss/v1/file/{digest}", 400, "bad_digest")
        self.ask("GET", f"/tmcss/v1/file/{EICAR}?explain=1", 400, "unknown_parameter")
        self.ask("GET", "/tmcss/v1/file", 405, "method_not_allowed")
        self.ask("POST", f"/tmcss/v1/file/{EICAR}", 405, "method_not_allowed", b"")

    def test_bulk(self):
        digests = [EICAR, "zz", GOOD, "b" * 64, "\u0061" * 40] + ["f" * 32] * 995
        results = self.ask_json("/tmcss/v1/file", {"digests": digests}).json["results"]
        self.assertEqual(len(results), 1000)
        self.assertEqual(results[0]["name"], "EICAR-Test-File")
        self.assertEqual(results[1]["error"]["code"], "bad_digest")
        self.assertEqual(results[2]["verdict"], "known_good")
        self.assertEqual(results[3]["kind"], "other")
        self.ask_json("/tmcss/v1/file", {"digests": ["a" * 32] * 1001}, 400, "bad_entry_count")
        self.ask_json("/tmcss/v1/file", {"urls": ["a" * 32]}, 400, "bad_json")

    def test_health_and_connectivity(self):
        self.assertEqual(self.ask("GET", "/tmcss/v1/health").json["service"], "file")
        code = "08000000AC41080092000080C4F01936B21D9104"
        answer = self.ask("GET", f"/tmcss/?LCRC={code}")
        self.assertEqual(answer.body, bytes.fromhex(code))
        self.assertEqual(answer.headers["content-type"], "binary/octet-stream")
        self.ask("GET", "/tmcss/?LCRC=zz", 400, "bad_parameter")
        self.ask("GET", "/tmcss/", 400, "missing_parameter")
        self.ask("GET", f"/tmcss/?LCRC={code}&LCRC={code}", 400, "duplicate_parameter")


class Http(QuerydCase):
    def test_smuggling_forms_are_refused_and_closed(self):
        ok = "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n"
        after = ok.encode()  # what follows must not be answered
        for form in ("GET /v1/health HTTP/1.1\r\n\r\n",
                     "GET /v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                     "GET /v1/health HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
                     "GET /v1/health HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
                     "GET /v1/health HTTP/1.1\nHost: a\n\n",
                     "GET /v1/health HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
                     "GET /v1/health\r\n", "GET /v1/ health HTTP/1.1\r\nHost: a\r\n\r\n",
                     "GET /v1/h\u00e9alth HTTP/1.1\r\nHost: a\r\n\r\n",
                     "GET http://b/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
                     "POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                     "Content-Length: 1\r\n\r\nx",
                     "POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
                     "POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"):
            self.closed_with(form.encode("latin-1") + after, 400, "bad_request")
        for form in ("POST /v1/url HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     "POST /v1/url HTTP/1.1\r\nHost: a\r\n\r\n",
                     "GET /v1/health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"):
            self.closed_with(form.encode() + after, 411, "length_required")
        for form in ("POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     "POST /v1/url HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                     "Content-Length: 4\r\n\r\n0\r\n\r\n"):
            answer, rest = parse_answer(self.queryd.raw(form.encode() + after))
            self.assertIn(answer.status, (400, 411))
            self.assertEqual(rest, b"")

    def test_limits(self):
        head = b"GET /v1/url?url=http://a.example/%s HTTP/1.1\r\nHost: a\r\n\r\n"
        self.closed_with(head % (b"a" * 25000), 414, "target_too_long")
        self.closed_with(b"GET /" + b"a" * 60000, 414, "target_too_long")
        many = b"".join(b"X-%d: y\r\n" % i for i in range(100))
        self.closed_with(b"GET / HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n", 431, "headers_too_large")
        long = b"X: " + b"y" * 17000 + b"\r\n"
        self.closed_with(b"GET / HTTP/1.1\r\nHost: a\r\n" + long + b"\r\n", 431, "headers_too_large")
        self.closed_with(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70000, 431,
                         "headers_too_large")
        post = b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" \
               b"Content-Length: %d\r\n\r\n"
        self.closed_with(post % (1024 * 1024 + 1) + b"x" * (1024 * 1024 + 1), 413, "body_too_large")
        self.closed_with(post % 10**19, 413, "body_too_large")
        body = b'{"urls":["a.example"' + b" " * (1024 * 1024 - 22) + b"]}"
        self.assertEqual(len(self.ask_json("/v1/url", body).json["results"]), 1)

    def test_other_problems(self):
        self.closed_with(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "not_implemented")
        self.closed_with(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version_not_supported")
        self.closed_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request")
        self.closed_with(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: x\r\n\r\n",
                         417, "expectation_failed")
        self.closed_with(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request")
        self.closed_with(b"\0" * 40, 400, "bad_request")

    def test_keep_alive_and_close(self):
        with self.queryd.connect() as sock:
            for _ in range(3):
                sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
                answer, rest = parse_answer(sock.recv(65536))
                self.assertEqual((answer.status, rest), (200, b""))
                self.assertNotIn("connection", answer.headers)
            sock.sendall(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")  # a problem does not close
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 404)
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer, rest = parse_answer(read_to_end(sock))
            self.assertEqual((answer.headers["connection"], rest), ("close", b""))
        out = self.queryd.raw(b"GET /v1/health HTTP/1.0\r\n\r\n")
        self.assertEqual(parse_answer(out)[0].headers["connection"], "close")
        with self.queryd.connect() as sock:
            for _ in range(2):
                sock.sendall(b"GET /v1/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                self.assertEqual(parse_answer(sock.recv(65536))[0].headers["connection"],
                                 "keep-alive")

    def test_pipelining(self):
        one = b"GET /v1/domain?name=h%d.example HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        data = b"".join(one % i for i in range(2000)) + last
        with self.queryd.connect() as sock:
            threading.Thread(target=sock.sendall, args=(data,)).start()
            out = read_to_end(sock)
        for i in range(2000):
            answer, out = parse_answer(out)
            self.assertEqual(answer.json["name"], f"h{i}.example")
        answer, out = parse_answer(out)
        self.assertEqual((answer.json["service"], out), ("web", b""))

    def test_pipelining_to_a_slow_reader(self):
        """Far more answers than a socket holds: reading stops until the client reads."""
        urls = json.dumps({"urls": ["http://a.example/" + "x" * 1000] * 400}).encode()
        one = b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" \
              b"Content-Length: %d\r\n\r\n" % len(urls) + urls
        count = 40
        sent = threading.Event()
        with self.queryd.connect(timeout=60) as sock:
            def send():
                sock.sendall(one * count)
                sent.set()
            threading.Thread(target=send).start()
            self.assertFalse(sent.wait(0.5))  # the server does not take all of it
            out = bytearray()
            answers = 0
            while answers < count:
                out += sock.recv(1 << 20)
                while b"\r\n\r\n" in out:
                    head = bytes(out[:out.index(b"\r\n\r\n") + 4])
                    length = int(re.search(rb"Content-Length: +(\d+)", head)[1])
                    if len(out) < len(head) + length:
                        break
                    value = json.loads(out[len(head):len(head) + length])
                    self.assertEqual(len(value["results"]), 400)
                    del out[:len(head) + length]
                    answers += 1
            self.assertTrue(sent.wait(10))

    def test_byte_by_byte(self):
        data = b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" \
               b"Content-Length: 23\r\n\r\n" + b'{"urls":["bad.example"]}'[:23]
        with self.queryd.connect() as sock:
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
            self.assertEqual(parse_answer(sock.recv(65536))[0].json["code"], "bad_json")

    def test_expect_continue(self):
        body = b'{"urls":["bad.example/x"]}'
        with self.queryd.connect() as sock:
            sock.sendall(b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                         b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.assertEqual(sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            sock.sendall(body)
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)

    def test_absolute_form_and_case(self):
        out = self.queryd.raw(b"GET http://h:1/v1/health HTTP/1.1\r\nhOST:   H:1  \r\n"
                              b"connection: CLOSE\r\n\r\n")
        self.assertEqual(parse_answer(out)[0].status, 200)

    def test_half_closed_client_gets_its_answer(self):
        with self.queryd.connect() as sock:
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(parse_answer(read_to_end(sock))[0].status, 200)

    def test_resets_do_no_harm(self):
        for data in (b"", b"GET /v1", b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n" * 50):
            sock = self.queryd.connect()
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self.ask("GET", "/v1/health")


class Deadlines(QuerydCase):
    settings = {"handshake_ms": 400, "header_ms": 400, "body_ms": 400, "idle_ms": 600,
                "write_ms": 400}

    def feed(self, sock, data, pause=0.05):
        """Sends byte after byte until the other side has had enough."""
        start = time.monotonic()
        out = b""
        sock.settimeout(pause)
        for i in range(200):
            try:
                sock.sendall(data(i))
                piece = sock.recv(65536)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            if not piece:
                break
            out += piece
        return time.monotonic() - start, out

    def test_slow_header(self):
        with self.queryd.connect() as sock:
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n")
            seconds, out = self.feed(sock, lambda i: b"X-%d: y\r\n" % i)
        answer, _ = parse_answer(out)
        self.assertEqual((answer.status, answer.json["code"]), (408, "timeout"))
        self.api.check("GET", "/nowhere", answer.status, answer.headers, answer.body)
        self.assertLess(seconds, 4)

    def test_slow_body(self):
        with self.queryd.connect() as sock:
            sock.sendall(b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            seconds, out = self.feed(sock, lambda i: b" ")
        self.assertEqual(parse_answer(out)[0].json["code"], "timeout")
        self.assertLess(seconds, 4)

    def test_slow_handshake(self):
        with socket.create_connection(("127.0.0.1", self.queryd.port("wrs_https")), 20) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00")
            start = time.monotonic()
            self.assertEqual(read_to_end(sock), b"")
        self.assertLess(time.monotonic() - start, 4)

    def test_idle(self):
        start = time.monotonic()
        self.assertEqual(self.queryd.raw(b""), b"")
        with self.queryd.connect() as sock:
            for _ in range(8):  # longer than the deadline in all
                time.sleep(0.1)
                sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)
            self.assertEqual(read_to_end(sock), b"")
        self.assertLess(time.monotonic() - start, 8)

    def test_slow_reader(self):
        body = json.dumps({"urls": ["http://a.example/" + "x" * 1000] * 500}).encode()
        one = b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" \
              b"Content-Length: %d\r\n\r\n" % len(body) + body
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.queryd.port("wrs_http")))
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                sock.sendall(one)
        sock.close()


class Settings(QuerydCase):
    def test_service_off(self):
        self.queryd.publish(web_on=False)
        answer = self.ask("GET", "/v1/health", 503, "service_off")
        self.assertIn("retry-after", answer.headers)
        self.ask("GET", url_target("http://a.example/"), 503, "service_off")
        self.ask("GET", "/tmcss/v1/health")
        self.queryd.publish(web_on=True, files_on=False)
        self.ask("GET", "/tmcss/v1/health", 503, "service_off")
        self.ask("GET", "/v1/health")
        self.queryd.publish(files_on=True)

    def test_who_may_ask(self):
        with self.queryd.connect(source="127.0.0.5") as sock:
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)
            self.queryd.publish(allow=("127.0.0.1/32",))
            # also on a connection that was open before
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            answer, rest = parse_answer(read_to_end(sock))
            self.assertEqual((answer.json["code"], rest), ("client_not_allowed", b""))
        self.ask("GET", "/v1/health", 403, "client_not_allowed", source="127.0.0.6")
        self.ask("GET", "/v1/health")
        self.queryd.publish(allow=("127.0.0.0/8",))
        self.ask("GET", "/v1/health", source="127.0.0.6")

    def test_order_of_lists(self):
        url = "http://good.blocked.example/"
        self.assertEqual(self.url(url)["source"], "user_blocked")
        self.queryd.publish(approved_first=True)
        self.assertEqual(self.url(url)["source"], "user_approved")
        self.queryd.publish(approved_first=False)

    def test_block_below(self):
        self.queryd.publish(block_below=51)
        self.assertEqual(self.url("http://spam.example/")["action"], "allow")
        self.queryd.publish(block_below=81)
        self.assertEqual(self.url("http://mild.example/")["action"], "block")
        self.queryd.publish(block_below=66)

    def test_connections_max(self):
        self.queryd.publish(connections_max=3)
        time.sleep(0.1)
        socks = [self.queryd.connect() for _ in range(3)]
        for sock in socks:
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)
        self.ask("GET", "/v1/health", 503, "busy")
        for sock in socks:
            sock.close()
        self.queryd.publish(connections_max=16384)
        self.ask("GET", "/v1/health")


class Explain(QuerydCase):
    queryd_options = {"address": "127.0.0.1"}

    def test_only_for_those_named(self):
        """Everything here is loopback, which always may; the refusal has a unit test."""
        self.ask("GET", url_target("http://a.example/", explain=1))


class Publish(QuerydCase):
    def setUp(self):
        """Files other than those that are going to be broken: the same checksum is the same file."""
        other = self.queryd.make_sections(LINES[:1], "v0", "before")
        self.assertEqual(self.queryd.publish(other), (0, ""))

    def refused(self, role, change, wrong=None):
        sections = dict(self.sections)
        path = self.queryd.folder / "broken"
        with open(self.sections[role], "rb") as file:
            path.write_bytes(change(bytearray(file.read())))
        sections[role] = str(path)
        code, text = self.queryd.publish(sections, wrong)
        self.assertNotEqual(code, 0)
        self.assertTrue(text)
        self.assertEqual(self.url("http://bad.example/x")["source"], "pattern")
        return text

    def test_broken_files_are_refused_and_the_old_serve_on(self):
        def flip(at):
            def change(data):
                data[at] ^= 1
                return data
            return change
        for role in ("web", "files", "base", "base_keywords"):
            size = os.path.getsize(self.sections[role])
            for at in (0, 9, size // 2, size - 1):
                self.refused(role, flip(at))
            self.refused(role, lambda data: data[:len(data) // 2])
            self.refused(role, lambda data: b"")
        self.assertIn("Web Blocking Pattern", self.refused("web", lambda data: data[:-1]))

    def test_other_file_than_announced(self):
        other = self.queryd.make_sections(LINES[:1], name="other")

        def lie(announced):
            with open(other["web"], "rb") as file:
                data = file.read()
            return {**announced, "web": (announced["web"][0], data[-32:])}
        text = self.refused("web", bytes, lie)
        self.assertIn("announced", text)
        self.refused("web", bytes, lambda a: {**a, "web": (a["web"][0] + 1, a["web"][1])})
        # a pattern of the other kind
        code, _ = self.queryd.publish({**self.sections, "web": self.sections["files"]})
        self.assertNotEqual(code, 0)

    def test_missing_descriptors(self):
        code, _ = self.queryd.publish(self.sections,
                                      lambda a: {"web": a["web"], "files": a["files"]})
        self.assertNotEqual(code, 0)
        code, _ = self.queryd.publish({"web": self.sections["web"]},
                                      lambda a: {"web": a["web"], "files": a["web"]})
        self.assertNotEqual(code, 0)
        code, _ = self.queryd.publish(self.sections)
        self.assertEqual(code, 0)

    def test_swaps_under_load(self):
        """Answers come from one generation or the other, never from a mixture, none is lost."""
        other = self.queryd.make_sections(
            [("url", 30, "spam", 0, "-", "x", "http://bad.example/x")], "v2", "second")
        self.assertEqual(self.queryd.publish(self.sections), (0, ""))
        stop = threading.Event()
        seen = set()

        def load():
            with self.queryd.connect() as sock:
                request = b"GET /v1/url?url=http://bad.example/x HTTP/1.1\r\nHost: a\r\n\r\n"
                while not stop.is_set():
                    sock.sendall(request)
                    answer, rest = parse_answer(sock.recv(65536))
                    self.assertEqual((answer.status, rest), (200, b""))
                    seen.add((answer.json["score"], answer.json["pattern"]))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(load) for _ in range(4)]
            for i in range(30):
                code, text = self.queryd.publish(other if i % 2 == 0 else self.sections)
                self.assertEqual(code, 0, text)
            stop.set()
            for future in futures:
                future.result()
        self.assertEqual(seen, {(49, "2026.11.23-1"), (30, "v2")})
        generations = self.ask("GET", "/v1/health").json["generation"]
        self.assertEqual(generations, [self.queryd.generation] * 2)

    def test_without_patterns(self):
        code, _ = self.queryd.publish({})
        self.assertEqual(code, 0)
        answer = self.url("http://bad.example/x")
        self.assertEqual((answer["pattern"], answer["source"]), (None, "none"))
        self.assertIsNone(self.ask("GET", f"/tmcss/v1/file/{EICAR}").json["pattern"])
        self.assertIsNone(self.ask("GET", "/v1/health").json["pattern"])
        self.queryd.publish(self.sections)


class Events(QuerydCase):
    settings = {"counter_interval_ms": 200}

    def test_blocked_entries(self):
        url = "http://blocked.example/event-1"
        self.url(url, headers={"X-Client-GUID": "g-1", "X-Server-GUID": "s-1",
                               "X-Client-Name": "pc-1", "X-Client-Domain": "d-1",
                               "X-Product-Entity": "p" * 200})
        event = self.queryd.wait_event(lambda e: e.get("url") == url and e["kind"] == 1)
        self.assertEqual((event["client"], event["client_guid"], event["server_guid"],
                          event["computer"], event["domain"], event["product"]),
                         ("127.0.0.1", "g-1", "s-1", "pc-1", "d-1", "p" * 128))
        self.assertEqual((event["score"], event["source"], event["action"], event["id"]),
                         (49, 2, 2, 12))
        self.assertLess(abs(event["time"] / 1000 - time.time()), 30)
        long = "http://blocked.example/" + "l" * 5000
        self.url(long)
        event = self.queryd.wait_event(lambda e: len(e.get("url", "")) == 2048 and e["kind"] == 1)
        self.assertEqual(event["url"], long[:2048])

    def test_access_entries_only_when_on(self):
        self.url("http://quiet.example/1")
        self.queryd.publish(access_log_on=True)
        self.url("http://loud.example/1")
        self.url("http://blocked.example/both")
        self.queryd.wait_event(lambda e: e["kind"] == 2 and e["url"] == "http://loud.example/1")
        self.queryd.wait_event(lambda e: e["kind"] == 2 and e["url"] == "http://blocked.example/both")
        self.queryd.wait_event(lambda e: e["kind"] == 1 and e["url"] == "http://blocked.example/both")
        self.assertFalse(any(e["kind"] == 2 and "quiet" in e["url"] for e in self.queryd.events))
        self.queryd.publish(access_log_on=False)

    def test_counters(self):
        for _ in range(5):
            self.url("http://top.example/asked-often", source="127.0.0.44")
        self.url("http://blocked.example/", source="127.0.0.44")
        self.ask("GET", f"/tmcss/v1/file/{EICAR}", source="127.0.0.44")

        def total(field, **wanted):
            return sum(e[field] for e in self.queryd.events
                       if all(e.get(name) == value for name, value in wanted.items()))
        wanted = {"kind": 4, "client": "127.0.0.44"}
        self.queryd.wait(lambda: total("queries", service=1, **wanted) == 6)
        self.queryd.wait(lambda: total("queries", service=0, **wanted) == 1)
        self.assertEqual(total("blocks", service=1, **wanted), 1)
        self.assertEqual(total("detections", service=0, **wanted), 1)
        self.assertGreater(total("bytes_in", service=1, **wanted), 6 * 60)
        self.queryd.wait(lambda: total("count", kind=5, url="http://top.example/asked-often") == 5)
        self.queryd.wait(lambda: total("hits", kind=3, id=12, list=1) >= 1)
        self.queryd.wait(lambda: total("requests", kind=6, service=1) >= 6)
        self.assertGreaterEqual(total("blocked", kind=6, service=0), 1)

    def test_words_are_cleaned(self):
        data = b"GET /v1/url?url=http://blocked.example/words HTTP/1.1\r\nHost: a\r\n" \
               b"X-Client-Name: a\xe9\tb\r\nConnection: close\r\n\r\n"
        self.assertIn(b" 200 ", self.queryd.raw(data))
        event = self.queryd.wait_event(lambda e: e.get("url") == "http://blocked.example/words")
        self.assertEqual(event["computer"], "a??b")

    def test_sequence_has_no_gap(self):
        self.url("http://blocked.example/sequence")
        self.queryd.wait_event(lambda e: e.get("url") == "http://blocked.example/sequence")
        for worker in (0, 1):
            numbers = [p["sequence"] for p in self.queryd.packets if p["worker"] == worker]
            self.assertEqual(numbers, list(range(len(numbers))))


class Tls(QuerydCase):
    queryd_options = {"workers": 2}

    def ask_tls(self, sock, close=False):
        sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n%s\r\n" %
                     (b"Connection: close\r\n" if close else b""))
        return parse_answer(sock.recv(65536))[0]

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.queryd.tls_context(version)
            with self.queryd.connect("wrs_https", context=context) as sock:
                self.assertEqual(self.ask_tls(sock).status, 200)
                self.assertIn(sock.version(), ("TLSv1.2", "TLSv1.3"))
                self.assertRegex(sock.cipher()[0], "GCM|POLY1305")
        context = self.queryd.tls_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.queryd.connect("wrs_https", context=context)

    def test_only_aead(self):
        context = self.queryd.tls_context(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.queryd.connect("wrs_https", context=context)

    def test_alpn(self):
        context = self.queryd.tls_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with self.queryd.connect("wrs_https", context=context) as sock:
            self.assertEqual(sock.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            self.queryd.connect("wrs_https", context=context)

    def test_plain_http_on_tls_port_and_rubbish(self):
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\xff\xff" * 50):
            with socket.create_connection(("127.0.0.1", self.queryd.port("wrs_https")), 20) as sock:
                sock.sendall(data)
                read_to_end(sock)
        with self.queryd.connect("wrs_https") as sock:
            self.assertEqual(self.ask_tls(sock).status, 200)

    def test_resumption_over_all_workers(self):
        """A ticket of one worker is good at every other one (one key set)."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.queryd.tls_context(version)
            with self.queryd.connect("wrs_https", context=context) as sock:
                self.ask_tls(sock)
                session = sock.session
            reused = 0
            for _ in range(16):
                with self.queryd.connect("wrs_https", context=context, session=session) as sock:
                    self.ask_tls(sock)
                    reused += sock.session_reused
            self.assertEqual(reused, 16, version)

    def test_certificate_is_replaced(self):
        context = self.queryd.tls_context()
        context12 = self.queryd.tls_context(ssl.TLSVersion.TLSv1_2)
        with self.queryd.connect("wrs_https", context=context) as old:
            self.ask_tls(old)
            before = old.getpeercert(True)
            with self.queryd.connect("wrs_https", context=context12) as sock:
                self.ask_tls(sock)
                session = sock.session
            pem, der = certificate("replaced")
            self.assertEqual(self.queryd.replace_certificate(pem), 0)
            with self.queryd.connect("wrs_https") as sock:
                self.assertEqual(sock.getpeercert(True), der)
                self.assertEqual(self.ask_tls(sock).status, 200)
            self.assertEqual(self.ask_tls(old).status, 200)  # the open connection goes on
            self.assertEqual(old.getpeercert(True), before)
            # and tickets stay good
            with self.queryd.connect("wrs_https", context=context12, session=session) as sock:
                self.assertTrue(sock.session_reused)
        self.assertNotEqual(self.queryd.replace_certificate(b"rubbish"), 0)
        with self.queryd.connect("wrs_https") as sock:
            self.assertEqual(sock.getpeercert(True), der)

    def test_large_answers_and_bodies(self):
        body = json.dumps({"urls": ["http://a.example/" + "x" * 1900] * 500}).encode()
        with self.queryd.connect("wrs_https", timeout=60) as sock:
            for _ in range(3):
                sock.sendall(b"POST /v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                             b"Content-Length: %d\r\n\r\n" % len(body) + body)
                out = b""
                while True:
                    out += sock.recv(1 << 20)
                    head, _, rest = out.partition(b"\r\n\r\n")
                    length = re.search(rb"Content-Length: +(\d+)", head)
                    if length and len(rest) >= int(length[1]):
                        break
                self.assertEqual(len(json.loads(rest)["results"]), 500)

    def test_pipelining(self):
        one = b"GET /v1/domain?name=h%d.example HTTP/1.1\r\nHost: a\r\n\r\n"
        last = b"GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        with self.queryd.connect("wrs_https") as sock:
            sock.sendall(b"".join(one % i for i in range(300)) + last)
            out = read_to_end(sock)
        for i in range(300):
            answer, out = parse_answer(out)
            self.assertEqual(answer.json["name"], f"h{i}.example")


class Ipv6(QuerydCase):
    queryd_options = {"address": "::1"}

    def test_answers(self):
        self.queryd.publish(event_interval_ms=20, counter_interval_ms=100)
        self.assertEqual(self.url("http://bad.example/x")["source"], "pattern")
        self.ask("GET", url_target("http://a.example/", explain=1))
        self.queryd.wait_event(lambda e: e["kind"] == 4 and e["client"] == "::1")


class Life(unittest.TestCase):
    def start(self, **options):
        queryd = Queryd(**options)
        self.addCleanup(queryd.close)
        return queryd

    def test_no_answer_before_the_first_generation(self):
        queryd = self.start()
        queryd.start(publish=False)
        queryd.wait(lambda: queryd.hellos)
        with queryd.connect() as sock:
            sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            sock.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                sock.recv(1000)
            queryd.publish()
            queryd.wait_ready()
            sock.settimeout(20)
            self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)
        self.assertEqual(queryd.stop(), 0)

    def test_listeners_are_replaced(self):
        queryd = self.start()
        queryd.start()
        with queryd.connect() as old:
            listener = queryd.listen("127.0.0.1")
            self.assertEqual(queryd.replace_listeners([("wrs_http", listener)]), 0)
            for before in queryd.listeners:
                before.close()
            queryd.listeners, queryd.roles = [listener], ("wrs_http",)
            self.assertEqual(queryd.get("/v1/health").status, 200)
            old.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(parse_answer(old.recv(65536))[0].status, 200)
        self.assertEqual(queryd.stop(), 0)

    def begin_request(self, sock):
        """Half a request that the server has read: it came with one that is answered."""
        sock.sendall(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/health HTTP/1.1\r\nHo")
        self.assertEqual(parse_answer(sock.recv(65536))[0].status, 200)

    def test_what_is_in_flight_is_finished(self):
        queryd = self.start(workers=1)
        queryd.start()
        with queryd.connect() as idle, queryd.connect() as busy:
            self.begin_request(busy)
            queryd.process.send_signal(signal.SIGTERM)
            self.assertEqual(read_to_end(idle), b"")
            busy.sendall(b"st: a\r\n\r\n")
            answer, rest = parse_answer(read_to_end(busy))
            self.assertEqual((answer.status, answer.headers["connection"], rest),
                             (200, "close", b""))
        self.assertEqual(queryd.process.wait(10), 0)

    def test_stop_is_bounded(self):
        queryd = self.start()
        queryd.start()
        with queryd.connect() as busy:
            self.begin_request(busy)
            start = time.monotonic()
            self.assertEqual(queryd.stop(), 0)
            self.assertLess(time.monotonic() - start, 8)

    def test_backend_that_does_not_read(self):
        """sekishod stands still: answers go on, what does not fit is dropped and counted."""
        queryd = self.start(workers=1)
        queryd.start(publish=False)
        sections = queryd.make_sections(LINES)
        queryd.publish(sections, access_log_on=True, event_interval_ms=10)
        queryd.condition.acquire()  # the reading thread waits here from its next packet on
        try:
            body = json.dumps({"urls": ["http://blocked.example/" + "x" * 1500] +
                                       ["http://a.example/" + "x" * 1500] * 499}).encode()
            for _ in range(8):
                answer = queryd.post("/v1/url", body)
                self.assertEqual(answer.status, 200)
            answer = queryd.get("/v1/health")
            self.assertEqual(answer.status, 200)
        finally:
            queryd.condition.release()
        queryd.wait(lambda: queryd.packets and queryd.packets[-1]["dropped"][2] > 0 or
                    queryd.get("/v1/url?url=http://blocked.example/") and False)
        dropped = queryd.packets[-1]["dropped"]
        self.assertEqual(dropped[1], 0)  # blocked entries have the last quarter for themselves
        self.assertEqual(queryd.stop(), 0)

    def test_wrong_arguments(self):
        for arguments in (["--listeners", "x"], ["--workers", "0"], ["--workers", "x"], ["extra"],
                          ["--unknown"]):
            result = subprocess.run([str(BUILD / "sekisho-queryd"), *arguments],
                                    capture_output=True, timeout=20, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"usage", result.stderr)


if __name__ == "__main__":
    unittest.main()
