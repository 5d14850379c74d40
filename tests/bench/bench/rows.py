"""The rows of the table: each function measures one and gives Row objects."""

import dataclasses
import json
import os
import re
import statistics
import time

from . import data as data_module
from .loads import faults, in_turns, median, pick, ratio
from .peers import Rbldnsd, one_answer
from .processes import Client, Measured, run_client, wait_for

MIB = 1024 * 1024
SWAP_EVERY = 1.0  # seconds


@dataclasses.dataclass
class Row:
    name: str
    what: str
    ours: str  # as shown
    peer: str = ""
    value: float = None  # what is held against the target
    must: float = None
    aim: float = None
    at_least: bool = False  # the value must reach, not stay below, the target
    unit: str = ""
    faults: int = 0  # answers that failed or were wrong
    detail: dict = dataclasses.field(default_factory=dict)

    @property
    def verdict(self):
        if self.faults:
            return f"{self.faults} WRONG"
        if self.must is None or self.value is None:
            return ""

        def reached(target):
            return self.value >= target if self.at_least else self.value <= target
        if self.aim is not None and reached(self.aim):
            return "aim"
        return "yes" if reached(self.must) else "MISSED"


def tail(bench, url):
    """What follows the URL in the answer about it."""
    target = "/v1/url?url=" + data_module.escape(url).decode()
    body = one_answer(bench.engine.plain, target).partition(b"\r\n\r\n")[2].decode()
    return body[body.index('"score":'):]


# ---- one question at a time ----

def cpu_row(bench, name, what, targets, tls, must, aim):
    engine, nginx = bench.engine, bench.nginx
    common = {"targets": bench.data.path(targets), "seconds": bench.seconds, "tls": tls}
    sides = {
        "ours": lambda: bench.loads.run(engine.tls if tls else engine.plain, pids=engine.pids,
                                        **common),
        "nginx": lambda: bench.loads.run(nginx.tls if tls else nginx.plain, pids=nginx.pids,
                                         check_every=1000000000, **common)}
    if not tls:
        bare = bench.bare
        sides["bare"] = lambda: bench.loads.run(bare.plain, pids=bare.pids,
                                                check_every=1000000000, **common)
    runs = in_turns(sides, bench.rounds)
    value = ratio(runs["ours"], runs["nginx"], "cpu_us")
    peer = f"nginx {median(runs['nginx'], 'cpu_us'):.2f} µs"
    if not tls:
        peer += f", bare epoll {median(runs['bare'], 'cpu_us'):.2f} µs"
    return Row(name, what, f"{median(runs['ours'], 'cpu_us'):.2f} µs CPU", peer, value, must, aim,
               unit="× nginx", faults=faults(runs["ours"]), detail=runs)


def row_url(bench):
    yield cpu_row(bench, "url", "one URL a request, HTTP keep-alive, 1 % listed", "targets-1.txt",
                  False, 1.15, 1.0)
    yield cpu_row(bench, "url-hits", "the same, 10 % listed", "targets.txt", False, None, None)


def row_tls(bench):
    yield cpu_row(bench, "tls", "one URL a request, TLS 1.3 keep-alive, 1 % listed",
                  "targets-1.txt", True, 1.1, 0.95)


def row_handshakes(bench):
    engine, nginx = bench.engine, bench.nginx
    for name, resume in (("handshake", False), ("resumption", True)):
        common = {"targets": bench.data.path("targets-1.txt"), "seconds": bench.seconds,
                  "tls": True, "per_connection": 1, "connections": 32, "resume": resume}
        runs = in_turns({
            "ours": lambda: bench.loads.run(engine.tls, pids=engine.pids, **common),
            "nginx": lambda: bench.loads.run(nginx.tls, pids=nginx.pids,
                                             check_every=1000000000, **common)}, bench.rounds)
        share = sum(pick(runs["ours"], "resumed")) / max(1, sum(pick(runs["ours"], "handshakes")))
        yield Row(name, f"TLS 1.3 connection with one question, {share:.0%} resumed",
                  f"{median(runs['ours'], 'cpu_us'):.0f} µs CPU",
                  f"nginx {median(runs['nginx'], 'cpu_us'):.0f} µs",
                  ratio(runs["ours"], runs["nginx"], "cpu_us"), unit="× nginx",
                  faults=faults(runs["ours"]), detail=runs)


