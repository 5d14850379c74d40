"""What every functional test stands on (Python's standard library only).

    import unittest
    from harness import Server, main

    class Something(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.server = Server().start()        # temporary state folder, free ports, 2 workers
            cls.addClassCleanup(cls.server.close)

        def test_it(self):
            answer = self.server.get("/v1/url", {"url": "http://a.example/"})
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json["rating"], "unrated")

    if __name__ == "__main__":
        main()

A test file is tests/functional/test_*.py; ./check runs each in a process of its own, two at a
time. A line `SUITES = ("asan",)` at its start makes ./check run it on the sanitizer build too
("asan", "tsan"). A test that cannot run here skips with a reason. Nobody sleeps for an interval:
use wait_for(), settings for every period.

Server(state=None, programs=None, workers=2, ports="0,0,0,0,0", listen="127.0.0.1", arguments=())
  start()            starts sekisho-keeper and waits for "ready"; raises StartError with the reason
  stop()             SIGTERM, waits, returns the exit code
  close()            stop, and removes the state folder when it is a temporary one
  addresses          the content of run/addresses.json, read anew each time
  port(role)         "frs_http", "frs_https", "wrs_http", "wrs_https"
  pid(program)       process id of "sekishod", "sekisho-queryd", "sekisho-keeper" or "guardian" (the
                     keeper's parent, which start() started), None while it is not there;
                     pids() all as a dict
  kill(program, signal=SIGKILL)  and   wait_restarted(program, old_pid, timeout=10)
  get(path, query=None, headers=None, tls=False)      one request to the web service ("/v1/…") or
  post(path, value, headers=None, tls=False)          the file service ("/tmcss…"), chosen by path;
                     Answer with .status, .headers (lower-case names), .body, .json
  request(method, path, body=None, headers=None, tls=False, role=None)
  connect(role, timeout=10)      a bare connected socket to a query port (TLS for *_https)
  raw(role, data, timeout=10)    sends bytes, returns everything up to the end of the connection
  rpc(method, params=None)       calls on run/admin.sock, gives "result"; RpcError (.code, .data)
  rpc_client(socket="admin")     an Rpc of its own: call(), call_error(), close()
  cli(*arguments, input=None)    runs ./sekisho of the build with --state, gives CompletedProcess
  log(program)       text of log/<program>.log
  path(*parts)       below the state folder

wait_for(condition, timeout=10, what="")   calls until true, returns the value
wait_for_answer(server, path, query, check, timeout=2)   asks until check(answer.json) is true
run_program(name, *arguments, **options)   a program of the build, for instance sekisho-pattern
program(name), BUILD, TOP, DATA            paths; SEKISHO_BUILD names the build folder
temporary_folder()                         a folder that service users can reach; the caller removes
service_users()                            True when keeper will start programs as users of their own
"""

import fcntl
import http.client
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SEKISHO_BUILD", TOP / "build")).resolve()
DATA = TOP / "tests" / "data"
USERS = ("sekishod", "sekisho-queryd", "sekisho-job")
PROGRAMS = ("sekisho-keeper", "sekishod", "sekisho-queryd", "sekisho-job")
START_TIMEOUT = 120
# Leaks of a sandboxed process cannot be looked for: LeakSanitizer needs ptrace.
SANITIZER = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
             "TSAN_OPTIONS": "halt_on_error=1"}


class StartError(Exception):
    """The server did not become ready; the text is the reason and the end of the logs."""


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.error = error
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data") or {}


def wait_for(condition, timeout=10, what="condition"):
    """Calls condition() until it gives a true value, which is returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {timeout} s: {what}")
        time.sleep(0.01)


def environment():
    """The environment for programs of the build: nothing of the caller's but sanitizer options."""
    values = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    for name, default in SANITIZER.items():
        values[name] = os.environ.get(name, default)
    return values


def program(name):
    return BUILD / name


