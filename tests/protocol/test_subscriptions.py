"""Section 18 of docs/protocol.md against the real broker: subscriptions, and who waits for them."""

import time

import rig
import zf
from test_streams import Restarted, Streams, names, numbered


class Beginnings(Streams):
    def setUp(self):
        super().setUp()
        self.published("s", *[(b"a" if n % 2 else b"b", b"%d" % n) for n in range(10)])
        self.start = self.figures("s")["first"]

    def begin(self, start, value=0, *patterns):
        """Where a subscription begins, and the missed that it is told."""
        code, position, first, missed = self.told(start, value, *patterns)
        self.assertEqual((code, first), (0, self.figures("s")["first"]))
        return position - self.start, missed

    def told(self, start, value, *patterns):
        subscriber = self.peer(zf.Subscriber)
        subscriber.say_subscribe(1, "s", *patterns, start=start, value=value)
        return subscriber.subscribed()

    def test_each_of_them(self):
        self.assertEqual(self.begin(0), (10, 0))
        self.assertEqual(self.begin(zf.NEW), (10, 0))
        self.assertEqual(self.begin(zf.FIRST, 7), (0, 0))
        self.assertEqual(self.begin(zf.OFFSET, self.start + 3), (3, 0))
        self.assertEqual(self.begin(zf.OFFSET, self.start + 10), (10, 0))
        self.assertEqual(self.begin(zf.TIME, 0), (0, 0))
        self.assertEqual(self.begin(zf.TIME, int(time.time() * 1000) + 3600000), (10, 0))
        self.assertEqual(self.begin(zf.LAST, 3), (7, 0))
        self.assertEqual(self.begin(zf.LAST, 0), (10, 0))
        self.assertEqual(self.begin(zf.LAST, 100), (0, 0))

    def test_last_counts_what_matches(self):
        for count in (1, 2, 5):
            subscriber = self.subscriber("s", "a", start=zf.LAST, value=count)
            self.assertEqual([body for _, body, _ in subscriber.take(count)],
                             [b"%d" % n for n in range(11 - 2 * count, 10, 2)])

    def test_offset_that_is_gone_is_counted(self):
        self.assertEqual(self.producer().admin("purge", "s")[:2], (0, [10]))
        self.published("s", *numbered(10, 12))
        self.assertEqual(self.begin(zf.OFFSET, self.start + 4), (10, 6))
        self.assertEqual(self.begin(zf.FIRST), (10, 0))

    def test_offset_that_is_not_there_yet(self):
        self.assertEqual(self.begin(zf.OFFSET, self.start + 1000), (10, 0))
        self.assertEqual(self.begin(zf.OFFSET, (1 << 64) - 1), (10, 0))

    def test_time_of_a_chunk(self):
        self.stream("t", max_length=16)  # so that a chunk has one or two records
        producer, watcher = self.producer(), self.subscriber("t")
        came = []
        for i in range(8):
            producer.publish("t", (b"a", b"%d" % i))
            came.append(watcher.raw_events().time)
            # The broker's clock may be a millisecond behind ours, and it gives one more for that.
            rig.until(lambda: int(time.time() * 1000) > came[-1] + 3, "the clock goes on")
        self.assertEqual(came, sorted(set(came)))
        self.assertLess(abs(came[0] - time.time() * 1000), 60000)
        for i in range(8):
            first = int(self.subscriber("t", start=zf.TIME, value=came[i]).take(1)[0][1])
            self.assertIn(first, (i - 1, i))
            if i < 7:
                behind = self.subscriber("t", start=zf.TIME, value=came[i] + 1).take(1)[0][1]
                self.assertIn(int(behind), (i - 1, i, i + 1))

    def test_what_is_no_beginning(self):
        subscriber = self.peer(zf.Subscriber)
        for control in ([zf.SUBSCRIBE, 1, "s", 6, 0, 0, 0, []], [zf.SUBSCRIBE, 1, "s", 1, 0, 0, 0],
                        [zf.SUBSCRIBE, 1, "s", 1, 0, 0, 0, [7]], [zf.SUBSCRIBE, "x", "s", 1, 0, 0, 0, []],
                        [zf.READ, 1], [zf.UNSUBSCRIBE], [zf.AWAIT, 1, "s", "a", 1]):
            subscriber.say(*control)
            self.assertEqual(subscriber.receive()[0][:2], [zf.ERROR, 5], control)


