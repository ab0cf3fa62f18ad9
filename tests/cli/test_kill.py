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
DEAD = "jobs.dead"
ROUNDS = 300 if os.environ.get("ZF_LONG") == "1" else 8
WINDOW = 400  # records without an outcome
HELD = 60  # records that a worker is given at once
BACKLOG = 300  # records that are left in the queue when the broker is killed
QUIET_MS = 100
HEARTBEAT = "10m"  # nobody is to be missed for being silent
SMALL = 400 // ROUNDS + 60  # bytes: only such records are made dead letters, which have a quarter of the memory


def body_of(number, largest):
    return b"%d " % number + b"x" * (number * 7919 % largest)


class Ledger:
    """What the broker has promised, and what came of it; kept outside of it."""

    def __init__(self, largest):
        self.largest = largest  # bytes of a body's padding
        self.posted = 0
        self.confirmed = set()
        self.seen = {}  # number: ids of the records that it came in
        self.acked = set()
        self.rejected = set()
        self.damaged = 0

    def number_of(self, body):
        number = int(body.split(b" ")[0])
        self.damaged += body != body_of(number, self.largest)
        return number

    def book(self, number, record_id):
        self.seen.setdefault(number, set()).add(record_id)

    def backlog(self):
        return len(self.confirmed) - len(self.seen)

    def lost(self):
        return self.confirmed - self.seen.keys()

    def doubled(self):
        return {number for number, ids in self.seen.items() if len(ids) > 1}


class Poster(zf.Producer):
    """Keeps a window of records under way. next and open outlive the session. Some confirms, of `deaf`
    records, are not heard, as if the connection had broken before."""

    queue = QUEUE

    def __init__(self, endpoint, ledger, before, deaf, forgetful):
        super().__init__(endpoint, uuid=before.uuid if before and not forgetful else None)
        self.ledger = ledger
        self.deaf = deaf
        self.greet()
        if before and forgetful and before.open:
            self.post(self.queue, *[record for _, record in sorted(before.open.items())])
        elif before and not forgetful:
            self.next, self.open = before.next, before.open
            self.resend()

    def fill(self, chance):
        while len(self.open) < WINDOW:
            count = chance.randint(1, 20)
            first = self.ledger.posted + 1
            self.post(self.queue, *[(body_of(number, self.ledger.largest), None) for number in range(first, first + count)])
            self.ledger.posted += count

    def hear(self, control, _):
        assert control[0] == zf.CONFIRM and control[4] == 0, control
        _, _, first, count, _ = control
        for number in range(first, first + count):
            if self.deaf > 0 and number % 20 == 0:
                self.deaf -= 1
                continue
            body, _ = self.open.pop((self.queue, number))
            self.ledger.confirmed.add(self.ledger.number_of(body))


class Hand(zf.Worker):
    """Books what it gets, and settles it as long as enough is left in the queue. A fickle one does not
    only acknowledge."""

    queue = QUEUE

    def __init__(self, endpoint, ledger, fickle):
        super().__init__(endpoint)
        self.ledger = ledger
        self.fickle = fickle
        self.held = {}  # id: number
        self.greet().consume(self.queue, HELD)

    def hear(self, control, batch):
        assert control[0] == zf.DELIVER, control
        records, _ = zf.decode_batch(batch)
        for record_id, (body, _) in enumerate(records, control[2]):
            number = self.ledger.number_of(body)
            self.ledger.book(number, record_id)
            self.held[record_id] = number

    def settle(self, backlog, chance):
        if not self.held or self.ledger.backlog() < backlog:
            return
        for record_id, number in self.held.items():
            lot = chance.random() if self.fickle else 1
            if lot < 0.05:
                self.say(zf.NACK, self.queue, chance.randint(0, 200), record_id, 1)
            elif lot < 0.4 and len(body_of(number, self.ledger.largest)) < SMALL:
                self.ledger.rejected.add(number)
                self.say(zf.REJECT, self.queue, "no %d" % number, record_id, 1)
            else:
                self.ledger.acked.add(number)
                self.ack((record_id, 1))
        self.held = {}


