"""Canonical form and expressions of URLs, a second time.

Written from docs/url-form.md alone, slow and simple, step by step in its order and with its numbers.
It exists to disagree with lib/data/url*.c: whoever changes one reads the document, not the other.
"""

import ctypes
import re

LIMIT_URL = 8192

LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = b"0123456789"
HEX_DIGITS = b"0123456789abcdefABCDEF"
SCHEME_BYTES = LETTERS + DIGITS + b"+-."
BLANKS = bytes(range(0x01, 0x21))
WEB_SCHEMES = (b"http", b"https", b"ftp", b"ws", b"wss")
BAD_HOST_BYTES = frozenset(range(0x00, 0x21)) | frozenset(range(0x7F, 0x100)) | frozenset(
    b"\"#%*/:<>?@[\\]^`{|}")

IDN2_NFC_INPUT = 1
IDN2_NONTRANSITIONAL = 8


class Refused(Exception):
    """The input is no URL; `kind` is limit, syntax or unsupported."""

    def __init__(self, kind, reason=""):
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason


class Url:
    """A canonical URL: scheme, host, path and query (None when there is none), all bytes."""

    def __init__(self, scheme, host, path, query):
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query

    @property
    def text(self):
        return self.scheme + b"://" + self.host + self.full_path

    @property
    def full_path(self):
        return self.path if self.query is None else self.path + b"?" + self.query

    @property
    def address(self):
        """(4, 4 bytes) or (6, 16 bytes) when the host is an address, else None."""
        if self.host.startswith(b"["):
            return 6, read_ipv6(self.host[1:-1])
        if re.fullmatch(rb"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+", self.host):
            return 4, bytes(int(part) for part in self.host.split(b"."))
        return None


_idn = None


