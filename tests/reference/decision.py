"""Look-up and decision, a second time: patterns, rules and objects as plain lists, searched one by one.

Written from docs/query-api.md, the headers lib/lookup/pattern_builder.h and lib/data/rule.h and the
order of decision in docs/architecture.md, without the code behind them.
"""

import re

import canonical

SCORE_UNRATED = 71
SCORE_SAFE = 81
SCORE_LISTED_BAD = 49
SCORE_LISTED_GOOD = 81
CNC_SOURCES = (None, "global_intelligence", "virtual_analyzer", "user_defined")
SITE, PAGE, KEYWORD = "site", "page", "keyword"


# --- patterns ----------------------------------------------------------------------------------

class Value:
    """What a pattern knows of an expression or a prefix."""

    def __init__(self, score, categories=(), cnc_level=0, cnc_source=None, origins=()):
        self.score = score
        self.categories = frozenset(categories)
        self.cnc_level = cnc_level
        self.cnc_source = cnc_source if cnc_level > 0 else None
        self.origins = frozenset(origins)

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return "Value(%r)" % vars(self)


def merge(values):
    """Entries of one expression become one."""
    bad = [value for value in values if value.score < SCORE_SAFE] or values
    level = max(value.cnc_level for value in bad)
    sources = [value.cnc_source for value in bad if value.cnc_level == level and value.cnc_source]
    return Value(min(value.score for value in values),
                 frozenset().union(*(value.categories for value in bad)),
                 level, min(sources, key=CNC_SOURCES.index, default=None),
                 frozenset().union(*(value.origins for value in bad)))


def parse_prefix(text):
    """(family, value, length in bits) of "10.0.0.0/8" or an address alone, else None."""
    address, slash, length = text.partition(b"/")
    try:
        url = canonical.from_host(address)
    except canonical.Refused:
        return None
    if url.address is None:
        return None
    family, value = url.address
    bits = 32 if family == 4 else 128
    if slash and (not length.isdigit() or int(length) > bits):
        return None
    length = int(length) if slash else bits
    number = int.from_bytes(value, "big") >> (bits - length) << (bits - length)
    return family, number, length


def in_prefix(address, prefix):
    family, value = address
    bits = 32 if family == 4 else 128
    return family == prefix[0] and int.from_bytes(value, "big") >> (bits - prefix[2]) == \
        prefix[1] >> (bits - prefix[2])


def prefix_text(prefix):
    family, number, length = prefix
    value = number.to_bytes(4 if family == 4 else 16, "big")
    text = canonical.write_ipv4(value) if family == 4 else canonical.write_ipv6(value)
    return text + b"/%d" % length


def wider(prefix):
    """All prefixes that hold this one, without itself."""
    family, number, length = prefix
    bits = 32 if family == 4 else 128
    return [(family, number >> (bits - shorter) << (bits - shorter), shorter) for shorter in range(length)]


class Pattern:
    """A web pattern: expression → value, prefix → value, after the rules of merging."""

    def __init__(self):
        self.given = {}
        self.given_prefixes = {}
        self.entries = {}
        self.prefixes = {}

    def add(self, url, value):
        self.given.setdefault(url.host + url.full_path, (url, []))[1].append(value)

    def add_prefix(self, prefix, value):
        self.given_prefixes.setdefault(prefix, []).append(value)

    def finish(self):
        """Merges equal ones; then, less specific ones first, drops what is milder than what would answer in its place."""
        self.entries, self.prefixes = {}, {}
        by_depth = sorted(self.given.items(), key=lambda item: len(canonical.expressions(item[1][0])))
        for key, (url, values) in by_depth:
            value = merge(values)
            outer = next((self.entries[other] for other in canonical.expressions(url)[1:] if other in self.entries), None)
            if not self.is_mild(value, outer):
                self.entries[key] = value
        for prefix in sorted(self.given_prefixes, key=lambda prefix: prefix[2]):
            value = merge(self.given_prefixes[prefix])
            outer = next((self.prefixes[other] for other in reversed(wider(prefix)) if other in self.prefixes), None)
            if not self.is_mild(value, outer):
                self.prefixes[prefix] = value

    @staticmethod
    def is_mild(value, covering):
        return covering is not None and covering.score < value.score < SCORE_SAFE

    def first_hit(self, url):
        """(text, value) of the most specific entry, (None, None) when there is none."""
        for expression in canonical.expressions(url):
            if expression in self.entries:
                return expression, self.entries[expression]
        return None, None

    def longest_prefix(self, address):
        bits = 32 if address[0] == 4 else 128
        number = int.from_bytes(address[1], "big")
        for length in range(bits, -1, -1):
            key = (address[0], number >> (bits - length) << (bits - length), length)
            if key in self.prefixes:
                return prefix_text(key), self.prefixes[key]
        return None, None

    def look_up(self, url):
        """(text, value) of the entry that counts, or (None, None)."""
        text, found = self.first_hit(url)
        if url.address is not None:
            prefix, by_address = self.longest_prefix(url.address)
            if found is None or (by_address is not None and by_address.score < found.score):
                return prefix, by_address
        return text, found


