"""What an audit says of canaries: plain values, so that judging needs no network."""

from dataclasses import dataclass
from enum import StrEnum

from models.auditing.intervals import Interval
from models.auditing.rates import Rate


class Outcome(StrEnum):
    """What the coins say."""

    ALIKE = "alike"
    TOLD_APART = "told_apart"
    INCONCLUSIVE = "inconclusive"
    UNTESTED = "untested"


@dataclass(frozen=True)
class CanaryReport:
    """What can be said from coins, and how large a leak would have been seen.

    `before`, `after`: the AUC of riders against those never seen, on the parent and on the new
    network. `detectable_auc`: the least distance of it from 0.5 that is found in 8 of 10 audits,
    None where none is; `detectable_share`: of the riders, how many would have to be remembered, at
    three standard deviations, to move it so far, None where not even all of them would.
    """

    outcome: str
    why: str
    riders: int
    never_seen: int
    level: float
    p_value: float | None = None
    e_value: float | None = None
    before: Interval | None = None
    after: Interval | None = None
    detectable_auc: float | None = None
    detectable_share: float | None = None
    rates: tuple[Rate, ...] = ()
