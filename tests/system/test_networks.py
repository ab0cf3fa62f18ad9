"""Nodes on networks of their own: two interfaces, two subnets, partitions, loss, interfaces that come later."""

import os
import re
import subprocess
import tempfile
import time
import unittest
from unittest import mock

import lab

lab.enter_lab()

import rig  # noqa: E402 (the lab first)

rig.DEADLINE_S = 60  # where a third is lost, it takes its time
STEADY_S = 50  # so long that each has been asked several times
NODE = os.environ["ZFERRY_NODE"]
QUICK = ("evasive", "1500", "expired", "3000")  # so that a partition shows soon


class Node:
    """A node on a host; `log` is what it prints."""

    def __init__(self, host, name, *options):
        self.name = name
        self.popen = subprocess.Popen(
            host.inside(NODE, name, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=rig.environment()
        )
        self.log = rig.Stream(self.popen.stdout.fileno())

    def wait_for(self, pattern):
        return self.log.wait_for("(?m)^" + pattern)

    def wait_for_both(self, first, second):
        """The second after the first."""
        return self.log.wait_for(f"(?m)^{first}(?s:.*)^{second}")

    def wait_to_know(self, other):
        """Until the other is there, and in the group of all."""
        self.wait_for(rf"join {other.name} all$(?!(?s:.*)\nexit {other.name} )")

    def count(self, pattern):
        return len(re.findall("(?m)^" + pattern, self.log.text()))

    def say(self, line):
        self.popen.stdin.write((line + "\n").encode())
        self.popen.stdin.flush()

    def kill(self):
        self.popen.kill()

    def stop(self):
        """In order, unless it was killed; returns its exit code."""
        if self.popen.stdin is not None and not self.popen.stdin.closed:
            self.popen.stdin.close()
        code = self.popen.wait(rig.DEADLINE_S)
        self.log.thread.join()
        self.popen.stdout.close()
        return code


class Case(unittest.TestCase):
    def host(self, name):
        host = lab.Host(name)
        self.addCleanup(host.close)
        return host

    def switch(self):
        switch = lab.Switch()
        self.addCleanup(switch.close)
        return switch

    def node(self, host, name, *options):
        node = Node(host, name, *options)
        self.addCleanup(self.end_node, node)
        return node

    def end_node(self, node):
        if not node.popen.stdout.closed:
            self.assertIn(node.stop(), (0, -9), node.log.text())

    def two_hosts(self):
        switch = self.switch()
        hosts = [self.host("a"), self.host("b")]
        for i, host in enumerate(hosts):
            switch.join(host, "eth0", f"10.1.0.{i + 1}/24")
        return switch, *hosts

    def assertTalk(self, one, other):
        """Each hears the other's shout and whisper: for the first time with these words."""
        words = f"{time.monotonic_ns()}"
        one.wait_to_know(other)
        other.wait_to_know(one)
        for a, b in ((one, other), (other, one)):
            a.say(f"shout all {words} to all")
            a.say(f"whisper {b.name} {words} to you")
        for a, b in ((one, other), (other, one)):
            b.wait_for(f"shout {a.name} all {words} to all$")
            b.wait_for(f"whisper {a.name}  {words} to you$")


class TwoHosts(Case):
    def test_see_each_other_talk_and_part(self):
        _, a, b = self.two_hosts()
        one = self.node(a, "one")
        one.wait_for("started")
        start = time.monotonic()
        two = self.node(b, "two")
        one.wait_for(r"enter two tcp://(10\.1\.0\.2|\[fe80::.*%eth0\]):\d+$")
        two.wait_for(r"enter one tcp://(10\.1\.0\.1|\[fe80::.*%eth0\]):\d+$")
        print(f"seen after {(time.monotonic() - start) * 1000:.0f} ms")
        self.assertTalk(one, two)
        two.stop()
        one.wait_for("exit two ")

    def test_node_killed_and_started_again_is_a_new_one(self):
        _, a, b = self.two_hosts()
        one = self.node(a, "one", *QUICK)
        two = self.node(b, "two", *QUICK)
        one.wait_for("enter two ")
        two.kill()
        one.wait_for("exit two ")
        again = self.node(b, "two", *QUICK)
        one.wait_for_both("exit two ", "enter two ")
        again.wait_for("enter one ")
        self.assertTalk(one, again)

    def test_nodes_of_another_namespace_are_not_seen(self):
        _, a, b = self.two_hosts()
        one = self.node(a, "one", "space", "staging")
        other = self.node(b, "other", "space", "production")
        two = self.node(b, "two", "space", "staging")
        self.assertTalk(one, two)
        self.assertEqual(one.count("enter other"), 0)
        self.assertEqual(other.count("enter"), 0)

    def test_by_ipv6_alone(self):
        switch = self.switch()
        nodes = []
        for name, interface in (("one", "eth0"), ("two", "en7")):  # whose names mean nothing elsewhere
            host = self.host(name)
            switch.join(host, interface, "10.1.0.1/32")  # the same for both: of no use
            nodes.append(self.node(host, name, "interface", "fe80::/10"))
        nodes[0].wait_for(r"enter two tcp://\[fe80::[0-9a-f:]+%eth0\]:\d+$")
        nodes[1].wait_for(r"enter one tcp://\[fe80::[0-9a-f:]+%en7\]:\d+$")
        self.assertTalk(*nodes)


class TwoInterfaces(Case):
    def setUp(self):
        left, right = self.switch(), self.switch()
        self.middle, self.left, self.right = self.host("middle"), self.host("left"), self.host("right")
        left.join(self.left, "eth0", "10.1.0.1/24")
        right.join(self.right, "eth0", "10.2.0.1/24")
        left.join(self.middle, "eth0", "10.1.0.9/24")
        right.join(self.middle, "eth1", "10.2.0.9/24")

    def test_node_with_two_is_seen_on_both(self):
        middle = self.node(self.middle, "middle", "interface", "!fe80::/10")
        left = self.node(self.left, "left", "interface", "!fe80::/10")
        right = self.node(self.right, "right", "interface", "!fe80::/10")
        left.wait_for(r"enter middle tcp://10\.1\.0\.9:")
        right.wait_for(r"enter middle tcp://10\.2\.0\.9:")
        self.assertTalk(middle, left)
        self.assertTalk(middle, right)
        self.assertEqual(left.count("enter right"), 0)
        self.assertEqual(right.count("enter left"), 0)

    def test_interface_that_is_refused_is_not_used(self):
        middle = self.node(self.middle, "middle", "interface", "!eth1")
        right = self.node(self.right, "right")
        left = self.node(self.left, "left")
        self.assertTalk(middle, left)
        self.assertEqual(right.count("enter"), 0)
        self.assertEqual(middle.count("enter right"), 0)
        middle.wait_for(r"note interface eth1 10\.2\.0\.9: not chosen: refused by rule !eth1$")


class TwoSubnets(Case):
    def test_joined_by_a_seed(self):
        left_net, right_net = self.switch(), self.switch()
        router, left, right = self.host("router"), self.host("left"), self.host("right")
        left_net.join(left, "eth0", "10.1.0.1/24")
        right_net.join(right, "eth0", "10.2.0.1/24")
        left_net.join(router, "eth0", "10.1.0.254/24")
        right_net.join(router, "eth1", "10.2.0.254/24")
        router.write("/proc/sys/net/ipv4/ip_forward", "1")
        left.ip("route", "add", "default", "via", "10.1.0.254")
        right.ip("route", "add", "default", "via", "10.2.0.254")
        hub = self.node(router, "hub", "beacon", "off", "hub", "tcp://*:5999")
        one = self.node(left, "one", "seed", "tcp://10.1.0.254:5999")
        near = self.node(left, "near")  # has no seed: sees one by its beacon
        two = self.node(right, "two", "seed", "tcp://10.2.0.254:5999")
        one.wait_for(r"enter two tcp://10\.2\.0\.1:\d+$")
        two.wait_for(r"enter one tcp://10\.1\.0\.1:\d+$")
        self.assertTalk(one, two)
        self.assertTalk(hub, one)
        self.assertTalk(near, one)
        two.stop()
        one.wait_for("exit two ")


class Partition(Case):
    def meet(self):
        self.net, self.a, self.b = self.two_hosts()
        one, two = self.node(self.a, "one", *QUICK), self.node(self.b, "two", *QUICK)
        self.assertTalk(one, two)
        return one, two

    def assertMetAgain(self, one, two):
        one.wait_for_both("exit two ", "enter two ")
        two.wait_for_both("exit one ", "enter one ")
        self.assertTalk(one, two)

    def test_nothing_passes_for_a_while(self):
        one, two = self.meet()
        self.net.isolate(self.b)
        one.wait_for("evasive two$")
        for node, other in ((one, two), (two, one)):
            node.wait_for(f"exit {other.name} ")
        self.net.rejoin(self.b)
        self.assertMetAgain(one, two)

    def test_cable_is_drawn_and_put_back(self):
        one, two = self.meet()
        self.net.unplug(self.b)
        two.wait_for(r"note interface eth0 10\.1\.0\.2: not chosen: down$")
        one.wait_for("exit two ")
        two.wait_for("exit one ")
        self.net.plug(self.b)
        told = r"note interface eth0 10\.1\.0\.2: "
        two.wait_for_both(told + "not chosen: down$", told + "chosen")
        self.assertMetAgain(one, two)

    def test_short_one_ends_nothing(self):
        self.net, self.a, self.b = self.two_hosts()
        one = self.node(self.a, "one", "evasive", "500", "expired", "20000")
        two = self.node(self.b, "two", "evasive", "500", "expired", "20000")
        self.assertTalk(one, two)
        self.net.isolate(self.b)
        one.wait_for("evasive two$")
        two.wait_for("evasive one$")
        two.say("whisper one after all")
        self.net.rejoin(self.b)
        one.wait_for("whisper two  after all$")
        one.wait_for("back two$")
        self.assertEqual(one.count("exit") + two.count("exit"), 0)


class Loss(Case):
    def meet(self, losses):
        a, b = self.host("a"), self.host("b")
        try:
            bad = lab.bad_cable(a, b, "eth0", losses, 0.02)
        except lab.Skipped as why:
            self.skipTest(str(why))
        self.addCleanup(bad.close)
        a.configure("eth0", "10.1.0.1/24")
        b.configure("eth0", "10.1.0.2/24")
        one, two = self.node(a, "one"), self.node(b, "two")
        self.greet(one, two)
        self.greet(two, one)
        return one, two

    def test_30_percent_and_delay(self):
        one, two = self.meet((0.3, 0))
        exits = one.count("exit") + two.count("exit")
        for i in range(50):
            one.say(f"whisper two number {i}")
        two.wait_for("whisper one  number 49$")
        numbers = [int(n) for n in re.findall(r"whisper one  number (\d+)", two.log.text())]
        self.assertEqual(numbers, list(range(50)))
        self.assertEqual(one.count("exit") + two.count("exit"), exits)

    def test_30_percent_both_ways_drops_nobody(self):
        """Who is asked for an answer now and then is given the time that it takes."""
        one, two = self.meet((0.3, 0.3))
        exits = one.count("exit") + two.count("exit")
        end = time.monotonic() + STEADY_S
        rig.until(lambda: time.monotonic() > end or one.count("exit") + two.count("exit") > exits, "the end")
        self.assertEqual(one.count("exit") + two.count("exit"), exits, one.log.text() + two.log.text())

    def test_netem_is_told_what_to_lose(self):
        """Also where this kernel has none: what tc is told."""
        a, b = self.host("a"), self.host("b")
        with tempfile.TemporaryDirectory() as folder:
            told = os.path.join(folder, "told")
            fake = os.path.join(folder, "tc")
            with open(fake, "w") as script:
                script.write(f'#!/bin/sh\necho "$@" >> {told}\n')
            os.chmod(fake, 0o755)
            with mock.patch.dict(os.environ, PATH=folder + ":" + os.environ["PATH"]):
                self.assertTrue(lab.has_netem())
                lab.Netem(a, b, "eth0", (0.3, 0.05), 0.02).close()
            with open(told) as lines:
                self.assertEqual(
                    lines.read().splitlines()[1:],
                    [
                        "qdisc add dev eth0 root netem loss 30% delay 20ms",
                        "qdisc add dev eth0 root netem loss 5% delay 20ms",
                    ],
                )

    def greet(self, one, other):
        """Until the other has heard it. While it is not known whether he does, he is greeted at his next address too,
        and what was said to him at the first one may be lost."""
        one.wait_to_know(other)
        other.wait_to_know(one)
        said = 0

        def is_heard():
            nonlocal said
            if time.monotonic() > said + 1:
                one.say(f"whisper {other.name} hello")
                said = time.monotonic()
            return other.count(f"whisper {one.name}  hello$") > 0

        rig.until(is_heard, f"{other.name} hears {one.name}")


class Later(Case):
    def test_interface_that_appears_is_used(self):
        a, b = self.host("a"), self.host("b")
        one, two = self.node(a, "one"), self.node(b, "two")
        one.wait_for("started")
        two.wait_for("started")
        lab.cable(a, "eth0", b, "eth0")
        a.configure("eth0", "10.1.0.1/24")
        b.configure("eth0", "10.1.0.2/24")
        one.wait_for(r"note interface eth0 10\.1\.0\.1: chosen, broadcasts to 10\.1\.0\.255$")
        self.assertTalk(one, two)

    def test_address_that_changes_is_followed(self):
        a, b = self.host("a"), self.host("b")
        lab.cable(a, "eth0", b, "eth0")
        a.configure("eth0", "10.1.0.1/16")
        b.configure("eth0", "10.1.0.2/16")
        rules = ("interface", "10.1.0.0/16", *QUICK)
        one, two = self.node(a, "one", *rules), self.node(b, "two", *rules)
        self.assertTalk(one, two)
        b.ip("address", "delete", "10.1.0.2/16", "dev", "eth0")
        b.ip("address", "add", "10.1.7.7/16", "broadcast", "+", "dev", "eth0")
        one.wait_for_both("exit two ", "enter two ")
        two.wait_for_both("exit one ", "enter one ")
        self.assertTalk(one, two)


class Program(Case):
    """The same with zferry itself, between hosts that have no address in their command lines."""

    def start(self, host, *args):
        popen = subprocess.Popen(
            host.inside(rig.PROGRAM, *args, "--insecure"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=rig.environment(),
        )
        self.addCleanup(self.end, popen)
        out, err = rig.Stream(popen.stdout.fileno()), rig.Stream(popen.stderr.fileno())
        return popen, out, err

    def end(self, popen):
        if popen.poll() is None:
            popen.kill()
        popen.wait()
        popen.stdout.close()
        popen.stderr.close()

    def run_on(self, host, *args):
        done = subprocess.run(
            host.inside(rig.PROGRAM, *args, "--insecure"),
            capture_output=True,
            timeout=rig.DEADLINE_S,
            env=rig.environment(),
        )
        return rig.Result(done.returncode, done.stdout, done.stderr)

    def test_peers(self):
        _, a, b = self.two_hosts()
        _, out, _ = self.start(a, "peers", "--watch", "--json", "--interface", "10.1.0.0/16")
        one = self.node(b, "one", "interface", "10.1.0.0/16")
        out.wait_for(r'{"event":"enter","name":"one",.*"endpoint":"tcp://10\.1\.0\.2:\d+"')
        out.wait_for(r'{"event":"join","name":"one",.*"group":"all"')
        result = self.run_on(a, "peers", "--wait", "2", "--json", "--interface", "10.1.0.0/16")
        self.assertEqual(result.code, 0, result.err)
        self.assertIn("one", [row["name"] for row in result.rows()])
        one.stop()
        out.wait_for(r'{"event":"exit","name":"one",')

    def test_request_finds_a_worker_and_then_another(self):
        _, a, b = self.two_hosts()
        first, _, _ = self.start(b, "serve", "where", "--exec", "echo first", "--direct")
        result = self.run_on(a, "request", "where", "?", "--discover")
        self.assertEqual((result.code, result.out), (0, "first\n"), result.err)
        second, _, _ = self.start(b, "serve", "where", "--exec", "echo second", "--direct")
        first.kill()
        first.wait()
        result = self.run_on(a, "request", "where", "?", "--discover", "--timeout", "20s")
        self.assertEqual((result.code, result.out), (0, "second\n"), result.err)
        second.terminate()
        self.assertEqual(second.wait(rig.DEADLINE_S), 0)


class Doctor(Case):
    def items(self, host, name, *args):
        done = subprocess.run(
            host.inside(rig.PROGRAM, "doctor", "--json", *args), capture_output=True, env=rig.environment()
        )
        result = rig.Result(done.returncode, done.stdout, done.stderr)
        return result.code, [row for row in result.rows() if row["name"] == name]

    def test_all_addresses_hear_themselves(self):
        _, a, _ = self.two_hosts()
        code, rows = self.items(a, "broadcast")
        self.assertEqual(code, 0)
        self.assertEqual([row["level"] for row in rows], ["ok", "ok", "ok"])
        self.assertRegex(rows[1]["text"], r"^eth0 10\.1\.0\.1: ")
        self.assertRegex(rows[2]["text"], r"^eth0 fe80::[0-9a-f:]+%eth0: ")

    def test_broadcast_that_does_not_come_back(self):
        a = self.host("a")
        try:  # it lets nothing through that is larger than its burst
            a.run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8bit", "burst", "1", "limit", "1")
        except (RuntimeError, OSError) as refused:
            self.skipTest(f"no tbf here: {refused}")
        code, rows = self.items(a, "broadcast", "--interface", "lo")
        self.assertEqual(code, 1)
        self.assertEqual(rows[0]["level"], "FAIL")
        self.assertEqual(rows[0]["text"], "lo 127.0.0.1: what is sent to all did not come back within a second")
        self.assertIn("--interface '!lo'", rows[0]["advice"])

    def test_no_interface_up(self):
        a = self.host("a")
        a.ip("link", "set", "lo", "down")
        code, rows = self.items(a, "interface")
        self.assertEqual(code, 1)
        self.assertEqual(rows[-1]["level"], "FAIL")


if __name__ == "__main__":
    unittest.main(verbosity=2)
