"""bench: what it prints, that its check finds mistakes, and that it leaves nothing behind."""

import os
import re
import subprocess

import rig
from rig import run

COMMON = {"bench", "transport", "zferry", "libzmq"}
QUEUE = COMMON | {
    "size", "count", "msgs_per_s", "confirmed_per_s", "p50_us", "p99_us", "broker_cpu_us_per_msg",
    "broker_peak_rss_mb", "lost", "duplicated", "reordered", "damaged", "producers", "workers",
}
REQUEST = COMMON | {
    "direct", "size", "count", "p50_us", "p99_us", "raw_p50_us", "raw_p99_us", "ratio_p50", "ratio_p99",
}
LATENCY = COMMON | {
    "size", "entry_size", "count", "sync", "confirm_p50_us", "confirm_p99_us", "disk_p50_us", "disk_p99_us",
    "raw_p50_us", "raw_p99_us", "beyond_p50_us",
}
RECOVERY = COMMON | {
    "size", "count", "sync", "memory_mb", "filled_per_s", "filled_rss_mb", "recovery_s", "broker_rss_mb",
    "broker_peak_rss_mb", "drained_per_s", "lost", "duplicated", "damaged",
}
PUBSUB = COMMON | {
    "via", "sync", "size", "rate", "count", "subscribers", "msgs_per_s", "confirmed_per_s", "deliveries_per_s", "mb_per_s",
    "p50_us", "p99_us", "forwarder_cpu_us_per_msg", "publisher_cpu_us_per_msg", "subscriber_cpu_us_per_msg",
    "forwarder_peak_rss_mb", "refused", "refills", "missed", "lost", "duplicated", "reordered", "damaged",
}
PEERS = COMMON | {
    "nodes", "via", "interface", "pair_ms", "pair_max_ms", "mesh_ms", "mesh_last_ms", "seconds", "cpu_percent",
    "cpu_max_percent", "hub_cpu_percent", "rss_mb", "rss_max_mb", "descriptors", "given_up", "killed_ms", "stopped_ms",
    "shouts", "shouts_per_s", "raw_msgs_per_s", "lost", "wrong", "trips", "p50_us", "p99_us", "raw_p50_us", "raw_p99_us",
    "ratio_p50", "ratio_p99",
}
JOURNAL = {
    "bench", "zferry", "size", "batch", "count", "synced_mb_per_s", "syncs_per_s", "sync_p50_us", "sync_p99_us",
    "sync_p999_us", "raw_p50_us", "raw_p99_us", "raw_p999_us", "appended_mb_per_s", "recovered_mb_per_s",
}


class BenchCase(rig.Case):
    def bench(self, *args, code=0, **how):
        result = run("bench", *args, "--json", **how)
        self.assertEqual(result.code, code, result.err)
        return result.rows()[0]


