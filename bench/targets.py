#!/usr/bin/env python3
"""Runs `zferry bench` several times, takes medians, and holds them against what zferry is to reach.

usage: bench/targets.py ZFERRY [ROUNDS]

Journals are made in the current directory, which should be on a disk, and are removed again.
Prints a table (the one in docs/performance.md) and exits 1 if a target is missed. Each round runs
every benchmark once, so that a machine whose speed drifts treats them alike.
"""
import json
import shutil
import statistics
import subprocess
import sys

# What the disk can do, as far as fio is there: commands that begin with fio, not arguments of `zferry bench`.
FIO = "fio --name=zferry-bench --directory=. --unlink=1 --size=512m --rw=write --bs=256k --fdatasync=1"
DIRECT = "request --direct"
DURABLE = "queue --count 5000000 --journal ."
LARGE = "queue --count 1000000 --size 1024 --journal ."
LATENCY = "queue --latency --journal ."
RECOVERY = "recovery --records 10000000 --journal ."
SPILLED = "recovery --records 10000000 --size 1KiB --memory 256MiB --journal ."
EVENTS = "pubsub --count 5000000"
KEPT_EVENTS = "pubsub --count 5000000 --journal ."
SHARED_EVENTS = "pubsub --count 2000000 --subscribers 4"
STREAM = "pubsub --count 5000000 --via stream --journal ."
REPLAY = "pubsub --replay --count 5000000 --journal ."
SLOW = "pubsub --slow --subscribers 2"
PEERS = "peers --nodes 100"

# what, arguments of `zferry bench`, figure (or figure / FIO's), "at least" or "at most", target, unit, factor
ROWS = [
    ("queue, 100 bytes, tcp", "queue --count 5000000", "msgs_per_s", "least", 3.0, "M msg/s", 1e-6),
    ("the same, confirmed", "queue --count 5000000", "confirmed_per_s", "least", 3.0, "M msg/s", 1e-6),
    ("the same, broker CPU", "queue --count 5000000", "broker_cpu_us_per_msg", None, None, "us/msg", 1),
    ("queue, 1 KiB, tcp", "queue --count 1000000 --size 1024", "mb_per_s", "least", 600, "MB/s", 1),
    ("queue, 100 bytes, ipc", "queue --count 5000000 --transport ipc", "msgs_per_s", None, None, "M msg/s", 1e-6),
    ("queue, 100 bytes, inproc", "queue --count 5000000 --transport inproc", "msgs_per_s", None, None, "M msg/s", 1e-6),
    ("queue, 100,000 msg/s, latency p50", "queue --count 300000 --rate 100000", "p50_us", None, None, "us", 1),
    ("queue, 100,000 msg/s, latency p99", "queue --count 300000 --rate 100000", "p99_us", None, None, "us", 1),
    ("request p50", "request", "p50_us", None, None, "us", 1),
    ("request p50 / four hops of bare libzmq", "request", "ratio_p50", "most", 1.15, "", 1),
    ("request p99 / the same", "request", "ratio_p99", "most", 1.5, "", 1),
    ("direct request p50", DIRECT, "p50_us", None, None, "us", 1),
    ("direct request p50 / two hops of bare libzmq", DIRECT, "ratio_p50", "most", 1.15, "", 1),
    ("direct request p99 / the same", DIRECT, "ratio_p99", None, None, "", 1),
    ("10,000 idle clients, broker CPU", "connections --seconds 25", "broker_cpu_percent", "most", 10, "% of a core", 1),
    ("a million queued records, beside payload", "memory", "overhead_mb", "most", 200, "MB", 1),
    ("a lone durable post, confirm p50", LATENCY, "confirm_p50_us", None, None, "us", 1),
    ("the same beyond disk and raw round trip", LATENCY, "beyond_p50_us", "most", 60, "us", 1),
    ("durable queue, 100 bytes, tcp", DURABLE, "msgs_per_s", "least", 2.5, "M msg/s", 1e-6),
    ("the same, confirmed", DURABLE, "confirmed_per_s", "least", 2.5, "M msg/s", 1e-6),
    ("the same, broker CPU", DURABLE, "broker_cpu_us_per_msg", None, None, "us/msg", 1),
    ("the disk, 256 KiB writes, fdatasync each", FIO, "mb_per_s", None, None, "MB/s", 1),
    ("durable queue, 1 KiB, tcp", LARGE, "mb_per_s", None, None, "MB/s", 1),
    ("the same / the disk", LARGE, "mb_per_s/fio", "least", 0.6, "", 1),
    ("killed with 10 M of 100 bytes, back", RECOVERY, "recovery_s", "most", 5, "s", 1),
    ("10 M of 1 KiB in 256 MiB, peak memory", SPILLED, "broker_peak_rss_mb", "most", 700, "MB", 1),
    ("the same while they are posted", SPILLED, "filled_rss_mb", "most", 700, "MB", 1),
    ("the same, drained", SPILLED, "drained_per_s", "least", 0.3, "M msg/s", 1e-6),
    ("plain events through a forwarder", "pubsub --raw", "msgs_per_s", None, None, "M msg/s", 1e-6),
    ("the same / bare zmq_proxy", "pubsub --raw", "ratio", "least", 0.95, "", 1),
    ("events through a forwarder, tcp", EVENTS, "msgs_per_s", "least", 4.0, "M msg/s", 1e-6),
    ("the same, forwarder CPU", EVENTS, "forwarder_cpu_us_per_msg", None, None, "us/msg", 1),
    ("events, publisher with its own", EVENTS + " --via direct", "msgs_per_s", None, None, "M msg/s", 1e-6),
    ("events, journaled, sync always", KEPT_EVENTS, "msgs_per_s", "least", 2.5, "M msg/s", 1e-6),
    ("events to 4 subscribers, in all", SHARED_EVENTS, "deliveries_per_s", "least", 6.0, "M msg/s", 1e-6),
    ("durable stream, group with acks", STREAM, "msgs_per_s", "least", 2.0, "M msg/s", 1e-6),
    ("stream replayed from disk", REPLAY, "replayed_per_s", "least", 5.0, "M msg/s", 1e-6),
    ("events, 50,000 msg/s, latency p99", SLOW, "p99_us", None, None, "us", 1),
    ("the same beside one that does not read, /", SLOW, "ratio", "most", 1.1, "", 1),
    ("the same, plain sockets, /", SLOW + " --raw", "ratio", "most", 1.1, "", 1),
    ("two nodes see each other, typical", PEERS, "pair_ms", "most", 300, "ms", 1),
    ("the same, worst", PEERS, "pair_max_ms", "most", 1200, "ms", 1),
    ("100 nodes, processes, all see all", PEERS, "mesh_ms", "most", 10, "s", 1e-3),
    ("each of them idle, CPU", PEERS, "cpu_percent", "most", 0.5, "% of a core", 1),
    ("each of them, memory", PEERS, "rss_mb", "most", 24, "MB", 1),
    ("one killed, the others have noticed", PEERS, "killed_ms", None, None, "ms", 1),
    ("one stopped, the same", PEERS, "stopped_ms", None, None, "ms", 1),
    ("100 nodes at a hub, all see all", PEERS + " --hub", "mesh_ms", "most", 10, "s", 1e-3),
    ("each of them idle, CPU", PEERS + " --hub", "cpu_percent", "most", 0.5, "% of a core", 1),
    ("the hub's", PEERS + " --hub", "hub_cpu_percent", None, None, "% of a core", 1),
    ("shouts between two nodes, 100 bytes", PEERS, "shouts_per_s", None, None, "M msg/s", 1e-6),
    ("whisper and answer p50", PEERS, "p50_us", None, None, "us", 1),
    ("the same / bare libzmq", PEERS, "ratio_p50", None, None, "", 1),
]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def run_fio():
    """What it says in bytes a second, as `zferry bench` would say it."""
    written = run([*FIO.split(), "--output-format=json"])["jobs"][0]["write"]
    return {"mb_per_s": written["bw_bytes"] / 1e6}


