"""Section 18 of docs/protocol.md against the real broker: groups, which read a stream as a queue of
their own."""

import struct

import rig
import zf
from test_streams import Restarted, Streams, names, numbered


class Groups(Streams):
    def taken(self, queue, count, acked=True, **more):
        """The next so many records of a group: its worker, and (offset, attempt, body, props) of each."""
        worker = self.worker(queue, count, **more)
        records = worker.take_all(count)
        worker.consume(queue, 0)
        if acked:
            worker.ack(*[(offset, 1) for offset, _, _, _ in records])
            worker.settled()
        return worker, records

    def leave(self, worker):
        worker.say(zf.BYE)
        self.until_info(worker.queue, workers=0)

    def group(self, name, start=None, **how):
        if start is not None:
            how["from"] = start
        self.assertEqual(self.producer().admin("group", name, how)[0], 0)


class Reading(Groups):
    def setUp(self):
        super().setUp()
        self.published("s", *numbered(0, 10))
        self.start = self.figures("s")["first"]

    def test_group_is_made_by_who_names_it_and_begins_with_the_first(self):
        _, records = self.taken("s@g", 10)
        self.assertEqual(records, [(self.start + i, 1, b"%d" % i, {zf.TOPIC: b"a"}) for i in range(10)])
        self.assertEqual(self.figures("s")["groups"], 1)

    def test_each_group_gets_everything_and_its_members_share(self):
        one, first = self.taken("s@g", 4)
        other, second = self.taken("s@g", 6)
        self.assertEqual(sorted(body for _, _, body, _ in first + second), names(0, 10))
        _, all_of_it = self.taken("s@h", 10)
        self.assertEqual([body for _, _, body, _ in all_of_it], names(0, 10))
        self.until_info("s@g", lag=0, acked=10)
        one.settled()
        other.settled()
        self.assertEqual(one.inbox + other.inbox, [])

    def test_it_is_where_it_was_left(self):
        worker, records = self.taken("s@g", 6, acked=False)
        worker.ack((records[0][0], 3))
        worker.settled()
        self.assertEqual([self.figures("s@g")[key] for key in ("lag", "first")], [7, self.start + 3])
        self.leave(worker)
        again = self.worker("s@g", 10).take_all(7)
        self.assertEqual(sorted((offset - self.start, attempt) for offset, attempt, _, _ in again),
                         [(3, 2), (4, 2), (5, 2), (6, 1), (7, 1), (8, 1), (9, 1)])

    def test_settlements_are_those_of_a_queue(self):
        self.group("s@g", policy={"max_attempts": 2})
        worker = self.worker("s@g", 1)

        def settle(*command, times=1):
            for _ in range(times):
                (offset, attempt, body, _), = worker.take()[0]
                worker.say(command[0], "s@g", *command[1:], offset, 1)
            return body, attempt

        self.assertEqual(settle(zf.ACK), (b"0", 1))
        self.assertEqual(settle(zf.RELEASE), (b"1", 1))
        self.assertEqual(settle(zf.NACK, 0, times=2), (b"1", 2))  # its last attempt
        self.assertEqual(settle(zf.REJECT, "bad"), (b"2", 1))
        self.assertEqual(settle(zf.EXTEND, 0), (b"3", 1))
        self.assertEqual(settle(zf.ACK), (b"3", 2))
        dead = self.worker("s@g.dead").take_all(2)
        self.assertEqual([(body, props[zf.DEATH][0]) for _, _, body, props in dead], [(b"1", "s@g"), (b"2", "s@g")])
        self.assertEqual(dead[1][3], {zf.TOPIC: b"a", zf.DEATH: ["s@g", "bad", 1]})
        self.assertEqual(self.figures("s@g")["lag"], 6)
        self.assertEqual(self.figures("s")["length"], 10)

    def test_dead_letters_come_back_to_their_group_only(self):
        for name in ("s@g", "s@h"):
            worker, records = self.taken(name, 10, acked=False)
            worker.say(zf.REJECT, name, "bad", records[4][0], 1)
            worker.ack((self.start, 10))
            worker.settled()
            self.leave(worker)
        self.assertEqual(self.producer().admin("requeue", "s@g", 0)[:2], (0, [1]))
        self.assertEqual([body for _, _, body, _ in self.taken("s@g", 1)[1]], [b"4"])
        self.until_info("s@h", length=0, lag=0)
        self.assertEqual(self.figures("s")["length"], 10)

    def test_what_is_posted_to_a_group_is_for_it_alone_and_goes_first(self):
        self.group("s@h")
        self.posted("s@g", b"own")
        self.assertEqual([body for _, _, body, _ in self.worker("s@g", 1).take()[0]], [b"own"])
        self.assertEqual([self.figures(name)["policy"]["priorities"] for name in ("s@g", "s@h")], [2, 2])
        self.assertEqual(self.figures("s")["length"], 10)
        self.assertEqual([body for _, _, body, _ in self.taken("s@h", 10)[1]], names(0, 10))

    def test_group_may_be_asked(self):
        producer, worker = self.producer(), self.worker("s@g", 1)
        (offset, _, _, _), = worker.take()[0]
        producer.ask("s@g", 1, (b"question", None))
        worker.ack((offset, 1))
        while True:
            ((offset, _, body, _),), wanted = worker.take()
            if wanted:
                break
            worker.ack((offset, 1))  # an event
        self.assertEqual(body, b"question")
        worker.answer(offset, b"answer")
        self.assertEqual(producer.reply(), (1, 0, False, "", b"answer"))

    def test_answers_to_events_are_not_kept(self):
        self.group("s@g", start=zf.NEW)
        self.posted("s", (b"x", {zf.ID: b"i", zf.KEEP_REPLY: True}))
        worker = self.worker("s@g", 1)
        ((offset, _, _, _),), wanted = worker.take()
        self.assertFalse(wanted)
        worker.answer(offset, b"answer")
        self.until_info("s@g", lag=0)
        self.assertEqual(self.producer().fetch(b"i", wait=False)[0], 17)

    def test_purge_passes_over_what_is_there(self):
        worker, _ = self.taken("s@g", 3, acked=False)
        self.assertEqual(self.producer().admin("purge", "s@g")[:2], (0, [7]))
        self.published("s", *numbered(10, 12))
        self.assertEqual([body for _, _, body, _ in self.worker("s@g").take_all(2)], names(10, 12))
        worker.ack((self.start, 3))
        self.until_info("s@g", lag=2)

    def test_what_it_begins_with(self):
        for start, value, left in ((zf.FIRST, 0, 10), (zf.OFFSET, self.start + 4, 6), (zf.LAST, 3, 3), (zf.TIME, 0, 10),
                                   (zf.NEW, 0, 0), (0, 0, 10)):
            name = f"s@g{start}"
            self.group(name, start=start, value=value)
            self.assertEqual(self.figures(name)["lag"], left, name)
        self.published("s", *numbered(10, 11))
        self.assertEqual([body for _, _, body, _ in self.worker("s@g5", 10).take_all(1)], [b"10"])
        self.assertEqual([body for _, _, body, _ in self.worker("s@g2", 10).take_all(7)], names(4, 11))
        self.assertEqual([body for _, _, body, _ in self.worker("s@g4", 10).take_all(4)], names(7, 11))

    def test_without_from_it_begins_with_the_first(self):
        self.group("s@g")
        self.assertEqual(self.figures("s@g")["lag"], 10)

    def test_patterns(self):
        self.group("s@g", patterns=["b.*", "c"])
        self.published("s", (b"b", b"-"), (b"b.x", b"1"), (None, b"-"), (b"c", b"2"), (b"c.d", b"-"))
        worker, records = self.taken("s@g", 2)
        self.assertEqual([(offset - self.start, body) for offset, _, body, _ in records], [(11, b"1"), (13, b"2")])
        self.until_info("s@g", lag=0)
        self.assertEqual(worker.inbox, [])

    def test_one_that_is_there_does_not_change(self):
        self.group("s@g", start=zf.OFFSET, value=self.start + 4, patterns=["a"], policy={"lease_ms": 12345})
        self.group("s@g", start=zf.NEW, patterns=["b"], policy={"lease_ms": 54321})
        info = self.figures("s@g")
        self.assertEqual((info["lag"], info["policy"]["lease_ms"]), (6, 12345))
        self.declare("s@g", lease_ms=54321)
        self.assertEqual([self.figures("s@g")["policy"][key] for key in ("lease_ms", "priorities")], [54321, 2])

    def test_keys_in_order(self):
        self.group("s@g", start=zf.NEW, policy={"ordered": True})
        self.posted("s", *[(b"%d" % i, {zf.KEY: b"k%d" % (i % 2)}) for i in range(6)])
        one, other = self.worker("s@g"), self.worker("s@g")
        found = []

        def done():
            for worker in (one, other):
                worker.settled()
            held = [(worker, record) for worker in (one, other) for record in self.held(worker)]
            self.assertEqual(len({record[3][zf.KEY] for _, record in held}), len(held))  # one of each key
            for worker, record in held:
                found.append(record[2])
                worker.ack((record[0], 1))
            return len(found) == 6

        rig.until(done, "all were delivered")
        self.assertEqual([body for body in found if int(body) % 2], [b"1", b"3", b"5"])
        self.assertEqual([body for body in found if not int(body) % 2], [b"0", b"2", b"4"])

    def held(self, worker):
        records = []
        while any(control[0] == zf.DELIVER for control, _ in worker.inbox):
            records += worker.take()[0]
        return records

    def test_what_can_not_be(self):
        producer = self.posted("q", b"x")
        for code, name, argument in (
            (17, "nowhere@g", {}), (17, "nowhere", {}), (1, "s", {}), (1, "q", {}), (17, "s@", {}), (17, "s@g@h", {}),
            (17, "s@g.dead", {}),
            (1, "s@g", {"from": 6}), (1, "s@g", {"patterns": ["a..b"]}), (18, "s@g", {"patterns": ["a"] * 257}),
            (1, "s@g", {"policy": {"lease_ms": 0}}),
        ):
            self.assertEqual(producer.admin("group", name, argument)[0], code, (name, argument))
        self.assertEqual(producer.admin("trim", "s@g", 1)[0], 17)
        self.assertEqual(producer.admin("group", "s@g", {"colour": "red", "patterns": ["a"] * 256})[0], 0)
        self.assertEqual(producer.admin("trim", "s@g", 1)[0], 1)

    def test_queue_that_waits_for_its_stream_becomes_a_group(self):
        waiting = self.worker("t@g", 10)
        self.posted("t@full", b"x")
        self.declare("t@own")
        self.published("t", *numbered(0, 3))
        self.assertEqual([body for _, _, body, _ in waiting.take_all(3)], names(0, 3))
        self.assertEqual(self.figures("t")["groups"], 1)
        codes = [self.producer().admin("group", name, {})[0] for name in ("t@g", "t@full", "t@own")]
        self.assertEqual(codes, [0, 1, 1])

    def test_last_at_sign_counts(self):
        producer = self.producer()
        self.assertEqual([producer.admin(verb, name, {})[0] for verb, name in
                          (("stream", "x@y"), ("group", "x@y@z"), ("stream", "s@t"))], [0, 0, 1])
        self.assertEqual([self.figures(name)["groups"] for name in ("x@y", "s")], [1, 0])

    def test_what_means_nothing_for_a_group_is_skipped(self):
        self.group("s@g", policy={"max_length": 1, "priorities": 5})
        policy = self.figures("s@g")["policy"]
        self.assertEqual((policy["kind"], policy["priorities"]), (0, 2))
        self.assertEqual(len(self.worker("s@g", 10).take_all(10)), 10)

    def test_forgotten_group_begins_anew(self):
        self.taken("s@g", 5)[0].close()
        self.until_info("s@g", workers=0)
        self.assertEqual(self.producer().admin("forget", "s@g")[0], 0)
        self.assertEqual(self.figures("s")["groups"], 0)
        self.assertEqual([body for _, _, body, _ in self.taken("s@g", 10)[1]], names(0, 10))


