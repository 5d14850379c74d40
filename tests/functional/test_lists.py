"""The real lists through the real server: what was accepted is found, nothing else is called bad.

Builds tests/data/all-lists.json, activates it and asks every line of the lists in bulk. What a
line should be answered is taken from `sekisho-pattern lookup` on the same file; what may be missing
from the report of the build. Needs the folder of lists (SEKISHO_DATA); prints the figures.
"""

import ipaddress
import json
import lzma
import os
import shutil
import subprocess
import unittest

from checked_server import CheckedServer
from harness import TOP, environment, main, program, run_program, temporary_folder
from test_system import find_lists, import_pattern

LISTS = find_lists()
DESCRIPTION = "tests/data/all-lists.json"
URL_LISTS = ("bad/urls-tweetfeed.txt.xz", "bad/urls-urlhaus-filter.txt.xz", "bad/urls-maltrail.txt.xz")
HOST_LISTS = ("bad/domains-tweetfeed.txt.xz",)
ADDRESS_LISTS = ("bad/ips-ipsum.tsv.xz", "bad/ips-cidr-maltrail.txt.xz")
DIGEST_LISTS = ("bad/hashes-merged.tsv.xz", "good/hashes-misp-falsepositives.txt.xz")
BENIGN_URLS = (("good/urls-kasztp.txt.xz", 0), ("good/hash-url-scoop.tsv.xz", 1), ("good/hash-url-opam.tsv.xz", 1))
BENIGN_HOSTS = (("good/domains-cloudflare-top100k.txt.xz", 0), ("good/domains-misp-other.tsv.xz", 0))
BULK = {"url": 500, "digest": 1000}
CHECK_EVERY = 50


def read_list(name, column=0):
    with lzma.open(os.path.join(LISTS, name), "rb") as lines:
        for line in lines:
            parts = line.rstrip(b"\n").split(b"\t") if ".tsv" in name else [line.rstrip(b"\n")]
            yield parts[column].decode("utf-8", "replace")


