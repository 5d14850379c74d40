"""sekisho-keeper with stand-ins for sekishod and sekisho-queryd (standin.py) and the real jobs."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

import harness
from harness import BUILD, Server, StartError, main, wait_for

SUITES = ("asan",)
READY, LISTEN, LISTENERS, RESULT, TLS, TLS_RELOAD, STOP, JOB, JOB_ENDED = range(1, 10)
ROOT = harness.service_users()


def make_programs(folder):
    harness.copy_programs(BUILD, folder)
    for name in ("sekishod", "sekisho-queryd"):
        (folder / name).unlink(missing_ok=True)
        shutil.copy(pathlib.Path(__file__).parent / "standin.py", folder / name)
        (folder / name).chmod(0o755)


class Keeper(unittest.TestCase):
    def setUp(self):
        self.folder = harness.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder, True)
        make_programs(self.folder / "programs")
        self.server = Server(state=self.folder / "state", programs=self.folder / "programs")
        self.addCleanup(self.server.stop)

    def mark(self, name, suffix):
        (self.folder / "programs" / f"{name}.{suffix}").touch()

    def tell(self, do, timeout=20, **more):
        """A command for the stand-in of sekishod."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(self.server.path("run", "admin.sock")))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"do": do, **more}) + "\n")
                stream.flush()
                line = stream.readline()
        return json.loads(line) if line else None

    def ask(self, port, host="127.0.0.1"):
        """What the stand-in of queryd says on a port."""
        with socket.create_connection((host, port), 20) as connection:
            connection.settimeout(20)
            with connection.makefile() as stream:
                return json.loads(stream.readline())


