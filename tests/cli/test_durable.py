"""A broker with a journal: what is there after it was killed, and what it says when it cannot begin."""

import glob
import os
import re
import signal
import sys
import unittest

import rig
from rig import run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocol"))
import zf  # noqa: E402

MIB = 1 << 20


class DurableCase(rig.Case):
    def setUp(self):
        self.journal = os.path.join(self.folder(), "journal")
        self.process = None

    def begin(self, *args):
        self.args = args
        self.process = self.durable_broker(*args)

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def again(self, *args):
        """Kills the broker with SIGKILL and starts the next one."""
        self.kill()
        self.begin(*(args or self.args))

    def post(self, queue, *bodies):
        self.good("post", queue, "--lines", stdin="\n".join(bodies).encode() + b"\n")

    def take(self, queue, count):
        out = self.good("work", queue, "--raw", "--count", str(count)).out
        return out.splitlines()

    def settled(self, queue, **figures):
        """Waits for these figures, and until they are in the journal: before a confirm is what came before it."""
        self.until_info(queue, **figures)
        self.post("barrier", "x")

    def peek(self, queue):
        return self.good("queue", "peek", queue, "--count", "1000").rows()


class Survival(DurableCase):
    def setUp(self):
        super().setUp()
        self.begin()

    def test_records_are_there_in_order(self):
        bodies = [str(number) for number in range(500)]
        self.post("q", *bodies)
        before = self.peek("q")
        self.again()
        self.assertEqual([row["id"] for row in self.peek("q")], [row["id"] for row in before])
        self.assertEqual(self.take("q", 500), bodies)
        self.settled("q", length=0)
        self.again()
        self.assertEqual(self.info("q")["length"], 0)

    def test_broker_says_what_it_found(self):
        self.post("q", "a", "b")
        self.again()
        found = self.process.err.wait_for(r"journal: (.*)\n").group(1)
        self.assertRegex(found, r"^2 durable records in 1 queues from .*journal in \d+ ms$")

    def test_what_came_after_a_restart_is_there_after_the_next(self):
        for number in range(4):
            self.post("q", str(number))
            self.again()
        self.assertEqual(self.take("q", 4), ["0", "1", "2", "3"])

    def test_ended_in_order_it_is_the_same(self):
        self.post("q", "a")
        rig.terminate(self.process)
        self.assertEqual(self.process.wait(), 0)
        self.begin()
        self.assertEqual(self.take("q", 1), ["a"])

    def test_properties_of_a_record(self):
        self.good("post", "q", "a", "--key", "k", "--header", "colour=red")
        before = self.peek("q")
        self.again()
        after = self.peek("q")
        for row in before + after:
            row.pop("age_ms", None)
        self.assertEqual(after, before)
        self.assertEqual(after[0]["key"], "k")

    def test_attempts_go_on_where_they_were(self):
        self.good("queue", "declare", "q", "--max-attempts", "2", "--backoff-min", "1ms")
        self.post("q", "a")
        self.good("work", "q", "--count", "1", "--exec", "exit 1")
        self.settled("q", leased=0)
        self.assertEqual(self.peek("q")[0]["attempt"], 1)
        self.again()
        self.assertEqual(self.peek("q")[0]["attempt"], 1)
        self.good("work", "q", "--count", "1", "--exec", "exit 1")
        self.settled("q", length=0)
        self.again()
        self.assertEqual(self.info("q.dead")["length"], 1)

    def test_delayed_record_waits_on(self):
        self.good("post", "q", "late", "--delay", "1h")
        self.good("post", "q", "soon", "--delay", "1s")
        self.post("q", "now")
        self.again()
        self.assertGreaterEqual(self.info("q")["delayed"], 1)
        self.assertCountEqual(self.take("q", 2), ["now", "soon"])
        self.assertEqual((self.info("q")["length"], self.info("q")["delayed"]), (1, 1))

    def test_time_to_live_goes_on(self):
        self.good("post", "q", "short", "--ttl", "1s")
        self.good("post", "q", "long", "--ttl", "1h")
        self.again()
        self.until_info("q", length=1)
        self.assertEqual(self.take("q", 1), ["long"])

    def test_dead_letters_keep_their_reasons(self):
        self.good("queue", "declare", "q", "--max-attempts", "1")
        self.post("q", "a", "b")
        self.good("work", "q", "--count", "2", "--exec", "exit 1")
        self.settled("q", length=0)
        before = self.good("queue", "dead", "ls", "q").rows()
        self.assertEqual(len(before), 2)
        self.again()
        self.assertEqual(self.good("queue", "dead", "ls", "q").rows(), before)
        self.good("queue", "dead", "requeue", "q")
        self.again()
        self.assertEqual(sorted(self.take("q", 2)), ["a", "b"])

    def test_id_is_refused_again(self):
        self.good("post", "q", "a", "--id", "order-7")
        self.assertEqual(self.take("q", 1), ["a"])
        self.settled("q", length=0)
        self.again()
        self.good("post", "q", "a", "--id", "order-7")
        row = self.info("q")
        self.assertEqual((row["length"], row["duplicates"]), (0, 1))

    def test_policies_of_declared_queues(self):
        self.good("queue", "declare", "empty", "--max-attempts", "9", "--ordered", "--lease", "7s",
                  "--overflow", "reject", "--max-length", "77", "--priorities", "3", "--dead-letter", "morgue",
                  "--dedup-window", "5m", "--ttl", "2h", "--durable")
        before = self.info("empty")
        self.again()
        self.assertEqual(self.info("empty"), before)
        self.assertEqual((before["max_attempts"], before["durable"], before["declared"]), (9, "yes", True))

    def test_purge_and_acks_are_not_undone(self):
        self.post("q", *"abcdef")
        self.assertEqual(self.take("q", 2), ["a", "b"])
        self.post("p", *"xyz")
        self.good("queue", "purge", "p")
        self.settled("q", length=4)
        self.again()
        self.assertEqual([row["body"] for row in self.peek("q")], list("cdef"))
        self.assertEqual(self.peek("p"), [])

    def test_record_at_a_worker_comes_again(self):
        self.post("q", "a")
        worker = zf.Worker(self.endpoint).greet().consume("q", 1)
        self.addCleanup(worker.close)
        self.assertEqual([body for _, _, body, _ in worker.take()[0]], [b"a"])
        self.again()
        self.assertEqual(self.take("q", 1), ["a"])

    def test_not_durable_queue_is_gone(self):
        self.good("queue", "declare", "q", "--not-durable")
        self.post("q", "a")
        self.assertEqual((self.info("q")["durable"], self.info("q")["sync"]), ("no", "none"))
        self.again()
        self.assertEqual([row["queue"] for row in self.good("queue", "ls").rows()], [])


