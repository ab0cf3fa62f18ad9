"""The admin endpoint from outside: who may do what, the form of /metrics, and what hostile clients can do."""

import random
import re
import socket
import threading
import time
import unittest

from rig import DEADLINE_S, TOKEN, WITH, Case, until


class Admission(Case):
    def setUp(self):
        self.at = self.stand()

    def routes(self):
        routes = self.at.ask("GET", "/api/v1").json()["routes"]
        self.assertGreater(len(routes), 15)
        return [(r["method"], r["path"].replace("{name}", "jobs"), r["needs"]) for r in routes]

    def test_every_route_without_and_with_the_token(self):
        for method, path, needs in self.routes():
            with self.subTest(path=path):
                for headers in ({}, {"Authorization": "Bearer " + TOKEN[:-1] + "x"}, {"Authorization": "Basic " + TOKEN}):
                    answer = self.at.ask(method, path, headers)
                    self.assertEqual(answer.status, 401 if needs == "change" else 200)
                    if needs == "change":
                        self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
                self.assertIn(self.at.ask(method, path, WITH).status, (200,))

    def test_what_was_refused_has_changed_nothing(self):
        before = self.at.queue("jobs.dead")["length"]
        self.assertEqual(before, 5)
        for method, path, needs in self.routes():
            if needs == "change":
                self.at.ask(method, path, {})
                self.at.ask(method, path, {**WITH, "Origin": "http://evil.example"})
                self.at.ask(method, path, {"Host": "evil.example", "Authorization": "Bearer x"})
                self.at.ask("GET", path, WITH)
        self.assertEqual(self.at.queue("jobs.dead")["length"], before)
        self.assertEqual(self.at.ask("POST", "/api/v1/reload", WITH).json()["text"], "reloaded 1 times")

    def test_origin(self):
        path = "/api/v1/reload"
        for origin in ("http://evil.example", "null", "https://127.0.0.1", self.at.url + ".evil.example", self.at.url + "/"):
            self.assertEqual(self.at.ask("POST", path, {**WITH, "Origin": origin}).status, 403, origin)
        self.assertEqual(self.at.ask("POST", path, {**WITH, "Origin": self.at.url}).status, 200)

    def test_host(self):
        for method, path, needs in self.routes():
            status = self.at.ask(method, path, {"Host": "rebound.example"}).status
            self.assertEqual(status, 200 if needs == "open" else 403, path)
        for host in ("localhost", "127.0.0.1", "[::1]:8090", "192.0.2.1"):
            self.assertEqual(self.at.ask("GET", "/api/v1/queues", {"Host": host}).status, 200, host)
        # Who has the token is no page of a stranger's.
        self.assertEqual(self.at.ask("GET", "/api/v1/queues", {**WITH, "Host": "broker1"}).status, 200)

    def test_methods(self):
        for method, path, _ in self.routes():
            for other in ("PUT", "DELETE", "OPTIONS", "PATCH", "GET" if method == "POST" else "POST"):
                answer = self.at.ask(other, path, WITH)
                self.assertEqual(answer.status, 405, f"{other} {path}")
                self.assertIn(method, answer.headers["Allow"])
                self.assertIn("error", answer.json())
                self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
            if method == "GET":
                head = self.at.ask("HEAD", path)
                self.assertEqual((head.status, head.bytes), (200, b""))

    def test_change_by_change(self):
        done = self.at.ask("POST", "/api/v1/dead/jobs/requeue", WITH, '{"max": 2}')
        self.assertEqual(done.json(), {"queue": "jobs", "requeued": 2})
        done = self.at.ask("POST", "/api/v1/dead/jobs/discard", WITH, '{"max": 1}')
        self.assertEqual(done.json(), {"queue": "jobs", "discarded": 1})
        done = self.at.ask("POST", "/api/v1/queue/jobs/purge", WITH)
        self.assertEqual(done.json(), {"queue": "jobs", "purged": 2})
        self.assertEqual(self.at.queue("jobs.dead")["length"], 2)

    def test_connection_is_kept(self):
        """A browser asks every second: a new connection each time would be a waste."""
        line = socket.create_connection((self.at.host, self.at.port), DEADLINE_S)
        self.addCleanup(line.close)
        for path in (b"/api/v1/queues", b"/api/v1/nothing", b"/livez"):
            line.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            data = b""
            while b"\r\n\r\n" not in data:
                data += line.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            size = int(re.search(rb"Content-Length: (\d+)", head).group(1))
            while len(body) < size:
                body += line.recv(65536)


class PrivateReads(Case):
    def test_all_but_health_and_page_wants_the_token(self):
        at = self.stand("--private")
        for path in ("/", "/app.js", "/uplot/uPlot.iife.min.js", "/livez", "/readyz"):
            self.assertEqual(at.ask("GET", path).status, 200, path)
        for path in ("/metrics", "/api/v1", "/api/v1/overview", "/api/v1/queues", "/api/v1/dead/jobs", "/api/v1/peers"):
            self.assertEqual(at.ask("GET", path).status, 401, path)
            self.assertEqual(at.ask("GET", path, WITH).status, 200, path)


