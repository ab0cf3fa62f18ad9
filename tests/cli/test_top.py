"""top: what a person sees, on a terminal of our own making; and that the terminal is put right again."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import rig
from rig import run, until

LEAVE = "\x1b[?1049l"
SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """As much of a terminal as top uses: where the cursor is, and what is to be cleared."""

    def __init__(self, text):
        self.lines = [""]
        self.entered = False
        self.cursor = True
        self.row = 0
        i = 0
        while i < len(text):
            found = SEQUENCE.match(text, i)
            if found:
                self.obey(*found.groups())
                i = found.end()
                continue
            self.put(text[i])
            i += 1

    def obey(self, numbers, letter):
        if (numbers, letter) in (("?1049", "h"), ("?1049", "l")):
            self.entered = letter == "h"
        elif numbers == "?25":
            self.cursor = letter == "h"
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif letter == "J":
            del self.lines[self.row + 1:]
        else:
            assert letter == "m" or numbers == "?7", (numbers, letter)

    column = 0

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            while len(self.lines) <= self.row:
                self.lines.append("")
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1


class Terminal:
    """A top that has a terminal to itself."""

    def __init__(self, *args, lines=25, columns=100, env=None):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.resize(lines, columns)
        self.before = termios.tcgetattr(slave)
        self.popen = subprocess.Popen([rig.PROGRAM, "top", *args], stdin=slave, stdout=slave, stderr=slave,
                                      env=env or rig.environment(TERM="xterm"), start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.out = rig.Stream(self.master)

    def resize(self, lines, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def keys(self, text):
        os.write(self.master, text.encode())

    def screen(self):
        return Screen(self.out.text())

    def shows(self, pattern):
        """Waits until some line of the screen matches; returns the match."""

        def look():
            for line in self.screen().lines:
                found = re.search(pattern, line)
                if found:
                    return found
            return None

        try:
            return until(look, pattern)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.screen().lines])) from None

    def lacks(self, pattern):
        until(lambda: not any(re.search(pattern, line) for line in self.screen().lines), f"no {pattern}")

    def names(self):
        """What the first table lists, in its order."""
        lines = self.screen().lines[:-1]
        titles = [i for i, line in enumerate(lines) if line.startswith("queue ")]
        names = []
        for line in lines[titles[0] + 1:] if titles else []:
            if not line.strip():
                break
            names.append(line.split()[0])
        return names

    def is_restored(self):
        screen = self.screen()
        return not screen.entered and screen.cursor and termios.tcgetattr(self.slave) == self.before

    def wait(self):
        return self.popen.wait(rig.DEADLINE_S)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.kill()
        self.wait()
        os.close(self.slave)
        self.out.thread.join(rig.DEADLINE_S)
        os.close(self.master)


class Top(rig.Case):
    def setUp(self):
        self.endpoint = None

    def top(self, *args, **how):
        terminal = Terminal("--connect", self.endpoint, "--interval", "100ms", *args, **how)
        self.addCleanup(terminal.stop)
        return terminal

    def post(self, queue, count):
        self.good("post", queue, "--lines", stdin=b"x\n" * count)

    def with_queues(self, **queues):
        self.broker()
        for queue, count in queues.items():
            self.post(queue, count)

    # -- what is seen ------------------------------------------------------------------------------

    def test_live_table_shows_queues_and_rates(self):
        self.with_queues(alpha=3, beta=1)
        top = self.top()
        top.shows(r"^queue +length +oldest +leased +workers +in/s +out/s +acked/s +redelivered/s +dead$")
        top.shows(r"^alpha +3 +\d.* +0 +0 +0 +0 +0 +0 +0$")
        top.shows(r"^sessions \d+  records 4  memory .*no journal$")
        producer = self.start("post", "beta", "--lines", "--connect", self.endpoint, stdin=subprocess.PIPE)
        for _ in range(100):
            producer.popen.stdin.write(b"y\n")
        producer.popen.stdin.flush()
        found = top.shows(r"^beta +101 +\d.* +0 +0 +([1-9]\d*|\d\.\d) ")
        self.assertGreater(float(found.group(1)), 0)
        producer.popen.stdin.close()
        top.shows(r"^beta +101 +\d.* +0 +0 +0 +0 ")  # and the rate ends
        self.assertEqual(top.screen().lines[24].split()[:2], ["q", "quit"])

    def test_streams_and_groups_have_tables_of_their_own(self):
        self.with_queues(jobs=1)
        self.good("stream", "declare", "events")
        self.good("stream", "group", "events", "billing", "--from", "first")
        self.good("pub", "a.b", "x")
        top = self.top()
        top.shows(r"^stream +length +bytes +oldest +groups +subscribers +in/s +dropped$")
        top.shows(r"^events +1 +\d+ B +\d.* +1 +0 ")
        top.shows(r"^group +lag +leased +workers ")
        top.shows(r"^events@billing +1 +0 +0 ")

    def test_narrow_terminal_loses_rates_before_dead_letters(self):
        self.with_queues(alpha=3)
        self.top(columns=80).shows(r"^queue +length +oldest +leased +workers +in/s +out/s +redelivered/s +dead$")
        self.top(columns=70).shows(r"^queue +length +oldest +leased +workers +in/s +out/s +dead$")

    def test_journal_is_told(self):
        self.broker("--journal", self.folder())
        self.post("alpha", 3)
        self.top().shows(r"  memory \d+ B  sync always  journal \d.* written, .*/s$")

    # -- keys --------------------------------------------------------------------------------------

    def test_s_sorts_by_the_next_key(self):
        self.with_queues(alpha=1, beta=3, gamma=2)
        top = self.top("--sort", "length")
        until(lambda: top.names() == ["beta", "gamma", "alpha"], "longest first")
        top.keys("ssss")
        top.shows("by name")
        until(lambda: top.names() == ["alpha", "beta", "gamma"], "by name")
        top.keys("s")
        top.shows("by activity")

    def test_f_filters_and_escape_shows_all_again(self):
        self.with_queues(alpha=1, beta=3, gamma=2)
        top = self.top()
        top.shows("^gamma")
        top.keys("fbxq")
        top.shows(r"only names with: bxq_")
        top.keys("\x7f\x7fe")
        until(lambda: top.names() == ["beta"], "what matches")
        top.keys("\r")
        top.shows(r", only \*be\*")
        top.shows("^ ?q quit")
        top.keys("f\x1b")
        until(lambda: sorted(top.names()) == ["alpha", "beta", "gamma"], "all")

    def test_space_pauses_and_goes_on(self):
        self.with_queues(alpha=1)
        top = self.top()
        top.shows("^alpha +1 ")
        top.keys(" ")
        top.shows(", paused$")
        self.post("alpha", 1)
        self.until_info("alpha", length=2)
        size = len(top.out.text())
        until(lambda: len(top.out.text()) > size + 2000, "some frames")
        top.shows("^alpha +1 ")
        top.keys(" ")
        top.shows("^alpha +2 ")
        top.lacks("paused")

    def test_scrolling(self):
        self.with_queues(**{f"queue{i:02}": 1 for i in range(40)})
        top = self.top("--sort", "name")
        until(lambda: top.names()[:1] == ["queue00"] and len(top.names()) == 19, "the first page")
        top.keys("\x1b[B")
        top.shows("^queue19")
        top.lacks("^queue +length")
        top.keys("\x1b[6~")
        top.shows("^queue38")
        top.keys("\x1b[F")
        top.shows("^queue39")
        top.keys("\x1b[B\x1b[6~")
        top.keys("\x1b[A")
        top.lacks("^queue39")
        top.keys("\x1bOH")
        until(lambda: top.names()[:1] == ["queue00"], "the beginning")

    # -- the terminal ------------------------------------------------------------------------------

    def test_resizing(self):
        self.with_queues(alpha=1, **{"long" * 20: 1})
        top = self.top(columns=120)
        top.shows("^" + "long" * 10)
        top.resize(10, 60)
        until(lambda: len(top.screen().lines) == 10, "ten lines")
        self.assertTrue(all(len(line) <= 60 for line in top.screen().lines[:4]))
        top.shows(r"^longl?\w*\.\.\. +1 ")
        top.resize(40, 200)
        until(lambda: len(top.screen().lines) == 40, "forty lines")
        top.shows("^" + "long" * 20 + " +1 ")

    def test_small_terminal(self):
        self.with_queues(alpha=1)
        top = self.top(lines=3, columns=20)
        top.shows("^zferry top")
        self.assertLessEqual(len(top.screen().lines), 3)
        top.keys("q")
        self.assertEqual(top.wait(), 0)

    def test_q_restores_the_terminal(self):
        self.with_queues(alpha=1)
        top = self.top()
        top.shows("^alpha")
        self.assertTrue(top.screen().entered)
        self.assertFalse(termios.tcgetattr(top.slave)[3] & (termios.ICANON | termios.ECHO))
        top.keys("q")
        self.assertEqual(top.wait(), 0)
        until(top.is_restored, "as it was")

    def test_every_signal_restores_the_terminal(self):
        self.with_queues(alpha=1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
                       signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(number):
                top = self.top()
                top.shows("^alpha")
                self.assertFalse(top.is_restored())
                top.popen.send_signal(number)
                code = top.wait()
                until(top.is_restored, "as it was")
                if number in (signal.SIGINT, signal.SIGTERM):
                    self.assertEqual(code, 0)
                else:
                    self.assertNotEqual(code, 0)

    def test_second_signal_restores_the_terminal(self):
        broker = self.broker()
        self.addCleanup(broker.signal, signal.SIGCONT)
        self.post("alpha", 1)
        top = self.top()
        top.shows("^alpha")
        broker.signal(signal.SIGSTOP)
        top.popen.send_signal(signal.SIGINT)
        top.popen.send_signal(signal.SIGTERM)
        self.assertIn(top.wait(), (0, 128 + signal.SIGTERM, 128 + signal.SIGINT))
        until(top.is_restored, "as it was")

    def test_stopped_and_continued(self):
        self.with_queues(alpha=1)
        top = self.top()
        top.shows("^alpha")
        top.keys("\x1a")
        _, status = os.waitpid(top.popen.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        until(top.is_restored, "the shell's terminal")
        self.post("alpha", 1)
        top.popen.send_signal(signal.SIGCONT)
        top.shows("^alpha +2 ")
        self.assertTrue(top.screen().entered)
        top.keys("q")
        self.assertEqual(top.wait(), 0)
        until(top.is_restored, "as it was")

    def test_terminal_that_goes_away(self):
        self.with_queues(alpha=1)
        top = self.top()
        top.shows("^alpha")
        os.close(top.slave)
        top.slave = os.dup(top.master)
        master, top.master = top.master, os.open("/dev/null", os.O_RDONLY)
        top.popen.send_signal(signal.SIGHUP)
        self.assertEqual(top.wait(), -signal.SIGHUP)
        os.close(master)

    # -- the broker --------------------------------------------------------------------------------

    def test_broker_that_stops_is_told_and_comes_back(self):
        self.journal = self.folder()
        broker = self.durable_broker()
        self.post("alpha", 1)
        top = self.top()
        top.shows("^alpha +1 ")
        broker.stop()
        top.shows("no answer|timed out|not connected|within")
        top.keys("s")
        top.shows("by length")  # keys are not held up
        self.start("broker", "--bind", self.endpoint, "--journal", self.journal)
        self.post("alpha", 1)
        top.shows("^alpha +2 ")

    def test_no_broker(self):
        self.endpoint = self.nobody()
        top = self.top("--timeout", "300ms")
        self.assertEqual(top.wait(), 69)
        self.assertIn("no broker answered", top.out.text())
        self.assertNotIn("\x1b", top.out.text())

    # -- one sample --------------------------------------------------------------------------------

    def test_once_on_a_terminal_is_text(self):
        self.with_queues(alpha=2)
        process = self.start("top", "--once", "--no-color", "--interval", "100ms", "--connect", self.endpoint,
                             terminal=True)
        self.assertEqual(process.wait(), 0)
        self.assertNotIn("\x1b", process.out.text())
        self.assertRegex(process.out.text(), r"(?m)^alpha +2 +\d.* +0 +0 +0 +0 +0 +0 +0\r$")

    def test_into_a_pipe_is_one_object(self):
        self.with_queues(alpha=2)
        self.post("beta", 1)
        row, = self.good("top", "--interval", "100ms").rows()
        self.assertEqual((row["endpoint"], row["broker"]["records"], row["broker"]["posted"]),
                         (self.endpoint, 3, 3))
        self.assertEqual([queue["queue"] for queue in row["queues"]], ["alpha", "beta"])
        self.assertEqual(row["queues"][0]["in_per_s"], 0)
        self.assertEqual(row["queues"][0]["length"], 2)

    def test_rates_of_a_sample_are_those_of_its_interval(self):
        self.with_queues(alpha=1)
        sample = self.start("top", "--json", "--interval", "3s", "--connect", self.endpoint)
        until(lambda: self.zferry("top", "--interval", "100ms").rows()[0]["broker"]["sessions"] >= 2, "a session")
        self.post("alpha", 300)
        self.assertEqual(sample.wait(), 0)
        rate = float(re.search(r'"in_per_s":([\d.]+)', sample.out.text()).group(1))
        self.assertGreater(rate, 10)  # 300 in about three seconds
        self.assertLess(rate, 101)

    def test_mistakes(self):
        self.assertFails(run("top", "--sort", "size"), 64,
                         "zferry top: --sort is activity, length, oldest, leased, dead or name, not 'size'; "
                         "see zferry top --help")
        self.assertFails(run("top", "--interval", "10ms"), 64,
                         "zferry top: --interval is from 100 ms to 60 m, not '10ms'; see zferry top --help")


if __name__ == "__main__":
    rig.main()
