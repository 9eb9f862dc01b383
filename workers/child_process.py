"""The supervisor's end of a child: start it, give it one command at a time, end it."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app import tracing
from workers.nursery import Nursery

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
    """A process of its own that runs networks (workers/child.py)."""

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.stderr = folder / "child.stderr"
        with self.stderr.open("wb") as stderr:
            self.process = nursery.bear(stderr.fileno(), os.environ | tracing.inherited())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go; what does not go by itself is killed."""
        with suppress(BrokenPipeError):  # of a command that it did not live to read
            self.process.stdin.close()
        self.see_off()
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def see_off(self) -> None:
        """Wait until it has ended; what does not end by itself is killed."""
        if not self.process.wait(GRACE):
            self.kill()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self.process.kill()

    def ask(self, phase: str, on_progress: OnProgress, **command: Any) -> dict[str, Any]:
        """Have one phase carried out; returns its result."""
        try:
            self.process.stdin.write(json.dumps({"phase": phase, **command}) + "\n")
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
        self.see_off()
        words = self.stderr.read_text(errors="replace")[-LAST_WORDS:].strip()
        how = ending(self.process.code)
        return f"the child ended in {phase!r} with {how}: {words or 'it said nothing'}"


def ending(code: int | None) -> str:
    """In words, from what `subprocess` calls a return code."""
    if code is None:
        return "the process that it was forked from, so nobody knows how"
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
