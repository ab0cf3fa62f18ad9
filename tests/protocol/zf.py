"""A client and a worker written from docs/protocol.md and nothing else: pyzmq, XXH3, and the msgpack
that the protocol uses. Section numbers are that document's."""

import os
import struct

import xxhash
import zmq

DEADLINE_MS = 60000  # generous: sanitizer builds on a busy machine

HELLO, WELCOME, PING, PONG, BYE, RESET, ERROR = 1, 2, 3, 4, 5, 6, 7
POST, CONFIRM, POST_MANY, DONE, LINK, LINKED = 10, 11, 12, 13, 14, 15
REQUEST, REPLY, FETCH = 20, 21, 22
CONSUME, DELIVER, ACK, NACK, REJECT, RELEASE, EXTEND, ANSWER = 30, 31, 32, 33, 34, 35, 36, 37
ADMIN, RESULT = 40, 41

# -- msgpack (2) --------------------------------------------------------------------------------------


def _sized(value, tags):
    """The head of something whose length is written in 1, 2 or 4 bytes, by these tags."""
    for tag, form, end in zip(tags, (">BB", ">BH", ">BI"), (1 << 8, 1 << 16, 1 << 32)):
        if tag is not None and value < end:
            return struct.pack(form, tag, value)
    raise ValueError(value)


def _pack_int(value):
    if value < 0:
        return struct.pack("b", value) if value >= -32 else struct.pack(">Bq", 0xd3, value)
    if value < 1 << 32:
        return bytes([value]) if value < 0x80 else _sized(value, (0xcc, 0xcd, 0xce))
    return struct.pack(">BQ", 0xcf, value)


