"""--discover and zferry:// endpoints: every verb without an address; --direct: without a broker."""

import os
import signal

import rig
from rig import run

ANY = "tcp://127.0.0.1:*"
LONG = ("--timeout", "60s")


class Discovery(rig.Case):
    def setUp(self):
        self.net = self.network()

    def found(self, *args, **how):
        """Runs a verb that looks for somebody."""
        result = run(*args, "--discover", *self.net, *LONG, **how)
        self.assertEqual(result.code, 0, result.err)
        return result

    def await_offers(self, what, count):
        result = run("directory", what, "--wait", str(count), *LONG, *self.net)
        self.assertEqual(result.code, 0, result.err)
        return result.rows()


class Broker(Discovery):
    def setUp(self):
        super().setUp()
        self.broker("--discover", *self.net, "--name", "north")

    def test_post_and_work(self):
        self.found("post", "jobs", "--lines", stdin=b"one\ntwo\n")
        result = self.found("work", "jobs", "--raw", "--count", "2")
        self.assertEqual(result.out, "one\ntwo\n")

    def test_request_and_serve(self):
        serve = self.start("serve", "upper", "--exec", "tr a-z A-Z", "--discover", *self.net)
        self.until_info("upper", workers=1)
        self.assertEqual(self.found("request", "upper", "hello").out, "HELLO")
        rig.terminate(serve)
        self.assertEqual(serve.wait(), 0, serve.err.text())

    def test_submit_and_fetch(self):
        self.start("serve", "s", "--echo", "--discover", *self.net)
        identity = self.found("submit", "s", "kept").out.strip()
        self.assertEqual(self.found("fetch", identity).out, "kept")

    def test_pub_sub_and_groups_of_streams(self):
        self.found("pub", "t.a", "--lines", stdin=b"1\n2\n")
        result = self.found("sub", "t.>", "--from", "first", "--count", "2", "--format", "body")
        self.assertEqual(result.out, "1\n2\n")
        self.found("stream", "group", "events", "g")
        result = self.found("work", "events@g", "--raw", "--count", "2")
        self.assertEqual(result.out, "1\n2\n")
        self.assertEqual(self.found("stream", "info", "events").rows()[0]["length"], 2)

    def test_queue_verbs(self):
        self.found("queue", "declare", "jobs", "--max-length", "7")
        self.assertEqual(self.found("queue", "info", "jobs").rows()[0]["max_length"], 7)
        self.assertEqual([row["queue"] for row in self.found("queue", "ls").rows()], ["jobs"])
        self.assertEqual(self.found("queue", "dead", "ls", "jobs").out, "")

    def test_any_endpoint_may_be_looked_up(self):
        for endpoint in ("zferry://queue/jobs", "zferry://broker", "zferry://broker/north"):
            with self.subTest(endpoint):
                result = run("post", "jobs", "x", "--connect", endpoint, *self.net, *LONG)
                self.assertEqual(result.code, 0, result.err)
        env = rig.environment(ZFERRY_CONNECT="zferry://queue/jobs", ZFERRY_INTERFACE=self.net[1],
                              ZFERRY_DISCOVERY_PORT=self.net[3])
        self.assertEqual(run("queue", "info", "jobs", env=env).rows()[0]["length"], 3)

    def test_option_alone_means_to_look(self):
        self.assertEqual(run("post", "jobs", "x", *self.net, *LONG).code, 0)
        self.until_info("jobs", length=1)

    def test_option_beats_the_environment_only_if_it_is_meant(self):
        env = rig.environment(ZFERRY_CONNECT=self.nobody())
        self.found("post", "jobs", "x", env=env)
        result = run("post", "jobs", "x", *self.net, "--timeout", "200ms", env=env)
        self.assertEqual(result.code, 69)
        self.assertIn("no broker answered at tcp://127.0.0.1:", result.err)

    def test_another_broker_is_not_the_one_that_was_named(self):
        self.await_offers("broker", 1)
        result = run("queue", "ls", "--connect", "zferry://broker/south", *self.net, "--timeout", "300ms")
        self.assertFails(result, 69,
                         "zferry queue ls: nobody was found for zferry://broker/south within 300 ms; is one running? "
                         "(zferry broker --discover) zferry doctor looks into the network; "
                         "without --key-file or --insecure only this machine is looked at")

    def test_link_looks_up_both_sides(self):
        far = self.device("broker", "--bind", ANY, "--discover", *self.net, "--name", "south")
        far_endpoint = far.err.wait_for(r"listening on (tcp://\S+)\n").group(1)
        self.good("post", "jobs", "--lines", stdin=b"1\n2\n3\n")
        result = run("link", "--from", "zferry://broker/north", "--queue", "jobs", "--to", "zferry://broker/south",
                     "--once", *self.net, *LONG)
        self.assertEqual(result.code, 0, result.err)
        self.endpoint = far_endpoint
        self.assertEqual(self.info("jobs")["length"], 3)

    def test_link_whose_source_nobody_knows(self):
        result = run("link", "--from", "zferry://broker/nobody", "--queue", "jobs", "--to", "zferry://broker/north",
                     "--once", *self.net, "--timeout", "300ms")
        self.assertEqual(result.code, 69, result.err)
        self.assertIn("the source was not found, or did not answer: zferry://broker/nobody\n", result.err)

    def test_verbose_tells_which_interfaces_are_used(self):
        result = self.found("post", "jobs", "x", "--verbose")
        self.assertRegex(result.err, r"discovery: interface lo\S* 127\.0\.0\.1: chosen, ")


