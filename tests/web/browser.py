"""A headless Chromium, driven over its DevTools protocol by a pipe."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

DEADLINE_S = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise AssertionError("there is no Chromium here; ./run test installs the package chromium")


class Browser:
    """One browser with one page. Events are kept: they can be waited for and looked at."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="zferry-browser-")
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        self.to = os.fdopen(to_write, "wb")
        self.source = os.fdopen(from_read, "rb")
        args = [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-extensions", "--disable-background-networking",
                "--disable-component-update", "--mute-audio", "--remote-debugging-pipe",
                "--user-data-dir=" + self.home, "about:blank"]
        # It wants the pipe's ends as descriptors 3 and 4: the shell puts them there.
        shell = ["sh", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "sh"]
        self.process = subprocess.Popen(shell + args, pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.events = []
        self.answers = {}
        self.ended = False
        self.changed = threading.Condition()
        self.number = 0
        self.session = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def _read(self):
        data = b""
        while True:
            piece = os.read(self.source.fileno(), 1 << 20)
            data += piece
            *messages, data = data.split(b"\0")
            with self.changed:
                for message in messages:
                    message = json.loads(message)
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                return

    def call(self, method, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        end = time.monotonic() + DEADLINE_S
        with self.changed:
            while number not in self.answers:
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"the browser did not answer {method}")
                self.changed.wait(left)
            answer = self.answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    # -- the page -----------------------------------------------------------------------------

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, script, what=None):
        """Polls until the script's value is true in JavaScript; returns it."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            value = self.evaluate(f"(() => {{ try {{ return {script}; }} catch (e) {{ return null; }} }})()")
            if value:
                return value
            time.sleep(0.02)  # polling with a deadline
        raise AssertionError(f"not in {DEADLINE_S} s: {what or script}")

    def click(self, selector):
        """Clicks where it is, as a mouse does: what moves, is covered, or is not seen is not clicked."""
        place = self.until(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)});"
            " const frame = () => new Promise(resolve => requestAnimationFrame(resolve));"
            " e.scrollIntoView({block: 'center'}); const before = e.getBoundingClientRect();"
            " await frame(); await frame(); await frame(); const r = e.getBoundingClientRect();"
            " if (r.width === 0 || e.disabled || r.left !== before.left || r.top !== before.top) return null;"
            " const x = r.left + r.width / 2, y = r.top + r.height / 2;"
            " const top = document.elementFromPoint(x, y);"
            " return top && (e.contains(top) || top.contains(e)) ? [x, y] : null; })().catch(() => null)",
            f"{selector} can be clicked")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def type(self, words):
        self.call("Input.insertText", text=words)

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def shape(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def named(self, method):
        with self.changed:
            return [event["params"] for event in self.events if event["method"] == method]

    def stop(self):
        self.to.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(DEADLINE_S)
        self.source.close()
        shutil.rmtree(self.home, ignore_errors=True)
