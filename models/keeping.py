"""Leaves the state of a loop behind again and again, but only as often as costs little."""

import time
from collections.abc import Callable
from dataclasses import dataclass

REST = 19  # times as long as leaving took, nothing is left again: it costs a twentieth at most


@dataclass
class Keeper:
    """`leave` writes down where the loop stands; it is called unless that would slow it down."""

    leave: Callable[[], None]
    again_at: float = 0.0  # by the monotonic clock

    def keep(self) -> None:
        """Leave the state, if it is time to."""
        started = time.monotonic()
        if started >= self.again_at:
            self.leave()
            ended = time.monotonic()
            self.again_at = ended + REST * (ended - started)
