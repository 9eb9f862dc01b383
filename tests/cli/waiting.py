"""Waits for what another process is about to do."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")


def soon(look: Callable[[], T | None], *, seconds: float = 20.0) -> T:
    """The first answer that is not empty."""
    deadline = monotonic() + seconds
    while not (found := look()):
        assert monotonic() < deadline, "it did not come"
        sleep(0.01)
    return found