def row_dns(bench):
    engine = bench.engine
    rbldnsd = Rbldnsd(bench.folder, bench.data.path("hosts.txt"))
    try:
        words = [bench.programs / "tests/bench/dns_load", rbldnsd.port, rbldnsd.ZONE,
                 bench.data.path("host-questions.txt"), 64, max(1, round(bench.seconds)),
                 rbldnsd.pids[0]]

        def ask():
            result = run_client(words)
            result["cpu_us"] = result["server_cpu_seconds"] / max(1, result["answers"]) * 1e6
            return result
        runs = in_turns({
            "ours": lambda: bench.loads.run(engine.plain, pids=engine.pids, seconds=bench.seconds,
                                            targets=bench.data.path("targets.txt")),
            "rbldnsd": ask}, bench.rounds)
    finally:
        rbldnsd.close()
    wrong = sum(pick(runs["rbldnsd"], "wrong"))
    yield Row("dns", "a DNS block list of the same hosts, per question (UDP)",
              f"{median(runs['ours'], 'cpu_us'):.2f} µs CPU",
              f"rbldnsd {median(runs['rbldnsd'], 'cpu_us'):.2f} µs"
              + (f", {wrong} wrong" if wrong else ""),
              ratio(runs["ours"], runs["rbldnsd"], "cpu_us"), unit="× rbldnsd",
              faults=faults(runs["ours"]), detail=runs)


# ---- many questions in one request ----

def per_core(result, entries):
    return result["answers"] * entries / result["server_cpu_seconds"]


def row_bulk(bench):
    engine = bench.engine
    kinds = (("bulk-urls", "URLs", engine.plain, "/v1/url", "url-bodies.txt",
              data_module.URLS_PER_BODY, 0.8, 1.5),
             ("bulk-digests", "digests", engine.files, "/tmcss/v1/file", "digest-bodies.txt",
              data_module.DIGESTS_PER_BODY, 2.0, 4.0))
    runs = in_turns({kind[0]: lambda kind=kind: bench.loads.run(
        kind[2], pids=engine.pids, target=kind[3], bodies=bench.data.path(kind[4]),
        connections=8, seconds=bench.seconds, check_every=8) for kind in kinds}, bench.rounds)
    for name, noun, _, _, _, entries, must, aim in kinds:
        rates = [per_core(result, entries) / 1e6 for result in runs[name]]
        value = statistics.median(rates)
        yield Row(name, f"{entries} {noun} a request, 10 % listed, per core of CPU time",
                  f"{value:.2f} M {noun}/s", f"{1000 / value:.0f} ns each", value, must, aim,
                  at_least=True, unit="M/s", faults=faults(runs[name]), detail={name: runs[name]})


def row_keywords(bench):
    """The same bulk requests without and with keyword rules."""
    engine = bench.engine
    real = data_module.real_urls(bench.shared) if bench.shared else None
    urls = real or [line.decode() for _, line in bench.data.questions_of("url-questions.txt")]
    urls = urls[:200000]
    entries = data_module.URLS_PER_BODY
    bodies = bench.folder / "real-bodies.txt"
    with open(bodies, "w", encoding="utf-8", errors="replace") as file:
        for i in range(0, len(urls) - entries + 1, entries):
            file.write(json.dumps({"urls": urls[i:i + entries]}).replace("\t", "%09") + "\n")
    rules = bench.folder / "keywords.csv"
    with open(rules, "w", encoding="utf-8") as file:
        file.write("list,kind,pattern\n")
        for text in ["bench-keyword-marker", *data_module.keyword_rules(999)]:
            file.write(f'blocked,keyword,"{text}"\n')
    runs = {"without": [], "with": []}
    marked = b"http://bench-keyword-marker.example/"

    def measure(side):
        runs[side].append(bench.loads.run(
            engine.plain, pids=engine.pids, target="/v1/url", bodies=bodies, connections=8,
            seconds=bench.seconds, warmup=1))
    for _ in range(bench.rounds):
        measure("without")
        batch = engine.import_rules(rules)
        try:
            wait_for(lambda: '"user_blocked"' in tail(bench, marked), 60, "keywords in effect")
            measure("with")
        finally:
            engine.undo_rules(batch)
        wait_for(lambda: '"user_blocked"' not in tail(bench, marked), 60, "keywords gone")
    each = {side: [result["cpu_us"] / entries for result in results]
            for side, results in runs.items()}
    value = statistics.median(b - a for a, b in zip(each["without"], each["with"]))
    yield Row("keywords", "1,000 keyword rules, more per look-up, "
              + ("real URL lists" if real else "made URLs"), f"{value * 1000:.0f} ns CPU",
              f"without {statistics.median(each['without']) * 1000:.0f} ns", value, 2.0, 1.0,
              unit="µs", faults=faults(runs["with"] + runs["without"]), detail=runs)


