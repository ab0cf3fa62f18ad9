"""Pyre, the ZRE of python, and zferry's nodes. Needs the package zeromq-pyre, and an interface that
can broadcast (Pyre does not use loopback); it is skipped where they are missing."""

import json
import os
import socket
import subprocess
import sys
import unittest
import uuid

import rig

SKIPPED = 77


def missing():
    """Why it can't be, or None."""
    try:
        import pyre  # noqa: F401
    except ImportError as error:
        return f"no Pyre ({error})"
    from pyre import zhelper

    for interface in zhelper.get_ifaddrs():
        for data in interface.values():
            address = data.get(socket.AF_INET, {})
            if "broadcast" in address and not address["addr"].startswith("127."):
                return None
    return "no interface that can broadcast"


class Pyres(rig.Case):
    def setUp(self):
        import pyre

        port = self.network()[3]
        self.net = ("--discovery-port", port)
        self.node = pyre.Pyre("pyro")
        self.node.actor.send_unicode("SET PORT", flags=2)  # its set_port does not work
        self.node.actor.send_unicode(port)
        self.node.set_header("colour", "red")
        self.node.join("lobby")
        self.node.start()
        self.runs = True
        self.addCleanup(self.stop)
        self.node.inbox.rcvtimeo = rig.DEADLINE_S * 1000

    def stop(self):
        if self.runs:
            self.node.stop()
        self.runs = False

    def await_message(self, what, name):
        """The next message of this kind from there: what follows the name."""
        while True:
            kind, node, who, *rest = self.node.recv()
            if (kind.decode(), who.decode()) == (what, name):
                self.id = uuid.UUID(bytes=node)
                return rest

    def chat(self):
        process = self.start("chat", "lobby", "--name", "anna", "--json", *self.net, stdin=subprocess.PIPE)
        process.out.wait_for('"event":"join","name":"pyro"')
        return process

    def test_they_meet_and_shout(self):
        chat = self.chat()
        headers, _ = self.await_message("ENTER", "anna")
        self.assertEqual(json.loads(headers), {"X-ZF-VERSION": "1"})
        self.assertEqual(self.await_message("JOIN", "anna"), [b"lobby"])
        os.write(chat.popen.stdin.fileno(), b"hello\n")
        self.assertEqual(self.await_message("SHOUT", "anna"), [b"lobby", b"hello"])
        self.node.shout("lobby", b"hello back")
        chat.out.wait_for('"text":"hello back","private":false')
        chat.popen.stdin.close()
        self.await_message("EXIT", "anna")

    def test_they_whisper(self):
        chat = self.chat()
        self.await_message("ENTER", "anna")
        self.node.whisper(self.id, b"psst")
        chat.out.wait_for('"text":"psst","private":true')
        result = rig.run("whisper", "pyro", "and you?", "--name", "bert", "--timeout", "60s", *self.net)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.await_message("WHISPER", "bert"), [b"and you?"])

    def test_ours_sees_its_end(self):
        watch = self.start("peers", "--watch", "--json", *self.net)
        watch.out.wait_for('"event":"enter","name":"pyro"')
        self.stop()
        watch.out.wait_for('"event":"exit","name":"pyro"')


if __name__ == "__main__":
    if missing():
        print(f"skipped: {missing()}")
        sys.exit(SKIPPED)
    unittest.main()