# --- rules and objects -------------------------------------------------------------------------

class Rule:
    """A user-defined rule: list approved or blocked, kind, pattern (bytes), targets."""

    def __init__(self, number, approved, kind, pattern, targets=(), expires=0, enabled=True):
        self.id = number
        self.approved = approved
        self.kind = kind
        self.pattern = pattern
        self.targets = targets
        self.expires = expires
        self.enabled = enabled
        self.url = None if kind == KEYWORD else canonical.canonicalize(pattern)

    def covers(self, url):
        if self.kind == KEYWORD:
            return re.search(self.pattern, url.text, re.IGNORECASE | re.DOTALL) is not None
        if self.kind == PAGE:
            return (url.host, url.path, url.query) == (self.url.host, self.url.path, self.url.query)
        return host_covers(self.url, url) and path_covers(self.url, url)

    def specificity(self):
        """Larger wins: labels of the host, path, page before site; keywords last; lowest id."""
        if self.kind == KEYWORD:
            return 0, 0, 0, -self.id
        return (label_count(self.url), len(self.url.full_path), 1 if self.kind == PAGE else 0, -self.id)


def label_count(url):
    """An address has no parent but is as narrow as a host can be."""
    return 1 << 16 if url.address is not None else url.host.count(b".") + 1


def host_covers(site, url):
    if site.host == url.host:
        return True
    return site.address is None and url.address is None and url.host.endswith(b"." + site.host)


def path_covers(site, url):
    """The folder and below; or the page with any query and what is below it; or the very query."""
    if site.query is not None:
        return (site.path, site.query) == (url.path, url.query)
    if site.path.endswith(b"/"):
        return url.path.startswith(site.path)
    return url.path == site.path or url.path.startswith(site.path + b"/")


class Object:
    """A suspicious object about URLs: kind ip, domain or url; action log or block."""

    def __init__(self, number, analyzer, kind, value, action, cnc_level=0, expires=0):
        self.id = number
        self.analyzer = analyzer
        self.kind = kind
        self.value = value
        self.action = action
        self.cnc_level = cnc_level
        self.expires = expires
        if kind == "ip":
            self.prefix = parse_prefix(value)
        elif kind == "domain":
            self.url = canonical.from_host(value)
        elif b"*" not in value:
            self.url = canonical.canonicalize(value)
        else:
            host, slash, path = value.split(b"://", 1)[-1].partition(b"/")
            folder = (slash + path).endswith(b"/") and b"?" not in path
            self.host_glob = glob_of(host)
            self.path_glob = glob_of(b"/" + path + (b"*" if folder else b""))
            self.glob_labels = sum(1 for label in host.split(b".") if b"*" not in label)
            self.glob_length = len(path) + 1 - path.count(b"*")

    def covers(self, url):
        if self.kind == "ip":
            return url.address is not None and in_prefix(url.address, self.prefix)
        if self.kind == "domain":
            return host_covers(self.url, url)
        if b"*" in self.value:
            return self.host_glob.fullmatch(url.host) is not None and \
                self.path_glob.fullmatch(url.full_path) is not None
        if self.url.query is None and self.url.path.endswith(b"/"):
            return self.url.host == url.host and url.path.startswith(self.url.path)
        return (url.host, url.path, url.query) == (self.url.host, self.url.path, self.url.query)


