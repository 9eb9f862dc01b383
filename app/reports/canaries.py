"""What an audit wrote of canaries, read back as values; see models/auditing/canary_report.py."""

from dataclasses import dataclass
from typing import ClassVar

from app.reports.intervals import Interval


@dataclass(frozen=True)
class Rate:
    """How many canaries an attack finds, at a rate of false alarms that was fixed before."""

    tail: str
    """What it looks for: remembered, pushed too far."""
    aimed: float
    """The rate of false alarms that its threshold was set for."""
    false: Interval
    """What that rate was on other canaries that were never seen."""
    found: Interval
    """The share of riders that it finds."""


@dataclass(frozen=True)
class Canaries:
    """What coins say that were flipped, and committed to in the ledger, before the training."""

    # Where nothing leaks, wealth reaches it at any time with a chance of 1 in 20 (Ville 1939).
    telling_wealth: ClassVar[float] = 20.0

    outcome: str
    """alike, told_apart, inconclusive, untested."""
    why: str
    """Why nothing could be tested; empty where it could."""
    riders: int
    """People who were trained on by a coin's word, and forgotten along with the request."""
    never_seen: int
    """People who were left out by a coin's word."""
    level: float
    """The p-value up to which they count as told apart."""
    p_value: float | None
    """How often coins that know nothing would fit the network's scores as well."""
    e_value: float | None
    """The same as a factor of evidence, which can be multiplied over jobs."""
    before: Interval | None
    """AUC of riders against those never seen, on the network before."""
    after: Interval | None
    """The same on the new network; 0.5 is chance."""
    detectable_auc: float | None
    """The least distance from 0.5 that would have been seen with 80 % power; null: none."""
    detectable_share: float | None
    """The share of riders, remembered at 3 sd, that comes to the same; null: more than all."""
    rates: tuple[Rate, ...]
    """What the attack finds at fixed rates of false alarms."""
    wealth: float | None = None
    """The product of the e-values of all jobs that were published, and of this one."""
    jobs: int = 0
    """How many jobs that are."""
    left: int | None = None
    """Canaries at whose coins no job had looked yet; a retrain flips new ones for the others."""