class Direct(Discovery):
    def serve(self, name="who", command='read -r q; echo "$q $PPID"'):
        process = self.start("serve", name, "--exec", command, "--direct", *self.net)
        process.endpoint = process.err.wait_for(rf"service/{name} is at (tcp://\S+)\n").group(1)
        return process

    def test_request_needs_no_broker(self):
        serve = self.serve("upper", "tr a-z A-Z")
        self.assertEqual(self.found("request", "upper", "hello").out, "HELLO")
        result = run("request", "upper", "by address", "--connect", serve.endpoint)
        self.assertEqual(result.out, "BY ADDRESS")
        rig.terminate(serve)
        self.assertEqual(serve.wait(), 0, serve.err.text())
        self.assertIn("received 2 from upper", serve.err.text())

    def test_bind_says_where(self):
        path = "ipc://" + os.path.join(self.folder(), "socket")
        serve = self.start("serve", "s", "--echo", "--direct", "--bind", path, *self.net)
        serve.err.wait_for("service/s is at " + path)
        self.assertEqual(self.found("request", "s", "x").out, "x")

    def test_killed_server_is_replaced_by_another(self):
        servers = {process.popen.pid: process for process in (self.serve(), self.serve())}
        self.await_offers("service/who", 2)
        while servers:
            pid = int(self.found("request", "who", "q\n").out.split()[1])
            servers.pop(pid).signal(signal.SIGKILL)
        result = run("request", "who", "q\n", "--discover", *self.net, "--timeout", "1s")
        self.assertIn(result.code, (69, 75))

    def test_request_waits_for_a_server_that_comes(self):
        request = self.start("request", "who", "q\n", "--discover", *self.net, *LONG, "--verbose")
        request.err.wait_for("discovery: interface .* chosen")
        serve = self.serve()
        self.assertEqual(request.wait(), 0, request.err.text())
        self.assertEqual(request.out.text(), f"q {serve.popen.pid}\n")

    def test_nobody_found_says_what_to_do(self):
        result = run("request", "who", "q", "--discover", *self.net, "--timeout", "300ms")
        self.assertFails(result, 69,
                         "zferry request: nobody was found for zferry://service/who within 300 ms; is one running? "
                         "(zferry serve --direct, or zferry broker --discover) zferry doctor looks into the network; "
                         "without --key-file or --insecure only this machine is looked at")
        result = run("sub", "--discover", *self.net, "--timeout", "300ms")
        self.assertFails(result, 69,
                         "zferry sub: nobody was found for zferry://topic/events within 300 ms; is one running? "
                         "(zferry pub --direct, or zferry forwarder --discover) zferry doctor looks into the network; "
                         "without --key-file or --insecure only this machine is looked at")

    def test_found_but_silent_says_so(self):
        process = self.device("broker", "--bind", ANY, "--discover", *self.net)
        process.err.wait_for("listening on ")
        self.await_offers("broker", 1)
        process.signal(signal.SIGSTOP)
        self.addCleanup(process.signal, signal.SIGCONT)
        result = run("queue", "ls", "--discover", *self.net, "--timeout", "1s")
        self.assertEqual(result.code, 69)
        self.assertIn("zferry://broker", result.err)

    def test_events_need_no_broker(self):
        readers = [self.start("sub", "t.>", option, "--count", "3", "--format", "body", *LONG, *self.net)
                   for option in ("--direct", "--discover")]
        pub = self.start("pub", "t.x", "--lines", "--direct", "--wait-subscribers", "2", *LONG, *self.net,
                         stdin=self.lines("1\n2\n3\n"))
        for reader in readers:
            self.assertEqual(reader.wait(), 0, reader.err.text())
            self.assertEqual(reader.out.text(), "1\n2\n3\n")
        pub.err.wait_for("all is published")
        rig.interrupt(pub)
        self.assertEqual(pub.wait(), 0, pub.err.text())
        self.assertRegex(pub.err.text(), r"^listening on tcp://\S+\n")

    def lines(self, text):
        path = os.path.join(self.folder(), "lines")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        file = open(path, "rb")
        self.addCleanup(file.close)
        return file

    def test_subscriber_follows_publishers_that_come_and_go(self):
        sub = self.start("sub", "--direct", "--format", "body", *LONG, *self.net)
        for text in ("first", "second"):
            pub = self.start("pub", "t", text, "--direct", "-w", "1", *LONG, *self.net)
            sub.out.wait_for(text + "\n")
            pub.err.wait_for("all is published")
            rig.interrupt(pub)
            self.assertEqual(pub.wait(), 0, pub.err.text())

    def test_replay_from_the_publisher(self):
        pub = self.start("pub", "t", "--lines", "--direct", *self.net, stdin=self.lines("1\n2\n"))
        pub.err.wait_for("all is published")
        result = self.found("sub", "--from", "first", "--count", "2", "--format", "body")
        self.assertEqual(result.out, "1\n2\n")

    def test_forwarder_is_found(self):
        forwarder = self.device("forwarder", "--bind", ANY, "--discover", *self.net)
        forwarder.err.wait_for("listening on ")
        self.found("pub", "t", "through it")
        result = self.found("sub", "--from", "first", "--count", "1", "--format", "body")
        self.assertEqual(result.out, "through it\n")

    def test_several_brokers_share_the_work_and_a_worker_takes_from_all(self):
        worker = self.start("work", "jobs", "--raw", "--count", "20", "--discover", *self.net, *LONG)
        for _ in range(2):
            self.device("broker", "--bind", ANY, "--discover", *self.net).err.wait_for("listening on ")
        self.await_offers("broker", 2)
        for i in range(20):
            self.found("post", "jobs", str(i))
        self.assertEqual(worker.wait(), 0, worker.err.text())
        self.assertEqual(sorted(worker.out.text().split(), key=int), [str(i) for i in range(20)])

    def test_mistakes(self):
        for args, line in (
            (["serve", "s", "--echo", "--direct", "-c", ANY], "serve: --direct and --connect exclude each other"),
            (["serve", "s", "--echo", "--bind", ANY], "serve: --bind is for --direct"),
            (["pub", "t", "x", "--direct", "-c", ANY], "pub: --direct and --connect exclude each other"),
            (["pub", "t", "x", "--linger", "1s"], "pub: --linger is for --bind and --direct"),
            (["pub", "t", "x", "--raw", "--direct"], "pub: --direct is not for --raw"),
            (["sub", "--raw", "--discover"], "sub: --discover is not for --raw"),
        ):
            with self.subTest(args):
                self.assertFails(run(*args, *self.net), 64,
                                 f"zferry {line}; see zferry {args[0]} --help")
        result = run("queue", "ls", "--connect", "zferry://nonsense", *self.net)
        self.assertEqual(result.code, 64)
        self.assertIn("zferry://queue/NAME", result.err)


if __name__ == "__main__":
    rig.main()
