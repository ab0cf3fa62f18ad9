"""pub and sub: events in, events out, with zferry's own protocol and as plain sockets."""

import datetime
import os
import time

import rig
from rig import run


class EventCase(rig.Case):
    """A test with a forwarder."""

    def forwarder(self, *args):
        process = self.device("forwarder", "--bind", "tcp://127.0.0.1:*", *args)
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        return process

    def sub(self, *args, connect=True, **how):
        """Starts a subscriber; pub() of what it matches with wait=1 waits for it."""
        return self.start("sub", *args, *(("--connect", self.endpoint) if connect else ()), **how)

    def pub(self, topic, *bodies, wait=0, more=()):
        text = "".join(f"{body}\n" for body in bodies).encode()
        return self.good("pub", topic, "--lines", "--wait-subscribers", str(wait), "--timeout", "60s", *more, stdin=text)

    def first(self, count, *args):
        """The first so many that a subscriber gets."""
        return self.good("sub", *args, "--from", "first", "--count", str(count), "--quiet").rows()

    def finish(self, process, code=0):
        self.assertEqual(process.wait(), code, process.err.text())
        return process.out.text()


class Events(EventCase):
    def setUp(self):
        self.forwarder()

    def test_into_a_pipe_events_are_json_lines(self):
        sub = self.sub("prices.*", "--count", "2")
        before = time.time() * 1000
        self.pub("prices.eur", "1.08", wait=1)
        self.pub("orders.new", "17")
        self.pub("prices.gbp", "1.25")
        rows = [rig.json.loads(line) for line in self.finish(sub).splitlines()]
        self.assertEqual([(row["topic"], row["body"], row["size"]) for row in rows],
                         [("prices.eur", "1.08", 4), ("prices.gbp", "1.25", 4)])
        self.assertLess(rows[0]["id"], rows[1]["id"])
        self.assertLess(abs(rows[0]["time_ms"] - before), 60000)
        self.assertRegex(sub.err.text(), r"^received 2 in [\d.]+ s: 0 gaps with 0 records, 0 fetched again, 0 reconnects\n$")

    def test_patterns_choose(self):
        for topic in ("a", "a.b", "a.b.c", "b.b"):
            self.pub(topic, topic)
        for patterns, expected in (
            (["a"], ["a"]), (["a.*"], ["a.b"]), (["a.>"], ["a.b", "a.b.c"]), (["*.b"], ["a.b", "b.b"]),
            ([">"], ["a", "a.b", "a.b.c", "b.b"]), ([], ["a", "a.b", "a.b.c", "b.b"]), (["b.>", "a"], ["a", "b.b"]),
        ):
            with self.subTest(patterns):
                self.assertEqual([row["topic"] for row in self.first(len(expected), *patterns)], expected)

    def test_many_lines_come_in_order_and_once(self):
        bodies = [f"line {i}" for i in range(20000)]
        sub = self.sub("--count", "20000", "--format", "body")
        result = self.pub("log", *bodies, wait=1)
        self.assertRegex(result.err, r"^published 20000 messages to log in [\d.]+ s: 20000 confirmed, 0 refused \(\d+/s\)\n$")
        self.assertEqual(self.finish(sub).splitlines(), bodies)

    def test_one_message_is_silent_into_a_pipe_and_any_bytes(self):
        body = bytes(range(256)) * 3
        result = self.good("pub", "t", "-", stdin=body)
        self.assertEqual((result.out, result.err), ("", ""))
        got = self.good("sub", "--from", "first", "--count", "1", "--format", "body", "-q")
        self.assertEqual(got.bytes, body + b"\n")

    def test_json_tells_what_became_of_it(self):
        row = self.good("pub", "t", "x", "--json").rows()[0]
        self.assertEqual((row["topic"], row["published"], row["confirmed"], row["refused"], row["sync"]),
                         ("t", 1, 1, 0, "none"))

    def test_from_first_last_offset_time_and_new(self):
        self.pub("t", *range(10))
        rows = self.first(10)
        self.assertEqual([row["body"] for row in rows], [str(i) for i in range(10)])
        middle = str(rows[5]["id"])
        now = datetime.datetime.now(datetime.timezone.utc)
        hour = datetime.timedelta(hours=1)
        for start, expected in (
            ("first", range(10)), ("last=3", range(7, 10)), (middle, range(5, 10)), ("1h", range(10)), ("-1h", range(10)),
            ((now - hour).strftime("%Y-%m-%dT%H:%M:%SZ"), range(10)), ((now + hour).strftime("%Y-%m-%dT%H:%MZ"), []),
            ("2020-01-31", range(10)), ("new", []),
        ):
            with self.subTest(start):
                end = ("--count", str(len(expected))) if expected else ("--idle", "300ms")
                result = self.good("sub", "--from", start, *end, "--format", "body", "-q")
                self.assertEqual(result.out.split(), [str(i) for i in expected])

    def test_last_counts_what_matches(self):
        for i in range(5):
            self.pub("a", f"a{i}")
            self.pub("b", f"b{i}")
        result = self.good("sub", "a", "--from", "last=2", "--count", "2", "--format", "body", "-q")
        self.assertEqual(result.out, "a3\na4\n")

    def test_past_and_present_without_a_gap_or_a_repeat(self):
        self.pub("t", *range(5000))
        sub = self.sub("--from", "first", "--count", "10000", "--format", "body", "-q")
        self.pub("t", *range(5000, 10000))
        self.assertEqual(self.finish(sub).split(), [str(i) for i in range(10000)])

    def test_formats(self):
        self.pub("t", "x y")
        for form, expected in (("body", "x y\n"), ("topic", "t x y\n")):
            result = self.good("sub", "--from", "first", "--count", "1", "--format", form, "-q")
            self.assertEqual(result.out, expected)
        result = self.good("sub", "--from", "first", "--count", "1", "--format", "text", "-q")
        self.assertRegex(result.out, r"^ *\d+  t {19}  x y\n$")

    def test_on_a_terminal_nothing_moves_the_cursor(self):
        self.good("pub", "t", "-", stdin=b"red \x1b[31m\n")
        process = self.sub("--from", "first", "--count", "1", terminal=True)
        self.assertRegex(self.finish(process), r"^ *\d+  t +red \.\[31m\.\r\n$")
        self.assertRegex(process.err.text(), r"^ +offset  topic +body\n")

    def test_key_and_headers_travel(self):
        self.good("pub", "t", "x", "--key", "k", "-H", "color=red")
        row = self.good("sub", "--from", "first", "-n", "1", "--show-header", "color").rows()[0]
        self.assertEqual((row["key"], row["headers"]), ("k", {"color": "red"}))

    def test_same_id_is_published_once(self):
        self.good("pub", "t", "one", "--id", "a")
        self.good("pub", "t", "two", "--id", "a")
        self.good("pub", "t", "three")
        self.assertEqual([row["body"] for row in self.first(2)], ["one", "three"])

    def test_streams_are_apart(self):
        self.pub("t", "x", more=("--stream", "other"))
        self.pub("t", "y")
        self.assertEqual([row["body"] for row in self.first(1, "--stream", "other")], ["x"])
        self.assertEqual([row["body"] for row in self.first(1)], ["y"])

    def test_interrupt_ends_a_subscriber_well(self):
        sub = self.sub("--format", "body")
        self.pub("t", "x", wait=1)
        sub.out.wait_for("x\n")
        rig.interrupt(sub)
        self.finish(sub)
        limited = self.sub("--count", "5")
        self.pub("t", "x", wait=1)
        limited.out.wait_for("\n")
        rig.interrupt(limited)
        self.finish(limited, 130)


