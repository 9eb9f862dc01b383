"""An interval, as workers wrote it and reports show it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate, and the values that the data do not speak against."""

    estimate: float
    """What was measured."""
    low: float
    """The lower end."""
    high: float
    """The upper end."""
