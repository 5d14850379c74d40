"""The examples of docs/url-form.md, part 9, as the reference reads them."""

import re

import canonical

ESCAPES = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"\\": b"\\"}


def unquote(text):
    """`\\t`, `\\n`, `\\r`, `\\\\` and `\\xHH` as the document writes bytes."""
    def one(match):
        word = match.group(1)
        return bytes([int(word[1:], 16)]) if word[:1] == b"x" else ESCAPES[word]
    return re.sub(rb"\\(x[0-9a-f]{2}|[tnr\\])", one, text)


def read(path):
    """Yields (kind, input, result) of the blocks ```url, ```host and ```expressions."""
    kind = None
    with open(path, "rb") as document:
        for line in document:
            line = line.rstrip(b"\n")
            if line.startswith(b"```"):
                kind = line[3:].decode() or None
            elif kind in ("url", "host", "expressions"):
                given, result = line.rsplit(b" -> ", 1)
                yield kind, unquote(given), result


def answer(kind, given):
    try:
        url = canonical.from_host(given) if kind == "host" else canonical.canonicalize(given)
    except canonical.Refused as refused:
        return refused.kind.encode()
    if kind == "expressions":
        hosts, paths = canonical.host_expressions(url), canonical.path_expressions(url)
        return b" ".join(hosts) + b" | " + b" ".join(paths)
    return url.text


def check(path):
    """The number of examples and the list of those that differ."""
    count, wrong = 0, []
    for kind, given, expected in read(path):
        count += 1
        got = answer(kind, given)
        if got != expected:
            wrong.append((kind, given, expected, got))
    return count, wrong
