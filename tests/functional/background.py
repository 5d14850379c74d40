"""Queries that go on while something else happens, each with a known answer.

    with Background(server, check, questions) as load:
        …                                    # change, kill, swap
    load.result(self)                        # fails the test on any wrong or failed answer

A question is (path, query); check(question, answer_json) returns None, or what is wrong. A connection that the
server closes is opened anew; that counts as `broken` and is an error only unless allow_broken.
"""

import http.client
import json
import threading
import time
import urllib.parse


class Background:
    def __init__(self, server, check, questions, connections=8, allow_broken=False, role="wrs_http", on_answer=None):
        self.server, self.check, self.questions = server, check, list(questions)
        self.allow_broken, self.role, self.on_answer = allow_broken, role, on_answer
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.answers = self.broken = 0
        self.wrong = []
        self.longest = 0.0
        self.times = []
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        while self.answers < 2 * len(self.threads) and not self.wrong:
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def note(self, text):
        with self.lock:
            self.wrong.append(text)

    def run(self, number):
        port, connection, at = self.server.port(self.role), None, number
        while not self.stopping.is_set():
            question = self.questions[at % len(self.questions)]
            at += len(self.threads)
            started = time.monotonic()
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                path, query = question
                connection.request("GET", path + "?" + urllib.parse.urlencode(query))
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.count_broken(f"{question}: {type(error).__name__} {error}")
                connection = None
                time.sleep(0.005)
                continue
            self.take(question, answer.status, body, time.monotonic() - started)
        if connection is not None:
            connection.close()

    def count_broken(self, text):
        with self.lock:
            self.broken += 1
            if not self.allow_broken:
                self.wrong.append(text)

    def take(self, question, status, body, seconds):
        problem = f"status {status}: {body[:200]}" if status != 200 else self.check(question, json.loads(body))
        with self.lock:
            self.answers += 1
            self.times.append(seconds)
            self.longest = max(self.longest, seconds)
            if problem:
                self.wrong.append(f"{question}: {problem}")
        if self.on_answer is not None and status == 200:
            self.on_answer(question, json.loads(body))

    def percentile(self, share):
        times = sorted(self.times)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0

    def wait_answers(self, count, timeout=10):
        """Until this many more answers have come."""
        until, deadline = self.answers + count, time.monotonic() + timeout
        while self.answers < until:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {self.answers} of {until} answers within {timeout} s")
            time.sleep(0.002)

    def result(self, test):
        test.assertEqual(self.wrong[:5], [], f"{len(self.wrong)} wrong of {self.answers}")
        test.assertGreater(self.answers, 0)
        return self
