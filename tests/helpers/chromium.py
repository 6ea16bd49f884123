"""A page in headless Chromium, driven by the DevTools protocol over pipes: no package and no network is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio", "--no-first-run"),
    *("--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    "--allow-file-access-from-files",  # pixels of a canvas can be read
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
MAX_SECONDS = 30.0
KEY_CODES = {" ": 32, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}


class Page:
    """An open page."""

    def __init__(self, read_file: int, write_file: int) -> None:
        self._read_file, self._write_file = read_file, write_file
        self._buffer, self._num_sent, self._session = b"", 0, ""
        self.problems: list[str] = []
        """Exceptions and errors of the console."""
        self.requests: list[str] = []
        """URLs that the page has loaded."""

    def open(self, url: str, width: int, height: int) -> None:
        """Open a page and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window in pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def set_dark(self, is_dark: bool) -> None:
        """Choose the dark or the light colours."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        end = time.monotonic() + MAX_SECONDS
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)
        return value

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        fields = {"key": key, "windowsVirtualKeyCode": KEY_CODES.get(key, ord(key[0].upper())), "modifiers": 8 * shift}
        self.call("Input.dispatchKeyEvent", type="keyDown", **fields)
        self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def click(self, selector: str, x_share: float = 0.5) -> None:
        """Click into an element, at a share of its width."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.evaluate(f"JSON.stringify(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")
        rectangle = json.loads(box)
        position = {
            "x": rectangle["x"] + x_share * rectangle["width"],
            "y": rectangle["y"] + 0.5 * rectangle["height"],
        }
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **position)

    def screenshot(self, path: Path, *, full: bool = True) -> None:
        """Write a PNG of the page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=full)["data"]
        path.write_bytes(base64.b64decode(data))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its result."""
        self._num_sent += 1
        message: dict[str, Any] = {"id": self._num_sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_file, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read_message()
            if reply.get("id") == self._num_sent:
                assert "error" not in reply, reply
                return dict(reply["result"])
            self._record(reply)

    def _record(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(str(parameters["entry"]["text"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def _read_message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._read_file, 1 << 16)
            assert chunk, "Chromium has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def open_page(source: Path | str, profile: Path, *, width: int = 1200, height: int = 900) -> Iterator[Page]:
    """A page of a file, or at a URL of this machine, in a browser of its own; `profile`: an empty folder."""
    assert CHROMIUM is not None
    browser_in, to_browser = os.pipe()
    from_browser, browser_out = os.pipe()
    command = f'exec "$0" "$@" 3<&{browser_in} 4>&{browser_out}'
    process = subprocess.Popen(
        ["bash", "-c", command, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(browser_in, browser_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(browser_in)
    os.close(browser_out)
    try:
        page = Page(from_browser, to_browser)
        page.open(source.resolve().as_uri() if isinstance(source, Path) else source, width, height)
        yield page
    finally:
        process.kill()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
