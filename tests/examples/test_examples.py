"""The examples, as a reader of the README would run them."""

import glob
import importlib.util
import os
import signal
import subprocess
import sys
import unittest

import rig

FOLDER = os.environ["ZFERRY_EXAMPLES"]
SOURCES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")


def example(name, *args):
    """Runs an example to its end."""
    done = subprocess.run([os.path.join(FOLDER, name), *args], capture_output=True, timeout=rig.DEADLINE_S)
    return rig.Result(done.returncode, done.stdout, done.stderr)


class Examples(rig.Case):
    def worker(self, queue):
        popen = subprocess.Popen([os.path.join(FOLDER, "worker"), queue, self.endpoint],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(popen.communicate)
        self.addCleanup(popen.kill)
        return popen

    def finish(self, worker):
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=rig.DEADLINE_S)
        self.assertEqual((worker.returncode, err), (0, b""))
        return out.decode()

    def test_client_and_worker(self):
        self.broker()
        jobs, upper = self.worker("jobs"), self.worker("upper")
        result = example("client", self.endpoint)
        self.assertEqual((result.code, result.out, result.err), (0, "confirmed: 1000 jobs\nanswer: HELLO\n", ""))
        self.until_info("jobs", length=0, acked=1000)
        self.assertEqual(self.finish(jobs), "jobs: 1000 done\n")
        self.assertEqual(self.finish(upper), "upper: 1 done\n")

    def test_client_without_a_worker_says_so(self):
        self.broker()
        result = example("client", self.endpoint)
        self.assertEqual((result.code, result.out), (1, "confirmed: 1000 jobs\n"))
        self.assertRegex(result.err, r"^client: .+\n$")

    def test_broker_inside_an_application(self):
        result = example("embed_broker")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertRegex(result.out, r"^others may join at tcp://127\.0\.0\.1:\d+\n"
                                     r"done: 10000 of 10000\nmessages_in: \d+\npeer_errors: 0\n$")

    def test_client_and_worker_in_one_loop(self):
        self.broker()
        result = example("loop_uv", self.endpoint)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(result.out, "100 confirmed, 100 answered, 200 worked, 0 failed\n")
        self.assertEqual(self.info("loop")["length"], 0)

    def test_outbox_posts_before_the_broker_comes(self):
        first = self.broker()
        rig.terminate(first)
        first.wait()
        endpoint, folder = self.endpoint, self.folder()  # where nobody listens now
        popen = subprocess.Popen([os.path.join(FOLDER, "outbox"), folder, endpoint],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(popen.communicate)
        self.addCleanup(popen.kill)
        self.assertEqual(popen.stdout.readline(), b"1000 posts are on disk\n")
        self.device("broker", "--bind", endpoint).err.wait_for("listening on ")
        out, err = popen.communicate(timeout=rig.DEADLINE_S)
        self.assertEqual((popen.returncode, out, err), (0, b"all have travelled on\n", b""))
        self.until_info("jobs", length=1000)

    def test_burst_is_absorbed_and_drained(self):
        result = example("burst", self.folder())
        self.assertEqual((result.code, result.err), (0, ""))
        rows = [line.split() for line in result.out.splitlines() if line.startswith(" ") and "time" not in line]
        self.assertGreater(max(int(row[4]) for row in rows), 2000)  # much of it had to wait
        self.assertRegex(result.out, r"all posts are confirmed after \d+\.\d+ s\n")
        self.assertTrue(result.out.endswith("done: 10000 of 10000\n"))

    def test_market_feed_has_last_values_for_late_joiners(self):
        result = example("market_feed")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(result.out, "late: 4 of 1000 ticks, and knows 4 of 4 prices\n"
                                     "prices.eur 1.1000 on both\nprices.gbp 1.1001 on both\n"
                                     "prices.jpy 1.1002 on both\nprices.chf 1.1003 on both\n")

    def test_audit_log_is_replayed_into_a_file(self):
        self.journal = self.folder()
        path = os.path.join(self.folder(), "log")
        first = self.durable_broker()
        result = example("audit_log", path, self.endpoint)
        self.assertEqual((result.code, result.err, result.out), (0, "", "recorded: 1000 events\nreplayed: 1000 events\n"))
        first.popen.kill()
        first.wait()
        self.durable_broker()
        result = example("audit_log", path, self.endpoint)
        self.assertEqual((result.code, result.out), (0, "recorded: 1000 events\nreplayed: 2000 events\n"))
        with open(path, encoding="utf-8") as file:
            lines = [line.split(" ", 1)[1] for line in file.read().splitlines()]
        expected = [f"login.{'failed' if i % 10 == 0 else 'done'} user {i}" for i in range(1000)]
        self.assertEqual(lines, expected * 2)

    def program(self, name, *args, **how):
        popen = subprocess.Popen([os.path.join(FOLDER, name), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **how)
        self.addCleanup(popen.communicate)
        self.addCleanup(popen.kill)
        return popen

    def result(self, popen, given=None):
        out, err = popen.communicate(given, timeout=rig.DEADLINE_S)
        self.assertEqual((popen.returncode, err), (0, b""))
        return out.decode()

    def test_service_is_found_and_its_end_noticed(self):
        _, network, _, port = self.network()
        servers = []
        for _ in range(2):
            servers.append(self.program("mesh_service", "serve", network, port))
            self.assertRegex(servers[-1].stdout.readline(), rb"^serving at tcp://127\.0\.0\.1:\d+\n$")
            self.assertEqual(self.result(self.program("mesh_service", "ask", "hello", network, port)), "HELLO\n")
        servers[0].kill()
        self.assertEqual(self.result(self.program("mesh_service", "ask", "again", network, port)), "AGAIN\n")
        servers[1].send_signal(signal.SIGTERM)
        self.assertEqual(self.result(servers[1]), "")

    def test_events_find_their_readers(self):
        _, network, _, port = self.network()
        env = rig.environment(ZFERRY_INTERFACE=network, ZFERRY_DISCOVERY_PORT=port)
        watch = self.program("mesh_events", "watch", "3", env=env)
        publish = self.program("mesh_events", "publish", "3", env=env)
        self.assertEqual(self.result(watch), "0 degrees\n1 degrees\n2 degrees\n")
        self.assertEqual(self.result(publish, b"\n"), "published 3; enter ends\n")

    def test_nodes_greet_each_other(self):
        _, network, _, port = self.network()
        guests = {name: self.program("who_is_there", name, network, port) for name in ("anna", "bert")}
        for name, other in (("anna", "bert"), ("bert", "anna")):
            lines = self.result(guests[name]).splitlines()
            for line in (f"{other} is there", f"{other} shouts: hello, {name}", f"{other} whispers: thank you"):
                self.assertIn(line, lines)

    def script(self, name, *args):
        popen = subprocess.Popen([sys.executable, os.path.join(SOURCES, "py", name), *args],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(popen.communicate)
        self.addCleanup(popen.kill)
        return popen

    @unittest.skipIf(importlib.util.find_spec("zmq") is None, "pyzmq is not installed")
    def test_ordinary_pyzmq_through_the_forwarder(self):
        any_port = "tcp://127.0.0.1:*"
        forwarder = self.device("forwarder", "--bind", any_port, "--pub", any_port, "--sub", any_port)
        pubs = forwarder.err.wait_for(r"listening on (\S+) for plain publishers\n").group(1)
        subs = forwarder.err.wait_for(r"listening on (\S+) for plain subscribers\n").group(1)
        subscriber = self.script("sub.py", subs, "prices.", "20")
        publisher = self.script("pub.py", pubs)
        out, err = subscriber.communicate(timeout=rig.DEADLINE_S)
        self.assertEqual((subscriber.returncode, err), (0, b""))
        rows = [line.split() for line in out.decode().splitlines()]
        self.assertEqual({row[0] for row in rows}, {"prices.eur", "prices.gbp"})
        numbers = [int(row[1]) for row in rows]
        self.assertEqual(numbers, [n for n in range(numbers[0], numbers[-1] + 1) if n % 3 != 2])
        publisher.send_signal(signal.SIGINT)
        self.assertEqual(publisher.wait(rig.DEADLINE_S), 0)

    @unittest.skipIf(importlib.util.find_spec("zmq") is None, "pyzmq is not installed")
    def test_node_in_python_is_one_of_them(self):
        net = self.network()
        node = self.script("node.py", "anna", "lobby", "127.255.255.255", net[3])
        chat = self.start("chat", "lobby", "--name", "bert", *net, stdin=subprocess.PIPE)
        chat.out.wait_for(r"\* anna is here\n(.*\n)*anna \(to you\): hello, bert\n")
        os.write(chat.popen.stdin.fileno(), b"hello all\n")
        self.assertEqual(node.stdout.readline(), b"bert is there\n")
        self.assertEqual(node.stdout.readline(), b"bert: hello all\n")
        result = rig.run("whisper", "anna", "bye", *net, "--timeout", "60s")
        self.assertEqual((result.code, result.err), (0, ""))
        out, err = node.communicate(timeout=rig.DEADLINE_S)
        self.assertEqual((node.returncode, err), (0, b""))
        self.assertTrue(out.endswith(b": bye\n"), out)
        chat.out.wait_for(r"\* anna has left\n")

    def test_all_examples_are_run_here(self):
        names = {os.path.basename(path)[:-2] for path in glob.glob(os.path.join(SOURCES, "*.c"))}
        self.assertEqual(names, {"client", "worker", "embed_broker", "loop_uv", "outbox", "burst", "market_feed",
                                 "audit_log", "mesh_service", "mesh_events", "who_is_there"})
        names = {os.path.basename(path) for path in glob.glob(os.path.join(SOURCES, "py", "*"))}
        self.assertEqual(names - {"__pycache__"}, {"pub.py", "sub.py", "node.py"})

    def test_client_and_worker_fit_on_a_page(self):
        for name in ("client.c", "worker.c"):
            with open(os.path.join(SOURCES, name), encoding="utf-8") as source:
                self.assertLess(len(source.readlines()), 60, name)


if __name__ == "__main__":
    rig.main()
