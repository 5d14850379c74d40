"""sekisho-job alone, started as the keeper would start it: every kind, its limits, its sandbox."""

import fcntl
import gzip
import http.server
import json
import lzma
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BUILD, environment, main, program, run_program, wait_for

SUITES = ("asan",)
SANITIZED = "SK_SANITIZED 1" in (BUILD / "config.h").read_text()


class Outcome:
    def __init__(self, messages, code, log):
        self.messages, self.code, self.log = messages, code, log

    @property
    def answer(self):
        if not self.messages or ("ok" not in self.messages[-1] and "error" not in self.messages[-1]):
            raise AssertionError(f"no answer; exit {self.code}: {self.messages} {self.log}")
        return self.messages[-1]

    @property
    def error(self):
        return self.answer["error"]


class Started:
    """A job under way."""

    def __init__(self, kind, request, descriptors=(), extra_environment=None):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = tempfile.TemporaryFile()
        wanted = [theirs.fileno(), os.open(os.devnull, os.O_RDWR), self.log.fileno(),
                  *descriptors]
        # Out of the way first, so that no number is overwritten before it is used.
        aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 300) for fd in wanted]

        def place():
            for number, descriptor in enumerate(aside):
                os.dup2(descriptor, number)
        self.process = subprocess.Popen([str(program("sekisho-job")), kind], preexec_fn=place,
                                        env={**environment(), **(extra_environment or {})},
                                        pass_fds=range(3, len(wanted)))
        theirs.close()
        os.close(wanted[1])
        for descriptor in aside:
            os.close(descriptor)
        if request is not None:
            text = request if isinstance(request, bytes) else json.dumps(request).encode()
            self.control.send(text)

    def finish(self, timeout=60):
        messages = []
        self.control.settimeout(timeout)
        try:
            while data := self.control.recv(65536):
                messages.append(json.loads(data))
        except ConnectionResetError:
            pass
        code = self.process.wait(timeout)
        self.control.close()
        self.log.seek(0)
        return Outcome(messages, code, self.log.read().decode(errors="replace"))


def run_job(kind, request, descriptors=(), timeout=60):
    return Started(kind, request, descriptors).finish(timeout)


def file_with(data=b""):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


def memory_with(data=b""):
    descriptor = os.memfd_create("test")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.fdopen(descriptor, "r+b")


