"""docs/protocol.md against the real broker, by the peer in zf.py. The program `zferry` is the other
peer where two are needed that were not written by the same hand."""

import glob
import os
import re
import signal
import struct

import rig
import zf

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


class Document(rig.Case):
    """What the document shows is what its rules give, and its numbers are the sources'."""

    def setUp(self):
        self.document = text("docs", "protocol.md")

    def example(self, name):
        block = re.search(r"```hex %s\n(.*?)```" % name, self.document, re.S).group(1)
        return bytes.fromhex(" ".join(re.match("(?:[0-9a-f]{2} ?)+", line).group() for line in block.splitlines()))

    def test_examples_of_commands(self):
        uuid = bytes(range(16))
        self.assertEqual(self.example("hello"), zf.pack([zf.HELLO, 1, uuid, {1: "demo"}]))
        self.assertEqual(self.example("post"), zf.pack([zf.POST, "jobs", 41]))
        self.assertEqual(self.example("confirm"), zf.pack([zf.CONFIRM, "jobs", 41, 2, 0]))
        self.assertEqual(self.example("deliver"), zf.pack([zf.DELIVER, "jobs", 0, 1, 30000, 0]))
        self.assertEqual(self.example("ack"), zf.pack([zf.ACK, "jobs", 0, 2]))

    def test_example_of_a_batch(self):
        records = [(b"hello", None), (b"zferry", {zf.ID: b"order-7", zf.TTL: 60000})]
        self.assertEqual(self.example("batch"), zf.encode_batch(records, 41))

    def test_example_is_understood(self):
        self.broker()
        producer = zf.Producer(self.endpoint, uuid=bytes(range(16))).greet()
        self.addCleanup(producer.close)
        producer.socket.send_multipart([self.example("post"), self.example("batch")])
        self.assertEqual(zf.pack(producer.expect(zf.CONFIRM)[0]), self.example("confirm"))
        worker = zf.Worker(self.endpoint).greet()
        self.addCleanup(worker.close)
        worker.consume("jobs", 1)
        self.assertEqual([body for _, _, body, _ in worker.take()[0]], [b"hello"])
        worker.socket.send_multipart([self.example("ack")])
        worker.consume("jobs", 2)
        self.assertEqual([body for _, _, body, _ in worker.take()[0]], [b"zferry"])

    def test_commands_are_those_of_the_sources(self):
        sources = re.findall(r"ZF_CMD_(\w+) = (\d+)", text("core", "native.h"))
        section = self.document.split("## 3 ")[1].split("## 4 ")[0]
        table = re.findall(r"(?m)^\| (\d+) \| ([A-Z_]+) \|", section)
        self.assertEqual({(name, number) for number, name in table}, set(sources))
        self.assertTrue(all(getattr(zf, name) == int(number) for number, name in table))

    def test_codes_are_those_of_the_sources(self):
        sources = {(int(number), name)
                   for name, number in re.findall(r"ZF_E_(\w+) = -(\d+)", text("include", "zferry", "error.h"))
                   if name != "LAST"}
        section = self.document.split("## 12 ")[1].split("## 13 ")[0]
        table = re.findall(r"(\d+) \| ([A-Z_]+) \|", section)
        self.assertEqual({(int(number), name) for number, name in table}, sources)

    def test_tests_that_guarantees_name_are_there(self):
        folder = os.path.join(ROOT, "tests")
        sources = "".join(text(path) for found in ("*/*.c", "*/*.py") for path in glob.glob(os.path.join(folder, found)))
        cases = set(re.findall(r"static void (\w+) \(void \*\*state\)|def (test_\w+)\(", sources))
        cases = {name for pair in cases for name in pair}
        named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", text("docs", "guarantees.md")))
        self.assertGreater(len(named), 50)
        self.assertEqual(named - cases - {"name_of_a_case", "zf_client_post_many"}, set())

    def test_links_lead_somewhere(self):
        for page in ("README.md", os.path.join("docs", "protocol.md"), os.path.join("docs", "guarantees.md")):
            folder = os.path.dirname(os.path.join(ROOT, page))
            for link in re.findall(r"\]\(([^)#:]+)\)", text(page)):
                self.assertTrue(os.path.exists(os.path.join(folder, link)), f"{page}: {link}")


