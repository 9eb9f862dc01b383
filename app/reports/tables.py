"""The rows of a page's tables, out of a report's records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.reports.measured import (
    AFTER,
    BEFORE,
    REFERENCE,
    Audit,
    Decision,
    Interval,
    Utility,
)
from app.reports.words import DECIDED_BY, HARDNESS, SETS, THRESHOLDS

Number = int | float | None


@dataclass(frozen=True)
class Held:
    """A number, and the threshold that it was held against."""

    label: str
    measured: Number
    allowed: Number


@dataclass(frozen=True)
class Served:
    """One set of samples: what each network is worth on it; None for a network that is not there."""

    label: str
    samples: int
    before: Utility | None
    after: Utility | None
    reference: Utility | None


@dataclass(frozen=True)
class Aucs:
    """One attack against one set of unseen samples, on each network."""

    attack: str
    unseen: str
    before: Interval | None
    after: Interval | None
    reference: Interval | None


def decided_by(decision: Decision) -> list[Held]:
    """Every number of the decision, then the thresholds that belong to none of them."""
    numbers, thresholds = decision.numbers, decision.thresholds
    named = {name: DECIDED_BY.get(name, (name, None)) for name in numbers}
    used = {threshold for _, threshold in named.values()}
    return [
        Held(label, numbers[name], None if threshold is None else thresholds.get(threshold))
        for name, (label, threshold) in named.items()
    ] + [
        Held(THRESHOLDS.get(name, name), None, value)
        for name, value in thresholds.items()
        if name not in used
    ]


def hardness(record: Mapping[str, Any]) -> list[tuple[str, Number]]:
    """What was measured, as far as this record has it."""
    found = [(label, at(record, path)) for path, label in HARDNESS.items()]
    return [(label, value) for label, value in found if value is not None]


def at(record: Mapping[str, Any], path: str) -> Number:
    """The number at a path such as `deficit.mean`."""
    outer, inner = path.split(".")
    return (record.get(outer) or {}).get(inner)


def served(audit: Audit) -> list[Served]:
    """Utility of every network on every set."""
    by_place = {(one.samples, one.network): one.utility for one in audit.utility}
    return [
        Served(
            label,
            audit.samples[name],
            *(by_place.get((name, network)) for network in (BEFORE, AFTER, REFERENCE)),
        )
        for name, label in SETS.items()
        if name in audit.samples
    ]


def aucs(audit: Audit) -> list[Aucs]:
    """Every attack's AUC on every network."""
    by_place = {(one.attack, one.unseen, one.network): one.auc for one in audit.attacks}
    return [
        Aucs(
            attack,
            SETS[unseen],
            *(by_place.get((attack, unseen, network)) for network in (BEFORE, AFTER, REFERENCE)),
        )
        for attack, unseen in dict.fromkeys((one.attack, one.unseen) for one in audit.attacks)
    ]
