"""Variants of real URLs for the differential test: what people, malware and mistakes make of them.

All randomness comes from the random.Random that the caller seeds, so a variant can be made again.
"""

BLANK_BYTES = [b" ", b"\t", b"\n", b"\r", b"\x01", b"\x1f", b"\x0b", b"\x7f", b"\x80", b"\xa0"]
SCHEMES = [
    b"http://", b"https://", b"HTTP://", b"hTTps:", b"http:/", b"http:///", b"http:\\\\", b"//",
    b"\\\\", b"", b"", b"ftp://", b"ws:", b"wss://", b"hxxp://", b"git+ssh://", b"mailto:",
    b"javascript:", b"data:", b"file:///", b"a.b://", b"1http://", b"ht\ntp://", b"ht%74p://",
    b"localhost:", b"http://http://", b"view-source:http://", b"+x://", b"dead:", b"x:"]
HOST_TEXTS = [
    "ü", "ß", "ς", "。", "．", "｡", "Ａ", "１", "\u00ad", "\u200d", "\u200c", "\u0308", "م", "א",
    "💩", "…", "／", "？", "％", "ﬀ", "İ", "K", "☃", "\u202e", "xn--", "-", "--", "_", "*", "~", "٠"]
HOST_BYTES = [
    b".", b"..", b"%2e", b"%2E", b"%252e", b"%00", b"%20", b"%2f", b"%3a", b"%40", b"%23", b"%", b"%zz",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0", b"[", b"]", b"<", b"`", b"{", b"|", b"^", b"\"", b"'",
    b"!", b"$", b"&", b"(", b"+", b",", b";", b"=", b"@", b":", b"\\", b"0", b"0x", b"a.0x1f"]
PORTS = [b":80", b":443", b":8080", b":21", b":1", b":0443", b":4343", b":", b":0", b":00080", b":65535", b":65536", b":80a", b":-1", b": 80",
         b":%38%30", b":99999999999999999999", b":80:81", b":\t8\n0"]
USERS = [b"user@", b"user:pass@", b"@", b"a@b@", b"a:b:c@", b"www.good.example@", b"%40@", b"a%2fb@",
         b"\\@", b"/@", b"?@", b"#@"]
PATH_PIECES = [
    b"/", b"//", b"///", b"/.", b"/..", b"/./", b"/../", b"/...", b"/../..", b"/%2e", b"/%2E%2e/",
    b"/.%2e", b"%2f", b"%2F..", b"%5c", b"\\", b"\\..\\", b";", b";/..", b"/;/", b"%3f", b"%23", b"%25",
    b"%252e%252e/", b"%00", b"%0d%0a", b"%", b"%%", b"%2", b"%2525", b"\xc3\xbc", b"%C3%BC", b"\xff",
    b" ", b"+", b"*", b"a", b"index.html", b"~", b"{x}", b"\"", b"\t", b"\0"]
QUERY_PIECES = [
    b"?", b"?a=b", b"&c=d", b"?q=http://x.example/..//.", b"?%3f", b"?%23", b"?a%26b", b"?\\", b"?%5c",
    b"?%2525", b"? ", b"?\xff", b"?/../", b"?//", b"?=", b"?+", b"#", b"#frag", b"#?a", b"#/../", b"%23"]


def pick_position(random, url, part):
    """A position in the host, the path or anywhere, as well as a glance can tell."""
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    end = url.find(b"/", start)
    end = len(url) if end < 0 else end
    if part == "host":
        return random.randint(start, end)
    if part == "path":
        return random.randint(end, len(url))
    return random.randint(0, len(url))


def insert(url, position, piece):
    return url[:position] + piece + url[position:]


def change_case(random, url, _pool):
    return bytes(byte ^ 0x20 if 0x41 <= byte & 0xDF <= 0x5A and random.random() < 0.3 else byte
                 for byte in url)


def nest_escapes(random, url, _pool):
    """Escapes bytes of a stretch, then perhaps the escapes' own signs, up to four deep."""
    start = pick_position(random, url, random.choice(("host", "path", "path", "any")))
    end = min(len(url), start + random.randint(1, 8))
    piece = url[start:end]
    for _ in range(random.randint(1, 4)):
        form = random.choice(("%%%02x", "%%%02X"))
        piece = b"".join((form % byte).encode() if byte == 0x25 or random.random() < 0.7
                         else bytes([byte]) for byte in piece)
    return url[:start] + piece + url[end:]


def spell_ipv4_number(random, number):
    form = random.choice(("%d", "%d", "%d", "0%o", "00%o", "0x%x", "0X%X", "0x0%x", "%03d"))
    return (form % number).encode()


def spell_ipv4(random):
    count = random.choice((1, 2, 3, 4, 4, 4, 4, 5))
    address = random.getrandbits(32)
    numbers = [address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255]
    while count < len(numbers):
        last = numbers.pop()
        numbers[-1] = numbers[-1] << 8 * (4 - len(numbers)) | last
    while count > len(numbers):
        numbers.append(random.randint(0, 255))
    if random.random() < 0.1:
        index = random.randrange(len(numbers))
        numbers[index] += random.choice((1, 256, 65536, 1 << 24, 1 << 32, 1 << 64))
    text = b".".join(spell_ipv4_number(random, number) for number in numbers)
    return text + random.choice((b"", b"", b"", b".", b"..", b"a", b"x", b"%20"))


def spell_ipv6(random):
    groups = [random.choice((0, 0, 0, 1, 0xFFFF, random.getrandbits(16))) for _ in range(8)]
    if random.random() < 0.2:
        groups[:6] = random.choice(([0, 0, 0, 0, 0, 0xFFFF], [0x64, 0xFF9B, 0, 0, 0, 0], [0] * 6))
    form = random.choice(("%x", "%X", "%04x"))
    texts = [form % group for group in groups]
    if random.random() < 0.3:
        texts[6:] = ["%d.%d.%d.%d" % (groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255)]
    if random.random() < 0.7:
        start = random.randrange(len(texts))
        length = random.randint(0, len(texts) - start)
        if random.random() < 0.8:
            while length > 0 and any(groups[start:start + length]):
                length -= 1
        text = ":".join(texts[:start]) + "::" + ":".join(texts[start + length:])
    else:
        text = ":".join(texts)
    text += random.choice(("", "", "", "", "", "%eth0", "%25eth0", ":", "::", ":1", " "))
    return random.choice((b"[%s]", b"[%s]", b"[%s]", b"%s", b"[%s", b"%s]", b"[[%s]]")) % text.encode()


def replace_host(random, url, host):
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    end = url.find(b"/", start)
    return url[:start] + host + (url[end:] if end >= 0 else b"")


def use_ipv4(random, url, _pool):
    return replace_host(random, url, spell_ipv4(random))


def use_ipv6(random, url, _pool):
    return replace_host(random, url, spell_ipv6(random))


def add_to_host(random, url, _pool):
    piece = random.choice(HOST_TEXTS).encode() if random.random() < 0.5 else random.choice(HOST_BYTES)
    if random.random() < 0.2:
        piece = b"".join(b"%%%02X" % byte for byte in piece)
    return insert(url, pick_position(random, url, "host"), piece)


def add_labels(random, url, _pool):
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    size = random.choice((1, 2, 10, 62, 63, 64))
    labels = b"".join(b"l" * size + b"." for _ in range(random.choice((1, 2, 3, 4, 5, 8, 30))))
    return insert(url, start, labels)


def add_port(random, url, _pool):
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    end = url.find(b"/", start)
    return insert(url, len(url) if end < 0 else end, random.choice(PORTS))


def add_user(random, url, _pool):
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    return insert(url, start, random.choice(USERS))


def add_to_path(random, url, _pool):
    for _ in range(random.randint(1, 4)):
        url = insert(url, pick_position(random, url, "path"), random.choice(PATH_PIECES))
    return url


def add_query(random, url, _pool):
    if random.random() < 0.5:
        return url + random.choice(QUERY_PIECES)
    return insert(url, pick_position(random, url, "any"), random.choice(QUERY_PIECES))


def change_bytes(random, url, _pool):
    data = bytearray(url)
    for _ in range(random.randint(1, 3)):
        position = random.randint(0, len(data))
        kind = random.randrange(3)
        if kind == 0:
            data[position:position] = bytes([random.randrange(256)])
        elif kind == 1:
            data[position:position + 1] = bytes([random.randrange(256)])
        else:
            del data[position:position + random.randint(1, 3)]
    return bytes(data)


def add_blanks(random, url, _pool):
    piece = b"".join(random.choice(BLANK_BYTES) for _ in range(random.randint(1, 3)))
    position = random.choice((0, len(url), pick_position(random, url, "any")))
    return insert(url, position, piece)


def change_scheme(random, url, _pool):
    rest = url.split(b"://", 1)[1] if b"://" in url[:24] else url
    return random.choice(SCHEMES) + rest


def splice(random, url, pool):
    other = random.choice(pool)
    return url[:pick_position(random, url, "any")] + other[pick_position(random, other, "any"):]


def lengthen(random, url, _pool):
    """Close to the limit of 8192 bytes, from both sides."""
    target = 8192 + random.choice((-2, -1, 0, 0, 1, 2, random.randint(-4000, 300)))
    piece = random.choice((b"a", b"%41", b"/", b"/a", b"../", b"%2525", b"\xc3\xbc", b"&x=y", b"%", b"."))
    if len(url) >= target:
        return url[:max(target, 0)]
    position = pick_position(random, url, random.choice(("path", "path", "path", "host")))
    missing = target - len(url)
    return insert(url, position, (piece * (missing // len(piece) + 1))[:missing])


def take_host(random, url, _pool):
    start = url.find(b"://") + 3 if b"://" in url[:24] else 0
    end = url.find(b"/", start)
    return url[start:] if end < 0 else url[start:end]


# Each with its weight.
CHANGES = (
    (change_case, 8), (nest_escapes, 12), (use_ipv4, 6), (use_ipv6, 4), (add_to_host, 6),
    (add_labels, 3), (add_port, 3), (add_user, 4), (add_to_path, 22), (add_query, 14),
    (change_bytes, 7), (add_blanks, 3), (change_scheme, 4), (splice, 4), (take_host, 2))
CHANGE_FUNCTIONS = [change for change, _ in CHANGES]
CHANGE_WEIGHTS = [weight for _, weight in CHANGES]


def make(random, pool):
    """(kind, bytes): a variant of some URL of the pool; kind 'u' URL or 'h' host alone."""
    url = random.choice(pool)
    if random.random() < 0.1:
        host = take_host(random, url, pool)
        host = random.choice((spell_ipv4(random), spell_ipv6(random), host, host, host))
        if random.random() < 0.6:
            host = random.choice((add_to_host, change_bytes, add_blanks, change_case, nest_escapes))(
                random, host, pool)
        return "h", host
    changes = random.choices(CHANGE_FUNCTIONS, CHANGE_WEIGHTS, k=random.choice((1, 1, 1, 2, 2, 3)))
    for change in changes:
        url = change(random, url, pool)
    if random.random() < 0.002:
        url = lengthen(random, url, pool)
    return "u", url
