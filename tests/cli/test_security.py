"""Keys on the command line: making them, files that are refused, options that contradict each other, and
what a device says when the files change. Who gets through a handshake is in test_curve."""

import os
import re
import stat

import rig
from rig import run

OK, USAGE, DATA, NO_INPUT, CANT_CREATE, NO_PERMISSION, CONFIG = 0, 64, 65, 66, 73, 77, 78
RFC_KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"  # of RFC 32
RFC_FINGERPRINT = "9b44:b99b:076b:0ab7"
NO_KEY = "--key-file FILE (zferry keygen FILE makes one)"


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def replace(path, text):
    """Writes a file as a whole: who reads it has the old one or the new one."""
    draft = os.path.join(os.path.dirname(path), ".draft")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, path)


class KeyCase(rig.Case):
    def setUp(self):
        self.dir = self.folder()

    def path(self, name):
        return os.path.join(self.dir, name)

    def make_key(self, name, *args):
        """Makes a pair; returns the path of the secret one."""
        result = run("keygen", self.path(name), *args)
        self.assertEqual(result.code, OK, result.err)
        return self.path(name)

    def key_of(self, file):
        return run("key", file).rows()[0]["key"]


class Keygen(KeyCase):
    def test_makes_two_files_and_says_what_to_do(self):
        file = self.path("ann")
        result = run("keygen", file, "--name", "ann@till-7")
        row = result.rows()[0]
        self.assertEqual(result.code, OK)
        self.assertEqual(list(row), ["key", "name", "fingerprint"])
        self.assertEqual(len(row["key"]), 40)
        self.assertEqual(row["name"], "ann@till-7")
        self.assertRegex(row["fingerprint"], r"^[0-9a-f]{4}(:[0-9a-f]{4}){3}$")
        self.assertEqual(
            result.err,
            f"{file} is the secret: it stays on this machine, and zferry gets it by --key-file {file}\n"
            f"{file}.pub is for others: into the directory of their --authorised, or for --server-key\n",
        )
        self.assertEqual(sorted(os.listdir(self.dir)), ["ann", "ann.pub"])

    def test_secret_is_nobody_elses(self):
        file = self.make_key("ann")
        self.assertEqual(mode_of(file), 0o600)
        self.assertIn("secret-key", text_of(file))
        self.assertNotIn("secret-key", text_of(file + ".pub"))

    def test_secret_is_shown_nowhere(self):
        result = run("keygen", self.path("ann"))
        secret = re.search(r'secret-key = "(.{40})"', text_of(self.path("ann"))).group(1)
        self.assertNotIn(secret, result.out + result.err + run("key", self.path("ann")).out)

    def test_two_keys_are_two(self):
        self.assertNotEqual(self.key_of(self.make_key("a")), self.key_of(self.make_key("b")))

    def test_nothing_is_written_over(self):
        file = self.make_key("ann")
        before = text_of(file)
        self.assertFails(run("keygen", file), CANT_CREATE,
                         f"zferry keygen: {file}.pub is there already; keys are not written over")
        os.unlink(file + ".pub")
        self.assertFails(run("keygen", file), CANT_CREATE,
                         f"zferry keygen: {file} is there already; keys are not written over")
        self.assertEqual(text_of(file), before)

    def test_names_that_can_be_none(self):
        for name in ("", "a b", "a*", "#a", 'a"', "a" * 64, RFC_KEY):
            self.assertFails(run("keygen", self.path("x"), "--name", name), CANT_CREATE,
                             "zferry keygen: a key's name has 1 to 63 bytes, no blanks, none of #\"*, and is no key")
        self.assertEqual(os.listdir(self.dir), [])

    def test_directory_that_is_not_there(self):
        file = self.path("no/ann")
        self.assertFails(run("keygen", file), 74,
                         f"zferry keygen: {file}.pub: there is no such directory; make it first")

    def test_help(self):
        for verb in ("keygen", "key"):
            result = run(verb, "--help")
            self.assertEqual((result.code, result.err), (OK, ""))
            self.assertRegex(result.out, r"example:\n  zferry " + verb)


