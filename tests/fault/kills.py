#!/usr/bin/env python3
"""Kills processes at random moments of imports, activations, changes and logging, and looks what is left.

    tests/fault/kills.py [--minutes N] [--seed N] [--build DIR]

After each kill: the program is back within 2 seconds; what was acknowledged is there, an import is there as a whole
or not at all; the active pattern is the acknowledged one (or the one that was on its way); answers to queries were right all
the time, and only a kill of the query server broke connections; of the log at most the last second is missing; no temporary
file is left. Exit status 0 when all of it held.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "functional"))
parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--seed", type=int, default=int(time.time()))
parser.add_argument("--build")
options = parser.parse_args()
if options.build:
    os.environ["SEKISHO_BUILD"] = options.build

from background import Background  # noqa: E402  (the build folder must be known first)
from harness import RpcError, Server, run_program, temporary_folder, wait_for  # noqa: E402

BACK_WITHIN = 2.0
LOG_MAY_MISS = 1.0
IMPORT_LINES = 3000
PROGRAMS = ("sekishod", "sekisho-queryd", "sekisho-keeper", "guardian")


class Faults:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.folder = temporary_folder("sekisho-fault-")
        self.server = Server().start()
        self.rules = {}  # id → URL, acknowledged
        self.removed = set()
        self.imports = 0
        self.whole_imports = set()  # acknowledged
        self.active = None
        self.on_its_way = None
        self.logged = []  # (time, URL) of answers that belong into the log
        self.lock = threading.Lock()
        self.problems = []
        self.rounds = 0
        self.acknowledged = {"added": 0, "removed": 0, "imports": 0, "activations": 0, "log entries": 0}
        self.patterns = [self.build_pattern(f"fault-{n}", 20 + n) for n in range(2)]
        self.header, self.line = self.csv_form()

    def close(self):
        self.server.close()
        shutil.rmtree(self.folder)

    def problem(self, text):
        print(f"PROBLEM (round {self.rounds}): {text}", flush=True)
        self.problems.append(text)

    def build_pattern(self, version, score):
        folder = self.folder / version
        folder.mkdir()
        (folder / "urls.txt").write_text("".join(f"http://h{i}.fault.example/x\n" for i in range(50000)))
        (folder / "description.json").write_text(
            '{"name": "fault", "version": "%s", "inputs": [{"path": "urls.txt", "format": "urls", "source": "fault", '
            '"kind": "bad", "score": %d}]}' % (version, score))
        run = run_program("sekisho-pattern", "build", folder / "description.json", "--out", folder)
        if run.returncode != 0:
            raise RuntimeError(run.stderr)
        return folder / "web.pattern"

    def csv_form(self):
        """The header and a line of the CSV form, from an export."""
        number = self.server.rpc("rule.add", {"list": "blocked", "kind": "page", "pattern": "http://form.fault.example/",
                                              "comment": "form"})["id"]
        path = self.folder / "form.csv"
        run = self.server.cli("rule", "export", str(path))
        if run.returncode != 0:
            raise RuntimeError(run.stderr)
        self.server.rpc("rule.remove", {"ids": [number]})
        lines = path.read_text().splitlines()
        return lines[0], next(line for line in lines if "form.fault.example" in line)

    # ---- what is done ----

    def do_add(self):
        client = self.server.rpc_client()  # the checks of a round use the server's own one
        for _ in range(20):
            url = f"http://r{self.random.randrange(10 ** 9)}.fault.example/"
            added = client.call("rule.add", {"list": "blocked", "kind": "site", "pattern": url})
            with self.lock:
                self.rules[added["id"]] = url
                self.acknowledged["added"] += 1
            if len(self.rules) > 30:
                self.remove_one(client)
        client.close()

    def remove_one(self, client):
        """Until it is acknowledged, the rule may be there or not."""
        number = next(number for number, url in self.rules.items() if "//r" in url)
        with self.lock:
            del self.rules[number]
        client.call("rule.remove", {"ids": [number]})
        with self.lock:
            self.removed.add(number)
            self.acknowledged["removed"] += 1

    def do_import(self):
        self.imports += 1
        tag = f"import{self.imports}x"
        path = self.folder / "import.csv"
        path.write_text("\n".join([self.header] + [self.line.replace("form", f"{tag}{i}") for i in range(IMPORT_LINES)]))
        run = self.server.cli("rule", "import", str(path))
        if run.returncode == 0:
            self.whole_imports.add(tag)
            self.acknowledged["imports"] += 1

    def do_activate(self):
        path = self.random.choice(self.patterns)
        self.on_its_way = path.parent.name
        run = self.server.cli("pattern", "import", str(path), "--activate")
        if run.returncode == 0:
            self.active, self.on_its_way = self.on_its_way, None
            self.acknowledged["activations"] += 1

    def do_log(self):
        for _ in range(200):
            url = f"http://r.fault.example/log{self.random.randrange(10 ** 12)}"
            if self.server.get("/v1/url", {"url": url}).status == 200:
                with self.lock:
                    self.logged.append((time.time(), url))

    def attempt(self, action):
        try:
            action()
        except (OSError, RpcError, ValueError, AssertionError):
            pass  # the kill came in between: what was not acknowledged may be there or not

    # ---- what must hold ----

    def ask(self, verb, params=None):
        """An RPC call that survives one restart."""
        def call():
            try:
                return [self.server.rpc(verb, params)]
            except (OSError, ValueError, RpcError):
                if self.server.rpc_connection is not None:
                    self.server.rpc_connection.close()
                    self.server.rpc_connection = None
                return None
        return wait_for(call, 20, verb)[0]

    def all_items(self, verb, params):
        items, cursor = [], None
        while True:
            page = self.ask(verb, {**params, "limit": 1000, **({"cursor": cursor} if cursor else {})})
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    def check_rules(self):
        found = {rule["id"]: rule["pattern"] for rule in self.all_items("rule.list", {})}
        missing = [number for number in self.rules if number not in found]
        back = [number for number in self.removed if number in found]
        if missing or back:
            self.problem(f"rules lost {missing}, removed rules back {back}")
        for number in range(1, self.imports + 1):
            tag = f"import{number}x"
            count = sum(tag in pattern for pattern in found.values())
            if count not in (0, IMPORT_LINES) or (tag in self.whole_imports and count == 0):
                self.problem(f"{tag}: {count} of {IMPORT_LINES} rules, acknowledged: {tag in self.whole_imports}")
            if count:
                self.remove_import(tag, found)

    def remove_import(self, tag, found):
        ids = [number for number, pattern in found.items() if tag in pattern]
        for at in range(0, len(ids), 1000):
            self.ask("rule.remove", {"ids": ids[at:at + 1000]})
        self.whole_imports.discard(tag)

    def check_pattern(self):
        version = self.server.get("/v1/url", {"url": "http://h1.fault.example/x"}).json["pattern"]
        if self.active is not None and version not in (self.active, self.on_its_way):
            self.problem(f"pattern {version} answers, {self.active} was activated")
        if version in ("fault-0", "fault-1"):
            self.active = version
        self.on_its_way = None

    def check_log(self, killed_at):
        def stored():
            return {entry["url"] for entry in self.all_items("log.access", {"keyword": "r.fault.example/log"})}
        wanted = {url for at, url in self.logged if at < killed_at - LOG_MAY_MISS}
        try:
            wait_for(lambda: wanted <= stored(), 5, "log entries")
        except AssertionError:
            self.problem(f"{len(wanted - stored())} of {len(wanted)} log entries are missing")
        self.acknowledged["log entries"] += len(wanted)
        self.logged = []

    def check_files(self):
        left = [path for path in self.server.state.rglob("*") if ".tmp-" in path.name or path.name.startswith("build-")]
        if left:
            self.problem(f"temporary files are left: {left}")

    # ---- a round ----

    def kill(self, name):
        pid = self.server.kill(name)
        self.server.wait_restarted(name, pid)

    def round(self, load):
        self.rounds += 1
        action = self.random.choice((self.do_add, self.do_import, self.do_activate, self.do_log))
        name = self.random.choice(PROGRAMS)
        broken, wrong = load.broken, len(load.wrong)
        worker = threading.Thread(target=self.attempt, args=(action,), daemon=True)
        worker.start()
        time.sleep(self.random.random() ** 2 * 1.5)
        killed_at, started = time.time(), time.monotonic()
        self.kill(name)
        self.ask("status.get")
        load.wait_answers(10)
        seconds = time.monotonic() - started
        worker.join(120)
        if seconds > BACK_WITHIN:
            self.problem(f"{name}: back after {seconds:.1f} s")
        if load.broken > broken and name == "sekishod":
            self.problem(f"{load.broken - broken} connections broken by the death of {name}")
        if len(load.wrong) > wrong:
            self.problem(f"wrong answers: {load.wrong[wrong:][:3]}")
        self.check_rules()
        self.check_pattern()
        self.check_log(killed_at)
        print(f"round {self.rounds}: {action.__name__[3:]}, {name} killed, back after {seconds:.2f} s", flush=True)

    def restart(self):
        """A new keeper: one that has just restarted a program waits longer before it does so again."""
        code = self.server.stop()
        if code not in (0, -signal.SIGKILL):  # the latter when the process that we started was the one killed
            self.problem(f"it ended with {code}")
        self.server.start()
        self.check_files()

    def run(self, minutes):
        self.server.rpc("settings.set", {"values": {"log.access": True}})
        known = self.server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": "known.fault.example"})["id"]
        self.rules[known] = "known.fault.example"

        def check(question, answer):
            good = answer["source"] == ("user_blocked" if "//known" in question[1]["url"] else "none")
            return None if good else str(answer)
        questions = [("/v1/url", {"url": f"http://{name}.fault.example/"}) for name in ("known", "unknown")]
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            with Background(self.server, check, questions, connections=2, allow_broken=True) as load:
                self.round(load)
            self.restart()


def main():
    print(f"seed {options.seed}")
    faults = Faults(options.seed)
    try:
        faults.run(options.minutes)
    finally:
        faults.close()
    print(f"{faults.rounds} kills; acknowledged: {faults.acknowledged}; {len(faults.problems)} problems")
    return 1 if faults.problems else 0


if __name__ == "__main__":
    sys.exit(main())
