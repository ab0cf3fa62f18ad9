#!/usr/bin/env python3
"""A node of another kind: ZRE (RFC 36) by hand, on nothing but pyzmq. zferry's nodes take it for one of them.

usage: node.py NAME GROUP [BROADCAST PORT]

Joins the group, greets whoever joins it, prints what comes, and goes when somebody tells it to:

    zferry chat lobby &
    node.py anna lobby
    zferry whisper anna bye

BROADCAST (127.255.255.255: this machine only) and the UDP PORT say where beacons go to.
"""
import os
import socket
import struct
import sys
import time

import zmq

HELLO, WHISPER, SHOUT, JOIN, LEAVE, PING, PING_OK = range(1, 8)
BEACON_S = 1


def string(text):
    return struct.pack(">B", len(text.encode())) + text.encode()


def long_string(text):
    return struct.pack(">I", len(text.encode())) + text.encode()


def strings(texts):
    return struct.pack(">I", len(texts)) + b"".join(long_string(text) for text in texts)


class Reader:
    """What follows a frame's signature."""

    def __init__(self, frame):
        signature, self.id, version, self.sequence = struct.unpack_from(">HBBH", frame)
        if (signature, version) != (0xAAA1, 2):
            raise ValueError("not a ZRE message")
        self.frame, self.at = frame, 6

    def number(self, form):
        value, = struct.unpack_from(form, self.frame, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self, form=">B"):
        size = self.number(form)
        self.at += size
        return self.frame[self.at - size:self.at].decode()

    def texts(self):
        return [self.text(">I") for _ in range(self.number(">I"))]


class Peer:
    """Another node, as we know it: a DEALER to its mailbox."""

    def __init__(self, node, endpoint):
        self.socket = node.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, b"\x01" + node.uuid)
        self.socket.connect(endpoint)
        self.sequence = 0
        self.name = "?"
        self.send(HELLO, string(node.endpoint(endpoint)) + strings([node.group]) + b"\x01" + string(node.name)
                  + struct.pack(">I", 0))

    def send(self, what, rest=b"", *content):
        self.sequence = (self.sequence + 1) % 65536
        head = struct.pack(">HBBH", 0xAAA1, what, 2, self.sequence)
        self.socket.send_multipart([head + rest, *content])


class Node:
    def __init__(self, context, name, group, broadcast, port):
        self.context, self.name, self.group = context, name, group
        self.uuid, self.peers, self.leaving = os.urandom(16), {}, False
        self.mailbox = context.socket(zmq.ROUTER)
        self.port = self.mailbox.bind_to_random_port("tcp://*")
        self.where = (broadcast, port)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.udp.bind(("", port))

    def endpoint(self, theirs):
        """Ours, by the address that a way to theirs leaves from."""
        host = theirs.removeprefix("tcp://").rpartition(":")[0].strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect((host, 9))
            own = way.getsockname()[0]
        return f"tcp://[{own}]:{self.port}" if ":" in own else f"tcp://{own}:{self.port}"

    def send_beacon(self, port):
        self.udp.sendto(b"ZRE\x01" + self.uuid + struct.pack(">H", port), self.where)

    def meet(self, uuid, endpoint):
        if uuid not in self.peers:
            self.peers[uuid] = Peer(self, endpoint)
        return self.peers[uuid]

    def hear_beacon(self):
        data, (host, _) = self.udp.recvfrom(64)
        if len(data) != 22 or data[:4] != b"ZRE\x01" or data[4:20] == self.uuid:
            return
        port, = struct.unpack(">H", data[20:])
        if port:
            self.meet(data[4:20], f"tcp://{host}:{port}")

    def greet(self, peer, groups):
        if self.group in groups:
            print(f"{peer.name} is there", flush=True)
            peer.send(WHISPER, b"", f"hello, {peer.name}".encode())

    def hear_message(self):
        identity, frame, *content = self.mailbox.recv_multipart()
        uuid, message = identity[1:], Reader(frame)
        if message.id == HELLO:
            peer = self.meet(uuid, message.text())
            groups, _ = message.texts(), message.number(">B")
            peer.name = message.text()
            self.greet(peer, groups)
        if uuid not in self.peers:
            return
        peer = self.peers[uuid]
        if message.id == PING:
            peer.send(PING_OK)
        elif message.id == JOIN:
            self.greet(peer, [message.text()])
        elif message.id in (WHISPER, SHOUT) and content:
            print(f"{peer.name}: {content[0].decode(errors='replace')}", flush=True)
            self.leaving = message.id == WHISPER and content[0] == b"bye"

    def run(self):
        poller = zmq.Poller()
        poller.register(self.udp, zmq.POLLIN)
        poller.register(self.mailbox, zmq.POLLIN)
        due = time.monotonic()
        while not self.leaving:
            if time.monotonic() >= due:
                self.send_beacon(self.port)
                due = time.monotonic() + BEACON_S
            ready = dict(poller.poll(max(0, due - time.monotonic()) * 1000))
            if self.udp.fileno() in ready:
                self.hear_beacon()
            if self.mailbox in ready:
                self.hear_message()
        self.send_beacon(0)  # a node at port 0 has gone


def main():
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    broadcast, port = sys.argv[3:] or ("255.255.255.255", "5670")
    context = zmq.Context()
    context.linger = 1000
    Node(context, sys.argv[1], sys.argv[2], broadcast, int(port)).run()
    context.destroy()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
