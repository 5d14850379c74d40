#!/usr/bin/env python3
"""Holds the real code against the second implementation in this folder.

    tests/reference/differential.py [--full] [--build DIR] [--data DIR] [--variants N] [--seed N]

Compares canonical form, parts and expressions (canonical.py with canonical_tool): the examples of
docs/url-form.md, the lists of real data, the folder messy/ and generated variants of all of them. Then
look-up and decision (decision.py with decision_tool) in generated small worlds of patterns, rules and objects,
and look-ups in a pattern of all lists (feeds.py with `sekisho-pattern build` and `lookup`).
Without --full: every 40th line and few variants and worlds, for ./check. Exit 0 when everything
agrees, 1 when not, 77 when there is nothing to compare with (not built).
"""

import argparse
import json
import lzma
import multiprocessing
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

import canonical
import examples
import feeds
import scenarios
import variants

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATCH = 20000
DIFFERENCES_SHOWN = 20

# List below the data folder → (kind of its lines, column). Digests are compared elsewhere.
LISTS = {
    "bad/urls-tweetfeed.txt.xz": ("u", 0),
    "bad/urls-urlhaus-filter.txt.xz": ("u", 0),
    "bad/urls-maltrail.txt.xz": ("u", 0),
    "bad/domains-tweetfeed.txt.xz": ("h", 0),
    "bad/ips-ipsum.tsv.xz": ("h", 0),
    "bad/ips-cidr-maltrail.txt.xz": ("h", 0),
    "good/hash-url-scoop.tsv.xz": ("u", 1),
    "good/hash-url-opam.tsv.xz": ("u", 1),
    "good/urls-homepages-scoop-opam.txt.xz": ("u", 0),
    "good/urls-kasztp.txt.xz": ("u", 0),
    "good/domains-cloudflare-top100k.txt.xz": ("h", 0),
    "good/domains-misp-other.tsv.xz": ("h", 0),
    "good/cidr-misp-cloud.tsv.xz": ("h", 0),
}
MESSY_JSON = ("messy/wpt-urltestdata.json", "messy/wpt-toascii.json", "messy/wpt-IdnaTestV2.json")


def find_data():
    """The folder of real lists: SEKISHO_DATA, or beside the sources; None when there is none."""
    places = [os.environ.get("SEKISHO_DATA"), os.path.join(TOP, "../shared/data"),
              os.path.join(TOP, "../../shared/data")]
    for place in places:
        if place and os.path.isdir(os.path.join(place, "bad")):
            return place
    return None


def read_list(path, column):
    with lzma.open(path, "rb") as lines:
        for line in lines:
            parts = line.rstrip(b"\n").split(b"\t") if path.endswith(".tsv.xz") else [line.rstrip(b"\n")]
            if column < len(parts):
                yield parts[column]


def read_messy(folder):
    """Every line of messy/, each as a URL and as a host."""
    with open(os.path.join(folder, "messy/messy-urls.tsv"), "rb") as lines:
        for line in lines:
            parts = line.rstrip(b"\n").split(b"\t", 3)
            yield "u", parts[3]
            yield "h", parts[3]
    for name in MESSY_JSON:
        with open(os.path.join(folder, name), encoding="utf-8") as document:
            tests = json.load(document)
        for test in tests:
            if isinstance(test, dict):
                given = test["input"].encode("utf-8", "surrogatepass")
                yield "u", given
                yield "h", given
                if len(given) < 4096:
                    yield "u", b"http://" + given + b"/"


def address_text(url):
    address = url.address
    if address is None:
        return b""
    family, value = address
    return canonical.write_ipv4(value) if family == 4 else canonical.write_ipv6(value)


def reference_answer(kind, given):
    """What canonical_tool should print for this record."""
    try:
        url = canonical.from_host(given) if kind == "h" else canonical.canonicalize(given)
    except canonical.Refused as refused:
        return refused.kind.encode()
    query = b"" if url.query is None else b"?" + url.query
    return b"\n".join((
        url.text, url.host, url.path, query, address_text(url),
        b" ".join(canonical.host_expressions(url)), b" ".join(canonical.path_expressions(url))))


