"""The whole server: changes, crashes, patterns and swaps under load, logs (issue "the reputation engine")."""

import http.client
import json
import os
import shutil
import time
import unittest
import urllib.parse

from background import Background
from checked_server import CheckedServer
from harness import TOP, RpcError, main, run_program, temporary_folder, wait_for

SUITES = ("asan", "tsan")
EICAR = ("44d88612fea8a8f36de82e1278abb02f", "3395856ce81f2b7382dee72602f798b642f14140",
         "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f")


def find_lists():
    """The folder of real lists (SEKISHO_DATA, or beside the sources), or None."""
    for place in (os.environ.get("SEKISHO_DATA"), TOP / "../shared/data", TOP / "../../shared/data"):
        if place and os.path.isdir(os.path.join(place, "bad")):
            return os.path.realpath(place)
    return None


def build_pattern(case, version, score=30, count=200, extra=()):
    """A small web pattern file in a folder of its own: h0.system.example … at /bad."""
    folder = temporary_folder("sekisho-system-")
    case.addCleanup(shutil.rmtree, folder)
    urls = [f"http://h{i}.system.example/bad" for i in range(count)] + list(extra)
    (folder / "urls.txt").write_text("".join(url + "\n" for url in urls))
    (folder / "description.json").write_text(json.dumps({
        "name": "system test", "version": version,
        "inputs": [{"path": "urls.txt", "format": "urls", "source": "system", "kind": "bad", "score": score,
                    "categories": ["malware"]}]}))
    run = run_program("sekisho-pattern", "build", folder / "description.json", "--out", folder / "out")
    case.assertEqual(run.returncode, 0, run.stderr)
    return folder / "out" / "web.pattern"


def run_job(server, job, timeout=120):
    """Waits for a job of the server and returns what job.get says at its end."""
    def ended():
        state = server.rpc("job.get", {"job": job})
        return state if state["state"] != "running" else None
    return wait_for(ended, timeout, f"job {job} ends")


def import_pattern(server, path, activate=True):
    with open(path, "rb") as file:
        job = server.rpc("pattern.import", {"activate": activate}, [file.fileno()])["job"]
    return run_job(server, job)


