#!/usr/bin/env python3
"""Writes the golden journals beside this script, from the table in docs/format.md alone: no code of
zferry's has a part in it. Needs python3-xxhash.

A file of a journal is written as its used bytes in hexadecimal, with `fill: COUNT BYTE` for long
runs of one byte; the rest of it is zeros. `entry:` says what lies where: segment, position, size of
the payload, position below which all was durable when it was written, kind."""

import pathlib
import struct

import xxhash

DATA, TRIM, CLOSE = 1, 2, 3
KINDS = {DATA: "data", TRIM: "trim", CLOSE: "close"}
UUID = bytes(range(16))


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


class Journal:
    """Journal bytes, entry by entry. `synced` moves on when the story says that it was synced."""

    def __init__(self, story):
        self.story = story
        self.lines = []
        self.files = []  # [capacity, bytes]
        self.position = 0
        self.synced = 0
        self.previous = xxh3(UUID)

    def segment(self, capacity):
        """Everything before is synced before a segment is begun."""
        self.synced = self.position
        head = b"ZFJ\x01" + struct.pack("<I", 0) + UUID
        head += struct.pack("<QQQQ", len(self.files) + 1, self.position, self.previous, capacity)
        self.files.append([capacity, head + struct.pack("<Q", xxh3(head))])

    def entry(self, payload, kind=DATA):
        head = struct.pack("<I", len(payload)) + b"ZFE" + bytes([kind])
        head += struct.pack("<QQQ", self.position, self.synced, self.previous)
        total = xxh3(payload, xxh3(head))
        raw = head + struct.pack("<Q", total) + payload
        raw += bytes(-len(raw) % 8)
        self.files[-1][1] += raw
        assert len(self.files[-1][1]) <= self.files[-1][0]
        self.lines.append(
            f"entry: {len(self.files)} {self.position} {len(payload)} {self.synced} {KINDS[kind]}")
        self.position += len(raw)
        self.previous = total

    def trim(self, position):
        self.entry(struct.pack("<Q", position), TRIM)

    def close(self):
        """Everything before is synced before the mark is made."""
        self.sync()
        self.entry(b"", CLOSE)

    def sync(self):
        self.synced = self.position

    def text(self):
        out = [f"# {line}" for line in self.story.strip().splitlines()]
        out += self.lines
        for number, (capacity, raw) in enumerate(self.files, 1):
            out.append(f"file: {number:016x}.zfj {capacity}")
            out += hexadecimal(raw)
        return "\n".join(out) + "\n"


def run_length(raw, at):
    end = at
    while end < len(raw) and raw[end] == raw[at]:
        end += 1
    return end - at


def hexadecimal(raw):
    lines, at, plain = [], 0, b""
    while at <= len(raw):
        run = run_length(raw, at) if at < len(raw) else 0
        if len(plain) == 40 or (plain and (run > 100 or at == len(raw))):
            lines.append(plain.hex())
            plain = b""
        if run > 100:
            lines.append(f"fill: {run} {raw[at]:02x}")
            at += run
        else:
            plain += raw[at:at + 1]
            at += 1
    return lines


def written():
    j = Journal("""
What zferry has to write, byte for byte, with segments of 65536 bytes and random bytes 00 01 02:
open; append "first"; append "two", " ", "parts" as one; sync; append nothing;
append 60000 times "x"; append 60000 times "y"; trim 48; sync; append "last"; close.
The second 60000 do not fit into the first segment any more.""")
    j.segment(65536)
    j.entry(b"first")
    j.entry(b"two parts")
    j.sync()
    j.entry(b"")
    j.entry(b"x" * 60000)
    j.segment(65536)
    j.entry(b"y" * 60000)
    j.trim(48)
    j.sync()
    j.entry(b"last")
    j.close()
    return j


def small(closed):
    j = Journal("""
Small segments, for reading only; the second has no room left for a header.
""" + ("It was closed." if closed else
       "The process was killed. Of the last segment's entries, the last one says that the first\n"
       "one was durable; nothing says it of the others."))
    j.segment(376)
    j.entry(b"alpha")
    j.entry(bytes(range(20)))
    j.sync()
    j.entry(b"")
    j.entry(b"\x00\xff" * 15)
    j.segment(256)
    j.entry(b"ZFE\x01" * 10)
    j.trim(48)
    j.sync()
    j.entry(b"12345678")
    j.segment(384)
    j.entry(b"zeta")
    if closed:
        j.entry(bytes(16))
        j.close()
    else:
        j.sync()
        j.entry(bytes(16))
        j.entry(b"e")
    return j


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    for name, journal in (("written", written()), ("killed", small(False)),
                          ("closed", small(True))):
        (here / f"{name}.txt").write_text(journal.text())
