"""A way between clients and a device that can be cut, and that goes slow: TCP, on one thread."""

import selectors
import socket
import threading

CHUNK = 65536


class Proxy(threading.Thread):
    """Listens on a port of the system's choice, and passes on what comes to `target`, a port of this machine."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.pairs = {}  # socket: the other end
        self.orders = socket.socketpair()
        self.cuts = 0
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.orders[0], selectors.EVENT_READ)
        self.start()

    def cut(self):
        """Closes all connections; new ones may come at once."""
        self.orders[1].send(b"c")

    def stop(self):
        self.orders[1].send(b"s")
        self.join()
        for end in (self.listener, *self.orders):
            end.close()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.orders[0]:
                    order = self.orders[0].recv(1)
                    self.close_all()
                    if order == b"s":
                        return
                elif key.fileobj in self.pairs:
                    self.carry(key.fileobj)

    def accept(self):
        try:
            near, _ = self.listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=1)
        except OSError:  # it is being started again
            near.close()
            return
        for end, other in ((near, far), (far, near)):
            end.settimeout(5)  # a reader that has stopped must not stop the others for ever
            self.pairs[end] = other
            self.selector.register(end, selectors.EVENT_READ)

    def carry(self, end):
        try:
            data = end.recv(CHUNK)
            if data:
                self.pairs[end].sendall(data)
                return
        except OSError:
            pass
        self.close(end)

    def close(self, end):
        other = self.pairs.pop(end)
        self.pairs.pop(other, None)
        for one in (end, other):
            self.selector.unregister(one)
            one.close()

    def close_all(self):
        self.cuts += len(self.pairs) // 2
        for end in list(self.pairs):
            if end in self.pairs:
                self.close(end)
