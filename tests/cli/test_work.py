"""post and work: bodies in, bodies out, in every form."""

import base64
import json
import os

import rig
from rig import run

ANY_BYTES = bytes(range(256)) * 3


class Post(rig.Case):
    def setUp(self):
        self.broker()

    def raw(self, count):
        """The bytes that work --raw prints for so many records."""
        return self.good("work", "q", "--raw", "--count", str(count), "--quiet").bytes

    def test_body_from_argument_stdin_and_file(self):
        path = os.path.join(self.folder(), "body")
        with open(path, "wb") as file:
            file.write(ANY_BYTES)
        self.good("post", "q", "one")
        self.good("post", "q", "-", stdin=b"two\nlines\n")
        self.good("post", "q", "--file", path)
        self.good("post", "q", stdin=b"four")
        self.assertEqual(run("post", "-c", self.endpoint, "q", "--", "--five").code, 0)
        self.good("post", "q", "")
        self.assertEqual(self.raw(6), b"one\ntwo\nlines\n\n" + ANY_BYTES + b"\nfour\n--five\n\n")

    def test_single_post_is_silent_into_a_pipe(self):
        result = self.good("post", "q", "x")
        self.assertEqual((result.out, result.err), ("", ""))

    def test_single_post_json_says_what_became_of_it(self):
        row = self.good("post", "q", "x", "--json").rows()[0]
        self.assertEqual((row["queue"], row["posted"], row["confirmed"], row["refused"]), ("q", 1, 1, 0))

    def test_lines_each_become_a_record_in_order(self):
        lines = [b"line %d" % i for i in range(5000)] + [b"", b"\xff\x00\xfe", b"the last has no newline"]
        result = self.good("post", "q", "--lines", "-", stdin=b"\n".join(lines))
        self.assertRegex(result.err, r"^posted 5003 records to q in \d+\.\d\d s: 5003 confirmed, 0 refused \(\d+/s\)\n$")
        self.assertEqual(self.raw(5003), b"\n".join(lines) + b"\n")

    def test_lines_longer_than_a_read_come_whole(self):
        long = [b"a" * 700_000, b"b" * 300_000, b"c"]
        self.good("post", "q", "--lines", stdin=b"\n".join(long) + b"\n")
        self.assertEqual(self.raw(3), b"\n".join(long) + b"\n")

    def test_lines_of_nothing_post_nothing(self):
        result = self.good("post", "q", "--lines", stdin=b"")
        self.assertIn("posted 0 records", result.err)

    def test_full_queue_that_rejects_makes_lines_fail_in_words(self):
        self.good("queue", "declare", "q", "--max-length", "3", "--overflow", "reject")
        result = self.zferry("post", "q", "--lines", stdin=b"1\n2\n3\n4\n5\n")
        self.assertEqual(result.code, 75)
        self.assertIn("5 records to q", result.err)
        self.assertRegex(result.err, r"zferry post: 2 of 5 records were refused: \S+")
        self.assertEqual(self.info("q")["length"], 3)

    def test_full_queue_refuses_a_single_post(self):
        self.good("queue", "declare", "q", "--max-length", "1", "--overflow", "reject")
        self.good("post", "q", "1")
        result = self.zferry("post", "q", "2")
        self.assertEqual(result.code, 75)
        self.assertRegex(result.err, r"^zferry post: .*; more workers empty it, a larger --max-length lets it grow\n$")

    def test_full_queue_that_waits_times_out_and_says_how_to_wait_longer(self):
        self.good("queue", "declare", "q", "--max-length", "1")
        self.good("post", "q", "1")
        result = self.zferry("post", "q", "2", "--timeout", "300ms")
        self.assertEqual(result.code, 75)
        self.assertRegex(result.err, r"^zferry post: .*; give it longer with --timeout\n$")

    def test_properties_travel(self):
        self.good("post", "q", "x", "--id", "one", "--key", "k", "--ttl", "1h",
                  "-H", "color=dark=red", "--header", "empty=")
        row = self.good("work", "q", "--count", "1", "--show-header", "color", "--show-header", "empty").rows()[0]
        self.assertEqual((row["dedup_id"], row["key"], row["body"]), ("one", "k", "x"))
        self.assertEqual(row["header_count"], 2)
        self.assertEqual(row["headers"]["color"], "dark=red")

    def test_same_id_is_queued_once(self):
        self.good("post", "q", "first", "--id", "one")
        self.zferry("post", "q", "second", "--id", "one")
        self.assertEqual((self.info("q")["length"], self.info("q")["duplicates"]), (1, 1))

    def test_priority_goes_first(self):
        self.good("queue", "declare", "q", "--priorities", "3")
        for priority in ("0", "2", "1"):
            self.good("post", "q", priority, "--priority", priority)
        self.assertEqual(self.raw(3), b"2\n1\n0\n")

    def test_delayed_record_waits(self):
        self.good("post", "q", "later", "--delay", "1h")
        self.good("post", "q", "now")
        self.assertEqual(self.raw(1), b"now\n")
        self.assertEqual(self.info("q")["delayed"], 1)


