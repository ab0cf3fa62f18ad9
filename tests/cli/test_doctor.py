"""doctor: what it says of a machine that is in order, and of what is wrong with one that is not."""

import os
import socket
import subprocess

import rig
from rig import PROGRAM, Result, run

LOOPBACK = ("--interface", "127.0.0.0/8")


def items(result, name):
    return [row for row in result.rows() if row["name"] == name]


def run_in(*command):
    """Runs zferry by another program."""
    done = subprocess.run(command, capture_output=True, timeout=rig.DEADLINE_S, env=rig.environment())
    return Result(done.returncode, done.stdout, done.stderr)


class Doctor(rig.Case):
    def udp_port(self, shared):
        """A UDP port that is taken by this test, in a way that lets others share it, or not."""
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("", 0))
        return str(taken.getsockname()[1])

    def look(self, *args, port=None):
        return run("doctor", *LOOPBACK, "--discovery-port", port or self.udp_port(shared=True), *args)

    def test_machine_in_order(self):
        result = self.look()
        self.assertEqual(result.code, 0, result.out + result.err)
        names = {row["name"] for row in result.rows()}
        self.assertLessEqual(
            {"versions", "curve", "interface", "udp port", "broadcast", "tcp port", "open files", "clock", "cores"},
            names,
        )
        self.assertNotIn("journal", names)
        for row in result.rows():
            self.assertIn(row["level"], ("ok", "warn"))
            self.assertTrue(row["text"])
            self.assertEqual(row["advice"] == "", row["level"] == "ok", row)
        self.assertRegex(items(result, "versions")[0]["text"], r"^zferry \d+\.\d+\.\d+, libzmq 4\.\d+\.\d+, czmq 4\.")
        self.assertEqual([row["text"][:13] for row in items(result, "tcp port")], ["TCP port 5555", "TCP port 5556"])

    def test_seed_that_answers_and_one_that_does_not(self):
        port = self.udp_port(shared=True)
        net = ("--interface", "127.0.0.0/8", "--discovery-port", port, "--namespace", "seen")
        hub = self.start("peers", "--watch", "--hub", "tcp://127.0.0.1:*", *net)
        seed = hub.err.wait_for(r"listening on (tcp://127\.0\.0\.1:\d+) for gossip\n").group(1)
        closed = socket.socket()
        self.addCleanup(closed.close)
        closed.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
        result = self.look("--seed", seed, "--seed", nobody, "--namespace", "seen", port=port)
        self.assertEqual(result.code, 1, result.out + result.err)
        self.assertEqual(
            [(row["level"], row["text"]) for row in items(result, "seed")],
            [("ok", f"{seed}: connected"), ("FAIL", f"{nobody}: no connection within 2 s")],
        )
        self.assertEqual([row["text"] for row in items(result, "namespace")], ["'seen': 1 other node"])

    def test_broadcast_comes_back(self):
        port = self.udp_port(shared=True)
        result = self.look(port=port)
        self.assertEqual(
            items(result, "broadcast"),
            [
                {
                    "level": "ok",
                    "name": "broadcast",
                    "text": "lo 127.0.0.1: what is sent to all comes back",
                    "advice": "",
                }
            ],
        )
        self.assertEqual(items(result, "udp port")[0]["text"], f"UDP port {port} can be shared")

    def test_says_why_an_interface_is_used_or_not(self):
        texts = [row["text"] for row in items(self.look(), "interface")]
        self.assertIn("lo 127.0.0.1: chosen, broadcasts to 127.255.255.255", texts)
        self.assertIn("only the loopback interface can be used: only nodes of this host are found", texts)
        texts = [row["text"] for row in items(run("doctor", "--interface", "!lo"), "interface")]
        self.assertIn("lo 127.0.0.1: not chosen: refused by rule !lo", texts)

    def test_port_that_is_not_shared(self):
        port = self.udp_port(shared=False)
        result = self.look(port=port)
        self.assertEqual(result.code, 1)
        row = items(result, "udp port")[0]
        self.assertEqual(row["level"], "FAIL")
        self.assertEqual(row["text"], f"UDP port {port} is taken by a program that does not share it")
        self.assertEqual(items(result, "broadcast"), [])
        self.assertRegex(result.err, r"^1 to mend, \d to think about\n$")

    def test_no_interface(self):
        result = run("doctor", "--interface", "!*", "--discovery-port", self.udp_port(shared=True))
        self.assertEqual(result.code, 1)
        self.assertEqual(items(result, "interface")[-1]["level"], "FAIL")
        self.assertIn("no interface can be used", items(result, "interface")[-1]["text"])

    def test_rule_that_matches_nothing(self):
        result = self.look("--interface", "eth77")
        self.assertEqual(result.code, 0)
        self.assertEqual(items(result, "interface")[-1]["text"], "no address that can be used matches eth77")
        self.assertEqual(items(result, "interface")[-1]["level"], "warn")

    def test_rule_that_is_none(self):
        self.assertFails(
            run("doctor", "--interface", "10.0.0.0/99"),
            os.EX_USAGE,
            "zferry doctor: '10.0.0.0/99' is no name of an interface, no address and no network",
        )

    def test_few_open_files(self):
        port = self.udp_port(shared=True)
        command = 'ulimit -S -n 256; exec "$@"'
        result = run_in("sh", "-c", command, "sh", PROGRAM, "doctor", *LOOPBACK, "--discovery-port", port)
        self.assertEqual(result.code, 0)
        row = items(result, "open files")[0]
        self.assertEqual(row["level"], "warn")
        self.assertEqual(row["text"], "a process may have 256 files and connections open")
        self.assertRegex(row["advice"], r"^before starting: ulimit -n \d+$")

    def test_journal_that_is_there(self):
        folder = self.folder()
        result = self.look("--journal", folder)
        self.assertEqual(result.code, 0)
        texts = [row["text"] for row in items(result, "journal")]
        self.assertRegex(texts[0], rf"^{folder} can be written")
        self.assertRegex(texts[1], rf"^{folder} has room for \d[\d.]* [MGT]iB$")
        self.assertEqual(os.listdir(folder), [])

    def test_journal_to_be_made(self):
        folder = os.path.join(self.folder(), "new")
        result = self.look("--journal", folder + "/")
        self.assertEqual(result.code, 0)
        self.assertEqual(items(result, "journal")[0]["text"], f"{folder}/ is not there yet, and will be made")
        self.assertFalse(os.path.exists(folder))

    def test_journal_that_can_not_be(self):
        folder = self.folder()
        file = os.path.join(folder, "file")
        with open(file, "w"):
            pass
        for wrong in (file, os.path.join(folder, "not", "there")):
            result = self.look("--journal", wrong)
            self.assertEqual(result.code, 1)
            self.assertEqual(items(result, "journal")[0]["level"], "FAIL")
            self.assertEqual(items(result, "journal")[0]["text"], f"{wrong} is no directory, and can't be made")

    def test_lines_on_a_terminal(self):
        process = self.start(
            "doctor", *LOOPBACK, "--no-color", "--discovery-port", self.udp_port(shared=False), terminal=True
        )
        self.assertEqual(process.wait(), 1)
        lines = process.out.text().splitlines()
        self.assertRegex(lines[0], r"^ok    versions    zferry ")
        wrong = next(i for i, line in enumerate(lines) if line.startswith("FAIL  udp port    UDP port "))
        self.assertRegex(lines[wrong + 1], r"^ {18}-> stop that program")


if __name__ == "__main__":
    rig.main()
