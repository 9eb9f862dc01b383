"""ROC curves, bands and flags on records, as an audit wrote them; see models/auditing/report.py."""

from dataclasses import dataclass

from app.reports.intervals import Interval


@dataclass(frozen=True)
class Point:
    """One point of a ROC curve."""

    false: float
    """The share of unseen samples that are called members."""
    found: Interval
    """The share of forgotten samples that are."""


@dataclass(frozen=True)
class Roc:
    """The loss attack on one network."""

    network: str
    """Which network: parent, served, reference."""
    points: tuple[Point, ...]
    """From few false alarms to all."""


@dataclass(frozen=True)
class Records:
    """What single forgotten samples look like beside references: flags, never a test of one."""

    remembered: int
    """How many the version before was clearly surer of than references that never saw them."""
    degrees: tuple[float, ...] | None
    """Quartiles of how much of that is left: 1 as before, 0 as unseen, below 0 pushed too far."""
    flagged: int
    """How many the new version is surer of than every reference that never saw them."""
    by_chance: float
    """How many that would be, without a leak."""


@dataclass(frozen=True)
class Band:
    """Where the forgotten samples lie for whoever never saw them.

    Quantiles evenly spaced; at each level the least and the greatest of several networks, or the
    middle 90 % of what one says when its people are drawn anew.
    """

    networks: int
    """How many networks there were."""
    least_losses: tuple[float, ...]
    """The least of their losses at each share of the samples."""
    greatest_losses: tuple[float, ...]
    """The greatest."""
    least_confidences: tuple[float, ...]
    """The least of their confidences at each share of the samples."""
    greatest_confidences: tuple[float, ...]
    """The greatest."""
