"""Manual pages: one for each verb, option, function and header, and none that roff complains of."""

import glob
import gzip
import os
import re
import subprocess

import rig

PAGES = os.environ["ZFERRY_MAN"]
SOURCE = os.environ["ZFERRY_SOURCE"]


def pages():
    """All pages by name: {"zferry-post.1": path}."""
    found = {}
    for path in glob.glob(os.path.join(PAGES, "man?", "*")):
        found[re.sub(r"\.gz$", "", os.path.basename(path))] = path
    return found


def roff(path):
    opened = gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8")
    with opened as page:
        return page.read()


def rendered(path):
    """The page as text without marks, and what man has to say about it."""
    env = rig.environment(MANWIDTH="100", LC_ALL="C.UTF-8", MANPAGER="cat", GROFF_NO_SGR="1")
    done = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "-l", path], capture_output=True, text=True,
                          timeout=rig.DEADLINE_S, env=env, check=True)
    return re.sub(".\b", "", done.stdout), done.stderr


class Man(rig.Case):
    def test_roff_has_nothing_to_complain_of(self):
        for name, path in sorted(pages().items()):
            if not os.path.islink(path):
                with self.subTest(name):
                    text, complaints = rendered(path)
                    self.assertEqual(complaints, "")
                    self.assertRegex(text, r"(?m)^NAME$")

    def test_each_verb_has_a_page_with_all_of_its_options(self):
        for verb in rig.run("help", "--verbs").out.splitlines():
            with self.subTest(verb):
                text, _ = rendered(pages()["zferry-%s.1" % verb.replace(" ", "-")])
                self.assertIn("zferry " + verb + " [OPTION]...", text)
                told = rig.run(*verb.split(), "--help").out
                for option in re.findall(r"^  (?:-., |    )(--[a-z0-9-]+)", told, re.M):
                    self.assertRegex(text, r"(?m)^       (-., )?%s( |$)" % option)
                example = told.split("example:\n")[1].splitlines()[0]
                self.assertIn(example.strip(), text)

    def test_the_page_of_the_program_lists_the_verbs(self):
        text, _ = rendered(pages()["zferry.1"])
        for verb in rig.run("help", "--verbs").out.splitlines():
            self.assertIn("zferry-%s(1)" % verb.replace(" ", "-"), text)

    def test_each_public_function_has_a_page_that_declares_it(self):
        there = pages()
        count = 0
        for path in glob.glob(os.path.join(SOURCE, "include", "zferry", "*.h")):
            if os.path.basename(path) in ("zferry.h", "export.h"):
                continue
            with open(path, encoding="utf-8") as header:
                names = re.findall(r"^ZF_API [^;(]*?\b(zf_\w+) \(", header.read(), re.M)
            for name in names:
                if not name.endswith("_sized"):
                    count += 1
                    self.assertTrue(name + ".3" in there, name)
                    self.assertIn(name, roff(there[name + ".3"]).replace("\\", ""))
        self.assertGreater(count, 50)

    def test_no_page_refers_to_one_that_is_not_there(self):
        there = pages()
        for name, path in there.items():
            for other, section in re.findall(r"\\fB((?:lib)?z[\w\\-]+)\\fR\((\d)\)", roff(path)):
                wanted = "%s.%s" % (other.replace("\\", ""), section)
                self.assertTrue(wanted in there, "%s refers to %s" % (name, wanted))


if __name__ == "__main__":
    rig.main()
