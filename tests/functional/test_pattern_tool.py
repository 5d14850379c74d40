"""sekisho-pattern: its commands, its exit statuses, all samples, and the real lists.

Of the real lists (SEKISHO_DATA, or beside the sources) every line that was accepted is found again by
`lookup`, and of the benign lists nothing is called bad that no list names. The figures are printed.
"""

import ipaddress
import json
import lzma
import os
import shutil
import subprocess
import unittest

from harness import DATA, TOP, environment, main, program, run_program, temporary_folder

# Samples that hold no indicator: tables of contents, and a list with a header alone.
WITHOUT_VALUES = ("tweetfeed/misp/manifest.json", "tweetfeed/stix/manifest.json",
                  "stix/taxii/manifest/2026-08-22.0.json", "stix/taxii/manifest/meta.json",
                  "feeds-raw/zeek_talos.intel")
EICAR = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"


def find_lists():
    for place in (os.environ.get("SEKISHO_DATA"), TOP / "../shared/data", TOP / "../../shared/data"):
        if place and os.path.isdir(os.path.join(place, "bad")):
            return os.path.realpath(place)
    return None


LISTS = find_lists()


def tool(*arguments, **options):
    return run_program("sekisho-pattern", *arguments, **options)


def lookup(pattern, what, lines):
    """The answers to many questions, in order."""
    run = subprocess.run([str(program("sekisho-pattern")), "lookup", str(pattern), what, "-", "--json"],
                         input=b"".join(line + b"\n" for line in lines), stdout=subprocess.PIPE,
                         check=True, env=environment(), timeout=600)
    return [json.loads(line) for line in run.stdout.split(b"\n") if line]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = temporary_folder("sekisho-pattern-")
        self.addCleanup(shutil.rmtree, self.folder)

    def describe(self, inputs, **more):
        """Writes {file name: text} and a description with the inputs, which are (name, members)."""
        listed = []
        for name, text, members in inputs:
            (self.folder / name).write_text(text)
            listed.append({"path": name, "source": "test", **members})
        path = self.folder / "description.json"
        path.write_text(json.dumps({"name": "Test", "inputs": listed, **more}))
        return path

    def build(self, description, out="out", *arguments):
        run = tool("build", description, "--out", self.folder / out, "--json", *arguments)
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)