def run_program(name, *arguments, timeout=120, **options):
    """Runs a program of the build; stdout and stderr are captured as text unless told otherwise."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    options.setdefault("text", True)
    options.setdefault("env", environment())
    return subprocess.run([str(program(name)), *map(str, arguments)], timeout=timeout, **options)


def service_users():
    """Will the keeper start its programs under users of their own? (root, and the users exist)"""
    if os.geteuid() != 0:
        return False
    try:
        for name in USERS:
            pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def temporary_folder(prefix="sekisho-test-"):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


def copy_programs(source, target):
    """Links or copies what --programs must hold, so that service users can reach it."""
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in PROGRAMS:
        if (source / name).exists():
            try:
                os.link(source / name, target / name)
            except OSError:
                shutil.copy2(source / name, target / name)
            os.chmod(target / name, 0o755)
    if (source / "default-feed").is_dir():
        shutil.copytree(source / "default-feed", target / "default-feed")


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:500]!r})"


class Rpc:
    """JSON-RPC 2.0 over a local socket, each message behind its length (docs/rpc.md)."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        # A path below /proc/self/fd stays short however deep the state folder is.
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
        self.last_id = 0
        self.hello = self.call("hello", {"protocol": 1})

    def close(self):
        self.socket.close()

    def send(self, value):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.socket.sendall(struct.pack(">I", len(text)) + text)

    def receive(self):
        def exactly(count):
            data = b""
            while len(data) < count:
                part = self.socket.recv(count - len(data))
                if not part:
                    raise ConnectionError("the RPC connection was closed")
                data += part
            return data
        return json.loads(exactly(struct.unpack(">I", exactly(4))[0]))

    def call(self, method, params=None, descriptors=()):
        self.last_id += 1
        value = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params or {}}
        text = json.dumps(value).encode()
        frame = struct.pack(">I", len(text)) + text
        if descriptors:
            sent = socket.send_fds(self.socket, [frame], list(descriptors))
            self.socket.sendall(frame[sent:])
        else:
            self.socket.sendall(frame)
        answer = self.receive()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def call_error(self, method, params=None):
        """Calls and expects an error, which is returned."""
        try:
            result = self.call(method, params)
        except RpcError as error:
            return error
        raise AssertionError(f"{method} did not fail but gave {result}")


