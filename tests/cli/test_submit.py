"""submit and fetch."""

import os
import signal

import rig


class Submit(rig.Case):
    def setUp(self):
        self.broker()

    def serve(self, *how):
        process = self.start("serve", "s", *how, "--connect", self.endpoint)
        self.until_info("s", workers=1)
        return process

    def test_answer_is_fetched_by_the_printed_id(self):
        submitted = self.good("submit", "s", "hello")
        self.assertRegex(submitted.out, r"^[0-9a-f]{32}\n$")
        self.assertEqual(submitted.err, "")
        self.serve("--exec", "tr a-z A-Z")
        for _ in range(2):
            result = self.good("fetch", submitted.out.strip())
            self.assertEqual((result.out, result.err), ("HELLO", ""))
        self.assertNotEqual(self.good("submit", "s", "hello").out, submitted.out)

    def test_forget_drops_the_answer_once_it_is_printed(self):
        self.serve("--echo")
        self.good("submit", "s", "hello", "--id", "r1")
        self.assertEqual(self.good("fetch", "r1", "--forget").out, "hello")
        self.assertFails(self.zferry("fetch", "r1"), 66,
                         "zferry fetch: r1: no request with this id, or its answer is gone")

    def test_chosen_id_is_taken_once(self):
        self.assertEqual(self.good("submit", "s", "first", "--id", "r1").out, "r1\n")
        self.assertEqual(self.good("submit", "s", "second", "--id", "r1").out, "r1\n")
        self.assertEqual(self.info("s")["length"], 1)
        self.serve("--echo")
        self.assertEqual(self.good("fetch", "r1").out, "first")

    def test_body_is_any_bytes_and_json_wraps(self):
        self.serve("--exec", "cat")
        body = bytes(range(256)) * 1000
        path = os.path.join(self.folder(), "body")
        with open(path, "wb") as file:
            file.write(body)
        self.good("submit", "s", "-", "--id", "r1", stdin=body)
        self.good("submit", "s", "--file", path, "--id", "r2")
        self.assertEqual(self.good("submit", "s", "x", "--id", "r3", "--json").rows(),
                         [{"service": "s", "id": "r3"}])
        self.assertEqual(self.good("fetch", "r1").bytes, body)
        self.assertEqual(self.good("fetch", "r2").bytes, body)
        self.assertEqual(self.good("fetch", "r3", "--json").rows(), [{"id": "r3", "body": "x"}])

    def test_terminal_gets_a_newline(self):
        self.serve("--echo")
        self.good("submit", "s", "x", "--id", "r1")
        process = self.start("fetch", "r1", "--connect", self.endpoint, terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(process.out.text(), "x\r\n")

    def test_fetch_without_an_answer_says_so(self):
        self.good("submit", "s", "hello", "--id", "r1")
        for how in (["--now"], ["--timeout", "300ms"]):
            self.assertFails(self.zferry("fetch", "r1", *how), 75,
                             "zferry fetch: r1 has no answer yet; fetch it later")
        self.assertEqual(self.info("s")["length"], 1)

    def test_fetch_waits_for_the_answer(self):
        self.good("submit", "s", "hello", "--id", "r1")
        process = self.start("fetch", "r1", "--timeout", "1h", "--connect", self.endpoint)
        self.serve("--echo")
        self.assertEqual(process.wait(), 0)
        self.assertEqual(process.out.text(), "hello")

    def test_interrupt_ends_a_waiting_fetch(self):
        self.good("submit", "s", "hello", "--id", "r1")
        process = self.start("fetch", "r1", "--timeout", "1h", "--connect", self.endpoint)
        rig.until(lambda: process.popen.poll() is None and self.waits(process), "it waits")
        rig.interrupt(process)
        self.assertEqual(process.wait(), 130)
        self.assertEqual(process.err.text(), "zferry fetch: stopped before the answer was there\n")

    def waits(self, process):
        """True once the program has its signals in hand."""
        with open(f"/proc/{process.popen.pid}/status") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
        return int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1

    def test_rejection_is_told(self):
        self.serve("--exec", "echo 'no such thumb' >&2; exit 3")
        self.good("submit", "s", "x", "--id", "r1")
        result = self.zferry("fetch", "r1", "--forget")
        self.assertEqual((result.code, result.out), (65, ""))
        self.assertRegex(result.err, r"^zferry fetch: r1 was rejected: .*no such thumb.*\n$")
        self.assertEqual(self.zferry("fetch", "r1").code, 66)

    def test_expiry_is_told(self):
        self.good("submit", "nobody", "x", "--id", "r1", "--ttl", "100ms")
        result = self.zferry("fetch", "r1")
        self.assertNotEqual(result.code, 0)
        self.assertRegex(result.err, r"^zferry fetch: r1 has no answer: .+\n$")

    def test_ids_are_checked(self):
        for verb in (["submit", "s", "x", "--id"], ["fetch"]):
            for text in ("", "x" * 256):
                self.assertEqual(self.zferry(*verb, text).code, 64)

    def test_no_broker_is_told(self):
        nobody = self.nobody()
        for verb in (["submit", "s", "x"], ["fetch", "r1"], ["fetch", "r1", "--now"]):
            result = rig.run(*verb, "--timeout", "300ms", "--connect", nobody)
            self.assertEqual(result.code, 69, result.err)
            self.assertIn(f"no broker answered at {nobody}", result.err)


class Durable(rig.Case):
    def test_request_and_answer_survive_the_broker(self):
        self.journal = os.path.join(self.folder(), "journal")
        broker = self.durable_broker()
        self.good("submit", "s", "hello", "--id", "r1")
        broker.signal(signal.SIGKILL)
        broker.wait()
        broker = self.durable_broker()
        self.start("serve", "s", "--echo", "--connect", self.endpoint)
        self.assertEqual(self.good("fetch", "r1", "--timeout", "60s").out, "hello")
        broker.signal(signal.SIGKILL)
        broker.wait()
        self.durable_broker()
        self.assertEqual(self.good("fetch", "r1", "--timeout", "60s", "--forget").out, "hello")
        self.assertEqual(self.zferry("fetch", "r1").code, 66)


if __name__ == "__main__":
    rig.main()