class Missed(EventCase):
    def test_what_is_no_longer_kept_is_told_as_a_gap(self):
        self.forwarder("--keep-length", "10")
        self.pub("t", *range(5))
        first = self.first(1)[0]["id"]
        self.pub("t", *range(5, 100))
        result = self.good("sub", "--from", str(first), "--count", "10", "--format", "body", "--quiet")
        self.assertEqual(result.out.split(), [str(i) for i in range(90, 100)])
        self.assertRegex(result.err, rf"^zferry sub: a gap of 90 records, from offset {first} to \d+: .+\n$")

    def test_compact_keeps_the_last_of_each_topic(self):
        self.forwarder("--compact")
        for i in range(10):
            self.pub("a", f"a{i}")
            self.pub("b", f"b{i}")
        self.assertEqual([row["body"] for row in self.first(2)], ["a9", "b9"])

    def test_journal_brings_events_back(self):
        folder = self.folder()
        first = self.forwarder("--journal", folder)
        result = self.good("pub", "t", "--lines", stdin=b"1\n2\n3\n")
        self.assertIn("; sync always", result.err)
        rig.terminate(first)
        self.assertEqual(first.wait(), 0)
        self.forwarder("--journal", folder)
        self.assertEqual([row["body"] for row in self.first(3)], ["1", "2", "3"])


    def test_subscriber_goes_on_when_the_forwarder_comes_back(self):
        folder = self.folder()
        first = self.forwarder("--journal", folder)
        sub = self.sub("--format", "body", "--count", "2")
        self.pub("t", "before", wait=1)
        sub.out.wait_for("before\n")
        rig.terminate(first)
        self.assertEqual(first.wait(), 0)
        self.device("forwarder", "--bind", self.endpoint, "--journal", folder).err.wait_for("listening on ")
        self.pub("t", "after")
        self.assertEqual(self.finish(sub), "before\nafter\n")
        self.assertRegex(sub.err.text(), r"received 2 in [\d.]+ s: 0 gaps with 0 records, \d+ fetched again, [1-9]\d* reconnects")


