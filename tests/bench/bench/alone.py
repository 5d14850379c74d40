"""The query server without the others, as an engine: for measuring it alone (--alone)."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from .processes import SERVER_CORES, on_cores, resident

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests" / "functional"))


class EngineAlone:
    """What bench/engine.py offers, with the link answered by this process: nothing is stored."""

    def __init__(self, programs, count_calls=False):
        os.environ["SEKISHO_BUILD"] = str(programs)
        import queryd_alone

        class Queryd(queryd_alone.Queryd):
            """Counts events and throws them away."""
            dropped_sum = 0

            def take_message(self, kind, reader):
                if kind == queryd_alone.EVENTS:
                    reader.take("QQqH")
                    self.dropped_sum = sum(reader.take("7Q"))
                else:
                    super().take_message(kind, reader)

        if count_calls:
            raise RuntimeError("calls are counted with the whole server only")
        self.programs = programs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
        self.sections, self.paths, self.batches = {}, {}, {}
        with on_cores(SERVER_CORES):
            self.queryd = Queryd(workers=1, program=programs / "sekisho-queryd")
            self.queryd.start(publish=False)
        self.publish(event_interval_ms=100, counter_interval_ms=10000, connections_max=100000)
        self.queryd.wait_ready()
        self.plain, self.tls = self.queryd.port("wrs_http"), self.queryd.port("wrs_https")
        self.files = self.queryd.port("frs_http")

    def publish(self, **settings):
        code, text = self.queryd.publish(self.sections, **settings)
        if code != 0:
            raise RuntimeError(text)

    @property
    def pids(self):
        return [self.queryd.process.pid]

    def resident(self):
        return resident(self.queryd.process.pid)

    def file_bytes(self):
        return sum(os.path.getsize(path) for path in self.sections.values())

    def set(self, **values):
        if "log.access" in values:
            self.publish(access_log_on=values["log.access"])

    def rpc(self, method, params=None):
        if method == "pattern.list":
            return {"items": [{"generation": number, "active": path == self.sections.get(kind),
                               "kind": kind} for number, (kind, path) in self.paths.items()]}
        if method == "status.get":
            return {"rules": {"keywords": 1000}, "queryd": {"dropped": {}}}
        raise RuntimeError(f"{method} is for the whole server")

    def import_pattern(self, path, activate=True):
        number = len(self.paths) + 1
        self.paths[number] = ("files" if "files" in path.name else "web", str(path))
        if activate:
            self.activate(number)
        return number

    def activate(self, generation):
        kind, path = self.paths[generation]
        self.sections[kind] = path
        self.publish()

    def import_rules(self, path):
        number = len(self.batches) + 1
        with open(path, encoding="utf-8") as file:
            self.batches[number] = [line.rstrip("\n").split(",", 2) for line in file][1:]
        self.compile_rules()
        return number

    def undo_rules(self, batch):
        del self.batches[batch]
        self.compile_rules()

    def compile_rules(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        rules = [rule for batch in self.batches.values() for rule in batch]
        text = "".join(f"rule\t{i + 1}\t{which}\t{kind}\t-\t{pattern.strip(chr(34))}\n"
                       for i, (which, kind, pattern) in enumerate(rules))
        subprocess.run([self.programs / "tests/functional/make_sections", folder, "bench"],
                       input=text.encode(), check=True)
        for role in ("base", "base_keywords"):
            self.sections[role] = str(folder / role)
        self.publish()

    def dropped(self):
        time.sleep(0.5)
        return self.queryd.dropped_sum

    def close(self):
        self.queryd.close()
        shutil.rmtree(self.folder, ignore_errors=True)
