"""request and serve."""

import os

import rig


class Service(rig.Case):
    def setUp(self):
        self.broker()

    def serve(self, *how):
        process = self.start("serve", "s", *how, "--connect", self.endpoint)
        self.until_info("s", workers=1)
        return process

    def test_exec_answers_with_what_it_prints(self):
        self.serve("--exec", "tr a-z A-Z")
        result = self.good("request", "s", "hello")
        self.assertEqual((result.out, result.err), ("HELLO", ""))

    def test_answer_is_any_bytes(self):
        self.serve("--exec", "cat")
        body = bytes(range(256)) * 1000
        self.assertEqual(self.good("request", "s", "-", stdin=body).bytes, body)
        path = os.path.join(self.folder(), "body")
        with open(path, "wb") as file:
            file.write(body)
        self.assertEqual(self.good("request", "s", "--file", path).bytes, body)

    def test_echo_answers_with_the_body(self):
        self.serve("--echo")
        self.assertEqual(self.good("request", "s", "again").out, "again")
        self.assertEqual(self.good("request", "s", "").out, "")

    def test_json_wraps_the_answer(self):
        self.serve("--echo")
        self.assertEqual(self.good("request", "s", "x", "--json").rows(), [{"body": "x", "more": False}])

    def test_terminal_gets_a_newline(self):
        self.serve("--echo")
        process = self.start("request", "s", "x", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(process.out.text(), "x\r\n")

    def test_failing_command_rejects_with_its_last_line(self):
        server = self.serve("--exec", "echo first >&2; echo 'no such thumb' >&2; exit 3")
        result = self.zferry("request", "s", "x")
        self.assertEqual((result.code, result.out), (65, ""))
        self.assertRegex(result.err, r"^zferry request: s rejected the request: .*no such thumb.*\n$")
        self.assertNotIn("first", result.err)
        server.err.wait_for("first\nno such thumb\n")

    def test_failing_command_that_says_nothing_rejects_with_its_exit_code(self):
        self.serve("--exec", "exit 3")
        result = self.zferry("request", "s", "x")
        self.assertEqual(result.code, 65)
        self.assertIn("the command exited with 3", result.err)

    def test_killed_command_rejects_with_the_signal(self):
        self.serve("--exec", "kill -9 $$")
        self.assertIn("the command was ended by signal 9", self.zferry("request", "s", "x").err)

    def test_command_that_writes_before_it_reads_does_not_hang(self):
        self.serve("--exec", "head -c 1000000 /dev/zero; cat > /dev/null")
        self.assertEqual(self.good("request", "s", "-", stdin=b"x" * 1_000_000).bytes, bytes(1_000_000))

    def test_command_that_does_not_read_does_not_hang(self):
        self.serve("--exec", "echo done")
        self.assertEqual(self.good("request", "s", "-", stdin=b"x" * 1_000_000).out, "done\n")

    def test_concurrent_commands_each_answer_their_own(self):
        self.serve("--exec", "cat", "--concurrency", "4")
        asking = [self.start("request", "s", f"body {i}", "--connect", self.endpoint) for i in range(8)]
        for i, process in enumerate(asking):
            self.assertEqual(process.wait(), 0)
            self.assertEqual(process.out.text(), f"body {i}")

    def test_count_ends_the_server(self):
        server = self.serve("--echo", "--count", "1")
        self.good("request", "s", "x")
        self.assertEqual(server.wait(), 0)
        self.assertIn("received 1 from s", server.err.text())

    def test_answer_larger_than_the_broker_takes_is_a_rejection(self):
        self.broker("--max-message", "1MiB")
        self.serve("--exec", "head -c 2000000 /dev/zero")
        result = self.zferry("request", "s", "x")
        self.assertEqual(result.code, 65)
        self.assertIn("an answer of 2000000 bytes is more than the broker takes", result.err)
        self.assertEqual(self.zferry("request", "s", "x").code, 65)  # the server goes on

    def test_unserved_request_times_out_and_says_why(self):
        result = self.zferry("request", "nobody", "x", "--timeout", "300ms")
        self.assertFails(result, 75, "zferry request: no answer from nobody within 300 ms; is it served "
                                     "(zferry serve nobody)? if it is slow, give a longer --timeout")

    def test_fail_fast_says_at_once_that_nobody_serves(self):
        result = self.zferry("request", "nobody", "x", "--fail-fast", "--timeout", "1h")
        self.assertEqual(result.code, 69)
        self.assertRegex(result.err, r"^zferry request: .*; start one with zferry serve\n$")

    def test_interrupt_ends_a_waiting_request(self):
        process = self.start("request", "nobody", "x", "--timeout", "1h", "--connect", self.endpoint)
        self.until_info("nobody", length=1)
        rig.interrupt(process)
        self.assertEqual(process.wait(), 130)
        self.assertEqual(process.err.text(), "zferry request: stopped before the answer was there\n")


if __name__ == "__main__":
    rig.main()
