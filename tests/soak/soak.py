#!/usr/bin/env python3
"""soak.py [MINUTES] [SEED]: everything at once, under mixed load and with faults; in the end the books must add up.

One zferry run (two brokers with journals, a forwarder, a link, discovery, keys and rules, the admin endpoint) serves
clients that post, work, publish, read, ask, serve and use outboxes. All the while clients are killed, stopped for
seconds, cut off; the daemon is killed and started again, and told to reload; strangers send garbage. In the last part
of the time nobody kills the daemon, so that its memory can be watched. Then the load ends, everything is drained, and
it is checked that each confirmed record was got by somebody, that nothing was damaged, that memory and descriptors
have not grown, that the daemon ends well and its journals are in order.

Exit code 0: all of that held."""

import os
import random
import shutil
import signal
import sys
import tempfile
import time

import rig
from crew import Crew
from ledger import Ledger
from noise import Noise
from proxy import Proxy
from daemon import Site

SANITIZED = bool(os.environ.get("ZFERRY_SANITIZE"))
RSS_MAX_KIB = 600 * 1024  # far above what the topology's caps add up to
GROWTH_MAX_KIB = 24 * 1024  # in the calm part, however long it is
SOCKETS_MORE = 2  # in the end, beyond those at the beginning
FILES_MORE = 16  # segments that journals have open by then
CALM_FROM = 0.6  # of the time: from there on the daemon is left alive
FAULTS = {"kill": 6, "freeze": 4, "cut": 3, "garbage": 8, "browse": 2, "look": 1, "reload": 1, "pause": 1}  # weights
LANES = {"jobs": ("work",), "parcels": ("work",), "exports": ("work",), "events": ("read",), "fan": ("read",)}


