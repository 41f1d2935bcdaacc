"""A headless Chromium, told what to do over a pipe in the words of its DevTools; the standard library alone."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

from daemon_fixture import PATIENCE, wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
WHY_NOT = None if CHROMIUM else "no Chromium is installed: make test-page installs it"
# Its sandbox needs what containers and root do not have; it sees only what the tests serve.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
         "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank")
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
ESCAPE = {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27}


class Browser:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="qwend-browser.", ignore_cleanup_errors=True)
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        become = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
                  "os.execv(sys.argv[3], sys.argv[3:])")
        self.process = subprocess.Popen(
            [sys.executable, "-c", become, *map(str, theirs), CHROMIUM, f"--user-data-dir={self._folder.name}", *FLAGS],
            pass_fds=theirs, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for fd in (theirs_in, theirs_out, *theirs):
            os.close(fd)
        self._out, self._in = ours_out, ours_in
        self._ids, self._buffer, self._answers = itertools.count(1), b"", {}
        self._pages = {}

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._out)
        os.close(self._in)
        self._folder.cleanup()

    def listen(self, seconds):
        """Takes in what comes within that time."""
        if not select.select([self._in], [], [], seconds)[0]:
            return
        data = os.read(self._in, 1 << 20)
        assert data, "Chromium has ended"
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].on_event(message["method"], message["params"])

    def call(self, method, session=None, **parameters):
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        deadline = time.time() + PATIENCE
        while number not in self._answers:
            assert time.time() < deadline, f"no answer to {method}"
            self.listen(1)
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def open(self, url, **how):
        """A page in a profile of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        return self.open_beside(context, url, **how)

    def open_beside(self, context, url, **how):
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, context, **how)
        page.go(url)
        return page


class Page:
    def __init__(self, browser, session, context, width=1280, height=800, dark=False, language="en-US", scale=1):
        self._browser, self._session, self.context = browser, session, context
        self.addresses, self.complaints, self._loaded = [], [], False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height, scale)
        self.prefer("dark" if dark else "light")
        agent = browser.call("Browser.getVersion")["userAgent"]
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def on_event(self, method, event):
        if method == "Network.requestWillBeSent":
            self.addresses.append(event["request"]["url"])
        elif method == "Log.entryAdded" and event["entry"]["source"] != "network":  # which has failures we make
            self.complaints.append(event["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "assert"):
            self.complaints.append(json.dumps(event["args"]))
        elif method == "Page.loadEventFired":
            self._loaded = True

    def go(self, url):
        self._loaded = False
        self.call("Page.navigate", url=url)
        self._wait_loaded()

    def reload(self):
        self._loaded = False
        self.call("Page.reload")
        self._wait_loaded()

    def _wait_loaded(self):
        def loaded():
            self._browser.listen(0.01)
            return self._loaded
        wait_until(loaded, "the page never loaded")

    def resize(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=width < 600)

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression):
        """Of an expression of JavaScript, or of the promise that it is."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression):
        wait_until(lambda: self.value(f"Boolean({expression})"),
                   lambda: f"never: {expression}\n{self.text('body')}\n{self.complaints}")

    def text(self, selector):
        """As people see it."""
        return self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def count(self, selector):
        return self.value(f"document.querySelectorAll({json.dumps(selector)}).length")

    def seen(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false")

    def click(self, selector):
        where = self.value(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                           "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect(); "
                           "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def press(self, key, modifiers=0):
        """`modifiers`: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift."""
        if isinstance(key, str):
            key = {"key": key}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, modifiers=modifiers, **key)

    def write(self, text):
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
