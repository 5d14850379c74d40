"""sekisho-queryd without keeper and sekishod: this module plays both.

    from queryd_alone import Queryd, section_lines

    queryd = Queryd(workers=2).start()
    queryd.publish(queryd.make_sections([...lines...]), access_log_on=True)
    answer = queryd.get("/v1/url?url=http%3A%2F%2Fa.example%2F")
    queryd.stop()

Run as a program it starts one and prints the ports, for trying things by hand:
    tests/functional/queryd_alone.py [--workers N] [--lines FILE] [--ports A,B,C,D]
"""

import argparse
import collections
import http.client
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SEKISHO_BUILD", TOP / "build")).resolve()
ROLES = ("frs_http", "frs_https", "wrs_http", "wrs_https")
SECTIONS = ("web", "files", "base", "overlay", "base_keywords", "overlay_keywords")
KEEPER_MAGIC = 0x314B4B53
READY, LISTENERS, RESULT, TLS, STOP = 1, 3, 4, 5, 7
HELLO, PUBLISH, ACTIVE, EVENTS = 1, 2, 3, 4
SANITIZER = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "TSAN_OPTIONS": "halt_on_error=1",
             "UBSAN_OPTIONS": "print_stacktrace=1"}

DEFAULTS = {
    "web_on": True, "files_on": True, "access_log_on": False, "approved_first": False,
    "block_below": 66, "log_score_max": 65, "ttl_listed": 3600, "ttl_unlisted": 600,
    "handshake_ms": 10000, "header_ms": 10000, "body_ms": 30000, "idle_ms": 75000,
    "write_ms": 30000, "event_interval_ms": 20, "counter_interval_ms": 60000,
    "connections_max": 16384, "allow": ("127.0.0.0/8", "::1/128"), "explain": (),
}

Answer = collections.namedtuple("Answer", "status headers body json")


def certificate(name="localhost"):
    """A key and a self-signed certificate in PEM, and the certificate alone in DER."""
    with tempfile.TemporaryDirectory() as folder:
        key, made = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650", "-subj",
                        f"/CN={name}", "-keyout", key, "-out", made],
                       check=True, capture_output=True)
        pem = pathlib.Path(made).read_text(encoding="ascii")
        return ((pathlib.Path(key).read_text(encoding="ascii") + pem).encode(),
                ssl.PEM_cert_to_DER_cert(pem))


def memfd(data):
    fd = os.memfd_create("queryd_alone")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


# ---- link messages (lib/link/link.c) ----

def pack_address(address):
    return bytes([address.version]) + address.packed.ljust(16, b"\0")


def pack_ranges(prefixes):
    out = struct.pack("<H", len(prefixes))
    for prefix in prefixes:
        network = ipaddress.ip_network(prefix)
        out += pack_address(network[0]) + pack_address(network[-1])
    return out


def pack_publish(generation, settings, sections):
    s = settings
    out = struct.pack("<Q6B", generation, s["web_on"], s["files_on"], s["access_log_on"],
                      s["approved_first"], s["block_below"], s["log_score_max"])
    out += struct.pack("<10I", s["ttl_listed"], s["ttl_unlisted"], s["handshake_ms"],
                       s["header_ms"], s["body_ms"], s["idle_ms"], s["write_ms"],
                       s["event_interval_ms"], s["counter_interval_ms"], s["connections_max"])
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    out += struct.pack("<q", int(offset * 1000))
    out += pack_ranges(s["allow"]) + pack_ranges(s["explain"])
    out += bytes([len(SECTIONS)])
    for role in SECTIONS:
        length, checksum = sections.get(role, (None, b""))
        out += struct.pack("<BQ", length is not None, length or 0) + checksum.ljust(32, b"\0")
    return struct.pack("<HHI", 1, PUBLISH, len(out)) + out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text(self):
        length = self.take("H")
        self.at += length
        return self.data[self.at - length:self.at].decode("latin-1")

    def address(self):
        family = self.take("B")
        raw = self.take("16s")
        return str(ipaddress.ip_address(raw[:4] if family == 4 else raw))


def read_event(reader):
    kind = reader.take("B")
    event = {"kind": kind}
    if kind in (1, 2):
        event["time"] = reader.take("q")
        event["client"] = reader.address()
        for name in ("score", "source", "action", "cnc_level", "cnc_source"):
            event[name] = reader.take("B")
        event["categories"], event["id"] = reader.take("Qq")
        for name in ("url", "client_guid", "server_guid", "computer", "domain", "product"):
            event[name] = reader.text()
    elif kind == 3:
        event["list"], event["id"], event["hits"], event["last"] = reader.take("BqIq")
    elif kind == 4:
        event["service"] = reader.take("B")
        event["client"] = reader.address()
        for name in ("queries", "bytes_in", "detections", "blocks"):
            event[name] = reader.take("Q")
    elif kind == 5:
        event["count"] = reader.take("I")
        event["url"] = reader.text()
    elif kind == 6:
        event["service"] = reader.take("B")
        for name in ("requests", "queries", "listed", "blocked", "errors", "bytes_in",
                     "bytes_out"):
            event[name] = reader.take("Q")
    else:
        raise ValueError(f"event kind {kind}")
    return event