# ---- latency ----

def row_p99(bench):
    """Short turns and many of them: what else the machine does hits one side as often as another.
    The bare loop shows how much of a p99 is the machine's own."""
    engine, nginx, bare = bench.engine, bench.nginx, bench.bare
    common = {"targets": bench.data.path("targets-1.txt"), "connections": 1000,
              "rate": bench.half_rate, "seconds": bench.seconds, "warmup": 0.5}
    runs = in_turns({
        "ours": lambda: bench.loads.run(engine.plain, pids=engine.pids, **common),
        "nginx": lambda: bench.loads.run(nginx.plain, pids=nginx.pids, check_every=1000000000,
                                         **common),
        "bare": lambda: bench.loads.run(bare.plain, pids=bare.pids, check_every=1000000000,
                                        **common)}, 2 * bench.rounds + 1)
    value = ratio(runs["ours"], runs["nginx"], "latency_us", "p99")

    def shown(side):
        return (f"{median(runs[side], 'latency_us', 'p99'):.0f} µs "
                f"(p50 {median(runs[side], 'latency_us', 'p50'):.0f}, "
                f"CPU {median(runs[side], 'cpu_us'):.2f})")
    yield Row("p99", f"p99, 1,000 connections, open loop, {bench.half_rate:,} a second",
              shown("ours"), f"nginx {shown('nginx')}, bare epoll {shown('bare')}", value, 1.2,
              1.0, unit="× nginx", faults=faults(runs["ours"]), detail=runs)


def swap_targets(bench, generations):
    """Targets whose answer must be, as a whole, one generation's or the other's."""
    samples = {}
    for listed, url in bench.data.questions_of("url-questions.txt"):
        samples.setdefault(listed, url)
        if len(samples) == 2:
            break
    tails = {True: [], False: []}
    for generation in generations:
        bench.engine.activate(generation)
        for listed, url in samples.items():
            tails[listed].append(tail(bench, url))
    path = bench.folder / "swap-targets.txt"
    with open(path, "wb") as file:
        for number, (listed, url) in enumerate(bench.data.questions_of("url-questions.txt")):
            if number >= 200000:
                break
            file.write(b"/v1/url?url=" + data_module.escape(url) + b"\t"
                       + "\t".join(tails[listed]).encode() + b"\n")
    return path


