"""The ledger of the soak test finds what it is there to find."""

import os
import unittest

import rig
from ledger import Ledger


class Books(rig.Case):
    def ledger(self, **books):
        """Of books given as lane_role_name = text."""
        folder = self.folder()
        for name, text in books.items():
            with open(os.path.join(folder, name.replace("_", ".")), "w", encoding="utf-8") as file:
                file.write(text)
        return Ledger(folder)

    def test_what_was_confirmed_and_got_is_not_lost(self):
        ledger = self.ledger(jobs_post_p1="confirmed 1 3\n", jobs_work_w1="got p1 1\ngot p1 3\n",
                             jobs_work_w2="got p1 2\ngot p1 3\n")
        self.assertEqual(ledger.lost("jobs", "work"), set())
        self.assertEqual(ledger.summary("jobs"), "3 confirmed, 3 got, 4 deliveries")

    def test_what_nobody_got_is_lost(self):
        ledger = self.ledger(jobs_post_p1="confirmed 1 3\n", jobs_work_w1="got p1 1\ngot p2 2\n",
                             events_read_r1="got p1 2\ngot p1 3\n")
        self.assertEqual(ledger.lost("jobs", "work"), {("p1", 2), ("p1", 3)})

    def test_what_was_not_confirmed_need_not_be_there(self):
        ledger = self.ledger(jobs_post_p1="confirmed 1 1\nrefused 2 5 -10\n", jobs_work_w1="got p1 1\n")
        self.assertEqual(ledger.lost("jobs", "work"), set())
        self.assertEqual(ledger.refused("jobs")[-10], 5)

    def test_a_line_that_was_cut_does_not_count(self):
        ledger = self.ledger(jobs_post_p1="confirmed 1 1\n", jobs_work_w1="got p1 1")
        self.assertEqual(ledger.lost("jobs", "work"), {("p1", 1)})

    def test_damage_and_gaps_are_told(self):
        ledger = self.ledger(jobs_work_w1="damaged 7 bytes of p1\n", events_read_r1="gap 3 too old\n")
        self.assertEqual(len(ledger.wrong()), 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
