"""What needs no broker: help, versions, and mistakes on the command line, word by word."""

import os

import rig
from rig import run

VERBS = [
    ["broker"], ["balancer"], ["post"], ["work"], ["request"], ["serve"], ["queue", "ls"], ["queue", "info"],
    ["queue", "peek"], ["queue", "purge"], ["queue", "declare"], ["queue", "dead", "ls"],
    ["queue", "dead", "requeue"], ["queue", "dead", "discard"], ["version"], ["demo"],
    ["bench", "queue"], ["bench", "request"], ["bench", "journal"],
    ["forwarder"], ["pub"], ["sub"], ["stream", "ls"], ["stream", "info"], ["stream", "groups"], ["stream", "group"],
    ["stream", "trim"], ["stream", "declare"], ["stream", "forget"], ["bench", "pubsub"],
    ["top"], ["tail"], ["peers"], ["whisper"], ["shout"], ["chat"], ["directory"],
    ["journal", "info"], ["journal", "verify"], ["journal", "dump"], ["journal", "repair"],
]
TALKERS = [
    (["post", "q", "body"], "post"), (["request", "s", "body"], "request"), (["work", "q"], "work"),
    (["serve", "s", "--echo"], "serve"), (["queue", "ls"], "queue ls"), (["queue", "info", "q"], "queue info"),
    (["queue", "peek", "q"], "queue peek"), (["queue", "purge", "q"], "queue purge"),
    (["queue", "declare", "q"], "queue declare"), (["queue", "dead", "ls", "q"], "queue dead ls"),
    (["queue", "dead", "requeue", "q"], "queue dead requeue"),
    (["queue", "dead", "discard", "q"], "queue dead discard"),
]


class Help(rig.Case):
    def test_no_arguments_lists_each_verb_on_a_line_and_an_example(self):
        result = run()
        self.assertEqual(result.code, 0)
        for words in VERBS:
            self.assertRegex(result.out, r"(?m)^  %s +[A-Z]" % " ".join(words))
        self.assertIn("example", result.out)
        self.assertEqual(run("--help").out, result.out)
        self.assertEqual(run("help").out, result.out)

    def test_every_verb_has_help_with_options_and_an_example(self):
        for words in VERBS:
            with self.subTest(words):
                result = run(*words, "--help")
                self.assertEqual((result.code, result.err), (0, ""))
                self.assertTrue(result.out.startswith("usage: zferry " + " ".join(words)))
                self.assertIn("--help", result.out)
                self.assertRegex(result.out, r"example:\n  zferry " + words[0])

    def test_help_verb_is_verb_help(self):
        self.assertEqual(run("help", "queue", "declare").out, run("queue", "declare", "--help").out)

    def test_help_wins_over_missing_arguments(self):
        self.assertEqual(run("post", "-h").code, 0)

    def test_group_without_verb_lists_its_verbs(self):
        result = run("queue")
        self.assertEqual((result.code, result.out), (64, ""))
        self.assertIn("queue dead requeue", result.err)
        self.assertNotIn("broker ", result.err.split("verbs:")[1].split("queue ls")[0])
        self.assertEqual(run("queue", "dead", "--help").code, 0)

    def test_version_names_what_it_stands_on(self):
        row = run("version").rows()[0]
        self.assertEqual(list(row), ["zferry", "libzmq", "czmq", "msgpack", "xxhash", "jansson", "libmicrohttpd",
                                     "libyaml", "kernel"])
        self.assertEqual(row.pop("kernel"), os.uname().release)
        for version in row.values():
            self.assertRegex(version, r"^\d+\.\d+(\.\d+)?$")
        asked = run("--version", "--json").rows()[0]
        asked.pop("kernel")
        self.assertEqual(asked, row)