class Storm(rig.Case):
    """A broker, who posts to it and who takes from it. What is taken from has the name `queue`."""

    queue = QUEUE
    poster_kind, hand_kind = Poster, Hand

    def setUp(self):
        self.seed = random.randrange(1 << 32)
        self.chance = random.Random(self.seed)
        self.journal = os.path.join(self.folder(), "journal")
        self.ledger = Ledger(largest=1)
        self.more = []
        self.fickle = False
        self.forgetful = False
        self.deaf = WINDOW // 4
        self.backlog = BACKLOG
        self.poster = None
        self.hands = []

    def spawn(self, sync, env):
        return self.start("broker", "--bind", "tcp://127.0.0.1:*", "--journal", self.journal, "--sync", sync,
                          "--heartbeat", HEARTBEAT, *self.more, env=env)

    def begin(self, sync, env):
        self.process = self.spawn(sync, env)
        self.endpoint = self.process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        if self.poster is None:
            self.declare()
        self.poster = self.poster_kind(self.endpoint, self.ledger, self.poster, self.deaf, self.forgetful)
        self.hands = [self.hand_kind(self.endpoint, self.ledger, self.fickle) for _ in range(2)]

    def declare(self):
        self.good("queue", "declare", self.queue, "--max-attempts", "0")

    def peers(self):
        return [self.poster, *self.hands]

    def kill(self):
        """Kills the broker; what it has said before still counts."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stop()
        while self.hear(0):
            pass
        for peer in self.peers():
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
        for peer in self.peers():
            poller.register(peer.socket, zmq.POLLIN)
        ready = dict(poller.poll(timeout_ms))
        for peer in self.peers():
            if peer.socket in ready:
                frames = peer.socket.recv_multipart()
                control = zf.unpack(frames[0])
                said = (type(peer).__name__, control, self.seed, self.process.err.text())
                self.assertNotIn(control[0], (zf.RESET, zf.ERROR), said)
                if control[0] not in (zf.PING, zf.PONG):
                    peer.hear(control, frames[1] if len(frames) > 1 else None)
        return bool(ready)

    def run_until_killed(self):
        wanted = len(self.ledger.confirmed) + self.chance.randint(1, 3000)
        while len(self.ledger.confirmed) < wanted:
            self.poster.fill(self.chance)
            rig.until(lambda: self.hear(QUIET_MS), "a word of the broker")
            for hand in self.hands:
                hand.settle(self.backlog, self.chance)
        self.kill()

    def empty_all(self):
        """Until everything is confirmed and the queue is empty."""

        def is_empty():
            while self.hear(QUIET_MS):
                for hand in self.hands:
                    hand.settle(-self.ledger.posted, self.chance)
            return not self.poster.open and self.is_done()

        rig.until(is_empty, "an empty queue")
        for peer in self.peers():
            peer.close()

    def is_done(self):
        return self.info(self.queue)["length"] == 0

    def storm(self, rounds, sync, volatile=False):
        env = rig.environment()
        if volatile:
            env["LD_PRELOAD"] = os.environ["ZFERRY_VOLATILE"]
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        for _ in range(rounds):
            self.begin(sync, env)
            self.run_until_killed()
            if self.chance.random() < 0.25:
                self.kill_early(sync, env)
        self.begin(sync, env)
        self.poster.deaf = 0
        self.empty_all()
        self.check_dead()
        self.process.signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(), 0, self.process.err.text())
        self.assertEqual(self.ledger.confirmed, set(range(1, self.ledger.posted + 1)))

    def check_dead(self):
        """Each record is done or dead, and dead once, for the reason that was given. There is room for all."""
        if not self.fickle:
            return
        rows = self.good("queue", "dead", "ls", self.queue, "--count", str(self.ledger.posted)).rows()
        dead = [self.ledger.number_of(row["body"].encode()) for row in rows]
        self.assertEqual(len(dead), len(set(dead)), self.seed)
        self.assertEqual([row["dead_reason"] for row in rows], ["no %d" % number for number in dead])
        self.assertLessEqual(set(dead), self.ledger.rejected)
        self.assertEqual(self.ledger.confirmed - self.ledger.acked - set(dead), set(), self.seed)

    def check(self):
        self.assertEqual((self.ledger.lost(), self.ledger.doubled()), (set(), set()), self.seed)
        self.assertEqual(self.ledger.damaged, 0)


class Kill(Storm):
    def test_killed_broker_loses_and_doubles_nothing(self):
        self.storm(ROUNDS, "always")
        self.check()

    def test_power_failure_loses_and_doubles_nothing(self):
        self.storm(ROUNDS, "always", volatile=True)
        self.check()

    def test_power_failure_with_little_memory_and_workers_that_refuse(self):
        """Most of the queue is on disk only, records are dead or come again later."""
        self.ledger = Ledger(largest=5000)
        self.more = ["--memory", "1MiB", "--disk", "256MiB"]
        self.fickle, self.backlog = True, 5 * BACKLOG
        self.storm(ROUNDS, "always", volatile=True)
        self.check()

    def test_killed_broker_that_never_syncs_loses_nothing_while_the_system_runs(self):
        self.storm(2, "never")
        self.check()

    def test_planted_confirms_before_the_disk_are_found(self):
        """What always does not do, never does: it confirms what a power failure takes away."""
        self.deaf = 0  # the broker forgets what it had: a poster that leaves numbers out breaks the rules
        self.storm(4, "never", volatile=True)
        self.assertNotEqual(self.ledger.lost(), set())

    def test_planted_poster_without_identity_is_found(self):
        """Records that are in the journal, and whose confirms were lost, are there twice then."""
        self.forgetful = True
        self.storm(ROUNDS, "always")
        self.assertEqual(self.ledger.lost(), set())
        self.assertNotEqual(self.ledger.doubled(), set())


if __name__ == "__main__":
    rig.main()