def row_swaps(bench):
    engine = bench.engine
    active = active_generation(engine)
    other = engine.import_pattern(bench.data.pattern("b") / "web.pattern")
    generations = [active, other]
    common = {"targets": swap_targets(bench, generations), "connections": 100, "check_every": 1,
              "rate": bench.half_rate, "warmup": 1}
    swaps = 100

    def without():
        return [bench.loads.run(engine.plain, seconds=bench.seconds, **common)
                for _ in range(bench.rounds)]
    try:
        calm = without()
        load = bench.loads.start(engine.plain, seconds=swaps * SWAP_EVERY + 1, **common)
        try:
            time.sleep(2)
            times = []
            for i in range(swaps):
                start = time.monotonic()
                engine.activate(generations[i % 2])
                times.append(time.monotonic() - start)
                time.sleep(max(0, SWAP_EVERY - times[-1]))
            busy = load.result()
        finally:
            load.close()
        calm += without()
    finally:
        engine.activate(active)
    usual = median(calm, "latency_us", "p99")
    value = busy["latency_us"]["p99"] / usual
    yield Row("swaps", f"{swaps} swaps, one a second, at half load: p99 against none, all answers "
              "checked",
              f"{busy['latency_us']['p99']:.0f} µs, {busy['checked']:,} answers right",
              f"without {usual:.0f} µs; a swap {statistics.median(times) * 1000:.0f} ms",
              value, 1.5, 1.1, unit="×", faults=faults([busy, *calm]),
              detail={"busy": [busy], "calm": calm, "swap_seconds": times})


def row_slow(bench):
    engine = bench.engine
    count = 4000
    common = {"targets": bench.data.path("targets-1.txt"), "connections": 100,
              "rate": bench.half_rate, "seconds": bench.seconds, "warmup": 1}
    calm = [bench.loads.run(engine.plain, **common) for _ in range(bench.rounds)]
    seconds = 45 + round((bench.seconds + 2) * bench.rounds)
    slow = Client([bench.programs / "tests/bench/slow", engine.plain, "mixed", count, 1000, 4000,
                   seconds, "/v1/url?url=http%3A%2F%2Fslow.example%2F"])
    try:
        os.setpriority(os.PRIO_PROCESS, slow.process.pid, 19)
        slow.wait_ready()
        busy = [bench.loads.run(engine.plain, **common) for _ in range(bench.rounds)]
        ages = slow.result()
    finally:
        slow.close()
    usual = median(calm, "latency_us", "p99")
    value = median(busy, "latency_us", "p99") / usual
    yield Row("slow", f"{count:,} slow connections: others' p99 against none",
              f"{median(busy, 'latency_us', 'p99'):.0f} µs",
              f"without {usual:.0f} µs; closed at most after: header "
              f"{ages['header']['age_max_s']:.1f} s, body {ages['body']['age_max_s']:.1f} s, read "
              f"{ages['read']['age_max_s']:.1f} s; oldest open {ages['oldest_open_s']:.1f} s",
              value, 1.5, unit="×", faults=faults(calm + busy),
              detail={"calm": calm, "busy": busy, "slow": ages})


def row_access_log(bench):
    engine = bench.engine
    common = {"targets": bench.data.path("targets-1.txt"), "connections": 100, "warmup": 0,
              "seconds": bench.seconds}
    half = bench.half_rate
    # The last step is as fast as it goes.
    steps = [*sorted({20000, half, *range(30000, 2 * half, 10000)}), None]
    runs, best = [], 0
    off = [bench.loads.run(engine.plain, rate=half, **common)
           for _ in range(bench.rounds)]
    engine.set(**{"log.access": True})
    try:
        on = [bench.loads.run(engine.plain, rate=half, **common)
              for _ in range(bench.rounds)]
        for rate in steps:
            before, dropped = engine.access_entries_at_rest(), engine.dropped()
            result = bench.loads.run(engine.plain, rate=rate, **common)
            result["stored"] = engine.access_entries_at_rest() - before
            result["dropped"] = engine.dropped() - dropped
            runs.append(result)
            if result["dropped"] == 0 and result["stored"] >= result["answers"]:
                best = max(best, result["stored"] / result["seconds"])
            elif rate is None or rate > 2 * best:
                break
    finally:
        engine.set(**{"log.access": False})
    yield Row("access-log", "access log: entries stored a second without a drop",
              f"{best:,.0f}/s", f"tried up to {runs[-1]['per_second']:,.0f}/s", best, 20000,
              100000, at_least=True, unit="/s", faults=faults(runs), detail={"steps": runs})
    value = ratio(on, off, "latency_us", "p99")
    yield Row("access-log-p99", f"p99 with the access log at {half:,} a second, against without",
              f"{median(on, 'latency_us', 'p99'):.0f} µs",
              f"without {median(off, 'latency_us', 'p99'):.0f} µs", value, unit="×",
              faults=faults(on + off), detail={"on": on, "off": off})