class Work(rig.Case):
    def setUp(self):
        self.broker()

    def post(self, *bodies):
        self.good("post", "q", "--lines", stdin=b"\n".join(bodies) + b"\n")

    def test_into_a_pipe_records_are_json_lines(self):
        self.post(b"hello", b"caf\xc3\xa9", b"\xff\x00")
        rows = self.good("work", "q", "--count", "3").rows()
        self.assertEqual([row["queue"] for row in rows], ["q"] * 3)
        self.assertEqual([row["attempt"] for row in rows], [1, 1, 1])
        self.assertEqual([row["size"] for row in rows], [5, 5, 2])
        self.assertLess(rows[0]["id"], rows[1]["id"])
        self.assertEqual(rows[0]["body"], "hello")
        self.assertEqual(rows[1]["body"], "café")
        self.assertEqual(base64.b64decode(rows[2]["body"]["base64"]), b"\xff\x00")

    def test_base64_of_every_length(self):
        bodies = [b"\xff" * n + b"\xfe" for n in range(6)]
        self.post(*bodies)
        rows = self.good("work", "q", "--count", "6").rows()
        self.assertEqual([base64.b64decode(row["body"]["base64"]) for row in rows], bodies)

    def test_printed_records_are_acked_and_the_rest_stays(self):
        self.post(*[b"%d" % i for i in range(100)])
        result = self.good("work", "q", "--raw", "--count", "30")
        self.assertEqual(result.out, "".join(f"{i}\n" for i in range(30)))
        self.assertRegex(result.err, r"^received 30 from q in \d+\.\d\d s: 30 done, 0 failed, 0 rejected, "
                                     r"0 too late \(0 were redeliveries\)\n$")
        self.until_info("q", acked=30, length=70, leased=0)

    def test_quiet_prints_no_summary(self):
        self.post(b"x")
        self.assertEqual(self.good("work", "q", "--raw", "--count", "1", "-q").err, "")

    def test_idle_ends_when_nothing_comes(self):
        self.post(b"a", b"b")
        result = self.good("work", "q", "--raw", "--idle", "200ms")
        self.assertEqual(result.out, "a\nb\n")

    def test_what_cannot_be_printed_is_given_back(self):
        self.post(b"a", b"b")
        with open("/dev/full", "wb") as full:
            process = rig.subprocess.run([rig.PROGRAM, "work", "q", "-c", self.endpoint, "-q"], stdout=full,
                                         stderr=rig.subprocess.PIPE, timeout=rig.DEADLINE_S)
        self.assertEqual(process.returncode, 74)
        self.assertEqual(process.stderr.decode(),
                         "zferry work: cannot write to standard output: No space left on device\n")
        self.until_info("q", acked=0, length=2, leased=0)

    def test_exec_gets_body_and_environment(self):
        path = os.path.join(self.folder(), "out")
        self.post(b"hello", b"world")
        result = self.good("work", "q", "--count", "2", "--exec",
                           f'echo "$ZFERRY_QUEUE $ZFERRY_ID $ZFERRY_ATTEMPT $(cat)" >> {path}')
        with open(path) as file:
            lines = [line.split() for line in file]
        self.assertEqual([(line[0], line[2], line[3]) for line in lines], [("q", "1", "hello"), ("q", "1", "world")])
        self.assertLess(int(lines[0][1]), int(lines[1][1]))
        self.assertIn("2 done", result.err)
        self.until_info("q", acked=2, length=0)

    def test_exec_environment_replaces_that_of_an_outer_exec(self):
        self.post(b"x")
        result = self.good("work", "q", "--count", "1", "--exec", "echo $ZFERRY_QUEUE",
                           env=rig.environment(ZFERRY_QUEUE="outer"))
        self.assertEqual(result.out, "q\n")

    def test_exec_output_goes_where_ours_goes(self):
        self.post(b"x")
        result = self.good("work", "q", "--count", "1", "-q", "--exec", "cat; echo moan >&2")
        self.assertEqual((result.out, result.err), ("x", "moan\n"))

    def test_exec_failure_delivers_again_until_it_is_dead(self):
        self.good("queue", "declare", "q", "--max-attempts", "3", "--backoff-min", "1ms", "--backoff-max", "1ms")
        self.post(b"bad")
        result = self.good("work", "q", "--count", "3", "--exec", "echo $ZFERRY_ATTEMPT; exit 1")
        self.assertEqual(result.out, "1\n2\n3\n")
        self.assertIn("0 done, 3 failed", result.err)
        self.until_info("q", dead=1, length=0)
        row = self.good("queue", "dead", "ls", "q").rows()[0]
        self.assertEqual((row["body"], row["dead_attempts"], row["dead_queue"]), ("bad", 3, "q"))

    def test_exec_ended_by_a_signal_is_a_failure(self):
        self.post(b"x")
        self.assertIn("0 done, 1 failed", self.good("work", "q", "--count", "1", "--exec", "kill -9 $$").err)

    def test_exec_that_does_not_read_a_large_body_does_not_hang(self):
        self.good("post", "q", "-", stdin=b"x" * 3_000_000)
        self.good("post", "q", "-", stdin=b"x" * 3_000_000)
        self.assertIn("2 done", self.good("work", "q", "--count", "2", "--exec", "true").err)

    def test_concurrency_runs_commands_at_the_same_time(self):
        folder = self.folder()
        for name in ("a", "b"):
            os.mkfifo(os.path.join(folder, name))
        self.post(b"a", b"b")  # each waits for the other through the fifos
        result = self.good("work", "q", "--count", "2", "--concurrency", "2", "--exec",
                           f'if [ "$(cat)" = a ]; then echo x > {folder}/a; read y < {folder}/b; '
                           f'else read y < {folder}/a; echo x > {folder}/b; fi')
        self.assertIn("2 done", result.err)

    def test_echo_acks_and_prints_nothing(self):
        self.post(b"a", b"b")
        result = self.good("work", "q", "--count", "2", "--echo")
        self.assertEqual(result.out, "")
        self.until_info("q", acked=2)

    def test_exec_answers_a_request_with_what_it_prints(self):
        worker = self.start("work", "q", "--exec", "tr a-z A-Z", "--connect", self.endpoint)
        self.until_info("q", workers=1)
        self.assertEqual(self.good("request", "q", "hello").out, "HELLO")
        rig.interrupt(worker)
        self.assertEqual(worker.wait(), 0)