class Metrics(Case):
    SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([0-9.eE+-]+|NaN|[+-]Inf)$')
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')

    def parse(self, text):
        """Checks the form as a strict scraper would; returns {family: (type, [(name, labels, value)])}."""
        families, current = {}, None
        self.assertTrue(text.endswith("\n"))
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                name, words = line[7:].split(" ", 1)
                self.assertNotIn(name, families, "a family is told twice")
                self.assertTrue(words)
                current = name
                families[name] = [None, []]
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                self.assertEqual(name, current)
                self.assertIn(kind, ("counter", "gauge", "histogram", "untyped"))
                families[name][0] = kind
            else:
                self.take_sample(line, current, families)
        return families

    def take_sample(self, line, family, families):
        match = self.SAMPLE.match(line)
        self.assertTrue(match, line)
        name, labels, value = match.groups()
        found = self.LABEL.findall(labels or "")
        self.assertEqual(",".join(f'{k}="{v}"' for k, v in found), labels or "", line)
        self.assertEqual(len(found), len({k for k, _ in found}), line)
        kind = families[family][0]
        if kind == "histogram":
            self.assertIn(name, [family + s for s in ("_bucket", "_sum", "_count")])
        else:
            self.assertEqual(name, family)
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
            if kind == "gauge":
                self.assertFalse(name.endswith(("_count", "_sum", "_bucket")), name)
        if kind in ("counter", "histogram"):
            self.assertGreaterEqual(float(value), 0)
        families[family][1].append((name, dict(found), float(value)))

    def check_histogram(self, family, samples):
        series = {}
        for name, labels, value in samples:
            bound = labels.pop("le", None)
            self.assertEqual(bound is not None, name.endswith("_bucket"))
            at = series.setdefault(tuple(sorted(labels.items())), {"buckets": []})
            if bound is not None:
                at["buckets"].append((float(bound), value))
            else:
                at[name.removeprefix(family)] = value
        for at in series.values():
            bounds = [b for b, _ in at["buckets"]]
            counts = [c for _, c in at["buckets"]]
            self.assertEqual(bounds, sorted(set(bounds)))
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(bounds[-1], float("inf"))
            self.assertEqual(counts[-1], at["_count"])
            self.assertIn("_sum", at)

    def test_form(self):
        at = self.stand()
        answer = at.ask("GET", "/metrics")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        families = self.parse(answer.bytes.decode())
        for family, (kind, samples) in families.items():
            self.assertTrue(samples, f"{family} has no samples")
            keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples]
            self.assertEqual(len(keys), len(set(keys)), f"{family} tells something twice")
            if kind == "histogram":
                self.check_histogram(family, samples)
        self.assertEqual(families["zferry_build_info"][1][0][1].keys(), {"version", "libzmq", "czmq", "msgpack"})
        self.assertGreater(families["process_resident_memory_bytes"][1][0][2], 1e6)
        self.check_content(families)

    def check_content(self, families):
        def value(family, **labels):
            return next(v for _, l, v in families[family][1] if l.items() >= labels.items())

        self.assertEqual(value("zferry_queue_length", queue="jobs.dead"), 5)
        self.assertEqual(value("zferry_queue_dead_total", queue="jobs", device="orders"), 5)
        self.assertEqual(value("zferry_queue_lag", queue="events@billing"), 20)
        self.assertEqual(value("zferry_queue_length", queue='mail/out going \\"1\\"'), 1)
        self.assertEqual(value("zferry_device_up", device="to-archive", kind="link"), 1)
        self.assertGreater(value("zferry_device_journal_bytes", device="orders"), 0)
        self.assertGreater(value("zferry_device_journal_segments", device="orders"), 0)
        self.assertGreater(value("zferry_device_posted_total", device="orders"), 20)
        self.assertFalse([n for n in families if "session" in n and n != "zferry_device_sessions"
                          and not n.endswith("_total")])


