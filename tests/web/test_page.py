"""The page in a headless Chromium: what a person does, and what the page may not do."""

import json
import unittest
from urllib.parse import urlsplit

from browser import Browser
from rig import TOKEN, Case


class Page(Case):
    def open(self, *args, **how):
        self.at = self.stand(*args, **how)
        self.browser = Browser()
        self.addCleanup(self.browser.stop)
        self.browser.shape(1400, 1000)
        self.browser.open(self.at.url + "/")

    def until_text(self, selector, words):
        self.browser.until(f"document.querySelector({json.dumps(selector)}).textContent.includes({json.dumps(words)})",
                           f"{selector} says {words}")

    def dead_count(self, count):
        self.until_text('[data-dead="jobs"] .count', str(count))

    def unlock(self, token=TOKEN):
        self.browser.until("document.getElementById('ask').open && document.activeElement.id === 'ask-token'")
        self.browser.type(token)
        self.browser.click("#ask-yes")

    def is_quiet(self):
        """Nothing was fetched from elsewhere, and nothing was complained about."""
        for request in self.browser.named("Network.requestWillBeSent"):
            url = request["request"]["url"]
            if not url.startswith("data:"):
                self.assertEqual(urlsplit(url).netloc, urlsplit(self.at.url).netloc, url)
        self.assertEqual(self.browser.named("Runtime.exceptionThrown"), [])
        self.assertEqual([e["args"] for e in self.browser.named("Runtime.consoleAPICalled")], [])
        self.assertEqual([e["entry"]["text"] for e in self.browser.named("Log.entryAdded")
                          if "401" not in e["entry"]["text"]], [])

    def test_click_requeues_a_dead_letter_and_the_count_changes(self):
        self.open()
        self.dead_count(5)
        self.assertEqual(self.at.queue("jobs")["length"], 0)
        self.browser.click('[data-dead="jobs"] .link')
        self.until_text("#sheet-dead-note", "5 in jobs.dead")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('.letter').length"), 5)
        self.browser.click("#requeue-one")
        self.unlock()
        self.until_text("#sheet-dead-note", "4 in jobs.dead")
        self.dead_count(4)
        self.assertEqual(self.at.queue("jobs")["length"], 1)
        self.browser.click("#requeue-one")  # the token is known now
        self.dead_count(3)
        self.assertEqual(self.at.queue("jobs")["length"], 2)
        self.is_quiet()

    def test_discard_asks_first(self):
        self.open()
        self.dead_count(5)
        self.browser.click("#lock")
        self.unlock()
        self.browser.click('[data-dead="jobs"] .link')
        self.until_text("#sheet-dead-note", "5 in jobs.dead")
        self.browser.click("#discard-all")
        self.until_text("#ask-text", "All dead letters of jobs will be gone.")
        self.browser.click("#ask-no")
        self.browser.until("!document.getElementById('ask').open")
        self.assertEqual(self.at.queue("jobs.dead")["length"], 5)
        self.browser.click("#discard-one")
        self.until_text("#ask-text", "The oldest dead letter of jobs will be gone.")
        self.browser.click("#ask-yes")
        self.until_text("#sheet-dead-note", "4 in jobs.dead")
        self.assertEqual(self.at.queue("jobs.dead")["length"], 4)
        self.assertEqual(self.at.queue("jobs")["length"], 0)
        self.is_quiet()

    def test_wrong_token_is_asked_for_again_and_kept_in_the_session_only(self):
        self.open()
        self.dead_count(5)
        self.browser.click('[data-dead="jobs"] .link')
        self.browser.click("#requeue-all")
        self.unlock("0000000000000000")
        self.until_text("#ask-title", "That was not the token")
        self.unlock()
        self.until_text("#sheet-dead-note", "0 in jobs.dead")
        self.assertEqual(self.at.queue("jobs")["length"], 5)
        self.assertEqual(self.browser.evaluate("sessionStorage.getItem('zferry-token')"), TOKEN)
        self.assertEqual(self.browser.evaluate("localStorage.length"), 0)
        self.assertEqual(self.browser.evaluate("document.cookie"), "")

    def test_shows_what_there_is(self):
        self.open()
        self.until_text("#health", "ready")
        for name in ("orders", "archive", "prices", "to-archive"):
            self.until_text("#map", name)
        self.browser.until("document.querySelectorAll('#map .edge').length === 2")
        self.until_text("#queue-table", "\u00e9t\u00e9")
        self.until_text("#queue-table", 'mail/out going "1"')
        self.until_text("#queue-table", "bytes\\xff")
        self.until_text('[data-stream="events"]', "20 records")
        self.until_text('[data-stream="events"]', "lag 20")
        self.until_text("#journal-list", self.at.home)
        self.until_text("#offer-table", "broker/orders")
        self.browser.until("document.querySelectorAll('.tile canvas').length > 0", "lines are drawn")
        self.is_quiet()

    def test_data_is_never_markup(self):
        self.open()
        self.browser.click('[data-dead="jobs"] .link')
        self.until_text("#letters", "<img src=x onerror=alert(1)>")
        self.until_text("#letters", "ff fe 00 01")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('main img, dialog img').length"), 0)
        self.browser.press("Escape", 27)
        self.browser.until("!document.getElementById('sheet').open")
        self.browser.click('[data-queue="%C3%A9t%C3%A9"] .link')
        self.browser.click("#sheet-records summary")
        self.until_text("#sheet-records", "sommer")
        self.is_quiet()

    def test_table_is_filtered_and_sorted(self):
        self.open()
        self.browser.until("document.querySelectorAll('#queue-table tbody tr').length > 5")
        self.browser.click("#filter")
        self.browser.type("JOBS")
        self.browser.until("document.querySelectorAll('#queue-table tbody tr').length === 2")
        self.browser.evaluate("document.getElementById('filter').value = '';"
                              "document.getElementById('filter').dispatchEvent(new Event('input'))")
        self.browser.click('th[data-key="name"] button')
        names = "[...document.querySelectorAll('#queue-table tbody .link')].map(e => e.textContent)"
        self.browser.until(f"(names => names.length > 5 && names.join() === [...names].sort((a, b) =>"
                           f" a.localeCompare(b)).join())({names})")
        self.assertEqual(self.browser.evaluate("document.querySelector('th[data-key=name]').ariaSort"), "ascending")

    def test_without_a_token_nothing_can_be_clicked(self):
        self.open(token=None)
        self.dead_count(5)
        self.browser.click('[data-dead="jobs"] .link')
        self.until_text("#sheet-dead-note", "5 in jobs.dead")
        self.assertTrue(self.browser.evaluate("document.getElementById('requeue-all').disabled"))
        self.assertTrue(self.browser.evaluate("document.getElementById('lock').hidden"))

    def test_private_page_asks_for_the_token(self):
        self.open("--private")
        self.unlock()
        self.dead_count(5)
        self.until_text("#health", "ready")

    def test_nothing_is_wider_than_a_phone(self):
        self.open()
        for width in (400, 700, 1400):
            self.browser.shape(width, 800, dark=width == 700)
            self.dead_count(5)
            self.browser.until(f"document.documentElement.scrollWidth <= {width}", f"fits {width} pixels")

    def test_endpoint_that_is_gone_is_told(self):
        self.open()
        self.dead_count(5)
        self.at.process.stdin.close()
        self.until_text("#health", "no answer")
        self.browser.until("!document.getElementById('trouble').hidden")


if __name__ == "__main__":
    unittest.main(verbosity=1)