class Terminal(rig.Case):
    """What people see: stdout is a pseudo-terminal."""

    def setUp(self):
        self.broker()

    def test_work_prints_columns_and_nothing_that_moves_the_cursor(self):
        self.good("post", "q", "-", stdin=b"red \x1b[31m\n")
        process = self.start("work", "q", "--count", "1", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"^ +\d+ +1  red \.\[31m\.\r\n$")
        self.assertIn("id  try  body\n", process.err.text())

    def test_work_json_on_a_terminal(self):
        self.good("post", "q", "x")
        process = self.start("work", "q", "--count", "1", "--json", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(json.loads(process.out.text())["body"], "x")

    def test_post_tells_a_person_what_it_did(self):
        process = self.start("post", "q", "x", "--connect", self.endpoint, terminal="both")
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"posted 1 record to q in [\d.]+ s: 1 confirmed, 0 refused")

    def test_lines_show_progress_that_is_gone_at_the_end(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        process = self.start("post", "q", "--lines", "-", "--connect", self.endpoint, terminal="both", stdin=reading)
        os.write(writing, b"x\n" * 2048)
        process.out.wait_for(r"\r\x1b\[K\d+ posted, \d+ confirmed")
        os.close(writing)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text().rsplit("\r\x1b[K", 1)[1], r"^posted 2048 records")

    def test_quiet_shows_no_progress(self):
        process = self.start("post", "q", "--lines", "-", "-q", "--connect", self.endpoint, terminal="both",
                             stdin=self.file_of(b"x\n" * 5000))
        self.assertEqual(process.wait(), 0)
        self.assertEqual(process.out.text(), "")

    def file_of(self, data):
        file = rig.tempfile.TemporaryFile()
        self.addCleanup(file.close)
        file.write(data)
        file.seek(0)
        return file


if __name__ == "__main__":
    rig.main()