class Commands(Folder):
    def test_default_feed(self):
        report = self.build(TOP / "conf" / "default-feed" / "description.json")
        self.assertEqual(sum(entry["refused"] for entry in report["inputs"]), 0)
        web, files = self.folder / "out" / "web.pattern", self.folder / "out" / "files.pattern"
        pages = [f"http://ratings.example/{name}.html" for name in
                 ("dangerous", "highly-suspicious", "suspicious", "unrated", "safe")]
        run = tool("lookup", web, "url", *pages, "--json")
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual([answer["score"] for answer in answers], [49, 65, 70, 71, 81])
        self.assertEqual([answer["rating"] for answer in answers],
                         ["dangerous", "highly_suspicious", "suspicious", "unrated", "safe"])
        run = tool("lookup", web, "domain", "cnc-low.example", "x.cnc-medium.example", "cnc-high.example", "--json")
        levels = [json.loads(line)["cnc"]["level"] for line in run.stdout.splitlines()]
        self.assertEqual(levels, [1, 2, 3])
        run = tool("lookup", web, "ip", "192.0.2.66", "192.0.2.1", "2001:db8:bad::1", "--json")
        self.assertEqual([json.loads(line)["listed"] for line in run.stdout.splitlines()], [True, False, True])
        answer = json.loads(tool("lookup", files, "file", EICAR, "--json").stdout)
        self.assertEqual((answer["verdict"], answer["name"]), ("malicious", "EICAR test file"))

    def test_same_bytes_and_key(self):
        description = self.describe([("a.txt", "http://a.example/x\nb.example\n", {"format": "urls", "kind": "bad"})])
        self.build(description, "one")
        key = self.folder / "one" / "key"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertRegex(key.read_text(), r"^[0-9a-f]{32}\n$")
        self.build(description, "two", "--key", key)
        self.build(description, "three")
        first = (self.folder / "one" / "web.pattern").read_bytes()
        self.assertEqual(first, (self.folder / "two" / "web.pattern").read_bytes())
        self.assertNotEqual(first, (self.folder / "three" / "web.pattern").read_bytes())
        # A second build with the key that is there gives the same file.
        self.build(description, "one")
        self.assertEqual(first, (self.folder / "one" / "web.pattern").read_bytes())
        self.assertFalse((self.folder / "two" / "key").exists())

    def test_wrong_key(self):
        description = self.describe([("a.txt", "b.example\n", {"format": "urls", "kind": "bad"})])
        (self.folder / "key").write_text("abc")
        run = tool("build", description, "--out", self.folder / "out", "--key", self.folder / "key")
        self.assertEqual(run.returncode, 1)
        self.assertIn("32 hexadecimal digits", run.stderr)

    def test_old_pattern_goes(self):
        hosts = self.describe([("a.txt", "b.example\nbad host\n", {"format": "urls", "kind": "bad"})])
        self.build(hosts)
        self.assertTrue((self.folder / "out" / "refused" / "1-a.txt.txt").exists())
        digests = self.describe([("b.txt", EICAR + "\n", {"format": "digests", "kind": "bad"})])
        self.build(digests)
        self.assertFalse((self.folder / "out" / "web.pattern").exists())
        self.assertTrue((self.folder / "out" / "files.pattern").exists())
        self.assertFalse((self.folder / "out" / "refused" / "1-a.txt.txt").exists())

    def test_wrong_descriptions(self):
        path = self.folder / "description.json"
        for text, place in (('{"name": "x",\n "inputs": [,]}', "line 2, column 13"),
                            ('{"name": "x", "inputs": [{"path": "a"}]}', "/inputs/0/source"),
                            ('{"name": "x", "inputs": [], "more": 1}', "/more")):
            path.write_text(text)
            run = tool("build", path, "--out", self.folder / "out")
            self.assertEqual(run.returncode, 3, run.stderr)
            self.assertIn(place, run.stderr)
            self.assertEqual(len(run.stderr.splitlines()), 1)
        path = self.describe([("a.txt", "b.example\n", {"format": "urls", "kind": "bad"})],
                             safety={"allow_site": ["a.example", "b/c"]})
        run = tool("build", path, "--out", self.folder / "out")
        self.assertEqual(run.returncode, 3)
        self.assertIn("/safety/allow_site/1", run.stderr)

    def test_formats_are_documented(self):
        shown = [line.split()[0] for line in tool("--help").stdout.split("Formats of lists")[1].split("\n\n")[0].splitlines()[1:]]
        schema = json.loads((TOP / "docs" / "pattern-description.schema.json").read_text())
        self.assertEqual(schema["$defs"]["input"]["properties"]["format"]["enum"], shown)
        text = (TOP / "docs" / "feed-formats.md").read_text()
        for name in shown:
            self.assertIn(f"`{name}`", text)

    def test_missing_list(self):
        description = self.describe([("a.txt", "b.example\n", {"format": "urls", "kind": "bad"})])
        (self.folder / "a.txt").unlink()
        run = tool("build", description, "--out", self.folder / "out")
        self.assertEqual(run.returncode, 1)
        self.assertIn("/inputs/0/path", run.stderr)
        self.assertFalse((self.folder / "out" / "report.json").exists())

    def test_usage(self):
        self.assertEqual(tool("--help").returncode, 0)
        self.assertIn("Exit status", tool("--help").stdout)
        for arguments in ((), ("nothing",), ("build",), ("build", "x"), ("inspect",), ("diff", "x"),
                          ("lookup", "x", "thing", "y"), ("verify", "--what")):
            self.assertEqual(tool(*arguments).returncode, 2, arguments)
        self.assertEqual(tool("verify", self.folder / "none").returncode, 1)

    def test_damaged_files(self):
        description = self.describe([("a.txt", "b.example\nc.example/x\n", {"format": "urls", "kind": "bad"})])
        self.build(description)
        good = (self.folder / "out" / "web.pattern").read_bytes()
        damaged = self.folder / "damaged"
        for content in (good[:-1], good[:100], b"", good[:200] + bytes([good[200] ^ 1]) + good[201:],
                        b"text\n", good + b"x"):
            damaged.write_bytes(content)
            for command in ("verify", "inspect", "dump"):
                run = tool(command, damaged)
                self.assertEqual(run.returncode, 4, (command, len(content), run.stderr))
                self.assertTrue(run.stderr)
        damaged.write_bytes(good)
        self.assertEqual(tool("verify", damaged).returncode, 0)

    def test_inspect_dump_diff(self):
        first = self.describe([("a.txt", "b.example\nc.example/x\n192.0.2.0/24\n", {"format": "auto", "kind": "bad"})])
        self.build(first, "one", "--version", "1")
        second = self.describe([("a.txt", "b.example\nd.example/x\n192.0.2.0/24\n2001:db8::/32\n",
                                 {"format": "auto", "kind": "bad"})])
        self.build(second, "two", "--version", "2", "--key", self.folder / "one" / "key")
        one, two = (self.folder / name / "web.pattern" for name in ("one", "two"))
        shown = json.loads(tool("inspect", one, "--json").stdout)
        self.assertEqual((shown["name"], shown["version"], shown["urls"], shown["v4"], shown["sources"]),
                         ("Test", "1", 2, 1, ["test"]))
        entries = [json.loads(line) for line in tool("dump", one, "--json").stdout.splitlines()]
        self.assertEqual(len(entries), 3)
        self.assertEqual([entry["prefix"] for entry in entries if "prefix" in entry], ["192.0.2.0/24"])
        self.assertTrue(all(entry["score"] == 49 and entry["sources"] == ["test"] for entry in entries))
        self.assertEqual(tool("diff", one, one).returncode, 0)
        run = tool("diff", one, two, "--json")
        self.assertEqual(run.returncode, 5)
        total = json.loads(run.stdout.splitlines()[-1])
        self.assertEqual((total["removed"], total["added"], total["changed"]), (1, 2, 0))
        self.assertIn('{"change":"added","prefix":"2001:db8::/32"}', run.stdout)

    def test_bad_lines_never_stop(self):
        text = "".join(chr(c) + "\x01" * 3 + "\n" for c in range(1, 200)) + "good.example\n" + "x" * 70000 + "\n"
        formats = ("urls", "hosts", "ips", "digests", "auto", "hosts-file", "adblock", "rpz", "bind", "dnsmasq",
                   "unbound", "suricata", "snort", "zeek", "spamhaus-drop", "misp", "stix", "openioc", "tpl",
                   "urlhaus-csv", "phishtank-csv", "tweetfeed-csv")
        description = self.describe([(f"{name}.txt", text, {"format": name, "kind": "bad"}) for name in formats])
        report = self.build(description)
        for entry in report["inputs"]:
            if entry["format"] in ("urls", "hosts", "auto", "adblock"):
                self.assertGreater(entry["accepted"], 0, entry)
            if entry["format"] != "openioc":
                self.assertGreater(entry["refused"], 0, entry)
                refused = (self.folder / "out" / entry["refused_file"]).read_text(errors="replace")
                self.assertEqual(len(refused.split("\n")) - 1, entry["refused"])

    def test_refused_binary(self):
        path = self.folder / "a.txt"
        description = self.describe([("a.txt", "", {"format": "urls", "kind": "bad"})])
        path.write_bytes(b"\xff\xfe\x00 x\n" + bytes(range(256)) + b"\nok.example/\r\n")
        report = self.build(description)
        self.assertEqual(report["web"]["urls"], report["inputs"][0]["accepted"] - report["inputs"][0]["duplicate"])
        answer = json.loads(tool("lookup", self.folder / "out" / "web.pattern", "url", "ok.example", "--json").stdout)
        self.assertTrue(answer["listed"])