def tool_answers(tool, records):
    data = b"".join(kind.encode() + struct.pack(">I", len(given)) + given for kind, given in records)
    run = subprocess.run([tool], input=data, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise RuntimeError("canonical_tool ended with %d" % run.returncode)
    answers, position = [], 0
    while position < len(run.stdout):
        (length,) = struct.unpack_from(">I", run.stdout, position)
        answers.append(run.stdout[position + 4:position + 4 + length])
        position += 4 + length
    if len(answers) != len(records):
        raise RuntimeError("canonical_tool answered %d of %d records" % (len(answers), len(records)))
    return answers


def compare(tool, records):
    """(refused, differences): the differences as (kind, input, of the tool, of the reference)."""
    refused, differences = 0, []
    for (kind, given), real in zip(records, tool_answers(tool, records)):
        expected = reference_answer(kind, given)
        if expected in (b"syntax", b"limit", b"unsupported"):
            refused += 1
        if real != expected:
            differences.append((kind, given, real, expected))
    return refused, differences


def run_task(task):
    """In a process of its own: a batch of records, or variants made from a pool."""
    tool, records, pool, seed, count = task
    if records is None:
        source = random.Random(seed)
        records = [variants.make(source, pool) for _ in range(count)]
    refused, differences = compare(tool, records)
    return len(records), refused, differences


class Totals:
    def __init__(self):
        self.compared = 0
        self.refused = 0
        self.differences = 0
        self.shown = 0
        self.started = time.monotonic()
        self.told = self.started

    def add(self, result, what):
        count, refused, differences = result
        self.compared += count
        self.refused += refused
        self.differences += len(differences)
        for kind, given, real, expected in differences:
            if self.shown < DIFFERENCES_SHOWN:
                self.shown += 1
                print("differs (%s) %r\n   code      %r\n   reference %r" %
                      ("host" if kind == "h" else "URL", given[:600], real[:1200], expected[:1200]))
        now = time.monotonic()
        if now - self.told >= 10:
            self.told = now
            print("%s: %s compared, %d differences, %d s" %
                  (what, f"{self.compared:,}", self.differences, now - self.started), flush=True)


def batches(records):
    batch = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def list_records(data, every):
    for name, (kind, column) in LISTS.items():
        for number, text in enumerate(read_list(os.path.join(data, name), column)):
            if number % every == 0:
                yield kind, text
                if kind == "h" and number % 16 == 0:
                    yield "u", text


def is_accepted(text):
    try:
        canonical.canonicalize(text)
    except canonical.Refused:
        return False
    return True


def variant_pool(data, document):
    """URLs to vary: a mixture of all lists, messy/ and the document's examples."""
    source = random.Random(1)
    pool = [given for kind, given, _ in examples.read(document) if kind != "host"]
    if data is not None:
        pool += [given for kind, given in read_messy(data) if kind == "u"]
        for name, (kind, column) in LISTS.items():
            lines = list(read_list(os.path.join(data, name), column))
            lines = source.sample(lines, min(3000, len(lines)))
            pool += lines if kind == "u" else [b"http://" + line + b"/a/b?c" for line in lines[:1000]]
    return [url for index, url in enumerate(pool) if index % 50 == 0 or is_accepted(url)]


def compare_canonical(options, data, workers):
    tool = os.path.join(options.build, "tests/reference/canonical_tool")
    document = os.path.join(TOP, "docs/url-form.md")
    totals = Totals()
    count, wrong = examples.check(document)
    for kind, given, expected, got in wrong:
        print("example (%s) %r\n   document  %r\n   reference %r" % (kind, given, expected, got))
    print("examples of docs/url-form.md: %d, %d differ from the reference" % (count, len(wrong)))

    def given():
        records = [("h" if kind == "host" else "u", text) for kind, text, _ in examples.read(document)]
        yield from batches(records)
        if data is not None:
            yield from batches(read_messy(data))
            yield from batches(list_records(data, 1 if options.full else 40))

    for result in workers.imap(run_task, ((tool, batch, None, 0, 0) for batch in given()), 1):
        totals.add(result, "lists")
    print("lists: %s compared, %s refused by both, %d differences" %
          (f"{totals.compared:,}", f"{totals.refused:,}", totals.differences))

    pool = variant_pool(data, document)
    made = Totals()
    tasks = ((tool, None, pool, options.seed * 1000003 + index, min(BATCH, options.variants - index * BATCH))
             for index in range((options.variants + BATCH - 1) // BATCH))
    for result in workers.imap(run_task, tasks, 1):
        made.add(result, "variants")
    print("variants: %s compared, %s refused by both, %d differences" %
          (f"{made.compared:,}", f"{made.refused:,}", made.differences))
    return len(wrong) + totals.differences + made.differences


def run_worlds(task):
    """In a process of its own: some scenarios; (questions, of them answered by something, differences)."""
    tool, seed, count = task
    worlds = [scenarios.Scenario(random.Random(seed * 1000 + index)) for index in range(count)]
    lines = b"\n".join(line for world in worlds for line in world.lines) + b"\n"
    run = subprocess.run([tool], input=lines, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise RuntimeError("decision_tool ended with %d (seed %d)" % (run.returncode, seed))
    real = iter(run.stdout.split(b"\n"))
    questions, found, differences = 0, 0, []
    for index, world in enumerate(worlds):
        for question, expected in zip(world.questions, world.expected()):
            answer = next(real)
            questions += 1
            found += not expected.startswith(b"none")
            if answer != expected:
                differences.append((seed * 1000 + index, question, answer, expected))
    return questions, found, differences


def compare_decisions(options, workers):
    tool = os.path.join(options.build, "tests/reference/decision_tool")
    questions, found, wrong, told = 0, 0, 0, time.monotonic()
    tasks = ((tool, options.seed * 100000 + index, 20) for index in range(options.worlds // 20))
    for counts in workers.imap(run_worlds, tasks, 1):
        questions += counts[0]
        found += counts[1]
        wrong += len(counts[2])
        for seed, question, answer, expected in counts[2][:3] if wrong < DIFFERENCES_SHOWN else ():
            print("differs (world %d) %r\n   code      %r\n   reference %r" % (seed, question, answer, expected))
        if time.monotonic() - told >= 10:
            told = time.monotonic()
            print("decisions: %s compared, %d differences" % (f"{questions:,}", wrong), flush=True)
    print("decisions: %s questions to %s worlds, %s of them decided by an entry, %d differences" %
          (f"{questions:,}", f"{options.worlds:,}", f"{found:,}", wrong))
    return wrong


def lookup_lists(data, every):
    """(name, kind, score, lines) of each list: bad ones with scores of their own, good ones safe."""
    for index, (name, (kind, column)) in enumerate(LISTS.items()):
        score = (49, 30, 20, 49, 60, 65)[index] if name.startswith("bad/") else 81 + index
        lines = [line for number, line in enumerate(read_list(os.path.join(data, name), column))
                 if number % every == 0]
        yield name, kind, score, lines


def build_both(options, data, folder, lists):
    """The same lists into a pattern by the compiler, and into a feeds.Lists; the counts must agree."""
    reference, inputs = feeds.Lists(), []
    for index, (name, kind, score, lines) in enumerate(lists):
        path = "%d.txt" % index
        with open(os.path.join(folder, path), "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        # Lists of addresses have prefixes, which are no hosts.
        form = "urls" if kind == "u" else "ips" if "ip" in name else "hosts"
        inputs.append({"path": path, "format": form, "source": "s%d" % index, "score": score,
                       "kind": "bad" if score < 81 else "good"})
        reference.add(kind, lines, score, "s%d" % index)
    reference.pattern.finish()
    with open(os.path.join(folder, "description.json"), "w", encoding="utf-8") as file:
        json.dump({"name": "differential", "inputs": inputs}, file)
    program = os.path.join(options.build, "sekisho-pattern")
    subprocess.run([program, "build", os.path.join(folder, "description.json"), "--out", folder],
                   stdout=subprocess.DEVNULL, check=True)
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    wrong = 0
    for counts, told, (name, *_) in zip(reference.counts, report["inputs"], lists):
        told = {key: told[key] for key in counts}
        if told != counts:
            wrong += 1
            print("differs (list %s)\n   code      %r\n   reference %r" % (name, told, counts))
    entries = len(reference.pattern.entries) + len(reference.pattern.prefixes)
    if report["web"]["written"] != entries:
        wrong += 1
        print("differs: %d entries written, the reference has %d" % (report["web"]["written"], entries))
    return reference.pattern, entries, wrong


def expected_lookup(pattern, kind, given):
    """The fields of `sekisho-pattern lookup`: state, score, entry, sources."""
    try:
        url = canonical.from_host(given) if kind == "h" else canonical.canonicalize(given)
    except canonical.Refused:
        return ("error",)
    text, value = pattern.look_up(url)
    if value is None:
        return ("unlisted",)
    return "listed", value.score, text.decode(), sorted(value.origins)


LOOKUP_SHARED = {}


def run_lookups(task):
    """In a process of its own, which has inherited the pattern."""
    kind, queries, seed, count = task
    if queries is None:
        source = random.Random(seed)
        made = (variants.make(source, LOOKUP_SHARED["pool"]) for _ in range(count))
        queries = [given for made_kind, given in made if made_kind == kind]
    # One question a line, so what would be more than one line, or none, is not asked here.
    queries = [given for given in queries if given.strip() and not any(byte in given for byte in b"\n\r\0")]
    run = subprocess.run(
        [LOOKUP_SHARED["program"], "lookup", LOOKUP_SHARED["file"], "url" if kind == "u" else "domain", "-", "--json"],
        input=b"\n".join(queries) + b"\n", stdout=subprocess.PIPE, check=False)
    answers = run.stdout.split(b"\n")[:-1]
    if len(answers) != len(queries):
        raise RuntimeError("lookup answered %d of %d questions" % (len(answers), len(queries)))
    listed, differences = 0, []
    for given, answer in zip(queries, answers):
        answer = json.loads(answer)
        if "error" in answer:
            real = ("error",)
        elif not answer["listed"]:
            real = ("unlisted",)
        else:
            real = "listed", answer["score"], answer["entry"], sorted(answer["sources"])
        expected = expected_lookup(LOOKUP_SHARED["pattern"], kind, given)
        listed += expected[0] == "listed"
        if real != expected:
            differences.append((kind, given, repr(real).encode(), repr(expected).encode()))
    return len(queries), listed, differences


def compare_lookups(options, data):
    lists = list(lookup_lists(data, 1 if options.full else 40))
    with tempfile.TemporaryDirectory(prefix="sekisho-differential-") as folder:
        pattern, entries, wrong = build_both(options, data, folder, lists)
        LOOKUP_SHARED.update(
            program=os.path.join(options.build, "sekisho-pattern"), file=os.path.join(folder, "web.pattern"),
            pattern=pattern, pool=[line for _, kind, _, lines in lists if kind == "u" for line in lines[:20000]])
        totals = Totals()
        with multiprocessing.Pool(2) as workers:  # made now, so that both inherit the pattern
            tasks = [(kind, [line.split(b"/")[0] if kind == "h" else line for line in lines[at:at + BATCH]], 0, 0)
                     for _, kind, _, lines in lists for at in range(0, len(lines), BATCH)]
            tasks += [("u", None, options.seed * 7000003 + index, BATCH) for index in range(options.variants // BATCH)]
            for result in workers.imap(run_lookups, tasks, 1):
                totals.add(result, "look-ups")
    print("look-ups: %s in a pattern of %s entries, %s of them listed, %d differences" %
          (f"{totals.compared:,}", f"{entries:,}", f"{totals.refused:,}", totals.differences + wrong))
    return totals.differences + wrong


def main():
    parser = argparse.ArgumentParser(description="the second implementation against the real code")
    parser.add_argument("--full", action="store_true", help="every line and 2,000,000 variants")
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--data", default=find_data())
    parser.add_argument("--variants", type=int)
    parser.add_argument("--worlds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.variants is None:
        options.variants = 2000000 if options.full else 100000
    if options.worlds is None:
        options.worlds = 20000 if options.full else 1000
    for tool in ("canonical_tool", "decision_tool"):
        if not os.path.exists(os.path.join(options.build, "tests/reference", tool)):
            print("%s is not built (make %s)" % (tool, "tests/reference/" + tool), file=sys.stderr)
            return 77
    if options.data is None:
        print("no folder of real lists (SEKISHO_DATA): examples and variants of them only")
    with multiprocessing.Pool(2) as workers:
        differences = compare_canonical(options, options.data, workers)
        differences += compare_decisions(options, workers)
    if options.data is not None and os.path.exists(os.path.join(options.build, "sekisho-pattern")):
        differences += compare_lookups(options, options.data)
    print("%d differences" % differences)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
