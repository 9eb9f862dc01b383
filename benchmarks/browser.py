"""A Chromium that is at hand, spoken to through its own pipe: no driver and no library.

The Chrome DevTools Protocol, https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"),
    *("--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"),  # as root, in containers
)
# The protocol's pipes are the browser's files 3 and 4, whatever numbers they have here.
LAUNCH = """
import os, sys
from fcntl import F_DUPFD, fcntl
pipes = [fcntl(int(number), F_DUPFD, 10) for number in sys.argv[1:3]]
for pipe, number in zip(pipes, (3, 4)):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
HEIGHT = 900  # of the window, in CSS pixels; pictures are as high as the page


def found() -> str | None:
    """Where a Chromium is, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Tab:
    """One page of the browser."""

    commands: IO[bytes]
    answers: IO[bytes]
    session: str | None = None
    numbers: Iterator[int] = field(default_factory=count)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send one command; what it answers. RuntimeError where the browser refuses it."""
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        self.commands.write(json.dumps(command).encode() + b"\0")
        self.commands.flush()
        answer = self.until(lambda message: message.get("id") == number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def until(self, wanted: Any) -> Any:
        """Read on to the first message of which this holds."""
        while True:
            message = json.loads(self.read())
            if wanted(message):
                return message

    def read(self) -> bytes:
        """One message; they end with a zero."""
        read = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser is gone")
            read += byte
        return bytes(read)

    def show(self, url: str, *, width: int, dark: bool = False) -> None:
        """Load a page at this width, in CSS pixels."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        screen = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.ask("Page.enable")
        self.ask("Page.navigate", url=url)
        self.until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    def picture(self, *, height: int | None = None) -> bytes:
        """The whole page, or so many CSS pixels of its top, as a PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        down = height or size["height"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": down, "scale": 1}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])


@contextmanager
def tab(program: str) -> Iterator[Tab]:
    """A page of a browser of our own, which ends with it."""
    (to_browser, ours), (mine, from_browser) = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        pipes, options = (to_browser, from_browser), (*OPTIONS, f"--user-data-dir={profile}")
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *map(str, pipes), program, *options],
            pass_fds=pipes,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        with os.fdopen(ours, "wb") as commands, os.fdopen(mine, "rb") as answers:
            browser = Tab(commands, answers)
            try:
                target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
                at = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
                browser.session = at["sessionId"]
                yield browser
            finally:
                process.kill()  # it has nothing to keep
                process.wait()


def save(picture: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
