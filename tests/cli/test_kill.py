"""A broker that is killed again and again, beside a ledger of what it has confirmed: nothing that was
confirmed is lost, and nothing is in the queue twice. ZF_LONG=1 does it for longer.

That the ledger finds what it is there to find is shown with a disk that loses what was not synced
(volatile.c), and a broker that does not sync."""

import fcntl
import os
import random
import signal
import sys

import rig

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import zf  # noqa: E402
import zmq  # noqa: E402

QUEUE = "jobs"
ROUNDS = 300 if os.environ.get("ZF_LONG") == "1" else 8
WINDOW = 400  # records without an outcome
HELD = 60  # records that a worker is given at once
BACKLOG = 300  # records that are left in the queue when the broker is killed
QUIET_MS = 100


class Ledger:
    """What the broker has promised, and what came of it; kept outside of it."""

    def __init__(self):
        self.posted = 0
        self.confirmed = set()
        self.seen = {}  # number: ids of the records that it came in

    def book(self, number, record_id):
        self.seen.setdefault(number, set()).add(record_id)

    def backlog(self):
        return len(self.confirmed) - len(self.seen)

    def lost(self):
        return self.confirmed - self.seen.keys()

    def doubled(self):
        return {number for number, ids in self.seen.items() if len(ids) > 1}


class Poster(zf.Producer):
    """Keeps a window of records under way. next and open outlive the session."""

    def __init__(self, endpoint, ledger, before, uuid=None):
        super().__init__(endpoint, uuid=uuid or (before.uuid if before else None))
        self.ledger = ledger
        if before:
            self.next, self.open = before.next, before.open
        self.greet()
        self.resend()

    def fill(self, chance):
        while len(self.open) < WINDOW:
            count = chance.randint(1, 20)
            first = self.ledger.posted + 1
            self.post(QUEUE, *[(b"%d" % number, None) for number in range(first, first + count)])
            self.ledger.posted += count

    def hear(self, control, _):
        assert control[0] == zf.CONFIRM and control[4] == 0, control
        _, _, first, count, _ = control
        for number in range(first, first + count):
            del self.open[QUEUE, number]
            self.ledger.confirmed.add(number)


class Hand(zf.Worker):
    """Books what it gets, and acknowledges it as long as enough is left in the queue."""

    def __init__(self, endpoint, ledger):
        super().__init__(endpoint)
        self.ledger = ledger
        self.held = []
        self.greet().consume(QUEUE, HELD)

    def hear(self, control, batch):
        assert control[0] == zf.DELIVER, control
        records, _ = zf.decode_batch(batch)
        for record_id, (body, _) in enumerate(records, control[2]):
            self.ledger.book(int(body), record_id)
            self.held.append(record_id)

    def settle(self, backlog):
        if self.held and self.ledger.backlog() >= backlog:
            self.ack(*[(record_id, 1) for record_id in self.held])
            self.held = []


class Kill(rig.Case):
    def setUp(self):
        self.seed = random.randrange(1 << 32)
        self.chance = random.Random(self.seed)
        self.journal = os.path.join(self.folder(), "journal")
        self.endpoint = "tcp://127.0.0.1:*"
        self.ledger = Ledger()
        self.poster = None
        self.hands = []

    def new_uuid(self):
        """The poster's identity stays what it is."""

    def spawn(self, sync, env):
        return self.start("broker", "--bind", self.endpoint, "--journal", self.journal, "--sync", sync, env=env)

    def begin(self, sync, env):
        self.process = self.spawn(sync, env)
        self.endpoint = self.process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        if self.poster is None:
            self.good("queue", "declare", QUEUE, "--max-attempts", "0")
        self.poster = Poster(self.endpoint, self.ledger, self.poster, self.new_uuid())
        self.hands = [Hand(self.endpoint, self.ledger) for _ in range(2)]

    def kill(self):
        """Kills the broker; what it has said before still counts."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stop()
        while self.hear(0):
            pass
        for peer in (self.poster, *self.hands):
            peer.close()

    def kill_early(self, sync, env):
        """Starts a broker and kills it while it reads the journal, or about then."""
        process = self.spawn(sync, env)
        rig.until(lambda: process.popen.poll() is not None or self.is_locked(), "a lock on the journal")
        process.stop()

    def is_locked(self):
        with open(os.path.join(self.journal, "lock"), "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def hear(self, timeout_ms):
        """Takes what is there; False if nothing was."""
        poller = zmq.Poller()
        for peer in (self.poster, *self.hands):
            poller.register(peer.socket, zmq.POLLIN)
        ready = dict(poller.poll(timeout_ms))
        for peer in (self.poster, *self.hands):
            if peer.socket in ready:
                frames = peer.socket.recv_multipart()
                control = zf.unpack(frames[0])
                if control[0] not in (zf.PING, zf.PONG):
                    peer.hear(control, frames[1] if len(frames) > 1 else None)
        return bool(ready)

    def run_until_killed(self):
        wanted = len(self.ledger.confirmed) + self.chance.randint(1, 3000)
        while len(self.ledger.confirmed) < wanted:
            self.poster.fill(self.chance)
            self.assertTrue(self.hear(zf.DEADLINE_MS), "the broker says nothing")
            for hand in self.hands:
                hand.settle(BACKLOG)
        self.kill()

    def empty_all(self):
        """Until everything is confirmed and the queue is empty."""

        def is_empty():
            while self.hear(QUIET_MS):
                for hand in self.hands:
                    hand.settle(-self.ledger.posted)
            return not self.poster.open and self.info(QUEUE)["length"] == 0

        rig.until(is_empty, "an empty queue")
        for peer in (self.poster, *self.hands):
            peer.close()

    def storm(self, rounds, sync, volatile=False):
        env = rig.environment()
        if volatile:
            env["LD_PRELOAD"] = os.environ["ZFERRY_VOLATILE"]
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        for number in range(rounds):
            with self.subTest(seed=self.seed, round=number):
                self.begin(sync, env)
                self.run_until_killed()
                if self.chance.random() < 0.25:
                    self.kill_early(sync, env)
        self.begin(sync, env)
        self.empty_all()
        self.process.signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(), 0, self.process.err.text())
        self.assertEqual(self.ledger.confirmed, set(range(1, self.ledger.posted + 1)))

    def test_killed_broker_loses_and_doubles_nothing(self):
        self.storm(ROUNDS, "always")
        self.assertEqual((self.ledger.lost(), self.ledger.doubled()), (set(), set()), self.seed)

    def test_power_failure_loses_and_doubles_nothing(self):
        self.storm(ROUNDS, "always", volatile=True)
        self.assertEqual((self.ledger.lost(), self.ledger.doubled()), (set(), set()), self.seed)

    def test_killed_broker_that_never_syncs_loses_nothing_while_the_system_runs(self):
        self.storm(2, "never")
        self.assertEqual((self.ledger.lost(), self.ledger.doubled()), (set(), set()), self.seed)

    def test_planted_confirms_before_the_disk_are_found(self):
        """What always does not do, never does: it confirms what a power failure takes away."""
        self.storm(4, "never", volatile=True)
        self.assertNotEqual(self.ledger.lost(), set())

    def test_planted_poster_without_identity_is_found(self):
        """Records that are in the journal, and whose confirms were lost, are there twice then."""
        self.new_uuid = lambda: os.urandom(16)
        self.storm(ROUNDS, "always")
        self.assertEqual(self.ledger.lost(), set())
        self.assertNotEqual(self.ledger.doubled(), set())


if __name__ == "__main__":
    rig.main()
