#!/usr/bin/env python3
"""Fills the disk of the state folder while the server runs, and empties it again (root: mounts a small tmpfs).

    tests/fault/disk_full.py [--build DIR] [--megabytes N]

While it is full: queries go on and are right; every change fails with the error `storage` and changes nothing; afterwards, without a
restart, changes work again; after a restart everything acknowledged is there. Exit status 0 when all of it held, 77 without root.
"""

import argparse
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "functional"))
parser = argparse.ArgumentParser()
parser.add_argument("--build")
parser.add_argument("--megabytes", type=int, default=96)
options = parser.parse_args()
if options.build:
    os.environ["SEKISHO_BUILD"] = options.build

from background import Background  # noqa: E402  (the build folder must be known first)
from harness import RpcError, Server, temporary_folder, wait_for  # noqa: E402

problems = []


def problem(text):
    print(f"PROBLEM: {text}", flush=True)
    problems.append(text)


def fill(folder):
    """Writes until nothing more fits, to the last byte."""
    path = folder / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    if file.write(b"\0" * size) == 0:
                        break
            except OSError:
                continue
    return path


def add(server, number):
    return server.rpc("rule.add", {"list": "blocked", "kind": "site", "pattern": f"full{number}.example"})["id"]


def expect_storage_error(what, call):
    try:
        result = call()
    except RpcError as error:
        if error.data.get("code") != "storage":
            problem(f"{what}: {error}")
        return
    problem(f"{what} was acknowledged: {result}")


def while_full(server, ids):
    for number in range(5):
        expect_storage_error("rule.add", lambda: add(server, 1000 + number))
    expect_storage_error("rule.remove", lambda: server.rpc("rule.remove", {"ids": ids[:1]}))
    expect_storage_error("settings.set", lambda: server.rpc("settings.set", {"values": {"query.block_below": 81}}))
    try:
        wait_for(lambda: server.rpc("status.get")["storage"]["error"], 5, "the status tells")
    except AssertionError:
        problem(f"the status does not tell: {server.rpc('status.get')['storage']}")
    run = server.cli("rule", "add", "block", "http://cli.example/")
    if run.returncode != 1 or "disk" not in run.stderr:
        problem(f"the command line: {run.returncode}, {run.stderr}")
    for _ in range(300):
        if server.get("/v1/url", {"url": "http://full0.example/"}).json["source"] != "user_blocked":
            problem("a wrong answer while the disk was full")
    if server.get("/v1/url", {"url": "http://full1000.example/"}).json["source"] != "none":
        problem("a rule that was refused is in effect")


def run(server):
    def check(question, answer):
        return None if answer["source"] == "user_blocked" else str(answer)
    server.rpc("settings.set", {"values": {"log.access": True}})
    ids = [add(server, number) for number in range(20)]
    with Background(server, check, [("/v1/url", {"url": "http://full3.example/"})], connections=2) as load:
        filler = fill(server.state)
        print("the disk is full", flush=True)
        while_full(server, ids)
        filler.unlink()
        print("the disk has room again", flush=True)
        wait_for(lambda: works_again(server, ids), 10, "changes work again")
    if load.wrong:
        problem(f"{len(load.wrong)} wrong answers: {load.wrong[:3]}")
    if server.stop() != 0:
        problem("it did not end cleanly")
    server.start()
    found = {rule["id"] for rule in server.rpc("rule.list", {"limit": 1000})["items"]}
    if not set(ids) <= found:
        problem(f"rules lost: {set(ids) - found}")
    if server.rpc("settings.get", {"names": ["query.block_below"]})["settings"]["query.block_below"]["value"] != 66:
        problem("a setting that was refused is stored")


def works_again(server, ids):
    try:
        ids.append(add(server, 2000 + len(ids)))
        return True
    except (OSError, RpcError):
        return False


def main():
    if os.geteuid() != 0:
        print("needs root (mounts a tmpfs)")
        return 77
    folder = temporary_folder("sekisho-full-")
    state = folder / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={options.megabytes}m,mode=755", "tmpfs", state], check=True)
    try:
        server = Server(state=state).start()
        try:
            run(server)
        finally:
            server.close()
    finally:
        subprocess.run(["umount", state], check=True)
        state.rmdir()
        folder.rmdir()
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
