"""The daemon under test: one zferry run with everything on, and what can be seen of it from outside."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

import rig

TOPOLOGY = """
name: soak
security:
  key: {folder}/keys/daemon
  authorised: {folder}/authorised
  server_key: {folder}/keys/daemon.pub
  rules:
    - crew post,consume,publish,subscribe,administer *
    - daemon post,consume,publish,subscribe,administer *
    - limited consume nothing
limits:
  handshake: 2s
  connections: 2000
discovery:
  namespace: {space}
  interfaces: [127.0.0.0/8]
  port: {udp}
admin:
  bind: 127.0.0.1:{http}
  token_file: {folder}/keys/token
devices:
  centre:
    broker:
      bind: [tcp://127.0.0.1:{centre}]
      memory: 32MiB
      client_idle: 5s
      journal: {{directory: {folder}/centre, disk: 2GiB, sync: always}}
      queues:
        jobs: {{max_attempts: 0, backoff_min: 50ms, backoff_max: 1s, lease: 5s}}
        parcels: {{max_attempts: 0, backoff_min: 50ms, backoff_max: 1s, lease: 5s}}
        exports: {{max_attempts: 0, backoff_min: 50ms, backoff_max: 1s, lease: 5s}}
      streams:
        events: {{keep_bytes: 32MiB, max_attempts: 0}}
  edge:
    broker:
      bind: [tcp://127.0.0.1:{edge}]
      memory: 16MiB
      client_idle: 5s
      journal: {{directory: {folder}/edge, disk: 1GiB, sync: interval, sync_interval: 20ms}}
  fan:
    forwarder:
      bind: [tcp://127.0.0.1:{fan}]
      memory: 16MiB
      keep_bytes: 32MiB
      journal: {{directory: {folder}/fan, disk: 1GiB}}
      streams:
        events: {{max_attempts: 0}}
  out:
    link:
      from: edge
      queue: exports
      to: [tcp://127.0.0.1:{centre}]
"""


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Site:
    """Started, killed and started again under the same ports and with the same journals."""

    def __init__(self, folder):
        self.folder = folder
        self.file = os.path.join(folder, "soak.yaml")
        self.ports = {name: free_port() for name in ("centre", "edge", "fan", "http")}
        self.udp = free_port(socket.SOCK_DGRAM)
        self.process = None
        self.logs = 0
        self.starts = 0
        self.make_keys()
        self.write()

    def make_keys(self):
        os.makedirs(os.path.join(self.folder, "keys"))
        os.makedirs(os.path.join(self.folder, "authorised"))
        for name in ("daemon", "crew", "limited", "stranger"):
            made = rig.run("keygen", self.key(name), "--name", name)
            if made.code != 0:
                raise AssertionError(made.err)
            if name != "stranger":
                os.link(self.key(name) + ".pub", os.path.join(self.folder, "authorised", name + ".pub"))
        with open(self.key("token"), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write("a-token-for-the-soak-test\n")

    def key(self, name):
        return os.path.join(self.folder, "keys", name)

    def write(self, more=""):
        text = TOPOLOGY.format(folder=self.folder, udp=self.udp, space="soak-%d" % os.getpid(), **self.ports)
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text + more)

    def at(self, device):
        return "tcp://127.0.0.1:%d" % self.ports[device]

    # -- its life --

    def start(self):
        self.logs += 1
        log = open(self.log_path(), "ab")
        self.process = subprocess.Popen([rig.PROGRAM, "run", self.file], stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, env=rig.environment(ZFERRY_LOG_LEVEL="notice"))
        log.close()
        self.starts += 1
        rig.until(self.is_ready, "the daemon is ready; its log ends with %s" % self.log()[-2000:])

    def log_path(self):
        return os.path.join(self.folder, "daemon.%d.log" % self.logs)

    def log(self):
        with open(self.log_path(), encoding="utf-8", errors="replace") as file:
            return file.read()

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("the daemon has ended with %d:\n%s" % (self.process.returncode, self.log()[-4000:]))
        return self.get("/readyz")[0] == 200

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """In order; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(rig.DEADLINE_S)

    def reload(self, generation):
        """Lets it read a file in which something has changed."""
        self.write("# generation %d\n" % generation)
        self.process.send_signal(signal.SIGHUP)

    # -- what is seen of it --

    def get(self, path):
        """Status and body of the admin endpoint; status 0: nobody answers."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.ports["http"], path), timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def proc(self, name):
        with open("/proc/%d/%s" % (self.process.pid, name), encoding="utf-8") as file:
            return file.read()

    def rss_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", self.proc("status")).group(1))

    def threads(self):
        return int(re.search(r"Threads:\s+(\d+)", self.proc("status")).group(1))

    def descriptors(self):
        """How many sockets, and how many others."""
        folder = "/proc/%d/fd" % self.process.pid
        kinds = []
        for name in os.listdir(folder):
            try:
                kinds.append(os.readlink(os.path.join(folder, name)).startswith("socket:"))
            except FileNotFoundError:  # closed meanwhile
                pass
        return sum(kinds), len(kinds) - sum(kinds)

    def zferry(self, *words):
        """Runs a verb with the crew's key."""
        return rig.run(*words, env=rig.environment(ZFERRY_KEY=self.key("crew"),
                                                   ZFERRY_SERVER_KEY=self.key("daemon.pub")))

    def queues(self, device):
        """Figures of all queues by name."""
        done = self.zferry("queue", "ls", "--json", "--connect", self.at(device))
        return {row["queue"]: row for row in map(json.loads, done.out.splitlines())} if done.code == 0 else None