@unittest.skipUnless(LISTS, "no folder of real lists (SEKISHO_DATA)")
class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = temporary_folder("sekisho-lists-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        text = (TOP / DESCRIPTION).read_text().replace("../../../shared/data", LISTS)
        (cls.folder / "description.json").write_text(text)
        run = run_program("sekisho-pattern", "build", cls.folder / "description.json", "--out", cls.folder, timeout=600)
        if run.returncode != 0:
            raise AssertionError(run.stderr)
        with open(cls.folder / "report.json", encoding="utf-8") as file:
            cls.report = json.load(file)
        cls.server = CheckedServer().start()
        cls.addClassCleanup(cls.server.close)
        for name in ("web", "files"):
            job = import_pattern(cls.server, cls.folder / f"{name}.pattern")
            if job["state"] != "done":
                raise AssertionError(job)

    def reported(self, name):
        return next(entry for entry in self.report["inputs"] if entry["path"].endswith(name))

    def bulk(self, member, lines):
        """The results for all lines, some answers held against the document."""
        path = "/v1/url" if member == "url" else "/tmcss/v1/file"
        for number, at in enumerate(range(0, len(lines), BULK[member])):
            body = {f"{member}s": lines[at:at + BULK[member]]}
            answer = self.server.request_unchecked(
                "POST", path, body=json.dumps(body), headers={"Content-Type": "application/json"})
            self.assertEqual(answer.status, 200, answer)
            if number % CHECK_EVERY == 0:
                self.server.check("POST", path, answer)
            yield from answer.json["results"]

    def expected(self, pattern, kind, lines):
        """What the pattern itself says of each line: (score, listed), or None for an error."""
        run = subprocess.run(
            [program("sekisho-pattern"), "lookup", self.folder / pattern, kind, "-", "--json"],
            input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=False, env=environment())
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual(len(answers), len(lines))
        return [None if "error" in answer else answer for answer in answers]

    def compare_urls(self, name, lines):
        """Server and pattern agree on each; returns how many are listed as bad, and not, and refused."""
        bad = other = refused = 0
        for line, real, answer in zip(lines, self.bulk("url", lines), self.expected("web.pattern", "url", lines)):
            if answer is None:
                self.assertIn("error", real, line)
                refused += 1
                continue
            score = answer["score"] if answer["listed"] else 71
            self.assertEqual((real.get("score"), real.get("source")),
                             (score, "pattern" if answer["listed"] else "none"), (name, line))
            if score < 71:
                bad += 1
            else:
                other += 1
        print(f"# {name}: {len(lines)} lines, {bad} bad, {other} not, {refused} refused", flush=True)
        return bad, other, refused

    def test_bad_urls_are_found(self):
        for name in URL_LISTS + HOST_LISTS:
            lines = [line for line in read_list(name) if line.strip() and "\x00" not in line]
            bad, other, refused = self.compare_urls(name, lines)
            told = self.reported(name)
            self.assertLessEqual(refused, told["refused"] + told["excluded"])
            # What is not bad was refused, excluded, unsafe, or is milder than a safe entry's page.
            missing = told["refused"] + told["excluded"] + told["unsafe"]
            self.assertLessEqual(other, missing + self.report["web"]["conflicts"]["count"], name)
            self.assertGreater(bad, 0.98 * told["accepted"] - missing)

    def test_bad_addresses_are_found(self):
        for name in ADDRESS_LISTS:
            lines = list(read_list(name))
            firsts = [str(ipaddress.ip_network(line, strict=False)[0]) for line in lines]
            urls = [f"http://[{address}]/" if ":" in address else f"http://{address}/" for address in firsts]
            bad, other, _ = self.compare_urls(name, urls)
            told = self.reported(name)
            self.assertLessEqual(other, told["excluded"] + told["unsafe"] + self.report["web"]["conflicts"]["count"])
            self.assertGreater(bad, 0.9 * len(lines))

    def test_digests_are_found(self):
        for name in DIGEST_LISTS:
            lines = list(read_list(name))
            expected = self.expected("files.pattern", "file", lines)
            counts = {"malicious": 0, "known_good": 0, "unknown": 0}
            for line, real, answer in zip(lines, self.bulk("digest", lines), expected):
                if answer is None:
                    self.assertIn("error", real, line)
                    continue
                self.assertEqual(real["verdict"], answer["verdict"], (name, line))
                counts[answer["verdict"]] += 1
            print(f"# {name}: {counts}", flush=True)
            self.assertLessEqual(counts["unknown"], self.reported(name)["excluded"] + self.reported(name)["refused"])

    def test_benign_is_not_bad(self):
        """A benign name is bad only where a list names it (or a site above it) as bad."""
        named = set()
        for name in URL_LISTS + HOST_LISTS:
            for line in read_list(name):
                host = line.split("://", 1)[-1].split("/", 1)[0].rpartition("@")[2].split(":")[0].lower().strip(".")
                named.add(host)
        for name, column in BENIGN_URLS + BENIGN_HOSTS:
            lines = [line for line in read_list(name, column) if line.strip()]
            if (name, column) in BENIGN_HOSTS:
                lines = [f"http://{line.lstrip('.')}/" for line in lines]
            bad = 0
            for line, real in zip(lines, self.bulk("url", lines)):
                if real.get("score", 100) < 71:
                    bad += 1
                    host = real["url"].split("://", 1)[1].split("/", 1)[0]
                    labels = host.split(".")
                    above = {".".join(labels[i:]) for i in range(len(labels))}
                    self.assertTrue(above & named or host[:1] == "[" or labels[-1].isdigit(), (name, line, real))
                    self.assertNotIn((name, column), BENIGN_HOSTS, ("blocks a whole benign site", line, real))
            print(f"# {name}: {len(lines)} lines, {bad} bad (named by a list)", flush=True)


if __name__ == "__main__":
    main()
