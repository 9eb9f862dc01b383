"""How long work tells how far it is, so that whoever waits can see it and stop it."""

from collections.abc import Callable

# Called with the share done (0..1) and a few words on what is going on. It may raise, to stop.
Progress = Callable[[float, str], None]


def silent(share: float, words: str) -> None:
    """For callers that do not watch."""


def part(progress: Progress, start: float, end: float, prefix: str) -> Progress:
    """Progress of a part of the work, told as progress of the whole."""
    return lambda share, words: progress(start + (end - start) * share, prefix + words)


def turn(progress: Progress, number: int, of: int, name: str) -> Progress:
    """The progress of one of several turns that are alike, from 0, as a part of the whole."""
    return part(progress, number / of, (number + 1) / of, f"{name} {number + 1} of {of}: ")