class Peers(rig.Case):
    # Peers here have one thread, and no heartbeat to spare on a busy machine.
    options = ("--heartbeat", "60s")

    def setUp(self):
        self.broker(*self.options)

    def peer(self, kind=zf.Peer, greet=True, **more):
        peer = kind(self.endpoint, **more)
        self.addCleanup(peer.close)
        return peer.greet() if greet else peer

    def producer(self, **more):
        return self.peer(zf.Producer, **more)

    def worker(self, queue, limit=100, **more):
        return self.peer(zf.Worker, **more).consume(queue, limit)

    def posted(self, queue, *bodies):
        """Posts and waits for the confirms; bodies may be (body, props)."""
        producer = self.producer()
        producer.post(queue, *[body if isinstance(body, tuple) else (body, None) for body in bodies])
        while producer.open:
            self.assertEqual(producer.outcome()[3], 0)
        return producer

    def declare(self, queue, **policy):
        self.assertEqual(self.producer().admin("declare", queue, policy)[0], 0)


class Sessions(Peers):
    def test_probe_is_answered_with_reset_and_hello_with_welcome(self):
        peer = self.peer()
        self.assertEqual(peer.options[2], 60000)
        self.assertEqual(peer.options[3], 60000)
        self.assertEqual((peer.options[4], peer.options[5]), (4 << 20, 16 << 20))

    def test_peer_without_a_probe_is_welcome(self):
        self.peer(probe=False, greet=False).greet(probe=False)

    def test_stranger_is_told_to_say_hello(self):
        peer = self.peer(probe=False, greet=False)
        peer.say(zf.CONSUME, "jobs", 1)
        self.assertEqual(peer.receive(), ([zf.RESET], None))

    def test_hello_of_a_version_too_low(self):
        peer = self.peer(probe=False, greet=False)
        peer.say(zf.HELLO, 0, peer.uuid, {})
        self.assertEqual(peer.receive()[0][:2], [zf.ERROR, 19])

    def test_hello_of_a_higher_version_gets_ours(self):
        peer = self.peer(probe=False, greet=False)
        peer.say(zf.HELLO, 9, peer.uuid, {})
        self.assertEqual(peer.receive()[0][:2], [zf.WELCOME, 1])

    def test_hello_again(self):
        peer = self.peer()
        peer.say(zf.HELLO, 1, peer.uuid, {})
        peer.expect(zf.WELCOME)
        peer.say(zf.HELLO, 1, b"somebody else !!", {})
        self.assertEqual(peer.receive()[0][:2], [zf.ERROR, 5])

    def test_bye_ends_the_session_without_an_answer(self):
        peer = self.peer()
        peer.say(zf.BYE)

        def answered():
            peer.say(zf.PING)
            return peer.socket.poll(50)

        rig.until(answered, "RESET")  # what arrives together with the BYE is not looked at
        self.assertEqual(peer.receive(), ([zf.RESET], None))

    def test_ping_is_answered(self):
        self.peer().settled()

    def test_what_is_wrong_is_an_error_and_ends_the_session_of_a_post(self):
        peer = self.producer()
        good = zf.encode_batch([(b"x", None)], 1)
        wrong = [
            (5, [b"\xc0"]),
            (5, [zf.pack([])]),
            (5, [zf.pack([99])]),
            (5, [zf.pack([zf.WELCOME, 1, b"", {}])]),
            (5, [zf.pack([zf.PING]), b"", b""]),
            (5, [zf.pack([zf.PING, "x" * 65536])]),
            (5, [zf.pack([zf.POST, "q", 1])]),
            (5, [zf.pack([zf.POST, "q"]), good]),
            (5, [zf.pack([zf.POST, 7, 1]), good]),
            (5, [zf.pack([zf.POST, "q", 1]), good[:-1]]),
            (5, [zf.pack([zf.POST, "q", 1]), good + b"x"]),
            (19, [zf.pack([zf.POST, "q", 1]), good[:3] + b"\x02" + good[4:]]),
            (20, [zf.pack([zf.POST, "q", 1]), good[:-1] + b"y"]),
            (5, [zf.pack([zf.POST, "q", 1]), zf.encode_batch([(b"x", None)], 0)]),
            (5, [zf.pack([zf.POST, "q", 1]), zf.encode_batch([(b"x", None)], 1 << 63)]),
            (5, [zf.pack([zf.POST_MANY, 0, 0, ["q", 1]]), good]),
            (1, [zf.pack([zf.CONSUME, "", 1])]),
            (1, [zf.pack([zf.CONSUME, "mmi.service", 1])]),
        ]
        for code, frames in wrong:
            peer.socket.send_multipart(frames)
            self.assertEqual(peer.receive()[0][:2], [zf.ERROR, code], frames)
            if frames[0][1:2] == zf.pack(zf.POST):
                peer.greet()  # a post that can't be read ends the session
        peer.post("q", (b"still here", None))
        self.assertEqual(peer.outcome(), ("q", 1, 1, 0))

    def test_post_with_a_gap_ends_the_session(self):
        peer = self.producer()
        peer.post("gap", (b"1", None))
        self.assertEqual(peer.outcome(), ("gap", 1, 1, 0))
        peer.say(zf.POST, "gap", 2, batch=zf.encode_batch([(b"3", None)], 3))
        peer.greet()
        peer.say(zf.POST, "gap", 2, batch=zf.encode_batch([(b"2", None), (b"3", None)], 2))
        self.assertEqual(peer.expect(zf.CONFIRM)[0], [zf.CONFIRM, "gap", 2, 2, 0])

    def test_post_sent_twice_while_it_waits_is_queued_once(self):
        peer = self.producer()
        peer.admin("declare", "narrow", {"max_length": 1})
        for number in (1, 2, 2):
            peer.say(zf.POST, "narrow", 1, batch=zf.encode_batch([(b"x", None)], number))
        self.assertEqual(peer.expect(zf.CONFIRM)[0], [zf.CONFIRM, "narrow", 1, 1, 0])
        worker = self.peer(zf.Worker)
        worker.consume("narrow", 1)
        for _ in range(2):
            worker.ack((worker.take_all(1)[0][0], 1))
        self.assertEqual(peer.expect(zf.CONFIRM)[0], [zf.CONFIRM, "narrow", 2, 1, 0])
        worker.settled()
        self.assertEqual(peer.admin("queue", "narrow")[1][0]["posted"], 2)

    def test_properties_are_checked(self):
        peer = self.producer()
        wrong = [
            zf.pack({zf.ID: b""}), zf.pack({zf.ID: b"x" * 256}), zf.pack({zf.PRIORITY: 10}),
            zf.pack({zf.FRAMES: [1, 1]}), zf.pack({zf.FRAMES: [0] * 64 + [1]}), zf.pack({zf.HEADERS: {b"": b"x"}}),
            zf.pack({zf.TTL: -1}), zf.pack({"ttl": 1}), zf.pack({zf.TTL: 1}) + b"\xc0",
            b"\x82\x04\x01\x04\x02", b"\x81\x04", b"\xdf\xff\xff\xff\xff", b"\x81\x40" + b"\x91" * 40 + b"\x00",
        ]
        for props in wrong:
            record = struct.pack("<II", 1 | 1 << 31, len(props)) + props + b"x"
            head = struct.pack("<IIIQ", 1, len(record), 1, 1)
            total = struct.pack("<Q", zf.checksum(record, 1, 1, 1))
            peer.say(zf.POST, "q", 1, batch=b"ZFB\x01" + head + total + record)
            self.assertEqual(peer.receive()[0][:2], [zf.ERROR, 5], props)
            peer.greet()

    def test_what_is_not_known_is_skipped(self):
        peer = self.peer(zf.Producer, greet=False)
        self.assertEqual(peer.receive(), ([zf.RESET], None))
        peer.say(zf.HELLO, 1, peer.uuid, {1: "x", 77: [{1: None}], 78: -3}, "more")
        peer.expect(zf.WELCOME)
        props = {zf.KEY: b"k", 99: {b"a": [1, None, True]}}
        peer.say(zf.POST, "q", 1, 0, "more", batch=zf.encode_batch([(b"x", props)], 1))
        self.assertEqual(peer.expect(zf.CONFIRM)[0][1:], ["q", 1, 1, 0])
        self.assertEqual(self.worker("q").take()[0], [(0, 1, b"x", props)])
        self.assertEqual(peer.admin("declare", "p", {"max_attempts": 2, "colour": "red"})[0], 0)
        self.assertEqual(peer.admin("queue", "p")[1][0]["policy"]["max_attempts"], 2)

    def test_settling_what_one_does_not_hold_is_not_answered(self):
        self.posted("q", b"x")
        worker = self.worker("q")
        (number, _, _, _), = worker.take()[0]
        other = self.worker("q")
        other.ack((number, 1), (number + 1, 5))
        other.say(zf.ACK, "nowhere", 0, 1)
        other.settled()
        self.assertEqual(other.inbox, [])
        worker.ack((number, 1))
        self.until_info("q", length=0, acked=1)


