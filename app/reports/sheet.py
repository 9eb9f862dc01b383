"""A report as one tidy table for spreadsheets and statistics: each number of its JSON, once.

It is made from the JSON's own bytes, so a number is written in both with the same digits.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from typing import Any

from app.reports.document import Document

COLUMNS = ("section", "measure", "set", "network", "estimate", "low", "high", "unit")
INTERVAL = {"estimate", "low", "high"}
# Members that say which of several things is meant, and the column in which they stand.
NAMES_SET = ("samples", "unseen", "model")
NAMES_NETWORK = ("network", "against")
NAMES_MEASURE = ("attack",)
NAMED = (NAMES_SET, NAMES_NETWORK, NAMES_MEASURE)
# What a number's name says about its unit; the first pattern that fits.
UNITS = (
    (r"^costs\.(?!share)|seconds|cost_", "s"),
    (r"(^|[._])days$", "d"),
    (r"\bauc$|leak|share|score|drop", "1"),
    (r"(^|\.)(samples|forget|retain|audited|training_set_size|\w+_samples|\w+_passes)$", "samples"),
)
FORMULA = re.compile(r"[=+@\t\r-]")


class Digits(str):
    """A number exactly as the JSON writes it; read as a float, some come back otherwise."""

    __slots__ = ()


@dataclass(frozen=True)
class Place:
    """Where in the report a number stands, and of what it is."""

    path: tuple[str, ...] = ()
    of: str = ""
    network: str = ""

    def inside(self, *names: str) -> "Place":
        return replace(self, path=(*self.path, *names))


@dataclass(frozen=True)
class Line:
    """One number; an interval has three."""

    section: str
    measure: str
    of: str
    network: str
    estimate: str
    low: str
    high: str
    unit: str


def sheet(told: Document) -> str:
    """The table as CSV (RFC 4180); its first line names the JSON by its SHA-256."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerow(("report", f"sha256:{told.sha256}", "", "", "", "", "", ""))
    report = json.loads(told.content, parse_float=Digits, parse_int=Digits)
    for line in lines(report, Place()):
        writer.writerow(no_formula(cell) for cell in astuple(line))
    return file.getvalue()


def lines(value: Any, place: Place) -> Iterator[Line]:
    """Every number in a part of the report; texts, dates and truth values are left out."""
    match value:
        case Digits():
            yield line(place, value)
        case bool() | None | str():
            return
        case list():
            for index, each in enumerate(value):
                yield from lines(each, listed(each, index, place))
        case dict() if value.keys() == INTERVAL:
            yield line(place, value["estimate"], value["low"], value["high"])
        case dict():
            place = specified(value, place)
            for name, each in value.items():
                if name != "stratum":  # told by the set already
                    yield from lines(each, place.inside(name))


def listed(each: Any, index: int, place: Place) -> Place:
    """One of several: known by its names where it has any, else by its number."""
    named = isinstance(each, dict) and (
        each.get("stratum") is not None or any(name_in(each, names) for names in NAMED)
    )
    return place if named else place.inside(str(index))


def specified(record: dict[str, Any], place: Place) -> Place:
    """The same place, with what the record says of itself."""
    of, stratum = name_in(record, NAMES_SET), record.get("stratum")
    if stratum is not None:
        of = f"{of or place.of}, stratum {stratum}"
    measure = name_in(record, NAMES_MEASURE)
    return replace(
        place.inside(measure) if measure else place,
        of=of or place.of,
        network=name_in(record, NAMES_NETWORK) or place.network,
    )


def name_in(record: dict[str, Any], names: tuple[str, ...]) -> str:
    found = (record.get(name) for name in names)
    return next((name for name in found if type(name) is str), "")  # digits are no name


def line(place: Place, estimate: str, low: str = "", high: str = "") -> Line:
    section, *measure = place.path
    return Line(
        section=section,
        measure=".".join(measure),
        of=place.of,
        network=place.network,
        estimate=estimate,
        low=low,
        high=high,
        unit=unit_of(".".join(place.path)),
    )


def unit_of(name: str) -> str:
    """Seconds, days, 1 for what lies between 0 and 1 or is a difference of such; else nothing."""
    return next((unit for pattern, unit in UNITS if re.search(pattern, name)), "")


def no_formula(cell: str) -> str:
    """A text that a spreadsheet would run as a formula gets an apostrophe; a number stays."""
    return f"'{cell}" if FORMULA.match(cell) and not isinstance(cell, Digits) else cell