class Hostile(Case):
    SEEDS = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/queues?limit=10&match=a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/queue/%C3%A9t%C3%A9?device=orders HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/v1/dead/none/requeue HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode()
        + b"\r\nContent-Length: 10\r\n\r\n{\"max\": 10}",
        b"POST /api/v1/queue/none/purge HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode()
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /api/v1/queue/fuzzed/declare?device=archive HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        + TOKEN.encode() + b"\r\nContent-Length: 19\r\n\r\n{\"max_attempts\": 3} ",
    ]
    BITS = [b"\r\n", b"\0", b" ", b"%", b"%00", b"/", b"?", b"&", b"=", b":", b"Content-Length: 99999999999999999999\r\n",
            b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: \r\n", b"\xff", b"ffffffffffffffff\r\n",
            b"Expect: 100-continue\r\n", b"HTTP/9.9", b"A" * 5000, b"X: y\r\n" * 200, b"{" * 3000, b"[" * 3000]

    def mutate(self, chance):
        data = bytearray(chance.choice(self.SEEDS))
        for _ in range(chance.randint(0, 6)):
            at = chance.randint(0, len(data))
            what = chance.randint(0, 4)
            if what == 0:
                data[at:at] = chance.choice(self.BITS)
            elif what == 1:
                del data[at:at + chance.randint(1, 30)]
            elif what == 2 and at < len(data):
                data[at] = chance.randint(0, 255)
            elif what == 3:
                data[at:at] = data[chance.randint(0, at):at]
            else:
                data[at:at] = bytes(chance.randint(0, 255) for _ in range(chance.randint(1, 40)))
        return bytes(data)

    def send(self, at, data, chance):
        """Sends it, in pieces now and then; reads what comes, without waiting for its end."""
        line = socket.create_connection((at.host, at.port), DEADLINE_S)
        try:
            cut = chance.randint(0, len(data)) if chance.random() < .3 else 0
            for piece in (data[:cut], data[cut:]):
                if piece:
                    line.sendall(piece)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(DEADLINE_S)
            if chance.random() < .9:  # the others hang up at once
                while line.recv(65536):
                    pass
        except OSError:  # it has hung up first, which it may
            pass
        finally:
            line.close()

    def rounds(self, at, chance, count):
        for _ in range(count):
            self.send(at, self.mutate(chance), chance)

    def test_fuzz(self):
        at = self.stand()
        seed = random.SystemRandom().randint(0, 1 << 32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        self.rounds(at, chance, 300)  # buffers and caches have their size now
        until(lambda: at.status("Threads") < 40, "connections have ended")
        memory, descriptors = at.status("VmRSS"), at.descriptors()
        threads = [threading.Thread(target=self.rounds, args=(at, random.Random(seed + i), 250)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIsNone(at.process.poll(), f"it has ended; seed {seed}")
        self.assertEqual(at.ask("GET", "/livez").status, 200)
        self.assertEqual(at.ask("GET", "/readyz").status, 200)
        until(lambda: at.descriptors() <= descriptors + 4, "all connections are closed")
        self.assertLess(at.status("VmRSS"), memory + 64 * 1024, f"KiB; seed {seed}")
        self.assertEqual(at.queue("jobs.dead")["length"], 5)

    def test_body_without_end(self):
        """Chunk after chunk: it is dropped, not kept, and ended when its time is over."""
        at = self.stand()
        memory = at.status("VmRSS")
        line = socket.create_connection((at.host, at.port), DEADLINE_S)
        self.addCleanup(line.close)
        line.sendall(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode()
                     + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        sent, end = 0, time.monotonic() + DEADLINE_S
        try:
            while time.monotonic() < end:
                line.sendall(chunk)
                sent += 1
        except OSError:
            pass
        self.assertLess(time.monotonic(), end, "it was never ended")
        self.assertGreater(sent, 100)
        self.assertLess(at.status("VmRSS"), memory + 32 * 1024)
        self.assertEqual(at.ask("GET", "/livez").status, 200)

    def test_slow_ones_are_cut_off(self):
        """All connections taken by clients that send a byte now and then: they go, and others are served."""
        at = self.stand()
        lines = [socket.create_connection((at.host, at.port), DEADLINE_S) for _ in range(64)]
        for line in lines:
            self.addCleanup(line.close)
            line.sendall(b"GET /livez HTTP/1.1\r\nX")
        done = threading.Event()

        def drip():
            while not done.wait(1):  # slowly is the point
                for line in lines:
                    try:
                        line.sendall(b"x")
                    except OSError:
                        pass

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            self.assertRaises(OSError, at.ask, "GET", "/livez")  # no room for one more
            until(lambda: self.is_served(at), "the slow ones made room")
        finally:
            done.set()
            thread.join()
        for line in lines:
            line.settimeout(DEADLINE_S)
            try:
                while line.recv(4096):
                    pass
            except OSError:
                pass

    @staticmethod
    def is_served(at):
        try:
            return at.ask("GET", "/livez").status == 200
        except OSError:
            return False

    @staticmethod
    def is_open(at, line):
        """Is the connection established on the other side?"""
        ends = (f"{at.port:04X}", f"{line.getsockname()[1]:04X}", "01")
        with open("/proc/net/tcp", encoding="ascii") as file:
            rows = [row.split() for row in file]
        return ends in [(row[1].split(":")[-1], row[2].split(":")[-1], row[3]) for row in rows]

    def test_who_does_not_read_the_answer_is_cut_off(self):
        at = self.stand()
        line = socket.socket()
        self.addCleanup(line.close)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((at.host, at.port))
        line.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        until(lambda: self.is_open(at, line), "it is served")
        self.assertEqual(at.ask("GET", "/livez").status, 200)
        until(lambda: not self.is_open(at, line), "its connection is closed")


if __name__ == "__main__":
    unittest.main(verbosity=1)
