"""Small worlds for the differential test of the decision: few names and paths, so that entries,
rules, objects and questions meet each other often."""

import decision

LABELS = [b"a", b"b", b"c", b"www"]
TOPS = [b"example", b"test"]
SEGMENTS = [b"x", b"y", b"x.html", b"Z"]
QUERIES = [b"q=1", b"q=2", b"", b"a?b"]
V4 = [b"10.0.0.%d" % n for n in range(6)] + [b"192.0.2.1"]
V6 = [b"[2001:db8::%x]" % n for n in range(4)] + [b"[2001:db8:1::1]"]
PREFIXES = [b"10.0.0.0/8", b"10.0.0.0/30", b"10.0.0.4/31", b"10.0.0.1", b"10.0.0.2", b"192.0.2.0/24", b"0.0.0.0/1",
            b"2001:db8::/32", b"2001:db8::/64", b"2001:db8::1", b"2001:db8::2/127"]
KEYWORDS = [rb"a\.b", rb"x/y", rb"^http://a", rb"q=\d", rb"x$", rb"[ab]\.c", rb"a.*y", rb"(x|y)/x", rb"WWW",
            rb"^https://", rb"\.test/$", rb"html?", rb"10\.0\.0\.[12]", rb"z$"]
TARGETS = [b"10.0.0.0/30", b"10.0.0.1-10.0.0.4", b"192.0.2.9", b"2001:db8::/64", b"domain:corp.example",
           b"computer:pc-1", b"computer:PC-2", b"domain:example"]
TIMES = [0, 0, 0, 1000, 2000]
LISTS = {"approved": 0, "blocked": 1, "user": 2, "analyzer": 3}
RULE_KINDS = {"site": 0, "page": 1, "keyword": 2}
OBJECT_KINDS = {"ip": 0, "domain": 1, "url": 2}


def make_host(random, addresses=0.15):
    if random.random() < addresses:
        return random.choice(V4 + V6)
    count = random.choice((0, 1, 1, 2, 2, 3, 4, 5, 6, 7))
    return b".".join([random.choice(LABELS) for _ in range(count)] + [random.choice(TOPS)])


def make_path(random):
    count = random.choice((0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6))
    path = b"/" + b"/".join(random.choice(SEGMENTS) for _ in range(count))
    if count > 0 and random.random() < 0.4:
        path += b"/"
    if random.random() < 0.2:
        path += b"?" + random.choice(QUERIES)
    return path


def make_url(random, scheme=True):
    text = make_host(random) + make_path(random)
    if scheme:
        text = random.choice((b"http://", b"http://", b"https://", b"")) + text
    return text


def make_glob(random):
    host = b".".join([random.choice(LABELS) for _ in range(random.choice((1, 1, 2, 3)))] + [random.choice(TOPS)])
    host = random.choice((b"*.", b"*.", b"*.a*.", b"a*.", b"w*w.", b"")) + host
    path = make_path(random).split(b"?")[0]
    if random.random() < 0.4:
        position = random.randint(1, len(path))
        path = path[:position] + b"*" + path[position:]
    return b"http://" + host + path


def make_value(random):
    level = random.choice((0, 0, 0, 1, 2, 3))
    source = random.choice((1, 2, 3)) if level else 0
    score = random.choice((0, 20, 49, 50, 51, 60, 65, 66, 70, 71, 80, 81, 90, 100))
    return score, random.getrandbits(6), level, source, random.getrandbits(8)


def bits_of(word):
    return frozenset(bit for bit in range(64) if word >> bit & 1)


def text_fields(*fields):
    return b"\t".join(field if isinstance(field, bytes) else str(field).encode() for field in fields)


