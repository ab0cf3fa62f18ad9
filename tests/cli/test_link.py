"""link, and post --outbox: what is confirmed arrives, once and in order, whoever is killed on the way.
ZF_LONG=1 kills for longer, ZF_SEED=N at the same moments again as far as they can be chosen."""

import json
import os
import random
import signal
import threading
import time

import rig

ROUNDS = 300 if os.environ.get("ZF_LONG") == "1" else 8  # of killing somebody
SEED = int(os.environ.get("ZF_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)


def volatile():
    """The environment of a process whose end is a power failure: unsynced writes go with it."""
    env = rig.environment(LD_PRELOAD=os.environ["ZFERRY_VOLATILE"])
    env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return env


class Broker:
    """A broker with a journal that can be killed and comes back at the same endpoint."""

    def __init__(self, case, *args, env=None):
        self.case, self.folder, self.args, self.env = case, case.folder(), args, env
        self.endpoint = "tcp://127.0.0.1:*"
        self.start()

    def start(self):
        self.process = self.case.start("broker", "--bind", self.endpoint, "--journal", self.folder, *self.args,
                                       env=self.env)
        self.endpoint = self.process.err.wait_for(r"listening on (tcp://\S+)\n").group(1)

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.stop()

    def stop(self):
        rig.terminate(self.process)
        self.case.assertEqual(self.process.wait(), 0)

    def run(self, *args, **how):
        return rig.run(*args, "--connect", self.endpoint, **how)

    def length(self, queue):
        result = self.run("queue", "info", queue)
        return result.rows()[0]["length"] if result.code == 0 else None


def numbers(first, last):
    return "".join(f"{i}\n" for i in range(first, last + 1)).encode()


class Case(rig.Case):
    def start_link(self, *args, **how):
        return self.start("link", *args, **how)

    def take(self, broker, queue, count):
        """Takes the records of the queue; they must be 1, 2, 3, ... and no more."""
        self.assertEqual(broker.length(queue), count, f"seed {SEED}")
        result = broker.run("work", queue, "--raw", "--count", str(count), "--timeout", "60s")
        self.assertEqual(result.code, 0, result.err)
        taken = [int(line) for line in result.out.split()]
        wrong = next((i for i, n in enumerate(taken) if n != i + 1), None)
        if wrong is not None:
            self.fail(f"seed {SEED}: record {wrong + 1} is {taken[wrong]}")
        self.assertEqual(len(taken), count)
        rig.until(lambda: broker.length(queue) == 0, f"{queue} is empty")


class Link(Case):
    def test_once_ends_when_all_is_there(self):
        source, target = Broker(self), Broker(self)
        source.run("post", "jobs", "--lines", stdin=numbers(1, 5000))
        done = rig.run("link", "--from", source.endpoint + "/jobs", "--to", target.endpoint, "--once", "--json")
        self.assertEqual(done.code, 0, done.err)
        row = done.rows()[0]
        self.assertEqual((row["forwarded"], row["duplicates"], row["backlog"]), (5000, 0, 0))
        self.assertEqual(source.length("jobs"), 0)
        self.take(target, "jobs", 5000)

    def test_status_on_a_terminal(self):
        source, target = Broker(self), Broker(self)
        link = self.start("link", "--from", source.endpoint + "/jobs", "--to", target.endpoint + "/work",
                          terminal="both")
        link.out.wait_for(r"linked to tcp://")
        source.run("post", "jobs", "--lines", stdin=numbers(1, 100))
        link.out.wait_for(r"backlog 0, \d+/s, lag 0 ms, 100 forwarded")
        rig.terminate(link)
        self.assertEqual(link.wait(), 0)
        self.assertRegex(link.out.text(), r"forwarded 100 records in ")
        self.take(target, "work", 100)

    def test_once_with_a_timeout_says_what_is_left(self):
        source = Broker(self)
        source.run("post", "jobs", "--lines", stdin=numbers(1, 7))
        done = rig.run("link", "--from", source.endpoint + "/jobs", "--to", self.nobody(), "--once", "--timeout", "2s")
        self.assertEqual(done.code, os.EX_TEMPFAIL)
        self.assertIn("zferry link: 7 records are still there\n", done.err)

    def storm(self, source, target):
        """Posts to the source, while one of the two after the other is killed. Returns how many arrived in all."""
        luck = random.Random(SEED)
        self.start_link("--from", source.endpoint + "/jobs", "--to", target.endpoint, "--backoff", "500ms")
        total = 2000 * ROUNDS
        post = self.start("post", "jobs", "--lines", "--connect", source.endpoint, "--timeout", "60s", "--json",
                          stdin=-1)

        def feed():
            for i in range(ROUNDS):
                post.popen.stdin.write(numbers(2000 * i + 1, 2000 * (i + 1)))
                post.popen.stdin.flush()
                fed.acquire()
            post.popen.stdin.close()

        fed = threading.Semaphore(0)
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        for _ in range(ROUNDS):
            fed.release()
            victim = luck.choice((source, target))
            time.sleep(luck.uniform(0, 0.3))  # the moment of the kill is what is tried
            victim.kill()
            victim.start()
        feeder.join(rig.DEADLINE_S)
        self.assertEqual(post.wait(), 0, post.err.text())
        self.assertEqual(json.loads(post.out.text())["confirmed"], total)
        rig.until(lambda: source.length("jobs") == 0, "all left the source")
        return total

    def test_brokers_killed_at_any_moment_lose_and_repeat_nothing(self):
        source, target = Broker(self), Broker(self)
        self.take(target, "jobs", self.storm(source, target))

    def test_power_failure_of_either_broker_loses_and_repeats_nothing(self):
        source, target = Broker(self, env=volatile()), Broker(self, env=volatile())
        self.take(target, "jobs", self.storm(source, target))

    def test_source_whose_disk_lost_what_was_forwarded_gives_no_number_twice(self):
        source, target = Broker(self, "--sync", "never", env=volatile()), Broker(self)
        self.start_link("--from", source.endpoint + "/jobs", "--to", target.endpoint)
        source.run("queue", "declare", "jobs")
        source.stop()  # in order: it knows the queue from now on
        source.start()
        for i in range(3):
            source.run("post", "jobs", "--lines", stdin=numbers(100 * i + 1, 100 * (i + 1)))
            rig.until(lambda: target.length("jobs") == 100 * (i + 1), "all are at the target")
            source.kill()
            source.start()
        self.take(target, "jobs", 300)

    def test_planted_target_that_confirms_before_the_disk_is_found(self):
        source, target = Broker(self), Broker(self, "--sync", "never", env=volatile())
        self.assertLess(target.length("jobs") or 0, self.storm(source, target))

    def test_link_killed_at_any_moment_loses_and_repeats_nothing(self):
        luck = random.Random(SEED)
        source, target = Broker(self), Broker(self)
        for i in range(ROUNDS):
            source.run("post", "jobs", "--lines", stdin=numbers(2000 * i + 1, 2000 * (i + 1)))
            link = self.start_link("--from", source.endpoint + "/jobs", "--to", target.endpoint)
            time.sleep(luck.uniform(0, 0.1))  # the moment of the kill is what is tried
            link.signal(signal.SIGKILL)
            link.stop()
        self.start_link("--from", source.endpoint + "/jobs", "--to", target.endpoint)
        rig.until(lambda: source.length("jobs") == 0, "all left the source")
        self.take(target, "jobs", 2000 * ROUNDS)

    def test_loop_is_refused(self):
        one, two = Broker(self), Broker(self)
        there = self.start_link("--from", one.endpoint + "/jobs", "--to", two.endpoint)
        there.err.wait_for("linked to")
        back = rig.run("link", "--from", two.endpoint + "/jobs", "--to", one.endpoint)
        self.assertEqual(back.code, os.EX_CONFIG)
        self.assertRegex(back.err, r"refused: .*loop")
        self.assertIn("zferry link: the link was refused\n", back.err)


class Outbox(Case):
    def post(self, folder, endpoint, *args, **how):
        return rig.run("post", "jobs", *args, "--outbox", folder, "--connect", endpoint, **how)

    def test_post_with_no_broker_there(self):
        folder, nobody = self.folder(), self.nobody()
        for i in range(3):
            done = self.post(folder, nobody, str(i + 1))
            self.assertEqual((done.code, done.out), (0, ""), done.err)
        done = self.post(folder, nobody, "4", "--flush", "--timeout", "1s")
        self.assertEqual(done.code, os.EX_TEMPFAIL)
        self.assertIn(f"4 records wait in {folder}; zferry link --from {folder} takes them on later", done.err)
        target = Broker(self)
        done = self.post(folder, target.endpoint, "5", "--flush")
        self.assertEqual(done.code, 0, done.err)
        self.take(target, "jobs", 5)

    def test_link_takes_an_outbox_on(self):
        folder, target = self.folder(), Broker(self)
        done = self.post(folder, self.nobody(), "--lines", stdin=numbers(1, 5000))
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(f"5000 records wait in {folder}\n", done.err)
        done = rig.run("link", "--from", folder, "--to", target.endpoint, "--once")
        self.assertEqual(done.code, 0, done.err)
        self.take(target, "jobs", 5000)

    def test_power_failure_under_an_outbox_loses_and_repeats_nothing(self):
        luck = random.Random(SEED)
        folder, target = self.folder(), Broker(self)
        for i in range(ROUNDS):
            post = self.start("post", "jobs", "--lines", "--outbox", folder, "--connect", self.nobody(), "--flush",
                              "--timeout", "60s", terminal="both", env=volatile(), stdin=-1)
            post.popen.stdin.write(numbers(500 * i + 1, 500 * (i + 1)))
            post.popen.stdin.close()
            post.out.wait_for(r"\d+ records? waits? in ")  # all are confirmed
            self.fail_power(post)
            link = self.start_link("--from", folder, "--to", target.endpoint, env=volatile())
            time.sleep(luck.uniform(0, 0.2))  # the moment of the kill is what is tried
            self.fail_power(link)
        done = rig.run("link", "--from", folder, "--to", target.endpoint, "--once")
        self.assertEqual(done.code, 0, done.err)
        self.take(target, "jobs", 500 * ROUNDS)

    def fail_power(self, process):
        process.signal(signal.SIGKILL)
        process.wait()


class Usage(rig.Case):
    def fails(self, code, line, *args):
        self.assertFails(rig.run("link", *args), code, line)

    def test_what_cannot_be_meant(self):
        hint = "; see zferry link --help"
        self.fails(os.EX_USAGE, "zferry link: --to is missing" + hint, "--from", "tcp://h:1/q")
        self.fails(os.EX_USAGE, "zferry link: --from is missing" + hint, "--to", "tcp://h:1")
        self.fails(os.EX_USAGE, "zferry link: tcp://h:1: which queue? say tcp://HOST:PORT/QUEUE or --queue NAME" + hint,
                   "--from", "tcp://h:1", "--to", "tcp://h:2")
        self.fails(os.EX_USAGE, "zferry link: tcp://h:1/: a queue is missing behind the last slash" + hint,
                   "--from", "tcp://h:1/", "--to", "tcp://h:2")
        self.fails(os.EX_USAGE, "zferry link: --queue b, but the endpoint says a" + hint,
                   "--from", "tcp://h:1/a", "--queue", "b", "--to", "tcp://h:2")
        self.fails(os.EX_USAGE, "zferry link: tcp://h:3/y: all of --to lead to one queue" + hint,
                   "--from", "tcp://h:1/a", "--to", "tcp://h:2/x", "--to", "tcp://h:3/y")
        folder = self.folder()
        self.fails(os.EX_USAGE, "zferry link: all queues of a directory go to queues of the same name; "
                   "choose one with --queue NAME" + hint, "--from", folder, "--to", "tcp://h:2/x")
        self.fails(os.EX_NOINPUT, f"zferry link: {folder}/none: no such directory; "
                   "endpoints look like tcp://HOST:PORT/QUEUE", "--from", folder + "/none", "--to", "tcp://h:2")

    def test_flush_needs_an_outbox(self):
        self.assertFails(rig.run("post", "q", "x", "--flush"), os.EX_USAGE,
                         "zferry post: --flush and --disk are for --outbox; see zferry post --help")


if __name__ == "__main__":
    print("seed", SEED)
    rig.main()
