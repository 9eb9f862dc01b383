"""The rows of a page's tables, out of a report's records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.law import Law
from app.reports.answers import NOT_RECORDED
from app.reports.intervals import Interval
from app.reports.measured import (
    AFTER,
    BEFORE,
    REFERENCE,
    Audit,
    Decision,
    Utility,
)
from app.reports.period_report import PeriodReport
from app.reports.words import DECIDED_BY, HARDNESS, MANNERS, SETS, THRESHOLDS

Number = int | float | None


@dataclass(frozen=True)
class Held:
    """A number, and the threshold that it was held against; `origin`: where both come from."""

    label: str
    measured: Number
    allowed: Number
    origin: str


@dataclass(frozen=True)
class Served:
    """One set, or stratum: what each network is worth on it; None for one that was not there."""

    label: str
    before: Utility | None
    after: Utility | None
    reference: Utility | None

    @property
    def samples(self) -> int:
        """How many there are; the same for each network."""
        return next(one.samples for one in (self.before, self.after, self.reference) if one)


@dataclass(frozen=True)
class Fallen:
    """By how much the new version's mean score on a set lies below that of others."""

    label: str
    before: Interval | None
    reference: Interval | None


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
    known = [name for name in DECIDED_BY if name in numbers]  # the database keeps no order
    named = {name: DECIDED_BY.get(name, (name, None)) for name in [*known, *sorted(numbers)]}
    used = {threshold for _, threshold in named.values()}
    return [
        Held(
            label,
            numbers[name],
            None if threshold is None else thresholds.get(threshold),
            origin(decision, name, threshold),
        )
        for name, (label, threshold) in named.items()
    ] + [
        Held(THRESHOLDS.get(name, name), None, value, origin(decision, None, name))
        for name, value in thresholds.items()
        if name not in used
    ]


def origin(decision: Decision, number: str | None, threshold: str | None) -> str:
    """Where a number and its threshold come from, as far as the record says."""
    told = (
        decision.sources.get("numbers", {}).get(number or ""),
        decision.sources.get("thresholds", {}).get(threshold or ""),
    )
    return " / ".join(dict.fromkeys(filter(None, told)))


def hardness(record: Mapping[str, Any]) -> list[tuple[str, Number, str]]:
    """What was measured, as far as this record has it, and how to read it."""
    found = [(label, at(record, path), meaning) for path, (label, meaning) in HARDNESS.items()]
    return [row for row in found if row[1] is not None]


def at(record: Mapping[str, Any], path: str) -> Number:
    """The number at a path such as `deficit.mean`."""
    outer, inner = path.split(".")
    return (record.get(outer) or {}).get(inner)


def served(audit: Audit) -> list[Served]:
    """Utility of every network on every set."""
    return [served_by(audit, label, name) for name, label in SETS.items() if name in audit.samples]


def served_strata(audit: Audit) -> list[Served]:
    """The same on the strata that the audit looked into."""
    parts = dict.fromkeys(
        (one.samples, one.stratum) for one in audit.utility if one.stratum is not None
    )
    return [
        served_by(audit, f"{SETS[name]}, stratum {stratum}", name, stratum)
        for name, stratum in parts
    ]


def served_groups(audit: Audit) -> list[Served]:
    """The same on the subgroups of people that the recipe names."""
    parts = dict.fromkeys(
        (one.samples, one.group) for one in audit.utility if one.group is not None
    )
    return [served_by(audit, f"{SETS[name]}, {group}", name, group=group) for name, group in parts]


def served_by(
    audit: Audit, label: str, name: str, stratum: int | None = None, group: str | None = None
) -> Served:
    utility = {
        one.network: one.utility
        for one in audit.utility
        if (one.samples, one.stratum, one.group) == (name, stratum, group)
    }
    return Served(label, *(utility.get(network) for network in (BEFORE, AFTER, REFERENCE)))


def fallen(audit: Audit) -> list[Fallen]:
    """The change on each set that the model should go on serving."""
    by_place = {(one.samples, one.against): one.drop for one in audit.changes}
    return [
        Fallen(label, by_place.get((name, BEFORE)), by_place.get((name, REFERENCE)))
        for name, label in SETS.items()
        if any(one.samples == name for one in audit.changes)
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


COUNTS = {
    "open when the period began": "open_before",
    "received": "received",
    "complied with, in whole or in part": "complied",
    "… by every model concerned": "complied_whole",
    "… by some of the models concerned": "complied_part",
    "… nothing to do: no model was trained on the samples": "no_data",
    "denied": "denied",
    "taken back by whoever asked": "withdrawn",
    "open at the end": "open_after",
}
TIMES = {
    "answered": "answered",
    "days to the answer, median": "median_days",
    "days to the answer, mean": "mean_days",
    "answered late": "late",
    "extended in the period": "extended",
    "overdue at the end, open and past the due date": "overdue",
}


def counts(report: PeriodReport) -> list[tuple[str, list[Number]]]:
    """What came in, what ended, and what is open: in all, then under each law."""
    columns = [report.requests, *(report.laws[law].requests for law in Law)]
    return [(label, [getattr(one, name) for one in columns]) for label, name in COUNTS.items()]


def times(report: PeriodReport) -> list[tuple[str, list[Number]]]:
    """How long answers took: in all, then under each law."""
    columns = [report.timeliness, *(report.laws[law].timeliness for law in Law)]
    return [(label, [getattr(one, name) for one in columns]) for label, name in TIMES.items()]


def manners(report: PeriodReport) -> list[tuple[str, int]]:
    """How requests were made, as far as that was said."""
    told = [(words, report.manners[manner]) for manner, words in MANNERS.items()]
    return [*told, ("not recorded", report.manners[NOT_RECORDED])]
