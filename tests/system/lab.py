"""Networks to try things on: hosts that are namespaces of this machine, cables and switches between them.

A lab lives in a network of its own (enter_lab), which goes when the process ends, however it ends. Where the machine
does not allow that, the program says so and ends with SKIP_CODE; what it lacks beyond that is told by Skipped."""

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import threading
import time

SKIP_CODE = 77  # for ctest
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x0002 | 0x1000
INSIDE = "ZFERRY_INSIDE_LAB"


class Skipped(Exception):
    pass


def enter_lab():
    """Starts this program again, in a network of its own, unless it is in one. Ends it if that can't be."""
    if os.environ.get(INSIDE):
        return
    if shutil.which("ip") is None or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        skip("ip (iproute2), unshare and nsenter (util-linux) are needed")
    for flags in (["-n"], ["-r", "-n"]):
        tried = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True)
        if tried.returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])
    skip("this machine allows no network namespaces: " + tried.stderr.strip())


def skip(why):
    print("skipped:", why)
    sys.exit(SKIP_CODE)


def command(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """A namespace, kept by a process that ends with this one."""

    def __init__(self, name):
        self.name = name
        self.keeper = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.keeper.stdout.readline()  # it is in
        self.pid = self.keeper.pid
        for scope in ("all", "default"):  # addresses are good at once
            self.write(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad", "0")
        self.ip("link", "set", "lo", "up")

    def inside(self, *words):
        """The command line that runs this one here."""
        return ["nsenter", "-t", str(self.pid), "-n", "--", *words]

    def run(self, *words):
        return command(*self.inside(*words))

    def ip(self, *words):
        return self.run("ip", *words)

    def write(self, path, text):
        self.run("sh", "-c", 'test ! -e "$1" || echo "$2" > "$1"', "sh", path, text)

    def tap(self, name):
        """The far end of a new interface."""
        made = []

        def make():
            with open(f"/proc/{self.pid}/ns/net") as space:
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                    return
            try:
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                return
            try:
                fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
                made.append(fd)
            except OSError:
                os.close(fd)

        thread = threading.Thread(target=make)  # only a thread of its own may move elsewhere
        thread.start()
        thread.join()
        if not made:
            raise Skipped("this machine has neither netem nor tap devices")
        return made[0]

    def configure(self, name, address):
        self.ip("address", "add", address, "broadcast", "+", "dev", name)
        self.ip("link", "set", name, "up")

    def close(self):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait()


def cable(a, name_a, b, name_b):
    """Joins two hosts by a pair of interfaces, without addresses."""
    command(
        *("ip", "link", "add", "name", name_a, "netns", str(a.pid)),
        *("type", "veth", "peer", "name", name_b, "netns", str(b.pid)),
    )


class Switch:
    """Many hosts on one network. It is in the lab's own namespace."""

    count = 0

    def __init__(self):
        Switch.count += 1
        self.number = Switch.count
        self.name = f"switch{self.number}"
        self.ports = {}
        command("ip", "link", "add", "name", self.name, "type", "bridge")
        command("ip", "link", "set", self.name, "up")

    def join(self, host, name, address):
        port = f"port{self.number}-{len(self.ports)}"
        self.ports[host] = port
        command(
            *("ip", "link", "add", "name", port, "type", "veth"),
            *("peer", "name", name, "netns", str(host.pid)),
        )
        command("ip", "link", "set", port, "master", self.name, "up")
        host.configure(name, address)

    def unplug(self, host):
        """As if the cable were drawn: the host sees that."""
        command("ip", "link", "set", self.ports[host], "down")

    def plug(self, host):
        command("ip", "link", "set", self.ports[host], "up")

    def isolate(self, host):
        """Nothing passes any more, and the host can't see why."""
        command("ip", "link", "set", self.ports[host], "nomaster")

    def rejoin(self, host):
        command("ip", "link", "set", self.ports[host], "master", self.name)

    def close(self):
        command("ip", "link", "delete", self.name)


class Wire(threading.Thread):
    """A cable between two hosts that loses frames (`losses`: how many of those from a, of those from b) and takes its
    time: netem for machines that have none."""

    def __init__(self, a, b, name, losses, delay_s, seed):
        super().__init__(daemon=True)
        self.ends = []
        try:
            for host in (a, b):
                self.ends.append(host.tap(name))
        except Skipped:
            self.close_ends()
            raise
        self.random = random.Random(seed)
        self.losses = losses
        self.delay_s = delay_s
        self.waiting = []  # (when, number, to, frame)
        self.number = 0
        self.lost = 0
        self.stopping, self.stopper = os.pipe()
        self.start()

    def run(self):
        while True:
            now = time.monotonic()
            wait = self.waiting[0][0] - now if self.waiting else None
            wait = None if wait is None else max(wait, 0)
            ready, _, _ = select.select([*self.ends, self.stopping], [], [], wait)
            if self.stopping in ready:
                return
            for fd in ready:
                self.take(fd, self.ends[0] if fd == self.ends[1] else self.ends[1])
            self.deliver()

    def take(self, source, to):
        for _ in range(64):
            try:
                frame = os.read(source, 65536)
            except OSError:  # none, or the interface is down
                return
            if self.random.random() < self.losses[self.ends.index(source)]:
                self.lost += 1
                continue
            self.number += 1
            heapq.heappush(self.waiting, (time.monotonic() + self.delay_s, self.number, to, frame))

    def deliver(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(self.waiting)
            try:
                os.write(to, frame)
            except OSError:  # full, or down: lost
                self.lost += 1

    def close_ends(self):
        for fd in self.ends:
            os.close(fd)

    def close(self):
        os.write(self.stopper, b".")
        self.join()
        self.close_ends()
        os.close(self.stopper)
        os.close(self.stopping)


class Netem:
    """The same, by the system."""

    def __init__(self, a, b, name, losses, delay_s):
        cable(a, name, b, name)
        for host, lost in zip((a, b), losses):
            host.run(
                *("tc", "qdisc", "add", "dev", name, "root", "netem"),
                *("loss", f"{lost * 100:g}%", "delay", f"{delay_s * 1000:g}ms"),
            )

    def close(self):
        pass


def has_netem():
    host = Host("probe")
    try:
        host.run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "0%")
        return True
    except (RuntimeError, OSError):
        return False
    finally:
        host.close()


def bad_cable(a, b, name, losses, delay_s):
    """A cable that loses so many of the frames from a and from b, and takes its time both ways: netem's, or one of our
    own; it is told which."""
    if has_netem():
        print("the cable loses frames by netem")
        return Netem(a, b, name, losses, delay_s)
    print("the cable loses frames by a wire of our own: this kernel has no netem")
    return Wire(a, b, name, losses, delay_s, seed=7)
