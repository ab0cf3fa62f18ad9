"""demo --mesh: nobody has an address, a server is killed, and nothing is lost; and if it is, it says so."""

import os
import re
import signal

import rig
from rig import run


class Mesh(rig.Case):
    def mesh(self, *args, code=0):
        result = run("demo", "--mesh", *args)
        self.assertEqual(result.code, code, result.err)
        return result.rows()[0], result.err

    def test_killed_server_loses_nothing(self):
        row, err = self.mesh("--seconds", "2s")
        self.assertEqual((row["servers"], row["killed"], row["lost"], row["wrong"]), (3, 1, 0, 0))
        self.assertGreater(row["asked"], 0)
        self.assertEqual(row["answered"], row["asked"])
        self.assertEqual(sum(row["answered_by"]), row["asked"])
        self.assertEqual((row["subscribers"], row["published"], row["received"], row["missing"]), (2, 10000, 20000, 0))
        self.assertRegex(err, r"killed     server 1 \(process \d+\) with SIGKILL after \d+ answers, with requests")
        self.assertIn(f"all {row['asked']} requests were answered, although a server was killed; "
                      "all 20000 events arrived\n", err)

    def test_requests_are_balanced(self):
        row, _ = self.mesh("--seconds", "2s", "--workers", "2")
        self.assertEqual(len(row["answered_by"]), 2)
        for share in row["answered_by"]:
            self.assertGreater(share, row["asked"] / 50)

    def test_single_server_is_spared(self):
        row, err = self.mesh("--seconds", "300ms", "--workers", "1")
        self.assertEqual((row["servers"], row["killed"], row["lost"]), (1, 0, 0))
        self.assertNotIn("killed     server", err)

    def test_lost_request_is_found(self):
        row, err = self.mesh("--seconds", "300ms", "--skip", "7", code=70)
        self.assertEqual(row["lost"], 1)
        self.assertTrue(err.endswith(f"zferry demo: 1 of {row['asked']} requests were not answered; that is a bug\n"))

    def test_interrupted_demo_waits_for_what_it_has_asked(self):
        process = self.start("demo", "--mesh", "--seconds", "10m")
        process.err.wait_for(r"answered [1-9]")
        rig.interrupt(process)
        self.assertEqual(process.wait(), 0, process.err.text())
        self.assertIn('"lost":0', process.out.text())

    def test_dead_demo_leaves_no_process(self):
        process = self.start("demo", "--mesh", "--seconds", "10m")
        process.err.wait_for(r"answered [1-9]")
        family = [int(pid) for pid in re.findall(r"process (\d+)", process.err.text())]
        self.assertEqual(len(family), 3)
        process.signal(signal.SIGKILL)
        rig.until(lambda: not any(alive(pid) for pid in family), f"end of {family}")

    def test_mistakes(self):
        for args in (["LICENSE"], ["--repeat", "2"]):
            self.assertFails(run("demo", "--mesh", *args), 64,
                             "zferry demo: FILE and --repeat are not for --mesh; see zferry demo --help")


def alive(pid):
    """A process that is there and not a zombie."""
    if not os.path.exists(f"/proc/{pid}/stat"):
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    rig.main()
