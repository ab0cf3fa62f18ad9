"""What the tests of the program share: processes that are always stopped, and waiting with a deadline."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

# A second interrupt ends the program while its threads run: for ThreadSanitizer they have leaked.
os.environ["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "") + " report_thread_leaks=0"

PROGRAM = os.environ["ZFERRY_PROGRAM"]
DEFAULTS = ("ZFERRY_CONNECT", "NO_COLOR", "TRACEPARENT", "JOURNAL_STREAM", "ZFERRY_LOG_LEVEL", "ZFERRY_LOG_FORMAT",
            "ZFERRY_NAMESPACE", "ZFERRY_INTERFACE", "ZFERRY_SEED",
            "ZFERRY_DISCOVERY_PORT", "ZFERRY_KEY", "ZFERRY_AUTHORISED", "ZFERRY_SERVER_KEY", "ZFERRY_RULES",
            "ZFERRY_INSECURE")
DEADLINE_S = 60  # generous: sanitizer builds on a busy machine


def environment(**more):
    """The caller's environment without what would change the program's defaults."""
    env = {k: v for k, v in os.environ.items() if k not in DEFAULTS}
    env.update(more)
    return env


def until(condition, what):
    """Polls until the condition holds; returns its value."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)  # polling with a deadline
    raise AssertionError(f"not in {DEADLINE_S} s: {what}")


class Stream:
    """Collects what a process writes, on a thread, so that it can be waited for."""

    def __init__(self, fd):
        self.data = b""
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(fd,), daemon=True)
        self.thread.start()

    def _read(self, fd):
        while True:
            try:
                piece = os.read(fd, 65536)
            except OSError:  # a pseudo-terminal whose other side is closed
                piece = b""
            with self.changed:
                self.data += piece
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                return

    def text(self):
        with self.changed:
            return self.data.decode(errors="replace")

    def wait_for(self, pattern):
        """Waits until the regular expression matches; returns the match."""
        end = time.monotonic() + DEADLINE_S
        with self.changed:
            while True:
                found = re.search(pattern, self.data.decode(errors="replace"))
                if found:
                    return found
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"{pattern!r} did not come; there was: {self.data!r}")
                self.changed.wait(left)


class Process:
    """A zferry that runs in the background; stdout may be a terminal."""

    def __init__(self, *args, stdin=subprocess.DEVNULL, terminal=False, env=None):
        master, slave = pty.openpty() if terminal else (None, None)
        if terminal:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        self.popen = subprocess.Popen(
            [PROGRAM, *args],
            stdin=slave if stdin == "terminal" else stdin,
            stdout=slave if terminal else subprocess.PIPE,
            stderr=slave if terminal == "both" else subprocess.PIPE,
            env=env or environment(),
        )
        self.master = master
        if terminal:
            os.close(slave)
        self.out = Stream(master if terminal else self.popen.stdout.fileno())
        self.err = self.out if terminal == "both" else Stream(self.popen.stderr.fileno())

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self):
        """Waits for the end; returns the exit code, once all output has been read."""
        code = self.popen.wait(DEADLINE_S)
        self.out.thread.join(DEADLINE_S)
        self.err.thread.join(DEADLINE_S)
        return code

    def stop(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
        if self.master is not None:
            os.close(self.master)


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.bytes = out
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")

    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(*args, stdin=b"", env=None):
    """Runs zferry to its end."""
    done = subprocess.run(
        [PROGRAM, *args], input=stdin, capture_output=True, timeout=DEADLINE_S, env=env or environment()
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Case(unittest.TestCase):
    """A test with processes, files and, when it asks for one, a broker."""

    maxDiff = None

    def start(self, *args, **how):
        process = Process(*args, **how)
        self.addCleanup(process.stop)
        return process

    def folder(self):
        path = tempfile.mkdtemp(prefix="zferry-test-")
        self.addCleanup(shutil.rmtree, path)
        return path

    def device(self, *args):
        """Starts a device that is to end well: no crash, and nothing that a sanitizer has to say."""
        process = self.start(*args)
        self.addCleanup(self.end_device, process)
        return process

    def end_device(self, process):
        if process.popen.poll() is None:
            terminate(process)
        self.assertEqual(process.wait(), 0, process.err.text())

    def broker(self, *args):
        """Starts a broker on a port of the system's choice; sets self.endpoint."""
        process = self.device("broker", "--bind", "tcp://127.0.0.1:*", *args)
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        return process

    def durable_broker(self, *args, **how):
        """Starts a broker with the journal self.journal, which may be killed."""
        process = self.start("broker", "--bind", "tcp://127.0.0.1:*", "--journal", self.journal, *args, **how)
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        return process

    def zferry(self, *args, **how):
        """Runs a verb against the broker."""
        return run(*args, "--connect", self.endpoint, **how)

    def good(self, *args, **how):
        result = self.zferry(*args, **how)
        self.assertEqual(result.code, 0, result.err)
        return result

    def info(self, queue):
        return self.good("queue", "info", queue).rows()[0]

    def until_info(self, queue, **figures):
        """Waits until the queue's figures are these."""

        def reached():
            result = self.zferry("queue", "info", queue)
            if result.code != 0:
                return False
            row = result.rows()[0]
            return all(row[key] == value for key, value in figures.items())

        until(reached, f"{queue}: {figures}")

    def nobody(self):
        """An endpoint at which nobody answers, as long as the test runs."""
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        return "tcp://127.0.0.1:%d" % taken.getsockname()[1]

    def network(self):
        """Options that keep a node on this machine, at a UDP port that nobody else has."""
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the nodes share it
        taken.bind(("127.0.0.2", 0))  # and this hears none of it
        return ("--interface", "127.0.0.0/8", "--discovery-port", str(taken.getsockname()[1]))

    def assertFails(self, result, code, line):
        """The whole of stderr is this line."""
        self.assertEqual(result.err, line + "\n")
        self.assertEqual(result.code, code)


def interrupt(process):
    process.signal(signal.SIGINT)


def terminate(process):
    process.signal(signal.SIGTERM)


def main():
    unittest.main(verbosity=1)