class Queue(BenchCase):
    def check(self, row, count):
        self.assertLessEqual(QUEUE, set(row))
        self.assertEqual(row["count"], count)
        for mistake in ("lost", "duplicated", "reordered", "damaged", "refused"):
            self.assertEqual(row[mistake], 0, mistake)
        for figure in ("msgs_per_s", "confirmed_per_s", "p50_us"):
            self.assertGreater(row[figure], 0, figure)
        self.assertGreaterEqual(row["p99_us"], row["p50_us"])

    def test_queue_over_tcp_checks_every_record(self):
        row = self.bench("queue", "--count", "20000")
        self.check(row, 20000)
        self.assertEqual((row["transport"], row["size"]), ("tcp", 100))
        self.assertGreater(row["broker_cpu_us_per_msg"], 0)
        self.assertGreater(row["broker_peak_rss_mb"], 1)

    def test_queue_with_a_journal_removes_it(self):
        folder = self.folder()
        for sync, name in (("always", "always"), ("interval=10ms", "interval"), ("never", "never")):
            row = self.bench("queue", "--count", "20000", "--journal", folder, "--sync", sync)
            self.check(row, 20000)
            self.assertEqual(row["sync"], name)
            self.assertGreater(row["journal_mb_per_s"], 0)
            self.assertEqual(os.listdir(folder), [])
        row = self.bench("queue", "--count", "100")
        self.assertEqual((row["sync"], row["journal_mb_per_s"]), ("none", 0))

    def test_queue_keeps_its_journal_when_asked_to(self):
        folder = self.folder()
        result = run("bench", "queue", "--count", "1000", "--journal", folder, "--keep")
        self.assertEqual(result.code, 0, result.err)
        kept = re.search(r"the journal is in (\S+)\n", result.err).group(1)
        self.assertTrue(kept.startswith(folder + "/zferry-bench-"))
        self.assertEqual(run("journal", "verify", kept).code, 0)

    def test_latency_beside_disk_and_network(self):
        folder = self.folder()
        row = self.bench("queue", "--latency", "--count", "105", "--size", "200", "--journal", folder)
        self.assertEqual(set(row), LATENCY)
        self.assertEqual((row["count"], row["size"], row["sync"]), (105, 200, "always"))
        self.assertGreater(row["entry_size"], 200)
        for who in ("confirm", "disk", "raw"):
            self.assertGreater(row[f"{who}_p50_us"], 0)
            self.assertLessEqual(row[f"{who}_p50_us"], row[f"{who}_p99_us"])
        rest = row["confirm_p50_us"] - row["disk_p50_us"] - row["raw_p50_us"]
        self.assertAlmostEqual(row["beyond_p50_us"], rest, delta=0.3)
        self.assertEqual(os.listdir(folder), [])

    def test_queue_over_ipc_removes_its_socket(self):
        folder = self.folder()
        row = self.bench("queue", "--count", "20000", "--transport", "ipc",
                         env=rig.environment(TMPDIR=folder))
        self.check(row, 20000)
        self.assertEqual(os.listdir(folder), [])

    def test_queue_in_one_process(self):
        self.check(self.bench("queue", "--count", "20000", "--transport", "inproc"), 20000)

    def test_queue_with_several_producers_and_workers(self):
        row = self.bench("queue", "--count", "20001", "--producers", "3", "--workers", "2")
        self.check(row, 20001)
        self.assertEqual((row["producers"], row["workers"]), (3, 2))

    def test_queue_with_more_producers_than_records(self):
        self.check(self.bench("queue", "--count", "2", "--producers", "3"), 2)

    def test_queue_with_large_and_least_bodies(self):
        self.check(self.bench("queue", "--count", "300", "--size", "64KiB"), 300)
        self.check(self.bench("queue", "--count", "300", "--size", "16"), 300)

    def test_paced_queue_keeps_the_rate(self):
        row = self.bench("queue", "--count", "500", "--rate", "1000")
        self.check(row, 500)
        self.assertLess(row["msgs_per_s"], 1100)  # 499 intervals of 1 ms, and the last record's way

    def test_queue_at_a_broker_of_ours(self):
        self.broker()
        row = self.bench("queue", "--count", "20000", "--connect", self.endpoint)
        self.check(row, 20000)
        self.assertIsNone(row["broker_cpu_us_per_msg"])
        self.assertIsNone(row["broker_peak_rss_mb"])

    def test_planted_loss_is_found(self):
        row = self.bench("queue", "--count", "20000", "--plant", "lost", code=70)
        self.assertEqual((row["lost"], row["duplicated"], row["reordered"]), (1, 0, 0))

    def test_planted_duplicate_is_found(self):
        row = self.bench("queue", "--count", "20000", "--plant", "duplicated")
        self.assertEqual((row["lost"], row["duplicated"], row["reordered"]), (0, 1, 0))

    def test_planted_disorder_is_found(self):
        row = self.bench("queue", "--count", "20000", "--plant", "reordered")
        self.assertEqual((row["lost"], row["duplicated"], row["reordered"]), (0, 0, 1))

    def test_interrupted_queue_finishes_what_it_has_posted(self):
        process = self.start("bench", "queue", "--rate", "1000", "--count", "1000000", terminal="both")
        process.out.wait_for(r"K[1-9]\d* of 1000000 records")
        rig.interrupt(process)
        process.out.wait_for(r"lost *(\x1b\[0m)? *0\r")
        self.assertEqual(process.wait(), 0)

    def test_no_broker_is_said_in_words(self):
        endpoint = self.nobody()
        result = run("bench", "queue", "--count", "10", "--connect", endpoint)
        self.assertFails(result, 69, f"zferry bench queue: no broker answered at {endpoint} within 5 s;"
                         " is one running? (zferry broker)")

    def test_dead_bench_leaves_no_process(self):
        process = self.start("bench", "queue", "--rate", "100", "--count", "1000000", terminal="both")
        process.out.wait_for(r"K[1-9]\d* of 1000000 records")
        family = children(process.popen.pid)
        self.assertEqual(len(family), 3)
        process.popen.kill()
        rig.until(lambda: not any(alive(pid) for pid in family), f"end of {family}")


