"""Completion for bash: what COMPREPLY is for a command line, and what a person sees who types and presses Tab."""

import os
import pty
import re
import shlex
import subprocess

import rig

CODE = os.path.join(os.environ["ZFERRY_SOURCE"], "packaging", "completion.bash")
BREAKS = "=:"  # of bash's COMP_WORDBREAKS, those that command lines of zferry have


def cut(line):
    """The words as bash has them."""
    words = []
    for word in line.split(" "):
        words += [piece for piece in re.split("([%s]+)" % BREAKS, word) if piece] or [""]
    return words


def script():
    with open(CODE, encoding="utf-8") as code:
        return rig.run("help", "--completion").out + code.read()


class Completion(rig.Case):
    @classmethod
    def setUpClass(cls):
        cls.script = script()

    def complete(self, line, **how):
        """What is offered at the end of the line, sorted."""
        words = [rig.PROGRAM if i == 0 else word for i, word in enumerate(cut(line))]
        call = "\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_zferry\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n" % (
            " ".join(shlex.quote(word) for word in words), len(words) - 1)
        done = subprocess.run(["bash", "--norc", "-c", self.script + call], capture_output=True, text=True,
                              timeout=rig.DEADLINE_S, env=rig.environment(), check=False, **how)
        self.assertEqual(done.stderr, "", line)
        return sorted(done.stdout.split())

    def test_verbs_word_by_word(self):
        self.assertEqual(self.complete("zferry po"), ["post"])
        self.assertIn("queue", self.complete("zferry "))
        self.assertEqual(self.complete("zferry queue "), ["dead", "declare", "info", "ls", "peek", "purge"])
        self.assertEqual(self.complete("zferry queue dead re"), ["requeue"])
        self.assertEqual(self.complete("zferry help stream tr"), ["trim"])
        self.assertEqual(self.complete("zferry xyz "), [])

    def test_each_verb_completes_and_each_of_its_options_is_offered(self):
        for verb in rig.run("help", "--verbs").out.splitlines():
            with self.subTest(verb):
                self.assertIn(verb.split()[-1], self.complete("zferry " + verb))
                told = re.findall(r"^  (?:-., |    )(--[a-z0-9-]+)", rig.run(*verb.split(), "--help").out, re.M)
                self.assertEqual(self.complete("zferry %s --" % verb), sorted(told))

    def test_a_verb_that_begins_others_offers_both(self):
        self.assertIn("queue", self.complete("zferry bench "))
        self.assertIn("--json", self.complete("zferry bench --j"))

    def test_options_behind_other_words(self):
        self.assertEqual(self.complete("zferry post jobs --prio"), ["--priority"])
        self.assertEqual(self.complete("zferry post -c tcp://127.0.0.1:5555 jobs --prio"), ["--priority"])

    def test_values_that_are_words(self):
        self.assertEqual(self.complete("zferry broker --sync "), ["always", "interval=", "never"])
        self.assertEqual(self.complete("zferry broker --sync=al"), ["always"])
        self.assertEqual(self.complete("zferry broker --sync="), ["always", "interval=", "never"])
        self.assertEqual(self.complete("zferry broker --overflow re"), ["reject"])
        self.assertEqual(self.complete("zferry broker --memory "), [])

    def test_values_that_are_files_and_folders(self):
        folder = self.folder()
        os.mkdir(os.path.join(folder, "spool"))
        os.close(os.open(os.path.join(folder, "special.txt"), os.O_CREAT))
        self.assertEqual(self.complete("zferry broker --journal sp", cwd=folder), ["spool"])
        self.assertEqual(self.complete("zferry post jobs --file sp", cwd=folder), ["special.txt", "spool"])
        self.assertEqual(self.complete("zferry journal verify sp", cwd=folder), ["spool"])
        self.assertEqual(self.complete("zferry journal verify spool sp", cwd=folder), [])

    def test_queues_are_those_of_the_broker(self):
        self.broker()
        self.good("post", "jobs", "1")
        self.good("post", "mails", "2")
        there = "--connect %s " % self.endpoint
        self.assertEqual(self.complete("zferry queue info %s" % there), ["jobs", "mails"])
        self.assertEqual(self.complete("zferry work %sm" % there), ["mails"])
        self.assertEqual(self.complete("zferry work --connect=%s --count 3 j" % self.endpoint), ["jobs"])

    def test_no_broker_no_names_and_no_noise(self):
        self.assertEqual(self.complete("zferry work --connect %s " % self.nobody()), [])


class Typed(rig.Case):
    """With readline: what it makes of the answers."""

    def setUp(self):
        path = os.path.join(self.folder(), "zferry.bash")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script())
        main, slave = pty.openpty()
        env = rig.environment(PS1="> ", TERM="dumb", INPUTRC="/dev/null")
        env["PATH"] = os.path.dirname(rig.PROGRAM) + ":" + env["PATH"]
        self.shell = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave,
                                      stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.main = main
        self.out = rig.Stream(main)
        self.addCleanup(self.end)
        self.type("bind 'set enable-bracketed-paste off'; . %s; echo rea''dy\n" % path)
        self.out.wait_for("ready")

    def end(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.main)

    def type(self, text):
        os.write(self.main, text.encode())

    def typed(self, text):
        """What a line has become once its Tabs have been answered."""
        self.type(text + "\x01printf '<%s>' \x05\n")
        return self.out.wait_for(r"\n((?:<[^<>\n]*>)+)").group(1)

    def test_a_line_typed_with_tabs(self):
        self.assertEqual(self.typed("zferry bro\t--syn\tal\t--over\trej\t--sync=nev\t"),
                         "<zferry><broker><--sync><always><--overflow><reject><--sync=never>")

    def test_a_word_that_ends_with_an_equals_sign_is_gone_on_with(self):
        self.assertEqual(self.typed("zferry broker --sync in\t10ms"), "<zferry><broker><--sync><interval=10ms>")


if __name__ == "__main__":
    rig.main()