class Silence(Peers):
    options = ("--heartbeat", "50ms")

    def test_worker_that_goes_silent_is_told_and_its_records_go_on(self):
        self.posted("q", b"x")
        worker = self.worker("q")
        self.assertEqual(worker.take()[0], [(0, 1, b"x", {})])
        self.assertEqual(worker.receive(), ([zf.RESET], None))
        self.assertEqual(self.worker("q").take()[0], [(0, 2, b"x", {})])


class Posting(Peers):
    def test_records_arrive_as_they_were_posted(self):
        props = {zf.ID: b"i", zf.KEY: b"k", zf.TTL: 3600000, zf.PRIORITY: 9, zf.FRAMES: [1, 0, 2],
                 zf.HEADERS: {b"a": b"1", b"b": b""}, zf.TRACE: b"00-trace"}
        self.posted("q", (b"abc", props), b"", b"x" * 100000)
        records = self.worker("q").take_all(3)
        self.assertEqual([(body, props) for _, _, body, props in records],
                         [(b"abc", props), (b"", {}), (b"x" * 100000, {})])

    def test_large_batch_goes_through_unchanged(self):
        producer = self.producer()
        producer.post("q", *[(b"%04d" % i * 10, None) for i in range(1000)])
        self.assertEqual(producer.outcome(), ("q", 1, 1000, 0))
        worker = self.worker("q", 1000)
        _, batch = worker.expect(zf.DELIVER)
        self.assertEqual(batch, zf.encode_batch([(b"%04d" % i * 10, None) for i in range(1000)], 1))

    def test_sent_again_in_a_new_session_is_confirmed_and_not_queued_again(self):
        first = self.producer()
        first.post("q", (b"a", None), (b"b", None))
        first.settled()  # both are queued; their CONFIRM is lost with the connection
        first.close()
        again = self.producer(uuid=first.uuid)
        again.open, again.next = dict(first.open), first.next
        again.post("q", (b"c", None))
        self.assertEqual(again.outcome(), ("q", 3, 1, 0))
        again.open = {**first.open}
        again.resend()
        self.assertEqual([again.outcome(), again.outcome()], [("q", 1, 1, 0), ("q", 2, 1, 0)])
        self.assertEqual([body for _, _, body, _ in self.worker("q").take_all(3)], [b"a", b"b", b"c"])
        self.assertEqual(self.info("q")["duplicates"], 2)

    def test_refusal_is_told_again_until_it_was_heard_of(self):
        self.declare("q", max_length=1, overflow=1)
        producer = self.producer()
        producer.post("q", (b"a", None), (b"b", None))
        self.assertEqual([producer.outcome(), producer.outcome()], [("q", 1, 1, 0), ("q", 2, 1, 10)])
        again = self.producer(uuid=producer.uuid)
        again.open, again.next = {("q", 2): (b"b", None)}, producer.next  # that outcome was lost
        again.resend()
        self.assertEqual(again.outcome(), ("q", 2, 1, 10))

    def test_post_at_the_cap_waits_for_room(self):
        self.declare("q", max_length=1)
        producer = self.producer()
        producer.post("q", (b"a", None), (b"b", None))
        self.assertEqual(producer.outcome(), ("q", 1, 1, 0))
        producer.settled()
        self.assertEqual(producer.inbox, [])
        worker = self.worker("q")
        worker.ack((worker.take()[0][0][0], 1))
        self.assertEqual(producer.outcome(), ("q", 2, 1, 0))

    def test_id_is_taken_once(self):
        self.posted("q", (b"a", {zf.ID: b"i"}), (b"again", {zf.ID: b"i"}), b"b")
        self.assertEqual([body for _, _, body, _ in self.worker("q").take_all(2)], [b"a", b"b"])

    def test_name_that_is_none_is_refused(self):
        producer = self.producer()
        producer.post("mmi.x", (b"a", None))
        self.assertEqual(producer.outcome(), ("mmi.x", 1, 1, 1))

    def test_several_queues_at_once_or_none(self):
        producer = self.producer()
        self.declare("small", max_length=1)
        batch = zf.encode_batch([(b"1", None), (b"2", None), (b"3", None)], 0)
        producer.say(zf.POST_MANY, 3, 3, ["big", 1, "small", 2], batch=batch)
        self.assertEqual(producer.expect(zf.DONE)[0], [zf.DONE, 3, 10])
        producer.say(zf.POST_MANY, 5, 5, ["big", 2, "small", 1], batch=batch)
        self.assertEqual(producer.expect(zf.DONE)[0], [zf.DONE, 5, 0])
        producer.say(zf.POST_MANY, 5, 5, ["big", 2, "small", 1], batch=batch)
        self.assertEqual(producer.expect(zf.DONE)[0], [zf.DONE, 5, 0])
        producer.say(zf.POST_MANY, 6, 6, ["big", 2], batch=batch)
        self.assertEqual(producer.expect(zf.DONE)[0], [zf.DONE, 6, 5])
        self.assertEqual((self.info("big")["length"], self.info("small")["length"]), (2, 1))