class Limits(Groups):
    def test_what_went_before_it_was_read_is_counted(self):
        self.stream("s", max_length=160)
        self.group("s@g")
        producer = self.producer()
        for i in range(0, 1000, 10):
            producer.publish("s", *numbered(i, i + 10))
        left = self.figures("s")["length"]
        records = self.taken("s@g", left)[1]
        self.assertEqual([body for _, _, body, _ in records], names(1000 - left, 1000))
        info = self.figures("s@g")
        self.assertEqual((info["missed"], info["lag"]), (1000 - left, 0))

    def test_what_was_begun_with_stays_when_the_stream_drops_it(self):
        self.stream("s", max_length=160)
        self.published("s", *numbered(0, 10))
        worker, records = self.taken("s@g", 10, acked=False)
        producer = self.producer()
        for i in range(10, 1000, 10):
            producer.publish("s", *numbered(i, i + 10))
        self.assertGreater(self.figures("s")["first"], records[9][0])
        worker.ack((records[0][0], 4))
        worker.settled()
        self.leave(worker)
        again = self.worker("s@g", 6).take_all(6)
        self.assertEqual([body for _, _, body, _ in again], names(4, 10))

    def test_so_many_are_begun_and_not_finished(self):
        producer = self.producer()
        for _ in range(3):
            producer.post("s", *[(b"", None)] * 100000, flags=1)
            producer.outcome()
        worker = self.worker("s@g", 1 << 20)
        first, begun = self.figures("s")["first"], self.count(worker, 65536)
        self.assertLess(begun, 65536 + 8192)
        self.assertEqual(self.figures("s@g")["leased"], begun)
        while begun < 300000:
            worker.ack((first, 40000))
            first += 40000
            more = self.count(worker, min(40000 - 8192, 300000 - begun))
            begun += more
            self.assertLess(more, 40000 + 8192)
        self.assertEqual(begun, 300000)

    def count(self, worker, upto):
        """How many come, once at least so many have; the bodies are not looked at."""
        def arrived():
            worker.settled()
            records = sum(struct.unpack("<I", batch[4:8])[0] for control, batch in worker.inbox
                          if control[0] == zf.DELIVER)
            return records if records >= upto else 0

        records = rig.until(arrived, f"{upto} records")
        worker.inbox.clear()
        return records


