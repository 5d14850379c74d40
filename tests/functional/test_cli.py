"""Every command of `sekisho` against a real server: for people and with --json (docs/cli.md)."""

import hashlib
import json
import re
import shutil
import unittest

from harness import TOP, Server, main, run_program, temporary_folder, wait_for

SUITES = ("asan",)
EICAR_SHA256 = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"


def feed_folder(case, urls=("http://bad.cli.example/x",), digests=(EICAR_SHA256,)):
    """A folder with a description of a small build; removed with the test."""
    folder = temporary_folder("sekisho-cli-")
    case.addCleanup(shutil.rmtree, folder)
    (folder / "urls.txt").write_text("".join(url + "\n" for url in urls))
    (folder / "digests.txt").write_text("".join(digest + "\n" for digest in digests))
    (folder / "benign.txt").write_text("example.org\n")
    (folder / "description.json").write_text(json.dumps({
        "name": "cli test", "version": "cli-1", "safety": {"benign": ["benign.txt"]},
        "inputs": [
            {"path": "urls.txt", "format": "urls", "source": "cli urls", "kind": "bad", "score": 30,
             "categories": ["phishing"]},
            {"path": "digests.txt", "format": "digests", "source": "cli digests", "kind": "bad", "name": "Test.File"},
        ]}))
    return folder


