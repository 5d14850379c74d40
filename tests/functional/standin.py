#!/usr/bin/env python3
"""Stands in for sekishod and sekisho-queryd in test_keeper.py, under their names: says READY, tells
what it was given, and does what the test asks. A file "<name>.dies" beside it makes it end at once,
"<name>.silent" lets it never be ready.

As sekishod it takes commands, a line of JSON each, on the admin socket; as sekisho-queryd it answers
every connection to a query port with one line of JSON.
"""

import array
import json
import os
import selectors
import signal
import socket
import struct
import sys

NAME = os.path.basename(sys.argv[0])
MAGIC = 0x314B4B53
READY, LISTEN, LISTENERS, RESULT, TLS, TLS_RELOAD, STOP, JOB, JOB_ENDED = range(1, 10)
control = socket.socket(fileno=4)
messages = []


def send(kind, arguments=(), descriptors=()):
    data = struct.pack("<10I", MAGIC, kind, *arguments, *[0] * (8 - len(arguments)))
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    control.sendmsg([data], ancillary if descriptors else [])


def receive():
    control.setblocking(True)
    data, ancillary, _, _ = control.recvmsg(64, socket.CMSG_SPACE(4 * 250))
    descriptors = array.array("i")
    for _, _, content in ancillary:
        descriptors.frombytes(content[:len(content) - len(content) % 4])
    _, kind, *arguments = struct.unpack("<10I", data)
    return {"kind": kind, "arguments": arguments, "descriptors": list(descriptors)}


def facts():
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the folder that is being listed
    status = open("/proc/self/status", encoding="utf-8").read().splitlines()
    return {"pid": os.getpid(), "uid": os.getresuid(), "gid": os.getresgid(),
            "groups": os.getgroups(), "arguments": sys.argv[1:], "environment": dict(os.environ),
            "descriptors": descriptors, "session": os.getsid(0) == os.getpid(),
            "status": [line for line in status if line.startswith(("NoNewPrivs", "SigBlk"))]}


def wait_result(kind):
    while True:
        message = receive()
        if message["kind"] == kind:
            return message
        messages.append(message)


def obey(command):
    """One command of the test."""
    if command["do"] == "facts":
        return {**facts(), "messages": messages}
    if command["do"] == "exit":
        os._exit(command["code"])
    if command["do"] == "write_log":
        sys.stderr.write("x" * command["size"] + "\n")
        sys.stderr.flush()
        return {}
    if command["do"] == "open":
        with os.fdopen(os.open(command["path"], os.O_RDONLY, dir_fd=5), "rb") as file:
            return {"size": len(file.read())}
    if command["do"] == "request":
        descriptors = []
        for text in command.get("files", []):
            descriptors.append(os.memfd_create("file"))
            os.write(descriptors[-1], text.encode())
        send(command["kind"], command["arguments"], descriptors)
        return wait_result(RESULT)
    if command["do"] == "job":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output = os.memfd_create("output")
        send(JOB, [command["job"], 0, 0, 0, 0, 0, 0, 5], [theirs.fileno(), output])
        theirs.close()
        result = wait_result(RESULT)
        answer = None
        if result["arguments"][0] == 0:
            ours.send(json.dumps(command["request"]).encode())
            answer = ours.recv(65536).decode()
            ended = wait_result(JOB_ENDED)
            return {"result": result, "answer": answer, "ended": ended,
                    "size": os.lseek(output, 0, os.SEEK_END)}
        return {"result": result}
    return {"error": "unknown command"}


def run_sekishod():
    selector = selectors.DefaultSelector()
    listener = socket.socket(fileno=6)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                messages.append(receive())
                continue
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            connection.setblocking(True)
            with connection, connection.makefile("rw") as stream:
                for line in stream:
                    stream.write(json.dumps(obey(json.loads(line))) + "\n")
                    stream.flush()


def run_queryd():
    selector = selectors.DefaultSelector()
    words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    roles = words["--listeners"].split(",")
    names = [None, "frs_http", "frs_https", "wrs_http", "wrs_https"]

    def listen(descriptor, role):
        listener = socket.socket(fileno=descriptor)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, role)
    for number, role in enumerate(roles):
        listen(7 + number, role)
    selector.register(control, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                message = receive()
                messages.append({**message, "tls": None})
                if message["kind"] == LISTENERS:
                    for other in [k for k in selector.get_map().values() if k.data]:
                        selector.unregister(other.fileobj)
                        other.fileobj.close()
                    for descriptor, role in zip(message["descriptors"], message["arguments"]):
                        listen(descriptor, names[role])
                elif message["kind"] == TLS:
                    messages[-1]["tls"] = os.pread(message["descriptors"][0], 100, 0).decode()
                send(RESULT, [0])
                continue
            try:
                connection, _ = key.fileobj.accept()
            except BlockingIOError:
                continue
            with connection:
                answer = {**facts(), "role": key.data, "messages": messages,
                          "tls": len(os.pread(5, 1 << 20, 0)),
                          "tickets": len(os.pread(6, 1 << 20, 0))}
                connection.sendall(json.dumps(answer).encode() + b"\n")


def exists(suffix):
    return os.path.exists(sys.argv[0] + suffix)


signal.signal(signal.SIGTERM, signal.SIG_IGN if exists(".stubborn") else lambda *_: os._exit(0))
if exists(".dies"):
    sys.exit(9)
if not exists(".silent"):
    send(READY)
if NAME == "sekishod":
    run_sekishod()
run_queryd()