class Subscriptions(Streams):
    def test_what_is_posted_once_it_is_in_force_comes(self):
        self.published("s", *numbered(0, 3))
        subscriber = self.subscriber("s", start=zf.NEW)
        self.published("s", *numbered(3, 6))
        self.assertEqual([body for _, body, _ in subscriber.take(3)], names(3, 6))

    def test_stream_that_is_not_there(self):
        subscriber = self.peer(zf.Subscriber)
        subscriber.say_subscribe(1, "s")
        self.assertEqual(subscriber.subscribed(), (17, 0, 0, 0))
        subscriber.subscribe("s", flags=1)
        self.published("s", (b"a", b"x"))
        self.assertEqual(subscriber.take(1)[0][1], b"x")

    def test_events_follow_on(self):
        producer = self.producer()
        subscriber = self.subscriber("s", "a", start=zf.NEW, flags=1)
        position, seen = subscriber.open[1].position, 0
        for i in range(50):
            producer.publish("s", (b"a", b"x"), (b"b", b"y"))
        while seen < 50:
            events = subscriber.raw_events()
            self.assertEqual(events.begin, position)
            self.assertLess(position, events.end)
            self.assertTrue(all(events.begin <= offset < events.end for offset, _, _ in events.records))
            position, seen = events.end, seen + len(events.records)

    def test_one_that_has_the_number_is_replaced(self):
        self.published("s", (b"a", b"a"), (b"b", b"b"))
        subscriber = self.subscriber("s", "a")
        subscriber.take(1)
        subscriber.subscribe("s", "b")
        self.assertEqual(subscriber.take(1)[0][1], b"b")
        self.assertTrue(subscriber.nothing_else())
        self.assertEqual(self.figures("s")["subscribers"], 1)

    def test_what_is_refused_replaces_as_well(self):
        subscriber = self.subscriber("s", flags=1)
        subscriber.say_subscribe(1, "s", "a..b")
        self.assertEqual(subscriber.subscribed()[0], 1)
        self.assertEqual(self.figures("s")["subscribers"], 0)

    def test_each_number_is_one_of_its_own(self):
        self.published("s", (b"a", b"a"), (b"b", b"b"))
        largest = (1 << 64) - 1
        subscriber = self.subscriber("s", "a", number=0).subscribe("s", "b", number=largest).subscribe("s", number=7)
        self.assertEqual([subscriber.take(count, number)[0][1] for number, count in ((largest, 1), (0, 1), (7, 2))],
                         [b"b", b"a", b"a"])

    def test_unsubscribed_hears_nothing_more(self):
        subscriber = self.subscriber("s", flags=1).subscribe("s", number=2)
        subscriber.say(zf.UNSUBSCRIBE, 1)
        subscriber.say(zf.UNSUBSCRIBE, 99)
        subscriber.say(zf.READ, 99, 7)
        subscriber.settled()
        self.published("s", (b"a", b"x"))
        self.assertEqual(len(subscriber.take(1, 2)), 1)
        subscriber.settled()
        self.assertEqual(subscriber.inbox, [])
        self.assertEqual(self.figures("s")["subscribers"], 1)

    def test_a_session_has_so_many(self):
        subscriber = self.peer(zf.Subscriber)
        for number in range(1024):
            subscriber.say_subscribe(number, "s", flags=1)
        self.assertEqual({subscriber.subscribed(number)[0] for number in range(1024)}, {0})
        subscriber.say_subscribe(1024, "s")
        self.assertEqual(subscriber.subscribed(1024)[0], 18)
        subscriber.subscribe("s", number=3)

    def test_lost_messages_are_noticed_and_had_again(self):
        producer = self.producer()
        subscriber = self.subscriber("s", flags=1)
        found = []
        for i in range(30):
            producer.publish("s", (b"a", b"%d" % i))
            if i % 10 == 5:
                subscriber.raw_events()  # it is lost
            else:
                found += subscriber.events()
        found += subscriber.take(30 - len(found))
        self.assertEqual([body for _, body, _ in found], names(0, 30))
        self.assertEqual((subscriber.open[1].refills, subscriber.open[1].missed), (3, 0))

    def test_next_session_goes_on_where_the_last_one_was(self):
        producer = self.published("s", *numbered(0, 10))
        first = self.subscriber("s", "a")
        self.assertEqual(len(first.take(10)), 10)
        first.close()
        producer.publish("s", *numbered(10, 20))
        again = self.peer(zf.Subscriber, uuid=first.uuid)
        self.assertEqual(again.options[7], first.options[7])
        again.open = first.open
        again.resume()
        self.assertEqual([body for _, body, _ in again.take(10)], names(10, 20))
        self.assertEqual(again.open[1].missed, 0)
        self.until_info("s", subscribers=1)

    def test_ends_with_its_session(self):
        subscriber = self.subscriber("s", flags=1)
        self.assertEqual(self.figures("s")["subscribers"], 1)
        subscriber.say(zf.BYE)
        self.until_info("s", subscribers=0)

    def test_large_batch_goes_through_unchanged(self):
        producer = self.producer()
        records = [(b"%04d" % i * 10, {zf.TOPIC: b"t"}) for i in range(1000)]
        producer.post("s", *records, flags=1)
        producer.outcome()
        subscriber = self.subscriber("s")
        self.assertEqual(subscriber.expect(zf.EVENTS)[1], zf.encode_batch(records, 1))