def measure(zferry, rounds):
    """Runs each command once a round; returns {command: [result, ...]}, without FIO if it is not there."""
    results = {}
    for number in range(rounds):
        for command in dict.fromkeys(row[1] for row in ROWS):
            if command == FIO and shutil.which("fio") is None:
                print("fio is not installed: what is held against it is left out", file=sys.stderr)
                continue
            print(f"round {number + 1} of {rounds}: bench {command}", file=sys.stderr)
            result = run_fio() if command == FIO else run([zferry, "bench", *command.split(), "--json"])
            results.setdefault(command, []).append(result)
    return results


def values_of(results, command, field, factor):
    """The figure of each round, or None if fio would be needed for it."""
    name, slash, _ = field.partition("/")
    if FIO not in results and (slash or command == FIO):
        return None
    values = [result[name] * factor for result in results[command]]
    return [value / disk["mb_per_s"] for value, disk in zip(values, results[FIO])] if slash else values


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    results = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    missed = False
    print("| what | median | min .. max | target | `zferry bench` |")
    print("|---|---|---|---|---|")
    for what, command, field, kind, target, unit, factor in ROWS:
        values = values_of(results, command, field, factor)
        if values is None:
            continue
        median = statistics.median(values)
        reached = kind is None or (median >= target if kind == "least" else median <= target)
        missed |= not reached
        goal = "" if kind is None else f"at {kind} {target}" + ("" if reached else " (missed)")
        print(f"| {what} | {median:.3g} {unit} | {min(values):.3g} .. {max(values):.3g} | {goal} | `{command}` |")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