class Scenario:
    """Lines for decision_tool, and the same world for decision.py."""

    def __init__(self, random):
        self.lines = [b"X"]
        self.questions = []
        self.snapshot = decision.Snapshot(
            approved_first=random.random() < 0.5, block_below=random.choice((51, 66, 81)),
            log_score_max=random.choice((50, 65, 70)))
        self.lines.append(text_fields(b"S", int(self.snapshot.approved_first),
                                      self.snapshot.block_below, self.snapshot.log_score_max))
        if random.random() < 0.8:
            self.add_pattern(random)
        if random.random() < 0.8:
            self.add_policy(random)
        self.lines.append(b"B")
        self.add_questions(random)

    def add_pattern(self, random):
        pattern = decision.Pattern()
        for _ in range(random.choice((1, 3, 10, 30, 60))):
            text, fields = make_url(random), make_value(random)
            pattern.add(decision.canonical.canonicalize(text), self.value_of(fields))
            self.lines.append(text_fields(b"W", text, *fields))
        for _ in range(random.choice((0, 0, 2, 6))):
            text, fields = random.choice(PREFIXES), make_value(random)
            pattern.add_prefix(decision.parse_prefix(text), self.value_of(fields))
            self.lines.append(text_fields(b"P", text, *fields))
        pattern.finish()
        self.snapshot.pattern = pattern

    @staticmethod
    def value_of(fields):
        score, categories, level, source, origins = fields
        return decision.Value(score, bits_of(categories), level, decision.CNC_SOURCES[source], bits_of(origins))

    def add_policy(self, random):
        rules, objects, removals = [], [], []
        with_keywords = random.random() < 0.2
        for number in range(1, 1 + random.choice((0, 1, 3, 8, 20))):
            level = random.choice((0, 0, 1))
            rule = self.make_rule(random, number, with_keywords)
            name = "approved" if rule.approved else "blocked"
            self.lines.append(text_fields(
                b"R", level, rule.id, LISTS[name], RULE_KINDS[rule.kind], rule.pattern, rule.target_text,
                rule.expires, int(rule.enabled)))
            if level == 0 and random.random() < 0.15:
                removals.append((LISTS[name], rule.id))
            else:
                rules.append(rule)
        for number in range(1, 1 + random.choice((0, 1, 3, 8))):
            level = random.choice((0, 0, 1))
            item = self.make_object(random, number)
            name = "analyzer" if item.analyzer else "user"
            self.lines.append(text_fields(
                b"O", level, item.id, LISTS[name], OBJECT_KINDS[item.kind], item.value,
                int(item.action == "block"), item.cnc_level, item.expires))
            if level == 0 and random.random() < 0.15:
                removals.append((LISTS[name], item.id))
            else:
                objects.append(item)
        has_base = any(line.startswith((b"R\t0", b"O\t0")) for line in self.lines)
        if has_base:
            self.lines += [text_fields(b"D", *removal) for removal in removals]
        self.snapshot.rules, self.snapshot.objects = rules, objects

    @staticmethod
    def make_rule(random, number, with_keywords):
        kind = random.choice(("site", "site", "page") + (("keyword",) if with_keywords else ()))
        pattern = random.choice(KEYWORDS) if kind == "keyword" else make_url(random)
        chosen = [random.choice(TARGETS) for _ in range(random.choice((0, 0, 0, 1, 2)))]
        rule = decision.Rule(number, random.random() < 0.5, kind, pattern,
                             [decision.parse_target(text) for text in chosen],
                             random.choice(TIMES), random.random() < 0.9)
        rule.target_text = b", ".join(chosen)
        return rule

    @staticmethod
    def make_object(random, number):
        kind = random.choice(("ip", "domain", "url", "url"))
        if kind == "ip":
            value = random.choice(PREFIXES)
        elif kind == "domain":
            value = make_host(random, 0)
        else:
            value = make_glob(random) if random.random() < 0.5 else make_url(random)
        return decision.Object(number, random.random() < 0.5, kind, value, random.choice(("log", "block")),
                               random.choice((0, 0, 1, 2, 3)), random.choice(TIMES))

    def add_questions(self, random):
        for _ in range(random.choice((1, 3))):
            address = random.choice((b"-", b"10.0.0.1", b"10.0.0.4", b"10.9.9.9", b"192.0.2.9", b"2001:db8::5"))
            computer = random.choice((b"-", b"pc-1", b"PC-1", b"pc-2", b"other"))
            domain = random.choice((b"-", b"corp.example", b"sub.Corp.example", b"notcorp.example"))
            now = random.choice((500, 1000, 1500, 2500))
            self.lines.append(text_fields(b"C", address, computer, domain, now))
            client = {"address": None if address == b"-" else decision.address_of(address),
                      "computer": None if computer == b"-" else computer,
                      "domain": None if domain == b"-" else domain}
            for _ in range(40):
                text = make_url(random)
                self.lines.append(text_fields(b"Q", text))
                self.questions.append((text, client, now))

    def expected(self):
        """The lines that decision_tool should answer."""
        lines = []
        for text, client, now in self.questions:
            url = decision.canonical.canonicalize(text)
            found = decision.decide(self.snapshot, url, client, now)
            categories = sum(1 << bit for bit in found["categories"])
            lines.append(text_fields(
                found["source"], found["id"], found["score"], found["action"], found["cnc_level"],
                decision.CNC_SOURCES.index(found["cnc_source"]), categories, int(found["bad"]), 1))
        return lines
