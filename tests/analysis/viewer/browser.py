"""A real browser for tests: Chromium, driven through a pipe, as its DevTools protocol allows."""

import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
from typing import Any

# The browser reads commands from file descriptor 3 and answers on 4.
_WITH_PIPES = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--disable-background-networking", "--remote-debugging-pipe"),
)
PATIENCE_SECONDS = 120.0


def chromium() -> str | None:
    """Where a Chromium is, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """One page of one browser; what it says by itself is kept in `events`."""

    def __init__(self, program: str, profile: pathlib.Path) -> None:
        reads, self._write = os.pipe()
        self._read, writes = os.pipe()
        arguments = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPES, str(reads), str(writes), *arguments],
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._unread, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Returns the answer to a command of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, path: pathlib.Path, fragment: str = "") -> None:
        """Shows a file, and waits until it is loaded."""
        # From one fragment to another of the same page nothing would be loaded.
        for url in ("about:blank", path.as_uri() + fragment):
            self.events.clear()
            self.send("Page.navigate", url=url)
            until = time.monotonic() + PATIENCE_SECONDS
            while not self.of("Page.loadEventFired") and time.monotonic() < until:
                self.events.append(self._next())

    def of(self, method: str) -> list[dict[str, Any]]:
        """What the page said by itself, of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def evaluate(self, script: str) -> Any:
        """Returns the value of a script in the page; the page's policy does not hold for it."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def tick(self) -> None:
        """Waits until what was set off before, such as an event, has been answered."""
        script = "new Promise((done) => setTimeout(done, 100))"
        self.send("Runtime.evaluate", expression=script, awaitPromise=True)

    def press(self, key: str) -> None:
        """Presses a key, such as "ArrowDown", where the focus is."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def click(self, selector: str) -> None:
        """Clicks in the middle of an element, as a hand would."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        x, y = box
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def close(self) -> None:
        """Ends the browser."""
        try:
            self.send("Browser.close")
            self._process.wait(timeout=20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], PATIENCE_SECONDS)
            assert ready, "The browser does not answer."
            more = os.read(self._read, 2**16)
            assert more, "The browser has ended."
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)
