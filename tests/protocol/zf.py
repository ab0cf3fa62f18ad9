"""A client and a worker written from docs/protocol.md and nothing else: pyzmq, XXH3, and the msgpack
that the protocol uses. Section numbers are that document's."""

import collections
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
SUBSCRIBE, SUBSCRIBED, EVENTS, READ, UNSUBSCRIBE, AWAIT = 50, 51, 52, 53, 54, 55

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

ID, KEY, DELAY, TTL, PRIORITY, FRAMES, HEADERS, TRACE, DEATH, KEEP_REPLY, TOPIC = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11


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

    def expect(self, command, number=None):
        """The next message of this kind (and this number); others are kept for later."""
        def it_is(control):
            return control[0] == command and (number is None or control[1] == number)

        for i, (control, batch) in enumerate(self.inbox):
            if it_is(control):
                del self.inbox[i]
                return control, batch
        while True:
            control, batch = self.receive()
            if it_is(control):
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

    def post(self, queue, *records, flags=None):
        """flags are left out if there are none."""
        first = self.next.setdefault(queue, 1)
        for i, record in enumerate(records):
            self.open[queue, first + i] = record
        self.next[queue] = first + len(records)
        self.send(queue, first, records, flags)

    def send(self, queue, first, records, flags=None):
        low = min((number for name, number in self.open if name == queue), default=self.next[queue])
        self.say(POST, queue, low, *([] if flags is None else [flags]), batch=encode_batch(records, first))

    def publish(self, stream, *events):
        """Posts events, each a topic and a body, into a stream, which is made; waits for the confirms."""
        self.post(stream, *[(body, {TOPIC: topic} if topic else None) for topic, body in events], flags=1)
        while any(name == stream for name, _ in self.open):
            assert self.outcome()[3] == 0

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

    def say_await(self, number, stream, topic, count, flags=0):
        self.say(AWAIT, number, stream, topic, count, flags)

    def awaited(self, number):
        """The RESULT of an AWAIT: the code, and how many there are."""
        (_, _, code, _, more, value), _ = self.expect(RESULT, number)
        assert not more
        return code, value


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


FIRST, OFFSET, TIME, LAST, NEW = 1, 2, 3, 4, 5  # where a subscription begins (18)
WINDOW = 1 << 20


class Subscription:
    """What a peer knows of one of its subscriptions."""

    def __init__(self, stream, patterns, window):
        self.stream, self.patterns, self.window = stream, patterns, window
        self.position = None  # the offset of the first record that has not been looked at
        self.missed = 0  # records that were gone before they could be had
        self.refills = 0  # times that messages were lost on the way
        self.unread = self.unread_bytes = 0  # EVENTS, and bytes of their batches, since the last READ


def offsets(first, spans, count):
    """The offsets of a batch's records."""
    if not spans:
        return list(range(first, first + count))
    assert len(spans) % 2 == 1, spans
    found = []
    for run, skip in zip(spans[::2], [*spans[1::2], 0]):
        found += range(first, first + run)
        first += run + skip
    assert len(found) == count, (spans, count)
    return found


# One EVENTS; records are (offset, body, props), size is that of the batch's frame.
Events = collections.namedtuple("Events", "begin end missed time records size")


class Subscriber(Peer):
    """Reads streams on its own (18), under any number of numbers."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.open = {}  # number: Subscription

    def say_subscribe(self, number, stream, *patterns, start=FIRST, value=0, window=WINDOW, flags=0):
        self.open[number] = Subscription(stream, patterns, window)
        self.say(SUBSCRIBE, number, stream, start, value, window, flags, patterns)

    def subscribed(self, number=1):
        """The next SUBSCRIBED: (code, next, first, missed)."""
        (_, _, code, text, position, first, missed), _ = self.expect(SUBSCRIBED, number)
        assert (code == 0) == (text == ""), (code, text)
        if code == 0:
            self.open[number].position = position
            self.open[number].missed += missed
        else:
            del self.open[number]
        return code, position, first, missed

    def subscribe(self, stream, *patterns, number=1, **how):
        """Returns when the subscription is in force."""
        self.say_subscribe(number, stream, *patterns, **how)
        assert self.subscribed(number)[0] == 0
        return self

    def resume(self, number=1):
        """Subscribes again, from its position on: messages were lost, or the session."""
        it = self.open[number]
        self.inbox = [(control, batch) for control, batch in self.inbox if control[:2] != [EVENTS, number]]
        self.say(SUBSCRIBE, number, it.stream, OFFSET, it.position, it.window, 0, it.patterns)
        while True:
            control, batch = self.receive()
            if control[0] == SUBSCRIBED and control[1] == number:
                break
            if control[0] != EVENTS or control[1] != number:  # those are of the one before
                self.inbox.append((control, batch))
        _, _, code, text, it.position, _, missed = control
        assert code == 0, text
        it.missed += missed
        it.unread = it.unread_bytes = 0

    def raw_events(self, number=1):
        """The next EVENTS as it is."""
        (_, _, begin, end, missed, time, first, spans), batch = self.expect(EVENTS, number)
        records = decode_batch(batch)[0] if batch is not None else []
        numbered = zip(offsets(first, spans, len(records)), records)
        return Events(begin, end, missed, time, [(offset, *record) for offset, record in numbered], len(batch or b""))

    def events(self, number=1):
        """The records of the next EVENTS, none of them twice or left out."""
        it = self.open[number]
        events = self.raw_events(number)
        while events.begin != it.position:
            it.refills += 1
            self.resume(number)
            events = self.raw_events(number)
        it.missed += events.missed
        it.position = events.end
        it.unread += 1
        it.unread_bytes += events.size
        if it.unread == 128 or it.unread_bytes > it.window // 4:
            self.read(number)
        return events.records

    def read(self, number=1):
        it = self.open[number]
        self.say(READ, number, it.position)
        it.unread = it.unread_bytes = 0

    def take(self, count, number=1):
        """So many records."""
        records = []
        while len(records) < count:
            records += self.events(number)
        return records

    def nothing_else(self, number=1):
        """No EVENTS with records is there, or comes in the next turns of the broker."""
        for _ in range(3):
            self.settled()
        return not any(control[:2] == [EVENTS, number] and batch for control, batch in self.inbox)