class Working(Peers):
    def test_limit_is_what_a_worker_holds_at_most(self):
        self.posted("q", *[b"%d" % i for i in range(10)])
        worker = self.worker("q", 3)
        records = worker.take_all(3)
        worker.settled()
        self.assertEqual((len(records), worker.inbox), (3, []))
        worker.ack((records[0][0], 3))
        self.assertEqual(len(worker.take_all(3)), 3)

    def test_nack_delivers_again(self):
        self.posted("q", b"x")
        worker = self.worker("q")
        worker.take()
        for delay_ms in (0, 1, -1):
            worker.say(zf.NACK, "q", delay_ms, 0, 1)
            self.assertEqual(worker.take()[0][0][2], b"x")
        self.assertEqual(self.producer().admin("queue", "q")[1][0]["redelivered"], 3)

    def test_release_is_no_attempt_and_goes_first(self):
        self.posted("q", b"a", b"b")
        worker = self.worker("q", 1)
        self.assertEqual(worker.take()[0], [(0, 1, b"a", {})])
        worker.say(zf.RELEASE, "q", 0, 1)
        self.assertEqual(worker.take()[0], [(0, 1, b"a", {})])

    def test_lease_extended_by_nothing_ends_at_once(self):
        self.posted("q", b"x")
        worker = self.worker("q")
        worker.take()
        worker.say(zf.EXTEND, "q", 0, 0, 1)
        self.assertEqual(worker.take()[0], [(0, 2, b"x", {})])

    def test_connection_lost_gives_the_records_back(self):
        self.posted("q", b"a", b"b", b"c")
        worker = self.worker("q")
        records = worker.take_all(3)
        worker.ack((records[1][0], 1))
        worker.settled()
        worker.close()
        self.assertEqual([(attempt, body) for _, attempt, body, _ in self.worker("q").take_all(2)],
                         [(2, b"a"), (2, b"c")])

    def test_rejected_record_is_a_dead_letter_with_its_story(self):
        producer = self.posted("q", (b"x", {zf.HEADERS: {b"a": b"1"}, zf.TTL: 3600000}))
        worker = self.worker("q")
        worker.take()
        worker.say(zf.REJECT, "q", "no good", 0, 1)
        worker.settled()
        code, (ids,), records = producer.admin("peek", "q.dead", [0, 10])
        self.assertEqual((code, ids), (0, [[0, 0]]))
        self.assertEqual(records, [(b"x", {zf.HEADERS: {b"a": b"1"}, zf.DEATH: ["q", "no good", 1]})])
        self.assertEqual(producer.admin("requeue", "q", 0)[1], [1])
        self.assertEqual(worker.take()[0], [(1, 1, b"x", {zf.HEADERS: {b"a": b"1"}})])

    def test_leaving_in_order(self):
        self.posted("q", b"a", b"b")
        worker = self.worker("q")
        records = worker.take_all(2)
        worker.consume("q", 0)
        worker.ack((records[0][0], 1))
        worker.say(zf.RELEASE, "q", records[1][0], 1)
        worker.settled()
        self.assertEqual(worker.inbox, [])
        worker.say(zf.BYE)
        self.until_info("q", length=1, leased=0, acked=1, workers=0)


