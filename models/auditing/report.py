"""What an audit hands on: plain values, small enough for a page, with no sample named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from models.auditing.bands import Band, levels, rounded
from models.auditing.canary_report import CanaryReport
from models.auditing.intervals import Floats, Interval
from models.auditing.neighbours import Neighbours
from models.auditing.roc import Roc, roc
from models.auditing.signals import Said, Signals
from models.auditing.utility import StratumDrop, Utility, by_group, by_stratum, utility
from models.auditing.verdict import Thresholds

STRATA_CAP = 10  # strata that a report shows, and subgroups
Part = TypeVar("Part", int, str)


@dataclass(frozen=True)
class Attacked:
    """One attack on one network, against one set of unseen samples."""

    attack: str
    network: str
    unseen: str
    auc: Interval


@dataclass(frozen=True)
class Measured:
    """What one network is worth on one set, or on one stratum or subgroup of it."""

    network: str
    samples: str
    stratum: int | None
    utility: Utility
    group: str | None = None


@dataclass(frozen=True)
class Change:
    """By how much the new network's score on one set lies below another network's."""

    samples: str
    against: str
    drop: Interval
    worst_strata: list[StratumDrop]


@dataclass(frozen=True)
class Distribution:
    """One network's losses and confidences on one set, as quantiles 0, 1/40, .. 1.

    Confidence is exp(-loss): for a classifier, the probability of the true label.
    """

    network: str
    samples: str
    losses: list[float]
    confidences: list[float]


@dataclass(frozen=True)
class Records:
    """What single forgotten samples look like beside references: flags, and never a test of one.

    `remembered`: how many the parent was surer of than references by a standard deviation;
    `degrees`: quartiles of how much of that is left, 1 as before, 0 as unseen, below 0 pushed on;
    None where none was. `flagged`: those of which the new network is surer than every reference
    that never saw them; `by_chance`: how many that would be without a leak.
    """

    remembered: int
    degrees: list[float] | None
    flagged: int
    by_chance: float


@dataclass(frozen=True)
class AuditReport:
    """`dataclasses.asdict` of it is JSON of at most 50 kB."""

    verdict: str
    sentences: list[str]
    numbers: dict[str, float]
    thresholds: Thresholds
    route: str
    seed: int
    movement: float | None  # None where it is not finite
    finite: bool
    canaries: CanaryReport | None
    samples: dict[str, int]  # how many of each set were scored
    references: int
    attacks: list[Attacked]
    records: Records | None
    neighbours: Neighbours | None
    rocs: list[Roc]
    utility: list[Measured]
    changes: list[Change]
    distributions: list[Distribution]
    band: Band | None
    seconds: float


def utility_table(networks: Mapping[str, Said]) -> list[Measured]:
    """Every network on every set, and on the largest strata and subgroups of the test set."""
    whole = [
        Measured(name, samples, None, utility(signals.scores, signals.losses))
        for name, said in networks.items()
        for samples, signals in said.items()
    ]
    parts = [
        Measured(name, "test", stratum, part)
        for name, said in networks.items()
        for stratum, part in largest(by_stratum(*said["test"].columns)).items()
    ]
    groups = [
        Measured(name, "test", None, part, group)
        for name, said in networks.items()
        for group, part in largest(groups_of(said["test"])).items()
    ]
    return whole + parts + groups


def groups_of(signals: Signals) -> dict[str, Utility]:
    """Utility per subgroup, where the recipe names any."""
    if signals.groups is None:
        return {}
    return by_group(signals.scores, signals.losses, signals.groups)


def largest(parts: Mapping[Part, Utility]) -> dict[Part, Utility]:
    """Those with most samples, as many as a report shows."""
    ranked = sorted(parts.items(), key=lambda item: (-item[1].samples, item[0]))
    return dict(ranked[:STRATA_CAP])


def rocs(networks: Mapping[str, Said], *, confidence: float) -> list[Roc]:
    """The loss attack on every network, against validation samples."""
    return [
        Roc(name, roc(-said["forget"].losses, -said["validation"].losses, confidence=confidence))
        for name, said in networks.items()
    ]


def distributions(networks: Mapping[str, Said]) -> list[Distribution]:
    """Every network on every set."""
    return [
        Distribution(name, samples, _quantiles(signals.losses), _quantiles(np.exp(-signals.losses)))
        for name, said in networks.items()
        for samples, signals in said.items()
    ]


def _quantiles(values: Floats) -> list[float]:
    return rounded(levels(values))