class Start(Keeper):
    def test_descriptors_users_and_environment_of_sekishod(self):
        self.server.start()
        facts = self.tell("facts")
        kinds = {name: value.split(":")[0] for name, value in facts["descriptors"].items()}
        expected = {"0": "/dev/null", "1": str(self.server.path("log", "sekishod.log")),
                    "2": str(self.server.path("log", "sekishod.log")), "3": "socket",
                    "4": "socket", "5": str(self.server.state), "6": "socket", "7": "socket",
                    "8": "socket"}
        self.assertEqual({k: v for k, v in kinds.items() if k in expected}, expected)
        # The rest is Python's own: its selector and the connection of this question.
        self.assertTrue(all(value.startswith(("socket", "anon_inode", "/proc"))
                            for name, value in kinds.items() if name not in expected), kinds)
        self.assertEqual(facts["arguments"], ["--programs", str(self.folder / "programs")])
        self.assertLessEqual(set(facts["environment"]), {"LANG", "PATH", "LC_CTYPE", *harness.SANITIZER})
        self.assertIn("NoNewPrivs:\t1", facts["status"])
        self.assertIn("SigBlk:\t0000000000000000", facts["status"])
        self.assertTrue(facts["session"])
        self.check_user(facts, "sekishod")

    def check_user(self, facts, name):
        entry = pwd.getpwnam(name) if ROOT else pwd.getpwuid(os.getuid())
        self.assertEqual(facts["uid"], [entry.pw_uid] * 3)
        self.assertEqual(facts["gid"], [entry.pw_gid] * 3 if ROOT else [os.getgid()] * 3)
        if ROOT:
            self.assertEqual(facts["groups"], [])

    def test_descriptors_and_arguments_of_queryd(self):
        self.server.start()
        facts = self.ask(self.server.port("wrs_https"))
        self.assertEqual(facts["role"], "wrs_https")
        self.assertEqual(facts["arguments"], [
            "--listeners", "frs_http,frs_https,wrs_http,wrs_https", "--workers", "2"])
        self.assertIn("memfd:query.pem", facts["descriptors"]["5"])
        self.assertIn("memfd:tickets.key", facts["descriptors"]["6"])
        self.assertEqual(facts["tickets"], 80)
        self.assertGreater(facts["tls"], 500)
        self.assertNotIn(str(self.server.state) + "'", str(facts["descriptors"].values()))
        self.check_user(facts, "sekisho-queryd")
        for role in ("frs_http", "frs_https", "wrs_http"):
            self.assertEqual(self.ask(self.server.port(role))["role"], role)

    def test_state_folder(self):
        self.server.start()
        owner = pwd.getpwnam("sekishod").pw_uid if ROOT else os.getuid()
        me = os.getuid()
        for path, mode, uid in (
                ("lock", 0o600, me), ("run", 0o755, me), ("run/addresses.json", 0o644, me),
                ("run/admin.sock", 0o600, me), ("run/console.sock", 0o660, me),
                ("run/agent.sock", 0o660, me), ("log", 0o755, me), ("log/keeper.log", 0o640, me),
                ("log/sekishod.log", 0o640, me), ("log/queryd.log", 0o640, me), ("tls", 0o700, me),
                ("tls/query.pem", 0o600, me), ("tls/console.pem", 0o600, me),
                ("tls/tickets.key", 0o600, me), ("secret", 0o700, owner), ("data", 0o700, owner),
                ("patterns", 0o700, owner), ("policy", 0o700, owner)):
            facts = self.server.path(path).stat()
            self.assertEqual((path, oct(stat.S_IMODE(facts.st_mode)), facts.st_uid),
                             (path, oct(mode), uid))
        if ROOT:
            group = pwd.getpwnam("sekisho-console").pw_gid
            self.assertEqual(self.server.path("run/console.sock").stat().st_gid, group)
        self.assertEqual(len(self.server.path("tls/tickets.key").read_bytes()), 80)
        self.assertNotEqual(self.server.path("tls/query.pem").read_bytes(),
                            self.server.path("tls/console.pem").read_bytes())

    def test_addresses(self):
        import base64
        import hashlib
        self.server.start()
        addresses = self.server.addresses
        self.assertEqual(addresses["pid"], self.server.pid("guardian"))
        self.assertEqual(addresses["listen"], "127.0.0.1")
        self.assertEqual(addresses["urls"]["frs_https"],
                         f"https://127.0.0.1:{addresses['frs_https']}/tmcss")
        pem = self.server.path("tls/query.pem").read_text()
        body = pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
        self.assertEqual(addresses["certificate_sha256"],
                         hashlib.sha256(base64.b64decode(body)).hexdigest())

    def test_keys_survive_a_restart(self):
        self.server.start()
        before = [self.server.path("tls", name).read_bytes()
                  for name in ("query.pem", "console.pem", "tickets.key")]
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse(self.server.path("run/addresses.json").exists())
        self.server.start()
        after = [self.server.path("tls", name).read_bytes()
                 for name in ("query.pem", "console.pem", "tickets.key")]
        self.assertEqual(before, after)

    def test_both_families(self):
        self.server.listen = None
        self.server.start()
        port = self.server.port("wrs_http")
        v4, v6 = self.ask(port), self.ask(port, "::1")
        self.assertEqual((v4["role"], v6["role"]), ("wrs_http", "wrs_http"))
        self.assertEqual(v4["arguments"][1].count("wrs_http,"), 2)

    def test_path_longer_than_a_socket_address(self):
        self.server = Server(state=self.folder / ("s" * 120), programs=self.folder / "programs")
        self.server.start()
        self.assertTrue(stat.S_ISSOCK(self.server.path("run/admin.sock").stat().st_mode))
        self.server.stop()

    def test_second_keeper_ends_with_3(self):
        self.server.start()
        other = subprocess.run(self.server.command(), env=harness.environment(), timeout=60,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(other.returncode, 3)
        self.assertIn("another sekisho-keeper runs", other.stderr)
        self.assertEqual(self.ask(self.server.port("wrs_http"))["role"], "wrs_http")

    def test_bad_arguments(self):
        good = self.server.command()[1:]
        for words in ([], ["--state"], ["--state", "relative", "--programs", "/x"],
                      [*good, "--ports", "1,2,3,4"], [*good, "--ports", "1,2,3,4,65536"],
                      [*good, "--ports", "1,2,3,4,5,6"], [*good, "--ports", "a,2,3,4,5"],
                      [*good, "--workers", "0"], [*good, "--listen", 'x"'], [*good, "--what", "x"]):
            done = harness.run_program("sekisho-keeper", *words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("--state DIR", done.stderr)


class Failures(Keeper):
    def start_fails(self, timeout=60):
        with self.assertRaises(StartError) as caught:
            self.server.start(timeout)
        return str(caught.exception)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.server.ports = f"0,0,{port},0,0"
            reason = self.start_fails()
        self.assertIn(f"failed: port {port} of wrs_http on 127.0.0.1: Address already in use", reason)

    def test_address_that_is_not_ours(self):
        self.server.listen = "192.0.2.1"
        self.assertIn("Cannot assign requested address", self.start_fails())

    def test_program_that_dies_at_once(self):
        self.mark("sekishod", "dies")
        reason = self.start_fails()
        self.assertIn("failed: sekishod ended with status 9 (3 deaths)", reason)

    def test_program_that_is_not_there(self):
        (self.folder / "programs" / "sekisho-queryd").unlink()
        self.assertIn("sekisho-queryd ended with status 127", self.start_fails())
        self.assertIn("could not be started: No such file", self.server.log("sekisho-queryd"))

    def test_state_folder_that_cannot_be_made(self):
        self.server.state = pathlib.Path("/proc/nothing/here")
        done = subprocess.run(self.server.command(), stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: state folder /proc/nothing/here", done.stderr)

    def test_no_job_program(self):
        (self.folder / "programs" / "sekisho-job").unlink()
        self.assertIn("failed: sekisho-job certificate failed", self.start_fails())


class Restart(Keeper):
    def test_each_program_comes_back_at_once(self):
        self.server.start()
        for name in ("sekishod", "sekisho-queryd"):
            start = time.monotonic()
            old = self.server.kill(name)
            new = self.server.wait_restarted(name, old)
            self.assertLess(time.monotonic() - start, 2)
            self.assertNotEqual(old, new)
        self.assertEqual(self.ask(self.server.port("frs_http"))["role"], "frs_http")
        self.assertEqual(self.tell("facts")["pid"], self.server.pid("sekishod"))

    def test_other_program_goes_on(self):
        self.server.start()
        other = self.server.pid("sekisho-queryd")
        self.server.wait_restarted("sekishod", self.server.kill("sekishod"))
        self.assertEqual(self.server.pid("sekisho-queryd"), other)

    def test_connections_queue_while_queryd_is_away(self):
        self.server.start()
        port = self.server.port("wrs_http")
        old = self.server.pid("sekisho-queryd")
        os.kill(old, signal.SIGSTOP)  # it is there, but takes nothing
        with socket.create_connection(("127.0.0.1", port), 10) as waiting:
            os.kill(old, signal.SIGKILL)
            waiting.settimeout(20)
            answer = json.loads(waiting.makefile().readline())
        self.assertNotEqual(answer["pid"], old)

    def test_back_off(self):
        self.server.start()
        self.mark("sekishod", "silent")  # from now on it never serves
        pid = self.server.wait_restarted("sekishod", self.server.kill("sekishod"))
        pid = self.server.wait_restarted("sekishod", self.server.kill("sekishod"))
        self.server.kill("sekishod")
        wait_for(lambda: "next start in 1000 ms" in self.server.log("keeper"), what="back-off")
        self.assertEqual(self.server.log("keeper").count("next start in 0 ms"), 2)
        self.server.wait_restarted("sekishod", pid)

    def test_what_served_is_back_at_once_several_times(self):
        self.server.start()
        for count in range(1, 6):
            pid = self.server.pid("sekishod")
            wait_for(lambda: self.tell("facts")["pid"] == pid)
            self.server.wait_restarted("sekishod", self.server.kill("sekishod"))
            self.assertEqual(self.server.log("keeper").count("next start in 0 ms"), count)

    def test_old_messages_do_not_reach_a_new_life(self):
        self.server.start()
        old = self.server.pid("sekisho-queryd")
        os.kill(old, signal.SIGSTOP)
        open_before = len(os.listdir(f"/proc/{self.server.pid('sekisho-keeper')}/fd"))
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.server.path("run/admin.sock")))
            command = {"do": "request", "kind": LISTEN, "arguments": [0, 0, 0, 0]}
            connection.sendall(json.dumps(command).encode() + b"\n")
            before = self.server.port("wrs_http")
            # Sent to the old queryd: the listeners are open, and the keeper waits again.
            keeper = pathlib.Path(f"/proc/{self.server.pid('sekisho-keeper')}")
            wait_for(lambda: len(os.listdir(keeper / "fd")) >= open_before + 4 and
                     ") S " in (keeper / "stat").read_text(), what="the keeper waits for queryd")
            os.kill(old, signal.SIGKILL)
            # The new queryd starts with what was wanted, so the request is answered: done.
            connection.settimeout(20)
            result = json.loads(connection.makefile().readline())
        self.assertEqual(result["arguments"][0], 0)
        wait_for(lambda: self.server.port("wrs_http") != before, what="new ports")
        facts = self.ask(self.server.port("wrs_http"))
        self.assertEqual(facts["messages"], [])


class Guardian(Keeper):
    def test_keeper_is_replaced_and_nothing_else_notices(self):
        self.server.start()
        before = self.server.pids()
        new = self.server.wait_restarted("sekisho-keeper", self.server.kill("sekisho-keeper"))
        after = self.server.pids()
        self.assertEqual({**before, "sekisho-keeper": new}, after)
        # The new one watches what the old one started.
        wait_for(lambda: self.server.path("run/addresses.json").exists())
        for name in ("sekishod", "sekisho-queryd"):
            self.server.wait_restarted(name, self.server.kill(name))
        self.assertEqual(self.ask(self.server.port("wrs_http"))["role"], "wrs_http")
        self.assertEqual(self.server.stop(), 0)

    def test_guardian_is_replaced_by_the_keeper(self):
        self.server.start()
        before = self.server.pids()
        self.server.kill("guardian")
        wait_for(lambda: self.server.pid("guardian") == before["sekisho-keeper"] and
                 self.server.pid("sekisho-keeper"), what="another keeper")
        after = self.server.pids()
        self.assertEqual((before["sekishod"], before["sekisho-queryd"]),
                         (after["sekishod"], after["sekisho-queryd"]))
        for name in ("sekishod", "sekisho-keeper"):
            self.server.wait_restarted(name, self.server.kill(name))
        self.assertEqual(self.tell("facts")["pid"], self.server.pid("sekishod"))
        self.server.stop()
        self.assertFalse(self.server.path("run/addresses.json").exists())

    def test_all_of_it_in_turn(self):
        self.server.start()
        names = ("sekisho-keeper", "guardian", "sekisho-queryd", "sekisho-keeper")
        for name in names:
            old = self.server.kill(name)
            self.server.wait_restarted(name, old)
        self.assertEqual(self.ask(self.server.port("wrs_http"))["role"], "wrs_http")

    def test_changed_listeners_survive_the_keeper(self):
        self.server.start()
        self.tell("request", kind=LISTEN, arguments=[0, 0, 0, 0])
        ports = [self.server.port(role) for role in ("frs_http", "wrs_https")]
        self.server.wait_restarted("sekisho-keeper", self.server.kill("sekisho-keeper"))
        self.server.wait_restarted("sekisho-queryd", self.server.kill("sekisho-queryd"))
        self.assertEqual([self.ask(port)["role"] for port in ports], ["frs_http", "wrs_https"])
        self.assertEqual([self.server.port(role) for role in ("frs_http", "wrs_https")], ports)


class Control(Keeper):
    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1]

    def test_new_ports(self):
        self.server.start()
        before = self.server.addresses
        wanted = self.free_port()
        result = self.tell("request", kind=LISTEN, arguments=[
            before["wrs_http"], before["frs_https"], wanted, before["wrs_https"], 0, 0, 0, 41])
        self.assertEqual(result["arguments"], [0, 0, 0, 0, 0, 0, 0, 41])
        after = self.server.addresses
        self.assertEqual((after["frs_http"], after["frs_https"], after["wrs_http"]),
                         (before["wrs_http"], before["frs_https"], wanted))
        # A socket that was kept has another role now.
        self.assertEqual(self.ask(before["wrs_http"])["role"], "frs_http")
        self.assertEqual(self.ask(wanted)["role"], "wrs_http")
        with self.assertRaises(ConnectionRefusedError):
            self.ask(before["frs_http"])

    def test_port_that_cannot_be_had_changes_nothing(self):
        self.server.start()
        before = self.server.addresses
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = self.tell("request", kind=LISTEN, arguments=[
                0, taken.getsockname()[1], 0, 0, 0, 0, 0, 1])
        self.assertEqual(result["arguments"][:2], [98, 1])  # EADDRINUSE, the second port
        self.assertEqual(self.tell("request", kind=LISTEN, arguments=[0, 70000, 0, 0])
                         ["arguments"][:2], [34, 1])  # ERANGE
        self.assertEqual(self.server.addresses, before)
        self.assertEqual(self.ask(before["wrs_http"])["messages"], [])

    def test_new_certificate(self):
        self.server.start()
        old = self.server.addresses["certificate_sha256"]
        pem = self.server.path("tls/console.pem").read_text()
        result = self.tell("request", kind=TLS_RELOAD, arguments=[0] * 7 + [9], files=[pem])
        self.assertEqual((result["arguments"][0], result["arguments"][7]), (0, 9))
        self.assertEqual(self.server.path("tls/query.pem").read_text(), pem)
        self.assertEqual(self.ask(self.server.port("wrs_http"))["messages"][0]["tls"], pem[:100])
        self.assertNotEqual(self.server.addresses["certificate_sha256"], old)

    def test_requests_that_make_no_sense(self):
        self.server.start()
        result = self.tell("request", kind=TLS_RELOAD, arguments=[0] * 8)
        self.assertEqual(result["arguments"][0], 22)  # EINVAL: no descriptor
        result = self.tell("request", kind=JOB, arguments=[99] + [0] * 7, files=["x"])
        self.assertEqual(result["arguments"][0], 22)

    def test_job(self):
        self.server.start()
        done = self.tell("job", job=1, request={"names": ["a.example"], "days": 1})
        self.assertEqual(done["answer"], '{"ok":true}')
        self.assertGreater(done["size"], 500)
        self.assertEqual(done["result"]["arguments"][7], 5)
        pid = done["result"]["arguments"][2]
        self.assertEqual(done["ended"]["arguments"][:2], [pid, 0])

    def test_jobs_end_with_their_starter(self):
        self.server.start()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.server.path("run/admin.sock")))
            # It waits for a request that is never sent: the answer to this never comes either.
            command = {"do": "request", "kind": JOB, "arguments": [5, 0, 0, 0, 0, 0, 0, 0],
                       "files": []}
            connection.sendall(json.dumps(command).encode() + b"\n")
            result = json.loads(connection.makefile().readline())
            self.assertEqual(result["arguments"][0], 22)  # a job needs its control socket
        self.server.kill("sekishod")

    def test_logs_are_turned(self):
        self.server.start()
        self.tell("write_log", size=100000)
        os.kill(self.server.pid("guardian"), signal.SIGHUP)
        turned = self.server.path("log/sekishod.log.1")
        wait_for(lambda: turned.exists() and self.server.path("log/sekishod.log").stat().st_size == 0)
        self.assertGreaterEqual(turned.stat().st_size, 100000)
        self.tell("write_log", size=10)
        self.assertEqual(self.server.log("sekishod"), "x" * 10 + "\n")


class Stop(Keeper):
    def test_stop_by_each_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.server.start()
            pids = self.server.pids()
            os.kill(pids["guardian"], number)
            self.assertEqual(self.server.process.wait(20), 0)
            for pid in pids.values():
                self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())
            self.assertEqual(os.listdir(self.server.path("run")), [])
            self.server.process = None

    def test_program_that_will_not_end(self):
        self.mark("sekisho-queryd", "stubborn")
        self.server.start()
        pids = self.server.pids()
        start = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - start, 12)
        self.assertFalse(pathlib.Path(f"/proc/{pids['sekisho-queryd']}").exists())

    def test_stop_before_it_is_ready(self):
        self.mark("sekisho-queryd", "silent")
        with self.assertRaises(StartError):
            self.server.start(timeout=1)


if __name__ == "__main__":
    main()
