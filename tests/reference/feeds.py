"""Plain lists into a pattern, a second time: docs/feed-formats.md and docs/pattern-description.md ("From a line to an
entry")."""

import re

import canonical
import decision

SCHEMES = re.compile(rb"^(hxxp|h\*\*p|htxp|fxp)(?=s?(:|\[:))", re.IGNORECASE)
SIGNS = ((rb"\[://\]|\[:\]//", b"://"), (rb"\[:\]", b":"),
         (rb"\[dot\]|\(dot\)|\{dot\}|\[\.\]|\(\.\)|\{\.\}|\\\.|\[\.|\.\]", b"."))


def put_right(text):
    """Schemes and signs; the scheme keeps its letters but for the hidden ones."""
    text = SCHEMES.sub(lambda match: b"ftp" if match.group(1)[:1] in b"fF" else b"http", text)
    for pattern, plain in SIGNS:
        text = re.sub(pattern, plain, text, flags=re.IGNORECASE)
    return text


def refang(text):
    """In the whole URL when the part before its path shows it (docs/feed-formats.md)."""
    scheme, colon, rest = text.partition(b"://")
    if not colon:
        scheme, rest = b"", text
    before = scheme + colon + rest.split(b"/")[0]
    return put_right(text) if put_right(before) != before else text


def clean(line):
    """A line without comment; b"" when nothing is left."""
    line = line.strip(b" \t\r\n\v\f")
    if line.startswith((b"#", b"!", b";", b"//")):
        return b""
    return re.sub(rb"[ \t]#.*$", b"", line).strip(b" \t\r\n\v\f")


def entry_of(kind, line):
    """("url", Url) or ("prefix", prefix) of a line of a list of `kind` (u or h); Refused."""
    text = refang(line)
    if kind == "h":
        prefix = decision.parse_prefix(text)
        if prefix is not None and (b"/" in text or b"." in text or b":" in text):
            if prefix[2] == 0:
                raise canonical.Refused("syntax", "prefix of everything")
            return "prefix", prefix
        text = re.sub(rb"^(\*\.|\.)", b"", text)
        url = canonical.from_host(text)
    else:
        url = canonical.canonicalize(text)
    if url.address is not None and url.full_path == b"/":
        family, value = url.address
        return "prefix", (family, int.from_bytes(value, "big"), 32 if family == 4 else 128)
    return "url", url


class Lists:
    """All lines of some lists, merged as a pattern; counts per list as the build's report has them."""

    def __init__(self):
        self.pattern = decision.Pattern()
        self.counts = []

    def add(self, kind, lines, score, source):
        value = decision.Value(score, origins=[source])
        counts = {"lines": 0, "blank": 0, "accepted": 0, "refused": 0}
        for line in lines:
            counts["lines"] += 1
            line = clean(line)
            if line == b"":
                counts["blank"] += 1
                continue
            try:
                what, entry = entry_of(kind, line)
            except canonical.Refused:
                counts["refused"] += 1
                continue
            counts["accepted"] += 1
            if what == "url":
                self.pattern.add(entry, value)
            else:
                self.pattern.add_prefix(entry, value)
        self.counts.append(counts)