class PubSub(BenchCase):
    def check(self, row, count, subscribers=1, copies=None):
        self.assertEqual(set(row), PUBSUB)
        self.assertEqual((row["count"], row["subscribers"]), (count, subscribers))
        for mistake in ("lost", "duplicated", "reordered", "damaged", "refused", "missed"):
            self.assertEqual(row[mistake], 0, mistake)
        for figure in ("msgs_per_s", "confirmed_per_s", "p50_us"):
            self.assertGreater(row[figure], 0, figure)
        copies = subscribers if copies is None else copies
        self.assertAlmostEqual(row["deliveries_per_s"] / row["msgs_per_s"], copies, delta=0.01 * copies)

    def test_through_a_forwarder(self):
        row = self.bench("pubsub", "--count", "20000")
        self.check(row, 20000)
        self.assertEqual((row["via"], row["transport"], row["size"], row["sync"]), ("forwarder", "tcp", 100, "none"))
        self.assertGreater(row["forwarder_cpu_us_per_msg"], 0)

    def test_each_subscriber_gets_all(self):
        self.check(self.bench("pubsub", "--count", "20000", "--subscribers", "3", "--topics", "7"), 20000, 3)

    def test_over_ipc_removes_its_socket(self):
        folder = self.folder()
        row = self.bench("pubsub", "--count", "20000", "--transport", "ipc", env=rig.environment(TMPDIR=folder))
        self.check(row, 20000)
        self.assertEqual(os.listdir(folder), [])

    def test_direct_has_no_forwarder(self):
        row = self.bench("pubsub", "--count", "20000", "--via", "direct", "--subscribers", "2")
        self.check(row, 20000, 2)
        self.assertIsNone(row["forwarder_cpu_us_per_msg"])

    def test_with_a_journal_removes_it(self):
        folder = self.folder()
        row = self.bench("pubsub", "--count", "20000", "--journal", folder)
        self.check(row, 20000)
        self.assertEqual((row["sync"], os.listdir(folder)), ("always", []))

    def test_stream_is_shared_by_a_group(self):
        folder = self.folder()
        row = self.bench("pubsub", "--count", "20000", "--via", "stream", "--subscribers", "2", "--journal", folder)
        self.check(row, 20000, 2, copies=1)
        self.assertEqual((row["via"], os.listdir(folder)), ("stream", []))

    def test_paced_keeps_the_rate(self):
        row = self.bench("pubsub", "--count", "500", "--rate", "1000")
        self.check(row, 500)
        self.assertLess(row["msgs_per_s"], 1100)

    def test_replay_reads_all_from_the_journal(self):
        for via in ("stream", "forwarder"):
            folder = self.folder()
            row = self.bench("pubsub", "--replay", "--via", via, "--count", "20000", "--journal", folder)
            self.assertEqual((row["count"], row["lost"], row["duplicated"], row["reordered"], row["damaged"], row["via"]),
                             (20000, 0, 0, 0, 0, via))
            self.assertGreater(row["replayed_per_s"], 0)
            self.assertEqual(os.listdir(folder), [])

    def test_raw_beside_bare_proxy(self):
        row = self.bench("pubsub", "--raw", "--count", "20000", "--subscribers", "2")
        self.assertEqual((row["count"], row["lost"], row["duplicated"], row["damaged"]), (60000, 0, 0, 0))
        self.assertAlmostEqual(row["ratio"], row["msgs_per_s"] / row["raw_msgs_per_s"], delta=0.01)

    def test_slow_subscriber_beside_others(self):
        for more in ((), ("--raw",)):
            row = self.bench("pubsub", "--slow", "--count", "200", "--rate", "1000", *more)
            self.assertEqual((row["count"], row["lost"], row["duplicated"], row["plain"]), (600, 0, 0, bool(more)))
            self.assertAlmostEqual(row["ratio"], row["slow_p99_us"] / row["p99_us"], delta=0.02)

    def test_planted_mistakes_are_found(self):
        row = self.bench("pubsub", "--count", "20000", "--plant", "lost", "--subscribers", "2", code=70)
        self.assertEqual((row["lost"], row["duplicated"], row["reordered"]), (2, 0, 0))
        row = self.bench("pubsub", "--count", "20000", "--plant", "duplicated")
        self.assertEqual((row["lost"], row["duplicated"]), (0, 1))
        row = self.bench("pubsub", "--count", "20000", "--via", "stream", "--plant", "lost", code=70)
        self.assertEqual(row["lost"], 1)
        row = self.bench("pubsub", "--raw", "--count", "2000", "--plant", "lost", code=70)
        self.assertEqual(row["lost"], 6)

    def test_interrupted_finishes_what_it_has_published(self):
        process = self.start("bench", "pubsub", "--rate", "1000", "--count", "1000000", terminal="both")
        process.out.wait_for(r"K[1-9]\d* of 1000000 published")
        rig.interrupt(process)
        process.out.wait_for(r"lost *(\x1b\[0m)? *0\r")
        self.assertEqual(process.wait(), 0)

    def test_mistakes_are_said_in_words(self):
        for args, text in (
            (("--via", "pigeon"), "--via is forwarder, direct or stream, not 'pigeon'"),
            (("--transport", "inproc"), "--transport is tcp or ipc: it takes several processes"),
            (("--via", "direct", "--transport", "ipc"), "--via direct goes over tcp"),
            (("--replay",), "--replay is for a journal; name its place with --journal"),
            (("--replay", "--slow", "--journal", "."), "--replay goes without --slow and --raw"),
            (("--raw", "--via", "stream"), "--raw goes through a forwarder without a journal"),
            (("--via", "direct", "--journal", "."), "--journal is for --via forwarder and --via stream"),
            (("--slow", "--via", "stream"), "--slow is for --via forwarder and --via direct"),
        ):
            self.assertFails(run("bench", "pubsub", *args), 64,
                             f"zferry bench pubsub: {text}; see zferry bench pubsub --help")


