"""The same as test_kill.py for a stream: a broker that is killed again and again, beside a ledger. No
group skips a record that it has not acknowledged, and a subscriber sees each record once, in order."""

import os

import rig
import test_kill
import zf

STREAM = "events"
GROUP = STREAM + "@crew"


class Poster(test_kill.Poster):
    queue = STREAM


class Hand(test_kill.Hand):
    queue = GROUP


class Reader(zf.Subscriber):
    """Reads the stream on its own; where it was outlives the session."""

    def __init__(self, endpoint, ledger, before):
        super().__init__(endpoint)
        self.ledger = ledger
        self.read_numbers = before.read_numbers if before else []
        self.greet()
        if before:
            self.open = before.open
            self.resume()
        else:
            self.subscribe(STREAM, start=zf.FIRST)

    def hear(self, control, batch):
        assert control[0] == zf.EVENTS, control
        it = self.open[1]
        _, _, begin, it.position, missed, _, _, _ = control
        assert begin <= it.position and missed == 0, control
        for body, _ in zf.decode_batch(batch)[0] if batch is not None else []:
            self.read_numbers.append(self.ledger.number_of(body))
        self.read()


class KillStream(test_kill.Storm):
    queue = GROUP
    poster_kind, hand_kind = Poster, Hand

    def setUp(self):
        super().setUp()
        self.reader = None
        self.lossy = False  # records are lost, and meant to be

    def declare(self):
        self.good("stream", "declare", STREAM, "--max-bytes", "1GiB")
        self.good("stream", "group", STREAM, "crew")
        self.good("queue", "declare", GROUP, "--max-attempts", "0")

    def begin(self, sync, env):
        super().begin(sync, env)
        self.reader = Reader(self.endpoint, self.ledger, self.reader)

    def peers(self):
        return [*super().peers(), self.reader]

    def is_done(self):
        has_read = self.lossy or len(self.reader.read_numbers) >= self.ledger.posted
        return has_read and self.info(GROUP)["lag"] == 0

    def check(self):
        super().check()
        self.assertEqual(self.reader.read_numbers, list(range(1, self.ledger.posted + 1)), self.seed)
        self.assertEqual(self.ledger.confirmed - self.ledger.acked - self.ledger.rejected, set(), self.seed)

    def test_killed_broker_skips_and_repeats_nothing(self):
        self.storm(test_kill.ROUNDS, "always")
        self.check()

    def test_power_failure_skips_and_repeats_nothing(self):
        self.storm(test_kill.ROUNDS, "always", volatile=True)
        self.check()

    def test_power_failure_with_little_memory_and_members_that_refuse(self):
        self.ledger = test_kill.Ledger(largest=5000)
        self.more = ["--memory", "1MiB", "--disk", "1GiB"]
        # What members hold counts as memory, and there is less than that: they always settle.
        self.fickle, self.backlog = True, -(1 << 30)
        self.storm(test_kill.ROUNDS, "always", volatile=True)
        self.check()

    def test_planted_confirms_before_the_disk_are_found(self):
        self.deaf, self.lossy = 0, True
        self.storm(4, "never", volatile=True)
        self.assertNotEqual(self.ledger.lost(), set())


if __name__ == "__main__":
    rig.main()