class Groups(EventCase):
    def setUp(self):
        self.forwarder()

    def test_members_share_and_the_group_remembers(self):
        one = self.sub("--group", "g", "--format", "body", "-q")
        two = self.sub("--group", "g", "--format", "body", "-q")
        rig.until(lambda: self.lag("g", workers=2), "two members")
        self.pub("t", *range(2000))
        rig.until(lambda: self.lag("g", lag=0), "all taken")
        for process in (one, two):
            rig.interrupt(process)
        got = [self.finish(process).split() for process in (one, two)]
        self.assertEqual(sorted(int(body) for body in got[0] + got[1]), list(range(2000)))
        self.pub("t", "later")
        result = self.good("sub", "--group", "g", "--count", "1", "--format", "body", "-q")
        self.assertEqual(result.out, "later\n")

    def lag(self, group, **figures):
        result = self.zferry("stream", "groups", "events")
        rows = [row for row in result.rows() if row["group"] == group] if result.code == 0 else []
        return rows and all(rows[0][key] == value for key, value in figures.items())

    def test_new_group_starts_at_the_first_unless_told_otherwise(self):
        self.pub("t", "1", "2", "3")
        for group, start, expected in (("a", (), "1\n2\n3\n"), ("b", ("--from", "last=1"), "3\n"), ("c", ("--from", "new"), "")):
            end = ("--count", str(len(expected.split()))) if expected else ("--idle", "300ms")
            result = self.good("sub", "--group", group, *start, *end, "--format", "body", "-q")
            self.assertEqual(result.out, expected)

    def test_group_takes_what_its_patterns_match(self):
        self.pub("a.x", "1")
        self.pub("b.x", "2")
        self.pub("a.y", "3")
        result = self.good("sub", "a.*", "--group", "g", "--count", "2", "--format", "body", "-q")
        self.assertEqual(result.out, "1\n3\n")

    def test_what_cannot_be_printed_goes_to_another(self):
        self.pub("t", "1", "2")
        with open("/dev/full", "wb") as full:
            process = rig.subprocess.run([rig.PROGRAM, "sub", "--group", "g", "-c", self.endpoint, "-q"], stdout=full,
                                         stderr=rig.subprocess.PIPE, timeout=rig.DEADLINE_S)
        self.assertEqual((process.returncode, process.stderr.decode()),
                         (74, "zferry sub: cannot write to standard output: No space left on device\n"))
        rows = self.good("sub", "--group", "g", "--count", "2", "-q").rows()
        self.assertEqual(sorted(row["body"] for row in rows), ["1", "2"])
        self.assertGreater(max(row["attempt"] for row in rows), 1)

    def test_workers_of_a_group_run_commands(self):
        self.good("pub", "t", "hello")
        self.good("stream", "group", "events", "g")
        result = self.good("work", "events@g", "--count", "1", "--exec", "cat; echo \" $ZFERRY_QUEUE\"", "-q")
        self.assertEqual(result.out, "hello events@g\n")