class Peers(BenchCase):
    QUICK = ("--idle", "2s", "--count", "3001", "--trips", "101")

    def check(self, row, nodes, via):
        self.assertEqual(set(row), PEERS)
        self.assertEqual((row["nodes"], row["via"], row["interface"]), (nodes, via, "lo"))
        for mistake in ("given_up", "lost", "wrong"):
            self.assertEqual(row[mistake], 0, mistake)
        self.assertEqual((row["shouts"], row["trips"]), (3001, 101))
        for figure in ("pair_ms", "mesh_last_ms", "killed_ms", "stopped_ms", "shouts_per_s", "raw_msgs_per_s",
                       "p50_us", "raw_p50_us"):
            self.assertGreater(row[figure], 0, figure)
        for less, more in (("pair_ms", "pair_max_ms"), ("mesh_last_ms", "mesh_ms"), ("cpu_percent", "cpu_max_percent"),
                           ("rss_mb", "rss_max_mb"), ("p50_us", "p99_us"), ("raw_p50_us", "raw_p99_us")):
            self.assertLessEqual(row[less], row[more])
        self.assertGreaterEqual(row["seconds"], 2)
        self.assertGreater(row["rss_mb"], 1)
        self.assertGreater(row["descriptors"], 2 * (nodes - 1))  # a connection each way

    def test_eight_by_beacons(self):
        row = self.bench("peers", "--nodes", "8", *self.QUICK)
        self.check(row, 8, "beacons")
        self.assertGreater(row["cpu_percent"], 0)
        self.assertIsNone(row["hub_cpu_percent"])

    def test_three_at_a_hub(self):
        row = self.bench("peers", "--nodes", "3", "--hub", *self.QUICK)
        self.check(row, 3, "hub")
        self.assertGreaterEqual(row["hub_cpu_percent"], 0)

    def test_interrupted_leaves_no_node(self):
        process = self.start("bench", "peers", "--nodes", "4", "--idle", "10m", terminal="both")
        process.out.wait_for(r"idle: \d+ s")
        family = children(process.popen.pid)
        self.assertEqual(len(family), 4)
        rig.interrupt(process)
        self.assertEqual(process.wait(), 75)
        self.assertIn("stopped before the end", process.out.text())
        self.assertFalse([pid for pid in family if alive(pid)])

    def test_few_descriptors_are_said_in_words(self):
        command = ("sh", "-c", 'ulimit -n 100; exec "$@"', "sh", rig.PROGRAM, "bench", "peers", "--nodes", "40")
        done = subprocess.run(command, capture_output=True, text=True, timeout=rig.DEADLINE_S, env=rig.environment())
        self.assertEqual((done.returncode, done.stderr), (
            71, "zferry bench peers: a node needs 224 descriptors and may have 100; raise the hard limit (ulimit -Hn)\n"))

    def test_mistakes_are_said_in_words(self):
        for args, text in (
            (("--nodes", "2"), "--nodes is from 3 to 1000, not '2'"),
            (("--interface", "x" * 300, "--interface", "y" * 300), "--interface is given too often"),
        ):
            self.assertFails(run("bench", "peers", *args), 64,
                             f"zferry bench peers: {text}; see zferry bench peers --help")


