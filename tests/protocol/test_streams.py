"""Section 18 of docs/protocol.md against the real broker: what streams keep, topics, looking after
them, and forwarders. test_subscriptions.py and test_groups.py have who reads them."""

import os
import signal
import time

import rig
import zf
import zmq
from test_protocol import Peers


class Streams(Peers):
    """What all cases of section 18 share."""

    def subscriber(self, stream, *patterns, **how):
        return self.peer(zf.Subscriber).subscribe(stream, *patterns, **how)

    def published(self, stream, *events):
        """Publishes (topic, body) and waits for the confirms."""
        producer = self.producer()
        producer.publish(stream, *events)
        return producer

    def figures(self, queue):
        code, (info,), _ = self.producer().admin("queue", queue)
        self.assertEqual(code, 0)
        return info

    def stream(self, name, **policy):
        """Declares a stream."""
        self.declare(name, kind=1, **policy)

    def bodies(self, stream, *patterns, count, **how):
        """The bodies of the next so many records, and of no others that are there."""
        subscriber = self.subscriber(stream, *patterns, **how)
        found = [body for _, body, _ in subscriber.take(count)]
        self.assertTrue(subscriber.nothing_else())
        return found


class Restarted(Streams):
    """With a broker that has a journal, and is killed."""

    def setUp(self):
        self.journal = os.path.join(self.folder(), "journal")
        self.process = self.durable_broker(*self.options)

    def restart(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        self.process = self.durable_broker(*self.options)


def numbered(first, end, topic=b"a"):
    return [(topic, b"%d" % i) for i in range(first, end)]


def names(first, end):
    return [body for _, body in numbered(first, end)]


class Keeping(Streams):
    def test_records_stay_when_they_were_read(self):
        self.published("s", *numbered(0, 5))
        for _ in range(2):
            self.assertEqual(self.bodies("s", count=5), names(0, 5))
        worker = self.worker("s@g")
        worker.ack((worker.take_all(5)[0][0], 5))
        self.until_info("s@g", lag=0)
        self.assertEqual(self.bodies("s", count=5), names(0, 5))

    def post_many_times(self, **policy):
        """What is left of a thousand records; each has 14 bytes and its framing."""
        self.stream("s", **policy)
        producer = self.producer()
        for i in range(0, 1000, 5):
            producer.publish("s", *[(b"a", b"%010d" % n) for n in range(i, i + 5)])
        return self.figures("s")

    def test_oldest_go_first_beyond_the_length(self):
        info = self.post_many_times(max_length=160)
        self.assertIn(info["length"], range(160, 170 + 5))
        self.assertEqual((info["next"] - info["first"], info["dropped"]), (info["length"], 1000 - info["length"]))
        self.assertEqual(self.bodies("s", count=info["length"]),
                         [b"%010d" % n for n in range(1000 - info["length"], 1000)])

    def test_oldest_go_first_beyond_the_bytes(self):
        info = self.post_many_times(max_bytes=1600)
        self.assertIn(info["bytes"], range(1600, 1800))
        self.assertEqual(self.bodies("s", count=info["length"])[-1], b"%010d" % 999)

    def test_old_ones_go_by_age(self):
        self.stream("s", ttl_ms=100)
        producer = self.published("s", *numbered(0, 3))
        first = self.figures("s")["first"]
        rig.until(lambda: self.figures("s")["length"] == 0, "they are gone")
        info = self.figures("s")
        self.assertEqual((info["first"], info["next"]), (first + 3, first + 3))
        producer.publish("s", *numbered(3, 4))
        self.assertEqual(self.figures("s")["next"], first + 4)

    def test_compaction_keeps_the_last_of_each_key_or_topic(self):
        self.stream("s", compact=True)
        producer = self.producer()
        for i in range(500):
            producer.post("s", (b"k%d" % i, {zf.TOPIC: b"t%d" % i, zf.KEY: b"k"}), (b"t%d" % i, {zf.TOPIC: b"t"}),
                          (b"u%d" % i, {zf.TOPIC: b"u"}))
        producer.post("s", (b"neither", None), (b"neither", None))
        while producer.open:
            self.assertEqual(producer.outcome()[3], 0)
        rig.until(lambda: self.figures("s")["length"] < 100, "most are gone")
        last = {body[:1]: body for body in self.bodies("s", count=self.figures("s")["length"])}
        self.assertEqual(last, {b"k": b"k499", b"t": b"t499", b"u": b"u499", b"n": b"neither"})
        self.assertEqual(self.bodies("s", ">", count=5), [b"k499", b"t499", b"u499", b"neither", b"neither"])

    def test_delay_ttl_and_priority_mean_nothing(self):
        props = [{zf.DELAY: 3600000}, {zf.TTL: 1}, {zf.PRIORITY: 9}, {zf.ID: b"i", zf.KEEP_REPLY: True}]
        producer = self.producer()
        producer.admin("stream", "s")
        producer.post("s", *[(b"x", some) for some in props])
        self.assertEqual(producer.outcome(), ("s", 1, 4, 0))
        sent = time.time()
        rig.until(lambda: time.time() > sent + 0.05, "the ttl is over")
        self.assertEqual([got for _, _, got in self.subscriber("s").take(4)], props)
        self.assertEqual(producer.fetch(b"i", wait=False)[0], 17)

    def test_id_is_taken_once(self):
        producer = self.published("s", *numbered(0, 1))
        producer.post("s", (b"a", {zf.ID: b"i"}), (b"b", {zf.ID: b"i"}), (b"c", None))
        while producer.open:
            self.assertEqual(producer.outcome()[3], 0)
        self.assertEqual(self.bodies("s", count=3), [b"0", b"a", b"c"])

    def test_sent_again_in_a_new_session_is_not_there_twice(self):
        first = self.producer()
        first.post("s", (b"a", None), (b"b", None), flags=1)
        first.settled()
        first.close()
        again = self.producer(uuid=first.uuid)
        again.open, again.next = dict(first.open), first.next
        again.resend()
        self.assertEqual([again.outcome(), again.outcome()], [("s", 1, 1, 0), ("s", 2, 1, 0)])
        self.assertEqual(self.bodies("s", count=2), [b"a", b"b"])

    def test_flag_of_post_makes_a_stream_where_nothing_is(self):
        producer = self.posted("q", b"x")
        for name in ("q", "s"):
            producer.publish(name, (b"t", b"x"))
        producer.say(zf.POST_MANY, 1, 1, ["s", 1, "q", 1], batch=zf.encode_batch([(b"y", None)] * 2, 0))
        producer.expect(zf.DONE)
        self.assertEqual([self.figures(name)["policy"]["kind"] for name in ("q", "s")], [0, 1])
        self.assertEqual(self.bodies("s", count=2), [b"x", b"y"])

    def test_stream_is_no_queue_and_a_queue_no_stream(self):
        producer = self.posted("q", b"x")
        producer.publish("s", (b"t", b"x"))
        worker = self.peer(zf.Worker).consume("s", 1)
        self.assertEqual(worker.expect(zf.ERROR)[0][1], 1)
        producer.ask("s", 1, (b"x", None))
        self.assertEqual(producer.reply()[:3], (1, 1, False))
        self.assertEqual(producer.admin("stream", "q")[0], 1)
        self.assertEqual(producer.admin("declare", "q", {"kind": 1})[0], 1)
        self.assertEqual(producer.admin("declare", "s", {"kind": 0})[0], 1)
        self.assertEqual(producer.admin("trim", "q", 1)[0], 1)
        self.assertEqual(producer.admin("forget", "q")[0], 1)
        subscriber = self.peer(zf.Subscriber)
        subscriber.say_subscribe(1, "q", flags=1)
        self.assertEqual(subscriber.subscribed(), (1, 0, 0, 0))
        producer.say_await(1, "q", "t", 1)
        self.assertEqual(producer.awaited(1)[0], 1)


class Topics(Streams):
    events = [(topic, topic or b"none") for topic in
              (b"a", b"a.b", b"a.b.c", b"a.c", b"b", b"b.b", b"a*", b"\xc3\xa9.x", b"A", None, b"x" * 255)]

    def test_patterns(self):
        self.published("s", *self.events)
        everything = [body for _, body in self.events]
        for patterns, bodies in (
            (["a"], [b"a"]), (["a.b"], [b"a.b"]), (["*"], [b"a", b"b", b"a*", b"A", b"x" * 255]),
            (["a.*"], [b"a.b", b"a.c"]), (["*.b"], [b"a.b", b"b.b"]), (["a.>"], [b"a.b", b"a.b.c", b"a.c"]),
            (["*.*.c"], [b"a.b.c"]), (["a.*.>"], [b"a.b.c"]), (["*.b.>"], [b"a.b.c"]), (["a*"], [b"a*"]),
            (["\u00e9.*"], [b"\xc3\xa9.x"]), (["b.a"], []), ([">"], everything), (["x" * 255], [b"x" * 255]),
            ([], everything), (["b", "a", "a", "none"], [b"a", b"b"]), (["x", ">"], everything),
        ):
            self.assertEqual(self.bodies("s", *patterns, count=len(bodies)), bodies, patterns)

    def test_what_is_no_pattern(self):
        subscriber = self.peer(zf.Subscriber)
        self.producer().admin("stream", "s")
        for pattern in ("", ".", ".a", "a.", "a..b", ">.a", "a.>.b", ">.>", "x" * 256, "a\n", "\x7f"):
            subscriber.say_subscribe(1, "s", "fine", pattern)
            self.assertEqual(subscriber.subscribed(), (1, 0, 0, 0), pattern)
        subscriber.say_subscribe(1, "s", *["a"] * 257)
        self.assertEqual(subscriber.subscribed(), (18, 0, 0, 0))
        subscriber.subscribe("s", *["a%d" % i for i in range(256)])

    def test_what_is_no_topic(self):
        for topic in (b"", b"x" * 256, 7):
            producer = self.producer()
            producer.post("s", (b"x", {zf.TOPIC: topic}), flags=1)
            self.assertEqual(producer.receive()[0][:2], [zf.ERROR, 5])

    def test_offsets_of_what_matches(self):
        producer = self.producer()
        for i in range(0, 300, 30):
            producer.publish("s", *[(b"odd" if n % 2 else b"even.%d" % n, b"%d" % n) for n in range(i, i + 30)])
        start = self.figures("s")["first"]
        for patterns, wanted in ((["odd"], range(1, 300, 2)), (["even.*"], range(0, 300, 2)),
                                 (["even.7", "even.8", "even.250"], (8, 250)), (["odd", ">"], range(300))):
            records = self.subscriber("s", *patterns).take(len(wanted))
            self.assertEqual([(offset - start, body) for offset, body, _ in records],
                             [(n, b"%d" % n) for n in wanted])







class Admin(Streams):
    def test_stream_is_made_once(self):
        producer = self.producer()
        for _ in range(2):
            self.assertEqual(producer.admin("stream", "s")[0], 0)
        self.assertEqual(self.figures("s")["policy"]["kind"], 1)
        for name in ("", "mmi.x"):
            self.assertEqual(producer.admin("stream", name)[0], 1)

    def test_trim_drops_what_is_below(self):
        producer = self.published("s", *numbered(0, 100))
        self.stream("t", max_length=1600)  # its chunks have a hundred records
        for i in range(10):
            producer.publish("t", *numbered(100 * i, 100 * i + 100))
        start = self.figures("t")["first"]
        code, (count,), _ = producer.admin("trim", "t", start + 550)
        self.assertEqual(code, 0)
        self.assertIn(count, range(400, 551))  # whole chunks
        info = self.figures("t")
        self.assertEqual((info["first"], info["next"], info["length"]), (start + count, start + 1000, 1000 - count))
        self.assertEqual(producer.admin("trim", "t", start)[1], [0])
        self.assertEqual(self.bodies("t", count=1000 - count), names(count, 1000))
        self.assertEqual(producer.admin("trim", "t", start + 5000)[1], [1000 - count])
        self.assertEqual(self.figures("t")["length"], 0)
        self.assertEqual(self.figures("s")["length"], 100)

    def test_forget_waits_for_who_reads(self):
        producer = self.published("s", *numbered(0, 3))
        subscriber = self.subscriber("s")
        producer.admin("group", "s@g", {})
        self.assertEqual(producer.admin("forget", "s")[0], 11)
        subscriber.say(zf.UNSUBSCRIBE, 1)
        subscriber.settled()
        worker = self.worker("s@g")
        worker.take()
        for name in ("s", "s@g"):
            self.assertEqual(producer.admin("forget", name)[0], 11)
        worker.say(zf.BYE)
        self.until_info("s@g", workers=0)
        self.assertEqual(producer.admin("forget", "s")[0], 0)
        self.assertEqual(producer.admin("queues")[1], [[]])
        self.assertEqual(producer.admin("forget", "s")[0], 17)
        self.assertEqual(producer.admin("declare", "s", {})[0], 0)  # the name is free for a queue

    def test_wrong_arguments(self):
        producer = self.published("s", (b"a", b"x"))
        self.assertEqual(producer.admin("trim", "s", "x")[0], 5)
        self.assertEqual(producer.admin("trim", "nowhere", 1)[0], 17)
        self.assertEqual(producer.admin("forget", "nowhere")[0], 17)
        self.assertEqual(producer.admin("declare", "t", {"kind": 2})[0], 1)
        self.assertEqual(producer.admin("declare", "t", {"compact": True})[0], 1)


class AfterAKill(Restarted):
    def test_offsets_go_on(self):
        self.published("s", *numbered(0, 10))
        before, source = self.figures("s"), self.producer().options[7]
        self.assertEqual(before["sync"], 1)
        self.restart()
        self.assertEqual(self.producer().options[7], source)
        after = self.figures("s")
        self.assertEqual([after[key] for key in ("first", "length")], [before[key] for key in ("first", "length")])
        self.assertGreaterEqual(after["next"], before["next"])
        self.published("s", *numbered(10, 20))
        records = self.subscriber("s").take(20)
        self.assertEqual([body for _, body, _ in records], names(0, 20))
        offsets = [offset for offset, _, _ in records]
        self.assertEqual(offsets, sorted(set(offsets)))
        self.assertGreaterEqual(offsets[10], before["next"])

    def test_posts_sent_again_are_not_there_twice(self):
        producer = self.producer()
        records = [(b"%d" % i, {zf.TOPIC: b"a"}) for i in range(5)]
        producer.post("s", *records, flags=1)
        producer.outcome()
        self.restart()
        again = self.producer(uuid=producer.uuid)
        again.post("s", *records, (b"5", None))
        while again.open:
            self.assertEqual(again.outcome()[3], 0)
        self.assertEqual(self.bodies("s", count=6), names(0, 6))

    def test_what_was_trimmed_or_forgotten_stays_away(self):
        producer = self.published("s", *numbered(0, 10))
        producer.publish("t", (b"a", b"x"))
        self.assertEqual(producer.admin("trim", "s", self.figures("s")["next"])[1], [10])
        self.assertEqual(producer.admin("forget", "t")[0], 0)
        upto = self.figures("s")["next"]
        self.restart()
        self.assertEqual(self.producer().admin("queue", "t")[0], 17)
        info = self.figures("s")
        self.assertEqual(info["length"], 0)
        self.assertGreaterEqual(info["next"], upto)

    def test_policy_stays(self):
        self.stream("s", max_length=160, compact=True)
        self.restart()
        policy = self.figures("s")["policy"]
        self.assertEqual((policy["kind"], policy["max_length"], policy["compact"]), (1, 160, True))


class OtherRun(Streams):
    def test_source_is_another_one_and_offsets_are_higher(self):
        self.published("s", *numbered(0, 10))
        before, source = self.figures("s")["next"], self.producer().options[7]
        del self.endpoint
        self.broker(*self.options)
        self.assertNotEqual(self.producer().options[7], source)
        self.producer().admin("stream", "s")
        self.assertGreater(self.figures("s")["first"], before)


class Forwarders(Streams):
    def setUp(self):
        process = self.device("forwarder", "--bind", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*",
                              "--sub", "tcp://127.0.0.1:*")
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        self.pub = self.plain(zmq.PUB, process.err.wait_for(r"(tcp://\S+) for plain publishers").group(1))
        self.sub = self.plain(zmq.SUB, process.err.wait_for(r"(tcp://\S+) for plain subscribers").group(1))

    def plain(self, kind, endpoint):
        socket = zmq.Context.instance().socket(kind)
        self.addCleanup(socket.close, 0)
        socket.setsockopt(zmq.RCVTIMEO, zf.DEADLINE_MS)
        socket.connect(endpoint)
        return socket

    def test_all_queues_are_streams(self):
        producer = self.posted("s", (b"x", {zf.TOPIC: b"a"}))
        self.assertEqual(self.figures("s")["policy"]["kind"], 1)
        self.assertEqual(self.bodies("s", "a", count=1), [b"x"])
        self.assertEqual(self.figures("events")["policy"]["kind"], 1)
        self.assertEqual(producer.admin("declare", "q", {})[0], 0)
        self.assertEqual(self.figures("q")["policy"]["kind"], 0)

    def test_plain_messages_are_records(self):
        subscriber = self.subscriber("events", start=zf.NEW, flags=1)

        def heard():
            self.pub.send(b"anybody?")
            return subscriber.socket.poll(50)

        rig.until(heard, "the connection is there")
        messages = [
            ([b"a.b", b"body"], b"body", {zf.TOPIC: b"a.b"}),
            ([b"a.b", b"1", b"", b"23"], b"123", {zf.TOPIC: b"a.b", zf.FRAMES: [1, 0, 2]}),
            ([b"a.b", b""], b"", {zf.TOPIC: b"a.b"}),
            ([b"alone"], b"alone", {}),
            ([b"", b"body"], b"body", {zf.FRAMES: [0, 4]}),
            ([b"x" * 256, b"body"], b"x" * 256 + b"body", {zf.FRAMES: [256, 4]}),
            ([b"x" * 255, b"body"], b"body", {zf.TOPIC: b"x" * 255}),
        ]
        for frames, _, _ in messages:
            self.pub.send_multipart(frames)
        found = []
        while len(found) < len(messages):
            found += [record for _, *record in subscriber.events() if record[0] != b"anybody?"]
        self.assertEqual(found, [[body, props] for _, body, props in messages])

    def test_records_are_plain_messages(self):
        self.sub.subscribe(b"")
        producer = self.producer()

        def heard():
            producer.publish("events", (None, b"anybody?"))
            return self.sub.poll(50)

        rig.until(heard, "the subscription is there")
        records = [
            ((b"body", {zf.TOPIC: b"a.b"}), [b"a.b", b"body"]),
            ((b"123", {zf.TOPIC: b"a.b", zf.FRAMES: [1, 0, 2]}), [b"a.b", b"1", b"", b"23"]),
            ((b"alone", None), [b"alone"]),
            ((b"body", {zf.FRAMES: [0, 4]}), [b"", b"body"]),
            ((b"", {zf.TOPIC: b"a.b"}), [b"a.b", b""]),
        ]
        producer.post("events", *[record for record, _ in records])
        found = []
        while len(found) < len(records):
            found += [frames for frames in [self.sub.recv_multipart()] if frames != [b"anybody?"]]
        self.assertEqual(found, [frames for _, frames in records])


if __name__ == "__main__":
    rig.main()