class Key(KeyCase):
    def test_either_file_and_the_key_itself_are_the_same(self):
        file = self.make_key("ann", "--name", "ann")
        secret, public = run("key", file).rows()[0], run("key", file + ".pub").rows()[0]
        self.assertEqual(secret, public)
        self.assertEqual(public["name"], "ann")
        self.assertEqual(run("key", public["key"]).rows()[0], {**public, "name": ""})

    def test_fingerprint_is_the_same_everywhere(self):
        self.assertEqual(run("key", RFC_KEY).rows()[0],
                         {"key": RFC_KEY, "name": "", "fingerprint": RFC_FINGERPRINT})

    def test_terminal_shows_lines(self):
        process = self.start("key", RFC_KEY, "--no-color", terminal=True)
        process.out.wait_for(r"fingerprint +9b44:b99b:076b:0ab7")
        self.assertEqual(process.wait(), OK)

    def test_what_is_none(self):
        path = self.path("x")
        self.assertFails(run("key", path), NO_INPUT,
                         f"zferry key: {path}: there is no such file, and it is no key (40 characters, Z85)")
        replace(path, "hello\n")
        self.assertFails(run("key", path), DATA, f"zferry key: {path}: no certificate: there is no public-key in it")
        replace(path, "curve\n    public-key = \"x\"\n")
        self.assertFails(run("key", path), DATA,
                         f"zferry key: {path}:2: public-key is no key: that has 40 characters, Z85")
        self.assertFails(run("key", self.dir), DATA, f"zferry key: {self.dir}: not a file")


class Options(KeyCase):
    """What is wrong before anything is connected."""

    def check(self, code, line, *args, **env):
        self.assertFails(run("queue", "ls", "-c", "tcp://127.0.0.1:1", *args, env=rig.environment(**env)), code,
                         "zferry queue ls: " + line)

    def test_secret_that_others_may_read(self):
        file = self.make_key("ann")
        for mode in (0o644, 0o640, 0o604, 0o660, 0o610, 0o602):
            os.chmod(file, mode)
            self.check(NO_PERMISSION, f"{file}: others may read it (mode {mode:04o}); chmod 600 {file}",
                       "--key-file", file)
        self.check(NO_PERMISSION, f"{file}: others may read it (mode 0602); chmod 600 {file}", ZFERRY_KEY=file)

    def test_key_files_that_are_none(self):
        file = self.make_key("ann")
        self.check(NO_INPUT, f"{file}2: No such file or directory", "--key-file", file + "2")
        os.chmod(file + ".pub", 0o600)
        self.check(CONFIG, f"{file}.pub: there is no secret key in it; ours is the file without .pub",
                   "--key-file", file + ".pub")
        replace(file, "curve\n    public-key = \"x\"\n")
        os.chmod(file, 0o600)
        self.check(CONFIG, f"{file}:2: public-key is no key: that has 40 characters, Z85", "--key-file", file)

    def test_lists_and_rules_that_are_wrong(self):
        file, path = self.make_key("ann"), self.path("list")
        replace(path, f"# who may\n{RFC_KEY}\n")
        self.check(CONFIG, f"{path}:2: behind the key comes a name: 1 to 63 bytes, no blanks, none of #\"*, no key",
                   "--key-file", file, "--authorised", path)
        replace(path, "\nann sing jobs\n")
        result = run("queue", "ls", "--key-file", file, "--rules", path)
        self.assertRegex(result.err, rf"^zferry queue ls: {path}:2: 'sing' is no right ")
        self.assertEqual(result.code, CONFIG)
        self.check(NO_INPUT, f"{path}2: No such file or directory", "--key-file", file, "--rules", path + "2")
        self.check(NO_INPUT, f"{path}2: there is no such file, and it is no key (40 characters, Z85)",
                   "--key-file", file, "--server-key", path + "2")

    def test_what_contradicts_itself(self):
        file, see = self.make_key("ann"), "; see zferry queue ls --help"
        for option in ("key-file", "authorised", "server-key", "rules"):
            self.check(USAGE, f"--insecure and --{option} exclude each other{see}", "--insecure", "--" + option, file)
        for option in ("authorised", "server-key", "rules"):
            self.check(USAGE, f"--{option} takes a key of our own: {NO_KEY}{see}", "--" + option, file)

    def test_environment_that_contradicts_itself(self):
        self.check(CONFIG, "ZFERRY_INSECURE and ZFERRY_KEY exclude each other", ZFERRY_KEY="x", ZFERRY_INSECURE="1")
        self.check(CONFIG, f"ZFERRY_SERVER_KEY takes a key of our own: ZFERRY_KEY or {NO_KEY}",
                   ZFERRY_SERVER_KEY=RFC_KEY)
        self.check(CONFIG, "ZFERRY_INSECURE is 1 or 0, not 'yes'", ZFERRY_INSECURE="yes")

    def test_options_win_over_the_environment(self):
        file = self.make_key("ann")
        self.check(NO_INPUT, f"{file}2: No such file or directory", "--key-file", file + "2", ZFERRY_KEY=file,
                   ZFERRY_INSECURE="1")
        result = run("queue", "ls", "-c", self.nobody(), "-t", "200ms", "--insecure",
                     env=rig.environment(ZFERRY_KEY=file + "2"))
        self.assertIn("no broker answered", result.err)

    def test_short_name_where_records_have_no_key(self):
        file = self.path("ann")
        self.check(NO_INPUT, f"{file}: No such file or directory", "--key", file)
        self.check(USAGE, "--key-file is given twice; see zferry queue ls --help", "--key", file, "--key-file", file)
        result = run("post", "q", "b", "--key", file, "-c", self.nobody(), "-t", "200ms")  # an ordering key
        self.assertIn("no broker answered", result.err)

    def test_every_verb_with_endpoints_has_them(self):
        for words in (["broker"], ["balancer"], ["forwarder"], ["link"], ["post"], ["work"], ["request"], ["serve"],
                      ["pub"], ["sub"], ["queue", "ls"], ["stream", "ls"], ["peers"], ["whisper"], ["chat"],
                      ["directory"], ["submit"], ["fetch"]):
            with self.subTest(words):
                text = run(*words, "--help").out
                for option in ("key-file FILE", "authorised PATH", "server-key KEY|FILE", "rules FILE", "insecure"):
                    self.assertRegex(text, r"(?m)^ +--%s\b" % re.escape(option))
        self.assertNotIn("--insecure", run("demo", "--help").out)