class Others(BenchCase):
    def check_request(self, row, count):
        self.assertLessEqual(REQUEST, set(row))
        self.assertEqual((row["count"], row["wrong"]), (count, 0))
        for figure in ("p50", "p99"):
            self.assertGreater(row[f"raw_{figure}_us"], 0)
            ratio = row[f"{figure}_us"] / row[f"raw_{figure}_us"]
            self.assertAlmostEqual(row[f"ratio_{figure}"], ratio, delta=0.01 * ratio + 0.001)

    def test_request_beside_bare_libzmq(self):
        self.check_request(self.bench("request", "--count", "105"), 105)

    def test_request_over_ipc_removes_its_sockets(self):
        folder = self.folder()
        row = self.bench("request", "--count", "105", "--size", "2KiB", "--transport", "ipc",
                         env=rig.environment(TMPDIR=folder))
        self.check_request(row, 105)
        self.assertEqual(os.listdir(folder), [])

    def test_direct_request_takes_no_broker(self):
        folder = self.folder()
        for transport in ("tcp", "ipc"):
            row = self.bench("request", "--direct", "--count", "105", "--transport", transport,
                             env=rig.environment(TMPDIR=folder))
            self.assertEqual((row["direct"], row["transport"]), (True, transport))
            self.check_request(row, 105)
        self.assertEqual(os.listdir(folder), [])

    def test_connections_stay(self):
        row = self.bench("connections", "--count", "41", "--seconds", "300ms")
        self.assertEqual((row["count"], row["connected"]), (41, 41))
        self.assertGreaterEqual(row["broker_cpu_percent"], 0)
        self.assertGreater(row["broker_rss_mb"], 1)

    def test_memory_beside_the_payload(self):
        row = self.bench("memory", "--count", "20000", "--size", "200")
        self.assertEqual((row["count"], row["payload_mb"]), (20000, 4.0))
        self.assertGreater(row["broker_rss_mb"], row["broker_rss_before_mb"])
        self.assertAlmostEqual(row["overhead_bytes_per_record"], row["overhead_mb"] * 1e6 / 20000, delta=6)

    def test_recovery_finds_every_record(self):
        folder = self.folder()
        row = self.bench("recovery", "--records", "20000", "--size", "1KiB", "--memory", "4MiB", "--journal", folder)
        self.assertEqual(set(row), RECOVERY)
        self.assertEqual((row["count"], row["lost"], row["duplicated"], row["damaged"]), (20000, 0, 0, 0))
        for figure in ("filled_per_s", "recovery_s", "broker_rss_mb", "drained_per_s"):
            self.assertGreater(row[figure], 0, figure)
        self.assertEqual(os.listdir(folder), [])

    def test_planted_loss_after_recovery_is_found(self):
        row = self.bench("recovery", "--records", "2000", "--journal", self.folder(), "--plant", "lost", code=70)
        self.assertEqual((row["lost"], row["duplicated"]), (1, 0))
        row = self.bench("recovery", "--records", "2000", "--journal", self.folder(), "--plant", "duplicated", code=70)
        self.assertEqual((row["lost"], row["duplicated"]), (0, 1))

    def test_interrupted_recovery_leaves_nothing(self):
        folder = self.folder()
        process = self.start("bench", "recovery", "--records", "100000000", "--journal", folder, terminal="both")
        process.out.wait_for(r"K[1-9]\d* of 100000000 records confirmed")
        rig.interrupt(process)
        self.assertEqual(process.wait(), 75)
        self.assertEqual(os.listdir(folder), [])

    def test_journal_beside_the_disk(self):
        folder = self.folder()
        row = self.bench("journal", "--size", "50", "--batch", "20", "--count", "300", "--dir", folder)
        self.assertEqual(set(row), JOURNAL)
        self.assertEqual((row["size"], row["batch"], row["count"]), (50, 20, 300))
        for figure in JOURNAL - {"bench", "zferry"}:
            self.assertGreater(row[figure], 0, figure)
        for who in ("sync", "raw"):
            self.assertLessEqual(row[f"{who}_p50_us"], row[f"{who}_p99_us"])
            self.assertLessEqual(row[f"{who}_p99_us"], row[f"{who}_p999_us"])
        self.assertEqual(os.listdir(folder), [])

    def test_interrupted_journal_leaves_nothing(self):
        folder = self.folder()
        process = self.start("bench", "journal", "--count", "1000000", "--dir", folder, terminal="both")
        process.out.wait_for("of 1000000 syncs")
        rig.interrupt(process)
        self.assertEqual(process.wait(), 75)
        self.assertIn("stopped before the end", process.out.text())
        self.assertEqual(os.listdir(folder), [])

    def test_journal_that_cannot_be_made(self):
        self.assertFails(
            run("bench", "journal", "--dir", "/nowhere"), 73,
            "zferry bench journal: cannot make a directory in /nowhere: No such file or directory")
        self.assertFails(
            run("bench", "journal", "--size", "1MiB", "--batch", "2000"), 64,
            "zferry bench journal: --size times --batch is more than an entry holds (1073741824 bytes); "
            "see zferry bench journal --help")

    def test_mistakes_are_said_in_words(self):
        for args, text in (
            (("queue", "--transport", "foo"), "--transport is tcp, ipc or inproc, not 'foo'"),
            (("queue", "--transport", "inproc", "--connect", "tcp://127.0.0.1:1"),
             "--transport inproc has its broker inside; leave --connect away"),
            (("request", "--transport", "inproc"), "--transport is tcp or ipc: it takes three processes"),
            (("request", "--direct", "--connect", "tcp://127.0.0.1:1"), "--direct and --connect exclude each other"),
            (("queue", "--size", "15"), "--size is from 16 B to 8 MiB, not '15'"),
            (("queue", "--latency"), "--latency is for a journal, over tcp: name its place with --journal"),
            (("queue", "--keep"), "--keep is for a journal; name its place with --journal"),
            (("queue", "--sync", "never"), "--sync is for a journal; name its directory with --journal"),
            (("queue", "--journal", ".", "--transport", "inproc"),
             "--journal takes a broker of its own process: without --connect, over tcp or ipc"),
            (("recovery",), "name a place on a disk with --journal"),
            (("queue", "--producers", "65"), "--producers is from 1 to 64, not '65'"),
        ):
            verb = f"bench {args[0]}"
            self.assertFails(run("bench", *args), 64, f"zferry {verb}: {text}; see zferry {verb} --help")

    def test_child_verb_is_not_for_people(self):
        result = run("bench-child", "1", "role", "worker", "0")
        self.assertFails(result, 64, "zferry bench-child: this verb is for zferry itself")

    def test_table_on_a_terminal(self):
        process = self.start("bench", "queue", "--count", "2000", terminal="both")
        process.out.wait_for(r"damaged *(\x1b\[0m)? *0\r")
        self.assertEqual(process.wait(), 0)
        self.assertNotIn("{", process.out.text())


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def alive(pid):
    """A process that is there and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    rig.main()