class Windows(Streams):
    def posted_bytes(self, count, size):
        producer = self.producer()
        for _ in range(count):
            producer.publish("s", (b"a", bytes(size)))

    def arrived(self, subscriber, size=0, count=0):
        """The EVENTS that come without a READ: so many bytes of batches, or so many of them, and what else there is."""
        found = []
        while sum(each.size for each in found) < size or len(found) < count or not subscriber.nothing_else():
            found.append(subscriber.raw_events())
        return found

    def test_no_more_than_the_window_is_under_way(self):
        self.posted_bytes(300, 10000)
        for window, allowed in ((0, 65536), (65536, 65536), (200000, 200000)):
            sizes = [each.size for each in self.arrived(self.subscriber("s", window=window), size=allowed)]
            self.assertLess(sum(sizes[:-1]), allowed)

    def test_read_makes_room(self):
        self.posted_bytes(300, 10000)
        subscriber = self.subscriber("s", window=65536)
        events = self.arrived(subscriber, size=65536)
        subscriber.say(zf.READ, 1, events[0].end)
        self.assertEqual(len(self.arrived(subscriber, count=1)), 1)
        subscriber.say(zf.READ, 1, events[0].end)  # that was read already
        self.assertEqual(self.arrived(subscriber), [])
        self.assertEqual(len(self.subscriber("s", window=65536).take(300)), 300)

    def test_one_goes_in_any_case(self):
        self.posted_bytes(2, 1000000)
        subscriber = self.subscriber("s", window=65536)
        self.assertEqual(len(self.arrived(subscriber, count=1)), 1)

    def test_so_many_events_are_under_way(self):
        subscriber = self.subscriber("s", start=zf.NEW, flags=1)
        self.posted_bytes(1100, 1)
        events = self.arrived(subscriber, count=1024)
        self.assertEqual((len(events), sum(len(each.records) for each in events)), (1024, 1024))
        subscriber.say(zf.READ, 1, events[-1].end)
        self.assertEqual(sum(len(each.records) for each in self.arrived(subscriber, count=1)), 76)

    def test_who_does_not_read_costs_nobody_and_is_told_what_it_missed(self):
        self.stream("s", max_length=160)
        slow, other = self.subscriber("s", window=65536), self.subscriber("s")
        producer = self.producer()
        for i in range(100):
            producer.publish("s", *[(b"a", b"%d " % n + bytes(1000)) for n in range(10 * i, 10 * i + 10)])
            self.assertEqual(len(other.take(10)), 10)
        numbers, position = [], slow.open[1].position
        while slow.open[1].position < position + 1000:
            numbers += [int(body.split()[0]) for _, body, _ in slow.events()]
            slow.read()
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(numbers[-1], 999)
        self.assertEqual(slow.open[1].missed, 1000 - len(numbers))
        self.assertGreater(slow.open[1].missed, 0)
        self.assertEqual(slow.open[1].position, position + 1000)
        self.assertEqual(other.open[1].missed, 0)


    def test_gap_is_told_though_nothing_behind_it_matches(self):
        self.stream("s", max_length=160)
        subscriber, producer = self.subscriber("s", "a", window=65536), self.producer()
        for i in range(0, 300, 10):
            producer.publish("s", *[(b"a", bytes(1000))] * 10)
        for i in range(0, 1000, 10):
            producer.publish("s", *numbered(i, i + 10, b"b"))
        count, first = 0, self.figures("s")["first"]
        while subscriber.open[1].position < first:
            found = subscriber.events()  # the last of these has no batch
            count += len(found)
            subscriber.read()
        self.assertEqual(found, [])
        self.assertIn(count, range(1, 300))
        self.assertGreaterEqual(subscriber.open[1].missed, 300 - count)