class Shown(DurableCase):
    def test_sync_policy_is_shown(self):
        for option, name in (("always", "always"), ("interval=20ms", "interval"), ("never", "never")):
            with self.subTest(option):
                self.journal = os.path.join(self.folder(), "journal")
                self.begin("--sync", option)
                self.post("q", "a")
                self.assertEqual(self.info("q")["sync"], name)
                row = self.good("post", "q", "--lines", "--json", stdin=b"b\n").rows()[0]
                self.assertEqual((row["confirmed"], row["sync"]), (1, name))
                said = self.good("post", "q", "--lines", stdin=b"c\n").err
                self.assertTrue(said.endswith(f"/s); sync {name}\n"), said)
                self.again()
                self.assertEqual(self.take("q", 3), ["a", "b", "c"])
                self.kill()

    def test_broker_without_a_journal_says_none(self):
        self.broker()
        self.post("q", "a")
        self.assertEqual((self.info("q")["sync"], self.info("q")["durable"]), ("none", "auto"))
        row = self.good("post", "q", "--lines", "--json", stdin=b"b\n").rows()[0]
        self.assertEqual(row["sync"], "none")

    def test_broker_without_a_journal_refuses_a_durable_queue(self):
        self.broker()
        result = self.zferry("queue", "declare", "q", "--durable")
        self.assertNotEqual(result.code, 0)
        self.assertRegex(result.err, r"^zferry queue declare: .*journal")

    def test_policy_of_queues_that_nobody_declared(self):
        self.begin("--not-durable")
        self.post("q", "a")
        self.assertEqual(self.info("q")["sync"], "none")

    def test_bytes_on_disk_only_are_shown(self):
        self.begin("--memory", "1MiB")
        bodies = [("%d" % number).ljust(10_000, "x") for number in range(600)]
        self.post("q", *bodies)
        row = self.info("q")
        self.assertEqual(row["length"], 600)
        self.assertGreater(row["on_disk"], 3 * MIB)
        self.again()
        self.assertGreater(self.info("q")["on_disk"], 3 * MIB)
        self.assertEqual(self.take("q", 600), bodies)
        self.assertEqual(self.info("q")["on_disk"], 0)


