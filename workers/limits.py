"""Watches what a child takes: too much memory or too much time end the attempt, with a code each.

Resident memory is what runs out, so that is what is looked at, of the child and all that it has
started. A limit of the kernel's on its address space (RLIMIT_AS) would count what is only mapped:
CUDA maps more than most machines have before it computes anything.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import psutil

from app.config import Settings
from app.ledger.states import JobKind

LOOK_EVERY = 0.25  # seconds
OF_MACHINE = 0.9  # of its memory, where no limit is set: the child dies before the database does
GIB = 2**30
HOUR = 3600.0


class OverLimit(Exception):
    """The child took too much of something and was ended: the code, and what it had last said."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """What one attempt at a job may take."""

    memory_bytes: int
    seconds: float

    @classmethod
    def of(cls, settings: Settings, kind: JobKind) -> Self:
        whole = psutil.virtual_memory().total
        asked = settings.memory_limit_gib * GIB or whole * OF_MACHINE
        return cls(int(asked), settings.time_limit_hours[kind] * HOUR)


class Watch:
    """A thread that looks at the child now and then, and calls `stop_child` when it is too much."""

    def __init__(self, pid: int, limits: Limits, stop_child: Callable[[], None]) -> None:
        self.pid = pid
        self.limits = limits
        self.stop_child = stop_child
        self.over: tuple[str, str] | None = None
        self.began = time.monotonic()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def look(self) -> None:
        """Until it is told to end, or something is over its limit."""
        while not self.ended.wait(LOOK_EVERY):
            if (over := self.exceeded()) is not None:
                self.over = over
                self.stop_child()
                return

    def exceeded(self) -> tuple[str, str] | None:
        """The code and the words for what is over its limit, if anything is."""
        if (held := resident(self.pid)) > self.limits.memory_bytes:
            return "memory_limit", (
                f"the child held {held / GIB:.2f} GiB, and {self.limits.memory_bytes / GIB:.2f} "
                "GiB are allowed (LACUNA_MEMORY_LIMIT_GIB)"
            )
        if time.monotonic() - self.began > self.limits.seconds:
            return "time_limit", (
                f"the attempt took longer than the {self.limits.seconds / HOUR:g} hours that are "
                "allowed for its kind of job (LACUNA_TIME_LIMIT_HOURS)"
            )
        return None

    def reason(self, error: Exception) -> Exception:
        """Why an attempt failed: what was over its limit, with what the child said last."""
        if self.over is None:
            return error
        code, words = self.over
        return OverLimit(code, f"{words}; {error}")


def resident(pid: int) -> int:
    """Bytes of memory that a process and all its children hold; 0 once it is gone."""
    try:
        child = psutil.Process(pid)
        family = [child, *child.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(held(member) for member in family)


def held(process: psutil.Process) -> int:
    """Bytes of memory; 0 once it is gone, which a child may be between two looks."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
