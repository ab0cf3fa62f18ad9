"""run, check and reload: topologies as people use them, and all examples."""

import json
import os
import re
import shutil
import signal
import socket
import urllib.request

import rig
from rig import run, until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "topologies")
TOKEN = "0123456789abcdef0123"
SIMPLE = """
devices:
  main:
    broker:
      bind: tcp://127.0.0.1:*
      queues: {jobs: {max_attempts: 3}}
"""


class RunCase(rig.Case):
    def setUp(self):
        self.home = self.folder()

    def path(self, name):
        return os.path.join(self.home, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def up(self, file, *args, **how):
        """Starts a topology that is to end well; waits until it runs."""
        process = self.start("run", file, *args, **how)
        self.addCleanup(self.end_device, process)
        process.err.wait_for(re.escape(os.path.basename(file)) + r" is running\n")
        return process

    def endpoint_of(self, process, device, scheme="tcp"):
        return process.err.wait_for(rf"\n?{device}: listening on ({scheme}://\S+)\n").group(1)

    def at(self, process, device):
        """From now on zferry() talks to this device."""
        self.endpoint = self.endpoint_of(process, device)

    def admin_of(self, process):
        return process.err.wait_for(r"admin page on (http://\S+)\n").group(1)


class Run(RunCase):
    def test_declared_queue_is_there_and_works(self):
        process = self.up(self.write("simple.yaml", SIMPLE))
        self.at(process, "main")
        self.assertEqual(self.info("jobs")["max_attempts"], 3)
        self.good("post", "jobs", "hello")
        self.until_info("jobs", length=1)
        rig.terminate(process)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(process.err.text(), r"stopped after .*\n$")

    def test_journal_lies_beside_the_file_and_survives(self):
        text = SIMPLE.replace("      queues", "      journal: {directory: spool}\n      queues")
        file = self.write("durable.yaml", text)
        process = self.up(file)
        self.at(process, "main")
        self.good("post", "jobs", "hello")
        rig.terminate(process)
        self.assertEqual(process.wait(), 0)
        self.assertTrue(os.path.isdir(self.path("spool")))
        process = self.up(file)
        process.err.wait_for(r"main: journal: 1 durable records")
        self.at(process, "main")
        self.assertEqual(self.info("jobs")["length"], 1)

    def test_figures_as_json_at_the_end(self):
        process = self.up(self.write("simple.yaml", SIMPLE), "--json")
        rig.terminate(process)
        self.assertEqual(process.wait(), 0)
        self.assertIn("main", json.loads(process.out.text()))

    def test_environment_is_put_in(self):
        text = SIMPLE.replace("max_attempts: 3", 'max_attempts: "${ATTEMPTS}"')
        process = self.up(self.write("e.yaml", text), env=rig.environment(ATTEMPTS="8"))
        self.at(process, "main")
        self.assertEqual(self.info("jobs")["max_attempts"], 8)

    def test_file_with_errors_starts_nothing_and_tells_all(self):
        file = self.write("bad.yaml", SIMPLE.replace("queues", "queus").replace("bind", "bnid"))
        result = run("run", file)
        self.assertEqual(result.code, os.EX_CONFIG)
        self.assertIn(f"{file}:5:7: 'bnid' is no key of a broker; did you mean 'bind'?\n", result.err)
        self.assertIn(f"{file}:6:7: 'queus' is no key of a broker; did you mean 'queues'?\n", result.err)
        self.assertIn("nothing was started", result.err)

    def test_file_that_is_not_there(self):
        result = run("run", "/nowhere/x.yaml")
        self.assertFails(result, os.EX_NOINPUT, "zferry run: /nowhere/x.yaml: no such file")

    def test_port_that_is_taken(self):
        taken = self.nobody()
        result = run("run", self.write("t.yaml", SIMPLE.replace("tcp://127.0.0.1:*", taken)))
        self.assertEqual(result.code, os.EX_UNAVAILABLE)
        self.assertIn("device 'main'", result.err)
        self.assertIn(taken, result.err)

    def test_lines_as_json(self):
        process = self.start("run", self.write("simple.yaml", SIMPLE), "--log-format", "json")
        self.addCleanup(self.end_device, process)
        process.err.wait_for(r"is running")
        rig.terminate(process)
        self.assertEqual(process.wait(), 0)
        rows = [json.loads(line) for line in process.err.text().splitlines()]
        self.assertTrue(any(row.get("device") == "main" and "listening" in row["text"] for row in rows))

    def test_discovery_announces_the_broker(self):
        options = self.network()
        port = options[options.index("--discovery-port") + 1]
        found = "discovery: {interfaces: 127.0.0.0/8, port: %s}\n" % port
        process = self.up(self.write("d.yaml", found + SIMPLE))
        endpoint = self.endpoint_of(process, "main")

        def seen():
            result = run("directory", *options, "--json", "--timeout", "5")
            return any(row.get("what") == "broker/main" and row["endpoint"] == endpoint for row in result.rows())

        until(seen, "broker/main in the directory")


class Notify(RunCase):
    """What systemd is told, by a socket that stands in for it."""

    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.settimeout(rig.DEADLINE_S)
        self.socket.bind(self.path("notify"))

    def told(self, wanted):
        """The next message that is no sign of life."""
        while True:
            text = self.socket.recv(4096).decode()
            if text != "WATCHDOG=1" or wanted == text:
                return text

    def test_ready_reload_watchdog_stop(self):
        env = rig.environment(NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="200000")
        file = self.write("n.yaml", SIMPLE)
        process = self.up(file, env=env)
        self.assertEqual(self.told("READY=1"), "READY=1")
        for _ in range(3):
            self.assertEqual(self.told("WATCHDOG=1"), "WATCHDOG=1")
        process.signal(signal.SIGHUP)
        self.assertRegex(self.told("RELOADING"), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(self.told("READY=1"), "READY=1")
        rig.terminate(process)
        self.assertEqual(self.told("STOPPING=1"), "STOPPING=1")
        self.assertEqual(process.wait(), 0)


class Reload(RunCase):
    def test_hangup_applies_what_can_change_and_says_what_cannot(self):
        file = self.write("r.yaml", SIMPLE)
        process = self.up(file)
        self.at(process, "main")
        text = SIMPLE.replace("max_attempts: 3", "max_attempts: 6}, more: {lease: 9s")
        self.write("r.yaml", text.replace("      queues", "      memory: 2GiB\n      queues"))
        process.signal(signal.SIGHUP)
        process.err.wait_for(r"reloaded: 2 changed, 1 take a restart\n")
        told = process.err.text()
        self.assertIn("main: queue 'jobs' has changed\n", told)
        self.assertIn("main: queue 'more' is declared\n", told)
        self.assertIn("devices.main.broker.memory: changed, takes a restart\n", told)
        self.assertEqual(self.info("jobs")["max_attempts"], 6)
        self.assertEqual(self.info("more")["lease_ms"], 9000)

    def test_hangup_with_an_error_changes_nothing(self):
        file = self.write("r.yaml", SIMPLE)
        process = self.up(file)
        self.at(process, "main")
        self.write("r.yaml", SIMPLE.replace("max_attempts: 3", "max_attempts: 6, x: 1"))
        process.signal(signal.SIGHUP)
        process.err.wait_for(r"not reloaded: all stays as it was\n")
        self.assertIn(f"{file}:6:40: 'x' is no key of a queue", process.err.text())
        self.assertEqual(self.info("jobs")["max_attempts"], 3)

    def admin(self):
        """A topology with an admin page at a port of the system's choice; sets self.file, self.url."""
        self.write("token", TOKEN + "\n", 0o600)
        text = "admin: {bind: '127.0.0.1:0', token_file: token}\n" + SIMPLE
        self.file = self.write("a.yaml", text)
        process = self.up(self.file)
        self.at(process, "main")
        self.url = self.admin_of(process)
        return text

    def test_reload_by_the_admin_page(self):
        text = self.admin()
        result = run("reload", self.url, "--token-file", self.path("token"))
        self.assertEqual((result.code, result.out), (0, "reloaded: nothing has changed\n"), result.err)
        self.write("a.yaml", text.replace("max_attempts: 3", "max_attempts: 7"))
        result = run("reload", self.url, "--token-file", self.path("token"))
        self.assertEqual(result.out, "main: queue 'jobs' has changed\nreloaded: 1 changed, 0 take a restart\n")
        self.assertEqual(self.info("jobs")["max_attempts"], 7)
        self.write("a.yaml", text.replace("max_attempts", "max_atempts"))
        result = run("reload", self.url, "--token-file", self.path("token"))
        self.assertEqual(result.code, os.EX_CONFIG)
        self.assertIn(f"{self.file}:7:", result.err)
        self.assertIn("did you mean 'max_attempts'?", result.err)
        self.assertEqual(self.info("jobs")["max_attempts"], 7)

    def test_reload_of_links_by_the_admin_page(self):
        text = self.admin() + "  far: {broker: {bind: 'tcp://127.0.0.1:*'}}\n"
        link = "  move: {link: {from: main, queue: jobs, to: main, to_queue: done}}\n"
        self.write("a.yaml", text.replace(text.splitlines()[-1] + "\n", "") + link)
        result = run("reload", self.url, "--token-file", self.path("token"))
        self.assertIn("move: link is new\n", result.out, result.err)
        self.good("post", "jobs", "hello")
        self.until_info("done", length=1)
        with urllib.request.urlopen(self.url + "/api/v1/devices", timeout=rig.DEADLINE_S) as answer:
            self.assertIn("move", answer.read().decode())
        self.write("a.yaml", text.replace(text.splitlines()[-1] + "\n", ""))
        result = run("reload", self.url, "--token-file", self.path("token"))
        self.assertIn("move: link is gone\n", result.out, result.err)
        with urllib.request.urlopen(self.url + "/api/v1/devices", timeout=rig.DEADLINE_S) as answer:
            self.assertNotIn("move", answer.read().decode())

    def test_reload_by_the_file(self):
        port = self.nobody().rsplit(":", 1)[1]
        self.write("token", TOKEN + "\n", 0o600)
        file = self.write("f.yaml", "admin: {bind: '127.0.0.1:%s', token_file: token}\n" % port + SIMPLE)
        result = run("reload", file)
        self.assertEqual(result.code, os.EX_UNAVAILABLE)
        self.assertIn(f"http://127.0.0.1:{port}: Connection refused; is zferry run running there?", result.err)

    def test_reload_with_a_wrong_token(self):
        self.admin()
        wrong = self.write("wrong", "fedcba98765432100000", 0o600)
        result = run("reload", self.url, "--token-file", wrong)
        self.assertEqual(result.code, os.EX_NOPERM, result.err)
        self.assertEqual(run("reload", self.url).code, os.EX_USAGE)

    def test_reload_of_a_file_without_admin(self):
        result = run("reload", self.write("s.yaml", SIMPLE))
        self.assertEqual(result.code, os.EX_NOINPUT)
        self.assertIn("has no admin; send the process SIGHUP", result.err)

    def test_key_that_is_gone_after_a_reload_is_out(self):
        os.mkdir(self.path("keys"))
        for name in ("main", "till"):
            self.assertEqual(run("keygen", self.path("keys/" + name), "--name", name).code, 0)
        os.mkdir(self.path("authorised"))
        shutil.copy(self.path("keys/till.pub"), self.path("authorised"))
        process = self.up(self.write("k.yaml", "security: {key: keys/main, authorised: authorised}\n" + SIMPLE))
        endpoint = self.endpoint_of(process, "main")
        security = ("--key-file", self.path("keys/till"), "--server-key", self.path("keys/main.pub"))
        post = ("post", "jobs", "hello", "--connect", endpoint, *security)
        result = run(*post)
        self.assertEqual(result.code, 0, result.err)
        os.remove(self.path("authorised/till.pub"))
        process.signal(signal.SIGHUP)
        process.err.wait_for(r"reloaded: ")
        self.assertNotEqual(run(*post, "--timeout", "2").code, 0)


class Check(RunCase):
    def test_good_file(self):
        file = self.write("s.yaml", SIMPLE)
        result = run("check", file)
        self.assertEqual((result.code, result.out, result.err), (0, "", f"{file}: good\n"))
        self.assertEqual(run("check", "--quiet", file).err, "")

    def test_every_error_of_every_file(self):
        good = self.write("g.yaml", SIMPLE)
        bad = self.write("b.yaml", SIMPLE.replace("queues", "queus").replace("tcp://127.0.0.1", "tcp://*"))
        result = run("check", bad, good)
        self.assertEqual(result.code, os.EX_CONFIG)
        lines = result.err.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertTrue(lines[0].startswith(f"{bad}:5:13: others can reach tcp://*:*"), lines[0])
        self.assertEqual(lines[1], f"{bad}:6:7: 'queus' is no key of a broker; did you mean 'queues'?")
        self.assertEqual(lines[2], f"{good}: good")

    def test_errors_as_rows(self):
        bad = self.write("b.yaml", SIMPLE.replace("queues", "queus"))
        result = run("check", "--json", bad)
        text = "'queus' is no key of a broker; did you mean 'queues'?"
        self.assertEqual(result.rows(), [{"file": bad, "line": 6, "column": 7, "text": text}])
        self.assertEqual((result.code, result.err), (os.EX_CONFIG, ""))

    def test_file_that_is_not_there(self):
        result = run("check", "/nowhere/x.yaml")
        self.assertFails(result, os.EX_NOINPUT, "zferry check: /nowhere/x.yaml: no such file")

    def test_nothing_is_made_or_bound(self):
        taken = self.nobody()
        text = SIMPLE.replace("tcp://127.0.0.1:*", taken)
        file = self.write("c.yaml", text.replace("      queues", "      journal: {directory: spool}\n      queues"))
        self.assertEqual(run("check", file).code, 0)
        self.assertEqual(os.listdir(self.home), ["c.yaml"])


class Examples(RunCase):
    """Each file of examples/topologies does what it says."""

    def example(self, name):
        shutil.copy(os.path.join(EXAMPLES, name), self.home)
        return self.path(name)

    def keys(self, *names, authorise=()):
        """Makes keys; those of `authorise` may connect to whoever uses the folder."""
        os.makedirs(self.path("keys/authorised"), exist_ok=True)
        for name in names:
            self.assertEqual(run("keygen", self.path("keys/" + name), "--name", name).code, 0)
        for name in authorise:
            shutil.copy(self.path(f"keys/{name}.pub"), self.path("keys/authorised"))

    def as_who(self, name, server):
        return ("--key-file", self.path("keys/" + name), "--server-key", self.path(f"keys/{server}.pub"))

    def free_ports(self, count):
        """Ports that are free now: who listens there must be known before it listens."""
        sockets = [socket.socket() for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [str(one.getsockname()[1]) for one in sockets]
        for one in sockets:
            one.close()
        return ports

    def local(self, endpoint):
        """An endpoint that was bound on all interfaces, to connect to."""
        return "tcp://127.0.0.1:" + endpoint.rsplit(":", 1)[1]

    def test_no_example_is_forgotten(self):
        with open(os.path.abspath(__file__), encoding="utf-8") as file:
            here = file.read()
        for name in os.listdir(EXAMPLES):
            self.assertIn(f'"{name}"', here)

    def test_broker_with_journal(self):
        env = rig.environment(ADMIN_PORT="0", ORDERS_PORT="*")
        process = self.up(self.example("broker-with-journal.yaml"), env=env)
        self.at(process, "orders")
        info = self.info("jobs")
        self.assertEqual((info["max_attempts"], info["dead_letter"]), (3, "jobs.failed"))
        self.assertEqual(self.info("samples")["overflow"], "drop-oldest")
        self.assertEqual(self.info("log@billing")["max_attempts"], 10)
        with urllib.request.urlopen(self.admin_of(process) + "/readyz", timeout=rig.DEADLINE_S) as answer:
            self.assertEqual(answer.status, 200)

    def test_outbox_of_an_edge_travels_to_the_centre(self):
        self.keys("centre", "edge-7", "worker-1", "app", authorise=("edge-7", "worker-1", "app"))
        edge_env = rig.environment(EDGE_BIND="tcp://127.0.0.1:*", CENTRE=self.nobody())
        edge_file = self.example("edge-outbox.yaml")
        edge = self.up(edge_file, env=edge_env)
        at_edge = ("--connect", self.endpoint_of(edge, "outbox"), *self.as_who("app", "edge-7"))
        result = run("post", "orders", "two of those", *at_edge)  # nobody can be reached
        self.assertEqual(result.code, 0, result.err)
        rig.terminate(edge)
        self.assertEqual(edge.wait(), 0)
        centre = self.up(self.example("centre.yaml"), env=rig.environment(CENTRE_PORT="*"))
        endpoint = self.local(self.endpoint_of(centre, "centre"))
        self.up(edge_file, env=rig.environment(EDGE_BIND="tcp://127.0.0.1:*", CENTRE=endpoint))
        work = self.start("work", "orders", "--count", "1", "--connect", endpoint, *self.as_who("worker-1", "centre"))
        self.assertEqual(work.wait(), 0, work.err.text())
        self.assertIn("two of those", work.out.text())
        denied = run("post", "orders", "mine", "--connect", endpoint, *self.as_who("worker-1", "centre"))
        self.assertNotEqual(denied.code, 0)  # the rules let workers consume only

    def test_events_cross_from_site_a_to_site_b(self):
        self.keys("site-a", "site-b", "app", authorise=("site-b", "app"))
        a = self.up(self.example("events-site-a.yaml"), env=rig.environment(SITE_A_PORT="*", SITE_A_FEED="*"))
        native, feed = [self.local(e) for e in re.findall(r"events: listening on (\S+)\n", a.err.text())]
        b = self.up(self.example("events-site-b.yaml"), env=rig.environment(SITE_A=feed, SITE_B_PORT="*"))
        subscriber = self.start("sub", "--count", "1", "--connect", self.local(self.endpoint_of(b, "events")),
                                *self.as_who("app", "site-b"))
        publish = ("pub", "news", "hello", "--connect", native, *self.as_who("app", "site-a"))

        def arrived():  # the subscription takes its way to site A, and nobody says when it is there
            self.assertEqual(run(*publish).code, 0)
            return subscriber.popen.poll() is not None

        until(arrived, "an event at site B")
        self.assertIn("hello", subscriber.out.text())

    def test_meeting_points_of_a_mesh_find_each_other(self):
        self.keys("mesh-1", "mesh-2", authorise=("mesh-1", "mesh-2"))
        file = self.example("mesh.yaml")
        options = self.network()
        quiet = {"MESH_INTERFACES": "!*", "ADMIN_PORT": "0", "MESH_NEWS_PORT": "*",
                 "MESH_UDP_PORT": options[options.index("--discovery-port") + 1]}
        ports = self.free_ports(2)
        first = self.up(file, env=rig.environment(MESH_PORT=ports[0], MESH_SEED=f"tcp://127.0.0.1:{ports[1]}", **quiet))
        self.up(file, env=rig.environment(MESH_NAME="mesh-2", MESH_OTHER="mesh-1", MESH_PORT=ports[1],
                                          MESH_SEED=f"tcp://127.0.0.1:{ports[0]}", **quiet))
        first.err.wait_for(r"node on: mesh-2 ")

    def test_applications_meet_at_the_meeting_point_of_a_mesh(self):
        self.keys("mesh-1", "mesh-2", "one", "other", authorise=("mesh-1", "one", "other"))
        port, = self.free_ports(1)
        udp = self.network()[3]
        env = rig.environment(MESH_INTERFACES="!*", ADMIN_PORT="0", MESH_NEWS_PORT="*", MESH_PORT=port,
                              MESH_UDP_PORT=udp, MESH_SEED=self.nobody())
        self.up(self.example("mesh.yaml"), env=env)
        here = ("--seed", f"tcp://127.0.0.1:{port}", "--namespace", "mesh", "--interface", "!*",
                "--discovery-port", udp, "--authorised", self.path("keys/authorised"))
        serve = self.start("serve", "upper", "--exec", "tr a-z A-Z", "--direct", *here, *self.as_who("one", "mesh-1"))
        serve.err.wait_for(r"service/upper is at ")
        result = run("request", "upper", "-", "--discover", "--timeout", "30", *here, *self.as_who("other", "mesh-1"),
                     stdin=b"hello")
        self.assertEqual((result.code, result.out), (0, "HELLO"), result.err)


if __name__ == "__main__":
    rig.main()