def pack(value):
    """bytes become bin, text becomes str."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, bytes):
        return _sized(len(value), (0xc4, 0xc5, 0xc6)) + value
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xa0 | len(data)]) if len(data) < 32 else _sized(len(data), (0xd9, 0xda, 0xdb))) + data
    if isinstance(value, (list, tuple)):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else _sized(len(value), (None, 0xdc, 0xdd))
        return head + b"".join(pack(item) for item in value)
    head = bytes([0x80 | len(value)]) if len(value) < 16 else _sized(len(value), (None, 0xde, 0xdf))
    return head + b"".join(pack(key) + pack(item) for key, item in value.items())


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        if len(piece) != size:
            raise ValueError("truncated")
        self.at += size
        return piece

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def many(self, tag, first):
        """The count of a container, or the length of bytes, that follows tags first, first + 1, ..."""
        return self.number((">B", ">H", ">I")[tag - first])

    def value(self):
        tag = self.number("B")
        if tag < 0x80 or tag >= 0xe0:
            return tag if tag < 0x80 else tag - 256
        if tag < 0x90 or tag in (0xde, 0xdf):
            count = tag & 15 if tag < 0x90 else self.many(tag, 0xdd)
            return {self.value(): self.value() for _ in range(count)}
        if tag < 0xa0 or tag in (0xdc, 0xdd):
            count = tag & 15 if tag < 0xa0 else self.many(tag, 0xdb)
            return [self.value() for _ in range(count)]
        if tag < 0xc0 or 0xd9 <= tag <= 0xdb:
            return self.take(tag & 31 if tag < 0xc0 else self.many(tag, 0xd9)).decode()
        if 0xc4 <= tag <= 0xc6:
            return self.take(self.many(tag, 0xc4))
        if 0xcc <= tag <= 0xd3:
            return self.number((">B", ">H", ">I", ">Q", ">b", ">h", ">i", ">q")[tag - 0xcc])
        return {0xc0: None, 0xc2: False, 0xc3: True}[tag]


def unpack(data):
    return Reader(data).value()


# -- batches (9) --------------------------------------------------------------------------------------

ID, KEY, DELAY, TTL, PRIORITY, FRAMES, HEADERS, TRACE, DEATH, KEEP_REPLY = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


def encode_record(body, props=None):
    if not props:
        return struct.pack("<I", len(body)) + body
    encoded = pack(props)
    return struct.pack("<II", len(body) | 1 << 31, len(encoded)) + encoded + body


def checksum(records, count, flags, first):
    return xxhash.xxh3_64_intdigest(records, seed=(count + (flags << 32)) ^ first)


def encode_batch(records, first):
    """records: of (body, props)."""
    data = b"".join(encode_record(body, props) for body, props in records)
    flags = 1 if any(props for _, props in records) else 0
    head = struct.pack("<IIIQ", len(records), len(data), flags, first)
    return b"ZFB\x01" + head + struct.pack("<Q", checksum(data, len(records), flags, first)) + data


def decode_batch(batch):
    """Returns a list of (body, props), and first."""
    assert batch[:4] == b"ZFB\x01", batch[:4]
    count, size, flags, first, total = struct.unpack("<IIIQQ", batch[4:32])
    assert size == len(batch) - 32 and total == checksum(batch[32:], count, flags, first)
    reader, records = Reader(batch[32:]), []
    for _ in range(count):
        head, props = reader.number("<I"), {}
        if head >> 31:
            assert flags & 1
            props = unpack(reader.take(reader.number("<I")))
        records.append((reader.take(head & (1 << 30) - 1), props))
    assert reader.at == size
    return records, first


# -- a peer -------------------------------------------------------------------------------------------


class Peer:
    """A connection with a session (4). One thread; each wait has a deadline."""

    def __init__(self, endpoint, uuid=None, probe=True):
        self.uuid = uuid or os.urandom(16)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.PROBE_ROUTER, int(probe))
        self.socket.connect(endpoint)
        self.inbox = []

    def close(self):
        self.socket.close()

    def say(self, *control, batch=None):
        self.socket.send_multipart([pack(list(control))] + ([batch] if batch is not None else []))

    def receive(self):
        """The next message: its control array, and its batch or None. Heartbeats are kept up."""
        if not self.socket.poll(DEADLINE_MS):
            raise AssertionError("the broker says nothing")
        frames = self.socket.recv_multipart()
        return unpack(frames[0]), frames[1] if len(frames) > 1 else None

    def expect(self, command):
        """The next message of this kind; others are kept for later."""
        for i, (control, batch) in enumerate(self.inbox):
            if control[0] == command:
                del self.inbox[i]
                return control, batch
        while True:
            control, batch = self.receive()
            if control[0] == command:
                return control, batch
            if control[0] in (RESET, ERROR):
                raise AssertionError(f"waiting for {command}, got {control}")
            self.inbox.append((control, batch))

    def greet(self, probe=True):
        if probe:
            assert self.receive() == ([RESET], None)
        self.say(HELLO, 1, self.uuid, {1: "from the document"})
        control, _ = self.expect(WELCOME)
        assert control[1] == 1 and len(control[2]) == 16
        self.options = control[3]
        return self

    def settled(self):
        """Returns when the broker has dealt with all that was said before (8)."""
        self.say(PING)
        self.expect(PONG)


class Producer(Peer):
    """Posts (5), with the numbers of each queue."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.next = {}
        self.open = {}  # (queue, number): record, without an outcome

    def post(self, queue, *records):
        first = self.next.setdefault(queue, 1)
        for i, record in enumerate(records):
            self.open[queue, first + i] = record
        self.next[queue] = first + len(records)
        self.send(queue, first, records)

    def send(self, queue, first, records):
        low = min((number for name, number in self.open if name == queue), default=self.next[queue])
        self.say(POST, queue, low, batch=encode_batch(records, first))

    def resend(self):
        """What a new session begins with, one record a batch: batches may be cut otherwise."""
        for (queue, number), record in sorted(self.open.items()):
            self.send(queue, number, [record])

    def outcome(self):
        """The next CONFIRM: (queue, first, count, code)."""
        (_, queue, first, count, code), _ = self.expect(CONFIRM)
        for number in range(first, first + count):
            del self.open[queue, number]
        return queue, first, count, code

    def ask(self, service, number, *records, ttl_ms=0, flags=0):
        self.say(REQUEST, service, ttl_ms, flags, batch=encode_batch(records, number))

    def reply(self):
        """The next REPLY: (number, code, more, reason, body)."""
        (_, number, code, more, reason), batch = self.expect(REPLY)
        return number, code, more, reason, decode_batch(batch)[0][0][0] if batch is not None else None

    def submit(self, service, id, body):
        """Posts a request whose answer is kept under the id, and waits for the confirm."""
        self.post(service, (body, {ID: id, KEEP_REPLY: True}))
        assert self.outcome()[3] == 0

    def say_fetch(self, number, id, wait=True, forget=False):
        self.say(FETCH, number, id, wait, forget)

    def fetched(self):
        """The next RESULT of a FETCH: (number, code, text, record or None)."""
        (_, number, code, words, more, value), batch = self.expect(RESULT)
        assert (more, value) == (False, 0)
        return number, code, words, decode_batch(batch)[0][0] if batch is not None else None

    def fetch(self, id, **how):
        """Code, text, and the record or None."""
        self.say_fetch(9, id, **how)
        number, *rest = self.fetched()
        assert number == 9
        return tuple(rest)

    def admin(self, verb, queue="", argument=None):
        """All RESULTs: the code, the values, and the records of peek."""
        values = []
        self.say(ADMIN, 7, verb, queue, argument)
        while True:
            (_, number, code, _, more, value), batch = self.expect(RESULT)
            assert number == 7
            values.append(value)
            if not more:
                return code, values, decode_batch(batch)[0] if batch is not None else []


class Worker(Peer):
    """Takes records (8)."""

    def consume(self, queue, limit, *flags):
        self.queue = queue
        self.say(CONSUME, queue, limit, *flags)
        return self

    def take(self):
        """The next DELIVER: a list of (id, attempt, body, props), and whether answers are wanted."""
        (_, queue, first, attempt, lease_ms, flags), batch = self.expect(DELIVER)
        assert queue == self.queue and lease_ms > 0
        records, _ = decode_batch(batch)
        return [(first + i, attempt, *record) for i, record in enumerate(records)], flags & 1 == 1

    def take_all(self, count):
        records = []
        while len(records) < count:
            records += self.take()[0]
        return records

    def ack(self, *ranges):
        self.say(ACK, self.queue, *[number for pair in ranges for number in pair])

    def answer(self, number, body, more=False):
        self.say(ANSWER, self.queue, more, batch=encode_batch([(body, None)], number))
