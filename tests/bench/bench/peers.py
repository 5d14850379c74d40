"""The servers that ours is measured beside: nginx, rbldnsd, a bare epoll loop."""

import os
import socket
import subprocess

from .processes import Server, free_port, wait_for_port

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 32768; use epoll; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    large_client_header_buffers 4 32k;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        listen 127.0.0.1:{tls} ssl backlog=4096;
        ssl_certificate {folder}/nginx.pem;
        ssl_certificate_key {folder}/nginx.pem;
        ssl_protocols TLSv1.3;
        ssl_session_tickets on;
        location / {{
            add_header Cache-Control "private, max-age=600";
            return 200 '{body}';
        }}
    }}
}}
"""


def make_certificate(path):
    """ECDSA P-256, self-signed, as the server's own."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", path, "-out", f"{path}.crt",
                    "-days", "30", "-subj", "/CN=localhost"], check=True, capture_output=True)
    with open(path, "ab") as file, open(f"{path}.crt", "rb") as certificate:
        file.write(certificate.read())


def one_answer(port, target="/v1/url?url=http%3A%2F%2Fa.example%2F"):
    """All bytes of one answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


class Nginx:
    """`return 200` with answers of `size` bytes, head and all."""

    def __init__(self, folder, size, sample):
        self.folder, self.sample = folder, sample.replace("'", " ")
        self.plain, self.tls = free_port(), free_port()
        self.server = None
        make_certificate(f"{folder}/nginx.pem")
        self.start(max(size - 180, 1))
        got = len(one_answer(self.plain))
        length = max(size - got + max(size - 180, 1), 1)
        self.close()
        self.start(length)
        self.size = len(one_answer(self.plain))

    def start(self, length):
        body = (self.sample * (length // len(self.sample) + 1))[:length]
        config = f"{self.folder}/nginx.conf"
        with open(config, "w", encoding="utf-8") as file:
            file.write(NGINX.format(folder=self.folder, plain=self.plain, tls=self.tls, body=body))
        self.server = Server(["nginx", "-e", f"{self.folder}/nginx-error.log", "-c", config],
                             log=f"{self.folder}/nginx.log")
        wait_for_port(self.plain)

    @property
    def pids(self):
        return self.server.pids

    def close(self):
        if self.server:
            self.server.close()
            self.server = None


class BareEpoll:
    """Answers each request head with the same bytes."""

    def __init__(self, folder, programs, answer):
        file = folder / "bare-answer"
        file.write_bytes(answer)
        self.plain = free_port()
        self.server = Server([programs / "tests/bench/bare_epoll", self.plain, file],
                             ready="ready")

    @property
    def pids(self):
        return self.server.pids

    def close(self):
        self.server.close()


class Rbldnsd:
    """The host names of a list, each with all names below it, as a DNS block list."""

    ZONE = "bench.test"

    def __init__(self, folder, hosts):
        zone = folder / "hosts.rbl"
        with open(hosts, encoding="utf-8") as source, open(zone, "w", encoding="utf-8") as file:
            file.write(":127.0.0.2:listed\n")
            file.writelines("." + line for line in source)
        os.chmod(zone, 0o644)
        self.port = free_port(socket.SOCK_DGRAM)
        words = ["rbldnsd", "-n", "-b", f"127.0.0.1/{self.port}", "-c", "0",
                 f"{self.ZONE}:dnset:{zone}"]
        if os.geteuid() == 0:
            words[1:1] = ["-u", "nobody"]
        self.server = Server(words, log=folder / "rbldnsd.log")
        self.wait()

    def wait(self):
        """rbldnsd answers when the zone is loaded."""
        query = (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a"
                 + b"".join(bytes([len(p)]) + p.encode() for p in self.ZONE.split("."))
                 + b"\x00\x00\x01\x00\x01")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.2)
            asker.connect(("127.0.0.1", self.port))
            for _ in range(3000):
                try:
                    asker.send(query)
                    if asker.recv(512)[3] & 15 in (0, 3):
                        return
                except (TimeoutError, ConnectionRefusedError):
                    if self.server.process.poll() is not None:
                        raise RuntimeError("rbldnsd did not start") from None
        raise TimeoutError("rbldnsd did not load its zone")

    @property
    def pids(self):
        return self.server.pids

    def close(self):
        self.server.close()
