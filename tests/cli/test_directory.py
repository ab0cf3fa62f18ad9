"""directory, and what brokers, forwarders, balancers, servers and publishers are found as."""

import json
import socket

import rig
from rig import run

ANY = "tcp://127.0.0.1:*"
LONG = ("--timeout", "60s")
HOST = socket.gethostname()[:64]


class Offers(rig.Case):
    def setUp(self):
        self.net = self.network()

    def offering(self, *args):
        """Starts a device; returns it, and where it listens."""
        process = self.device(*args, "--discover", *self.net)
        return process, process.err.wait_for(r"listening on (tcp://\S+)").group(1)

    def look(self, *how):
        result = run("directory", *self.net, *LONG, *how)
        self.assertEqual(result.code, 0, result.err)
        return sorted((row["what"], row["endpoint"]) for row in result.rows())

    def test_broker_is_announced_by_the_name_of_the_host(self):
        _, endpoint = self.offering("broker", "--bind", ANY)
        self.assertEqual(self.look("--wait", "1"), [("broker/" + HOST, endpoint)])

    def test_broker_is_announced_by_its_name_and_as_more(self):
        _, endpoint = self.offering("broker", "--bind", ANY, "--name", "north", "--announce", "queue/jobs",
                                    "--announce", "service/upper")
        self.assertEqual(self.look("--wait", "3"),
                         [(what, endpoint) for what in ("broker/north", "queue/jobs", "service/upper")])
        self.assertEqual(self.look("service", "--wait", "1"), [("service/upper", endpoint)])
        self.assertEqual(self.look("*/jobs", "--wait", "1"), [("queue/jobs", endpoint)])

    def test_row_names_the_node(self):
        self.offering("broker", "--bind", ANY, "--name", "north")
        row, = run("directory", "--wait", "1", *LONG, *self.net).rows()
        self.assertEqual(row["name"], "north")
        self.assertRegex(row["id"], "^[0-9A-F]{32}$")

    def test_all_interfaces_are_announced_by_the_address_that_is_seen(self):
        process = self.device("broker", "--bind", "tcp://0.0.0.0:*", "--insecure", "--discover", *self.net)
        port = process.err.wait_for(r"listening on tcp://0\.0\.0\.0:(\d+)").group(1)
        self.assertEqual(self.look("--wait", "1"), [("broker/" + HOST, "tcp://127.0.0.1:" + port)])
        self.assertNotIn("others are told", process.err.text())

    def test_address_that_nobody_else_can_reach_is_told(self):
        process, endpoint = self.offering("broker", "--bind", ANY)
        port = endpoint.rsplit(":", 1)[1]
        self.assertIn(f"others are told of {endpoint}, which no other machine can reach; for those bind all "
                      f"interfaces: --bind 'tcp://*:{port}' with --key-file, or --insecure\n", process.err.text())

    def test_forwarder_is_announced_as_its_stream(self):
        _, endpoint = self.offering("forwarder", "--bind", ANY, "--pub", ANY, "--stream", "prices")
        self.assertEqual(self.look("--wait", "1"), [("topic/prices", endpoint)])

    def test_balancer_is_announced_with_its_front(self):
        process, _ = self.offering("balancer", "--back", ANY, "--front", ANY, "--name", "b")
        front = process.err.wait_for(r"listening on (\S+) for clients").group(1)
        self.assertEqual(self.look("--wait", "1"), [("balancer/b", front)])

    def test_watch_tells_what_comes_and_goes(self):
        watch = self.start("directory", "service", "--watch", *self.net)
        serve = self.start("serve", "upper", "--echo", "--direct", *self.net)
        endpoint = serve.err.wait_for(r"service/upper is at (\S+)\n").group(1)
        self.offering("broker", "--bind", ANY)
        watch.out.wait_for('"event":"offer"')
        rig.terminate(serve)
        serve.wait()
        watch.out.wait_for('"event":"withdraw"')
        rig.interrupt(watch)
        self.assertEqual(watch.wait(), 0, watch.err.text())
        rows = [json.loads(line) for line in watch.out.text().splitlines()]
        self.assertEqual([(row["event"], row["text"], row["endpoint"]) for row in rows],
                         [("offer", "service/upper", endpoint), ("withdraw", "service/upper", endpoint)])

    def test_terminal_gets_a_table(self):
        _, endpoint = self.offering("broker", "--bind", ANY, "--name", "north")
        process = self.start("directory", "--wait", "1", *LONG, *self.net, terminal=True)
        self.assertEqual(process.wait(), 0, process.err.text())
        self.assertRegex(process.out.text(), r"what +endpoint +node +id")
        self.assertRegex(process.out.text(), rf"broker/north +{endpoint} +north +[0-9A-F]{{32}}")

    def test_too_few_are_said_in_words(self):
        result = run("directory", "queue/x", "--wait", "2", "--timeout", "200ms", *self.net)
        self.assertFails(result, 75, "zferry directory: only 0 of 2 offers were found; give it longer with --timeout")

    def test_mistakes(self):
        self.assertFails(run("directory", "Service/x", *self.net), 64,
                         "zferry directory: PATTERN is KIND/NAME, where either may be a *, not 'Service/x'; "
                         "see zferry directory --help")
        result = run("broker", "--bind", ANY, "--announce", "nonsense", *self.net, "--quiet")
        self.assertEqual(result.code, 64)
        self.assertRegex(result.err, r"^zferry broker: .*nonsense.*; see zferry broker --help\n$")
        path = "ipc://" + self.folder() + "/socket"
        result = run("broker", "--bind", path, "--discover", *self.net)
        self.assertFails(result, 64,
                         "zferry broker: --discover takes a tcp endpoint; bind one; see zferry broker --help")


if __name__ == "__main__":
    rig.main()
