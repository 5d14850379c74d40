"""The load generator, and taking turns between servers."""

import statistics

from .processes import Client, run_client


class Loads:
    def __init__(self, programs):
        self.program = programs / "tests" / "bench" / "load"

    def words(self, port, connections=64, seconds=3.0, warmup=0.5, pids=(), **options):
        words = [self.program, "--port", port, "--connections", connections, "--seconds", seconds,
                 "--warmup", warmup, "--header", "User-Agent: bench/1", "--header", "Accept: */*"]
        if pids:
            words += ["--cpu-of", ",".join(str(pid) for pid in pids)]
        for name, value in options.items():
            if value is True:
                words.append("--" + name.replace("_", "-"))
            elif value is not None and value is not False:
                words += ["--" + name.replace("_", "-"), value]
        return words

    def run(self, port, **options):
        """One run; the result has besides "cpu_us": the server's CPU time per request."""
        result = run_client(self.words(port, **options))
        if result["answers"] > 0:
            result["cpu_us"] = result["server_cpu_seconds"] / result["answers"] * 1e6
            result["answer_bytes"] = result["bytes_in"] / result["answers"]
        return result

    def start(self, port, **options):
        return Client(self.words(port, **options))


def in_turns(sides, rounds):
    """sides: name → function. Runs A B A B …; name → list of results."""
    results = {name: [] for name in sides}
    for _ in range(rounds):
        for name, function in sides.items():
            results[name].append(function())
    return results


def pick(results, *keys):
    """The values below the keys of each result."""
    values = []
    for result in results:
        for key in keys:
            result = result[key]
        values.append(result)
    return values


def median(results, *keys):
    return statistics.median(pick(results, *keys))


def ratio(ours, theirs, *keys):
    """Median of the ratios of neighbours in time."""
    pairs = zip(pick(ours, *keys), pick(theirs, *keys))
    return statistics.median(a / b for a, b in pairs if b)


def faults(results):
    """What must be 0: answers that failed or were wrong."""
    return sum(result["wrong"] + result["errors"] + result["refused"] for result in results)
