"""./run as people use it: exit codes, last lines, addresses, Ctrl-C."""

import json
import os
import shutil
import signal
import socket
import subprocess
import unittest
import urllib.request

import harness
from harness import TOP, main, wait_for

PORTS = "0,0,0,0,0"


def hear_interrupts():
    """A job that a shell has put into the background ignores SIGINT, and a shell cannot trap what it
    ignored when it was started: as at a terminal, it is not ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = harness.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.state = self.folder / "state"

    def run_it(self, *words, timeout=240):
        return subprocess.run([str(TOP / "run"), "--state", str(self.state), *words], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout, cwd="/")

    def start(self, *words):
        done = self.run_it("--daemon", "--ports", PORTS, *words)
        self.addCleanup(self.run_it, "--stop")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def addresses(self):
        return json.loads((self.state / "run/addresses.json").read_text())

    def test_daemon_answers_and_stops(self):
        done = self.start("--workers", "1")
        addresses = self.addresses()
        for role in ("frs_http", "frs_https", "wrs_http", "wrs_https"):
            self.assertIn(f":{addresses[role]}", done.stdout)
        with urllib.request.urlopen(f"http://127.0.0.1:{addresses['wrs_http']}/v1/health") as answer:
            self.assertEqual(json.load(answer)["status"], "ok")
        again = self.run_it("--daemon", "--ports", PORTS)
        self.assertEqual(again.returncode, 3, again.stderr)
        self.assertIn("already", again.stderr.splitlines()[-1])
        stopped = self.run_it("--stop")
        self.assertEqual((stopped.returncode, stopped.stdout), (0, "Sekisho has ended\n"))
        self.assertFalse((self.state / "run/addresses.json").exists())
        stopped = self.run_it("--stop")
        self.assertEqual(stopped.returncode, 0)
        self.assertIn("does not run", stopped.stdout)

    def test_one_address(self):
        done = self.start("--listen", "127.0.0.1")
        self.assertEqual(self.addresses()["listen"], "127.0.0.1")
        self.assertEqual(done.stdout.count("http://"), 2)
        with self.assertRaises(OSError):
            socket.create_connection(("::1", self.addresses()["wrs_http"]), 5)

    def test_reason_is_the_last_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = self.run_it("--daemon", "--listen", "127.0.0.1", "--ports", f"{port},0,0,0,0")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.splitlines()[-1],
                         f"failed: port {port} of frs_http on 127.0.0.1: Address already in use")

    def test_wrong_words(self):
        for words, text in ((("--nothing",), "unknown option --nothing"),
                            (("--ports",), "--ports needs a value"),
                            (("--setup-code",), "no console"),
                            (("--daemon", "--ports", "1,2,3"), "bad argument --ports 1,2,3"),
                            (("--daemon", "--workers", "many"), "bad argument --workers many")):
            done = self.run_it(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(text, done.stderr)
        done = self.run_it("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--setup-code", done.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "service users are there only for root")
    def test_folder_that_service_users_cannot_reach(self):
        closed = self.folder / "closed"
        closed.mkdir(mode=0o700)
        self.state = closed / "deep" / "state"
        done = self.run_it("--daemon", "--ports", PORTS)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot reach {closed}:", done.stderr.splitlines()[-1])

    @unittest.skipUnless(os.geteuid() == 0, "only root installs")
    def test_installs_below_the_state_folder(self):
        self.start()
        current = self.state / "app/current"
        self.assertEqual((current / "sekisho-keeper").stat().st_mode & 0o777, 0o755)
        keeper = int((self.state / "lock").read_text())
        self.assertEqual(os.readlink(f"/proc/{keeper}/exe"),
                         str(current.resolve() / "sekisho-keeper"))

    def test_foreground_until_interrupted(self):
        process = subprocess.Popen([str(TOP / "run"), "--state", str(self.state), "--ports", PORTS],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=hear_interrupts)
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            self.assertTrue(lines[-1], lines)
        # A terminal sends the signal to every process of its group.
        os.killpg(process.pid, signal.SIGINT)
        rest = process.communicate(timeout=60)[0]
        self.assertEqual((process.returncode, rest), (0, "Sekisho has ended\n"))
        self.assertFalse(harness.is_locked(self.state / "lock"))

    def test_outlives_the_death_of_the_outer_process(self):
        self.start()
        guardian = int((self.state / "lock").read_text())
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: (self.state / "lock").read_text() not in ("", f"{guardian}\n"), 5)
        port = self.addresses()["wrs_http"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health") as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(self.run_it("--stop").returncode, 0)


if __name__ == "__main__":
    main()
