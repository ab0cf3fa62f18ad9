"""A node written from RFC 36 (ZRE) and nothing else, on the loopback interface: what it hears must be
what the RFC says, to the byte."""

import os
import socket
import struct
import time

import zmq

DEADLINE_S = 60  # generous: sanitizer builds on a busy machine

HELLO, WHISPER, SHOUT, JOIN, LEAVE, PING, PING_OK = 1, 2, 3, 4, 5, 6, 7
SIGNATURE, VERSION = 0xAAA1, 2


def string(text):
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long_string(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        assert len(piece) == size, "truncated"
        self.at += size
        return piece

    def string(self):
        return self.take(self.number(">B")).decode()

    def long_string(self):
        return self.take(self.number(">I")).decode()

    def end(self):
        assert self.at == len(self.data), "bytes left over"


class Peer:
    """Somebody else, and the DEALER to him."""

    def __init__(self, node, uuid, endpoint):
        self.uuid, self.endpoint, self.name = uuid, endpoint, None
        self.headers, self.groups, self.status = {}, set(), 0
        self.heard, self.sent = 0, 0  # sequences
        self.line = node.context.socket(zmq.DEALER)
        self.line.linger = 1000
        self.line.identity = b"\x01" + node.uuid
        self.line.connect(endpoint)

    def send(self, what, fields=b"", frames=()):
        self.sent = (self.sent + 1) % 65536
        head = struct.pack(">HBBH", SIGNATURE, what, VERSION, self.sent) + fields
        self.line.send_multipart([head, *frames])


class Node:
    """Does nothing but in step and until; they are called by one thread."""

    def __init__(self, name, port, headers=None):
        self.name, self.port, self.uuid = name, port, os.urandom(16)
        self.headers, self.groups, self.status = headers or {}, [], 0
        self.peers, self.gone, self.events = {}, set(), []
        self.context = zmq.Context()
        self.mailbox = self.context.socket(zmq.ROUTER)
        tcp = self.mailbox.bind_to_random_port("tcp://127.0.0.1")
        self.tcp, self.endpoint = tcp, f"tcp://127.0.0.1:{tcp}"
        self.speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.speaker.bind(("127.0.0.1", 0))
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.ear.bind(("", port))
        self.beacon_at = 0
        self.poller = zmq.Poller()
        self.poller.register(self.mailbox, zmq.POLLIN)
        self.poller.register(self.ear, zmq.POLLIN)

    def close(self):
        self.beacon(0)
        for peer in self.peers.values():
            peer.line.close()
        self.mailbox.close()
        self.speaker.close()
        self.ear.close()
        self.context.term()

    # -- beacons --

    def beacon(self, port):
        self.speaker.sendto(b"ZRE\x01" + self.uuid + struct.pack(">H", port), ("127.255.255.255", self.port))

    def hear(self):
        data, (host, _) = self.ear.recvfrom(1000)
        assert len(data) == 22 and data[:4] == b"ZRE\x01", data
        uuid, (port,) = data[4:20], struct.unpack(">H", data[20:])
        if uuid == self.uuid:
            return
        if port == 0:
            self.leave(uuid)
        elif uuid not in self.peers:
            self.greet(uuid, f"tcp://{host}:{port}")

    # -- peers --

    def greet(self, uuid, endpoint):
        peer = self.peers[uuid] = Peer(self, uuid, endpoint)
        fields = string(self.endpoint) + struct.pack(">I", len(self.groups))
        fields += b"".join(long_string(group) for group in self.groups)
        fields += struct.pack(">B", self.status) + string(self.name) + struct.pack(">I", len(self.headers))
        fields += b"".join(string(key) + long_string(value) for key, value in self.headers.items())
        peer.send(HELLO, fields)
        return peer

    def leave(self, uuid):
        peer = self.peers.pop(uuid, None)
        if peer is not None:
            peer.line.close()
            self.gone.add(uuid)
            self.events.append(("exit", peer.name))

    def receive(self):
        identity, head, *frames = self.mailbox.recv_multipart()
        assert len(identity) == 17 and identity[0] == 1, identity
        reader = Reader(head)
        assert reader.number(">H") == SIGNATURE
        what, version, sequence = reader.number(">B"), reader.number(">B"), reader.number(">H")
        assert version == VERSION, version
        peer = self.peers.get(identity[1:])
        if peer is None and identity[1:] in self.gone and what != HELLO:
            return  # his last words
        if what == HELLO:
            assert sequence == 1, sequence
            peer = self.on_hello(peer, identity[1:], reader)
        assert peer is not None and peer.name is not None, "no HELLO before"
        peer.heard = (peer.heard + 1) % 65536
        assert sequence == peer.heard, (sequence, peer.heard)
        if what != HELLO:
            self.on_message(peer, what, reader, frames)
        reader.end()

    def on_hello(self, peer, uuid, reader):
        endpoint = reader.string()
        groups = [reader.long_string() for _ in range(reader.number(">I"))]
        status, name = reader.number(">B"), reader.string()
        headers = dict((reader.string(), reader.long_string()) for _ in range(reader.number(">I")))
        if peer is not None and peer.name is not None:  # it has begun anew
            self.leave(uuid)
            peer = None
        peer = peer or self.greet(uuid, endpoint)
        peer.name, peer.status, peer.headers, peer.groups = name, status, headers, set(groups)
        peer.heard = 0
        self.events.append(("enter", name))
        return peer

    def on_message(self, peer, what, reader, frames):
        if what == WHISPER:
            self.events.append(("whisper", peer.name, frames))
        elif what == SHOUT:
            self.events.append(("shout", peer.name, reader.string(), frames))
        elif what in (JOIN, LEAVE):
            group, status = reader.string(), reader.number(">B")
            peer.status = (peer.status + 1) % 256
            assert status == peer.status, (status, peer.status)
            (peer.groups.add if what == JOIN else peer.groups.discard)(group)
            self.events.append(("join" if what == JOIN else "leave", peer.name, group))
        elif what == PING:
            peer.send(PING_OK)
        elif what == PING_OK:
            self.events.append(("pong", peer.name))
        else:  # Zyre's GOODBYE has id 10; the RFC does not know it
            self.events.append(("unknown", peer.name, what))

    # -- what the test does --

    def peer(self, name):
        return next(peer for peer in self.peers.values() if peer.name == name)

    def join(self, group):
        self.groups.append(group)
        self.status = (self.status + 1) % 256
        for peer in self.peers.values():
            peer.send(JOIN, string(group) + struct.pack(">B", self.status))

    def shout(self, group, *frames):
        for peer in self.peers.values():
            if group in peer.groups:
                peer.send(SHOUT, string(group), frames)

    def step(self, quiet=False):
        if not quiet and time.monotonic() >= self.beacon_at:
            self.beacon(self.tcp)
            self.beacon_at = time.monotonic() + 1
        if self.ear.fileno() in dict(self.poller.poll(50)):
            self.hear()
        while self.mailbox.get(zmq.EVENTS) & zmq.POLLIN:
            self.receive()

    def until(self, condition, quiet=False):
        """Goes on until the condition holds; returns its value."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            self.step(quiet)
        raise AssertionError(f"not in {DEADLINE_S} s; there was: {self.events}")

    def until_event(self, *event):
        self.until(lambda: event in self.events)