class Silence(Streams):
    options = ("--heartbeat", "50ms")

    def test_subscriber_that_goes_silent_is_told(self):
        self.producer().admin("stream", "s")
        subscriber = self.subscriber("s")
        self.assertEqual(subscriber.receive(), ([zf.RESET], None))
        self.until_info("s", subscribers=0)


class Awaiting(Streams):
    def test_result_comes_when_there_are_so_many(self):
        producer = self.producer()
        producer.say_await(1, "s", "a.b", 2, flags=1)
        self.subscriber("s", "a.*")
        self.subscriber("s", "b.*")
        producer.settled()
        self.assertEqual(producer.inbox, [])
        self.subscriber("s")
        self.assertEqual(producer.awaited(1), (0, 2))
        producer.say_await(2, "s", "b.b", 1)
        self.assertEqual(producer.awaited(2), (0, 2))

    def test_groups_count(self):
        producer = self.producer()
        producer.admin("stream", "s")
        producer.say_await(1, "s", "a", 1)
        producer.admin("group", "s@other", {"patterns": ["b"]})
        producer.settled()
        self.assertEqual(producer.inbox, [])
        self.assertEqual(self.producer().admin("group", "s@g", {"patterns": ["a"]})[0], 0)
        self.assertEqual(producer.awaited(1), (0, 1))

    def test_stream_that_is_not_there(self):
        producer = self.producer()
        producer.say_await(1, "s", "a", 0)
        self.assertEqual(producer.awaited(1)[0], 17)

    def test_stream_that_is_forgotten(self):
        producer = self.producer()
        producer.say_await(1, "s", "a", 1, flags=1)
        producer.settled()
        self.assertEqual(self.producer().admin("forget", "s")[0], 0)
        self.assertEqual(producer.awaited(1)[0], 17)

    def test_a_session_has_so_many_under_way(self):
        producer = self.producer()
        for number in range(65):
            producer.say_await(number, "s", "a", 1, flags=1)
        self.assertEqual(producer.awaited(64)[0], 18)
        self.subscriber("s")
        self.assertEqual([producer.awaited(number) for number in range(64)], [(0, 1)] * 64)
        producer.say_await(64, "s", "a", 1)
        self.assertEqual(producer.awaited(64), (0, 1))


class AfterAKill(Restarted):
    def test_subscriber_goes_on_where_it_was(self):
        self.published("s", *numbered(0, 10))
        subscriber = self.subscriber("s", "a")
        subscriber.take(10)
        self.restart()
        self.published("s", *numbered(10, 20))
        again = self.peer(zf.Subscriber, uuid=subscriber.uuid)
        again.open = subscriber.open
        again.resume()
        self.assertEqual([body for _, body, _ in again.take(10)], names(10, 20))
        self.assertEqual(again.open[1].missed, 0)


if __name__ == "__main__":
    rig.main()