@unittest.skipUnless(LISTS, "no folder of real lists (SEKISHO_DATA)")
class RealLists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = temporary_folder("sekisho-pattern-lists-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        text = (DATA / "all-lists.json").read_text().replace("../../../shared/data", LISTS)
        (cls.folder / "description.json").write_text(text)
        run = tool("build", cls.folder / "description.json", "--out", cls.folder / "out", "--json", timeout=600)
        if run.returncode != 0:
            raise AssertionError(run.stderr)
        cls.report = json.loads(run.stdout)
        cls.web, cls.files = cls.folder / "out" / "web.pattern", cls.folder / "out" / "files.pattern"

    def reported(self, name):
        return next(entry for entry in self.report["inputs"] if entry["path"].endswith(name))

    def lines(self, name, column=0):
        with lzma.open(os.path.join(LISTS, name), "rb") as lines:
            for line in lines:
                value = line.rstrip(b"\r\n").split(b"\t")[column] if ".tsv" in name else line.strip()
                if value:
                    yield value

    def refused(self, name):
        """The lines of a list that were refused, as they stand in the file of refused lines."""
        entry = self.reported(name)
        if "refused_file" not in entry:
            return set()
        text = (self.folder / "out" / entry["refused_file"]).read_bytes()
        return {line.split(b"\t", 2)[2] for line in text.split(b"\n") if line}

    def test_samples(self):
        read = 0
        for entry in self.report["inputs"]:
            if "/samples/" in entry["path"]:
                if entry["path"].endswith(WITHOUT_VALUES):
                    self.assertEqual((entry["accepted"], entry["refused"]), (0, 0), entry)
                else:
                    self.assertGreater(entry["accepted"] + entry["excluded"], 0, entry)
                    read += entry["accepted"]
        described = {os.path.realpath(entry["path"]) for entry in self.report["inputs"]}
        for place, _, names in os.walk(os.path.join(LISTS, "samples")):
            for name in names:
                self.assertIn(os.path.realpath(os.path.join(place, name)), described)
        print(f"# samples: {read} entries accepted")

    def check_listed(self, name, what, count_excluded=True):
        """Every accepted line of a bad list is found; what is missing was excluded or left out."""
        refused = self.refused(name)
        lines = [line for line in self.lines(name) if line[:1000] not in refused]
        answers = lookup(self.web if what != "file" else self.files, what, lines)
        self.assertEqual(len(answers), len(lines))
        self.assertEqual([answer for answer in answers if "error" in answer], [])
        missing = [answer for answer in answers if not answer["listed"]]
        entry = self.reported(name)
        excluded = entry["excluded"] if count_excluded else 0
        left_out = {item["text"] for item in self.report["web"]["safety"]["left_out"]}
        unexplained = [answer for answer in missing
                       if answer.get("url", "://").split("://", 1)[1] not in left_out]
        print(f"# {name}: {len(lines)} asked, {len(lines) - len(missing)} found, "
              f"{len(missing) - len(unexplained)} left out for safety, {excluded} excluded")
        self.assertLessEqual(len(unexplained), excluded)

    def test_bad_urls(self):
        for name in ("bad/urls-tweetfeed.txt.xz", "bad/urls-urlhaus-filter.txt.xz", "bad/urls-maltrail.txt.xz"):
            self.check_listed(name, "url")

    def test_bad_domains(self):
        self.check_listed("bad/domains-tweetfeed.txt.xz", "domain")

    def test_bad_digests(self):
        self.check_listed("bad/hashes-merged.tsv.xz", "file")

    def test_bad_addresses(self):
        for name in ("bad/ips-ipsum.tsv.xz", "bad/ips-cidr-maltrail.txt.xz"):
            lines = []
            for line in self.lines(name):
                network = ipaddress.ip_network(line.decode(), strict=False)
                lines.append(str(network.network_address).encode())
                lines.append(str(network.broadcast_address).encode())
            answers = lookup(self.web, "ip", lines)
            missing = [answer for answer in answers if not answer["listed"]]
            print(f"# {name}: {len(lines)} addresses asked, {len(lines) - len(missing)} found")
            self.assertLessEqual(len(missing), 2 * self.reported(name)["excluded"])

    def test_known_good_digests(self):
        refused = self.refused("good/hashes-misp-falsepositives.txt.xz")
        lines = [line for line in self.lines("good/hashes-misp-falsepositives.txt.xz") if line not in refused]
        answers = lookup(self.files, "file", lines)
        verdicts = [answer["verdict"] for answer in answers]
        self.assertNotIn("unknown", verdicts)
        # Malicious only where a bad list has it too: a conflict.
        self.assertLessEqual(verdicts.count("malicious"), self.report["files"]["conflicts"]["count"])
        print(f"# known good digests: {len(lines)} asked, {verdicts.count('malicious')} in conflict")

    def test_benign_sites(self):
        """No benign name is called bad as a site: the safety check saw to that."""
        lines = list(self.lines("good/domains-cloudflare-top100k.txt.xz"))
        lines += list(self.lines("good/domains-misp-other.tsv.xz"))
        answers = lookup(self.web, "domain", lines)
        bad = [answer for answer in answers if answer["score"] < 66]
        self.assertEqual(bad, [])
        print(f"# benign names: {len(lines)} asked, none bad; "
              f"{self.report['web']['safety']['left_out_count']} entries were left out for them")

    def test_benign_pages(self):
        """A benign page that is called bad is named by a bad list: the answer says by which entry and
        source, and the entry stands for the page, a folder above it, or its whole site."""
        for name, column in (("good/urls-kasztp.txt.xz", 0), ("good/urls-homepages-scoop-opam.txt.xz", 0),
                             ("good/hash-url-scoop.tsv.xz", 1), ("good/hash-url-opam.tsv.xz", 1)):
            answers = lookup(self.web, "url", list(self.lines(name, column)))
            bad = [answer for answer in answers if "error" not in answer and answer["score"] < 66]
            good_sources = {entry["source"] for entry in self.report["inputs"] if entry["kind"] == "good"}
            for answer in bad:
                self.assertTrue(set(answer["sources"]) - good_sources, answer)
                host = answer["url"].split("://", 1)[1].split("/", 1)[0]
                entry_host = answer["entry"].split("/", 1)[0]
                self.assertTrue(host == entry_host or host.endswith("." + entry_host) or
                                ipaddress.ip_address(host), answer)
            print(f"# {name}: {len(answers)} asked, {len(bad)} bad, each by an entry of a bad list")

    def test_figures(self):
        web, files = self.report["web"], self.report["files"]
        print(f"# build: {self.report['seconds']} s; web {web['written']} entries in {web['bytes']} bytes, "
              f"files {files['written']} entries in {files['bytes']} bytes")
        self.assertLess(sum(entry["refused"] for entry in self.report["inputs"]), 1000)


if __name__ == "__main__":
    main()