# ---- memory ----

def row_memory(bench):
    engine = bench.engine
    common = {"targets": bench.data.path("targets-1.txt"), "rate": 10000, "warmup": 0}
    further = 10000

    def at(connections):
        load = bench.loads.start(engine.plain, connections=connections, sources=50, seconds=6,
                                 **common)
        try:
            time.sleep(5)
            size = engine.resident()
            return size, load.result()
        finally:
            load.close()
    few, first = at(1000)
    many, second = at(1000 + further)
    files = engine.file_bytes()
    each = (many - few) / further / 1024
    yield Row("memory", "resident above the files at 1,000 connections",
              f"{(few - files) / MIB:.1f} MiB", f"files {files / MIB:.0f} MiB",
              (few - files) / MIB, 64, unit="MiB", faults=faults([first]),
              detail={"resident": few, "files": files})
    yield Row("memory-each", "resident per further connection", f"{each:.2f} KiB", "",
              each, 4, unit="KiB", faults=faults([second]), detail={"resident": many})


def row_calls(bench):
    """Calls of heap and locks of the whole query server per request."""
    engine = bench.start_engine(count_calls=True)
    try:
        requests = 1000000 if not bench.quick else 200000
        common = {"targets": bench.data.path("targets-1.txt"), "connections": 64, "seconds": 0,
                  "requests": requests}
        engine.import_pattern(bench.data.pattern("a") / "web.pattern")
        engine.import_rules(bench.data.path("rules.csv"))
        bench.loads.run(engine.plain, **common)
        time.sleep(11)  # counters of clients are sent every ten seconds
        before = engine.calls()
        if before[0] == 0:
            raise RuntimeError("the calls are not counted")
        result = bench.loads.run(engine.plain, **common)
        counts = [b - a for a, b in zip(before, engine.calls())]
    finally:
        engine.close()
    yield Row("mallocs", "allocations of the query server per request (64 connections opened)",
              f"{counts[0]:,} in {result['answers']:,}", f"{counts[1]:,} frees",
              counts[0] / result["answers"], 0.001, unit="per request", faults=faults([result]),
              detail={"allocations": counts[0], "frees": counts[1]})
    yield Row("locks", "locks taken by the query server per request",
              f"{counts[2]:,} in {result['answers']:,}", "", counts[2] / result["answers"], 0.01,
              unit="per request", detail={"locks": counts[2]})


# ---- patterns ----

def row_pattern(bench):
    folder = bench.data.pattern("a")
    report = json.loads((folder / "report.json").read_text())
    tool = bench.programs / "sekisho-pattern"
    times = {"web": [], "files": []}
    for _ in range(bench.rounds):
        for name in times:
            done = Measured([tool, "verify", folder / f"{name}.pattern"]).check()
            times[name].append({"wall": done.wall, "cpu": done.cpu})
    wall = sum(median(runs, "wall") for runs in times.values())
    urls = report["web"]["urls"]
    digests = sum(report["files"][kind] for kind in ("md5", "sha1", "sha256_digests"))
    entries = f"{urls:,} URLs + {digests:,} digests"
    yield Row("open", f"open and verify {entries}", f"{wall:.2f} s",
              f"CPU {sum(median(runs, 'cpu') for runs in times.values()):.2f} s", wall, 1.0, 0.5,
              unit="s", detail=times)
    prefixes = report["web"]["v4"] + report["web"]["v6"]
    each = report["web"]["bytes"] / (urls + prefixes)
    yield Row("url-bytes", "file bytes per URL", f"{each:.2f} B", f"{prefixes:,} addresses in it",
              each, 11, unit="B", detail={"bytes": report["web"]["bytes"]})
    each = report["files"]["bytes"] / digests
    yield Row("digest-bytes", "file bytes per digest, names' texts counted", f"{each:.2f} B", "",
              each, 20, unit="B", detail={"bytes": report["files"]["bytes"]})


