"""A headless Chromium for tests and pictures of pages, driven over a pipe: no driver and no port is needed.

It speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/): JSON messages that end in a zero
byte, written to descriptor 3 of the browser and read from its descriptor 4.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio", "--no-first-run",
         "--disable-dev-shm-usage", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required",
         "--remote-debugging-pipe")  # fmt: skip
PATIENCE = 60.0  # seconds
AXE = ("axe_core_python", "axe_playwright_python")  # packages that carry axe-core, the tester of accessibility
# Run by a process of its own: code between fork and exec is not safe in a process with threads. One of the two ends may
# have the other's number, so both are moved out of the way first.
PLACING = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def browser_path() -> str | None:
    """Return the Chromium of this machine, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def axe_path() -> Path | None:
    """Return the script of axe-core, None where no package that carries it is installed."""
    for name in AXE:
        found = find_spec(name)
        if found is not None and found.origin and (path := Path(found.origin).with_name("axe.min.js")).is_file():
            return path
    return None


class Browser:
    """One page of a running Chromium; `events` are what it told, in order."""

    def __init__(self, process: subprocess.Popen[bytes], writing: int, reading: int) -> None:
        self._process, self._writing, self._reading = process, writing, reading
        self._held, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            RuntimeError: the browser refuses, says nothing for `PATIENCE`, or is gone.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            told = self._next(deadline)
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return dict(told["result"])
            self.events.append(told)

    def _next(self, deadline: float) -> dict[str, Any]:
        import select

        while b"\0" not in self._held:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))
            read = os.read(self._reading, 1 << 20) if ready else b""
            if not read:
                raise RuntimeError("the browser does not answer")
            self._held += read
        line, _, self._held = self._held.partition(b"\0")
        return dict(json.loads(line))

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window in CSS pixels, and the colour scheme."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Load an address and wait until it is complete."""
        self.ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'", PATIENCE)

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression, or of what it promises.

        Raises:
            RuntimeError: it throws.
        """
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 15.0) -> None:
        """Wait until an expression is true.

        Raises:
            RuntimeError: it stays false for `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                raise RuntimeError(f"never true: {script}")
            time.sleep(0.05)

    def press(self, key: str, shift: bool = False, control: bool = False) -> None:
        """Press and release a key, named as `KeyboardEvent.key` is."""
        text = key if len(key) == 1 and not control else ""
        codes = {"Enter": 13, "Tab": 9, " ": 32, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
        known = {"key": key, "modifiers": 8 * shift + 2 * control, "windowsVirtualKeyCode": codes.get(key, 0)}
        if key == "Enter":
            text = "\r"
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **known)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def unfold(self, dark: bool) -> None:
        """Show the page on a telephone, in a scheme, with everything unfolded."""
        self.size(390, 844, dark)
        self.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        self.run("new Promise(done => setTimeout(done, 100))")

    def barriers(self) -> list[str]:
        """Return the serious and critical faults that axe-core finds in the page, each with its first place.

        Raises:
            RuntimeError: axe-core is not installed.
        """
        path = axe_path()
        if path is None:
            raise RuntimeError(f"no axe-core: none of {', '.join(AXE)} is installed")
        self.run(path.read_text(encoding="utf-8") + "; undefined")
        found = self.run("axe.run({resultTypes: ['violations']}).then(told => told.violations)")
        return [
            f"{one['id']} ({one['impact']}, {len(one['nodes'])}): {one['nodes'][0]['html']}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def complaints(self) -> list[str]:
        """Return what the console and the log hold of errors and warnings."""
        said = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                said.append(str(params["exceptionDetails"].get("exception", {}).get("description", params)))
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                said.append(str([one.get("value") for one in params["args"]]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                said.append(str(params["entry"]["text"]))
        return said

    def requests(self) -> list[str]:
        """Return the addresses that were asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@contextmanager
def browsing(downloads: Path | None = None) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it; what it downloads goes to `downloads`.

    Raises:
        RuntimeError: there is none.
    """
    path = browser_path()
    if path is None:
        raise RuntimeError(f"no browser: none of {', '.join(NAMES)} is on the path")
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = _start([path, *FLAGS, f"--user-data-dir={profile}", "about:blank"], to_browser[0], from_browser[1])
        try:
            browser = Browser(process, to_browser[1], from_browser[0])
            if downloads is not None:
                browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
            yield browser
        finally:
            for end in (to_browser[1], from_browser[0]):
                os.close(end)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(command: list[str], reading: int, writing: int) -> subprocess.Popen[bytes]:
    """Start a browser with two ends of pipes as its descriptors 3 and 4."""
    try:
        return subprocess.Popen(
            [sys.executable, "-S", "-c", PLACING, str(reading), str(writing), *command],
            pass_fds=(reading, writing),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.close(reading)
        os.close(writing)
