"""Those who do not keep to anything: garbage, connections that say nothing, wrong keys, browsers and worse."""

import os
import random
import socket

GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE" + b"\0" * 48
REQUESTS = [b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"POST /api/v1/reload HTTP/1.1\r\n",
            b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc", b"GET /api/v1/queues HTTP/9\r\n\r\n",
            b"PUT /../../etc/passwd HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 99999999999999999999\r\n\r\n"]


class Noise:
    """Deterministic for a seed, but for timing."""

    def __init__(self, site, seed):
        self.site = site
        self.random = random.Random(seed)
        self.open = []  # connections that say no more
        self.made = 0

    def connect(self, device):
        try:
            self.made += 1
            return socket.create_connection(("127.0.0.1", self.site.ports[device]), timeout=2)
        except OSError:
            return None

    def send(self, device, *pieces):
        """Sends it and keeps the connection open for a while."""
        connection = self.connect(device)
        if connection is None:
            return
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass
        self.open.append(connection)
        while len(self.open) > 30:
            self.open.pop(self.random.randrange(len(self.open))).close()

    def make(self):
        device = self.random.choice(("centre", "edge", "fan"))
        kind = self.random.randrange(5)
        if kind == 0:
            self.send(device, os.urandom(self.random.randrange(1, 4000)))
        elif kind == 1:
            self.send(device)
        elif kind == 2:
            self.send(device, GREETING[:self.random.randrange(len(GREETING))])
        elif kind == 3:
            self.send(device, GREETING, os.urandom(self.random.randrange(1, 600)))
        else:
            request = bytearray(self.random.choice(REQUESTS))
            for _ in range(self.random.randrange(3)):
                request[self.random.randrange(len(request))] = self.random.randrange(256)
            self.send("http", bytes(request))

    def browse(self):
        """A browser that behaves."""
        for path in ("/metrics", "/livez", "/api/v1/overview", "/api/v1/queues", "/"):
            status, body = self.site.get(path)
            if status not in (0, 200, 503):
                raise AssertionError("GET %s: %d %r" % (path, status, body[:200]))

    def stop(self):
        for connection in self.open:
            connection.close()
        self.open.clear()