class AfterAKill(Groups, Restarted):
    def test_groups_are_where_they_were(self):
        self.published("s", *numbered(0, 20))
        worker, records = self.taken("s@g", 10, acked=False)
        worker.ack((records[0][0], 4), (records[6][0], 1))
        worker.settled()
        self.taken("s@h", 20)
        self.until_info("s@g", acked=5)
        self.durable_upto_now()
        self.restart()
        self.assertEqual(self.figures("s")["groups"], 2)
        again = self.worker("s@g", 20).take_all(15)
        self.assertEqual([self.figures(name)["lag"] for name in ("s@g", "s@h")], [15, 0])
        self.assertEqual(sorted(int(body) for _, _, body, _ in again), [4, 5, *range(7, 20)])
        self.assertEqual({offset for offset, _, _, _ in again if offset < records[9][0] + 1},
                         {records[i][0] for i in (4, 5, 7, 8, 9)})

    def durable_upto_now(self):
        """What is confirmed has everything that was written before it on the disk."""
        self.posted("other", b"x")

    def test_what_they_were_made_with_stays(self):
        self.published("s", *numbered(0, 10), *numbered(10, 20, b"b"))
        start = self.figures("s")["first"]
        self.group("s@g", start=zf.OFFSET, value=start + 5, patterns=["b"], policy={"lease_ms": 12345})
        self.group("s@new", start=zf.NEW)
        self.restart()
        self.published("s", (b"a", b"no"), (b"b", b"20"))
        info = self.figures("s@g")
        self.assertEqual((info["policy"]["lease_ms"], info["policy"]["priorities"]), (12345, 2))
        self.assertEqual([body for _, _, body, _ in self.worker("s@g").take_all(11)], names(10, 21))
        self.assertEqual([body for _, _, body, _ in self.worker("s@new").take_all(2)], [b"no", b"20"])

    def test_attempts_dead_letters_and_own_records_stay(self):
        self.group_of_three()
        self.restart()
        found = {body: attempt for _, attempt, body, _ in self.worker("s@g").take_all(3)}
        self.assertEqual(found, {b"0": 2, b"2": 1, b"own": 1})
        (_, _, body, props), = self.worker("s@g.dead").take_all(1)
        self.assertEqual((body, props[zf.DEATH]), (b"1", ["s@g", "bad", 1]))

    def group_of_three(self):
        """One failed, one is dead, one was not looked at; and one was posted to the group itself."""
        self.published("s", *numbered(0, 3))
        worker, records = self.taken("s@g", 2, acked=False)
        worker.say(zf.NACK, "s@g", 0, records[0][0], 1)
        worker.say(zf.REJECT, "s@g", "bad", records[1][0], 1)
        worker.settled()
        self.leave(worker)
        self.posted("s@g", b"own")

    def test_forgotten_group_stays_away(self):
        self.published("s", *numbered(0, 10))
        self.group("s@g", start=zf.NEW)
        self.group("s@h")
        self.assertEqual(self.producer().admin("forget", "s@g")[0], 0)
        self.restart()
        self.assertEqual(self.producer().admin("queue", "s@g")[0], 17)
        self.assertEqual(self.figures("s")["groups"], 1)


if __name__ == "__main__":
    rig.main()
