"""broker and balancer in the foreground."""

import os
import socket

import rig
from rig import run

try:
    import zmq
except ImportError:
    zmq = None


class Broker(rig.Case):
    def test_says_where_it_listens_and_what_it_did(self):
        broker = self.broker()
        self.assertRegex(broker.err.text(), r"^listening on tcp://127\.0\.0\.1:[1-9]\d*\n$")
        self.good("post", "q", "x")
        rig.interrupt(broker)
        self.assertEqual(broker.wait(), 0)
        self.assertRegex(broker.err.text(), r"\nstopped after [\d.]+ m?s: .*\w 1\b")
        self.assertEqual(broker.out.text(), "")

    def test_terminate_ends_it_as_well(self):
        broker = self.broker()
        rig.terminate(broker)
        self.assertEqual(broker.wait(), 0)
        self.assertIn("stopped after", broker.err.text())

    def test_json_prints_the_figures_at_the_end(self):
        broker = self.broker("--json")
        rig.interrupt(broker)
        self.assertEqual(broker.wait(), 0)
        self.assertIsInstance(rig.json.loads(broker.out.text()), dict)

    def test_several_endpoints_serve_the_same_queues(self):
        path = "ipc://" + os.path.join(self.folder(), "zferry")
        broker = self.broker("--bind", path)
        broker.err.wait_for("listening on " + path)
        self.good("post", "q", "x")
        result = run("work", "q", "--raw", "--count", "1", "-q", "--connect", path)
        self.assertEqual(result.out, "x\n")

    def test_port_in_use_is_said_in_words(self):
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
        result = run("broker", "--bind", endpoint)
        self.assertEqual((result.code, result.out), (69, ""))
        self.assertRegex(result.err, rf"^zferry broker: .*{endpoint}.*[Aa]ddress already in use; "
                                     r"stop what listens there or choose another endpoint\n$")

    def test_endpoint_that_is_none_is_said_in_words(self):
        result = run("broker", "--bind", "carrier-pigeon://roof")
        self.assertEqual((result.code, result.out), (69, ""))
        self.assertRegex(result.err, r"^zferry broker: .*carrier-pigeon://roof.*\n$")
        self.assertEqual(result.err.count("\n"), 1)

    def test_policy_options_are_for_queues_that_nobody_declared(self):
        self.broker("--max-attempts", "2", "--lease", "7s", "--dead-letter", "morgue")
        self.good("post", "q", "x")
        row = self.info("q")
        self.assertEqual((row["max_attempts"], row["lease_ms"], row["dead_letter"]), (2, 7000, "morgue"))

    def test_verbose_tells_of_workers(self):
        broker = self.broker("--verbose")
        self.good("post", "q", "x")
        self.good("work", "q", "--count", "1")
        broker.err.wait_for(r"worker on: .*\bq\b")
        broker.err.wait_for(r"worker off: .*\bq\b")

    def test_max_message_refuses_larger_bodies(self):
        self.broker("--max-message", "64KiB")
        result = self.zferry("post", "q", "-", stdin=b"x" * 100_000)
        self.assertEqual(result.code, 65)
        self.assertRegex(result.err, r"^zferry post: .*; the broker's --max-message says how large a body may be\n$")


@rig.unittest.skipIf(zmq is None, "pyzmq is not installed")
class Balancer(rig.Case):
    def setUp(self):
        self.process = self.device("balancer", "--front", "tcp://127.0.0.1:*", "--back", "tcp://127.0.0.1:*")
        self.front = self.process.err.wait_for(r"listening on (\S+) for clients\n").group(1)
        self.back = self.process.err.wait_for(r"listening on (\S+) for workers\n").group(1)
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, 0)

    def socket(self, kind, endpoint):
        plain = self.context.socket(kind)
        plain.linger = 0
        plain.rcvtimeo = rig.DEADLINE_S * 1000
        plain.connect(endpoint)
        return plain

    def test_plain_client_and_worker_meet(self):
        worker = self.socket(zmq.REQ, self.back)
        client = self.socket(zmq.REQ, self.front)
        worker.send(b"READY")
        client.send(b"hello")
        address, empty, body = worker.recv_multipart()
        self.assertEqual((empty, body), (b"", b"hello"))
        worker.send_multipart([address, b"", b"world"])
        self.assertEqual(client.recv(), b"world")
        rig.interrupt(self.process)
        self.assertEqual(self.process.wait(), 0)
        self.assertRegex(self.process.err.text(), r"stopped after [\d.]+ m?s: .*\w 1\b")


if __name__ == "__main__":
    rig.main()
