"""sekishod in the whole server: every verb, what it stores, and that it is in effect."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from harness import RpcError, Server, main, wait_for, wait_for_answer

SUITES = ("asan",)


def table():
    tool = harness.TOP / "tools" / "rpc-table"
    return json.loads(subprocess.check_output([sys.executable, str(tool), "--json"]))


def memory_file(data):
    fd = os.memfd_create("test")
    os.write(fd, data if isinstance(data, bytes) else data.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class Base(unittest.TestCase):
    arguments = ("--test-clock",)

    @classmethod
    def setUpClass(cls):
        cls.server = Server(arguments=cls.arguments).start()
        cls.addClassCleanup(cls.server.close)

    def rpc(self, method, params=None, descriptors=()):
        return self.server.rpc(method, params, descriptors)

    def restart(self, timeout=10):
        """kill -9, and back again."""
        old = self.server.kill("sekishod")
        self.server.wait_restarted("sekishod", old, timeout)

        def back():
            try:
                return self.rpc("status.get")
            except OSError:
                return None
        return wait_for(back, timeout, "RPC is back")

    def fails(self, code, method, params=None, descriptors=()):
        with self.assertRaises(RpcError) as caught:
            self.rpc(method, params, descriptors)
        self.assertEqual(caught.exception.data["code"], code, str(caught.exception))
        return caught.exception.data

    def job(self, answer, timeout=60):
        def ended():
            state = self.rpc("job.get", {"job": answer["job"]})
            return state if state["state"] != "running" else None
        return wait_for(ended, timeout, "the end of a job")

    def done(self, answer, timeout=60):
        state = self.job(answer, timeout)
        self.assertEqual(state["state"], "done", state)
        return state["result"]

    def url(self, url, **headers):
        answer = self.server.get("/v1/url", {"url": url}, headers=headers)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def source(self, url, **headers):
        return self.url(url, **headers)["source"]

    def import_rules(self, text, timeout=60, **params):
        fd = memory_file(text)
        try:
            return self.done(self.rpc("rule.import", params, [fd]), timeout)
        finally:
            os.close(fd)

    def export_rules(self):
        with tempfile.TemporaryFile() as file:
            written = self.rpc("rule.export", {}, [file.fileno()])["written"]
            file.seek(0)
            return written, file.read().decode()

    def build(self, lists, timeout=60, **params):
        """lists: {file name: (kind, text)}"""
        description = {"name": "test", "inputs": [
            {"path": name, "format": "auto", "source": "test", "kind": kind}
            for name, (kind, _) in lists.items()], "safety": {"benign": [], "allow_site": []}}
        fds = [memory_file(json.dumps(description))]
        fds += [memory_file(text) for _, text in lists.values()]
        try:
            return self.done(self.rpc("pattern.build", params, fds), timeout)
        finally:
            for fd in fds:
                os.close(fd)


class Matrix(Base):
    """Inputs of the wrong kind, from the table that the server checks them by."""

    def valid(self, item):
        kind = item["type"]
        if item["words"]:
            return [item["words"][0]] if kind == "texts" else item["words"][0]
        return {"bool": True, "integer": max(1, item["minimum"]), "text": "x" * max(1, item["minimum"]),
                "integers": [1], "texts": ["x"], "object": {}}[kind]

    def wrong(self, item):
        kind = item["type"]
        others = {"bool": True, "integer": 7, "text": "x", "integers": [1], "object": {}, "float": 1.5,
                  "null": None}
        same = {"choice": "text", "texts": "integers"}.get(kind, kind)
        values = [value for name, value in others.items() if name != same]
        if kind == "integer":
            values += [item["minimum"] - 1] if item["minimum"] > -2**62 else []
            values += [item["maximum"] + 1] if item["maximum"] < 2**62 else []
        elif kind == "text":
            values += ["x" * (item["maximum"] + 1)] + ([""] if item["minimum"] > 0 else [])
        elif kind == "choice":
            values += ["no such word", ""]
        elif kind == "integers":
            values += [[], [0], ["1"], [1] * (item["count"] + 1)]
        elif kind == "texts":
            values += [[], [1], ["x" * (item["maximum"] + 1)], ["x"] * (item["count"] + 1)]
        elif kind == "object":
            values += [{str(i): 1 for i in range(item["count"] + 1)}]
        return values

    def test_inputs(self):
        null = os.open("/dev/null", os.O_RDWR)
        self.addCleanup(os.close, null)
        tried = 0
        for verb in table():
            if verb["name"] == "hello":
                continue
            fds = [null] * verb["descriptors"][0]
            params = {i["name"]: self.valid(i) for i in verb["inputs"] if i["required"]}
            for item in verb["inputs"]:
                for value in self.wrong(item):
                    with self.subTest(verb=verb["name"], input=item["name"], value=str(value)[:60]):
                        data = self.fails("bad_input", verb["name"], {**params, item["name"]: value}, fds)
                        self.assertEqual(data["field"], item["name"])
                        tried += 1
                if item["required"]:
                    left = {name: value for name, value in params.items() if name != item["name"]}
                    self.assertEqual(self.fails("bad_input", verb["name"], left, fds)["field"], item["name"])
            data = self.fails("bad_input", verb["name"], {**params, "unknown": 1}, fds)
            self.assertEqual(data["field"], "unknown")
            self.assertEqual(
                self.fails("bad_input", verb["name"], params, fds + [null] * (verb["descriptors"][1] + 1 - len(fds)))
                ["field"], "descriptors") if verb["descriptors"][1] < 200 else None
        self.assertGreater(tried, 300)
        self.assertTrue(self.rpc("status.get")["queryd"]["connected"])

    def test_sockets(self):
        """Each socket takes its own verbs and no others."""
        for name in ("console", "agent"):
            client = self.server.rpc_client(name)
            self.addCleanup(client.close)
            for verb in table():
                if verb["name"] == "hello":
                    continue
                if name in verb["sockets"] and not verb["inputs"]:
                    client.call(verb["name"])
                elif name not in verb["sockets"]:
                    self.assertEqual(client.call_error(verb["name"]).data["code"], "not_permitted")

    def test_what_is_not_there(self):
        self.fails("not_found", "rule.get", {"id": 999999})
        self.fails("not_found", "rule.edit", {"id": 999999, "enabled": False})
        self.fails("not_found", "rule.remove", {"ids": [999999]})
        self.fails("not_found", "object.remove", {"ids": [999999]})
        self.fails("not_found", "job.get", {"job": 999999})
        self.fails("not_found", "job.cancel", {"job": 999999})
        self.fails("not_found", "pattern.activate", {"generation": 999999})
        self.fails("not_found", "rule.import_undo", {"batch": 999999})
        self.fails("not_found", "settings.get", {"names": ["no.such"]})
        self.fails("bad_input", "settings.set", {"values": {"no.such": 1}})
        for cursor in ("x", "-1", "0", "99999999999999999999"):
            for verb in ("rule.list", "object.list", "pattern.list", "log.blocked", "log.access", "log.service"):
                self.assertEqual(self.fails("bad_input", verb, {"cursor": cursor})["field"], "cursor")

    def test_broken_frames_hurt_nobody_else(self):
        path = self.server.path("run", "admin.sock")
        for data in (b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack(">I", 5) + b"hello", b"\0\0"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while connection.recv(65536):
                    pass
        self.rpc("status.brief")


class Rules(Base):
    def setUp(self):
        while items := self.rpc("rule.list", {"limit": 1000})["items"]:
            self.rpc("rule.remove", {"ids": [item["id"] for item in items]})

    def add(self, pattern, kind="site", list="blocked", **more):
        started = time.monotonic()
        answer = self.rpc("rule.add", {"list": list, "kind": kind, "pattern": pattern, **more})
        self.assertTrue(answer["active"], answer)
        self.assertLess(time.monotonic() - started, 1)
        return answer["id"]

    def test_in_effect_when_answered(self):
        for i in range(20):
            self.assertEqual(self.source(f"http://a{i}.rules.test/"), "none")
            rule = self.add(f"a{i}.rules.test")
            self.assertEqual(self.source(f"http://sub.a{i}.rules.test/x"), "user_blocked")
            self.rpc("rule.edit", {"id": rule, "list": "approved"})
            self.assertEqual(self.source(f"http://sub.a{i}.rules.test/x"), "user_approved")
            self.rpc("rule.edit", {"id": rule, "enabled": False})
            self.assertEqual(self.source(f"http://a{i}.rules.test/"), "none")
            self.rpc("rule.edit", {"id": rule, "enabled": True, "kind": "page"})
            self.assertEqual(self.source(f"http://a{i}.rules.test/"), "user_approved")
            self.assertEqual(self.source(f"http://a{i}.rules.test/x"), "none")
            self.rpc("rule.remove", {"ids": [rule]})
            self.assertEqual(self.source(f"http://a{i}.rules.test/"), "none")

    def test_what_is_stated_comes_back(self):
        stated = {"list": "approved", "kind": "site", "pattern": "http://Back.test/Folder/",
                  "targets": "10.0.0.0/8, 2001:db8::/32, domain:corp.example, computer:pc-1",
                  "enabled": False, "comment": "für später, \"so\"", "expires": 1900000000000}
        answer = self.rpc("rule.add", stated)
        self.assertEqual(answer["warnings"], ["target_by_name"])
        rule = self.rpc("rule.get", {"id": answer["id"]})
        for name, value in stated.items():
            self.assertEqual(rule[name], value)
        self.assertEqual([rule["hits"], rule["last_hit"], rule["problem"]], [0, None, None])
        self.fails("exists", "rule.add", stated)
        self.rpc("rule.edit", {"id": answer["id"], "targets": "", "comment": "", "expires": 0})
        rule = self.rpc("rule.get", {"id": answer["id"]})
        self.assertEqual([rule["targets"], rule["comment"], rule["expires"]], ["", "", None])

    def test_wrong_rules_are_explained(self):
        for params, field in (({"pattern": "mailto:a@b"}, "pattern"), ({"pattern": "http://"}, "pattern"),
                              ({"pattern": "a\u0001b"}, "pattern"), ({"targets": "10.0.0.0/33"}, "targets"),
                              ({"comment": "a\nb"}, "comment"),
                              ({"pattern": "(a", "kind": "keyword"}, "pattern"),
                              ({"pattern": "(a)\\1", "kind": "keyword"}, "pattern"),
                              ({"pattern": "(?=a)b", "kind": "keyword"}, "pattern"),
                              ({"pattern": "a{1000}", "kind": "keyword"}, "pattern")):
            base = {"list": "blocked", "kind": "site", "pattern": "fine.test"}
            data = self.fails("bad_input", "rule.add", {**base, **params})
            self.assertEqual(data["field"], field)
            self.assertTrue(data["text"])
        self.assertEqual(self.rpc("rule.list")["items"], [])

    def test_targets(self):
        self.add("targets.test", targets="computer:lab-7")
        self.assertEqual(self.source("http://targets.test/"), "none")
        self.assertEqual(self.source("http://targets.test/", **{"X-Client-Name": "LAB-7"}), "user_blocked")
        answer = self.rpc("lookup.url", {"url": "http://targets.test/", "client": {"computer": "lab-7"}})
        self.assertEqual(answer["source"], "user_blocked")
        self.assertEqual(self.rpc("lookup.url", {"url": "http://targets.test/"})["source"], "none")
        self.fails("bad_input", "lookup.url", {"url": "http://a.test/", "client": {"name": "x"}})
        self.fails("bad_input", "lookup.url", {"url": "http://a.test/", "client": {"address": "1.2.3"}})

    def test_filter_priority(self):
        self.add("both.test")
        self.add("both.test", list="approved")
        self.assertEqual(self.source("http://both.test/"), "user_blocked")
        self.assertTrue(self.rpc("settings.set", {"values": {"filter.approved_first": True}})["active"])
        self.assertEqual(self.source("http://both.test/"), "user_approved")
        self.rpc("settings.set", {"values": {"filter.approved_first": False}})

    def test_lists_page_and_search(self):
        for i in range(25):
            self.add(f"page{i:02}.test", comment="Büro" if i % 5 == 0 else "")
        found, cursor = [], None
        while True:
            page = self.rpc("rule.list", {"limit": 10, **({"cursor": cursor} if cursor else {})})
            found += [item["pattern"] for item in page["items"]]
            self.assertLessEqual(len(page["items"]), 10)
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(found, [f"page{i:02}.test" for i in reversed(range(25))])
        self.assertEqual(len(self.rpc("rule.list", {"search": "PAGE1"})["items"]), 10)
        self.assertEqual(len(self.rpc("rule.list", {"search": "Büro"})["items"]), 5)
        self.assertEqual(self.rpc("rule.list", {"list": "approved"})["items"], [])
        self.assertEqual(self.rpc("rule.list", {"enabled": False})["items"], [])

    def test_large_pages_fit_into_a_message(self):
        for i in range(200):
            self.add("http://large.test/" + "x" * 8000 + str(i))
        count, cursor = 0, None
        while True:
            page = self.rpc("rule.list", {"limit": 1000, **({"cursor": cursor} if cursor else {})})
            count += len(page["items"])
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(count, 200)

    def test_hits_are_counted(self):
        self.rpc("settings.set", {"values": {"event.counter_interval_ms": 50}})
        rule = self.add("hits.test")
        for _ in range(7):
            self.source("http://hits.test/")
        wait_for(lambda: self.rpc("rule.get", {"id": rule})["hits"] == 7, 10, "seven hits")
        self.assertIsNotNone(self.rpc("rule.get", {"id": rule})["last_hit"])
        wait_for(lambda: self.rpc("rule.list")["items"][0]["hits"] == 7, 10, "hits in the list")

    def test_expiry(self):
        now = int(time.time() * 1000)
        self.add("expired.test", expires=now - 1000)
        self.add("later.test", expires=now + 3600000)
        self.assertEqual(self.source("http://expired.test/"), "none")
        self.assertEqual(self.source("http://later.test/"), "user_blocked")
        # Both clocks go on: it expires. Back again for the other tests.
        self.rpc("test.advance", {"wall_ms": 3700000, "monotonic_ms": 3700000})
        wait_for_answer(self.server, "/v1/url", {"url": "http://later.test/"}, lambda a: a["source"] == "none")
        self.assertTrue(self.rpc("status.get")["clock"]["trusted"])

    def test_many_at_once(self):
        """Changes of several clients share generations, and none is lost."""
        errors = []

        def work(number):
            client = self.server.rpc_client()
            try:
                for i in range(30):
                    answer = client.call("rule.add", {"list": "blocked", "kind": "site",
                                                      "pattern": f"w{number}-{i}.many.test"})
                    if not answer["active"]:
                        errors.append(answer)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)
            finally:
                client.close()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        for n in range(6):
            self.assertEqual(self.source(f"http://w{n}-29.many.test/"), "user_blocked")
        self.assertEqual(self.rpc("status.get")["rules"]["count"], 180)


class Keywords(Base):
    def add(self, pattern, **more):
        return self.rpc("rule.add", {"list": "blocked", "kind": "keyword", "pattern": pattern, **more})

    def test_life_of_keywords(self):
        first = self.add("first.{0,5}word")
        self.assertTrue(first["active"])
        self.assertEqual(self.source("http://k.test/first-x-word"), "user_blocked")
        # Changes that are no keywords keep the compiled ones in effect.
        other = self.rpc("rule.add", {"list": "approved", "kind": "site", "pattern": "other.test"})
        self.assertTrue(other["active"])
        self.assertEqual(self.source("http://k.test/first-x-word"), "user_blocked")
        self.assertEqual(self.source("http://other.test/"), "user_approved")
        second = self.add("second(a|b)+$")
        self.assertEqual(self.source("http://k.test/secondabab"), "user_blocked")
        self.assertEqual(self.source("http://k.test/first-x-word"), "user_blocked")
        self.assertTrue(self.rpc("rule.edit", {"id": second["id"], "pattern": "third[0-9]"})["active"])
        self.assertEqual(self.source("http://k.test/secondabab"), "none")
        self.assertEqual(self.source("http://k.test/third5"), "user_blocked")
        self.assertTrue(self.rpc("rule.edit", {"id": second["id"], "kind": "site", "pattern": "third.test"})["active"])
        self.assertEqual(self.source("http://k.test/third5"), "none")
        self.assertEqual(self.source("http://third.test/"), "user_blocked")
        self.assertTrue(self.rpc("rule.remove", {"ids": [first["id"]]})["active"])
        self.assertEqual(self.source("http://k.test/first-x-word"), "none")
        self.assertEqual(self.rpc("status.get")["rules"]["keywords"], 0)

    def test_many_keywords_go_to_the_base(self):
        # More than the overlay keeps: a new base is compiled in the background.
        for i in range(80):
            self.assertTrue(self.add(f"base-keyword-{i}-[a-z]+")["active"], i)
        for i in (0, 40, 79):
            self.assertEqual(self.source(f"http://k.test/base-keyword-{i}-x"), "user_blocked", i)
        wait_for(lambda: list(self.server.path("policy").glob("base-*.keywords")), 20, "keywords of the base")
        for i in (0, 40, 79):
            self.assertEqual(self.source(f"http://k.test/base-keyword-{i}-x"), "user_blocked", i)
        self.restart()
        for i in (0, 40, 79):
            self.assertEqual(self.source(f"http://k.test/base-keyword-{i}-x"), "user_blocked", i)

    def test_hostile_keywords_delay_nobody(self):
        stop, errors = threading.Event(), []

        def hostile():
            client = self.server.rpc_client()
            while not stop.is_set():
                error = client.call_error("rule.add", {"list": "blocked", "kind": "keyword",
                                                       "pattern": "(.{1,255}x){1,255}(.{1,255}y){1,255}"})
                if error.data["code"] not in ("bad_input", "timeout"):
                    errors.append(error)
            client.close()
        thread = threading.Thread(target=hostile)
        thread.start()
        try:
            for i in range(10):
                started = time.monotonic()
                answer = self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": f"h{i}.test"})
                self.assertTrue(answer["active"])
                self.assertLess(time.monotonic() - started, 1)
                self.assertEqual(self.source(f"http://h{i}.test/"), "user_blocked")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(errors, [])


class Objects(Base):
    def test_objects(self):
        digest = "ab" * 32
        cases = [("ip", "203.0.113.0/24", "http://203.0.113.7/x"), ("domain", "Bad.Objects.test", "http://a.bad.objects.test/"),
                 ("url", "http://objects.test/a/*/b", "http://objects.test/a/zz/b")]
        for list_name, source in (("user", "suspicious_user_defined"), ("analyzer", "suspicious_virtual_analyzer")):
            for kind, value, url in cases:
                answer = self.rpc("object.add", {"list": list_name, "kind": kind, "value": value, "action": "block",
                                                 "cnc_level": 2, "comment": "c"})
                self.assertTrue(answer["active"])
                found = self.url(url)
                self.assertEqual([found["source"], found["action"], found["cnc"]["level"]], [source, "block", 2])
                self.fails("exists", "object.add", {"list": list_name, "kind": kind, "value": value, "action": "log"})
                self.assertEqual(self.rpc("object.remove", {"ids": [answer["id"]]})["removed"], 1)
                self.assertEqual(self.source(url), "none")
            answer = self.rpc("object.add", {"list": list_name, "kind": "sha256", "value": digest.upper(), "action": "block"})
            found = self.server.get("/tmcss/v1/file/" + digest).json
            self.assertEqual([found["verdict"], found["source"]], ["malicious", source])
            self.assertEqual(self.rpc("lookup.file", {"digest": digest})["source"], source)
            items = self.rpc("object.list", {"kind": "sha256", "search": "ABAB", "list": list_name})["items"]
            self.assertEqual([i["value"] for i in items], [digest])
            self.rpc("object.remove", {"ids": [answer["id"]]})
        for kind, value in (("ip", "1.2.3"), ("domain", "a b"), ("url", "http://*/"), ("sha1", "ab" * 32), ("sha256", "xy" * 32)):
            data = self.fails("bad_input", "object.add", {"list": "user", "kind": kind, "value": value, "action": "log"})
            self.assertEqual(data["field"], "value")


class Imports(Base):
    def test_export_is_import(self):
        self.rpc("rule.add", {"list": "approved", "kind": "page", "pattern": "http://e.test/a,\"b\"", "comment": "x, \"y\" #"})
        self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "e2.test", "targets": "10.0.0.0/8, computer:a",
                              "enabled": False, "expires": 1900000000000, "comment": "#c"})
        self.rpc("rule.add", {"list": "blocked", "kind": "keyword", "pattern": "e3,\"[a-z]+"})
        written, text = self.export_rules()
        before = self.rpc("rule.list")["items"]
        self.assertEqual(written, 3)
        result = self.import_rules(text, replace=True)
        self.assertEqual([result["added"], result["refused"], result["active"]], [3, 0, True])
        self.assertEqual(self.export_rules(), (written, text))
        after = self.rpc("rule.list")["items"]
        for old, new in zip(before, after):
            for name in ("list", "kind", "pattern", "targets", "enabled", "comment", "expires"):
                self.assertEqual(old[name], new[name])
        self.assertEqual(self.source("http://x.test/e3,%22abc"), "user_blocked")
        self.done(self.rpc("rule.import_undo", {"batch": result["undo"]}))
        self.assertEqual([i["id"] for i in self.rpc("rule.list")["items"]], [i["id"] for i in before])
        self.fails("conflict", "rule.import_undo", {"batch": result["undo"]})
        # A small one, which goes by the overlay; again and again nothing is added.
        self.rpc("rule.remove", {"ids": [i["id"] for i in before]})
        result = self.import_rules(text)
        self.assertEqual(result["added"], 3)
        self.assertEqual(self.source("http://x.test/e3,%22abc"), "user_blocked")
        again = self.import_rules(text)
        self.assertEqual([again["added"], again["duplicate"]], [0, 3])
        self.done(self.rpc("rule.import_undo", {"batch": result["undo"]}))
        self.assertEqual(self.rpc("rule.list")["items"], [])
        self.assertEqual(self.source("http://x.test/e3,%22abc"), "none")

    def test_refused_lines_are_named(self):
        result = self.import_rules("pattern,kind\ngood.import.test,site\nmailto:x,site\n(,keyword\nx.test,nonsense\n")
        self.assertEqual([result["added"], result["refused"]], [2, 2])
        self.assertEqual([e["line"] for e in result["first_errors"]], [3, 5])
        # What only the compiler can see: the rule is switched off, and says why.
        rule = wait_for(lambda: next((r for r in self.rpc("rule.list")["items"] if r["problem"]), None), 10, "a problem")
        self.assertEqual([rule["pattern"], rule["enabled"]], ["(", False])
        self.assertEqual(self.source("http://good.import.test/"), "user_blocked")
        self.rpc("rule.edit", {"id": rule["id"], "pattern": "fixed-[a-z]+", "enabled": True})
        self.assertIsNone(self.rpc("rule.get", {"id": rule["id"]})["problem"])
        self.assertEqual(self.source("http://x.test/fixed-y"), "user_blocked")
        state = self.job(self.rpc("rule.import", {}, [self.closing(memory_file("pattern,nonsense\na,b\n"))]))
        self.assertEqual([state["state"], state["error"]["code"]], ["failed", "bad_input"])
        state = self.job(self.rpc("rule.import", {"replace": True}, [self.closing(memory_file("pattern\n"))]))
        self.assertEqual(state["state"], "failed")

    def closing(self, fd):
        self.addCleanup(os.close, fd)
        return fd

    def test_hundred_thousand(self):
        text = "list,pattern\n" + "".join(f"block,h{i}.big.test\n" for i in range(100000))
        started = time.monotonic()
        result = self.import_rules(text, timeout=120)
        print(f"100,000 rules imported in {time.monotonic() - started:.2f} s", file=sys.stderr)
        self.assertEqual([result["added"], result["active"]], [100000, True])
        for i in (0, 50000, 99999):
            self.assertEqual(self.source(f"http://a.h{i}.big.test/"), "user_blocked")
        self.assertGreaterEqual(self.rpc("status.get")["rules"]["count"], 100000)
        # Single changes among them are in effect within a second.
        times = []
        for i in range(20):
            started = time.monotonic()
            answer = self.rpc("rule.add", {"list": "approved", "kind": "site", "pattern": f"h{i}.big.test"})
            self.assertTrue(answer["active"])
            times.append(time.monotonic() - started)
            self.rpc("settings.set", {"values": {"filter.approved_first": True}})
            self.assertEqual(self.source(f"http://h{i}.big.test/"), "user_approved")
            self.rpc("settings.set", {"values": {"filter.approved_first": False}})
        print(f"rule.add among them: at most {max(times) * 1000:.0f} ms", file=sys.stderr)
        self.assertLess(max(times), 1)
        page = self.rpc("rule.list", {"search": "H77777.big"})
        while not page["items"]:
            page = self.rpc("rule.list", {"search": "H77777.big", "cursor": page["next"]})
        rule = page["items"][0]["id"]
        self.rpc("rule.remove", {"ids": [rule]})
        self.assertEqual(self.source("http://h77777.big.test/"), "none")
        # Undone while everything else stays.
        undone = self.done(self.rpc("rule.import_undo", {"batch": result["undo"]}), 60)
        self.assertEqual(undone["removed"], 99999)
        self.assertEqual(self.source("http://h99999.big.test/"), "none")
        self.assertEqual(self.source("http://h0.big.test/"), "user_approved")

    def test_a_cancelled_import_adds_nothing(self):
        count = self.rpc("status.get")["rules"]["count"]
        fd = self.closing(memory_file("pattern\n" + "".join(f"c{i}.cancel.test\n" for i in range(100000))))
        job = self.rpc("rule.import", {}, [fd])
        self.fails("busy", "rule.import", {}, [fd])
        wait_for(lambda: self.rpc("job.get", job)["step"] == "store", 20, "rows are being stored")
        self.rpc("job.cancel", job)
        self.assertEqual(self.job(job)["state"], "cancelled")
        self.assertEqual(self.rpc("status.get")["rules"]["count"], count)
        self.assertEqual(self.rpc("rule.list", {"search": "cancel.test"})["items"], [])
        self.fails("not_found", "job.cancel", job)

    def test_killed_during_an_import(self):
        text = "pattern\n" + "".join(f"k{i}.killed.test\n" for i in range(50000))
        count = self.rpc("status.get")["rules"]["count"]
        fd = self.closing(memory_file(text))
        job = self.rpc("rule.import", {}, [fd])
        wait_for(lambda: self.rpc("job.get", {"job": job["job"]})["step"] == "store", 20, "rows are being stored")
        self.assertEqual(self.restart()["rules"]["count"], count)
        self.assertEqual(self.source("http://k0.killed.test/"), "none")
        state = self.rpc("job.get", {"job": job["job"]})
        self.assertEqual([state["state"], state["error"]["code"]], ["failed", "unavailable"])


class Durability(Base):
    def test_nothing_acknowledged_is_lost(self):
        """kill -9 at any moment between and during changes."""
        known = {}
        for round_number in range(4):
            stop = threading.Event()
            acknowledged = []

            def work():
                client = self.server.rpc_client()
                i = 0
                try:
                    while not stop.is_set():
                        name = f"r{round_number}-{i}.durable.test"
                        answer = client.call("rule.add", {"list": "blocked", "kind": "site", "pattern": name})
                        acknowledged.append((answer["id"], name))
                        i += 1
                except (OSError, ConnectionError):
                    pass
                finally:
                    client.close()
            thread = threading.Thread(target=work)
            thread.start()
            wait_for(lambda: len(acknowledged) > 3 + round_number * 5, 10, "some rules")
            old = self.server.kill("sekishod")
            started = time.monotonic()
            self.assertEqual(self.url("http://example.org/")["source"], "none")  # queries are not affected
            stop.set()
            thread.join()
            self.server.wait_restarted("sekishod", old)

            def back():
                try:
                    return self.server.rpc("status.get")
                except OSError:
                    return None
            wait_for(back, 10, "RPC is back")
            if round_number == 0:
                self.assertLess(time.monotonic() - started, 2)
            known.update(acknowledged)
            for rule, name in acknowledged:
                self.assertEqual(self.rpc("rule.get", {"id": rule})["pattern"], name)
                self.assertEqual(self.source(f"http://{name}/"), "user_blocked")
        for rule, name in known.items():
            self.assertEqual(self.rpc("rule.get", {"id": rule})["pattern"], name)

    def test_query_server_gets_it_again(self):
        self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "again.test"})
        old = self.server.kill("sekisho-queryd")
        self.server.wait_restarted("sekisho-queryd", old)

        def asked():
            try:
                return self.source("http://again.test/") == "user_blocked"
            except OSError:
                return False
        wait_for(asked, 10, "the rule is in effect in the new query server")

    def test_inactive_while_the_query_server_hangs(self):
        import signal
        pid = self.server.pid("sekisho-queryd")
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            answer = self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "hang.test"})
            self.assertFalse(answer["active"])
            self.assertLess(time.monotonic() - started, 4)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for_answer(self.server, "/v1/url", {"url": "http://hang.test/"}, lambda a: a["source"] == "user_blocked", 10)


class Patterns(Base):
    def active(self, kind="web"):
        return self.rpc("status.get")["patterns"][kind]

    def test_build_activate_rollback(self):
        first = self.active()["generation"]
        one = self.build({"a.txt": ("bad", "http://one.pattern.test/\n" + "d" * 64 + "\n")}, activate=True, version="one")
        self.assertEqual(self.active()["version"], "one")
        self.assertEqual(self.url("http://one.pattern.test/")["pattern"], "one")
        self.assertEqual(self.source("http://one.pattern.test/"), "pattern")
        self.assertIn("report", one)
        two = self.build({"a.txt": ("bad", "http://two.pattern.test/\n")}, version="two")
        self.assertEqual(self.source("http://two.pattern.test/"), "none")
        answer = self.rpc("pattern.activate", {"generation": two["generations"]["web"]})
        self.assertTrue(answer["active"])
        self.assertEqual([self.source("http://one.pattern.test/"), self.source("http://two.pattern.test/")], ["none", "pattern"])
        started = time.monotonic()
        self.assertTrue(self.rpc("pattern.rollback", {"kind": "web"})["active"])
        self.assertLess(time.monotonic() - started, 1)
        self.assertEqual([self.source("http://one.pattern.test/"), self.source("http://two.pattern.test/")], ["pattern", "none"])
        self.assertEqual(self.active()["version"], "one")
        self.restart()
        wait_for(lambda: self.active()["version"] == "one", 10, "the same pattern after a crash")
        self.assertTrue(first)

    def test_only_the_last_are_kept(self):
        for i in range(6):
            self.build({"a.txt": ("bad", f"http://keep{i}.test/\n")}, activate=True, version=f"keep{i}")
        kept = [i for i in self.rpc("pattern.list", {"kind": "web"})["items"]]
        self.assertEqual([i["version"] for i in kept if i["activated"]], ["keep5", "keep4", "keep3"])
        self.assertEqual([i["active"] for i in kept if i["activated"]], [True, False, False])
        files = {p.name for p in self.server.path("patterns", "web").iterdir()}
        self.assertEqual(files, {f"{i['generation']}.pattern" for i in kept})
        self.assertEqual([p for p in self.server.path("patterns").iterdir() if p.name.startswith("build-")], [])

    def test_a_bad_description(self):
        fd = memory_file("{")
        self.addCleanup(os.close, fd)
        state = self.job(self.rpc("pattern.build", {}, [fd]))
        self.assertEqual([state["state"], state["error"]["code"]], ["failed", "bad_input"])

    def test_damaged_patterns_are_refused(self):
        before = self.active()
        generation = self.build({"a.txt": ("bad", "http://damage.test/\n")}, version="damage")["generations"]["web"]
        data = bytearray(self.server.path("patterns", "web", f"{generation}.pattern").read_bytes())
        for change in ("truncate", "flip", "empty", "text"):
            damaged = bytearray(data)
            if change == "truncate":
                damaged = damaged[:-100]
            elif change == "flip":
                damaged[len(damaged) // 2] ^= 4
            elif change == "empty":
                damaged = b""
            else:
                damaged = b"http://a.test/\n" * 100
            fd = memory_file(bytes(damaged))
            state = self.job(self.rpc("pattern.import", {"activate": True}, [fd]))
            os.close(fd)
            self.assertEqual([state["state"], state["error"]["code"]], ["failed", "bad_input"], change)
            self.assertEqual(self.active(), before)
        # One that is damaged after it was taken in: its activation fails, and says why.
        path = self.server.path("patterns", "web", f"{generation}.pattern")
        damaged = bytearray(data)
        damaged[len(damaged) // 2] ^= 4
        path.write_bytes(damaged)
        self.fails("conflict", "pattern.activate", {"generation": generation})
        self.assertEqual(self.active(), before)
        item = next(i for i in self.rpc("pattern.list")["items"] if i["generation"] == generation)
        self.assertTrue(item["error"])
        self.assertEqual(self.source("http://damage.test/"), "none")
        path.write_bytes(data)
        self.assertTrue(self.rpc("pattern.activate", {"generation": generation})["active"])
        self.assertEqual(self.source("http://damage.test/"), "pattern")

    def test_import_of_packed_files(self):
        import gzip
        import lzma
        generation = self.build({"a.txt": ("bad", "http://packed.test/\n")}, version="packed")["generations"]["web"]
        data = self.server.path("patterns", "web", f"{generation}.pattern").read_bytes()
        for packed in (data, gzip.compress(data), lzma.compress(data)):
            fd = memory_file(packed)
            result = self.done(self.rpc("pattern.import", {"activate": True}, [fd]))
            os.close(fd)
            self.assertEqual([result["kind"], result["version"]], ["web", "packed"])
            self.assertEqual(self.active()["generation"], result["generation"])
        self.assertEqual(self.source("http://packed.test/"), "pattern")

    def test_a_damaged_active_pattern_at_start(self):
        self.build({"a.txt": ("bad", "http://old.start.test/\n")}, activate=True, version="old")
        self.build({"a.txt": ("bad", "http://new.start.test/\n")}, activate=True, version="new")
        path = self.server.path("patterns", "web", f"{self.active()['generation']}.pattern")
        data = bytearray(path.read_bytes())
        data[-50] ^= 1
        path.write_bytes(data)
        self.restart()
        wait_for(lambda: self.active()["version"] == "old", 10, "the pattern before")
        self.assertEqual(self.source("http://old.start.test/"), "pattern")


class Settings(Base):
    def test_settings(self):
        settings = self.rpc("settings.get")["settings"]
        self.assertEqual(settings["query.block_below"], {"value": 66, "default": 66, "type": "number", "choices": [51, 66, 81]})
        self.assertEqual(settings["ports.wrs_http"]["value"], self.server.port("wrs_http"))
        for name, value in (("query.block_below", 60), ("query.ttl_listed", 0), ("service.web", 1),
                            ("query.allow_from", "10.0.0.0/8"), ("query.allow_from", ["10.0.0.0/99"]),
                            ("query.allow_from", ["10.0.0.1"] * 129), ("log.batch_ms", 9), ("ports.wrs_http", 65536)):
            data = self.fails("bad_input", "settings.set", {"values": {"query.ttl_unlisted": 5, name: value}})
            self.assertEqual(data["field"], name)
        self.assertEqual(self.rpc("settings.get")["settings"], settings)
        self.assertTrue(self.rpc("settings.set", {"values": {"query.ttl_unlisted": 5}})["active"])
        self.assertEqual(self.url("http://ttl.test/")["ttl"], 5)
        self.restart()
        self.assertEqual(self.rpc("settings.get", {"names": ["query.ttl_unlisted"]})["settings"]["query.ttl_unlisted"]["value"], 5)

    def test_services_go_off_and_on(self):
        self.assertTrue(self.rpc("settings.set", {"values": {"service.web": False}})["active"])
        self.assertEqual(self.server.get("/v1/health").status, 503)
        self.assertEqual(self.server.get("/tmcss/v1/health").status, 200)
        status = self.rpc("service.check")
        self.assertEqual([status["web"]["on"], status["web"]["healthy"], status["files"]["healthy"]], [False, False, True])
        self.assertTrue(self.rpc("settings.set", {"values": {"service.web": True}})["active"])
        self.assertEqual(self.server.get("/v1/health").status, 200)
        self.assertTrue(self.rpc("service.check")["web"]["healthy"])
        wait_for(lambda: [i["description"] for i in self.rpc("log.service", {"service": "web"})["items"]][:2] ==
                 ["The service answers.", "The service is switched off."], 10, "both in the log")

    def test_who_may_ask(self):
        self.assertTrue(self.rpc("settings.set", {"values": {"query.allow_from": ["192.0.2.0/24"]}})["active"])
        self.assertEqual(self.server.get("/v1/health").status, 403)
        self.assertTrue(self.rpc("service.check")["web"]["healthy"])
        self.rpc("settings.set", {"values": {"query.allow_from": ["127.0.0.1-127.0.0.9", "::1"]}})
        self.assertEqual(self.server.get("/v1/health").status, 200)

    def test_other_ports(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.assertTrue(self.rpc("settings.set", {"values": {"ports.wrs_http": port}})["active"])
        self.assertEqual(self.server.port("wrs_http"), port)
        self.assertEqual(self.server.get("/v1/health").status, 200)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            data = self.fails("conflict", "settings.set", {"values": {"ports.frs_http": taken.getsockname()[1]}})
            self.assertEqual(data["field"], "ports.frs_http")
        self.assertEqual(self.server.get("/tmcss/v1/health").status, 200)


class Logs(Base):
    def setUp(self):
        self.rpc("settings.set", {"values": {"log.access": True, "event.interval_ms": 20, "log.batch_ms": 20,
                                             "event.counter_interval_ms": 50}})

    def entries(self, verb, count, **params):
        return wait_for(lambda: (lambda items: items if len(items) >= count else None)(
            self.rpc(verb, {"limit": 1000, **params})["items"]), 10, f"{count} entries of {verb}")

    def test_columns(self):
        self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "columns.test"})
        headers = {"X-Client-GUID": "c-guid", "X-Server-GUID": "s-guid", "X-Client-Name": "pc", "X-Client-Domain": "dom",
                   "X-Product-Entity": "prod"}
        before = int(time.time() * 1000)
        self.url("http://columns.test/a?b", **headers)
        item = self.entries("log.blocked", 1, keyword="columns")[0]
        self.assertEqual({name: item[name] for name in ("url", "source", "cnc_level", "score", "client_guid", "server_guid",
                                                        "client_address", "computer", "domain", "product")},
                         {"url": "http://columns.test/a?b", "source": "user_blocked", "cnc_level": 0, "score": 49,
                          "client_guid": "c-guid", "server_guid": "s-guid", "client_address": "127.0.0.1", "computer": "pc",
                          "domain": "dom", "product": "prod"})
        # A worker reads the clock once per turn of its loop, which may have begun before the request came.
        self.assertGreaterEqual(item["time"], before - 1000)
        item = self.entries("log.access", 1, keyword="columns")[0]
        self.assertEqual([item["action"], item["categories"]], ["block", []])

    def test_pages_and_filters(self):
        self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "filter.test"})
        for i in range(30):
            self.url(f"http://filter.test/{i}")
        self.url("http://phish.example/filter.test")
        self.entries("log.blocked", 30, keyword="http://filter.test/")
        seen, cursor = [], None
        while True:
            page = self.rpc("log.blocked", {"limit": 7, "keyword": "HTTP://FILTER.test/", **({"cursor": cursor} if cursor else {})})
            seen += [i["url"] for i in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(sorted(seen), sorted(f"http://filter.test/{i}" for i in range(30)))
        times = [i["time"] for i in self.rpc("log.blocked", {"limit": 1000})["items"]]
        self.assertEqual(times, sorted(times, reverse=True))
        for params, count in (({"sources": ["user_blocked"]}, 30), ({"sources": ["pattern"]}, 0),
                              ({"sources": ["pattern", "user_blocked"]}, 30), ({"from": 0, "to": 1}, 0),
                              ({"from": int(time.time() * 1000) + 60000}, 0)):
            items = self.rpc("log.blocked", {"keyword": "http://filter.test/", "limit": 1000, **params})["items"]
            self.assertEqual(len(items), count, params)

    def test_counters(self):
        now = int(time.time() * 1000)
        range_of = {"from": now - 600000, "to": now + 600000}
        before = self.rpc("counters.totals", {"service": "web", **range_of})["queries"]
        for _ in range(5):
            self.url("http://counted.test/")
        totals = wait_for(lambda: (lambda t: t if t["queries"] >= before + 5 else None)(
            self.rpc("counters.totals", {"service": "web", **range_of})), 10, "five queries counted")
        self.assertEqual(totals["clients"], 1)
        clients = self.rpc("counters.clients", {"service": "web", "order": "queries", **range_of})["items"]
        self.assertEqual(clients[0]["address"], "127.0.0.1")
        self.assertGreaterEqual(clients[0]["queries"], 5)
        wait_for(lambda: any(i["url"] == "http://counted.test/" for i in self.rpc("counters.top_urls")["items"]), 10, "a top URL")
        self.assertEqual(self.rpc("counters.totals", {"service": "web", "from": 0, "to": 1})["queries"], 0)

    def test_a_killed_server_loses_at_most_a_second(self):
        self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "second.test"})
        for i in range(10):
            self.url(f"http://second.test/{i}")
        time.sleep(1)
        old = self.server.kill("sekishod")
        for i in range(10, 20):
            self.url(f"http://second.test/{i}")
        self.server.wait_restarted("sekishod", old)
        self.server.rpc_connection.close()
        self.server.rpc_connection = None
        items = self.entries("log.blocked", 20, keyword="second.test")
        self.assertEqual(len(items), 20)

    def test_old_days_are_purged(self):
        folder = self.server.path("data", "logs")
        wait_for(lambda: list(folder.glob("service-*.db")), 10, "a log of today")
        uid = os.stat(folder)
        for name in ("blocked-2001-01-01.db", "access-2001-01-01.db", "service-2001-01-01.db"):
            (folder / name).write_bytes(b"")
            os.chown(folder / name, uid.st_uid, uid.st_gid)
        self.rpc("settings.set", {"values": {"log.keep_days.blocked": 90}})
        wait_for(lambda: not list(folder.glob("*-2001-*")), 10, "old files are gone")
        self.assertTrue(list(folder.glob("service-*.db")))


class Clock(Base):
    def test_a_jump_stops_expiry(self):
        now = int(time.time() * 1000)
        for i in range(2):
            self.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": f"clock{i}.test", "expires": now + 7200000})
        folder = self.server.path("data", "logs")
        wait_for(lambda: list(folder.glob("*.db")), 10, "a log of today")
        self.rpc("test.advance", {"wall_ms": 400 * 86400000})
        status = self.rpc("status.get")
        self.assertFalse(status["clock"]["trusted"])
        self.assertAlmostEqual(status["clock"]["offset"], 400 * 86400000, delta=60000)
        self.assertEqual(self.source("http://clock0.test/"), "user_blocked")
        self.assertEqual(self.rpc("lookup.url", {"url": "http://clock0.test/"})["source"], "user_blocked")
        self.assertTrue(list(folder.glob("*.db")))
        self.rpc("test.advance", {"wall_ms": -400 * 86400000})
        self.assertTrue(self.rpc("status.get")["clock"]["trusted"])
        self.rpc("test.advance", {"wall_ms": 86400000})
        self.assertFalse(self.rpc("status.get")["clock"]["trusted"])
        self.assertTrue(self.rpc("clock.confirm")["active"])
        self.assertTrue(self.rpc("status.get")["clock"]["trusted"])
        self.assertEqual(self.source("http://clock0.test/"), "none")
        self.assertEqual(self.rpc("lookup.url", {"url": "http://clock0.test/"})["source"], "none")


class NoTestClock(Base):
    arguments = ()

    def test_clocks_stay(self):
        self.fails("not_permitted", "test.advance", {"wall_ms": 1})


class Health(Base):
    def test_check(self):
        self.rpc("settings.set", {"values": {"check.interval_ms": 100, "check.report_ms": 1000}})
        wait_for(lambda: self.rpc("status.brief")["web"]["healthy"], 10, "a healthy service")
        wait_for(lambda: len(self.rpc("log.service", {"service": "web"})["items"]) >= 3, 10, "reports come again")
        pid = self.server.pid("sekisho-queryd")
        import signal
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: not self.rpc("status.brief")["web"]["healthy"], 20, "it is noticed")
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: self.rpc("status.brief")["web"]["healthy"], 20, "it is healthy again")
        results = wait_for(lambda: (lambda r: r if "failure" in r else None)(
            [i["result"] for i in self.rpc("log.service", {"service": "web"})["items"]]), 10, "the failure is in the log")
        self.assertEqual(results[-1], "success")


class DiskFull(unittest.TestCase):
    """The data folder on a small file system of its own."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        self.folder = harness.temporary_folder()
        self.addCleanup(__import__("shutil").rmtree, self.folder, True)
        self.mount = self.folder / "state"
        self.mount.mkdir(mode=0o755)
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "sekisho-test", str(self.mount)],
                                capture_output=True)
        if result.returncode != 0:
            self.skipTest("this system does not let mount")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.mount)])
        programs = self.folder / "programs"
        harness.copy_programs(harness.BUILD, programs)
        self.server = Server(state=self.mount, programs=programs).start()
        self.addCleanup(self.server.close)

    def fill(self):
        with open(self.mount / "filler", "ab") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            except OSError:
                pass
        with open(self.mount / "filler", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass

    def test_queries_go_on_and_nothing_is_damaged(self):
        server = self.server
        server.rpc("settings.set", {"values": {"log.batch_ms": 20, "event.interval_ms": 20}})
        kept = server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "kept.test"})["id"]
        self.fill()
        codes = set()
        for i in range(200):
            try:
                server.rpc("rule.add", {"list": "blocked", "kind": "page", "pattern": f"http://full.test/{i}" + "x" * 3000})
            except RpcError as error:
                codes.add(error.data["code"])
        self.assertEqual(codes, {"storage"})
        for i in range(50):
            self.assertEqual(server.get("/v1/url", {"url": f"http://kept.test/{i}"}).json["source"], "user_blocked")
        wait_for(lambda: server.rpc("status.get")["storage"]["error"], 10, "the log says that it cannot write")
        (self.mount / "filler").unlink()
        wait_for(lambda: server.rpc("status.get")["storage"]["error"] is None, 20, "the log goes on")
        count = len(server.rpc("rule.list", {"limit": 1000})["items"])
        self.assertTrue(server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "after.test"})["active"])
        items = wait_for(lambda: (lambda i: i if len(i) >= 50 else None)(
            server.rpc("log.blocked", {"keyword": "kept.test", "limit": 1000})["items"]), 10, "no entry was lost")
        self.assertEqual(len(items), 50)
        old = server.kill("sekishod")
        server.wait_restarted("sekishod", old)
        server.rpc_connection.close()
        server.rpc_connection = None
        self.assertEqual(server.rpc("rule.get", {"id": kept})["pattern"], "kept.test")
        self.assertEqual(len(server.rpc("rule.list", {"limit": 1000})["items"]), count + 1)
        check = subprocess.run([sys.executable, "-c", "import sqlite3,sys;print(sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True)"
                                ".execute('pragma integrity_check').fetchone()[0])", str(server.path("data", "config.db"))],
                               capture_output=True, text=True)
        self.assertEqual(check.stdout.strip(), "ok", check.stderr)


if __name__ == "__main__":
    main()
