"""Processes on chosen cores: starting, measuring, ending by pid."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

SERVER_CORE, CLIENT_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")


def cores():
    """Cores for servers and for clients: one each when there are two or more."""
    there = sorted(os.sched_getaffinity(0))
    if len(there) < 2:
        return {there[0]}, {there[0]}
    return {there[SERVER_CORE]}, {there[CLIENT_CORE]}


ALL_CORES = os.sched_getaffinity(0)
SERVER_CORES, CLIENT_CORES = cores()


class on_cores:
    """with on_cores(SERVER_CORES): what is started inside inherits the cores."""

    def __init__(self, wanted):
        self.wanted = wanted

    def __enter__(self):
        os.sched_setaffinity(0, self.wanted)

    def __exit__(self, *_):
        os.sched_setaffinity(0, ALL_CORES)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(condition, timeout=30, what="condition"):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out after {timeout} s: {what}")
        time.sleep(0.02)


def wait_for_port(port, timeout=60):
    def answers():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    wait_for(answers, timeout, f"port {port} answers")


def cpu_seconds(pids):
    """utime + stime of all processes."""
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = text[text.rindex(")") + 2:].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pid):
    """Bytes of memory that are in RAM."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


class Server:
    """A process that serves until it is ended."""

    def __init__(self, words, log=None, ready=None):
        self.log = open(log, "ab") if log else subprocess.DEVNULL
        with on_cores(SERVER_CORES):
            self.process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if ready else self.log, stderr=self.log)
        if ready and self.process.stdout.readline().decode().strip() != ready:
            raise RuntimeError(f"{words[0]} did not start")

    @property
    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self.log != subprocess.DEVNULL:
            self.log.close()


class Measured:
    """A command that was run to its end: wall and CPU seconds, most memory, output."""

    def __init__(self, words, wanted_cores=None, timeout=3600, **options):
        start = time.monotonic()
        with on_cores(wanted_cores or ALL_CORES):
            process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       **options)
        self.output = process.stdout.read().decode(errors="replace")
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - start
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss * 1024
        self.code = process.returncode
        if self.wall > timeout:
            raise TimeoutError(f"{words[0]} took {self.wall:.0f} s")

    def check(self):
        if self.code != 0:
            raise RuntimeError(f"exit status {self.code}: {self.output[-2000:]}")
        return self


class Client:
    """A client program in the background, which prints one JSON object as its last line."""

    def __init__(self, words, timeout=600):
        self.timeout = timeout
        with on_cores(CLIENT_CORES):
            self.process = subprocess.Popen([str(word) for word in words],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE)

    def wait_ready(self):
        if self.process.stdout.readline().decode().strip() != "ready":
            raise RuntimeError(self.process.stderr.read().decode(errors="replace")[-2000:])

    def result(self):
        output, errors = self.process.communicate(timeout=self.timeout)
        if self.process.returncode != 0:
            raise RuntimeError(f"{self.process.args[0]}: {errors.decode(errors='replace')[-2000:]}")
        value = json.loads(output.decode().strip().splitlines()[-1])
        if errors:
            value["messages"] = errors.decode(errors="replace")[-3000:]
        return value

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def run_client(words, timeout=600):
    client = Client(words, timeout)
    try:
        return client.result()
    finally:
        client.close()