class Devices(KeyCase):
    def secured(self, authorised):
        """A broker with the key hub; the list of who is authorised is the file list."""
        replace(self.path("list"), authorised)
        return self.broker("--key-file", self.make_key("hub"), "--authorised", self.path("list"))

    def test_address_that_others_reach_takes_a_key(self):
        for args in (["broker", "--bind", "tcp://0.0.0.0:*"], ["forwarder", "--bind", "tcp://0.0.0.0:*"],
                     ["balancer", "--front", "tcp://0.0.0.0:*", "--back", "tcp://127.0.0.1:*"]):
            with self.subTest(args):
                result = run(*args)
                self.assertEqual(result.code, NO_PERMISSION)
                self.assertIn("tcp://0.0.0.0:*", result.err)
                self.assertTrue(result.err.endswith("; that is " + NO_KEY + ", or --insecure\n"), result.err)

    def test_insecure_binds_what_is_asked_for(self):
        process = self.device("broker", "--bind", "tcp://0.0.0.0:*", "--insecure")
        port = process.err.wait_for(r"listening on tcp://0.0.0.0:(\d+)\n").group(1)
        self.endpoint = "tcp://127.0.0.1:" + port
        self.good("post", "jobs", "hello")

    def test_plain_sockets_have_no_keys(self):
        key = self.make_key("ann")
        for verb in (["pub", "t", "x", "--raw", "-w", "0"], ["sub", "--raw", "--idle", "1ms"]):
            result = run(*verb, "--connect", "tcp://127.0.0.1:1", "--key-file", key)
            self.assertEqual((result.code, result.out), (USAGE, ""))
            self.assertIn("--raw has no keys", result.err)
            result = run(*verb, "--bind", "tcp://*:*")
            self.assertEqual((result.code, result.out), (NO_PERMISSION, ""))
            self.assertIn("other machines can reach that, and --raw has no keys", result.err)
            result = run(*verb, "--bind", "tcp://*:*", "--insecure")
            self.assertEqual(result.code, OK, result.err)

    def test_nobody_authorised_is_said(self):
        process = self.broker("--key-file", self.make_key("hub"))
        process.err.wait_for(r"security: nobody may connect; --authorised says who may\n")

    def test_list_that_changes_is_read_again(self):
        process = self.secured(f"{RFC_KEY} ann\n")
        replace(self.path("list"), f"{RFC_KEY} ann\n{self.key_of(self.path('hub'))} hub\n")
        process.err.wait_for(rf"security: {self.path('list')}: read again: 2 keys\n")

    def test_list_that_is_wrong_is_told_and_leaves_the_old_one(self):
        process = self.secured(f"{RFC_KEY} ann\n")
        replace(self.path("list"), "ann\n")
        process.err.wait_for(rf"security: {self.path('list')}:1: a line is KEY NAME, .*; what was in force stays so\n")

    def test_limits_are_numbers(self):
        for option, wrong, line in (
            ("max-connections", "many", "--max-connections is a whole number, not 'many'"),
            ("handshake-timeout", "0", "--handshake-timeout is from 1 ms to 1193 h, not '0'"),
            ("client-rate", "-1", "--client-rate is a whole number, not '-1'"),
            ("client-bytes", "1kb", "--client-bytes is a size such as 4096, 64KiB or 10MiB, not '1kb'"),
            ("client-queues", "0", "--client-queues is from 1 to 4294967295, not '0'"),
        ):
            for verb in ("broker", "forwarder"):
                result = run(verb, "--" + option, wrong)
                self.assertEqual(result.code, USAGE)
                self.assertRegex(result.err, "^zferry %s: %s" % (verb, re.escape(line).replace(r"1193\ h", r"\S+ \S+")))


if __name__ == "__main__":
    rig.main()