class Asking(Peers):
    def test_answers_in_parts(self):
        client = self.producer()
        client.ask("s", 7, (b"ping", None))
        worker = self.worker("s")
        records, wanted = worker.take()
        self.assertTrue(wanted)
        worker.answer(records[0][0], b"1", more=True)
        worker.answer(records[0][0], b"2", more=True)
        worker.answer(records[0][0], b"end")
        self.assertEqual([client.reply() for _ in range(3)],
                         [(7, 0, True, "", b"1"), (7, 0, True, "", b"2"), (7, 0, False, "", b"end")])

    def test_large_answer_and_answers_in_one_batch(self):
        client = self.producer()
        client.ask("s", 1, (b"a", None), (b"b", None))
        client.ask("s", 3, (b"c", None))
        worker = self.worker("s")
        records = worker.take_all(3)
        worker.answer(records[2][0], b"x" * 50000)
        both = zf.encode_batch([(b"A", None), (b"B", None)], records[0][0])
        worker.say(zf.ANSWER, "s", False, batch=both)
        self.assertEqual(sorted((client.reply()[0::4] for _ in range(3))), [(1, b"A"), (2, b"B"), (3, b"x" * 50000)])

    def test_ack_is_an_empty_answer_and_reject_says_why(self):
        client = self.producer()
        worker = self.worker("s")
        client.ask("s", 1, (b"a", None), (b"b", None))
        first = worker.take()[0][0][0]
        worker.ack((first, 1))
        worker.say(zf.REJECT, "s", "no good", first + 1, 1)
        self.assertEqual([client.reply(), client.reply()], [(1, 0, False, "", b""), (2, 15, False, "no good", None)])

    def test_request_that_does_not_wait(self):
        client = self.producer()
        client.ask("s", 1, (b"a", None), flags=1)
        self.assertEqual(client.reply()[:3], (1, 12, False))
        worker = self.worker("s", 1)
        worker.settled()
        client.ask("s", 2, (b"a", None), flags=1)
        worker.take()
        client.ask("s", 3, (b"a", None), flags=1)
        self.assertEqual(client.reply()[:3], (3, 11, False))

    def test_request_expires(self):
        client = self.producer()
        client.ask("s", 1, (b"a", None), ttl_ms=1)
        client.ask("s", 2, (b"a", {zf.TTL: 1}), ttl_ms=3600000)
        self.assertEqual(sorted([client.reply()[:3], client.reply()[:3]]), [(1, 13, False), (2, 13, False)])

    def test_request_sent_again_while_it_waits_is_skipped(self):
        client = self.producer()
        client.ask("s", 1, (b"a", None))
        client.ask("s", 1, (b"a", None))
        worker = self.worker("s")
        worker.answer(worker.take()[0][0][0], b"A")
        self.assertEqual(client.reply()[4], b"A")
        worker.settled()
        self.assertEqual((worker.inbox, self.info("s")["posted"]), ([], 1))

    def test_answer_finds_its_client_on_a_new_connection(self):
        client = self.producer()
        client.ask("s", 1, (b"a", None))
        worker = self.worker("s")
        number = worker.take()[0][0][0]
        again = self.producer(uuid=client.uuid)  # while the old connection is still there
        again.ask("s", 1, (b"a", None))
        again.settled()
        worker.answer(number, b"A")
        self.assertEqual(again.reply()[4], b"A")
        client.say(zf.PING)
        self.assertEqual(client.receive(), ([zf.RESET], None))

    def test_client_of_the_document_and_worker_of_the_library(self):
        self.start("serve", "s", "--exec", "tr a-z A-Z", "--connect", self.endpoint)
        client = self.producer()
        client.ask("s", 1, (b"hello", None))
        self.assertEqual(client.reply(), (1, 0, False, "", b"HELLO"))

    def test_worker_of_the_document_and_client_of_the_library(self):
        client = self.start("request", "s", "hello", "--connect", self.endpoint)
        worker = self.worker("s")
        (number, _, body, _), = worker.take()[0]
        worker.answer(number, body[::-1])
        self.assertEqual((client.wait(), client.out.text()), (0, "olleh"))


