"""tail: events and dead letters, a line for people each, or as JSON."""

import re
import signal

import rig
from rig import run, until

CLOCK = r"\d\d:\d\d:\d\d\.\d{3}"


class Events(rig.Case):
    def setUp(self):
        self.broker()
        self.good("stream", "declare", "events")

    def publish(self, topic, body, *more):
        self.good("pub", topic, body, *more)

    def tail(self, *args, **how):
        return self.start("tail", "--connect", self.endpoint, *args, **how)

    def test_shows_what_comes_from_now_on(self):
        self.publish("old.news", "before")
        tail = self.tail("--no-color", terminal=True)
        until(lambda: self.good("stream", "info", "events").rows()[0]["subscribers"] == 1, "a subscriber")
        self.publish("orders.eu", "17 EUR\x1b[2J\nmore", "--key", "k1")
        line = tail.out.wait_for(r"(.*)\r\n").group(1)
        self.assertRegex(line, rf"^{CLOCK}  orders\.eu {{13}}k1 {{12}}15 B  17 EUR\.\[2J\.more$")
        tail.signal(signal.SIGINT)
        self.assertEqual(tail.wait(), 0)
        self.assertNotIn("before", tail.out.text())
        self.assertNotIn("\x1b", tail.out.text())
        self.assertRegex(tail.err.text(), r"^time +topic +key +size  body\nreceived 1 in ")

    def test_from_first_and_topics(self):
        for topic in ("a.b", "a.c", "z.b"):
            self.publish(topic, "x")
        rows = self.good("tail", "events", "--from", "first", "--topic", "a.*", "--count", "2").rows()
        self.assertEqual([(row["topic"], row["body"]) for row in rows], [("a.b", "x"), ("a.c", "x")])

    def test_another_stream(self):
        self.good("stream", "declare", "orders")
        self.publish("a.b", "x", "--stream", "orders")
        row, = self.good("tail", "orders", "--from", "first", "--count", "1", "--json").rows()
        self.assertEqual((row["topic"], row["body"]), ("a.b", "x"))

    def test_long_bodies_are_cut_at_the_edge(self):
        self.publish("a.b", "é" * 500)
        tail = self.tail("--from", "first", "--count", "1", "--no-color", terminal=True)
        self.assertEqual(tail.wait(), 0)
        line = tail.out.text().split("\r\n")[0]
        self.assertEqual(len(line), 80)
        self.assertTrue(line.endswith("éé"))
        self.assertIn(" 1000 B  é", line)

    def test_colour_only_where_it_is_welcome(self):
        self.publish("a.b", "x")
        tail = self.tail("--from", "first", "--count", "1", terminal=True)
        tail.wait()
        self.assertIn("\x1b[36ma.b", tail.out.text())

    def test_queue_is_no_stream(self):
        self.good("queue", "declare", "q")
        result = self.zferry("tail", "q", "--quiet")
        self.assertEqual((result.code, result.out), (64, ""))
        self.assertRegex(result.err, r"^zferry tail: .*q.*\n$")

    def test_nobody_there(self):
        result = run("tail", "--connect", self.nobody(), "--timeout", "300ms", "--quiet")
        self.assertEqual((result.code, result.out), (69, ""))
        self.assertIn("nobody answered at", result.err)

    def test_idle_ends(self):
        self.assertEqual(self.good("tail", "--idle", "50ms").rows(), [])


class DeadLetters(rig.Case):
    def setUp(self):
        self.broker()
        self.good("queue", "declare", "q", "--max-attempts", "1")
        self.dead = 0

    def kill(self, *bodies):
        self.good("post", "q", "--lines", "--key", "k", stdin="\n".join(bodies).encode() + b"\n")
        self.good("work", "q", "--count", str(len(bodies)), "--exec", "exit 1")
        self.dead += len(bodies)
        self.until_info("q", dead=self.dead, length=0)

    def test_shows_them_as_they_come(self):
        self.kill("before")
        tail = self.start("tail", "--dead", "q", "--interval", "50ms", "--connect", self.endpoint, "--no-color",
                          terminal=True)
        tail.err.wait_for("seen +reason")
        until(lambda: self.zferry("top", "--interval", "100ms").rows()[0]["broker"]["sessions"] >= 2, "a session")
        bodies = []

        def shown():  # what dies while it looks for the first time is not new
            bodies.append(f"body{len(bodies)}")
            self.kill(bodies[-1])
            return re.search(r"(.*body\d+)\r\n", tail.out.text())

        line = until(shown, "a line").group(1)
        self.assertRegex(line, rf"^{CLOCK}  attempts    1x  k {{7}}  +\d+ B  body\d+$")
        self.kill("last")
        tail.out.wait_for(r"  last\r\n")
        tail.signal(signal.SIGTERM)
        self.assertEqual(tail.wait(), 0)
        shown = re.findall(r"  (\w+)\r\n", tail.out.text())
        self.assertEqual(shown, (bodies + ["last"])[-len(shown):])  # each once, in order
        self.assertNotIn("before", tail.out.text())

    def test_from_first_into_a_pipe(self):
        self.kill("a", "b", "c")
        rows = self.good("tail", "--dead", "q", "--from", "first", "--count", "2").rows()
        self.assertEqual([(row["body"], row["dead_reason"], row["dead_attempts"]) for row in rows],
                         [("a", "attempts", 1), ("b", "attempts", 1)])

    def test_more_than_one_page(self):
        self.good("post", "q", "--lines", "--ttl", "1ms", stdin=b"".join(b"%d\n" % i for i in range(2500)))
        self.until_info("q", dead=2500)
        rows = self.good("tail", "--dead", "q", "--from", "first", "--idle", "100ms", "--interval", "50ms").rows()
        self.assertEqual(sorted(int(row["body"]) for row in rows), list(range(2500)))

    def test_none_yet_is_no_mistake(self):
        self.assertEqual(self.good("tail", "--dead", "q", "--idle", "60ms", "--interval", "50ms").rows(), [])

    def test_queue_that_is_not_there_or_keeps_none(self):
        result = self.zferry("tail", "--dead", "nope")
        self.assertEqual((result.code, result.out), (66, ""))
        self.good("queue", "declare", "none", "--dead-letter", "-")
        self.assertFails(self.zferry("tail", "--dead", "none", "--quiet"), 78,
                         "zferry tail: none keeps no dead letters; give it a queue for them with "
                         "zferry queue declare none --dead-letter NAME")

    def test_mistakes(self):
        see = "; see zferry tail --help"
        for args, line in (
                (["s", "--dead", "q"], "--dead is for a queue: it takes no stream and no --topic" + see),
                (["--topic", "a", "--dead", "q"], "--dead is for a queue: it takes no stream and no --topic" + see),
                (["--interval", "1s"], "--interval is for --dead; events come by themselves" + see),
                (["--dead", "q", "--from", "last=3"], "with --dead, --from is first or new" + see)):
            with self.subTest(args):
                self.assertFails(run("tail", *args), 64, "zferry tail: " + line)


if __name__ == "__main__":
    rig.main()