def row_build(bench):
    out = bench.folder / "built"
    small = bench.small_data
    one = [small.build("urls", out) for _ in range(3)]
    wall = statistics.median(run.wall for run in one)
    yield Row("build-urls", f"build of {small.urls:,} URLs", f"{wall:.2f} s",
              f"CPU {statistics.median(run.cpu for run in one):.2f} s, "
              f"{one[0].memory / small.urls:.0f} B of memory each", wall,
              2.0 * small.urls / 1e6, 1.0 * small.urls / 1e6, unit="s",
              detail={"runs": [[run.wall, run.cpu, run.memory] for run in one]})
    data = bench.data
    entries = data.urls + data.digests
    run = data.build("a", out)
    yield Row("build", f"build of {data.urls:,} URLs + {data.digests:,} digests, safety check",
              f"{run.wall:.1f} s", f"CPU {run.cpu:.1f} s", run.wall, 40 * entries / 20e6,
              20 * entries / 20e6, unit="s", detail={"run": [run.wall, run.cpu, run.memory]})
    each = max(run.memory / entries, max(run.memory for run in one) / small.urls)
    yield Row("build-memory", "most memory of a build per entry (the worse of the two)",
              f"{each:.0f} B", f"{run.memory / MIB:.0f} MiB", each, 100, 50, unit="B",
              detail={"memory": run.memory})


# ---- parts ----

def whole_lookups(bench, data):
    """ns of CPU time per whole look-up in the pattern of the data's URLs, by kind."""
    folder = data.pattern("urls")
    text = Measured([bench.programs / "tests/bench/micro/micro_questions", folder / "web.pattern",
                     data.path("url-questions.txt"), bench.rounds]).check().output
    return {what: float(ns) for what, ns in re.findall(r"^ +(\S.*?) {2,}([0-9.]+) ns", text, re.M)}


def active_generation(engine):
    return next(item["generation"] for item in engine.rpc("pattern.list")["items"]
                if item["active"] and item["kind"] == "web")


def growth_of_requests(bench, few, many):
    """The same for whole requests over HTTP: each pattern is activated in turns."""
    engine = bench.engine
    active = active_generation(engine)
    generations = {data: engine.import_pattern(data.pattern("urls") / "web.pattern", False)
                   for data in (few, many)}

    def ask(data):
        engine.activate(generations[data])
        return bench.loads.run(engine.plain, pids=engine.pids, seconds=bench.seconds, warmup=1,
                               targets=data.path("targets-1.txt"))
    try:
        return in_turns({"few": lambda: ask(few), "many": lambda: ask(many)}, bench.rounds)
    finally:
        engine.activate(active)


def row_growth(bench):
    small, large = bench.small_data, bench.large_data
    few, many = whole_lookups(bench, small), whole_lookups(bench, large)
    against = f"{large.urls // 1000000} M URLs against 1 M"
    for kind in ("single", "batch"):
        what = f"whole look-up, {kind}"
        yield Row(f"growth-{kind}", f"{what}: {against}", f"{many[what]:.0f} ns",
                  f"1 M {few[what]:.0f} ns", many[what] / few[what], 1.3, 1.15, unit="×",
                  detail={"few": few, "many": many})
    runs = growth_of_requests(bench, small, large)
    yield Row("growth-request", f"one URL a request, HTTP keep-alive: {against}",
              f"{median(runs['many'], 'cpu_us'):.2f} µs CPU",
              f"1 M {median(runs['few'], 'cpu_us'):.2f} µs",
              ratio(runs["many"], runs["few"], "cpu_us"), 1.3, 1.15, unit="×",
              faults=faults(runs["few"] + runs["many"]), detail=runs)


ROWS = {"url": row_url, "tls": row_tls, "handshakes": row_handshakes, "dns": row_dns,
        "bulk": row_bulk, "keywords": row_keywords, "p99": row_p99, "swaps": row_swaps,
        "slow": row_slow, "access-log": row_access_log, "memory": row_memory,
        "pattern": row_pattern, "build": row_build, "calls": row_calls, "growth": row_growth}
