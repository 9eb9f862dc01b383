"""What workers wrote on a job as plain JSON, read back as values; the shapes are those of models/.

The API process has no torch, so it cannot import them; tests/reports hold the two side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

# As models/auditing names the networks and the sets of samples that it looks at.
BEFORE, AFTER, REFERENCE = "parent", "served", "reference"
FORGOTTEN, RETAINED, VALIDATION, UNSEEN = "forget", "retain", "validation", "test"
KNOWN_ATTACKS = ("loss", "spread", "calibrated")


@dataclass(frozen=True)
class Interval:
    """An estimate, and the values that the data do not speak against."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Attacked:
    """One attack on one network: how well it tells forgotten samples from unseen ones (AUC)."""

    attack: str
    network: str
    unseen: str
    auc: Interval


@dataclass(frozen=True)
class Utility:
    """How well a set of samples is served: mean score, 0 to 1, and mean loss."""

    samples: int
    score: Interval
    loss: Interval


@dataclass(frozen=True)
class Measured:
    """What one network is worth on one set, or on one stratum of it."""

    network: str
    samples: str
    stratum: int | None
    utility: Utility


@dataclass(frozen=True)
class StratumDrop:
    """By how much the mean score of one stratum fell."""

    stratum: int
    samples: int
    drop: Interval


@dataclass(frozen=True)
class Change:
    """By how much the new network's mean score on a set lies below another network's."""

    samples: str
    against: str
    drop: Interval
    worst_strata: tuple[StratumDrop, ...]


@dataclass(frozen=True)
class Distribution:
    """One network's losses and confidences on one set, as evenly spaced quantiles from 0 to 1."""

    network: str
    samples: str
    losses: tuple[float, ...]
    confidences: tuple[float, ...]


@dataclass(frozen=True)
class Leak:
    """How far an attack's AUC lies from what it is on networks that never saw the samples.

    `after` is judged against ±`margin`; `detectable`: the least leak that would have been seen.
    """

    attack: str
    before: float
    after: Interval
    margin: float
    detectable: float


@dataclass(frozen=True)
class Audit:
    """The attack on the new version: verdict, sentences, and every number they rest on."""

    route: str
    verdict: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, float]
    thresholds: Mapping[str, float]
    movement: float | None
    finite: bool
    samples: Mapping[str, int]
    references: int
    attacks: tuple[Attacked, ...]
    utility: tuple[Measured, ...]
    changes: tuple[Change, ...]
    distributions: tuple[Distribution, ...]
    seconds: float
    reference_seconds: float | None = None

    @property
    def whole_sets(self) -> tuple[Measured, ...]:
        """Utility on whole sets, their strata left out."""
        return tuple(one for one in self.utility if one.stratum is None)

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What was judged, attack by attack."""
        names = {name.removesuffix(".leak") for name in self.numbers if name.endswith(".leak")}
        return tuple(self._leak(name) for name in sorted(names, key=place_of))

    def _leak(self, name: str) -> Leak:
        estimate, low, high, before, margin, detectable = (
            self.numbers[f"{name}.{part}"]
            for part in ("leak", "low", "high", "before", "margin", "detectable")
        )
        return Leak(name, before, Interval(estimate, low, high), margin, detectable)


def place_of(attack: str) -> tuple[int, str]:
    """Known attacks in their order, others after them: the database keeps no order."""
    return (KNOWN_ATTACKS.index(attack) if attack in KNOWN_ATTACKS else len(KNOWN_ATTACKS), attack)


@dataclass(frozen=True)
class Decision:
    """The route, why, and every number and threshold that was looked at.

    `escalated_from`: the route that was decided first, where the job was retrained after all.
    """

    route: str
    reasons: tuple[str, ...]
    numbers: Mapping[str, float | None]
    thresholds: Mapping[str, float]
    retrain_seconds: float
    escalated_from: str | None = None


@dataclass(frozen=True)
class Trace:
    """How a run went: why it stopped, and what it cost."""

    stop: str
    steps: int
    sample_passes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overruled:
    """The audit of a run that was not published."""

    verdict: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Run:
    """What was run; `movement` is ‖θ' - θ‖ / ‖θ‖ over the parameters.

    `audit`: on a run that was sent back, why.
    """

    route: str
    weights_digest: str
    seconds: float
    movement: float
    trace: Trace
    audit: Overruled | None = None


@dataclass(frozen=True)
class Training:
    """How a model's first version was trained, and its mean score on each set."""

    weights_digest: str
    train_seconds: float
    train_samples: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Failure:
    """Why the last attempt failed."""

    code: str
    detail: str


Kind = TypeVar("Kind")


def read(kind: type[Kind], stored: Mapping[str, Any] | None) -> Kind | None:
    """A part of a job's record; None where the job has not come so far."""
    return None if stored is None else TypeAdapter(kind).validate_python(stored)
