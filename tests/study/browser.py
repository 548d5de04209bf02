"""Chromium without a window, for tests of pages: one page's text, or a page that is clicked, typed at and photographed."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 60.0
_CHROMIUM = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
_COMPLAINTS = {
    *("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"),
    "Page.javascriptDialogOpening",
}
_KEYS: Mapping[str, dict[str, Any]] = {
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    " ": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Escape": {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27},
}


def find_chromium() -> str | None:
    """Chromium's command, None where there is none."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def shown(browser: str, profile: Path, url: str) -> str:
    """The text of a page, once its scripts have run."""
    options = ["--virtual-time-budget=20000", f"--user-data-dir={profile}", "--enable-logging=stderr", "--dump-dom"]
    command = [browser, *_CHROMIUM, *options, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "CONSOLE" not in done.stderr
    body = re.sub(r"<(style|script).*?</\1>", " ", done.stdout, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Page:
    """A tab of a browser that is driven through a pair of pipes, in the DevTools protocol."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._bytes = b""
        self._calls = 0
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        """What the console got to hear, scripts' errors and broken policies included, and dialogs that opened."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self._loaded = False
        self._call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._read()

    def evaluate(self, script: str) -> Any:
        """The value of an expression, a promise's once it is kept."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        script = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{ block: "center", behavior: "instant" }});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.evaluate(script)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, **_KEYS[key])

    def type(self, text: str) -> None:
        """Put text into what has the focus."""
        self._call("Input.insertText", text=text)

    def be(self, *, width: int = 1440, height: int = 900, scheme: str = "light", scripts: bool = True) -> None:
        """Be a screen of that size, that prefers light or dark, with scripts or without, from the next page on."""
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media="", features=features)
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def photograph(self, path: Path) -> None:
        """Write a picture of the whole page."""
        answer = self._call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path: Path) -> None:
        """Print the page into a PDF."""
        path.write_bytes(base64.b64decode(self._call("Page.printToPDF", preferCSSPageSize=True)["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": parameters}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._to, json.dumps(call).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._calls:
                assert "error" not in answer, (method, answer)
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while b"\0" not in self._bytes:
            assert select.select([self._from], [], [], deadline - time.monotonic())[0], "the browser is silent"
            self._bytes += os.read(self._from, 1 << 20)
        line, _, self._bytes = self._bytes.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        method = message.get("method")
        if method == "Page.loadEventFired":
            self._loaded = True
        if method in _COMPLAINTS:
            self.complaints.append(json.dumps(message["params"]))
        return message


@contextmanager
def open_page(browser: str, profile: Path) -> Iterator[Page]:
    """Start Chromium with a tab; it ends with the block."""
    (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
    # Chromium reads from descriptor 3 and writes to 4
    script = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
    options = [*_CHROMIUM, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        ["bash", "-c", script, browser, *options],
        pass_fds=(their_in, their_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_in)
    os.close(their_out)
    try:
        yield Page(our_out, our_in)
    finally:
        os.close(our_out)
        os.close(our_in)
        process.terminate()
        process.wait(timeout=30)
