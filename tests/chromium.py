"""A headless Chromium, driven through a pipe by its own protocol (--remote-debugging-pipe), without other software.

https://chromedevtools.github.io/devtools-protocol/ lists the commands. Messages are JSON and end in a zero byte.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
import unittest

SECONDS = 120  # longer than one answer takes on any machine


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if shutil.which(name):
            return shutil.which(name)
    raise unittest.SkipTest("Chromium is not installed")


def high_pipe():
    """A pipe whose descriptors are all above 9."""
    low = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low]
    for fd in low:
        os.close(fd)
    return high


class Browser:
    """A browser with one page, or several."""

    def __init__(self, folder):
        command = [find_chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
                   "--force-color-profile=srgb", f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        theirs_in, ours_out = high_pipe()
        ours_in, theirs_out = high_pipe()

        def connect():  # Chromium reads 3 and writes 4
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
                                        preexec_fn=connect, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.input = ours_out, ours_in
        self.unread, self.number, self.session = b"", 0, None
        self.events = []
        self.add_page()

    def add_page(self):
        """Adds a page, which commands are for from now on."""
        self.session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.resize(1280, 900)

    def turn_to(self, session):
        """Commands are for the page of this session from now on."""
        self.session = session
        self.send("Page.bringToFront")

    def resize(self, width, height):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def close(self):
        """Ends the browser with all its processes: those that live on would still write to its folder."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.out)
        os.close(self.input)
        deadline = time.monotonic() + SECONDS
        while self._has_processes() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _has_processes(self):
        """Whether a process of its group lives. The dead that nobody has waited for yet are none that write."""
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                with open(os.path.join(entry.path, "stat"), encoding="utf-8", errors="replace") as file:
                    state, _, group = file.read().rsplit(")", 1)[1].split()[:3]
            except OSError:
                continue
            if int(group) == self.process.pid and state != "Z":
                return True
        return False

    def _receive(self):
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self.unread:
            if not select.select([self.input], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            more = os.read(self.input, 1 << 20)
            if not more:
                raise ConnectionError(f"Chromium ended: {self.process.poll()}")
            self.unread += more
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, **parameters):
        """Sends a command and returns its result. Keeps events that arrive meanwhile."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self.out, rest):]
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for_event(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive())

    def open(self, path):
        """Opens a file and waits until it is loaded; forgets earlier events."""
        self.visit("file://" + path)

    def visit(self, url):
        """The same with any address."""
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.wait_for_event("Page.loadEventFired")

    def evaluate(self, expression, **options):
        """The value of an expression in the page; of a promise, its resolved value."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_until(self, condition):
        """Waits until an expression becomes true."""
        deadline = time.monotonic() + SECONDS
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"it never came to pass: {condition}")
            self.evaluate("new Promise((next) => setTimeout(next, 20))")

    def point_at(self, element):
        """Moves the mouse to the middle of the element that an expression gives."""
        self.evaluate(f"{element}.scrollIntoView({{block: 'center', inline: 'center'}})")
        x, y = self.evaluate(f"(() => {{ const box = {element}.getBoundingClientRect();"
                             " return [box.x + box.width / 2, box.y + box.height / 2]; })()")
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x - 1, y=y)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        return x, y

    def click(self, element):
        x, y = self.point_at(element)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def emulate(self, media="", **features):
        """Shows the page as a kind of media (print), and with features such as prefers_color_scheme="dark"."""
        self.send("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def complaints(self):
        """The page's messages on the console, uncaught exceptions and the browser's log."""
        found = []
        for event in self.events:
            method, about = event.get("method"), event.get("params", {})
            if method == "Runtime.consoleAPICalled":
                found.append(f"console.{about['type']}: {about['args']}")
            elif method == "Runtime.exceptionThrown":
                found.append(str(about["exceptionDetails"]))
            elif method == "Log.entryAdded":
                found.append(about["entry"]["text"])
        return found

    def requests(self):
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def pdf(self):
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])

    def screenshot(self, path):
        """The whole page as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        picture = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                            clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))
