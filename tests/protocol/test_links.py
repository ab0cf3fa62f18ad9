"""Section 17 of docs/protocol.md, both ends of a link, against the real broker."""

import os

import rig
import zf
from test_protocol import Peers

PATH = [bytes(16), "far"]  # of a source that is not here


class Target(Peers):
    """What a broker does with the posts of a link."""

    def link(self, uuid, path=PATH, queue="q"):
        """A new session of this identity: the peer, and what LINKED says."""
        peer = self.peer(zf.Producer, uuid=uuid)
        peer.say(zf.LINK, queue, path)
        (_, linked, last, code, text), _ = peer.expect(zf.LINKED)
        self.assertEqual(linked, queue)
        peer.last = last
        return peer, last, code, text

    def linked(self, uuid, last):
        """The same, which must say that this is the last number taken."""
        peer, told, code, _ = self.link(uuid)
        self.assertEqual((told, code), (last, 0))
        return peer

    def post(self, peer, first, *bodies):
        peer.say(zf.POST, "q", peer.last + 1, batch=zf.encode_batch([(body, None) for body in bodies], first))

    def outcomes(self, peer, count):
        """The codes of the next so many records, by number."""
        codes = {}
        while len(codes) < count:
            (_, _, first, n, code), _ = peer.expect(zf.CONFIRM)
            codes.update((number, code) for number in range(first, first + n))
        return codes

    def bodies(self, count):
        records = self.worker("q").take_all(count)
        return [body for _, _, body, _ in records]

    def declare(self, **policy):
        self.assertEqual(self.producer().admin("declare", "q", policy)[0], 0)

    def test_numbers_may_have_gaps_and_the_last_is_remembered(self):
        uuid = os.urandom(16)
        peer = self.linked(uuid, 0)
        self.post(peer, 5, b"a", b"b")
        self.post(peer, 100, b"c")
        self.assertEqual(self.outcomes(peer, 3), {5: 0, 6: 0, 100: 0})
        peer.close()
        self.linked(uuid, 100)
        self.linked(os.urandom(16), 0)
        self.assertEqual(self.bodies(3), [b"a", b"b", b"c"])

    def test_record_sent_again_is_confirmed_and_not_queued(self):
        uuid = os.urandom(16)
        peer = self.linked(uuid, 0)
        self.post(peer, 1, b"a")
        self.outcomes(peer, 1)
        self.post(peer, 1, b"a", b"b")
        self.assertEqual(self.outcomes(peer, 2), {1: 0, 2: 0})
        self.assertEqual(self.bodies(2), [b"a", b"b"])

    def refused(self, code, second, **policy):
        """A session in which the second record is refused, and more is sent behind it."""
        self.declare(overflow=1, **policy)
        uuid = os.urandom(16)
        peer = self.linked(uuid, 0)
        self.post(peer, 1, b"a")
        self.post(peer, 2, second, b"c")
        self.assertEqual(self.producer().admin("declare", "q", {"overflow": 1})[0], 0)  # there is room now
        self.post(peer, 4, b"d")
        codes = self.outcomes(peer, 4)
        self.assertEqual((codes[1], codes[2]), (0, code))
        self.assertNotIn(codes[3], (0, 9))  # they may come yet, and only after the second
        self.assertNotIn(codes[4], (0, 9))
        peer.close()
        return uuid

    def test_nothing_overtakes_what_a_full_queue_refused(self):
        peer = self.linked(self.refused(10, b"b", max_length=1), 1)
        self.post(peer, 2, b"b", b"c", b"d")
        self.assertEqual(self.outcomes(peer, 3), {2: 0, 3: 0, 4: 0})
        self.assertEqual(self.bodies(4), [b"a", b"b", b"c", b"d"])

    def test_refused_record_that_left_its_source_holds_nothing_up(self):
        peer = self.linked(self.refused(10, b"b", max_length=1), 1)
        self.post(peer, 3, b"c", b"d")
        self.assertEqual(self.outcomes(peer, 2), {3: 0, 4: 0})

    def test_record_that_never_fits_is_not_taken_for_one_that_is_there(self):
        peer = self.linked(self.refused(9, bytes(2000), max_bytes=1000), 1)
        self.post(peer, 3, b"c", b"d")
        self.assertEqual(self.outcomes(peer, 2), {3: 0, 4: 0})
        self.assertEqual(self.bodies(3), [b"a", b"c", b"d"])

    def test_loop_is_refused(self):
        own = self.producer().options[7]
        self.assertEqual(len(own), 16)
        for path in ([own, "q"], PATH + [own, "q"], [own, "other", own, "q"]):
            _, _, code, text = self.link(os.urandom(16), path)
            self.assertEqual(code, 1)
            self.assertIn("loop", text)
        self.assertEqual(self.link(os.urandom(16), [own, "other"])[2], 0)

    def test_upstreams_are_those_of_the_links_that_are_here(self):
        client = self.producer()
        self.assertEqual(client.admin("upstreams", "q")[0], 17)
        one, _, _, _ = self.link(os.urandom(16), [b"1" * 16, "a"])
        two, _, _, _ = self.link(os.urandom(16), [b"2" * 16, "b", b"3" * 16, "c"])
        self.assertEqual(client.admin("upstreams", "q"), (0, [[b"1" * 16, "a", b"2" * 16, "b", b"3" * 16, "c"]], []))
        two.say(zf.LINK, "q", [b"4" * 16, "d"])
        two.expect(zf.LINKED)
        one.say(zf.BYE)
        rig.until(lambda: client.admin("upstreams", "q")[1] == [[b"4" * 16, "d"]], "one is gone")

    def test_malformed_link_is_an_error(self):
        for path in ([], [bytes(16)], [bytes(15), "a"], [bytes(16), ""], "q"):
            peer = self.peer(zf.Producer)
            peer.say(zf.LINK, "q", path)
            self.assertEqual(peer.expect(zf.ERROR)[0][1], 5)


