"""stream ls, info, groups, group, trim, declare, forget; and what queue says of streams and groups."""

import re

import rig


class Streams(rig.Case):
    def setUp(self):
        self.broker()

    def pub(self, stream, *bodies, topic="t"):
        text = "".join(f"{body}\n" for body in bodies).encode()
        self.good("pub", topic, "--stream", stream, "--lines", "-q", stdin=text)

    def stream(self, name):
        return self.good("stream", "info", name).rows()[0]

    def offsets(self, stream):
        count = str(self.stream(stream)["length"])
        rows = self.good("sub", "--stream", stream, "--from", "first", "--count", count, "-q").rows()
        return [row["id"] for row in rows]

    def test_ls_shows_streams_alone(self):
        self.assertEqual(self.good("stream", "ls").rows(), [])
        self.good("post", "jobs", "x")
        self.pub("beta", 1)
        self.pub("alpha", 1, 2)
        self.good("stream", "group", "alpha", "g")
        rows = self.good("stream", "ls").rows()
        self.assertEqual([(row["queue"], row["kind"], row["length"], row["posted"], row["groups"]) for row in rows],
                         [("alpha", "stream", 2, 2, 1), ("beta", "stream", 1, 1, 0)])

    def test_ls_on_a_terminal_is_a_table(self):
        self.pub("alpha", 1, 2)
        process = self.start("stream", "ls", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        lines = process.out.text().split("\r\n")
        self.assertEqual(re.split("  +", lines[0]), ["stream", "length", "bytes", "first", "next", "groups", "subscribers",
                                                     "posted", "gone", "oldest", "sync"])
        self.assertRegex(lines[1], r"^alpha +2 ")

    def test_info_shows_what_is_kept(self):
        self.pub("s", 1, 2, 3)
        row = self.stream("s")
        offsets = self.offsets("s")
        self.assertEqual((row["length"], row["first"]), (3, offsets[0]))
        self.assertGreater(row["next"], offsets[-1])
        self.assertEqual((row["kind"], row["compact"], row["groups"], row["subscribers"]), ("stream", False, 0, 0))

    def test_info_on_a_terminal_is_a_line_each(self):
        self.pub("s", 1)
        process = self.start("stream", "info", "s", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"(?m)^first offset +\d+\r$")
        self.assertRegex(process.out.text(), r"(?m)^max age \(0: no cap\) +0 ms\r$")

    def test_queue_is_no_stream(self):
        self.good("post", "q", "x")
        for args in (("info", "q"), ("groups", "q"), ("forget", "q"), ("declare", "q")):
            self.assertFails(self.zferry("stream", *args), 66,
                             f"zferry stream {args[0]}: q is no stream but a queue; see zferry queue info q")

    def test_stream_that_is_not_there(self):
        for args in (("info", "s"), ("groups", "s"), ("group", "s", "g"), ("trim", "s", "1"), ("forget", "s")):
            result = self.zferry("stream", *args)
            self.assertEqual((result.code, result.out), (66, ""), result.err)
            self.assertRegex(result.err, rf"^zferry stream {args[0]}: .+; zferry stream ls lists those that there are\n$")

    def test_declare_sets_what_is_named_and_keeps_the_rest(self):
        row = self.good("stream", "declare", "s", "--max-bytes", "1MiB", "--max-age", "1h", "--max-length", "100",
                        "--compact", "--max-attempts", "3", "--lease", "1m", "--ordered").rows()[0]
        expected = {"queue": "s", "kind": "stream", "declared": True, "max_bytes": 1 << 20, "ttl_ms": 3600000,
                    "max_length": 100, "compact": True, "max_attempts": 3, "lease_ms": 60000, "ordered": True}
        self.assertEqual({key: row[key] for key in expected}, expected)
        row = self.good("stream", "declare", "s", "--max-age", "2h", "--not-compact").rows()[0]
        expected |= {"ttl_ms": 7200000, "compact": False}
        self.assertEqual({key: row[key] for key in expected}, expected)

    def test_declared_stream_keeps_no_more(self):
        self.good("stream", "declare", "s", "--max-length", "3")
        self.pub("s", *range(10))
        row = self.stream("s")
        self.assertEqual((row["length"], row["posted"], row["dropped"]), (3, 10, 7))

    def test_group_is_made_once_and_listed(self):
        self.pub("s", 1, 2, 3)
        first, second, third = self.offsets("s")
        row = self.good("stream", "group", "s", "g", "--from", "last=1").rows()[0]
        self.assertEqual((row["stream"], row["group"], row["kind"], row["lag"]), ("s", "g", "group", 1))
        self.good("stream", "group", "s", "g", "--from", "first")  # it is there: nothing changes
        self.good("stream", "group", "s", "all")
        rows = self.good("stream", "groups", "s").rows()
        self.assertEqual([(row["group"], row["lag"], row["acked"]) for row in rows], [("all", 3, 0), ("g", 1, 0)])
        self.good("work", "s@all", "--count", "2", "--raw", "-q")
        self.until_info("s@all", lag=1, acked=2, leased=0)
        self.assertEqual(self.info("s@all")["first"], third)
        self.assertEqual(self.stream("s")["length"], 3)

    def test_group_with_patterns_takes_what_matches(self):
        self.pub("s", "a", topic="orders.eu.paid")
        self.pub("s", "b", topic="orders.eu.sent")
        self.pub("s", "c", topic="orders.us.paid")
        self.good("stream", "group", "s", "billing", "--pattern", "orders.*.paid")
        result = self.good("work", "s@billing", "--count", "2", "--raw", "-q")
        self.assertEqual(result.out, "a\nc\n")

    def test_groups_dead_letters_are_looked_after_like_any(self):
        self.pub("s", "bad")
        self.good("stream", "group", "s", "g")
        self.good("queue", "declare", "s@g", "--max-attempts", "1")
        self.good("work", "s@g", "--count", "1", "--exec", "exit 1")
        self.until_info("s@g", dead=1, lag=0)
        row = self.good("queue", "dead", "ls", "s@g").rows()[0]
        self.assertEqual((row["body"], row["dead_reason"], row["topic"]), ("bad", "attempts", "t"))

    def test_groups_on_a_terminal(self):
        self.pub("s", 1)
        process = self.start("stream", "groups", "s", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual((process.out.text(), process.err.text()), ("", "no groups\n"))
        self.good("stream", "group", "s", "g")
        process = self.start("stream", "groups", "s", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"^group  lag +first +next .*\r\ng +1 ")

    def test_trim_drops_below(self):
        self.pub("s", 1, 2, 3)
        offsets = self.offsets("s")
        self.assertEqual(self.good("stream", "trim", "s", str(offsets[2])).rows(), [{"stream": "s", "trimmed": 2}])
        self.assertEqual(self.offsets("s"), offsets[2:])
        self.assertFails(self.zferry("stream", "trim", "s", "all"), 64,
                         "zferry stream trim: OFFSET is a whole number, not 'all'; see zferry stream trim --help")

    def test_group_that_missed_something_says_so(self):
        self.pub("s", 1, 2, 3)
        self.good("stream", "group", "s", "g")
        self.good("stream", "trim", "s", str(self.offsets("s")[2]))
        row = self.good("stream", "groups", "s").rows()[0]
        self.assertEqual((row["missed"], row["lag"]), (2, 1))

    def test_forget_a_group_then_the_stream(self):
        self.pub("s", 1)
        self.good("stream", "group", "s", "g")
        worker = self.start("work", "s@g", "--exec", "true", "--connect", self.endpoint)
        self.until_info("s@g", workers=1)
        result = self.zferry("stream", "forget", "s@g")
        self.assertEqual(result.code, 75)
        self.assertRegex(result.err, r"^zferry stream forget: .+; end those that read it first\n$")
        rig.interrupt(worker)
        worker.wait()
        self.assertEqual(self.good("stream", "forget", "s@g").err, "s@g is forgotten\n")
        self.assertEqual(self.good("stream", "groups", "s").rows(), [])
        self.good("stream", "forget", "s")
        self.assertEqual(self.good("stream", "ls").rows(), [])

    def test_queue_verbs_show_streams_and_groups(self):
        self.pub("s", 1, 2)
        self.good("stream", "group", "s", "g")
        rows = {row["queue"]: row for row in self.good("queue", "ls").rows()}
        self.assertEqual({name: row["kind"] for name, row in rows.items()}, {"s": "stream", "s@g": "group"})
        self.assertEqual([row["topic"] for row in self.good("queue", "peek", "s").rows()], ["t", "t"])
        process = self.start("queue", "info", "s@g", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"(?m)^lag +2\r$")
        process = self.start("queue", "info", "s", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"(?m)^subscribers +0\r$")

    def test_start_that_is_none(self):
        self.pub("s", 1)
        self.assertFails(self.zferry("stream", "group", "s", "g", "--from", "soon"), 64,
                         "zferry stream group: --from is first, new, last=N, an offset, or a time such as 10m or "
                         "2026-01-31T12:00, not 'soon'; see zferry stream group --help")
        self.assertFails(self.zferry("stream", "declare", "s", "--compact", "--not-compact"), 64,
                         "zferry stream declare: --compact and --not-compact exclude each other; "
                         "see zferry stream declare --help")


class Durable(rig.Case):
    def test_stream_and_group_survive_the_broker(self):
        self.journal = self.folder()
        first = self.durable_broker()
        self.good("pub", "t", "--stream", "s", "--lines", "-q", stdin=b"1\n2\n3\n")
        self.good("stream", "group", "s", "g")
        self.good("work", "s@g", "--count", "1", "--raw", "-q")
        self.until_info("s@g", lag=2, leased=0)
        self.good("pub", "t", "4", "--stream", "s")  # confirmed, and the ack was written before it
        first.popen.kill()
        first.wait()
        self.durable_broker()
        row = self.good("stream", "info", "s").rows()[0]
        self.assertEqual((row["length"], row["groups"], row["sync"]), (4, 1, "always"))
        result = self.good("work", "s@g", "--count", "3", "--raw", "-q")
        self.assertEqual(result.out, "2\n3\n4\n")
        result = self.good("sub", "--stream", "s", "--from", "first", "-n", "4", "--format", "body", "-q")
        self.assertEqual(result.out, "1\n2\n3\n4\n")


class OfAForwarder(rig.Case):
    def test_new_stream_keeps_as_much_as_one_that_nobody_declared(self):
        process = self.device("forwarder", "--bind", "tcp://127.0.0.1:*", "--keep", "1MiB", "--keep-length", "500")
        self.endpoint = process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        row = self.good("stream", "declare", "s", "--max-age", "1h").rows()[0]
        self.assertEqual((row["max_bytes"], row["max_length"], row["ttl_ms"], row["declared"]),
                         (1 << 20, 500, 3600000, True))


if __name__ == "__main__":
    rig.main()