# ---- the process ----

class Queryd:
    def __init__(self, workers=2, roles=ROLES, address="127.0.0.1", ports=(0, 0, 0, 0), pem=None,
                 program=None):
        self.workers, self.roles = workers, roles
        self.program = str(program or BUILD / "sekisho-queryd")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="queryd-"))
        self.pem, self.der = (pem, None) if pem else certificate()
        self.tickets = os.urandom(80)
        self.listeners = [self.listen(address, port) for port, _ in zip(ports, roles)]
        self.process = None
        self.generation = 0
        self.settings = dict(DEFAULTS)
        self.sections = {}
        self.active = {}
        self.events, self.packets, self.hellos = [], [], []
        self.condition = threading.Condition()

    @staticmethod
    def listen(address, port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(4096)
        return listener

    def port(self, role):
        return self.listeners[self.roles.index(role)].getsockname()[1]

    def start(self, publish=True):
        self.link, link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(30)
        tls, tickets = memfd(self.pem), memfd(self.tickets)
        self.log = open(self.folder / "queryd.log", "wb+")
        null = os.open("/dev/null", os.O_RDWR)
        wanted = [null, self.log.fileno(), self.log.fileno(), link.fileno(), control.fileno(),
                  tls, tickets] + [listener.fileno() for listener in self.listeners]

        def arrange():
            high = [os.dup2(fd, 200 + i) for i, fd in enumerate(wanted)]
            for i, fd in enumerate(high):
                os.dup2(fd, i)
            os.closerange(len(wanted), 300)

        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **SANITIZER}
        self.process = subprocess.Popen(
            [self.program, "--listeners", ",".join(self.roles), "--workers", str(self.workers)],
            close_fds=False, preexec_fn=arrange, env=environment)
        for fd in (tls, tickets, null):
            os.close(fd)
        link.close()
        control.close()
        self.thread = threading.Thread(target=self.read_link, daemon=True)
        self.thread.start()
        if publish:
            self.publish()
            self.wait_ready()
        return self

    def wait_ready(self):
        kind, _ = self.keeper_receive()
        assert kind == READY, kind

    def log_text(self):
        self.log.flush()
        return (self.folder / "queryd.log").read_text()

    def stop(self, sig=signal.SIGTERM, timeout=30):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(timeout)
        self.control.close()
        self.link.close()
        self.log.flush()
        return code

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for listener in self.listeners:
            listener.close()
        if self.process is not None:
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- the keeper's side ----

    def keeper_send(self, kind, arguments=(), descriptors=()):
        message = struct.pack("<10I", KEEPER_MAGIC, kind, *arguments, *[0] * (8 - len(arguments)))
        socket.send_fds(self.control, [message], list(descriptors))

    def keeper_receive(self):
        data, descriptors, _, _ = socket.recv_fds(self.control, 64, 8)
        if not data:
            raise EOFError("queryd is gone: " + self.log_text()[-2000:])
        fields = struct.unpack("<10I", data)
        return fields[1], fields[2:]

    def replace_certificate(self, pem):
        fd = memfd(pem)
        self.keeper_send(TLS, descriptors=[fd])
        os.close(fd)
        kind, arguments = self.keeper_receive()
        assert kind == RESULT
        return arguments[0]

    def replace_listeners(self, listeners):
        """listeners: a list of (role, socket)."""
        self.keeper_send(LISTENERS, [1 + ROLES.index(role) for role, _ in listeners],
                         [s.fileno() for _, s in listeners])
        kind, arguments = self.keeper_receive()
        assert kind == RESULT
        return arguments[0]

    # ---- sekishod's side ----

    def read_link(self):
        while True:
            try:
                data = self.link.recv(65536)
            except OSError:
                return
            if not data:
                return
            version, kind, length = struct.unpack_from("<HHI", data)
            assert version == 1 and length == len(data) - 8
            reader = Reader(data[8:])
            with self.condition:
                self.take_message(kind, reader)
                self.condition.notify_all()

    def take_message(self, kind, reader):
        if kind == HELLO:
            self.hellos.append(reader.take("Q"))
        elif kind == ACTIVE:
            generation, code, _ = reader.take("QiH")
            self.active[generation] = (code, reader.text())
        elif kind == EVENTS:
            header = dict(zip(("boot", "sequence", "sent", "worker"), reader.take("QQqH")))
            header["dropped"] = reader.take("7Q")
            self.packets.append(header)
            while reader.at < len(reader.data):
                self.events.append(read_event(reader))

    def wait(self, condition, timeout=20):
        with self.condition:
            if not self.condition.wait_for(condition, timeout):
                raise TimeoutError(self.log_text()[-2000:])

    def send_publish(self, sections=None, wrong=None, **settings):
        """Sends a generation; `sections`: role to path. Returns its number."""
        if sections is not None:
            self.sections = dict(sections)
        self.settings.update(settings)
        self.generation += 1
        announced, descriptors = {}, []
        for role in SECTIONS:
            if role in self.sections:
                path = self.sections[role]
                length = os.path.getsize(path)
                with open(path, "rb") as file:
                    file.seek(max(length - 32, 0))
                    announced[role] = (length, file.read())
                descriptors.append(os.open(path, os.O_RDONLY))
        if wrong is not None:
            announced = wrong(announced)
        socket.send_fds(self.link, [pack_publish(self.generation, self.settings, announced)],
                        descriptors)
        for fd in descriptors:
            os.close(fd)
        return self.generation

    def publish(self, sections=None, wrong=None, **settings):
        """Sends a generation and waits until it is in effect or refused: (code, text)."""
        generation = self.send_publish(sections, wrong, **settings)
        self.wait(lambda: generation in self.active)
        return self.active[generation]

    def make_sections(self, lines, version="2026.11.23-1", name="sections"):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        text = "".join("\t".join(str(field) for field in line) + "\n" for line in lines)
        subprocess.run([str(BUILD / "tests/functional/make_sections"), str(folder), version],
                       input=text.encode(), check=True)
        return {role: str(folder / role) for role in ("web", "files", "base", "base_keywords")}

    def wait_event(self, check, timeout=20):
        self.wait(lambda: any(check(event) for event in self.events), timeout)
        with self.condition:
            return next(event for event in self.events if check(event))

    # ---- a client's side ----

    def connect(self, role="wrs_http", timeout=20, source=None, context=None, session=None):
        family = self.listeners[self.roles.index(role)].family
        host = self.listeners[self.roles.index(role)].getsockname()[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if source is not None:
            sock.bind((source, 0))
        sock.connect((host, self.port(role)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if role.endswith("s"):
            sock = (context or self.tls_context()).wrap_socket(sock, session=session)
        return sock

    @staticmethod
    def tls_context(version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def request(self, method, target, body=None, headers=None, role=None, source=None):
        if role is None:
            role = "frs_http" if target.startswith("/tmcss") else "wrs_http"
        connection = http.client.HTTPConnection("127.0.0.1", self.port(role), timeout=20)
        connection.sock = self.connect(role, source=source)
        try:
            connection.request(method, target, body, headers or {})
            return read_answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, target, headers=None, **options):
        return self.request("GET", target, None, headers, **options)

    def post(self, target, value, headers=None, **options):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        return self.request("POST", target, body,
                            {"Content-Type": "application/json", **(headers or {})}, **options)

    def raw(self, data, role="wrs_http", timeout=20):
        """Sends bytes and returns all that comes up to the end of the connection."""
        with self.connect(role, timeout) as sock:
            sock.sendall(data)
            return read_to_end(sock)


def read_answer(response):
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    is_json = "json" in headers.get("content-type", "") and body
    return Answer(response.status, headers, body, json.loads(body) if is_json else None)


def read_to_end(sock):
    out = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return out + b"<reset>"
        if not piece:
            return out
        out += piece


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lines")
    parser.add_argument("--sections", help="a folder with ready files web, files, base …")
    parser.add_argument("--ports", default="0,0,0,0")
    parser.add_argument("--access-log", action="store_true")
    options = parser.parse_args()
    queryd = Queryd(options.workers, ports=[int(port) for port in options.ports.split(",")])
    sections = None
    if options.lines:
        with open(options.lines, encoding="utf-8") as file:
            sections = queryd.make_sections([line.rstrip("\n").split("\t") for line in file])
    elif options.sections:
        sections = {role: f"{options.sections}/{role}" for role in SECTIONS
                    if os.path.exists(f"{options.sections}/{role}")}
    queryd.start(publish=False)
    print(queryd.publish(sections, access_log_on=options.access_log), queryd.process.pid,
          {role: queryd.port(role) for role in ROLES}, queryd.folder, flush=True)
    try:
        queryd.process.wait()
    except KeyboardInterrupt:
        pass
    queryd.close()


if __name__ == "__main__":
    main()