class DiskFull(DurableCase):
    """--disk is the disk here: at its end a queue refuses, it can be emptied, and goes on."""

    BODY = b"x" * 99_999

    def fill(self):
        """Posts until something is refused; returns how many were taken."""
        result = self.zferry("post", "q", "--lines", "--json", stdin=(self.BODY + b"\n") * 3000)
        row = result.rows()[0]
        self.assertEqual(result.code, 75, result.err)
        self.assertGreater(row["refused"], 0)
        self.assertGreater(row["confirmed"], 1000)
        return row["confirmed"]

    def drain(self, count):
        out = self.good("work", "q", "--raw", "--count", str(count), "-q").bytes
        self.assertEqual(out, (self.BODY + b"\n") * count)

    def test_full_disk_is_emptied_and_filled_again(self):
        self.begin("--disk", "256MiB", "--overflow", "reject")
        for _ in range(2):
            self.drain(self.fill())
            self.until_info("q", length=0)

    def test_full_disk_survives_a_kill(self):
        self.begin("--disk", "256MiB", "--overflow", "reject")
        count = self.fill()
        self.again()
        self.assertEqual(self.info("q")["length"], count)
        self.drain(count)
        self.settled("q", length=0)
        self.again()
        self.assertEqual(self.info("q")["length"], 0)
        self.good("post", "q", "once more")

    def test_files_stay_below_the_cap(self):
        self.begin("--disk", "256MiB", "--overflow", "reject")
        self.drain(self.fill())
        size = sum(os.path.getsize(path) for path in glob.glob(self.journal + "/*"))
        self.assertLessEqual(size, 256 * MIB)


class Refusal(DurableCase):
    def refused(self, code, pattern, *more):
        result = run("broker", "--bind", "tcp://127.0.0.1:*", "--journal", self.journal, *more)
        self.assertEqual((result.code, result.out), (code, ""), result.err)
        self.assertRegex(result.err, "^zferry broker: .*" + pattern + r"\n$")
        self.assertEqual(result.err.count("\n"), 1)

    def test_second_broker(self):
        self.begin()
        self.post("q", "a")
        self.refused(69, f"another process has it open; stop what uses {self.journal} or choose another directory")
        self.again()
        self.assertEqual(self.take("q", 1), ["a"])

    def test_missing_parent(self):
        self.journal = os.path.join(self.folder(), "no", "where")
        self.refused(73, f"No such file or directory; the directory that {self.journal} is to be in must be there")

    def test_file_in_its_place(self):
        with open(self.journal, "w", encoding="ascii"):
            pass
        self.refused(74, "Not a directory")

    @unittest.skipIf(os.geteuid() == 0, "root may do everything")
    def test_directory_that_may_not_be_written(self):
        os.mkdir(self.journal, 0o500)
        self.refused(74, "Permission denied")

    def segment(self):
        return sorted(glob.glob(self.journal + "/*.zfj"))[0]

    def test_damage_names_file_and_offset_and_what_to_do(self):
        self.begin()
        for number in range(20):
            self.post("q", f"record-{number}")
        self.kill()
        with open(self.segment(), "r+b") as file:
            data = file.read()
            at = data.index(b"record-7")
            file.seek(at)
            file.write(b"RECORD-7")
        before = data[:at] + b"RECORD-7" + data[at + 8:]
        name = os.path.basename(self.segment())
        self.refused(65, rf"{name} at byte \d+.*; see zferry journal verify {self.journal}, "
                         r"and zferry journal repair --help")
        with open(self.segment(), "rb") as file:
            self.assertEqual(file.read(), before, "the broker has changed the journal")
        verified = run("journal", "verify", self.journal)
        self.assertEqual(verified.code, 1, verified.err)
        self.assertEqual(run("journal", "repair", self.journal).code, 0)
        self.begin()
        bodies = self.take("q", 19)
        self.assertEqual(bodies, [f"record-{number}" for number in range(20) if number != 7])

    def test_options_that_are_wrong(self):
        for args, text in (
            (("--sync", "never"), "--sync is for a journal; name its directory with --journal"),
            (("--disk", "1GiB"), "--disk is for a journal; name its directory with --journal"),
            (("--journal", "x", "--disk", "1MiB"), "--disk is 256 MiB or more, not '1MiB'"),
            (("--journal", "x", "--sync", "often"),
             "--sync is always, never, or interval=TIME with 1 ms to 1 h, not 'often'"),
            (("--journal", "x", "--sync", "interval=0"),
             "--sync is always, never, or interval=TIME with 1 ms to 1 h, not 'interval=0'"),
            (("--journal", ""), "--journal is the name of a directory, not ''"),
            (("--durable",), "--durable takes a journal; name its directory with --journal"),
            (("--durable", "--not-durable"), "--durable and --not-durable exclude each other"),
        ):
            with self.subTest(args):
                self.assertFails(run("broker", *args), 64, f"zferry broker: {text}; see zferry broker --help")
        self.assertFalse(re.search("x", " ".join(os.listdir("."))) and os.path.isdir("x"))


if __name__ == "__main__":
    rig.main()
