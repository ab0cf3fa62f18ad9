"""forwarder in the foreground, between plain sockets, pyzmq's and zferry's own."""

import os
import socket

import rig
from rig import run

try:
    import zmq
except ImportError:
    zmq = None

ANY = "tcp://127.0.0.1:*"


class ForwarderCase(rig.Case):
    def forwarder(self, *args):
        """Starts one with a plain side; sets self.endpoint, self.pubs and self.subs."""
        process = self.device("forwarder", "--bind", ANY, "--pub", ANY, "--sub", ANY, *args)
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        self.pubs = process.err.wait_for(r"listening on (\S+) for plain publishers\n").group(1)
        self.subs = process.err.wait_for(r"listening on (\S+) for plain subscribers\n").group(1)
        return process

    def plain_sub(self, *args):
        return self.start("sub", "--raw", "--connect", self.subs, *args)

    def plain_pub(self, topic, *bodies, wait=1):
        """Publishes once there are so many different subscriptions that match."""
        result = run("pub", topic, "--lines", "--raw", "--connect", self.pubs, "-w", str(wait), "-t", "60s", "-q",
                     stdin="".join(f"{body}\n" for body in bodies).encode())
        self.assertEqual(result.code, 0, result.err)

    def finish(self, process, code=0):
        self.assertEqual(process.wait(), code, process.err.text())
        return process.out.text()

    def figures(self, process):
        """Ends a forwarder that was started with --json; returns its figures."""
        rig.interrupt(process)
        self.assertEqual(process.wait(), 0)
        return rig.json.loads(process.out.text())


