"""The service: what zferry run tells systemd, by a socket that stands in for it; and the unit file, as far as systemd
checks it without starting it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest

import rig

PACKAGING = os.path.join(os.environ["ZFERRY_SOURCE"], "packaging")
UNIT = os.path.join(PACKAGING, "systemd", "zferry@.service")
EXPOSURE_MAX = 15  # tenths, of systemd-analyze security: 0 (locked in) to 100
TOPOLOGY = """
devices:
  orders:
    broker:
      bind: [tcp://127.0.0.1:*]
"""


class Manager:
    """What systemd is to a service: a datagram socket."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(rig.DEADLINE_S)
        self.told = []  # assignments, in order

    def next(self):
        """The lines of the next message."""
        lines = self.socket.recv(4096).decode().splitlines()
        self.told += lines
        return lines

    def wait_for(self, line):
        while line not in self.next():
            pass


class Notify(rig.Case):
    def setUp(self):
        self.file = os.path.join(self.folder(), "orders.yaml")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(TOPOLOGY)

    def manager(self, address=None):
        manager = Manager(address or os.path.join(self.folder(), "notify"))
        self.addCleanup(manager.socket.close)
        return manager

    def service(self, manager, **more):
        address = manager.socket.getsockname()
        name = "@" + address[1:].decode() if isinstance(address, bytes) else address
        return self.start("run", self.file, env=rig.environment(NOTIFY_SOCKET=name, **more))

    def test_ready_once_it_serves_and_stopping_when_it_is_told_to(self):
        manager = self.manager()
        process = self.service(manager)
        manager.wait_for("READY=1")
        at = process.err.wait_for(r"(tcp://127\.0\.0\.1:\d+)").group(1)
        self.assertEqual(rig.run("post", "jobs", "1", "--connect", at).code, 0)
        rig.terminate(process)
        manager.wait_for("STOPPING=1")
        self.assertEqual(process.wait(), 0, process.err.text())

    def test_an_abstract_socket_will_do(self):
        manager = self.manager("@zferry-test-%d-%d" % (os.getpid(), time.monotonic_ns()))
        self.service(manager)
        manager.wait_for("READY=1")

    def test_a_file_with_a_mistake_is_never_ready(self):
        with open(self.file, "a", encoding="utf-8") as file:
            file.write("mistake: 1\n")
        manager = self.manager()
        process = self.service(manager)
        self.assertNotEqual(process.wait(), 0)
        manager.socket.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.assertNotIn("READY=1", manager.next())

    def test_watchdog_is_fed_several_times(self):
        manager = self.manager()
        self.service(manager, WATCHDOG_USEC="200000")
        for _ in range(5):
            manager.wait_for("WATCHDOG=1")
        self.assertIn("READY=1", manager.told)

    def test_watchdog_of_another_process_is_none_of_ours(self):
        manager = self.manager()
        process = self.service(manager, WATCHDOG_USEC="1000", WATCHDOG_PID=str(os.getpid()))
        manager.wait_for("READY=1")
        process.signal(signal.SIGHUP)
        manager.wait_for("READY=1")
        rig.terminate(process)
        manager.wait_for("STOPPING=1")
        self.assertNotIn("WATCHDOG=1", manager.told)

    def test_reload_says_so_and_is_ready_again(self):
        manager = self.manager()
        process = self.service(manager)
        manager.wait_for("READY=1")
        before = time.monotonic_ns() // 1000
        process.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        stamp = [line for line in manager.told if line.startswith("MONOTONIC_USEC=")]
        self.assertEqual(len(stamp), 1)  # systemd wants it to tell reloads apart
        self.assertGreaterEqual(int(stamp[0].split("=")[1]), before)
        manager.wait_for("READY=1")
        rig.terminate(process)
        self.assertEqual(process.wait(), 0, process.err.text())

    def test_nobody_listens_and_it_runs_all_the_same(self):
        process = self.start("run", self.file, env=rig.environment(NOTIFY_SOCKET="/nowhere/at/all"))
        process.err.wait_for(r"tcp://127\.0\.0\.1:\d+")
        rig.terminate(process)
        self.assertEqual(process.wait(), 0, process.err.text())


@unittest.skipIf(shutil.which("systemd-analyze") is None, "systemd is not here")
class Unit(rig.Case):
    def installed(self):
        """The unit of an instance whose program is where this one is; unpacked as a package would be."""
        path = os.path.join(self.folder(), "zferry@orders.service")
        with open(UNIT, encoding="utf-8") as unit, open(path, "w", encoding="utf-8") as copy:
            text = unit.read()
            self.assertIn("ExecStart=/usr/bin/zferry run ", text)
            copy.write(text.replace("/usr/bin/zferry", rig.PROGRAM))
        return path

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=rig.DEADLINE_S,
                              check=False)

    def test_systemd_finds_nothing_wrong(self):
        done = self.analyze("verify", "--man=no", self.installed())
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_verify_would_find_what_is_wrong(self):
        path = self.installed()
        with open(path, "a", encoding="utf-8") as unit:
            unit.write("[Service]\nProtectSistem=strict\n")
        self.assertIn("ProtectSistem", self.analyze("verify", "--man=no", path).stderr)

    def test_little_is_left_open(self):
        done = self.analyze("security", "--offline=true", "--no-pager", "--threshold=%d" % EXPOSURE_MAX,
                            self.installed())
        if "unrecognized option" in done.stderr:
            self.skipTest("systemd is older than 250: " + done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Example(rig.Case):
    """The file that the package puts into /etc/zferry, where its journal has a place to be."""

    def check(self, text):
        folder = self.folder()
        path = os.path.join(folder, "example.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.makedirs(os.path.join(folder, "keys"))
        os.makedirs(os.path.join(folder, "authorised"))
        self.assertEqual(rig.run("keygen", os.path.join(folder, "keys", "broker")).code, 0)
        with open(os.path.join(folder, "keys", "admin-token"), "w", encoding="utf-8",
                  opener=lambda name, flags: os.open(name, flags, 0o600)) as token:
            token.write("0123456789abcdef\n")
        done = rig.run("check", path, env=rig.environment(STATE_DIRECTORY=folder))
        self.assertEqual(done.code, 0, done.err)

    def example(self):
        with open(os.path.join(PACKAGING, "example.yaml"), encoding="utf-8") as file:
            return file.read()

    def test_it_has_no_mistake(self):
        self.check(self.example())

    def test_what_it_has_as_comments_has_none_either(self):
        text = re.sub(r"(?m)^# (?:security|admin):\n(?:#   .*\n)+",
                      lambda block: re.sub("(?m)^# ", "", block.group()), self.example())
        self.assertIn("\nsecurity:\n  key: ", text)
        self.check(text)


if __name__ == "__main__":
    rig.main()