class Words(unittest.TestCase):
    """What needs no server."""

    def run_cli(self, *arguments):
        return run_program("sekisho", *arguments)

    def test_usage(self):
        for arguments in ((), ("nonsense",), ("rule",), ("rule", "nonsense"), ("rule", "add", "block"),
                          ("rule", "add", "maybe", "http://a/"), ("rule", "remove", "x"), ("status", "more"),
                          ("rule", "list", "--limit", "0"), ("rule", "list", "--nonsense"), ("rule", "list", "--limit"),
                          ("rule", "add", "block", "http://a/", "--page", "--site"),
                          ("rule", "add", "block", "http://a/", "--expires", "soon"), ("settings", "set", "x"),
                          ("log", "blocked", "--from", "never"), ("rule", "edit", "1")):
            run = self.run_cli(*arguments)
            self.assertEqual(run.returncode, 2, (arguments, run.stdout, run.stderr))
            self.assertIn("--help", run.stderr + run.stdout, arguments)

    def test_no_server(self):
        folder = temporary_folder()
        self.addCleanup(folder.rmdir)
        run = self.run_cli("status", "--state", str(folder))
        self.assertEqual(run.returncode, 3)
        self.assertIn("./run", run.stderr)
        run = self.run_cli("--json", "status", "--state", str(folder))
        self.assertEqual(run.returncode, 3)
        self.assertEqual(json.loads(run.stdout)["error"]["code"], "unavailable")

    def test_help(self):
        run = self.run_cli("--help")
        self.assertEqual(run.returncode, 0)
        words = [re.match(r"  ((?:[a-z]+ )+)", line) for line in run.stdout.splitlines()]
        documented = TOP / "docs/cli.md"
        for match in words:
            command = match and match.group(1).split()
            if not command or command[0] not in ("status", "check", "lookup", "rule", "object", "pattern", "settings",
                                                 "log", "job", "clock"):
                continue
            command = command[:1] if command[0] in ("status", "check") else command[:2]
            helped = self.run_cli(*command, "--help")
            self.assertEqual(helped.returncode, 0, command)
            self.assertTrue(helped.stdout.startswith("sekisho " + " ".join(command)), command)
            self.assertIn("--json", helped.stdout)
            if documented.exists():
                self.assertIn("`" + " ".join(command), documented.read_text(), command)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def ok(self, *arguments, **options):
        run = self.server.cli(*arguments, **options)
        self.assertEqual(run.returncode, 0, (arguments, run.stdout, run.stderr))
        return run.stdout

    def json(self, *arguments, **options):
        """The one line of JSON that a command prints."""
        lines = self.ok(*arguments, "--json", **options).splitlines()
        self.assertEqual(len(lines), 1, lines)
        return json.loads(lines[0])

    def refused(self, code, *arguments):
        run = self.server.cli(*arguments)
        self.assertEqual(run.returncode, 1, (arguments, run.stdout, run.stderr))
        self.assertRegex(run.stderr, r"^sekisho: .+\.\s*$")
        run = self.server.cli(*arguments, "--json")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(json.loads(run.stdout)["error"]["code"], code, run.stdout)

    def test_status(self):
        text = self.ok("status")
        for word in ("Web reputation", "File reputation", "Web Blocking Pattern", "Smart Scan Pattern", "connected"):
            self.assertIn(word, text)
        # The workers are counted by what they report, every event.interval_ms.
        wait_for(lambda: self.json("status")["queryd"]["workers"] == 2, 5, "both workers")
        status = self.json("status")
        self.assertTrue(status["services"]["web"]["on"])
        self.assertIsNotNone(status["patterns"]["web"])

    def test_check(self):
        self.assertEqual(self.ok("check").count("works"), 2)
        self.json("check")

    def test_lookup(self):
        text = self.ok("lookup", "url", "http://nothing.cli.example/", "--explain")
        self.assertRegex(text, r"score +71")
        self.assertIn("nothing.cli.example/", text)
        run = self.server.cli("lookup", "url", "-", "--json", input="http://a.cli.example/\n\nhttp://b.cli.example/x\n")
        self.assertEqual(run.returncode, 0, run.stderr)
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([answer["url"] for answer in answers],
                         ["http://a.cli.example/", "http://b.cli.example/x"])
        self.assertEqual(self.json("lookup", "domain", "Nothing.cli.example")["name"], "nothing.cli.example")
        self.assertEqual(self.json("lookup", "ip", "2001:db8::0001")["address"], "2001:db8::1")
        answer = self.json("lookup", "file", EICAR_SHA256.upper())
        self.assertEqual(answer["verdict"], "malicious")
        self.assertIn("malicious", self.ok("lookup", "file", EICAR_SHA256))

    def test_lookup_refused(self):
        self.refused("bad_input", "lookup", "url", "mailto:x@cli.example")
        self.refused("bad_input", "lookup", "ip", "1.2.3")
        self.refused("bad_input", "lookup", "file", "abc")
        run = self.server.cli("lookup", "url", "http://a.cli.example/", "http://x y/", "http://b.cli.example/")
        self.assertEqual(run.returncode, 1)
        self.assertIn("http://b.cli.example/", run.stdout)

    def add_rule(self, *arguments):
        return self.json("rule", "add", *arguments)["id"]

    def test_rules(self):
        url = "http://rule.cli.example/folder/"
        added = self.json("rule", "add", "block", url, "--comment", "first", "--expires", "7d")
        self.assertTrue(added["active"])
        number = str(added["id"])
        self.assertEqual(self.json("lookup", "url", url + "x")["source"], "user_blocked")
        self.assertIn(url, self.ok("rule", "list", "--list", "blocked", "--search", "rule.cli.example"))
        self.assertIn("first", self.ok("rule", "show", number))
        shown = self.json("rule", "show", number)
        self.assertEqual((shown["kind"], shown["enabled"], shown["comment"]), ("site", True, "first"))
        self.assertGreater(shown["expires"], 0)
        self.ok("rule", "edit", number, "--disable", "--comment", "", "--expires", "never")
        shown = self.json("rule", "show", number)
        self.assertEqual((shown["enabled"], shown["comment"], shown["expires"]), (False, "", None))
        self.assertEqual(self.json("lookup", "url", url + "x")["source"], "none")
        self.assertIn(number, self.ok("rule", "list", "--disabled"))
        self.ok("rule", "edit", number, "--enable", "--list", "approve")
        self.assertEqual(self.json("lookup", "url", url + "x")["source"], "user_approved")
        self.assertIn("1 of 1 removed", self.ok("rule", "remove", number))
        self.assertEqual(self.json("lookup", "url", url + "x")["source"], "none")
        self.refused("not_found", "rule", "show", number)

    def test_rule_kinds_and_targets(self):
        page = self.add_rule("block", "http://page.cli.example/p?q=1", "--page")
        self.assertEqual(self.json("lookup", "url", "http://page.cli.example/p?q=1")["source"], "user_blocked")
        self.assertEqual(self.json("lookup", "url", "http://page.cli.example/p?q=2")["source"], "none")
        word = self.add_rule("block", r"clikeyword\d+", "--keyword")
        self.assertEqual(self.json("lookup", "url", "http://a.example/CliKeyword77")["source"], "user_blocked")
        aimed = self.add_rule("block", "aimed.cli.example", "--target", "10.1.0.0/16", "--target", "computer:pc-7")
        for options, source in (((), "none"), (("--client-address", "10.1.2.3"), "user_blocked"),
                                (("--client-computer", "PC-7"), "user_blocked"),
                                (("--client-address", "10.2.0.1"), "none")):
            self.assertEqual(self.json("lookup", "url", "http://aimed.cli.example/", *options)["source"], source)
        self.ok("rule", "edit", str(aimed), "--target", "all")
        self.assertEqual(self.json("lookup", "url", "http://aimed.cli.example/")["source"], "user_blocked")
        self.ok("rule", "remove", str(page), str(word), str(aimed))

    def test_rules_refused(self):
        self.refused("bad_input", "rule", "add", "block", "http://")
        self.refused("bad_input", "rule", "add", "block", "a(?=b)", "--keyword")
        self.refused("bad_input", "rule", "add", "block", "http://t.cli.example/", "--target", "10.0.0.0/33")
        self.refused("not_found", "rule", "edit", "999999999", "--disable")
        self.refused("not_found", "rule", "import", "/nonexistent/rules.csv")

    def test_rule_import_export(self):
        folder = temporary_folder("sekisho-cli-")
        first, second = folder / "first.csv", folder / "second.csv"
        self.addCleanup(shutil.rmtree, folder)
        number = self.add_rule("block", "http://export.cli.example/a,b\"c", "--comment", "comma, \"quote\"")
        self.assertRegex(self.ok("rule", "export", str(first)), r"\d+ rules written")
        self.assertIn("export.cli.example", self.ok("rule", "export", "-"))
        self.ok("rule", "remove", str(number))
        imported = self.json("rule", "import", str(first))
        self.assertEqual(imported["refused"], 0)
        self.assertEqual(self.json("lookup", "url", "http://export.cli.example/a,b\"c")["source"], "user_blocked")
        self.ok("rule", "export", str(second))
        self.assertEqual(first.read_bytes().splitlines()[0], second.read_bytes().splitlines()[0])
        self.assertIn("export.cli.example", second.read_text())
        self.assertIn("taken back", self.ok("rule", "undo", str(imported["undo"])))
        self.assertEqual(self.json("lookup", "url", "http://export.cli.example/a,b\"c")["source"], "none")
        bad = folder / "bad.csv"
        header = first.read_text().splitlines()[0]
        bad.write_text(header + "\nnonsense,nonsense,,,,,,\n")
        run = self.server.cli("rule", "import", str(bad))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("0 rules added, 1 lines refused", run.stdout)
        self.assertIn("line 2", run.stderr)

    def test_long_list(self):
        folder = temporary_folder("sekisho-cli-")
        self.addCleanup(shutil.rmtree, folder)
        number = self.add_rule("block", "http://long0.cli.example/")
        export = folder / "rules.csv"
        self.ok("rule", "export", str(export))
        self.ok("rule", "remove", str(number))
        header, *lines = export.read_text().splitlines()
        line = next(line for line in lines if "long0.cli.example" in line)
        many = folder / "many.csv"
        many.write_text("\n".join([header] + [line.replace("long0", f"long{i}") for i in range(2300)]) + "\n")
        imported = self.json("rule", "import", str(many))
        self.assertEqual(imported["added"], 2300)
        text = self.ok("rule", "list", "--search", "cli.example/", "--limit", "10000")
        self.assertEqual(len(set(re.findall(r"http://long\d+\.", text))), 2300)
        pages = self.ok("rule", "list", "--search", "http://long", "--limit", "2000", "--json").splitlines()
        self.assertEqual([len(json.loads(page)["items"]) for page in pages], [1000, 1000])
        run = self.server.cli("rule", "list", "--limit", "5")
        self.assertEqual(len(run.stdout.splitlines()), 6)
        self.assertIn("There is more", run.stderr)
        self.ok("rule", "undo", str(imported["undo"]))

    def test_objects(self):
        added = self.json("object", "add", "domain", "object.cli.example", "--cnc-level", "3", "--action", "log")
        answer = self.json("lookup", "url", "http://sub.object.cli.example/x")
        self.assertEqual((answer["source"], answer["action"], answer["cnc"]["level"]),
                         ("suspicious_user_defined", "log", 3))
        self.assertIn("medium" if answer["cnc"]["level"] == 2 else "high",
                      self.ok("lookup", "url", "http://object.cli.example/"))
        digest = hashlib.sha256(b"cli object").hexdigest()
        second = self.json("object", "add", "sha256", digest, "--list", "analyzer", "--expires", "2099-12-31")
        self.assertEqual(self.json("lookup", "file", digest)["source"], "suspicious_virtual_analyzer")
        text = self.ok("object", "list")
        self.assertIn("object.cli.example", text)
        self.assertIn("2100-01-01 00:00:00", text)
        self.assertNotIn(digest, self.ok("object", "list", "--list", "user"))
        self.assertIn(digest, self.ok("object", "list", "--kind", "sha256"))
        self.ok("object", "remove", str(added["id"]), str(second["id"]))
        self.assertEqual(self.json("lookup", "file", digest)["source"], "none")
        self.refused("bad_input", "object", "add", "sha256", "12")
        self.refused("bad_input", "object", "add", "nonsense", "12")

    def test_patterns(self):
        folder = feed_folder(self)
        text = self.ok("pattern", "build", str(folder / "description.json"), "--activate")
        self.assertRegex(text, r"Web Blocking Pattern: generation \d+, activated")
        self.assertRegex(text, r"Smart Scan Pattern: generation \d+, activated")
        answer = self.json("lookup", "url", "http://bad.cli.example/x")
        self.assertEqual((answer["score"], answer["categories"], answer["pattern"]), (30, ["phishing"], "cli-1"))
        result = self.json("pattern", "build", str(folder / "description.json"), "--version", "cli-2")
        web = result["generations"]["web"]
        listed = {item["generation"]: item for item in self.json("pattern", "list", "--kind", "web")["items"]}
        self.assertFalse(listed[web]["active"])
        self.ok("pattern", "activate", str(web))
        self.assertEqual(self.json("lookup", "url", "http://bad.cli.example/x")["pattern"], "cli-2")
        self.ok("pattern", "rollback", "web")
        self.assertEqual(self.json("lookup", "url", "http://bad.cli.example/x")["pattern"], "cli-1")
        self.assertRegex(self.ok("pattern", "list"), r"(?m)^\* +\d+  web ")
        self.refused("not_found", "pattern", "activate", "999999999")
        self.import_pattern(folder)

    def import_pattern(self, folder):
        out = temporary_folder("sekisho-cli-out-")
        self.addCleanup(shutil.rmtree, out)
        run = run_program("sekisho-pattern", "build", folder / "description.json", "--out", out, "--version", "cli-3")
        self.assertEqual(run.returncode, 0, run.stderr)
        imported = self.json("pattern", "import", str(out / "web.pattern"), "--activate")
        self.assertEqual((imported["kind"], imported["version"]), ("web", "cli-3"))
        self.assertEqual(self.json("lookup", "url", "http://bad.cli.example/x")["pattern"], "cli-3")
        damaged = out / "damaged.pattern"
        data = bytearray((out / "web.pattern").read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        run = self.server.cli("pattern", "import", str(damaged), "--activate")
        self.assertEqual(run.returncode, 1)
        self.assertIn("stays in effect", run.stderr)
        self.assertEqual(self.json("lookup", "url", "http://bad.cli.example/x")["pattern"], "cli-3")

    def test_pattern_build_refused(self):
        folder = feed_folder(self)
        description = folder / "description.json"
        self.refused("not_found", "pattern", "build", str(folder / "nothing.json"))
        good = description.read_text()
        description.write_text("{")
        self.refused("bad_input", "pattern", "build", str(description))
        description.write_text(good.replace("urls.txt", "missing.txt"))
        self.refused("not_found", "pattern", "build", str(description))
        description.write_text(good.replace('"score": 30', '"score": 300'))
        run = self.server.cli("pattern", "build", str(description))
        self.assertEqual(run.returncode, 1)
        self.assertIn("/inputs/0/score", run.stderr)

    def test_settings(self):
        self.assertRegex(self.ok("settings", "get", "query.block_below"), r"query.block_below +66 +66")
        self.assertIn("service.web", self.ok("settings", "get"))
        self.ok("settings", "set", "query.block_below=81", "log.access=yes")
        values = self.json("settings", "get", "query.block_below", "log.access")["settings"]
        self.assertEqual((values["query.block_below"]["value"], values["log.access"]["value"]), (81, True))
        self.refused("bad_input", "settings", "set", "query.block_below=67")
        self.refused("not_found", "settings", "set", "no.such.setting=1")
        self.refused("bad_input", "settings", "set", "query.allow_from=nonsense")
        self.ok("settings", "set", "query.block_below=66", "log.access=no", "query.explain_from=10.0.0.0/8, ::1")
        value = self.json("settings", "get", "query.explain_from")["settings"]["query.explain_from"]["value"]
        self.assertEqual(value, ["10.0.0.0/8", "::1"])

    def test_logs(self):
        self.ok("settings", "set", "log.access=yes")
        number = self.add_rule("block", "http://logged.cli.example/")
        self.server.get("/v1/url", {"url": "http://logged.cli.example/blocked"})
        self.server.get("/v1/url", {"url": "http://unknown.cli.example/asked"})
        wait_for(lambda: "logged.cli.example/blocked" in self.ok("log", "blocked", "--keyword", "logged.cli"), 5,
                 "the blocked URL in its log")
        wait_for(lambda: "unknown.cli.example/asked" in self.ok("log", "access", "--from", "1h"), 5,
                 "the URL in the access log")
        self.assertNotIn("unknown.cli", self.ok("log", "blocked"))
        self.assertNotIn("logged.cli", self.ok("log", "blocked", "--to", "1h"))
        self.assertNotIn("logged.cli", self.ok("log", "blocked", "--source", "pattern"))
        entry = json.loads(self.ok("log", "blocked", "--source", "user_blocked", "--keyword", "logged.cli",
                                   "--json").splitlines()[0])["items"][0]
        self.assertEqual((entry["source"], entry["score"]), ("user_blocked", 49))
        self.ok("check")
        self.assertRegex(self.ok("log", "service"), r"(web|files) +success")
        self.assertNotIn("web ", self.ok("log", "service", "--service", "files"))
        self.ok("settings", "set", "log.access=no")
        self.ok("rule", "remove", str(number))

    def test_jobs_and_clock(self):
        self.assertIn("believed", self.ok("clock", "confirm"))
        self.refused("not_found", "job", "show", "999999999")
        self.refused("not_found", "job", "cancel", "999999999")

    def test_every_command_is_here(self):
        with open(__file__, encoding="utf-8") as file:
            source = file.read()
        for line in run_program("sekisho", "--help").stdout.splitlines():
            match = re.match(r"  ([a-z]+) ([a-z]+) ", line)
            if match and match.group(1) in ("lookup", "rule", "object", "pattern", "settings", "log", "job"):
                self.assertIn(f'"{match.group(1)}", "{match.group(2)}"', source, line)


if __name__ == "__main__":
    main()