class Frame(unittest.TestCase):
    def test_unknown_kind_is_refused(self):
        for words in ([], ["no-such-kind"], ["probe", "more"]):
            done = run_program("sekisho-job", *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("sekisho-job KIND", done.stderr)

    def test_bad_requests(self):
        for request in (b"", b"[]", b"{", b'{"a":1}x', b"\xff", b'{"expression":"\xff"}',
                        b'{"a":' * 20 + b"1" + b"}" * 20):
            outcome = run_job("check-keyword", request or b"x")
            self.assertEqual(outcome.error["code"], "syntax", request)
            self.assertEqual(outcome.code, 0)

    def test_too_large_a_request(self):
        started = Started("check-keyword", None)
        started.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        started.control.send(b'{"expression":"' + b"a" * 70000 + b'"}')
        self.assertEqual(started.finish().error["code"], "protocol")

    def test_unknown_and_missing_members(self):
        self.assertEqual(run_job("check-keyword", {"expression": "a", "b": 1}).error["code"],
                         "syntax")
        self.assertEqual(run_job("check-keyword", {}).error["code"], "not_found")

    def test_wrong_number_of_descriptors(self):
        with file_with() as file:
            outcome = run_job("unpack", {}, [file.fileno()])
        self.assertEqual(outcome.error["code"], "protocol")

    def test_ends_when_nobody_waits_any_more(self):
        # It waits for a request that never comes; closing the control socket ends it.
        started = Started("check-keyword", None)
        self.assertIsNone(started.process.poll())
        started.control.close()
        started.process.wait(10)
        self.assertNotEqual(started.process.returncode, None)

    def test_ends_in_the_middle_of_work_when_the_starter_is_gone(self):
        reading, writing = os.pipe()
        with file_with() as output:
            started = Started("import-parse", {}, [reading, output.fileno()])
            os.close(reading)
            os.write(writing, b"pattern\n" + b"example.com\n" * 100)
            started.control.close()
            started.process.wait(10)
        os.close(writing)
        self.assertNotEqual(started.process.returncode, 0)


class Certificate(unittest.TestCase):
    REQUEST = {"names": ["server.example", "localhost"], "addresses": ["127.0.0.1", "2001:db8::1"],
               "days": 30}

    def make(self, request):
        with memory_with() as output:
            outcome = run_job("certificate", request, [output.fileno()])
            output.seek(0)
            return outcome, output.read().decode()

    def test_certificate_serves_tls(self):
        outcome, pem = self.make(self.REQUEST)
        self.assertTrue(outcome.answer["ok"], outcome.log)
        self.assertEqual(pem.count("-----BEGIN PRIVATE KEY-----"), 1)
        self.assertEqual(pem.count("-----BEGIN CERTIFICATE-----"), 1)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            certificate = pem[pem.index("-----BEGIN CERTIFICATE-----"):]
            self.handshake(file.name, certificate)

    def handshake(self, path, certificate):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(path)
        client = ssl.create_default_context(cadata=certificate)
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=lambda: server.wrap_socket(theirs, server_side=True).close())
        thread.start()
        with client.wrap_socket(ours, server_hostname="server.example") as connection:
            facts = connection.getpeercert()
            connection.unwrap
        thread.join()
        names = dict.fromkeys(facts["subjectAltName"])
        self.assertIn(("DNS", "localhost"), names)
        self.assertIn(("IP Address", "127.0.0.1"), names)
        self.assertIn(("IP Address", "2001:DB8:0:0:0:0:0:1"), names)
        self.assertEqual(len(facts["serialNumber"]), 32)
        ends, starts = map(ssl.cert_time_to_seconds, (facts["notAfter"], facts["notBefore"]))
        self.assertEqual(round((ends - starts) / 86400), 31)

    def test_two_have_different_keys(self):
        self.assertNotEqual(self.make(self.REQUEST)[1], self.make(self.REQUEST)[1])

    def test_bad_requests(self):
        for change in ({"names": []}, {"names": ["a b"]}, {"names": ["x" * 300]}, {"names": "a"},
                       {"addresses": ["localhost"]}, {"days": 0}, {"days": 99999},
                       {"days": "1"}, {"names": ["a\x00b"]}, {"names": [None]}):
            outcome, pem = self.make({**self.REQUEST, **change})
            self.assertIn(outcome.error["code"], ("syntax", "range"), change)
            self.assertEqual(pem, "")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {"/good": (200, b'{"status":"ok"}'), "/bad": (503, b"no"),
                   "/large": (200, b"x" * (2 << 20)), "/moved": (302, b"")}
        status, body = answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/good")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Probe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cls.port = cls.server.server_address[1]
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)

    def probe(self, path, expect="", timeout=5000, host=None):
        return run_job("probe", {"url": f"http://{host or f'127.0.0.1:{self.port}'}{path}",
                                 "expect": expect, "timeout": timeout})

    def test_good(self):
        answer = self.probe("/good", '"status":"ok"').answer
        self.assertEqual((answer["ok"], answer["status"]), (True, 200))

    def test_unexpected_answers(self):
        self.assertIn("does not hold", self.probe("/good", "something else").error["text"])
        self.assertIn("503", self.probe("/bad").error["text"])
        self.assertIn("302", self.probe("/moved").error["text"])  # not followed
        self.assertIn("error", self.probe("/large").answer)  # over 1 MiB

    def test_over_tls(self):
        _, pem = Certificate().make(Certificate.REQUEST)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_address[1]}/good"
        outcome = run_job("probe", {"url": url, "expect": "ok", "timeout": 5000})
        server.shutdown()
        server.server_close()
        self.assertTrue(outcome.answer.get("ok"), outcome.answer)

    def test_only_this_machine(self):
        for host in ("192.0.2.1", "localhost:1", "example.com", "[2001:db8::1]", "0.0.0.0"):
            self.assertEqual(self.probe("/", host=host).error["code"], "refused", host)
        for url in ("ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "gopher://127.0.0.1/"):
            outcome = run_job("probe", {"url": url, "timeout": 1000})
            self.assertEqual(outcome.error["code"], "refused", url)

    def test_nobody_listens_and_nobody_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            outcome = self.probe("/", timeout=100, host=f"127.0.0.1:{port}")
            self.assertEqual(outcome.error["code"], "timeout")
        self.assertEqual(self.probe("/", host=f"127.0.0.1:{port}").error["code"], "protocol")


class Unpack(unittest.TestCase):
    def unpack(self, data):
        with memory_with(data) as packed, memory_with() as output:
            outcome = run_job("unpack", {}, [packed.fileno(), output.fileno()])
            output.seek(0)
            return outcome, output.read()

    def test_what_is_no_pattern(self):
        for data in (b"", b"x" * 1000, gzip.compress(b"x" * 1000), lzma.compress(b"y" * 100),
                     gzip.compress(b"z" * 100000)[:60], b"\x28\xb5\x2f\xfd" + b"\0" * 30):
            outcome, _ = self.unpack(data)
            self.assertEqual(outcome.error["code"], "corrupt", data[:20])
            self.assertEqual(outcome.code, 0)


class Build(unittest.TestCase):
    DESCRIPTION = {"name": "Test", "inputs": [
        {"path": "urls.txt", "format": "urls", "source": "one", "kind": "bad"},
        {"path": "digests.txt", "format": "digests", "source": "two", "kind": "bad"}],
        "safety": {"benign": ["benign.txt"]}}
    LISTS = [b"http://bad.example/x\nbroken line\nhttp://whole.example/\n",
             b"44d88612fea8a8f36de82e1278abb02f\n", b"whole.example\n"]

    def build(self, request=None, description=None, lists=None):
        """The outcome and the files that were made, by name."""
        text = json.dumps(description or self.DESCRIPTION).encode()
        with tempfile.TemporaryDirectory() as path:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            inputs = [memory_with(data) for data in [text, *(lists or self.LISTS)]]
            outcome = run_job("build", request or {}, [*(f.fileno() for f in inputs), folder])
            os.close(folder)
            for file in inputs:
                file.close()
            return outcome, {os.path.relpath(os.path.join(where, name), path):
                             open(os.path.join(where, name), "rb").read()
                             for where, _, names in os.walk(path) for name in names}

    def test_patterns_report_and_refused_lines(self):
        outcome, made = self.build({"version": "1.2"})
        answer = outcome.answer
        self.assertEqual((answer.get("ok"), answer.get("version")), (True, "1.2"), outcome.log)
        self.assertEqual((answer["web"], answer["files"]), (1, 1))
        report = json.loads(made["report.json"])
        self.assertEqual(report["inputs"][0]["refused"], 1)
        self.assertIn(report["inputs"][0]["refused_file"], made)
        self.assertEqual(report["web"]["safety"]["left_out_count"], 1)
        self.assertEqual(outcome.messages[-2]["progress"], 100)

    def test_same_key_same_bytes(self):
        key = {"key": "00112233445566778899aabbccddeeff", "version": "1"}
        first, second, other = (self.build(k)[1]["web.pattern"]
                                for k in (key, key, {**key, "key": "ff" * 16}))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_bad_descriptions_and_requests(self):
        bad = {**self.DESCRIPTION, "inputs": [{"path": "x"}]}
        self.assertEqual(self.build(description=bad)[0].error["code"], "syntax")
        self.assertEqual(self.build({"key": "xyz"})[0].error["code"], "syntax")
        self.assertEqual(self.build({"version": "a b"})[0].error["code"], "syntax")
        outcome, made = self.build(lists=self.LISTS[:2])
        self.assertEqual(outcome.error["code"], "protocol")
        self.assertEqual(made, {})

    def test_what_is_built_can_be_unpacked(self):
        _, made = self.build()
        for name, kind in (("web.pattern", "web"), ("files.pattern", "files")):
            data = made[name]
            for packed in (data, gzip.compress(data), lzma.compress(data)):
                outcome, unpacked = Unpack.unpack(self, packed)
                self.assertEqual((outcome.answer.get("kind"), outcome.answer.get("entries")),
                                 (kind, 1), outcome.answer)
                self.assertEqual(outcome.answer["bytes"], len(data))
                self.assertEqual(unpacked, data)
            flipped = bytearray(data)
            flipped[len(data) // 2] ^= 1
            for damaged in (bytes(flipped), data[:-1], data + b"x", lzma.compress(data)[:-8]):
                outcome, _ = Unpack.unpack(self, damaged)
                self.assertEqual(outcome.error["code"], "corrupt", outcome.answer)


class Import(unittest.TestCase):
    def parse(self, data, request=None, timeout=60):
        with memory_with(data) as file, memory_with() as output:
            outcome = run_job("import-parse", request or {}, [file.fileno(), output.fileno()],
                              timeout)
            output.seek(0)
            return outcome, [json.loads(line) for line in output.read().splitlines()]

    def test_all_columns(self):
        text = ("list,kind,pattern,targets,enabled,expires,comment\r\n"
                'block,site,http://bad.example/,"10.0.0.0/8, domain:corp.example",yes,'
                '2027-01-31T12:00:00Z,"said ""no"", twice"\r\n'
                "approve,page,https://good.example/a?b=c,,no,,\r\n"
                "Block,KEYWORD,evil[0-9]+,,,,\r\n")
        outcome, lines = self.parse(text.encode())
        self.assertEqual(outcome.answer, {"records": 3, "accepted": 3, "refused": 0, "ok": True})
        self.assertEqual(lines[0], {
            "line": 2, "ok": True, "list": "blocked", "kind": "site",
            "pattern": "http://bad.example/", "targets": "10.0.0.0/8, domain:corp.example",
            "enabled": True, "expires": 1801396800000, "comment": 'said "no", twice'})
        self.assertEqual((lines[1]["list"], lines[1]["enabled"]), ("approved", False))
        self.assertEqual(lines[2]["kind"], "keyword")

    def test_columns_in_any_order_and_missing_ones(self):
        _, lines = self.parse(b"\xef\xbb\xbfComment, Pattern\nc,x.example\n")
        self.assertEqual((lines[0]["comment"], lines[0]["pattern"]), ("c", "x.example"))

    def test_refused_records_do_not_stop_it(self):
        text = (b"list,kind,pattern,targets,expires\n"
                b"deny,site,a.example,,\n" b"block,folder,a.example,,\n"
                b"block,site,http://,,\n" b"block,site,a.example,nonsense:x,\n"
                b"block,site,a.example,,tomorrow\n" b"block,keyword,(?=x)y,,\n"
                b'block,site,"a.example\n' b"block,site,b.example,,\n")
        outcome, lines = self.parse(text)
        fields = [line["error"].get("field") for line in lines if "error" in line]
        self.assertEqual(fields[:6], ["list", "kind", "pattern", "targets", "expires", "pattern"])
        self.assertEqual([line["line"] for line in lines][:7], [2, 3, 4, 5, 6, 7, 8])
        self.assertEqual(outcome.answer["accepted"], 0)  # the open quotation took the last line

    def test_wrong_records(self):
        text = b'pattern,comment\na.example\nb.example,x,y\nc.exa"mple,\n"d.example"x,\ne.example,f\n'
        _, lines = self.parse(text)
        self.assertEqual(["ok" in line for line in lines], [False, False, False, False, True])
        self.assertEqual([line["line"] for line in lines], [2, 3, 4, 5, 6])

    def test_simple_list(self):
        outcome, lines = self.parse(b"# mine\n\nbad.example\nhttp://x.example/y\n",
                                    {"list": "approved"})
        self.assertEqual(outcome.answer["accepted"], 2)
        self.assertEqual([(line["line"], line["list"], line["pattern"]) for line in lines],
                         [(3, "approved", "bad.example"), (4, "approved", "http://x.example/y")])

    def test_header_faults(self):
        for text in (b"pattern,size\n", b"pattern,pattern\n"):
            self.assertEqual(self.parse(text)[0].error["code"], "syntax", text)

    def test_texts_that_are_none(self):
        for value in (b"\xff.example", b"a\x00b.example", b"a\x07.example"):
            _, lines = self.parse(b"pattern,comment\n" + value + b",\nx.example," + value + b"\n")
            self.assertEqual(["error" in line for line in lines], [True, True], value)

    def test_long_records(self):
        text = b"pattern\n" + b"a" * 70000 + b"\n" + b"b" * 9000 + b"\nok.example\n"
        _, lines = self.parse(text)
        self.assertEqual([line.get("error", {}).get("code") for line in lines],
                         ["limit", "limit", None])

    def test_empty_file(self):
        self.assertEqual(self.parse(b"")[0].answer["records"], 0)

    def test_many(self):
        count = 20000 if SANITIZED else 200000
        text = b"pattern\n" + b"".join(b"n%d.example/x\n" % i for i in range(count))
        outcome, lines = self.parse(text)
        self.assertEqual(outcome.answer["accepted"], count)
        self.assertEqual(lines[-1]["pattern"], f"n{count - 1}.example/x")

    def test_output_limit_is_an_error_not_a_crash(self):
        with memory_with(b"a.example\n" * 100000) as file, open("/dev/full", "wb") as output:
            outcome = run_job("import-parse", {}, [file.fileno(), output.fileno()])
        self.assertEqual(outcome.error["code"], "ENOSPC")


class Keywords(unittest.TestCase):
    def test_good_and_bad_expressions(self):
        self.assertTrue(run_job("check-keyword", {"expression": r"evil[0-9]+\.exe"}).answer["ok"])
        for expression in (r"(a)\1", "(?=x)y", "a{1000}", "(", "", "x" * 600, "é", "a*"):
            outcome = run_job("check-keyword", {"expression": expression})
            self.assertIn("error", outcome.answer, expression)
            self.assertTrue(outcome.error["text"])

    def test_hostile_expression_ends_in_time(self):
        start = time.monotonic()
        outcome = run_job("check-keyword", {"expression": "(.{1,250}a.{1,250}b.{1,250}){1,250}"})
        self.assertLess(time.monotonic() - start, 20)
        # The limit strikes as an answer, or as the end of the process, which the starter reports.
        self.assertTrue(outcome.code != 0 or "error" in outcome.answer)


class Sandbox(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "builds with a sanitizer have no memory limit")
    def test_memory_limit_is_set(self):
        started = Started("check-keyword", None)
        wait_for(lambda: "Seccomp:\t2" in self.status(started), what="the sandbox")
        limits = open(f"/proc/{started.process.pid}/limits", encoding="utf-8").read()
        space = re.search(r"Max address space +(\d+)", limits).group(1)
        self.assertLess(int(space), 1 << 29)
        self.assertRegex(limits, r"Max file size +0 ")
        self.assertRegex(limits, r"Max core file size +0 ")
        started.control.close()
        started.process.wait(10)

    def test_no_new_privileges_and_seccomp(self):
        for kind in ("check-keyword", "probe"):
            started = Started(kind, None)
            wait_for(lambda: "Seccomp:\t2" in self.status(started), what="the sandbox")
            self.assertIn("NoNewPrivs:\t1", self.status(started))
            started.control.close()
            started.process.wait(10)

    @staticmethod
    def status(started):
        with open(f"/proc/{started.process.pid}/status", encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    main()
