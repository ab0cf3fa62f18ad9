#!/usr/bin/env python3
"""Runs `zferry bench` several times, takes medians, and holds them against what zferry is to reach.

usage: bench/targets.py ZFERRY [ROUNDS]

Prints a table (the one in docs/performance.md) and exits 1 if a target is missed. Each round runs
every benchmark once, so that a machine whose speed drifts treats them alike.
"""
import json
import statistics
import subprocess
import sys

# what, arguments of `zferry bench`, figure, "at least" or "at most", target, unit, factor
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
    ("10,000 idle clients, broker CPU", "connections --seconds 25", "broker_cpu_percent", "most", 10, "% of a core", 1),
    ("a million queued records, beside payload", "memory", "overhead_mb", "most", 200, "MB", 1),
]


def measure(zferry, rounds):
    """Runs each command once a round; returns {command: [result, ...]}."""
    results = {}
    for number in range(rounds):
        for command in dict.fromkeys(row[1] for row in ROWS):
            print(f"round {number + 1} of {rounds}: bench {command}", file=sys.stderr)
            done = subprocess.run([zferry, "bench", *command.split(), "--json"],
                                  stdout=subprocess.PIPE, check=True)
            results.setdefault(command, []).append(json.loads(done.stdout))
    return results


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    results = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    missed = False
    print("| what | median | min .. max | target | `zferry bench` |")
    print("|---|---|---|---|---|")
    for what, command, field, kind, target, unit, factor in ROWS:
        values = [result[field] * factor for result in results[command]]
        median = statistics.median(values)
        reached = kind is None or (median >= target if kind == "least" else median <= target)
        missed |= not reached
        goal = "" if kind is None else f"at {kind} {target}" + ("" if reached else " (missed)")
        print(f"| {what} | {median:.3g} {unit} | {min(values):.3g} .. {max(values):.3g} | {goal} | `{command}` |")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
