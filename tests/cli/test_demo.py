"""demo: a worker and the broker are killed and no line is missing; and if one is, the demo says so."""

import os
import re
import signal

import rig
from rig import run

FIELDS = {
    "file", "lines", "workers", "killed", "broker_killed", "posted", "confirmed", "processed", "redelivered",
    "repeated", "damaged", "dead", "lost", "records_per_s", "seconds",
}
QUICK = ("--seconds", "500ms", "--repeat", "10")


class Demo(rig.Case):
    def file(self, text):
        path = os.path.join(self.folder(), "lines")
        with open(path, "wb") as file:
            file.write(text)
        return path

    def demo(self, *args, code=0, **how):
        result = run("demo", *args, **how)
        self.assertEqual(result.code, code, result.err)
        row = result.rows()[0]
        self.assertLessEqual(FIELDS, set(row))
        return row, result.err

    def check(self, row, lines, posted):
        self.assertEqual(row["lines"], lines)
        for figure in ("posted", "confirmed", "processed"):
            self.assertEqual(row[figure], posted, figure)
        for mistake in ("lost", "dead", "damaged"):
            self.assertEqual(row[mistake], 0, mistake)

    def test_file_whose_worker_is_killed_is_processed_whole(self):
        path = self.file(b"".join(b"%d\n" % i for i in range(1000)))
        row, err = self.demo(path, "--seconds", "1", "--repeat", "20", "--workers", "3")
        self.check(row, 1000, 20000)
        self.assertEqual((row["workers"], row["killed"], row["broker_killed"]), (3, 1, 1))
        self.assertGreater(row["redelivered"], 0)
        self.assertRegex(err, r"killed     worker 1 \(process \d+\) with SIGKILL after \d+ records\n")
        broker = r"killed     the broker \(process (\d+)\) with SIGKILL, and the workers go on\n"
        before = re.search(broker, err).group(1)
        found = re.search(r"restarted  the broker \(process (\d+)\): (\d+) durable records in 1 queues", err)
        self.assertNotEqual(found.group(1), before)
        self.assertGreater(int(found.group(2)), 0)
        self.assertIn("all 20000 records were processed, although a worker and the broker were killed\n", err)

    def test_journal_is_removed(self):
        folder = self.folder()
        _, err = self.demo(self.file(b"a\n"), *QUICK, env=rig.environment(TMPDIR=folder))
        self.assertIn(f", journal in {folder}/zferry-bench-", err)
        self.assertEqual(os.listdir(folder), [])

    def test_any_lines_will_do(self):
        row, _ = self.demo(self.file(b"\n\n\xff\x00\xfe\nlong " + b"x" * 100_000 + b"\nno newline"), *QUICK)
        self.check(row, 5, 50)

    def test_lines_from_standard_input(self):
        row, _ = self.demo("-", *QUICK, stdin=b"a\nb\n")
        self.check(row, 2, 20)
        self.assertEqual(row["file"], "standard input")

    def test_single_worker_is_spared(self):
        row, err = self.demo(self.file(b"a\nb\n"), *QUICK, "--workers", "1")
        self.check(row, 2, 20)
        self.assertEqual((row["killed"], row["broker_killed"]), (0, 1))
        self.assertNotIn("killed     worker", err)
        self.assertIn("all 20 records were processed, although the broker was killed\n", err)

    def test_default_file(self):
        folder = self.folder()
        path = self.file(b"one\ntwo\n")
        run_here = rig.environment(ZFERRY_DEMO_FILE=path)
        row, _ = self.demo(*QUICK, env=run_here)
        self.assertEqual((row["file"], row["lines"]), (path, 2))
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(folder)
        row, _ = self.demo("--seconds", "500ms", "--repeat", "1")
        self.assertEqual((row["file"], row["lines"]), ("a generated text", 20000))
        with open("LICENSE", "w", encoding="ascii") as file:
            file.write("all rights\nand wrongs\n")
        row, _ = self.demo(*QUICK)
        self.assertEqual((row["file"], row["lines"]), ("LICENSE", 2))

    def test_missing_line_is_found(self):
        row, err = self.demo(self.file(b"a\nb\n"), *QUICK, "--skip", "7", code=70)
        self.assertEqual((row["posted"], row["processed"], row["lost"]), (20, 19, 1))
        self.assertTrue(err.endswith("zferry demo: 1 of 20 records are missing; that is a bug\n"), err)

    def test_interrupted_demo_finishes_what_it_has_posted(self):
        path = self.file(b"a\nb\nc\n")
        process = self.start("demo", path, "--repeat", "100000", "--seconds", "10m")
        process.err.wait_for(r"processed [1-9]")
        rig.interrupt(process)
        self.assertEqual(process.wait(), 0, process.err.text())
        posted = int(re.search(r'"posted":(\d+)', process.out.text()).group(1))
        self.assertGreater(posted, 0)
        self.assertLess(posted, 300000)
        self.assertIn(f"all {posted} records were processed", process.err.text())

    def test_dead_demo_leaves_no_process(self):
        process = self.start("demo", self.file(b"a\n"), "--repeat", "100000", "--seconds", "10m",
                             env=rig.environment(TMPDIR=self.folder()))  # it cannot remove its journal
        process.err.wait_for(r"processed [1-9]")
        family = [int(pid) for pid in re.findall(r"process (\d+)", process.err.text())]
        self.assertEqual(len(family), 5)
        process.signal(signal.SIGKILL)
        rig.until(lambda: not any(alive(pid) for pid in family), f"end of {family}")

    def test_terminal_shows_one_line_and_a_table(self):
        path = self.file(b"a\nb\n")
        process = self.start("demo", path, *QUICK, terminal="both")
        process.out.wait_for(r"\r\x1b\[K *\d+\.\d s  posted \d+  confirmed \d+  processed \d+")
        process.out.wait_for(r"lost *(\x1b\[0m)? *0\r")
        self.assertEqual(process.wait(), 0)

    def test_mistakes_are_said_in_words(self):
        missing = os.path.join(self.folder(), "nothing")
        self.assertFails(run("demo", missing), 66,
                         f"zferry demo: can't open {missing}: No such file or directory")
        empty = self.file(b"")
        self.assertFails(run("demo", empty), 65, f"zferry demo: {empty} is empty; give a file with lines")
        self.assertFails(run("demo-worker", "1", "tcp://127.0.0.1:1", "q"), 64,
                         "zferry demo-worker: this verb is for zferry demo itself")


def alive(pid):
    """A process that is there and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    rig.main()
