"""What the rows share: data, the running servers, sizes. Each is made when first asked for."""

import functools
import pathlib
import re
import shutil
import sys
import tempfile

from .alone import EngineAlone
from .data import Data
from .engine import Engine
from .loads import Loads
from .peers import BareEpoll, Nginx, one_answer


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, programs, folder, quick, rounds, shared, alone=False):
        self.programs, self.data_folder = pathlib.Path(programs), pathlib.Path(folder)
        self.quick, self.rounds = quick, rounds
        self.seconds = 2.0 if quick else 4.0
        self.shared, self.alone = shared, alone
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-bench-"))
        self.folder.chmod(0o755)
        self.loads = Loads(self.programs)
        self.open = []

    @functools.cached_property
    def data(self):
        entries = 1000000 if self.quick else 10000000
        say(f"data of {entries:,} URLs and {entries:,} digests …")
        return Data(self.data_folder / ("quick" if self.quick else "full"), self.programs,
                    entries, entries, 200000 if self.quick else 1000000)

    @functools.cached_property
    def small_data(self):
        """1 M URLs, for the time of their build."""
        return self.data if self.quick else Data(self.data_folder / "quick", self.programs,
                                                 1000000, 1000000, 200000)

    @functools.cached_property
    def large_data(self):
        """As many URLs as a pattern may hold for a long time; no digests."""
        entries = 5000000 if self.quick else 50000000
        say(f"data of {entries:,} URLs …")
        return Data(self.data_folder / f"growth-{entries // 1000000}m", self.programs, entries, 0,
                    200000 if self.quick else 1000000)

    def start_engine(self, **options):
        engine = (EngineAlone if self.alone else Engine)(self.programs, **options)
        self.open.append(engine)
        return engine

    @functools.cached_property
    def engine(self):
        """The server with pattern a (URLs and digests) and the user rules."""
        pattern = self.data.pattern("a")
        say("server …")
        engine = self.start_engine()
        for name in ("web", "files"):
            engine.import_pattern(pattern / f"{name}.pattern")
        engine.import_rules(self.data.path("rules.csv"))
        return engine

    @functools.cached_property
    def answer_bytes(self):
        """Mean size of our answers, head and all, to the questions of the url row."""
        return round(self.loads.run(self.engine.plain, seconds=1, targets=self.data.path(
            "targets-1.txt"))["answer_bytes"])

    @functools.cached_property
    def sample(self):
        return one_answer(self.engine.plain)

    @functools.cached_property
    def nginx(self):
        body = self.sample.partition(b"\r\n\r\n")[2].decode()
        nginx = Nginx(self.folder, self.answer_bytes, body)
        self.open.append(nginx)
        if abs(nginx.size - self.answer_bytes) > 2:
            raise RuntimeError(f"nginx answers {nginx.size} bytes, ours {self.answer_bytes}")
        return nginx

    @functools.cached_property
    def bare(self):
        head, _, body = self.sample.partition(b"\r\n\r\n")
        more = self.answer_bytes - len(self.sample)
        length = len(body)
        head = re.sub(rb"(?i)(content-length: *)\d+", rb"\g<1>%d" % (length + more), head)
        bare = BareEpoll(self.folder, self.programs,
                         head + b"\r\n\r\n" + (body * 2)[:length + more])
        self.open.append(bare)
        return bare

    @functools.cached_property
    def half_rate(self):
        """Half of the highest rate that ours reaches with 1,000 connections, in thousands."""
        runs = [self.loads.run(self.engine.plain, connections=1000, seconds=self.seconds,
                               targets=self.data.path("targets-1.txt")) for _ in range(3)]
        best = sorted(run["per_second"] for run in runs)[1]
        return max(1000, round(best / 2, -3).__int__())

    def close(self):
        for one in reversed(self.open):
            try:
                one.close()
            except Exception as error:  # the rest is closed all the same
                say(f"closing: {error!r}")
        shutil.rmtree(self.folder, ignore_errors=True)