def writers_of(folder):
    """{process id: name of the log file} of the living processes whose standard error is a log in
    `folder`: all that one keeper started, whoever their parent is by now."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            log = os.readlink(f"/proc/{entry}/fd/2") if entry.isdigit() else ""
        except OSError:
            continue  # it has ended, or belongs to another user
        if os.path.dirname(log) == str(folder):
            found[int(entry)] = os.path.basename(log)
    return found


def is_locked(path):
    """Does somebody hold the lock at `path`?"""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class Server:
    def __init__(self, state=None, programs=None, workers=2, ports="0,0,0,0,0",
                 listen="127.0.0.1", arguments=()):
        self.temporary = None
        if state is None or (programs is None and service_users()):
            self.temporary = temporary_folder()
        self.state = pathlib.Path(state) if state is not None else self.temporary / "state"
        self.programs = pathlib.Path(programs) if programs is not None else BUILD
        if programs is None and service_users():
            self.programs = self.temporary / "programs"
            copy_programs(BUILD, self.programs)
        self.workers, self.ports, self.listen = workers, ports, listen
        self.arguments = list(arguments)
        self.process = None
        self.rpc_connection = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # ---- life ----
    def command(self):
        words = [str(self.programs / "sekisho-keeper"), "--state", str(self.state), "--programs",
                 str(self.programs), "--ports", self.ports, "--workers", str(self.workers)]
        if self.listen:
            words += ["--listen", self.listen]
        return words + self.arguments

    def start(self, timeout=START_TIMEOUT):
        read_end, write_end = os.pipe()
        self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.state / "keeper.stderr", "ab") as errors:
            self.process = subprocess.Popen(
                self.command() + ["--ready-fd", str(write_end)], pass_fds=[write_end],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment())
        os.close(write_end)
        line = self._ready_line(read_end, timeout)
        os.close(read_end)
        if line != "ready":
            reason = f"{line or 'nothing was said on the ready descriptor'}\n{self.all_logs()}"
            self.stop()
            raise StartError(reason)
        return self

    def _ready_line(self, descriptor, timeout):
        import select
        data, deadline = b"", time.monotonic() + timeout
        while b"\n" not in data:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return f"not ready within {timeout} s"
            part = os.read(descriptor, 4096)
            if not part:
                break
            data += part
        return data.split(b"\n")[0].decode(errors="replace")

    def stop(self, timeout=30):
        if self.rpc_connection is not None:
            self.rpc_connection.close()
            self.rpc_connection = None
        if self.process is None:
            return None
        lock = self.path("lock")
        if is_locked(lock):
            os.kill(self.pid("guardian"), signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
            wait_for(lambda: not is_locked(lock), timeout, "the keeper's end")
        except (subprocess.TimeoutExpired, AssertionError):
            for pid in self.pids().values():
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            self.process = None
        return code

    def close(self):
        try:
            self.stop()
        finally:
            if self.temporary is not None:
                shutil.rmtree(self.temporary, ignore_errors=True)

    # ---- what runs ----
    @property
    def addresses(self):
        return json.loads(self.path("run", "addresses.json").read_text())

    def port(self, role):
        return self.addresses[role]

    def pids(self):
        names = {"keeper.log": "sekisho-keeper", "sekishod.log": "sekishod",
                 "queryd.log": "sekisho-queryd", "job.log": "sekisho-job"}
        found = {"guardian": int(self.path("lock").read_text())}
        for pid, log in writers_of(self.path("log").resolve()).items():
            if pid != found["guardian"] and log in names:
                found[names[log]] = pid
        return found

    def pid(self, name):
        return self.pids().get(name)

    def kill(self, name, number=signal.SIGKILL):
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_restarted(self, name, old_pid, timeout=10):
        def there():
            pid = self.pid(name)
            return pid if pid is not None and pid != old_pid else None
        return wait_for(there, timeout, f"{name} is back")

    def path(self, *parts):
        return self.state.joinpath(*parts)

    def log(self, name):
        file = self.path("log", f"{name.replace('sekisho-', '')}.log")
        return file.read_text(errors="replace") if file.exists() else ""

    def all_logs(self):
        parts = []
        files = [self.path("keeper.stderr"), *sorted(self.path("log").glob("*.log"))]
        for file in files:
            if file.exists() and file.stat().st_size > 0:
                parts.append(f"--- {file.name}\n{file.read_text(errors='replace')[-4000:]}")
        return "\n".join(parts)

    # ---- queries ----
    def connect(self, role, timeout=10):
        host = self.listen if self.listen not in ("", None, "::", "0.0.0.0") else "127.0.0.1"
        plain = socket.create_connection((host, self.port(role)), timeout)
        if not role.endswith("https"):
            return plain
        return tls_context().wrap_socket(plain, server_hostname="localhost")

    def raw(self, role, data, timeout=10):
        with self.connect(role, timeout) as connection:
            connection.sendall(data)
            parts = []
            try:
                while part := connection.recv(65536):
                    parts.append(part)
            except ConnectionResetError:
                pass
            return b"".join(parts)

    def request(self, method, path, body=None, headers=None, tls=False, role=None, timeout=30):
        if role is None:
            role = ("frs" if path.startswith("/tmcss") else "wrs") + ("_https" if tls else "_http")
        connection = http.client.HTTPConnection("127.0.0.1", timeout=timeout)
        connection.sock = self.connect(role, timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def get(self, path, query=None, headers=None, tls=False):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.request("GET", path, headers=headers, tls=tls)

    def post(self, path, value, headers=None, tls=False):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, body=body, headers=headers, tls=tls)

    # ---- administration ----
    def rpc_client(self, name="admin"):
        return Rpc(str(self.path("run", f"{name}.sock")))

    def rpc(self, method, params=None, descriptors=()):
        if self.rpc_connection is None:
            self.rpc_connection = self.rpc_client()
        try:
            return self.rpc_connection.call(method, params, descriptors)
        except OSError:
            self.rpc_connection.close()
            self.rpc_connection = None
            raise

    def cli(self, *arguments, timeout=120, **options):
        return run_program("sekisho", "--state", str(self.state), *arguments, timeout=timeout,
                           **options)


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_for_answer(server, path, query, check, timeout=2):
    """Asks until check(json) is true; returns that answer."""
    last = [None]

    def fits():
        last[0] = server.get(path, query)
        return last[0] if last[0].status == 200 and check(last[0].json) else None
    try:
        return wait_for(fits, timeout, f"an answer of {path} {query} that fits")
    except AssertionError as error:
        raise AssertionError(f"{error}; the last one: {last[0]}") from None


def main():
    """Runs the tests of the calling file."""
    unittest.main(module=sys.modules["__main__"], verbosity=2)
