"""What the clients' books say (book.h), and whether it adds up: each record that was confirmed has been got by
somebody, as it was sent."""

import collections
import glob
import os


class Book:
    """One client's book."""

    def __init__(self, path):
        self.confirmed = set()  # numbers of this producer
        self.refused = collections.Counter()  # by code
        self.got = set()  # (producer, number)
        self.deliveries = 0
        self.wrong = []  # lines that must not be there
        self.answered = 0
        self.failed = collections.Counter()  # by code
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.endswith("\n"):  # the last one may have been cut by a kill
                    self.take(line.split())

    def take(self, words):
        kind = words[0] if words else ""
        if kind == "got":
            self.deliveries += 1
            self.got.add((words[1], int(words[2])))
        elif kind == "confirmed":
            self.confirmed.update(range(int(words[1]), int(words[1]) + int(words[2])))
        elif kind == "refused":
            self.refused[int(words[3])] += int(words[2])
        elif kind == "answered":
            self.answered += 1
        elif kind == "failed":
            self.failed[int(words[1])] += 1
        else:
            self.wrong.append(" ".join(words))


class Ledger:
    """All books of a folder. A book's file is called LANE.ROLE.NAME: lanes are what producers and consumers share."""

    def __init__(self, folder):
        self.books = {}
        for path in glob.glob(os.path.join(folder, "*.*.*")):
            self.books[tuple(os.path.basename(path).split("."))] = Book(path)

    def of(self, lane, *roles):
        return {name: book for (its, role, name), book in self.books.items() if its == lane and role in roles}

    def confirmed(self, lane):
        return {(name, number) for name, book in self.of(lane, "post", "publish").items() for number in book.confirmed}

    def got(self, lane, *roles):
        return set().union(*[book.got for book in self.of(lane, *roles).values()])

    def lost(self, lane, *roles):
        """What was confirmed in this lane, and nobody of these roles has got."""
        return self.confirmed(lane) - self.got(lane, *roles)

    def wrong(self):
        return ["%s: %s" % (".".join(key), line) for key, book in self.books.items() for line in book.wrong]

    def refused(self, lane):
        return sum((book.refused for book in self.of(lane, "post", "publish").values()), collections.Counter())

    def summary(self, lane):
        takers = self.of(lane, "work", "read", "audit").values()
        return "%d confirmed, %d got, %d deliveries" % (
            len(self.confirmed(lane)), len(set().union(*[book.got for book in takers])),
            sum(book.deliveries for book in takers))
