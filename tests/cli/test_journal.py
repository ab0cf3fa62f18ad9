"""journal: what it shows of journals that are made here, byte by byte, as docs/format.md has them."""

import fcntl
import os
import struct

import xxhash

import rig
from rig import run

UUID = bytes(range(16))
UUID_TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"
CAPACITY = 65536
DATA, TRIM, CLOSE = 1, 2, 3


class Journal:
    """Writes segments; an entry says that all before it was durable, unless it is told otherwise."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "journal")
        os.mkdir(self.path)
        self.previous = xxhash.xxh3_64_intdigest(UUID)
        self.position = 0
        self.number = 0
        self.places = []  # (file, offset) of each entry
        self.segment()

    def segment(self, version=1):
        self.number += 1
        self.name = "%016x.zfj" % self.number
        self.base = self.position
        head = struct.pack("<3sB4x16sQQQQ", b"ZFJ", version, UUID, self.number, self.base, self.previous, CAPACITY)
        self.write(0, head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head)))
        os.truncate(self.file(), CAPACITY)

    def file(self, name=None):
        return os.path.join(self.path, name or self.name)

    def write(self, offset, data):
        with open(os.open(self.file(), os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.seek(offset)
            file.write(data)

    def entry(self, payload, kind=DATA, synced=None):
        synced = self.position if synced is None else synced
        head = struct.pack("<I3sBQQQ", len(payload), b"ZFE", kind, self.position, synced, self.previous)
        seed = xxhash.xxh3_64_intdigest(head)
        self.previous = xxhash.xxh3_64_intdigest(payload, seed)
        data = head + struct.pack("<Q", self.previous) + payload
        data += bytes(-len(data) % 8)
        offset = 64 + self.position - self.base
        self.write(offset, data)
        self.places.append((self.name, offset))
        self.position += len(data)

    def trim(self, position):
        self.entry(struct.pack("<Q", position), TRIM)

    def flip(self, place, at):
        """Flips a bit of the byte that lies so far behind the beginning of an entry."""
        with open(self.file(place[0]), "r+b") as file:
            file.seek(place[1] + at)
            byte = file.read(1)[0]
            file.seek(place[1] + at)
            file.write(bytes([byte ^ 4]))

    def files(self, path=None):
        contents = {}
        for name in os.listdir(path or self.path):
            with open(os.path.join(path or self.path, name), "rb") as file:
                contents[name] = file.read()
        return contents


class JournalCase(rig.Case):
    def make(self, *payloads, close=True):
        """Two segments, the second of which begins before the last payload."""
        journal = Journal(self.folder())
        for payload in payloads[:-1]:
            journal.entry(payload)
        journal.segment()
        journal.entry(payloads[-1])
        if close:
            journal.entry(b"", CLOSE)
        return journal

    def rows(self, *args, code=0):
        result = run("journal", *args, "--json")
        self.assertEqual(result.code, code, result.err)
        return result.rows()

    def contents(self, journal):
        return [row["content"] for row in self.rows("dump", journal.path) if row["kind"] == "data"]


class Looking(JournalCase):
    def test_info_says_what_is_there(self):
        journal = self.make(b"one", b"two", b"three")
        before = journal.files()
        (row,) = self.rows("info", journal.path)
        self.assertEqual(row, {
            "dir": journal.path, "uuid": UUID_TEXT, "version": 1, "first": 0, "next": journal.position,
            "segments": 2, "spares": 0, "disk_bytes": 2 * CAPACITY, "entries": 3, "entry_bytes": 11,
            "damages": 0, "lost_bytes": 0, "torn_bytes": 0, "closed": True,
        })
        self.assertEqual(journal.files(), before)

    def test_info_of_a_journal_that_was_not_closed(self):
        journal = self.make(b"one", b"two", close=False)
        self.assertFalse(self.rows("info", journal.path)[0]["closed"])

    def test_info_for_people(self):
        process = self.start("journal", "info", self.make(b"one", b"two").path, terminal=True)
        process.out.wait_for(r"segments in use *(\x1b\[0m)? *2\r")
        process.out.wait_for(r"on disk *(\x1b\[0m)? *128 KiB\r")
        self.assertEqual(process.wait(), 0)

    def test_dump_has_a_line_for_each_entry(self):
        journal = self.make(b"one", b"t\x00\xffo", b"x" * 100)
        rows = self.rows("dump", journal.path)
        self.assertEqual([row["kind"] for row in rows], ["data", "data", "data", "close"])
        self.assertEqual([row["position"] for row in rows], [0, 48, 96, 240])
        self.assertEqual([row["bytes"] for row in rows[:3]], [3, 4, 100])
        self.assertEqual([(row["file"], row["offset"]) for row in rows], journal.places)
        self.assertEqual([row["content"] for row in rows[:3]], ["one", "t..o", "x" * 40 + "..."])

    def test_dump_of_a_part(self):
        journal = self.make(b"one", b"two", b"three")
        rows = self.rows("dump", journal.path, "--from", "1", "--count", "1")
        self.assertEqual([row["content"] for row in rows], ["two"])

    def test_dump_shows_trims(self):
        journal = Journal(self.folder())
        journal.entry(b"one")
        journal.entry(b"two")
        journal.trim(48)
        kinds = {row["kind"]: row["content"] for row in self.rows("dump", journal.path)}
        self.assertEqual(kinds["trim"], "nothing below 48 is needed")
        self.assertEqual(self.rows("info", journal.path)[0]["first"], 48)

    def test_dump_into_a_closed_pipe_ends(self):
        journal = Journal(self.folder())
        for _ in range(1000):
            journal.entry(b"x" * 20)
        reader, writer = os.pipe()
        os.close(reader)
        process = rig.subprocess.run([rig.PROGRAM, "journal", "dump", journal.path], stdout=writer,
                                     stderr=rig.subprocess.PIPE, timeout=rig.DEADLINE_S, check=False)
        os.close(writer)
        self.assertEqual(process.returncode, 74)

    def test_verify_of_a_good_journal(self):
        result = run("journal", "verify", self.make(b"one", b"two").path)
        self.assertEqual((result.code, result.out, result.err), (0, "", "2 entries, all good\n"))

    def test_torn_end_is_no_damage(self):
        journal = Journal(self.folder())
        journal.entry(b"one")
        journal.entry(b"two")
        journal.flip(journal.places[1], 41)
        self.assertEqual(self.rows("verify", journal.path), [])
        (row,) = self.rows("info", journal.path)
        self.assertEqual((row["entries"], row["damages"], row["next"]), (1, 0, 48))
        self.assertGreater(row["torn_bytes"], 0)

    def test_journal_in_use_can_be_looked_at(self):
        journal = self.make(b"one", b"two", close=False)
        with open(journal.file("lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for verb in ("info", "verify", "dump"):
                self.rows(verb, journal.path)


class Damaged(JournalCase):
    def make_damaged(self):
        journal = self.make(b"one", b"two", b"three", b"four")
        journal.flip(journal.places[1], 41)
        return journal

    def test_verify_names_the_place(self):
        journal = self.make_damaged()
        before = journal.files()
        (row,) = self.rows("verify", journal.path, code=1)
        self.assertEqual((row["file"], row["offset"]), journal.places[1])
        self.assertEqual((row["position"], row["bytes"]), (48, 48))
        self.assertIn("checksum mismatch", row["text"])
        result = run("journal", "verify", journal.path)
        self.assertEqual(result.err, f"zferry journal verify: {journal.path} is damaged in 1 place; "
                                     "zferry journal repair saves the rest\n")
        self.assertEqual(journal.files(), before)

    def test_every_flipped_bit_of_an_entry_is_found(self):
        for at in range(48):
            journal = self.make(b"one", b"two-long", b"three")
            journal.flip(journal.places[1], at)
            rows = self.rows("verify", journal.path, code=1)
            self.assertEqual([(row["file"], row["offset"]) for row in rows], [journal.places[1]], at)

    def test_dump_goes_on_behind_damage(self):
        journal = self.make_damaged()
        rows = self.rows("dump", journal.path)
        self.assertEqual([row["kind"] for row in rows], ["data", "lost", "data", "data", "close"])
        self.assertEqual(self.contents(journal), ["one", "three", "four"])

    def test_missing_segment_is_damage(self):
        journal = self.make(b"one", b"two")
        journal.segment()
        journal.entry(b"three")
        os.unlink(journal.file("%016x.zfj" % 2))
        rows = self.rows("verify", journal.path, code=1)
        self.assertEqual(len(rows), 1)
        self.assertIn("missing", rows[0]["text"])
        self.assertEqual(self.contents(journal), ["one", "three"])

    def test_repair_keeps_what_is_good_and_destroys_nothing(self):
        journal = self.make_damaged()
        before = journal.files()
        rows = self.rows("repair", journal.path)
        self.assertEqual((rows[0]["file"], rows[0]["offset"]), journal.places[1])
        self.assertEqual(rows[1], {"kept": 3, "aside": journal.path + ".damaged-1"})
        self.assertEqual(self.contents(journal), ["one", "three", "four"])
        self.assertEqual(self.rows("verify", journal.path), [])
        after = journal.files(rows[1]["aside"])
        after.pop("lock", None)
        self.assertEqual(after, before)

    def test_repair_leaves_out_what_was_trimmed(self):
        journal = Journal(self.folder())
        for payload in (b"one", b"two", b"three"):
            journal.entry(payload)
        journal.trim(48)
        journal.entry(b"four")
        journal.entry(b"five")
        journal.flip(journal.places[4], 41)
        journal.flip(journal.places[5], 8)
        journal.entry(b"six")
        self.rows("repair", journal.path)
        self.assertEqual(self.contents(journal), ["two", "three", "six"])

    def test_repair_leaves_a_good_journal_alone(self):
        journal = self.make(b"one", b"two")
        before = journal.files()
        result = run("journal", "repair", journal.path)
        self.assertEqual((result.code, result.out), (0, ""))
        self.assertEqual(result.err, f"nothing is damaged in {journal.path}; it was left alone\n")
        after = journal.files()
        after.pop("lock", None)
        self.assertEqual(after, before)
        self.assertEqual(os.listdir(os.path.dirname(journal.path)), ["journal"])

    def test_repair_for_people(self):
        journal = self.make_damaged()
        result = run("journal", "repair", journal.path)
        self.assertEqual(result.err, f"3 entries were kept; the damaged journal is whole in {journal.path}.damaged-1\n")

    def test_journal_in_use_is_not_repaired(self):
        journal = self.make_damaged()
        before = journal.files()
        with open(journal.file("lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = run("journal", "repair", journal.path)
        self.assertEqual(result.code, 75)
        self.assertRegex(result.err, r"a process has it open; stop that first\n$")
        after = journal.files()
        after.pop("lock")
        self.assertEqual(after, before)


class Wrong(JournalCase):
    def test_no_journal_is_said_in_words(self):
        folder = self.folder()
        for path in (folder, os.path.join(folder, "nowhere")):
            for verb in ("info", "verify", "dump", "repair"):
                self.assertFails(run("journal", verb, path), 66, f"zferry journal {verb}: there is no journal in {path}")
        self.assertEqual(os.listdir(folder), [])

    def test_later_format_is_said_in_words(self):
        journal = self.make(b"one", b"two")
        journal.segment(version=2)
        for verb in ("info", "verify", "dump", "repair"):
            result = run("journal", verb, journal.path)
            self.assertEqual(result.code, 76)
            self.assertIn("format version 2", result.err)

    def test_directory_is_needed(self):
        self.assertEqual(run("journal", "info").code, 64)


if __name__ == "__main__":
    rig.main()
