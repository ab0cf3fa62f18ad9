"""peers, whisper, shout and chat: nodes of their own, that find each other."""

import json
import os
import re
import socket
import subprocess

import rig
from rig import run

LONG = ("--timeout", "60s")


class Nodes(rig.Case):
    def setUp(self):
        self.net = self.network()

    def chat(self, name, *how, group="lobby"):
        """Starts somebody who can speak; it has joined when it says so."""
        process = self.start("chat", group, "--name", name, *self.net, *how, stdin=subprocess.PIPE)
        shown = re.sub(r"[\x00-\x1f]", ".", name)  # what is told moves no cursor
        process.err.wait_for(re.escape(f"you are {shown}, in {group}"))
        return process

    def say(self, process, text):
        os.write(process.popen.stdin.fileno(), text.encode())

    def end(self, process):
        process.popen.stdin.close()
        self.assertEqual(process.wait(), 0, process.err.text())

    def look(self, *how, code=0):
        result = run("peers", *self.net, *how)
        self.assertEqual(result.code, code, result.err)
        return result


class Peers(Nodes):
    def test_look_shows_who_is_there(self):
        self.chat("anna")
        result = self.look("--wait", "1", *LONG)
        row, = result.rows()
        self.assertEqual((row["name"], row["groups"], row["headers"]), ("anna", ["lobby"], {}))
        self.assertEqual((row["zferry"], row["evasive"], row["dropped"]), (True, False, 0))
        self.assertRegex(row["id"], "^[0-9A-F]{32}$")
        self.assertRegex(row["endpoint"], r"^tcp://127\.0\.0\.1:\d+$")
        self.assertIsInstance(row["silent_ms"], int)
        self.assertRegex(result.err, r"discovery: interface lo\S* 127\.0\.0\.1: chosen, .*\n")

    def test_nobody_there_is_no_failure(self):
        result = self.look("--timeout", "200ms")
        self.assertEqual(result.out, "")

    def test_too_few_are_said_in_words_and_shown(self):
        self.chat("anna")
        self.look("--wait", "1", *LONG)
        result = self.look("--wait", "3", "--timeout", "2s", "--quiet", code=75)
        self.assertEqual([row["name"] for row in result.rows()], ["anna"])
        self.assertEqual(result.err, "zferry peers: only 1 of 3 nodes were found; give it longer with --timeout\n")

    def test_terminal_gets_a_table(self):
        self.chat("anna")
        process = self.start("peers", "--wait", "1", *LONG, *self.net, terminal=True)
        self.assertEqual(process.wait(), 0, process.err.text())
        self.assertRegex(process.out.text(), r"name +id +endpoint +silent +groups +headers")
        self.assertRegex(process.out.text(), r"anna +[0-9A-F]{32} +tcp://127\.0\.0\.1:\d+ +[\d.]+ m?s +lobby")

    def test_watch_tells_who_comes_and_goes(self):
        watch = self.start("peers", "--watch", *self.net)
        watch.err.wait_for("discovery: interface .* chosen")
        anna = self.chat("anna")
        watch.out.wait_for('"event":"join"')
        self.end(anna)
        watch.out.wait_for('"event":"exit"')
        rig.interrupt(watch)
        self.assertEqual(watch.wait(), 0, watch.err.text())
        rows = [json.loads(line) for line in watch.out.text().splitlines()]
        self.assertEqual([row["event"] for row in rows], ["enter", "join", "exit"])
        self.assertEqual({row["name"] for row in rows}, {"anna"})
        self.assertEqual(rows[1]["group"], "lobby")
        self.assertEqual(len({row["id"] for row in rows}), 1)

    def test_watch_on_a_terminal_is_for_people(self):
        watch = self.start("peers", "--watch", *self.net, terminal=True)
        watch.err.wait_for("discovery: interface .* chosen")
        self.chat("an\x1bna")
        watch.out.wait_for(r"\d\d:\d\d:\d\d  enter     an\.na  tcp://")
        watch.out.wait_for(r"\d\d:\d\d:\d\d  join      an\.na  lobby")

    def test_watch_ends_after_its_timeout(self):
        self.assertEqual(self.look("--watch", "--timeout", "100ms").out, "")

    def test_namespaces_do_not_see_each_other(self):
        self.chat("anna", "--namespace", "staging")
        self.chat("bert")
        names = [row["name"] for row in self.look("--wait", "2", "--timeout", "2s", code=75).rows()]
        self.assertEqual(names, ["bert"])
        staging = rig.environment(ZFERRY_NAMESPACE="staging")
        result = run("peers", "--wait", "1", *LONG, *self.net, env=staging)
        self.assertEqual([row["name"] for row in result.rows()], ["anna"])

    def test_environment_gives_the_defaults(self):
        self.chat("anna")
        env = rig.environment(ZFERRY_INTERFACE="127.0.0.0/8,!nothing", ZFERRY_DISCOVERY_PORT=self.net[3])
        result = run("peers", "--wait", "1", *LONG, env=env)
        self.assertEqual([row["name"] for row in result.rows()], ["anna"])
        wrong = run("peers", env=rig.environment(ZFERRY_DISCOVERY_PORT="many"))
        self.assertFails(wrong, 78, "zferry peers: ZFERRY_DISCOVERY_PORT is a port from 1 to 65535, not 'many'")

    def test_seed_joins_those_whom_no_beacon_reaches(self):
        other = self.network()
        hub = self.start("peers", "--watch", "--hub", "tcp://127.0.0.1:*", *other)
        seed = hub.err.wait_for(r"listening on (tcp://127\.0\.0\.1:\d+) for gossip\n").group(1)
        self.chat("anna", "--seed", seed)
        hub.out.wait_for('"event":"enter","name":"anna"')
        result = run("peers", "--wait", "2", *LONG, *self.network(), env=rig.environment(ZFERRY_SEED=seed))
        self.assertIn("anna", [row["name"] for row in result.rows()])

    def test_mistakes(self):
        self.assertFails(run("peers", "--watch", "--wait", "1", *self.net), 64,
                         "zferry peers: --watch and --wait exclude each other; see zferry peers --help")
        self.assertEqual(run("peers", "--discovery-port", "65536").code, 64)
        result = run("peers", "--seed", "nonsense", *self.net)
        self.assertEqual(result.code, 69)
        self.assertRegex(result.err, "^zferry peers: connect nonsense: not an endpoint; .*\n$")
        self.assertEqual(run("peers", "--interface", "10.1.0/99", *self.net[2:]).code, 64)

    def test_port_that_somebody_has_to_himself(self):
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        self.assertFails(run("peers", "--discovery-port", str(port), "--quiet"), 69,
                         f"zferry peers: UDP port {port}: taken by a program that does not share it; stop that, "
                         "or choose another port with --discovery-port")


