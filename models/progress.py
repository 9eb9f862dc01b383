"""How long work tells how far it is, so that whoever waits can see it and stop it."""

from collections.abc import Callable

# Called with the share done (0..1) and a few words on what is going on. It may raise, to stop.
Progress = Callable[[float, str], None]


def silent(share: float, words: str) -> None:
    """For callers that do not watch."""
