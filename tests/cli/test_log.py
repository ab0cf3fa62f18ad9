"""stderr: text as ever, JSON lines, levels, and the priorities of systemd's journal."""

import datetime
import json
import os
import re
import signal
import subprocess

import rig
from rig import run

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class Json(rig.Case):
    def test_mistake_is_one_object(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        row, = lines(run("post", "q", "x", "--delay", "x", "--log-format", "json").err)
        self.assertEqual(list(row), ["time", "level", "verb", "text"])
        self.assertRegex(row["time"], TIME)
        told = datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
        self.assertLess(abs((told - before).total_seconds()), rig.DEADLINE_S)
        self.assertEqual((row["level"], row["verb"]), ("error", "post"))
        self.assertEqual(row["text"], "--delay is a time such as 250ms, 5s or 10m, not 'x'; see zferry post --help")

    def test_format_holds_wherever_it_is_given(self):
        for args in (["post", "--log-format", "json"], ["post", "--log-format=json"],
                     ["post", "--nope", "--log-format", "json"]):
            with self.subTest(args):
                self.assertEqual(lines(run(*args).err)[0]["level"], "error")
        self.assertEqual(run("post", "--nope", "--", "--log-format", "json").err[:6], "zferry")

    def test_environment(self):
        env = rig.environment(ZFERRY_LOG_FORMAT="json")
        row, = lines(run("pots", env=env).err)
        self.assertEqual(list(row), ["time", "level", "text"])  # there is no verb
        self.assertEqual(run("post", "--nope", "--log-format", "text", env=rig.environment()).err[:6], "zferry")
        self.assertFails(run("version", env=rig.environment(ZFERRY_LOG_FORMAT="xml")), 78,
                         "zferry: ZFERRY_LOG_FORMAT is text or json, not 'xml'")
        self.assertFails(run("version", env=rig.environment(ZFERRY_LOG_LEVEL="loud")), 78,
                         "zferry: ZFERRY_LOG_LEVEL is error, warning, notice, info or debug, not 'loud'")

    def test_bytes_that_are_no_text(self):
        text = run("post", "q", "x", "--delay", os.fsdecode(b"\xff\n\x1b"), "--log-format", "json").err
        row, = lines(text)
        self.assertIn("not '?\n\x1b'", row["text"])

    def test_everything_that_a_broker_says(self):
        broker = self.device("broker", "--bind", "tcp://127.0.0.1:*", "--verbose", "--log-format", "json")
        self.endpoint = broker.err.wait_for(r"listening on (tcp://[^\s\"]+)\"").group(1)
        self.good("queue", "declare", "q", "--max-attempts", "1")
        self.good("post", "q", "x")
        self.good("work", "q", "--count", "1", "--exec", "exit 1")
        broker.err.wait_for("worker off: ")
        broker.err.wait_for("dead letter: ")
        rig.terminate(broker)
        self.assertEqual(broker.wait(), 0)
        told = {row["text"].split(":")[0]: row for row in lines(broker.err.text())}
        self.assertTrue(all(row["verb"] == "broker" and re.match(TIME, row["time"]) for row in told.values()))
        self.assertEqual(told["worker on"]["level"], "info")
        self.assertEqual(told["dead letter"]["level"], "notice")
        self.assertEqual(told["listening on tcp"]["level"], "notice")
        self.assertEqual([row["level"] for text, row in told.items() if text.startswith("stopped after")], ["info"])

    def test_no_titles_and_no_progress(self):
        self.broker()
        self.good("post", "q", "--lines", stdin=b"x\n" * 10)
        work = self.start("work", "q", "--count", "10", "--log-format", "json", "--connect", self.endpoint,
                          terminal=True)
        self.assertEqual(work.wait(), 0)
        self.assertEqual([row["text"][:11] for row in lines(work.err.text())], ["received 10"])
        post = self.start("post", "q", "--lines", "--log-format", "json", "--connect", self.endpoint,
                          stdin=subprocess.PIPE, terminal="both")
        post.popen.stdin.write(b"x\n" * 5000)
        post.popen.stdin.close()
        self.assertEqual(post.wait(), 0)
        self.assertEqual(len(lines(post.err.text())), 1)


class Levels(rig.Case):
    def test_level_is_the_least_that_is_printed(self):
        self.broker()
        for level, count in (("error", 0), ("warning", 0), ("notice", 0), ("info", 1), ("debug", 1)):
            with self.subTest(level):
                said = self.good("post", "q", "--lines", "--log-level", level, stdin=b"x\n").err
                self.assertEqual(len(said.splitlines()), count)
        failed = self.zferry("queue", "info", "nope", "--log-level", "error")
        self.assertEqual((failed.code, len(failed.err.splitlines())), (66, 1))

    def test_environment_and_option(self):
        self.broker()
        env = rig.environment(ZFERRY_LOG_LEVEL="error")
        self.assertEqual(self.good("post", "q", "--lines", stdin=b"x\n", env=env).err, "")
        self.assertNotEqual(self.good("post", "q", "--lines", "--log-level", "info", stdin=b"x\n", env=env).err, "")

    def test_debug_is_verbose(self):
        broker = self.broker("--log-level", "debug")
        self.good("work", "q", "--idle", "10ms")
        broker.err.wait_for("worker on: q")

    def test_mistakes(self):
        self.assertFails(run("version", "--log-level", "loud"), 64,
                         "zferry version: --log-level is error, warning, notice, info or debug, not 'loud'")
        self.assertFails(run("version", "--log-format", "xml"), 64,
                         "zferry version: --log-format is text or json, not 'xml'")


class Text(rig.Case):
    def test_nothing_moves_the_cursor_or_begins_a_line(self):
        result = run("post", "q", "x", "--delay", "\x1b[2J\nzferry: all is well\r\x9b\x7f")
        self.assertEqual(len(result.err.splitlines()), 1)
        self.assertNotRegex(result.err, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        self.assertIn("'.[2J.zferry: all is well...." , result.err)

    def test_long_line_is_cut_and_whole(self):
        result = run("post", "q", "x", "--delay", "y" * 50000)
        self.assertEqual(result.err.count("\n"), 1)
        self.assertLess(len(result.err), 3000)
        self.assertTrue(result.err.endswith("; see zferry post --help\n"))


class Journal(rig.Case):
    """A pipe plays systemd's journal: what counts is that stderr is what JOURNAL_STREAM says."""

    def journal(self, *args, stream=None, **more):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        state = os.fstat(writer)
        stream = (stream or "{dev}:{ino}").format(dev=state.st_dev, ino=state.st_ino, other=state.st_ino + 1)
        env = rig.environment(JOURNAL_STREAM=stream, **more)
        popen = subprocess.Popen([rig.PROGRAM, *args], stderr=writer, stdout=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, env=env)
        os.close(writer)
        self.addCleanup(popen.wait)
        self.addCleanup(popen.kill)
        return popen, rig.Stream(reader)

    def test_lines_begin_with_their_priority(self):
        popen, said = self.journal("broker", "--bind", "tcp://127.0.0.1:*")
        self.endpoint = said.wait_for(r"(?m)^<5>listening on (\S+)$").group(1)
        popen.send_signal(signal.SIGTERM)
        said.wait_for(r"(?m)^<6>stopped after ")
        self.assertEqual(popen.wait(rig.DEADLINE_S), 0)
        popen, said = self.journal("pots")
        said.wait_for(r"^<3>zferry: there is no verb")

    def test_json_has_it_too(self):
        _, said = self.journal("pots", ZFERRY_LOG_FORMAT="json")
        said.wait_for(r"^<3>\{\"time\"")

    def test_stream_that_is_another_s(self):
        for stream in ("1:{ino}", "{dev}:{other}", "{dev}:{ino}x", "{dev}", "x", ":"):
            with self.subTest(stream):
                _, said = self.journal("pots", stream=stream)
                said.wait_for("^zferry: there")


class Children(rig.Case):
    def test_demo_reads_its_processes_in_any_format(self):
        path = self.folder() + "/lines"
        with open(path, "w", encoding="utf-8") as file:
            file.write("a\nb\nc\n")
        env = rig.environment(ZFERRY_LOG_FORMAT="json", ZFERRY_LOG_LEVEL="error")
        result = run("demo", path, env=env)
        self.assertEqual(result.code, 0, result.err)


if __name__ == "__main__":
    rig.main()