class Talk(Nodes):
    def test_chat_passes_lines_and_tells_who_comes_and_goes(self):
        anna, bert = self.chat("anna"), self.chat("bert")
        anna.out.wait_for(r"\* bert is here\n")
        bert.out.wait_for(r"\* anna is here\n")
        self.say(anna, "hello\nhow are ")
        bert.out.wait_for("anna: hello\n")
        self.say(anna, "you?\n")
        bert.out.wait_for(r"anna: how are you\?\n")
        self.say(bert, "fine")  # the last line needs no newline
        self.end(bert)
        anna.out.wait_for("bert: fine\n")
        anna.out.wait_for(r"\* bert has left\n")
        self.end(anna)

    def test_message_that_is_too_large_is_refused_in_words(self):
        self.chat("anna")
        path = os.path.join(self.folder(), "large")
        with open(path, "wb") as file:
            file.truncate((16 << 20) + 1)
        result = run("whisper", "anna", "--file", path, *self.net)
        self.assertFails(result, 65, "zferry whisper: a message has at most 16 MiB")
        result = run("shout", "lobby", "--file", path, "--wait", "1", *self.net)
        self.assertFails(result, 65, "zferry shout: a message has at most 16 MiB")

    def test_chat_from_a_pipe_finds_the_others_first(self):
        anna = self.chat("anna")
        result = run("chat", "lobby", "--name", "bert", *self.net, stdin=b"hello\n")
        self.assertEqual(result.code, 0, result.err)
        anna.out.wait_for(r"bert: hello\n")

    def test_chat_shows_nothing_that_moves_the_cursor(self):
        anna, bert = self.chat("anna"), self.chat("bert")
        anna.out.wait_for(r"\* bert is here\n")
        self.say(anna, "a\x1b[2Jb\n")
        bert.out.wait_for(r"anna: a\.\[2Jb\n")

    def test_chat_as_json(self):
        anna, bert = self.chat("anna"), self.chat("bert", "--json")
        anna.out.wait_for(r"\* bert is here\n")
        self.say(anna, "hello\n")
        bert.out.wait_for('"hello"')
        row = json.loads(re.search(r'\{"event":"message".*\}', bert.out.text()).group())
        self.assertEqual(row, {"event": "message", "name": "anna", "text": "hello", "private": False})

    def test_interrupt_ends_a_chat_well(self):
        anna, bert = self.chat("anna"), self.chat("bert")
        anna.out.wait_for(r"\* bert is here\n")
        rig.interrupt(bert)
        self.assertEqual(bert.wait(), 0)
        anna.out.wait_for(r"\* bert has left\n")

    def test_other_groups_hear_nothing(self):
        anna, bert = self.chat("anna"), self.chat("bert", group="attic")
        self.look("--wait", "2", *LONG)
        result = run("shout", "attic", "only for you", "--wait", "1", *LONG, *self.net)
        self.assertEqual((result.code, result.out), (0, ""))
        bert.out.wait_for(": only for you\n")
        run("whisper", "anna", "end", *self.net, *LONG)
        anna.out.wait_for(r" \(to you\): end\n")
        self.assertNotIn("only for you", anna.out.text())

    def test_whisper_reaches_a_name_and_an_id(self):
        anna = self.chat("anna")
        result = run("whisper", "anna", "psst", *LONG, *self.net)
        self.assertEqual((result.code, result.err), (0, ""))
        anna.out.wait_for(r" \(to you\): psst\n")
        identity = self.look("--wait", "1", *LONG).rows()[0]["id"]
        result = run("whisper", identity, "-", *LONG, *self.net, stdin=b"by id")
        self.assertEqual((result.code, result.err), (0, ""))
        anna.out.wait_for(r" \(to you\): by id\n")

    def test_whisper_waits_for_one_who_comes_later(self):
        whisper = self.start("whisper", "anna", "at last", *LONG, *self.net, "--verbose")
        whisper.err.wait_for("discovery: interface .* chosen")
        anna = self.chat("anna")
        self.assertEqual(whisper.wait(), 0, whisper.err.text())
        anna.out.wait_for(r" \(to you\): at last\n")

    def test_whisper_to_nobody_is_said_in_words(self):
        result = run("whisper", "anna", "x", "--timeout", "200ms", *self.net)
        self.assertFails(result, 69, "zferry whisper: anna was not there within 200 ms; zferry peers shows who is")

    def test_shout_sends_each_line_to_all(self):
        anna, bert = self.chat("anna"), self.chat("bert")
        lines = "".join(f"line {i}\n" for i in range(100))
        result = run("shout", "lobby", "--lines", "--wait", "2", *LONG, *self.net, stdin=lines.encode())
        self.assertEqual((result.code, result.err), (0, ""))
        for process in (anna, bert):
            process.out.wait_for(": line 99\n")
            self.assertEqual(re.findall(r": (line \d+)\n", process.out.text()), lines.splitlines())

    def test_shout_to_nobody_is_said_in_words(self):
        result = run("shout", "attic", "x", "--wait", "2", "--timeout", "200ms", *self.net)
        self.assertFails(result, 69, "zferry shout: 0 of 2 were in attic within 200 ms; zferry peers shows who is")

    def test_interrupt_ends_waiting(self):
        whisper = self.start("whisper", "anna", "x", "--timeout", "0", *self.net, "--verbose")
        whisper.err.wait_for("discovery: interface .* chosen")
        rig.interrupt(whisper)
        self.assertEqual(whisper.wait(), 130)
        self.assertIn("zferry whisper: stopped before anna was there\n", whisper.err.text())


if __name__ == "__main__":
    rig.main()
