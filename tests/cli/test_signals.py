"""The first signal drains and says what was done, the second ends at once."""

import os

import rig


class Signals(rig.Case):
    def setUp(self):
        self.broker()

    def busy(self, verb, *how):
        """A worker whose command waits until the fifo is written to; returns it and the fifo."""
        fifo = os.path.join(self.folder(), "fifo")
        os.mkfifo(fifo)
        process = self.start(verb, "q", "--exec", f"echo started $$ >&2; read line < {fifo}", *how,
                             "--connect", self.endpoint)
        return process, fifo

    def test_first_interrupt_lets_the_command_finish(self):
        self.good("post", "q", "--lines", stdin=b"a\nb\nc\n")
        worker, fifo = self.busy("work")
        worker.err.wait_for("started")
        rig.interrupt(worker)
        worker.err.wait_for("draining: 1 at work; a second signal ends at once\n")
        with open(fifo, "w") as file:
            file.write("go\n")
        self.assertEqual(worker.wait(), 0)
        self.assertRegex(worker.err.text(), r"received 1 from q in [\d.]+ s: 1 done, 0 failed")
        self.until_info("q", acked=1, length=2, leased=0, workers=0)

    def test_terminate_drains_as_well(self):
        self.good("post", "q", "a")
        worker, fifo = self.busy("work")
        worker.err.wait_for("started")
        rig.terminate(worker)
        worker.err.wait_for("draining: 1 at work")
        with open(fifo, "w") as file:
            file.write("go\n")
        self.assertEqual(worker.wait(), 0)
        self.until_info("q", acked=1, length=0)

    def test_second_interrupt_ends_at_once_and_the_record_goes_back(self):
        self.good("post", "q", "a")
        worker, _ = self.busy("work")
        command = int(worker.err.wait_for(r"started (\d+)").group(1))
        rig.interrupt(worker)
        worker.err.wait_for("draining: 1 at work")
        rig.interrupt(worker)
        self.assertEqual(worker.wait(), 130)
        rig.until(lambda: not self.runs(command), "the command has ended")
        self.until_info("q", acked=0, length=1, leased=0, workers=0)

    @staticmethod
    def runs(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_serve_drains(self):
        server, fifo = self.busy("serve")
        asking = self.start("request", "q", "x", "--connect", self.endpoint, "--timeout", "1m")
        server.err.wait_for("started")
        rig.interrupt(server)
        server.err.wait_for("draining: 1 at work")
        with open(fifo, "w") as file:
            file.write("go\n")
        self.assertEqual(server.wait(), 0)
        self.assertEqual(asking.wait(), 0)

    def test_idle_worker_ends_with_a_summary(self):
        worker = self.start("work", "q", "--connect", self.endpoint)
        self.until_info("q", workers=1)
        rig.interrupt(worker)
        self.assertEqual(worker.wait(), 0)
        self.assertRegex(worker.err.text(), r"^received 0 from q in")
        self.until_info("q", workers=0)

    def test_count_that_was_not_reached_shows_in_the_exit_code(self):
        worker = self.start("work", "q", "--count", "1", "--connect", self.endpoint)
        self.until_info("q", workers=1)
        rig.interrupt(worker)
        self.assertEqual(worker.wait(), 130)

    def test_interrupted_lines_are_confirmed_and_counted(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        post = self.start("post", "q", "--lines", "-", "--connect", self.endpoint, stdin=reading)
        os.write(writing, b"a\nb\nhalf a line")
        self.until_info("q", length=2)
        rig.interrupt(post)
        self.assertEqual(post.wait(), 130)
        self.assertRegex(post.err.text(), r"^posted 2 records to q in [\d.]+ s: 2 confirmed, 0 refused")
        self.assertEqual(self.info("q")["length"], 2)

    def test_broken_pipe_is_an_error_not_a_signal(self):
        self.good("post", "q", "--lines", stdin=b"line\n" * 1000)
        reading, writing = os.pipe()
        os.close(reading)
        worker = rig.subprocess.run([rig.PROGRAM, "work", "q", "-q", "-c", self.endpoint], stdout=writing,
                                    stderr=rig.subprocess.PIPE, timeout=rig.DEADLINE_S)
        os.close(writing)
        self.assertEqual((worker.returncode, worker.stderr.decode()),
                         (74, "zferry work: cannot write to standard output: Broken pipe\n"))
        self.until_info("q", acked=0, length=1000, leased=0)


if __name__ == "__main__":
    rig.main()