class Foreground(ForwarderCase):
    def test_says_where_it_listens_and_what_it_did(self):
        forwarder = self.forwarder()
        self.assertRegex(forwarder.err.text(), r"^listening on tcp://127\.0\.0\.1:[1-9]\d*\n"
                                               r"listening on tcp://127\.0\.0\.1:[1-9]\d* for plain publishers\n"
                                               r"listening on tcp://127\.0\.0\.1:[1-9]\d* for plain subscribers\n$")
        self.good("pub", "t", "x")
        rig.interrupt(forwarder)
        self.assertEqual(forwarder.wait(), 0)
        self.assertRegex(forwarder.err.text(), r"\nstopped after [\d.]+ m?s: .*\w 1\b")

    def test_port_in_use_is_said_in_words(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
        for option in ("--bind", "--pub", "--sub"):
            more = () if option == "--bind" else ("--bind", ANY)
            result = run("forwarder", option, endpoint, *more)
            self.assertEqual((result.code, result.out), (69, ""))
            self.assertRegex(result.err, rf"^zferry forwarder: .*{endpoint}.*[Aa]ddress already in use; "
                                         r"stop what listens there or choose another endpoint\n$")

    def test_mistakes_are_said_in_words(self):
        see = "; see zferry forwarder --help"
        for args, text in (
            (("--slow", "maybe"), "--slow is drop or disconnect[=TIME], not 'maybe'" + see),
            (("--slow", "disconnect=soon"), "--slow is drop or disconnect[=TIME], not 'disconnect=soon'" + see),
            (("--last-values-size", "1MiB"), "--last-values-size is for --last-values" + see),
            (("--sync", "never"), "--sync is for a journal; name its directory with --journal" + see),
        ):
            self.assertFails(run("forwarder", *args), 64, "zferry forwarder: " + text)

    def test_verbose_tells_of_subscribers(self):
        forwarder = self.forwarder("--verbose")
        self.good("sub", "--idle", "100ms", "-q")
        forwarder.err.wait_for(r"subscriber on: events.*\n")
        forwarder.err.wait_for(r"subscriber off: events.*\n")


class Plain(ForwarderCase):
    def test_plain_to_plain(self):
        self.forwarder()
        subs = [self.plain_sub(prefix, "-n", "3", "--format", "topic") for prefix in ("prices.", "prices.eur")]
        other = self.plain_sub("orders.", "-n", "1", "--format", "topic")
        self.plain_pub("prices.eur", "1", "2", "3", wait=2)
        self.plain_pub("orders.new", "x")
        for sub in subs:
            self.assertEqual(self.finish(sub), "prices.eur 1\nprices.eur 2\nprices.eur 3\n")
        self.assertEqual(self.finish(other), "orders.new x\n")

    def test_plain_to_native(self):
        self.forwarder()
        self.good("pub", "other", "x")
        before = self.subscribers()
        sub = self.start("sub", "prices.*", "-c", self.endpoint, "-n", "3")
        rig.until(lambda: self.subscribers() == before + 1, "a subscription")
        self.plain_pub("prices.eur", "1", "2", "3")
        rows = [rig.json.loads(line) for line in self.finish(sub).splitlines()]
        self.assertEqual([(row["topic"], row["body"]) for row in rows], [("prices.eur", body) for body in "123"])

    def test_publisher_waits_for_somebody_who_reads(self):
        self.forwarder()
        for topic in ("t", "t"):  # also when the stream is there already, and joined to the plain side
            result = self.zferry("pub", topic, "x", "--wait-subscribers", "1", "--timeout", "300ms")
            self.assertFails(result, 75, "zferry pub: fewer than 1 subscriptions to t within 300 ms; "
                                         "give it longer with --timeout")

    def subscribers(self):
        result = self.zferry("stream", "info", "events")
        return result.rows()[0]["subscribers"] if result.code == 0 else 0

    def test_native_to_plain(self):
        forwarder = self.forwarder("--json")
        sub = self.plain_sub("prices.", "-n", "2", "--format", "topic")
        probe = self.plain_sub("probe", "-n", "1", "--format", "body")
        end = rig.until(lambda: self.good("pub", "probe", "x") and probe.popen.poll() is not None, "a plain subscription")
        self.assertTrue(end)
        while sub.popen.poll() is None:
            self.good("pub", "prices.eur", "1")
            self.good("pub", "orders.new", "2")
        self.assertEqual(self.finish(sub), "prices.eur 1\n" * 2)
        self.assertGreaterEqual(self.figures(forwarder)["plain_out"], 2)

    def test_stream_has_the_name_it_is_given(self):
        self.forwarder("--stream", "feed", "--journal", self.folder())
        self.plain_pub("t", "x")  # the forwarder itself subscribes to all
        row = self.good("sub", "--stream", "feed", "--from", "first", "-n", "1").rows()[0]
        self.assertEqual((row["topic"], row["body"]), ("t", "x"))

    def test_journal_keeps_plain_messages_over_a_restart(self):
        folder = self.folder()
        first = self.forwarder("--journal", folder)
        self.plain_pub("t", "1", "2", "3")
        rig.until(lambda: self.good("stream", "ls").rows() and self.good("stream", "info", "events").rows()[0]["length"] == 3,
                  "all kept")
        rig.terminate(first)
        self.assertEqual(first.wait(), 0)
        self.forwarder("--journal", folder)
        result = self.good("sub", "--from", "first", "-n", "3", "--format", "body", "-q")
        self.assertEqual(result.out, "1\n2\n3\n")

    def test_chain_of_two(self):
        self.forwarder()
        far = self.device("forwarder", "--bind", ANY, "--pub", ">" + self.subs, "--sub", ANY)
        subs = far.err.wait_for(r"listening on (\S+) for plain subscribers\n").group(1)
        sub = self.start("sub", "--raw", "--connect", subs, "t", "-n", "2", "--format", "body")
        self.plain_pub("t", "1", "2")  # waits for the subscription, which comes all the way
        self.assertEqual(self.finish(sub), "1\n2\n")

    def test_circle_is_noticed(self):
        place = "ipc://" + os.path.join(self.folder(), "feed")
        one = self.forwarder("--sub", place)
        two = self.device("forwarder", "--bind", ANY, "--pub", ">" + place, "--sub", ">" + self.pubs)
        found = rig.until(lambda: "loop: " in one.err.text() + two.err.text(), "the circle told of")
        self.assertTrue(found)
        sub = self.plain_sub("t", "-n", "5", "--format", "body")
        number = 0
        while sub.popen.poll() is None:  # until one connection is cut, nothing passes
            run("pub", "t", str(number), "--raw", "--connect", self.pubs, "-t", "1s", "-q")
            number += 1
        got = [int(body) for body in self.finish(sub).split()]
        self.assertEqual(got, list(range(got[0], got[0] + 5)))


@rig.unittest.skipIf(zmq is None, "pyzmq is not installed")
class Pyzmq(ForwarderCase):
    """Ordinary sockets that know nothing of zferry."""

    def setUp(self):
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)

    def socket(self, kind, endpoint, *prefixes):
        made = self.context.socket(kind)
        made.setsockopt(zmq.RCVTIMEO, rig.DEADLINE_S * 1000)
        for prefix in prefixes:
            made.setsockopt(zmq.SUBSCRIBE, prefix)
        made.connect(endpoint)
        self.addCleanup(made.close, linger=0)
        return made

    def publisher(self, *prefixes):
        """An XPUB, to which exactly these subscriptions have come."""
        made = self.socket(zmq.XPUB, self.pubs)
        seen = {self.heard(made) for _ in prefixes}
        self.assertEqual(seen, {b"\1" + prefix for prefix in prefixes})
        return made

    def heard(self, publisher):
        """The next subscription, or end of one; without the forwarders' marks that find circles."""
        while True:
            message = publisher.recv()
            if not message[1:].startswith(b"\0zferry:"):
                return message

    def drained(self, publisher, subscribers, prefix):
        """Publishes until each of the subscribers has got something, then reads what is left."""
        waiting = list(subscribers)
        number = 0
        while waiting:
            publisher.send_multipart([prefix + b"mark", b"%d" % number])
            number += 1
            waiting = [sub for sub in waiting if not sub.poll(10)]
        last = b"%d" % number
        publisher.send_multipart([prefix + b"mark", last])
        for sub in subscribers:
            while sub.recv_multipart()[1] != last:
                pass

    def test_subscribers_get_what_they_subscribed_to(self):
        self.forwarder()
        eur = self.socket(zmq.SUB, self.subs, b"prices.eur")
        every = self.socket(zmq.SUB, self.subs, b"prices.")
        publisher = self.publisher(b"prices.eur", b"prices.")
        self.drained(publisher, [eur, every], b"prices.eur.")
        for topic in (b"prices.eur", b"orders.new", b"prices.gbp"):
            publisher.send_multipart([topic, b"body of " + topic, b"", b"third"])
        publisher.send_multipart([b"prices.eur", b"end"])
        rest = [b"", b"third"]
        self.assertEqual(eur.recv_multipart(), [b"prices.eur", b"body of prices.eur", *rest])
        self.assertEqual(eur.recv_multipart(), [b"prices.eur", b"end"])
        self.assertEqual(every.recv_multipart(), [b"prices.eur", b"body of prices.eur", *rest])
        self.assertEqual(every.recv_multipart(), [b"prices.gbp", b"body of prices.gbp", *rest])
        self.assertEqual(every.recv_multipart(), [b"prices.eur", b"end"])

    def test_subscriptions_and_their_ends_reach_the_publisher(self):
        self.forwarder()
        one = self.socket(zmq.SUB, self.subs, b"a")
        publisher = self.publisher(b"a")
        two = self.socket(zmq.SUB, self.subs, b"a", b"b")
        self.assertEqual(self.heard(publisher), b"\1b")  # and no second one of "a"
        one.setsockopt(zmq.UNSUBSCRIBE, b"a")
        two.setsockopt(zmq.UNSUBSCRIBE, b"b")
        self.assertEqual(self.heard(publisher), b"\0b")
        two.setsockopt(zmq.UNSUBSCRIBE, b"a")
        self.assertEqual(self.heard(publisher), b"\0a")

    def test_late_joiner_gets_last_values_and_nobody_else_does(self):
        self.forwarder("--last-values")
        early = self.socket(zmq.SUB, self.subs, b"prices.")
        publisher = self.publisher(b"prices.")
        for number in range(100):
            publisher.send_multipart([b"prices.eur", b"%d" % number])
            publisher.send_multipart([b"prices.gbp", b"%d" % number])
        for number in range(100):
            self.assertEqual(early.recv_multipart(), [b"prices.eur", b"%d" % number])
            self.assertEqual(early.recv_multipart(), [b"prices.gbp", b"%d" % number])
        late = self.socket(zmq.SUB, self.subs, b"prices.")
        got = sorted(late.recv_multipart() for _ in range(2))
        self.assertEqual(got, [[b"prices.eur", b"99"], [b"prices.gbp", b"99"]])
        publisher.send_multipart([b"prices.eur", b"live"])
        for sub in (early, late):
            self.assertEqual(sub.recv_multipart(), [b"prices.eur", b"live"])

    def test_messages_of_one_frame_pass_and_are_kept_without_a_topic(self):
        self.forwarder("--journal", self.folder())
        sub = self.socket(zmq.SUB, self.subs, b"")
        publisher = self.publisher(b"")  # the forwarder's own: that of sub may be still on its way
        self.drained(publisher, [sub], b"")
        publisher.send(b"alone")
        self.assertEqual(sub.recv_multipart(), [b"alone"])
        row = self.good("sub", "--from", "last=1", "-n", "1").rows()[0]
        self.assertEqual((row["body"], "topic" in row), ("alone", False))

    def test_frames_travel_between_the_sides(self):
        self.forwarder("--journal", self.folder())
        sub = self.socket(zmq.SUB, self.subs, b"")
        publisher = self.publisher(b"")
        self.drained(publisher, [sub], b"")
        publisher.send_multipart([b"t", b"one", b"", b"three"])
        self.assertEqual(sub.recv_multipart(), [b"t", b"one", b"", b"three"])
        row = self.good("sub", "t", "--from", "first", "-n", "1").rows()[0]
        self.assertEqual((row["topic"], row["frames"]), ("t", ["one", "", "three"]))
        self.good("pub", "u", "native")
        self.assertEqual(sub.recv_multipart(), [b"u", b"native"])

    def test_publisher_comes_back(self):
        self.forwarder()
        sub = self.socket(zmq.SUB, self.subs, b"t")
        for number in (b"1", b"2"):
            publisher = self.publisher(b"t")  # the subscription is there again
            publisher.send_multipart([b"t", number])
            self.assertEqual(sub.recv_multipart(), [b"t", number])
            publisher.close()

    def test_forwarder_comes_back(self):
        first = self.forwarder()
        pubs, subs = self.pubs, self.subs
        sub = self.socket(zmq.SUB, subs, b"t")
        publisher = self.publisher(b"t")
        publisher.send_multipart([b"t", b"1"])
        self.assertEqual(sub.recv_multipart(), [b"t", b"1"])
        rig.terminate(first)
        self.assertEqual(first.wait(), 0)
        self.device("forwarder", "--bind", ANY, "--pub", pubs, "--sub", subs)
        while not sub.poll(10):  # both sockets come back by themselves
            publisher.send_multipart([b"t", b"2"])
        self.assertEqual(sub.recv_multipart(), [b"t", b"2"])


if __name__ == "__main__":
    rig.main()