class Keeping(Peers):
    """Answers that are kept (7)."""

    def test_answer_is_fetched_by_anybody_until_it_is_forgotten(self):
        self.producer().submit("s", b"r1", b"hello")
        client = self.producer()
        self.assertEqual(client.fetch(b"r1", wait=False)[0], 3)
        self.assertEqual(client.fetch(b"r1", forget=True)[0], 11)
        client.say_fetch(1, b"r1")
        worker = self.worker("s")
        ((number, _, body, props),), wanted = worker.take()
        self.assertEqual((body, props, wanted), (b"hello", {zf.ID: b"r1", zf.KEEP_REPLY: True}, True))
        worker.say(zf.ANSWER, "s", False, batch=zf.encode_batch(
            [(b"world", {zf.HEADERS: {b"n": b"1"}, zf.FRAMES: [2, 3], zf.TTL: 1, zf.KEY: b"k"})], number))
        kept = {zf.ID: b"r1", zf.KEEP_REPLY: True, zf.HEADERS: {b"n": b"1"}, zf.FRAMES: [2, 3]}
        self.assertEqual(client.fetched(), (1, 0, "", (b"world", kept)))
        self.assertEqual(self.producer().fetch(b"r1", wait=False), (0, "", (b"world", kept)))
        self.assertEqual(client.fetch(b"r1", forget=True), (0, "", None))
        self.assertEqual(client.fetch(b"r1")[::2], (17, None))

    def test_known_id_is_confirmed_and_not_queued(self):
        client = self.producer()
        client.submit("s", b"r1", b"first")
        client.submit("elsewhere", b"r1", b"second")
        self.assertEqual(client.admin("queue", "elsewhere")[1][0]["length"], 0)
        worker = self.worker("s")
        worker.answer(worker.take()[0][0][0], b"x")
        self.assertEqual(client.fetch(b"r1")[2][0], b"x")
        client.submit("elsewhere", b"r1", b"third")
        self.assertEqual(client.admin("queue", "elsewhere")[1][0]["length"], 0)

    def test_outcomes_that_are_no_answers(self):
        client = self.producer()
        worker = self.worker("s")
        self.declare("once", max_attempts=1)
        client.submit("s", b"r1", b"x")
        worker.say(zf.REJECT, "s", "will not", worker.take()[0][0][0], 1)
        self.assertEqual(client.fetch(b"r1"), (15, "will not", None))
        client.post("s", (b"x", {zf.ID: b"r2", zf.KEEP_REPLY: True, zf.DELAY: 60000, zf.TTL: 1}))
        client.outcome()
        self.assertEqual(client.fetch(b"r2")[::2], (13, None))
        client.submit("once", b"r3", b"x")
        worker = self.worker("once")
        worker.say(zf.NACK, "once", 0, worker.take()[0][0][0], 1)
        self.assertEqual(client.fetch(b"r3")[::2], (14, None))
        code, _, records = client.admin("peek", "zf.replies", [0, 10])
        self.assertEqual((code, [props[zf.DEATH][0] for _, props in records]), (0, ["s", "s", "once"]))
        client.submit("nobody", b"r4", b"x")
        self.assertEqual(client.admin("purge", "nobody")[1], [1])
        self.assertEqual(client.fetch(b"r4")[::2], (15, None))

    def test_session_waits_for_an_id_once(self):
        client = self.producer()
        client.submit("s", b"r1", b"x")
        client.say_fetch(1, b"r1")
        client.say_fetch(2, b"r1")
        self.assertEqual(client.fetched()[:2], (1, 3))
        worker = self.worker("s")
        worker.say(zf.ACK, "s", worker.take()[0][0][0], 1)
        self.assertEqual(client.fetched(), (2, 0, "", (b"", {zf.ID: b"r1", zf.KEEP_REPLY: True})))

    def test_fetch_that_is_malformed(self):
        client = self.producer()
        for wrong in ([], [1], [1, b"", True, False], [1, b"x" * 256, True, False], [1, b"x", 7, False]):
            client.say(zf.FETCH, *wrong)
            self.assertEqual(client.receive()[0][:2], [zf.ERROR, 5])
        self.assertEqual(client.fetch(b"x")[0], 17)

    def test_majordomo_may_ask_for_it(self):
        client = self.producer()
        client.submit("s", b"r1", b"x")
        worker = self.worker("s")
        worker.answer(worker.take()[0][0][0], b"y")
        self.assertEqual(client.fetch(b"r1")[0], 0)
        other = self.peer(greet=False, probe=False)
        other.socket.send_multipart([b"MDPC02", b"\x01", b"titanic.reply", b"r1"])
        self.assertTrue(other.socket.poll(zf.DEADLINE_MS))
        self.assertEqual(other.socket.recv_multipart(), [b"MDPC02", b"\x03", b"titanic.reply", b"200", b"y"])

    def test_answer_survives_the_broker_with_a_journal(self):
        self.journal = os.path.join(self.folder(), "journal")
        del self.endpoint
        broker = self.durable_broker(*self.options)
        client = self.producer()
        self.assertEqual(client.options[6], 1)
        source = client.options[7]
        client.submit("s", b"r1", b"x")
        client.submit("s", b"r2", b"y")
        worker = self.worker("s", 1)
        worker.answer(worker.take()[0][0][0], b"z")
        self.assertEqual(client.fetch(b"r1")[2][0], b"z")
        broker.signal(signal.SIGKILL)
        broker.wait()
        self.durable_broker(*self.options)
        client = self.producer()
        self.assertEqual(client.options[7], source)
        self.assertEqual(client.fetch(b"r1")[2][0], b"z")
        worker = self.worker("s", 1)
        worker.answer(worker.take()[0][0][0], b"zz")
        self.assertEqual(client.fetch(b"r2")[2][0], b"zz")


