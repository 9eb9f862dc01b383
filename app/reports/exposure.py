"""What became of retained neighbours, as an audit wrote it; see models/auditing/neighbours.py."""

from dataclasses import dataclass

from app.reports.intervals import Interval


@dataclass(frozen=True)
class Exposure:
    """One attack on one network: how much easier the neighbours are to find than before."""

    attack: str
    """What the attack looks at: loss, spread."""
    network: str
    """Which network: served, reference."""
    before: float
    """AUC of the neighbours against unseen samples, on the version before."""
    after: float
    """The same on this network."""
    change: Interval
    """The second less the first."""
    others: Interval
    """The same of other retained samples of their strata."""
    excess: Interval
    """The neighbours' change less that of the others; above 0: they were exposed."""


@dataclass(frozen=True)
class Neighbours:
    """The retained samples nearest to the forgotten ones."""

    samples: int
    """How many they are."""
    people: int
    """How many people they belong to."""
    others: int
    """With how many other retained samples they are compared."""
    exposures: tuple[Exposure, ...]
    """What became of them, attack by attack."""
