"""queue ls, info, peek, purge, declare, dead."""

import re

import rig


class Queue(rig.Case):
    def setUp(self):
        self.broker()

    def post(self, queue, *bodies):
        self.good("post", queue, "--lines", stdin="\n".join(bodies).encode() + b"\n")

    def kill(self, *bodies):
        """Makes dead letters of these bodies."""
        self.good("queue", "declare", "q", "--max-attempts", "1")
        self.post("q", *bodies)
        self.good("work", "q", "--count", str(len(bodies)), "--exec", "exit 1")
        self.until_info("q", dead=len(bodies), length=0)

    def test_ls_lists_by_name(self):
        self.assertEqual(self.good("queue", "ls").rows(), [])
        self.post("beta", "x")
        self.post("alpha", "x", "y")
        rows = self.good("queue", "ls").rows()
        self.assertEqual([(row["queue"], row["length"], row["posted"]) for row in rows],
                         [("alpha", 2, 2), ("beta", 1, 1)])

    def test_ls_on_a_terminal_is_a_table_with_titles(self):
        self.post("alpha", "x", "y")
        process = self.start("queue", "ls", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        lines = process.out.text().split("\r\n")
        titles = ["queue", "length", "bytes", "leased", "delayed", "workers", "posted", "acked", "dead", "oldest"]
        self.assertEqual(re.split("  +", lines[0]), [*titles, "on disk", "sync"])
        self.assertRegex(lines[1], r"^alpha +2 +\d+ B +0 +0 +0 +2 +0 +0 +\d.* 0 B +none$")
        self.assertEqual(lines[0].index("length") + 6, lines[1].index(" 2 ") + 2)

    def test_colour_only_where_it_is_welcome(self):
        self.post("alpha", "x")
        connect = ("--connect", self.endpoint)
        bold = "\x1b[1m"
        shown = self.start("queue", "ls", *connect, terminal=True)
        shown.wait()
        self.assertIn(bold, shown.out.text())
        for more, env in ((["--no-color"], {}), ([], {"NO_COLOR": "1"})):
            plain = self.start("queue", "ls", *connect, *more, terminal=True, env=rig.environment(**env))
            plain.wait()
            self.assertNotIn("\x1b", plain.out.text())

    def test_empty_ls_on_a_terminal_says_so(self):
        process = self.start("queue", "ls", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual((process.out.text(), process.err.text()), ("", "no queues\n"))

    def test_info_shows_figures_and_policy(self):
        self.post("q", "x")
        row = self.info("q")
        self.assertEqual((row["queue"], row["length"], row["leased"], row["workers"]), ("q", 1, 0, 0))
        self.assertEqual((row["max_attempts"], row["lease_ms"], row["overflow"]), (5, 30000, "backpressure"))
        self.assertEqual((row["declared"], row["ordered"], row["dead_letter"]), (False, False, "q.dead"))

    def test_info_on_a_terminal_is_a_line_each(self):
        self.post("q", "x")
        process = self.start("queue", "info", "q", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.out.text(), r"(?m)^lease +30 s\r$")

    def test_info_of_no_queue(self):
        result = self.zferry("queue", "info", "nope")
        self.assertEqual((result.code, result.out), (66, ""))
        self.assertRegex(result.err, r"^zferry queue info: .*; zferry queue ls lists those that there are\n$")

    def test_peek_shows_and_takes_nothing(self):
        self.post("q", *[f"body {i}" for i in range(25)])
        rows = self.good("queue", "peek", "q").rows()
        self.assertEqual([row["body"] for row in rows], [f"body {i}" for i in range(10)])
        rest = self.good("queue", "peek", "q", "--from", str(rows[9]["id"] + 1), "--count", "100").rows()
        self.assertEqual([row["body"] for row in rest], [f"body {i}" for i in range(10, 25)])
        self.assertEqual(self.info("q")["length"], 25)

    def test_peek_on_a_terminal_cuts_long_bodies(self):
        self.post("q", "x" * 500)
        process = self.start("queue", "peek", "q", "--no-color", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        line = process.out.text().split("\r\n")[1]
        self.assertLessEqual(len(line), 80)
        self.assertTrue(line.endswith("x…"))

    def test_peek_of_many_shows_all(self):
        self.post("q", *[str(i) for i in range(3000)])
        rows = self.good("queue", "peek", "q", "--count", "5000").rows()
        self.assertEqual([row["body"] for row in rows], [str(i) for i in range(3000)])

    def test_purge_drops_and_counts(self):
        self.post("q", "a", "b", "c")
        self.assertEqual(self.good("queue", "purge", "q").rows(), [{"queue": "q", "purged": 3}])
        self.assertEqual(self.info("q")["length"], 0)

    def test_declare_sets_what_is_named_and_keeps_the_rest(self):
        self.good("queue", "declare", "q", "--max-attempts", "7", "--lease", "1m", "--backoff-min", "1s",
                  "--backoff-max", "2m", "--ttl", "1h", "--max-length", "100", "--max-bytes", "1MiB",
                  "--overflow", "drop-oldest", "--dedup-window", "10s", "--priorities", "4", "--ordered",
                  "--dead-letter", "morgue")
        row = self.good("queue", "declare", "q", "--max-attempts", "8", "--unordered").rows()[0]
        expected = {"declared": True, "max_attempts": 8, "lease_ms": 60000, "backoff_min_ms": 1000,
                    "backoff_max_ms": 120000, "ttl_ms": 3600000, "max_length": 100, "max_bytes": 1 << 20,
                    "overflow": "drop-oldest", "dedup_window_ms": 10000, "priorities": 4, "ordered": False,
                    "dead_letter": "morgue"}
        self.assertEqual({key: row[key] for key in expected}, expected)

    def test_dead_ls_shows_reason_and_attempts(self):
        self.kill("a", "b")
        rows = self.good("queue", "dead", "ls", "q").rows()
        self.assertEqual([(row["body"], row["dead_attempts"], row["dead_reason"]) for row in rows],
                         [("a", 1, "attempts"), ("b", 1, "attempts")])

    def test_dead_ls_of_a_queue_without_dead_letters_is_empty(self):
        self.post("q", "x")
        result = self.good("queue", "dead", "ls", "q")
        self.assertEqual((result.out, result.err), ("", ""))

    def test_dead_ls_of_a_queue_that_keeps_none(self):
        self.good("queue", "declare", "q", "--dead-letter", "-")
        self.assertFails(self.zferry("queue", "dead", "ls", "q"), 66,
                         "zferry queue dead ls: q keeps no dead letters; "
                         "zferry queue declare q --dead-letter NAME makes it")

    def test_dead_requeue_gives_another_chance(self):
        self.kill("a", "b", "c")
        self.assertEqual(self.good("queue", "dead", "requeue", "q", "--count", "1").rows(),
                         [{"queue": "q", "requeued": 1}])
        self.assertEqual(self.good("queue", "dead", "requeue", "q").rows(), [{"queue": "q", "requeued": 2}])
        rows = self.good("work", "q", "--count", "3").rows()
        self.assertEqual([(row["body"], row["attempt"]) for row in rows], [("a", 1), ("b", 1), ("c", 1)])

    def test_dead_discard_drops(self):
        self.kill("a", "b", "c")
        self.assertEqual(self.good("queue", "dead", "discard", "q", "-n", "2").rows(),
                         [{"queue": "q", "discarded": 2}])
        self.assertEqual([row["body"] for row in self.good("queue", "dead", "ls", "q").rows()], ["c"])

    def test_expired_record_is_dead_with_that_reason(self):
        self.good("post", "q", "old", "--ttl", "1ms")
        self.until_info("q", expired=1)
        self.assertEqual(self.good("queue", "dead", "ls", "q").rows()[0]["dead_reason"], "expired")


if __name__ == "__main__":
    rig.main()