def glob_of(text):
    """Each '*' stands for any run of characters."""
    return re.compile(b".*".join(re.escape(piece) for piece in text.split(b"*")), re.DOTALL)


def address_of(text):
    """(family, bytes) of an address alone."""
    return canonical.from_host(text).address


def parse_target(text):
    """"10.0.0.0/8", "a-b", "domain:NAME", "computer:NAME"."""
    kind, colon, name = text.partition(b":")
    if colon and kind in (b"domain", b"computer"):
        return kind.decode(), name.lower()
    first, dash, last = text.partition(b"-")
    if dash:
        return "address", address_of(first), address_of(last)
    family, number, length = parse_prefix(text)
    bits = 32 if family == 4 else 128
    end = number | (1 << (bits - length)) - 1
    return "address", (family, number.to_bytes(bits // 8, "big")), (family, end.to_bytes(bits // 8, "big"))


def targets_match(targets, client):
    """`targets`: ("address", first, last), ("domain", name), ("computer", name); none: everybody."""
    if not targets:
        return True
    for target in targets:
        if target[0] == "address":
            if client.get("address") is not None and target[1][0] == client["address"][0] and \
                    target[1][1] <= client["address"][1] <= target[2][1]:
                return True
        else:
            name = (client.get(target[0]) or b"").lower()
            if name == target[1] or (target[0] == "domain" and name.endswith(b"." + target[1])):
                return True
    return False


# --- the decision ------------------------------------------------------------------------------

class Snapshot:
    def __init__(self, pattern=None, rules=(), objects=(), approved_first=False, block_below=66,
                 log_score_max=65):
        self.pattern = pattern
        self.rules = rules
        self.objects = objects
        self.approved_first = approved_first
        self.block_below = block_below
        self.log_score_max = log_score_max


def answer(score, action, source, number=0, categories=(), cnc_level=0, cnc_source=None, bad=False):
    return {"score": score, "action": action, "source": source, "id": number, "bad": bad,
            "categories": sorted(categories), "cnc_level": cnc_level, "cnc_source": cnc_source}


def is_live(entry, now):
    return entry.expires == 0 or now < entry.expires


def decide(snapshot, url, client=None, now=0):
    """The answer of the query API as a dictionary."""
    client = client or {}
    for approved in (True, False) if snapshot.approved_first else (False, True):
        hits = [rule for rule in snapshot.rules
                if rule.approved == approved and rule.enabled and is_live(rule, now)
                and targets_match(rule.targets, client) and rule.covers(url)]
        if hits:
            best = max(hits, key=Rule.specificity)
            if approved:
                return answer(SCORE_LISTED_GOOD, "allow", "user_approved", best.id)
            return answer(SCORE_LISTED_BAD, "block", "user_blocked", best.id, bad=True)
    for analyzer in (False, True):
        hits = [item for item in snapshot.objects
                if item.analyzer == analyzer and is_live(item, now) and item.covers(url)]
        if hits:
            best = max(hits, key=object_specificity)
            source = "suspicious_virtual_analyzer" if analyzer else "suspicious_user_defined"
            cnc_source = ("virtual_analyzer" if analyzer else "user_defined") if best.cnc_level else None
            return answer(SCORE_LISTED_BAD, best.action, source, best.id,
                          cnc_level=best.cnc_level, cnc_source=cnc_source, bad=True)
    value = snapshot.pattern.look_up(url)[1] if snapshot.pattern is not None else None
    if value is None:
        return answer(SCORE_UNRATED, "allow", "none")
    action = "block" if value.score < snapshot.block_below else "allow"
    bad = value.cnc_level > 0 or value.score <= snapshot.log_score_max
    return answer(value.score, action, "pattern", 0, value.categories, value.cnc_level,
                  value.cnc_source, bad)


def object_specificity(item):
    """As of rules; a prefix is less than any URL whose host is an address, of prefixes the longer wins."""
    if item.kind == "ip":
        return (1 << 15) + item.prefix[2], 0, 0, -item.id
    if item.kind == "domain":
        return (label_count(item.url), 1, 0, -item.id)
    if b"*" in item.value:
        return item.glob_labels, item.glob_length, 0, -item.id
    is_page = item.url.query is not None or not item.url.path.endswith(b"/")
    return label_count(item.url), len(item.url.full_path), int(is_page), -item.id
