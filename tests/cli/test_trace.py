"""Trace contexts (W3C traceparent): from the command line to the command that handles the record."""

import rig
from rig import run

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00"
SHOW = 'echo "${TRACEPARENT-none}"'


class Trace(rig.Case):
    def setUp(self):
        self.broker()

    def worked(self, **env):
        """What a command for a record of q sees."""
        path = self.folder() + "/seen"
        self.good("work", "q", "--count", "1", "--exec", f"{SHOW} > {path}", env=rig.environment(**env))
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def test_post_carries_it_to_work(self):
        self.good("post", "q", "x", "--trace", TRACE)
        self.assertEqual(self.good("queue", "peek", "q").rows()[0]["trace"], TRACE)
        self.assertEqual(self.worked(), TRACE)

    def test_lines_carry_it(self):
        self.good("post", "q", "--lines", "--trace", TRACE, stdin=b"a\nb\n")
        self.assertEqual([row["trace"] for row in self.good("queue", "peek", "q").rows()], [TRACE, TRACE])

    def test_environment_is_the_default(self):
        self.good("post", "q", "x", env=rig.environment(TRACEPARENT=TRACE))
        self.assertEqual(self.worked(), TRACE)
        self.good("post", "q", "x", "--trace", OTHER, env=rig.environment(TRACEPARENT=TRACE))
        self.assertEqual(self.worked(), OTHER)

    def test_record_without_one_hides_the_worker_s(self):
        self.good("post", "q", "x")
        self.assertEqual(self.worked(TRACEPARENT=OTHER), "none")
        self.good("post", "q", "x", "--trace", TRACE)
        self.assertEqual(self.worked(TRACEPARENT=OTHER), TRACE)

    def test_request_carries_it_to_the_service(self):
        self.start("serve", "s", "--exec", SHOW, "--connect", self.endpoint)
        self.assertEqual(self.good("request", "s", "x", "--trace", TRACE).out, TRACE + "\n")
        self.assertEqual(self.good("request", "s", "x").out, "none\n")

    def test_submit_carries_it(self):
        self.start("serve", "s", "--exec", SHOW, "--connect", self.endpoint)
        name = self.good("submit", "s", "x", "--trace", TRACE).out.strip()
        self.assertEqual(self.good("fetch", name).out, TRACE + "\n")

    def test_pub_carries_it_to_sub_and_to_groups(self):
        self.good("stream", "declare", "events")
        self.good("stream", "group", "events", "g", "--from", "first")
        self.good("pub", "a.b", "x", "--trace", TRACE)
        self.assertEqual(self.good("sub", "--from", "first", "--count", "1").rows()[0]["trace"], TRACE)
        self.assertEqual(self.good("work", "events@g", "--count", "1").rows()[0]["trace"], TRACE)

    def test_dead_letter_keeps_it(self):
        self.good("queue", "declare", "q", "--max-attempts", "1")
        self.good("post", "q", "x", "--trace", TRACE)
        self.good("work", "q", "--count", "1", "--exec", "exit 1")
        self.until_info("q", dead=1)
        self.assertEqual(self.good("queue", "dead", "ls", "q").rows()[0]["trace"], TRACE)

    def test_wrong_ones_are_refused(self):
        form = "00-<32 hexadecimal digits>-<16>-<2>, in lower case"
        for wrong in ("", "x", TRACE.upper(), TRACE[:-1], TRACE + "0", TRACE + "-00", "ff" + TRACE[2:],
                      "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + TRACE[52:],
                      TRACE.replace("-", "_"), TRACE[:40] + "g" + TRACE[41:], "01" + TRACE[2:] + "x"):
            for verb in (("post", "q"), ("request", "q"), ("submit", "q"), ("pub", "a.b")):
                with self.subTest(wrong=wrong, verb=verb):
                    self.assertFails(run(*verb, "x", "--trace", wrong), 64,
                                     f"zferry {verb[0]}: --trace is {form}, not '{wrong}'; "
                                     f"see zferry {verb[0]} --help")

    def test_later_versions_may_say_more(self):
        later = "01" + TRACE[2:] + "-what.is/more"
        self.good("post", "q", "x", "--trace", later)
        self.assertEqual(self.worked(), later)

    def test_wrong_one_of_the_environment_is_left_out(self):
        result = self.good("post", "q", "x", env=rig.environment(TRACEPARENT="junk"))
        self.assertRegex(result.err, r"^zferry post: TRACEPARENT is 00-.*, not 'junk'; it is left out\n")
        self.assertNotIn("trace", self.good("queue", "peek", "q").rows()[0])

    def test_not_for_plain_sockets(self):
        self.assertFails(run("pub", "a", "x", "--raw", "--connect", "tcp://127.0.0.1:1", "--trace", TRACE), 64,
                         "zferry pub: --trace is not for --raw; see zferry pub --help")


if __name__ == "__main__":
    rig.main()
