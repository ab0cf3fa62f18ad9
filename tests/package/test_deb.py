"""The Debian packages: built here, unpacked and used from there; and, where that can be had, installed for good,
upgraded, removed and purged on a throw-away copy of this system."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import rig

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["ZFERRY_BUILD"]
VERSION = os.environ["ZFERRY_VERSION"]


def call(*words, **how):
    """Runs it; returns what it prints. An error is told with all its output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False, **how)
    if done.returncode != 0:
        raise AssertionError("%s: %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
    return done.stdout


def make_packages(folder, *settings):
    call(os.environ["ZFERRY_CPACK"], "-G", "DEB", "-B", folder, *settings, cwd=BUILD)
    return {re.sub("_.*", "", os.path.basename(path)): path for path in glob.glob(os.path.join(folder, "*.deb"))}


class Deb(rig.Case):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.mkdtemp(prefix="zferry-test-")
        cls.addClassCleanup(shutil.rmtree, cls.made)
        cls.debs = make_packages(cls.made)
        cls.root = os.path.join(cls.made, "root")
        for path in cls.debs.values():
            call("dpkg-deb", "-x", path, cls.root)

    def field(self, package, name):
        return call("dpkg-deb", "-f", self.debs[package], name).strip()

    def listed(self, package):
        return call("dpkg-deb", "-c", self.debs[package])

    def libraries(self):
        """The folder that has libzferry.so."""
        return os.path.dirname(glob.glob(self.root + "/usr/lib/**/libzferry.so", recursive=True)[0])

    def test_three_packages_of_this_version(self):
        self.assertEqual(sorted(self.debs), ["libzferry-dev", "libzferry0", "zferry"])
        for package in self.debs:
            self.assertEqual(self.field(package, "Version"), VERSION + "-1")

    def test_packages_name_what_they_need(self):
        self.assertRegex(self.field("libzferry0", "Depends"), r"libc6 .*libczmq4.*libzmq5")
        self.assertRegex(self.field("zferry", "Depends"), r"libc6 .*libczmq4.*libjansson4.*libzmq5")
        self.assertIn("libzferry0 (= %s-1)" % VERSION, self.field("libzferry-dev", "Depends"))
        folder = self.folder()
        call("dpkg-deb", "-e", self.debs["libzferry0"], folder)
        with open(os.path.join(folder, "shlibs"), encoding="utf-8") as shlibs:
            self.assertIn("libzferry 0 libzferry0 (= %s-1)" % VERSION, shlibs.read())

    def test_everything_belongs_to_root_and_nobody_else_may_write(self):
        for package in self.debs:
            for line in self.listed(package).splitlines():
                self.assertRegex(line, r"^(l.{9}|[d-].{4}-..-.) root/root ", package)

    def test_each_file_is_in_the_package_where_it_belongs(self):
        self.assertRegex(self.listed("libzferry0"), r"/libzferry\.so\.0\.")
        self.assertNotIn("libzferry.so\n", self.listed("libzferry0"))
        for end in (r"include/zferry/client\.h", r"libzferry\.a", r"zferry\.pc", r"zferryConfig\.cmake",
                    r"libzferry\.so -> libzferry\.so\.0"):
            self.assertRegex(self.listed("libzferry-dev"), end)
        for end in ("usr/bin/zferry", "lib/systemd/system/zferry@.service", "lib/sysusers.d/zferry.conf",
                    "lib/tmpfiles.d/zferry.conf", "bash-completion/completions/zferry", "etc/zferry/example.yaml"):
            self.assertIn(end + "\n", self.listed("zferry"))

    def test_no_text_remembers_where_it_was_built(self):
        for path in glob.glob(self.root + "/**", recursive=True):
            if os.path.isfile(path) and not re.search(r"\.(so.*|a|gz)$|/bin/", path):
                with open(path, encoding="utf-8") as file:
                    self.assertNotRegex(file.read(), "%s|%s" % (re.escape(BUILD), re.escape(os.environ["ZFERRY_SOURCE"])))

    def test_program_works_from_there(self):
        program = os.path.join(self.root, "usr", "bin", "zferry")
        broker = subprocess.Popen([program, "broker", "--bind", "tcp://127.0.0.1:*", "--journal", self.folder()],
                                  stderr=subprocess.PIPE, env=rig.environment())
        self.addCleanup(broker.stderr.close)
        self.addCleanup(broker.wait, rig.DEADLINE_S)
        self.addCleanup(broker.terminate)
        at = rig.Stream(broker.stderr.fileno()).wait_for(r"listening on (tcp://\S+)\n").group(1)
        call(program, "post", "jobs", "hello", "--connect", at)
        self.assertEqual(call(program, "work", "jobs", "--raw", "--count", "1", "--connect", at), "hello\n")

    def test_a_program_is_built_by_pkg_config(self):
        env = rig.environment(PKG_CONFIG_PATH=os.path.join(self.libraries(), "pkgconfig"))
        flags = call("pkg-config", "--cflags", "--libs", "zferry", env=env).split()
        self.assertTrue(any(flag.startswith("-I" + self.root) for flag in flags), flags)
        source = os.path.join(os.environ["ZFERRY_SOURCE"], "tests", "install", "outside", "outside.c")
        program = os.path.join(self.folder(), "outside")
        call(os.environ["CC"], "-std=c11", source, "-o", program, *flags)
        self.assertEqual(call(program, env=rig.environment(LD_LIBRARY_PATH=self.libraries())), VERSION + "\n")

    def test_a_program_is_built_by_cmake(self):
        folder = self.folder()
        outside = os.path.join(os.environ["ZFERRY_SOURCE"], "tests", "install", "outside")
        shutil.copy(os.path.join(outside, "CMakeLists.txt"), folder)
        for name in ("outside.c", "outside.cpp"):
            shutil.copy(os.path.join(outside, "outside.c"), os.path.join(folder, name))
        cmake = os.environ["ZFERRY_CMAKE"]
        call(cmake, "-S", folder, "-B", folder + "/build", "-DCMAKE_PREFIX_PATH=%s/usr" % self.root,
             "-DZFERRY_EXPECTED=" + VERSION)
        call(cmake, "--build", folder + "/build")
        for program in ("c_shared", "c_static"):
            self.assertEqual(call(os.path.join(folder, "build", program)), VERSION + "\n")

    def test_debian_finds_no_error(self):
        if shutil.which("lintian") is None:
            self.skipTest("lintian is not here; ./run package brings it")
        # A tree that is not configured for /usr has its libraries beside where Debian has them.
        known = "pkg-config-multi-arch-wrong-dir,pkg-config-unavailable-for-cross-compilation"
        root = ["--allow-root"] if os.getuid() == 0 else []
        said = call("lintian", *root, "--fail-on", "error", "--suppress-tags", known, *self.debs.values())
        self.assertNotIn("E: ", said)


class Installed(rig.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="zferry-test-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.old = make_packages(os.path.join(folder, "old"))["zferry"]
        cls.new = make_packages(os.path.join(folder, "new"), "-D", "CPACK_PACKAGE_VERSION=%s+1" % VERSION)["zferry"]

    def script(self, name):
        return os.path.join(HERE, name)

    def test_journals_survive_upgrade_removal_and_purge(self):
        may = subprocess.run([self.script("throwaway.sh"), "true"], capture_output=True, text=True, check=False)
        if may.returncode != 0:
            self.skipTest("takes root and overlay mounts: " + may.stderr.strip())
        said = call(self.script("throwaway.sh"), self.script("installed.sh"), self.old, self.new)
        self.assertIn("all is well\n", said)

    def test_service_under_systemd(self):
        done = subprocess.run([self.script("boot.sh"), self.script("booted.sh"), "150", self.new], capture_output=True,
                              text=True, timeout=200, check=False)
        if done.returncode == 125:
            self.skipTest("takes root, namespaces and systemd: " + done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("all is well\n", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