class Mistakes(rig.Case):
    def check(self, args, line):
        with self.subTest(args):
            self.assertFails(run(*args), 64, line)

    def test_unknown_verb_did_you_mean(self):
        self.check(["pots"], "zferry: there is no verb 'pots'; did you mean 'post'?")
        self.check(["quee", "ls"], "zferry: there is no verb 'quee'; did you mean 'queue'?")
        self.check(["queue", "lss"], "zferry: there is no verb 'queue lss'; did you mean 'queue ls'?")
        self.check(["xyzzyx"], "zferry: there is no verb 'xyzzyx'; zferry --help lists them")
        self.check(["-x"], "zferry: the verb comes first; zferry --help lists the verbs")

    def test_options_that_are_wrong(self):
        see = "; see zferry post --help"
        self.check(["post", "q", "b", "--prioritty", "3"],
                   "zferry post: there is no option --prioritty; did you mean --priority?")
        self.check(["post", "q", "b", "--prioritty=3"],
                   "zferry post: there is no option --prioritty; did you mean --priority?")
        self.check(["post", "q", "b", "-Z"], "zferry post: there is no option -Z" + see)
        self.check(["post", "q", "b", "--delay"], "zferry post: --delay needs a value (TIME)" + see)
        self.check(["post", "q", "b", "--lines=1"], "zferry post: --lines takes no value" + see)
        self.check(["post", "q", "b", "--id", "1", "--id", "2"], "zferry post: --id is given twice" + see)

    def test_options_are_not_abbreviated(self):
        self.check(["post", "q", "b", "--prio", "3"],
                   "zferry post: there is no option --prio; see zferry post --help")
        self.check(["serve", "s", "--echo", "--direct", "--name=south"], # not --namespace
                   "zferry serve: there is no option --name; see zferry serve --help")

    def test_numbers_are_strict(self):
        see = "; see zferry post --help"
        for value in ("x", "", "5x", "-1", "1.5s", " 5s", "5s ", "99999999999999999999"):
            self.check(["post", "q", "b", "--delay=" + value],
                       f"zferry post: --delay is a time such as 250ms, 5s or 10m, not '{value}'" + see)
        self.check(["post", "q", "b", "--priority", "10"], "zferry post: --priority is from 0 to 9, not '10'" + see)
        self.check(["post", "q", "b", "--ttl", "0"], "zferry post: --ttl is 1 ms or more, not '0'" + see)
        self.check(["broker", "--memory", "1kb"],
                   "zferry broker: --memory is a size such as 4096, 64KiB or 10MiB, not '1kb'; "
                   "see zferry broker --help")
        self.check(["broker", "--max-message", "1B"],
                   "zferry broker: --max-message is from 1 KiB to 2 GiB, not '1B'; see zferry broker --help")
        self.check(["work", "q", "--count", "many"],
                   "zferry work: --count is a whole number, not 'many'; see zferry work --help")

    def test_arguments_that_are_wrong(self):
        self.check(["post"],
                   "zferry post: an argument is missing; usage: zferry post QUEUE [BODY | - | --file F] [--lines]")
        self.check(["post", "a", "b", "c"], "zferry post: argument 'c' is one too many; see zferry post --help")
        self.check(["version", "x"], "zferry version: argument 'x' is one too many; see zferry version --help")

    def test_options_that_do_not_go_together(self):
        self.check(["work", "q", "--exec", "true", "--raw"],
                   "zferry work: --exec, --echo and --raw exclude each other; see zferry work --help")
        self.check(["work", "q", "--concurrency", "2"],
                   "zferry work: --concurrency is for --exec; see zferry work --help")
        self.check(["serve", "s"],
                   "zferry serve: how to answer? give --exec CMD or --echo; see zferry serve --help")
        self.check(["post", "q", "b", "--file", "f"],
                   "zferry post: BODY and --file F exclude each other; see zferry post --help")
        self.check(["post", "q", "--lines", "--id", "1", "-"],
                   "zferry post: --id is for one record, not for --lines; see zferry post --help")
        self.check(["post", "q", "b", "--header", "color"],
                   "zferry post: --header is NAME=VALUE, not 'color'; see zferry post --help")
        self.check(["post", "q", "b", "--key", ""],
                   "zferry post: --key is from 1 to 255 bytes long; see zferry post --help")
        self.check(["queue", "declare", "q", "--overflow", "explode"],
                   "zferry queue declare: --overflow is backpressure, reject or drop-oldest, not 'explode'; "
                   "see zferry queue declare --help")
        self.check(["queue", "declare", "q", "--ordered", "--unordered"],
                   "zferry queue declare: --ordered and --unordered exclude each other; "
                   "see zferry queue declare --help")
        self.check(["broker", "--backoff-min", "2s", "--backoff-max", "1s"],
                   "zferry broker: --backoff-min is more than --backoff-max; see zferry broker --help")

    def test_missing_file_is_no_input(self):
        missing = self.folder() + "/missing"
        self.assertFails(run("post", "q", "--file", missing), 66,
                         f"zferry post: cannot open '{missing}': No such file or directory")
        self.assertFails(run("request", "s", "--file", missing), 66,
                         f"zferry request: cannot open '{missing}': No such file or directory")

    def test_no_body_on_a_terminal_asks_for_one(self):
        process = self.start("post", "q", terminal="both", stdin="terminal")
        process.err.wait_for("zferry post: no body: give it as an argument, with --file F, or - for standard input")
        self.assertEqual(process.wait(), 64)

    def test_endpoint_that_is_none(self):
        result = run("post", "q", "b", "--connect", "nonsense")
        self.assertEqual((result.code, result.out), (64, ""))
        self.assertRegex(result.err, r"^zferry post: .*nonsense.*; endpoints look like "
                                     r"tcp://127.0.0.1:5555 or ipc:///tmp/zferry\n$")


class NoBroker(rig.Case):
    def test_every_verb_that_talks_says_that_nobody_answered(self):
        endpoint = self.nobody()
        for args, verb in TALKERS:
            with self.subTest(verb):
                result = run(*args, "--timeout", "300ms", "--connect", endpoint)
                self.assertFails(result, 69, f"zferry {verb}: no broker answered at {endpoint} within 300 ms; "
                                             "is one running? (zferry broker)")
                self.assertEqual(result.out, "")

    def test_endpoints_from_the_environment(self):
        one, two = self.nobody(), self.nobody()
        result = run("queue", "ls", "-t", "300ms", env=rig.environment(ZFERRY_CONNECT=f"{one}, {two}"))
        self.assertFails(result, 69, f"zferry queue ls: no broker answered at {one}, {two} within 300 ms; "
                                     "is one running? (zferry broker)")

    def test_connect_wins_over_the_environment(self):
        one, two = self.nobody(), self.nobody()
        result = run("queue", "ls", "-t", "300ms", "-c", two, env=rig.environment(ZFERRY_CONNECT=one))
        self.assertIn(f"at {two} within", result.err)

    def test_lines_without_broker_fail(self):
        endpoint = self.nobody()
        result = run("post", "q", "--lines", "-t", "300ms", "-c", endpoint, "-q", stdin=b"a\nb\n")
        self.assertEqual(result.code, 69)
        self.assertIn(f"no broker answered at {endpoint} within", result.err)


if __name__ == "__main__":
    rig.main()
