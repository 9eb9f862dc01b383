"""The supervisor's end of a child: start it, give it one command at a time, end it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from app import tracing

LAST_WORDS = 4000  # characters of the child's stderr that are kept when it dies
STATE = ".resume"  # of files in which the child leaves what a later one may go on from
GRACE = 5.0  # seconds to go by itself

OnProgress = Callable[[float, str], None]


class ChildDied(Exception):
    """The child ended in the middle of a command; the message holds its last words."""


class ChildFailed(Exception):
    """The child refused a command: code, detail, and whether a repetition could help."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['detail']}")
        self.error = error


class Child:
    """A freshly spawned Python process that runs networks (workers/child.py)."""

    def __init__(self, folder: Path, command: tuple[str, ...] = ("-m", "workers.child")) -> None:
        self.stderr = folder / "child.stderr"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                bufsize=1,
                env=os.environ | tracing.inherited(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go; what does not go by itself is killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.process.kill()
        self.process.wait()

    def ask(self, phase: str, on_progress: OnProgress, **command: Any) -> dict[str, Any]:
        """Have one phase carried out; returns its result."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"phase": phase, **command}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise ChildDied(self.last_words(phase)) from error
        for line in self.process.stdout:
            message = json.loads(line)
            if "progress" in message:
                on_progress(message["progress"]["share"], message["progress"]["words"])
            elif "error" in message:
                raise ChildFailed(message["error"])
            else:
                return dict(message["result"])
        raise ChildDied(self.last_words(phase))

    def last_words(self, phase: str) -> str:
        """How it ended, and the end of what it wrote."""
        code = self.process.wait()
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        words = self.stderr.read_text(errors="replace")[-LAST_WORDS:].strip()
        return f"the child ended in {phase!r} with {how}: {words or 'it said nothing'}"
