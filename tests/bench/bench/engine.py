"""Our server: all processes on one core, told what to do by RPC on its admin socket."""

import os
import pathlib
import shutil
import sys
import time

from .processes import SERVER_CORES, on_cores, resident, wait_for

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests" / "functional"))

COUNTING = """#!/bin/bash
export LD_PRELOAD={library} SEKISHO_COUNTS={counts}
exec -a sekisho-queryd {real} "$@"
"""


class Engine:
    """A running server; .plain and .tls are the ports of the web service, .files of the other."""

    def __init__(self, programs, count_calls=False):
        os.environ["SEKISHO_BUILD"] = str(programs)
        import harness
        self.harness = harness
        self.folder = harness.temporary_folder("sekisho-bench-")
        self.counts = None
        copies = self.folder / "programs"
        harness.copy_programs(programs, copies)
        if count_calls:
            self.wrap_queryd(programs, copies)
        self.server = harness.Server(state=self.folder / "state", programs=copies, workers=1)
        with on_cores(SERVER_CORES):
            self.server.start()
        ports = self.server.addresses
        self.plain, self.tls, self.files = (ports["wrs_http"], ports["wrs_https"],
                                            ports["frs_http"])
        # Both log kinds and the self-check stay as they are by default.
        self.set(**{"query.connections_max": 100000})

    def wrap_queryd(self, programs, copies):
        self.counts = self.folder / "counts"
        self.counts.write_bytes(bytes(24))
        self.counts.chmod(0o666)
        library = self.folder / "count_calls.so"
        shutil.copy(programs / "tests/bench/count_calls.so", library)
        real = copies / "queryd.real"
        (copies / "sekisho-queryd").rename(real)
        wrapper = copies / "sekisho-queryd"
        wrapper.write_text(COUNTING.format(library=library, counts=self.counts, real=real))
        wrapper.chmod(0o755)

    def calls(self):
        """Allocations, frees, locks of the query server so far."""
        data = self.counts.read_bytes()
        return [int.from_bytes(data[i:i + 8], "little") for i in (0, 8, 16)]

    # ---- what runs ----
    @property
    def pids(self):
        """The query server and the backend, whose CPU time is ours."""
        there = self.server.pids()
        return [there["sekisho-queryd"], there["sekishod"]]

    def resident(self):
        return resident(self.server.pid("sekisho-queryd"))

    def file_bytes(self):
        """What the query server holds of files: active patterns and the compiled rules."""
        total = 0
        for kind in ("web", "files"):
            for item in self.rpc("pattern.list")["items"]:
                if item["active"] and item["kind"] == kind:
                    total += item["size"]
        for file in self.server.path("policy").glob("base-*"):
            total += file.stat().st_size
        return total

    # ---- administration ----
    def rpc(self, method, params=None, descriptors=()):
        return self.server.rpc(method, params, descriptors)

    def set(self, **values):
        return self.rpc("settings.set", {"values": values})

    def job(self, method, params, *paths, timeout=900):
        """Starts a job with files and waits for its result."""
        files = [os.open(path, os.O_RDONLY) for path in paths]
        try:
            number = self.rpc(method, params, files)["job"]
        finally:
            for file in files:
                os.close(file)
        return self.job_result(method, number, timeout)

    def job_result(self, method, number, timeout=900):
        deadline = time.monotonic() + timeout
        while True:
            state = self.rpc("job.get", {"job": number})
            if state["state"] == "done":
                return state["result"]
            if state["state"] != "running" or time.monotonic() > deadline:
                raise RuntimeError(f"{method}: {state}")
            time.sleep(0.05)

    def import_pattern(self, path, activate=True):
        """Generation of the pattern."""
        return self.job("pattern.import", {"activate": activate}, path)["generation"]

    def activate(self, generation):
        answer = self.rpc("pattern.activate", {"generation": generation})
        if not answer["active"]:
            raise RuntimeError(f"pattern.activate: {answer}")

    def import_rules(self, path):
        """Number by which the import is undone."""
        return self.job("rule.import", {}, path)["undo"]

    def undo_rules(self, batch):
        return self.job("rule.import_undo", {"batch": batch})

    def dropped(self):
        return sum(self.rpc("status.get")["queryd"]["dropped"].values())

    def access_entries(self):
        """Entries of the access log that were stored since the start."""
        return self.rpc("status.get")["storage"]["stored"]["access"]

    def access_entries_at_rest(self):
        """The same when nothing has been added for a second."""
        last = [self.access_entries(), time.monotonic()]

        def at_rest():
            now = self.access_entries()
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] > 1
        wait_for(at_rest, 120, "the access log is written")
        return last[0]

    def close(self):
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)