class System(unittest.TestCase):
    def start(self, **options):
        server = CheckedServer(**options).start()
        self.addCleanup(server.close)
        return server

    def lookup(self, server, url):
        answer = server.get("/v1/url", {"url": url})
        self.assertEqual(answer.status, 200)
        return answer.json

    # ---- start ----

    def test_default_answers(self):
        server = self.start()
        status = server.rpc("status.get")
        self.assertIsNotNone(status["patterns"]["web"])
        self.assertIsNotNone(status["patterns"]["files"])
        for digest in EICAR:
            answer = server.get(f"/tmcss/v1/file/{digest}").json
            self.assertEqual((answer["verdict"], answer["action"], answer["source"]), ("malicious", "block", "pattern"))
        answer = self.lookup(server, "http://unknown.system.example/")
        self.assertEqual((answer["score"], answer["rating"], answer["action"], answer["source"]),
                         (71, "unrated", "allow", "none"))
        self.assertEqual(answer["pattern"], status["patterns"]["web"]["version"])
        for tls in (False, True):
            self.assertEqual(server.get("/v1/health", tls=tls).json["service"], "web")
            self.assertEqual(server.get("/tmcss/v1/health", tls=tls).json["service"], "file")
        answer = server.get("/tmcss/?LCRC=" + "00" * 20)
        self.assertEqual((answer.status, answer.body), (200, bytes(20)))
        self.assertGreater(server.checked, 8)

    def test_default_has_each_rating(self):
        server = self.start()
        ratings = set()
        for path in sorted((TOP / "conf" / "default-feed").glob("*.txt")):
            for line in path.read_text().splitlines():
                if line and not line.startswith("#"):
                    url = line.split()[0]
                    if not all(digit in "0123456789abcdef" for digit in url):
                        ratings.add(self.lookup(server, url)["rating"])
        self.assertLessEqual({"dangerous", "highly_suspicious", "suspicious", "safe"}, ratings)

    # ---- changes ----

    def ask_everywhere(self, server, url, connections=32):
        """The sources that answer on many connections at once, so that every worker is asked."""
        port, opened, sources = server.port("wrs_http"), [], []
        for _ in range(connections):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/v1/url?" + urllib.parse.urlencode({"url": url}))
            opened.append(connection)
        for connection in opened:
            sources.append(json.loads(connection.getresponse().read())["source"])
            connection.close()
        return sources

    def test_change_on_every_worker(self):
        server = self.start(workers=4)
        for number in range(10):
            url = f"http://change{number}.system.example/"
            self.assertEqual(set(self.ask_everywhere(server, url)), {"none"})
            started = time.monotonic()
            added = server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": url})
            self.assertTrue(added["active"])
            self.assertEqual(set(self.ask_everywhere(server, url)), {"user_blocked"})
            self.assertLess(time.monotonic() - started, 1.0)
            self.assertEqual(set(server.get("/v1/health").json["generation"]), {added["generation"]})
            removed = server.rpc("rule.remove", {"ids": [added["id"]]})
            self.assertTrue(removed["active"])
            self.assertEqual(set(self.ask_everywhere(server, url)), {"none"})

    def test_service_off_and_on(self):
        server = self.start()
        server.rpc("settings.set", {"values": {"service.web": False}})
        self.assertEqual(server.get("/v1/url", {"url": "http://a.example/"}).status, 503)
        self.assertEqual(server.get("/v1/health").status, 503)
        self.assertEqual(server.get("/tmcss/v1/health").status, 200)
        server.rpc("settings.set", {"values": {"service.web": True}})
        self.assertEqual(server.get("/v1/url", {"url": "http://a.example/"}).status, 200)

    # ---- crashes ----

    def known(self, server):
        """Rules with known answers, and the check of answers to them."""
        ids = [server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": f"k{i}.system.example"})["id"]
               for i in range(5)]
        questions = [("/v1/url", {"url": f"http://k{i}.system.example/x"}) for i in range(5)]
        questions += [("/v1/url", {"url": f"http://n{i}.system.example/x"}) for i in range(5)]

        def check(question, answer):
            expected = "user_blocked" if "//k" in question[1]["url"] else "none"
            return None if answer["source"] == expected else f"{answer['source']}, not {expected}"
        return ids, questions, check

    def test_sekishod_dies(self):
        server = self.start()
        ids, questions, check = self.known(server)
        with Background(server, check, questions) as load:
            for _ in range(2):  # a third time in a row would wait longer, on purpose
                acknowledged = server.rpc("rule.add", {"list": "approved", "kind": "page",
                                                       "pattern": f"http://p{len(ids)}.system.example/p"})["id"]
                ids.append(acknowledged)
                started = time.monotonic()
                pid = server.kill("sekishod")
                load.wait_answers(100)
                server.wait_restarted("sekishod", pid)
                listed = wait_for(lambda: self.try_list(server), 5, "sekishod answers")
                self.assertLess(time.monotonic() - started, 2.0)
                self.assertLessEqual(set(ids), {rule["id"] for rule in listed})
                added = server.rpc("rule.add", {"list": "blocked", "kind": "site",
                                                "pattern": f"again{len(ids)}.system.example"})
                self.assertTrue(added["active"])
                ids.append(added["id"])
        load.result(self)
        self.assertEqual(load.broken, 0)

    @staticmethod
    def try_list(server):
        try:
            return server.rpc("rule.list", {"limit": 1000})["items"]
        except (OSError, ValueError):
            return None

    def test_queryd_dies(self):
        server = self.start()
        _, questions, check = self.known(server)
        with Background(server, check, questions, allow_broken=True) as load:
            for _ in range(2):
                started = time.monotonic()
                pid = server.kill("sekisho-queryd")
                server.wait_restarted("sekisho-queryd", pid)
                load.wait_answers(100)
                self.assertLess(time.monotonic() - started, 2.0)
                added = server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "after.system.example"})
                wait_for(lambda: self.lookup(server, "http://after.system.example/")["source"] == "user_blocked", 2)
                server.rpc("rule.remove", {"ids": [added["id"]]})
        load.result(self)
        self.assertGreater(load.broken, 0)

    def test_keeper_dies(self):
        """The process that watches, and the one that watches over it; neither ends a connection."""
        server = self.start()
        ids, questions, check = self.known(server)
        with Background(server, check, questions) as load:
            for name in ("sekisho-keeper", "guardian"):
                pid = server.kill(name)
                started = time.monotonic()
                server.wait_restarted(name, pid)
                self.assertLessEqual(set(ids), {rule["id"] for rule in self.try_list(server)})
                load.wait_answers(100)
                self.assertLess(time.monotonic() - started, 2.0)
                added = server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": f"{name}.example"})
                self.assertTrue(added["active"])
                ids.append(added["id"])
        load.result(self)
        self.assertEqual(load.broken, 0)

    def test_stop_and_start_again(self):
        server = self.start()
        self.known(server)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(self.lookup(server, "http://k0.system.example/")["source"], "user_blocked")

    # ---- patterns ----

    def test_swaps_under_load(self):
        """Entries that both patterns have are bad at any time, the others as their pattern says."""
        server = self.start()
        first = build_pattern(self, "swap-a", score=30, extra=["http://only-a.system.example/"])
        second = build_pattern(self, "swap-b", score=40, extra=["http://only-b.system.example/"])
        generations = [import_pattern(server, path, activate=False)["result"]["generation"] for path in (first, second)]
        self.assertTrue(server.rpc("pattern.activate", {"generation": generations[0]})["active"])
        questions = [("/v1/url", {"url": f"http://h{i}.system.example/bad"}) for i in range(50)]
        questions += [("/v1/url", {"url": f"http://{name}.system.example/"}) for name in ("only-a", "only-b", "neither")]

        def check(question, answer):
            url, version = question[1]["url"], answer["pattern"]
            score = {"swap-a": 30, "swap-b": 40}.get(version)
            if "/neither" in url or ("only-" in url and f"only-{version[-1]}" not in url):
                score = 71
            return None if answer["score"] == score else f"{answer}"
        seen = set()
        with Background(server, check, questions, on_answer=lambda _, answer: seen.add(answer["pattern"])) as load:
            for number in range(40):
                result = server.rpc("pattern.activate", {"generation": generations[(number + 1) % 2]})
                self.assertTrue(result["active"])
                load.wait_answers(20)
        load.result(self)
        self.assertEqual(seen, {"swap-a", "swap-b"})
        self.assertEqual(load.broken, 0)

    def test_damaged_patterns(self):
        server = self.start()
        good = build_pattern(self, "whole")
        self.assertEqual(import_pattern(server, good)["state"], "done")
        data = good.read_bytes()
        damaged = good.parent / "damaged.pattern"
        positions = [0, 4, 16, 64, len(data) // 3, len(data) // 2, len(data) - 33, len(data) - 1]
        cases = [data[:length] for length in (0, 1, 63, 64, len(data) // 2, len(data) - 32, len(data) - 1)]
        cases += [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:] for bit, at in enumerate(positions)]
        cases += [data + b"x", b"\0" * len(data), b"no pattern at all"]
        for content in cases:
            damaged.write_bytes(content)
            job = import_pattern(server, damaged)
            self.assertEqual(job["state"], "failed", content[:20])
            self.assertTrue(job["error"]["text"] or job["error"]["code"])
        answer = self.lookup(server, "http://h0.system.example/bad")
        self.assertEqual((answer["score"], answer["pattern"]), (30, "whole"))

    def damage(self, server, generation):
        """Flips a bit of a stored pattern."""
        path = server.path("patterns", "web", f"{generation}.pattern")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)

    def test_stored_pattern_damaged(self):
        server = self.start()
        first = import_pattern(server, build_pattern(self, "stored-1"))["result"]["generation"]
        second = import_pattern(server, build_pattern(self, "stored-2", score=20), activate=False)["result"]["generation"]
        self.damage(server, second)
        with self.assertRaises(RpcError) as caught:
            server.rpc("pattern.activate", {"generation": second})
        self.assertEqual(caught.exception.data["code"], "conflict")
        self.assertTrue(caught.exception.data["text"])
        items = {item["generation"]: item for item in server.rpc("pattern.list", {"kind": "web"})["items"]}
        self.assertTrue(items[first]["active"])
        self.assertTrue(items[second]["error"])
        self.assertEqual(self.lookup(server, "http://h0.system.example/bad")["score"], 30)
        # The active one is damaged while the server is down: it starts and answers all the same.
        self.damage(server, first)
        server.stop()
        server.start()
        self.assertEqual(self.lookup(server, "http://unknown.system.example/")["action"], "allow")
        items = {item["generation"]: item for item in server.rpc("pattern.list", {"kind": "web"})["items"]}
        self.assertTrue(items[first]["error"])

    def test_rollback(self):
        server = self.start()
        before = self.lookup(server, "http://h0.system.example/bad")["pattern"]
        import_pattern(server, build_pattern(self, "roll-1"))
        import_pattern(server, build_pattern(self, "roll-2", score=20))
        self.assertEqual(self.lookup(server, "http://h0.system.example/bad")["score"], 20)
        started = time.monotonic()
        self.assertTrue(server.rpc("pattern.rollback", {"kind": "web"})["active"])
        self.assertLess(time.monotonic() - started, 1.0)
        answer = self.lookup(server, "http://h0.system.example/bad")
        self.assertEqual((answer["score"], answer["pattern"]), (30, "roll-1"))
        items = server.rpc("pattern.list", {"kind": "web"})["items"]
        self.assertEqual([item["version"] for item in items if item["active"]], ["roll-1"])
        self.assertLessEqual(len([item for item in items if item["activated"]]), 3)
        self.assertNotEqual(before, "roll-1")
        server.stop()
        server.start()
        self.assertEqual(self.lookup(server, "http://h0.system.example/bad")["pattern"], "roll-1")

    @unittest.skipUnless(find_lists(), "no folder of real lists (SEKISHO_DATA)")
    def test_all_lists_under_load(self):
        """tests/data/all-lists.json is built and activated while queries go on."""
        server = self.start()
        description = json.loads((TOP / "tests/data/all-lists.json").read_text())
        lists = find_lists()
        for entry in description["inputs"]:
            entry["path"] = os.path.join(lists, entry["path"].split("shared/data/")[1])
        description["safety"]["benign"] = [os.path.join(lists, path.split("shared/data/")[1])
                                           for path in description["safety"]["benign"]]
        description["version"] = "all-lists"
        folder = temporary_folder("sekisho-system-")
        self.addCleanup(shutil.rmtree, folder)
        (folder / "description.json").write_text(json.dumps(description))
        questions = [("/v1/url", {"url": f"http://q{i}.system.example/"}) for i in range(20)]
        questions += [("/v1/url", {"url": "http://84.38.132.43/roth/attroth.jpg"})]

        def check(question, answer):
            listed = answer["pattern"] == "all-lists" and "84.38" in question[1]["url"]
            good = answer["source"] == ("pattern" if listed else "none") and answer["action"] == (
                "block" if listed else "allow")
            return None if good else f"{answer}"
        with Background(server, check, questions, connections=4) as load:
            run = server.cli("pattern", "build", str(folder / "description.json"), "--activate", timeout=300)
            self.assertEqual(run.returncode, 0, run.stdout[-2000:] + run.stderr[-2000:])
            load.wait_answers(200)
        load.result(self)
        self.assertEqual(self.lookup(server, "http://84.38.132.43/roth/attroth.jpg")["pattern"], "all-lists")
        status = server.rpc("status.get")["patterns"]
        self.assertGreater(status["web"]["entries"], 900000)
        self.assertGreater(status["files"]["entries"], 250000)

    # ---- logs ----

    def test_access_log(self):
        server = self.start()
        server.rpc("settings.set", {"values": {"log.access": True}})
        server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "logged.system.example"})
        urls = [f"http://{'logged' if i % 4 == 0 else 'plain'}.system.example/entry{i}" for i in range(200)]
        words = {"X-Client-GUID": "guid-1", "X-Client-Name": "pc-1", "X-Client-Domain": "corp.example",
                 "X-Server-GUID": "server-1", "X-Product-Entity": "mail"}
        for url in urls:
            self.assertEqual(server.get("/v1/url", {"url": url}, headers=words).status, 200)

        def entries(verb):
            return server.rpc(verb, {"keyword": ".system.example/entry", "limit": 1000})["items"]
        found = wait_for(lambda: self.complete(entries("log.access"), urls), 5, "all entries")
        self.assertEqual(sorted(entry["url"] for entry in found), sorted(urls))
        entry = found[0]
        self.assertEqual((entry["client_guid"], entry["computer"], entry["domain"], entry["server_guid"],
                          entry["product"], entry["client_address"]),
                         ("guid-1", "pc-1", "corp.example", "server-1", "mail", "127.0.0.1"))
        blocked = entries("log.blocked")
        self.assertEqual(sorted(entry["url"] for entry in blocked), sorted(urls[::4]))
        run = server.cli("log", "access", "--keyword", "entry199", "--json")
        self.assertEqual(json.loads(run.stdout.splitlines()[0])["items"][0]["url"], urls[199])
        server.kill("sekishod")
        found = wait_for(lambda: self.try_entries(server), 5, "the log after a crash")
        self.assertEqual(len(found), len(urls))

    @staticmethod
    def complete(found, urls):
        return found if len(found) >= len(urls) else None

    @staticmethod
    def try_entries(server):
        try:
            return server.rpc("log.access", {"keyword": ".system.example/entry", "limit": 1000})["items"]
        except OSError:
            return None

    # ---- answers ----

    def test_every_kind_of_answer(self):
        """Held against docs/openapi.yaml by CheckedServer: single, bulk, errors, HEAD, both services."""
        server = self.start()
        url = {"url": "http://a.example/"}
        for path, query in (("/v1/url", url), ("/v1/url", {**url, "explain": 1}), ("/v1/domain", {"name": "a.example"}),
                            ("/v1/ip", {"address": "2001:db8::1"}), ("/v1/health", None)):
            for tls in (False, True):
                self.assertEqual(server.get(path, query, tls=tls).status, 200)
            self.assertEqual(server.request("HEAD", path + ("?" + urllib.parse.urlencode(query) if query else "")).status,
                             200)
        results = server.post("/v1/url", {"urls": ["http://a.example/", "mailto:x", "http://[::1]/"]}).json["results"]
        self.assertEqual(["error" in result for result in results], [False, True, False])
        results = server.post("/tmcss/v1/file", {"digests": [EICAR[0], "xyz", "0" * 64]}).json["results"]
        self.assertEqual(["error" in result for result in results], [False, True, False])
        for status, path, query in ((400, "/v1/url", None), (400, "/v1/url", {**url, "nonsense": 1}),
                                    (400, "/v1/url", {**url, "explain": 2}), (400, "/v1/url", {"url": "mailto:x"}),
                                    (400, "/v1/domain", {"name": "a/b"}), (400, "/v1/ip", {"address": "1.2.3"}),
                                    (404, "/v1/nothing", None), (404, "/", None)):
            self.assertEqual(server.get(path, query).status, status, (path, query))
        self.assertEqual(server.get("/tmcss/v1/file/xyz").status, 400)
        self.assertEqual(server.request("DELETE", "/v1/url?url=a").status, 405)
        self.assertEqual(server.post("/v1/url", "{").status, 400)
        self.assertEqual(server.post("/v1/url", {"urls": []}).status, 400)
        self.assertEqual(server.post("/v1/url", "x", headers={"Content-Type": "text/plain"}).status, 415)
        self.assertEqual(server.request("GET", "/tmcss/v1/health", role="wrs_http").status, 421)


if __name__ == "__main__":
    main()
