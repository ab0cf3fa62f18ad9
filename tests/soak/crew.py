"""The clients: processes that are killed, stopped for a while, and replaced."""

import os
import signal
import subprocess
import time

import rig

CLIENT = os.environ["ZFERRY_SOAK"]
EXPECTED = {"strange": "key not authorised", "limited": "not allowed"}  # what a client of this lane may end with


class Client:
    """One process of the C client, its book and what it says on stderr."""

    def __init__(self, crew, lane, role, name, words):
        self.lane, self.role, self.name, self.words = lane, role, name, words
        self.book = os.path.join(crew.books, "%s.%s.%s" % (lane, role, name))
        self.log = os.path.join(crew.logs, "%s.%s.%s.log" % (lane, role, name))
        program_role = "read" if role == "audit" else role
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CLIENT, program_role, name, self.book, *words], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=rig.environment())
        self.frozen_until = 0

    def freeze(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        self.frozen_until = time.monotonic() + seconds

    def thaw(self):
        if self.frozen_until:
            self.process.send_signal(signal.SIGCONT)
            self.frozen_until = 0


class Crew:
    def __init__(self, folder):
        self.books = os.path.join(folder, "books")
        self.logs = os.path.join(folder, "logs")
        os.makedirs(self.books)
        os.makedirs(self.logs)
        self.clients = []
        self.count = 0
        self.killed = 0
        self.refused = 0  # clients that were not allowed what they tried, as it should be
        self.troubles = []  # clients that ended by themselves, or badly

    def add(self, lane, role, **words):
        self.count += 1
        flat = [text for item in words.items() for text in item]
        client = Client(self, lane, role, "%s%d" % (role, self.count), flat)
        self.clients.append(client)
        return client

    def of(self, *roles):
        return [client for client in self.clients if client.role in roles]

    def replace(self, client):
        """Kills it; another one takes its place."""
        client.process.kill()
        client.process.wait()
        self.killed += 1
        self.clients.remove(client)
        words = dict(zip(client.words[::2], client.words[1::2]))
        return self.add(client.lane, client.role, **words)

    def look(self):
        """Wakes those whose time has come; notes who has gone without being told to."""
        for client in list(self.clients):
            if client.frozen_until and time.monotonic() >= client.frozen_until:
                client.thaw()
            if client.process.poll() is not None:
                self.note(client)
                self.clients.remove(client)
                words = dict(zip(client.words[::2], client.words[1::2]))
                self.add(client.lane, client.role, **words)

    def note(self, client):
        with open(client.log, encoding="utf-8", errors="replace") as log:
            said = log.read()[-2000:]
        if EXPECTED.get(client.lane, "\0") in said:
            self.refused += 1
        else:
            self.troubles.append("%s ended with %d: %s" % (client.name, client.process.returncode, said))

    def end(self, *roles):
        """Tells those of these roles to finish, and waits until they have; with no roles, all."""
        leaving = self.of(*roles) if roles else list(self.clients)
        for client in leaving:
            client.thaw()
            client.process.terminate()
        for client in leaving:
            client.process.wait(rig.DEADLINE_S + 60)
            if client.process.returncode not in (0, -signal.SIGTERM):  # that: it had hardly begun
                self.note(client)
            self.clients.remove(client)

    def kill_all(self):
        for client in self.clients:
            client.process.kill()
            client.process.wait()
