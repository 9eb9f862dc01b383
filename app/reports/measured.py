"""What workers wrote on a job as plain JSON, read back as values; the shapes are those of models/.

The API process has no torch, so it cannot import them; tests/reports hold the two side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter

from app.reports.canaries import Canaries
from app.reports.curves import Band, Records, Roc
from app.reports.exposure import Neighbours
from app.reports.intervals import Interval

# As models/auditing names the networks and the sets of samples that it looks at.
BEFORE, AFTER, REFERENCE = "parent", "served", "reference"
FORGOTTEN, RETAINED, VALIDATION, UNSEEN = "forget", "retain", "validation", "test"
KNOWN_ATTACKS = (
    *("loss", "spread", "calibrated"),  # decide; the others inform
    *("entropy", "margin", "tree", "rmia", "lira", "tokens", "min_k"),
)


@dataclass(frozen=True)
class Attacked:
    """One attack on one network: how well it tells forgotten samples from unseen ones."""

    attack: str
    """What the attack looks at, such as loss or spread."""
    network: str
    """Which network was attacked: parent, served, reference."""
    unseen: str
    """The set of unseen samples: validation, test."""
    auc: Interval
    """Area under the ROC curve; 0.5 is no better than chance."""


@dataclass(frozen=True)
class Utility:
    """How well a set of samples is served."""

    samples: int
    """How many there are."""
    score: Interval
    """Mean score, 0 to 1."""
    loss: Interval
    """Mean loss."""


@dataclass(frozen=True)
class Measured:
    """What one network is worth on one set, or on one stratum or subgroup of it."""

    network: str
    """Which network: parent, served, reference."""
    samples: str
    """Which set: forget, retain, validation, test."""
    stratum: int | None
    """The class, for a part of the set; null for the whole."""
    utility: Utility
    """What was measured."""
    group: str | None = None
    """The subgroup of people, where the recipe names any; null for the whole."""


@dataclass(frozen=True)
class StratumDrop:
    """By how much the mean score of one stratum fell."""

    stratum: int
    """The class."""
    samples: int
    """How many samples it has."""
    drop: Interval
    """Mean score before less mean score after."""


@dataclass(frozen=True)
class Change:
    """By how much the new network's mean score on a set lies below another network's."""

    samples: str
    """Which set: retain, validation, test."""
    against: str
    """The other network: parent, reference."""
    drop: Interval
    """The other's mean score less the new one's."""
    worst_strata: tuple[StratumDrop, ...]
    """The classes that lost most."""


@dataclass(frozen=True)
class Distribution:
    """One network's losses and confidences on one set."""

    network: str
    """Which network: parent, served, reference."""
    samples: str
    """Which set: forget, retain, validation, test."""
    losses: tuple[float, ...]
    """Quantiles of its losses, evenly spaced from the least to the greatest."""
    confidences: tuple[float, ...]
    """Quantiles of its confidences, likewise."""


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
    """What had been run."""
    verdict: str
    """pass, escalate, inconclusive."""
    sentences: tuple[str, ...]
    """The verdict's reasons, in words."""
    numbers: Mapping[str, float]
    """By name: every number that the verdict rests on."""
    thresholds: Mapping[str, float]
    """By name: the limits that the numbers were held against."""
    movement: float | None
    """How far the weights moved, relative to their norm; null if nothing was run."""
    finite: bool
    """Whether every weight is a finite number."""
    samples: Mapping[str, int]
    """By set: how many samples were looked at."""
    references: int
    """How many networks that never saw the forgotten samples were compared with."""
    attacks: tuple[Attacked, ...]
    """Every attack on every network."""
    utility: tuple[Measured, ...]
    """Every network on every set, and on its classes."""
    changes: tuple[Change, ...]
    """The new network beside each other one."""
    distributions: tuple[Distribution, ...]
    """What the report's plots are drawn from."""
    seconds: float
    """How long the audit took, references left out."""
    reference_seconds: float | None = None
    """How long the references took to train; null without any."""
    rocs: tuple[Roc, ...] = ()
    """The loss attack's ROC curve on every network."""
    records: Records | None = None
    """What single records look like; null where no reference could be asked."""
    neighbours: Neighbours | None = None
    """What became of retained samples near the forgotten ones; null where they were too few."""
    band: Band | None = None
    """Where networks that never saw them have the forgotten; null where there was none."""
    destroyed: tuple[str, ...] = ()
    """SHA-256 of the weights of all references that were asked; nothing else of them stays."""
    canaries: Canaries | None = None
    """What the coins say of whoever rode along; null for audits from before there were any."""

    @property
    def whole_sets(self) -> tuple[Measured, ...]:
        """Utility on whole sets, their strata and subgroups left out."""
        return tuple(one for one in self.utility if one.stratum is None and one.group is None)

    @property
    def beside_retrain(self) -> bool:
        """Whether one of the networks that were scored is a retrained reference."""
        return any(one.network == REFERENCE for one in self.distributions)

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
    """The route, why, and every number and threshold that was looked at."""

    route: str
    """none, hamu, nabla_tau, rum, retrain."""
    reasons: tuple[str, ...]
    """Why, in words."""
    numbers: Mapping[str, float | None]
    """By name: what was measured or predicted; null for what could not be."""
    thresholds: Mapping[str, float]
    """By name: the limits that the numbers were held against."""
    retrain_seconds: float
    """How long a retrain was predicted to take."""
    escalated_from: str | None = None
    """The route that was decided first, where the job was retrained after all."""
    advice: str | None = None
    """Whether references would pay, where there are none."""
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of `numbers` and `thresholds`, by name: where each is from, such as calibration."""


@dataclass(frozen=True)
class Trace:
    """How a run went: why it stopped, and what it cost."""

    stop: str
    """Why it stopped."""
    steps: int
    """Steps of the optimiser."""
    sample_passes: int
    """Samples that went through a network, each time counted."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing."""


@dataclass(frozen=True)
class Overruled:
    """The audit of a run that was not published."""

    verdict: str
    """escalate, inconclusive."""
    sentences: tuple[str, ...]
    """The verdict's reasons, in words."""
    numbers: Mapping[str, float]
    """By name: every number that the verdict rests on."""
    seconds: float
    """How long that audit took, references left out."""
    reference_seconds: float | None = None
    """How long the references took to train; null without any."""
    destroyed: tuple[str, ...] = ()
    """SHA-256 of the weights of all references that it asked."""


@dataclass(frozen=True)
class Run:
    """What was run."""

    route: str
    """hamu, nabla_tau, rum, retrain."""
    weights_digest: str
    """SHA-256 of the safetensors file that it made."""
    seconds: float
    """How long it took."""
    movement: float
    """‖θ' - θ‖ / ‖θ‖ over the parameters: how far they moved."""
    trace: Trace
    """How it went."""
    audit: Overruled | None = None
    """Of a run that was sent back: why."""


@dataclass(frozen=True)
class Training:
    """How a model's first version was trained."""

    weights_digest: str
    """SHA-256 of the safetensors file that it made."""
    train_seconds: float
    """How long it took."""
    train_samples: int
    """How many samples it was trained on."""
    scores: Mapping[str, float]
    """By set: the mean score, 0 to 1."""


@dataclass(frozen=True)
class Failure:
    """Why the last attempt failed."""

    code: str
    """What went wrong, in a word."""
    detail: str
    """The same in words, and what to do about it where that is known."""


Kind = TypeVar("Kind")


def read(kind: type[Kind], stored: Mapping[str, Any] | None) -> Kind | None:
    """A part of a job's record; None where the job has not come so far."""
    return None if stored is None else TypeAdapter(kind).validate_python(stored)