class Brokerless(EventCase):
    def test_publisher_carries_its_own_forwarder(self):
        reading, writing = os.pipe()
        pub = self.start("pub", "t", "--lines", "-", "--bind", "tcp://127.0.0.1:*", "--linger", "60s", stdin=reading)
        os.close(reading)
        self.endpoint = pub.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        sub = self.sub("--from", "first", "--count", "3", "--format", "body", "-q")
        os.write(writing, b"1\n2\n3\n")
        os.close(writing)
        self.assertEqual(self.finish(sub), "1\n2\n3\n")
        pub.err.wait_for("published 3 messages")
        rig.interrupt(pub)
        self.finish(pub)

    def test_publisher_waits_for_its_subscribers(self):
        pub = self.start("pub", "t", "x", "--bind", "tcp://127.0.0.1:*", "--wait-subscribers", "2", "--timeout", "60s")
        self.endpoint = pub.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        subs = [self.sub("--count", "1", "--format", "body", "-q") for _ in range(2)]
        for sub in subs:
            self.assertEqual(self.finish(sub), "x\n")
        pub.err.wait_for("all is published; Ctrl-C ends\n")
        rig.interrupt(pub)
        self.finish(pub)


class Raw(EventCase):
    def place(self):
        return "ipc://" + os.path.join(self.folder(), "socket")

    def test_prefixes_frames_and_count(self):
        place = self.place()
        sub = self.sub("prices.", "--raw", "--bind", place, "--count", "3", connect=False)
        sub.err.wait_for("listening on ")
        self.assertEqual(run("pub", "orders.new", "x", "--raw", "-c", place, "-t", "300ms").code, 75)  # not subscribed to
        result = run("pub", "prices.eur", "--lines", "--raw", "-c", place, stdin=b"1\n\n3\n")
        self.assertEqual(result.code, 0)
        self.assertRegex(result.err, r"^published 3 messages to prices.eur in [\d.]+ s \(\d+/s\)\n$")
        rows = [rig.json.loads(line) for line in self.finish(sub).splitlines()]
        self.assertEqual(rows, [{"topic": "prices.eur", "size": len(body), "body": body} for body in ("1", "", "3")])

    def test_many_lines_wait_for_room_instead_of_being_dropped(self):
        bodies = "".join(f"{i}\n" for i in range(50000))
        sub = self.sub("--raw", "--bind", "tcp://127.0.0.1:*", "--count", "50000", "--format", "topic", connect=False)
        place = sub.err.wait_for(r"listening on (\S+)\n").group(1)
        self.assertEqual(run("pub", "t", "--lines", "--raw", "-c", place, "-q", stdin=bodies.encode()).code, 0)
        self.assertEqual(self.finish(sub), "".join(f"t {i}\n" for i in range(50000)))

    def test_publisher_that_binds_waits_for_subscribers(self):
        pub = self.start("pub", "t", "x", "--raw", "--bind", "tcp://127.0.0.1:*", "-w", "2", "-t", "60s")
        place = pub.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        subs = [self.start("sub", "--raw", "-c", place, "-n", "1", "--format", "body") for _ in range(2)]
        for sub in subs:
            self.assertEqual(self.finish(sub), "x\n")
        self.finish(pub)

    def test_subscriber_whom_nobody_answered_leaves_at_once(self):
        start = time.monotonic()
        result = run("sub", "--raw", "-c", "ipc://" + os.path.join(self.folder(), "nobody"), "--idle", "100ms", "-q", "-t", "40s")
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertLess(time.monotonic() - start, 30)

    def test_idle_and_interrupt_end_it(self):
        place = self.place()
        result = run("sub", "--raw", "--bind", place, "--idle", "100ms", "-q")
        self.assertEqual((result.code, result.out), (0, ""))
        sub = self.start("sub", "--raw", "--bind", place)
        sub.err.wait_for("listening on ")
        rig.interrupt(sub)
        self.finish(sub)
        self.assertRegex(sub.err.text(), r"received 0 in [\d.]+ s\n$")


