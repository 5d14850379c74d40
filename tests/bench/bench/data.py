"""The data of the benches: lists by make_data, requests made from the questions, patterns."""

import json
import lzma
import os
import pathlib
import random
import re

from .processes import Measured

SEED = 20261123
KEY = b"a key for tests\0"  # as tests/functional/make_sections has it
URLS_PER_BODY, DIGESTS_PER_BODY = 500, 1000
UNRESERVED = re.compile(rb"[^A-Za-z0-9._~-]")
ESCAPES = {bytes([i]): b"%%%02X" % i for i in range(256)}
BAD_SCORE, OTHER_SCORE = 49, 30


def escape(text):
    return UNRESERVED.sub(lambda match: ESCAPES[match[0]], text)


class Data:
    """Everything below one folder; made when it is not there for this size."""

    def __init__(self, folder, programs, urls, digests, questions, hit_percent=10, rules=10000):
        self.folder, self.programs = pathlib.Path(folder), programs
        self.urls, self.digests, self.questions = urls, digests, questions
        self.rules, self.hit_percent = rules, hit_percent
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make()

    def path(self, name):
        return self.folder / name

    def make(self):
        mark = {"seed": SEED, "urls": self.urls, "digests": self.digests, "rules": self.rules,
                "questions": self.questions, "hits": self.hit_percent, "version": 2}
        file = self.path("made.json")
        if file.exists() and json.loads(file.read_text()) == mark:
            return
        file.unlink(missing_ok=True)
        base = [self.programs / "tests/bench/make_data", "--out", self.folder, "--seed", SEED,
                "--urls", self.urls, "--digests", self.digests, "--benign", 100000,
                "--rules", self.rules, "--url-questions", self.questions,
                "--digest-questions", self.questions]
        Measured([*base, "--hit-percent", 1, "--only-questions"]).check()
        for name in ("url", "digest", "host"):
            self.path(f"{name}-questions.txt").rename(self.path(f"{name}-questions-1.txt"))
        Measured([*base, "--hit-percent", self.hit_percent]).check()
        self.write_targets("url-questions.txt", "targets.txt")
        self.write_targets("url-questions-1.txt", "targets-1.txt")
        self.write_url_bodies()
        self.write_digest_bodies()
        self.write_descriptions()
        self.write_rules()
        file.write_text(json.dumps(mark))

    # ---- requests ----
    def questions_of(self, name):
        with open(self.path(name), "rb") as file:
            for line in file:
                yield line[0:1] == b"1", line[2:].rstrip(b"\n")

    def write_targets(self, source, name):
        with open(self.path(name), "wb") as file:
            for listed, url in self.questions_of(source):
                expected = b'"score":%d,' % (BAD_SCORE if listed else 71)
                file.write(b"/v1/url?url=" + escape(url) + b"\t" + expected + b"\n")

    def write_bodies(self, name, questions, member, per_body, text):
        with open(self.path(name), "wb") as file:
            entries, hits = [], 0
            for listed, entry in questions:
                entries.append(json.dumps(entry.decode("utf-8", "surrogateescape")))
                hits += listed
                if len(entries) == per_body:
                    body = '{"%s":[%s]}\t#%d:%s\n' % (member, ",".join(entries), hits, text)
                    file.write(body.encode())
                    entries, hits = [], 0

    def write_url_bodies(self):
        self.write_bodies("url-bodies.txt", self.questions_of("url-questions.txt"), "urls",
                          URLS_PER_BODY, f'"score":{BAD_SCORE},')

    def write_digest_bodies(self):
        self.write_bodies("digest-bodies.txt", self.questions_of("digest-questions.txt"),
                          "digests", DIGESTS_PER_BODY, '"verdict":"malicious"')

    # ---- what is built ----
    def write_descriptions(self):
        """a and b differ in score and version only, so an answer tells which one it is of."""
        for name, score in (("a", BAD_SCORE), ("b", OTHER_SCORE)):
            value = {"name": "bench", "version": f"bench-{name}", "inputs": [
                {"path": "urls.txt", "format": "urls", "source": "bench", "kind": "bad",
                 "score": score, "categories": ["malware"]}]}
            if name == "a":
                value["inputs"].append({"path": "digests.tsv", "format": "digests",
                                        "source": "bench files", "kind": "bad"})
                value["safety"] = {"benign": ["benign.txt"]}
            self.path(f"{name}.json").write_text(json.dumps(value))
        for name, kind in (("urls", "urls.txt"), ("digests", "digests.tsv")):
            value = {"name": "bench", "version": "bench", "inputs": [
                {"path": kind, "format": name, "source": "bench", "kind": "bad"}]}
            self.path(f"{name}.json").write_text(json.dumps(value))

    def pattern(self, name):
        """Folder with the built patterns of a description; built when they are not there, or when
        the format has changed since."""
        folder = self.path(f"pattern-{name}")
        files = list(folder.glob("*.pattern"))
        tool = self.programs / "sekisho-pattern"
        if not files or any(Measured([tool, "verify", file]).code != 0 for file in files):
            self.build(name, folder)
        return folder

    def build(self, name, folder):
        key = self.path("key")
        if not key.exists():
            key.write_text(KEY.hex() + "\n")
            os.chmod(key, 0o600)
        return Measured([self.programs / "sekisho-pattern", "build", self.path(f"{name}.json"),
                         "--key", key, "--out", folder]).check()

    def write_rules(self):
        """The rules as `rule.import` takes them."""
        with open(self.path("rules.txt"), encoding="utf-8") as source, \
                open(self.path("rules.csv"), "w", encoding="utf-8") as file:
            file.write("list,kind,pattern\n")
            for line in source:
                which, extent, url = line.rstrip("\n").split("\t")
                file.write(f"{which},{'page' if extent == 'page' else 'site'},{url}\n")


WORDS = ("paypal apple amazon netflix office365 outlook microsoft facebook instagram whatsapp "
         "dhl fedex usps ups bank chase wells santander hsbc wallet metamask coinbase binance "
         "trust ledger steam discord telegram roblox nitro gift prize bonus casino invoice "
         "payment refund tax gov irs alibaba rakuten mercari docusign dropbox onedrive "
         "sharepoint webmail cpanel wordpress verify secure update login signin account").split()


def keyword_rules(count):
    """Regular expressions as administrators write them: names with an ending, with digits, in a
    folder. Always the same ones."""
    chance = random.Random(SEED)
    found = {}
    while len(found) < count:
        a, b = chance.choice(WORDS), chance.choice(WORDS)
        number = chance.randint(10, 999)
        shape = chance.choice((
            f"{a}-{b}{number}", f"{a}[.-]{b}[a-z]*{number}\\.", f"/{a}{number}/.*\\.php$",
            f"{a}.{{0,8}}{b}{number}", f"//[^/]*{a}{number}[^/]*\\.(top|xyz|icu)/",
            f"\\.{a}{number}\\.", f"{a}_{b}/{number}", f"{a}{number}\\.(exe|zip|apk)$"))
        found[shape] = None
    return list(found)


def real_urls(shared):
    """The URLs of the real lists, in a fixed random order, or None when they are not there."""
    lists = ("bad/urls-tweetfeed.txt.xz", "bad/urls-urlhaus-filter.txt.xz",
             "bad/urls-maltrail.txt.xz", "good/urls-kasztp.txt.xz")
    found = []
    for name in lists:
        file = pathlib.Path(shared) / "data" / name
        if not file.exists():
            return None
        with lzma.open(file, "rt", encoding="utf-8", errors="replace") as lines:
            found += [line.rstrip("\n") for line in lines]
    random.Random(SEED).shuffle(found)
    return found