class Admin(Peers):
    def test_names_of_info_and_policy_are_those_of_the_document(self):
        self.posted("q", b"x")
        info = self.producer().admin("queue", "q")[1][0]
        section = text("docs", "protocol.md").split("## 11 ")[1].split("## 12 ")[0]
        written = set(re.findall(r"`([a-z_]+)`", section.split("*policy* is")[1]))
        self.assertEqual(set(info) | set(info["policy"]), written)
        self.assertEqual((info["name"], info["length"], info["declared"]), ("q", 1, False))

    def test_queues_in_one_or_several_results(self):
        client = self.producer()
        self.assertEqual(client.admin("queues"), (0, [[]], []))
        client.say(zf.POST_MANY, 1, 1, [item for i in range(500) for item in (f"q{i}", 1)],
                   batch=zf.encode_batch([(b"x", None)] * 500, 0))
        self.assertEqual(client.expect(zf.DONE)[0], [zf.DONE, 1, 0])
        code, lists, _ = client.admin("queues")
        self.assertEqual((code, len({info["name"] for part in lists for info in part})), (0, 500))
        self.assertGreater(len(lists), 1)

    def test_peek_purge_discard_and_stats(self):
        client = self.posted("q", *[b"%d" % i for i in range(5)])
        code, (ids,), records = client.admin("peek", "q", [2, 2])
        self.assertEqual((code, ids, [body for body, _ in records]), (0, [[2, 0], [3, 0]], [b"2", b"3"]))
        self.assertEqual(client.admin("purge", "q")[1], [5])
        self.assertEqual(client.admin("peek", "q", [0, 2]), (0, [[]], []))
        self.assertEqual(client.admin("discard", "q", 0)[1], [0])
        self.assertGreater(client.admin("stats")[1][0]["messages_in"], 0)

    def test_what_can_not_be_done_has_a_code(self):
        client = self.posted("q", b"x")
        self.assertEqual(client.admin("queue", "nowhere")[0], 17)
        self.assertEqual(client.admin("no such verb")[0], 1)
        self.assertEqual(client.admin("declare", "q", {"lease_ms": 0})[0], 1)
        self.assertEqual(client.admin("declare", "q", {"priorities": 3})[0], 1)
        self.assertEqual(client.admin("peek", "q", 7)[0], 5)
        client.say(zf.ADMIN, 9)
        self.assertEqual(client.expect(zf.RESULT)[0][:3], [zf.RESULT, 9, 5])


if __name__ == "__main__":
    rig.main()