class Mistakes(EventCase):
    def check(self, args, line, code=64, **how):
        with self.subTest(args):
            self.assertFails(run(*args, **how), code, line)

    def test_options_that_are_wrong(self):
        pub, sub = "; see zferry pub --help", "; see zferry sub --help"
        self.check(["pub", "t", "x", "--raw"], "zferry pub: --raw: where? give --bind EP or --connect EP" + pub)
        self.check(["pub", "t", "x", "--raw", "--key", "k"], "zferry pub: --key is not for --raw" + pub)
        self.check(["pub", "t", "x", "--bind", "ipc:///a", "--connect", "ipc:///b"],
                   "zferry pub: --bind and --connect exclude each other" + pub)
        self.check(["pub", "t", "x", "--linger", "1s"], "zferry pub: --linger is for --bind and --direct" + pub)
        self.check(["pub", "t", "--lines", "--id", "i"], "zferry pub: --id is for one message, not for --lines" + pub)
        self.check(["sub", "--raw", "--from", "first"], "zferry sub: --from is not for --raw" + sub)
        self.check(["sub", "--bind", "ipc:///a"], "zferry sub: --bind is for --raw" + sub)
        self.check(["sub", "--credit", "1"], "zferry sub: --credit is for --group" + sub)
        self.check(["sub", "--format", "xml"], "zferry sub: --format is json, text, topic or body, not 'xml'" + sub)
        self.check(["sub", "--json", "--format", "body"], "zferry sub: --json and --format body exclude each other" + sub)
        for text in ("soon", "last=0", "last=", "2026-13-01", "2026-01-31T25:00", "-", "", "1x"):
            self.check(["sub", "--from", text],
                       "zferry sub: --from is first, new, last=N, an offset, or a time such as 10m or "
                       f"2026-01-31T12:00, not '{text}'" + sub)

    def test_topics_and_patterns_that_are_none(self):
        self.forwarder()
        for topic in ("a..b", "a.*", ">", ""):
            with self.subTest(topic):
                result = self.zferry("pub", topic, "x")
                self.assertEqual(result.code, 64)
                self.assertRegex(result.err, r"^zferry pub: .+\n$")
        for pattern in ("a..b", "a.>.b", ""):
            with self.subTest(pattern):
                result = self.zferry("sub", pattern)
                self.assertEqual(result.code, 64)
                self.assertRegex(result.err, r"^zferry sub: .+\n$")

    def test_queue_is_no_stream(self):
        self.broker()
        self.good("post", "q", "x")
        result = self.zferry("sub", "--stream", "q")
        self.assertEqual(result.code, 64)
        self.assertRegex(result.err, r"^zferry sub: .*q.*\n")

    def test_nobody_answers(self):
        nobody = self.nobody()
        line = (f"nobody answered at {nobody} within 300 ms; is a forwarder or a broker running? (zferry forwarder)")
        for args in (["pub", "t", "x"], ["pub", "t", "x", "-w", "1"], ["sub"], ["sub", "--group", "g"], ["stream", "ls"]):
            verb = " ".join(args[:2]) if args[0] == "stream" else args[0]
            self.check([*args, "-c", nobody, "-t", "300ms", "-q"], f"zferry {verb}: {line}", code=69)

    def test_subscribers_that_do_not_come(self):
        self.forwarder()
        self.assertFails(self.zferry("pub", "t", "x", "-w", "2", "-t", "300ms"), 75,
                         "zferry pub: fewer than 2 subscriptions to t within 300 ms; give it longer with --timeout")
        self.assertEqual(self.zferry("stream", "info", "events").rows()[0]["length"], 0)


if __name__ == "__main__":
    rig.main()
