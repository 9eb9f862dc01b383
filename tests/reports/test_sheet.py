import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.evidence.canonical import canonical
from app.ledger.tables import Job
from app.reports.document import Document, document
from app.reports.job_report import job_report
from app.reports.request_report import request_report
from app.reports.sheet import COLUMNS, sheet
from tests import factories
from tests.reports import stages

NUMBERS = ("estimate", "low", "high")


def told_of(session: Session, job: Job) -> Document:
    session.flush()
    session.expire_all()
    return document(job_report(session, job.id))


def rows_of(told: Document) -> list[dict[str, str]]:
    """The lines of the table, without the one that names the JSON."""
    return list(csv.DictReader(io.StringIO(sheet(told))))[1:]


def numbers_in(value: Any) -> Iterator[float]:
    """Every number of a JSON value; a stratum's number is a name."""
    match value:
        case bool() | str() | None:
            return
        case dict():
            for name, each in value.items():
                if name != "stratum":
                    yield from numbers_in(each)
        case list():
            for each in value:
                yield from numbers_in(each)
        case _:
            yield value


@pytest.mark.parametrize("stage", [stages.succeeded, stages.untouched, stages.trained])
def test_the_table_has_every_number_of_the_json_once_and_no_other(
    session: Session, stage: Callable[[Session], Job]
) -> None:
    told = told_of(session, stage(session))

    cells = [row[name] for row in rows_of(told) for name in NUMBERS if row[name]]

    assert Counter(map(float, cells)) == Counter(map(float, numbers_in(json.loads(told.content))))


def test_no_two_lines_are_about_the_same_thing(session: Session) -> None:
    told = told_of(session, stages.succeeded(session))

    keys = [(r["section"], r["measure"], r["set"], r["network"]) for r in rows_of(told)]

    assert [key for key, times in Counter(keys).items() if times > 1] == []


def test_an_interval_is_one_line_with_its_set_and_its_network(session: Session) -> None:
    told = told_of(session, stages.succeeded(session))

    rows = rows_of(told)

    attack = json.loads(told.content)["audit"]["attacks"][0]
    written = {name: canonical(attack["auc"][name]).decode() for name in NUMBERS}
    assert {
        "section": "audit",
        "measure": f"attacks.{attack['attack']}.auc",
        "set": attack["unseen"],
        "network": attack["network"],
        "unit": "1",
        **written,
    } in rows


def test_costs_are_in_seconds_and_their_share_is_not(session: Session) -> None:
    rows = rows_of(told_of(session, stages.succeeded(session)))

    units = {row["measure"]: row["unit"] for row in rows if row["section"] == "costs"}

    assert units.pop("share") == "1"
    assert set(units.values()) == {"s"}


def test_the_first_line_names_the_json(session: Session) -> None:
    told = told_of(session, stages.queued(session))

    head, first, *_ = csv.reader(io.StringIO(sheet(told)))

    assert tuple(head) == COLUMNS
    assert first == ["report", f"sha256:{told.sha256}", *[""] * 6]


def test_a_requests_numbers_are_told_by_model(session: Session) -> None:
    stages.succeeded(session, "ada")
    request = factories.make_request(session, "ben")
    session.flush()
    session.expire_all()

    rows = rows_of(document(request_report(session, request.id)))

    (found,) = [row for row in rows if (row["section"], row["measure"]) == ("outcomes", "samples")]
    assert (found["set"], found["estimate"], found["unit"]) == ("faces", "2", "samples")


NAMES = st.text(min_size=1).filter(lambda name: name not in ("estimate", "stratum"))


@given(NAMES, st.floats(allow_nan=False, allow_infinity=False))
def test_no_cell_is_a_formula_and_every_number_is_read_back(name: str, number: float) -> None:
    told = Document(canonical({"audit": {name: number}}))

    (row,) = csv.reader(io.StringIO(sheet(told).partition("\r\n")[2].partition("\r\n")[2]))

    assert float(row[4]) == number
    assert not row[1].startswith(("=", "+", "-", "@", "\t", "\r"))