def idn_to_ascii(host):
    """libidn2 as the document names it, through ctypes; bytes or None."""
    global _idn
    if _idn is None:
        _idn = ctypes.CDLL("libidn2.so.0")
        _idn.idn2_to_ascii_8z.argtypes = [
            ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
        _idn.idn2_free.argtypes = [ctypes.c_void_p]
    result = ctypes.c_void_p()
    flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL
    if _idn.idn2_to_ascii_8z(host, ctypes.byref(result), flags) != 0:
        return None
    text = ctypes.string_at(result)
    _idn.idn2_free(result)
    return text


def undo_escapes(text):
    """Part 4.1: until no % stands before two hex digits."""
    if b"%" not in text:
        return text
    result = bytearray()
    for byte in text:
        result.append(byte)
        while len(result) >= 3 and result[-3] == 0x25 and result[-2] in HEX_DIGITS \
                and result[-1] in HEX_DIGITS:
            value = int(result[-2:], 16)
            del result[-3:]
            result.append(value)
    return bytes(result)


def escape(text, extra):
    result = bytearray()
    for byte in text:
        if byte <= 0x20 or byte >= 0x7F or byte in extra:
            result += b"%%%02X" % byte
        else:
            result.append(byte)
    return bytes(result)


def strip_scheme(text):
    """Part 1, step 7: (scheme, rest)."""
    length = 0
    while length < len(text) and text[length] in SCHEME_BYTES:
        length += 1
    name = text[:length]
    if length == 0 or name[0] not in LETTERS or text[length:length + 1] != b":":
        return b"http", text[2:] if text.startswith(b"//") else text
    rest = text[length + 1:]
    name = name.lower()
    if name in WEB_SCHEMES:
        return name, rest.lstrip(b"/")
    if rest.startswith(b"//"):
        return name, rest[2:]
    if b"." in name:
        return b"http", text
    part = re.split(rb"[/?]", rest, maxsplit=1)[0]
    if part != b"" and all(byte in DIGITS for byte in part):
        return b"http", text
    if read_ipv6(name + b":" + part) is not None:
        return b"http", text
    raise Refused("unsupported", "scheme without a host")


def check_port(port):
    """Part 1, step 11."""
    if not all(byte in DIGITS for byte in port):
        raise Refused("syntax", "port")
    digits = port.lstrip(b"0")
    if len(digits) > 5 or int(digits or b"0") > 65535:
        raise Refused("syntax", "port")


def split_authority(authority):
    """Part 1, step 10: (host, is it read by part 3)."""
    if authority.startswith(b"["):
        end = authority.find(b"]")
        if end < 0:
            raise Refused("syntax", "bracket")
        behind = authority[end + 1:]
        if behind != b"":
            if not behind.startswith(b":"):
                raise Refused("syntax", "behind the bracket")
            check_port(behind[1:])
        return authority[:end + 1], True
    if authority.count(b":") >= 2:
        return authority, True
    if authority.count(b":") == 1:
        host, port = authority.split(b":")
        check_port(port)
        return host, False
    return authority, False


def reduce_dots(host):
    return re.sub(rb"\.+", b".", host).strip(b".")


def read_ipv4_number(label):
    """Part 2, step 7.2."""
    if re.fullmatch(rb"0x[0-9a-f]*", label):
        return int(label[2:] or b"0", 16)
    if len(label) >= 2 and label.startswith(b"0"):
        if not re.fullmatch(rb"[0-7]+", label):
            raise Refused("syntax", "number")
        return int(label, 8)
    if not re.fullmatch(rb"[0-9]+", label):
        raise Refused("syntax", "number")
    # Python refuses to convert thousands of digits; such a number is too large anyway.
    return int(label) if len(label) < 100 else 1 << 64


def canonical_ipv4(labels):
    """Part 2, step 7."""
    if len(labels) > 4:
        raise Refused("syntax", "more than four numbers")
    numbers = [read_ipv4_number(label) for label in labels]
    if any(number > 255 for number in numbers[:-1]):
        raise Refused("syntax", "number too large")
    if numbers[-1] >= 256 ** (5 - len(numbers)):
        raise Refused("syntax", "number too large")
    rest = 4 - (len(numbers) - 1)
    address = bytes(numbers[:-1]) + numbers[-1].to_bytes(rest, "big")
    return write_ipv4(address)


def write_ipv4(address):
    return b".".join(b"%d" % byte for byte in address)


def canonical_name(host):
    """Part 2."""
    host = undo_escapes(host)
    host = reduce_dots(host)
    if any(byte >= 0x80 for byte in host):
        if len(host) > 1024 or b"\0" in host:
            raise Refused("syntax", "international name")
        host = idn_to_ascii(host)
        if host is None:
            raise Refused("syntax", "international name")
        host = reduce_dots(host)
    if host == b"":
        raise Refused("syntax", "no host")
    if any(byte in BAD_HOST_BYTES for byte in host):
        raise Refused("syntax", "byte in the host")
    host = host.lower()
    labels = host.split(b".")
    if re.fullmatch(rb"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return canonical_ipv4(labels)
    if len(host) > 253 or any(len(label) > 63 for label in labels):
        raise Refused("syntax", "too long")
    return host


def read_ipv6(text):
    """Part 3.1: 16 bytes or None."""
    if text.count(b"::") > 1 or b":::" in text:
        return None
    head, gap, tail = text.partition(b"::")
    head = head.split(b":") if head else []
    tail = tail.split(b":") if tail else []
    last = tail if gap else head
    if last and b"." in last[-1]:
        numbers = last[-1].split(b".")
        if len(numbers) != 4:
            return None
        for number in numbers:
            if not re.fullmatch(rb"0|[1-9][0-9]{0,2}", number) or int(number) > 255:
                return None
        a, b, c, d = (int(number) for number in numbers)
        last[-1:] = [b"%x" % (a << 8 | b), b"%x" % (c << 8 | d)]
    missing = 8 - len(head) - len(tail)
    if missing < 1 if gap else missing != 0:
        return None
    groups = head + [b"0"] * missing + tail
    if not all(re.fullmatch(rb"[0-9a-fA-F]{1,4}", group) for group in groups):
        return None
    return b"".join(int(group, 16).to_bytes(2, "big") for group in groups)


def write_ipv6(address):
    """Part 3.3, without the brackets."""
    groups = [int.from_bytes(address[i:i + 2], "big") for i in range(0, 16, 2)]
    best_start, best_length = 0, 1
    for start in range(8):
        length = 0
        while start + length < 8 and groups[start + length] == 0:
            length += 1
        if length > best_length:
            best_start, best_length = start, length
    texts = [b"%x" % group for group in groups]
    if best_length < 2:
        return b":".join(texts)
    return b":".join(texts[:best_start]) + b"::" + b":".join(texts[best_start + best_length:])


def canonical_ipv6(host):
    """Part 3, with or without brackets."""
    if host.startswith(b"["):
        if not host.endswith(b"]"):
            raise Refused("syntax", "bracket")
        host = host[1:-1]
    address = read_ipv6(host)
    if address is None:
        raise Refused("syntax", "IPv6")
    mapped = address[:12] in (b"\0" * 10 + b"\xff\xff", bytes.fromhex("0064ff9b") + b"\0" * 8)
    if mapped:
        return write_ipv4(address[12:])
    return b"[" + write_ipv6(address) + b"]"


def canonical_path(path):
    """Part 4.2."""
    path = undo_escapes(path)
    if path == b"":
        path = b"/"
    kept = []
    segments = path[1:].split(b"/")
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        if segment == b".":
            if is_last:
                kept.append(b"")
        elif segment == b"..":
            if kept:
                kept.pop()
            if is_last:
                kept.append(b"")
        else:
            kept.append(segment)
    path = b"/" + b"/".join(kept)
    path = re.sub(rb"/+", b"/", path)
    return escape(path, b"#%?\\")


def canonical_query(query):
    """Part 4.3."""
    return escape(undo_escapes(query), b"#%")


def trimmed(data):
    """Part 1, steps 1 to 3."""
    if len(data) > LIMIT_URL:
        raise Refused("limit", "URL too long")
    if b"\0" in data:
        raise Refused("syntax", "NUL byte")
    data = data.strip(BLANKS)
    if data == b"":
        raise Refused("syntax", "empty")
    return data


def canonicalize(data):
    """bytes → Url, or Refused."""
    text = trimmed(data)
    text = text.split(b"#", 1)[0]
    text = text.translate(None, b"\t\n\r")
    before, mark, query = text.partition(b"?")
    text = before.replace(b"\\", b"/") + mark + query
    scheme, rest = strip_scheme(text)
    end = re.search(rb"[/?]", rest)
    authority, tail = (rest, b"") if end is None else (rest[:end.start()], rest[end.start():])
    authority = authority.rpartition(b"@")[2]
    host, is_ipv6 = split_authority(authority)
    host = canonical_ipv6(host) if is_ipv6 else canonical_name(host)
    path, mark, query = tail.partition(b"?")
    path = canonical_path(path)
    return Url(scheme, host, path, canonical_query(query) if mark else None)


def from_host(data):
    """Part 5: a host name or address alone."""
    text = trimmed(data)
    if any(byte in b"/?#@\\" for byte in text):
        raise Refused("syntax", "no host alone")
    if text.startswith(b"["):
        if not text.endswith(b"]"):
            raise Refused("syntax", "bracket")
        host = canonical_ipv6(text)
    elif b":" in text:
        host = canonical_ipv6(text)
    else:
        host = canonical_name(text)
    return Url(b"http", host, b"/", None)


def host_expressions(url):
    hosts = [url.host]
    if url.address is None:
        labels = url.host.split(b".")
        for count in (5, 4, 3, 2):
            if len(labels) > count:
                hosts.append(b".".join(labels[-count:]))
    return hosts


def path_expressions(url):
    paths = []
    if url.query is not None:
        paths.append(url.full_path)
    paths.append(url.path)
    ends = [index + 1 for index, byte in enumerate(url.path) if byte == 0x2F][:4]
    for end in reversed(ends):
        if end != len(url.path):
            paths.append(url.path[:end])
    return paths


def expressions(url):
    """Part 6: all of them, most specific first."""
    return [host + path for host in host_expressions(url) for path in path_expressions(url)]