class Soak:
    def __init__(self, folder, minutes, seed):
        self.folder = folder
        self.seconds = minutes * 60
        self.random = random.Random(seed)
        self.site = Site(folder)
        self.crew = Crew(folder)
        self.noise = Noise(self.site, seed)
        self.faults = {}
        self.outboxes = 0
        self.generation = 0
        self.samples = []  # (seconds since the start, KiB) of the calm part
        self.peak = {"rss": 0, "sockets": 0, "files": 0, "threads": 0}
        self.baseline = None
        self.next_restart = 0.2 * self.seconds
        self.wrong = []

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.begin, text), flush=True)

    # -- the load --

    def client(self, lane, role, port=None, device="centre", key="crew", **words):
        at = "tcp://127.0.0.1:%d" % (port or self.site.ports[device])
        return self.crew.add(lane, role, at=at, key=self.site.key(key), server=self.site.key("daemon.pub"), **words)

    def load(self):
        near = self.proxy.port
        for port in (None, near):
            self.client("jobs", "post", port, on="jobs", rate="150")
            self.client("jobs", "work", port, on="jobs")
            self.client("events", "publish", port, on="events", rate="100")
            self.client("events", "read", port, on="events", group="billing")
        self.client("jobs", "work", on="jobs")
        self.client("events", "audit", on="events")
        self.client("exports", "post", device="edge", on="exports", rate="100")
        self.client("exports", "work", on="exports")
        self.client("parcels", "work", on="parcels")
        for _ in range(2):
            self.add_outbox()
        self.client("fan", "publish", device="fan", on="events", rate="100")
        self.client("fan", "read", device="fan", on="events", group="fans")
        self.client("echo", "serve", on="echo")
        self.client("echo", "serve", near, on="echo")
        self.client("echo", "ask", near, on="echo", rate="50")
        self.client("echo", "ask", on="echo", rate="50")
        self.client("strange", "post", key="stranger", on="jobs", rate="10")
        self.client("limited", "post", key="limited", on="jobs", rate="10")

    def add_outbox(self):
        self.outboxes += 1
        self.client("parcels", "post", self.proxy.port, on="parcels", rate="50",
                    outbox=os.path.join(self.folder, "outbox.%d" % self.outboxes))

    # -- the faults --

    def fault(self, calm):
        kind = self.random.choices(list(FAULTS), list(FAULTS.values()))[0]
        if not calm and time.monotonic() - self.begin > self.next_restart:
            kind = "restart"
        getattr(self, "fault_" + kind)()
        self.faults[kind] = self.faults.get(kind, 0) + 1

    def fault_kill(self):
        self.crew.replace(self.random.choice(
            [one for one in self.crew.clients if one.role != "audit" and one.lane not in ("strange", "limited")]))

    def fault_freeze(self):
        self.random.choice(self.crew.clients).freeze(self.random.uniform(0.2, 4))

    def fault_cut(self):
        self.proxy.cut()

    def fault_garbage(self):
        for _ in range(5):
            self.noise.make()

    def fault_browse(self):
        self.noise.browse()

    def fault_reload(self):
        self.generation += 1
        self.site.reload(self.generation)

    def fault_look(self):
        """What an operator does."""
        for words in (["queue", "ls"], ["stream", "ls"], ["stream", "groups", "events"], ["top", "--once"]):
            done = self.site.zferry(*words, "--connect", self.site.at("centre"))
            self.expect(done.code == 0, "zferry %s: %d %s" % (" ".join(words), done.code, done.err))

    def fault_pause(self):
        """The whole daemon stands still, and goes on."""
        self.site.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 3))  # the fault
        self.site.process.send_signal(signal.SIGCONT)

    def fault_restart(self):
        """By kill -9, or now and then in order."""
        if self.random.random() < 0.75:
            self.say("the daemon is killed")
            self.site.kill()
        else:
            self.say("the daemon is stopped")
            code = self.site.stop()
            self.expect(code == 0, "the daemon has ended with %d: %s" % (code, self.site.log()[-2000:]))
        self.site.start()
        self.next_restart = time.monotonic() - self.begin + min(60, 0.12 * self.seconds)

    # -- what is watched --

    def sample(self, calm):
        now = time.monotonic() - self.begin
        sockets, files = self.site.descriptors()
        seen = {"rss": self.site.rss_kib(), "sockets": sockets, "files": files, "threads": self.site.threads()}
        for name, value in seen.items():
            self.peak[name] = max(self.peak[name], value)
        if calm:
            self.samples.append((now, seen["rss"]))

    def growth_kib(self):
        """How much the memory has grown in the second half of the calm part, by the median of its quarters."""
        half = [kib for _, kib in self.samples[len(self.samples) // 2:]]
        first, last = sorted(half[:len(half) // 2]), sorted(half[len(half) // 2:])
        return last[len(last) // 2] - first[len(first) // 2] if first and last else 0

    def turn(self, calm):
        if self.site.process.poll() is not None:
            raise AssertionError("the daemon has ended by itself (%d):\n%s" % (
                self.site.process.returncode, self.site.log()[-4000:]))
        self.crew.look()
        self.fault(calm)
        self.sample(calm)

    # -- from beginning to end --

    def run(self):
        self.begin = time.monotonic()
        self.site.start()
        self.proxy = Proxy(self.site.ports["centre"])
        self.baseline = self.site.descriptors()
        self.say("ready: %d sockets, %d other descriptors" % self.baseline)
        self.load()
        told = 0
        while (passed := time.monotonic() - self.begin) < self.seconds:
            self.turn(passed > self.seconds * CALM_FROM)
            if passed - told > 60:
                told = passed
                self.say("faults %s, peaks %s" % (self.faults, self.peak))
            time.sleep(self.random.uniform(0.1, 0.5))  # the pace of the faults
        self.drain()
        self.judge()

    def drain(self):
        self.say("the load ends")
        self.noise.stop()
        self.crew.look()
        self.crew.end("post", "publish", "ask")
        for i in range(1, self.outboxes + 1):
            self.drain_outbox(os.path.join(self.folder, "outbox.%d" % i))
        self.wait_for(self.is_empty, "the queues are empty")
        self.wait_for(lambda: not Ledger(self.crew.books).lost("events", "audit"), "the auditor has all events")
        self.crew.end()
        self.proxy.stop()

    def drain_outbox(self, outbox):
        """What is left in an outbox whose owner was killed travels on."""
        done = self.site.zferry("link", "--from", outbox, "--to", self.site.at("centre"), "--once", "--timeout", "50s")
        if done.code != 0:
            self.wrong.append("link --from %s: %s" % (outbox, done.err))

    def is_empty(self):
        """Have the workers and groups taken all?"""
        self.crew.look()
        for device in ("centre", "edge", "fan"):
            rows = self.site.queues(device)
            if rows is None or any(row.get("lag", 0) or (name in LANES and row["kind"] == "queue" and row["length"])
                                   for name, row in rows.items()):
                return False
        return True

    def wait_for(self, condition, what):
        """What does not come is told with the rest."""
        try:
            rig.until(condition, what)
        except AssertionError as error:
            self.wrong.append("%s; %s" % (error, [self.site.queues(name) for name in ("centre", "edge", "fan")]))

    # -- the verdict --

    def expect(self, holds, text):
        if not holds:
            self.wrong.append(text)

    def judge(self):
        ledger = Ledger(self.crew.books)
        for lane, takers in LANES.items():
            self.say("%-8s %s" % (lane, ledger.summary(lane)))
            lost = ledger.lost(lane, *takers)
            self.expect(not lost, "%s: %d records were confirmed and are lost: %s" % (lane, len(lost), sorted(lost)[:20]))
            self.expect(ledger.confirmed(lane), "%s: nothing was confirmed" % lane)
        lost = ledger.lost("events", "audit")
        self.expect(not lost, "the auditor has missed %d events: %s" % (len(lost), sorted(lost)[:20]))
        self.expect(not ledger.wrong(), "in the books: %s" % ledger.wrong()[:20])
        self.judge_dead_letters()
        self.judge_requests(ledger)
        self.judge_strangers(ledger)
        self.judge_resources()
        self.expect(not self.crew.troubles, "clients: %s" % "\n".join(self.crew.troubles[:10]))
        self.judge_end()

    def judge_dead_letters(self):
        """There is no limit of attempts, so there are none; but for requests that nobody answered in time."""
        for device in ("centre", "edge", "fan"):
            for name, row in (self.site.queues(device) or {}).items():
                self.expect(not name.endswith(".dead") or name == "echo.dead" or not row["length"],
                            "%s: %d dead letters in %s" % (device, row["length"], name))

    def judge_requests(self, ledger):
        books = ledger.of("echo", "ask").values()
        answered = sum(book.answered for book in books)
        failed = {}
        for book in books:
            for code, count in book.failed.items():
                failed[code] = failed.get(code, 0) + count
        self.say("echo     %d answered, failed: %s" % (answered, failed))
        self.expect(answered > self.seconds * 10, "only %d requests were answered" % answered)

    def judge_strangers(self, ledger):
        self.expect(not ledger.confirmed("strange"), "a key that is not authorised has posted")
        self.expect(self.crew.refused > 0, "a key that is not authorised was not told so")
        self.expect(not ledger.confirmed("limited"), "a key that may not post has posted")
        self.expect(ledger.refused("limited")[-21] > 0, "who may not post was not told: %s" % ledger.refused("limited"))

    def judge_resources(self):
        self.wait_for(lambda: self.site.descriptors()[0] <= self.baseline[0] + SOCKETS_MORE,
                      "connections are closed once their clients are gone")
        sockets, files = self.site.descriptors()
        self.say("in the end %d sockets, %d other descriptors; peaks %s" % (sockets, files, self.peak))
        self.expect(files <= self.baseline[1] + FILES_MORE, "descriptors have grown: %d, at first %d" % (
            files, self.baseline[1]))
        growth = self.growth_kib()
        self.say("memory has grown by %d KiB in the second half of the calm part" % growth)
        if not SANITIZED:  # a sanitizer keeps what was freed
            self.expect(self.peak["rss"] < RSS_MAX_KIB, "memory went up to %d KiB" % self.peak["rss"])
            self.expect(growth < GROWTH_MAX_KIB, "memory grows: %s" % self.samples[::max(1, len(self.samples) // 20)])

    def judge_end(self):
        code = self.site.stop()
        self.expect(code == 0, "the daemon has ended with %d: %s" % (code, self.site.log()[-2000:]))
        for journal in ("centre", "edge", "fan"):
            done = rig.run("journal", "verify", os.path.join(self.folder, journal))
            self.expect(done.code == 0, "journal %s: %s%s" % (journal, done.out, done.err))

    def close(self):
        self.crew.kill_all()
        if self.site.process is not None and self.site.process.poll() is None:
            self.site.kill()


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    folder = tempfile.mkdtemp(prefix="zferry-soak-")
    print("soak for %g minutes in %s, seed %d" % (minutes, folder, seed), flush=True)
    soak = Soak(folder, minutes, seed)
    try:
        soak.run()
    except AssertionError as error:
        soak.wrong.append(str(error))
    finally:
        soak.close()
    for text in soak.wrong:
        print("WRONG: %s" % text)
    if soak.wrong:
        print("%s is left as it is; daemon killed %d times, clients %d times" % (
            folder, soak.site.starts - 1, soak.crew.killed))
        return 1
    shutil.rmtree(folder)
    print("all is well: daemon killed %d times, clients %d times, %d connections cut, %d of strangers; faults %s" % (
        soak.site.starts - 1, soak.crew.killed, soak.proxy.cuts, soak.noise.made, soak.faults))
    return 0


if __name__ == "__main__":
    sys.exit(main())
