"""What the tests from outside share: the process that is looked at, and requests."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

STAND = os.environ["ZFERRY_STAND"]
TOKEN = "0123456789abcdef"
WITH = {"Authorization": "Bearer " + TOKEN}
DEADLINE_S = 60  # generous: sanitizer builds on a busy machine
# What was freed is kept by AddressSanitizer for a while: not so much of it that it looks like a leak.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8")


def until(condition, what):
    """Polls until the condition holds; returns its value."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)  # polling with a deadline
    raise AssertionError(f"not in {DEADLINE_S} s: {what}")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.bytes = response.read()
        self.text = self.bytes.decode(errors="replace")

    def json(self):
        return json.loads(self.text)


class Stand:
    """web_stand, as long as the test runs."""

    def __init__(self, *args, token=TOKEN):
        self.home = tempfile.mkdtemp(prefix="zferry-test-")
        command = [STAND, "--journal", self.home + "/journal", *args]
        if token:
            command += ["--token", token]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT)
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, "web_stand did not start"
        self.host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def queue(self, name):
        return self.ask("GET", f"/api/v1/queue/{name}?device=orders").json()

    def status(self, key):
        """A figure of the process: VmRSS in KiB, Threads."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(next(line.split()[1] for line in file if line.startswith(key + ":")))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """Returns how it ended."""
        self.process.stdin.close()
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)
        return code


class Case(unittest.TestCase):
    maxDiff = None

    def stand(self, *args, **how):
        """Starts one that is to end well: no crash, and nothing that a sanitizer has to say."""
        stand = Stand(*args, **how)
        self.addCleanup(lambda: self.assertEqual(stand.stop(), 0))
        return stand
