"""A node of somebody else, who has read RFC 36 only, and zferry's: they see each other and talk."""

import json
import os
import subprocess
import unittest

import rig
import zre


class Strangers(rig.Case):
    def setUp(self):
        self.net = self.network()
        self.node = zre.Node("stranger", int(self.net[3]), {"colour": "red", "empty": ""})
        self.addCleanup(self.node.close)

    def chat(self, *how):
        process = self.start("chat", "lobby", "--name", "anna", "--json", *self.net, *how, stdin=subprocess.PIPE)
        process.err.wait_for("you are anna, in lobby")
        return process

    def lines(self, process):
        return [json.loads(line) for line in process.out.text().splitlines() if line.endswith("}")]

    def said(self, process, **what):
        """True if the process has printed an event with all this in it."""
        return any(what.items() <= line.items() for line in self.lines(process))

    def test_they_see_each_other_and_their_groups(self):
        self.node.join("lobby")
        chat = self.chat()
        self.node.until_event("enter", "anna")
        anna = self.node.peer("anna")
        self.node.until(lambda: "lobby" in anna.groups)
        self.assertEqual(anna.headers, {"X-ZF-VERSION": "1"})
        self.node.until(lambda: self.said(chat, event="join", name="stranger", group="lobby"))

    def test_groups_are_joined_later(self):
        chat = self.chat()
        self.node.until_event("enter", "anna")
        self.node.join("lobby")
        self.node.until(lambda: self.said(chat, event="join", name="stranger", group="lobby"))

    def test_they_shout(self):
        self.node.join("lobby")
        chat = self.chat()
        self.node.until(lambda: self.said(chat, event="join", name="stranger"))
        os.write(chat.popen.stdin.fileno(), b"hello all\n")
        self.node.until_event("shout", "anna", "lobby", [b"hello all"])
        self.node.until(lambda: "lobby" in self.node.peer("anna").groups)
        self.node.shout("lobby", b"hello anna")
        self.node.until(lambda: self.said(chat, event="message", text="hello anna", private=False))

    def test_they_whisper(self):
        chat = self.chat()
        self.node.until_event("enter", "anna")
        self.node.peer("anna").send(zre.WHISPER, frames=[b"psst"])
        self.node.until(lambda: self.said(chat, event="message", text="psst", private=True))
        whisper = self.start("whisper", "stranger", "and you?", "--name", "bert", *self.net)
        self.node.until_event("whisper", "bert", [b"and you?"])
        self.assertEqual(whisper.wait(), 0, whisper.err.text())

    def test_headers_are_shown(self):
        peers = self.start("peers", "--wait", "1", "--timeout", "60s", *self.net)
        self.node.until(lambda: peers.popen.poll() is not None)
        self.assertEqual(peers.wait(), 0, peers.err.text())
        row, = self.lines(peers)
        self.assertEqual((row["name"], row["headers"]), ("stranger", {"colour": "red", "empty": ""}))
        self.assertEqual((row["zferry"], row["endpoint"]), (False, self.node.endpoint))

    def test_ping_is_answered(self):
        self.chat()
        self.node.until_event("enter", "anna")
        self.node.events.clear()
        self.node.peer("anna").send(zre.PING)
        self.node.until_event("pong", "anna")

    def test_beacon_of_departure_ends_it(self):
        """The RFC has no other farewell."""
        watch = self.start("peers", "--watch", "--json", *self.net)
        self.node.until(lambda: self.said(watch, event="enter", name="stranger"))
        for peer in self.node.peers.values():
            peer.line.close(linger=0)
        self.node.peers.clear()
        self.node.mailbox.unbind(self.node.endpoint)
        self.node.beacon(0)
        rig.until(lambda: self.said(watch, event="exit", name="stranger"), "exit")

    def test_ours_says_farewell_by_beacon_too(self):
        chat = self.chat()
        self.node.until_event("enter", "anna")
        chat.popen.stdin.close()
        self.node.until_event("exit", "anna")

    def test_who_only_greets_is_seen(self):
        """No beacon of his is heard, and he hears one of ours."""
        watch = self.start("peers", "--watch", "--json", *self.net)
        self.node.until(lambda: self.said(watch, event="enter", name="stranger"), quiet=True)

    def test_sequence_goes_round(self):
        chat = self.chat()
        self.node.until_event("enter", "anna")
        anna = self.node.peer("anna")
        for _ in range(66000):
            anna.send(zre.PING)
        anna.send(zre.WHISPER, frames=[b"round"])
        self.node.until(lambda: self.said(chat, event="message", text="round"))
        self.node.until(lambda: self.node.events.count(("pong", "anna")) >= 66000)
        self.assertNotIn(("exit", "anna"), self.node.events)


if __name__ == "__main__":
    unittest.main()