class Source(Peers):
    """What a broker gives to a link."""

    def drain(self, queue="q", limit=1000):
        return self.peer(zf.Worker).consume(queue, limit, 1)

    def post_waiting(self):
        """Records that wait for all sorts of things, among some that do not."""
        self.posted("q", b"0", (b"1", {zf.DELAY: 3600000}), b"2", (b"3", {zf.TTL: 3600000}), b"4")
        worker = self.worker("q", 1)
        (number, _, body, _), = worker.take()[0]
        self.assertEqual(body, b"0")
        worker.say(zf.NACK, "q", 3600000, number, 1)
        worker.settled()
        worker.close()

    def test_all_come_in_order_with_what_is_left_of_their_times(self):
        self.post_waiting()
        records = self.drain().take_all(5)
        self.assertEqual([(number, body) for number, _, body, _ in records],
                         [(i, b"%d" % i) for i in range(5)])
        self.assertTrue(3500000 < records[0][3][zf.DELAY] <= 3600000)
        self.assertTrue(3500000 < records[1][3][zf.DELAY] <= 3600000)
        self.assertTrue(3500000 < records[3][3][zf.TTL] <= 3600000)
        self.assertEqual(records[4][3], {})

    def test_they_wait_as_before_when_the_session_ends(self):
        self.post_waiting()
        link = self.drain()
        link.take_all(5)
        link.ack((2, 1))
        link.settled()
        link.close()
        again = self.drain
        client = self.producer()
        rig.until(lambda: client.admin("queue", "q")[1][0]["workers"] == 0, "the link is gone")
        info = client.admin("queue", "q")[1][0]
        self.assertEqual((info["length"], info["leased"], info["delayed"]), (4, 0, 2))
        self.assertEqual([(number, attempt) for number, attempt, _, _ in again().take_all(4)][2:],
                         [(3, 1), (4, 1)])

    def test_it_is_the_only_consumer(self):
        self.posted("q", b"x")
        worker = self.worker("q")
        worker.take()
        link = self.drain()
        self.assertEqual(link.expect(zf.ERROR)[0][1], 11)
        worker.close()
        client = self.producer()
        rig.until(lambda: client.admin("queue", "q")[1][0]["workers"] == 0, "the worker is gone")
        self.drain().take_all(1)
        late = self.worker("q")
        self.assertEqual(late.expect(zf.ERROR)[0][1], 11)

    def test_queue_with_priorities_is_not_drained(self):
        self.producer().admin("declare", "q", {"priorities": 2})
        self.assertEqual(self.drain().expect(zf.ERROR)[0][1], 1)

    def test_limit_bounds_what_is_held(self):
        self.posted("q", *[b"%d" % i for i in range(10)])
        link = self.drain(limit=3)
        self.assertEqual(len(link.take_all(3)), 3)
        link.settled()
        self.assertEqual(link.inbox, [])
        link.ack((0, 2))
        self.assertEqual([number for number, _, _, _ in link.take_all(2)], [3, 4])


if __name__ == "__main__":
    rig.main()
